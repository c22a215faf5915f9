;; resumption.scm: sessions that clients resume: by themselves, or given by the program, also from bytes.
(directives
   (extern
      (type $ssl-session void* "void *")
      (macro $tls-set-resume::int (::void* ::bool) "bgl_ssl_config_set_resume")
      (macro $tls-forget-sessions::void () "bgl_ssl_forget_sessions")
      (macro $tls-box-session::void* (::void*) "bglssl_box_session")
      (macro $tls-connection-session::void* (::void*) "bgl_ssl_socket_session")
      (macro $tls-connection-reused?::bool (::void*) "bgl_ssl_socket_session_reused")
      (macro $tls-session-export::long (::void* ::string ::long) "bgl_ssl_session_export")
      (macro $tls-session-import::void* (::void* ::string ::void* ::long) "bgl_ssl_session_import")
      (macro $tls-session-expiry::llong (::void*) "bgl_ssl_session_expiry"))
   (export
      (class ssl-session
         ($native::$ssl-session read-only))
      (ssl-socket-session ::socket)
      (ssl-socket-session-reused?::bool ::socket)
      (ssl-session->string::bstring ::ssl-session)
      (string->ssl-session::ssl-session ::bstring #!key (config #f) (host #f))
      (ssl-session-expiry::date ::ssl-session)
      (ssl-forget-sessions!)))

(define-macro (with-session session handle . body)
   `(with-access::ssl-session ,session ($native)
       (let* ((,(symbol-append handle '::void*) ($tls-unbox $native))
              (result (begin ,@body)))
          ($tls-keep-box $native)
          result)))

;; The session of a client's connection, for a later one; #f if there is none (yet): with TLS 1.3 it
;; comes with the first bytes that are read.
(define (ssl-socket-session socket)
   (with-connection 'ssl-socket-session socket handle
      (let ((session ($tls-connection-session handle)))
         (and (not ($tls-null? session))
              (instantiate::ssl-session ($native ($tls-box-session session)))))))

(define (ssl-socket-session-reused? socket)
   (with-connection 'ssl-socket-session-reused? socket handle
      ($tls-connection-reused? handle)))

;; Secret bytes, from which a later process resumes the session.
(define (ssl-session->string session)
   (let ((bytes (with-session session handle
                   (c-bytes $tls-session-export handle))))
      (if (string-null? bytes)
          ($tls-raise 'ssl-session->string session)
          bytes)))

(define (string->ssl-session str #!key (config #f) (host #f))
   (let* ((proc 'string->ssl-session)
          ;; The session is used with the configuration's procedure.
          (box::void* (given-config proc config 'client #f '()))
          (session ($tls-session-import ($tls-unbox box) (c-string proc "the host" host)
                      ($tls-at str 0) (string-length str))))
      ($tls-keep str)
      ($tls-keep-box box)
      (if ($tls-null? session)
          ($tls-raise proc host)
          (instantiate::ssl-session ($native ($tls-box-session session))))))

;; When it ends.
(define (ssl-session-expiry session)
   (with-session session handle
      (seconds->date (llong->elong ($tls-session-expiry handle)))))

;; Those that clients resume by themselves.
(define (ssl-forget-sessions!)
   ($tls-forget-sessions)
   #unspecified)

;; The box of the session that a maker was given; none for #f.
(define (given-session::void* proc session)
   (cond
      ((not session) $tls-null)
      ((isa? session ssl-session)
       (with-access::ssl-session session ($native) $native))
      (else (error proc "the session must be an ssl-session" session))))
