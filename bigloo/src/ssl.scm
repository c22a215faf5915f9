;; ssl.scm: the module of (library ssl).
;;
;; One module, since a user's program knows this name; one file for each subject. Each
;; file brings its own extern and export clauses.
;;
;;   native.scm        what the other files need of C: boxes, texts, checks of strings
;;   condition.scm     &io-ssl-error, and how an error of the library becomes a condition
;;   certificate.scm   certificates and private keys
;;   identifiers.scm   key identifiers, policies, purposes and timestamps of certificates
;;   uris.scm          keys and certificates from URIs, providers, FIPS
;;   options.scm       the keyword arguments of all sockets -> a configuration
;;   client.scm        sockets that connect, and client-socket-use-ssl!
;;   server.scm        sockets that listen, and server-socket-use-ssl!
;;   ssl-ports.scm     TLS over any two ports
;;   connection.scm    what one may ask of an SSL socket
;;   config.scm        configurations as objects, hosts, changes while serving
;;   hello.scm         what a client asks for, before the handshake
;;   requirements.scm  further keyword arguments: demands on the peer, CRLs, staples, algorithms
;;   verification.scm  certificates verified without a connection, chains of connections
;;   resumption.scm    sessions that clients resume
;;   sessions.scm      further keyword arguments: sessions of servers, keys of tickets
;;   settings.scm      sizes of records, order of ciphers, the trace of a handshake, counts of a server
;;   https.scm         https URLs for open-input-file
;;   secure-context.scm, ssl-connection.scm   TLS without a socket
;;   digest.scm        digests and HMAC
;;   signature.scm     signatures, made and verified
;;   cipher.scm        encryption and decryption
;;   agreement.scm     numbers, Diffie-Hellman, key agreement on curves
;;   kdf.scm           keys from passwords and from other secrets
;;   random.scm        randomness, the library's version, lists of algorithms
(module __ssl_ssl
   (option (set! *dlopen-init-gc* #t))
   (extern (include "bglssl.h")
           (include "bglssl_bigloo.h"))
   (include "native.scm"
            "condition.scm"
            "certificate.scm"
            "identifiers.scm"
            "uris.scm"
            "options.scm"
            "client.scm"
            "server.scm"
            "ssl-ports.scm"
            "connection.scm"
            "config.scm"
            "hello.scm"
            "requirements.scm"
            "settings.scm"
            "verification.scm"
            "resumption.scm"
            "sessions.scm"
            "https.scm"
            "secure-context.scm"
            "ssl-connection.scm"
            "random.scm"
            "digest.scm"
            "signature.scm"
            "cipher.scm"
            "agreement.scm"
            "kdf.scm"))
