;; t_verification.scm: which certificates are accepted.
(module t_verification
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define-case "without CAs nothing is verified"
   (with-connection (list :cert (test-certificate "self-signed") :pkey (test-key "self-signed")) '()
      echo-lines
      (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c))))

(define-case "CAs: the chain is verified"
   (with-connection '() (list :CAs (CA)) echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "x") "x")
         (check-equal "nothing wrong" (ssl-socket-verify-error c) #f)
         (socket-close c))))

(define-case "CAs: a chain to another root is an ssl error with the verification's result"
   (let* ((server (test-server))
          (t (accept-one server socket-close))
          (e (check-raises "connect" &io-ssl-error
                (lambda () (connect-to server :CAs (list (test-certificate "root2")))))))
      (with-access::&io-ssl-error e (code reason verify-result alert)
         (check-equal "code" code -8)
         (check "result" (>fx verify-result 0)))
      (check-equal "proc" (condition-proc e) 'make-ssl-client-socket)
      (check-equal "obj" (condition-object e)
         (string-append "localhost:" (integer->string (socket-port-number server))))
      (let ((e (join t)))
         (check "the server is told by an alert" (isa? e &io-ssl-error))
         (with-access::&io-ssl-error e (alert) (check "alert" (fixnum? alert))))))

(define-case "CAs: an expired certificate is refused"
   (let* ((server (make-ssl-server-socket 0 :cert (pki "expired.pem") :pkey (pki "expired.key")))
          (t (accept-one server socket-close)))
      (check-raises "connect" &io-ssl-error (lambda () (connect-to server :CAs (CA))))
      (join t)))

(define-case "CAs alone do not check the host's name"
   (let* ((server (make-ssl-server-socket 0 :cert (pki "wrong-name.pem") :pkey (pki "wrong-name.key")))
          (t (accept-one server echo-lines))
          (c (connect-to server :CAs (CA))))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (join t)))

(define (refuses-wrong-name . options)
   (let* ((server (make-ssl-server-socket 0 :cert (pki "wrong-name.pem") :pkey (pki "wrong-name.key")))
          (t (accept-one server socket-close))
          (e (check-raises "connect" &io-ssl-error
                (lambda () (apply connect-to server :CAs (CA) options)))))
      (join t)
      (with-access::&io-ssl-error e (code) (check-equal "code" code -9))))

(define-case ":verify #t checks the host's name" (refuses-wrong-name :verify #t))

(define-case ":hostname checks that name"
   (refuses-wrong-name :hostname "localhost")
   (let* ((server (make-ssl-server-socket 0 :cert (pki "wrong-name.pem") :pkey (pki "wrong-name.key")))
          (t (accept-one server echo-lines))
          (c (connect-to server :CAs (CA) :hostname "elsewhere.example")))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (join t)))

(define-case ":verify #f verifies nothing, CAs or not"
   (with-connection '() (list :CAs (list (test-certificate "root2")) :verify #f) echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "x") "x")
         (check "what it would have found" (string? (ssl-socket-verify-error c)))
         (socket-close c))))

(define-case ":verify #t without CAs trusts the system's only"
   (let* ((server (test-server)) (t (accept-one server socket-close)))
      (check-raises "connect" &io-ssl-error (lambda () (connect-to server :verify #t)))
      (join t)))

(define-case "ssl-default-verify-set! turns verification on for the program"
   (ssl-default-verify-set! #t)
   (let* ((server (test-server)) (t (accept-one server socket-close)))
      (check-raises "connect" &io-ssl-error (lambda () (connect-to server)))
      (join t))
   (refuses-wrong-name)
   (with-connection '() (list :CAs (CA)) echo-lines
      (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c))))

(define-case "accepted-certs: the peer's certificate must be among them"
   (with-connection '() (list :accepted-certs (list (test-certificate "client") (test-certificate "good")))
      echo-lines
      (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c)))
   (for-each
      (lambda (accepted)
         (let* ((server (test-server)) (t (accept-one server socket-close)))
            (check-raises "connect" &io-ssl-error (lambda () (connect-to server :accepted-certs accepted)))
            (join t)))
      (list '() (list (test-certificate "client")))))

;; ---- client certificates --------------------------------------------------------------------

;; With TLS 1.3 a client learns of a refusal from its first read only.
(define (refused-client server . options)
   (raised (lambda ()
              (let ((c (apply connect-to server options)))
                 (read-char (socket-input c))))))

(define-case "a server whose accepted-certs are an empty list accepts nobody"
   (let* ((server (test-server :accepted-certs '())) (t (accept-one server (lambda (s) (socket-close s)))))
      (check "client" (isa? (refused-client server :cert (pki "client.pem") :pkey (pki "client.key")) &io-error))
      (check "server" (isa? (join t) &io-ssl-error))))

(define-case "a server with CAs demands a certificate"
   (let ((identity (list :cert (test-certificate "client") :pkey (test-key "client"))))
      (with-connection (list :CAs (CA)) identity
         (lambda (s)
            (let ((subject (certificate-subject (ssl-socket-peer-certificate s))))
               (echo-lines s)
               (check-equal "subject" subject "client")))
         (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c))))
   (let* ((server (test-server :CAs (CA))) (t (accept-one server socket-close)))
      (check "the client fails" (isa? (refused-client server) &io-error))
      (let ((e (join t)))
         (check "socket-accept fails" (isa? e &io-ssl-error))
         (check-equal "proc" (condition-proc e) 'socket-accept)
         (check "obj" (string-prefix? "127.0.0.1:" (condition-object e))))))

(define-case "a server with accepted-certs and no CAs asks for a certificate"
   (let ((options (list :accepted-certs (list (test-certificate "client")))))
      (with-connection options (list :cert (pki "client.pem") :pkey (pki "client.key")) echo-lines
         (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c)))
      (for-each
         (lambda (identity)
            (let* ((server (apply test-server options)) (t (accept-one server socket-close)))
               (check "the client fails" (isa? (apply refused-client server identity) &io-error))
               (check "socket-accept fails" (isa? (join t) &io-ssl-error))))
         (list '() (list :cert (pki "client2.pem") :pkey (pki "client2.key"))))))

(define-case "cert and pkey as file names, with the chain that the file holds"
   (let* ((server (make-ssl-server-socket 0 :cert (pki "chained.pem") :pkey (pki "chained.key")))
          (t (accept-one server echo-lines))
          (c (connect-to server :CAs (CA))))
      (check-equal "chain" (map certificate-subject (ssl-socket-peer-chain c))
         '("chained-alone" "intermediate"))
      (socket-close c)
      (join t)))

;; ---- beside a configuration --------------------------------------------------------------------

(define-case "certificate-verify: demands beside :config are not ignored"
   (let ((config (make-ssl-config :role 'client :verify #t :CAs (CA))))
      (for-each
         (lambda (options)
            (check (format "refused: ~s" options)
               (isa? (raised (lambda () (apply certificate-verify (test-certificate "good") :config config options)))
                  &error)))
         (list (list :CAs (list (test-certificate "root2")))
            (list :accepted-certs (list (test-certificate "client")))
            (list :accepted-certs '())))))
