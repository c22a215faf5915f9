;; t_sessions.scm: sessions of servers: tickets, their keys, a cache, none.
(module t_sessions
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (server port . options)
   (apply make-ssl-server-socket port :name "127.0.0.1"
      :cert (pki "good.pem") :pkey (pki "good.key") options))

;; Whether a client that connects now resumes what it has.
(define (resumed? server . options)
   (let* ((t (accept-one server (lambda (s) (echo-lines s))))
          (c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number server)
                :hostname "localhost" :verify #t :CAs (list (pki "root.pem")) options)))
      (check-equal "echo" (ask c "x") "x")
      (let ((resumed (cdr (assq 'resumed? (ssl-socket-info c)))))
         (socket-close c)
         (join t)
         resumed)))

(define (check-sessions what wanted . options)
   (for-each (lambda (version)
                (let ((s (apply server 0 :min-protocol version :max-protocol version options)))
                   (check-equal (list what version "first") (resumed? s) #f)
                   (check-equal (list what version "second") (resumed? s) wanted)
                   (socket-close s)))
      '(tlsv1_2 tlsv1_3)))

(define-case "sessions are in tickets, in a cache or nowhere"
   (check-sessions "default" #t)
   (check-sessions "tickets" #t :sessions 'tickets :tickets 4 :session-lifetime (seconds 3600))
   (check-sessions "cache" #t :sessions 'cache :session-cache '(100 100000))
   (check-sessions "none" #f :sessions #f)
   (check-sessions "no tickets" #f :tickets 0))

(define (secret-of letter)
   (make-string 32 letter))

(define (keys letter)
   (make-ssl-ticket-keys :secret (secret-of letter)))

(define-case "a server with the same secret goes on where another has ended"
   (let* ((s (server 0 :ticket-keys (keys #\a)))
          (port (socket-port-number s)))
      (check-equal "first" (resumed? s) #f)
      (socket-close s)
      (let ((s (server port :ticket-keys (keys #\a))))
         (check-equal "same secret" (resumed? s) #t)
         (socket-close s))
      (let ((s (server port :ticket-keys (keys #\b))))
         (check-equal "other secret" (resumed? s) #f)
         (socket-close s))))

(define (key-file name key)
   (call-with-output-file name (lambda (port) (display key port)))
   name)

(define-case "keys come from files, and are added while they are used"
   (let* ((key (string-append (make-string 16 #\k) (make-string 64 #\x)))
          (file (key-file (string-append (getenv "BGLSSL_TEST_PKI") "/t_sessions."
                             (number->string (getpid)) ".key")
                   key))
          (from-file (make-ssl-ticket-keys :files file))
          (added (make-ssl-ticket-keys :period (seconds 3600)))
          (s (server 0 :ticket-keys from-file))
          (port (socket-port-number s)))
      (check-equal "first" (resumed? s) #f)
      (socket-close s)
      (let ((s (server port :ticket-keys added)))
         (check "the keys themselves" (eq? (ssl-ticket-keys-add! added key) added))
         (check-equal "resumed by the key that was added" (resumed? s) #t)
         (check "the keys themselves" (eq? (ssl-ticket-keys-add-file! added file) added))
         (socket-close s))
      (delete-file file)
      (check-raises "a file that is not there" &io-file-not-found-error
         (lambda () (make-ssl-ticket-keys :files (list file))))))

(define-case "a configuration may have keys, and another one the same"
   (let* ((k (keys #\c))
          (make (lambda (letter)
                   (make-ssl-config :cert (pki "good.pem") :pkey (pki "good.key")
                      :ticket-keys (if letter (keys letter) k))))
          (s (make-ssl-server-socket 0 :name "127.0.0.1" :config (make #f))))
      (check-equal "first" (resumed? s) #f)
      (ssl-server-socket-config-set! s (make #f))
      (check-equal "same keys" (resumed? s) #t)
      (ssl-server-socket-config-set! s (make #\d))
      (check-equal "other keys" (resumed? s) #f)
      (socket-close s)))

;; The names of the keys of the tickets that the client offers.
(define-case "the hello tells what the client would resume"
   (let* ((k (make-ssl-ticket-keys))
          (name (make-string 16 #\n))
          (s (begin
                (ssl-ticket-keys-add! k (string-append name (make-string 64 #\x)))
                (server 0 :ticket-keys k :lazy-handshake #t)))
          (offered (lambda ()
                      (let* ((t (spawn (guarded
                                          (lambda ()
                                             (let* ((a (socket-accept s))
                                                    (identities (ssl-hello-psk-identities (ssl-socket-hello a))))
                                                (echo-lines a)
                                                (map (lambda (i) (substring i 0 16)) identities))))))
                             (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                                   :hostname "localhost" :verify #t :CAs (list (pki "root.pem")))))
                         (check-equal "echo" (ask c "x") "x")
                         (socket-close c)
                         (check-fine "the server" (join t))))))
      (check-equal "first" (offered) '())
      (check-equal "second" (offered) (list name))
      (socket-close s)))

(define-case "hosts have sessions of their own"
   (let ((s (server 0 :hosts `(("localhost" :cert ,(pki "good.pem") :pkey ,(pki "good.key") :sessions #f)))))
      (check-equal "first" (resumed? s) #f)
      (check-equal "second" (resumed? s) #f)
      (socket-close s)))

(define (refused what . options)
   (check what (isa? (raised (lambda () (socket-close (apply server 0 options)))) &error)))

(define-case "what cannot be is refused"
   (refused "sessions" :sessions 'elsewhere)
   (refused "tickets" :tickets 17)
   (refused "tickets" :tickets -1)
   (refused "tickets" :tickets "2")
   (refused "session-lifetime" :session-lifetime 0)
   (refused "session-lifetime" :session-lifetime (seconds (* 8 24 3600)))
   (refused "session-cache" :session-cache 100)
   (refused "session-cache" :session-cache '(0 4096))
   (refused "session-id-context" :session-id-context 5)
   (refused "session-id-context" :session-id-context (make-string 33 #\x))
   (refused "session-id-context" :session-id-context "x" :CAs (list (pki "root.pem")))
   (refused "ticket-keys" :ticket-keys "secret")
   (refused "unknown" :ticket-kees (keys #\a))
   (for-each (lambda (make) (check "keys" (isa? (raised make) &error)))
      (list (lambda () (make-ssl-ticket-keys :secret (make-string 31 #\x)))
         (lambda () (make-ssl-ticket-keys :secret 5))
         (lambda () (make-ssl-ticket-keys :period 1))
         (lambda () (make-ssl-ticket-keys :period "long"))
         (lambda () (ssl-ticket-keys-add! (make-ssl-ticket-keys) "short"))
         (lambda () (ssl-ticket-keys-add! (keys #\a) (make-string 80 #\x))))))
