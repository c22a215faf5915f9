;; t_truncation.scm: streams that end without close_notify, as those of many HTTP servers do.
(module t_truncation
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; A server that sends `text` and ends the connection below TLS; `reader` is given the client.
(define (read-from-rude-server text options reader)
   (with-connection '() options
      (lambda (s)
         (display text (socket-output s))
         (flush-output-port (socket-output s))
         (socket-shutdown s)
         (socket-close s))
      reader))

(define (strict) (list :truncation 'raise))

(define-case "by default it is the end of the file, and read-string has all that came"
   (read-from-rude-server "some text" '()
      (lambda (c)
         (check-equal "text" (read-string (socket-input c)) "some text")
         (check "end" (eof-object? (read-char (socket-input c))))
         (check "the program can ask" (ssl-socket-truncated? c)))))

(define-case "by default read-chars and read-lines have all that came"
   (read-from-rude-server "some text" '()
      (lambda (c) (check-equal "text" (read-chars 100 (socket-input c)) "some text")))
   (read-from-rude-server "a\nb\nunfinished" '()
      (lambda (c) (check-equal "lines" (read-lines (socket-input c)) '("a" "b" "unfinished")))))

(define-case "a proper end is not a truncation"
   (with-connection '() '()
      (lambda (s) (display "text" (socket-output s)) (socket-close s))
      (lambda (c)
         (check-equal "text" (read-string (socket-input c)) "text")
         (check "not truncated" (not (ssl-socket-truncated? c))))))

(define-case "with :truncation 'raise what came is given first, then it is a read error"
   (for-each
      (lambda (read-all)
         (read-from-rude-server "some text" (strict)
            (lambda (c)
               (check-equal "text" (read-all (socket-input c)) "some text")
               (let ((e (raised (lambda () (read-char (socket-input c))))))
                  (check "truncated" (isa? e &io-ssl-truncated-error))
                  (check "a read error" (isa? e &io-read-error))))))
      (list read-string
         (lambda (in) (read-chars 100 in))
         read-line)))

(define-case "with :truncation 'raise a reader of lines gets each line before the error"
   (read-from-rude-server "a\nb\n" (strict)
      (lambda (c)
         (check-equal "a" (read-line (socket-input c)) "a")
         (check-equal "b" (read-line (socket-input c)) "b")
         (check-raises "the end" &io-ssl-truncated-error
            (lambda () (read-line (socket-input c)))))))

(define-case "a client that verifies the name raises, unless told otherwise"
   (let ((verified (list :CAs (CA) :verify #t)))
      (read-from-rude-server "" verified
         (lambda (c)
            (check-raises "the end" &io-ssl-truncated-error
               (lambda () (read-char (socket-input c))))))
      (read-from-rude-server "" (append verified (list :truncation 'eof))
         (lambda (c) (check "end" (eof-object? (read-char (socket-input c))))))))

(define-case "a client whose configuration verifies the name raises, too"
   (for-each
      (lambda (options)
         (read-from-rude-server "some text"
            (list :config (apply make-ssl-config :role 'client :CAs (CA) options))
            (lambda (c)
               (check-equal "text" (read-string (socket-input c)) "some text")
               (check-raises "the end" &io-ssl-truncated-error (lambda () (read-char (socket-input c)))))))
      '((:verify #t) (:hostname "localhost")))
   (read-from-rude-server "some text" (list :config (make-ssl-config :role 'client :CAs (CA)))
      (lambda (c)
         (check-equal "text" (read-string (socket-input c)) "some text")
         (check "end" (eof-object? (read-char (socket-input c)))))))

(define-case "a list of CAs alone is the manual's own argument: end of file"
   (read-from-rude-server "" (list :CAs (CA))
      (lambda (c) (check "end" (eof-object? (read-char (socket-input c)))))))

(define-case "the program can make all its sockets raise"
   (ssl-default-truncation-set! 'raise)
   (check-equal "the default" (ssl-default-truncation) 'raise)
   (read-from-rude-server "" '()
      (lambda (c)
         (check-raises "the end" &io-ssl-truncated-error
            (lambda () (read-char (socket-input c)))))))

(define-case "a server's connections raise with :truncation 'raise"
   (let* ((server (test-server :truncation 'raise))
          (t (accept-one server
                (lambda (s) (raised (lambda () (read-char (socket-input s)))))))
          (c (connect-to server)))
      (socket-shutdown c)
      (check "truncated" (isa? (join t) &io-ssl-truncated-error))))

(define-case "another symbol is an error"
   (let ((server (test-server)))
      (check-raises "connect" &error (lambda () (connect-to server :truncation 'ignore)))))

;; The runtime's wrapper for time limits takes "nothing more for this read" for the end of the file.
(define-case "with :truncation 'raise a port with a time limit raises, too, after what came"
   (for-each
      (lambda (read-all)
         (read-from-rude-server "some text" (strict)
            (lambda (c)
               (input-port-timeout-set! (socket-input c) 10000000)
               (check-equal "text" (read-all (socket-input c)) "some text")
               (check-raises "the end" &io-ssl-truncated-error
                  (lambda () (read-char (socket-input c)))))))
      (list read-line read-string (lambda (in) (read-chars 100 in)))))
