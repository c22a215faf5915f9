;; signature.scm: signatures, made and verified.
(directives
   (extern
      (macro $tls-sign-init::void* (::string) "bgl_ssl_sign_init")
      (macro $tls-box-sign::void* (::void*) "bglssl_box_sign")
      (macro $tls-sign-update::int (::void* ::void* ::long) "bgl_ssl_sign_update")
      (macro $tls-sign-set-padding::int (::void* ::int ::int) "bgl_ssl_sign_set_padding")
      (macro $tls-sign-sign::long (::void* ::void* ::long ::string ::long) "bgl_ssl_sign_sign")
      (macro $tls-sign-with-key::long (::void* ::void* ::string ::long) "bgl_ssl_sign_with_key")
      (macro $tls-sign-message::long (::void* ::void* ::string ::long ::string ::long)
             "bgl_ssl_sign_message")
      (macro $tls-verify-init::void* (::string) "bgl_ssl_verify_init")
      (macro $tls-box-verify::void* (::void*) "bglssl_box_verify")
      (macro $tls-verify-update::int (::void* ::void* ::long) "bgl_ssl_verify_update")
      (macro $tls-verify-set-padding::int (::void* ::int ::int) "bgl_ssl_verify_set_padding")
      (macro $tls-verify-signature::int (::void* ::void* ::long ::void* ::long)
             "bglssl_verify_signature")
      (macro $tls-verify-message::int (::void* ::string ::long ::string ::long ::string ::long)
             "bglssl_verify_message")
      (macro $tls-padding-default::int "BGL_SSL_PADDING_DEFAULT")
      (macro $tls-padding-pkcs1::int "BGL_SSL_PADDING_PKCS1")
      (macro $tls-padding-pss::int "BGL_SSL_PADDING_PSS")
      (macro $tls-salt-digest::int "BGL_SSL_SALT_DIGEST")
      (macro $tls-salt-auto::int "BGL_SSL_SALT_AUTO"))
   (export
      (class ssl-sign
         ($native (default #f)))
      (generic ssl-sign-init ::ssl-sign ::bstring)
      (generic ssl-sign-update! ::ssl-sign ::bstring ::long ::long)
      (generic ssl-sign-sign ::ssl-sign ::bstring ::long ::long)
      (ssl-sign-with-key::bstring ::ssl-sign ::private-key)
      (ssl-sign-set-padding! ::ssl-sign ::symbol #!optional (salt 'digest))
      (ssl-sign-message::bstring ::obj ::private-key ::bstring)

      (class ssl-verify
         ($native (default #f)))
      (generic ssl-verify-init ::ssl-verify ::bstring)
      (generic ssl-verify-update! ::object ::bstring ::long ::long)
      (generic ssl-verify-final::bool ::ssl-verify ::bstring ::long ::long ::bstring ::long ::long)
      (ssl-verify-set-padding! ::ssl-verify ::symbol #!optional (salt 'auto))
      (ssl-verify-message::bool ::obj ::bstring ::bstring ::bstring)))

(define-generic (ssl-sign-init sign::ssl-sign type)
   (c-string 'ssl-sign-init "the type" type)
   (with-access::ssl-sign sign ($native)
      (set! $native (made 'ssl-sign-init type $tls-box-sign ($tls-sign-init type)))
      sign))

(define-generic (ssl-sign-update! sign::ssl-sign data::bstring offset len)
   (let ((part (string-part 'ssl-sign-update! data offset len)))
      (check 'ssl-sign-update! sign
         (with-native ssl-sign 'ssl-sign-update! sign handle
            ($tls-sign-update handle part len)))
      ($tls-keep data)
      sign))

(define-generic (ssl-sign-sign sign::ssl-sign key::bstring offset len)
   (let* ((part (string-part 'ssl-sign-sign key offset len))
          (signature (with-native ssl-sign 'ssl-sign-sign sign handle
                        (c-bytes-once $tls-sign-sign handle part len))))
      ($tls-keep key)
      (succeed 'ssl-sign-sign sign signature)))

(define (private-key-box::$private-key key)
   (with-access::private-key key ($native)
      $native))

(define (ssl-sign-with-key sign key)
   (let* ((key-box (private-key-box key))
          (signature (with-native ssl-sign 'ssl-sign-with-key sign handle
                        (c-bytes-once $tls-sign-with-key handle ($tls-unbox key-box)))))
      ($tls-keep-box key-box)
      (succeed 'ssl-sign-with-key sign signature)))

(define (padding->int::int proc padding)
   (case padding
      ((default) $tls-padding-default)
      ((pkcs1) $tls-padding-pkcs1)
      ((pss) $tls-padding-pss)
      (else (error proc "the padding must be default, pkcs1 or pss" padding))))

(define (salt->int::int proc salt)
   (cond
      ((eq? salt 'digest) $tls-salt-digest)
      ((eq? salt 'auto) $tls-salt-auto)
      ((and (fixnum? salt) (>=fx salt 0)) (c-int proc "the salt's length" salt))
      (else (error proc "the salt's length must be digest, auto or a number" salt))))

(define (ssl-sign-set-padding! sign padding #!optional (salt 'digest))
   (let ((padding (padding->int 'ssl-sign-set-padding! padding))
         (salt (salt->int 'ssl-sign-set-padding! salt)))
      (check 'ssl-sign-set-padding! sign
         (with-native ssl-sign 'ssl-sign-set-padding! sign handle
            ($tls-sign-set-padding handle padding salt)))
      sign))

;; Ed25519 and Ed448 have no digest of another's choice.
(define (digest-address::void* proc type)
   (if type
       ($tls-string-address (c-string proc "the type" type))
       $tls-null))

(define (ssl-sign-message type key data)
   (let* ((digest (digest-address 'ssl-sign-message type))
          (box (private-key-box key))
          (handle ($tls-unbox box))
          (signature (c-bytes-once $tls-sign-message digest handle data (string-length data))))
      ($tls-keep-box box)
      ($tls-keep type)
      (succeed 'ssl-sign-message type signature)))

(define-generic (ssl-verify-init verify::ssl-verify type)
   (c-string 'ssl-verify-init "the type" type)
   (with-access::ssl-verify verify ($native)
      (set! $native (made 'ssl-verify-init type $tls-box-verify ($tls-verify-init type)))
      verify))

;; Programs for Bigloo's own library call it for signatures that are being made, too.
(define-generic (ssl-verify-update! verify::object data::bstring offset len)
   (if (isa? verify ssl-sign)
       (ssl-sign-update! verify data offset len)
       (error 'ssl-verify-update! "not an ssl-verify" verify)))

(define-method (ssl-verify-update! verify::ssl-verify data::bstring offset len)
   (let ((part (string-part 'ssl-verify-update! data offset len)))
      (check 'ssl-verify-update! verify
         (with-native ssl-verify 'ssl-verify-update! verify handle
            ($tls-verify-update handle part len)))
      ($tls-keep data)
      verify))

(define-generic (ssl-verify-final verify::ssl-verify key::bstring koffset klen
                    signature::bstring soffset slen)
   (let* ((key-part (string-part 'ssl-verify-final key koffset klen))
          (signature-part (string-part 'ssl-verify-final signature soffset slen))
          (answer (with-native ssl-verify 'ssl-verify-final verify handle
                     ($tls-verify-signature handle key-part klen signature-part slen))))
      ($tls-keep key)
      ($tls-keep signature)
      (check 'ssl-verify-final verify answer)
      (=fx answer 1)))

(define (ssl-verify-set-padding! verify padding #!optional (salt 'auto))
   (let ((padding (padding->int 'ssl-verify-set-padding! padding))
         (salt (salt->int 'ssl-verify-set-padding! salt)))
      (check 'ssl-verify-set-padding! verify
         (with-native ssl-verify 'ssl-verify-set-padding! verify handle
            ($tls-verify-set-padding handle padding salt)))
      verify))

(define (ssl-verify-message type key data signature)
   (let* ((digest (digest-address 'ssl-verify-message type))
          (answer ($tls-verify-message digest key (string-length key) data (string-length data)
                     signature (string-length signature))))
      ($tls-keep type)
      (check 'ssl-verify-message type answer)
      (=fx answer 1)))
