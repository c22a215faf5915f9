;; certificate.scm: certificates and private keys.
;;
;; Their field points to a box, which the collector knows, and the box to the library's
;; handle: a duplicate shares the box, and the last one to go frees the handle.
(directives
   (extern
      (export %certificate-box "bglssl_scheme_certificate_box")
      (type $certificate void* "void *")
      (type $private-key void* "void *")
      (macro $tls-box-certificate::$certificate (::void*) "bglssl_box_certificate")
      (macro $tls-box-private-key::$private-key (::void*) "bglssl_box_private_key")

      (macro $tls-format-auto::int "BGL_SSL_FORMAT_AUTO")
      (macro $tls-format-pem::int "BGL_SSL_FORMAT_PEM")
      (macro $tls-format-der::int "BGL_SSL_FORMAT_DER")

      (macro $tls-certificate-from-file::void* (::string ::int) "bgl_ssl_certificate_from_file")
      (macro $tls-private-key-from-file::void* (::string ::int ::void*)
             "bgl_ssl_private_key_from_file")
      (macro $tls-string-address::void* (::string) "(void *)")
      (macro $tls-pkcs12-certificate::void* (::string ::void*) "bglssl_pkcs12_certificate")
      (macro $tls-pkcs12-private-key::void* (::string ::void*) "bglssl_pkcs12_private_key")
      (macro $tls-load-pem::void* (::string) "bgl_ssl_load_pem")
      (macro $tls-list-length::long (::void*) "bgl_ssl_certificate_list_length")
      (macro $tls-list-get::void* (::void* ::long) "bgl_ssl_certificate_list_get")
      (macro $tls-list-free::void (::void*) "bgl_ssl_certificate_list_free")

      (macro $tls-subject::void* (::void*) "(void *)bgl_ssl_certificate_subject")
      (macro $tls-subject-length::long (::void*) "bgl_ssl_certificate_subject_length")
      (macro $tls-issuer::void* (::void*) "(void *)bgl_ssl_certificate_issuer")
      (macro $tls-issuer-length::long (::void*) "bgl_ssl_certificate_issuer_length")
      (macro $tls-subject-name::long (::void* ::string ::long) "bgl_ssl_certificate_subject_name")
      (macro $tls-issuer-name::long (::void* ::string ::long) "bgl_ssl_certificate_issuer_name")
      (macro $tls-serial::long (::void* ::string ::long) "bgl_ssl_certificate_serial")
      (macro $tls-fingerprint::long (::void* ::string ::string ::long)
             "bgl_ssl_certificate_fingerprint")
      (macro $tls-alt-name-count::long (::void*) "bgl_ssl_certificate_alt_name_count")
      (macro $tls-alt-name::long (::void* ::long ::string ::long) "bgl_ssl_certificate_alt_name")
      (macro $tls-not-before::llong (::void*) "bgl_ssl_certificate_not_before")
      (macro $tls-not-after::llong (::void*) "bgl_ssl_certificate_not_after")
      (macro $tls-pem::long (::void* ::string ::long) "bgl_ssl_certificate_pem")
      (macro $tls-key-type::long (::void* ::string ::long) "bgl_ssl_certificate_key_type")
      (macro $tls-key-bits::int (::void*) "bgl_ssl_certificate_key_bits")
      (macro $tls-is-ca?::bool (::void*) "bgl_ssl_certificate_is_ca")
      (macro $tls-key-usage::int (::void*) "bgl_ssl_certificate_key_usage")
      (macro $tls-certificate-equal?::bool (::void* ::void*) "bgl_ssl_certificate_equal")
      (macro $tls-private-key-equal?::bool (::void* ::void*) "bgl_ssl_private_key_equal"))
   (export
      (class certificate
         ($native::$certificate read-only))
      (class private-key
         ($native::$private-key read-only))
      (%certificate-box::$certificate ::obj)
      (read-certificate::certificate ::bstring #!key (passphrase #f) (format 'auto))
      (read-private-key::private-key ::bstring #!key (passphrase #f) (format 'auto))
      (read-pem-file::pair-nil ::bstring)
      (certificate-subject::bstring ::certificate)
      (certificate-issuer::bstring ::certificate)
      (certificate-subject-name::bstring ::certificate)
      (certificate-issuer-name::bstring ::certificate)
      (certificate-alt-names::pair-nil ::certificate)
      (certificate-not-before::date ::certificate)
      (certificate-not-after::date ::certificate)
      (certificate-serial::bstring ::certificate)
      (certificate-fingerprint::bstring ::certificate #!optional (digest "SHA256"))
      (certificate->pem::bstring ::certificate)
      (certificate-key-type::bstring ::certificate)
      (certificate-key-bits::int ::certificate)
      (certificate-ca?::bool ::certificate)
      (certificate-key-usage ::certificate)
      (certificate=?::bool ::certificate ::certificate)
      (private-key=?::bool ::private-key ::private-key)))

;; For C, which is handed lists of certificates.
(define (%certificate-box certificate)
   (with-access::certificate certificate ($native)
      $native))

(define-macro (with-certificate certificate handle . body)
   `(let* ((box (%certificate-box ,certificate))
           (,handle ($tls-unbox box))
           (result (begin ,@body)))
       ($tls-keep-box box)
       result))

(define (make-certificate::certificate handle::void*)
   (instantiate::certificate
      ($native ($tls-box-certificate handle))))

(define (make-private-key::private-key handle::void*)
   (instantiate::private-key
      ($native ($tls-box-private-key handle))))

;; The list of a C certificate list, which is freed.
(define (take-certificates::pair-nil list::void*)
   (let loop ((i (-fx ($tls-list-length list) 1))
              (certificates '()))
      (if (<fx i 0)
          (begin
             ($tls-list-free list)
             certificates)
          (loop (-fx i 1)
                (cons (make-certificate ($tls-list-get list i)) certificates)))))

(define (passphrase-address::void* proc passphrase)
   (if passphrase
       ($tls-string-address (c-string proc "the passphrase" passphrase))
       $tls-null))

(define (format->int::int proc format)
   (case format
      ((auto) $tls-format-auto)
      ((pem) $tls-format-pem)
      ((der) $tls-format-der)
      (else (error proc "the format must be auto, pem, der or pkcs12" format))))

(define (read-certificate file #!key (passphrase #f) (format 'auto))
   (c-string 'read-certificate "the file name" file)
   (let* ((secret (passphrase-address 'read-certificate passphrase))
          (handle (if (eq? format 'pkcs12)
                      ($tls-pkcs12-certificate file secret)
                      ($tls-certificate-from-file file (format->int 'read-certificate format)))))
      (if ($tls-null? handle)
          ($tls-raise 'read-certificate file)
          (make-certificate handle))))

(define (read-private-key file #!key (passphrase #f) (format 'auto))
   (c-string 'read-private-key "the file name" file)
   (let* ((secret (passphrase-address 'read-private-key passphrase))
          (handle (if (eq? format 'pkcs12)
                      ($tls-pkcs12-private-key file secret)
                      ($tls-private-key-from-file file (format->int 'read-private-key format)
                         secret))))
      ($tls-keep passphrase)
      (if ($tls-null? handle)
          ($tls-raise 'read-private-key file)
          (make-private-key handle))))

(define (read-pem-file file)
   (load-certificates 'read-pem-file file))

;; All certificates of `file`, for whichever procedure the user called.
(define (load-certificates::pair-nil proc file)
   (let ((list ($tls-load-pem (c-string proc "the file name" file))))
      (if ($tls-null? list)
          ($tls-raise proc file)
          (take-certificates list))))

(define (certificate-subject certificate)
   (with-certificate certificate handle
      ($tls-bytes->bstring ($tls-subject handle) ($tls-subject-length handle))))

(define (certificate-issuer certificate)
   (with-certificate certificate handle
      ($tls-bytes->bstring ($tls-issuer handle) ($tls-issuer-length handle))))

(define (certificate-subject-name certificate)
   (with-certificate certificate handle
      (c-text $tls-subject-name handle)))

(define (certificate-issuer-name certificate)
   (with-certificate certificate handle
      (c-text $tls-issuer-name handle)))

(define (certificate-alt-names certificate)
   (with-certificate certificate handle
      (let loop ((i (-fx ($tls-alt-name-count handle) 1))
                 (names '()))
         (if (<fx i 0)
             names
             (loop (-fx i 1)
                   (cons (c-text $tls-alt-name handle i) names))))))

(define (certificate-not-before certificate)
   (with-certificate certificate handle
      (seconds->date (llong->elong ($tls-not-before handle)))))

(define (certificate-not-after certificate)
   (with-certificate certificate handle
      (seconds->date (llong->elong ($tls-not-after handle)))))

(define (certificate-serial certificate)
   (with-certificate certificate handle
      (c-text $tls-serial handle)))

(define (certificate-fingerprint certificate #!optional (digest "SHA256"))
   (let* ((name (c-string 'certificate-fingerprint "the digest's name"
                   (if (symbol? digest) (symbol->string digest) digest)))
          (fingerprint (with-certificate certificate handle
                          (c-text $tls-fingerprint handle name))))
      (if (string-null? fingerprint)
          ($tls-raise 'certificate-fingerprint name)
          fingerprint)))

(define (certificate->pem certificate)
   (with-certificate certificate handle
      (c-text $tls-pem handle)))

(define (certificate-key-type certificate)
   (with-certificate certificate handle
      (c-text $tls-key-type handle)))

(define (certificate-key-bits certificate)
   (with-certificate certificate handle
      ($tls-key-bits handle)))

(define (certificate-ca? certificate)
   (with-certificate certificate handle
      ($tls-is-ca? handle)))

;; The bits of RFC 5280, section 4.2.1.3, in its order.
(define *key-usages*
   '((#x80 . digital-signature) (#x40 . non-repudiation) (#x20 . key-encipherment)
     (#x10 . data-encipherment) (#x08 . key-agreement) (#x04 . key-cert-sign) (#x02 . crl-sign)
     (#x01 . encipher-only) (#x8000 . decipher-only)))

(define (certificate-key-usage certificate)
   (let ((bits (with-certificate certificate handle
                  ($tls-key-usage handle))))
      (and (>=fx bits 0)
           (filter-map (lambda (usage)
                          (and (not (=fx (bit-and bits (car usage)) 0)) (cdr usage)))
              *key-usages*))))

;; ---- comparing and printing ------------------------------------------------------------------

(define (certificate=? a b)
   (with-certificate a a-handle
      (with-certificate b b-handle
         ($tls-certificate-equal? a-handle b-handle))))

(define (private-key=? a b)
   (let ((a-box (with-access::private-key a ($native) $native))
         (b-box (with-access::private-key b ($native) $native)))
      (let ((result ($tls-private-key-equal? ($tls-unbox a-box) ($tls-unbox b-box))))
         ($tls-keep-box a-box)
         ($tls-keep-box b-box)
         result)))

;; For equal?, and so for member and assoc.
(define-method (object-equal? a::certificate b::object)
   (and (isa? b certificate) (certificate=? a b)))

(define-method (object-equal? a::private-key b::object)
   (and (isa? b private-key) (private-key=? a b)))

;; For hash tables that compare with equal?.
(define-method (object-hashnumber certificate::certificate)
   (get-hashnumber (certificate-fingerprint certificate)))

(define-method (object-print certificate::certificate port print-slot)
   (display "#<certificate:" port)
   (display (certificate-subject-name certificate) port)
   (display ">" port))

;; Nothing of the key.
(define-method (object-print key::private-key port print-slot)
   (display "#<private-key>" port))
