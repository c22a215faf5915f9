;; https-server.scm: a small HTTPS server. Each connection has a thread, which does the
;; handshake too: a client that says nothing, or nonsense, delays no other.
;;
;;   https-server PORT CERTIFICATE.pem KEY.pem [NUMBER-OF-REQUESTS]
(module https-server
   (library ssl pthread)
   (main main))

(define *limit* 10000000)

(define (request-line in)
   (let ((request (read-line in)))
      (let skip-headers ((line (read-line in)))
         (unless (or (eof-object? line) (member line '("" "\r")))
            (skip-headers (read-line in))))
      request))

(define (answer socket)
   (input-port-timeout-set! (socket-input socket) *limit*)
   (output-port-timeout-set! (socket-output socket) *limit*)
   (let ((request (request-line (socket-input socket))))
      (unless (eof-object? request)
         (let ((text (string-append "You asked: " request "\nover "
                        (ssl-socket-protocol socket) "\n")))
            (display (string-append "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                        "Content-Length: " (integer->string (string-length text))
                        "\r\nConnection: close\r\n\r\n" text)
               (socket-output socket))))))

(define (serve socket)
   (with-handler
      (lambda (e)
         (when (isa? e &error)
            (with-access::&error e (msg obj)
               (fprint (current-error-port) obj ": " msg))))
      (answer socket))
   (with-handler (lambda (e) #f) (socket-close socket)))

(define (main argv)
   (let ((server (make-ssl-server-socket (string->integer (cadr argv))
                    :cert (caddr argv) :pkey (cadddr argv) :backlog 100
                    :alpn '("http/1.1")
                    :lazy-handshake #t :handshake-timeout *limit*))
         (requests (if (pair? (cddddr argv)) (string->integer (car (cddddr argv))) -1)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (let loop ((n requests) (threads '()))
         (if (=fx n 0)
             (for-each thread-join! threads)
             (let* ((socket (socket-accept server))
                    (thread (instantiate::pthread (body (lambda () (serve socket))))))
                (if (>fx n 0)
                    (loop (-fx n 1) (cons (thread-start-joinable! thread) threads))
                    (begin
                       (thread-start! thread)
                       (loop n threads))))))))
