;; tls-in-tls.scm: sends a line to a host through a proxy that is itself reached by TLS (HTTP CONNECT), and prints the
;; answer.
;;
;;   tls-in-tls PROXY PROXY-PORT HOST PORT LINE [CA.pem]
(module tls-in-tls
   (library ssl)
   (main main))

;; Up to the empty line: what is behind it belongs to the connection inside.
(define (tunnel! socket host port)
   (let ((in (socket-input socket))
         (out (socket-output socket)))
      (display (string-append "CONNECT " host ":" port " HTTP/1.1\r\nHost: " host ":" port "\r\n\r\n") out)
      (flush-output-port out)
      (let ((answer (read-line in)))
         (unless (and (string? answer) (string-prefix? "HTTP/1.1 2" answer))
            (error 'tls-in-tls "the proxy refuses" answer))
         (let loop ((line (read-line in)))
            (unless (or (eof-object? line) (member line '("" "\r")))
               (loop (read-line in)))))))

(define (main argv)
   (match-case (cdr argv)
      ((?proxy ?proxy-port ?host ?port ?text . ?ca)
       (let* ((CAs (if (pair? ca) (read-pem-file (car ca)) '()))
              (socket (make-ssl-client-socket proxy (string->integer proxy-port) :verify #t :CAs CAs)))
          (tunnel! socket host port)
          ;; A second connection inside of the first one; the ports are those of the second from here on.
          (client-socket-use-ssl! socket :verify #t :CAs CAs :hostname host)
          (display text (socket-output socket))
          (newline (socket-output socket))
          (ssl-socket-end-output! socket)
          (print (read-line (socket-input socket)))
          (socket-close socket)))
      (else
       (print "usage: tls-in-tls PROXY PROXY-PORT HOST PORT LINE [CA.pem]")
       (exit 2))))
