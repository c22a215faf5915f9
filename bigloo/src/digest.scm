;; digest.scm: digests and HMAC.
(directives
   (extern
      (macro $tls-hash-init::void* (::string) "bgl_ssl_hash_init")
      (macro $tls-box-hash::void* (::void*) "bglssl_box_hash")
      (macro $tls-hash-update::int (::void* ::void* ::long) "bgl_ssl_hash_update")
      (macro $tls-hash-digest::long (::void* ::string ::long) "bgl_ssl_hash_digest")
      (macro $tls-hash-digest-extendable::int (::void* ::string ::long)
             "bgl_ssl_hash_digest_extendable")
      (macro $tls-digest::long (::string ::string ::long ::string ::long) "bgl_ssl_digest")
      (macro $tls-hmac-init::void* (::string ::string ::long) "bgl_ssl_hmac_init")
      (macro $tls-box-hmac::void* (::void*) "bglssl_box_hmac")
      (macro $tls-hmac-update::int (::void* ::void* ::long) "bgl_ssl_hmac_update")
      (macro $tls-hmac-digest::long (::void* ::string ::long) "bgl_ssl_hmac_digest"))
   (export
      (class ssl-hash
         (ssl-hash-init)
         ($native (default #f))
         (type::bstring read-only))
      (generic ssl-hash-init ::ssl-hash)
      (generic ssl-hash-update! ::ssl-hash ::bstring ::long ::long)
      (generic ssl-hash-digest ::ssl-hash)
      (ssl-hash-digest-extendable::bstring ::ssl-hash ::long)
      (ssl-digest::bstring ::bstring ::bstring)

      (class ssl-hmac
         ($native (default #f)))
      (generic ssl-hmac-init ::ssl-hmac ::bstring ::obj)
      (generic ssl-hmac-update! ::ssl-hmac ::bstring ::long ::long)
      (generic ssl-hmac-digest ::ssl-hmac)))

;; What a library's maker gave, in a box; an error if it gave nothing.
(define-macro (made proc where box handle)
   `(let ((handle::void* ,handle))
       (if ($tls-null? handle)
           ($tls-raise ,proc ,where)
           (,box handle))))

(define-generic (ssl-hash-init hash::ssl-hash)
   (with-access::ssl-hash hash ($native type)
      (set! $native
         (made 'ssl-hash type $tls-box-hash ($tls-hash-init (c-string 'ssl-hash "the type" type))))
      hash))

(define-generic (ssl-hash-update! hash::ssl-hash data::bstring offset len)
   (let ((part (string-part 'ssl-hash-update! data offset len)))
      (check 'ssl-hash-update! hash
         (with-native ssl-hash 'ssl-hash-update! hash handle
            ($tls-hash-update handle part len)))
      ($tls-keep data)
      hash))

(define-generic (ssl-hash-digest hash::ssl-hash)
   (succeed 'ssl-hash-digest hash
      (with-native ssl-hash 'ssl-hash-digest hash handle
         (c-bytes-once $tls-hash-digest handle))))

(define (ssl-hash-digest-extendable hash len)
   (let ((bytes (byte-string 'ssl-hash-digest-extendable len)))
      (check 'ssl-hash-digest-extendable hash
         (with-native ssl-hash 'ssl-hash-digest-extendable hash handle
            ($tls-hash-digest-extendable handle bytes len)))
      bytes))

(define (ssl-digest type data)
   (c-string 'ssl-digest "the type" type)
   (succeed 'ssl-digest type
      (c-bytes-once $tls-digest type data (string-length data))))

(define-generic (ssl-hmac-init hmac::ssl-hmac type key)
   (c-string 'ssl-hmac-init "the type" type)
   (let ((key (or key "")))
      (unless (string? key)
         (error 'ssl-hmac-init "the key must be a string or #f" key))
      (with-access::ssl-hmac hmac ($native)
         (set! $native
            (made 'ssl-hmac-init type $tls-box-hmac
               ($tls-hmac-init type key (string-length key))))
         hmac)))

(define-generic (ssl-hmac-update! hmac::ssl-hmac data::bstring offset len)
   (let ((part (string-part 'ssl-hmac-update! data offset len)))
      (check 'ssl-hmac-update! hmac
         (with-native ssl-hmac 'ssl-hmac-update! hmac handle
            ($tls-hmac-update handle part len)))
      ($tls-keep data)
      hmac))

(define-generic (ssl-hmac-digest hmac::ssl-hmac)
   (succeed 'ssl-hmac-digest hmac
      (with-native ssl-hmac 'ssl-hmac-digest hmac handle
         (c-bytes-once $tls-hmac-digest handle))))
