;; hello.scm: what a client asks for, before the handshake: servers look at it, and choose a configuration or refuse.
(directives
   (extern
      (type $ssl-hello void* "void *")
      (export %admit "bglssl_scheme_admit")
      (macro $tls-connection-hello::void* (::obj) "bglssl_hello")
      (macro $tls-connection-set-config::int (::void* ::void*) "bgl_ssl_socket_set_config")
      (macro $tls-connection-refuse::int (::void* ::int) "bgl_ssl_socket_refuse")
      (macro $tls-hello-server-name::long (::void* ::string ::long) "bgl_ssl_hello_server_name")
      (macro $tls-hello-alpn-count::long (::void*) "bgl_ssl_hello_alpn_count")
      (macro $tls-hello-alpn::long (::void* ::long ::string ::long) "bgl_ssl_hello_alpn")
      (macro $tls-hello-psk-identity-count::long (::void*) "bgl_ssl_hello_psk_identity_count")
      (macro $tls-hello-psk-identity::long (::void* ::long ::string ::long)
             "bgl_ssl_hello_psk_identity")
      (macro $tls-hello-fingerprint::long (::void* ::string ::string ::long)
             "bgl_ssl_hello_fingerprint")
      (macro $tls-hello-numbers::obj (::void* ::int) "bglssl_hello_numbers")
      (macro $tls-complete-handshake::int (::obj) "bglssl_socket_handshake"))
   (export
      (class ssl-hello
         ($native::$ssl-hello read-only))
      (ssl-socket-hello::ssl-hello ::socket)
      (ssl-socket-config-set! ::socket ::ssl-config)
      (ssl-socket-refuse! ::socket #!optional (alert 112))
      (ssl-socket-handshake! ::socket)
      (ssl-hello-server-name ::ssl-hello)
      (ssl-hello-alpn::pair-nil ::ssl-hello)
      (ssl-hello-versions::pair-nil ::ssl-hello)
      (ssl-hello-ciphers::pair-nil ::ssl-hello)
      (ssl-hello-groups::pair-nil ::ssl-hello)
      (ssl-hello-signature-algorithms::pair-nil ::ssl-hello)
      (ssl-hello-psk-identities::pair-nil ::ssl-hello)
      (ssl-hello-ja4::bstring ::ssl-hello)
      (%admit::obj ::obj ::obj ::bool)))

;; ---- sockets of a server with :lazy-handshake #t, before the handshake ----

(define (ssl-socket-hello socket)
   (with-connection 'ssl-socket-hello socket handle
      (let ((hello ($tls-connection-hello socket)))
         (when ($tls-null? hello)
            ($tls-raise 'ssl-socket-hello socket))
         (instantiate::ssl-hello ($native hello)))))

(define (ssl-socket-config-set! socket config)
   (let* ((proc 'ssl-socket-config-set!)
          (box::void* (given-config proc config 'server #f)))
      (with-connection proc socket handle
         (check proc socket ($tls-connection-set-config handle ($tls-unbox box))))
      ($tls-keep-box box)
      socket))

;; With the alert unrecognized_name (112), say, or access_denied (49). Then the socket is to be closed.
(define (ssl-socket-refuse! socket #!optional (alert 112))
   (with-connection 'ssl-socket-refuse! socket handle
      (check 'ssl-socket-refuse! socket
         ($tls-connection-refuse handle (c-int 'ssl-socket-refuse! "the alert" alert))))
   socket)

(define-macro (with-hello hello handle . body)
   `(with-access::ssl-hello ,hello ($native)
       (let* ((,(symbol-append handle '::void*) ($tls-unbox $native))
              (result (begin ,@body)))
          ($tls-keep-box $native)
          result)))

(define (ssl-hello-server-name hello)
   (with-hello hello handle
      (text-or-false (c-text $tls-hello-server-name handle))))

(define (ssl-hello-alpn hello)
   (with-hello hello handle
      (let loop ((i (-fx ($tls-hello-alpn-count handle) 1)) (names '()))
         (if (<fx i 0)
             names
             (loop (-fx i 1) (cons (c-text $tls-hello-alpn handle i) names))))))

;; What the client would resume by TLS 1.3, and keys that it has otherwise: strings of bytes.
(define (ssl-hello-psk-identities hello)
   (with-hello hello handle
      (let loop ((i (-fx ($tls-hello-psk-identity-count handle) 1)) (identities '()))
         (if (<fx i 0)
             identities
             (loop (-fx i 1) (cons (c-bytes $tls-hello-psk-identity handle i) identities))))))

(define (hello-numbers hello which::int)
   (with-hello hello handle
      ($tls-hello-numbers handle which)))

(define (ssl-hello-versions hello) (hello-numbers hello 0))
(define (ssl-hello-ciphers hello) (hello-numbers hello 1))
(define (ssl-hello-groups hello) (hello-numbers hello 2))
(define (ssl-hello-signature-algorithms hello)
   (hello-numbers hello 3))

(define (ssl-hello-ja4 hello)
   (with-hello hello handle
      (c-text $tls-hello-fingerprint handle "ja4")))

;; Completes the handshake now, and not with the first read or write.
(define (ssl-socket-handshake! socket)
   (with-connection 'ssl-socket-handshake! socket handle
      (check 'ssl-socket-handshake! socket ($tls-complete-handshake socket)))
   socket)

;; ---- :choose ----

(define (check-choose proc choose)
   (unless (or (not choose) (and (procedure? choose) (correct-arity? choose 1)))
      (error proc "choose must be a procedure of one argument, the hello" choose))
   choose)

;; Has the procedure of :choose look at the hello of a client, and completes the handshake unless it is `lazy`. #f, or the
;; condition that says why nothing came of the client. Called between OpenSSL's calls: the procedure may take the time that
;; the handshake has, raise or escape. Then, too, the connection is closed.
(define (%admit choose socket lazy)
   (let ((stays #f))
      (unwind-protect
         (let ((failure (or (attempt (lambda () (choose-config choose socket)))
                            (and (not lazy)
                                 (attempt (lambda () (ssl-socket-handshake! socket) #f))))))
            (set! stays (not failure))
            failure)
         (unless stays
            (attempt (lambda () (socket-close socket) #f))))))

;; The client's failures are its own; all else is the program's.
(define (attempt thunk)
   (with-handler
      (lambda (e) (if (isa? e &io-error) e (raise e)))
      (thunk)))

(define (choose-config choose socket)
   (let* ((hello (ssl-socket-hello socket))
          (choice (choose hello)))
      (cond
         ((not choice)
          (ssl-socket-refuse! socket)
          ;; It says that the program has refused the client.
          (ssl-socket-handshake! socket))
         ((isa? choice ssl-config)
          (ssl-socket-config-set! socket choice)
          #f)
         ((eq? choice #t)
          #f)
         (else
          (error 'socket-accept "choose must return a configuration, #t or #f" choice)))))
