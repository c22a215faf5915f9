;; native.scm: what the other files need of C.
(directives
   (extern
      (macro $tls-null?::bool (::void*) "BGLSSL_NULLP")
      (macro $tls-null::void* "BGLSSL_NULL")
      (macro $tls-unbox::void* (::void*) "bglssl_unbox")
      (macro $tls-box-release!::void (::void*) "bglssl_box_release")
      (macro $tls-keep::void (::obj) "bglssl_keep")
      (macro $tls-keep-box::void (::void*) "bglssl_keep")
      (macro $tls-bytes->bstring::bstring (::void* ::long) "string_to_bstring_len")))

;; The text that a C function `size_t f(..., char *buffer, size_t size)` gives: asked for
;; its length first. A Scheme string has room for the final NUL.
(define-macro (c-text fun . args)
   `(let* ((size (,fun ,@args "" 0))
           (text (make-string size)))
       (,fun ,@args text (+fx size 1))
       text))

;; The bytes that a C function `size_t f(..., void *buffer, size_t size)` gives.
(define-macro (c-bytes fun . args)
   `(let ((bytes (make-string (,fun ,@args "" 0))))
       (,fun ,@args bytes (string-length bytes))
       bytes))

;; C sees a text up to its first NUL: a name that holds one would be taken for another.
(define (c-string::bstring proc what str)
   (cond
      ((not (string? str))
       (error proc (string-append what " must be a string") str))
      ((string-index str #a000)
       (error proc (string-append what " must not hold a NUL character") str))
      (else str)))
