;; t_failures.scm: what a program sees when the other end of an established connection misbehaves: the conditions
;; of Bigloo's own ports, so that handlers written for those fit.
(module t_failures
   (library ssl pthread)
   (include "harness.scm")
   (main run-cases))

;; Gives `proc` a socket whose peer has said hello, and waits, where the peer closes, until it has.
(define (with-failing-peer what proc)
   (unless (=fx (system "command -v python3 >/dev/null 2>&1") 0)
      (skip "no python3 command"))
   (let* ((p (run-process (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_failures.py")
                (pki "good.pem") (pki "good.key") what :wait #f :output pipe: :input pipe:))
          (port (string->integer (cadr (string-split (read-line (process-output-port p)) " "))))
          (c (make-ssl-client-socket "localhost" port :timeout 10000000)))
      (unless (string=? what "demand")
         (check-equal "hello" (read-chars 5 (socket-input c)) "hello"))
      (when (member what '("reset" "close"))
         (display "now\n" (process-input-port p))
         (flush-output-port (process-input-port p))
         (check-equal "closed" (read-line (process-output-port p)) "CLOSED"))
      (proc c)
      (check-equal "closing raises nothing" (raised (lambda () (socket-close c))) #f)
      (close-output-port (process-input-port p))
      (process-wait p)))

(define (check-read-error c)
   (let ((e (check-raises "read" &io-ssl-read-error (lambda () (read-char (socket-input c))))))
      (check "a read error" (isa? e &io-read-error))
      (check "its words" (contains? (condition-message e) "TLS failed"))
      (with-access::&io-ssl-read-error e (code alert)
         (check-equal "code" code -7)
         (check-equal "alert" alert #f))))

(define-case "what is no TLS is a read error"
   (with-failing-peer "garbage" check-read-error))

(define-case "a record that cannot be decrypted is a read error, in each way of reading"
   (with-failing-peer "forged" check-read-error)
   (for-each
      (lambda (read)
         (with-failing-peer "forged"
            (lambda (c)
               (check "a read error" (isa? (raised (lambda () (read (socket-input c)))) &io-read-error)))))
      (list read-line read-string (lambda (in) (read-chars 10 in)))))

(define-case "an alert of the peer's is a read error that has its number"
   (with-failing-peer "demand"
      (lambda (c)
         (let ((e (check-raises "read" &io-ssl-read-error (lambda () (read-char (socket-input c))))))
            (with-access::&io-ssl-read-error e (alert)
               (check-equal "certificate_required" alert 116))))))

(define-case "a reset is a connection error where it is read"
   (with-failing-peer "reset"
      (lambda (c)
         (check-raises "read" &io-connection-error (lambda () (read-char (socket-input c)))))))

;; Until the system knows that the peer is gone.
(define (write-on c)
   (let loop ((i 0))
      (when (<fx i 200)
         (display (make-string 10000 #\w) (socket-output c))
         (flush-output-port (socket-output c))
         (sleep 10000)
         (loop (+fx i 1)))))

(define-case "a reset is a write error where it is written"
   (with-failing-peer "reset"
      (lambda (c)
         (let ((e (check-raises "write" &io-ssl-write-error (lambda () (write-on c)))))
            (check "a write error" (isa? e &io-write-error))
            (check "its words" (contains? (condition-message e) "reset"))))))

(define-case "writing to a peer that has closed is a sigpipe error or, after its reset, a write error"
   (with-failing-peer "close"
      (lambda (c)
         (let ((e (raised (lambda () (write-on c)))))
            (check "raised" (or (isa? e &io-sigpipe-error) (isa? e &io-write-error)))))))
