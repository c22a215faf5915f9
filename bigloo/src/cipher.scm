;; cipher.scm: encryption and decryption.
(directives
   (extern
      (macro $tls-cipher-init::void* (::string ::void* ::long ::bool) "bgl_ssl_cipher_init")
      (macro $tls-cipher-initiv::void* (::string ::void* ::long ::void* ::long ::bool)
             "bgl_ssl_cipher_initiv")
      (macro $tls-cipher-init-aead::void*
             (::string ::string ::long ::string ::long ::long ::bool) "bgl_ssl_cipher_init_aead")
      (macro $tls-box-cipher::void* (::void*) "bglssl_box_cipher")
      (macro $tls-cipher-update::long (::void* ::void* ::long ::string ::long)
             "bglssl_cipher_update")
      (macro $tls-cipher-final::long (::void* ::string ::long) "bglssl_cipher_final")
      (macro $tls-cipher-set-auto-padding::int (::void* ::bool) "bgl_cipher_set_auto_padding")
      (macro $tls-cipher-add-aad::int (::void* ::void* ::long) "bgl_ssl_cipher_add_aad")
      (macro $tls-cipher-tag::long (::void* ::string ::long) "bgl_ssl_cipher_tag")
      (macro $tls-cipher-set-tag::int (::void* ::string ::long) "bgl_ssl_cipher_set_tag")
      (macro $tls-cipher-slack::long "BGL_SSL_CIPHER_SLACK"))
   (export
      (class ssl-cipher
         ($native (default #f)))
      (generic ssl-cipher-init ::ssl-cipher ::bstring ::bstring ::long ::long ::bool)
      (generic ssl-cipher-initiv ::ssl-cipher ::bstring ::bstring ::long ::long
               ::bstring ::long ::long ::bool)
      (generic ssl-cipher-update!::bstring ::ssl-cipher ::bstring ::long ::long)
      (generic ssl-cipher-set-auto-padding::bool ::ssl-cipher ::bool)
      (generic ssl-cipher-final::bstring ::ssl-cipher)
      (ssl-cipher-init-aead::ssl-cipher ::ssl-cipher ::bstring ::bstring ::bstring ::bool
         #!key (tag-length 16))
      (ssl-cipher-add-aad!::ssl-cipher ::ssl-cipher ::bstring ::long ::long)
      (ssl-cipher-tag::bstring ::ssl-cipher)
      (ssl-cipher-set-tag!::ssl-cipher ::ssl-cipher ::bstring)))

(define-generic (ssl-cipher-init cipher::ssl-cipher type key::bstring offset len enc)
   (c-string 'ssl-cipher-init "the type" type)
   (let ((part (string-part 'ssl-cipher-init key offset len)))
      (with-access::ssl-cipher cipher ($native)
         (set! $native
            (made 'ssl-cipher-init type $tls-box-cipher ($tls-cipher-init type part len enc)))
         ($tls-keep key)
         cipher)))

(define-generic (ssl-cipher-initiv cipher::ssl-cipher type key::bstring koffset klen
                    iv::bstring ivoffset ivlen enc)
   (c-string 'ssl-cipher-initiv "the type" type)
   (let ((key-part (string-part 'ssl-cipher-initiv key koffset klen))
         (iv-part (string-part 'ssl-cipher-initiv iv ivoffset ivlen)))
      (with-access::ssl-cipher cipher ($native)
         (set! $native
            (made 'ssl-cipher-initiv type $tls-box-cipher
               ($tls-cipher-initiv type key-part klen iv-part ivlen enc)))
         ($tls-keep key)
         ($tls-keep iv)
         cipher)))

(define (ssl-cipher-init-aead cipher type key iv enc #!key (tag-length 16))
   (c-string 'ssl-cipher-init-aead "the type" type)
   (unless (and (fixnum? tag-length) (>fx tag-length 0))
      (error 'ssl-cipher-init-aead "the tag's length must be a number" tag-length))
   (with-access::ssl-cipher cipher ($native)
      (set! $native
         (made 'ssl-cipher-init-aead type $tls-box-cipher
            ($tls-cipher-init-aead type key (string-length key) iv (string-length iv)
               tag-length enc)))
      cipher))

(define-generic (ssl-cipher-update! cipher::ssl-cipher data::bstring offset len)
   (let* ((part (string-part 'ssl-cipher-update! data offset len))
          (space (+fx len $tls-cipher-slack))
          (text (make-string space))
          (size (with-native ssl-cipher 'ssl-cipher-update! cipher handle
                   ($tls-cipher-update handle part len text space))))
      ($tls-keep data)
      (check 'ssl-cipher-update! cipher size)
      (substring text 0 size)))

(define-generic (ssl-cipher-set-auto-padding cipher::ssl-cipher padding)
   (with-native ssl-cipher 'ssl-cipher-set-auto-padding cipher handle
      (=fx ($tls-cipher-set-auto-padding handle padding) 0)))

(define-generic (ssl-cipher-final cipher::ssl-cipher)
   (let* ((text (make-string $tls-cipher-slack))
          (size (with-native ssl-cipher 'ssl-cipher-final cipher handle
                   ($tls-cipher-final handle text (string-length text)))))
      (check 'ssl-cipher-final cipher size)
      (substring text 0 size)))

(define (ssl-cipher-add-aad! cipher data offset len)
   (let ((part (string-part 'ssl-cipher-add-aad! data offset len)))
      (check 'ssl-cipher-add-aad! cipher
         (with-native ssl-cipher 'ssl-cipher-add-aad! cipher handle
            ($tls-cipher-add-aad handle part len)))
      ($tls-keep data)
      cipher))

(define (ssl-cipher-tag cipher)
   (succeed 'ssl-cipher-tag cipher
      (with-native ssl-cipher 'ssl-cipher-tag cipher handle
         (c-bytes-once $tls-cipher-tag handle))))

(define (ssl-cipher-set-tag! cipher tag)
   (check 'ssl-cipher-set-tag! cipher
      (with-native ssl-cipher 'ssl-cipher-set-tag! cipher handle
         ($tls-cipher-set-tag handle tag (string-length tag))))
   cipher)
