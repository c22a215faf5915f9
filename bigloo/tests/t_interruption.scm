;; t_interruption.scm: threads that are terminated, and handlers of signals that escape, while the library
;; waits for the network; and closes that do not.
(module t_interruption
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (extern (macro alarm-after::int (::int ::int) "ualarm")
           (macro send-signal::int (::int) "raise")
           (hold::void () "bglssl_hold")
           (release::void () "bglssl_release"))
   (main run-cases))

;; Whether the thread ends soon once it is terminated.
(define (ends-when-terminated? thread)
   (sleep 300000)
   (thread-terminate! thread)
   (let ((took (duration (lambda ()
                            (with-handler (lambda (e) #f) (thread-join! thread 5000))))))
      (< took (seconds 4))))

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

;; The handshake is left to the first read or write of the accepted socket, and never comes.
(define-macro (define-lazy-case name . begin)
   `(define-case ,(string-append "a thread is terminated in a handshake that a " name " begins")
       (let* ((server (test-server :lazy-handshake #t :handshake-timeout 0))
              (c (make-client-socket "localhost" (socket-port-number server)))
              (s (socket-accept server)))
          (check "it ends" (ends-when-terminated? (spawn (guarded (lambda () ,@begin)))))
          (check "the close is not held" (< (duration (lambda () (socket-close s))) (seconds 1)))
          (socket-close c)
          (socket-close server))))

(define-lazy-case "read" (read-char (socket-input s)))
(define-lazy-case "write" (display "x" (socket-output s)) (flush-output-port (socket-output s)))
(define-lazy-case "closed output port" (close-output-port (socket-output s)))

;; Calls `proc` with the client's and the server's ends of connections, and with two threads for each that wait for its
;; handshake: one reads, and `second` is what the other one does with the server's end.
(define (with-shared-handshakes n second proc)
   (let* ((server (test-server :lazy-handshake #t :handshake-timeout 0 :backlog n))
          (pairs (map (lambda (i)
                         (let ((c (make-client-socket "localhost" (socket-port-number server))))
                            (cons c (socket-accept server))))
                    (iota n)))
          (threads (append-map
                      (lambda (pair)
                         (let ((s (cdr pair)))
                            (list (spawn (guarded (lambda () (read-line (socket-input s)))))
                               (spawn (guarded (lambda () (second s)))))))
                      pairs)))
      (sleep 300000)
      (proc pairs threads)
      (for-each (lambda (pair) (socket-close (cdr pair)) (socket-close (car pair))) pairs)
      (socket-close server)))

(define (greet s)
   (display "greeting\n" (socket-output s))
   (flush-output-port (socket-output s)))

(define (check-idle second)
   (with-shared-handshakes 10 second
      (lambda (pairs threads)
         (let ((before (processor-time)))
            (sleep (seconds 2))
            (check "less than a quarter" (< (- (processor-time) before) (seconds 0.5))))
         (for-each thread-terminate! threads))))

(define-case "a reader and a writer that wait for the same handshake take no processor time"
   (check-idle greet))

(define-case "a reader and who closes the output port take no processor time while they wait for a handshake"
   (check-idle (lambda (s) (close-output-port (socket-output s)))))

(define-case "threads that wait for the same handshake are terminated"
   (with-shared-handshakes 3 greet
      (lambda (pairs threads)
         (for-each (lambda (t) (check "it ends" (ends-when-terminated? t))) threads))))

(define-case "of two threads that wait for the same handshake either goes on without the other one"
   (for-each
      (lambda (terminated)
         (with-shared-handshakes 1 greet
            (lambda (pairs threads)
               (let ((c (caar pairs)))
                  (check "it ends" (ends-when-terminated? (terminated threads)))
                  (client-socket-use-ssl! c)
                  (if (eq? terminated car)
                      (check-equal "written" (read-line (socket-input c)) "greeting")
                      (begin
                         (display "answer\n" (socket-output c))
                         (flush-output-port (socket-output c))
                         (check-equal "read" (join (car threads)) "answer")))))))
      (list car cadr)))

(define-case "a handshake that two threads wait for serves both"
   (with-shared-handshakes 3 greet
      (lambda (pairs threads)
         (for-each
            (lambda (pair)
               (client-socket-use-ssl! (car pair))
               (check-equal "written" (read-line (socket-input (car pair))) "greeting")
               (display "answer\n" (socket-output (car pair)))
               (flush-output-port (socket-output (car pair))))
            pairs)
         (check-equal "read" (filter string? (map join threads)) '("answer" "answer" "answer")))))

;; Calls `proc` with a client whose server does not read, and what the client has sent fills all buffers.
(define (with-full-connection proc)
   (let ((stop (make-mutex)))
      (mutex-lock! stop)
      (with-connection '() '(:close-timeout 60000000)
         (lambda (s) (mutex-lock! stop) (socket-close s))
         (lambda (c)
            (output-port-timeout-set! (socket-output c) 200000)
            (check "full"
               (isa? (raised (lambda ()
                                (display (make-string 20000000 #\x) (socket-output c))
                                (flush-output-port (socket-output c))))
                  &io-timeout-error))
            (proc c)
            (mutex-unlock! stop)))))

(define-case "a thread is terminated while it closes"
   (with-full-connection
      (lambda (c)
         (check "it ends" (ends-when-terminated? (spawn (guarded (lambda () (socket-close c)))))))))

(define-case "a thread is terminated while it closes the input port last, whose descriptor is closed"
   (with-full-connection
      (lambda (c)
         ((guarded (lambda () (close-output-port (socket-output c)))))
         (let ((before (descriptors)))
            (check "it ends"
               (ends-when-terminated? (spawn (guarded (lambda () (close-input-port (socket-input c)))))))
            (check-equal "descriptors" (descriptors) (-fx before 1))))))

(define-case "the handler of a signal escapes from a close"
   (with-full-connection
      (lambda (c)
         (check-equal "escaped"
            (left-by-a-signal (lambda () (socket-close c)))
            'escaped))))

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
            (left-by-a-signal (lambda () (read-char (socket-input c))))
            'escaped)
         (check-equal "it goes on" (ask c "after it") "after it")
         (socket-close c))))

(define-case "the handler of a signal escapes from a handshake"
   (let ((server (silent-server)))
      (check-equal "escaped"
         (left-by-a-signal
            (lambda ()
               (make-ssl-client-socket "localhost" (socket-port-number server) :timeout (seconds 10))))
         'escaped)))

(define-case "nothing is left of handshakes that were terminated"
   (let ((server (silent-server)) (before #f))
      (define (terminate-one)
         (let ((t (spawn (guarded (lambda ()
                                     (make-ssl-client-socket "localhost" (socket-port-number server)))))))
            (sleep 100000)
            (thread-terminate! t)
            (with-handler (lambda (e) #f) (thread-join! t 5000))))
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

;; `localhost` has several addresses where the machine has IPv6, too.
(define-macro (define-datagram-case name host . options)
   `(define-case ,(string-append "a thread is terminated in a handshake over datagrams " name)
       (let* ((port (free-port))
              (mute (make-datagram-server-socket port))
              (connect (lambda () (make-ssl-client-socket ,host port ,@options)))
              (before (descriptors)))
          (check "it ends" (ends-when-terminated? (spawn (guarded connect))))
          (check "descriptors" (soon? (lambda () (=fx (descriptors) before))))
          (check-equal "escaped" (left-by-a-signal connect) 'escaped)
          (check "descriptors" (soon? (lambda () (=fx (descriptors) before))))
          (datagram-socket-close mute))))

(define-datagram-case "with an address" "127.0.0.1" :protocol 'dtls)
(define-datagram-case "with a name" "localhost" :domain 'unspec :protocol 'dtls)
(define-datagram-case "that would go by a proxy if the environment named one" "localhost" :domain 'unspec :protocol 'dtls
   :proxy 'env)
(define-datagram-case "of a configuration" "localhost" :domain 'unspec :config (make-ssl-config :role 'client :protocol 'dtls))

(define-case "the handler of a signal escapes from connecting"
   (let* ((full (full-server))
          (before (descriptors)))
      (check-equal "escaped"
         (left-by-a-signal
            (lambda ()
               (make-ssl-client-socket "localhost" (socket-port-number (car full)) :timeout (seconds 10))))
         'escaped)
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

;; Wherever it comes: in a wait, or while the library or OpenSSL is at work, as on its configuration. But not in the middle of a
;; collection, which nobody may leave: after the first escape all of the connect is held. The system keeps a signal back whose
;; handler has not returned, unless it is told otherwise.
(define-case "handlers of signals that escape at any time leave a library that works"
   (let ((port (free-port))
         (escapes 0))
      (let loop ((i 0))
         (when (<fx i 40)
            (bind-exit (leave)
               (signal *sigalrm* (lambda (n) (set! escapes (+fx escapes 1)) (leave #f)))
               (sigsetmask 0)
               (when (>fx i 0) (hold))
               (alarm-after (+fx 300 (*fx 200 i)) 0)
               (raised (lambda () (make-ssl-client-socket "127.0.0.1" port)))
               (when (>fx i 0) (release))
               (sleep 200000))
            (loop (+fx i 1))))
      ;; The first one may have gone to a thread that has no handler.
      (check (format "~a escapes" escapes) (>=fx escapes 39))
      (sigsetmask 0)
      (signal *sigalrm* (lambda (n) #f))
      (let* ((server (test-server))
             (t (accept-one server echo-lines))
             (c (connect-to server)))
         (check-equal "echo" (ask c "x") "x")
         (socket-close c)
         (join t))))

(define-case "a handler of a signal that does not escape is called, and no connect fails of it"
   (let* ((calls 0)
          (server (test-server))
          (t (spawn (guarded (lambda ()
                                ;; A signal of the process that it gets calls no handler: those are of a thread each.
                                (sigsetmask 8192)
                                (let loop ((i 0))
                                   (when (<fx i 30)
                                      (socket-close (socket-accept server))
                                      (loop (+fx i 1)))))))))
      (signal *sigalrm* (lambda (n) (set! calls (+fx calls 1))))
      (let loop ((i 0))
         (when (<fx i 30)
            (alarm-after (+fx 100 (*fx 150 i)) 0)
            (socket-close (connect-to server))
            ;; No collections: during one the system gives the signal to a thread that has no handler.
            (check (format "called ~a" i) (soon? (lambda () (=fx calls (+fx i 1))) (lambda () #f)))
            (loop (+fx i 1))))
      (check-fine "server" (join t))))

(define-case "of signals that came while the library was at work none is lost where the handler of one escapes"
   (let ((calls '()))
      (signal sigusr1 (lambda (n) (set! calls (cons n calls))))
      (signal sigusr2 (lambda (n) (set! calls (cons n calls))))
      (bind-exit (leave)
         (signal sighup (lambda (n) (leave #f)))
         (hold)
         (for-each send-signal (list sighup sigusr1 sigusr2))
         (check-equal "held" calls '())
         (release)
         (check "escapes" #f))
      (sigsetmask 0)
      (check "called" (and (memv sigusr1 calls) (memv sigusr2 calls)))
      (set! calls '())
      (signal sighup (lambda (n) (set! calls (cons n calls))))
      (hold)
      (for-each send-signal (list sighup sigusr1 sigusr2))
      (release)
      (check-equal "in their order" calls (list sigusr2 sigusr1 sighup))))

;; Where the frames were that a thread has left.
(define (overwrite-stack n)
   (if (=fx n 0) '() (cons n (overwrite-stack (-fx n 1)))))

;; The signal goes to the thread: the first one keeps it back.
(define-case "a thread that the handler of a signal has left a read in can be terminated"
   (with-connection '() '()
      (lambda (s) (read-char (socket-input s)))
      (lambda (c)
         (let* ((escaped #f)
                (t (spawn (guarded (lambda ()
                                      (bind-exit (leave)
                                         (signal sigalrm (lambda (n) (leave #f)))
                                         (read-char (socket-input c)))
                                      (sigsetmask 0)
                                      (overwrite-stack 10000)
                                      (set! escaped #t)
                                      (let loop () (sleep 100000) (loop)))))))
            (sigsetmask 8192)
            (check "escapes" (soon? (lambda ()
                                       (unless escaped
                                          (system "kill -ALRM $PPID"))
                                       escaped)))
            (sigsetmask 0)
            (check "it ends" (ends-when-terminated? t))
            (socket-close c)))))
