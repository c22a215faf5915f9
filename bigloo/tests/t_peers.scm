;; t_peers.scm: the openssl and curl commands at the other end; without threads.
(module t_peers
   (library ssl)
   (include "harness.scm")
   (main run-cases))

(define (need program)
   (unless (=fx (system (string-append "command -v " program " >/dev/null 2>&1")) 0)
      (skip "no " program " command")))

(define (s_server port . options)
   (need "openssl")
   (apply start-program "ACCEPT" "openssl" "s_server" "-accept" (integer->string port)
      "-cert" (pki "good.pem") "-key" (pki "good.key") options))

(define (connect port . options)
   (apply make-ssl-client-socket "localhost" port :timeout 10000000 options))

(define-case "openssl s_server: a line each way, verified"
   (let* ((port (free-port))
          (server (s_server port "-rev"))
          (c (connect port :CAs (CA) :verify #t)))
      (display "abc\n" (socket-output c))
      (flush-output-port (socket-output c))
      (check-equal "reversed" (read-line (socket-input c)) "cba")
      (socket-close c)
      (stop-program server)))

(define-case "openssl s_server: each version"
   (for-each
      (lambda (option name)
         (let* ((port (free-port))
                (server (s_server port "-rev" option))
                (c (connect port)))
            (check-equal "protocol" (ssl-socket-protocol c) name)
            (socket-close c)
            (stop-program server)))
      '("-tls1_2" "-tls1_3") '("TLSv1.2" "TLSv1.3")))

(define-case "openssl s_server: a client certificate that is demanded"
   (let* ((port (free-port))
          (server (s_server port "-rev" "-Verify" "1" "-verify_return_error" "-CAfile" (pki "root.pem")))
          (c (connect port :cert (pki "client.pem") :pkey (pki "client.key"))))
      (display "abc\n" (socket-output c))
      (flush-output-port (socket-output c))
      (check-equal "reversed" (read-line (socket-input c)) "cba")
      (socket-close c)
      (stop-program server)))

(define-case "openssl s_server: ten pages, read to their ends without waiting for more"
   (let* ((port (free-port))
          (server (s_server port "-www"))
          (took (duration
                   (lambda ()
                      (let loop ((i 0))
                         (when (<fx i 10)
                            (let ((c (connect port)))
                               (display "GET / HTTP/1.0\r\n\r\n" (socket-output c))
                               (flush-output-port (socket-output c))
                               (read-lines (socket-input c))
                               (socket-close c))
                            (loop (+fx i 1))))))))
      (check "no second each" (< took (seconds 7)))
      (stop-program server)))

(define-case "openssl s_server: a page over HTTP"
   (let* ((port (free-port))
          (server (s_server port "-www"))
          (c (connect port)))
      (display "GET / HTTP/1.0\r\n\r\n" (socket-output c))
      (flush-output-port (socket-output c))
      (check "status" (contains? (read-line (socket-input c)) "200"))
      (check "the rest" (>fx (string-length (read-string (socket-input c))) 100))
      (socket-close c)
      (stop-program server)))

(define-case "a socket of the unix domain is switched to TLS"
   (need "openssl")
   (let* ((path (make-file-name (os-tmp) (string-append "bglssl-" (number->string (current-microseconds)))))
          (server (start-program "ACCEPT" "openssl" "s_server" "-unix" path "-cert" (pki "good.pem")
                     "-key" (pki "good.key") "-rev"))
          (c (make-client-socket path 0 :domain 'unix)))
      (client-socket-use-ssl! c :CAs (CA) :hostname "localhost")
      (check "ssl-socket?" (ssl-socket? c))
      (display "abc\n" (socket-output c))
      (flush-output-port (socket-output c))
      (check-equal "reversed" (read-line (socket-input c)) "cba")
      (socket-close c)
      (check "down" (socket-down? c))
      (stop-program server)
      (delete-file path)))

(define-case "a connection that is reset is a connection error"
   (let* ((port (free-port))
          (server (s_server port "-rev"))
          (c (connect port)))
      ;; What the peer leaves unread turns its end into a reset.
      (process-stop server)
      (display (make-string 100000 #\r) (socket-output c))
      (flush-output-port (socket-output c))
      (process-kill server)
      (process-continue server)
      (process-wait server)
      (check-raises "read" &io-connection-error (lambda () (read-char (socket-input c))))
      (check-equal "closing raises nothing" (raised (lambda () (socket-close c))) #f)))

(define-case "a client that has reset its connection before it is accepted is named all the same"
   (need "python3")
   (let* ((server (make-ssl-server-socket 0 :name "127.0.0.1" :cert (pki "good.pem") :pkey (pki "good.key")))
          (p (run-process "python3" "-c"
                (string-append "import socket, struct\n"
                   "s = socket.create_connection(('127.0.0.1', "
                   (integer->string (socket-port-number server)) "))\n"
                   "print('%s:%d' % s.getsockname())\n"
                   "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
                   "s.close()\n")
                :wait #t :output pipe:))
          (address (read-line (process-output-port p)))
          (e (check-raises "accept" &io-connection-error (lambda () (socket-accept server)))))
      (check-equal "obj" (condition-object e) address)))

(define-case "Python's http.server, which ends without close_notify: the whole page, and it can be asked for"
   (need "python3")
   (let* ((p (run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_https.py")
                (pki "good.pem") (pki "good.key") :wait #f :output pipe:))
          (port (string->integer (cadr (string-split (read-line (process-output-port p)) " ")))))
      (define (get . options)
         (let ((c (apply connect port options)))
            (display "GET / HTTP/1.0\r\n\r\n" (socket-output c))
            (flush-output-port (socket-output c))
            (check "status" (contains? (read-line (socket-input c)) "200"))
            c))
      (let ((c (get)))
         (check "page" (string-suffix? (apply string-append (map (lambda (i) "0123456789") (iota 10000)))
                          (read-string (socket-input c))))
         (check-equal "truncated" (ssl-socket-truncated? c) #t)
         (socket-close c))
      (let ((c (get :truncation 'raise)))
         (check "raised" (isa? (raised (lambda ()
                                          (read-string (socket-input c))
                                          (read-string (socket-input c))))
                            &io-read-error))
         (socket-close c))
      (process-kill p)))

;; As HTTP clients do that want no more than one answer.
(define-case "a client that closes its output port gets the whole answer, also of a server that just closes"
   (need "python3")
   (let* ((p (run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_https.py")
                (pki "good.pem") (pki "good.key") :wait #f :output pipe:))
          (port (string->integer (cadr (string-split (read-line (process-output-port p)) " ")))))
      (define (get path)
         (let ((c (connect port)))
            (display (string-append "GET " path " HTTP/1.0\r\n\r\n") (socket-output c))
            (close-output-port (socket-output c))
            (check "page" (>fx (string-length (read-string (socket-input c))) 100000))
            (socket-close c)))
      (for-each get '("/" "/abrupt" "/" "/abrupt" "/" "/abrupt"))
      (process-kill p)))

(define (serve-page server)
   (let* ((s (socket-accept server)) (in (socket-input s)))
      (let loop ()
         (let ((line (read-line in)))
            (unless (or (eof-object? line) (string=? line "") (string=? line "\r")) (loop))))
      (display "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello from Bigloo\n" (socket-output s))
      (socket-close s)))

(define (page-server . options)
   (apply make-ssl-server-socket 0 :cert (pki "good.pem") :pkey (pki "good.key") options))

(define (program-output p)
   (let ((text (read-string (process-output-port p))))
      (process-wait p)
      text))

(define-case "curl gets a page, and verifies us"
   (need "curl")
   (for-each
      (lambda (option)
         (let* ((server (page-server))
                (p (run-process "curl" "-sS" "--max-time" "15" option "--cacert" (pki "root.pem")
                      (string-append "https://localhost:" (integer->string (socket-port-number server)) "/")
                      :wait #f :output pipe:)))
            (serve-page server)
            (check-equal "page" (program-output p) "hello from Bigloo\n")
            (check-equal "status" (process-exit-status p) 0)))
      '("--tlsv1.2" "--tlsv1.3")))

(define-case "curl shows its certificate"
   (need "curl")
   (let* ((server (page-server :CAs (CA)))
          (p (run-process "curl" "-sS" "--max-time" "15" "--cacert" (pki "root.pem")
                "--cert" (pki "client.pem") "--key" (pki "client.key")
                (string-append "https://localhost:" (integer->string (socket-port-number server)) "/")
                :wait #f :output pipe:)))
      (serve-page server)
      (check-equal "page" (program-output p) "hello from Bigloo\n")))

(define-case "openssl s_client reads all that we sent before closing"
   (need "openssl")
   (let* ((server (page-server))
          (p (run-process "openssl" "s_client" "-quiet" "-no_ign_eof" "-connect"
                (string-append "localhost:" (integer->string (socket-port-number server)))
                "-CAfile" (pki "root.pem") "-verify_return_error"
                :wait #f :output pipe: :input pipe: :error "/dev/null"))
          (s (socket-accept server)))
      (display (make-string 200000 #\z) (socket-output s))
      (socket-close s)
      (check-equal "length" (string-length (program-output p)) 200000)))
