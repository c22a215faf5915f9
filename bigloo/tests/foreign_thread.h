/* foreign_thread.h: a thread that the collector knows and the runtime does not. */
#include <pthread.h>

extern int GC_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern int GC_pthread_join(pthread_t, void **);

static void *collect_here(void *unused) {
  for (int i = 0; i < 3; i++) GC_gcollect();
  return unused;
}

/* Collects, and runs finalizers, on such a thread. */
static int collect_elsewhere(void) {
  pthread_t thread;

  return GC_pthread_create(&thread, NULL, collect_here, NULL) == 0 && GC_pthread_join(thread, NULL) == 0;
}
