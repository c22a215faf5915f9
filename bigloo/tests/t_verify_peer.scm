;; t_verify_peer.scm: what the program itself says about its peers, on both ends.
(module t_verify_peer
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (main run-cases))

;; A client's connection to a server with this certificate: what it raises, or fine.
(define (outcome name . options)
   (let* ((s (apply make-ssl-server-socket 0 :name "127.0.0.1" (files name)))
          (t (accept-one s echo-lines))
          (result (bind-exit (return)
                     (with-handler
                        (lambda (e) (return e))
                        (let ((c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                                    :hostname "localhost" :CAs (CA) options)))
                           (check-equal "echo" (ask c "x") "x")
                           (socket-close c)
                           'fine)))))
      ;; However the client ended, the server's side ends, too: nothing was left open.
      (join t)
      (socket-close s)
      result))

(define-case "a client is asked with the chain, what is wrong, and the name"
   (let ((asked #f))
      (check-equal "accepted" 
         (outcome "chained" :verify-peer (lambda (chain error host)
                                            (set! asked (list (map certificate-subject chain) error host))
                                            #t))
         'fine)
      (check-equal "with" asked '(("chained-alone" "intermediate" "root") #f "localhost"))))

(define-case "a client refuses"
   (let ((e (outcome "good" :verify-peer (lambda (chain error host) #f))))
      (check "condition" (isa? e &io-ssl-error))
      (with-access::&io-ssl-error e (msg proc code verify-result)
         (check "words" (contains? msg "the program has refused"))
         (check-equal "proc" proc 'make-ssl-client-socket)
         (check-equal "code" code -8)
         (check-equal "number" verify-result 50))))

(define-case "it is not asked about a server that is refused already"
   (let ((asked #f))
      (check "refused" 
         (isa? (outcome "untrusted" :verify-peer (lambda (chain error host) (set! asked #t) #t)) &io-ssl-error))
      (check "not asked" (not asked))))

(define-case "without a verification the program decides alone"
   (let ((wrong #f))
      (check-equal "accepted" 
         (outcome "untrusted" :verify #f
            :verify-peer (lambda (chain error host) (set! wrong error) (pair? chain)))
         'fine)
      (check "told" (string? wrong))))

(define-case "a resumed handshake is asked about, too"
   (let* ((s (apply make-ssl-server-socket 0 :name "127.0.0.1" (files "chained")))
          (t (spawn (guarded (lambda () (for-each (lambda (i) (echo-lines (socket-accept s))) '(1 2 3))))))
          (asked 0)
          (connect (lambda (answer)
                      (make-ssl-client-socket "127.0.0.1" (socket-port-number s)
                         :hostname "localhost" :CAs (CA)
                         :verify-peer (lambda (chain error host)
                                         (check-equal "chain" (length chain) 3)
                                         (set! asked (+fx asked 1))
                                         answer)))))
      (for-each (lambda (i)
                   (let ((c (connect #t)))
                      (check-equal "echo" (ask c "x") "x")
                      (check-equal "resumed" (cdr (assq 'resumed? (ssl-socket-info c))) (=fx i 1))
                      (socket-close c)))
         '(0 1))
      (check-raises "refused" &io-ssl-error (lambda () (connect #f)))
      (check-equal "asked" asked 3)
      (join t)
      (socket-close s)))

(define-case "a client's procedure may raise and escape"
   (check-equal "raised" (outcome "good" :verify-peer (lambda (chain error host) (raise 'mine))) 'mine)
   (check-equal "escaped" 
      (bind-exit (leave)
         (outcome "good" :verify-peer (lambda (chain error host) (leave 'left))))
      'left))

(define-case "a client's configuration has one"
   (let* ((config (make-ssl-config :role 'client :hostname "localhost" :CAs (CA)
                     :verify-peer (lambda (chain error host) #f)))
          (s (test-server))
          (t (accept-one s echo-lines)))
      (check-raises "refused" &io-ssl-error (lambda () (connect-to s :config config)))
      (join t)
      (socket-close s)))

(define-case "a switched socket has one"
   (multiple-value-bind (client accepted)
      (plain-pair)
      (let ((t (spawn (guarded (lambda ()
                                  (echo-lines (apply server-socket-use-ssl! accepted (files "good"))))))))
         (check-raises "refused" &io-ssl-error
            (lambda ()
               (client-socket-use-ssl! client :hostname "localhost" :CAs (CA)
                  :verify-peer (lambda (chain error host) (not (string=? host "localhost"))))))
         (join t))))

;; ---- servers ----

;; A server that asks about clients with `verify-peer` has seen these, and what its accepting raised.
(define (served verify-peer names . options)
   (let* ((s (apply make-ssl-server-socket 0 :CAs (CA) :verify-peer verify-peer
                (append options (files "good"))))
          (results (map (lambda (name)
                           (let* ((t (accept-one s (lambda (s) (echo-lines s) 'served)))
                                  (asked (raised (lambda ()
                                                    (let ((c (apply connect-to s (files name))))
                                                       (ask c "x")
                                                       (socket-close c))))))
                              (join t)))
                      names)))
      (socket-close s)
      results))

(define-case "a server is asked about its clients"
   (let* ((names '())
          (results (served (lambda (chain error host)
                              (set! names (cons (certificate-subject (car chain)) names))
                              (string=? (certificate-subject (car chain)) "client"))
                      '("client" "client2"))))
      (check-equal "asked" names '("client2" "client"))
      (check-equal "the one" (car results) 'served)
      (check "the other" (isa? (cadr results) &io-ssl-error))
      (check-equal "proc" (condition-proc (cadr results)) 'socket-accept)))

(define-case "a server's procedure may raise, and the server goes on"
   (let* ((first #t)
          (results (served (lambda (chain error host)
                              (if first (begin (set! first #f) (raise 'mine)) #t))
                      '("client" "client"))))
      (check-equal "results" results '(mine served))))

(define-case "a refused client is skipped where that is wanted"
   (let* ((s (apply make-ssl-server-socket 0 :CAs (CA) :accept-failure 'skip
                :verify-peer (lambda (chain error host)
                                (string=? (certificate-subject (car chain)) "client"))
                (files "good")))
          (t (accept-one s (lambda (s) (echo-lines s) 'served))))
      (raised (lambda () (ask (apply connect-to s (files "client2")) "x")))
      (let ((c (apply connect-to s (files "client"))))
         (check-equal "echo" (ask c "x") "x")
         (socket-close c))
      (check-equal "served" (join t) 'served)
      (socket-close s)))

(define-case "a server over datagrams is asked, too"
   (let* ((s (apply make-ssl-server-socket 0 :name "127.0.0.1" :protocol 'dtls :CAs (CA)
                :verify-peer (lambda (chain error host) #f)
                (files "good")))
          (t (spawn (guarded (lambda () (socket-accept s)))))
          (c (apply make-ssl-client-socket "127.0.0.1" (socket-port-number s) :protocol 'dtls
                (files "client"))))
      (check "refused" (isa? (join t) &io-ssl-error))
      (socket-close c)
      (socket-close s)))

(define-case "what would never be asked is refused"
   (define (never chain error host) #f)
   (let ((config (apply make-ssl-config :verify-peer never (files "good"))))
      (check-raises "no procedure" &error (lambda () (make-ssl-config :verify-peer 1)))
      (check-raises "of two arguments" &error
         (lambda () (make-ssl-config :verify-peer (lambda (chain error) #t))))
      (check-raises "lazy" &error
         (lambda () (apply make-ssl-server-socket 0 :lazy-handshake #t :verify-peer never (files "good"))))
      (check-raises "lazy with a configuration" &error
         (lambda () (make-ssl-server-socket 0 :lazy-handshake #t :config config)))
      (check-raises "of a host" &error
         (lambda ()
            (apply make-ssl-server-socket 0
               :hosts `(("a.test" ,@(files "host-a") :verify-peer ,never)) (files "good"))))
      (check-raises "of a host's configuration" &error
         (lambda () (apply make-ssl-server-socket 0 :hosts `(("a.test" ,config)) (files "good"))))
      (let ((s (test-server)))
         (check-raises "of a server at work" &error (lambda () (ssl-server-socket-config-set! s config)))
         (socket-close s))))
