;; random.scm: randomness, the library's version, lists of algorithms.
(directives
   (extern
      (macro $tls-rand-status::bool () "bgl_ssl_rand_status")
      (macro $tls-rand-poll::bool () "bgl_ssl_rand_poll")
      (macro $tls-rand-bytes::int (::string ::long) "bgl_ssl_rand_bytes")
      (macro $tls-rand-pseudo-bytes::int (::string ::long) "bgl_ssl_rand_pseudo_bytes")
      (macro $tls-version::void* () "(void *)bgl_ssl_version")
      (macro $tls-error-string::void* () "(void *)bgl_ssl_error_string")
      (macro $tls-clear-error::void () "bgl_ssl_clear_error")
      (macro $tls-ssl-ciphers::long (::string ::long) "bgl_ssl_get_ciphers")
      (macro $tls-evp-ciphers::long (::string ::long) "bgl_evp_get_ciphers")
      (macro $tls-evp-hashes::long (::string ::long) "bgl_evp_get_hashes")
      (macro $tls-op-cipher-server-preference::llong () "bgl_ssl_op_cipher_server_preference"))
   (export
      (ssl-version::bstring)
      (ssl-clear-error)
      (ssl-error-string::bstring)
      (ssl-rand-status::bool)
      (ssl-rand-poll::bool)
      (ssl-rand-bytes::bstring ::long)
      (ssl-rand-pseudo-bytes::bstring ::long)
      (ssl-get-ciphers::vector)
      (evp-get-ciphers::pair-nil)
      (evp-get-hashes::pair-nil)
      (ssl-op-cipher-server-preference::int)))

(define (ssl-version)
   ($tls-static-text ($tls-version)))

(define (ssl-clear-error)
   ($tls-clear-error)
   #t)

;; The oldest error that OpenSSL has queued in this thread.
(define (ssl-error-string)
   ($tls-static-text ($tls-error-string)))

(define (ssl-rand-status)
   ($tls-rand-status))

(define (ssl-rand-poll)
   ($tls-rand-poll))

;; No string is longer than a C int says.
(define (byte-string proc n::long)
   (if (<fx n 0)
       (error proc "the number of bytes must not be negative" n)
       (make-string (c-int proc "the number of bytes" n))))

(define (ssl-rand-bytes n)
   (let ((bytes (byte-string 'ssl-rand-bytes n)))
      (check 'ssl-rand-bytes n ($tls-rand-bytes bytes n))
      bytes))

(define (ssl-rand-pseudo-bytes n)
   (let ((bytes (byte-string 'ssl-rand-pseudo-bytes n)))
      (check 'ssl-rand-pseudo-bytes n ($tls-rand-pseudo-bytes bytes n))
      bytes))

(define (ssl-get-ciphers)
   (list->vector (string-split (c-text $tls-ssl-ciphers) ":")))

(define (evp-get-ciphers)
   (sort string<? (string-split (c-text $tls-evp-ciphers) ":")))

(define (evp-get-hashes)
   (sort string<? (string-split (c-text $tls-evp-hashes) ":")))

(define (ssl-op-cipher-server-preference)
   (llong->fixnum ($tls-op-cipher-server-preference)))
