;; ssl-connection.scm: connections without a socket.
;;
;; The callbacks are called from here, after C has returned: the library notes what
;; happened as events, and stops the handshake where it has a question. So a callback may
;; raise, escape, close the connection or use it.
(directives
   (extern
      (macro $tls-engine-init::void* (::void* ::bool ::bool ::void* ::bool) "bgl_ssl_connection_init")
      (macro $tls-box-engine::void* (::void*) "bglssl_box_connection")
      (macro $tls-engine-want-events::int (::void* ::int) "bgl_ssl_connection_want_events")
      (macro $tls-engine-next-event::int (::void*) "bgl_ssl_connection_next_event")
      (macro $tls-engine-event-id::long (::void* ::string ::long) "bgl_ssl_connection_event_id")
      (macro $tls-engine-event-session::long (::void* ::string ::long)
             "bgl_ssl_connection_event_session")
      (macro $tls-engine-answer-server-name::int (::void* ::void* ::bool)
             "bgl_ssl_connection_answer_server_name")
      (macro $tls-engine-refuse-server-name::int (::void*) "bgl_ssl_connection_refuse_server_name")
      (macro $tls-engine-server-name::long (::void* ::string ::long) "bgl_ssl_connection_server_name")
      (macro $tls-engine-set-hostname::int (::void* ::string) "bgl_ssl_connection_set_hostname")
      (macro $tls-engine-set-npn-protos::int (::void* ::string ::long)
             "bgl_ssl_connection_set_npn_protos")
      (macro $tls-engine-set-strict-alpn::int (::void* ::bool) "bgl_ssl_connection_set_strict_alpn")
      (macro $tls-engine-negotiated-protocol::long (::void* ::string ::long)
             "bgl_ssl_connection_get_negotiated_protocol")
      (macro $tls-engine-start::int (::void*) "bgl_ssl_connection_start")
      (macro $tls-engine-read::long (::void* ::string ::long ::long) "bgl_ssl_connection_read")
      (macro $tls-engine-write::long (::void* ::string ::long ::long) "bgl_ssl_connection_write")
      (macro $tls-engine-write-eof::int (::void*) "bgl_ssl_connection_write_eof")
      (macro $tls-engine-clear-in::long (::void* ::string ::long ::long) "bgl_ssl_connection_clear_in")
      (macro $tls-engine-clear-out::long (::void* ::string ::long ::long)
             "bgl_ssl_connection_clear_out")
      (macro $tls-engine-enc-pending::long (::void*) "bgl_ssl_connection_enc_pending")
      (macro $tls-engine-clear-pending::long (::void*) "bgl_ssl_connection_clear_pending")
      (macro $tls-engine-init-finished?::bool (::void*) "bgl_ssl_connection_init_finishedp")
      (macro $tls-engine-shutdown::int (::void*) "bgl_ssl_connection_shutdown")
      (macro $tls-engine-close::int (::void*) "bgl_ssl_connection_close")
      (macro $tls-engine-status::int (::void*) "bgl_ssl_connection_status")
      (macro $tls-engine-err::long (::void* ::string ::long) "bgl_ssl_connection_err")
      (macro $tls-engine-received-shutdown?::bool (::void*) "bgl_ssl_connection_received_shutdown")
      (macro $tls-engine-sent-shutdown?::bool (::void*) "bgl_ssl_connection_sent_shutdown")
      (macro $tls-engine-set-session::int (::void* ::string ::long) "bgl_ssl_connection_set_session")
      (macro $tls-engine-get-session::long (::void* ::string ::long) "bgl_ssl_connection_get_session")
      (macro $tls-engine-load-session::int (::void* ::string ::long) "bgl_ssl_connection_load_session")
      (macro $tls-engine-reused?::bool (::void*) "bgl_ssl_connection_reused")
      (macro $tls-engine-cipher::void* (::void*) "(void *)bgl_ssl_connection_get_current_cipher")
      (macro $tls-engine-cipher-version::void* (::void*)
             "(void *)bgl_ssl_connection_get_current_cipher_version")
      (macro $tls-engine-protocol::void* (::void*) "(void *)bgl_ssl_connection_protocol")
      (macro $tls-engine-verify-error::void* (::void*) "(void *)bgl_ssl_connection_verify_error")
      (macro $tls-engine-peer-certificate::void* (::void*)
             "bgl_ssl_connection_get_peer_certificate")
      (macro $tls-engine-peer-chain::void* (::void*) "bgl_ssl_connection_peer_chain")

      (macro $tls-subject-lines::long (::void* ::string ::long) "bgl_ssl_certificate_subject_lines")
      (macro $tls-issuer-lines::long (::void* ::string ::long) "bgl_ssl_certificate_issuer_lines")
      (macro $tls-alt-names-text::long (::void* ::string ::long) "bgl_ssl_certificate_alt_names")
      (macro $tls-modulus::long (::void* ::string ::long) "bgl_ssl_certificate_modulus")
      (macro $tls-exponent::long (::void* ::string ::long) "bgl_ssl_certificate_exponent")
      (macro $tls-valid-from::long (::void* ::string ::long) "bgl_ssl_certificate_valid_from")
      (macro $tls-valid-to::long (::void* ::string ::long) "bgl_ssl_certificate_valid_to")
      (macro $tls-ext-key-usage-count::long (::void*) "bgl_ssl_certificate_ext_key_usage_count")
      (macro $tls-ext-key-usage::long (::void* ::long ::string ::long)
             "bgl_ssl_certificate_ext_key_usage")

      (macro $tls-want-info-events::int "BGL_SSL_WANT_INFO_EVENTS")
      (macro $tls-want-server-name-events::int "BGL_SSL_WANT_SERVER_NAME_EVENTS")
      (macro $tls-want-new-session-events::int "BGL_SSL_WANT_NEW_SESSION_EVENTS")
      (macro $tls-want-session-lookup-events::int "BGL_SSL_WANT_SESSION_LOOKUP_EVENTS")
      (macro $tls-stop-for-events::int "BGL_SSL_STOP_FOR_EVENTS")
      (macro $tls-event-none::int "BGL_SSL_EVENT_NONE")
      (macro $tls-event-handshake-start::int "BGL_SSL_EVENT_HANDSHAKE_START")
      (macro $tls-event-handshake-done::int "BGL_SSL_EVENT_HANDSHAKE_DONE")
      (macro $tls-event-server-name::int "BGL_SSL_EVENT_SERVER_NAME")
      (macro $tls-event-new-session::int "BGL_SSL_EVENT_NEW_SESSION")
      (macro $tls-event-session-lookup::int "BGL_SSL_EVENT_SESSION_LOOKUP")
      (macro $tls-want-event::int "BGL_SSL_WANT_EVENT"))
   (export
      (class ssl-connection
         (ssl-connection-init)
         ($native (default #f))
         ($begun::bool (default #f))
         ($closed::bool (default #f))
         ;; The events asked for, and whether the handshake was done after the last step.
         ($wanted::int (default -1))
         ($shaken::bool (default #f))
         (ctx::secure-context read-only)
         (isserver::bool read-only)
         (request-cert::bool read-only (default #f))
         ;; Clients: the name to send. Servers: the name that the client has sent.
         (server-name::obj (default #f))
         (reject-unauthorized::bool read-only)
         (info-callback (default #f))
         (sni-context-callback (default #f))
         (newsession-callback::procedure read-only (default list))
         (selected-npn-protos::obj (default #unspecified))
         (npn-protos::obj (default #unspecified))
         (err::obj (default #f))
         (received-shutdown::bool (default #f))
         (sent-shutdown::bool (default #f))
         ;; Servers: a procedure of 2, the connection and the id of the session that the
         ;; client wants to resume; it may call ssl-connection-load-session.
         (session-lookup-callback (default #f))
         ;; Servers: refuse clients that offer only other protocols.
         (strict-alpn::bool (default #f))
         ;; Clients: info-callback and newsession-callback are for servers, as with
         ;; Bigloo's own library, whose programs set them on both ends.
         (client-info-callback (default #f))
         (client-newsession-callback (default #f)))
      (generic ssl-connection-init ::ssl-connection)
      (generic ssl-connection-start::int ::ssl-connection)
      (generic ssl-connection-close::int ::ssl-connection)
      (generic ssl-connection-shutdown::obj ::ssl-connection)
      (generic ssl-connection-read ::ssl-connection ::bstring ::long ::long)
      (generic ssl-connection-write ::ssl-connection ::bstring ::long ::long)
      (generic ssl-connection-clear-in ::ssl-connection ::bstring ::long ::long)
      (generic ssl-connection-clear-out ::ssl-connection ::bstring ::long ::long)
      (generic ssl-connection-init-finished? ::ssl-connection)
      (generic ssl-connection-enc-pending ::ssl-connection)
      (generic ssl-connection-clear-pending ::ssl-connection)
      (generic ssl-connection-set-session ::ssl-connection ::bstring)
      (generic ssl-connection-get-session ::ssl-connection)
      (generic ssl-connection-get-current-cipher ::ssl-connection)
      (generic ssl-connection-load-session ::ssl-connection ::bstring)
      (generic ssl-connection-verify-error ::ssl-connection)
      (generic ssl-connection-get-peer-certificate ::ssl-connection)
      (generic ssl-connection-get-negotiated-protocol ::ssl-connection)
      (generic ssl-connection-reused?::bool ::ssl-connection)
      ;; These Bigloo's own library does not have.
      (generic ssl-connection-write-eof ::ssl-connection)
      (generic ssl-connection-set-hostname! ::ssl-connection ::bstring)
      (generic ssl-connection-protocol ::ssl-connection)
      (generic ssl-connection-peer-certificate ::ssl-connection)
      (generic ssl-connection-peer-chain::pair-nil ::ssl-connection)))

(define-macro (with-engine ssl handle . body)
   `(let* ((box (engine-box ,ssl))
           (,handle ($tls-unbox box))
           (result (begin ,@body)))
       ($tls-keep-box box)
       result))

(define (engine-box ssl::ssl-connection)
   (with-access::ssl-connection ssl ($native)
      (or $native (error 'ssl-connection "not initialised" ssl))))

(define (check-open proc ssl::ssl-connection)
   (with-access::ssl-connection ssl ($closed)
      (when $closed
         (error proc "the connection is closed" ssl))))

(define (check-callback proc callback arity::int)
   (unless (and (procedure? callback) (correct-arity? callback arity))
      (error proc "wrong callback arity" callback)))

(define-generic (ssl-connection-init ssl::ssl-connection)
   (with-access::ssl-connection ssl ($native ctx isserver request-cert server-name
                                       reject-unauthorized)
      (let* ((proc 'ssl-connection)
             (name (and (not isserver) (string? server-name)
                        (c-string proc "the server name" server-name)))
             (handle (with-context ctx context
                        ($tls-engine-init context isserver request-cert
                           (if name ($tls-string-address name) $tls-null)
                           reject-unauthorized))))
         ($tls-keep name)
         (when ($tls-null? handle)
            ($tls-raise proc ctx))
         (set! $native ($tls-box-engine handle))
         ssl)))

;; ---- steps ----------------------------------------------------------------------------------

;; Takes a step, which gives a number, and has the callbacks called about what happened in
;; it; again, if all that it lacked were their answers.
(define-inline (take-step proc ssl::ssl-connection step::procedure)
   (check-open proc ssl)
   (offer-protocols proc ssl)
   (let loop ()
      (want-events ssl)
      (let ((n (step)))
         (if (moved-data? ssl n)
             (begin
                (with-access::ssl-connection ssl (err)
                   (set! err #f))
                (deliver-events proc ssl)
                n)
             (let ((status (status-after proc ssl n)))
                (note-state ssl status)
                (let ((delivered (deliver-events proc ssl)))
                   (with-access::ssl-connection ssl ($closed)
                      (if (and (=fx status $tls-want-event) delivered (not $closed))
                          (loop)
                          n))))))))

;; Most steps: nothing has changed but the data.
(define (moved-data?::bool ssl::ssl-connection n)
   (with-access::ssl-connection ssl ($shaken)
      (and $shaken (>fx n 0))))

;; A step that TLS refused shows in `err`; one that was not even tried, because another
;; thread uses the connection, is an error.
(define (status-after::int proc ssl n)
   (let ((status (with-engine ssl handle ($tls-engine-status handle))))
      (when (and (<fx n 0) (=fx status $tls-e-state))
         ($tls-raise proc ssl))
      status))

(define (offer-protocols proc ssl::ssl-connection)
   (with-access::ssl-connection ssl ($begun npn-protos strict-alpn)
      (unless $begun
         (when strict-alpn
            (check proc ssl
               (with-engine ssl handle
                  ($tls-engine-set-strict-alpn handle #t))))
         (when (string? npn-protos)
            (check proc npn-protos
               (with-engine ssl handle
                  ($tls-engine-set-npn-protos handle npn-protos (string-length npn-protos)))))
         (set! $begun #t))))

(define (want-events ssl::ssl-connection)
   (with-access::ssl-connection ssl ($wanted sni-context-callback session-lookup-callback)
      (let ((kinds (+fx (if (procedure? (info-callback-of ssl)) $tls-want-info-events 0)
                      (+fx (if (procedure? sni-context-callback) $tls-want-server-name-events 0)
                         (+fx (if (newsession-callback-of ssl) $tls-want-new-session-events 0)
                            (+fx (if (procedure? session-lookup-callback)
                                     $tls-want-session-lookup-events
                                     0)
                               $tls-stop-for-events))))))
         (unless (=fx kinds $wanted)
            (with-engine ssl handle
               ($tls-engine-want-events handle kinds))
            (set! $wanted kinds)))))

(define (info-callback-of ssl::ssl-connection)
   (with-access::ssl-connection ssl (isserver info-callback client-info-callback)
      (if isserver info-callback client-info-callback)))

;; #f if nobody has set one.
(define (newsession-callback-of ssl::ssl-connection)
   (with-access::ssl-connection ssl (isserver newsession-callback client-newsession-callback)
      (cond
         ((not isserver) client-newsession-callback)
         ((eq? newsession-callback list) #f)
         (else newsession-callback))))

(define (note-state ssl::ssl-connection status::int)
   (with-access::ssl-connection ssl (err received-shutdown sent-shutdown isserver server-name
                                       selected-npn-protos npn-protos $shaken)
      (with-engine ssl handle
         (set! err (and (<fx status 0) (text-or-false (c-text $tls-engine-err handle))))
         (set! received-shutdown ($tls-engine-received-shutdown? handle))
         (set! sent-shutdown ($tls-engine-sent-shutdown? handle))
         (unless $shaken
            (when isserver
               (let ((name (text-or-false (c-text $tls-engine-server-name handle))))
                  (when name
                     (set! server-name name))))
            (when ($tls-engine-init-finished? handle)
               (let ((chosen (text-or-false (c-text $tls-engine-negotiated-protocol handle))))
                  (when (or chosen (string? npn-protos))
                     (set! selected-npn-protos chosen)))
               (set! $shaken #t))))))

;; #f if there was nothing to deliver.
(define (deliver-events proc ssl::ssl-connection)
   (with-access::ssl-connection ssl ($wanted)
      (and (not (=fx $wanted $tls-stop-for-events))
           (deliver-all-events proc ssl))))

(define (deliver-all-events proc ssl::ssl-connection)
   (let loop ((delivered #f))
      (let ((event (with-engine ssl handle ($tls-engine-next-event handle))))
         (if (<=fx event $tls-event-none)
             delivered
             (begin
                (deliver-event proc ssl event)
                (loop #t))))))

(define (deliver-event proc ssl::ssl-connection event::int)
   (with-access::ssl-connection ssl (session-lookup-callback)
      (cond
         ((=fx event $tls-event-handshake-start)
          (call-info-callback proc ssl 0))
         ((=fx event $tls-event-handshake-done)
          (call-info-callback proc ssl 1))
         ((=fx event $tls-event-server-name)
          (answer-server-name proc ssl))
         ((=fx event $tls-event-new-session)
          (let ((callback (newsession-callback-of ssl)))
             (check-callback proc callback 2)
             (callback
                (with-engine ssl handle (c-bytes $tls-engine-event-id handle))
                (with-engine ssl handle (c-bytes $tls-engine-event-session handle)))))
         ((=fx event $tls-event-session-lookup)
          (check-callback proc session-lookup-callback 2)
          (session-lookup-callback ssl
             (with-engine ssl handle (c-bytes $tls-engine-event-id handle)))))))

(define (call-info-callback proc ssl::ssl-connection what::int)
   (let ((callback (info-callback-of ssl)))
      (check-callback proc callback 1)
      (callback what)))

;; However the callback ends, the name has its answer afterwards; only a context, or #f,
;; lets the client in.
(define (answer-server-name proc ssl::ssl-connection)
   (with-access::ssl-connection ssl (sni-context-callback server-name $closed)
      (let ((answer #unspecified))
         (unwind-protect
            (begin
               (check-callback proc sni-context-callback 2)
               (let ((context (sni-context-callback ssl server-name)))
                  (unless (or (not context) (isa? context secure-context))
                     (error proc "the callback must return a secure-context or #f" context))
                  (set! answer context)))
            (unless $closed
               (with-engine ssl handle
                  (if (or (eq? answer #unspecified)
                          (<fx (answer-with handle answer) 0))
                      ($tls-engine-refuse-server-name handle))))))))

(define (answer-with::int handle::void* answer)
   (if answer
       (with-context answer context
          ($tls-engine-answer-server-name handle context #t))
       ($tls-engine-answer-server-name handle $tls-null #f)))

(define-generic (ssl-connection-start ssl::ssl-connection)
   (take-step 'ssl-connection-start ssl
      (lambda ()
         (with-engine ssl handle
            ($tls-engine-start handle)))))

(define-generic (ssl-connection-clear-in ssl::ssl-connection buffer offset len)
   (check-part 'ssl-connection-clear-in buffer offset len)
   (take-step 'ssl-connection-clear-in ssl
      (lambda ()
         (with-engine ssl handle
            ($tls-engine-clear-in handle buffer offset len)))))

(define-generic (ssl-connection-clear-out ssl::ssl-connection buffer offset len)
   (check-part 'ssl-connection-clear-out buffer offset len)
   (take-step 'ssl-connection-clear-out ssl
      (lambda ()
         (with-engine ssl handle
            ($tls-engine-clear-out handle buffer offset len)))))

(define-generic (ssl-connection-shutdown ssl::ssl-connection)
   (with-access::ssl-connection ssl ($closed)
      (cond
         ($closed #f)
         ((ssl-connection-init-finished? ssl)
          (take-step 'ssl-connection-shutdown ssl
             (lambda ()
                (with-engine ssl handle
                   ($tls-engine-shutdown handle)))))
         (else
          (shut-down-early ssl)))))

;; Before the handshake, or after one that has failed. Programs end a connection without knowing how far it is: `err`
;; tells them why it cannot be shut down.
(define (shut-down-early::int ssl::ssl-connection)
   (let* ((n (with-engine ssl handle ($tls-engine-shutdown handle)))
          (status (with-engine ssl handle ($tls-engine-status handle))))
      (note-state ssl status)
      (with-access::ssl-connection ssl (err)
         (when (and (=fx status $tls-e-state) (not err))
            ($tls-raise 'ssl-connection-shutdown ssl)))
      n))

(define-generic (ssl-connection-close ssl::ssl-connection)
   (with-access::ssl-connection ssl ($closed)
      (check 'ssl-connection-close ssl
         (with-engine ssl handle
            ($tls-engine-close handle)))
      (set! $closed #t)
      0))

;; ---- encrypted bytes -------------------------------------------------------------------------

(define-generic (ssl-connection-read ssl::ssl-connection buffer offset len)
   (check-open 'ssl-connection-read ssl)
   (check-part 'ssl-connection-read buffer offset len)
   (let ((n (with-engine ssl handle
               ($tls-engine-read handle buffer offset len))))
      (when (<fx n 0)
         (status-after 'ssl-connection-read ssl n))
      n))

(define-generic (ssl-connection-write ssl::ssl-connection buffer offset len)
   (check-open 'ssl-connection-write ssl)
   (check-part 'ssl-connection-write buffer offset len)
   (let ((n (with-engine ssl handle
               ($tls-engine-write handle buffer offset len))))
      (when (<fx n 0)
         (status-after 'ssl-connection-write ssl n))
      n))

;; Nothing more will be written.
(define-generic (ssl-connection-write-eof ssl::ssl-connection)
   (check 'ssl-connection-write-eof ssl
      (with-engine ssl handle
         ($tls-engine-write-eof handle))))

(define-generic (ssl-connection-enc-pending ssl::ssl-connection)
   (with-engine ssl handle
      ($tls-engine-enc-pending handle)))

(define-generic (ssl-connection-clear-pending ssl::ssl-connection)
   (with-engine ssl handle
      ($tls-engine-clear-pending handle)))

;; ---- sessions --------------------------------------------------------------------------------

;; 1 if done, 0 if that is no session.
(define (set-session::int proc ssl status::int)
   (cond
      ((=fx status $tls-e-argument) 0)
      (else (check proc ssl status) 1)))

(define-generic (ssl-connection-set-session ssl::ssl-connection session)
   (set-session 'ssl-connection-set-session ssl
      (with-engine ssl handle
         ($tls-engine-set-session handle session (string-length session)))))

(define-generic (ssl-connection-load-session ssl::ssl-connection session)
   (set-session 'ssl-connection-load-session ssl
      (with-engine ssl handle
         ($tls-engine-load-session handle session (string-length session)))))

(define-generic (ssl-connection-get-session ssl::ssl-connection)
   (let ((session (with-engine ssl handle
                     (c-bytes $tls-engine-get-session handle))))
      (if (string-null? session) #unspecified session)))

(define-generic (ssl-connection-reused? ssl::ssl-connection)
   (with-engine ssl handle
      ($tls-engine-reused? handle)))

;; ---- questions -------------------------------------------------------------------------------

(define-generic (ssl-connection-init-finished? ssl::ssl-connection)
   (with-engine ssl handle
      ($tls-engine-init-finished? handle)))

;; The cipher's name, and the lowest protocol version that has it.
(define-generic (ssl-connection-get-current-cipher ssl::ssl-connection)
   (with-engine ssl handle
      (let ((name (static-text ($tls-engine-cipher handle))))
         (if name
             (cons name (static-text ($tls-engine-cipher-version handle)))
             #unspecified))))

;; The negotiated protocol version, or #f.
(define-generic (ssl-connection-protocol ssl::ssl-connection)
   (with-engine ssl handle
      (static-text ($tls-engine-protocol handle))))

;; Makes verify-error tell whether the peer's certificate is for this host, too.
(define-generic (ssl-connection-set-hostname! ssl::ssl-connection name)
   (check 'ssl-connection-set-hostname! name
      (with-engine ssl handle
         ($tls-engine-set-hostname handle
            (c-string 'ssl-connection-set-hostname! "the host name" name)))))

(define-generic (ssl-connection-verify-error ssl::ssl-connection)
   (check-open 'ssl-connection-verify-error ssl)
   (or (with-engine ssl handle
          (static-text ($tls-engine-verify-error handle)))
       #unspecified))

(define-generic (ssl-connection-get-negotiated-protocol ssl::ssl-connection)
   (with-engine ssl handle
      (text-or-false (c-text $tls-engine-negotiated-protocol handle))))

;; The peer's certificate as an object, or #f.
(define-generic (ssl-connection-peer-certificate ssl::ssl-connection)
   (with-engine ssl handle
      (let ((certificate ($tls-engine-peer-certificate handle)))
         (and (not ($tls-null? certificate)) (make-certificate certificate)))))

(define-generic (ssl-connection-peer-chain ssl::ssl-connection)
   (with-engine ssl handle
      (let ((chain ($tls-engine-peer-chain handle)))
         (if ($tls-null? chain) '() (take-certificates chain)))))

(define-generic (ssl-connection-get-peer-certificate ssl::ssl-connection)
   (let ((certificate (ssl-connection-peer-certificate ssl)))
      (if certificate
          (certificate->alist certificate)
          #unspecified)))

;; As node has it; what the certificate lacks is left out.
(define (certificate->alist certificate)
   (with-certificate certificate handle
      (filter cdr
         `((subject . ,(c-text $tls-subject-lines handle))
           (issuer . ,(c-text $tls-issuer-lines handle))
           (subjectaltname . ,(text-or-false (c-text $tls-alt-names-text handle)))
           (modulus . ,(text-or-false (c-text $tls-modulus handle)))
           (exponent . ,(text-or-false (c-text $tls-exponent handle)))
           (valid-from . ,(c-text $tls-valid-from handle))
           (valid-to . ,(c-text $tls-valid-to handle))
           (fingerprint . ,(certificate-fingerprint certificate "SHA1"))
           (fingerprint256 . ,(certificate-fingerprint certificate "SHA256"))
           (serial . ,(certificate-serial certificate))
           (ext-key-usage . ,(ext-key-usage handle))
           (pem . ,(certificate->pem certificate))))))

(define (ext-key-usage handle::void*)
   (let ((n ($tls-ext-key-usage-count handle)))
      (and (>fx n 0)
           (let ((oids (make-vector n)))
              (let loop ((i 0))
                 (if (=fx i n)
                     oids
                     (begin
                        (vector-set! oids i (c-text $tls-ext-key-usage handle i))
                        (loop (+fx i 1)))))))))
