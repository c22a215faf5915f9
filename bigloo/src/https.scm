;; https.scm: https URLs for open-input-file and what is built on it.
;;
;; The port that a URL is opened as is the input port of an SSL socket; C takes the body of the
;; response out of the stream (body.c). To seek is to ask for the rest by another request, whose
;; port takes the place of the first one.
(directives
   (extern
      (macro $tls-socket-begin-body::void (::obj ::llong ::bool ::long) "bglssl_socket_begin_body")
      (macro $tls-input-port-length-set!::void (::input-port ::elong) "BGL_INPUT_PORT_LENGTH_SET"))
   (export
      (ssl-https-protocol-enable!
         #!key
         (verify #t) (CAs '()) (accepted-certs #f)
         (cert #f) (pkey #f)
         (protocol 'sslv23) (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (domain 'unspec) (truncation 'raise)
         #!rest further)))

;; Makes open-input-file, and what is built on it, take URLs that begin with https://.
(define (ssl-https-protocol-enable!
           #!key
           (verify #t) (CAs '()) (accepted-certs #f)
           (cert #f) (pkey #f)
           (protocol 'sslv23) (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (domain 'unspec) (truncation 'raise)
           #!rest further)
   (define (connect host::bstring port::long buffer::bstring timeout::long)
      (apply make-ssl-client-socket host port
         :inbuf buffer :timeout timeout
         :verify verify :CAs CAs :accepted-certs accepted-certs
         :cert cert :pkey pkey
         :protocol protocol :min-protocol min-protocol :max-protocol max-protocol
         :ciphers ciphers :groups groups :domain domain :truncation truncation further))
   (input-port-protocol-set! "https://"
      (lambda (name buffer timeout)
         (open-https connect name buffer timeout)))
   #unspecified)

;; A chain of redirections that is longer leads nowhere.
(define *most-redirections* 20)

;; The port of a URL without its https://; #f if the server has no such thing, as for http URLs and
;; for files.
(define (open-https connect::procedure name::bstring buffer::bstring timeout::long)
   (get-https connect (string-append "https://" name) buffer timeout 0))

(define (get-https connect::procedure url::bstring buffer::bstring timeout::long offset::long)
   (let loop ((url url)
              (redirections 0))
      (let ((result (get-https-once connect url buffer timeout offset)))
         (cond
            ((not (string? result)) result)
            ((=fx redirections *most-redirections*)
             (redirection-error "too many redirections" url))
            ((not (string-prefix-ci? "https://" result))
             (redirection-error "redirected from https to another protocol" result))
            (else (loop result (+fx redirections 1)))))))

(define (redirection-error msg::bstring url::bstring)
   (raise (instantiate::&http-redirection-error
             (proc 'open-input-file)
             (msg msg)
             (obj url))))

;; One request: the port, the URL to go to instead, or #f. Where the server has something, and cannot
;; begin at the offset, what is before it is skipped.
(define (get-https-once connect::procedure url::bstring buffer::bstring timeout::long offset::long)
   (multiple-value-bind (login host port path)
      (parse-https-url url)
      (let* ((socket (connect host port buffer timeout))
             (in::input-port (socket-input socket))
             (kept #f))
         (unwind-protect
            (with-handler
               ;; As with http URLs: what does not speak HTTP has no such thing.
               (lambda (e)
                  (if (isa? e &io-parse-error) #f (raise e)))
               (limit-socket socket timeout)
               (send-request socket login host port path offset)
               (multiple-value-bind (status header length encoding)
                  (read-response-head in)
                  (limit-socket socket 0)
                  (cond
                     ((or (and (>=fx status 200) (<=fx status 299) (memq encoding '(#f identity chunked)))
                          ;; Nothing is there any more.
                          (and (=fx status 416) (>fx offset 0)))
                      (begin-body socket status header length (eq? encoding 'chunked) offset)
                      (make-https-port! in socket
                         (lambda (pos::long)
                            (get-https connect url (make-string (string-length buffer)) timeout pos)))
                      (set! kept #t)
                      in)
                     ((memq status '(301 302 303 307 308))
                      (let ((location (assq location: header)))
                         (and location (resolve-url url (cdr location)))))
                     (else #f))))
            (unless kept
               (socket-close socket))))))

(define (limit-socket socket timeout::long)
   (input-port-timeout-set! (socket-input socket) timeout)
   (output-port-timeout-set! (socket-output socket) timeout))

(define (send-request socket login host::bstring port::long path::bstring offset::long)
   (http :socket socket
      :protocol 'https
      :host (if (string-index host #\:) (string-append "[" host "]") host)
      :port port
      :login login
      :path path
      :connection "close"
      :header (let ((agent '(user-agent: "Mozilla/5.0")))
                 (if (>fx offset 0)
                     (list agent (list range: (format "bytes=~a-" offset)))
                     (list agent)))))

;; The status, the header, the length of the body (negative if it is not told) and how it is encoded.
;; What comes before the response (100 Continue, 103 Early Hints) is left out.
(define (read-response-head in::input-port)
   (let loop ()
      (multiple-value-bind (version status reason)
         (http-parse-status-line in)
         (multiple-value-bind (header host port length encoding login proxy-login connection)
            (http-parse-header in #f)
            (if (and (>=fx status 100) (<=fx status 199) (not (=fx status 101)))
                (loop)
                (values status header length encoding))))))

(define (begin-body socket status::long header::pair-nil length::elong chunked?::bool offset::long)
   (let* ((in::input-port (socket-input socket))
          (partial? (or (=fx status 416)
                        (and (=fx status 206) (begins-at? header offset))))
          (empty? (memq status '(204 205 416))))
      ($tls-socket-begin-body socket
         (if empty? #l0 (elong->llong length))
         (and chunked? (not empty?))
         (if partial? offset 0))
      (when (and (>elong length #e0) (not chunked?))
         ($tls-input-port-length-set! in length))
      (when (and (>fx offset 0) (not partial?))
         (if (=fx status 206)
             (raise (instantiate::&io-port-error
                       (proc 'set-input-port-position!)
                       (msg "the server sent another part than was asked for")
                       (obj offset)))
             (skip-chars! in offset)))))

(define (begins-at?::bool header::pair-nil offset::long)
   (let ((range (assq content-range: header)))
      (and range
           (string-prefix-ci? (format "bytes ~a-" offset) (cdr range)))))

(define (skip-chars! in::input-port n::long)
   (let ((skipped (make-string 4096)))
      (let loop ((n n))
         (when (>fx n 0)
            (let ((got (read-chars! skipped (minfx n (string-length skipped)) in)))
               (when (and (fixnum? got) (>fx got 0))
                  (loop (-fx n got))))))))

;; Closing the port closes the socket; seeking, which `reopen` does, leaves the port in its place.
(define (make-https-port! in::input-port socket reopen::procedure)
   (input-port-close-hook-set! in
      (lambda (in)
         (socket-close socket)))
   (input-port-seek-set! in
      (lambda (in pos)
         (if (<fx pos 0)
             (error 'set-input-port-position! "illegal position" pos)
             (let ((new (reopen pos)))
                (unless (input-port? new)
                   (raise (instantiate::&io-port-error
                             (proc 'set-input-port-position!)
                             (msg "the server has no such thing any more")
                             (obj pos))))
                (socket-close socket)
                (input-port-clone! in new)
                in)))))

;; ---- URLs ---------------------------------------------------------------------------------------

;; What would be read as more than a URL where it stands in a request.
(define (forbidden-in-url?::bool c::char)
   (or (char<=? c #\space) (char=? c #a127)))

(define (parse-https-url url::bstring)
   (define (bad msg)
      (raise (instantiate::&io-malformed-url-error
                (proc 'open-input-file)
                (msg msg)
                (obj url))))
   (let* ((end (or (string-index url "#") (string-length url)))
          (start (string-length "https://"))
          (slash (let ((i (string-index url "/?#" start))) (or i end)))
          (authority (substring url start slash))
          (path (substring url slash end))
          (at (string-index-right authority #\@))
          (login (and at (substring authority 0 at)))
          (place (if at
                     (substring authority (+fx at 1) (string-length authority))
                     authority)))
      (when (any forbidden-in-url? (string->list url))
         (bad "illegal character in the URL"))
      (multiple-value-bind (host port)
         (split-place place)
         (when (string-null? host)
            (bad "the URL has no host"))
         (unless port
            (bad "the URL has no valid port"))
         (values login host port
            (cond
               ((string-null? path) "/")
               ((char=? (string-ref path 0) #\?) (string-append "/" path))
               (else path))))))

;; host, host:port, [address] or [address]:port -> the host, and the port, #f if it is none.
(define (split-place place::bstring)
   (let* ((bracket (and (string-prefix? "[" place) (string-index place #\])))
          (colon (string-index place #\: (or bracket 0)))
          (host (cond
                   (bracket (substring place 1 bracket))
                   (colon (substring place 0 colon))
                   (else place)))
          (rest (cond
                   (bracket (substring place (+fx bracket 1) (string-length place)))
                   (colon (substring place colon (string-length place)))
                   (else ""))))
      (values host
         (cond
            ((or (string-null? rest) (string=? rest ":")) 443)
            ((and (<=fx (string-length rest) 6)
                  (char=? (string-ref rest 0) #\:)
                  (every char-numeric? (string->list (substring rest 1 (string-length rest)))))
             (string->integer (substring rest 1 (string-length rest))))
            (else #f)))))

;; What a Location, seen at `base`, points to (RFC 3986, section 5).
(define (resolve-url::bstring base::bstring location::bstring)
   (let* ((end (or (string-index base "?#" (string-length "https://")) (string-length base)))
          (root (or (string-index base #\/ (string-length "https://")) end)))
      (cond
         ((string-null? location) base)
         ((has-scheme? location) location)
         ((string-prefix? "//" location)
          (string-append "https:" location))
         ((char=? (string-ref location 0) #\/)
          (string-append (substring base 0 (minfx root end)) location))
         ((char=? (string-ref location 0) #\?)
          (string-append (substring base 0 end) location))
         ((<fx root end)
          (string-append (substring base 0 (+fx (string-index-right base #\/ end) 1)) location))
         (else
          (string-append (substring base 0 end) "/" location)))))

(define (has-scheme?::bool location::bstring)
   (let ((colon (string-index location #\:)))
      (and colon
           (>fx colon 0)
           (char-alphabetic? (string-ref location 0))
           (every (lambda (c)
                     (or (char-alphabetic? c) (char-numeric? c) (memv c '(#\+ #\- #\.))))
              (string->list (substring location 0 colon))))))
