;; https-get.scm: prints a page, from a server whose certificate is verified.
;;
;;   https-get HOST [PORT [PATH [CA.pem]]]
;;
;; Without CA.pem the system's CAs are trusted.
(module https-get
   (library ssl)
   (main main))

(define (argument argv n default)
   (if (>fx (length argv) n) (list-ref argv n) default))

(define (get host port path CAs)
   (let* ((socket (make-ssl-client-socket host port
                     :verify #t :CAs CAs :domain 'unspec
                     :alpn '("http/1.1") :timeout 10000000))
          (in (socket-input socket))
          (out (socket-output socket)))
      (input-port-timeout-set! in 10000000)
      (display (string-append "GET " path " HTTP/1.1\r\nHost: " host
                  "\r\nConnection: close\r\n\r\n")
         out)
      (flush-output-port out)
      (fprint (current-error-port) (ssl-socket-protocol socket) " "
         (ssl-socket-cipher socket) ", certificate of "
         (certificate-subject-name (ssl-socket-peer-certificate socket)))
      (display (read-string in))
      (socket-close socket)))

(define (main argv)
   (with-handler
      (lambda (e)
         (if (isa? e &io-error)
             (with-access::&io-error e (msg obj)
                (fprint (current-error-port) obj ": " msg)
                (exit 1))
             (raise e)))
      (get (cadr argv)
         (string->integer (argument argv 2 "443"))
         (argument argv 3 "/")
         (if (>fx (length argv) 4) (read-pem-file (list-ref argv 4)) '()))))
