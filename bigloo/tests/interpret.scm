;; interpret.scm: runs a test program in the interpreter: BGLSSL_PROGRAM=file interpret CASE. Which build of the library
;; the interpreter loads, the safe or the unsafe one, depends on how this program was compiled.
(module interpret
   (library pthread)
   (extern (macro $collect::void () "GC_gcollect"))
   (eval (export collect!))
   (main main))

;; The interpreter leaves out what a program says of C.
(define (collect!)
   ($collect))

;; The program's own main is called with the arguments of this one.
(define (main argv)
   (bigloo-library-path-set! (cons (getenv "BGLSSL_LIBRARY") (bigloo-library-path)))
   (loadq (getenv "BGLSSL_PROGRAM")))
