;; t_load.scm: servers as programs write them, among clients that say nothing, stay half-way, or leave at any time.
(module t_load
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define *page*
   (string-append "HTTP/1.0 200 OK\r\n\r\n" (make-string 50000 #\p) "the end\n"))

(define (serve socket)
   (let ((in (socket-input socket)) (out (socket-output socket)))
      (input-port-timeout-set! in (seconds 60))
      (output-port-timeout-set! out (seconds 60))
      (output-port-flush-buffer-set! out (make-string 512))
      (let loop ()
         (let ((line (read-line in)))
            (cond
               ((eof-object? line) #f)
               ((member line '("" "\r")) (display *page* out) (flush-output-port out))
               (else (loop)))))))

;; A request that comes to nothing costs its own connection only.
(define (serve-and-close socket)
   (bind-exit (return)
      (with-handler
         (lambda (e) (return e))
         (serve socket)))
   (socket-close socket))

;; Threads that accept and serve, one connection after the other.
(define (acceptor server)
   (lambda ()
      (let loop ()
         (let ((socket (bind-exit (return)
                          (with-handler
                             (lambda (e) (return e))
                             (socket-accept server)))))
            (when (socket? socket) (serve-and-close socket))
            (unless (socket-down? server) (loop))))))

(define (page-server . options)
   (apply make-ssl-server-socket 0 :name "127.0.0.1" :backlog 100
      :cert (pki "good.pem") :pkey (pki "good.key") :handshake-timeout (seconds 60) options))

;; All of the good clients must be served while the others are there.
(define (check-served server silent half)
   (unless (=fx (system "command -v python3 >/dev/null 2>&1") 0)
      (skip "no python3 command"))
   (let* ((p (run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_clients.py")
                (integer->string (socket-port-number server)) (pki "root.pem")
                (integer->string silent) (integer->string half) "40" :wait #f :output pipe:))
          (line (read-line (process-output-port p))))
      (process-wait p)
      (check-equal "pages" line "40 served")
      ;; The connections of all who have left are closed.
      (let loop ((tries 100))
         (unless (or (<fx (descriptors) 20) (=fx tries 0))
            (sleep 100000)
            (loop (-fx tries 1))))
      (check "descriptors" (<fx (descriptors) 20))
      (socket-close server)))

(define-case "a pool of threads that accept and serve"
   (let ((server (page-server)))
      (for-each (lambda (i) (spawn (acceptor server))) (iota 8))
      (check-served server 3 2)))

(define-case "one thread that accepts, and a thread for each connection"
   (let ((server (page-server :lazy-handshake #t :accept-failure 'skip)))
      (spawn (guarded (lambda ()
                         (let loop ()
                            (let ((socket (socket-accept server)))
                               (spawn (lambda () (serve-and-close socket)))
                               (loop))))))
      (check-served server 20 10)))

(define-case "socket-accept-many, and a thread for each connection"
   (let ((server (page-server :lazy-handshake #t :accept-failure 'skip)))
      (spawn (guarded (lambda ()
                         (let ((sockets (make-vector 10)))
                            (let loop ()
                               (let ((n (socket-accept-many server sockets)))
                                  (for-each
                                     (lambda (i)
                                        (let ((socket (vector-ref sockets i)))
                                           (spawn (lambda () (serve-and-close socket)))))
                                     (iota n))
                                  (loop)))))))
      (check-served server 20 10)))
