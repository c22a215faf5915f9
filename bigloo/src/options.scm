;; options.scm: the keyword arguments that all sockets share -> a configuration.
(directives
   (extern
      (macro $tls-sslv2::int "BGLSSL_SSLV2")
      (macro $tls-sslv3::int "BGLSSL_SSLV3")
      (macro $tls-sslv23::int "BGLSSL_SSLV23")
      (macro $tls-tlsv1::int "BGLSSL_TLSV1")
      (macro $tls-tlsv1_0::int "BGLSSL_TLSV1_0")
      (macro $tls-tlsv1_1::int "BGLSSL_TLSV1_1")
      (macro $tls-tlsv1_2::int "BGLSSL_TLSV1_2")
      (macro $tls-tlsv1_3::int "BGLSSL_TLSV1_3")
      (macro $tls-dtlsv1::int "BGLSSL_DTLSV1")
      (macro $tls-af-inet::int "AF_INET")
      (macro $tls-af-inet6::int "AF_INET6")
      (macro $tls-af-unspec::int "AF_UNSPEC")
      (macro $tls-af-unix::int "AF_UNIX")
      (macro $tls-client-certificate-optional::int "BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL")
      (macro $tls-client-certificate-required::int "BGL_SSL_CLIENT_CERTIFICATE_REQUIRED")

      (macro $tls-config-new::void* () "bgl_ssl_config_new")
      (macro $tls-box-config::void* (::void*) "bglssl_box_config")
      (macro $tls-config-freeze::int (::void*) "bgl_ssl_config_freeze")
      (macro $tls-set-protocol::int (::void* ::int) "bgl_ssl_config_set_protocol")
      (macro $tls-set-min-protocol::int (::void* ::int) "bgl_ssl_config_set_min_protocol")
      (macro $tls-set-max-protocol::int (::void* ::int) "bgl_ssl_config_set_max_protocol")
      (macro $tls-set-certificate-file::int (::void* ::string ::string ::void*)
             "bgl_ssl_config_set_certificate_file")
      (macro $tls-set-chain::int (::void* ::obj ::void*) "bglssl_config_set_chain")
      (macro $tls-set-cas::int (::void* ::obj) "bglssl_config_set_cas")
      (macro $tls-set-ca-file::int (::void* ::string) "bgl_ssl_config_set_ca_file")
      (macro $tls-set-accepted::int (::void* ::obj) "bglssl_config_set_accepted")
      (macro $tls-set-alpn::int (::void* ::obj) "bglssl_config_set_alpn")
      (macro $tls-verify-chain-and-name::int (::void*) "bgl_ssl_config_verify_chain_and_name")
      (macro $tls-verify-chain-only::int (::void*) "bgl_ssl_config_insecure_verify_chain_only")
      (macro $tls-verify-none::int (::void*) "bgl_ssl_config_insecure_verify_none")
      (macro $tls-set-client-certificate::int (::void* ::int)
             "bgl_ssl_config_set_client_certificate")
      (macro $tls-set-hostname::int (::void* ::string) "bgl_ssl_config_set_hostname")
      (macro $tls-set-groups::int (::void* ::string) "bgl_ssl_config_set_groups")
      (macro $tls-set-cipher-list::int (::void* ::string) "bgl_ssl_config_set_cipher_list")
      (macro $tls-set-cipher-suites::int (::void* ::string) "bgl_ssl_config_set_cipher_suites")
      (macro $tls-set-connect-timeout::int (::void* ::llong) "bgl_ssl_config_set_connect_timeout")
      (macro $tls-set-handshake-timeout::int (::void* ::llong)
             "bgl_ssl_config_set_handshake_timeout")
      (macro $tls-set-close-timeout::int (::void* ::llong) "bgl_ssl_config_set_close_timeout")
      (macro $tls-set-lazy-handshake::int (::void* ::bool) "bgl_ssl_config_set_lazy_handshake"))
   (export
      (ssl-default-verify)
      (ssl-default-verify-set! ::bool)
      (ssl-default-truncation)
      (ssl-default-truncation-set! ::symbol)))

