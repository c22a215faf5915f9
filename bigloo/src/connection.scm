;; connection.scm: what one may ask of an SSL socket.
(directives
   (extern
      (macro $tls-ssl-socket?::bool (::obj) "bglssl_ssl_socketp")
      (macro $tls-socket-truncated?::bool (::obj) "bglssl_socket_truncatedp")
      (macro $tls-socket-end-output::void (::obj) "bglssl_socket_end_output")
      (macro $tls-socket-handle::void* (::obj) "bglssl_socket_handle")
      (macro $tls-connection-protocol::void* (::void*) "(void *)bgl_ssl_socket_protocol")
      (macro $tls-connection-cipher::void* (::void*) "(void *)bgl_ssl_socket_cipher")
      (macro $tls-static-text::bstring (::void*) "string_to_bstring")
      (macro $tls-connection-alpn::long (::void* ::string ::long) "bgl_ssl_socket_alpn")
      (macro $tls-connection-server-name::long (::void* ::string ::long)
             "bgl_ssl_socket_server_name")
      (macro $tls-connection-verify-error::long (::void* ::string ::long)
             "bgl_ssl_socket_verify_error")
      (macro $tls-connection-peer-certificate::void* (::void*) "bgl_ssl_socket_peer_certificate")
      (macro $tls-connection-peer-chain::void* (::void*) "bgl_ssl_socket_peer_chain")
      (macro $tls-connection-info::obj (::void*) "bglssl_socket_info")
      (macro $tls-connection-export::int (::void* ::string ::void* ::long ::string ::long)
             "bgl_ssl_socket_export")
      (macro $tls-connection-binding::long (::void* ::int ::string ::long)
             "bgl_ssl_socket_channel_binding")
      (macro $tls-binding-unique::int "BGL_SSL_BINDING_TLS_UNIQUE")
      (macro $tls-binding-end-point::int "BGL_SSL_BINDING_TLS_SERVER_END_POINT")
      (macro $tls-binding-exporter::int "BGL_SSL_BINDING_TLS_EXPORTER"))
   (export
      (ssl-socket?::bool ::obj)
      (ssl-socket-truncated?::bool ::socket)
      (ssl-socket-end-output! ::socket)
      (ssl-socket-protocol ::socket)
      (ssl-socket-cipher ::socket)
      (ssl-socket-alpn ::socket)
      (ssl-socket-server-name ::socket)
      (ssl-socket-verify-error ::socket)
      (ssl-socket-peer-certificate ::socket)
      (ssl-socket-peer-chain::pair-nil ::socket)
      (ssl-socket-info::pair-nil ::socket)
      (ssl-socket-export::bstring ::socket ::bstring ::long #!optional (context #f))
      (ssl-socket-channel-binding ::socket ::symbol)))

(define (ssl-socket? obj)
   ($tls-ssl-socket? obj))

(define-macro (with-connection proc socket handle . body)
   `(let ((,handle ($tls-socket-handle ,socket)))
       (when ($tls-null? ,handle)
          (error ,proc "not the socket of an SSL connection" ,socket))
       (let ((result (begin ,@body)))
          ($tls-keep ,socket)
          result)))

;; Before the handshake of a :lazy-handshake there is no answer: #f.
(define (static-text text::void*)
   (and (not ($tls-null? text)) ($tls-static-text text)))

(define (text-or-false text::bstring)
   (and (not (string-null? text)) text))

;; Whether reads have come to an end that the peer did not announce (close_notify): what
;; arrived may be less than what was sent.
(define (ssl-socket-truncated? socket)
   (with-connection 'ssl-socket-truncated? socket handle
      ($tls-socket-truncated? socket)))

;; Closes the output port and tells the peer that nothing more will come; reading goes on.
(define (ssl-socket-end-output! socket)
   (with-connection 'ssl-socket-end-output! socket handle
      ($tls-socket-end-output socket)
      socket))

(define (ssl-socket-protocol socket)
   (with-connection 'ssl-socket-protocol socket handle
      (static-text ($tls-connection-protocol handle))))

(define (ssl-socket-cipher socket)
   (with-connection 'ssl-socket-cipher socket handle
      (static-text ($tls-connection-cipher handle))))

(define (ssl-socket-alpn socket)
   (with-connection 'ssl-socket-alpn socket handle
      (text-or-false (c-text $tls-connection-alpn handle))))

(define (ssl-socket-server-name socket)
   (with-connection 'ssl-socket-server-name socket handle
      (text-or-false (c-text $tls-connection-server-name handle))))

(define (ssl-socket-verify-error socket)
   (with-connection 'ssl-socket-verify-error socket handle
      (text-or-false (c-text $tls-connection-verify-error handle))))

(define (ssl-socket-peer-certificate socket)
   (with-connection 'ssl-socket-peer-certificate socket handle
      (let ((certificate ($tls-connection-peer-certificate handle)))
         (and (not ($tls-null? certificate)) (make-certificate certificate)))))

(define (ssl-socket-peer-chain socket)
   (with-connection 'ssl-socket-peer-chain socket handle
      (let ((chain ($tls-connection-peer-chain handle)))
         (if ($tls-null? chain) '() (take-certificates chain)))))

;; Bytes that both ends derive from the connection, and nobody else (RFC 5705).
(define (ssl-socket-export socket label len #!optional (context #f))
   (unless (and (>fx len 0) (<=fx len 16384))
      (error 'ssl-socket-export "the length must be between 1 and 16384" len))
   (unless (or (not context) (string? context))
      (error 'ssl-socket-export "the context must be a string or #f" context))
   (with-connection 'ssl-socket-export socket handle
      (let ((bytes (make-string len))
            (label (c-string 'ssl-socket-export "the label" label)))
         (check 'ssl-socket-export socket
            (if context
                ($tls-connection-export handle label ($tls-at context 0) (string-length context)
                   bytes len)
                ($tls-connection-export handle label $tls-null 0 bytes len)))
         bytes)))

;; What an authentication inside of the connection mixes in (RFC 5929, RFC 9266); #f where the
;; kind is not defined for this connection, or would not be unique.
(define (ssl-socket-channel-binding socket kind)
   (with-connection 'ssl-socket-channel-binding socket handle
      (let* ((number (case kind
                        ((tls-unique) $tls-binding-unique)
                        ((tls-server-end-point) $tls-binding-end-point)
                        ((tls-exporter) $tls-binding-exporter)
                        (else (error 'ssl-socket-channel-binding "unknown channel binding" kind))))
             (bytes (make-string 64))
             (len ($tls-connection-binding handle number bytes 64)))
         (and (>fx len 0) (substring bytes 0 len)))))

;; What is known of the connection: an association list.
(define (ssl-socket-info socket)
   (with-connection 'ssl-socket-info socket handle
      ($tls-connection-info handle)))
