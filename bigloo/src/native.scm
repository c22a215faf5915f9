;; native.scm: what the other files need of C.
(directives
   (extern
      (macro $tls-null?::bool (::void*) "BGLSSL_NULLP")
      (macro $tls-null::void* "BGLSSL_NULL")
      (macro $tls-unbox::void* (::void*) "bglssl_unbox")
      (macro $tls-box-release!::void (::void*) "bglssl_box_release")
      (macro $tls-hold::void () "bglssl_hold")
      (macro $tls-release::void () "bglssl_release")
      (macro $tls-keep::void (::obj) "bglssl_keep")
      (macro $tls-keep-box::void (::void*) "bglssl_keep")
      (macro $tls-at::void* (::string ::long) "bglssl_at")
      (macro $tls-bytes->bstring::bstring (::void* ::long) "string_to_bstring_len")))

;; The text that a C function `size_t f(..., char *buffer, size_t size)` gives: asked for
;; its length first. A Scheme string has space for the final NUL.
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

;; A C int is cut off where it has too many bits: that would be another number.
(define (c-int::int proc what n::long)
   (if (and (<fx n (bit-lsh 1 31)) (>=fx n (negfx (bit-lsh 1 31))))
       n
       (error proc (string-append what " is out of range") n)))

;; The bytes that a C function `size_t f(..., void *buffer, size_t size)` gives, which tells
;; how many there are at most if there is too little space; #f if it gives none.
(define-macro (c-bytes-once fun . args)
   `(let* ((most (,fun ,@args "" 0))
           (bytes (make-string most))
           (size (if (=fx most 0) 0 (,fun ,@args bytes most))))
       (cond
          ((=fx size 0) #f)
          ((=fx size most) bytes)
          (else (substring bytes 0 size)))))

;; A part of a string, for C, which is told no more bytes than there are.
(define (string-part::void* proc str::bstring offset::long len::long)
   (if (and (>=fx offset 0) (>=fx len 0) (<=fx len (-fx (string-length str) offset)))
       ($tls-at str offset)
       (error proc "the string has no such part" (list (string-length str) offset len))))

;; Runs `body` with the handle in the box that the field $native of `object` holds.
(define-macro (with-native class proc object handle . body)
   `(let ((field (,(symbol-append 'with-access:: class) ,object ($native) $native)))
       (if field
           (let* ((box::void* field)
                  (,(symbol-append handle '::void*) ($tls-unbox box))
                  (result (begin ,@body)))
              ($tls-keep-box box)
              result)
           (error ,proc "not initialised yet" ,object))))

;; Runs `body` while the handlers of this thread's signals, and its termination, wait: see hold.c.
(define-macro (with-hold . body)
   `(begin
       ($tls-hold)
       (unwind-protect
          (begin ,@body)
          ($tls-release))))

;; The value, unless it is #f: then the library's error is raised.
(define (succeed proc::symbol where value)
   (or value ($tls-raise proc where)))
