;; harness.scm: one case a process. `program --list` names the cases, `program NAME` runs
;; one: exit status 0 passed, 77 skipped, anything else failed.

(directives
   (extern (macro collect!::void () "GC_gcollect")))

(define *cases* '())

(define-macro (define-case name . body)
   `(set! *cases* (cons (cons ,name (lambda () ,@body)) *cases*)))

(define (run-cases argv)
   (cond
      ((or (null? (cdr argv)) (string=? (cadr argv) "--list"))
       (for-each (lambda (c) (print (car c))) (reverse *cases*)))
      ((assoc (cadr argv) *cases*)
       =>
       (lambda (c)
          (with-handler
             (lambda (e)
                (complain e)
                (exit 1))
             ((cdr c)))
          (exit 0)))
      (else
       (print "no such case: " (cadr argv))
       (exit 2))))

(define (complain e)
   (if (isa? e &error)
       (with-access::&error e (proc msg obj)
          (print "raised: " (find-class-name e) " " proc ": " msg " -- " obj))
       (print "raised: " e)))

(define (find-class-name e)
   (class-name (object-class e)))

(define (skip . why)
   (for-each display why)
   (newline)
   (exit 77))

(define (fail . what)
   (for-each display what)
   (newline)
   (exit 1))

(define (check what ok)
   (unless ok (fail "not so: " what)))

(define (check-equal what got want)
   (unless (equal? got want)
      (fail what ": got " (with-output-to-string (lambda () (write got)))
         ", not " (with-output-to-string (lambda () (write want))))))

;; What `thunk` raises; #f when it returns.
(define (raised thunk)
   (bind-exit (return)
      (with-handler
         (lambda (e) (return e))
         (thunk)
         #f)))

;; The condition that `thunk` must raise: of `class`, and of no subclass.
(define (check-raises what class thunk)
   (let ((e (raised thunk)))
      (cond
         ((not e) (fail what ": nothing was raised"))
         ((not (eq? (object-class e) class))
          (complain e)
          (fail what ": not a " (class-name class)))
         (else e))))

(define (condition-proc e) (with-access::&error e (proc) proc))
(define (condition-message e) (with-access::&error e (msg) msg))
(define (condition-object e) (with-access::&error e (obj) obj))

(define (contains? text part)
   (and (string? text) (string-contains text part) #t))

;; ---- the tests' certificates: c-tests/pki makes them -----------------------------------------

(define (pki name)
   (string-append (getenv "BGLSSL_TEST_PKI") "/" name))

(define (test-certificate name)
   (read-certificate (pki (string-append name ".pem"))))

(define (test-key name)
   (read-private-key (pki (string-append name ".key"))))

(define (CA) (list (test-certificate "root")))

;; ---- this process ------------------------------------------------------------------------------

;; Once it has stayed the same for a while: what is closed may linger for its peer.
(define (descriptors)
   (let loop ((tries 50) (same 0) (before -1))
      (let ((now (length (directory->list "/proc/self/fd"))))
         (if (or (=fx tries 0) (=fx same 4))
             now
             (begin
                (sleep 50000)
                (loop (-fx tries 1) (if (=fx now before) (+fx same 1) 0) now))))))

;; The resident memory, in kilobytes.
(define (memory)
   (let ((line (car (filter (lambda (l) (string-prefix? "VmRSS:" l))
                       (call-with-input-file "/proc/self/status" port->string-list-of-lines)))))
      (string->integer (list-ref (filter (lambda (s) (not (string-null? s)))
                                    (string-split line " \t"))
                          1))))

(define (port->string-list-of-lines port)
   (let loop ((lines '()))
      (let ((line (read-line port)))
         (if (eof-object? line)
             (reverse lines)
             (loop (cons line lines))))))

;; The processor time that this process has taken, in microseconds: clock ticks, of which a second has 100.
(define (processor-time)
   (let ((fields (string-split (call-with-input-file "/proc/self/stat" read-line) " ")))
      (* 10000 (+ (string->integer (list-ref fields 13)) (string->integer (list-ref fields 14))))))

;; Microseconds that `thunk` takes.
(define (duration thunk)
   (let ((start (current-microseconds)))
      (thunk)
      (- (current-microseconds) start)))

(define (seconds n) (* n 1000000))

;; The interpreter does not know sigalrm.
(define *sigalrm* 14)

;; ---- other programs ------------------------------------------------------------------------------

;; A server of another program: waits until `ready` (a text) stands in its output.
(define (start-program ready . command)
   (let ((p (apply run-process (append command '(:wait #f :output pipe: :error null: :input pipe:)))))
      (let loop ()
         (let ((line (read-line (process-output-port p))))
            (cond
               ((eof-object? line) (fail "it ended early: " command))
               ((string-contains line ready) p)
               (else (loop)))))))

(define (stop-program p)
   (process-kill p)
   (process-wait p))

(define (free-port)
   (let* ((s (make-server-socket 0))
          (port (socket-port-number s)))
      (socket-shutdown s)
      port))
