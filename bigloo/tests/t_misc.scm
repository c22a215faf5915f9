;; t_misc.scm: randomness, lists, and arguments that are refused; without threads.
(module t_misc
   (library ssl)
   (include "harness.scm")
   (main run-cases))

(define-case "the version is OpenSSL's"
   (check "version" (contains? (ssl-version) "OpenSSL")))

(define-case "the generator is ready"
   (check-equal "status" (ssl-rand-status) #t)
   (check-equal "poll" (ssl-rand-poll) #t))

(define-case "random bytes are as many as asked for, and differ"
   (for-each (lambda (n)
                (check-equal "length" (string-length (ssl-rand-bytes n)) n)
                (check-equal "length" (string-length (ssl-rand-pseudo-bytes n)) n))
      '(0 1 16 1000 100000))
   (check "different" (not (string=? (ssl-rand-bytes 32) (ssl-rand-bytes 32)))))

(define-case "a negative number of random bytes is an error"
   (check-raises "bytes" &error (lambda () (ssl-rand-bytes -1)))
   (check-raises "pseudo-bytes" &error (lambda () (ssl-rand-pseudo-bytes -1))))

(define-case "more random bytes than OpenSSL's numbers can tell are an error, and not fewer bytes"
   (for-each (lambda (n)
                (check-equal "obj" (condition-object (check-raises "bytes" &error (lambda () (ssl-rand-bytes n)))) n)
                (check-raises "pseudo-bytes" &error (lambda () (ssl-rand-pseudo-bytes n))))
      '(4294967300 2147483648)))

(define-case "errors can be cleared"
   (check-equal "result" (ssl-clear-error) #t)
   (check "text" (string? (ssl-error-string))))

(define-case "the TLS ciphers are a vector of names"
   (let ((ciphers (ssl-get-ciphers)))
      (check "a vector" (vector? ciphers))
      (check "a known one" (member "TLS_AES_128_GCM_SHA256" (vector->list ciphers)))))

(define-case "ciphers and digests are sorted lists of names"
   (for-each (lambda (l)
                (check "not empty" (pair? l))
                (check-equal "sorted" l (sort string<? l)))
      (list (evp-get-ciphers) (evp-get-hashes)))
   (check "a digest" (any (lambda (h) (string-ci=? h "SHA256")) (evp-get-hashes))))

(define-case "the option bit"
   (check-equal "bit" (ssl-op-cipher-server-preference) #x400000))

(define-case "nothing but sockets of this library are SSL sockets"
   (check-equal "a number" (ssl-socket? 1) #f)
   (check-equal "a string" (ssl-socket? "x") #f)
   (let ((s (make-server-socket 0)))
      (check-equal "a plain server" (ssl-socket? s) #f)
      (let ((c (make-client-socket "localhost" (socket-port-number s))))
         (check-equal "a plain client" (ssl-socket? c) #f)
         (check-equal "an accepted one" (ssl-socket? (socket-accept s)) #f))))

(define-case "an unknown protocol is an error"
   (check-raises "client" &error (lambda () (make-ssl-client-socket "localhost" 1 :protocol 'tlsv7)))
   (check-raises "server" &error (lambda () (make-ssl-server-socket 0 :protocol 'tlsv7))))

(define-case "certificate and key are both given or neither"
   (for-each
      (lambda (thunk)
         (check-equal "message" (condition-message (check-raises "identity" &error thunk))
            "pkey and cert must be both #f or both set"))
      (list (lambda () (make-ssl-client-socket "localhost" 1 :cert (test-certificate "good")))
         (lambda () (make-ssl-client-socket "localhost" 1 :pkey (test-key "good")))
         (lambda () (make-ssl-server-socket 0 :cert (test-certificate "good")))
         (lambda () (make-ssl-server-socket 0 :pkey (test-key "good"))))))

(define-case "a certificate and a key that do not belong together are an io-error"
   (check-raises "server" &io-ssl-error
      (lambda () (make-ssl-server-socket 0 :cert (test-certificate "good") :pkey (test-key "client")))))

(define-case "things that are no certificates are refused"
   (check-raises "cert" &error (lambda () (make-ssl-client-socket "localhost" 1 :cert 1 :pkey 2)))
   (check-raises "CAs" &error (lambda () (make-ssl-client-socket "localhost" 1 :CAs '(1))))
   (check-raises "accepted" &error
      (lambda () (make-ssl-client-socket "localhost" 1 :accepted-certs 'all))))

(define-case "an unsupported domain is an error"
   (check-raises "client" &error (lambda () (make-ssl-client-socket "localhost" 1 :domain 'unspecified)))
   (check-raises "server" &error (lambda () (make-ssl-server-socket 0 :domain 'unspec))))

(define-case "an unknown host is an unknown-host error that names it"
   (let ((e (check-raises "connect" &io-unknown-host-error
               (lambda () (make-ssl-client-socket "no-such-host.invalid" 443 :timeout 5000000)))))
      (check-equal "proc" (condition-proc e) 'make-ssl-client-socket)
      (check-equal "obj" (condition-object e) "no-such-host.invalid:443")))

(define-case "a refused connection is a connection error that names host and port"
   (let* ((port (free-port))
          (e (check-raises "connect" &io-connection-error
                (lambda () (make-ssl-client-socket "localhost" port)))))
      (check-equal "obj" (condition-object e) (string-append "localhost:" (integer->string port)))))

(define-case "a host name with a NUL is an error"
   (check-raises "connect" &error
      (lambda () (make-ssl-client-socket (string-append "localhost" (string #a000) ".x") 443))))

(define-case "a negative time-out is an error"
   (check-raises "connect" &error (lambda () (make-ssl-client-socket "localhost" 1 :timeout -1))))

(define-case "a port out of range and an empty host are io-errors, as nothing can be connected to"
   (check-raises "host" &io-unknown-host-error (lambda () (make-ssl-client-socket "" 443)))
   (check-raises "name" &io-unknown-host-error
      (lambda () (make-ssl-server-socket 0 :name "" :cert (pki "good.pem") :pkey (pki "good.key"))))
   (for-each (lambda (port)
                (check-raises "client" &io-error (lambda () (make-ssl-client-socket "localhost" port))))
      '(0 -1 70000 4294967739))
   (for-each (lambda (port)
                (check-raises "server" &io-error
                   (lambda ()
                      (make-ssl-server-socket port :cert (pki "good.pem") :pkey (pki "good.key")))))
      '(-1 70000 4294967296)))

(define-case "a missing certificate file is a file-not-found error of the caller"
   (let ((e (check-raises "server" &io-file-not-found-error
               (lambda () (make-ssl-server-socket 0 :cert (pki "none.pem") :pkey (pki "good.key"))))))
      (check-equal "proc" (condition-proc e) 'make-ssl-server-socket)
      (check-equal "obj" (condition-object e) (pki "none.pem"))))

(define-case "a protocol that OpenSSL cannot speak is an io-error that says so"
   (let ((e (raised (lambda ()
                       (make-ssl-server-socket 0 :protocol 'sslv2
                          :cert (pki "good.pem") :pkey (pki "good.key"))))))
      (check "an io-error" (isa? e &io-error))))

(define-case "a server's port may be positional or a keyword, or left out"
   (define (listen-and-close . arguments)
      (let ((s (apply make-ssl-server-socket
                  (append arguments (list :cert (pki "good.pem") :pkey (pki "good.key"))))))
         (check "a socket" (and (socket? s) (socket-server? s) (ssl-socket? s)))
         (check "its port" (>fx (socket-port-number s) 0))
         (socket-close s)))
   (listen-and-close 0)
   (listen-and-close :port 0)
   (listen-and-close)
   (listen-and-close 0 :name "localhost" :backlog 10 :protocol 'tlsv1_2 :domain 'inet)
   (listen-and-close :port 0 :domain 'inet6)
   ;; Bigloo 4.4
   (listen-and-close 0 :ipv6 #f)
   (listen-and-close 0 :ipv6 #t))

(define-case "an unknown keyword is an error of the procedure that was called"
   (check-equal "proc"
      (condition-proc (check-raises "server" &error (lambda () (make-ssl-server-socket 0 :colour 'red))))
      'make-ssl-server-socket))

(define-case "a port in use is an io-error that names it"
   (let* ((s (make-ssl-server-socket 0 :name "localhost" :cert (pki "good.pem") :pkey (pki "good.key")))
          (port (socket-port-number s))
          (e (raised (lambda ()
                        (make-ssl-server-socket port :name "localhost"
                           :cert (pki "good.pem") :pkey (pki "good.key"))))))
      (check "an io-error" (isa? e &io-error))
      (check "none of TLS" (not (isa? e &io-ssl-error)))
      (check-equal "obj" (condition-object e) (string-append "localhost:" (integer->string port)))))

(define-case "a policy for failures that is none is refused"
   (check-raises "policy" &error
      (lambda ()
         (make-ssl-server-socket 0 :accept-failure 'ignore
            :cert (pki "good.pem") :pkey (pki "good.key")))))

(define-case "closing a server frees its port, also twice"
   (let ((s (make-ssl-server-socket 0 :cert (pki "good.pem") :pkey (pki "good.key"))))
      (socket-close s)
      (socket-close s)
      (check-raises "connect" &io-connection-error
         (lambda () (make-ssl-client-socket "localhost" (socket-port-number s))))))

(define-case "questions about a socket that is none of ours are errors"
   (let ((s (make-server-socket 0)))
      (check-raises "protocol" &error (lambda () (ssl-socket-protocol s)))))

(define-case "switching a server's socket to TLS is an error"
   (let ((s (make-server-socket 0)))
      (check-raises "switch" &error (lambda () (client-socket-use-ssl! s)))))

(define-case "the default of :verify can be set and asked for"
   (check-equal "at first" (ssl-default-verify) #f)
   (ssl-default-verify-set! #t)
   (check-equal "then" (ssl-default-verify) #t))

(define-case "names that no host can have are wrong arguments, others are unknown"
   (for-each
      (lambda (name)
         (check-raises name &error
            (lambda () (make-ssl-client-socket name 443 :timeout 10000000))))
      '("a..b" "a/b" "a:443" "a@b" "%" "[]"))
   (check-raises "unknown" &io-unknown-host-error
      (lambda () (make-ssl-client-socket "no.such.host.invalid" 443 :timeout 10000000))))
