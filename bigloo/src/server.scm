;; server.scm: sockets that listen, and the server's side of STARTTLS.
(directives
   (extern
      (export %accept-failed "bglssl_scheme_accept_failed")
      (macro $tls-make-server-socket::obj (::void* ::obj ::obj ::int ::int ::int ::int ::long ::bool ::bool ::long ::obj ::obj ::obj)
             "bglssl_make_server_socket")
      (macro $tls-role-server::int "BGLSSL_ROLE_SERVER"))
   (export
      ;; The port comes first, or as :port. Bigloo 4.4 says :ipv6 #t for :domain 'inet6.
      (make-ssl-server-socket . arguments)
      (server-socket-use-ssl! ::socket
         #!key
         (protocol 'sslv23)
         (cert #f) (pkey #f)
         (CAs '()) (accepted-certs #f)
         (verify #unspecified) (alpn #f)
         (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (handshake-timeout #f) (lazy-handshake #f)
         (truncation #unspecified)
         (close-timeout 2000000)
         (identities '()) (hosts '()) (unknown-host 'default) (config #f)
         #!rest further)
      (%accept-failed::obj ::obj ::obj)))

(define (make-ssl-server-socket . arguments)
   (if (or (null? arguments) (keyword? (car arguments)))
       (apply listen arguments)
       (apply listen :port arguments)))

;; In microseconds. Of datagrams some may be lost, and what is lost is sent again after a
;; second, then two, four ...
(define (default-handshake-timeout::long proc::symbol protocol)
   (if (=fx (protocol->int proc protocol) $tls-dtlsv1) 60000000 10000000))

;; Why a trace would tell nothing.
(define *handshake-put-off* "lazy-handshake puts the handshake off")

(define (datagrams-only proc::symbol protocol)
   (and (=fx (protocol->int proc protocol) $tls-dtlsv1)
        "the handshakes of datagrams happen in the library's own thread"))

;; The kernel takes less than that.
(define *most-backlog* 65535)

(define (listen #!key (port 0) (name #f) (protocol 'sslv23)
           (cert #f) (pkey #f)
           (CAs '()) (accepted-certs #f)
           (backlog 5) (domain 'inet) (ipv6 #f) (mode 0)
           (verify #unspecified) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (handshake-timeout #f) (lazy-handshake #f)
           (accept-failure 'raise) (choose #f) (truncation #unspecified)
         (close-timeout 2000000)
           (identities '()) (hosts '()) (unknown-host 'default) (config #f)
           #!rest further)
   (let ((proc (without-settings (without-proxy 'make-ssl-server-socket further) config
                   :protocol protocol :cert cert :pkey pkey :CAs CAs
                   :accepted-certs accepted-certs :verify (given? verify) :alpn alpn :min-protocol min-protocol
                   :max-protocol max-protocol :ciphers ciphers :groups groups
                   :identities identities :hosts hosts :unknown-host unknown-host)))
      (unless (and (fixnum? port) (fixnum? backlog))
         (error proc "the port and the backlog must be integers" (list port backlog)))
      (unless (or (memq accept-failure '(raise skip))
                  (and (procedure? accept-failure) (correct-arity? accept-failure 1)))
         (error proc "accept-failure must be raise, skip or a procedure of one argument"
            accept-failure))
      (let* ((family (domain->int proc (if ipv6 'inet6 domain) '(inet inet6 unix local)))
             (unix (=fx family $tls-af-unix))
             (host (cond
                      (unix (unix-name proc name))
                      (name (c-string proc "the name" name))
                      (else #f)))
             (where (if unix host (address (or host "*") port)))
             (raises (raises-truncation? proc truncation (verify-beside config (verify-for further verify)) #f))
             (protocol (if (isa? config ssl-config)
                           (with-access::ssl-config config (protocol) protocol)
                           protocol))
             (limit (handshake-limit proc handshake-timeout config (default-handshake-timeout proc protocol)))
             (lazy (or lazy-handshake choose))
             (trace (trace-of proc further config (cond
                                                     (lazy-handshake *handshake-put-off*)
                                                     (choose #f)
                                                     (else (datagrams-only proc protocol)))))
             (verifier (verifier-of proc further config lazy-handshake))
             (config (if config
                         (adapted proc protocol lazy (and handshake-timeout limit)
                            (given-config proc config 'server protocol further))
                         (make-config proc where #t protocol cert pkey CAs accepted-certs
                            verify #f alpn min-protocol max-protocol ciphers groups
                            ;; Else the handshakes of datagrams happen in the acceptor's thread.
                            #f limit (or lazy (not (=fx (protocol->int proc protocol) $tls-dtlsv1)))
                            further
                            identities hosts unknown-host))))
         (check-port proc where port 0)
         (let ((socket ($tls-make-server-socket config proc host port (minfx backlog *most-backlog*)
                          family (c-int proc "the mode" mode) limit
                          (and lazy-handshake #t) raises (check-close-timeout proc close-timeout)
                          (if (eq? accept-failure 'skip) #t accept-failure) (check-choose proc choose)
                          socket-closing)))
            (when trace
               ($tls-server-set-trace socket trace))
            (when verifier
               ($tls-server-set-verify-peer socket verifier))
            socket))))

;; A configuration for a server: one of datagrams, whose handshakes begin in the acceptor unless `lazy` puts them off, and
;; take no longer than `limit`, if that is given, is changed so.
(define (adapted proc protocol lazy limit box::void*)
   (if (and (or lazy limit) (=fx (protocol->int proc protocol) $tls-dtlsv1))
       (changed-config proc box
          (lambda (config::void*)
             (when limit
                (check proc limit ($tls-set-handshake-timeout config (fixnum->llong limit))))
             (if lazy
                 ($tls-set-lazy-handshake config #t)
                 0)))
       box))

;; What a connection that came to nothing does to the server; returning from here makes
;; socket-accept wait for the next one.
(define (%accept-failed policy condition)
   (cond
      ((procedure? policy) (policy condition))
      ((eq? policy 'raise) (raise condition))))

(define (server-socket-use-ssl! socket
           #!key
           (protocol 'sslv23)
           (cert #f) (pkey #f)
           (CAs '()) (accepted-certs #f)
           (verify #unspecified) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (handshake-timeout #f) (lazy-handshake #f) (truncation #unspecified)
         (close-timeout 2000000)
           (identities '()) (hosts '()) (unknown-host 'default) (config #f)
           #!rest further)
   (let* ((proc (without-settings (without-proxy 'server-socket-use-ssl! further) config
                   :protocol protocol :cert cert :pkey pkey :CAs CAs
                   :accepted-certs accepted-certs :verify (given? verify) :alpn alpn :min-protocol min-protocol
                   :max-protocol max-protocol :ciphers ciphers :groups groups
                   :identities identities :hosts hosts :unknown-host unknown-host))
          (raises (raises-truncation? proc truncation (verify-beside config (verify-for further verify)) #f))
          (where (switchable-socket proc socket))
          (limit (handshake-limit proc handshake-timeout config (default-handshake-timeout proc 'sslv23)))
          (given config)
          (config (if given
                      (given-config proc given 'server protocol further)
                      (make-config proc where #t protocol cert pkey CAs accepted-certs
                         verify #f alpn min-protocol max-protocol ciphers groups
                         #f limit #t further identities hosts unknown-host))))
      (switch-socket! proc socket config given $tls-role-server limit
         (and lazy-handshake #t) where raises (check-close-timeout proc close-timeout)
         (trace-of proc further given (and lazy-handshake *handshake-put-off*))
         (verifier-of proc further given lazy-handshake) #f)))
