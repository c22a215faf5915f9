;; verification.scm: certificates verified without a connection, and the chains that connections have verified.
(directives
   (extern
      (macro $tls-certificate-verify::void* (::void* ::void* ::void* ::int ::void*)
             "bglssl_certificate_verify")
      (macro $tls-list-from-mem::void* (::string ::long) "bgl_ssl_certificate_list_from_mem")
      (macro $tls-purpose-any::int "BGL_SSL_PURPOSE_ANY")
      (macro $tls-purpose-server::int "BGL_SSL_PURPOSE_SERVER")
      (macro $tls-purpose-client::int "BGL_SSL_PURPOSE_CLIENT")
      (macro $tls-connection-verified-chain::void* (::void*) "bgl_ssl_socket_verified_chain"))
   (export
      (certificate-verify::pair-nil ::certificate
         #!key
         (intermediates '()) (purpose 'server) (hostname #f)
         (CAs '()) (accepted-certs #f) (config #f)
         #!rest further)
      (ssl-socket-verified-chain::pair-nil ::socket)))

;; The chain, the certificate first; raises where there is no good one. What is demanded is in `config`, or in the
;; other keywords.
(define (certificate-verify certificate
           #!key
           (intermediates '()) (purpose 'server) (hostname #f)
           (CAs '()) (accepted-certs #f) (config #f)
           #!rest further)
   (let* ((proc 'certificate-verify)
          (purpose (case purpose
                      ((any) $tls-purpose-any)
                      ((server) $tls-purpose-server)
                      ((client) $tls-purpose-client)
                      (else (error proc "the purpose must be any, server or client" purpose))))
          (given config)
          (terms::void* (if given
                            (demands-of proc given further)
                            (make-config proc certificate #f 'sslv23 #f #f CAs accepted-certs #t #f #f
                               #f #f #f #f #f 0 #t further)))
          (others (listed (certificate-list proc "list of intermediates" intermediates)))
          (chain (with-certificate certificate handle
                    ($tls-certificate-verify handle others ($tls-unbox terms) purpose
                       (if hostname
                           ($tls-at (c-string proc "the host name" hostname) 0)
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
