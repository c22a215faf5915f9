;; makelib.scm: what the interpreter gets of the library.
(module __ssl_makelib
   (import __ssl_ssl)
   (eval (export-all)
         (class certificate)
         (class private-key)
         (class secure-context)
         (class ssl-connection)
         (class &io-ssl-error)))
