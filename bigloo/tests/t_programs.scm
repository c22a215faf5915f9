;; t_programs.scm: a chat client, which reads in one thread and switches to TLS there.
(module t_programs
   (library ssl pthread)
   (include "harness.scm")
   (include "threads.scm")
   (include "peers.scm")
   (main run-cases))

;; The next tag of a stream of XML; what is between tags goes to `text`.
(define (next-tag in text)
   (read/rp
      (regular-grammar (text)
         ((: #\< (* (out #\>)) #\>)
          (the-string))
         ((+ (out #\<))
          (text (the-string))
          (ignore))
         (else
          (the-failure)))
      in text))

(define stream "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")

(define (send-text socket . texts)
   (for-each (lambda (text) (display text (socket-output socket))) texts)
   (flush-output-port (socket-output socket)))

(define (send-message socket text)
   (send-text socket "<message to='echo@localhost' type='chat'><body>" text "</body></message>"))

;; What the reader has found, for other threads.
(define (make-mailbox) (vector (make-mutex) (make-condition-variable) '()))

(define (post mailbox value)
   (synchronize (vector-ref mailbox 0)
      (vector-set! mailbox 2 (append (vector-ref mailbox 2) (list value)))
      (condition-variable-broadcast! (vector-ref mailbox 1))))

(define (next mailbox)
   (synchronize (vector-ref mailbox 0)
      (let loop ()
         (if (pair? (vector-ref mailbox 2))
             (let ((value (car (vector-ref mailbox 2))))
                (vector-set! mailbox 2 (cdr (vector-ref mailbox 2)))
                value)
             (begin
                (condition-variable-wait! (vector-ref mailbox 1) (vector-ref mailbox 0))
                (loop))))))

;; Reads to the end of the stream, switches to TLS when it is told to, and posts the rest.
(define (read-stream socket mailbox)
   (let ((in (socket-input socket))
         (text ""))
      (let loop ()
         (let ((tag (next-tag in (lambda (t) (set! text t)))))
            (cond
               ((eof-object? tag) (post mailbox 'end))
               ((string-prefix? "<starttls" tag)
                (send-text socket "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                (loop))
               ((string-prefix? "<proceed" tag)
                (client-socket-use-ssl! socket :protocol 'tls)
                (send-text socket stream)
                (loop))
               ((string-prefix? "<session" tag) (post mailbox 'ready) (loop))
               ((string-prefix? "<iq" tag) (post mailbox tag) (loop))
               ((string=? "</body>" tag) (post mailbox text) (loop))
               ((string=? "</stream:stream>" tag) (post mailbox 'closed) (loop))
               (else (loop)))))))

(define (open-chat port mailbox)
   (let* ((socket (make-client-socket "localhost" port :timeout 10000000))
          (reader (spawn (guarded (lambda () (read-stream socket mailbox))))))
      (send-text socket "<?xml version='1.0'?>" stream)
      (check-equal "ready" (next mailbox) 'ready)
      (check "switched" (ssl-socket? socket))
      (values socket reader)))

(define (chat last)
   (with-peer port (start-peer "xmpp")
      (let ((mailbox (make-mailbox)))
         (multiple-value-bind (socket reader)
            (open-chat port mailbox)
            (send-text socket "<iq type='get' id='contacts'><query xmlns='jabber:iq:roster'/></iq>")
            (check "contacts" (contains? (next mailbox) "contacts"))
            (for-each (lambda (text)
                         (send-message socket text)
                         (check-equal "echo" (next mailbox) text))
               (list "hello" (make-string 100000 #\x) "again"))
            (send-message socket last)
            (check-equal "closed" (next mailbox) 'closed)
            (check-equal "the end" (next mailbox) 'end)
            (check-equal "cut" (ssl-socket-truncated? socket) (string=? last "cut"))
            (check-fine "the reader" (join reader))
            (socket-shutdown socket)
            (socket-close socket)))))

(define-case "a chat with STARTTLS, which the server ends with close_notify" (chat "bye"))

(define-case "a chat with STARTTLS, which the server ends without close_notify" (chat "cut"))

(define-case "a chat whose reading thread is terminated"
   (with-peer port (start-peer "xmpp")
      (let ((mailbox (make-mailbox)))
         (multiple-value-bind (socket reader)
            (open-chat port mailbox)
            (thread-terminate! reader)
            (raised (lambda () (join reader)))
            (send-message socket "hello")
            (check-equal "another thread reads" (next-tag (socket-input socket) list)
               "<message from='echo@localhost' type='chat'>")
            (socket-close socket)))))

(define-case "a chat in which something follows <proceed/> in the clear fails"
   (with-peer port (start-peer "xmpp" "inject")
      (let* ((socket (make-client-socket "localhost" port :timeout 10000000))
             (mailbox (make-mailbox))
             (reader (spawn (guarded (lambda () (read-stream socket mailbox))))))
         (send-text socket "<?xml version='1.0'?>" stream)
         (let ((e (join reader)))
            (check "refused" (isa? e &io-ssl-error))
            (check "why" (contains? (condition-message e) "plaintext"))
            (check "closed" (socket-down? socket))))))
