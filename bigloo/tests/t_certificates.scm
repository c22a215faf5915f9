;; t_certificates.scm: certificates and keys.
(module t_certificates
   (library ssl)
   (include "harness.scm")
   (main run-cases))

(define-case "a certificate is read from a PEM file"
   (check "its class" (isa? (test-certificate "good") certificate)))

(define-case "a private key is read from a PEM file"
   (check "its class" (isa? (test-key "good") private-key)))

(define-case "a missing certificate file is named in a file-not-found error"
   (let ((e (check-raises "reading" &io-file-not-found-error
               (lambda () (read-certificate (pki "no such file"))))))
      (check-equal "proc" (condition-proc e) 'read-certificate)
      (check-equal "obj" (condition-object e) (pki "no such file"))))

(define-case "a missing key file is named in a file-not-found error"
   (let ((e (check-raises "reading" &io-file-not-found-error
               (lambda () (read-private-key (pki "no such file"))))))
      (check-equal "proc" (condition-proc e) 'read-private-key)))

(define-case "a missing PEM file is named in a file-not-found error"
   (let ((e (check-raises "reading" &io-file-not-found-error
               (lambda () (read-pem-file (pki "no such file"))))))
      (check-equal "proc" (condition-proc e) 'read-pem-file)))

(define-case "an empty file name is a file-not-found error"
   (for-each (lambda (read) (check-raises "reading" &io-file-not-found-error (lambda () (read ""))))
      (list read-certificate read-private-key read-pem-file)))

(define-case "a file without a certificate is an ssl error that names the file"
   (let ((e (check-raises "reading" &io-ssl-error
               (lambda () (read-certificate (pki "words.pem"))))))
      (check "an io-error" (isa? e &io-error))
      (check-equal "obj" (condition-object e) (pki "words.pem"))
      (check-equal "msg" (condition-message e)
         (string-append (pki "words.pem") ": no certificate found: it holds no PEM"))))

(define-case "an empty file is said to be empty"
   (for-each (lambda (read)
                (check "msg" (contains? (condition-message (check-raises "reading" &io-ssl-error
                                                              (lambda () (read (pki "empty.pem")))))
                                "it is empty")))
      (list read-certificate read-private-key read-pem-file)))

(define-case "a certificate is no private key"
   (check-raises "reading" &io-ssl-error
      (lambda () (read-private-key (pki "root.pem")))))

(define-case "a PEM file's certificates come in the file's order"
   (check-equal "names" (map certificate-subject (read-pem-file (pki "three.pem")))
      '("good" "intermediate" "root")))

(define-case "the common names of subject and issuer"
   (let ((c (test-certificate "good")))
      (check-equal "subject" (certificate-subject c) "good")
      (check-equal "issuer" (certificate-issuer c) "root")))

(define-case "a common name keeps its NUL and what follows"
   (let ((name (certificate-subject (test-certificate "cn-nul"))))
      (check "a NUL in it" (string-index name #a000))
      (check "something behind" (<fx (string-index name #a000) (-fx (string-length name) 1)))))

(define-case "a long common name is not cut"
   (check "its length" (>fx (string-length (certificate-subject (test-certificate "cn-long"))) 255)))

(define-case "the distinguished names"
   (let ((c (test-certificate "good")))
      (check "subject" (contains? (certificate-subject-name c) "CN=good"))
      (check "organization" (contains? (certificate-subject-name c) "O=bglssl"))
      (check "issuer" (contains? (certificate-issuer-name c) "CN=root"))))

(define-case "the alternative names"
   (check-equal "names" (certificate-alt-names (test-certificate "many-names"))
      '("DNS:localhost" "IP:192.0.2.1" "IP:2001:db8::1" "EMAIL:who@example.test"
        "URI:https://example.test/x")))

(define-case "a certificate without alternative names has none"
   (check-equal "names" (certificate-alt-names (test-certificate "root")) '()))

(define-case "the dates"
   (let ((c (test-certificate "expired")))
      (check "dates" (and (date? (certificate-not-before c)) (date? (certificate-not-after c))))
      (check-equal "year" (date-year (certificate-not-before c)) 2020)
      (check "in the past" (<elong (date->seconds (certificate-not-after c)) (current-seconds)))))

(define-case "the serial number is hexadecimal"
   (check "digits" (pregexp-match "^[0-9A-F]+$" (certificate-serial (test-certificate "good")))))

(define-case "the fingerprint is SHA-256 unless another digest is asked for"
   (let ((c (test-certificate "good")))
      (check-equal "length" (string-length (certificate-fingerprint c)) 95)
      (check-equal "sha1" (string-length (certificate-fingerprint c "sha1")) 59)
      (check-equal "a symbol" (certificate-fingerprint c 'SHA256) (certificate-fingerprint c))))

(define-case "the fingerprint of an unknown digest is an error"
   (check "raised" (isa? (raised (lambda () (certificate-fingerprint (test-certificate "good") "nonsense")))
                      &error)))

(define-case "the key's type and size"
   (check-equal "type" (certificate-key-type (test-certificate "good")) "EC")
   (check-equal "bits" (certificate-key-bits (test-certificate "good")) 256)
   (check-equal "RSA" (certificate-key-type (test-certificate "good-rsa")) "RSA")
   (check-equal "RSA's bits" (certificate-key-bits (test-certificate "good-rsa")) 2048))

(define-case "a CA is told from other certificates"
   (check "root" (certificate-ca? (test-certificate "root")))
   (check "good" (not (certificate-ca? (test-certificate "good"))))
   (check-equal "usage" (certificate-key-usage (test-certificate "root")) '(key-cert-sign crl-sign))
   (check-equal "none" (certificate-key-usage (test-certificate "good")) #f))

(define-case "a certificate as PEM is what the file holds"
   (let ((file (call-with-input-file (pki "good.pem") read-string)))
      (check-equal "text" (certificate->pem (test-certificate "good")) file)))

(define-case "a DER certificate is recognized"
   (check-equal "subject" (certificate-subject (read-certificate (pki "good.der"))) "good"))

(define-case "a format may be asked for"
   (check-equal "der" (certificate-subject (read-certificate (pki "good.der") :format 'der)) "good")
   (check-raises "pem" &io-ssl-error (lambda () (read-certificate (pki "good.der") :format 'pem))))

(define-case "an unknown format is an error"
   (check-raises "format" &error (lambda () (read-certificate (pki "good.der") :format 'xml))))

(define-case "a PKCS#12 file is called by its name where another format was expected"
   (for-each
      (lambda (read)
         (let ((e (check-raises "reading" &io-ssl-error (lambda () (read (pki "good.p12"))))))
            (check "says so" (contains? (condition-message e) "pkcs12"))))
      (list read-certificate read-private-key)))

(define-case "equal certificates and keys are equal?, others are not"
   (let ((a (test-certificate "good")) (b (test-certificate "good")) (other (test-certificate "root")))
      (check "certificate=?" (certificate=? a b))
      (check "equal?" (equal? a b))
      (check "another" (not (or (certificate=? a other) (equal? a other))))
      (check "another object" (not (equal? a (test-key "good"))))
      (check "member" (member a (list other b)))
      (let ((table (create-hashtable :eqtest equal?)))
         (hashtable-put! table a 1)
         (check-equal "hash table" (hashtable-get table b) 1)))
   (check "private-key=?" (private-key=? (test-key "good") (test-key "good")))
   (check "equal keys" (equal? (test-key "good") (test-key "good")))
   (check "other keys" (not (equal? (test-key "good") (test-key "client")))))

(define-case "certificates print their subject, keys print nothing of theirs"
   (define (printed print object)
      (call-with-output-string (lambda (port) (print object port))))
   (for-each
      (lambda (print)
         (let ((text (printed print (test-certificate "good"))))
            (check "subject" (contains? text "CN"))
            (check "form" (string-prefix? "#<certificate:" text)))
         (check-equal "key" (printed print (test-key "good")) "#<private-key>"))
      (list display write)))

(define-case "an encrypted key wants its passphrase and never prompts"
   (check-raises "none" &io-ssl-error (lambda () (read-private-key (pki "good-encrypted.key"))))
   (check-raises "a wrong one" &io-ssl-error
      (lambda () (read-private-key (pki "good-encrypted.key") :passphrase "wrong")))
   (check "the right one" (isa? (read-private-key (pki "good-encrypted.key") :passphrase "secret")
                             private-key)))

(define-case "a PKCS#12 file gives its certificate and its key"
   (check-equal "subject"
      (certificate-subject (read-certificate (pki "good.p12") :format 'pkcs12 :passphrase "secret"))
      "good")
   (check "key" (isa? (read-private-key (pki "good.p12") :format 'pkcs12 :passphrase "secret")
                   private-key)))

(define-case "a file name with a NUL is an error"
   (check-raises "reading" &error
      (lambda () (read-certificate (string-append (pki "good.pem") (string #a000) "x")))))

(define-case "a duplicate of a certificate outlives it"
   (let ((copies (map (lambda (i)
                         (let ((c (test-certificate "good")))
                            (duplicate::certificate c)))
                    (iota 200))))
      (collect!) (collect!)
      (for-each (lambda (c) (check-equal "subject" (certificate-subject c) "good")) copies)))

(define-case "certificates survive collections and are collected"
   (let loop ((i 0))
      (when (<fx i 2000)
         (let ((c (test-certificate "good")))
            (when (=fx (remainderfx i 50) 0) (collect!))
            (check-equal "subject" (certificate-subject c) "good")
            (loop (+fx i 1)))))
   (let ((before (memory)))
      (let loop ((i 0))
         (when (<fx i 5000)
            (test-certificate "good")
            (loop (+fx i 1))))
      (collect!)
      (check "bounded memory" (<fx (-fx (memory) before) 20000))))

(define-case "identifiers, policies and timestamps"
   (let ((cert (test-certificate "identifiers")))
      (check-equal "key" (certificate-subject-key-id cert) "\x0a\x0b\x0c\x0d")
      (check-equal "signer's key" (certificate-authority-key-id cert) "\x01\x02\x03\x04")
      (check-equal "policies" (certificate-policies cert) '("2.23.140.1.2.1" "1.2.3.4"))
      (check-equal "timestamps" (certificate-timestamps cert) "\x00\x03\x00\x01\xaa")
      (check-equal "extension" (certificate-extension cert "2.5.29.14") "\x04\x04\x0a\x0b\x0c\x0d")
      (check-equal "no extension" (certificate-extension cert "1.2.3") #f)
      (check-raises "no OID" &error (lambda () (certificate-extension cert "x")))
      (check-raises "a NUL" &error (lambda () (certificate-extension cert "1.2\x00.3"))))
   (let ((cert (test-certificate "good")))
      (check-equal "policies" (certificate-policies cert) '())
      (check-equal "timestamps" (certificate-timestamps cert) #f))
   (check-equal "purposes" (certificate-purposes (test-certificate "ocsp-responder"))
      '("1.3.6.1.5.5.7.3.9")))

(define-case "keys and certificates from URIs"
   (let ((uri (string-append "file:" (pki "good.key"))))
      (check "key" (private-key=? (private-key-from-uri uri) (test-key "good")))
      (check-equal "certificates"
         (map certificate-subject (certificates-from-uri (string-append "file:" (pki "chained.pem"))))
         (map certificate-subject (read-pem-file (pki "chained.pem"))))
      (check "passphrase" (isa? (private-key-from-uri (pki "good-encrypted.key") "secret") private-key))
      (check-raises "no passphrase" &io-ssl-error (lambda () (private-key-from-uri (pki "good-encrypted.key"))))
      (check-raises "no key" &io-ssl-error (lambda () (private-key-from-uri (pki "good.pem"))))
      (check-raises "a scheme that nobody knows" &io-ssl-error (lambda () (private-key-from-uri "no-such-scheme:x")))
      (check-raises "a NUL" &error (lambda () (private-key-from-uri "file:\x00")))))

(define-case "providers and FIPS"
   (check-raises "unknown" &io-ssl-error (lambda () (ssl-load-provider! "no-such-provider")))
   (check-equal "FIPS" (ssl-fips?) #f)
   (ssl-fips-set! #f)
   (check-equal "FIPS" (ssl-fips?) #f))
