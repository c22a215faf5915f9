;; t_crypto.scm: digests, MACs, signatures, ciphers, key agreement, keys from passwords.
(module t_crypto
   (library ssl)
   (include "harness.scm")
   (static (class watched-context::secure-context)
           (class watched-dh::dh
              (seen (default '()))))
   (main run-cases))

;; ---- published vectors -----------------------------------------------------------------------

;; Calls `proc` with the fields of each line of a file of c-tests/vectors; at least one.
(define (for-each-vector file proc)
   (let* ((path (string-append (getenv "BGLSSL_TEST_VECTORS") "/" file))
          (lines (filter (lambda (l) (not (or (string-null? l) (char=? (string-ref l 0) #\#))))
                    (call-with-input-file path port->string-list-of-lines))))
      (check "there are vectors" (pair? lines))
      (for-each (lambda (l)
                   (unless (apply proc (string-split l " "))
                      (fail file ": " (if (>fx (string-length l) 200) (substring l 0 200) l))))
         lines)))

(define (bytes hex)
   (if (string=? hex "-") "" (string-hex-intern hex)))

(define (hash type . parts)
   (let ((h (instantiate::ssl-hash (type type))))
      (for-each (lambda (part) (ssl-hash-update! h part 0 (string-length part))) parts)
      (ssl-hash-digest h)))

(define (hmac type key . parts)
   (let ((h (instantiate::ssl-hmac)))
      (ssl-hmac-init h type key)
      (for-each (lambda (part) (ssl-hmac-update! h part 0 (string-length part))) parts)
      (ssl-hmac-digest h)))

(define-case "digests are the published ones"
   (for-each-vector "digests.txt"
      (lambda (type message digest)
         (and (string=? (hash type (bytes message)) (bytes digest))
              (string=? (ssl-digest type (bytes message)) (bytes digest))))))

(define-case "extendable digests are the published ones"
   (for-each-vector "extendable.txt"
      (lambda (type message output)
         (let ((h (instantiate::ssl-hash (type type)))
               (message (bytes message)))
            (ssl-hash-update! h message 0 (string-length message))
            (string=? (ssl-hash-digest-extendable h (string-length (bytes output)))
               (bytes output))))))

(define-case "HMACs are the published ones"
   (for-each-vector "hmac.txt"
      (lambda (type key message mac)
         (string=? (hmac type (bytes key) (bytes message)) (bytes mac)))))

;; Runs a text through a cipher.
(define (run-cipher c text)
   (let ((text (ssl-cipher-update! c text 0 (string-length text))))
      (string-append text (ssl-cipher-final c))))

(define (cipher type key iv enc)
   (let ((c (instantiate::ssl-cipher)))
      (ssl-cipher-initiv c type key 0 (string-length key) iv 0 (string-length iv) enc)
      c))

(define-case "ciphers give the published texts"
   (for-each-vector "ciphers.txt"
      (lambda (type key iv plain coded)
         (define (run text enc)
            (let ((c (cipher type (bytes key) (bytes iv) enc)))
               (ssl-cipher-set-auto-padding c #f)
               (run-cipher c text)))
         (and (string=? (run (bytes plain) #t) (bytes coded))
              (string=? (run (bytes coded) #f) (bytes plain))))))

(define (aead type key iv enc tag-length aad)
   (let ((c (ssl-cipher-init-aead (instantiate::ssl-cipher) type key iv enc :tag-length tag-length)))
      (ssl-cipher-add-aad! c aad 0 (string-length aad))
      c))

(define-case "AEAD ciphers give the published texts and tags"
   (for-each-vector "aead.txt"
      (lambda (type key iv aad plain coded tag)
         (let* ((tag (bytes tag))
                (coder (aead type (bytes key) (bytes iv) #t (string-length tag) (bytes aad)))
                (decoder (aead type (bytes key) (bytes iv) #f (string-length tag) (bytes aad))))
            (ssl-cipher-set-tag! decoder tag)
            (and (string=? (run-cipher coder (bytes plain)) (bytes coded))
                 (string=? (ssl-cipher-tag coder) tag)
                 (string=? (run-cipher decoder (bytes coded)) (bytes plain)))))))

(define-case "PBKDF2 gives the published keys"
   (for-each-vector "pbkdf2.txt"
      (lambda (type pass salt iterations key)
         (let ((n (string->integer iterations))
               (len (string-length (bytes key))))
            (and (string=? (ssl-pbkdf2-hmac type (bytes pass) (bytes salt) n len) (bytes key))
                 (or (not (string=? type "sha1"))
                     (string=? (pkcs5-pbkdf2-hmac-sha1 (bytes pass) (bytes salt) n len)
                        (bytes key))))))))

(define-case "HKDF gives the published keys"
   (for-each-vector "hkdf.txt"
      (lambda (type secret salt info key)
         (string=? (ssl-hkdf type (bytes secret) (bytes salt) (bytes info)
                      (string-length (bytes key)))
            (bytes key)))))

(define-case "scrypt gives the published keys"
   (for-each-vector "scrypt.txt"
      (lambda (pass salt n r p key)
         (string=? (ssl-scrypt (bytes pass) (bytes salt) (string->integer n) (string->integer r)
                      (string->integer p) (string-length (bytes key)))
            (bytes key)))))

(define-case "secrets on curves are the published ones"
   (for-each-vector "ecdh.txt"
      (lambda (curve private peer secret)
         (string=? (ssl-ecdh-compute-key
                      (ssl-ecdh-init (instantiate::ssl-ecdh) curve (bytes private)) (bytes peer))
            (bytes secret)))))

(define-case "Diffie-Hellman secrets are the published ones"
   (for-each-vector "dh.txt"
      (lambda (p* q* g* private public peer secret)
         (let ((o (instantiate::dh)))
            (with-access::dh o (p q g private-key public-key)
               (set! p (bn-bin2bn (bytes p*)))
               (set! q (bn-bin2bn (bytes q*)))
               (set! g (bn-bin2bn (bytes g*)))
               (set! private-key (bn-bin2bn (bytes private)))
               (and (dh-generate-key o)
                    (string=? (bn-bn2bin public-key) (bytes public))
                    (not (dh-check o))
                    (not (dh-check-pub-key o (bn-bin2bn (bytes peer))))
                    (string=? (dh-compute-key o (bn-bin2bn (bytes peer))) (bytes secret))))))))

(define (public-pem der)
   (string-append "-----BEGIN PUBLIC KEY-----\n" (base64-encode der 64)
      "\n-----END PUBLIC KEY-----\n"))

(define (verify type key text signature . padding)
   (let ((v (instantiate::ssl-verify)))
      (ssl-verify-init v type)
      (when (pair? padding)
         (apply ssl-verify-set-padding! v padding))
      (ssl-verify-update! v text 0 (string-length text))
      (ssl-verify-final v key 0 (string-length key) signature 0 (string-length signature))))

;; As with Bigloo's own library: Hop has one call for both.
(define-case "ssl-verify-update! takes what is being signed, too"
   (define (signed update)
      (let ((s (instantiate::ssl-sign)) (key (call-with-input-file (pki "good-rsa.key") read-string)))
         (ssl-sign-init s "RSA-SHA256")
         (update s "..text" 2 4)
         (ssl-sign-sign s key 0 (string-length key))))
   (check-equal "signature" (signed ssl-verify-update!) (signed ssl-sign-update!))
   (check-raises "another object" &error (lambda () (ssl-verify-update! (instantiate::secure-context) "x" 0 1))))

(define-case "ECDSA signatures verify as published"
   (for-each-vector "ecdsa.txt"
      (lambda (type key text signature result)
         (eq? (verify type (public-pem (bytes key)) (bytes text) (bytes signature))
            (string=? result "valid")))))

(define-case "RSA signatures verify as published"
   (for-each-vector "rsa.txt"
      (lambda (type padding salt key text signature result)
         (eq? (verify type (public-pem (bytes key)) (bytes text) (bytes signature)
                 (string->symbol padding) (string->integer salt))
            (string=? result "valid")))))

(define-case "Ed25519 signatures verify as published"
   (for-each-vector "ed25519.txt"
      (lambda (private public text signature)
         (let ((key (public-pem (string-append (bytes "302a300506032b6570032100") (bytes public))))
               (text (bytes text)))
            (and (ssl-verify-message #f key text (bytes signature))
                 (not (ssl-verify-message #f key (string-append text "x") (bytes signature))))))))

;; ---- digests -----------------------------------------------------------------------------------

(define-case "a part of a string is digested"
   (let ((h (instantiate::ssl-hash (type "sha256"))))
      (ssl-hash-update! h "xxabcxx" 2 3)
      (check-equal "digest" (ssl-hash-digest h) (ssl-digest "sha256" "abc"))))

(define-case "procedures of digests return the object"
   (let ((h (instantiate::ssl-hash (type "sha256")))
         (m (instantiate::ssl-hmac)))
      (check "update" (eq? (ssl-hash-update! h "x" 0 1) h))
      (check "init" (eq? (ssl-hmac-init m "sha256" "key") m))
      (check "update" (eq? (ssl-hmac-update! m "x" 0 1) m))))

(define (check-error what thunk)
   (let ((e (raised thunk)))
      (check (string-append what ": an &error") (isa? e &error))
      e))

(define-case "fault 10: a second digest is an error"
   (let ((h (instantiate::ssl-hash (type "sha256")))
         (m (instantiate::ssl-hmac)))
      (ssl-hash-digest h)
      (check-error "digest" (lambda () (ssl-hash-digest h)))
      (check-error "update" (lambda () (ssl-hash-update! h "x" 0 1)))
      (ssl-hmac-init m "sha256" "key")
      (ssl-hmac-digest m)
      (check-error "hmac digest" (lambda () (ssl-hmac-digest m)))
      (check-error "hmac update" (lambda () (ssl-hmac-update! m "x" 0 1)))))

(define-case "an unknown digest is an error that names it"
   (for-each (lambda (thunk)
                (check "the name" (contains? (condition-message (check-error "unknown" thunk)) "sha257")))
      (list (lambda () (instantiate::ssl-hash (type "sha257")))
            (lambda () (ssl-digest "sha257" "x"))
            (lambda () (ssl-hmac-init (instantiate::ssl-hmac) "sha257" "key"))
            (lambda () (ssl-sign-init (instantiate::ssl-sign) "sha257"))
            (lambda () (ssl-verify-init (instantiate::ssl-verify) "sha257"))
            (lambda () (ssl-pbkdf2-hmac "sha257" "p" "s" 1 10))
            (lambda () (ssl-hkdf "sha257" "s" "" "" 10)))))

(define-case "what is not initialised is an error"
   (for-each (lambda (thunk) (check-error "not initialised" thunk))
      (list (lambda () (ssl-hmac-update! (instantiate::ssl-hmac) "x" 0 1))
            (lambda () (ssl-hmac-digest (instantiate::ssl-hmac)))
            (lambda () (ssl-sign-update! (instantiate::ssl-sign) "x" 0 1))
            (lambda () (ssl-sign-sign (instantiate::ssl-sign) "x" 0 1))
            (lambda () (ssl-verify-update! (instantiate::ssl-verify) "x" 0 1))
            (lambda () (ssl-verify-final (instantiate::ssl-verify) "x" 0 1 "x" 0 1))
            (lambda () (ssl-cipher-update! (instantiate::ssl-cipher) "x" 0 1))
            (lambda () (ssl-cipher-set-auto-padding (instantiate::ssl-cipher) #t))
            (lambda () (ssl-cipher-final (instantiate::ssl-cipher)))
            (lambda () (ssl-ecdh-public-key (instantiate::ssl-ecdh))))))

(define-case "a part that the string does not have is an error"
   (let ((h (instantiate::ssl-hash (type "sha256"))))
      (for-each (lambda (part)
                   (check-error "part" (lambda () (ssl-hash-update! h "abc" (car part) (cdr part)))))
         (list '(0 . 4) '(1 . 3) '(4 . 0) '(-1 . 1) '(0 . -1)
            (cons 1 (maxvalfx)) (cons (maxvalfx) 1) (cons (minvalfx) 1) (cons 3 (minvalfx))))
      (ssl-hash-update! h "abc" 3 0)
      (check-equal "untouched" (ssl-hash-digest h) (ssl-digest "sha256" ""))))

(define-case "an HMAC key of #f is the empty one"
   (check-equal "mac" (hmac "sha1" #f "text") (hmac "sha1" "" "text")))

(define-case "dropped digests are freed"
   (let loop ((i 0) (before 0))
      (ssl-hash-update! (instantiate::ssl-hash (type "sha512")) "text" 0 4)
      (cond
         ((=fx i 20000) (loop (+fx i 1) (memory)))
         ((<fx i 120000) (loop (+fx i 1) before))
         (else
          (check "memory" (<fx (-fx (memory) before) 20000))))))

;; ---- signatures --------------------------------------------------------------------------------

(define (pki-text name)
   (call-with-input-file (pki name) read-string))

(define (sign type key text)
   (let ((s (instantiate::ssl-sign)))
      (ssl-sign-init s type)
      (ssl-sign-update! s text 0 (string-length text))
      (ssl-sign-sign s key 0 (string-length key))))

(define-case "what is signed is verified, with RSA and ECDSA"
   (for-each (lambda (name)
                (let ((signature (sign "RSA-SHA256" (pki-text (string-append name ".key")) "text"))
                      (certificate (pki-text (string-append name ".pem"))))
                   (check name (verify "RSA-SHA256" certificate "text" signature))
                   (check "another text" (not (verify "sha256" certificate "Text" signature)))
                   (check "another digest" (not (verify "sha512" certificate "text" signature)))))
      '("good" "good-rsa")))

(define-case "PSS is another signature"
   (let ((s (instantiate::ssl-sign))
         (key (pki-text "good-rsa.key"))
         (certificate (pki-text "good-rsa.pem")))
      (ssl-sign-init s "sha256")
      (ssl-sign-set-padding! s 'pss)
      (let ((signature (ssl-sign-sign s key 0 (string-length key))))
         (check "as PSS" (verify "sha256" certificate "" signature 'pss))
         (check "with its salt" (verify "sha256" certificate "" signature 'pss 32))
         (check "as PKCS#1" (not (verify "sha256" certificate "" signature))))))

(define-case "Ed25519 signs whole messages"
   (let* ((key (test-key "good-ed25519"))
          (certificate (pki-text "good-ed25519.pem"))
          (signature (ssl-sign-message #f key "text")))
      (check-equal "length" (string-length signature) 64)
      (check "verified" (ssl-verify-message #f certificate "text" signature))
      (check "another text" (not (ssl-verify-message #f certificate "Text" signature)))
      (check-raises "in pieces" &io-ssl-error
         (lambda () (sign "sha256" (pki-text "good-ed25519.key") "text")))))

(define-case "an encrypted key signs once it was read"
   (let ((s (instantiate::ssl-sign)))
      (ssl-sign-init s "sha256")
      (ssl-sign-update! s "text" 0 4)
      (check "verified"
         (verify "sha256" (pki-text "good.pem") "text"
            (ssl-sign-with-key s
               (read-private-key (pki "good-encrypted.key") :passphrase "secret"))))))

(define-case "garbage is no signature and no error"
   (for-each (lambda (garbage)
                (check "EC" (eq? (verify "sha256" (pki-text "good.pem") "text" garbage) #f))
                (check "RSA" (eq? (verify "sha256" (pki-text "good-rsa.pem") "text" garbage) #f)))
      (list "" "x" (make-string 256 #\x) (make-string 3000 #a000))))

;; Were anybody asked for a passphrase, the case would wait for it.
(define-case "a bad key is an error with a reason"
   (let ((e (check-raises "encrypted" &io-ssl-error
               (lambda () (sign "sha256" (pki-text "good-encrypted.key") "text")))))
      (check "the reason" (contains? (condition-message e) "encrypted")))
   (check-raises "no key" &io-ssl-error (lambda () (sign "sha256" "nothing" "text")))
   (check-raises "no public key" &io-ssl-error (lambda () (verify "sha256" "nothing" "text" "x")))
   (check-raises "a private key" &io-ssl-error
      (lambda () (verify "sha256" (pki-text "good.key") "text" "x"))))

;; ---- ciphers -----------------------------------------------------------------------------------

(define-case "a password makes the key that openssl makes of it"
   (let* ((c (ssl-cipher-init (instantiate::ssl-cipher) "aes-256-cbc" "xsesamex" 1 6 #t))
          (coded (run-cipher c "some text"))
          (file (make-file-name (os-tmp) (string-append "bglssl-" (number->string (getpid))))))
      (call-with-output-file file (lambda (p) (display coded p)))
      (let* ((p (run-process "openssl" "enc" "-d" "-aes-256-cbc" "-md" "md5" "-nosalt" "-pass"
                   "pass:sesame" "-in" file :output pipe: :error null: :wait #f))
             (text (read-string (process-output-port p))))
         (process-wait p)
         (delete-file file)
         (check-equal "text" text "some text"))))

(define-case "wrong lengths of key and vector are errors"
   (for-each (lambda (lengths)
                (let ((e (check-error "lengths"
                            (lambda ()
                               (cipher "aes-128-cbc" (make-string (car lengths) #\k)
                                  (make-string (cdr lengths) #\i) #t)))))
                   (check "the number wanted" (contains? (condition-message e) "16"))))
      '((15 . 16) (17 . 16) (0 . 16) (16 . 15) (16 . 17) (16 . 0))))

(define-case "an unknown cipher is an error that names it"
   (for-each (lambda (thunk)
                (check "the name"
                   (contains? (condition-message (check-error "cipher" thunk)) "aes-129-cbc")))
      (list (lambda () (cipher "aes-129-cbc" "k" "i" #t))
            (lambda () (ssl-cipher-init (instantiate::ssl-cipher) "aes-129-cbc" "p" 0 1 #t)))))

(define-case "fault 21: every cipher of the list works or is refused by name"
   (for-each (lambda (name)
                (let ((e (raised
                            (lambda ()
                               (run-cipher
                                  (ssl-cipher-init (instantiate::ssl-cipher) name "password" 0 8 #t)
                                  (make-string 32 #\x))))))
                   (when e
                      (check "an &error" (isa? e &error))
                      (check name (contains? (condition-message e) name)))))
      (evp-get-ciphers)))

(define-case "final after final is an error"
   (let ((c (cipher "aes-128-cbc" (make-string 16 #\k) (make-string 16 #\i) #t)))
      (check-equal "a block of padding" (string-length (ssl-cipher-final c)) 16)
      (check-error "final" (lambda () (ssl-cipher-final c)))
      (check-error "update" (lambda () (ssl-cipher-update! c "x" 0 1)))
      (check "padding" (not (ssl-cipher-set-auto-padding c #t)))))

(define-case "another key is an io-error at the end"
   (let* ((iv (make-string 16 #\i))
          (coded (run-cipher (cipher "aes-128-cbc" (make-string 16 #\k) iv #t) "text"))
          (e (raised (lambda () (run-cipher (cipher "aes-128-cbc" (make-string 16 #\K) iv #f) coded)))))
      (check "an &io-error" (isa? e &io-error))))

(define-case "a forged tag is an error"
   (let* ((key (make-string 32 #\k))
          (iv (make-string 12 #\i))
          (coder (aead "aes-256-gcm" key iv #t 16 "aad"))
          (coded (run-cipher coder "text"))
          (tag (ssl-cipher-tag coder))
          (decoder (aead "aes-256-gcm" key iv #f 16 "AAD")))
      (ssl-cipher-set-tag! decoder tag)
      (check-raises "final" &io-ssl-error (lambda () (run-cipher decoder coded)))))

;; ---- numbers and key agreement -----------------------------------------------------------------

(define-case "numbers come out as they went in"
   (let ((bn (bn-bin2bn "\001\002\003")))
      (check "foreign" (foreign? bn))
      (check-equal "length" (bn-num-bytes bn) 3)
      (check-equal "bytes" (bn-bn2bin bn) "\001\002\003")
      (check "set" (bn-set-word bn 256))
      (check-equal "set" (bn-bn2bin bn) (string #a001 #a000))
      (check "negative" (not (bn-set-word bn -1)))
      (check-equal "zero" (bn-bn2bin (bn-new)) "")))

(define-case "a number that is freed is an error, freeing it again is none"
   (let ((bn (bn-new)))
      (bn-free bn)
      (bn-free bn)
      (check-error "use" (lambda () (bn-bn2bin bn)))
      (check-error "use" (lambda () (bn-num-bytes bn)))
      (check-error "use" (lambda () (bn-set-word bn 1)))))

(define-case "what is no number is an error"
   (for-each (lambda (thing)
                (check-error "bn" (lambda () (bn-bn2bin thing)))
                (check-error "bn" (lambda () (bn-free thing)))
                (check-error "dh" (lambda ()
                                     (let ((o (instantiate::dh)))
                                        (with-access::dh o (p) (set! p thing))))))
      (list 1 "1" 'one)))

(define (small-dh p* q* g*)
   (define (small n)
      (let ((bn (bn-new)))
         (bn-set-word bn n)
         bn))
   (let ((o (instantiate::dh)))
      (with-access::dh o (p q g)
         (set! p (small p*))
         (when q* (set! q (small q*)))
         (set! g (small g*)))
      o))

(define-case "fault 10: q is q"
   (let ((o (small-dh 29 7 16)))
      (with-access::dh o (p q g)
         (check-equal "p" (bn-bn2bin p) (string #a029))
         (check-equal "q" (bn-bn2bin q) (string #a007))
         (check-equal "g" (bn-bn2bin g) (string #a016)))))

(define-case "fault 17: numbers are set, got and freed in any order"
   (let ((o (small-dh 29 7 16)))
      (with-access::dh o (p q g private-key public-key)
         (check-equal "not set" (list private-key public-key) '(#f #f))
         (let ((bn p))
            (set! p bn)
            (set! g bn)
            (set! p bn)
            (bn-free bn))
         (let ((bn g))
            (bn-free p)
            (bn-free g)
            (check-equal "still there" (bn-bn2bin bn) (string #a029)))
         (check-equal "still there" (bn-bn2bin p) (string #a029))
         (set! q #f)
         (check-equal "forgotten" q #f))))

;; As Hop does it.
(define-case "a number can be changed after it was set in a field, or got from one"
   (let ((o (instantiate::dh)))
      (with-access::dh o (p g)
         (set! p (bn-bin2bn (string #a023)))
         (set! g (bn-new))
         (check "set" (bn-set-word g 5))
         (check-equal "g" (bn-bn2bin g) (string #a005))
         (check-equal "checked" (dh-check o) #f)
         (let ((bn (bn-new)))
            (set! g bn)
            (bn-set-word bn 1)
            (check-equal "checked" (dh-check o) 'DH-NOT-SUITABLE-GENERATOR)
            (bn-free bn)
            (check-equal "g" (bn-bn2bin g) (string #a001))))))

(define-case "dh-check answers with the fault's name"
   (check-equal "fine" (dh-check (small-dh 23 #f 5)) #f)
   (check-equal "composite" (dh-check (small-dh 25 #f 5)) 'DH-CHECK-P-NOT-PRIME)
   (check-equal "unsafe" (dh-check (small-dh 29 #f 5)) 'DH-CHECK-P-NOT-SAFE-PRIME)
   (check-equal "generator" (dh-check (small-dh 23 #f 1)) 'DH-NOT-SUITABLE-GENERATOR)
   (check-equal "q" (dh-check (small-dh 29 5 16)) 'DH-CHECK-INVALID-Q-VALUE)
   (check-equal "nothing to check" (dh-check (instantiate::dh)) #t))

(define-case "dh-check-pub-key answers with the fault's name"
   (let ((o (small-dh 29 7 16)))
      (define (answer n)
         (let ((bn (bn-new)))
            (bn-set-word bn n)
            (dh-check-pub-key o bn)))
      (check-equal "1" (answer 1) 'DH-CHECK-PUBKEY-TOO-SMALL)
      (check-equal "28" (answer 28) 'DH-CHECK-PUBKEY-TOO-LARGE)
      (check-equal "2" (answer 2) 'INVALID-KEY)
      (check-equal "16" (answer 16) #f)
      (check-equal "no group" (dh-check-pub-key (instantiate::dh) (bn-new)) #t)))

;; As programs for Bigloo's own library have them: the types of the formals must be its own.
(define-method (secure-context-set-options! sc::watched-context options::int)
   (and (=fx options 4) (call-next-method)))

(define-method (dh-generate-parameters-ex o::watched-dh len::int generator::symbol)
   (with-access::watched-dh o (seen)
      (set! seen (cons (cons len generator) seen))
      #t))

(define-method (dh-check-pub-key o::watched-dh key::foreign)
   (with-access::watched-dh o (seen)
      (set! seen (cons key seen))
      (call-next-method)))

(define-method (dh-compute-key o::watched-dh key::foreign)
   (with-access::watched-dh o (seen)
      (set! seen (cons key seen))
      (call-next-method)))

(define-case "subclasses have methods of their own"
   (let ((o (instantiate::watched-dh))
         (key (bn-new)))
      (check-equal "made" (dh-generate-parameters-ex o 512 'DH-GENERATOR-2) #t)
      (check-equal "checked" (dh-check-pub-key o key) #t)
      (check-equal "computed" (dh-compute-key o key) #f)
      (with-access::watched-dh o (seen)
         (check-equal "seen" seen (list key key (cons 512 'DH-GENERATOR-2)))))
   (let ((sc (instantiate::watched-context)))
      (check-equal "options" (secure-context-set-options! sc 4) #t)
      (check-equal "options" (secure-context-set-options! sc 8) #f)))

(define-case "two agree in a group of their own"
   (let ((alice (instantiate::dh))
         (bob (instantiate::dh)))
      (check-equal "made" (dh-generate-parameters-ex alice 512 'DH-GENERATOR-2) #t)
      (check-equal "size" (dh-size alice) 64)
      (check-equal "checked" (dh-check alice) #f)
      (with-access::dh alice (p g)
         (let ((p* p) (g* g))
            (with-access::dh bob (p g)
               (set! p p*)
               (set! g g*))))
      (check "key" (dh-generate-key alice))
      (check "key" (dh-generate-key bob))
      (let ((secret (with-access::dh bob (public-key) (dh-compute-key alice public-key))))
         (check-equal "length" (string-length secret) 64)
         (check-equal "secret" (with-access::dh alice (public-key) (dh-compute-key bob public-key))
            secret))))

(define-case "two agree in a group of RFC 7919"
   (let ((alice (dh-set-group! (instantiate::dh) "ffdhe2048"))
         (bob (dh-set-group! (instantiate::dh) "ffdhe2048")))
      (dh-generate-key alice)
      (dh-generate-key bob)
      (let ((secret (with-access::dh bob (public-key) (dh-compute-key alice public-key))))
         (check-equal "length" (string-length secret) 256)
         (check-equal "secret" (with-access::dh alice (public-key) (dh-compute-key bob public-key))
            secret))))

(define-case "key agreement that cannot be is #f or an error"
   (let ((o (instantiate::dh)))
      (check "no group" (not (dh-generate-key o)))
      (check-error "no size" (lambda () (dh-size o)))
      (check-error "generator" (lambda () (dh-generate-parameters-ex o 512 'DH-GENERATOR-3)))
      (check-error "bits" (lambda () (dh-generate-parameters-ex o 5 'DH-GENERATOR-2)))
      (check-error "group" (lambda () (dh-set-group! o "ffdhe1")))
      (dh-set-group! o "ffdhe2048")
      (dh-generate-key o)
      (let ((one (bn-new)))
         (bn-set-word one 1)
         (check-equal "key 1" (dh-compute-key o one) #f))))

(define-case "two agree on a curve"
   (for-each (lambda (curve)
                (let ((alice (ssl-ecdh-init (instantiate::ssl-ecdh) curve))
                      (bob (ssl-ecdh-init (instantiate::ssl-ecdh) curve)))
                   (check-equal curve (ssl-ecdh-compute-key alice (ssl-ecdh-public-key bob))
                      (ssl-ecdh-compute-key bob (ssl-ecdh-public-key alice)))
                   (check-error "garbage" (lambda () (ssl-ecdh-compute-key alice "garbage")))))
      '("P-256" "P-384" "P-521" "X25519" "X448"))
   (check-error "curve" (lambda () (ssl-ecdh-init (instantiate::ssl-ecdh) "P-1")))
   (check-error "private key" (lambda () (ssl-ecdh-init (instantiate::ssl-ecdh) "P-256" "short"))))

;; ---- keys from passwords -----------------------------------------------------------------------

(define-case "keys that cannot be made are errors"
   (check-error "iterations" (lambda () (pkcs5-pbkdf2-hmac-sha1 "p" "s" 0 10)))
   (check-error "length" (lambda () (pkcs5-pbkdf2-hmac-sha1 "p" "s" 1 -1)))
   (check-error "length" (lambda () (ssl-hkdf "sha256" "s" "" "" 8161)))
   (check-error "n" (lambda () (ssl-scrypt "p" "s" 15 1 1 10)))
   (check-error "n" (lambda () (ssl-scrypt "p" "s" -16 1 1 10)))
   (check-error "memory" (lambda () (ssl-scrypt "p" "s" 1048576 8 1 10)))
   (check-equal "none" (pkcs5-pbkdf2-hmac-sha1 "p" "s" 1 0) ""))

;; 2^32 + 1 iterations were one, and nobody was told.
(define-case "numbers too large for C are errors, and not cut off"
   (let ((over (bit-lsh 1 32)))
      (check-error "iterations" (lambda () (pkcs5-pbkdf2-hmac-sha1 "p" "s" (+fx over 1) 10)))
      (check-error "iterations" (lambda () (ssl-pbkdf2-hmac "sha256" "p" "s" (+fx over 1) 10)))
      (check-error "length" (lambda () (pkcs5-pbkdf2-hmac-sha1 "p" "s" 1 (+fx over 10))))
      (check-error "length" (lambda () (ssl-pbkdf2-hmac "sha256" "p" "s" 1 (+fx over 10))))
      (check-error "length" (lambda () (ssl-hkdf "sha256" "s" "" "" (+fx over 10))))
      (check-error "length" (lambda () (ssl-scrypt "p" "s" 16 1 1 (+fx over 10))))
      (check-error "length" (lambda () (ssl-rand-bytes (+fx over 10))))
      (check-error "length" (lambda () (ssl-rand-pseudo-bytes (+fx over 10))))
      (check-error "length" (lambda ()
                               (ssl-hash-digest-extendable (instantiate::ssl-hash (type "shake128"))
                                  (+fx over 10))))
      (check-error "salt" (lambda ()
                             (ssl-sign-set-padding! (ssl-sign-init (instantiate::ssl-sign) "sha256")
                                'pss (+fx over 32))))
      (let ((bn (bn-new)))
         (check "set" (bn-set-word bn (+fx over 2)))
         (check-equal "bytes" (bn-bn2bin bn) (string #a001 #a000 #a000 #a000 #a002)))))
