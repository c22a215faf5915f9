/* thread.h: threads that know nothing of Bigloo. */
#ifndef BGLSSL_THREAD_H
#define BGLSSL_THREAD_H

/* Runs `body` in a detached thread, which handles no signals and must not touch objects of the
 * collector. Returns 0 or an errno. */
int bglssl_start_thread(void *(*body)(void *), void *data);

#endif
