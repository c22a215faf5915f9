;; mutual-tls.scm: both sides show a certificate, and each verifies the other's.
;;
;;   mutual-tls listen PORT CERTIFICATE.pem KEY.pem CLIENTS-CA.pem
;;   mutual-tls connect HOST PORT CERTIFICATE.pem KEY.pem CA.pem
;;
;; The server greets each client by the name in its certificate.
(module mutual-tls
   (library ssl pthread)
   (main main))

(define (message e)
   (if (isa? e &io-error)
       (with-access::&io-error e (obj msg)
          (format "~a: ~a" obj msg))
       e))

;; The handshake happens with the first read, in this thread: until then the client is not known. One
;; that is refused gets no further.
(define (serve socket)
   (with-handler
      (lambda (e)
         (print "refused: " (message e))
         (flush-output-port (current-output-port)))
      (let ((line (read-line (socket-input socket)))
            (name (certificate-subject (ssl-socket-peer-certificate socket))))
         (display (format "~a, you said ~a\n" name line) (socket-output socket))))
   (socket-close socket))

(define (listen port cert pkey CAs)
   (let ((server (make-ssl-server-socket port
                    :cert cert :pkey pkey
                    :CAs CAs :verify #t
                    :lazy-handshake #t :accept-failure 'skip)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (let loop ()
         (let ((socket (socket-accept server)))
            (thread-start!
               (instantiate::pthread
                  (body (lambda () (serve socket)))))
            (loop)))))

(define (connect host port cert pkey CAs)
   (let ((socket (make-ssl-client-socket host port
                    :cert cert :pkey pkey
                    :CAs CAs :verify #t
                    :timeout 10000000)))
      (display "hello\n" (socket-output socket))
      (flush-output-port (socket-output socket))
      ;; With TLS 1.3 a server that refuses the client says so here.
      (print (read-line (socket-input socket)))
      (socket-close socket)))

(define (main argv)
   (with-handler
      (lambda (e)
         (fprint (current-error-port) (message e))
         (exit 1))
      (if (string=? (cadr argv) "listen")
          (listen (string->integer (list-ref argv 2)) (list-ref argv 3) (list-ref argv 4)
             (read-pem-file (list-ref argv 5)))
          (connect (list-ref argv 2) (string->integer (list-ref argv 3)) (list-ref argv 4)
             (list-ref argv 5) (read-pem-file (list-ref argv 6))))))
