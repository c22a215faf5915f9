;; secure-context.scm: what connections without a socket share.
(directives
   (extern
      (macro $tls-ctx-init::void* (::string) "bgl_ssl_ctx_init")
      (macro $tls-box-ctx::void* (::void*) "bglssl_box_ctx")
      (macro $tls-ctx-close::int (::void*) "bgl_ssl_ctx_close")
      (macro $tls-ctx-add-root-certs::int (::void*) "bgl_ssl_ctx_add_root_certs")
      (macro $tls-ctx-add-ca-cert::int (::void* ::string ::long ::long) "bgl_ssl_ctx_add_ca_cert")
      (macro $tls-ctx-add-crl::int (::void* ::string ::long ::long) "bgl_ssl_ctx_add_crl")
      (macro $tls-ctx-set-key::int (::void* ::string ::long ::long ::void*) "bgl_ssl_ctx_set_key")
      (macro $tls-ctx-set-cert::int (::void* ::string ::long ::long) "bgl_ssl_ctx_set_cert")
      (macro $tls-ctx-set-session-id-context::int (::void* ::string ::long ::long)
             "bgl_ssl_ctx_set_session_id_context")
      (macro $tls-load-pkcs12::int (::void* ::string ::long ::void*) "bgl_load_pkcs12")
      (macro $tls-ctx-set-ciphers::int (::void* ::string) "bgl_ssl_ctx_set_ciphers")
      (macro $tls-ctx-set-options::int (::void* ::llong) "bgl_ssl_ctx_set_options")
      (macro $tls-e-state::int "BGL_SSL_E_STATE")
      (macro $tls-e-argument::int "BGL_SSL_E_ARGUMENT")
      (macro $tls-e-unsupported::int "BGL_SSL_E_UNSUPPORTED"))
   (export
      (class secure-context
         (secure-context-init)
         ($native (default #f))
         (method::bstring read-only (default "default")))
      (generic secure-context-init ::secure-context)
      (generic secure-context-close ::secure-context)
      (generic secure-context-add-root-certs!::bool ::secure-context)
      (generic secure-context-add-ca-cert!::bool ::secure-context ::bstring ::long ::long)
      (generic secure-context-add-crl!::bool ::secure-context ::bstring ::long ::long)
      (generic secure-context-set-key!::bool ::secure-context ::bstring ::long ::long
               #!optional passphrase)
      (generic secure-context-set-cert!::bool ::secure-context ::bstring ::long ::long)
      (generic secure-context-set-session-id-context!::bool ::secure-context ::bstring ::long ::long)
      (generic secure-context-load-pkcs12::bool ::secure-context ::bstring ::obj)
      (generic secure-context-set-ciphers!::bool ::secure-context ::bstring)
      (generic secure-context-set-options!::bool ::secure-context ::int)))

;; The field holds a foreign object that points to the box; the box to the handle.
(define-macro (with-context context handle . body)
   `(let* ((box (context-box ,context))
           (,handle ($tls-unbox box))
           (result (begin ,@body)))
       ($tls-keep-box box)
       result))

(define (context-box sc::secure-context)
   (with-access::secure-context sc ($native)
      (or $native (error 'secure-context "not initialised" sc))))

;; C is told no more bytes than there are.
(define (check-part proc str::bstring offset::long len::long)
   (unless (and (>=fx offset 0) (>=fx len 0) (<=fx len (-fx (string-length str) offset)))
      (error proc "the string has no such part" (list (string-length str) offset len))))

;; #t if done, #f if what was given is no good; a closed context is an error.
(define (status->bool::bool proc context status::int)
   (when (=fx status $tls-e-state)
      ($tls-raise proc context))
   (>=fx status 0))

(define (secret-address::void* proc passphrase)
   (passphrase-address proc (and (string? passphrase) passphrase)))

(define-generic (secure-context-init sc::secure-context)
   (with-access::secure-context sc ($native method)
      (let ((handle ($tls-ctx-init (c-string 'secure-context "the method" method))))
         (when ($tls-null? handle)
            (if (memv ($tls-last-code) (list $tls-e-argument $tls-e-unsupported))
                (error "secure-context" "method not supported" method)
                ($tls-raise 'secure-context method)))
         (set! $native ($tls-box-ctx handle))
         sc)))

(define-generic (secure-context-close sc::secure-context)
   (with-context sc handle
      ($tls-ctx-close handle))
   '())

(define-generic (secure-context-add-root-certs! sc::secure-context)
   (status->bool 'secure-context-add-root-certs! sc
      (with-context sc handle
         ($tls-ctx-add-root-certs handle))))

(define-generic (secure-context-add-ca-cert! sc::secure-context pem offset len)
   (check-part 'secure-context-add-ca-cert! pem offset len)
   (status->bool 'secure-context-add-ca-cert! sc
      (with-context sc handle
         ($tls-ctx-add-ca-cert handle pem offset len))))

(define-generic (secure-context-add-crl! sc::secure-context pem offset len)
   (check-part 'secure-context-add-crl! pem offset len)
   (status->bool 'secure-context-add-crl! sc
      (with-context sc handle
         ($tls-ctx-add-crl handle pem offset len))))

(define-generic (secure-context-set-key! sc::secure-context pem offset len #!optional passphrase)
   (let ((proc 'secure-context-set-key!))
      (check-part proc pem offset len)
      (check proc sc
         (with-context sc handle
            ($tls-ctx-set-key handle pem offset len (secret-address proc passphrase))))
      ($tls-keep passphrase)
      #t))

(define-generic (secure-context-set-cert! sc::secure-context pem offset len)
   (check-part 'secure-context-set-cert! pem offset len)
   (check 'secure-context-set-cert! sc
      (with-context sc handle
         ($tls-ctx-set-cert handle pem offset len)))
   #t)

(define-generic (secure-context-set-session-id-context! sc::secure-context id offset len)
   (check-part 'secure-context-set-session-id-context! id offset len)
   (check 'secure-context-set-session-id-context! sc
      (with-context sc handle
         ($tls-ctx-set-session-id-context handle id offset len)))
   #t)

(define-generic (secure-context-load-pkcs12 sc::secure-context pfx pass)
   (let ((proc 'secure-context-load-pkcs12))
      (check proc sc
         (with-context sc handle
            ($tls-load-pkcs12 handle pfx (string-length pfx) (secret-address proc pass))))
      ($tls-keep pass)
      #t))

(define-generic (secure-context-set-ciphers! sc::secure-context ciphers)
   (status->bool 'secure-context-set-ciphers! sc
      (with-context sc handle
         ($tls-ctx-set-ciphers handle
            (c-string 'secure-context-set-ciphers! "the cipher list" ciphers)))))

(define-generic (secure-context-set-options! sc::secure-context options)
   (status->bool 'secure-context-set-options! sc
      (with-context sc handle
         ($tls-ctx-set-options handle (option-bits options)))))

;; What has the bit 31 is a negative number in C, as in JavaScript.
(define (option-bits::llong options::long)
   (fixnum->llong (if (<fx options 0) (+fx options (bit-lsh 1 32)) options)))
