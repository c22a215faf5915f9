;; t_endings.scm: waits that end before their time, by thread-terminate!, by a raise or by an escape from the
;; handler of a signal, over and over: descriptors and memory stay what they were. BGLSSL_TEST_REPETITIONS says how
;; often (20): the more, the less of a leak stays hidden.
(module t_endings
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define *repetitions*
   (let ((n (getenv "BGLSSL_TEST_REPETITIONS")))
      (if (string? n) (string->integer n) 20)))

;; ---- the three ways to end a wait ----

;; Whether a thread may also be terminated before it waits.
(define *at-any-moment* #t)

(define (terminate wait)
   (let ((t (spawn (guarded wait))))
      ;; Half of them at the first cancellation point that they come to.
      (cond
         ((not *at-any-moment*) (sleep (* 1000 (+fx 20 (random 20)))))
         ((=fx (random 2) 0) (sleep (* 1000 (random 20)))))
      (thread-terminate! t)
      (check-fine "the thread"
         (with-handler
            (lambda (e) (if (isa? e terminated-thread-exception) #t e))
            (thread-join! t 20000)))))

;; The state of this process's first thread, and how often it has begun to wait.
(define (thread-state)
   (call-with-input-file "/proc/self/status"
      (lambda (p)
         (filter (lambda (line)
                    (or (string-prefix? "State:" line) (string-prefix? "voluntary_ctxt" line)))
            (port->string-list-of-lines p)))))

;; Whether the first thread is in the wait that it is to leave.
(define *waits* #f)

;; Sends the signal once the first thread sleeps in its wait and does nothing else: in the middle of its work, be it in
;; malloc, nobody may leave it. The system may give the signal to another thread: then once more.
(define (interrupt-when-it-sleeps)
   (spawn (lambda ()
             (let loop ((before '()))
                (when *waits*
                   (let ((now (thread-state)))
                      (when (and (equal? now before) (string-contains (car now) "sleeping"))
                         (system (format "kill -ALRM ~a" (getpid))))
                      (sleep 4000)
                      (loop now)))))))

(define *first-thread* #f)

;; Calls `wait`, which a signal ends whose handler calls `leave`. The system keeps a signal back whose handler has not
;; returned, as long as nobody says otherwise.
(define (interrupted wait leave)
   (when (raised (lambda () (sigsetmask 0)))
      (skip "the interpreter of this Bigloo knows no sigsetmask"))
   (set! *first-thread* (current-thread))
   (set! *waits* #t)
   (signal *sigalrm*
      (lambda (n)
         (when (and *waits* (eq? (current-thread) *first-thread*))
            (set! *waits* #f)
            (leave))))
   (let ((interrupter (interrupt-when-it-sleeps)))
      (unwind-protect
         (begin
            (wait)
            (fail "the wait ended by itself"))
         (begin
            (set! *waits* #f)
            (join interrupter)))))

(define (escape wait)
   (bind-exit (leave)
      (interrupted wait (lambda () (leave #f)))))

(define (interrupt-by-raising wait)
   (with-handler
      (lambda (e)
         (unless (eq? e 'ended)
            (complain e)
            (fail "the wait ended by itself")))
      (interrupted wait (lambda () (raise 'ended)))))

;; ---- what must not grow ----

(define (settled-descriptors)
   (collect!)
   (collect!)
   (descriptors))

;; A thread may be terminated in the runtime's accept, behind accept(2).
(define *lost-by-the-runtime* (+fx 1 (quotientfx *repetitions* 100)))

(define (check-nothing-left repeat)
   (define (times n)
      (unless (=fx n 0)
         (repeat)
         (when (=fx (remainderfx n 50) 0)
            (collect!))
         (times (-fx n 1))))
   (times (maxfx 3 (minfx 100 (quotientfx *repetitions* 5))))
   (let ((before (settled-descriptors))
         (memory-before (memory)))
      (times *repetitions*)
      (let loop ((tries 20))
         (let ((now (settled-descriptors)))
            (cond
               ((<=fx now (+fx before *lost-by-the-runtime*)) #t)
               ((=fx tries 0)
                (fail "descriptors: " before " before, " now " after " *repetitions*))
               (else (loop (-fx tries 1))))))
      (let ((more (-fx (memory) memory-before)))
         (when (getenv "BGLSSL_TEST_REPETITIONS")
            (print "kilobytes more: " more ", of " memory-before))
         ;; 5 kB each would be a connection's buffers. The collector's heap grows by steps of its own.
         (check (format "~a kB more" more) (<fx more (+fx 20000 (*fx 5 *repetitions*)))))))

(define-macro (define-endings name . body)
   `(begin
       (define-case ,(string-append "a thread is terminated: " name)
          (let ((end terminate)) ,@body))
       (define-case ,(string-append "a handler escapes: " name)
          (let ((end escape)) ,@body))
       (define-case ,(string-append "a handler raises: " name)
          (let ((end interrupt-by-raising)) ,@body))))

;; ---- waits ----

(define (connect port . options)
   (apply make-ssl-client-socket "127.0.0.1" port options))

;; A server that takes connections and says nothing.
(define (with-silent-server proc)
   (let* ((server (silent-server))
          (taker (spawn (guarded (lambda ()
                                    (let loop ((before #f))
                                       (let ((s (socket-accept server)))
                                          (when before
                                             (socket-close before))
                                          (loop s))))))))
      (proc (socket-port-number server))
      (socket-shutdown server)
      (thread-terminate! taker)))

(define-endings "a client's handshake"
   (with-silent-server
      (lambda (port)
         (check-nothing-left (lambda () (end (lambda () (connect port))))))))

(define-endings "client-socket-use-ssl!"
   (with-silent-server
      (lambda (port)
         (check-nothing-left
            (lambda ()
               (let ((c (make-client-socket "127.0.0.1" port)))
                  (end (lambda () (client-socket-use-ssl! c)))
                  (socket-close c)))))))

(define-endings "an accept that nobody comes to"
   (let ((server (test-server)))
      (check-nothing-left (lambda () (end (lambda () (socket-accept server)))))
      (let ((t (accept-one server echo-lines))
            (c (connect-to server)))
         (check-equal "it still accepts" (ask c "x") "x")
         (socket-close c)
         (check-fine "server" (join t)))))

(define-endings "the handshake of a client that says nothing"
   (let ((server #f)
         (clients 0))
      ;; The runtime's accept loses the descriptor that it has just got, that of plain sockets as well.
      (set! *at-any-moment* #f)
      (check-nothing-left
         (lambda ()
            ;; Who was not accepted stays in the server's queue, which has an end.
            (when (=fx (remainderfx clients 40) 0)
               (when server (socket-close server))
               (set! server (test-server :handshake-timeout 0 :backlog 50)))
            (set! clients (+fx clients 1))
            (let ((c (make-client-socket "127.0.0.1" (socket-port-number server))))
               (end (lambda () (socket-accept server)))
               (socket-close c))))))

(define-endings "an accept of datagrams that nobody sends"
   (let ((server (test-server :protocol 'dtls)))
      (check-nothing-left (lambda () (end (lambda () (socket-accept server)))))
      (let ((t (accept-one server echo-lines))
            (c (connect-to server :protocol 'dtls)))
         (check-equal "it still accepts" (ask c "x") "x")
         (socket-close c)
         (check-fine "server" (join t)))))

(define-endings "a handshake over datagrams"
   (let* ((port (free-port))
          (mute (make-datagram-server-socket port)))
      (check-nothing-left (lambda () (end (lambda () (connect port :protocol 'dtls)))))
      (datagram-socket-close mute)))

(define-endings "a connect to a full queue"
   (let* ((server (make-server-socket 0 :backlog 1))
          (port (socket-port-number server))
          (queued (let fill ((queued '()))
                     (let ((c (with-handler
                                 (lambda (e) #f)
                                 (make-client-socket "127.0.0.1" port :timeout 300000))))
                        (if c (fill (cons c queued)) queued)))))
      (check-nothing-left (lambda () (end (lambda () (connect port)))))
      (for-each socket-close queued)))

;; Reads are repeated on one connection, which is intact after each.
(define (check-reads end . options)
   (with-connection options options echo-lines
      (lambda (c)
         (check-nothing-left (lambda () (end (lambda () (read-char (socket-input c))))))
         (check-equal "the connection is intact" (ask c "x") "x")
         (socket-close c))))

(define-endings "a read"
   (check-reads end))

(define-endings "a read of datagrams"
   (check-reads end :protocol 'dtls))

(define-endings "a handshake that a read begins"
   (let ((server (test-server :lazy-handshake #t :handshake-timeout 0 :backlog 50)))
      (check-nothing-left
         (lambda ()
            (let* ((c (make-client-socket "127.0.0.1" (socket-port-number server)))
                   (s (socket-accept server)))
               (end (lambda () (read-char (socket-input s))))
               (socket-close s)
               (socket-close c))))))

;; Clients of these options whose servers do not read; `proc` closes them.
(define (with-unread-connections proc . options)
   (let ((server (test-server)))
      (check-nothing-left
         (lambda ()
            (let* ((t (accept-one server (lambda (s) s)))
                   (c (apply connect-to server options))
                   (s (check-fine "accept" (join t))))
               (proc c)
               ((guarded (lambda () (socket-close s)))))))))

(define *more* (make-string 8000000 #\x))

(define (write-more c)
   (display *more* (socket-output c))
   (flush-output-port (socket-output c)))

(define-endings "a write that is blocked"
   (with-unread-connections
      (lambda (c)
         (end (lambda () (write-more c)))
         ((guarded (lambda () (socket-close c)))))
      :close-timeout 100000))

;; The system makes room once more for what waits.
(define (fill c)
   (output-port-timeout-set! (socket-output c) 50000)
   (for-each (lambda (i) (check "full" (raised (lambda () (write-more c))))) '(1 2))
   (output-port-timeout-set! (socket-output c) 0))

(define-endings "a close that is blocked"
   (with-unread-connections
      (lambda (c)
         (fill c)
         (end (lambda () (socket-close c))))
      :close-timeout 60000000))
