;; t_requirements.scm: what sockets may demand of their peers beside chain and name, staples, algorithms.
(module t_requirements
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; What a client with these options makes of a server with this certificate and these options: fine, or
;; the number of why it was refused.
(define (outcome name server-options . client-options)
   (let* ((s (apply make-ssl-server-socket 0 :name "127.0.0.1" (append (files name) server-options)))
          (t (accept-one s echo-lines))
          (result (with-handler
                     (lambda (e)
                        (if (isa? e &io-ssl-error)
                            (with-access::&io-ssl-error e (verify-result) verify-result)
                            (raise e)))
                     (let ((c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                                 :hostname "localhost" :CAs (CA) client-options)))
                        (check-equal "echo" (ask c "x") "x")
                        (socket-close c)
                        'fine))))
      (join t)
      (socket-close s)
      result))

;; That no client can be configured so.
(define (check-no-option what class . options)
   (check-raises what class (lambda () (apply make-ssl-config :role 'client options))))

(define rejected 28)
(define no-list 3)
(define revoked 23)
(define not-yet-valid 9)
(define expired 10)
(define staple-needed 73)

(define-case "pins"
   (let ((good (certificate-pin (test-certificate "good"))))
      (check-equal "length" (string-length good) 52)
      (check-equal "of the server" (outcome "good" '() :pins good) 'fine)
      (check-equal "of a CA's certificate" (outcome "good" '() :pins (CA)) 'fine)
      (check-equal "one of several" (outcome "good" '() :pins (list (test-certificate "good-rsa") good)) 'fine)
      (check-equal "another" (outcome "good-rsa" '() :pins good) rejected)
      (check-no-option "no pin" &error :pins "sha1//x")
      (check-no-option "none" &error :pins '())))

(define-case "pins without a chain"
   (let ((pin (certificate-pin (test-certificate "self-signed"))))
      (check-equal "of the server" (outcome "self-signed" '() :verify #f :pins pin) 'fine)
      (check-equal "another" (outcome "good" '() :verify #f :pins pin) rejected)))

(define-case "clients are pinned"
   (let* ((s (apply make-ssl-server-socket 0 :CAs (CA) :pins (test-certificate "client") (files "good")))
          (meet (lambda (name)
                   (let* ((t (accept-one s (lambda (s) (echo-lines s) 'served)))
                          (asked (raised (lambda ()
                                            (ask (apply connect-to s :protocol 'tlsv1_2 (files name)) "x")))))
                      (list (not asked) (eq? (join t) 'served))))))
      (check "another" (equal? (meet "client2") '(#f #f)))
      (let* ((t (accept-one s (lambda (s) (echo-lines s) 'served)))
             (c (apply connect-to s (files "client"))))
         (check-equal "the pinned one" (ask c "x") "x")
         (socket-close c)
         (check-equal "served" (join t) 'served))
      (socket-close s)))

(define-case "the depth of the chain"
   (check-equal "one CA between" (outcome "chained" '() :verify-depth 1) 'fine)
   (check-equal "none" (outcome "chained" '() :verify-depth 0) 22)
   (check-no-option "too many" &error :verify-depth 101)
   (check-no-option "no number" &error :verify-depth "1"))

(define-case "the time of the verification"
   (check-equal "a number" (outcome "good" '() :verify-time 1) not-yet-valid)
   (check-equal "a date" (outcome "good" '() :verify-time (seconds->date #e86400)) not-yet-valid)
   (check-equal "now" (outcome "good" '() :verify-time (current-seconds)) 'fine)
   (check-equal "after the end" 
      (outcome "good" '() :verify-time
         (+elong (date->seconds (certificate-not-after (test-certificate "root"))) #e1))
      expired)
   (check-no-option "no time" &error :verify-time "noon")
   (check-no-option "before 1970" &error :verify-time -1))

(define-case "the CommonName, and the letter of the RFC"
   (check-equal "it stands in" (outcome "cn-localhost" '()) 'fine)
   (check-equal "it does not" (outcome "cn-localhost" '() :no-common-name #t) 62)
   (check-equal "well-formed" (outcome "good" '() :strict #t) 'fine)
   ;; It does not name its issuer's key, which OpenSSL 3 looks for.
   (unless (string-contains (ssl-version) "OpenSSL 1.")
      (check-equal "not so" (outcome "cn-localhost" '() :strict #t) 85)))

(define-case "revocation lists"
   (let ((list-of-root (pki "root.crl")))
      (check-equal "not listed" (outcome "good" '() :crls list-of-root) 'fine)
      (check-equal "listed" (outcome "revoked" '() :crls list-of-root) revoked)
      (check-equal "bytes" 
         (outcome "revoked" '() :crls `((bytes ,(call-with-input-file list-of-root read-string))))
         revoked)
      (check-equal "without a list" (outcome "good" '() :crls (pki "intermediate.crl")) no-list)
      (check-equal "which is tolerated" 
         (outcome "good" '() :crls (pki "intermediate.crl") :crl-policy 'tolerate-missing)
         'fine)
      (check-equal "the leaf alone" 
         (outcome "chained" '() :crls (list (pki "intermediate.crl")) :crl-policy '(leaf tolerate-expired))
         'fine)
      (check-equal "no file" 
         (class-name (object-class (raised (lambda () (make-ssl-config :role 'client :crls "/no/such/file")))))
         '&io-file-not-found-error)
      (check-no-option "bytes that are no list" &io-ssl-error :crls '((bytes "x")))
      (check-no-option "the policy" &error :crls list-of-root :crl-policy 'perhaps)))

;; The answer of the root's OCSP responder about a certificate.
(define (answer-about name)
   (unless (=fx (system "command -v openssl >/dev/null 2>&1") 0)
      (skip "no openssl command"))
   (let* ((file (string-append (os-tmp) "/bglssl-staple-" (number->string (getpid)) ".der"))
          (status (system (format "cd '~a' && openssl ocsp -index ocsp-index.txt -CA root.pem -issuer root.pem -cert ~a.pem -rsigner root.pem -rkey root.key -ndays 1 -respout ~a >/dev/null 2>&1"
                             (getenv "BGLSSL_TEST_PKI") name file))))
      (check-equal "responder" status 0)
      (let ((bytes (call-with-input-file file read-string)))
         (delete-file file)
         bytes)))

(define-case "staples"
   (let ((good (answer-about "good")))
      (check-equal "stapled" (outcome "good" `(:staple ,good) :staple-policy 'require) 'fine)
      (check-equal "missing" (outcome "good" '() :staple-policy 'require) staple-needed)
      (check-equal "honoured" (outcome "revoked" `(:staple ,(answer-about "revoked")) :verify #t) revoked)
      (check-equal "ignored" 
         (outcome "revoked" `(:staple ,(answer-about "revoked")) :verify #t :staple-policy 'ignore)
         'fine)
      (check-no-option "the policy" &error :staple-policy 'perhaps)
      (check-raises "no bytes" &error (lambda () (make-ssl-config :staple 7)))
      (let ((root (car (CA))))
         (check-equal "good" (ssl-ocsp-status good (test-certificate "good") root) 'good)
         (check-equal "revoked" 
            (ssl-ocsp-status (answer-about "revoked") (test-certificate "revoked") root)
            'revoked)
         (check-raises "about another" &io-ssl-error
            (lambda () (ssl-ocsp-status good (test-certificate "revoked") root)))
         (check "a request" (>fx (string-length (ssl-ocsp-request (test-certificate "good") root)) 50))
         (check "no address" (not (certificate-ocsp-url (test-certificate "good")))))))

(define-case "a staple is replaced while a server serves"
   (let* ((good (answer-about "good"))
          (config (apply make-ssl-config :staple #f (files "good")))
          (s (make-ssl-server-socket 0 :name "127.0.0.1" :config config))
          ;; With another protocol each time, so that no session is resumed.
          (stapled (lambda (protocol)
                      (let* ((t (accept-one s echo-lines))
                             (c (connect-to s :hostname "localhost" :CAs (CA) :alpn protocol))
                             (staple (begin (ask c "x") (ssl-socket-staple c))))
                         (socket-close c)
                         (join t)
                         staple))))
      (check "none yet" (not (stapled "a")))
      (ssl-config-staple-set! config good)
      (check-equal "the new one" (stapled "b") good)
      (ssl-config-staple-set! config #f)
      (check "none" (not (stapled "c")))
      (check-raises "a configuration that has none" &io-ssl-error
         (lambda () (ssl-config-staple-set! (apply make-ssl-config (files "good")) good)))
      (socket-close s)))

(define-case "algorithms and the key log"
   (check-equal "of both" 
      (outcome "good" '() :signature-algorithms "ecdsa_secp256r1_sha256" :security-level 2)
      'fine)
   (check-equal "of nobody" (outcome "good" '() :signature-algorithms "rsa_pss_rsae_sha256") 0)
   (check-no-option "none" &io-ssl-error :signature-algorithms "x")
   (check-no-option "a level" &error :security-level 6)
   (let ((file (string-append (os-tmp) "/bglssl-keys-" (number->string (getpid)))))
      (check-equal "logged" (outcome "good" '() :keylog file :protocol 'tlsv1_3) 'fine)
      (check "secrets" (contains? (call-with-input-file file read-string) "CLIENT_TRAFFIC_SECRET_0"))
      (delete-file file))
   (check "a group" (ssl-supports? "group:X25519"))
   (check "no group" (not (ssl-supports? "group:none")))
   (check-raises "no feature" &error (lambda () (ssl-supports? "none"))))

(define-case "configurations and hosts have them too"
   (let ((config (make-ssl-config :role 'client :hostname "localhost" :CAs (CA)
                    :pins (test-certificate "good-rsa"))))
      (let* ((s (test-server))
             (t (accept-one s echo-lines)))
         (check-raises "pinned" &io-ssl-error (lambda () (connect-to s :config config)))
         (join t)
         (check-raises "beside a configuration" &error
            (lambda () (connect-to s :config config :pins (CA))))
         (socket-close s)))
   (let* ((host `("localhost" ,@(files "good") :CAs ,(CA) :pins ,(test-certificate "client2")))
          (s (apply make-ssl-server-socket 0 :hosts (list host) (files "good")))
          (t (accept-one s echo-lines)))
      (check "the host's" 
         (raised (lambda ()
                    (ask (apply connect-to s :protocol 'tlsv1_2 :hostname "localhost" :CAs (CA)
                            (files "client"))
                       "x"))))
      (join t)
      (socket-close s))
   (check-raises "an unknown keyword" &error (lambda () (make-ssl-config :role 'client :pinz 1))))

(define-case "sockets that are switched have them too"
   (multiple-value-bind (client accepted)
      (plain-pair)
      (let ((t (spawn (guarded
                         (lambda ()
                            (apply server-socket-use-ssl! accepted (files "good")))))))
         (check-raises "pinned" &io-ssl-error
            (lambda ()
               (client-socket-use-ssl! client :hostname "localhost" :CAs (CA)
                  :pins (test-certificate "good-rsa"))))
         (join t))))

(define-case "a demand turns verification on"
   (for-each (lambda (options)
                (check "refused" 
                   (raised (lambda ()
                              (let* ((s (apply make-ssl-server-socket 0 (files "untrusted")))
                                     (t (accept-one s echo-lines)))
                                 (apply connect-to s options))))))
      `((:strict #t) (:crls ,(pki "root.crl")) (:verify-depth 5) (:pins ,(test-certificate "untrusted"))
        (:staple-policy require) (:verify-time ,(current-seconds)) (:no-common-name #t))))

(define-case "a certificate is verified without a connection"
   (let ((good (test-certificate "good")))
      (check-equal "the chain" (map certificate-subject (certificate-verify good :CAs (CA))) '("good" "root"))
      (check-equal "the name" (length (certificate-verify good :CAs (CA) :hostname "localhost")) 2)
      (let ((e (check-raises "another" &io-ssl-error
                  (lambda () (certificate-verify good :CAs (CA) :hostname "other.test")))))
         (with-access::&io-ssl-error e (verify-result msg)
            (check-equal "number" verify-result 62)
            (check "words" (contains? msg "other.test"))))
      (check-equal "with an intermediate"
         (length (certificate-verify (test-certificate "chained-alone") :CAs (CA)
                    :intermediates (list (test-certificate "intermediate"))))
         3)
      (check-raises "without" &io-ssl-error
         (lambda () (certificate-verify (test-certificate "chained-alone") :CAs (CA))))
      (check-equal "a client's" (length (certificate-verify (test-certificate "client") :CAs (CA) :purpose 'client)) 2)
      (check-raises "a server's" &io-ssl-error
         (lambda () (certificate-verify (test-certificate "server-purpose") :CAs (CA) :purpose 'client)))
      (check-equal "of anybody" 
         (length (certificate-verify (test-certificate "server-purpose") :CAs (CA) :purpose 'any))
         2)
      (check-raises "a purpose" &error (lambda () (certificate-verify good :purpose 'mail)))
      (check-raises "revoked" &io-ssl-error
         (lambda () (certificate-verify (test-certificate "revoked") :CAs (CA) :crls (pki "root.crl"))))
      (let ((config (make-ssl-config :role 'client :CAs (CA) :pins (test-certificate "good-rsa"))))
         (check-raises "a configuration's pins" &io-ssl-error (lambda () (certificate-verify good :config config)))
         (check-raises "both" &error
            (lambda () (certificate-verify good :config config :strict #t))))))

(define-case "the verified chain of a connection is known"
   (let* ((s (apply make-ssl-server-socket 0 :name "127.0.0.1" (files "chained")))
          (t (spawn (guarded (lambda ()
                                (for-each (lambda (i) (echo-lines (socket-accept s))) '(1 2)))))))
      (for-each (lambda (i)
                   (let ((c (make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                               :hostname "localhost" :CAs (CA))))
                      (check-equal "echo" (ask c "x") "x")
                      (check-equal "chain" (map certificate-subject (ssl-socket-verified-chain c))
                         '("chained-alone" "intermediate" "root"))
                      (socket-close c)))
         '(1 2))
      (join t)
      (socket-close s))
   (with-connection '() '() echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "x") "x")
         (check-equal "nothing verified" (ssl-socket-verified-chain c) '())
         (socket-close c))))

;; The TLSA record of a certificate's key.
(define (record-of name)
   (unless (=fx (system "command -v openssl >/dev/null 2>&1") 0)
      (skip "no openssl command"))
   (let* ((p (run-process "sh" "-c"
                (format "openssl x509 -in '~a' -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1"
                   (pki (string-append name ".pem")))
                :wait #f :output pipe:))
          (digest (read-line (process-output-port p))))
      (process-wait p)
      (string-append "3 1 1 " digest)))

(define-case "TLSA records"
   (check-equal "the key" (outcome "self-signed" '() :tlsa (record-of "self-signed")) 'fine)
   (check-equal "one of several" 
      (outcome "good" '() :tlsa (list (record-of "good-rsa") (record-of "good")))
      'fine)
   (check-equal "another" (outcome "good" '() :tlsa (record-of "good-rsa")) 65)
   (check-equal "another name" (outcome "wrong-name" '() :tlsa (record-of "wrong-name")) 62)
   (check-equal "any name" (outcome "wrong-name" '() :tlsa (record-of "wrong-name") :tlsa-names #f) 'fine)
   (check-no-option "no record" &error :tlsa "3 1 1")
   (check-no-option "no text" &error :tlsa 3)
   (check-no-option "nothing verified" &io-ssl-error :tlsa (record-of "good") :verify #f))
