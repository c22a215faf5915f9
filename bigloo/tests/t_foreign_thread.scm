;; t_foreign_thread.scm: finalizers run on a thread that the collector knows and the runtime does not.
(module t_foreign_thread
   (library ssl pthread)
   (include "harness.scm" "threads.scm")
   (extern
      (include "foreign_thread.h")
      (macro $collect-elsewhere::bool () "collect_elsewhere"))
   (main run-cases))

(define-case "sockets that were dropped are collected on a thread that is not the runtime's"
   (let* ((server (test-server :backlog 50))
          (t (spawn (guarded
                       (lambda ()
                          (for-each (lambda (i) (socket-accept server)) (iota 20))))))
          (before (descriptors)))
      (for-each (lambda (i) (connect-to server)) (iota 20))
      (check-fine "server" (join t))
      (check "collected" ($collect-elsewhere))
      (let loop ((tries 20))
         (when (and (>fx tries 0) (>fx (descriptors) (+fx before 40)))
            (check "collected" ($collect-elsewhere))
            (loop (-fx tries 1))))
      (check "descriptors" (<=fx (descriptors) (+fx before 40)))))
