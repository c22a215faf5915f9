;; t_resumption.scm: clients that resume sessions, by themselves or as the program says.
(module t_resumption
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; Serves `n` clients, one after the other; gives how many sessions were resumed.
(define (serve server n)
   (spawn (guarded (lambda ()
                      (let loop ((i 0) (resumed 0))
                         (if (=fx i n)
                             resumed
                             (let* ((s (socket-accept server))
                                    (reused (begin
                                               (echo-lines s)
                                               (ssl-socket-session-reused? s))))
                                (loop (+fx i 1) (if reused (+fx resumed 1) resumed)))))))))

(define (verified-client server . options)
   (apply connect-to server :verify #t :CAs (CA) options))

;; Whether a session was resumed.
(define (visit client)
   (check-equal "echo" (ask client "x") "x")
   (let ((reused (ssl-socket-session-reused? client)))
      (socket-close client)
      reused))

(define (visits n server-options . client-options)
   (let* ((server (apply test-server server-options))
          (thread (serve server n)))
      (let loop ((i 0))
         (when (<fx i n)
            (visit (apply connect-to server client-options))
            (loop (+fx i 1))))
      (let ((resumed (check-fine "the server" (join thread))))
         (socket-close server)
         resumed)))

(define-case "ten pages from one host make one full handshake"
   (for-each (lambda (protocol)
                (check-equal protocol
                   (visits 10 (list :protocol protocol) :verify #t :CAs (CA) :protocol protocol)
                   9))
      '(tlsv1_2 tlsv1_3 dtls)))

(define-case "a client that verifies no name resumes if it is asked to"
   (check-equal "chain only" (visits 2 '() :CAs (CA)) 0)
   (check-equal "nothing" (visits 2 '()) 0)
   (check-equal "asked" (visits 2 '() :CAs (CA) :resume #t) 1))

(define-case "resumption can be turned off, and forgotten"
   (check-equal "off" (visits 2 '() :verify #t :CAs (CA) :resume #f) 0)
   (let* ((server (test-server))
          (thread (serve server 3)))
      (check-equal "first" (visit (verified-client server)) #f)
      (check-equal "second" (visit (verified-client server)) #t)
      (ssl-forget-sessions!)
      (check-equal "forgotten" (visit (verified-client server)) #f)
      (check-fine "the server" (join thread))
      (socket-close server)))

(define-case "STARTTLS resumes"
   (let* ((server (make-server-socket 0))
          (upgrade (lambda (s)
                      (server-socket-use-ssl! s :cert (test-certificate "good") :pkey (test-key "good"))
                      (echo-lines s)))
          (meet (lambda ()
                   (let* ((thread (accept-one server upgrade))
                          (c (make-client-socket "localhost" (socket-port-number server))))
                      (client-socket-use-ssl! c :verify #t :CAs (CA) :hostname "localhost")
                      (let ((reused (visit c)))
                         (check-fine "the server" (join thread))
                         reused)))))
      (check-equal "first" (meet) #f)
      (check-equal "second" (meet) #t)))

;; A session, from a client that keeps none.
(define (session-of server . options)
   (let ((c (apply verified-client server :resume #f options)))
      (check-equal "echo" (ask c "x") "x")
      (let ((session (ssl-socket-session c)))
         (check "a session" (isa? session ssl-session))
         (socket-close c)
         session)))

(define-case "a session is given to a connection"
   (for-each (lambda (protocol)
                (let* ((server (test-server :protocol protocol))
                       (thread (serve server 3))
                       (session (session-of server :protocol protocol))
                       (given (lambda (name)
                                 (visit (apply connect-to server :verify #t :CAs (CA) :resume #f
                                           :protocol protocol :session session
                                           (if name (list :hostname name) '()))))))
                   (check-equal (cons protocol "given") (given #f) #t)
                   (check-equal (cons protocol "under another name") (given "127.0.0.1") #f)
                   (check-fine "the server" (join thread))
                   (socket-close server)))
      '(tlsv1_2 tlsv1_3 dtls)))

(define-case "a session is given to a socket that is switched to TLS"
   (let* ((tls (test-server))
          (thread (serve tls 1))
          (session (session-of tls)))
      (check-fine "the server" (join thread))
      (socket-close tls)
      (let* ((server (make-server-socket 0))
             (thread (accept-one server
                        (lambda (s)
                           (server-socket-use-ssl! s :cert (test-certificate "good")
                              :pkey (test-key "good"))
                           (echo-lines s))))
             (c (make-client-socket "localhost" (socket-port-number server))))
         (client-socket-use-ssl! c :verify #t :CAs (CA) :hostname "localhost" :session session)
         (check-equal "given" (visit c) #t)
         (check-fine "the server" (join thread))
         (socket-close server))))

(define-case "sessions go into strings and back"
   (let* ((server (test-server))
          (thread (serve server 2))
          (session (session-of server))
          (bytes (ssl-session->string session))
          (config (make-ssl-config :role 'client :verify #t :CAs (CA)))
          (other (make-ssl-config :role 'client :verify #t :CAs (list (test-certificate "root2"))))
          (read (string->ssl-session bytes :config config :host "localhost")))
      (check "an end" (> (date->seconds (ssl-session-expiry read)) (current-seconds)))
      (check-equal "the same end" (date->seconds (ssl-session-expiry read))
         (date->seconds (ssl-session-expiry session)))
      (check-raises "another host" &error
         (lambda () (string->ssl-session bytes :config config :host "elsewhere")))
      (check-raises "another configuration" &error
         (lambda () (string->ssl-session bytes :config other :host "localhost")))
      (check-raises "no session" &error
         (lambda () (string->ssl-session "nonsense" :config config :host "localhost")))
      (check-raises "a server's configuration" &error
         (lambda ()
            (string->ssl-session bytes :host "localhost"
               :config (make-ssl-config :cert (test-certificate "good") :pkey (test-key "good")))))
      (check-raises "no host" &error (lambda () (string->ssl-session bytes :config config)))
      (check-equal "resumed" (visit (connect-to server :config config :session read)) #t)
      (check-fine "the server" (join thread))
      (socket-close server)))

(define-case "a session in a string is read for a configuration with a procedure that verifies"
   (let* ((server (test-server))
          (thread (serve server 2))
          (bytes (ssl-session->string (session-of server)))
          (calls 0)
          (config (make-ssl-config :role 'client :verify #t :CAs (CA)
                     :verify-peer (lambda (chain error host)
                                     (set! calls (+fx calls 1))
                                     #t)))
          (read (string->ssl-session bytes :config config :host "localhost")))
      (check-equal "resumed" (visit (connect-to server :config config :session read)) #t)
      (check-equal "calls" calls 1)
      (check-fine "the server" (join thread))
      (socket-close server)))

(define-case "what is no session is refused"
   (check-raises "a string" &error
      (lambda () (make-ssl-client-socket "localhost" 1 :session "nonsense")))
   (let ((server (test-server)))
      (check-raises "of a server" &error (lambda () (ssl-socket-session server)))
      (socket-close server)))
