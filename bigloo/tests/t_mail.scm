;; t_mail.scm: mail programs: Bigloo's IMAP library over our sockets, and SMTP.
(module t_mail
   (library ssl mail)
   (include "harness.scm")
   (include "peers.scm")
   (main run-cases))

(define (check-mailbox socket)
   (check-raises "a wrong password" &imap-error (lambda () (imap-login socket "me" "wrong")))
   (check-equal "login" (imap-login socket "me" "secret") socket)
   (check-equal "capabilities" (imap-capability socket) '("IMAP4rev1"))
   (check-equal "separator" (imap-separator socket) "/")
   (check-equal "folders" (imap-folders socket) '("Archive" "INBOX"))
   (check-equal "select" (imap-folder-select socket "INBOX") '((count . 2) (recent . 0)))
   (check-equal "uids" (sort < (imap-folder-uids socket)) '(1 2))
   (check-equal "a message" (imap-message socket 1) "Subject: one\r\n\r\nshort\r\n")
   (check-equal "a large one" (string-length (imap-message-body socket 2)) 300000)
   (check-equal "a large one again" (ssl-digest "sha256" (imap-message-body socket 2))
      (ssl-digest "sha256" (imap-message-body socket 2)))
   (check-raises "none" &imap-error (lambda () (imap-message socket 3)))
   (check-equal "logout" (imap-logout socket) #t)
   (check "the end" (eof-object? (read-line (socket-input socket))))
   (check-equal "no close_notify" (ssl-socket-truncated? socket) #t)
   (socket-close socket))

(define-case "IMAP over TLS, as programs for Bigloo's own library are written"
   (with-peer port (start-peer "imap" "tls")
      (check-mailbox (make-ssl-client-socket "localhost" port))
      (check-mailbox (make-ssl-client-socket "localhost" port :timeout 10000000 :protocol 'tls :CAs (CA)))))

(define-case "IMAP over TLS, unbuffered and with a small buffer"
   (with-peer port (start-peer "imap" "tls")
      (check-mailbox (make-ssl-client-socket "localhost" port :buffer 16))))

(define-case "IMAP with STARTTLS"
   (with-peer port (start-peer "imap" "starttls")
      (let ((socket (make-client-socket "localhost" port)))
         (check "greeting" (string-prefix? "* OK" (receive-line socket)))
         (check-equal "capabilities" (imap-capability socket) '("IMAP4rev1" "STARTTLS"))
         (check-raises "in the clear" &imap-error (lambda () (imap-login socket "me" "secret")))
         (send-line socket "s STARTTLS")
         (check-equal "answer" (receive-line socket) "s OK go ahead")
         (check-equal "the same socket" (client-socket-use-ssl! socket :protocol 'tls :CAs (CA)) socket)
         (check-mailbox socket))))

(define-case "IMAP with STARTTLS: an answer in the clear is never read"
   (with-peer port (start-peer "imap" "inject")
      (let ((socket (make-client-socket "localhost" port)))
         (receive-line socket)
         (send-line socket "s STARTTLS")
         (receive-line socket)
         ;; It is in the port's buffer, or is read in the handshake.
         (check "refused" (isa? (raised (lambda () (client-socket-use-ssl! socket))) &io-error))
         (check "closed" (socket-down? socket)))))

;; ---- SMTP ---------------------------------------------------------------------------------------

(define (command socket expected . texts)
   (apply send-line socket texts)
   (let ((line (receive-line socket)))
      (check (apply string-append expected " " texts) (string-prefix? expected line))
      line))

;; The extensions of an EHLO's answer.
(define (greet socket)
   (send-line socket "EHLO localhost")
   (let loop ((lines '()))
      (let ((line (receive-line socket)))
         (if (string-prefix? "250-" line)
             (loop (cons (substring line 4 (string-length line)) lines))
             (reverse lines)))))

(define (deliver socket text)
   (command socket "250" "MAIL FROM:<me@localhost>")
   (command socket "250" "RCPT TO:<you@localhost>")
   (command socket "354" "DATA")
   (for-each (lambda (line)
                (let ((out (socket-output socket)))
                   (when (string-prefix? "." line)
                      (display "." out))
                   (display line out)
                   (display "\r\n" out)))
      text)
   (command socket "" "."))

(define (check-delivery socket)
   (let ((text '("Subject: dots" "" ".one" "..two" "." "the end")))
      (check-equal "delivered" (deliver socket text)
         (string-append "250 "
            (ssl-digest-hex (apply string-append (append-map (lambda (line) (list line "\r\n")) text)))))
      (check "a large one" (string-prefix? "250 " (deliver socket (map (lambda (i) "0123456789") (iota 8000)))))
      (check-equal "too large" (deliver socket (map (lambda (i) "0123456789") (iota 10000))) "552 too large")
      (command socket "221" "QUIT")
      (check "the end" (eof-object? (read-line (socket-input socket))))
      (socket-close socket)))

(define (ssl-digest-hex text)
   (string-hex-extern (ssl-digest "sha256" text)))

(define-case "SMTP over TLS"
   (with-peer port (start-peer "smtp" "tls")
      (let ((socket (connect-to-peer port)))
         (receive-line socket)
         (check-equal "extensions" (greet socket) '("localhost"))
         (check-delivery socket))))

(define-case "SMTP with STARTTLS, both ports with time-outs"
   (with-peer port (start-peer "smtp" "starttls")
      (let ((socket (make-client-socket "localhost" port :timeout 5000000)))
         (input-port-timeout-set! (socket-input socket) 10000000)
         (output-port-timeout-set! (socket-output socket) 10000000)
         (receive-line socket)
         (check-equal "extensions" (greet socket) '("localhost" "STARTTLS"))
         (command socket "530" "MAIL FROM:<me@localhost>")
         (command socket "220" "STARTTLS")
         (client-socket-use-ssl! socket :CAs (CA) :hostname "localhost" :truncation 'eof)
         (check-equal "extensions" (greet socket) '("localhost"))
         (check-delivery socket))))
