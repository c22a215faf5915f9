;; condition.scm: errors of the library as conditions.
(directives
   (extern
      (export %ssl-condition "bglssl_scheme_condition")
      (export %ssl-raise "bglssl_scheme_raise")
      (macro $tls-raise::obj (::obj ::obj) "bglssl_raise")
      (macro $tls-last-code::int () "bglssl_last_code")
      (macro $tls-condition-timeout::int "BGLSSL_CONDITION_TIMEOUT")
      (macro $tls-condition-connection::int "BGLSSL_CONDITION_CONNECTION")
      (macro $tls-condition-unknown-host::int "BGLSSL_CONDITION_UNKNOWN_HOST")
      (macro $tls-condition-file-not-found::int "BGLSSL_CONDITION_FILE_NOT_FOUND")
      (macro $tls-condition-io::int "BGLSSL_CONDITION_IO")
      (macro $tls-condition-argument::int "BGLSSL_CONDITION_ARGUMENT")
      (macro $tls-condition-sigpipe::int "BGLSSL_CONDITION_SIGPIPE")
      (macro $tls-condition-truncated::int "BGLSSL_CONDITION_TRUNCATED")
      (macro $tls-condition-read::int "BGLSSL_CONDITION_READ")
      (macro $tls-condition-write::int "BGLSSL_CONDITION_WRITE"))
   (export
      ;; code: one of the negative BGL_SSL_E_ numbers of bglssl.h
      ;; reason: OpenSSL's words, "" where it had none
      ;; verify-result: an X509_V_ERR_ number, 0 where no certificate was refused
      ;; alert: the number of the TLS alert that the peer sent, or #f
      (class &io-ssl-error::&io-error
         (code read-only (default 0))
         (reason read-only (default ""))
         (verify-result read-only (default 0))
         (alert read-only (default #f)))
      ;; The same of a connection that was established, when its ports are read and written.
      (class &io-ssl-read-error::&io-read-error
         (code read-only (default 0))
         (reason read-only (default ""))
         (verify-result read-only (default 0))
         (alert read-only (default #f)))
      (class &io-ssl-write-error::&io-write-error
         (code read-only (default 0))
         (reason read-only (default ""))
         (verify-result read-only (default 0))
         (alert read-only (default #f)))
      ;; The peer ended the stream without close_notify, where reads raise for that.
      (class &io-ssl-truncated-error::&io-ssl-read-error)
      (%ssl-condition::obj ::int ::obj ::obj ::int ::int ::int ::obj ::obj)
      (%ssl-raise::obj ::obj)))

(define (%ssl-condition kind proc where code verify-result alert message reason)
   (cond
      ((=fx kind $tls-condition-timeout)
       ;; A string, as in the time-outs that the runtime raises.
       (instantiate::&io-timeout-error
          (proc (if (symbol? proc) (symbol->string proc) proc))
          (msg message)
          (obj where)))
      ((=fx kind $tls-condition-connection)
       (instantiate::&io-connection-error (proc proc) (msg message) (obj where)))
      ((=fx kind $tls-condition-unknown-host)
       (instantiate::&io-unknown-host-error (proc proc) (msg message) (obj where)))
      ((=fx kind $tls-condition-file-not-found)
       (instantiate::&io-file-not-found-error (proc proc) (msg message) (obj where)))
      ((=fx kind $tls-condition-io)
       (instantiate::&io-error (proc proc) (msg message) (obj where)))
      ((=fx kind $tls-condition-sigpipe)
       (instantiate::&io-sigpipe-error (proc proc) (msg message) (obj where)))
      ((=fx kind $tls-condition-truncated)
       (instantiate::&io-ssl-truncated-error (proc proc) (msg message) (obj where)
          (code code)
          (reason reason)))
      ((=fx kind $tls-condition-read)
       (instantiate::&io-ssl-read-error (proc proc) (msg message) (obj where)
          (code code)
          (reason reason)
          (verify-result verify-result)
          (alert (and (>=fx alert 0) alert))))
      ((=fx kind $tls-condition-write)
       (instantiate::&io-ssl-write-error (proc proc) (msg message) (obj where)
          (code code)
          (reason reason)
          (verify-result verify-result)
          (alert (and (>=fx alert 0) alert))))
      ((=fx kind $tls-condition-argument)
       (instantiate::&error (proc proc) (msg message) (obj where)))
      (else
       (instantiate::&io-ssl-error (proc proc) (msg message) (obj where)
          (code code)
          (reason reason)
          (verify-result verify-result)
          (alert (and (>=fx alert 0) alert))))))

(define (%ssl-raise condition)
   (raise condition))
