;; t_sockets.scm: client and server of this library, in one process.
(module t_sockets
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

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

(define-case "ports have the names that the runtime's own sockets give them"
   (multiple-value-bind (plain accepted) (plain-pair)
      (check "plain" (eq? (output-port-name (socket-output plain)) plain))
      (check-equal "plain" (input-port-name (socket-input plain)) (socket-hostname plain)))
   (with-connection '() '() echo-lines
      (lambda (c)
         (check "output" (eq? (output-port-name (socket-output c)) c))
         (check-equal "input" (input-port-name (socket-input c)) (socket-hostname c))
         (socket-close c))))
