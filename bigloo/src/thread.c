/* thread.c: see thread.h. Bigloo's headers stay out of this file: the collector's would turn the
 * threads into its own. */
#define _GNU_SOURCE
#include "thread.h"

#include <pthread.h>
#include <signal.h>

/* The program's signal handlers must not run on a thread that the collector does not know. But
 * the one that starts it must let the collector stop it meanwhile, by whichever of its signals:
 * it may wait for memory, and who holds the allocator's lock may have been stopped already. */
int bglssl_start_thread(void *(*body)(void *), void *data) {
  pthread_t thread;
  sigset_t others, before;
  int error;

  sigfillset(&others);
  sigdelset(&others, SIGPWR);
  sigdelset(&others, SIGXCPU);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) sigdelset(&others, signal);
  pthread_sigmask(SIG_SETMASK, &others, &before);
  error = pthread_create(&thread, NULL, body, data);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!error) pthread_detach(thread);
  return error;
}
