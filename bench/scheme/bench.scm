;; bench.scm: what is measured of `(library ssl)`, in words that Bigloo's own library knows, too.
;;
;;    bench CERTIFICATE KEY server WHAT COUNT THREADS      prints its port, serves, and ends
;;    bench CERTIFICATE KEY client WHAT COUNT THREADS PORT
;;    bench CERTIFICATE KEY engine SIZE COUNT
;;
;; run puts in the place of RESUMING what makes clients of this library resume; Bigloo's own knows no such thing.
(module bench
   (library ssl pthread)
   (main main))

(define *block* (make-string 16384 #\x))
(define *kilobyte* (make-string 1024 #\x))
(define *line* (make-string 63 #\x))
(define *page* (make-string 1000 #\p))

(define (main argv)
   (let ((certificate (cadr argv)) (key (caddr argv)) (rest (cdddr argv)))
      (cond
         ((string=? (car rest) "server")
          (serve certificate key (cadr rest) (number rest 2) (number rest 3)))
         ((string=? (car rest) "client")
          (visit certificate (cadr rest) (number rest 2) (number rest 3) (number rest 4)))
         (else
          (run-engine certificate key (number rest 1) (number rest 2))))))

(define (number list at)
   (string->integer (list-ref list at)))

(define (send port text)
   (display text port)
   (flush-output-port port))

;; Reads `n` bytes; how many there were.
(define (read-bytes port buffer n)
   (let loop ((got 0))
      (if (>=fx got n)
          got
          (let ((k (read-fill-string! buffer 0 (minfx (string-length buffer) (-fx n got)) port)))
             (if (and (fixnum? k) (>fx k 0))
                 (loop (+fx got k))
                 got)))))

;; `thunk` in each of so many threads, or in this one.
(define (in-threads threads thunk)
   (if (=fx threads 1)
       (thunk)
       (for-each thread-join!
          (map (lambda (i)
                  (thread-start-joinable! (instantiate::pthread (body thunk))))
             (iota threads)))))

(define (repeat n thunk)
   (when (>fx n 0)
      (thunk)
      (repeat (-fx n 1) thunk)))

;; ---- both ends of each row --------------------------------------------------------------------

(define (serve certificate key what count threads)
   (let ((server (make-ssl-server-socket 0 :backlog 1000
                    :cert (read-certificate certificate) :pkey (read-private-key key))))
      (print (socket-port-number server))
      (flush-output-port (current-output-port))
      (cond
         ((member what '("page" "handshake" "verified" "resumed"))
          (in-threads threads
             (lambda ()
                (repeat (quotientfx count threads)
                   (lambda ()
                      (let ((s (socket-accept server)))
                         (if (string=? what "page")
                             (answer-page s)
                             (begin
                                (read-char (socket-input s))
                                (send (socket-output s) "y")))
                         (socket-close s)))))))
         ((string=? what "idle")
          (hold server count))
         (else
          (let ((s (socket-accept server)))
             (stream-server what count s (socket-input s) (socket-output s))
             (socket-close s))))
      (socket-close server)))

(define (visit certificate what count threads port)
   (cond
      ((string=? what "page")
       (repeat count (lambda () (ask-page (make-ssl-client-socket "localhost" port)))))
      ((member what '("handshake" "verified" "resumed"))
       (let ((connect (connector what (list (read-certificate certificate)) port)))
          (in-threads threads
             (lambda ()
                (repeat (quotientfx count threads)
                   (lambda ()
                      (let ((s (connect)))
                         (send (socket-output s) "x")
                         (read-char (socket-input s))
                         (socket-close s))))))))
      ((string=? what "idle")
       (let ((sockets (map (lambda (i)
                              (let ((s (make-ssl-client-socket "127.0.0.1" port)))
                                 (send (socket-output s) "x")
                                 s))
                         (iota count))))
          (for-each (lambda (s) (read-char (socket-input s))) sockets)
          (for-each socket-close sockets)))
      (else
       (let ((s (make-ssl-client-socket "127.0.0.1" port)))
          (stream-client what count s (socket-input s) (socket-output s))
          (socket-close s)))))

(define (connector what cas port)
   (cond
      ((string=? what "handshake")
       (lambda () (make-ssl-client-socket "127.0.0.1" port)))
      ((string=? what "verified")
       (lambda () (make-ssl-client-socket "127.0.0.1" port :CAs cas)))
      (else
       (lambda () (make-ssl-client-socket "127.0.0.1" port :CAs cas RESUMING)))))

(define (answer-page s)
   (let ((in (socket-input s)))
      (let loop ()
         (let ((line (read-line in)))
            (unless (or (eof-object? line) (string-null? line) (string=? line "\r"))
               (loop)))))
   (display "HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n" (socket-output s))
   (send (socket-output s) *page*))

(define (ask-page s)
   (send (socket-output s) "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
   (let loop ()
      (unless (eof-object? (read-line (socket-input s)))
         (loop)))
   (socket-close s))

;; Prints what a connection takes that says nothing: kilobytes of memory, and descriptors.
(define (hold server count)
   (let* ((descriptors (length (directory->list "/proc/self/fd")))
          (memory (resident))
          (sockets (map (lambda (i)
                           (let ((s (socket-accept server)))
                              (read-char (socket-input s))
                              s))
                      (iota count))))
      (print "memory " (/ (exact->inexact (- (resident) memory)) count))
      (print "descriptors " (/ (exact->inexact (- (length (directory->list "/proc/self/fd")) descriptors))
                               count))
      (for-each (lambda (s) (send (socket-output s) "y")) sockets)
      (for-each socket-close sockets)))

(define (resident)
   (call-with-input-file "/proc/self/status"
      (lambda (port)
         (let loop ()
            (let ((line (read-line port)))
               (if (string-prefix? "VmRSS:" line)
                   (string->integer (cadr (filter (lambda (s) (not (string-null? s)))
                                             (string-split line " \t"))))
                   (loop)))))))

(define (stream-server what count s in out)
   (cond
      ((string=? what "up")
       (read-bytes in (make-string 16384) (*fx count 16384))
       (send out "y"))
      ((string=? what "kilobytes")
       (read-bytes in (make-string 16384) (*fx count 1024))
       (send out "y"))
      ((string=? what "down")
       (repeat count (lambda () (send out *block*)))
       (read-char in))
      ((string=? what "trips")
       (repeat count
          (lambda ()
             (let ((line (read-line in)))
                (display line out)
                (newline out)
                (flush-output-port out)))))))

(define (stream-client what count s in out)
   (cond
      ((string=? what "up")
       (repeat count (lambda () (send out *block*)))
       (read-char in))
      ((string=? what "kilobytes")
       (repeat count (lambda () (send out *kilobyte*)))
       (read-char in))
      ((string=? what "down")
       (read-bytes in (make-string 16384) (*fx count 16384))
       (send out "y"))
      ((string=? what "trips")
       (repeat count
          (lambda ()
             (display *line* out)
             (newline out)
             (flush-output-port out)
             (read-line in))))))

;; ---- connections without a socket -------------------------------------------------------------

(define (text-of file)
   (call-with-input-file file read-string))

(define (connection context server?)
   (instantiate::ssl-connection
      (ctx context)
      (isserver server?)
      (request-cert #f)
      (server-name #f)
      (reject-unauthorized #f)))

;; So many records of this size, one after the other, from a server to a client.
(define (run-engine certificate key size count)
   (let ((server-context (instantiate::secure-context))
         (client-context (instantiate::secure-context))
         (certificate (text-of certificate))
         (key (text-of key)))
      (secure-context-set-cert! server-context certificate 0 (string-length certificate))
      (secure-context-set-key! server-context key 0 (string-length key))
      (let ((client (connection client-context #f))
            (server (connection server-context #t))
            (encrypted (make-string 20000))
            (data (make-string size #\x))
            (out (make-string 20000)))
         (define (carry from to)
            (let ((k (ssl-connection-read from encrypted 0 20000)))
               (when (>fx k 0)
                  (ssl-connection-write to encrypted 0 k)
                  (carry from to))))
         (define (handshake)
            (ssl-connection-start client)
            (carry client server)
            (ssl-connection-start server)
            (carry server client))
         (repeat 7 handshake)
         (ssl-connection-clear-out client out 0 20000)
         (repeat count
            (lambda ()
               (ssl-connection-clear-in server data 0 size)
               (carry server client)
               (let loop ((left size))
                  (when (>fx left 0)
                     (let ((k (ssl-connection-clear-out client out 0 20000)))
                        (if (>fx k 0)
                            (loop (-fx left k))
                            (error "engine" "a record came short" k))))))))))
