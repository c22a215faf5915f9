;; t_ssl_ports.scm: TLS over any two ports.
(module t_ssl_ports
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (as-client in out . options)
   (apply ssl-ports in out (append options (list :CAs (CA) :verify #t :hostname "localhost"))))

(define (as-server in out . options)
   (apply ssl-ports in out
      (append options (list :server? #t :cert (pki "good.pem") :pkey (pki "good.key")))))

;; A server's end over the ports of a plain socket, in a thread.
(define (serve-over socket serve)
   (spawn (guarded
             (lambda ()
                (multiple-value-bind (in out) (as-server (socket-input socket) (socket-output socket))
                   (serve in out))))))

(define (echo in out)
   (let loop ((line (read-line in)))
      (if (eof-object? line)
          (close-output-port out)
          (begin
             (display line out)
             (newline out)
             (flush-output-port out)
             (loop (read-line in))))))

(define (ask-over in out line)
   (display line out)
   (newline out)
   (flush-output-port out)
   (read-line in))

(define-case "ssl-ports: over the ports of a socket, and the end of the stream"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (serve-over accepted echo)))
         (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client))
            (check "ports" (and (input-port? in) (output-port? out)))
            (check-equal "echo" (ask-over in out "hello") "hello")
            (check-equal "again" (ask-over in out (make-string 50000 #\x)) (make-string 50000 #\x))
            (close-output-port out)
            (check "end" (eof-object? (read-line in)))
            (check-fine "server" (join t))
            (socket-close client)
            (socket-close accepted)))))

(define-case "ssl-ports: much in both directions at once"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((size 500000)
             (text (make-string size #\y))
             (send (lambda (out)
                      (lambda ()
                         (display text out)
                         (close-output-port out))))
             (t (serve-over accepted
                   (lambda (in out)
                      (let* ((writer (spawn (guarded (send out))))
                             (got (read-string in)))
                         (check-fine "server's writer" (join writer))
                         (string-length got))))))
         (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client))
            (let* ((writer (spawn (guarded (send out))))
                   (got (read-string in)))
               (check-fine "writer" (join writer))
               (check-equal "all of it" (string-length got) size)
               (check-equal "the server, too" (check-fine "server" (join t)) size))))))

(define-case "ssl-ports: over pipes of another process"
   (let ((p (run-process "cat" :input pipe: :output pipe: :wait #f)))
      ;; What is sent comes back: no server, but an answer.
      (check-raises "handshake" &io-ssl-error
         (lambda () (as-client (process-output-port p) (process-input-port p))))
      (close-output-port (process-input-port p))
      (process-wait p)))

(define-case "ssl-ports: TLS inside TLS, over its own ports"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (serve-over accepted
                  (lambda (in out)
                     (multiple-value-bind (in out) (as-server in out)
                        (echo in out))))))
         (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client))
            (multiple-value-bind (in out) (as-client in out)
               (check-equal "echo" (ask-over in out "inside") "inside")
               (close-output-port out)
               (check "end" (eof-object? (read-line in)))))
         (check-fine "server" (join t)))))

(define-case "ssl-ports: over ports of procedures that give a byte at a time"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((t (serve-over accepted echo))
             (from (socket-input client))
             (to (socket-output client))
             (in (open-input-procedure
                    (lambda ()
                       (let ((c (read-char from)))
                          (and (char? c) (string c))))))
             (out (open-output-procedure
                     (lambda (s)
                        (for-each (lambda (c) (display c to) (flush-output-port to)) (string->list s))))))
         (multiple-value-bind (in out) (as-client in out)
            (check-equal "echo" (ask-over in out "hello") "hello")
            (close-output-port out)
            (check "end" (eof-object? (read-line in))))
         (check-fine "server" (join t)))))

