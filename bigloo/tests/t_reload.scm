;; t_reload.scm: what a server at work reads again.
(module t_reload
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (own-file name)
   (string-append (getenv "BGLSSL_TEST_PKI") "/t_reload." (number->string (getpid)) "." name))

(define (put-file! file content)
   (call-with-output-file file (lambda (port) (display content port))))

(define (content name)
   (call-with-input-file (pki name) read-string))

;; Whether the server lets a client in that has this certificate.
(define (let-in? server name)
   (let* ((t (spawn (guarded (lambda () (echo-lines (socket-accept server))))))
          (answer (raised
                     (lambda ()
                        (let ((c (make-ssl-client-socket "127.0.0.1" (socket-port-number server)
                                    :hostname "localhost" :CAs (list (pki "root.pem"))
                                    :cert (pki (string-append name ".pem"))
                                    :pkey (pki (string-append name ".key")))))
                           (let ((line (ask c "x")))
                              (socket-close c)
                              (unless (equal? line "x")
                                 (error "ask" "no echo" line))))))))
      (join t)
      (not answer)))

(define-case "the file of CAs is read again"
   (for-each (lambda (as-list?)
                (let ((file (own-file "ca.pem")))
                   (put-file! file (content "root.pem"))
                   (let ((s (make-ssl-server-socket 0 :name "127.0.0.1" :accept-failure 'raise
                               :cert (pki "good.pem") :pkey (pki "good.key")
                               :CAs (if as-list? (list file) file))))
                      (check "before" (let-in? s "client"))
                      (check "before, another" (not (let-in? s "client-untrusted")))
                      (put-file! file (content "root2.pem"))
                      (check-equal "the server" (ssl-server-socket-reload! s) s)
                      (check "after" (not (let-in? s "client")))
                      (check "after, another" (let-in? s "client-untrusted"))
                      (put-file! file "nothing")
                      (check "a file without certificates"
                         (isa? (raised (lambda () (ssl-server-socket-reload! s))) &io-ssl-error))
                      (check "afterwards" (let-in? s "client-untrusted"))
                      (socket-close s))
                   (delete-file file)))
      '(#f #t)))
