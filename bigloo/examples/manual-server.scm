;; manual-server.scm: the server of the SSL chapter of Bigloo's manual. It writes every
;; datum back that it reads, to one client.
;;
;;   manual-server PORT CERTIFICATE.pem KEY.pem [CA.pem]
;;
;; With CA.pem the client must show a certificate that one of these CAs has signed.
(module manual-server
   (library ssl)
   (main main))

(define (main argv)
   (let* ((cert (read-certificate (caddr argv)))
          (pkey (read-private-key (cadddr argv)))
          (CAs (if (pair? (cddddr argv)) (read-pem-file (car (cddddr argv))) '()))
          (server (make-ssl-server-socket (string->integer (cadr argv))
                     :CAs CAs :cert cert :pkey pkey)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (let* ((client (socket-accept server))
             (in (socket-input client))
             (out (socket-output client)))
         (let loop ((datum (read in)))
            (unless (eof-object? datum)
               (write datum out)
               (newline out)
               (flush-output-port out)
               (loop (read in))))
         (socket-close client)
         (socket-close server))))
