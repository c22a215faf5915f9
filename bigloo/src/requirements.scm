;; requirements.scm: the keyword arguments that all makers of sockets and of configurations share and pass
;; on in a list: what else is demanded of the peer's certificate, algorithms, staples, the key log, proxies.
(directives
   (extern
      (macro $tls-add-pins::int (::void* ::string) "bgl_ssl_config_add_pins")
      (macro $tls-set-verify-depth::int (::void* ::int) "bgl_ssl_config_set_verify_depth")
      (macro $tls-set-verify-time::int (::void* ::llong) "bgl_ssl_config_set_verify_time")
      (macro $tls-set-verify-flags::int (::void* ::int) "bgl_ssl_config_set_verify_flags")
      (macro $tls-verify-strict::int "BGL_SSL_VERIFY_STRICT")
      (macro $tls-verify-no-common-name::int "BGL_SSL_VERIFY_NO_COMMON_NAME")
      (macro $tls-add-crls::int (::void* ::void* ::long ::int) "bgl_ssl_config_add_crls")
      (macro $tls-add-crl-file::int (::void* ::string) "bgl_ssl_config_add_crl_file")
      (macro $tls-set-crl-policy::int (::void* ::int) "bgl_ssl_config_set_crl_policy")
      (macro $tls-crl-leaf::int "BGL_SSL_CRL_LEAF")
      (macro $tls-crl-chain::int "BGL_SSL_CRL_CHAIN")
      (macro $tls-crl-tolerate-missing::int "BGL_SSL_CRL_TOLERATE_MISSING")
      (macro $tls-crl-tolerate-expired::int "BGL_SSL_CRL_TOLERATE_EXPIRED")
      (macro $tls-set-staple-policy::int (::void* ::int) "bgl_ssl_config_set_staple_policy")
      (macro $tls-staple-ignore::int "BGL_SSL_STAPLE_IGNORE")
      (macro $tls-staple-honour::int "BGL_SSL_STAPLE_HONOUR")
      (macro $tls-staple-require::int "BGL_SSL_STAPLE_REQUIRE")
      (macro $tls-add-tlsa::int (::void* ::string) "bgl_ssl_config_add_tlsa")
      (macro $tls-set-tlsa-names::int (::void* ::bool) "bgl_ssl_config_set_tlsa_names")
      (macro $tls-set-staple::int (::void* ::void* ::long) "bgl_ssl_config_set_staple")
      (macro $tls-set-security-level::int (::void* ::int) "bgl_ssl_config_set_security_level")
      (macro $tls-set-signature-algorithms::int (::void* ::string)
             "bgl_ssl_config_set_signature_algorithms")
      (macro $tls-set-key-log-file::int (::void* ::string)
             "bgl_ssl_config_insecure_set_key_log_file")
      (macro $tls-set-proxy::int (::void* ::string ::void*) "bgl_ssl_config_set_proxy")
      (macro $tls-certificate-pin::long (::void* ::string ::long) "bgl_ssl_certificate_pin")
      (macro $tls-certificate-ocsp-url::long (::void* ::string ::long)
             "bgl_ssl_certificate_ocsp_url")
      (macro $tls-ocsp-request::long (::void* ::void* ::string ::long) "bgl_ssl_ocsp_request")
      (macro $tls-ocsp-status::int (::void* ::long ::void* ::void* ::void*) "bgl_ssl_ocsp_status")
      (macro $tls-ocsp-good::int "BGL_SSL_OCSP_GOOD")
      (macro $tls-ocsp-revoked::int "BGL_SSL_OCSP_REVOKED")
      (macro $tls-connection-staple::long (::void* ::string ::long) "bgl_ssl_socket_staple")
      (macro $tls-supports?::bool (::string) "bgl_ssl_supports"))
   (export
      (certificate-pin::bstring ::certificate)
      (certificate-ocsp-url ::certificate)
      (ssl-ocsp-request::bstring ::certificate ::certificate)
      (ssl-ocsp-status::symbol ::bstring ::certificate ::certificate)
      (ssl-socket-staple ::socket)
      (ssl-config-staple-set! ::ssl-config ::obj)
      (ssl-supports?::bool ::bstring)))

