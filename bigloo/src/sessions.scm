;; sessions.scm: what carries the sessions of servers, how many there are and for how long, and the keys
;; of tickets.
(directives
   (extern
      (type $ssl-ticket-keys void* "void *")
      (macro $tls-set-sessions::int (::void* ::int) "bgl_ssl_config_set_sessions")
      (macro $tls-sessions-tickets::int "BGL_SSL_SESSIONS_TICKETS")
      (macro $tls-sessions-cache::int "BGL_SSL_SESSIONS_CACHE")
      (macro $tls-sessions-none::int "BGL_SSL_SESSIONS_NONE")
      (macro $tls-set-tickets::int (::void* ::int) "bgl_ssl_config_set_tickets")
      (macro $tls-set-session-lifetime::int (::void* ::llong) "bgl_ssl_config_set_session_lifetime")
      (macro $tls-set-session-cache::int (::void* ::long ::long) "bgl_ssl_config_set_session_cache")
      (macro $tls-set-session-id-context::int (::void* ::void* ::long)
             "bgl_ssl_config_set_session_id_context")
      (macro $tls-set-ticket-keys::int (::void* ::void*) "bgl_ssl_config_set_ticket_keys")
      (macro $tls-ticket-keys-new::void* (::llong) "bgl_ssl_ticket_keys_new")
      (macro $tls-ticket-keys-from-secret::void* (::void* ::long ::llong)
             "bgl_ssl_ticket_keys_from_secret")
      (macro $tls-ticket-keys-add::int (::void* ::void* ::long) "bgl_ssl_ticket_keys_add")
      (macro $tls-ticket-keys-add-file::int (::void* ::string) "bgl_ssl_ticket_keys_add_file")
      (macro $tls-box-ticket-keys::void* (::void*) "bglssl_box_ticket_keys"))
   (export
      (class ssl-ticket-keys
         ($native::$ssl-ticket-keys read-only))
      (make-ssl-ticket-keys::ssl-ticket-keys #!key (secret #f) (period 43200000000) (files '()))
      (ssl-ticket-keys-add! ::ssl-ticket-keys ::bstring)
      (ssl-ticket-keys-add-file! ::ssl-ticket-keys ::bstring)))

;; Random keys, or those of a secret that others have too; a period has one key, in microseconds. With
;; the keys of files of nginx or haproxy, the last of which encrypts.
(define (make-ssl-ticket-keys #!key (secret #f) (period 43200000000) (files '()))
   (let* ((proc 'make-ssl-ticket-keys)
          (time (microseconds proc "the period" period))
          (handle (cond
                     ((not secret)
                      ($tls-ticket-keys-new time))
                     ((string? secret)
                      (let ((bytes::bstring secret))
                         ($tls-ticket-keys-from-secret ($tls-at bytes 0) (string-length bytes) time)))
                     (else
                      (error proc "the secret must be a string of bytes" secret)))))
      ($tls-keep secret)
      (if ($tls-null? handle)
          ($tls-raise proc period)
          (let ((keys (instantiate::ssl-ticket-keys ($native ($tls-box-ticket-keys handle)))))
             (for-each (lambda (file) (add-key-file! proc keys file))
                (if (list? files) files (list files)))
             keys))))

(define-macro (with-ticket-keys keys handle . body)
   `(with-access::ssl-ticket-keys ,keys ($native)
       (let* ((,(symbol-append handle '::void*) ($tls-unbox $native))
              (result (begin ,@body)))
          ($tls-keep-box $native)
          result)))

(define (add-key-file! proc keys file)
   (with-ticket-keys keys handle
      (check proc file ($tls-ticket-keys-add-file handle (c-string proc "the file name" file)))))

;; A key of 48 or 80 bytes, as nginx has it, which encrypts from now on.
(define (ssl-ticket-keys-add! keys key)
   (with-ticket-keys keys handle
      (check 'ssl-ticket-keys-add! "a ticket key"
         ($tls-ticket-keys-add handle ($tls-at key 0) (string-length key))))
   ($tls-keep key)
   keys)

(define (ssl-ticket-keys-add-file! keys file)
   (add-key-file! 'ssl-ticket-keys-add-file! keys file)
   keys)

;; In a configuration, what the keywords of the list `further` ask for.
(define (set-sessions! proc config::void* further::pair-nil)
   (define (set #!key
              (sessions 'tickets) (tickets #f) (session-lifetime #f) (session-cache #f)
              (session-id-context #f) (ticket-keys #f) (resume #unspecified)
              #!rest others)
      (set-settings! proc config others)
      (check proc sessions
         ($tls-set-sessions config
            (case sessions
               ((tickets) $tls-sessions-tickets)
               ((cache) $tls-sessions-cache)
               ((#f) $tls-sessions-none)
               (else (error proc "the sessions must be tickets, cache or #f" sessions)))))
      (when tickets
         (check proc tickets ($tls-set-tickets config (small proc "the tickets" tickets))))
      (when session-lifetime
         (check proc session-lifetime
            ($tls-set-session-lifetime config
               (microseconds proc "the session-lifetime" session-lifetime))))
      (when session-cache
         (set-session-cache! proc config session-cache))
      (when session-id-context
         (let ((id::bstring (if (string? session-id-context)
                                session-id-context
                                (error proc "the session-id-context must be a string of bytes"
                                   session-id-context))))
            (check proc id
               ($tls-set-session-id-context config ($tls-at id 0) (string-length id)))
            ($tls-keep id)))
      (when (given? resume)
         (check proc resume ($tls-set-resume config (if resume #t #f))))
      (when ticket-keys
         (unless (isa? ticket-keys ssl-ticket-keys)
            (error proc "the ticket-keys must be ssl-ticket-keys" ticket-keys))
         (check proc ticket-keys
            (with-ticket-keys ticket-keys handle
               ($tls-set-ticket-keys config handle)))))
   (apply set further))

;; A list of the most sessions, and of the most bytes that they take.
(define (set-session-cache! proc config::void* limits)
   (unless (and (list? limits) (=fx (length limits) 2)
                (every (lambda (n) (and (fixnum? n) (>fx n 0))) limits))
      (error proc "the session-cache must be a list of a number of sessions and one of bytes" limits))
   (check proc limits ($tls-set-session-cache config (car limits) (cadr limits))))
