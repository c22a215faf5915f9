;; config.scm: configurations as objects, hosts with configurations of their own, and changes of
;; a server's while it serves.
(directives
   (extern
      (type $ssl-config void* "void *")
      (macro $tls-config-copy::void* (::void*) "bgl_ssl_config_copy")
      (macro $tls-add-host::int (::void* ::string ::void*) "bgl_ssl_config_add_host")
      (macro $tls-set-unknown-host::int (::void* ::int) "bgl_ssl_config_set_unknown_host")
      (macro $tls-unknown-host-default::int "BGL_SSL_UNKNOWN_HOST_DEFAULT")
      (macro $tls-unknown-host-refuse::int "BGL_SSL_UNKNOWN_HOST_REFUSE")
      (macro $tls-add-identity::int (::void* ::void*) "bgl_ssl_config_add_identity")
      (macro $tls-identity-from-files::void* (::string ::string ::void*)
             "bgl_ssl_identity_from_files")
      (macro $tls-identity-free::void (::void*) "bgl_ssl_identity_free")
      (macro $tls-server-handle::void* (::obj) "bglssl_server_handle")
      (macro $tls-server-set-config::int (::void* ::void*) "bgl_ssl_server_set_config")
      (macro $tls-server-reload::int (::void*) "bgl_ssl_server_reload")
      (macro $tls-connection-serves-host?::bool (::void* ::string) "bgl_ssl_socket_serves_host"))
   (export
      (class ssl-config
         ($native::$ssl-config read-only)
         (protocol::symbol read-only)
         (role::symbol read-only)
         (proxied::bool read-only (default #f))
         (trace read-only (default #f))
         (verify-peer read-only (default #f)))
      (make-ssl-config::ssl-config
         #!key
         (role 'server) (protocol 'sslv23)
         (cert #f) (pkey #f) (identities '())
         (CAs '()) (accepted-certs #f)
         (verify #unspecified) (hostname #f) (alpn #f)
         (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (handshake-timeout #f)
         (hosts '()) (unknown-host 'default)
         #!rest further)
      (ssl-server-socket-config-set! ::socket ::ssl-config)
      (ssl-server-socket-reload! ::socket)
      (ssl-socket-serves-host?::bool ::socket ::bstring)))

(define (make-ssl-config
           #!key
           (role 'server) (protocol 'sslv23)
           (cert #f) (pkey #f) (identities '())
           (CAs '()) (accepted-certs #f)
           (verify #unspecified) (hostname #f) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (handshake-timeout #f)
           (hosts '()) (unknown-host 'default)
           #!rest further)
   (let ((proc 'make-ssl-config))
      (unless (memq role '(server client))
         (error proc "the role must be server or client" role))
      (when (eq? role 'server)
         (without-proxy proc further))
      (let* ((limit (or handshake-timeout (default-handshake-timeout proc protocol)))
             (lazy (not (=fx (protocol->int proc protocol) $tls-dtlsv1)))
             (box (make-config proc protocol (eq? role 'server) protocol cert pkey CAs
                     accepted-certs verify hostname alpn min-protocol max-protocol ciphers
                     groups #f limit lazy further identities hosts unknown-host)))
         (instantiate::ssl-config
            ($native box)
            (protocol protocol)
            (role role)
            (proxied (asks-for-proxy? further))
            (trace (trace-of further #f))
            (verify-peer (verifier-of proc further #f #f))))))

;; The configuration that a maker was given, if it fits, and if nothing else belongs in one.
(define (given-config proc config role protocol #!optional (further #unspecified))
   (when (pair? further)
      (error proc "beside :config this keyword has no effect: it belongs in the configuration"
         (car further)))
   (unless (isa? config ssl-config)
      (error proc "the configuration must be an ssl-config" config))
   (with-access::ssl-config config ($native (its-role role) (its-protocol protocol))
      (unless (eq? its-role role)
         (error proc (format "the configuration is not a ~a's" role) config))
      ;; Makers look at the procedure; others would never call it.
      (unless (given? further)
         (without-verifier proc config))
      $native))

;; A copy of a configuration, changed.
(define (changed-config proc box::void* change::procedure)
   (let ((copy::void* ($tls-box-config ($tls-config-copy ($tls-unbox box)))))
      ($tls-keep-box box)
      (when ($tls-null? copy)
         ($tls-raise proc "a configuration"))
      (check proc "a configuration" (change ($tls-unbox copy)))
      (check proc "a configuration" ($tls-config-freeze ($tls-unbox copy)))
      copy))

;; Of a maker's configuration, which nothing else has: the collector need not find it.
(define (release-config! given box::void*)
   (unless given ($tls-box-release! box)))

;; Further certificates: each a list of a file with a chain and a file with a key.
(define (add-identities! proc config::void* identities)
   (for-each (lambda (files)
                (unless (and (list? files) (=fx (length files) 2))
                   (error proc "an identity must be a list of a certificate's and a key's file" files))
                (let ((identity ($tls-identity-from-files
                                   (c-string proc "the file name" (car files))
                                   (c-string proc "the file name" (cadr files))
                                   $tls-null)))
                   (when ($tls-null? identity)
                      ($tls-raise proc files))
                   (let ((status ($tls-add-identity config identity)))
                      ($tls-identity-free identity)
                      (check proc files status))))
      identities))

;; Hosts: (name :keyword value ...) or (name ssl-config).
(define (add-hosts! proc config::void* hosts unknown-host protocol lazy)
   (unless (list? hosts)
      (error proc "the hosts must be a list" hosts))
   (for-each (lambda (host)
                (unless (and (pair? host) (string? (car host)) (pair? (cdr host)))
                   (error proc "a host must be a list of its name and its configuration" host))
                (let* ((given (isa? (cadr host) ssl-config))
                       (box (if given
                                (given-config proc (cadr host) 'server protocol)
                                (apply host-config proc protocol lazy (cdr host)))))
                   (check proc (car host)
                      ($tls-add-host config (c-string proc "the host's name" (car host))
                         ($tls-unbox box)))
                   ($tls-keep-box box)
                   (release-config! given box)))
      hosts)
   (check proc unknown-host
      ($tls-set-unknown-host config
         (case unknown-host
            ((default) $tls-unknown-host-default)
            ((refuse) $tls-unknown-host-refuse)
            (else (error proc "unknown-host must be default or refuse" unknown-host))))))

(define (host-config proc protocol lazy
           #!key
           (cert #f) (pkey #f) (identities '())
           (CAs '()) (accepted-certs #f)
           (verify #unspecified) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           #!rest further)
   (when (memq :verify-peer further)
      (error proc "verify-peer is for the whole server: it is told the host" :verify-peer))
   (when (further-value further :trace)
      (error proc "trace is for the whole server" :trace))
   (make-config proc protocol #t protocol cert pkey CAs accepted-certs verify #f alpn
      min-protocol max-protocol ciphers groups #f (default-handshake-timeout proc protocol) lazy
      further identities))

;; ---- servers at work ----

(define-macro (with-server proc socket handle . body)
   `(let ((,(symbol-append handle (quote ::void*)) ($tls-server-handle ,socket)))
       (when ($tls-null? ,handle)
          (error ,proc "not an SSL server socket" ,socket))
       (let ((result (begin ,@body)))
          ($tls-keep ,socket)
          result)))

;; For the clients that are accepted from now on.
(define (ssl-server-socket-config-set! socket config)
   (let* ((proc 'ssl-server-socket-config-set!)
          (box::void* (given-config proc config 'server #f)))
      (with-server proc socket handle
         (check proc socket ($tls-server-set-config handle ($tls-unbox box))))
      ($tls-keep-box box)
      socket))

;; Reads the files of all certificates and keys again; raises, and changes nothing, if one cannot
;; be used.
(define (ssl-server-socket-reload! socket)
   (with-server 'ssl-server-socket-reload! socket handle
      (check 'ssl-server-socket-reload! socket ($tls-server-reload handle)))
   socket)

;; Where it says no, a server of HTTP answers 421 (Misdirected Request).
(define (ssl-socket-serves-host? socket host)
   (with-connection 'ssl-socket-serves-host? socket handle
      ($tls-connection-serves-host? handle (c-string 'ssl-socket-serves-host? "the host" host))))