;; The keywords that ask for a verification of the peer.
(define *demands*
   '(:pins :verify-depth :verify-time :strict :no-common-name :crls :crl-policy :tlsa :verify-peer))

;; What :verify means beside further keywords: who demands something of a certificate wants it verified.
(define (verify-for further::pair-nil verify)
   (define (demands? option value)
      (or (and (memq option *demands*) value (not (null? value)))
          (and (eq? option :staple-policy) (memq value '(honour require)) #t)))
   (let loop ((l further))
      (cond
         ((given? verify) verify)
         ((or (null? l) (null? (cdr l))) verify)
         ((demands? (car l) (cadr l)) #t)
         (else (loop (cddr l))))))

;; In a configuration, what the keywords of the list `further` ask for.
(define (set-requirements! proc config::void* further::pair-nil)
   (define (set #!key
              (pins #f) (verify-depth #f) (verify-time #f) (strict #f) (no-common-name #f)
              (crls '()) (crl-policy #f)
              (tlsa '()) (tlsa-names #t)
              (staple #unspecified) (staple-policy #f)
              (security-level #f) (signature-algorithms #f) (keylog #f)
              (proxy #f) (proxy-config #f) (verify-peer #f)
              #!rest others)
      (set-sessions! proc config others)
      (check-verifier proc verify-peer)
      (when pins
         (set-pins! proc config pins))
      (when verify-depth
         (check proc verify-depth
            ($tls-set-verify-depth config (small proc "the depth" verify-depth))))
      (when verify-time
         (check proc verify-time
            ($tls-set-verify-time config (seconds-since-1970 proc verify-time))))
      (check proc further
         ($tls-set-verify-flags config
            (+fx (if strict $tls-verify-strict 0)
               (if no-common-name $tls-verify-no-common-name 0))))
      (for-each (lambda (crls) (add-crls! proc config crls))
         (if (list? crls) crls (list crls)))
      (when crl-policy
         (set-crl-policy! proc config (if (list? crl-policy) crl-policy (list crl-policy))))
      (for-each (lambda (record)
                   (check proc record ($tls-add-tlsa config (c-string proc "a TLSA record" record))))
         (if (list? tlsa) tlsa (list tlsa)))
      (check proc further ($tls-set-tlsa-names config (and tlsa-names #t)))
      (when (given? staple)
         (set-staple! proc config staple))
      (when staple-policy
         (check proc staple-policy
            ($tls-set-staple-policy config
               (case staple-policy
                  ((ignore) $tls-staple-ignore)
                  ((honour) $tls-staple-honour)
                  ((require) $tls-staple-require)
                  (else (error proc "the staple-policy must be ignore, honour or require"
                           staple-policy))))))
      (when security-level
         (check proc security-level
            ($tls-set-security-level config (small proc "the security level" security-level))))
      (when signature-algorithms
         (check proc signature-algorithms
            ($tls-set-signature-algorithms config
               (c-string proc "the signature algorithms" signature-algorithms))))
      (when keylog
         (check proc keylog
            ($tls-set-key-log-file config (c-string proc "the file name" keylog))))
      (when proxy
         (set-proxy! proc config proxy proxy-config)))
   (apply set further))

;; A URL, which errors do not show, because it has the password in it; or env, for what the environment
;; says. TLS with the proxy itself is configured by an ssl-config of a client.
(define (set-proxy! proc config::void* proxy proxy-config)
   (let ((url::bstring (cond
                          ((eq? proxy 'env) "env")
                          ((and (string? proxy) (not (string-index proxy #a000))) proxy)
                          (else (error proc "the proxy must be a URL or env" :proxy))))
         (box (and proxy-config (given-config proc proxy-config 'client #f))))
      (check proc "proxy"
         ($tls-set-proxy config url (if box ($tls-unbox box) $tls-null)))
      (when box
         ($tls-keep-box box))))

;; Whether the keywords of the list ask for a proxy.
(define (asks-for-proxy?::bool further::pair-nil)
   (and (further-value further :proxy) #t))

;; Of a procedure that connects to nothing.
(define (without-proxy::symbol proc::symbol further::pair-nil)
   (if (asks-for-proxy? further)
       (error proc "only sockets that connect go through a proxy" :proxy)
       proc))

(define (small::int proc what n)
   (if (and (fixnum? n) (>=fx n 0) (<=fx n 100))
       n
       (error proc (string-append what " must be a number between 0 and 100") n)))

(define (seconds-since-1970::llong proc time)
   (let ((seconds (cond
                     ((date? time) (elong->llong (date->seconds time)))
                     ((fixnum? time) (fixnum->llong time))
                     ((elong? time) (elong->llong time))
                     ((llong? time) time)
                     (else (error proc "the time must be a date or a number of seconds since 1970" time)))))
      (if (>llong seconds #l0)
          seconds
          (error proc "the time must be after 1970" time))))

;; A text with pins, a certificate whose key is one, or a list of these.
(define (set-pins! proc config::void* pins)
   (define (add pin)
      (check proc pins
         ($tls-add-pins config
            (if (isa? pin certificate)
                (certificate-pin pin)
                (c-string proc "a pin" pin)))))
   (cond
      ((null? pins) (error proc "an empty list of pins would accept nobody" pins))
      ((list? pins) (for-each add pins))
      (else (add pins))))

;; The name of a file or of a directory, or the bytes themselves: (bytes "...").
(define (add-crls! proc config::void* crls)
   (if (and (list? crls) (=fx (length crls) 2) (eq? (car crls) 'bytes) (string? (cadr crls)))
       (let ((bytes::bstring (cadr crls)))
          (check proc "CRLs"
             ($tls-add-crls config ($tls-at bytes 0) (string-length bytes) $tls-format-auto))
          ($tls-keep bytes))
       (check proc crls
          ($tls-add-crl-file config (c-string proc "the file name" crls)))))

(define (set-crl-policy! proc config::void* policy::pair-nil)
   (let loop ((l policy)
              (extent $tls-crl-chain)
              (tolerated 0))
      (if (null? l)
          (check proc policy ($tls-set-crl-policy config (+fx extent tolerated)))
          (case (car l)
             ((leaf) (loop (cdr l) $tls-crl-leaf tolerated))
             ((chain) (loop (cdr l) $tls-crl-chain tolerated))
             ((tolerate-missing) (loop (cdr l) extent (bit-or tolerated $tls-crl-tolerate-missing)))
             ((tolerate-expired) (loop (cdr l) extent (bit-or tolerated $tls-crl-tolerate-expired)))
             (else (error proc
                      "the crl-policy must be leaf or chain, with tolerate-missing or tolerate-expired"
                      policy))))))

;; Bytes, or #f: none for now.
(define (set-staple! proc config::void* staple)
   (cond
      ((not staple)
       (check proc staple ($tls-set-staple config $tls-null 0)))
      ((string? staple)
       (let ((bytes::bstring staple))
          (check proc "the staple"
             ($tls-set-staple config ($tls-at bytes 0) (string-length bytes)))
          ($tls-keep bytes)))
      (else
       (error proc "the staple must be a string of bytes or #f" staple))))

;; For handshakes that begin from now on, if the configuration was made with :staple.
(define (ssl-config-staple-set! config staple)
   (with-access::ssl-config config ($native)
      (set-staple! 'ssl-config-staple-set! ($tls-unbox $native) staple)
      ($tls-keep-box $native)
      config))

;; The response that the server has stapled, or #f.
(define (ssl-socket-staple socket)
   (with-connection 'ssl-socket-staple socket handle
      (let ((bytes (c-bytes $tls-connection-staple handle)))
         (text-or-false bytes))))

;; ---- certificates and OCSP ----

(define (certificate-pin certificate)
   (let ((pin (with-certificate certificate handle
                 (c-text $tls-certificate-pin handle))))
      (if (string-null? pin)
          ($tls-raise 'certificate-pin certificate)
          pin)))

(define (certificate-ocsp-url certificate)
   (text-or-false
      (with-certificate certificate handle
         (c-text $tls-certificate-ocsp-url handle))))

;; What to post to the address that certificate-ocsp-url gives, as application/ocsp-request.
(define (ssl-ocsp-request certificate issuer)
   (with-certificate certificate handle
      (with-certificate issuer issuer-handle
         (let ((request (c-bytes $tls-ocsp-request handle issuer-handle)))
            (if (string-null? request)
                ($tls-raise 'ssl-ocsp-request certificate)
                request)))))

;; good, revoked or unknown; a response that cannot be relied on raises.
(define (ssl-ocsp-status response certificate issuer)
   (let ((status (with-certificate certificate handle
                    (with-certificate issuer issuer-handle
                       ($tls-ocsp-status ($tls-at response 0) (string-length response)
                          handle issuer-handle $tls-null)))))
      ($tls-keep response)
      (check 'ssl-ocsp-status certificate status)
      (cond
         ((=fx status $tls-ocsp-good) 'good)
         ((=fx status $tls-ocsp-revoked) 'revoked)
         (else 'unknown))))

;; Whether this OpenSSL has a feature, such as "group:X25519MLKEM768".
(define (ssl-supports? feature)
   ($tls-clear-error)
   (or ($tls-supports? (c-string 'ssl-supports? "the feature" feature))
       (and (<fx ($tls-last-code) 0)
            ($tls-raise 'ssl-supports? feature))))
