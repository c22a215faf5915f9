;; verification.scm: certificates verified without a connection, the chains that connections have verified, and what
;; the program itself says about peers.
(directives
   (extern
      (export %verify-peer "bglssl_scheme_verify_peer")
      (macro $tls-server-set-verify-peer::void (::obj ::obj) "bglssl_server_set_verify_peer")
      (macro $tls-certificate-verify::void* (::void* ::void* ::void* ::int ::void*)
             "bglssl_certificate_verify")
      (macro $tls-list-from-mem::void* (::string ::long) "bgl_ssl_certificate_list_from_mem")
      (macro $tls-purpose-any::int "BGL_SSL_PURPOSE_ANY")
      (macro $tls-purpose-server::int "BGL_SSL_PURPOSE_SERVER")
      (macro $tls-purpose-client::int "BGL_SSL_PURPOSE_CLIENT")
      (macro $tls-refused::int "BGL_SSL_E_VERIFY")
      (macro $tls-connection-verified-chain::void* (::void*) "bgl_ssl_socket_verified_chain"))
   (export
      (certificate-verify::pair-nil ::certificate
         #!key
         (intermediates '()) (purpose 'server) (hostname #f)
         (CAs '()) (accepted-certs #f) (config #f)
         #!rest further)
      (ssl-socket-verified-chain::pair-nil ::socket)
      (%verify-peer::obj ::obj ::obj)))

;; The chain, the certificate first; raises where there is no good one. What is demanded is in `config`, or in the
;; other keywords.
(define (certificate-verify certificate
           #!key
           (intermediates '()) (purpose 'server) (hostname #f)
           (CAs '()) (accepted-certs #f) (config #f)
           #!rest further)
   (let* ((proc (without-settings 'certificate-verify config :CAs CAs :accepted-certs accepted-certs))
          (purpose (case purpose
                      ((any) $tls-purpose-any)
                      ((server) $tls-purpose-server)
                      ((client) $tls-purpose-client)
                      (else (error proc "the purpose must be any, server or client" purpose))))
          (given config)
          (hostname (name-of proc given hostname))
          (terms::void* (if given
                            (demands-of proc given further)
                            (make-config proc certificate #f 'sslv23 #f #f CAs accepted-certs #t #f #f
                               #f #f #f #f #f 0 #t further)))
          (others (listed (certificate-list proc "list of intermediates" intermediates)))
          (chain (with-certificate certificate handle
                    ($tls-certificate-verify handle others ($tls-unbox terms) purpose
                       (if (string? hostname)
                           ($tls-at hostname 0)
                           $tls-null)))))
      ($tls-keep hostname)
      ($tls-keep-box terms)
      (release-config! given terms)
      (if ($tls-null? chain)
          ($tls-raise proc (certificate-subject certificate))
          (take-certificates chain))))

;; A C certificate list, or NULL.
(define (listed::void* certificates::pair-nil)
   (if (null? certificates)
       $tls-null
       (let ((pem (apply string-append (map certificate->pem certificates))))
          ($tls-list-from-mem pem (string-length pem)))))

(define (demands-of proc config further)
   (unless (isa? config ssl-config)
      (error proc "the configuration must be an ssl-config" config))
   (with-access::ssl-config config (role protocol)
      (given-config proc config role protocol further)))

;; The peer's chain that was verified, its own certificate first and the trusted one last; '() if none was.
(define (ssl-socket-verified-chain socket)
   (with-connection 'ssl-socket-verified-chain socket handle
      (let ((chain ($tls-connection-verified-chain handle)))
         (if ($tls-null? chain) '() (take-certificates chain)))))

;; ---- :verify-peer, of all makers ----

;; The procedure, among the further keywords or in the configuration; #f for none.
(define (verifier-of proc further::pair-nil config lazy)
   (let ((verifier (if (isa? config ssl-config)
                       (with-access::ssl-config config (verify-peer) verify-peer)
                       (further-value further :verify-peer))))
      (when (and verifier lazy)
         (error proc "verify-peer needs the handshake, which lazy-handshake puts off" verifier))
      verifier))

(define (check-verifier proc verifier)
   (when (and verifier (not (and (procedure? verifier) (correct-arity? verifier 3))))
      (error proc "verify-peer must be a procedure of three arguments" verifier)))

;; Where they would never be called.
(define (without-procedures proc config::ssl-config)
   (with-access::ssl-config config (verify-peer trace)
      (when verify-peer
         (error proc "a configuration with verify-peer is for the procedures that make sockets" config))
      (when trace
         (error proc "a configuration with trace is for the procedures that make sockets" config))
      config))

;; #f if the procedure accepts the peer of a new socket; else the socket is closed, and the value is the condition that
;; says so. The procedure is called between OpenSSL's calls: it may raise or escape, and then the socket is closed, too.
(define (refused-by verifier socket host proc where)
   (let ((accepted #f))
      (unwind-protect
         (begin
            (let ((verified (ssl-socket-verified-chain socket)))
               (set! accepted
                  (verifier (if (pair? verified) verified (ssl-socket-peer-chain socket))
                     (ssl-socket-verify-error socket)
                     host)))
            (and (not accepted)
                 (instantiate::&io-ssl-error
                    (proc proc)
                    (msg "the program has refused the peer's certificate")
                    (obj where)
                    (code $tls-refused)
                    (verify-result *refused-by-application*))))
         (unless accepted
            (attempt (lambda () (socket-close socket) #f))))))

;; X509_V_ERR_APPLICATION_VERIFICATION.
(define *refused-by-application* 50)

;; On a server that has accepted a client.
(define (%verify-peer verifier socket)
   (refused-by verifier socket (ssl-socket-server-name socket) 'socket-accept ($tls-peer-name socket)))

;; On a socket that was connected or switched.
(define (verify-peer! verifier socket host proc where)
   (let ((condition (and verifier (refused-by verifier socket host proc where))))
      (when condition
         (raise condition))))
