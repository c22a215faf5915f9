;; t_limits.scm: time limits of sockets and of their ports.
(module t_limits
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; A plain server whose connections are accepted by the kernel and never answered.
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

(define-case "a configuration's :handshake-timeout bounds a handshake that has more time to connect"
   (let ((server (silent-server))
         (config (make-ssl-config :role 'client :handshake-timeout 300000)))
      (check "not too late"
         (< (duration (lambda ()
                         (check-raises "connect" &io-timeout-error
                            (lambda ()
                               (make-ssl-client-socket "localhost" (socket-port-number server)
                                  :timeout (seconds 10) :config config)))))
            (seconds 5)))))

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

;; Bigloo's own sockets, plain or not, raise an &io-read-error.
(define-case "the option :SO_RCVTIMEO ends a read, and a later read goes on"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '() '()
         (lambda (s)
            (mutex-lock! go)
            (display "late\n" (socket-output s))
            (socket-close s))
         (lambda (c)
            (socket-option-set! c :SO_RCVTIMEO 100000)
            (check-raises "read" &io-ssl-read-error (lambda () (read-line (socket-input c))))
            (socket-option-set! c :SO_RCVTIMEO 0)
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

(define-case "a :handshake-timeout beside :config bounds the handshake"
   (define (check-soon what thunk)
      (check what (< (duration (lambda () (check-raises what &io-timeout-error thunk))) (seconds 5))))
   (let ((server (silent-server))
         (client (make-ssl-config :role 'client))
         (own (make-ssl-config :cert (test-certificate "good") :pkey (test-key "good"))))
      (check-soon "connecting"
         (lambda ()
            (make-ssl-client-socket "localhost" (socket-port-number server) :handshake-timeout 300000 :config client)))
      (check-soon "a client's switch"
         (lambda ()
            (client-socket-use-ssl! (car (receive-pair)) :handshake-timeout 300000 :config client)))
      (let ((plain (car (receive-pair))))
         (input-port-timeout-set! (socket-input plain) 300000)
         (check-soon "a client's switch within the port's time-out"
            (lambda () (client-socket-use-ssl! plain :config client))))
      (check-soon "a server's switch"
         (lambda ()
            (server-socket-use-ssl! (cdr (receive-pair)) :handshake-timeout 300000 :config own)))
      (let* ((server (make-ssl-server-socket 0 :config own :handshake-timeout 300000))
             (silent (make-client-socket "localhost" (socket-port-number server))))
         (check-soon "accepting" (lambda () (socket-accept server))))))

;; Of both ends of a plain connection.
(define (receive-pair)
   (multiple-value-bind (client accepted) (plain-pair)
      (cons client accepted)))
