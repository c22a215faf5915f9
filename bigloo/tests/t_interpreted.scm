;; t_interpreted.scm: the library in the interpreter, without a module. Run with `bigloo -i`, by way of
;; library-load, in tests/run; any failure exits with a status that is not 0.
(library-load 'ssl)

(define (pki name)
   (string-append (getenv "BGLSSL_TEST_PKI") "/" name))

(define (check what ok)
   (unless ok
      (print "not so: " what)
      (exit 1)))

(check "version" (string? (ssl-version)))
(check "random bytes" (=fx (string-length (ssl-rand-bytes 20)) 20))
(check "certificate" (string=? (certificate-subject (read-certificate (pki "good.pem"))) "good"))
(check "keyword arguments"
   (isa? (read-private-key (pki "good-encrypted.key") :passphrase "secret") private-key))
(check "file not found"
   (with-handler
      (lambda (e) (isa? e &io-file-not-found-error))
      (read-certificate (pki "none"))
      #f))
(check "ssl error"
   (with-handler
      (lambda (e) (and (isa? e &io-ssl-error) (with-access::&io-ssl-error e (code) (<fx code 0))))
      (read-certificate (pki "words.pem"))
      #f))

(check "connection error"
   (with-handler
      (lambda (e) (isa? e &io-connection-error))
      (make-ssl-client-socket "localhost" 1 :timeout 5000000 :protocol 'tlsv1_2 :verify #t)
      #f))

;; A connection without a socket greets.
(define engine
   (instantiate::ssl-connection
      (ctx (instantiate::secure-context))
      (isserver #f)
      (reject-unauthorized #f)))
(check "a step" (=fx (ssl-connection-start engine) -1))
(check "a greeting" (>fx (ssl-connection-enc-pending engine) 100))
(check "no error" (with-access::ssl-connection engine (err) (not err)))

(define sha256 (instantiate::ssl-hash (type "sha256")))
(ssl-hash-update! sha256 "abc" 0 3)
(check "digest" (string=? (ssl-hash-digest sha256) (ssl-digest "sha256" "abc")))
(define dh-of-one (dh-set-group! (instantiate::dh) "ffdhe2048"))
(check "key agreement" (dh-generate-key dh-of-one))
(with-access::dh dh-of-one (p public-key)
   (check "fields" (=fx (bn-num-bytes p) 256))
   (check "secret" (=fx (string-length (dh-compute-key dh-of-one public-key)) 256)))
(check "scrypt" (=fx (string-length (ssl-scrypt "password" "salt" 16 1 1 20 :max-memory 1000000)) 20))

;; https URLs.
(define (check-https)
   (let* ((peer (run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_https.py")
                   (pki "good.pem") (pki "good.key") :wait #f :output pipe:))
          (port (cadr (string-split (read-line (process-output-port peer)) " "))))
      (ssl-https-protocol-enable! :CAs (list (read-certificate (pki "root.pem"))))
      (check "an https URL"
         (=fx (string-length
                 (call-with-input-file (string-append "https://localhost:" port "/chunked") read-string))
            100000))
      (process-kill peer)))
(when (=fx (system "command -v python3 >/dev/null 2>&1") 0)
   (check-https))

(define server (make-ssl-server-socket 0 :cert (pki "good.pem") :pkey (pki "good.key")))
(check "a server" (ssl-socket? server))

(define peer
   (run-process "openssl" "s_client" "-quiet" "-connect"
      (string-append "localhost:" (integer->string (socket-port-number server)))
      :wait #f :input pipe: :output pipe: :error "/dev/null"))
(define s (socket-accept server))
(display "from the interpreter\n" (socket-output s))
(flush-output-port (socket-output s))
(check "a line" (string=? (read-line (process-output-port peer)) "from the interpreter"))
(socket-close s)
(process-kill peer)
(exit 0)
