;; interpret.scm: runs a program in the interpreter: interpret LIBRARY FILE. Which build of the library the
;; interpreter loads, the safe or the unsafe one, depends on how this program was compiled.
(module interpret
   (main main))

(define (main argv)
   (bigloo-library-path-set! (cons (cadr argv) (bigloo-library-path)))
   (load (caddr argv)))
