;; peers.scm: servers of other programs, in Python.

;; Starts peer_NAME.py with the certificate `good`: the process, and the port that it listens on.
(define (start-peer name . arguments)
   (unless (=fx (system "command -v python3 >/dev/null 2>&1") 0)
      (skip "no python3 command"))
   (let* ((p (apply run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_" name ".py")
                (pki "good.pem") (pki "good.key") (append arguments '(:wait #f :output pipe:))))
          (line (read-line (process-output-port p))))
      (unless (string? line)
         (fail "the peer did not start"))
      (values p (string->integer (cadr (string-split line " "))))))

;; Runs `body` with a peer on `port`.
(define-macro (with-peer port peer . body)
   `(multiple-value-bind (p ,port)
       ,peer
       (let ((result (begin ,@body)))
          (stop-program p)
          result)))

(define (connect-to-peer port . options)
   (apply make-ssl-client-socket "localhost" port :timeout 10000000 options))

(define (send-line socket . texts)
   (for-each (lambda (text) (display text (socket-output socket))) texts)
   (display "\r\n" (socket-output socket))
   (flush-output-port (socket-output socket)))

;; The next line, without its end.
(define (receive-line socket)
   (let ((line (read-line (socket-input socket))))
      (if (string? line)
          (string-trim-right line)
          line)))

(define (string-trim-right line)
   (let loop ((n (string-length line)))
      (if (and (>fx n 0) (char-whitespace? (string-ref line (-fx n 1))))
          (loop (-fx n 1))
          (substring line 0 n))))
