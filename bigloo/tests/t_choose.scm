;; t_choose.scm: servers that look at the client's hello, and choose.
(module t_choose
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (server choose . options)
   (apply make-ssl-server-socket 0 :name "127.0.0.1" :choose choose (append (files "good") options)))

(define (client server name . options)
   (apply make-ssl-client-socket "127.0.0.1" (socket-port-number server)
      :hostname name :CAs (list (pki "root.pem")) options))

;; The subject of the certificate that a client gets who asks for `name`.
(define (shown server name . options)
   (let* ((t (accept-one server echo-lines))
          (c (apply client server name options))
          (subject (certificate-subject (ssl-socket-peer-certificate c))))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-fine "server" (join t))
      subject))

(define (by-name . protocol)
   (let ((b (apply make-ssl-config (append (files "host-b") protocol))))
      (lambda (hello)
         (if (equal? (ssl-hello-server-name hello) "b.test") b #t))))

(define-case "a configuration, or #t for the server's own"
   (let ((s (server (by-name))))
      (check-equal "chosen" (shown s "b.test") "host-b")
      (check-equal "the server's" (shown s "localhost") "good")
      (socket-close s)))

(define-case "the same over datagrams"
   (let ((s (server (by-name :protocol 'dtls) :protocol 'dtls)))
      (check-equal "chosen" (shown s "b.test" :protocol 'dtls) "host-b")
      (check-equal "the server's" (shown s "localhost" :protocol 'dtls) "good")
      (socket-close s)))

(define-case "beside :config, for streams and datagrams"
   (for-each (lambda (protocol)
                (let* ((own (apply make-ssl-config :protocol protocol (files "good")))
                       (s (make-ssl-server-socket 0 :name "127.0.0.1" :config own
                             :choose (by-name :protocol protocol))))
                   (check-equal "chosen" (shown s "b.test" :protocol protocol) "host-b")
                   (check-equal "the server's" (shown s "localhost" :protocol protocol) "good")
                   (socket-close s)))
      '(sslv23 dtls)))

(define-case "#f refuses the client, as :accept-failure has it"
   (let* ((told #f)
          (s (server (lambda (hello) (string=? (ssl-hello-server-name hello) "localhost"))
                :accept-failure (lambda (e) (set! told e))))
          (before (descriptors))
          (t (accept-one s echo-lines))
          (e (raised (lambda () (client s "b.test")))))
      (check "the client is told" (isa? e &io-ssl-error))
      (check-equal "by an alert" (with-access::&io-ssl-error e (alert) alert) 112)
      (let ((c (client s "localhost")))
         (check-equal "the next one is served" (ask c "x") "x")
         (socket-close c))
      (check-fine "server" (join t))
      (check "told" (isa? told &io-ssl-error))
      (check "in words" (contains? (condition-message told) "refused"))
      (check-equal "descriptors" (descriptors) before)
      (socket-close s)))

(define-case "what the procedure raises comes out of socket-accept, and the connection is closed"
   (let* ((s (server (lambda (hello) (error "choose" "not today" hello))
                :accept-failure 'skip))
          (before (descriptors))
          (t (spawn (guarded (lambda () (raised (lambda () (socket-accept s))))))))
      (check "the client" (isa? (raised (lambda () (client s "localhost"))) &io-error))
      (let ((e (join t)))
         (check "the procedure's" (isa? e &error))
         (check-equal "message" (condition-message e) "not today"))
      (check-equal "descriptors" (descriptors) before)
      (socket-close s)))

(define-case "the procedure may escape"
   (let* ((leave #f)
          (s (server (lambda (hello) (leave (ssl-hello-server-name hello)))))
          (before (descriptors))
          (t (spawn (guarded (lambda ()
                                (bind-exit (escape)
                                   (set! leave escape)
                                   (socket-accept s)))))))
      (check "the client" (isa? (raised (lambda () (client s "b.test"))) &io-error))
      (check-equal "escaped" (join t) "b.test")
      (check-equal "descriptors" (descriptors) before)
      (socket-close s)))

(define-case "what is no choice is an error"
   (let* ((s (server (lambda (hello) 'what)))
          (t (spawn (guarded (lambda () (raised (lambda () (socket-accept s))))))))
      (raised (lambda () (client s "localhost")))
      (check-equal "message" (condition-message (join t)) "choose must return a configuration, #t or #f")
      (check-raises "arity" &error (lambda () (server (lambda () #t))))
      (check-raises "type" &error (lambda () (server 'choose)))
      (socket-close s)))

(define-case "a client that says nothing, or something else, is a failure of its own"
   (let* ((told '())
          (s (server (lambda (hello) #t) :handshake-timeout 300000
                :accept-failure (lambda (e) (set! told (cons e told)))))
          (t (accept-one s echo-lines))
          (silent (make-client-socket "127.0.0.1" (socket-port-number s)))
          (loud (make-client-socket "127.0.0.1" (socket-port-number s))))
      (display "GET / HTTP/1.0\r\n\r\n" (socket-output loud))
      (flush-output-port (socket-output loud))
      (let ((c (client s "localhost")))
         (check-equal "served" (ask c "x") "x")
         (socket-close c))
      (check-fine "server" (join t))
      (check-equal "two failures" (length told) 2)
      (check "a time-out" (any (lambda (e) (isa? e &io-timeout-error)) told))
      (for-each socket-close (list silent loud s))))

(define-case "with :lazy-handshake the handshake is left to the program"
   (let* ((s (server (by-name) :lazy-handshake #t))
          (t (accept-one s (lambda (c)
                              (let ((before (ssl-socket-protocol c)))
                                 (ssl-socket-handshake! c)
                                 (let ((after (ssl-socket-protocol c)))
                                    (echo-lines c)
                                    (cons before after))))))
          (c (client s "b.test")))
      (check-equal "chosen" (certificate-subject (ssl-socket-peer-certificate c)) "host-b")
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-equal "before and after" (join t) '(#f . "TLSv1.3"))
      (socket-close s)))

(define-case "the hello is there over datagrams, too"
   (let* ((s (make-ssl-server-socket 0 :name "127.0.0.1" :protocol 'dtls :lazy-handshake #t
                :cert (pki "good.pem") :pkey (pki "good.key")))
          (t (accept-one s (lambda (c)
                              (let ((hello (ssl-socket-hello c)))
                                 (echo-lines c)
                                 (list (ssl-hello-server-name hello)
                                    (string-ref (ssl-hello-ja4 hello) 0))))))
          (c (client s "localhost" :protocol 'dtls)))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-equal "seen" (join t) '("localhost" #\d))
      (socket-close s)))

(define-case "datagrams: :choose is asked also after ssl-server-socket-config-set!"
   (let* ((seen 0)
          (config (apply make-ssl-config :protocol 'dtls (files "good")))
          (s (apply make-ssl-server-socket 0 :name "127.0.0.1" :protocol 'dtls
                :choose (lambda (hello) (set! seen (+fx seen 1)) #t)
                (files "good"))))
      (define (serve)
         (let* ((t (accept-one s echo-lines))
                (c (client s "localhost" :protocol 'dtls)))
            (input-port-timeout-set! (socket-input c) 5000000)
            (check-equal "echo" (ask c "x") "x")
            (socket-close c)
            (join t)))
      (serve)
      (ssl-server-socket-config-set! s config)
      (serve)
      (check-equal "seen" seen 2)
      (socket-close s)))
