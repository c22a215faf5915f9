;; t_escapes.scm: connections that are left at random moments of their lives, by thread-terminate!, by a raise or by an escape
;; from the handler of a signal: descriptors and the server's connections stay what they were. BGLSSL_TEST_REPETITIONS says how
;; often (30).
(module t_escapes
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (extern (macro alarm-after::int (::int ::int) "ualarm")
           (hold::void () "bglssl_hold")
           (release::void () "bglssl_release"))
   (main run-cases))

(define *repetitions*
   (let ((n (getenv "BGLSSL_TEST_REPETITIONS")))
      (if (string? n) (string->integer n) 30)))

;; In microseconds: about as long as a connection lives here.
(define *longest* 6000)

;; ---- the ways to leave ----

;; Calls `act`, which the handler of a signal leaves with `leave`. The signal comes to the library, or to its waits, and nowhere
;; else: nobody may leave malloc.
(define (interrupted act leave)
   (signal *sigalrm* (lambda (n) (alarm-after 0 0) (leave)))
   (sigsetmask 0)
   (hold)
   ;; Once more where the system gives it to a thread that has no handler.
   (alarm-after (+fx 1 (random *longest*)) 50000)
   ;; What the handler raises has ended the hold; what `act` raises by itself has not.
   (let ((e (raised act)))
      (when (eq? e 'left)
         (raise e)))
   (release)
   (let loop ()
      (sleep 1000)
      (loop)))

(define (escape act)
   (bind-exit (leave)
      (interrupted act (lambda () (leave #f)))))

(define (interrupt-by-raising act)
   (check-equal "raised" (raised (lambda () (interrupted act (lambda () (raise 'left))))) 'left))

(define (terminate act)
   (let ((t (spawn (guarded act))))
      (sleep (random *longest*))
      (thread-terminate! t)
      (with-handler
         (lambda (e) (check "terminated" (isa? e terminated-thread-exception)))
         (thread-join! t 20000))))

;; ---- what must not grow ----

(define (times n thunk)
   (unless (=fx n 0)
      (thunk)
      (when (=fx (remainderfx n 50) 0)
         (collect!))
      (times (-fx n 1) thunk)))

(define (open-connections server)
   (cdr (assq 'open (ssl-server-socket-info server))))

;; `peer` starts a thread that is the other end of all connections.
(define (times-with-peer n peer server act)
   (let ((t (peer server)))
      (times n act)
      (thread-terminate! t)
      (raised (lambda () (thread-join! t 20000)))
      (collect!)))

;; Of the latest connections, which the collector may take for reachable still: a leak would be one for each repetition.
(define *still-there* 10)

;; Descriptors and, of the server, connections.
(define (check-nothing-left peer server act)
   (times-with-peer 10 peer server act)
   (let ((before (descriptors)))
      (times-with-peer *repetitions* peer server act)
      (check (format "descriptors: ~a before, ~a after" before (descriptors))
         (soon? (lambda () (<=fx (descriptors) (+fx before *still-there*)))))
      (check (format "connections: ~a" (open-connections server))
         (soon? (lambda () (<=fx (open-connections server) *still-there*))))))

(define-macro (define-escapes name . body)
   `(begin
       (define-case ,(string-append "a handler escapes at any moment: " name)
          (let ((end escape)) ,@body))
       (define-case ,(string-append "a handler raises at any moment: " name)
          (let ((end interrupt-by-raising)) ,@body))))

(define-macro (define-endings name . body)
   `(begin
       (define-case ,(string-append "a thread is terminated at any moment: " name)
          (let ((end terminate)) ,@body))
       (define-escapes ,name ,@body)))

;; ---- lives ----

;; A thread that serves one client after the other.
(define (serve server)
   (spawn (lambda ()
             (sigsetmask 8192)
             (let loop ()
                ((guarded (lambda ()
                             (let ((s (socket-accept server)))
                                (input-port-timeout-set! (socket-input s) 1000000)
                                ((guarded (lambda () (echo-lines s))))
                                (socket-close s)))))
                (loop)))))

(define-endings "a client that connects, writes, reads and closes"
   (let* ((server (test-server :handshake-timeout 1000000 :backlog 100))
          (config (make-ssl-config :role 'client)))
      (check-nothing-left serve server
         (lambda ()
            (end (lambda ()
                    (let ((c (connect-to server :config config :close-timeout 100000)))
                       (ask c "x")
                       (socket-close c))))))))

;; A thread that is one client after the other.
(define (ask-again-and-again server)
   (let ((config (make-ssl-config :role 'client)))
      (spawn (lambda ()
                (sigsetmask 8192)
                (let loop ()
                   ((guarded (lambda ()
                                (let ((c (make-ssl-client-socket "localhost" (socket-port-number server)
                                            :config config :timeout 200000 :close-timeout 100000)))
                                   (input-port-timeout-set! (socket-input c) 100000)
                                   ((guarded (lambda () (ask c "x"))))
                                   (socket-close c)))))
                   (loop))))))

(define (answer s)
   (display (read-line (socket-input s)) (socket-output s))
   (newline (socket-output s))
   (flush-output-port (socket-output s))
   (socket-close s))

(define-endings "a server's connection that shakes hands, reads, writes and closes"
   (let ((server (test-server :lazy-handshake #t :handshake-timeout 1000000 :close-timeout 100000 :backlog 100)))
      (check-nothing-left ask-again-and-again server
         (lambda ()
            (let ((s (socket-accept server)))
               (end (lambda () (answer s)))
               ((guarded (lambda () (socket-close s)))))))))

;; A thread that is terminated in the runtime's accept loses what accept(2) gave it, of plain sockets as well.
(define-escapes "a server that accepts, reads, writes and closes"
   (let ((server (test-server :handshake-timeout 1000000 :close-timeout 100000 :backlog 100)))
      (check-nothing-left ask-again-and-again server
         (lambda () (end (lambda () (answer (socket-accept server))))))))
