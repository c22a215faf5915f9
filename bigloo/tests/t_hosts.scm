;; t_hosts.scm: servers with many names, configurations as objects, the client's hello.
(module t_hosts
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

(define (server . options)
   (apply make-ssl-server-socket 0 :name "127.0.0.1" (append (files "good") options)))

;; The subject of the certificate that a client gets who asks for `name`.
(define (shown server name . options)
   (let* ((t (accept-one server (lambda (s) (echo-lines s))))
          (c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number server)
                :hostname name :CAs (list (pki "root.pem")) :resume #f options))
          (subject (certificate-subject (ssl-socket-peer-certificate c))))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (join t)
      subject))

(define-case "hosts have certificates of their own"
   (let ((s (server :hosts `(("a.test" ,@(files "host-a"))
                             ("*.wild.test" ,@(files "host-wild"))))))
      (check-equal "exact" (shown s "a.test") "host-a")
      (check-equal "wildcard" (shown s "x.wild.test") "host-wild")
      (check-equal "default" (shown s "localhost") "good")
      (socket-close s)))

(define-case "a host's configuration may be an object, and a maker's too"
   (let* ((b (apply make-ssl-config (files "host-b")))
          (c (apply make-ssl-config :hosts `(("b.test" ,b)) (files "good")))
          (s (make-ssl-server-socket 0 :name "127.0.0.1" :config c)))
      (check "it is one" (isa? c ssl-config))
      (check-equal "host" (shown s "b.test") "host-b")
      (check-equal "default" (shown s "localhost") "good")
      (socket-close s)))

(define-case "a client's configuration serves for many connections"
   (let ((s (server))
         (c (make-ssl-config :role 'client :hostname "localhost" :CAs (list (pki "root.pem")))))
      (for-each (lambda (i)
                   (let* ((t (accept-one s (lambda (s) (echo-lines s))))
                          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :config c)))
                      (check-equal "echo" (ask c "x") "x")
                      (socket-close c)
                      (join t)))
         (iota 3))
      (check-raises "of the other role" &error
         (lambda () (make-ssl-server-socket 0 :config c)))
      (socket-close s)))

;; A program that says :verify #t beside a configuration that verifies nothing must hear of it.
(define-case "what a configuration says is not said again beside it"
   (let ((client (make-ssl-config :role 'client :verify #f))
         (own (apply make-ssl-config (files "good"))))
      (for-each (lambda (options)
                   (check-raises (format "~s" options) &error
                      (lambda () (apply make-ssl-client-socket "127.0.0.1" 1 :config client options))))
         `((:verify #t) (:verify #f) (:CAs ,(pki "root.pem")) (:accepted-certs (,(pki "good.pem"))) (:alpn "h2")
           (:protocol tlsv1_2) (:min-protocol tlsv1_3) (:max-protocol tlsv1_2) (:ciphers "HIGH") (:groups "X25519")
           ,(files "client")))
      (for-each (lambda (options)
                   (check-raises (format "~s" options) &error
                      (lambda () (apply make-ssl-server-socket 0 :name "127.0.0.1" :config own options))))
         `(,(files "good") (:verify #t) (:CAs ,(pki "root.pem")) (:alpn "h2") (:unknown-host refuse)
           (:identities ((,(pki "host-a.pem") ,(pki "host-a.key"))))
           (:hosts (("a.test" ,@(files "host-a"))))))))

(define-case "further certificates are chosen by name"
   (let ((s (server :identities (list (list (pki "host-a.pem") (pki "host-a.key"))
                                      (list (pki "host-b.pem") (pki "host-b.key"))))))
      (check-equal "second" (shown s "b.test") "host-b")
      (check-equal "first" (shown s "a.test") "host-a")
      (check-equal "default" (shown s "localhost") "good")
      (socket-close s)))

(define-case "a host demands certificates, and others do not"
   (let ((s (server :accept-failure 'skip
               :hosts `(("a.test" ,@(files "host-a") :CAs ,(list (pki "root.pem")) :verify #t)))))
      (check-equal "with one" (apply shown s "a.test" (files "client")) "host-a")
      (check-equal "others" (shown s "localhost") "good")
      (let ((t (spawn (guarded (lambda () (echo-lines (socket-accept s)))))))
         (check "without" 
            (raised (lambda ()
                       (let ((c (make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                                   :hostname "a.test" :CAs (list (pki "root.pem")))))
                          (ask c "x")))))
         (check-equal "the server goes on" 
            (let ((c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :hostname "localhost"
                        :CAs (list (pki "root.pem")))))
               (let ((answer (ask c "y"))) (socket-close c) answer))
            "y")
         (join t))
      (socket-close s)))

(define-case "unknown hosts are refused where that is wanted"
   (let* ((s (server :unknown-host 'refuse :hosts `(("a.test" ,@(files "host-a")))))
          (t (spawn (lambda () (raised (lambda () (socket-accept s)))))))
      (check-raises "the client" &io-ssl-error
         (lambda () (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :hostname "c.test"
                       :CAs (list (pki "root.pem")))))
      (check "the server" (isa? (join t) &io-ssl-error))
      (check-equal "a known one" (shown s "a.test") "host-a")
      (socket-close s)))

(define-case "wrong hosts are refused"
   (check-raises "no name" &error (lambda () (server :hosts '((:cert "x")))))
   (check-raises "no list" &error (lambda () (server :hosts 'a)))
   (check-raises "no certificate" &io-ssl-error (lambda () (server :hosts '(("a.test" :alpn "h2")))))
   (check-raises "a pattern" &error (lambda () (server :hosts `(("a*.test" ,@(files "host-a"))))))
   (check-raises "the policy" &error (lambda () (server :unknown-host 'perhaps))))

(define-case "another configuration serves later clients, and sessions go on"
   (let ((s (server))
         (c (apply make-ssl-config (files "dns-only"))))
      (check-equal "before" (shown s "localhost") "good")
      (ssl-server-socket-config-set! s c)
      (check-equal "after" (certificate-name-of s) "dns-only")
      (socket-close s)))

(define (certificate-name-of s)
   (shown s "localhost"))

(define (replace-file from to)
   (with-output-to-file to
      (lambda () (display (call-with-input-file from read-string)))))

(define-case "files are read again"
   (let* ((dir (string-append (os-tmp) "/bglssl-hosts-" (number->string (getpid))))
          (made (make-directory dir))
          (cert (make-file-name dir "live.pem"))
          (key (make-file-name dir "live.key")))
      (replace-file (pki "good.pem") cert)
      (replace-file (pki "good.key") key)
      (let ((s (make-ssl-server-socket 0 :name "127.0.0.1" :cert cert :pkey key)))
         (check-equal "before" (shown s "localhost") "good")
         (replace-file (pki "dns-only.pem") cert)
         (check-raises "half of it" &io-ssl-error (lambda () (ssl-server-socket-reload! s)))
         (check-equal "still" (shown s "localhost") "good")
         (replace-file (pki "dns-only.key") key)
         (ssl-server-socket-reload! s)
         (check-equal "after" (shown s "localhost") "dns-only")
         (socket-close s))
      (delete-file cert)
      (delete-file key)
      (delete-directory dir)))

(define-case "the hello is there before the handshake"
   (let* ((s (server :lazy-handshake #t))
          (b (apply make-ssl-config (files "host-b")))
          (t (spawn (guarded
                       (lambda ()
                          (let* ((c (socket-accept s))
                                 (hello (ssl-socket-hello c)))
                             (ssl-socket-config-set! c b)
                             (echo-lines c)
                             (list (ssl-hello-server-name hello) (ssl-hello-alpn hello)
                                (pair? (ssl-hello-ciphers hello)) (pair? (ssl-hello-groups hello))
                                (memq #x304 (ssl-hello-versions hello))
                                (pair? (ssl-hello-signature-algorithms hello))
                                (string-length (ssl-hello-ja4 hello))))))))
          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :hostname "b.test"
                :alpn '("h2" "x") :CAs (list (pki "root.pem")))))
      (check-equal "shown" (certificate-subject (ssl-socket-peer-certificate c)) "host-b")
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (let ((seen (join t)))
         (check-equal "name" (car seen) "b.test")
         (check-equal "protocols" (cadr seen) '("h2" "x"))
         (check "lists" (every (lambda (x) x) (cddr seen)))
         (check-equal "fingerprint" (car (last-pair seen)) 36))
      (socket-close s)))

(define-case "a client is refused by its hello"
   (let* ((s (server :lazy-handshake #t))
          (t (spawn (guarded
                       (lambda ()
                          (let ((c (socket-accept s)))
                             (ssl-socket-hello c)
                             (ssl-socket-refuse! c 49)
                             (socket-close c)
                             #t))))))
      (check-raises "the client" &io-ssl-error
         (lambda () (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :hostname "b.test"
                       :CAs (list (pki "root.pem")))))
      (check-equal "the server" (join t) #t)
      (socket-close s)))

(define-case "a thread that is terminated while it waits for the hello leaves the connection intact"
   (let* ((s (server :lazy-handshake #t))
          (plain (make-client-socket "127.0.0.1" (socket-port-number s)))
          (accepted (socket-accept s))
          (waiting (spawn (guarded (lambda () (ssl-socket-hello accepted))))))
      (sleep 300000)
      (thread-terminate! waiting)
      (with-handler (lambda (e) #f) (thread-join! waiting 5000))
      (let ((t (spawn (guarded (lambda ()
                                  (client-socket-use-ssl! plain :CAs (list (pki "root.pem")) :hostname "localhost")
                                  (sleep 300000)
                                  (ask plain "x"))))))
         (check-equal "line" (read-line (socket-input accepted)) "x")
         (display "x\n" (socket-output accepted))
         (flush-output-port (socket-output accepted))
         (check-equal "answer" (join t) "x"))
      (socket-close plain)
      (socket-close accepted)
      (socket-close s)))

(define-case "after the handshake there is no hello"
   (with-connection '() '() echo-lines
      (lambda (c)
         (check-equal "echo" (ask c "x") "x")
         (check-raises "hello" &io-ssl-error (lambda () (ssl-socket-hello c)))
         (check-raises "refuse" &io-ssl-error (lambda () (ssl-socket-refuse! c)))
         (socket-close c))))

(define-case "a connection serves its own host"
   (let* ((s (server :hosts `(("a.test" ,@(files "host-a") :CAs ,(list (pki "root.pem")) :verify #t))))
          (t (accept-one s (lambda (c)
                              (let ((r (list (ssl-socket-serves-host? c "localhost")
                                          (ssl-socket-serves-host? c "a.test"))))
                                 (echo-lines c)
                                 r))))
          (c (make-ssl-client-socket "127.0.0.1" (socket-port-number s) :hostname "localhost"
                :CAs (list (pki "root.pem")))))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (check-equal "own and other" (join t) '(#t #f))
      (socket-close s)))

;; An empty list accepts nobody.
(define-case "an empty list of accepted certificates beside :config is not ignored"
   (let* ((own (apply make-ssl-config (files "good")))
          (server (make-ssl-server-socket 0 :config own))
          (t (accept-one server socket-close))
          (e (raised (lambda () (connect-to server :config (make-ssl-config :role 'client) :accepted-certs '())))))
      (check "a client's" (isa? e &error))
      (check "a server's"
         (isa? (raised (lambda () (make-ssl-server-socket 0 :config own :accepted-certs '()))) &error))))

;; Without a configuration it turns verification on.
(define-case "a :hostname beside a configuration that verifies nothing is not ignored"
   (let* ((server (make-ssl-server-socket 0 :config (apply make-ssl-config (files "untrusted"))))
          (t (accept-one server socket-close)))
      (check "refused"
         (isa? (raised (lambda () (connect-to server :config (make-ssl-config :role 'client) :hostname "other.test")))
            &error))))
