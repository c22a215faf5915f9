;; identifiers.scm: what a certificate says beyond names, times and its key.
(directives
   (extern
      (macro $tls-subject-key-id::long (::void* ::string ::long)
             "bgl_ssl_certificate_subject_key_id")
      (macro $tls-authority-key-id::long (::void* ::string ::long)
             "bgl_ssl_certificate_authority_key_id")
      (macro $tls-policy-count::long (::void*) "bgl_ssl_certificate_policy_count")
      (macro $tls-policy::long (::void* ::long ::string ::long) "bgl_ssl_certificate_policy")
      (macro $tls-timestamps::long (::void* ::string ::long) "bgl_ssl_certificate_timestamps")
      (macro $tls-extension::long (::void* ::string ::string ::long)
             "bgl_ssl_certificate_extension")
      (macro $tls-no-such-extension::int "BGL_SSL_E_STATE"))
   (export
      (certificate-subject-key-id ::certificate)
      (certificate-authority-key-id ::certificate)
      (certificate-policies::pair-nil ::certificate)
      (certificate-purposes::pair-nil ::certificate)
      (certificate-timestamps ::certificate)
      (certificate-extension ::certificate ::bstring)))

;; Bytes; #f where the certificate does not say.

(define (certificate-subject-key-id certificate)
   (with-certificate certificate handle
      (text-or-false (c-bytes $tls-subject-key-id handle))))

(define (certificate-authority-key-id certificate)
   (with-certificate certificate handle
      (text-or-false (c-bytes $tls-authority-key-id handle))))

;; A list of signed certificate timestamps as TLS has it (RFC 6962, section 3.3).
(define (certificate-timestamps certificate)
   (with-certificate certificate handle
      (text-or-false (c-bytes $tls-timestamps handle))))

;; The value of an extension, as DER has it.
(define (certificate-extension certificate oid)
   (let* ((oid (c-string 'certificate-extension "the OID" oid))
          (value (with-certificate certificate handle
                    (c-bytes $tls-extension handle oid))))
      (cond
         ((not (string-null? value)) value)
         ((=fx ($tls-last-code) $tls-no-such-extension) #f)
         (else ($tls-raise 'certificate-extension oid)))))

;; OIDs, in dotted numbers.

(define (certificate-policies certificate)
   (with-certificate certificate handle
      (map (lambda (i) (c-text $tls-policy handle i)) (iota ($tls-policy-count handle)))))

(define (certificate-purposes certificate)
   (with-certificate certificate handle
      (map (lambda (i) (c-text $tls-ext-key-usage handle i)) (iota ($tls-ext-key-usage-count handle)))))
