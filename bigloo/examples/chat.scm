;; chat.scm: what you type goes to the other side, what comes from there is printed. One
;; thread reads from the connection while another writes to it.
;;
;;   chat listen PORT CERTIFICATE.pem KEY.pem
;;   chat connect HOST PORT [CA.pem]
(module chat
   (library ssl pthread)
   (main main))

(define (listen port cert pkey)
   (let ((server (make-ssl-server-socket port :cert cert :pkey pkey :accept-failure 'skip)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (socket-accept server)))

(define (connect host port CAs)
   (make-ssl-client-socket host port :CAs CAs :verify #t :domain 'unspec :timeout 10000000))

(define (copy-lines from to)
   (let loop ((line (read-line from)))
      (unless (eof-object? line)
         (display line to)
         (newline to)
         (flush-output-port to)
         (loop (read-line from)))))

(define (talk socket)
   (let ((reader (thread-start-joinable!
                    (instantiate::pthread
                       (body (lambda ()
                                (copy-lines (socket-input socket) (current-output-port))))))))
      (copy-lines (current-input-port) (socket-output socket))
      ;; The other side may have more to say.
      (ssl-socket-end-output! socket)
      (thread-join! reader)
      (socket-close socket)))

(define (main argv)
   (talk (if (string=? (cadr argv) "listen")
             (listen (string->integer (caddr argv)) (cadddr argv) (car (cddddr argv)))
             (connect (caddr argv) (string->integer (cadddr argv))
                (if (pair? (cddddr argv)) (read-pem-file (car (cddddr argv))) '())))))
