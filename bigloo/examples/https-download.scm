;; https-download.scm: gets a file by HTTPS, shows the progress, and goes on where an earlier download stopped.
;;
;;   https-download URL FILE [CA.pem]
(module https-download
   (library ssl)
   (main main))

(define *block* 65536)

;; What was downloaded before.
(define (present file)
   (if (file-exists? file)
       (elong->fixnum (file-size file))
       0))

(define (tell done total)
   (display (if (>fx total 0)
                (format "\r~a of ~a bytes (~a%)" done total (quotient (* 100 done) total))
                (format "\r~a bytes" done))
      (current-error-port))
   (flush-output-port (current-error-port)))

(define (copy in out done total)
   (let loop ((done done))
      (let ((block (read-chars *block* in)))
         (if (or (eof-object? block) (string-null? block))
             done
             (begin
                (display block out)
                (tell (+fx done (string-length block)) total)
                (loop (+fx done (string-length block))))))))

(define (download url file)
   (let ((in (open-input-file url #t 10000000)))
      (unless (input-port? in)
         (error "https-download" "the server has no such file" url))
      (input-port-timeout-set! in 30000000)
      (let* ((total (elong->fixnum (input-port-length in)))
             (start (present file)))
         (when (>fx start 0)
            ;; Another request, for the rest.
            (set-input-port-position! in start)
            (input-port-timeout-set! in 30000000))
         (let* ((out (append-output-file file))
                (done (copy in out start total)))
            (close-output-port out)
            (close-input-port in)
            (newline (current-error-port))
            (print done " bytes, " (-fx done start) " of them new")))))

(define (main argv)
   (ssl-https-protocol-enable!
      :CAs (if (pair? (cdddr argv)) (read-pem-file (cadddr argv)) '()))
   (with-handler
      (lambda (e)
         (newline (current-error-port))
         (if (isa? e &error)
             (with-access::&error e (obj msg)
                (fprint (current-error-port) obj ": " msg))
             (fprint (current-error-port) e))
         (exit 1))
      (download (cadr argv) (caddr argv))))
