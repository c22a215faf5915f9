;; t_connecting.scm: proxies, Unix sockets, names beside a configuration.
(module t_connecting
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; ---- Unix sockets ----

(define (socket-name)
   (make-file-name (os-tmp) (string-append "bglssl-" (integer->string (getpid)) ".sock")))

(define (unix-server name . options)
   (apply make-ssl-server-socket 0 :name name :domain 'unix
      :cert (test-certificate "good") :pkey (test-key "good") options))

(define (unix-client name . options)
   (apply make-ssl-client-socket name 0 :domain 'unix options))

(define (check-echo-over name)
   (let* ((server (unix-server name))
          (t (accept-one server echo-lines))
          (c (unix-client name :CAs (CA) :hostname "localhost")))
      (check-equal "echo" (ask c "x") "x")
      (check-equal "port" (socket-port-number c) -1)
      (check-equal "server's port" (socket-port-number server) -1)
      (socket-close c)
      (check-fine "server" (join t))
      (socket-close server)))

(define-case "a client and a server talk over a file, which is gone afterwards"
   (let ((name (socket-name)))
      (check-echo-over name)
      (check "no file" (not (file-exists? name)))
      ;; As with Bigloo's own sockets, both names of the domain.
      (let ((server (make-ssl-server-socket :name name :domain 'local :mode #o600)))
         (check "file" (file-exists? name))
         (check-equal "mode" (bit-and (file-mode name) #o777) #o600)
         (socket-close server))))

(define-case "a client and a server talk by an abstract name"
   (let ((name (string-append "@bglssl-" (integer->string (getpid)))))
      (check-echo-over name)
      (check-echo-over (string-append (string #a000) (substring name 1 (string-length name))))
      (check-echo-over (string-append name (make-string (-fx 108 (string-length name)) #\l)))))

(define-case "names that cannot be are refused"
   (check-raises "none" &error (lambda () (make-ssl-server-socket 0 :domain 'unix)))
   (check-raises "NUL" &error (lambda () (unix-client (string #\a #a000))))
   (check-raises "empty" &error (lambda () (unix-client "")))
   (check-raises "empty and abstract" &error (lambda () (unix-client "@")))
   (check-raises "long and abstract" &error (lambda () (unix-client (string-append "@" (make-string 108 #\a)))))
   (let ((e (check-raises "missing" &io-file-not-found-error (lambda () (unix-client "/no/such/socket")))))
      (check-equal "where" (condition-object e) "/no/such/socket"))
   (check-raises "long" &error (lambda () (unix-client (make-string 200 #\a))))
   (check-raises "long" &error (lambda () (unix-server (make-string 200 #\a))))
   (check-raises "mode" &error (lambda () (unix-server (socket-name) :mode -1)))
   (check-raises "datagrams" &io-ssl-error (lambda () (unix-server (socket-name) :protocol 'dtls))))

(define-case "a server over a file refuses those who present nothing, and names itself"
   (let* ((name (socket-name))
          (server (unix-server name :CAs (CA) :accept-failure 'raise))
          (t (accept-one server echo-lines))
          (c ((guarded (lambda () (unix-client name))))))
      (let ((e (join t)))
         (check "failed" (isa? e &error))
         (check "names it" (contains? (condition-message e) name)))
      (when (socket? c) (socket-close c))
      (socket-close server)))

;; ---- proxies ----

(define (with-proxy handler)
   (let* ((port (free-port))
          (proxy (start-program "ready" "python3" (string-append (getenv "BGLSSL_TEST_PEERS") "/peer_proxy.py")
                     (integer->string port))))
      (unwind-protect
         (handler proxy (string-append "127.0.0.1:" (integer->string port)))
         (stop-program proxy))))

(define-case "a client goes through a proxy, and only the proxy is given the user"
   (with-proxy
      (lambda (proxy address)
         (let* ((server (test-server))
                (t (accept-one server echo-lines))
                (c (connect-to server :proxy (string-append "http://me:p%40ss@" address))))
            (check-equal "echo" (ask c "x") "x")
            (check "asked" (contains? (read-line (process-output-port proxy)) "Basic bWU6cEBzcw=="))
            (socket-close c)
            (check-fine "server" (join t))
            (socket-close server)))))

(define-case "a configuration has the proxy of its connections, and each its name"
   (with-proxy
      (lambda (proxy address)
         (let* ((server (test-server))
                (port (socket-port-number server))
                (config (make-ssl-config :role 'client :CAs (CA) :verify #t
                           :proxy (string-append "http://" address)))
                (t (accept-one server echo-lines))
                (c (make-ssl-client-socket "127.0.0.1" port :config config :hostname "localhost")))
            (check-equal "echo" (ask c "x") "x")
            (check "asked" (contains? (read-line (process-output-port proxy)) "CONNECT 127.0.0.1:"))
            (socket-close c)
            (check-fine "server" (join t))
            (let ((t (accept-one server echo-lines)))
               (check-raises "another name" &io-ssl-error
                  (lambda ()
                     (make-ssl-client-socket "127.0.0.1" port :config config :hostname "other.example")))
               (join t))
            (socket-close server)))))

(define-case "a name beside a configuration is the one that is verified"
   (let* ((server (test-server))
          (port (socket-port-number server))
          (config (make-ssl-config :role 'client :CAs (CA) :verify #t))
          (t (accept-one server echo-lines))
          (c (make-ssl-client-socket "127.0.0.1" port :config config :hostname "localhost")))
      (check-equal "echo" (ask c "x") "x")
      (socket-close c)
      (join t)
      (let ((t (accept-one server echo-lines)))
         (check-raises "another name" &io-ssl-error
            (lambda () (make-ssl-client-socket "localhost" port :config config :hostname "other.example")))
         (join t))
      (socket-close server)))

;; The network name does not exist: nobody looks for it.
(define-case "datagrams go through no proxy"
   (let ((e (check-raises "refused" &io-ssl-error
               (lambda ()
                  (make-ssl-client-socket "host.invalid" 443 :protocol 'dtls :proxy "http://127.0.0.1:1")))))
      (check "words" (contains? (condition-message e) "DTLS cannot go through the proxy"))))

(define-case "a proxy's refusal is told, and the password is not"
   (with-proxy
      (lambda (proxy address)
         (let ((e (check-raises "refused" &io-ssl-error
                     (lambda ()
                        (make-ssl-client-socket "refuse" 443
                           :proxy (string-append "http://me:secret@" address))))))
            (check "words" (contains? (condition-message e) "403 Not to this one"))
            (check "proxy" (contains? (condition-message e) address))
            (check "no password" (not (contains? (condition-message e) "secret")))))))

(define-case "a proxy that says nothing is left in time"
   (with-proxy
      (lambda (proxy address)
         (check-raises "time" &io-timeout-error
            (lambda ()
               (make-ssl-client-socket "silent" 443 :timeout 200000
                  :proxy (string-append "http://" address)))))))

(define-case "a proxy that says nothing is left in time, beside a configuration, too"
   (let* ((proxy (silent-server))
          (config (make-ssl-config :role 'client
                     :proxy (string-append "http://127.0.0.1:" (number->string (socket-port-number proxy))))))
      (check "in time"
         (<llong (duration
                 (lambda ()
                    (check-raises "time-out" &io-timeout-error
                       (lambda () (make-ssl-client-socket "silent" 443 :timeout 200000 :config config)))))
            #l10000000))
      (socket-close proxy)))

(define-case "a thread that waits for a proxy may be terminated"
   (with-proxy
      (lambda (proxy address)
         (let ((t (spawn (lambda ()
                            (make-ssl-client-socket "silent" 443 :proxy (string-append "http://" address))))))
            (read-line (process-output-port proxy))
            (thread-terminate! t)
            (check "terminated" (isa? (raised (lambda () (join t))) terminated-thread-exception))))))

(define-case "proxies that cannot be are refused, and their URLs are not shown"
   (for-each (lambda (proxy)
                (let ((e (raised (lambda () (make-ssl-client-socket "localhost" 443 :proxy proxy)))))
                   (check "raises" (isa? e &error))
                   (check "not shown" (not (contains? (condition-message e) "secret")))
                   (check "not shown" (not (and (string? (condition-object e))
                                                (contains? (condition-object e) "secret"))))))
      (list "socks4://me:secret@h" "http://me:secret@h/x" "http://me:secret@" 5
         (string-append "http://me:secret@h" (string #a000))))
   (check-raises "server" &error (lambda () (make-ssl-server-socket 0 :proxy "http://h")))
   (check-raises "server's" &error (lambda () (make-ssl-config :role 'server :proxy "http://h")))
   (check-raises "switch" &error
      (lambda ()
         (client-socket-use-ssl! (make-client-socket "localhost" (socket-port-number (silent-server)))
            :proxy "http://h"))))
