;; t_engine.scm: secure contexts and connections without a socket.
(module t_engine
   (library ssl)
   (include "harness.scm")
   (static (class counted-connection::ssl-connection
              (count (default 0))))
   (main run-cases))

;; ---- contexts ------------------------------------------------------------------------------------

(define (file-text name)
   (call-with-input-file (pki name) read-string))

(define (whole fun context text . more)
   (apply fun context text 0 (string-length text) more))

(define (present! context name)
   (whole secure-context-set-cert! context (file-text (string-append name ".pem")))
   (whole secure-context-set-key! context (file-text (string-append name ".key")))
   context)

(define (trust! context file)
   (check-equal "trusted" (whole secure-context-add-ca-cert! context (file-text file)) #t)
   context)

(define (server-context name #!optional (method "default"))
   (present! (instantiate::secure-context (method method)) name))

(define (client-context #!optional (method "default"))
   (trust! (instantiate::secure-context (method method)) "root.pem"))

;; ---- two ends in lock-step -------------------------------------------------------------------------

(define *piece* 100000)

(define (client #!optional (ctx (client-context)) (name "localhost"))
   (instantiate::ssl-connection
      (ctx ctx)
      (isserver #f)
      (server-name name)
      (reject-unauthorized #f)))

(define (server #!optional (ctx (server-context "good")))
   (instantiate::ssl-connection
      (ctx ctx)
      (isserver #t)
      (reject-unauthorized #f)))

;; One piece from one end to the other; #f when there was none.
(define (carry from to)
   (let* ((buffer (make-string *piece*))
          (n (ssl-connection-read from buffer 0 *piece*)))
      (and (>=fx n 0)
           (begin
              (check-equal "written" (ssl-connection-write to buffer 0 n) n)
              #t))))

(define (shake-hands c s)
   (let loop ()
      (ssl-connection-start c)
      (let ((there (carry c s)))
         (ssl-connection-start s)
         (let ((back (carry s c)))
            (when (or there back) (loop)))))
   (ssl-connection-start c))

(define (err-of c) (with-access::ssl-connection c (err) err))

(define (check-shaken c s)
   (for-each (lambda (e)
                (unless (ssl-connection-init-finished? e)
                   (fail "no handshake: " (err-of e))))
      (list c s)))

(define (transfer from to text)
   (check-equal "clear-in" (ssl-connection-clear-in from text 0 (string-length text))
      (string-length text))
   (let ((buffer (make-string (string-length text))))
      (let loop ((done 0))
         (if (<fx done (string-length text))
             (let ((n (ssl-connection-clear-out to buffer done (-fx (string-length text) done))))
                (cond
                   ((>fx n 0) (loop (+fx done n)))
                   ((carry from to) (loop done))
                   (else (fail "only " done " bytes arrived"))))
             (check-equal "text" buffer text)))))

(define (talk c s)
   (transfer c s "ping")
   (transfer s c "pong"))

(define-case "a handshake and bytes, one at a time"
   (set! *piece* 1)
   (let ((c (client)) (s (server)))
      (check-equal "a step" (ssl-connection-start c) -1)
      (check "something to send" (>fx (ssl-connection-enc-pending c) 0))
      (shake-hands c s)
      (check-shaken c s)
      (check-equal "done before" (ssl-connection-start c) 0)
      (check-equal "err" (err-of c) #f)
      (talk c s)
      (check-equal "verify" (ssl-connection-verify-error c) #unspecified)
      (check-equal "no certificate" (ssl-connection-verify-error s) "UNABLE_TO_GET_ISSUER_CERT")
      (check-equal "nothing left" (ssl-connection-clear-pending s) 0)))

(define-case "buffers with offsets, and out of range"
   (let ((c (client)) (s (server)) (buffer (make-string 10 #\.)))
      (shake-hands c s)
      (ssl-connection-clear-in c "..hello.." 2 5)
      (carry c s)
      (check-equal "count" (ssl-connection-clear-out s buffer 3 7) 5)
      (check-equal "buffer" buffer "...hello..")
      (for-each
         (lambda (range)
            (check-raises "read" &error (lambda () (ssl-connection-read c buffer (car range) (cadr range))))
            (check-raises "write" &error (lambda () (ssl-connection-write c buffer (car range) (cadr range))))
            (check-raises "in" &error (lambda () (ssl-connection-clear-in c buffer (car range) (cadr range))))
            (check-raises "out" &error (lambda () (ssl-connection-clear-out c buffer (car range) (cadr range)))))
         '((-1 5) (0 11) (11 0) (5 6) (0 -1) (1 536870911)))))

(define-case "shutdown is no error, and the flags"
   (let ((c (client)) (s (server)) (buffer (make-string 10)))
      (shake-hands c s)
      (talk c s)
      (check-equal "sent" (ssl-connection-shutdown c) 0)
      (with-access::ssl-connection c (sent-shutdown received-shutdown)
         (check-equal "flags" (list sent-shutdown received-shutdown) '(#t #f)))
      (carry c s)
      (check-equal "end" (ssl-connection-clear-out s buffer 0 10) 0)
      (with-access::ssl-connection s (err received-shutdown)
         (check-equal "err" err #f)
         (check-equal "received" received-shutdown #t))
      (check-equal "both" (ssl-connection-shutdown s) 1)))

(define-case "a shutdown before the handshake shows in err and is no exception"
   (let ((c (client)) (s (server)))
      (check-equal "before" (ssl-connection-shutdown c) -1)
      (check "err" (contains? (err-of c) "before the handshake"))
      (check-equal "again" (ssl-connection-shutdown c) -1)
      (ssl-connection-start c)
      (check-equal "in the midst" (ssl-connection-shutdown c) -1)
      (shake-hands c s)
      (talk c s)
      (check-equal "after" (ssl-connection-shutdown c) 0)
      (check-equal "no err" (err-of c) #f)))

(define-case "reading no bytes takes in what is no text"
   (let ((c (client)) (s (server)) (buffer (make-string 10)))
      (shake-hands c s)
      (talk c s)
      (check-equal "nothing has come" (ssl-connection-clear-out c buffer 0 0) -1)
      (ssl-connection-clear-in s "hello" 0 5)
      (carry s c)
      (check-equal "text has come" (ssl-connection-clear-out c buffer 0 0) 0)
      (check-equal "it is kept" (ssl-connection-clear-out c buffer 0 10) 5)
      (ssl-connection-shutdown s)
      (carry s c)
      (check-equal "the end has come" (ssl-connection-clear-out c buffer 0 0) 0)
      (with-access::ssl-connection c (received-shutdown)
         (check "it is noted" received-shutdown))))

(define-case "garbage shows in err and is no exception"
   (let ((s (server)))
      (ssl-connection-write s "GET / HTTP/1.0\r\n\r\n" 0 18)
      (check-equal "step" (ssl-connection-start s) -1)
      (check "err" (contains? (err-of s) "http request"))))

(define-case "an end without close_notify shows in err"
   (let ((c (client)) (s (server)) (buffer (make-string 10)))
      (shake-hands c s)
      (talk c s)
      (ssl-connection-write-eof c)
      (check-equal "end" (ssl-connection-clear-out c buffer 0 10) -1)
      (check "err" (contains? (err-of c) "close_notify"))))

(define-case "closing is harmless twice, and nothing works then"
   (let ((c (client)) (buffer (make-string 10)))
      (ssl-connection-start c)
      (check-equal "close" (ssl-connection-close c) 0)
      (check-equal "close" (ssl-connection-close c) 0)
      (check-equal "shutdown" (ssl-connection-shutdown c) #f)
      (check-equal "finished" (ssl-connection-init-finished? c) #f)
      (check-raises "start" &error (lambda () (ssl-connection-start c)))
      (check-raises "read" &error (lambda () (ssl-connection-read c buffer 0 10)))
      (check-raises "verify" &error (lambda () (ssl-connection-verify-error c)))))

(define-case "a context closes twice, under a living connection"
   (let* ((ctx (client-context)) (c (client ctx)) (s (server)))
      (secure-context-close ctx)
      (secure-context-close ctx)
      (shake-hands c s)
      (check-shaken c s)
      (check-raises "use" &io-ssl-error (lambda () (secure-context-set-ciphers! ctx "HIGH")))
      (check-raises "connection" &io-ssl-error (lambda () (client ctx)))))

;; ---- contexts ------------------------------------------------------------------------------------

(define-case "methods"
   (for-each (lambda (family)
                (for-each (lambda (end)
                             (instantiate::secure-context
                                (method (string-append family end "_method"))))
                   '("" "_server" "_client")))
      '("SSLv23" "TLSv1" "TLS" "TLSv1_2" "TLSv1_3"))
   (for-each (lambda (method)
                (check-equal "message"
                   (condition-message
                      (check-raises method &error
                         (lambda () (instantiate::secure-context (method method)))))
                   "method not supported"))
      '("" "SSLv2_method" "SSLv2_server_method" "SSLv2_client_method" "nonsense")))

(define-case "what a context refuses"
   (let ((sc (instantiate::secure-context)))
      (check-equal "ciphers" (secure-context-set-ciphers! sc "NO-SUCH-CIPHER") #f)
      (check-equal "ciphers" (secure-context-set-ciphers! sc "HIGH") #t)
      (check-equal "suites" (secure-context-set-ciphers! sc "TLS_AES_128_GCM_SHA256:HIGH") #t)
      (check-equal "options" (secure-context-set-options! sc (ssl-op-cipher-server-preference)) #t)
      (check-equal "ca" (secure-context-add-ca-cert! sc "nonsense" 0 8) #f)
      (check-equal "crl" (secure-context-add-crl! sc "nonsense" 0 8) #f)
      (check-raises "key" &io-ssl-error (lambda () (secure-context-set-key! sc "nonsense" 0 8)))
      (check-raises "cert" &io-ssl-error (lambda () (secure-context-set-cert! sc "nonsense" 0 8)))
      (check-raises "pkcs12" &io-ssl-error (lambda () (secure-context-load-pkcs12 sc "nonsense" "x")))
      (check-raises "range" &error (lambda () (secure-context-set-cert! sc "nonsense" 0 9)))
      (check-raises "range" &error (lambda () (secure-context-add-crl! sc "nonsense" -1 3)))
      (check-raises "id" &error
         (lambda () (secure-context-set-session-id-context! sc (make-string 33) 0 33)))
      (check-equal "id" (secure-context-set-session-id-context! sc (make-string 33) 1 32) #t)))

;; SSL_OP_ALL has the bit 31; JavaScript makes a negative number of it.
(define-case "options of 32 bits"
   (let ((no-tls-1-2 #x8000000)
         (bit-31 #x80000000))
      (for-each
         (lambda (options)
            (let ((sctx (server-context "good")))
               (check-equal "options" (secure-context-set-options! sctx options) #t)
               (let ((c (client (client-context "TLSv1_2_method"))) (s (server sctx)))
                  (shake-hands c s)
                  (check-equal "TLS 1.2" (ssl-connection-init-finished? s) #f))))
         (list no-tls-1-2 (bit-or bit-31 no-tls-1-2) (-fx (bit-or bit-31 no-tls-1-2) (bit-lsh 1 32))))))

(define-case "encrypted keys"
   (let ((sc (instantiate::secure-context)) (key (file-text "good-encrypted.key")))
      (whole secure-context-set-cert! sc (file-text "good.pem"))
      (check-raises "without" &io-ssl-error (lambda () (whole secure-context-set-key! sc key)))
      (check-raises "wrong" &io-ssl-error (lambda () (whole secure-context-set-key! sc key "wrong")))
      (check-equal "right" (whole secure-context-set-key! sc key "secret") #t)))

(define-case "a key of another certificate is told at the handshake, in either order"
   (define (set-key! sc) (whole secure-context-set-key! sc (file-text "untrusted.key")))
   (define (set-cert! sc) (whole secure-context-set-cert! sc (file-text "good.pem")))
   (for-each
      (lambda (setters)
         (let ((sc (instantiate::secure-context)))
            (for-each (lambda (set) (check-equal "set" (set sc) #t)) setters)
            (let ((c (client)) (s (server sc)))
               (shake-hands c s)
               (check-equal "finished" (ssl-connection-init-finished? s) #f)
               (check "err" (contains? (err-of s) "no private key that belongs to it")))))
      (list (list set-key! set-cert!) (list set-cert! set-key!))))

(define-case "PKCS#12 with further certificates"
   (let ((sc (instantiate::secure-context)))
      (check-equal "loaded" (secure-context-load-pkcs12 sc (file-text "chained.p12") "secret") #t)
      (let ((c (client)) (s (server sc)))
         (shake-hands c s)
         (check-shaken c s)
         (check-equal "verify" (ssl-connection-verify-error c) #unspecified))))

(define-case "root certificates are those of the environment"
   (putenv "SSL_CERT_FILE" (pki "root.pem"))
   (let ((sc (instantiate::secure-context)) (s (server)))
      (check-equal "added" (secure-context-add-root-certs! sc) #t)
      (let ((c (client sc)))
         (shake-hands c s)
         (check-equal "verify" (ssl-connection-verify-error c) #unspecified))))

(define-case "a revocation list before any CA"
   (let ((sc (instantiate::secure-context)))
      (check-equal "crl" (whole secure-context-add-crl! sc (file-text "root.crl")) #t)
      (trust! sc "root.pem")
      (let ((c (client sc)) (s (server (server-context "revoked"))))
         (shake-hands c s)
         (check-equal "verify" (ssl-connection-verify-error c) "CERT_REVOKED"))))

(define-case "verify-error names the constants"
   (for-each
      (lambda (known)
         (let ((c (client)) (s (server (server-context (car known)))))
            (shake-hands c s)
            (check-shaken c s)
            (check-equal (car known) (ssl-connection-verify-error c) (cdr known))))
      '(("expired" . "CERT_HAS_EXPIRED") ("not-yet" . "CERT_NOT_YET_VALID")
        ("self-signed" . "DEPTH_ZERO_SELF_SIGNED_CERT")
        ("untrusted" . "UNABLE_TO_VERIFY_LEAF_SIGNATURE"))))

(define-case "a server that asks for a certificate, and one that demands it"
   (for-each
      (lambda (demanded)
         (let* ((c (client))
                (s (instantiate::ssl-connection
                      (ctx (trust! (server-context "good") "root.pem"))
                      (isserver #t)
                      (request-cert #t)
                      (reject-unauthorized demanded))))
            (shake-hands c s)
            (check-equal "handshake" (ssl-connection-init-finished? s) (not demanded))))
      '(#f #t)))

(define-case "the peer's certificate as an alist"
   (let ((c (client)) (s (server (server-context "good-rsa"))))
      (check-equal "before" (ssl-connection-get-peer-certificate c) #unspecified)
      (shake-hands c s)
      (let* ((alist (ssl-connection-get-peer-certificate c))
             (value (lambda (key) (let ((pair (assq key alist))) (and pair (cdr pair))))))
         (check "subject" (contains? (value 'subject) "CN=good-rsa"))
         (check "issuer" (contains? (value 'issuer) "CN=root"))
         (check-equal "names" (value 'subjectaltname)
            "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1")
         (check-equal "modulus" (string-length (value 'modulus)) 512)
         (check-equal "exponent" (value 'exponent) "10001")
         (check "from" (contains? (value 'valid-from) "GMT"))
         (check "to" (contains? (value 'valid-to) "GMT"))
         (check-equal "fingerprint" (string-length (value 'fingerprint)) 59)
         (check-equal "fingerprint256" (string-length (value 'fingerprint256)) 95)
         (check "serial" (string? (value 'serial)))
         (check-equal "usage" (value 'ext-key-usage) #f)
         (check "pem" (contains? (value 'pem) "BEGIN CERTIFICATE")))
      (check "as an object" (isa? (ssl-connection-peer-certificate c) certificate))
      (check-equal "chain" (length (ssl-connection-peer-chain c)) 1)))

(define-case "an EC certificate has no modulus, and purposes are a vector"
   (let ((c (client)) (s (server (server-context "server-purpose"))))
      (shake-hands c s)
      (let ((alist (ssl-connection-get-peer-certificate c)))
         (check-equal "modulus" (assq 'modulus alist) #f)
         (check-equal "usage" (cdr (assq 'ext-key-usage alist)) '#("1.3.6.1.5.5.7.3.1")))))

(define-case "cipher and protocol"
   (let ((c (client (client-context "TLSv1_2_method"))) (s (server)))
      (check-equal "before" (ssl-connection-get-current-cipher c) #unspecified)
      (check-equal "before" (ssl-connection-protocol c) #f)
      (shake-hands c s)
      (let ((cipher (ssl-connection-get-current-cipher c)))
         (check "a pair of texts" (and (string? (car cipher)) (string? (cdr cipher)))))
      (check-equal "protocol" (ssl-connection-protocol c) "TLSv1.2")))

(define-case "protocols are offered and chosen"
   (let ((c (client)) (s (server)))
      (with-access::ssl-connection c (npn-protos)
         (set! npn-protos "\002h2\010http/1.1"))
      (with-access::ssl-connection s (npn-protos)
         (set! npn-protos "\010http/1.1"))
      (shake-hands c s)
      (check-equal "client" (ssl-connection-get-negotiated-protocol c) "http/1.1")
      (check-equal "server" (ssl-connection-get-negotiated-protocol s) "http/1.1")
      (with-access::ssl-connection c (selected-npn-protos)
         (check-equal "field" selected-npn-protos "http/1.1"))))

(define-case "protocols without a length are an error"
   (let ((c (client)))
      (with-access::ssl-connection c (npn-protos)
         (set! npn-protos "http/1.1"))
      (check-raises "start" &error (lambda () (ssl-connection-start c)))))

(define-case "a server refuses what it does not speak, where it is told to"
   (define (err-with strict)
      (let ((c (client))
            (s (instantiate::ssl-connection
                  (ctx (server-context "good")) (isserver #t) (reject-unauthorized #f)
                  (npn-protos "\010http/1.1") (strict-alpn strict))))
         (with-access::ssl-connection c (npn-protos)
            (set! npn-protos "\002h2"))
         (shake-hands c s)
         (err-of c)))
   (check-equal "not strict" (err-with #f) #f)
   (check "strict" (contains? (err-with #t) "no application protocol")))

(define-case "a host name is checked where it is set"
   (let ((c (client)) (s (server (server-context "wrong-name"))))
      (ssl-connection-set-hostname! c "localhost")
      (shake-hands c s)
      (check-equal "verify" (ssl-connection-verify-error c) "HOSTNAME_MISMATCH")))

;; ---- sessions --------------------------------------------------------------------------------------

(define (resume method)
   (let* ((cctx (client-context method))
          (sctx (server-context "good"))
          (session #f)
          (connect (lambda ()
                      (let ((c (instantiate::ssl-connection
                                  (ctx cctx) (isserver #f) (reject-unauthorized #f)
                                  (client-newsession-callback
                                     (lambda (id serialized)
                                        (check "id" (string? id))
                                        (set! session serialized)))))
                            (s (server sctx)))
                         (when session
                            (check-equal "set" (ssl-connection-set-session c session) 1))
                         (shake-hands c s)
                         (talk c s)
                         (ssl-connection-reused? c)))))
      (check-equal "first" (connect) #f)
      (check "session" (string? session))
      (check-equal "second" (connect) #t)))

(define-case "sessions are resumed with TLS 1.2" (resume "TLSv1_2_method"))
(define-case "sessions are resumed with TLS 1.3" (resume "TLSv1_3_method"))

(define no-tickets #x4000)

(define-case "a server finds sessions by their ids"
   (let* ((cctx (client-context "TLSv1_2_method"))
          (sctx (server-context "good"))
          (store '())
          (session #f))
      (secure-context-set-options! sctx no-tickets)
      (define (connect)
         (let ((c (client cctx))
               (s (instantiate::ssl-connection
                     (ctx sctx) (isserver #t) (reject-unauthorized #f)
                     (newsession-callback (lambda (id s) (set! store (cons (cons id s) store))))
                     (session-lookup-callback
                        (lambda (conn id)
                           (let ((known (assoc id store)))
                              (when known
                                 (check-equal "load" (ssl-connection-load-session conn (cdr known)) 1))))))))
            (when session (ssl-connection-set-session c session))
            (shake-hands c s)
            (set! session (ssl-connection-get-session c))
            (ssl-connection-reused? s)))
      (check-equal "first" (connect) #f)
      (check-equal "second" (connect) #t)))

(define-case "what is no session is answered with 0"
   (let ((c (client)))
      (check-equal "set" (ssl-connection-set-session c "nonsense") 0)
      (check-equal "load" (ssl-connection-load-session c "nonsense") 0)
      (check-equal "get" (ssl-connection-get-session c) #unspecified)))

;; ---- callbacks -------------------------------------------------------------------------------------

(define-case "info tells start and done"
   (let ((c (client)) (s (server)) (seen '()))
      (with-access::ssl-connection s (info-callback)
         (set! info-callback (lambda (what) (set! seen (cons what seen)))))
      (shake-hands c s)
      (check-equal "seen" (reverse seen) '(0 1))))

;; As with Bigloo's own: programs set the callbacks on both ends.
(define-case "info and new sessions are told to servers, and to clients under other names"
   (let* ((seen '())
          (c (instantiate::ssl-connection
                (ctx (client-context "TLSv1_2_method")) (isserver #f) (reject-unauthorized #f)
                (info-callback (lambda (what) (fail "info-callback on a client")))
                (newsession-callback (lambda (id session) (fail "newsession-callback on a client")))))
          (s (instantiate::ssl-connection
                (ctx (server-context "good")) (isserver #t) (reject-unauthorized #f)
                (client-info-callback (lambda (what) (fail "client-info-callback on a server")))
                (client-newsession-callback
                   (lambda (id session) (fail "client-newsession-callback on a server"))))))
      (with-access::ssl-connection c (client-info-callback client-newsession-callback)
         (set! client-info-callback (lambda (what) (set! seen (cons what seen))))
         (set! client-newsession-callback (lambda (id session) (set! seen (cons 'session seen)))))
      (shake-hands c s)
      (check-shaken c s)
      (check-equal "seen" (sort (lambda (a b) (and (number? a) (or (symbol? b) (< a b)))) seen)
         '(0 1 session))))

(define (server-with-sni callback)
   (let ((s (server)))
      (with-access::ssl-connection s (sni-context-callback)
         (set! sni-context-callback callback))
      s))

(define-case "the name chooses a context, which may be forgotten then"
   (let* ((c (client))
          (s (server-with-sni (lambda (conn name)
                                 (check-equal "name" name "localhost")
                                 (check "connection" (isa? conn ssl-connection))
                                 (server-context "good-rsa")))))
      (shake-hands c s)
      (collect!)
      (collect!)
      (talk c s)
      (check-shaken c s)
      (with-access::ssl-connection s (server-name)
         (check-equal "field" server-name "localhost"))
      (check "certificate"
         (contains? (cdr (assq 'subject (ssl-connection-get-peer-certificate c))) "CN=good-rsa"))))

(define-case "a server's name is what the client sends, whatever it was before"
   (let* ((c (client))
          (asked '())
          (s (instantiate::ssl-connection
                (ctx (server-context "good"))
                (isserver #t)
                (server-name "preset")
                (reject-unauthorized #f)
                (sni-context-callback (lambda (conn name) (set! asked (cons name asked)) #f)))))
      (shake-hands c s)
      (check-shaken c s)
      (check-equal "asked" asked '("localhost"))
      (with-access::ssl-connection s (server-name)
         (check-equal "field" server-name "localhost"))))

(define-case "#f keeps the connection's own context"
   (let ((c (client)) (s (server-with-sni (lambda (conn name) #f))))
      (shake-hands c s)
      (check-shaken c s)))

(define-case "what is neither a context nor #f is an error"
   (let ((c (client)) (s (server-with-sni (lambda (conn name) 'good))))
      (ssl-connection-start c)
      (carry c s)
      (check-raises "start" &error (lambda () (ssl-connection-start s)))))

(define-case "a callback of the wrong arity is an error"
   (let ((c (client)) (s (server-with-sni (lambda (name) #f))))
      (ssl-connection-start c)
      (carry c s)
      (check-equal "message"
         (condition-message (check-raises "start" &error (lambda () (ssl-connection-start s))))
         "wrong callback arity")))

;; Starts a handshake whose server does what `callback` does; the server.
(define (with-hello callback)
   (let ((c (client)) (s (server-with-sni callback)))
      (ssl-connection-start c)
      (carry c s)
      (values c s)))

(define-case "an exception of the sni callback arrives, and the client is refused"
   (multiple-value-bind (c s)
      (with-hello (lambda (conn name) (raise 'planted)))
      (check-equal "raised" (raised (lambda () (ssl-connection-start s))) 'planted)
      (check-equal "afterwards" (ssl-connection-start s) -1)
      (check "err" (string? (err-of s)))
      (carry s c)
      (ssl-connection-start c)
      (check "the client is told" (contains? (err-of c) "unrecognized name"))))

(define-case "an escape from the sni callback arrives, and the client is refused"
   (let ((go #f))
      (multiple-value-bind (c s)
         (with-hello (lambda (conn name) (go 'escaped)))
         (check-equal "value" (bind-exit (exit) (set! go exit) (ssl-connection-start s)) 'escaped)
         (check-equal "afterwards" (ssl-connection-start s) -1)
         (check "err" (string? (err-of s))))))

(define-case "the sni callback may close the connection"
   (multiple-value-bind (c s)
      (with-hello (lambda (conn name) (ssl-connection-close conn) #f))
      (check-equal "step" (ssl-connection-start s) -1)
      (check-raises "then" &error (lambda () (ssl-connection-start s)))))

(define-case "the sni callback may use the connection"
   (multiple-value-bind (c s)
      (with-hello (lambda (conn name)
                     (ssl-connection-start conn)
                     (ssl-connection-enc-pending conn)
                     (ssl-connection-get-current-cipher conn)
                     #f))
      (shake-hands c s)
      (check-shaken c s)
      (talk c s)))

(define (server-with-info callback)
   (let ((s (server)))
      (with-access::ssl-connection s (info-callback)
         (set! info-callback callback))
      s))

(define-case "an exception of the info callback arrives, and the handshake goes on"
   (let ((c (client)) (s (server-with-info (lambda (what) (raise what)))))
      (ssl-connection-start c)
      (carry c s)
      (check-equal "start" (raised (lambda () (ssl-connection-start s))) 0)
      (carry s c)
      (ssl-connection-start c)
      (carry c s)
      (check-equal "done" (raised (lambda () (ssl-connection-start s))) 1)
      (check-shaken c s)
      (talk c s)))

(define-case "an escape from the info callback arrives, and the handshake goes on"
   (let* ((go #f)
          (c (client))
          (s (server-with-info (lambda (what) (go what)))))
      (ssl-connection-start c)
      (carry c s)
      (check-equal "start" (bind-exit (exit) (set! go exit) (ssl-connection-start s) 'none) 0)
      (set! go (lambda (what) what))
      (shake-hands c s)
      (check-shaken c s)))

(define-case "the info callback may close the connection"
   (let* ((c (client))
          (s #f))
      (set! s (server-with-info (lambda (what) (when (=fx what 1) (ssl-connection-close s)))))
      (bind-exit (end)
         (with-handler
            (lambda (e) (end #f))
            (shake-hands c s)))
      (check-equal "finished" (ssl-connection-init-finished? s) #f)
      (collect!)))

(define-case "an exception of the new-session callback arrives while reading"
   (let* ((c (instantiate::ssl-connection
                (ctx (client-context "TLSv1_3_method")) (isserver #f) (reject-unauthorized #f)
                (client-newsession-callback (lambda (id session) (raise 'session)))))
          (s (server))
          (buffer (make-string 10)))
      (bind-exit (end)
         (with-handler
            (lambda (e)
               (check-equal "raised" e 'session)
               (end #t))
            (shake-hands c s)
            (talk c s)
            (fail "no session")))))

;; Takes steps until there is an answer, whatever is raised meanwhile; the answer, and how
;; often something was raised.
(define (steps-despite-exceptions step)
   (let loop ((raises 0))
      (let ((n (bind-exit (end)
                  (with-handler (lambda (e) (end #f)) (step)))))
         (if n
             (values n raises)
             (loop (+fx raises 1))))))

(define-case "text behind a session is not lost when the callback raises"
   (let* ((c (instantiate::ssl-connection
                (ctx (client-context "TLSv1_3_method")) (isserver #f) (reject-unauthorized #f)
                (client-newsession-callback (lambda (id session) (raise 'session)))))
          (s (server))
          (buffer (make-string 10)))
      (ssl-connection-start c)
      (carry c s)
      (ssl-connection-start s)
      (carry s c)
      (ssl-connection-start c)
      (carry c s)
      ;; The server's tickets and its text come together.
      (check-equal "sent" (ssl-connection-clear-in s "pong" 0 4) 4)
      (carry s c)
      (multiple-value-bind (n raises)
         (steps-despite-exceptions (lambda () (ssl-connection-clear-out c buffer 0 10)))
         (check "raised" (>fx raises 0))
         (check-equal "read" n 4)
         (check-equal "text" (substring buffer 0 4) "pong"))))

(define-case "text is neither lost nor sent twice when the info callback raises"
   (let ((c (client))
         (s (server-with-info (lambda (what) (when (=fx what 1) (raise 'done)))))
         (buffer (make-string 10)))
      (ssl-connection-start c)
      (carry c s)
      (ssl-connection-start s)
      (carry s c)
      (ssl-connection-clear-in c "ping" 0 4)
      (carry c s)
      (multiple-value-bind (n raises)
         (steps-despite-exceptions (lambda () (ssl-connection-clear-out s buffer 0 10)))
         (check-equal "raised" raises 1)
         (check-equal "read" n 4)
         (check-equal "text" (substring buffer 0 4) "ping"))
      (set! c (client))
      (set! s (server-with-info (lambda (what) (when (=fx what 1) (raise 'done)))))
      (ssl-connection-start c)
      (carry c s)
      (ssl-connection-start s)
      (carry s c)
      (ssl-connection-start c)
      (carry c s)
      (multiple-value-bind (n raises)
         (steps-despite-exceptions (lambda () (ssl-connection-clear-in s "pong" 0 4)))
         (check-equal "raised" raises 1)
         (check-equal "written" n 4))
      (carry s c)
      (check-equal "once" (ssl-connection-clear-out c buffer 0 10) 4)))

(define-case "thousands of connections that nobody closes are collected"
   (let ((cctx (client-context)) (sctx (server-context "good")))
      (define (once)
         (let ((c (client cctx)) (s (server sctx)))
            (shake-hands c s)))
      (for-each (lambda (i) (once)) (iota 200))
      (collect!)
      (let ((before (memory)))
         (for-each (lambda (i) (once)) (iota 1000))
         (collect!)
         (check "memory" (< (- (memory) before) 60000)))))

(define-case "a subclass with a constructor of its own"
   (let ((c (instantiate::counted-connection
               (ctx (client-context)) (isserver #f) (reject-unauthorized #f)))
         (s (server)))
      (shake-hands c s)
      (check-shaken c s)
      (with-access::counted-connection c (count)
         (check "counted" (>fx count 1)))))

(define-method (ssl-connection-start c::counted-connection)
   (with-access::counted-connection c (count)
      (set! count (+fx count 1)))
   (call-next-method))
