;; uris.scm: keys and certificates from URIs of OpenSSL's stores, providers, FIPS.
(directives
   (extern
      (macro $tls-private-key-from-uri::void* (::string ::void*) "bgl_ssl_private_key_from_uri")
      (macro $tls-certificates-from-uri::void* (::string ::void*)
             "bgl_ssl_certificate_list_from_uri")
      (macro $tls-load-provider::int (::string) "bgl_ssl_load_provider")
      (macro $tls-fips?::bool () "bgl_ssl_fips")
      (macro $tls-set-fips::int (::bool) "bgl_ssl_set_fips"))
   (export
      (private-key-from-uri::private-key ::bstring #!optional (passphrase #f))
      (certificates-from-uri::pair ::bstring #!optional (passphrase #f))
      (ssl-load-provider! ::bstring)
      (ssl-fips?::bool)
      (ssl-fips-set! ::bool)))

;; A passphrase for C; NULL for #f.
(define (uri-passphrase::void* proc passphrase)
   (if passphrase
       ($tls-at (c-string proc "the passphrase" passphrase) 0)
       $tls-null))

(define (private-key-from-uri uri #!optional (passphrase #f))
   (let* ((proc 'private-key-from-uri)
          (handle ($tls-private-key-from-uri (c-string proc "the URI" uri)
                     (uri-passphrase proc passphrase))))
      ($tls-keep passphrase)
      (if ($tls-null? handle)
          ($tls-raise proc uri)
          (make-private-key handle))))

(define (certificates-from-uri uri #!optional (passphrase #f))
   (let* ((proc 'certificates-from-uri)
          (list ($tls-certificates-from-uri (c-string proc "the URI" uri)
                   (uri-passphrase proc passphrase))))
      ($tls-keep passphrase)
      (if ($tls-null? list)
          ($tls-raise proc uri)
          (take-certificates list))))

;; For the whole process: "legacy", "tpm2", "pkcs11", ...
(define (ssl-load-provider! name)
   (check 'ssl-load-provider! name
      ($tls-load-provider (c-string 'ssl-load-provider! "the provider's name" name))))

(define (ssl-fips?)
   ($tls-fips?))

;; For the whole process: algorithms of FIPS modules only.
(define (ssl-fips-set! fips)
   (check 'ssl-fips-set! fips ($tls-set-fips fips)))
