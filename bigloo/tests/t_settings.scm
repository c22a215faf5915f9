;; t_settings.scm: sizes of records, whose order of ciphers counts, groups, the trace of a handshake, what a server counts.
(module t_settings
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (server . options)
   (apply make-ssl-server-socket 0 :name "127.0.0.1" (append (files "good") options)))

;; What `proc` makes of a client's socket, after an echo.
(define (meet proc s . client-options)
   (let* ((t (accept-one s echo-lines))
          (c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                :hostname "localhost" :CAs (CA) client-options)))
      (check-equal "echo" (ask c "x") "x")
      (let ((result (proc c)))
         (socket-close c)
         (join t)
         result)))

(define (holds? text part)
   (and (string-contains text part) #t))

(define aes-128 "ECDHE-ECDSA-AES128-GCM-SHA256")
(define aes-256 "ECDHE-ECDSA-AES256-GCM-SHA384")

(define-case "a server goes by its own order of ciphers if it is told to"
   (for-each (lambda (preference)
                (let ((s (server :ciphers (string-append aes-256 ":" aes-128)
                            :server-preference preference)))
                   (check-equal "cipher"
                      (meet ssl-socket-cipher s :protocol 'tlsv1_2
                         :ciphers (string-append aes-128 ":" aes-256))
                      (if preference aes-256 aes-128))
                   (socket-close s)))
      '(#f #t)))

(define-case "records of other sizes carry the same"
   (let ((s (server :record-size 600 :dynamic-records #t :padding 128)))
      (check-equal "protocol"
         (meet ssl-socket-protocol s :record-size 512 :max-fragment-length 1024 :padding 64) "TLSv1.3")
      (socket-close s)))

(define-case "sizes out of range are refused"
   (for-each (lambda (options)
                (check-raises (format "~a" options) &error
                   (lambda () (apply make-ssl-config :role 'client options))))
      '((:record-size 511) (:record-size 16385) (:record-size "x") (:record-size -1)
        (:max-fragment-length 1000) (:padding 16385) (:padding 1.5) (:no-such-keyword 1))))

(define-case "a group that OpenSSL may not know"
   (let ((s (server)))
      (check "fine" (meet ssl-socket? s :groups "?X25519MLKEM768:X25519"))
      (check "fine" (meet ssl-socket? s :groups "?no-such-group:DEFAULT"))
      (socket-close s))
   (check-raises "unknown" &io-ssl-error
      (lambda () (make-ssl-client-socket "127.0.0.1" 1 :groups "?no-such-group"))))

(define-case "nothing in common is told with what both ends offer"
   (let* ((s (server :protocol 'tlsv1_2 :ciphers aes-256))
          (t (accept-one s echo-lines))
          (of-client (raised (lambda ()
                                (make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                                   :protocol 'tlsv1_2 :ciphers aes-128)))))
      (check "client" (isa? of-client &io-ssl-error))
      (with-access::&io-ssl-error of-client (msg)
         (check-equal "client's words" (holds? msg (string-append "this client offers TLS 1.2 only, cipher suites " aes-128)) #t))
      (let ((of-server (join t)))
         (check "server" (isa? of-server &io-ssl-error))
         (with-access::&io-ssl-error of-server (msg)
            (check-equal "server's words" (holds? msg (string-append "this server has " aes-256)) #t)))
      (socket-close s)))

(define-case "a procedure is told of a client's handshake"
   (let* ((s (server))
          (lines '()))
      (meet (lambda (c) #f) s :protocol 'tlsv1_3 :alpn "x"
         :trace (lambda (line) (set! lines (cons line lines))))
      (let ((first (car (reverse lines))))
         (check-equal first (holds? first "> ClientHello ") #t)
         (check-equal first (string-prefix? "localhost > " first) #t))
      (check-equal "end" (holds? (car lines) "> Finished ") #t)
      (socket-close s)))

(define-case "a host has no trace of its own"
   (check-raises "trace" &error
      (lambda ()
         (make-ssl-server-socket 0 :cert (pki "good.pem") :pkey (pki "good.key")
            :hosts (list (list "a.test" :cert (pki "host-a.pem") :pkey (pki "host-a.key")
                            :trace (open-output-string)))))))

(define-case "a trace that nobody could be told is an error"
   (let ((told (open-output-string)))
      (for-each (lambda (options)
                   (check-raises (format "~a" options) &error
                      (lambda () (apply server :trace told options))))
         '((:lazy-handshake #t) (:protocol dtls)))
      (let ((config (apply make-ssl-config :trace told (files "good"))))
         (check-raises "a configuration, and :lazy-handshake" &error
            (lambda () (make-ssl-server-socket 0 :config config :lazy-handshake #t)))
         (check-raises "a configuration of a host" &error
            (lambda () (server :hosts (list (list "a.test" config)))))
         (let ((s (server)))
            (check-raises "another configuration" &error
               (lambda () (ssl-server-socket-config-set! s config)))
            (socket-close s)))))

(define-case "a trace that raises or escapes closes the connection"
   (let* ((s (server))
          (raising (lambda (line) (error 'trace "no" line)))
          (meets-end? (lambda (connect)
                         ;; The end comes to the server before the client's socket can be collected.
                         (let ((t (accept-one s (lambda (s)
                                                   (let ((c (read-char (socket-input s))))
                                                      (socket-close s)
                                                      (eof-object? c))))))
                            (connect)
                            (eq? (join t) #t)))))
      (check "a client"
         (meets-end? (lambda ()
                        (raised (lambda ()
                                   (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :trace raising))))))
      (check "an escape"
         (meets-end? (lambda ()
                        (bind-exit (leave)
                           (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :trace leave)))))
      (check "a switched socket"
         (meets-end? (lambda ()
                        (raised (lambda ()
                                   (client-socket-use-ssl!
                                      (make-client-socket "127.0.0.1" (socket-port-number s)) :trace raising))))))
      (socket-close s))
   (let* ((s (server :trace (lambda (line) (error 'trace "no" line))))
          (t (accept-one s echo-lines))
          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s))))
      (check "a server" (eof-object? (read-char (socket-input c))))
      (check "and it raises" (isa? (join t) &error))
      (socket-close c)
      (socket-close s)))

(define-case "a port is told of the handshakes of a server"
   (let* ((port (open-output-string))
          (s (server :trace port)))
      (meet (lambda (c) #f) s)
      (meet (lambda (c) #f) s)
      (let ((lines (string-split (get-output-string port) "\n")))
         (check-equal "hellos" (length (filter (lambda (l) (holds? l "< ClientHello ")) lines)) 2)
         (check-equal "ends" (length (filter (lambda (l) (holds? l "< Finished ")) lines)) 2))
      (socket-close s)))

(define-case "the trace of a failed handshake has the alert"
   (let* ((s (server :protocol 'tlsv1_3))
          (t (accept-one s echo-lines))
          (port (open-output-string)))
      (check-raises "versions" &io-ssl-error
         (lambda ()
            (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :protocol 'tlsv1_2 :trace port)))
      (check-equal "alert" (holds? (get-output-string port) "< alert: fatal, protocol version (70)") #t)
      (check "the server has failed, too" (isa? (join t) &io-ssl-error))
      (socket-close s)))

(define-case "configurations have a trace, too"
   (let* ((s (server))
          (port (open-output-string))
          (config (make-ssl-config :role 'client :CAs (CA) :hostname "localhost" :trace port))
          (t (accept-one s echo-lines))
          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :config config)))
      (check-equal "echo" (ask c "x") "x")
      (check-equal "hello" (holds? (get-output-string port) "> ClientHello ") #t)
      (socket-close c)
      (join t)
      (socket-close s)))

(define-case "a trace that raises is the program's failure"
   (let* ((s (server))
          (t (accept-one s socket-close)))
      (check-raises "its own" &error
         (lambda ()
            (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :CAs (CA)
               :trace (lambda (line) (error 'trace "no" line)))))
      (check-raises "no destination" &error
         (lambda () (make-ssl-config :role 'client :trace "file")))
      (join t)
      (socket-close s)))

(define-case "a server counts its clients"
   (let* ((s (server :accept-failure 'skip))
          (number (lambda (name) (cdr (assq name (ssl-server-socket-info s))))))
      (check-equal "none" (number 'accepted) 0)
      (meet (lambda (c) #f) s)
      (check-equal "accepted" (number 'accepted) 1)
      (check-equal "handshakes" (number 'handshakes) 1)
      (check-equal "failed" (number 'failed-protocol) 0)
      (let* ((t (accept-one s echo-lines))
             (plain (make-client-socket "127.0.0.1" (socket-port-number s))))
         (display "GET / HTTP/1.0\n\n" (socket-output plain))
         (flush-output-port (socket-output plain))
         (read-line (socket-input plain))
         (socket-close plain)
         (let ((c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :CAs (CA) :hostname "localhost")))
            (check-equal "echo" (ask c "x") "x")
            (socket-close c)
            (join t)))
      (check-equal "accepted" (number 'accepted) 3)
      (check-equal "failed" (number 'failed-protocol) 1)
      (socket-close s))
   (check-raises "no server" &error (lambda () (ssl-server-socket-info (make-server-socket)))))

(define-case "a trace has nothing of an earlier handshake that was left"
   (let ((silent (make-server-socket 0))
         (lines '()))
      (left-by-a-signal
         (lambda () (make-ssl-client-socket "localhost" (socket-port-number silent) :trace (lambda (line) #f))))
      (let* ((server (test-server))
             (t (accept-one server echo-lines))
             (c (connect-to server :trace (lambda (line) (set! lines (cons line lines))))))
         (check-equal "hellos" (length (filter (lambda (l) (contains? l "> ClientHello")) lines)) 1)
         (socket-close c)
         (join t))))
