;; dtls-ping.scm: sends numbered datagrams by DTLS and waits for each to come back.
;;
;;   dtls-ping listen PORT CERTIFICATE.pem KEY.pem
;;   dtls-ping HOST PORT [COUNT [CA.pem]]
;;
;; Datagrams can be lost: what has not come back within a second is counted, not waited for.
(module dtls-ping
   (library ssl pthread)
   (main main))

(define *time-limit* 1000000)

;; What is flushed at once is one datagram.
(define (send-line socket line)
   (display line (socket-output socket))
   (newline (socket-output socket))
   (flush-output-port (socket-output socket)))

(define (echo socket)
   (with-handler
      (lambda (e) #f)
      (let loop ((line (read-line (socket-input socket))))
         (unless (eof-object? line)
            (send-line socket line)
            (loop (read-line (socket-input socket))))))
   (socket-close socket))

(define (listen port cert pkey)
   (let ((server (make-ssl-server-socket port
                    :protocol 'dtls :cert cert :pkey pkey :accept-failure 'skip)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (let loop ()
         (let ((socket (socket-accept server)))
            ;; A client that has disappeared is noticed by this limit only.
            (input-port-timeout-set! (socket-input socket) 60000000)
            (thread-start!
               (instantiate::pthread
                  (body (lambda () (echo socket)))))
            (loop)))))

;; The answer to number `n`, or #f. Answers that come late are to earlier numbers.
(define (answer socket n)
   (with-handler
      (lambda (e)
         (if (isa? e &io-timeout-error) #f (raise e)))
      (let loop ((line (read-line (socket-input socket))))
         (cond
            ((eof-object? line) #f)
            ((equal? line (integer->string n)) line)
            (else (loop (read-line (socket-input socket))))))))

(define (ping host port count CAs)
   (let ((socket (make-ssl-client-socket host port
                    :protocol 'dtls :verify #t :CAs CAs :timeout 10000000)))
      (print (ssl-socket-protocol socket) ", " (ssl-socket-cipher socket))
      (input-port-timeout-set! (socket-input socket) *time-limit*)
      (let loop ((n 1)
                 (lost 0))
         (if (<=fx n count)
             (let ((start (current-microseconds)))
                (send-line socket n)
                (if (answer socket n)
                    (begin
                       (print n ": " (-llong (current-microseconds) start) " microseconds")
                       (loop (+fx n 1) lost))
                    (begin
                       (print n ": lost")
                       (loop (+fx n 1) (+fx lost 1)))))
             (print count " sent, " lost " lost")))
      (socket-close socket)))

(define (argument argv n default)
   (if (>fx (length argv) n) (list-ref argv n) default))

(define (main argv)
   (if (string=? (cadr argv) "listen")
       (listen (string->integer (list-ref argv 2)) (list-ref argv 3) (list-ref argv 4))
       (ping (list-ref argv 1)
          (string->integer (list-ref argv 2))
          (string->integer (argument argv 3 "5"))
          (let ((file (argument argv 4 #f)))
             (if file (read-pem-file file) '())))))
