;; manual-client.scm: the client of the SSL chapter of Bigloo's manual. It sends a line
;; and a word, ends its half of the stream, and prints what comes back.
;;
;;   manual-client HOST PORT [CA.pem]
;;
;; As in the manual nothing is verified without CAs. New programs say :verify #t.
(module manual-client
   (library ssl)
   (main main))

(define (main argv)
   (let* ((CAs (if (pair? (cdddr argv)) (read-pem-file (cadddr argv)) '()))
          (socket (make-ssl-client-socket (cadr argv) (string->integer (caddr argv))
                     :timeout 10000000 :CAs CAs))
          (out (socket-output socket)))
      (display "string" out)
      (newline out)
      (display "abc" out)
      (ssl-socket-end-output! socket)
      (display (read-string (socket-input socket)))
      (socket-close socket)))
