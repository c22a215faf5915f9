;; t_prototypes.scm: subclasses of all classes, with a method on each generic procedure, as
;; programs for Bigloo's own library may have them. The compiler refuses a method whose formals
;; have other types than the generic procedure's: that this file compiles is what it tests.
(module t_prototypes
   (library ssl)
   (include "harness.scm")
   (static
      (class my-secure-context::secure-context)
      (class my-ssl-connection::ssl-connection)
      (class my-ssl-hash::ssl-hash)
      (class my-ssl-hmac::ssl-hmac)
      (class my-ssl-sign::ssl-sign)
      (class my-ssl-verify::ssl-verify)
      (class my-ssl-cipher::ssl-cipher)
      (class my-dh::dh))
   (main run-cases))

;; ---- secure-context ------------------------------------------------------------------

(define-method (secure-context-init sc::my-secure-context)
   (call-next-method))

(define-method (secure-context-close sc::my-secure-context)
   (call-next-method))

(define-method (secure-context-add-root-certs!::bool sc::my-secure-context)
   (call-next-method))

(define-method (secure-context-add-ca-cert!::bool sc::my-secure-context a::bstring b::long
                   c::long)
   (call-next-method))

(define-method (secure-context-add-crl!::bool sc::my-secure-context a::bstring b::long c::long)
   (call-next-method))

(define-method (secure-context-set-key!::bool sc::my-secure-context a::bstring b::long c::long
                   #!optional passphrase)
   (call-next-method))

(define-method (secure-context-set-cert!::bool sc::my-secure-context a::bstring b::long c::long)
   (call-next-method))

(define-method (secure-context-set-session-id-context!::bool sc::my-secure-context a::bstring
                   b::long c::long)
   (call-next-method))

(define-method (secure-context-load-pkcs12::bool sc::my-secure-context a::bstring b::obj)
   (call-next-method))

(define-method (secure-context-set-ciphers!::bool sc::my-secure-context a::bstring)
   (call-next-method))

(define-method (secure-context-set-options!::bool sc::my-secure-context a::int)
   (call-next-method))

;; ---- ssl-connection ------------------------------------------------------------------

(define-method (ssl-connection-init self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-start::int self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-close::int self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-shutdown::obj self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-read self::my-ssl-connection a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-connection-write self::my-ssl-connection a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-connection-clear-in self::my-ssl-connection a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-connection-clear-out self::my-ssl-connection a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-connection-init-finished? self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-enc-pending self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-clear-pending self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-set-session self::my-ssl-connection a::bstring)
   (call-next-method))

(define-method (ssl-connection-get-session self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-get-current-cipher self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-load-session self::my-ssl-connection a::bstring)
   (call-next-method))

(define-method (ssl-connection-verify-error self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-get-peer-certificate self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-get-negotiated-protocol self::my-ssl-connection)
   (call-next-method))

(define-method (ssl-connection-reused?::bool self::my-ssl-connection)
   (call-next-method))

;; ---- dh ------------------------------------------------------------------------------

(define-method (dh-size::int o::my-dh)
   (call-next-method))

(define-method (dh-generate-parameters-ex o::my-dh a::int b::symbol)
   (call-next-method))

(define-method (dh-generate-key::bool o::my-dh)
   (call-next-method))

(define-method (dh-check o::my-dh)
   (call-next-method))

(define-method (dh-check-pub-key o::my-dh a::foreign)
   (call-next-method))

(define-method (dh-compute-key o::my-dh a::foreign)
   (call-next-method))

;; ---- ssl-hash ------------------------------------------------------------------------

(define-method (ssl-hash-init h::my-ssl-hash)
   (call-next-method))

(define-method (ssl-hash-update! h::my-ssl-hash a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-hash-digest h::my-ssl-hash)
   (call-next-method))

;; ---- ssl-hmac ------------------------------------------------------------------------

;; Whose key may be #f here.
(define-method (ssl-hmac-init h::my-ssl-hmac a::bstring b)
   (call-next-method))

(define-method (ssl-hmac-update! h::my-ssl-hmac a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-hmac-digest h::my-ssl-hmac)
   (call-next-method))

;; ---- ssl-sign ------------------------------------------------------------------------

(define-method (ssl-sign-init s::my-ssl-sign a::bstring)
   (call-next-method))

(define-method (ssl-sign-update! s::my-ssl-sign a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-sign-sign s::my-ssl-sign a::bstring b::long c::long)
   (call-next-method))

;; ---- ssl-verify ----------------------------------------------------------------------

(define-method (ssl-verify-init v::my-ssl-verify a::bstring)
   (call-next-method))

(define-method (ssl-verify-update! v::my-ssl-verify a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-verify-final::bool v::my-ssl-verify a::bstring b::long c::long d::bstring
                   e::long f::long)
   (call-next-method))

;; ---- ssl-cipher ----------------------------------------------------------------------

(define-method (ssl-cipher-init self::my-ssl-cipher a::bstring b::bstring c::long d::long e::bool)
   (call-next-method))

(define-method (ssl-cipher-initiv self::my-ssl-cipher a::bstring b::bstring c::long d::long
                   e::bstring f::long g::long h::bool)
   (call-next-method))

(define-method (ssl-cipher-update!::bstring self::my-ssl-cipher a::bstring b::long c::long)
   (call-next-method))

(define-method (ssl-cipher-set-auto-padding::bool self::my-ssl-cipher a::bool)
   (call-next-method))

(define-method (ssl-cipher-final::bstring self::my-ssl-cipher)
   (call-next-method))

;; ---- they are called -------------------------------------------------------------------------

(define-case "methods of subclasses reach the library's"
   (let ((sc (instantiate::my-secure-context)))
      (check-equal "options" (secure-context-set-options! sc 4) #t)
      (check-equal "ciphers" (secure-context-set-ciphers! sc "nonsense") #f)
      (let ((c (instantiate::my-ssl-connection (ctx sc) (isserver #f) (reject-unauthorized #f))))
         (check-equal "step" (ssl-connection-start c) -1)
         (check "hello" (>fx (ssl-connection-enc-pending c) 0))
         (check-equal "closed" (ssl-connection-close c) 0))
      (check-equal "closed" (secure-context-close sc) '()))
   (let ((h (instantiate::my-ssl-hash (type "sha256")))
         (m (instantiate::my-ssl-hmac)))
      (ssl-hash-update! h "abc" 0 3)
      (check-equal "digest" (ssl-hash-digest h) (ssl-digest "sha256" "abc"))
      (ssl-hmac-init m "sha256" #f)
      (ssl-hmac-update! m "abc" 0 3)
      (check-equal "mac" (string-length (ssl-hmac-digest m)) 32))
   (let ((o (dh-set-group! (instantiate::my-dh) "ffdhe2048")))
      (check-equal "size" (dh-size o) 256)
      (check-equal "key" (dh-check-pub-key o (bn-new)) 'DH-CHECK-PUBKEY-TOO-SMALL)))