;; What :verify means where it is not given: #unspecified, as Bigloo's manual has it (a
;; list of CAs turns the verification of the chain on), or #t.
(define *default-verify* #unspecified)

(define (ssl-default-verify)
   (eq? *default-verify* #t))

(define (ssl-default-verify-set! verify)
   (set! *default-verify* (if verify #t #unspecified)))

;; What :truncation means where it is not given: eof, as with Bigloo's own sockets, or raise.
(define *default-truncation* 'eof)

(define (ssl-default-truncation)
   *default-truncation*)

(define (ssl-default-truncation-set! truncation)
   (set! *default-truncation*
      (check-truncation 'ssl-default-truncation-set! truncation)))

(define (check-truncation::symbol proc::symbol truncation)
   (if (memq truncation '(eof raise))
       truncation
       (error proc "the truncation must be eof or raise" truncation)))

;; Whether reads raise where the peer ends the stream without close_notify. Programs that verify
;; their peer also want to know whether they have read all that it sent.
(define (raises-truncation?::bool proc::symbol truncation verify hostname)
   (cond
      ((given? truncation) (eq? (check-truncation proc truncation) 'raise))
      ((eq? *default-truncation* 'raise) #t)
      ((given? verify) (and verify #t))
      (hostname #t)
      (else (ssl-default-verify))))

;; The value of a keyword in a list of keywords and values; #f if it is not there.
(define (further-value further::pair-nil keyword)
   (cond
      ((or (null? further) (null? (cdr further))) #f)
      ((eq? (car further) keyword) (cadr further))
      (else (further-value (cddr further) keyword))))

(define (given?::bool option)
   (not (eq? option #unspecified)))

;; Letter case does not matter, and a point stands for "_": OpenSSL writes TLSv1.3.
(define (protocol->int::int proc::symbol protocol)
   (unless (symbol? protocol)
      (error proc "a protocol must be a symbol" protocol))
   (case (string->symbol (string-replace (string-downcase (symbol->string protocol)) #\. #\_))
      ((sslv2) $tls-sslv2)
      ((sslv3) $tls-sslv3)
      ((ssl sslv23) $tls-sslv23)
      ((tls tlsv1) $tls-tlsv1)
      ((tlsv1_0) $tls-tlsv1_0)
      ((tlsv1_1) $tls-tlsv1_1)
      ((tlsv1_2) $tls-tlsv1_2)
      ((tlsv1_3) $tls-tlsv1_3)
      ((dtls dtlsv1) $tls-dtlsv1)
      (else
       (error proc "unknown protocol: there are ssl, sslv23, tls, tlsv1_0, tlsv1_1, tlsv1_2, tlsv1_3, dtls"
          protocol))))

(define (domain->int::int proc::symbol domain domains::pair)
   (cond
      ((not (memq domain domains))
       (error proc "unsupported domain" domain))
      ((eq? domain 'inet) $tls-af-inet)
      ((eq? domain 'inet6) $tls-af-inet6)
      ((memq domain '(unix local)) $tls-af-unix)
      (else $tls-af-unspec)))

;; The name of a Unix socket: a path or, behind a NUL or "@", an abstract name.
(define (unix-name::bstring proc::symbol name)
   (c-string proc "the path"
      (if (and (string? name) (>fx (string-length name) 0) (char=? (string-ref name 0) #a000))
          (string-append "@" (substring name 1 (string-length name)))
          name)))

;; An empty name is one that nobody has.
(define (check-host proc::symbol where host::bstring)
   (when (string-null? host)
      (raise (instantiate::&io-unknown-host-error
                (proc proc)
                (msg "the host name is empty")
                (obj where)))))

;; Here and not in C, whose int would take a larger number for another one. There is nothing to
;; connect to, or to listen on, so this is what the manual says of that.
(define (check-port::long proc::symbol where port::long least::long)
   (if (and (>=fx port least) (<=fx port 65535))
       port
       (raise (instantiate::&io-error
                 (proc proc)
                 (msg (format "the port ~a is not between ~a and 65535" port least))
                 (obj where)))))

(define (microseconds::llong proc::symbol what::bstring time)
   (if (and (fixnum? time) (>=fx time 0))
       (fixnum->llong time)
       (error proc (string-append what " must be a number of microseconds, 0 or more") time)))

;; A certificate, a file of some, or a list of both -> a list of certificates.
(define (certificate-list::pair-nil proc::symbol what::bstring certificates)
   (cond
      ((isa? certificates certificate)
       (list certificates))
      ((string? certificates)
       (load-certificates proc certificates))
      ((list? certificates)
       (append-map (lambda (c)
                      (if (or (string? c) (isa? c certificate))
                          (certificate-list proc what c)
                          (error proc (string-append "invalid " what) certificates)))
          certificates))
      (else
       (error proc (string-append "invalid " what) certificates))))

(define (key::private-key proc::symbol pkey)
   (cond
      ((isa? pkey private-key)
       pkey)
      ((string? pkey)
       (let ((handle ($tls-private-key-from-file (c-string proc "the file name" pkey)
                        $tls-format-auto $tls-null)))
          (if ($tls-null? handle)
              ($tls-raise proc pkey)
              (make-private-key handle))))
      (else
       (error proc "invalid private key" pkey))))

;; TLS 1.3 has suites of its own, which OpenSSL keeps in a list of their own.
(define (set-ciphers! proc::symbol config::void* ciphers)
   (define (names pred)
      (let loop ((l (filter pred (string-split (c-string proc "the ciphers" ciphers) ":")))
                 (text ""))
         (cond
            ((null? l) text)
            ((string-null? text) (loop (cdr l) (car l)))
            (else (loop (cdr l) (string-append text ":" (car l)))))))
   (define (tls13? name)
      (string-prefix? "TLS_" name))
   (let ((suites (names tls13?))
         (others (names (lambda (name) (not (tls13? name))))))
      (unless (string-null? suites)
         (check proc ciphers ($tls-set-cipher-suites config suites)))
      (when (or (string-null? suites) (not (string-null? others)))
         (check proc ciphers ($tls-set-cipher-list config others)))))

(define (check proc::symbol where status::int)
   (when (<fx status 0)
      ($tls-raise proc where)))

;; A server's files are noted, to be read again by ssl-server-socket-reload!.
(define (set-identity! proc::symbol where config::void* server?::bool cert pkey)
   (when (or (and cert (not pkey)) (and pkey (not cert)))
      (error proc "pkey and cert must be both #f or both set" (list pkey cert)))
   (when cert
      (let* ((chain (certificate-list proc "certificate" cert))
             (pkey (key proc pkey)))
         (with-access::private-key pkey ($native)
            (check proc where ($tls-set-chain config chain ($tls-unbox $native)))
            ($tls-keep-box $native)))
      (when (and server? (string? cert) (string? pkey))
         (check proc where
            ($tls-set-certificate-file config (c-string proc "the file name" cert)
               (c-string proc "the file name" pkey) $tls-null)))))

;; CAs turn the verification of the chain on; the name is checked too where the program
;; said which, or asked for verification.
(define (set-client-verification! proc::symbol where config::void* CAs::pair-nil verify hostname)
   (let ((verify (if (given? verify) verify *default-verify*)))
      (check proc where
         (cond
            ((eq? verify #f) ($tls-verify-none config))
            ((given? verify) ($tls-verify-chain-and-name config))
            (hostname ($tls-verify-chain-and-name config))
            ((null? CAs) ($tls-verify-none config))
            (else
             ;; Bigloo's own looks at no stapled OCSP responses.
             (check proc where ($tls-set-staple-policy config $tls-staple-ignore))
             ($tls-verify-chain-only config))))))

;; A server has no name to check. CAs, or :verify #t, make it demand a certificate.
(define (set-server-verification! proc::symbol where config::void* CAs::pair-nil verify)
   (cond
      ((eq? verify #f)
       (check proc where ($tls-verify-none config))
       (when (pair? CAs)
          (check proc where ($tls-set-client-certificate config $tls-client-certificate-optional))))
      ((or (pair? CAs) (given? verify))
       (check proc where ($tls-verify-chain-only config))
       (check proc where ($tls-set-client-certificate config $tls-client-certificate-required)))
      (else
       (check proc where ($tls-verify-none config)))))

;; The name of the file that all CAs are in, which ssl-server-socket-reload! reads again; else #f.
(define (only-file CAs)
   (cond
      ((string? CAs) CAs)
      ((and (list? CAs) (=fx (length CAs) 1) (string? (car CAs))) (car CAs))
      (else #f)))

;; How long a connection whose handshake failed waits for the peer to have read why, in
;; microseconds: as long, a client that stays holds a server.
(define *refusal-time* 200000)

;; What build-config makes. A handler that escapes in the middle of it could leave OpenSSL half initialised.
(define (make-config::void* . arguments)
   (with-hold (apply build-config arguments)))

;; A box with the configuration that the keyword arguments ask for, checked as far as it
;; can be without a peer. `timeout`: for connecting and the handshake together; #f where
;; nothing is connected. `further`: those of requirements.scm.
(define (build-config proc::symbol where server?::bool protocol cert pkey CAs accepted-certs
                      verify hostname alpn min-protocol max-protocol ciphers groups
                      timeout handshake-timeout lazy-handshake further::pair-nil
                      #!optional (identities '()) (hosts '()) (unknown-host 'default))
   (let* ((box ($tls-box-config ($tls-config-new)))
          (verify (verify-for further verify))
          (config (if ($tls-null? box) $tls-null ($tls-unbox box))))
      (when ($tls-null? box)
         ($tls-raise proc where))
      (check proc where ($tls-set-protocol config (protocol->int proc protocol)))
      (when min-protocol
         (check proc where ($tls-set-min-protocol config (protocol->int proc min-protocol))))
      (when max-protocol
         (check proc where ($tls-set-max-protocol config (protocol->int proc max-protocol))))
      (set-identity! proc where config server? cert pkey)
      (add-identities! proc config identities)
      (let ((file (and server? (only-file CAs)))
            (CAs (certificate-list proc "CA list" CAs)))
         (cond
            (file
             (check proc where ($tls-set-ca-file config (c-string proc "the file name" file))))
            ((pair? CAs)
             (check proc where ($tls-set-cas config CAs))))
         (if server?
             (set-server-verification! proc where config CAs verify)
             (set-client-verification! proc where config CAs verify hostname)))
      (when accepted-certs
         (check proc where
            ($tls-set-accepted config (certificate-list proc "accepted-certs" accepted-certs))))
      (when hostname
         (check proc where ($tls-set-hostname config (c-string proc "the host name" hostname))))
      (when alpn
         (let ((names (if (list? alpn) alpn (list alpn))))
            (for-each (lambda (name) (c-string proc "an ALPN name" name)) names)
            (check proc alpn ($tls-set-alpn config names))))
      (when ciphers
         (set-ciphers! proc config ciphers))
      (when groups
         (check proc groups ($tls-set-groups config (c-string proc "the groups" groups))))
      (when timeout
         (check proc where
            ($tls-set-connect-timeout config (microseconds proc "the time-out" timeout))))
      (check proc where
         ($tls-set-handshake-timeout config
            (microseconds proc "the handshake's time-out" handshake-timeout)))
      (check proc where ($tls-set-close-timeout config (fixnum->llong *refusal-time*)))
      (check proc where ($tls-set-lazy-handshake config (if lazy-handshake #t #f)))
      (set-requirements! proc config further)
      (add-hosts! proc config hosts unknown-host protocol lazy-handshake)
      (check proc where ($tls-config-freeze config))
      ($tls-keep-box box)
      box))
