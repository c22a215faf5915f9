;; t_https.scm: https URLs for open-input-file, against Python's http.server.
(module t_https
   (library ssl)
   (include "harness.scm")
   (include "peers.scm")
   (main run-cases))

(define page
   (apply string-append (map (lambda (i) "0123456789") (iota 10000))))

(define (start-server . options)
   (multiple-value-bind (p port)
      (apply start-peer "https" options)
      (values p (url "https" port))))

(define (url scheme port . path)
   (apply string-append scheme "://localhost:" (integer->string port) "/" path))

;; Runs `body` with a server at `base`, whose CA is trusted.
(define-macro (with-server base . body)
   `(multiple-value-bind (p ,base)
       (start-server)
       (ssl-https-protocol-enable! :CAs (CA))
       ,@body
       (stop-program p)))

(define (body url . arguments)
   (let ((in (apply open-input-file url arguments)))
      (check url (input-port? in))
      (let ((text (read-string in)))
         (close-input-port in)
         text)))

(define (truncated? thunk)
   (isa? (raised thunk) &io-ssl-truncated-error))

(define-case "until it is enabled, https URLs are files that do not exist"
   (check-equal "protocol" (input-port-protocol "https://") #f)
   (ssl-https-protocol-enable!)
   (check "protocol" (procedure? (input-port-protocol "https://"))))

(define-case "bodies: with their length, in chunks, empty, after early hints, with junk behind them"
   (with-server base
      (for-each (lambda (name)
                   (check name (string=? (body (string-append base name)) page)))
         '("length" "chunked" "hints" "range-chunked"))
      (check-equal "junk" (body (string-append base "junk")) "hello")
      (check-equal "empty" (body (string-append base "empty")) "")
      (check-equal "nothing" (body (string-append base "nothing")) "")))

(define-case "bodies through small buffers, and read in every way"
   (with-server base
      (for-each
         (lambda (name)
            (let ((url (string-append base name)))
               (for-each (lambda (buffer) (check name (string=? (body url buffer) page)))
                  '(100 3 1000000))
               (check "read-chars"
                  (string=? page
                     (call-with-input-file url
                        (lambda (in)
                           (let loop ((texts '()))
                              (let ((text (read-chars 777 in)))
                                 (if (or (eof-object? text) (string-null? text))
                                     (apply string-append (reverse texts))
                                     (loop (cons text texts)))))))))
               (check "file->string" (string=? (file->string url) page))
               (check "send-chars"
                  (string=? page
                     (call-with-output-string
                        (lambda (out)
                           (let ((in (open-input-file url)))
                              (send-chars in out)
                              (close-input-port in))))))
               (check "read-char"
                  (=fx 100000
                     (with-input-from-file url
                        (lambda ()
                           (let loop ((n 0))
                              (if (eof-object? (read-char))
                                  n
                                  (loop (+fx n 1))))))))))
         '("length" "chunked"))))

(define-case "unbuffered ports are read with read-char"
   (with-server base
      (let ((in (open-input-file (string-append base "length") #f)))
         (check-equal "first" (read-char in) #\0)
         (check-equal "second" (read-char in) #\1)
         (close-input-port in))))

(define-case "the length is known where the server tells it"
   (with-server base
      (let ((in (open-input-file (string-append base "length"))))
         (check-equal "length" (input-port-length in) #e100000)
         (close-input-port in))))

(define-case "the certificate and its name are verified"
   (with-server base
      (let ((address (string-append "https://127.0.0.2:"
                        (substring base (string-length "https://localhost:") (string-length base)))))
         (ssl-https-protocol-enable!)
         (check-raises "unknown CA" &io-ssl-error (lambda () (open-input-file base)))
         (ssl-https-protocol-enable! :CAs (CA))
         (let ((e (raised (lambda () (open-input-file address)))))
            (check "another name" (or (isa? e &io-ssl-error) (isa? e &io-connection-error))))
         (ssl-https-protocol-enable! :verify #f)
         (check "unverified" (string=? (body (string-append base "length")) page)))))

(define-case "a client certificate is shown"
   (multiple-value-bind (p base)
      (start-server (pki "root.pem"))
      (ssl-https-protocol-enable! :CAs (CA))
      (check "none" (isa? (raised (lambda () (body (string-append base "length")))) &io-error))
      (ssl-https-protocol-enable! :CAs (CA) :cert (pki "client.pem") :pkey (pki "client.key"))
      (check "shown" (string=? (body (string-append base "length")) page))
      (stop-program p)))

(define-case "the request: host, path, query, name and password"
   (with-server base
      (let* ((place (substring base (string-length "https://") (-fx (string-length base) 1)))
             (text (body (string-append "https://some:secret@" place "/request?a=b&c#fragment"))))
         (check "line" (string-prefix? "GET /request?a=b&c HTTP/1.1\n" text))
         (check "host" (contains? text (string-append "host: " place "\n")))
         (check "login" (contains? text "authorization: Basic c29tZTpzZWNyZXQ=\n"))
         (check "connection" (contains? text "connection: close\n")))))

(define-case "redirections are followed, absolute and relative"
   (with-server base
      (for-each
         (lambda (location)
            (for-each
               (lambda (status)
                  (check location
                     (string=? page
                        (body (string-append base "to?" status "," location)))))
               '("301" "302" "303" "307" "308")))
         (list "length" "/length" (string-append base "length") "./../length"
            (substring base (string-length "https:") (string-length base))))
      (check-equal "twice" (body (string-append base "to?302,to%3F301,junk")) "hello")))

(define-case "Bigloo's own http is redirected to https"
   (with-server base
      (with-peer port (start-peer "https" "plain")
         (check "page" (string=? page (body (url "http" port "to?302," base "length")))))))

(define-case "redirections away from https, or without an end, are errors"
   (with-server base
      (for-each
         (lambda (location)
            (check-raises location &http-redirection-error
               (lambda () (open-input-file (string-append base "to?302," location)))))
         (list "http://localhost/" "file:/etc/passwd" "pipe:echo%20hello" "string:abc"))
      ;; To itself.
      (check-raises "a loop" &http-redirection-error
         (lambda () (open-input-file (string-append base "to?302,"))))))

(define-case "what the server does not have is #f, as with http"
   (with-server base
      (for-each (lambda (name)
                   (check-equal name (open-input-file (string-append base name)) #f))
         '("missing" "not-http" "to-nowhere"))))

(define-case "URLs that are none are errors"
   (ssl-https-protocol-enable!)
   (for-each
      (lambda (url)
         (check-raises url &io-malformed-url-error (lambda () (open-input-file url))))
      '("https://" "https:///path" "https://localhost:x/" "https://localhost:123456/"
        "https://localhost/a b" "https://localhost/a\r\nX: y" "https://[::1"))
   (check-raises "unknown" &io-unknown-host-error
      (lambda () (open-input-file "https://no.such.host.invalid/")))
   (check-raises "refused" &io-connection-error
      (lambda () (open-input-file (string-append "https://localhost:" (integer->string (free-port)) "/")))))

(define-case "a body that is cut short raises after all that arrived, or ends where that is asked for"
   (with-server base
      (for-each
         (lambda (name)
            (let* ((url (string-append base name))
                   (in (open-input-file url)))
               (check name (string=? (read-chars 100000 in) page))
               (check name (truncated? (lambda () (read-char in))))
               (close-input-port in)
               (let* ((in (open-input-file url)) (text (read-string in)))
                  (check name (string=? text page))
                  (check name (truncated? (lambda () (read-string in))))
                  (close-input-port in))
               (ssl-https-protocol-enable! :CAs (CA) :truncation 'eof)
               (check name (string=? (body url) page))
               (ssl-https-protocol-enable! :CAs (CA))))
         '("short" "short-chunks" "bad-chunks" ""))))

(define-case "seeking asks for the rest, and the position is that in the whole"
   (with-server base
      (for-each
         (lambda (name)
            (let ((in (open-input-file (string-append base name))))
               (check-equal name (read-chars 5 in) "01234")
               (check-equal name (input-port-position in) 5)
               (set-input-port-position! in 99990)
               (check-equal name (input-port-position in) 99990)
               (check-equal name (read-string in) "0123456789")
               (set-input-port-position! in 7)
               (check-equal name (read-chars 5 in) "78901")
               (check-equal name (input-port-position in) 12)
               (set-input-port-position! in 0)
               (check name (string=? (read-string in) page))
               (set-input-port-position! in 100000)
               (check "the end" (eof-object? (read-char in)))
               (check "before the beginning" (raised (lambda () (set-input-port-position! in -1))))
               (close-input-port in)))
         ;; The last ones know nothing of ranges.
         '("range" "range-chunked" "length" "chunked"))
      (let ((in (open-input-file (string-append base "wrong-range"))))
         (check-raises "another part" &io-port-error (lambda () (set-input-port-position! in 10)))
         (close-input-port in))))

(define-case "the time-out bounds connecting, the handshake and the head of the response"
   (with-server base
      (let* ((silent (make-server-socket 0))
             (url (string-append "https://localhost:" (integer->string (socket-port-number silent)) "/")))
         (for-each
            (lambda (url)
               (let ((took (duration
                              (lambda ()
                                 (check-raises url &io-timeout-error
                                    (lambda () (open-input-file url #t 300000)))))))
                  (check "in time" (< took (seconds 10)))))
            (list url (string-append base "silent")))
         (socket-shutdown silent))))

(define-case "a time-out set on the port bounds its reads, and they can go on"
   (with-server base
      (let ((in (open-input-file (string-append base "slow"))))
         (input-port-timeout-set! in 300000)
         (check-equal "half" (string-length (read-chars 50000 in)) 50000)
         (check-raises "read" &io-timeout-error (lambda () (read-char in)))
         (check-raises "again" &io-timeout-error (lambda () (read-char in)))
         (close-input-port in))))

(define-case "closing the port closes the connection, also after seeking and where the open failed"
   (with-server base
      (define (visit name)
         (let ((in (open-input-file (string-append base name))))
            (when (input-port? in)
               (read-char in)
               (set-input-port-position! in 50)
               (read-char in)
               (close-input-port in)
               (close-input-port in)
               (check "closed" (closed-input-port? in)))))
      ;; With the descriptors of the thread that closes in the background.
      (visit "range")
      (let ((before (descriptors)))
         (for-each visit '("range" "chunked" "missing" "to?302,/length" "not-http" "short"))
         (raised (lambda () (open-input-file (string-append base "to?302,http://localhost/"))))
         (check-equal "descriptors" (descriptors) before)
         ;; This peer stays until the close's time is up.
         (raised (lambda () (open-input-file (string-append base "silent") #t 200000)))
         (let loop ((tries 30))
            (unless (or (=fx tries 0) (=fx (descriptors) before))
               (loop (-fx tries 1))))
         (check-equal "descriptors" (descriptors) before))))
