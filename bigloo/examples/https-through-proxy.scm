;; https-through-proxy.scm: prints a page, got through a proxy.
;;
;;   https-through-proxy PROXY HOST [PORT [CA.pem]]
;;
;; PROXY is a URL, such as http://user:password@proxy.example.org:3128 or socks5h://localhost:1080, or
;; env for what the environment says.
(module https-through-proxy
   (library ssl)
   (main main))

(define (argument argv n default)
   (if (>fx (length argv) n) (list-ref argv n) default))

;; The proxy gets the host's name and port; the certificate is the host's.
(define (get proxy host port CAs)
   (let* ((socket (make-ssl-client-socket host port
                     :proxy proxy
                     :verify #t :CAs CAs :domain 'unspec :timeout 10000000))
          (in (socket-input socket))
          (out (socket-output socket)))
      (input-port-timeout-set! in 10000000)
      (display (string-append "GET / HTTP/1.0\r\nHost: " host "\r\n\r\n") out)
      (flush-output-port out)
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
      (get (cadr argv) (caddr argv)
         (string->integer (argument argv 3 "443"))
         (if (>fx (length argv) 4) (read-pem-file (list-ref argv 4)) '()))))
