;; t_http.scm: the runtime's HTTP client over our sockets, against Python's http.server.
(module t_http
   (library ssl)
   (include "harness.scm")
   (include "peers.scm")
   (main run-cases))

(define page
   (apply string-append (map (lambda (i) "0123456789") (iota 10000))))

;; Asks for a path: what `proc` makes of the response's port, status, header, length and encoding.
(define (request socket port path proc . options)
   (apply http :socket socket :protocol 'https :host "localhost" :port port :path path options)
   (http-parse-response (socket-input socket) (socket-output socket) proc))

(define (read-body in status header length encoding)
   (check-equal "status" status 200)
   (cond
      ((eq? encoding 'chunked) (read-string in))
      ((>=elong length #e0) (read-chars (elong->fixnum length) in))
      (else (read-string in))))

(define (get port path . options)
   (let* ((socket (apply connect-to-peer port options))
          (text (request socket port path read-body)))
      (socket-close socket)
      text))

(define-case "bodies: with their length, in chunks, to the end of the stream"
   (with-peer port (start-peer "https")
      (for-each (lambda (path)
                   (check path (string-prefix? page (get port path)))
                   (check path (string-prefix? page (get port path :buffer 64)))
                   (check path (string-prefix? page (get port path :CAs (CA) :verify #t :truncation 'eof))))
         '("/length" "/chunked" "/"))))

(define-case "several requests on one connection"
   (with-peer port (start-peer "https")
      (let ((socket (connect-to-peer port)))
         (for-each (lambda (text)
                      (check-equal text (request socket port (string-append "/keep?" text) read-body) text))
            '("one" "two" "three"))
         (check "page" (string=? page (request socket port "/length" read-body)))
         (check "the end" (eof-object? (read-char (socket-input socket))))
         (socket-close socket))))

(define-case "a fill barrier ends the body"
   (with-peer port (start-peer "https")
      (let ((socket (connect-to-peer port)))
         (request socket port "/keep?first"
            (lambda (in status header length encoding)
               (input-port-fill-barrier-set! in (elong->fixnum length))
               (check-equal "body" (read-string in) "first")
               (input-port-fill-barrier-set! in -1)))
         (socket-close socket))))

(define-case "POST: a text, a form, a large body, one that a procedure writes"
   (with-peer port (start-peer "https")
      (define (post . options)
         (let* ((socket (connect-to-peer port))
                (text (apply request socket port "/" read-body :method 'post options)))
            (socket-close socket)
            text))
      (check-equal "text" (post :body "some text") "some text")
      (check-equal "form" (post :args '(("name" "a value") ("other" "2"))) "name=a+value&other=2")
      (check "large" (string=? page (post :body page)))
      (check-equal "procedure"
         (post :header '((content-length: 5)) :body (lambda (out) (display "hello" out))) "hello")
      (check "multipart" (contains? (post :content-type 'multipart/form-data :args '(("name" "a value"))) "a value"))))

(define-case "other statuses, and redirections, are told as over plain sockets"
   (with-peer port (start-peer "https")
      (check-raises "missing" &http-status-error
         (lambda () (request (connect-to-peer port) port "/missing" (lambda l #f))))
      (let ((e (raised (lambda () (request (connect-to-peer port) port "/to?302,/elsewhere" read-body)))))
         (check "redirection" (isa? e &http-redirection))
         (check-equal "url" (with-access::&http-redirection e (url) url) "/elsewhere"))))
