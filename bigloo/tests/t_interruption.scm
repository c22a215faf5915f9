;; t_interruption.scm: threads that are terminated, and handlers of signals that escape, while the library
;; waits for the network; and closes that do not.
(module t_interruption
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; Whether the thread ends soon once it is terminated.
(define (ends-when-terminated? thread)
   (sleep 300000)
   (thread-terminate! thread)
   (let ((took (duration (lambda ()
                            (with-handler (lambda (e) #f) (thread-join! thread (seconds 5)))))))
      (< took (seconds 4))))

;; Waits until `thunk` says so; false after five seconds.
(define (soon? thunk)
   (let loop ((i 0))
      (cond
         ((thunk) #t)
         ((=fx i 50) #f)
         (else (collect!) (sleep 100000) (loop (+fx i 1))))))

(define-case "a thread is terminated in a client's handshake"
   (let* ((server (silent-server))
          (t (spawn (guarded (lambda ()
                                (make-ssl-client-socket "localhost" (socket-port-number server)))))))
      (check "it ends" (ends-when-terminated? t))
      (socket-shutdown server)))

(define-case "a thread is terminated in the handshake of an accepted connection"
   (let* ((server (test-server :handshake-timeout 0))
          (t (accept-one server socket-close))
          (c (make-client-socket "localhost" (socket-port-number server))))
      (check "it ends" (ends-when-terminated? t))
      (socket-close c)
      (socket-close server)))

(define-case "a thread is terminated in client-socket-use-ssl!"
   (let* ((server (silent-server))
          (c (make-client-socket "localhost" (socket-port-number server)))
          (t (spawn (guarded (lambda () (client-socket-use-ssl! c))))))
      (check "it ends" (ends-when-terminated? t))
      (socket-close c)))

(define-case "a thread is terminated in a write, and the socket can be closed"
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '()
         (lambda (s) (mutex-lock! stop) (socket-close s))
         (lambda (c)
            (let ((t (spawn (guarded (lambda ()
                                        (display (make-string 50000000 #\x) (socket-output c))
                                        (flush-output-port (socket-output c)))))))
               (check "it ends" (ends-when-terminated? t))
               (check "the close is not held" (< (duration (lambda () (socket-close c))) (seconds 4)))
               (mutex-unlock! stop))))))

(define-case "a thread is terminated while it waits for a datagram, and another one reads on"
   (let ((go (make-mutex)))
      (mutex-lock! go)
      (with-connection '(:protocol dtls) '(:protocol dtls)
         (lambda (s)
            (mutex-lock! go)
            (display "on\n" (socket-output s))
            (flush-output-port (socket-output s))
            (socket-close s))
         (lambda (c)
            (let ((t (spawn (guarded (lambda () (read-char (socket-input c)))))))
               (check "it ends" (ends-when-terminated? t)))
            (mutex-unlock! go)
            (check-equal "read" (read-line (socket-input c)) "on")
            (socket-close c)))))

(define-case "the handler of a signal escapes from waiting for a datagram"
   (with-connection '(:protocol dtls) '(:protocol dtls) echo-lines
      (lambda (c)
         (check-equal "escaped"
            (bind-exit (leave)
               (signal sigalrm (lambda (n) (leave 'escaped)))
               (system "(sleep 0.4; kill -ALRM $PPID) &")
               (read-char (socket-input c)))
            'escaped)
         (check-equal "it goes on" (ask c "after it") "after it")
         (socket-close c))))

(define-case "the handler of a signal escapes from a handshake"
   (let* ((server (silent-server))
          (escaped (bind-exit (leave)
                      (signal sigalrm (lambda (n) (leave 'escaped)))
                      (system "(sleep 0.4; kill -ALRM $PPID) &")
                      (make-ssl-client-socket "localhost" (socket-port-number server)
                         :timeout (seconds 10))
                      'connected)))
      (check-equal "escaped" escaped 'escaped)))

(define-case "nothing is left of handshakes that were terminated"
   (let ((server (silent-server)) (before #f))
      (define (terminate-one)
         (let ((t (spawn (guarded (lambda ()
                                     (make-ssl-client-socket "localhost" (socket-port-number server)))))))
            (sleep 100000)
            (thread-terminate! t)
            (with-handler (lambda (e) #f) (thread-join! t (seconds 5)))))
      (terminate-one)
      (set! before (descriptors))
      (let loop ((i 0))
         (when (<fx i 20)
            (terminate-one)
            (loop (+fx i 1))))
      (check "descriptors" (soon? (lambda () (< (descriptors) (+ before 5)))))))

;; A listener whose queue is full, so that connecting to it does not end; and who fills it.
(define (full-server)
   (let ((server (make-server-socket 0 :backlog 1)))
      (let fill ((clients '()))
         (let ((client (with-handler
                          (lambda (e) #f)
                          (make-client-socket "127.0.0.1" (socket-port-number server)
                             :timeout 300000))))
            (if client
                (fill (cons client clients))
                (cons server clients))))))

(define-macro (define-connect-case name host . options)
   `(define-case ,(string-append "a thread is terminated while it connects " name)
       (let* ((full (full-server))
              (before (descriptors))
              (t (spawn (guarded (lambda ()
                                    (make-ssl-client-socket ,host (socket-port-number (car full))
                                       ,@options))))))
          (check "it ends" (ends-when-terminated? t))
          (check "descriptors" (soon? (lambda () (=fx (descriptors) before))))
          (for-each socket-close (cdr full))
          (socket-shutdown (car full)))))

(define-connect-case "to an address" "127.0.0.1")
(define-connect-case "to a name" "localhost")
(define-connect-case "within a time limit" "localhost" :timeout 20000000)

(define-case "the handler of a signal escapes from connecting"
   (let* ((full (full-server))
          (before (descriptors))
          (escaped (bind-exit (leave)
                      (signal sigalrm (lambda (n) (leave 'escaped)))
                      (system "(sleep 0.4; kill -ALRM $PPID) &")
                      (make-ssl-client-socket "localhost" (socket-port-number (car full))
                         :timeout (seconds 10))
                      'connected)))
      (check-equal "escaped" escaped 'escaped)
      (check "descriptors" (soon? (lambda () (=fx (descriptors) before))))
      (for-each socket-close (cdr full))))

(define-case "a time limit ends the connecting"
   (let* ((full (full-server))
          (e (check-raises "connect" &io-timeout-error
                (lambda ()
                   (make-ssl-client-socket "localhost" (socket-port-number (car full))
                      :timeout 300000)))))
      (check "message" (contains? (condition-message e) "connect to localhost:"))
      (for-each socket-close (cdr full))))

(define-case "an address of another family is unknown"
   (check-raises "connect" &io-unknown-host-error
      (lambda () (make-ssl-client-socket "127.0.0.1" 443 :domain 'inet6))))

(define-case "closing does not wait for a client that stays"
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '()
         (lambda (s)
            (let ((took (duration (lambda () (socket-close s)))))
               (mutex-unlock! stop)
               (check "at once" (< took (seconds 1)))))
         (lambda (c)
            (mutex-lock! stop)
            (check "end" (eof-object? (read-char (socket-input c))))))))

(define-case "closing in the middle of a download does not read the rest"
   (with-connection '() '()
      (lambda (s)
         (with-handler (lambda (e) #f)
            (display (make-string 30000000 #\x) (socket-output s))
            (flush-output-port (socket-output s)))
         (with-handler (lambda (e) #f) (socket-close s)))
      (lambda (c)
         (read-chars 1000 (socket-input c))
         (check "at once" (< (duration (lambda () (socket-close c))) (seconds 1))))))

(define-case ":close-timeout bounds a close whose peer does not read"
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '(:close-timeout 200000 :outbuf 10000000)
         (lambda (s) (mutex-lock! stop) (socket-close s))
         (lambda (c)
            (display (make-string 9000000 #\x) (socket-output c))
            (check "soon" (< (duration (lambda () (with-handler (lambda (e) #f) (socket-close c))))
                             (seconds 1.5)))
            (mutex-unlock! stop)))))

(define-case "a :close-timeout that is no time is an error"
   (let ((server (test-server)))
      (check-raises "connect" &error (lambda () (connect-to server :close-timeout 'never)))))
