;; ssl-ports.scm: TLS over any two ports.
;;
;; The library works on bytes in memory, and the procedures here carry them between there and the
;; ports. So what the ports do, raise, or escape to happens outside of the library.
(directives
   (extern
      (macro $tls-memory-io::void* (::void* ::int ::obj) "bglssl_memory_io")
      (macro $tls-memory-socket::void* (::void*) "bglssl_memory_socket")
      (macro $tls-memory-feed::bool (::void* ::string ::long) "bglssl_memory_feed")
      (macro $tls-memory-end::void (::void*) "bglssl_memory_end")
      (macro $tls-memory-break::void (::void*) "bglssl_memory_break")
      (macro $tls-memory-take::obj (::void*) "bglssl_memory_take")
      (macro $tls-memory-read::long (::void* ::string ::long) "bglssl_memory_read")
      (macro $tls-memory-write::long (::void* ::void* ::long) "bglssl_memory_write")
      (macro $tls-memory-wants::long "BGLSSL_MEMORY_WANTS")
      (macro $tls-memory-truncated::long "BGL_SSL_E_TRUNCATED")
      (macro $tls-memory-handshake::int (::void*) "bglssl_memory_handshake")
      (macro $tls-memory-shutdown::int (::void*) "bgl_ssl_socket_shutdown")
      (macro $tls-port-buffered::long (::obj) "bglssl_port_buffered")
      (macro $tls-port-partly-read?::bool (::obj) "bglssl_port_partly_readp")
      (macro $tls-port-unlock::void (::obj) "bglssl_port_unlock")
      (macro $tls-last-condition::obj (::obj ::obj) "bglssl_last_condition"))
   (export
      (ssl-ports ::input-port ::output-port
         #!key
         (server? #f) (protocol 'sslv23)
         (cert #f) (pkey #f)
         (CAs '()) (accepted-certs #f)
         (verify #unspecified) (hostname #f) (alpn #f)
         (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (truncation #unspecified)
         (identities '()) (hosts '()) (unknown-host 'default) (config #f)
         #!rest further)))

;; What one read gives at most: a record.
(define *largest-record* 16384)

;; Gives an input and an output port. The handshake is done. The ports under them stay open, and
;; are the program's: their time-outs hold, and what they raise comes through.
(define (ssl-ports in out
           #!key
           (server? #f) (protocol 'sslv23)
           (cert #f) (pkey #f)
           (CAs '()) (accepted-certs #f)
           (verify #unspecified) (hostname #f) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (truncation #unspecified)
           (identities '()) (hosts '()) (unknown-host 'default) (config #f)
           #!rest further)
   (let* ((proc (without-settings 'ssl-ports config :protocol protocol :cert cert :pkey pkey :CAs CAs
                   :accepted-certs accepted-certs :verify (given? verify) :alpn alpn :min-protocol min-protocol
                   :max-protocol max-protocol :ciphers ciphers :groups groups
                   :identities identities :hosts hosts :unknown-host unknown-host))
          (where (or hostname in))
          (raises (raises-truncation? proc truncation
                     (verify-beside config (verify-for further verify)) hostname))
          (given config)
          (name (if server? hostname (name-beside proc given hostname)))
          (verifier (verifier-of proc further given #f))
          (box::void* (if given
                          (given-config proc given (if server? 'server 'client) protocol further)
                          (make-config proc where (and server? #t) protocol cert pkey CAs accepted-certs
                             verify hostname alpn min-protocol max-protocol ciphers groups
                             #f 0 #t further identities hosts unknown-host)))
          (tls::void* ($tls-memory-io box (if server? $tls-role-server $tls-role-client)
                         (and (string? name) name)))
          (lock (make-mutex)))
      (when verifier
         (error proc "verify-peer is for the procedures that make sockets" verifier))
      (trace-of proc further given "that is for the procedures that make sockets")
      (when ($tls-null? tls)
         ($tls-raise proc where))
      (release-config! given box)
      (shake-hands proc where tls lock in out)
      (values
         (make-input where tls lock in out raises)
         (make-output where tls lock out))))

(define (make-input where tls::void* lock in out raises)
   (letrec ((port (open-input-procedure
                     (lambda ()
                        (receive-record where tls lock in out (and raises (lambda () ($tls-port-partly-read? port)))))
                     *largest-record*)))
      port))

;; A port that is sent when it is flushed, or has a record's worth.
(define (make-output where tls::void* lock out)
   (let ((pieces '())
         (size 0)
         (port #f))
      (define (send)
         (let ((bytes (apply string-append (reverse! pieces))))
            (set! pieces '())
            (set! size 0)
            (send-bytes where tls lock out bytes)))
      ;; The runtime has locked the port, and would never unlock it after an escape.
      (define (send-locked)
         (let ((sent #f))
            (unwind-protect
               (begin
                  (send)
                  (set! sent #t))
               (unless sent ($tls-port-unlock port)))))
      (set! port
         (open-output-procedure
            (lambda (bytes)
               (set! pieces (cons (string-copy bytes) pieces))
               (set! size (+fx size (string-length bytes)))
               (when (>=fx size *largest-record*) (send-locked)))
            send-locked
            #t
            (lambda ()
               (send)
               (end-bytes tls lock out))))
      port))

;; Sends what the library has for the peer, by a thread that holds the lock. A port that fails has sent nobody knows how much.
(define (send-all tls::void* out)
   (let ((bytes::bstring ($tls-memory-take tls))
         (sent #f))
      (unless (string-null? bytes)
         (unwind-protect
            (begin
               (display-string bytes out)
               (flush-output-port out)
               (set! sent #t))
            (unless sent ($tls-memory-break tls)))
         (send-all tls out))))

(define (carry-out tls::void* lock out)
   (synchronize lock (send-all tls out)))

;; How long a thread that reads waits for one that writes, in milliseconds.
(define *short-wait* 5)

;; Sends what reading has left, such as the answer to a new key. Not while another thread writes: that one may wait until the
;; peer reads, and the peer until this one does; and it sends this, too.
(define (carry-out-unless-writing tls::void* lock out)
   (when (mutex-lock! lock *short-wait*)
      (unwind-protect
         (send-all tls out)
         (mutex-unlock! lock))))

;; Waits for what the peer sends next, and takes no more than has come.
(define (carry-in proc where tls::void* in)
   (define (feed bytes::bstring)
      (unless ($tls-memory-feed tls bytes (string-length bytes))
         (error proc "memory ran out" where)))
   (let ((c (read-char in)))
      (if (char? c)
          (begin
             (feed (string c))
             (let ((more ($tls-port-buffered in)))
                (when (>fx more 0)
                   (let ((bytes (read-chars more in)))
                      (when (string? bytes) (feed bytes))))))
          ($tls-memory-end tls))))

(define (shake-hands proc where tls::void* lock in out)
   (let ((status ($tls-memory-handshake ($tls-memory-socket tls))))
      (if (<fx status 0)
          (let ((condition ($tls-last-condition proc where)))
             ;; The alert, if it can be sent; what went wrong is more than that it cannot.
             (with-handler
                (lambda (e) #f)
                (carry-out tls lock out))
             (raise condition))
          (begin
             (carry-out tls lock out)
             (when (>fx status 0)
                (carry-in proc where tls in)
                (shake-hands proc where tls lock in out))))))

;; What one record has, or #f at the end of the stream. Where that came without close_notify it raises, unless `keeps` is #f; but
;; a reader that has a part of a line, say, which `keeps` tells, gets that first, by a read of nothing.
(define (receive-record where tls::void* lock in out keeps)
   (let ((buffer (make-string *largest-record*)))
      (let loop ()
         (let ((n ($tls-memory-read tls buffer *largest-record*)))
            (cond
               ((>fx n 0)
                (carry-out-unless-writing tls lock out)
                (substring buffer 0 n))
               ((=fx n 0) #f)
               ((=fx n $tls-memory-wants)
                (carry-out-unless-writing tls lock out)
                (carry-in 'read where tls in)
                (loop))
               ((not (=fx n $tls-memory-truncated)) ($tls-raise 'read where))
               ((not keeps) #f)
               ((keeps) "")
               (else ($tls-raise 'read where)))))))

(define (send-bytes where tls::void* lock out bytes::bstring)
   (let loop ((at 0))
      (when (<fx at (string-length bytes))
         ;; One exclusive section, so that no thread that reads comes to send this.
         (let ((n (synchronize lock
                     (let ((n ($tls-memory-write tls ($tls-at bytes at) (-fx (string-length bytes) at))))
                        (when (and (<fx n 0) (not (=fx n $tls-memory-wants)))
                           ($tls-raise 'write where))
                        (send-all tls out)
                        n))))
            (loop (if (>fx n 0) (+fx at n) at))))))

;; The peer reads the end; reading goes on.
(define (end-bytes tls::void* lock out)
   ($tls-memory-shutdown ($tls-memory-socket tls))
   (carry-out tls lock out))
