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
      (macro $tls-server-lazy?::bool (::obj) "bglssl_server_lazyp")
      (macro $tls-server-limit-handshakes::void (::obj ::long) "bglssl_server_limit_handshakes")
      (macro $tls-server-set-config::int (::void* ::void*) "bgl_ssl_server_set_config")
      (macro $tls-server-reload::int (::void*) "bgl_ssl_server_reload")
      (macro $tls-connection-serves-host?::bool (::void* ::string) "bgl_ssl_socket_serves_host"))
   (export
      (class ssl-config
         ($native::$ssl-config read-only)
         (protocol::symbol read-only)
         (role::symbol read-only)
         (handshake-timeout::long read-only (default 0))
         (proxied::bool read-only (default #f))
         ;; #unspecified: at most the chain. A name of its own, or #f.
         (verifies read-only (default #unspecified))
         (hostname read-only (default #f))
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
             (lazy (or (eq? role 'client) (not (=fx (protocol->int proc protocol) $tls-dtlsv1))))
             (box (make-config proc protocol (eq? role 'server) protocol cert pkey CAs
                     accepted-certs verify hostname alpn min-protocol max-protocol ciphers
                     groups #f limit lazy further identities hosts unknown-host)))
         (instantiate::ssl-config
            ($native box)
            (protocol protocol)
            (role role)
            (handshake-timeout limit)
            (proxied (asks-for-proxy? further))
            (verifies (let ((verify (verify-for further verify)))
                         (cond
                            ((given? verify) verify)
                            ((and (eq? role 'client) (or hostname (ssl-default-verify))) #t)
                            (else verify))))
            (hostname (and hostname (string-copy hostname)))
            (trace (trace-of proc further #f #f))
            (verify-peer (verifier-of proc further #f #f))))))

;; Beside a configuration a keyword that it stands for would have no effect.
(define (misplaced proc keyword)
   (error proc "beside :config this keyword has no effect: it belongs in the configuration" keyword))

;; The maker, unless it was given one of these keywords, each with its value, beside a configuration: a program that says
;; :verify #t, or names its CAs, must not find out later that nobody was verified.
(define (without-settings proc config . settings)
   (let loop ((l (if config settings '())))
      (when (pair? l)
         (unless (asks-for-nothing? (car l) (cadr l))
            (misplaced proc (car l)))
         (loop (cddr l))))
   proc)

;; Whether a keyword has the value that it has where it is not given. An empty list of accepted certificates accepts nobody.
(define (asks-for-nothing?::bool keyword value)
   (case keyword
      ((:CAs :identities :hosts) (null? value))
      ((:protocol) (eq? value 'sslv23))
      ((:unknown-host) (eq? value 'default))
      (else (not value))))

;; The name that a maker, or else its configuration, says the peer has; #f if neither does. They must not say two.
(define (name-of proc config hostname)
   (when hostname
      (c-string proc "the host name" hostname))
   (if (isa? config ssl-config)
       (with-access::ssl-config config ((own hostname))
          (when (and hostname own (not (string-ci=? hostname own)))
             (error proc (format "the configuration is for the host ~a" own) hostname))
          (or hostname own))
       hostname))

;; The same, where there is a peer. A configuration that verifies at most the chain lets the name have no effect. With
;; :verify #f it says that nobody is verified; then the name is what the server is asked for.
(define (name-beside proc config hostname)
   (when (and hostname (isa? config ssl-config))
      (with-access::ssl-config config (verifies)
         (unless (given? verifies)
            (error proc "the configuration verifies no name: make it with :verify #t (or #f)" hostname))))
   (name-of proc config hostname))

;; Microseconds for a handshake: what a maker was given, what its configuration says, or the default.
(define (handshake-limit::long proc handshake-timeout config default::long)
   (cond
      (handshake-timeout
       (microseconds proc "the handshake's time-out" handshake-timeout)
       handshake-timeout)
      ((isa? config ssl-config)
       (with-access::ssl-config config ((its-own handshake-timeout)) its-own))
      (else default)))

;; What :verify means beside :config: what the configuration was made with.
(define (verify-beside config verify)
   (if (isa? config ssl-config)
       (with-access::ssl-config config (verifies) verifies)
       verify))

;; The configuration that a maker was given, if it fits, and if nothing else belongs in one.
(define (given-config proc config role protocol #!optional (further #unspecified))
   (when (pair? further)
      (misplaced proc (car further)))
   (unless (isa? config ssl-config)
      (error proc "the configuration must be an ssl-config" config))
   (with-access::ssl-config config ($native (its-role role) (its-protocol protocol))
      (unless (eq? its-role role)
         (error proc (format "the configuration is not a ~a's" role) config))
      ;; Makers look at its procedures; others would never call them.
      (unless (given? further)
         (without-procedures proc config))
      $native))

;; A copy of a configuration, changed.
(define (changed-config::void* proc box::void* change::procedure)
   (with-hold (change-config proc box change)))

(define (change-config proc box::void* change::procedure)
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
          (given::void* (given-config proc config 'server #f))
          (box::void* (with-access::ssl-config config (protocol)
                         (adapted proc protocol ($tls-server-lazy? socket) #f given))))
      (with-server proc socket handle
         (check proc socket ($tls-server-set-config handle ($tls-unbox box)))
         ($tls-server-limit-handshakes socket (handshake-limit proc #f config 0)))
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
