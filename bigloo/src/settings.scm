;; settings.scm: further keyword arguments of all makers: sizes of records, whose order of ciphers counts, a trace of the
;; handshake; and what a server has counted.
(directives
   (extern
      (export %trace "bglssl_scheme_trace")
      (macro $tls-set-record-size::int (::void* ::long) "bgl_ssl_config_set_record_size")
      (macro $tls-set-dynamic-records::int (::void* ::bool) "bgl_ssl_config_set_dynamic_records")
      (macro $tls-set-max-fragment-length::int (::void* ::int)
             "bgl_ssl_config_set_max_fragment_length")
      (macro $tls-set-padding::int (::void* ::long) "bgl_ssl_config_set_padding")
      (macro $tls-set-server-preference::int (::void* ::bool)
             "bgl_ssl_config_set_server_preference")
      (macro $tls-config-trace::int (::void*) "bglssl_config_trace")
      (macro $tls-begin-trace::void () "bglssl_begin_trace")
      (macro $tls-take-trace::obj (::obj) "bglssl_take_trace")
      (macro $tls-server-set-trace::void (::obj ::obj) "bglssl_server_set_trace")
      (macro $tls-server-info::obj (::void*) "bglssl_server_info"))
   (export
      (ssl-server-socket-info::pair-nil ::socket)
      (%trace::obj ::obj ::obj)))

;; In a configuration, what the keywords of the list `further` ask for that requirements.scm does not know.
(define (set-settings! proc config::void* further::pair-nil)
   (define (set #!key
              (record-size #f) (dynamic-records #f) (max-fragment-length #f) (padding #f)
              (server-preference #f) (trace #f)
              #!rest unknown)
      (when (pair? unknown)
         (error proc "illegal keyword argument" (car unknown)))
      (when record-size
         (check proc record-size
            ($tls-set-record-size config (bytes-up-to-16k proc "the record size" record-size))))
      (when dynamic-records
         (check proc dynamic-records ($tls-set-dynamic-records config #t)))
      (when max-fragment-length
         (check proc max-fragment-length
            ($tls-set-max-fragment-length config
               (bytes-up-to-16k proc "the fragment length" max-fragment-length))))
      (when padding
         (check proc padding
            ($tls-set-padding config (bytes-up-to-16k proc "the padding" padding))))
      (when server-preference
         (check proc server-preference ($tls-set-server-preference config #t)))
      (when trace
         (check-trace proc trace)
         (check proc trace ($tls-config-trace config))))
   (apply set further))

(define (bytes-up-to-16k::long proc what n)
   (if (and (fixnum? n) (>=fx n 0) (<=fx n 16384))
       n
       (error proc (string-append what " must be a number between 0 and 16384") n)))

;; ---- the trace of a handshake ----

(define (check-trace proc trace)
   (unless (or (output-port? trace) (and (procedure? trace) (correct-arity? trace 1)))
      (error proc "the trace must be an output port or a procedure of one argument" trace)))

;; Who is told, by a configuration or by a maker's further keywords; #f for nobody. `unseen`: why nobody could be told,
;; or #f.
(define (trace-of proc further::pair-nil config unseen)
   (let ((trace (if (isa? config ssl-config)
                    (with-access::ssl-config config (trace) trace)
                    (further-value further :trace))))
      (when (and trace unseen)
         (error proc (string-append "nothing can be traced: " unseen) :trace))
      trace))

;; Before the handshake; gives the trace.
(define (begin-trace trace)
   (when trace
      ($tls-begin-trace))
   trace)

;; Tells each line, once the handshake of `socket` is over, or of one that has failed. A procedure, or a port, that raises or
;; escapes leaves nobody who could close the socket.
(define (%trace trace socket)
   (when trace
      (let ((told #f))
         (unwind-protect
            (begin
               (for-each (lambda (line)
                            (if (procedure? trace)
                                (trace line)
                                (begin
                                   (display line trace)
                                   (newline trace))))
                  ($tls-take-trace socket))
               (set! told #t))
            (unless (or told (not (socket? socket)))
               (attempt (lambda () (socket-close socket) #f))))))
   #unspecified)

;; ---- what a server has counted: an association list ----

(define (ssl-server-socket-info socket)
   (with-server 'ssl-server-socket-info socket handle
      ($tls-server-info handle)))
