;; starttls-mail.scm: talks to a mail server (SMTP, RFC 5321), switches to TLS (RFC 3207),
;; and asks again, under TLS, what the server offers.
;;
;;   starttls-mail HOST PORT [CA.pem]
(module starttls-mail
   (library ssl)
   (main main))

;; The lines of one reply: all but the last have a hyphen after the code.
(define (reply socket)
   (let ((line (read-line (socket-input socket))))
      (cond
         ((eof-object? line) (error 'starttls-mail "the server has hung up" socket))
         ((and (>fx (string-length line) 3) (char=? (string-ref line 3) #\-))
          (cons line (reply socket)))
         (else (list line)))))

(define (say socket . words)
   (for-each (lambda (word) (display word (socket-output socket))) words)
   (display "\r\n" (socket-output socket))
   (flush-output-port (socket-output socket))
   (reply socket))

(define (expect code lines)
   (unless (string-prefix? code (car (reverse lines)))
      (error 'starttls-mail "the server refuses" (car (reverse lines))))
   lines)

(define (main argv)
   (let ((socket (make-client-socket (cadr argv) (string->integer (caddr argv))
                    :timeout 10000000))
         (CAs (if (pair? (cdddr argv)) (read-pem-file (cadddr argv)) '())))
      (input-port-timeout-set! (socket-input socket) 10000000)
      (expect "220" (reply socket))
      (expect "250" (say socket "EHLO localhost"))
      (expect "220" (say socket "STARTTLS"))
      ;; Nothing that was said in the clear counts from here on: had the other side, or
      ;; somebody between, sent more than its reply, this raises an &io-error.
      (client-socket-use-ssl! socket :verify #t :CAs CAs :hostname (cadr argv))
      (print "under " (ssl-socket-protocol socket) ":")
      (for-each print (expect "250" (say socket "EHLO localhost")))
      (say socket "QUIT")
      (socket-close socket)))