(define-case "ssl-ports: what the ports raise comes through, and reading can go on"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((t (serve-over accepted echo))
             (from (socket-input client))
             (raises #f)
             (in (open-input-procedure
                    (lambda ()
                       (when raises (raise 'planted))
                       (let ((c (read-char from)))
                          (and (char? c) (string c)))))))
         (multiple-value-bind (in out) (as-client in (socket-output client))
            (set! raises #t)
            (display "x\n" out)
            (flush-output-port out)
            (check-equal "raised" (raised (lambda () (read-line in))) 'planted)
            (set! raises #f)
            (check-equal "echo" (read-line in) "x")
            (close-output-port out)
            (check-fine "server" (join t))))))

(define-case "ssl-ports: escaping from a port is safe"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((t (serve-over accepted echo))
             (from (socket-input client))
             (leave #f)
             (in (open-input-procedure
                    (lambda ()
                       (when leave (leave 'left))
                       (let ((c (read-char from)))
                          (and (char? c) (string c)))))))
         (multiple-value-bind (in out) (as-client in (socket-output client))
            (check-equal "left"
               (bind-exit (k)
                  (set! leave k)
                  (ask-over in out "x"))
               'left)
            (set! leave #f)
            (check-equal "echo" (read-line in) "x")
            (close-output-port out)
            (check-fine "server" (join t))))))

(define-case "ssl-ports: a port that fails to send ends the connection"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((t (serve-over accepted echo))
             (to (socket-output client))
             (fails #f)
             (out (open-output-procedure
                     (lambda (s)
                        (when fails (raise 'planted))
                        (display s to)
                        (flush-output-port to)))))
         (multiple-value-bind (in out) (as-client (socket-input client) out)
            (set! fails #t)
            (check-equal "raised"
               (raised (lambda () (display (make-string 20000 #\x) out) (flush-output-port out)))
               'planted)
            (set! fails #f)
            (check "broken"
               (isa? (raised (lambda () (display (make-string 20000 #\x) out) (flush-output-port out)))
                  &io-error))
            (socket-close client)
            (join t)))))

(define-case "ssl-ports: time-outs of the ports under it hold"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (serve-over accepted echo)))
         (input-port-timeout-set! (socket-input client) 300000)
         (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client))
            (check-raises "read" &io-timeout-error (lambda () (read-line in)))
            (check-equal "echo" (ask-over in out "x") "x")
            (close-output-port out)
            (check-fine "server" (join t))))))

(define-case "ssl-ports: a name that does not fit, and the peer learns it"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (serve-over accepted echo)))
         (let ((e (check-raises "name" &io-ssl-error
                     (lambda ()
                        (ssl-ports (socket-input client) (socket-output client) :CAs (CA) :verify #t
                           :hostname "other.example")))))
            (check-equal "proc" (condition-proc e) 'ssl-ports)
            (check "says so" (contains? (condition-message e) "other.example")))
         (check "the server learns it" (isa? (join t) &io-ssl-error)))))

(define-case "ssl-ports: an end without close_notify raises where that is asked for"
   (define (cut truncation)
      (multiple-value-bind (client accepted) (plain-pair)
         (let ((t (serve-over accepted
                     (lambda (in out)
                        (read-line in)
                        (socket-close accepted)))))
            (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client)
                                             :truncation truncation)
               (display "x\n" out)
               (flush-output-port out)
               (let ((e (with-handler (lambda (e) e) (read-line in))))
                  (join t)
                  e)))))
   (check "raise" (isa? (cut 'raise) &io-ssl-truncated-error))
   (check "eof" (eof-object? (cut 'eof))))

(define-case "ssl-ports: with a configuration, and with arguments that are wrong"
   (multiple-value-bind (client accepted) (plain-pair)
      (let* ((config (make-ssl-config :role 'server :cert (pki "good.pem") :pkey (pki "good.key")))
             (t (spawn (guarded
                          (lambda ()
                             (multiple-value-bind (in out)
                                (ssl-ports (socket-input accepted) (socket-output accepted) :server? #t :config config)
                                (echo in out)))))))
         (check "not a config"
            (isa? (raised (lambda () (ssl-ports (socket-input client) (socket-output client) :config 1))) &error))
         (check "of the other role"
            (isa? (raised (lambda () (ssl-ports (socket-input client) (socket-output client) :config config))) &error))
         (multiple-value-bind (in out) (as-client (socket-input client) (socket-output client))
            (check-equal "echo" (ask-over in out "x") "x")
            (close-output-port out)
            (check-fine "server" (join t))))))

;; Pipes hold little, so that each end soon waits for the other.
(define-case "ssl-ports: one thread writes to a peer that answers each line, while another reads"
   (multiple-value-bind (client-in server-out) (open-pipes)
      (multiple-value-bind (server-in client-out) (open-pipes)
         (let ((line (make-string 1000 #\z))
               (count 3000)
               (t (spawn (guarded
                            (lambda ()
                               (multiple-value-bind (in out) (as-server server-in server-out)
                                  (echo in out)))))))
            (multiple-value-bind (in out) (as-client client-in client-out)
               (let ((writer (spawn (guarded
                                       (lambda ()
                                          (let loop ((i 0))
                                             (when (<fx i count)
                                                (display line out)
                                                (newline out)
                                                (loop (+fx i 1))))
                                          (close-output-port out))))))
                  (let loop ((i 0))
                     (if (eof-object? (read-line in))
                         (check-equal "lines" i count)
                         (loop (+fx i 1))))
                  (check-fine "writer" (join writer))
                  (check-fine "server" (join t))))))))

(define-case "ssl-ports: :verify-peer and :trace, which would not be called, are refused"
   (let ((config (make-ssl-config :role 'client :CAs (CA) :hostname "localhost"
                    :verify-peer (lambda (chain error host) #f))))
      (multiple-value-bind (client accepted) (plain-pair)
         (check-raises "keyword" &error
            (lambda () (as-client (socket-input client) (socket-output client)
                          :verify-peer (lambda (chain error host) #f))))
         (check-raises "configuration" &error
            (lambda () (ssl-ports (socket-input client) (socket-output client) :config config)))
         (check-raises "trace" &error
            (lambda () (as-client (socket-input client) (socket-output client) :trace (open-output-string))))
         (socket-close client)
         (socket-close accepted))))

(define-case "with :truncation 'raise all that came is read before the condition"
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (spawn (guarded (lambda ()
                                  (server-socket-use-ssl! accepted :cert (test-certificate "good")
                                     :pkey (test-key "good"))
                                  (display "some text" (socket-output accepted))
                                  (flush-output-port (socket-output accepted))
                                  (socket-shutdown accepted))))))
         (multiple-value-bind (in out)
            (ssl-ports (socket-input client) (socket-output client) :truncation 'raise)
            (check-equal "text" (read-line in) "some text")
            (check-raises "the end" &io-ssl-truncated-error (lambda () (read-line in)))))))
