;; inspect-certificate.scm: prints what is in the certificates of a file, or of a server.
;;
;;   inspect-certificate FILE
;;   inspect-certificate HOST PORT [CA.pem]
;;
;; Of a server the certificates are those that it sends, and whether they would be trusted is printed, too.
(module inspect-certificate
   (library ssl)
   (main main))

(define (field name value)
   (unless (or (null? value) (equal? value ""))
      (print "  " name ": " value)))

(define (days-until date)
   (/fx (elong->fixnum (-elong (date->seconds date) (current-seconds))) 86400))

(define (inspect cert)
   (print (certificate-subject-name cert))
   (field "issued by" (certificate-issuer-name cert))
   (field "key" (format "~a, ~a bits" (certificate-key-type cert) (certificate-key-bits cert)))
   (field "serial number" (certificate-serial cert))
   (for-each (lambda (name) (field "for" name))
      (certificate-alt-names cert))
   (field "from" (date->rfc2822-date (certificate-not-before cert)))
   (let ((days (days-until (certificate-not-after cert))))
      (field "until"
         (string-append (date->rfc2822-date (certificate-not-after cert))
            (if (<fx days 0)
                " (expired)"
                (format " (~a days)" days)))))
   (field "SHA-256" (certificate-fingerprint cert)))

;; The connection is made without verification, so that there is something to look at.
(define (inspect-server host port CAs)
   (let* ((socket (make-ssl-client-socket host port
                     :CAs CAs :verify #f :domain 'unspec :timeout 10000000))
          (problem (ssl-socket-verify-error socket)))
      (for-each inspect (ssl-socket-peer-chain socket))
      (print (ssl-socket-protocol socket) ", " (ssl-socket-cipher socket))
      (print (if problem
                 (string-append "not to be trusted: " problem)
                 "issued by a CA that is trusted; the host's name was not looked at"))
      (socket-close socket)))

(define (main argv)
   (with-handler
      (lambda (e)
         (if (isa? e &io-error)
             (with-access::&io-error e (obj msg)
                (fprint (current-error-port) obj ": " msg)
                (exit 1))
             (raise e)))
      (if (=fx (length argv) 2)
          (for-each inspect (read-pem-file (cadr argv)))
          (inspect-server (cadr argv) (string->integer (caddr argv))
             (if (pair? (cdddr argv)) (read-pem-file (cadddr argv)) '())))))
