;; virtual-hosts.scm: a web server for all the names that it has certificates for.
;;
;;   virtual-hosts DIRECTORY PORT
;;
;; DIRECTORY holds NAME.pem, a certificate with its chain, and NAME.key for each. Clients get the
;; one that is for the name that they ask for, and the first one if none is. On SIGHUP the
;; directory is read again, for the clients that come from then on; if that fails, the server says
;; why and goes on.
(module virtual-hosts
   (library ssl)
   (main main))

(define (files directory)
   (let ((names (sort string<?
                   (filter (lambda (f) (string-suffix? ".pem" f)) (directory->list directory)))))
      (map (lambda (name)
              (let ((path (make-file-name directory name)))
                 (list path (string-append (prefix path) ".key"))))
         names)))

(define (read-directory directory)
   (let ((found (files directory)))
      (when (null? found)
         (error 'virtual-hosts "no certificates" directory))
      (make-ssl-config :cert (car (car found)) :pkey (cadr (car found))
         :identities (cdr found))))

(define *stale* #f)

(define (main argv)
   (unless (=fx (length argv) 3)
      (fprint (current-error-port) "usage: virtual-hosts DIRECTORY PORT")
      (exit 2))
   (let* ((directory (cadr argv))
          (server (make-ssl-server-socket (string->integer (caddr argv))
                     :config (read-directory directory) :accept-failure 'skip)))
      (signal sighup (lambda (n) (set! *stale* #t)))
      (print "listening on port " (socket-port-number server))
      (flush-output-port (current-output-port))
      (let loop ()
         (let ((socket (socket-accept server)))
            (when *stale*
               (set! *stale* #f)
               (reload server directory))
            (with-handler
               (lambda (e) (exception-notify e))
               (serve socket))
            (socket-close socket)
            (loop)))))

(define (reload server directory)
   (with-handler
      (lambda (e) (exception-notify e))
      (ssl-server-socket-config-set! server (read-directory directory))))

(define (serve socket)
   (let ((host (request-host (socket-input socket)))
         (out (socket-output socket)))
      ;; The connection was made for one name, and a request may be for another one.
      (if (ssl-socket-serves-host? socket host)
          (fprintf out "HTTP/1.0 200 OK\r\n\r\nThis is ~a.\n" host)
          (display "HTTP/1.0 421 Misdirected Request\r\n\r\n" out))
      (flush-output-port out)))

;; The Host of a request, without a port.
(define (request-host in)
   (let loop ((host ""))
      (let ((line (read-line in)))
         (cond
            ((or (eof-object? line) (member line '("" "\r"))) host)
            ((string-prefix-ci? "host:" line)
             (loop (car (append (string-split (substring line 5 (string-length line)) " \r:") '("")))))
            (else (loop host))))))
