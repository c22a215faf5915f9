;; t_sockets.scm: client and server of this library, in one process.
(module t_sockets
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; ---- what Bigloo documents -------------------------------------------------------------------

(define-case "a connection has two descriptors"
   (let* ((server (test-server))
          (before (descriptors))
          (t (spawn (guarded (lambda ()
                                (let ((s (socket-accept server)))
                                   (read-line (socket-input s))
                                   s)))))
          (client (connect-to server)))
      (display (string-append "abc\n" (make-string 10000 #\x)) (socket-output client))
      (flush-output-port (socket-output client))
      (let ((s (join t)))
         (check-equal "of both ends" (- (descriptors) before) 4)
         (socket-close s)
         (socket-close client)
         (check-equal "they are closed" (descriptors) before))))

(define-case "a line goes to and fro"
   (with-connection '() '() echo-lines
      (lambda (c)
         (check "ssl-socket?" (ssl-socket? c))
         (check "socket?" (socket? c))
         (check-equal "host" (socket-hostname c) "localhost")
         (check-equal "echo" (ask c "hello") "hello")
         (socket-close c))))

(define-case "both ends are SSL sockets, and so is the server"
   (let ((server (test-server)))
      (check "server" (ssl-socket? server))
      (let* ((t (accept-one server (lambda (s)
                                      (let ((r (ssl-socket? s))) (socket-close s) r))))
             (c (connect-to server)))
         (check "client" (ssl-socket? c))
         (check-equal "accepted" (join t) #t)
         (socket-close c))))

(define-case "each protocol that OpenSSL speaks by default, in any letter case"
   (for-each
      (lambda (protocol name)
         (with-connection (list :protocol protocol) (list :protocol protocol) echo-lines
            (lambda (c)
               (check-equal "echo" (ask c "x") "x")
               (when name (check-equal "protocol" (ssl-socket-protocol c) name))
               (socket-close c))))
      '(sslv23 ssl SSLv23 tlsv1_2 TLSv1_2 tlsv1_3 TLSV1_3)
      '(#f #f #f "TLSv1.2" "TLSv1.2" "TLSv1.3" "TLSv1.3")))

(define-case "tls and tlsv1 mean any version, as with Bigloo's own"
   (for-each
      (lambda (client server name)
         (with-connection (list :protocol server) (list :protocol client) echo-lines
            (lambda (c)
               (check-equal "echo" (ask c "x") "x")
               (check-equal "protocol" (ssl-socket-protocol c) name)
               (socket-close c))))
      '(tls tlsv1 TLS tlsv1_2 tlsv1_3)
      '(tlsv1_2 tlsv1_3 sslv23 tls tlsv1)
      '("TLSv1.2" "TLSv1.3" "TLSv1.3" "TLSv1.2" "TLSv1.3")))

(define-case "tlsv1_0 and tlsv1_1 are spoken, or refused with a reason"
   (for-each
      (lambda (protocol name)
         (let ((e (raised
                     (lambda ()
                        (with-connection (list :protocol protocol) (list :protocol protocol) echo-lines
                           (lambda (c)
                              (check-equal "echo" (ask c "x") "x")
                              (check-equal "protocol" (ssl-socket-protocol c) name)
                              (socket-close c)))))))
            (check "fine, or an io-error" (or (not e) (isa? e &io-error)))))
      '(tlsv1_0 TLSv1_0 tlsv1_1) '("TLSv1" "TLSv1" "TLSv1.1")))

(define-case "tlsv1_3 accepts no older version"
   (let* ((server (test-server :protocol 'tlsv1_2))
          (t (accept-one server socket-close)))
      (check-raises "connect" &io-ssl-error (lambda () (connect-to server :protocol 'tlsv1_3)))
      (check "server's side" (isa? (join t) &io-ssl-error))))

(define-case "unbuffered ports"
   (with-connection '() '(:inbuf #f :outbuf #f) echo-lines
      (lambda (c)
         (let ((out (socket-output c)) (in (socket-input c)))
            (display "abc\n" out)
            (check-equal "a" (read-char in) #\a)
            (check-equal "b" (peek-char in) #\b)
            (check-equal "rest" (read-line in) "bc")
            (write-char #\newline out)
            (check-equal "one character is sent at once" (read-char in) #\newline)
            (socket-close c)))))

(define-case "buffers: a size, a string, and one keyword for both"
   (for-each
      (lambda (options)
         (with-connection '() options echo-lines
            (lambda (c)
               (check-equal "echo" (ask c (make-string 5000 #\x)) (make-string 5000 #\x))
               (socket-close c))))
      (list '(:inbuf 100 :outbuf 100) '(:buffer #t) '(:buffer #f) '(:buffer 1) '(:buffer 2)
         (list :inbuf (make-string 300) :outbuf (make-string 300)) '(:inbuf 0 :outbuf 0)
         (list :inbuf "" :outbuf ""))))

(define-case "a buffer that is none is an error"
   (let ((server (test-server)))
      (check "raised" (isa? (raised (lambda () (connect-to server :inbuf 'big))) &error))))

(define-case "read, read-chars and read-string see what was sent"
   (with-connection '() '()
      (lambda (s)
         (display "(a \"b\" 3) rest of it" (socket-output s))
         (socket-close s))
      (lambda (c)
         (check-equal "read" (read (socket-input c)) '(a "b" 3))
         (check-equal "read-chars" (read-chars 5 (socket-input c)) " rest")
         (check-equal "read-string" (read-string (socket-input c)) " of it")
         (check "end" (eof-object? (read-char (socket-input c)))))))

(define-case "a megabyte goes through, both ways at once"
   (let ((text (make-string 1000000 #\m)))
      (with-connection '() '()
         (lambda (s)
            (let ((writer (spawn (guarded (lambda ()
                                             (display text (socket-output s))
                                             (flush-output-port (socket-output s)))))))
               (let ((got (read-chars (string-length text) (socket-input s))))
                  (check-fine "the writer" (join writer))
                  (socket-close s)
                  (string=? got text))))
         (lambda (c)
            (let ((writer (spawn (guarded (lambda ()
                                             (display text (socket-output c))
                                             (flush-output-port (socket-output c)))))))
               (check-equal "length" (string-length (read-chars (string-length text) (socket-input c)))
                  (string-length text))
               (check-fine "the writer" (join writer)))))))

(define-case "domain inet6"
   (let ((s (with-handler (lambda (e) #f) (test-server :domain 'inet6))))
      (if (not s)
          (skip "no IPv6 here")
          (let* ((t (accept-one s echo-lines))
                 (c (make-ssl-client-socket "::1" (socket-port-number s) :domain 'inet6
                       :timeout 10000000)))
             (check-equal "echo" (ask c "six") "six")
             (socket-close c)
             (join t)))))

(define-case "domain unspec takes what there is"
   (with-connection '() '(:domain unspec) echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "x") "x")
         (socket-close c))))

;; How often in a row char-ready? finds a character, which is then read.
(define (count-ready port)
   (let loop ((n 0))
      (if (char-ready? port)
          (begin
             (read-char port)
             (loop (+fx n 1)))
          n)))

(define-case "char-ready? sees what has been decrypted, and what has only arrived"
   (with-connection '() '(:inbuf 10)
      (lambda (s)
         (for-each (lambda (text)
                      (display text (socket-output s))
                      (flush-output-port (socket-output s)))
            (list (make-string 3000 #\a) "b" "c"))
         (read-char (socket-input s))
         (display "." (socket-output s))
         (socket-close s))
      (lambda (c)
         (let ((in (socket-input c)))
            (check-equal "first" (read-char in) #\a)
            ;; All of it has arrived by then.
            (sleep 300000)
            (check-equal "characters" (count-ready in) 3001)
            (write-char #\newline (socket-output c))
            (flush-output-port (socket-output c))
            (check-equal "the next" (read-char in) #\.)))))

;; ---- verification ------------------------------------------------------------------------------

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

;; ---- keying material ----------------------------------------------------------------------------

(define-case "both ends export the same keying material, and have the same channel bindings"
   (define (material s)
      (list (ssl-socket-export s "EXPORTER-test" 20)
         (ssl-socket-export s "EXPORTER-test" 20 "context")
         (ssl-socket-channel-binding s 'tls-exporter)
         (ssl-socket-channel-binding s 'tls-server-end-point)
         (ssl-socket-channel-binding s 'tls-unique)))
   (for-each
      (lambda (protocol unique?)
         (let* ((server (test-server :protocol protocol))
                (t (accept-one server (lambda (s) (let ((m (material s))) (socket-close s) m))))
                (c (connect-to server :protocol protocol))
                (own (material c)))
            (check-equal "material" (join t) own)
            (check-equal "length" (string-length (car own)) 20)
            (check "the context matters" (not (string=? (car own) (cadr own))))
            (check-equal "tls-unique is defined" (string? (list-ref own 4)) unique?)
            (socket-close c)))
      '(tlsv1_2 tlsv1_3)
      '(#t #f)))

(define-case "what cannot be exported is an error"
   (with-connection '() '() echo-lines
      (lambda (c)
         (for-each (lambda (thunk) (check "&error" (isa? (raised thunk) &error)))
            (list (lambda () (ssl-socket-export c "" 20))
               (lambda () (ssl-socket-export c "EXPORTER-test" 0))
               (lambda () (ssl-socket-export c "EXPORTER-test" 20 'context))
               (lambda () (ssl-socket-channel-binding c 'tls-other))))
         (socket-close c))))

;; ---- facts ----------------------------------------------------------------------------------------

(define-case "what is known of a connection is an association list"
   (with-connection '(:protocol tlsv1_3) '() echo-lines
      (lambda (c)
         (define (fact name) (cdr (assq name (ssl-socket-info c))))
         (check-equal "echo" (ask c "hello") "hello")
         (check-equal "protocol" (fact 'protocol) "TLSv1.3")
         (check-equal "cipher" (fact 'cipher) (ssl-socket-cipher c))
         (check "bits" (>=fx (fact 'bits) 128))
         (check-equal "written" (fact 'bytes-written) 6)
         (check-equal "read" (fact 'bytes-read) 6)
         (check-equal "resumed?" (fact 'resumed?) #f)
         (check "peer's signature" (string? (fact 'peer-signature)))
         (check "time" (>=fx (fact 'handshake-time) 0))
         (socket-close c))))

;; ---- further keywords ------------------------------------------------------------------------

(define-case "the server's name is sent, for names"
   (with-connection '() '()
      (lambda (s) (check-equal "received" (ssl-socket-server-name s) "localhost") (socket-close s))
      (lambda (c) (check-equal "sent" (ssl-socket-server-name c) "localhost") (read-char (socket-input c)))))

(define-case "no server name is sent for an address"
   (let* ((server (test-server))
          (t (accept-one server (lambda (s) (let ((n (ssl-socket-server-name s))) (socket-close s) n))))
          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number server) :timeout 10000000)))
      (check-equal "received" (join t) #f)))

(define-case ":alpn agrees on a protocol"
   (with-connection '(:alpn ("h2" "http/1.1")) '(:alpn ("http/1.1"))
      (lambda (s) (check-equal "server" (ssl-socket-alpn s) "http/1.1") (socket-close s))
      (lambda (c)
         (check-equal "client" (ssl-socket-alpn c) "http/1.1")
         (read-char (socket-input c))))
   (with-connection '() '(:alpn "http/1.1") socket-close
      (lambda (c) (check-equal "none" (ssl-socket-alpn c) #f) (read-char (socket-input c)))))

(define-case ":min-protocol and :max-protocol"
   (with-connection '() '(:max-protocol tlsv1_2) echo-lines
      (lambda (c) (check-equal "max" (ssl-socket-protocol c) "TLSv1.2") (socket-close c)))
   (let* ((server (test-server :max-protocol 'tlsv1_2)) (t (accept-one server socket-close)))
      (check-raises "min" &io-ssl-error (lambda () (connect-to server :min-protocol 'tlsv1_3)))
      (join t)))

(define-case ":ciphers of TLS 1.2 and of TLS 1.3"
   (with-connection '() '(:max-protocol tlsv1_2 :ciphers "ECDHE-ECDSA-AES128-GCM-SHA256") echo-lines
      (lambda (c)
         (check-equal "cipher" (ssl-socket-cipher c) "ECDHE-ECDSA-AES128-GCM-SHA256")
         (socket-close c)))
   (with-connection '() '(:ciphers "TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256") echo-lines
      (lambda (c)
         (check-equal "cipher" (ssl-socket-cipher c) "TLS_CHACHA20_POLY1305_SHA256")
         (socket-close c))))

(define-case "ciphers that nobody knows are an error"
   (check "raised" (isa? (raised (lambda () (test-server :ciphers "NONSENSE"))) &error)))

(define-case ":groups of both sides must have one in common"
   (define (meet server-groups client-groups)
      (let* ((server (test-server :groups server-groups))
             (t (accept-one server echo-lines))
             (c (raised (lambda () (connect-to server :groups client-groups)))))
         (join t)
         (socket-close server)
         c))
   (with-connection '(:groups "P-384:X25519") '(:groups "P-256:P-384") echo-lines
      (lambda (c) (check-equal "echo" (ask c "x") "x") (socket-close c)))
   (check "none in common" (isa? (meet "X25519" "P-384") &io-ssl-error))
   (check-raises "groups that nobody knows" &io-ssl-error
      (lambda () (make-ssl-client-socket "localhost" 1 :groups "P-1"))))

(define-case "certificate, chain and cipher of the peer"
   (with-connection '() '() echo-lines
      (lambda (c)
         (check-equal "subject" (certificate-subject (ssl-socket-peer-certificate c)) "good")
         (check-equal "chain" (length (ssl-socket-peer-chain c)) 1)
         (check "cipher" (string? (ssl-socket-cipher c)))
         (check "protocol" (string? (ssl-socket-protocol c)))
         (socket-close c))))

;; ---- time limits -----------------------------------------------------------------------------

;; A plain server whose connections are accepted by the kernel and never answered.
(define (silent-server) (make-server-socket 0))

(define-case "the connect time-out covers the handshake"
   (let* ((server (silent-server)) (e #f)
          (took (duration
                   (lambda ()
                      (set! e (check-raises "connect" &io-timeout-error
                                 (lambda ()
                                    (make-ssl-client-socket "localhost" (socket-port-number server)
                                       :timeout 300000))))))))
      (check "not too soon" (>= took 250000))
      (check "not too late" (< took (seconds 5)))
      (check-equal "proc" (condition-proc e) "make-ssl-client-socket")))

(define-case ":handshake-timeout bounds a client's handshake"
   (let ((server (silent-server)))
      (check-raises "connect" &io-timeout-error
         (lambda ()
            (make-ssl-client-socket "localhost" (socket-port-number server)
               :handshake-timeout 300000)))))

(define-case "a silent client does not hold the server for ever"
   (let* ((server (test-server :handshake-timeout 300000))
          (silent (make-client-socket "localhost" (socket-port-number server)))
          (e (check-raises "accept" &io-timeout-error (lambda () (socket-accept server)))))
      (check-equal "proc" (condition-proc e) "socket-accept")
      (let* ((t (accept-one server echo-lines))
             (c (connect-to server)))
         (check-equal "the next one is served" (ask c "x") "x")
         (socket-close c)
         (join t))))

(define-case "the input port's time-out ends a read, and a later read goes on"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! go)
            (display "late\n" (socket-output s))
            (socket-close s))
         (lambda (c)
            (check-equal "set" (input-port-timeout-set! (socket-input c) 200000) #t)
            (let ((took (duration
                           (lambda ()
                              (check-raises "read" &io-timeout-error
                                 (lambda () (read-line (socket-input c))))))))
               (check "not too late" (< took (seconds 5))))
            (input-port-timeout-set! (socket-input c) 5000000)
            (mutex-unlock! go)
            (check-equal "line" (read-line (socket-input c)) "late")))))

(define-case "a time-out that was taken back is no longer in force"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! go)
            (sleep 400000)
            (display "late\n" (socket-output s))
            (socket-close s))
         (lambda (c)
            (input-port-timeout-set! (socket-input c) 100000)
            (input-port-timeout-set! (socket-input c) 0)
            (mutex-unlock! go)
            (check-equal "line" (read-line (socket-input c)) "late")))))

(define-case "bytes that are decrypted already are read in spite of a time-out"
   (with-connection '() '(:inbuf 10)
      (lambda (s)
         (display (make-string 5000 #\p) (socket-output s))
         (flush-output-port (socket-output s))
         (read-char (socket-input s))
         (socket-close s))
      (lambda (c)
         (input-port-timeout-set! (socket-input c) 3000000)
         (check-equal "all" (string-length (read-chars 5000 (socket-input c))) 5000)
         (display "." (socket-output c))
         (flush-output-port (socket-output c)))))

(define-case "the output port's time-out ends a write that the peer does not take"
   (let ((done (make-mutex)))
      (mutex-lock! done)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! done)
            (socket-close s))
         (lambda (c)
            (check-equal "set" (output-port-timeout-set! (socket-output c) 200000) #t)
            (let ((took (duration
                           (lambda ()
                              (check-raises "write" &io-timeout-error
                                 (lambda ()
                                    (let loop ()
                                       (display (make-string 100000 #\w) (socket-output c))
                                       (loop))))))))
               (check "not too late" (< took (seconds 20))))
            (mutex-unlock! done)))))

(define-case "a port without data for a while costs no processor time"
   (with-connection '() '()
      (lambda (s)
         (sleep 1000000)
         (display "x" (socket-output s))
         (socket-close s))
      (lambda (c)
         (input-port-timeout-set! (socket-input c) 5000000)
         (output-port-timeout-set! (socket-output c) 5000000)
         (multiple-value-bind (result real system user)
            (time (lambda () (read-char (socket-input c))))
            (check-equal "char" result #\x)
            (check "busy" (<fx (+fx system user) 500))))))

;; ---- threads that are terminated, signals ----------------------------------------------------

;; A thread that runs `thunk`, terminated after a while.
(define (terminated thunk)
   (let ((t (spawn thunk)))
      (sleep 200000)
      (thread-terminate! t)
      (check "terminated" (isa? (raised (lambda () (join t))) terminated-thread-exception))))

(define-case "a thread that reads may be terminated, and another one reads on"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! go)
            (display "on" (socket-output s))
            (socket-close s))
         (lambda (c)
            (let ((took (duration (lambda () (terminated (lambda () (read-char (socket-input c))))))))
               (check "soon" (< took (seconds 2))))
            (mutex-unlock! go)
            (check-equal "read" (read-string (socket-input c)) "on")))))

(define-case "threads that connect, accept and write may be terminated"
   (let ((server (silent-server)))
      (terminated (lambda ()
                     (make-ssl-client-socket "localhost" (socket-port-number server) :timeout 1000000))))
   (let* ((server (test-server :handshake-timeout 1000000))
          (silent (make-client-socket "localhost" (socket-port-number server))))
      (terminated (lambda () (socket-accept server)))
      (let* ((t (accept-one server echo-lines)) (c (connect-to server)))
         (check-equal "the server goes on" (ask c "x") "x")
         (socket-close c)
         (join t)))
   (let ((done (make-mutex)))
      (mutex-lock! done)
      (with-connection '() '()
         (lambda (s) (mutex-lock! done) (socket-close s))
         (lambda (c)
            (output-port-timeout-set! (socket-output c) 1000000)
            (terminated (lambda ()
                           (let loop ()
                              (display (make-string 100000 #\w) (socket-output c))
                              (loop))))
            (mutex-unlock! done)))))

(define (signal-soon number)
   (system (string-append "(sleep 0.3; kill -" (integer->string number) " "
              (integer->string (getpid)) ") >/dev/null 2>&1 &")))

(define-case "a signal's handler may raise while the socket is read, and reading goes on"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! go)
            (display "on" (socket-output s))
            (socket-close s))
         (lambda (c)
            (signal sigalrm (lambda (number) (error "alarm" "rings" number)))
            (signal-soon sigalrm)
            (check-equal "raised" (condition-message
                                     (check-raises "read" &error (lambda () (read-char (socket-input c)))))
               "rings")
            (mutex-unlock! go)
            (check-equal "read" (read-string (socket-input c)) "on")))))

;; ---- STARTTLS ----------------------------------------------------------------------------------

(define-case "STARTTLS: both ends switch an open socket"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (spawn (guarded
                         (lambda ()
                            (check-equal "plain" (read-line (socket-input accepted)) "STARTTLS")
                            (display "go\n" (socket-output accepted))
                            (flush-output-port (socket-output accepted))
                            (let ((s (server-socket-use-ssl! accepted :cert (pki "good.pem")
                                        :pkey (pki "good.key"))))
                               (check "the same socket" (eq? s accepted))
                               (echo-lines s)))))))
         (check-equal "answer" (ask client "STARTTLS") "go")
         (let ((s (client-socket-use-ssl! client :CAs (CA) :verify #t)))
            (check "the same socket" (eq? s client))
            (check "ssl-socket?" (ssl-socket? client))
            (check-equal "name" (ssl-socket-server-name client) "localhost")
            (check-equal "echo" (ask client "secret") "secret")
            (socket-close client)
            (check-fine "server" (join t))))))

(define (read-characters port n)
   (list->string (map (lambda (i) (read-char port)) (iota n))))

(define-case "STARTTLS: what was written before goes out before the switch"
   ;; The hello comes right behind the line: a buffer might take it in, too. Even an unbuffered
   ;; port reads two bytes at a time, and read-line makes a buffer where there is none.
   (multiple-value-bind (client accepted) (plain-pair :inbuf #f)
      (let ((t (spawn (guarded
                         (lambda ()
                            (let ((line (read-characters (socket-input accepted) 10)))
                               (server-socket-use-ssl! accepted :cert (pki "good.pem") :pkey (pki "good.key"))
                               (echo-lines accepted)
                               line))))))
         (display "STARTTLS\r\n" (socket-output client))
         (client-socket-use-ssl! client)
         (check-equal "echo" (ask client "x") "x")
         (socket-close client)
         (check-equal "line" (join t) "STARTTLS\r\n"))))

(define-case "STARTTLS: plaintext that is buffered is an error and never data"
   (multiple-value-bind (client accepted) (plain-pair)
      (display "220 go\n250 injected\n" (socket-output accepted))
      (flush-output-port (socket-output accepted))
      (check-equal "line" (read-line (socket-input client)) "220 go")
      (let ((e (raised (lambda () (client-socket-use-ssl! client)))))
         (check "an io-error" (isa? e &io-error))
         (check "that says so" (contains? (condition-message e) "plaintext"))
         (check-equal "proc" (condition-proc e) 'client-socket-use-ssl!)
         (let ((line (with-handler (lambda (e) 'closed) (read-line (socket-input client)))))
            (check "not as data" (not (equal? line "250 injected")))))))

(define-case "STARTTLS: time-outs set before the switch hold after it, in both directions"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((end (make-mutex))
             (t (spawn (guarded
                         (lambda ()
                            (server-socket-use-ssl! accepted :cert (pki "good.pem") :pkey (pki "good.key"))
                            (mutex-lock! end))))))
         (mutex-lock! end)
         (input-port-timeout-set! (socket-input client) 300000)
         (output-port-timeout-set! (socket-output client) 300000)
         (client-socket-use-ssl! client)
         (check-raises "read" &io-timeout-error (lambda () (read-line (socket-input client))))
         (check-raises "write" &io-timeout-error
            (lambda ()
               (let loop ()
                  (display (make-string 100000 #\w) (socket-output client))
                  (loop))))
         (mutex-unlock! end)
         (join t))))

(define-case "STARTTLS: a time-out taken back before the switch is not in force after it"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (spawn (guarded
                         (lambda ()
                            (server-socket-use-ssl! accepted :cert (pki "good.pem") :pkey (pki "good.key"))
                            (sleep 400000)
                            (display "late\n" (socket-output accepted))
                            (socket-close accepted))))))
         (input-port-timeout-set! (socket-input client) 100000)
         (input-port-timeout-set! (socket-input client) 0)
         (client-socket-use-ssl! client)
         (check-equal "line" (read-line (socket-input client)) "late")
         (socket-close client)
         (join t))))

(define-case "STARTTLS: a handshake that fails closes the socket"
   (multiple-value-bind (client accepted) (plain-pair)
      (display "this is no TLS at all, whatever it may look like\n" (socket-output accepted))
      (flush-output-port (socket-output accepted))
      (check-raises "switch" &io-ssl-error (lambda () (client-socket-use-ssl! client)))
      (check "closed" (socket-down? client))
      (check "the peer is not left hanging"
         (let loop ((n 0))
            (let ((c (with-handler (lambda (e) #eof-object) (read-char (socket-input accepted)))))
               (or (not (char? c)) (loop (+fx n 1))))))))

(define-case "STARTTLS: a socket is not switched twice"
   (with-connection '() '() echo-lines
      (lambda (c)
         (check-raises "switch" &error (lambda () (client-socket-use-ssl! c)))
         (check-equal "it still works" (ask c "x") "x")
         (socket-close c))))

;; ---- closing -----------------------------------------------------------------------------------

(define (receive-all s)
   (let ((text (read-string (socket-input s))))
      (socket-close s)
      text))

(define-case "socket-close loses no buffered output"
   (let ((server (test-server)))
      (for-each
         (lambda (size)
            (let* ((t (accept-one server receive-all))
                   (c (connect-to server :outbuf 100000))
                   (text (make-string size #\b)))
               (display text (socket-output c))
               (socket-close c)
               (check-equal "received" (string-length (check-fine "server" (join t))) size)))
         '(1 1000 99999 300000))))

(define-case "close-output-port of a client tells the server nothing, until the socket is closed"
   (with-connection '() '()
      (lambda (s)
         (check-equal "request" (read-line (socket-input s)) "request")
         (input-port-timeout-set! (socket-input s) 300000)
         (check-raises "no end yet" &io-timeout-error (lambda () (read-char (socket-input s))))
         (input-port-timeout-set! (socket-input s) 0)
         (display "answer" (socket-output s))
         (close-output-port (socket-output s))
         (check "the end" (eof-object? (read-char (socket-input s))))
         (check "as it should be" (not (ssl-socket-truncated? s)))
         (socket-close s))
      (lambda (c)
         (display "request\n" (socket-output c))
         (close-output-port (socket-output c))
         (check-equal "answer" (read-string (socket-input c)) "answer")
         (check "the server's end is told" (not (ssl-socket-truncated? c)))
         (socket-close c))))

(define-case "ssl-socket-end-output! of a closed output port tells the peer all the same, also twice"
   (with-connection '() '()
      (lambda (s)
         (let ((text (read-string (socket-input s))))
            (display (string-append "got " text) (socket-output s))
            (socket-close s)))
      (lambda (c)
         (display "all of it" (socket-output c))
         (close-output-port (socket-output c))
         (ssl-socket-end-output! c)
         (ssl-socket-end-output! c)
         (check-equal "answer" (read-string (socket-input c)) "got all of it")
         (socket-close c)
         (ssl-socket-end-output! c))))

(define-case "ssl-socket-end-output! ends the stream and reading goes on"
   (with-connection '() '()
      (lambda (s)
         (let ((text (read-string (socket-input s))))
            (display (string-append "got " text) (socket-output s))
            (socket-close s)))
      (lambda (c)
         (display "all of it" (socket-output c))
         (ssl-socket-end-output! c)
         (check-equal "answer" (read-string (socket-input c)) "got all of it"))))

(define-case "the ports are closed in any order, and twice"
   (let ((server (test-server)))
      (define (try close!)
         (let* ((t (accept-one server receive-all))
                (c (connect-to server)))
            (display "text" (socket-output c))
            (close! c)
            (close! c)
            (check-equal "received" (check-fine "server" (join t)) "text")))
      (define before #f)
      (try socket-close)
      (set! before (descriptors))
      (try (lambda (c) (close-input-port (socket-input c)) (close-output-port (socket-output c))))
      (try (lambda (c) (close-output-port (socket-output c)) (close-input-port (socket-input c))))
      (try (lambda (c) (close-input-port (socket-input c)) (socket-close c)))
      (try (lambda (c) (close-output-port (socket-output c)) (socket-close c)))
      (try (lambda (c) (socket-close c) (close-input-port (socket-input c))
              (close-output-port (socket-output c))))
      (check-equal "descriptors" (descriptors) before)))

(define-case "a thread that reads is woken when another closes the socket"
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '()
         (lambda (s) (mutex-lock! stop) (socket-close s))
         (lambda (c)
            (let ((reader (spawn (guarded (lambda () (read-char (socket-input c)))))))
               (sleep 200000)
               (let ((took (duration (lambda () (socket-close c)))))
                  (check "soon" (< took (seconds 8))))
               (let ((r (join reader)))
                  (check "end of file or an io-error" (or (eof-object? r) (isa? r &io-error))))
               (mutex-unlock! stop))))))

(define-case "a thread that reads is woken when another closes the input port"
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! stop)
            (let ((line (read-line (socket-input s))))
               (socket-close s)
               (check-equal "writing goes on" line "still")))
         (lambda (c)
            (let ((reader (spawn (guarded (lambda () (read-char (socket-input c)))))))
               (sleep 200000)
               (close-input-port (socket-input c))
               (let ((r (join reader)))
                  (check "end of file or an io-error" (or (eof-object? r) (isa? r &io-error))))
               (mutex-unlock! stop)
               (display "still\n" (socket-output c))
               (flush-output-port (socket-output c)))))))

(define-case "a socket may be closed from several threads at once"
   (let* ((server (test-server)) (before #f))
      (let loop ((i 0))
         (when (<fx i 30)
            (let* ((t (accept-one server receive-all))
                   (c (connect-to server)))
               (display "text" (socket-output c))
               (let ((closers (map (lambda (i) (spawn (guarded (lambda () (socket-close c))))) (iota 4))))
                  (for-each (lambda (t) (check-fine "closing" (join t))) closers))
               (check-equal "received" (check-fine "server" (join t)) "text")
               (when (=fx i 0) (set! before (descriptors)))
               (loop (+fx i 1)))))
      (check-equal "descriptors" (descriptors) before)))

(define-case "closing a socket that its peer has left raises nothing"
   (let* ((server (test-server))
          (t (accept-one server socket-close))
          (c (connect-to server)))
      (check-fine "server" (join t))
      (display "nobody reads this" (socket-output c))
      (check-equal "raised" (raised (lambda () (socket-close c))) #f)))

(define-case "writing to a closed peer is a sigpipe error, as on plain sockets, and no signal"
   (let* ((server (test-server))
          (t (accept-one server socket-close))
          (c (connect-to server)))
      (check-fine "server" (join t))
      (check-raises "write" &io-sigpipe-error
         (lambda ()
            (let loop ((i 0))
               (when (<fx i 1000)
                  (display (make-string 10000 #\x) (socket-output c))
                  (flush-output-port (socket-output c))
                  (loop (+fx i 1))))))
      (socket-close c)))


(define-case "socket-shutdown closes, as for a plain socket"
   (with-connection '() '()
      (lambda (s) (with-handler (lambda (e) #t) (read-string (socket-input s))) (socket-close s) #t)
      (lambda (c)
         (socket-shutdown c)
         (check "closed" (socket-down? c)))))

(define-case "close hooks and flush hooks of the ports are called"
   (with-connection '() '() receive-all
      (lambda (c)
         (let ((closed '()) (flushed 0))
            (input-port-close-hook-set! (socket-input c) (lambda (p) (set! closed (cons 'in closed))))
            (output-port-close-hook-set! (socket-output c) (lambda (p) (set! closed (cons 'out closed))))
            (output-port-flush-hook-set! (socket-output c)
               (lambda (port size) (set! flushed (+fx flushed size)) #f))
            (display "12345" (socket-output c))
            (flush-output-port (socket-output c))
            (check-equal "flushed" flushed 5)
            (socket-close c)
            (check-equal "closed" (sort (lambda (a b) (string<? (symbol->string a) (symbol->string b)))
                                     closed)
               '(in out))))))

(define-case "closing a socket calls the flush hook once"
   (with-connection '() '() receive-all
      (lambda (c)
         (let ((sizes '()))
            (output-port-flush-hook-set! (socket-output c)
               (lambda (port size) (set! sizes (cons size sizes)) #f))
            (display "12345" (socket-output c))
            (socket-close c)
            (check-equal "sizes" sizes '(5))))))

(define-case "a flush hook and a flush buffer can put bytes before the text"
   (let ((got (with-connection '() '() receive-all
                 (lambda (c)
                    (let ((port (socket-output c)) (buffer (make-string 10)))
                       (output-port-flush-buffer-set! port buffer)
                       (output-port-flush-hook-set! port
                          (lambda (port size)
                             (let ((head (string-append (integer->string size) ":")))
                                (blit-string! head 0 buffer 0 (string-length head))
                                (string-length head))))
                       (display "chunk" port)
                       (flush-output-port port)
                       (output-port-flush-hook-set! port #unspecified)
                       (socket-close c))))))
      (check-equal "received" got "5:chunk")))

;; Runs `close`, which the flush hook of the socket's output port interrupts by calling
;; `interrupt`, and checks that all is closed nevertheless.
(define (check-closed-by socket interrupt close)
   (output-port-flush-hook-set! (socket-output socket) (lambda (port size) (interrupt)))
   (display "lost" (socket-output socket))
   (close)
   (check "down" (socket-down? socket))
   (check "input" (closed-input-port? (socket-input socket)))
   (check "output" (closed-output-port? (socket-output socket))))

(define-case "a flush hook that raises or escapes does not keep a socket from being closed"
   (let ((server (test-server)))
      (define (try check)
         (let* ((t (accept-one server receive-all)) (c (connect-to server)))
            (check c)
            (check-equal "received" (check-fine "server" (join t)) "")))
      (let ((before (descriptors)))
         (try (lambda (c)
                 (check-closed-by c (lambda () (error "hook" "raised" c))
                    (lambda () (check-raises "close" &error (lambda () (socket-close c)))))))
         (try (lambda (c)
                 (bind-exit (escape)
                    (check-closed-by c (lambda () (escape #f))
                       (lambda () (socket-close c) (fail "no escape"))))
                 (check "down" (socket-down? c))
                 (check "output" (closed-output-port? (socket-output c)))))
         (check-equal "descriptors" (descriptors) before))))

(define-case "seek hooks of the input port are called, and seeking forward skips"
   (with-connection '() '()
      (lambda (s) (display "0123456789" (socket-output s)) (socket-close s))
      (lambda (c)
         (let ((in (socket-input c)) (asked #f))
            (check-equal "first" (read-char in) #\0)
            (set-input-port-position! in 5)
            (check-equal "skipped" (read-char in) #\5)
            (input-port-seek-set! in (lambda (port pos) (set! asked pos)))
            (set-input-port-position! in 3)
            (check-equal "asked" asked 3)))))

(define-case "a clone of the input port reads on, and both may be closed"
   (let ((server (test-server)) (before #f))
      (let loop ((i 0))
         (when (<fx i 50)
            (let* ((t (accept-one server (lambda (s)
                                             (display "one\ntwo\n" (socket-output s))
                                             (flush-output-port (socket-output s))
                                             (receive-all s))))
                   (c (connect-to server))
                   (clone (open-input-string "")))
               (check-equal "original" (read-line (socket-input c)) "one")
               (input-port-clone! clone (socket-input c))
               (check-equal "clone" (read-line clone) "two")
               (close-input-port clone)
               (socket-close c)
               (close-input-port clone)
               (check-fine "server" (join t))
               (when (=fx i 0) (set! before (descriptors)))
               (loop (+fx i 1)))))
      (check-equal "descriptors" (descriptors) before)))

(define-case "send-file and send-chars send through TLS"
   (let ((text (call-with-input-file (pki "good.pem") read-string)))
      (define (sends what proc)
         (check-equal what (with-connection '() '() receive-all proc) text))
      (sends "send-file"
         (lambda (c)
            (send-file (pki "good.pem") (socket-output c) -1 0)
            (socket-close c)))
      (sends "send-chars"
         (lambda (c)
            (let ((file (open-input-file (pki "good.pem"))))
               (send-chars file (socket-output c))
               (close-input-port file)
               (socket-close c))))
      (sends "send-chars, after a read"
         (lambda (c)
            (let* ((file (open-input-file (pki "good.pem")))
                   (first (read-char file)))
               (write-char first (socket-output c))
               (send-chars file (socket-output c))
               (close-input-port file)
               (socket-close c))))))

(define-case "full duplex: one thread reads while another writes"
   (with-connection '() '()
      (lambda (s)
         (let loop ((i 0))
            (when (<fx i 2000)
               (display i (socket-output s))
               (newline (socket-output s))
               (flush-output-port (socket-output s))
               (loop (+fx i 1))))
         (check-equal "last" (let loop ((last #f))
                                (let ((l (read-line (socket-input s))))
                                   (if (eof-object? l) last (loop l))))
            "1999")
         (socket-close s))
      (lambda (c)
         (let ((reader (spawn (guarded
                                 (lambda ()
                                    (let loop ((i 0))
                                       (when (<fx i 2000)
                                          (check-equal "line" (read-line (socket-input c)) (integer->string i))
                                          (loop (+fx i 1)))))))))
            (let loop ((i 0))
               (when (<fx i 2000)
                  (display i (socket-output c))
                  (newline (socket-output c))
                  (flush-output-port (socket-output c))
                  (loop (+fx i 1))))
            (check-fine "reader" (join reader))
            (socket-close c)))))

;; ---- servers -----------------------------------------------------------------------------------

(define-case "a plain client is an error of socket-accept, and the server goes on"
   (let* ((server (test-server))
          (plain (make-client-socket "localhost" (socket-port-number server))))
      (display "GET / HTTP/1.0\n\n" (socket-output plain))
      (flush-output-port (socket-output plain))
      (check-raises "accept" &io-ssl-error (lambda () (socket-accept server)))
      (check "the client is not left hanging"
         (let loop ()
            (let ((c (with-handler (lambda (e) #f) (read-char (socket-input plain)))))
               (or (not (char? c)) (loop)))))
      (let* ((t (accept-one server echo-lines)) (c (connect-to server)))
         (check-equal "echo" (ask c "x") "x")
         (socket-close c)
         (join t))))

(define (bad-client server)
   (let ((plain (make-client-socket "localhost" (socket-port-number server))))
      (display "nonsense\n\n" (socket-output plain))
      (flush-output-port (socket-output plain))
      plain))

(define-case "a server without a certificate tells its client, and its program"
   (for-each
      (lambda (protocol)
         (let* ((server (make-ssl-server-socket 0))
                (t (accept-one server socket-close))
                (e (check-raises "connect" &io-ssl-error (lambda () (connect-to server :protocol protocol)))))
            (with-access::&io-ssl-error e (alert)
               (check-equal "alert" alert 40))
            (check "accept" (contains? (condition-message (join t)) "needs a certificate"))
            (socket-close server)))
      '(tlsv1_2 tlsv1_3)))

(define-case ":accept-failure 'skip waits for the next client"
   (let* ((server (test-server :accept-failure 'skip))
          (bad (map (lambda (i) (bad-client server)) (iota 3)))
          (t (accept-one server echo-lines))
          (c (connect-to server)))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-fine "server" (join t))))

(define-case "clients that were refused and stay do not hold up the next one"
   (let* ((server (test-server :accept-failure 'skip :backlog 50))
          (bad (map (lambda (i) (bad-client server)) (iota 20)))
          (t (accept-one server echo-lines)))
      (let ((took (duration (lambda ()
                               (let ((c (connect-to server)))
                                  (check-equal "echo" (ask c "x") "x")
                                  (socket-close c))))))
         (check "soon" (< took (seconds 8))))
      (check-fine "server" (join t))
      (check-equal "they were there all the time" (length (filter socket-down? bad)) 0)))

(define-case ":accept-failure, a procedure, is told of each failure"
   (let* ((failures '())
          (server (test-server :accept-failure (lambda (e) (set! failures (cons e failures)))))
          (bad (map (lambda (i) (bad-client server)) (iota 3)))
          (t (accept-one server echo-lines))
          (c (connect-to server)))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-fine "server" (join t))
      (check-equal "failures" (length failures) 3)
      (check "conditions" (every (lambda (e) (isa? e &io-ssl-error)) failures))))

(define-case "a refused client costs no descriptor"
   (let ((server (test-server)) (before #f))
      (let loop ((i 0))
         (when (<fx i 20)
            (let ((bad (bad-client server)))
               (check "refused" (raised (lambda () (socket-accept server))))
               (socket-close bad))
            (when (=fx i 0) (set! before (descriptors)))
            (loop (+fx i 1))))
      (check-equal "descriptors" (descriptors) before)))

(define-case "clients that were refused one after the other cost no descriptors"
   (let* ((server (test-server :accept-failure 'skip :backlog 50))
          (before (descriptors))
          (bad (map (lambda (i) (bad-client server)) (iota 20)))
          (t (accept-one server socket-close))
          (c (connect-to server)))
      (check-fine "server" (join t))
      (socket-close c)
      (for-each socket-close bad)
      (check-equal "descriptors" (descriptors) before)))

(define-case ":lazy-handshake: accept returns at once, the handshake comes with the first read"
   (let* ((server (test-server :lazy-handshake #t))
          (silent (make-client-socket "localhost" (socket-port-number server)))
          (took (duration (lambda () (check "accepted" (ssl-socket? (socket-accept server)))))))
      (check "at once" (< took (seconds 2)))
      (let* ((t (accept-one server
                   (lambda (s)
                      (check-equal "no protocol yet" (ssl-socket-protocol s) #f)
                      (let ((line (read-line (socket-input s))))
                         (check "protocol" (string? (ssl-socket-protocol s)))
                         (socket-close s)
                         line))))
             (c (connect-to server)))
         (display "lazy\n" (socket-output c))
         (socket-close c)
         (check-equal "line" (check-fine "server" (join t)) "lazy"))))

(define-case ":lazy-handshake: a silent client times out in the thread that reads"
   (let* ((server (test-server :lazy-handshake #t :handshake-timeout 300000))
          (silent (make-client-socket "localhost" (socket-port-number server)))
          (s (socket-accept server)))
      (check-raises "read" &io-timeout-error (lambda () (read-char (socket-input s))))
      (socket-close s)))

(define-case ":lazy-handshake: the ports' time-outs bound the handshake, too, and the shorter one counts"
   (for-each
      (lambda (handshake port)
         (let* ((server (test-server :lazy-handshake #t :handshake-timeout handshake))
                (silent (make-client-socket "localhost" (socket-port-number server)))
                (s (socket-accept server)))
            (define (times-out what thunk)
               (let ((took (duration (lambda () (check-raises what &io-timeout-error thunk)))))
                  (check what (and (>= took 200000) (< took (seconds 4))))))
            (input-port-timeout-set! (socket-input s) port)
            (output-port-timeout-set! (socket-output s) port)
            (times-out "read" (lambda () (read-char (socket-input s))))
            (times-out "write" (lambda ()
                                  (display "x" (socket-output s))
                                  (flush-output-port (socket-output s))))))
      '(10000000 250000 0) '(250000 10000000 250000)))

(define-case "socket-accept from several threads"
   (let* ((server (test-server :backlog 50))
          (threads (map (lambda (i)
                           (spawn (guarded (lambda ()
                                              (let loop ((n 0))
                                                 (when (<fx n 5)
                                                    (echo-lines (socket-accept server))
                                                    (loop (+fx n 1))))))))
                      (iota 4))))
      (let loop ((i 0))
         (when (<fx i 20)
            (let ((c (connect-to server)))
               (check-equal "echo" (ask c "x") "x")
               (socket-close c))
            (loop (+fx i 1))))
      (for-each (lambda (t) (check-fine "server" (join t))) threads)))

(define-case "socket-accept-many takes what is waiting"
   (let* ((server (test-server :backlog 50))
          (total 12)
          (t (spawn (guarded
                       (lambda ()
                          (let loop ((served 0))
                             (when (<fx served total)
                                (let* ((sockets (make-vector 4 #f))
                                       (n (socket-accept-many server sockets)))
                                   (let each ((i 0))
                                      (when (<fx i n)
                                         (let ((s (vector-ref sockets i)))
                                            (spawn (guarded (lambda () (echo-lines s)))))
                                         (each (+fx i 1))))
                                   (loop (+fx served n)))))))))
          (clients (map (lambda (i)
                           (spawn (guarded (lambda ()
                                              (let ((c (connect-to server)))
                                                 (let ((r (ask c "many")))
                                                    (socket-close c)
                                                    r))))))
                      (iota total))))
      (for-each (lambda (c) (check-equal "echo" (check-fine "client" (join c)) "many")) clients)
      (check-fine "server" (join t))))

(define-case "socket-accept-many from several threads serves everybody"
   (let* ((server (test-server :backlog 50))
          (total 60))
      (define (serve-for-ever)
         (let loop ()
            (let* ((sockets (make-vector 4 #f))
                   (n (socket-accept-many server sockets)))
               (let each ((i 0))
                  (when (<fx i n)
                     (let ((s (vector-ref sockets i)))
                        (spawn (guarded (lambda () (echo-lines s)))))
                     (each (+fx i 1))))
               (loop))))
      (for-each (lambda (i) (spawn (guarded serve-for-ever))) (iota 4))
      (let rounds ((i 0))
         (when (<fx i 6)
            (let ((clients (map (lambda (i)
                                   (spawn (guarded (lambda ()
                                                      (let ((c (connect-to server)))
                                                         (input-port-timeout-set! (socket-input c) 10000000)
                                                         (let ((r (ask c "many")))
                                                            (socket-close c)
                                                            r))))))
                              (iota 10))))
               (for-each (lambda (c) (check-equal "echo" (check-fine "client" (join c)) "many")) clients))
            (rounds (+fx i 1))))))

(define-case "closing a server wakes a thread that accepts"
   (let* ((server (test-server))
          (t (spawn (guarded (lambda () (socket-accept server))))))
      (sleep 200000)
      (socket-close server)
      (check "an io-error" (isa? (join t) &io-error))))

(define-case "socket-accept-many is not undone by a bad client"
   (let* ((server (test-server :accept-failure 'skip :backlog 50))
          (bad (map (lambda (i) (bad-client server)) (iota 3)))
          (t (spawn (guarded
                       (lambda ()
                          (let loop ()
                             (let* ((sockets (make-vector 8 #f))
                                    (n (socket-accept-many server sockets)))
                                (if (=fx n 0)
                                    (loop)
                                    (echo-lines (vector-ref sockets 0)))))))))
          (c (connect-to server)))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-fine "server" (join t))))

;; 8 clients, each with a server's thread of its own, exchange 300 lines.
(define (eight-threads)
   (let* ((server (test-server :backlog 50))
          (acceptor (spawn (guarded
                              (lambda ()
                                 (let loop ((i 0))
                                    (when (<fx i 8)
                                       (let ((s (socket-accept server)))
                                          (spawn (guarded (lambda () (echo-lines s))))
                                          (loop (+fx i 1)))))))))
          (clients (map (lambda (i)
                           (spawn (guarded
                                     (lambda ()
                                        (let ((c (connect-to server)))
                                           (let loop ((n 0))
                                              (when (<fx n 300)
                                                 (let ((line (string-append (integer->string i) "-"
                                                                (integer->string n))))
                                                    (check-equal "echo" (ask c line) line)
                                                    (loop (+fx n 1)))))
                                           (socket-close c))))))
                      (iota 8))))
      (for-each (lambda (c) (check-fine "client" (join c))) clients)
      (check-fine "server" (join acceptor))))

(define-case "8 threads talk at once" (eight-threads))

(define-case "8 threads talk while another collects"
   (let* ((done #f)
          (collector (spawn (guarded (lambda ()
                                        (let loop ()
                                           (unless done
                                              (collect!)
                                              (sleep 1000)
                                              (loop))))))))
      (eight-threads)
      (set! done #t)
      (check-fine "the collector" (join collector))))

(define-case "1000 connections in a row: descriptors constant, memory bounded"
   (let* ((server (test-server :CAs (CA) :backlog 50))
          (identity (list :cert (test-certificate "client") :pkey (test-key "client") :CAs (CA)))
          (t (spawn (guarded
                       (lambda ()
                          (let loop ((i 0))
                             (when (<fx i 1000)
                                (echo-lines (socket-accept server))
                                (loop (+fx i 1))))))))
          (before #f) (size #f))
      (let loop ((i 0))
         (when (<fx i 1000)
            (let ((c (apply connect-to server identity)))
               (check-equal "echo" (ask c "x") "x")
               (socket-close c))
            (when (=fx i 200)
               (set! before (descriptors))
               (set! size (memory)))
            (loop (+fx i 1))))
      (check-fine "server" (join t))
      (check "descriptors" (<=fx (descriptors) (+fx before 3)))
      (check "memory" (<fx (-fx (memory) size) 30000))))

;; ---- collection --------------------------------------------------------------------------------

(define-case "sockets dropped without close are collected, with their descriptors"
   (let* ((server (test-server :backlog 50))
          (t (spawn (guarded
                       (lambda ()
                          (let loop ((i 0))
                             (when (<fx i 200)
                                (socket-accept server)
                                (loop (+fx i 1))))))))
          (before (descriptors)))
      (let loop ((i 0))
         (when (<fx i 200)
            (connect-to server)
            (when (=fx (remainderfx i 20) 0) (collect!))
            (loop (+fx i 1))))
      (check-fine "server" (join t))
      (let loop ((i 0))
         (when (and (<fx i 20) (>fx (descriptors) (+fx before 60)))
            (collect!)
            (make-vector 100000)
            (loop (+fx i 1))))
      (check "descriptors" (<fx (descriptors) (+fx before 60)))))

(define-case "collecting closed sockets does not touch those that have their descriptors now"
   (let ((server (test-server :backlog 50)))
      (define (one)
         (let* ((t (accept-one server echo-lines)) (c (connect-to server)))
            (cons c t)))
      (define (close-all pairs)
         (for-each (lambda (p) (socket-close (car p)) (check-fine "server" (join (cdr p)))) pairs))
      (let loop ((i 0))
         (when (<fx i 20)
            (let* ((old (map (lambda (i) (one)) (iota 5)))
                   (closed (close-all old))
                   (pairs (map (lambda (i) (one)) (iota 5))))
               (check "kept until now" (pair? old))
               (set! old #f)
               (collect!)
               (make-vector 100000)
               (collect!)
               (let ((more (map (lambda (i) (one)) (iota 5))))
                  (close-all pairs)
                  (for-each (lambda (p) (check-equal "echo" (ask (car p) "x") "x")) more)
                  (close-all more)))
            (loop (+fx i 1))))))

(define-case "a socket's ports outlive the socket"
   (with-connection '() '() echo-lines
      (lambda (c)
         (let ((in (socket-input c)) (out (socket-output c)))
            (set! c #f)
            (collect!)
            (make-vector 100000)
            (collect!)
            (display "alive\n" out)
            (flush-output-port out)
            (check-equal "echo" (read-line in) "alive")
            (close-output-port out)
            (close-input-port in)))))

(define-case "collections while data flows do no harm"
   (let ((server (test-server)))
      (let loop ((i 0))
         (when (<fx i 20)
            (let* ((t (accept-one server echo-lines))
                   (c (connect-to server :CAs (CA) :accepted-certs (list (test-certificate "good")))))
               (collect!)
               (let each ((n 0))
                  (when (<fx n 20)
                     (check-equal "echo" (ask c (make-string 2000 #\g)) (make-string 2000 #\g))
                     (collect!)
                     (check-equal "subject" (certificate-subject (ssl-socket-peer-certificate c)) "good")
                     (each (+fx n 1))))
               (socket-close c)
               (check-fine "server" (join t))
               (loop (+fx i 1)))))))

;; A collection stops all threads, wherever they are: also where one starts the thread that
;; looks a name up. There are so many of them that they share the C library's locks.
(define-case "threads can be stopped for a collection while they look names up"
   (let* ((server (test-server))
          (port (socket-port-number server))
          (stop #f)
          (collector (spawn (guarded
                               (lambda ()
                                  (let loop ()
                                     (unless stop
                                        (collect!)
                                        (sleep 2000)
                                        (loop))))))))
      (socket-close server)
      (let ((threads (map (lambda (i)
                             (spawn (guarded
                                       (lambda ()
                                          (let loop ((n 0))
                                             (when (<fx n 20)
                                                (raised (lambda () (make-ssl-client-socket "localhost" port)))
                                                (loop (+fx n 1))))
                                          'done))))
                          (iota 64))))
         (for-each (lambda (t) (check-equal "a thread" (join t) 'done)) threads)
         (set! stop #t)
         (join collector))))
