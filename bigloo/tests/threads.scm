;; threads.scm: client and server in one process.

(define (spawn thunk)
   (thread-start-joinable! (instantiate::pthread (body thunk))))

;; What `thunk` returned, or the condition that it raised.
(define (join thread)
   (thread-join! thread))

(define (guarded thunk)
   (lambda ()
      (bind-exit (return)
         (with-handler
            (lambda (e) (return e))
            (thunk)))))

(define (check-fine what result)
   (when (isa? result &exception)
      (complain result)
      (fail what " failed"))
   result)

;; As the arguments of a maker: the names of the files of an identity.
(define (files name)
   (list :cert (pki (string-append name ".pem")) :pkey (pki (string-append name ".key"))))

(define (test-server . options)
   (apply make-ssl-server-socket 0
      (append options
         (list :cert (test-certificate "good") :pkey (test-key "good")))))

;; A thread that accepts one connection and hands it to `handler`.
(define (accept-one server handler)
   (spawn (guarded (lambda () (handler (socket-accept server))))))

(define (connect-to server . options)
   (apply make-ssl-client-socket "localhost" (socket-port-number server)
      (append options (list :timeout 10000000))))

;; Both ends of one connection: `server-side` in a thread, `client-side` here. Gives what the
;; server's side returned.
(define (with-connection server-options client-options server-side client-side)
   (let* ((server (apply test-server server-options))
          (thread (accept-one server server-side))
          (client (apply connect-to server client-options)))
      (client-side client)
      (let ((result (check-fine "the server's side" (join thread))))
         (socket-close client)
         (socket-close server)
         result)))

(define (echo-lines socket)
   (let ((in (socket-input socket)) (out (socket-output socket)))
      (let loop ()
         (let ((line (read-line in)))
            (if (eof-object? line)
                (socket-close socket)
                (begin
                   (display line out)
                   (newline out)
                   (flush-output-port out)
                   (loop)))))))

(define (ask socket line)
   (display line (socket-output socket))
   (newline (socket-output socket))
   (flush-output-port (socket-output socket))
   (read-line (socket-input socket)))

;; A plain connection: both ends, ours connected and the one accepted.
(define (plain-pair #!key (inbuf #t))
   (let* ((server (make-server-socket 0))
          (client (make-client-socket "localhost" (socket-port-number server)))
          (accepted (socket-accept server :inbuf inbuf)))
      (values client accepted)))

;; A server that never answers.
(define (silent-server) (make-server-socket 0 :backlog 100))

;; ---- signals ----

;; Sends it to this process after a while, and not from a thread of ours, which might get it itself.
(define (signal-soon number)
   (system (string-append "(sleep 0.4; kill -" (integer->string number) " "
              (integer->string (getpid)) ") >/dev/null 2>&1 &")))

;; `escaped`, if the handler of a signal leaves what `thunk` waits for.
(define (left-by-a-signal thunk)
   (bind-exit (leave)
      (signal *sigalrm* (lambda (n) (leave 'escaped)))
      (signal-soon *sigalrm*)
      (thunk)
      'came-back))

;; Whether `thunk` says so within five seconds. `meanwhile` is called before each new question.
(define (soon? thunk #!optional (meanwhile (lambda () (collect!))))
   (let loop ((i 0))
      (cond
         ((thunk) #t)
         ((=fx i 50) #f)
         (else (meanwhile) (sleep 100000) (loop (+fx i 1))))))
