;; t_starttls.scm: sockets that are switched to TLS while they are open.
(module t_starttls
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

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

(define (switched-to-a-server-called-localhost . options)
   (multiple-value-bind (client accepted) (plain-pair)
      (let ((t (spawn (guarded (lambda ()
                                  (server-socket-use-ssl! accepted :cert (pki "good.pem") :pkey (pki "good.key")))))))
         (let ((e (raised (lambda ()
                             (apply client-socket-use-ssl! client
                                :config (make-ssl-config :role 'client :verify #t :CAs (CA)) options)))))
            (socket-close client)
            (join t)
            e))))

(define-case "the :hostname beside :config is the name that is verified"
   (check-equal "its own" (switched-to-a-server-called-localhost :hostname "localhost") #f)
   (check "another server's" (isa? (switched-to-a-server-called-localhost :hostname "other.test") &io-ssl-error)))
