;; agreement.scm: numbers, Diffie-Hellman, and key agreement on curves.
(directives
   (extern
      (macro $tls-bn-new::void* () "bgl_bn_new")
      (macro $tls-bn-bin2bn::void* (::string ::long) "bgl_bn_bin2bn")
      (macro $tls-bn-bn2bin::long (::void* ::string ::long) "bgl_bn_bn2bin")
      (macro $tls-bn-num-bytes::long (::void*) "bgl_bn_num_bytes")
      (macro $tls-bn-set-word::int (::void* ::llong) "bgl_bn_set_word")
      (macro $tls-bignum::obj (::void*) "bglssl_bignum")
      (macro $tls-bignum?::bool (::obj) "bglssl_bignump")
      (macro $tls-bignum-box::void* (::obj) "bglssl_bignum_box")

      (macro $tls-dh-new::void* () "bgl_ssl_dh_new")
      (macro $tls-box-dh::void* (::void*) "bglssl_box_dh")
      (macro $tls-dh-size::long (::void*) "bgl_ssl_dh_size")
      (macro $tls-dh-generate-parameters::int (::void* ::int ::int) "bgl_ssl_dh_generate_parameters")
      (macro $tls-dh-set-group::int (::void* ::string) "bgl_ssl_dh_set_group")
      (macro $tls-dh-generate-key::int (::void*) "bgl_ssl_dh_generate_key")
      (macro $tls-dh-compute-key::long (::void* ::void* ::string ::long) "bgl_ssl_dh_compute_key")
      (macro $tls-dh-check::int (::void*) "bgl_dh_check")
      (macro $tls-dh-check-pub-key::int (::void* ::void*) "bgl_dh_check_pub_key")
      (macro $tls-dh-p::void* (::void*) "bgl_dh_p")
      (macro $tls-dh-q::void* (::void*) "bgl_dh_q")
      (macro $tls-dh-g::void* (::void*) "bgl_dh_g")
      (macro $tls-dh-private-key::void* (::void*) "bgl_dh_private_key")
      (macro $tls-dh-public-key::void* (::void*) "bgl_dh_public_key")
      (macro $tls-dh-p-set::int (::void* ::void*) "bgl_dh_p_set")
      (macro $tls-dh-q-set::int (::void* ::void*) "bgl_dh_q_set")
      (macro $tls-dh-g-set::int (::void* ::void*) "bgl_dh_g_set")
      (macro $tls-dh-private-key-set::int (::void* ::void*) "bgl_dh_private_key_set")
      (macro $tls-dh-public-key-set::int (::void* ::void*) "bgl_dh_public_key_set")
      (macro $tls-dh-fine::int "BGL_SSL_DH_FINE")
      (macro $tls-dh-p-not-prime::int "BGL_SSL_DH_P_NOT_PRIME")
      (macro $tls-dh-p-not-safe-prime::int "BGL_SSL_DH_P_NOT_SAFE_PRIME")
      (macro $tls-dh-not-suitable-generator::int "BGL_SSL_DH_NOT_SUITABLE_GENERATOR")
      (macro $tls-dh-q-not-prime::int "BGL_SSL_DH_Q_NOT_PRIME")
      (macro $tls-dh-invalid-q::int "BGL_SSL_DH_INVALID_Q")
      (macro $tls-dh-pubkey-too-small::int "BGL_SSL_DH_PUBKEY_TOO_SMALL")
      (macro $tls-dh-pubkey-too-large::int "BGL_SSL_DH_PUBKEY_TOO_LARGE")
      (macro $tls-dh-pubkey-invalid::int "BGL_SSL_DH_PUBKEY_INVALID")

      (macro $tls-ecdh-new::void* (::string) "bgl_ssl_ecdh_new")
      (macro $tls-ecdh-from-private-key::void* (::string ::string ::long)
             "bgl_ssl_ecdh_from_private_key")
      (macro $tls-box-ecdh::void* (::void*) "bglssl_box_ecdh")
      (macro $tls-ecdh-public-key::long (::void* ::string ::long) "bgl_ssl_ecdh_public_key")
      (macro $tls-ecdh-compute-key::long (::void* ::string ::long ::string ::long)
             "bgl_ssl_ecdh_compute_key"))
   (export
      (bn-bin2bn::obj ::bstring)
      (bn-bn2bin::bstring ::obj)
      (bn-num-bytes::int ::obj)
      (bn-new::obj)
      (bn-set-word::bool ::obj ::long)
      (bn-free::obj ::obj)

      ;; The fields hold numbers of bn-bin2bn, or #f. They are shared: bn-set-word on what
      ;; was set or got changes the field, bn-free does not.
      (class dh
         (dh-init)
         ($native (default #f))
         (p (get dh-p) (set dh-p-set!))
         (q (get dh-q) (set dh-q-set!))
         (g (get dh-g) (set dh-g-set!))
         (private-key (get dh-private-key) (set dh-private-key-set!))
         (public-key (get dh-public-key) (set dh-public-key-set!)))
      (generic dh-init ::dh)
      (generic dh-size::int ::dh)
      (generic dh-generate-parameters-ex ::dh ::int ::symbol)
      (generic dh-generate-key::bool ::dh)
      (generic dh-check ::dh)
      (generic dh-check-pub-key ::dh ::foreign)
      (generic dh-compute-key ::dh ::foreign)
      (dh-set-group!::dh ::dh ::bstring)

      (class ssl-ecdh
         ($native (default #f)))
      (ssl-ecdh-init::ssl-ecdh ::ssl-ecdh ::bstring #!optional private-key)
      (ssl-ecdh-public-key::bstring ::ssl-ecdh)
      (ssl-ecdh-compute-key::bstring ::ssl-ecdh ::bstring)))

;; A number is a foreign object that points to the box of a handle.
(define-macro (with-number proc bn handle . body)
   `(let* ((box::void* (number-box ,proc ,bn))
           (,(symbol-append handle '::void*) ($tls-unbox box)))
       (if ($tls-null? ,handle)
           (error ,proc "the number has been freed" ,bn)
           (let ((result (begin ,@body)))
              ($tls-keep-box box)
              result))))

(define (number-box::void* proc bn)
   (if ($tls-bignum? bn)
       ($tls-bignum-box bn)
       (error proc "not a number of bn-bin2bn" bn)))

;; The number of a handle; #f where there is none.
(define (number::obj handle::void*)
   (if ($tls-null? handle)
       #f
       ($tls-bignum handle)))

(define (bn-new)
   (succeed 'bn-new #f (number ($tls-bn-new))))

(define (bn-bin2bn bytes)
   (succeed 'bn-bin2bn bytes (number ($tls-bn-bin2bn bytes (string-length bytes)))))

(define (bn-bn2bin bn)
   (with-number 'bn-bn2bin bn handle
      (let ((bytes (make-string ($tls-bn-num-bytes handle))))
         ($tls-bn-bn2bin handle bytes (string-length bytes))
         bytes)))

(define (bn-num-bytes bn)
   (with-number 'bn-num-bytes bn handle
      ($tls-bn-num-bytes handle)))

(define (bn-set-word bn word)
   (with-number 'bn-set-word bn handle
      (=fx ($tls-bn-set-word handle (fixnum->llong word)) 0)))

;; A second time is harmless.
(define (bn-free bn)
   ($tls-box-release! (number-box 'bn-free bn))
   #unspecified)

;; ---- Diffie-Hellman ------------------------------------------------------------------------

(define-generic (dh-init dh::dh)
   (with-access::dh dh ($native)
      (set! $native (made 'dh dh $tls-box-dh ($tls-dh-new)))
      dh))

(define-macro (define-dh-field get set c-get c-set)
   `(begin
       (define (,get o::dh)
          (with-native dh 'dh o handle
             (number (,c-get handle))))
       (define (,set o::dh v)
          (check 'dh o
             (with-native dh 'dh o handle
                (if v
                    (with-number 'dh v number
                       (,c-set handle number))
                    (,c-set handle $tls-null))))
          v)))

(define-dh-field dh-p dh-p-set! $tls-dh-p $tls-dh-p-set)
(define-dh-field dh-q dh-q-set! $tls-dh-q $tls-dh-q-set)
(define-dh-field dh-g dh-g-set! $tls-dh-g $tls-dh-g-set)
(define-dh-field dh-private-key dh-private-key-set! $tls-dh-private-key $tls-dh-private-key-set)
(define-dh-field dh-public-key dh-public-key-set! $tls-dh-public-key $tls-dh-public-key-set)

(define-generic (dh-size dh::dh)
   (let ((size (with-native dh 'dh-size dh handle
                  ($tls-dh-size handle))))
      (if (=fx size 0)
          ($tls-raise 'dh-size dh)
          size)))

(define-generic (dh-generate-parameters-ex dh::dh len generator)
   (let ((generator (case generator
                       ((DH-GENERATOR-2) 2)
                       ((DH-GENERATOR-5) 5)
                       (else
                        (error "dh-generate-parameters-ex" "Illegal generator" generator)))))
      (check 'dh-generate-parameters-ex len
         (with-native dh 'dh-generate-parameters-ex dh handle
            ($tls-dh-generate-parameters handle len generator)))
      #t))

(define (dh-set-group! dh name)
   (c-string 'dh-set-group! "the name" name)
   (check 'dh-set-group! name
      (with-native dh 'dh-set-group! dh handle
         ($tls-dh-set-group handle name)))
   dh)

(define-generic (dh-generate-key dh::dh)
   (with-native dh 'dh-generate-key dh handle
      (=fx ($tls-dh-generate-key handle) 0)))

(define-generic (dh-check dh::dh)
   (let ((fault (with-native dh 'dh-check dh handle
                   ($tls-dh-check handle))))
      (cond
         ((=fx fault $tls-dh-fine) #f)
         ((=fx fault $tls-dh-p-not-safe-prime) 'DH-CHECK-P-NOT-SAFE-PRIME)
         ((=fx fault $tls-dh-p-not-prime) 'DH-CHECK-P-NOT-PRIME)
         ((=fx fault $tls-dh-not-suitable-generator) 'DH-NOT-SUITABLE-GENERATOR)
         ((=fx fault $tls-dh-q-not-prime) 'DH-CHECK-Q-NOT-PRIME)
         ((=fx fault $tls-dh-invalid-q) 'DH-CHECK-INVALID-Q-VALUE)
         (else #t))))

(define-generic (dh-check-pub-key dh::dh key)
   (let ((fault (with-number 'dh-check-pub-key key number
                   (with-native dh 'dh-check-pub-key dh handle
                      ($tls-dh-check-pub-key handle number)))))
      (cond
         ((=fx fault $tls-dh-fine) #f)
         ((=fx fault $tls-dh-pubkey-too-small) 'DH-CHECK-PUBKEY-TOO-SMALL)
         ((=fx fault $tls-dh-pubkey-too-large) 'DH-CHECK-PUBKEY-TOO-LARGE)
         ((=fx fault $tls-dh-pubkey-invalid) 'INVALID-KEY)
         (else #t))))

(define-generic (dh-compute-key dh::dh key)
   (with-number 'dh-compute-key key number
      (with-native dh 'dh-compute-key dh handle
         (c-bytes-once $tls-dh-compute-key handle number))))

;; ---- curves --------------------------------------------------------------------------------

(define (ssl-ecdh-init ecdh curve #!optional private-key)
   (c-string 'ssl-ecdh-init "the curve" curve)
   (with-access::ssl-ecdh ecdh ($native)
      (set! $native
         (made 'ssl-ecdh-init curve $tls-box-ecdh
            (cond
               ((not private-key)
                ($tls-ecdh-new curve))
               ((string? private-key)
                ($tls-ecdh-from-private-key curve private-key (string-length private-key)))
               (else
                (error 'ssl-ecdh-init "the private key must be a string" private-key)))))
      ecdh))

(define (ssl-ecdh-public-key ecdh)
   (succeed 'ssl-ecdh-public-key ecdh
      (with-native ssl-ecdh 'ssl-ecdh-public-key ecdh handle
         (c-bytes-once $tls-ecdh-public-key handle))))

(define (ssl-ecdh-compute-key ecdh public-key)
   (succeed 'ssl-ecdh-compute-key ecdh
      (with-native ssl-ecdh 'ssl-ecdh-compute-key ecdh handle
         (c-bytes-once $tls-ecdh-compute-key handle public-key (string-length public-key)))))
