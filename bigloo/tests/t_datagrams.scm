;; t_datagrams.scm: DTLS, client and server of this library in one process.
(module t_datagrams
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (extern (macro c-fork::int () "fork")
           (macro c-exit::void (::int) "_exit"))
   (main run-cases))

(define-case "a line goes to and fro over datagrams"
   (with-connection '(:protocol dtls) '(:protocol dtls) echo-lines
      (lambda (c)
         (check "ssl-socket?" (ssl-socket? c))
         (check "socket?" (socket? c))
         (check-equal "protocol" (ssl-socket-protocol c) "DTLSv1.2")
         (check-equal "echo" (ask c "hello") "hello")
         (check-equal "again" (ask c "world") "world")
         (socket-close c))))

(define-case "dtlsv1 is another name for it, in any letter case"
   (with-connection '(:protocol DTLSv1) '(:protocol dtlsv1) echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "hello") "hello")
         (socket-close c))))

(define-case "an accepted socket knows its peer, and is an SSL socket"
   (let* ((server (test-server :protocol 'dtls))
          (t (accept-one server
                (lambda (s)
                   (let ((r (list (ssl-socket? s) (socket-port-number s) (socket-host-address s)
                               (ssl-socket-protocol s))))
                      (socket-close s)
                      r))))
          (c (connect-to server :protocol 'dtls))
          (seen (join t)))
      (check "server" (ssl-socket? server))
      (check "accepted" (car seen))
      (check "port" (>fx (cadr seen) 0))
      (check-equal "address" (caddr seen) "127.0.0.1")
      (check-equal "protocol" (cadddr seen) "DTLSv1.2")
      (socket-close c)
      (socket-close server)))

(define-case "a flush is a record, and a reader gets all of its bytes"
   (with-connection '(:protocol dtls) '(:protocol dtls :inbuf 10) echo-lines
      (lambda (c)
         (let ((line (make-string 3000 #\x)))
            (check-equal "through a small buffer" (ask c line) line)
            (check-equal "and once more" (ask c "short") "short"))
         (socket-close c))))

(define-case "a flush that is too large for a record raises, and names the limit"
   (with-connection '(:protocol dtls) '(:protocol dtls :outbuf 40000) echo-lines
      (lambda (c)
         (let ((e (raised (lambda ()
                             (display (make-string 20000 #\x) (socket-output c))
                             (flush-output-port (socket-output c))))))
            (check "raised" (isa? e &error))
            (check "names the limit" (contains? (condition-message e) "16384")))
         (raised (lambda () (socket-close c))))))

(define-case "the end of the peer is an end of file"
   (let* ((server (test-server :protocol 'dtls))
          (t (accept-one server
                (lambda (s)
                   (let ((l (read-line (socket-input s))))
                      (socket-close s)
                      l))))
          (c (connect-to server :protocol 'dtls)))
      (display "last words\n" (socket-output c))
      (flush-output-port (socket-output c))
      (check-equal "server's" (join t) "last words")
      (check "end of file" (eof-object? (read-line (socket-input c))))
      (socket-close c)
      (socket-close server)))

(define-case "a read's time limit holds over datagrams"
   (let* ((server (test-server :protocol 'dtls))
          (t (accept-one server (lambda (s) (read-line (socket-input s)) (socket-close s))))
          (c (connect-to server :protocol 'dtls)))
      (input-port-timeout-set! (socket-input c) 100000)
      (check-raises "read" &io-timeout-error (lambda () (read-char (socket-input c))))
      (display "go\n" (socket-output c))
      (flush-output-port (socket-output c))
      (join t)
      (socket-close c)
      (socket-close server)))

(define-case "many clients, one after the other and side by side"
   (let* ((n 20)
          (server (test-server :protocol 'dtls))
          (t (spawn
                (lambda ()
                   (let loop ((i 0) (ts '()))
                      (if (=fx i n)
                          (for-each join ts)
                          (let ((s (socket-accept server)))
                             (loop (+fx i 1)
                                (cons (spawn (guarded (lambda () (echo-lines s)))) ts))))))))
          (clients (map (lambda (i) (connect-to server :protocol 'dtls)) (iota n))))
      (for-each (lambda (c i)
                   (let ((text (number->string i)))
                      (check-equal "echo" (ask c text) text)))
         clients (iota n))
      (for-each socket-close clients)
      (join t)
      (socket-close server)))

(define-case "a client that is refused raises in socket-accept, and the next one is served"
   (let* ((server (test-server :protocol 'dtls :CAs (CA)))
          (t (spawn
                (lambda ()
                   (let ((e (raised (lambda () (socket-accept server)))))
                      (echo-lines (socket-accept server))
                      e)))))
      (raised (lambda ()
                 (let ((c (connect-to server :protocol 'dtls)))
                    (read-line (socket-input c)))))
      (let ((c (connect-to server :protocol 'dtls :cert (test-certificate "client")
                  :pkey (test-key "client"))))
         (check-equal "echo" (ask c "second") "second")
         (socket-close c))
      (check "the first one's failure" (isa? (join t) &io-ssl-error))
      (socket-close server)))

(define-case "nobody at the port is a connection error"
   (check "raised"
      (isa? (raised (lambda ()
                       (make-ssl-client-socket "127.0.0.1" (free-port) :protocol 'dtls)))
         &io-connection-error)))

(define-case "descriptors of servers and clients over datagrams are given back"
   (let ((visit (lambda ()
                   (with-connection '(:protocol dtls) '(:protocol dtls) echo-lines
                      (lambda (c)
                         (check-equal "echo" (ask c "x") "x")
                         (socket-close c))))))
      (visit)
      (collect!)
      (sleep 100000)
      (collect!)
      (let ((before (descriptors)))
         (for-each (lambda (i) (visit)) (iota 10))
         (let loop ((tries 50))
            (collect!)
            (sleep 50000)
            (when (and (>fx (descriptors) before) (>fx tries 0))
               (loop (-fx tries 1))))
         (check-equal "no more than before" (max before (descriptors)) before))))

;; As over streams.
(define-case "a child of fork that closes a server leaves its parent's at work"
   (let ((server (test-server :protocol 'dtls)))
      (when (=fx (c-fork) 0)
         (socket-close server)
         (c-exit 0))
      (sleep 500000)
      (let* ((t (accept-one server echo-lines))
             (c (connect-to server :protocol 'dtls)))
         (input-port-timeout-set! (socket-input c) 5000000)
         (check-equal "echo" (ask c "x") "x")
         (socket-close c)
         (join t))))
