;; kdf.scm: keys from passwords and from other secrets.
(directives
   (extern
      (macro $tls-pbkdf2-sha1::int (::string ::long ::string ::long ::int ::string ::long)
             "bgl_pkcs5_pbkdf2_hmac_sha1")
      (macro $tls-pbkdf2::int (::string ::string ::long ::string ::long ::int ::string ::long)
             "bgl_ssl_pbkdf2_hmac")
      (macro $tls-hkdf::int
             (::string ::string ::long ::string ::long ::string ::long ::string ::long)
             "bgl_ssl_hkdf")
      (macro $tls-scrypt::int
             (::string ::long ::string ::long ::llong ::llong ::llong ::llong ::string ::long)
             "bgl_ssl_scrypt"))
   (export
      (pkcs5-pbkdf2-hmac-sha1::bstring ::bstring ::bstring ::long ::long)
      (ssl-pbkdf2-hmac::bstring ::bstring ::bstring ::bstring ::long ::long)
      (ssl-hkdf::bstring ::bstring ::bstring ::bstring ::bstring ::long)
      (ssl-scrypt::bstring ::bstring ::bstring ::long ::long ::long ::long
         #!key (max-memory 0))))

(define (pkcs5-pbkdf2-hmac-sha1 pass salt iter keylen)
   (let ((iter (c-int 'pkcs5-pbkdf2-hmac-sha1 "the number of iterations" iter))
         (key (byte-string 'pkcs5-pbkdf2-hmac-sha1 keylen)))
      (check 'pkcs5-pbkdf2-hmac-sha1 iter
         ($tls-pbkdf2-sha1 pass (string-length pass) salt (string-length salt) iter key keylen))
      key))

(define (ssl-pbkdf2-hmac type pass salt iter keylen)
   (c-string 'ssl-pbkdf2-hmac "the type" type)
   (let ((iter (c-int 'ssl-pbkdf2-hmac "the number of iterations" iter))
         (key (byte-string 'ssl-pbkdf2-hmac keylen)))
      (check 'ssl-pbkdf2-hmac type
         ($tls-pbkdf2 type pass (string-length pass) salt (string-length salt) iter key keylen))
      key))

(define (ssl-hkdf type secret salt info keylen)
   (c-string 'ssl-hkdf "the type" type)
   (let ((key (byte-string 'ssl-hkdf keylen)))
      (check 'ssl-hkdf type
         ($tls-hkdf type secret (string-length secret) salt (string-length salt)
            info (string-length info) key keylen))
      key))

(define (not-negative::llong proc n::long)
   (if (<fx n 0)
       (error proc "the number must not be negative" n)
       (fixnum->llong n)))

(define (ssl-scrypt pass salt n r p keylen #!key (max-memory 0))
   (let ((key (byte-string 'ssl-scrypt keylen)))
      (check 'ssl-scrypt (list n r p)
         ($tls-scrypt pass (string-length pass) salt (string-length salt)
            (not-negative 'ssl-scrypt n) (not-negative 'ssl-scrypt r) (not-negative 'ssl-scrypt p)
            (not-negative 'ssl-scrypt max-memory) key keylen))
      key))
