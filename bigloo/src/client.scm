;; client.scm: sockets that connect, and the client's side of STARTTLS.
(directives
   (extern
      (macro $tls-connect::obj
             (::void* ::void* ::obj ::obj ::int ::int ::bool ::bool ::obj ::long ::long ::obj ::obj ::obj)
             "bglssl_connect")
      (macro $tls-use-ssl::obj (::obj ::void* ::void* ::int ::obj ::long ::bool ::obj ::obj ::obj)
             "bglssl_use_ssl")
      (macro $tls-role-client::int "BGLSSL_ROLE_CLIENT")
      (macro $tls-switchable?::bool (::obj) "bglssl_switchablep")
      (macro $tls-port-time-limit::long (::obj) "bglssl_port_time_limit")
      (macro $tls-known-hostname::obj (::obj) "bglssl_known_hostname")
      (macro $tls-peer-name::obj (::obj) "bglssl_peer_name")
      (macro $tls-socket-configure::void (::obj ::bool ::long) "bglssl_socket_configure")
      (macro $tls-socket-flush::void (::obj) "bglssl_socket_flush")
      (macro $tls-socket-closing::void (::obj) "bglssl_socket_closing")
      (macro $tls-socket-abandon::void (::obj) "bglssl_socket_abandon"))
   (export
      (make-ssl-client-socket ::bstring ::long
         #!key
         (buffer #unspecified) (inbuf #t) (outbuf #t)
         (timeout 0) (protocol 'sslv23)
         (cert #f) (pkey #f)
         (CAs '()) (accepted-certs #f)
         (domain 'inet)
         (verify #unspecified) (hostname #f) (alpn #f)
         (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (handshake-timeout #f) (truncation #unspecified)
         (close-timeout 2000000) (config #f) (session #f)
         #!rest further)
      (client-socket-use-ssl! ::socket
         #!key
         (protocol 'sslv23)
         (cert #f) (pkey #f)
         (CAs '()) (accepted-certs #f)
         (verify #unspecified) (hostname #f) (alpn #f)
         (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
         (handshake-timeout #f) (truncation #unspecified)
         (close-timeout 2000000) (config #f) (session #f)
         #!rest further)))

;; The close hook of all sockets of this library. A flush hook of the program's may raise or
;; escape: the socket is closed all the same.
(define (socket-closing socket)
   (let ((flushed #f))
      (unwind-protect
         (begin
            ($tls-socket-flush socket)
            (set! flushed #t))
         (begin
            ($tls-socket-closing socket)
            (unless flushed
               ($tls-socket-abandon socket)))))
   #unspecified)

(define (check-close-timeout::long proc::symbol close-timeout)
   (if (and (fixnum? close-timeout) (>=fx close-timeout 0))
       close-timeout
       (error proc "the close-timeout must be a number of microseconds, 0 or more" close-timeout)))

(define *default-buffer-size* 8192)

(define (input-buffer::bstring proc::symbol buffer)
   (if (and (string? buffer) (<fx (string-length buffer) 2))
       (make-string 2)
       (get-port-buffer proc buffer *default-buffer-size*)))

(define (address::bstring host::bstring port::long)
   (string-append host ":" (integer->string port)))

(define (make-ssl-client-socket host port
           #!key
           (buffer #unspecified) (inbuf #t) (outbuf #t)
           (timeout 0) (protocol 'sslv23)
           (cert #f) (pkey #f)
           (CAs '()) (accepted-certs #f)
           (domain 'inet)
           (verify #unspecified) (hostname #f) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (handshake-timeout #f) (truncation #unspecified)
         (close-timeout 2000000) (config #f) (session #f)
         #!rest further)
   (let* ((proc (without-settings 'make-ssl-client-socket config :protocol protocol :cert cert :pkey pkey :CAs CAs
                   :accepted-certs accepted-certs :verify (given? verify) :alpn alpn :min-protocol min-protocol
                   :max-protocol max-protocol :ciphers ciphers :groups groups))
          (raises (raises-truncation? proc truncation
                     (verify-beside config (verify-for further verify)) hostname))
          (family (domain->int proc domain '(inet inet6 unspec unix local)))
          (unix (=fx family $tls-af-unix))
          (host (if unix (unix-name proc host) (c-string proc "the host name" host)))
          (where (if unix host (address host port)))
          (port (if unix
                    -1
                    (begin
                       (check-host proc where host)
                       (check-port proc where port 1))))
          (name (name-beside proc config hostname))
          (given config)
          (limit (handshake-limit proc handshake-timeout config 0))
          (session-box::void* (given-session proc session))
          (verifier (verifier-of proc further given #f))
          (protocol (if (isa? given ssl-config)
                        (with-access::ssl-config given (protocol) protocol)
                        protocol))
          (datagrams (=fx (protocol->int proc protocol) $tls-dtlsv1))
          (close-timeout (check-close-timeout proc close-timeout))
          (inbuf (input-buffer proc (if (given? buffer) buffer inbuf)))
          (outbuf (get-port-buffer proc (if (given? buffer) buffer outbuf) *default-buffer-size*))
          (config (if given
                      (limit-connect proc timeout (given-config proc given 'client protocol further))
                      (make-config proc where #f protocol cert pkey CAs accepted-certs
                         verify hostname alpn min-protocol max-protocol ciphers groups
                         (or timeout 0) limit #t further)))
          (proxied (and (not unix)
                        (if (isa? given ssl-config)
                            (with-access::ssl-config given (proxied) proxied)
                            (asks-for-proxy? further))))
          (trace (begin-trace (trace-of proc further given #f)))
          (result ($tls-connect config session-box proc host port family datagrams proxied name limit
                     (or timeout 0) inbuf outbuf socket-closing)))
      (release-config! given config)
      ($tls-keep session)
      (when (socket? result)
         ($tls-socket-configure result raises close-timeout))
      (%trace trace result)
      (if (socket? result)
          (begin
             (verify-peer! verifier result (or name host) proc where)
             result)
          (raise result))))

;; A configuration whose connects take no longer than :timeout, where it is given.
(define (limit-connect proc timeout box::void*)
   (if (and timeout (not (eq? timeout 0)))
       (changed-config proc box
          (lambda (config::void*)
             ($tls-set-connect-timeout config (microseconds proc "the time-out" timeout))))
       box))

;; A socket to switch: open, with ports. An SSL socket gets a connection inside of the one that it
;; has. Gives its peer's name.
(define (switchable-socket proc::symbol socket::socket)
   (if ($tls-switchable? socket)
       (let ((name ($tls-known-hostname socket)))
          (if (string? name)
              (address name (socket-port-number socket))
              ($tls-peer-name socket)))
       (error proc "the socket must be a client's or an accepted one, with both ports open" socket)))

(define (client-socket-use-ssl! socket
           #!key
           (protocol 'sslv23)
           (cert #f) (pkey #f)
           (CAs '()) (accepted-certs #f)
           (verify #unspecified) (hostname #f) (alpn #f)
           (min-protocol #f) (max-protocol #f) (ciphers #f) (groups #f)
           (handshake-timeout #f) (truncation #unspecified)
         (close-timeout 2000000) (config #f) (session #f)
         #!rest further)
   (let* ((proc (without-settings (without-proxy 'client-socket-use-ssl! further) config
                   :protocol protocol :cert cert :pkey pkey :CAs CAs
                   :accepted-certs accepted-certs :verify (given? verify) :alpn alpn :min-protocol min-protocol
                   :max-protocol max-protocol :ciphers ciphers :groups groups))
          (raises (raises-truncation? proc truncation
                     (verify-beside config (verify-for further verify)) hostname))
          (where (switchable-socket proc socket))
          (name (name-beside proc config hostname))
          (session-box::void* (given-session proc session))
          (port-limit ($tls-port-time-limit socket))
          (limit (handshake-limit proc (or handshake-timeout (and (>fx port-limit 0) port-limit)) config 0))
          (given config)
          (config (if given
                      (given-config proc given 'client protocol further)
                      (make-config proc where #f protocol cert pkey CAs accepted-certs
                         verify hostname alpn min-protocol max-protocol ciphers groups
                         #f limit #t further))))
      (switch-socket! proc socket config given $tls-role-client limit #f where raises
         (check-close-timeout proc close-timeout) (trace-of proc further given #f)
         (verifier-of proc further given #f) (or name ($tls-known-hostname socket)) session)))

;; What the program wrote before the switch goes out before it, in the clear. `host`: a client's peer, for verification and
;; the server's choice; #f if it is not known.
(define (switch-socket! proc socket config given role::int limit::long lazy::bool where raises::bool
                        close-timeout::long trace verifier host #!optional (session #f))
   (flush-output-port (socket-output socket))
   (begin-trace trace)
   (let ((condition ($tls-use-ssl socket config (given-session proc session) role
                       host limit lazy proc where socket-closing)))
      (release-config! given config)
      ($tls-keep session)
      (unless condition
         ($tls-socket-configure socket raises close-timeout))
      (%trace trace socket)
      (if condition
          (raise condition)
          (begin
             (verify-peer! verifier socket (or host (ssl-socket-server-name socket)) proc where)
             socket))))
