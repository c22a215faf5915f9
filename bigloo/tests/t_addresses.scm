;; t_addresses.scm: a host of several addresses.
(module t_addresses
   (library ssl)
   (include "harness.scm")
   (extern
      (include "several_addresses.h")
      (macro $silent-datagrams::int (::int ::int) "silent_datagrams"))
   (main run-cases))

;; A port that nobody answers at, at any of the addresses.
(define (silent-port)
   (let loop ((tries 20))
      (let ((port (free-port)))
         (cond
            ((every (lambda (i) (>=fx ($silent-datagrams i port) 0)) '(0 1 2)) port)
            ((=fx tries 0) (fail "no port is free at all addresses"))
            (else (loop (-fx tries 1)))))))

(define (check-limit . options)
   (let* ((port (silent-port))
          (took (duration
                   (lambda ()
                      (check-raises "connect" &io-timeout-error
                         (lambda () (apply make-ssl-client-socket "several.example" port options)))))))
      (check "not too soon" (> took (seconds 1.4)))
      (check "not too late" (< took (seconds 2.3)))))

(define-case "the limit of a handshake over datagrams holds for all addresses of a host together"
   (check-limit :protocol 'dtls :handshake-timeout 1500000))

(define-case "a configuration's limit of a handshake over datagrams holds for all addresses of a host together"
   (check-limit :config (make-ssl-config :role 'client :protocol 'dtls :handshake-timeout 1500000)))
