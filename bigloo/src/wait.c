/* wait.c: waiting for the network in the program's own thread, and not in the library.
 *
 * While a thread waits here it may be terminated, and the handler of a signal may raise or escape.
 * What the waiting thread owns is then reachable from nothing but a guard, which the collector
 * finalizes.
 */
#define _GNU_SOURCE
#include <bigloo.h>

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bglssl_bigloo.h"

/* How long a thread waits before it looks whether it still should. */
#define LONGEST_WAIT_US 1000000

/* How long the peer has to begin before the handshake, and its time limit, begin. */
#define FIRST_WAIT_US 20000

int64_t bglssl_microseconds(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int bglssl_wait_for_one(struct pollfd *wanted, int n, int64_t left) {
  struct timespec time;

  if (left < 0) left = 0;
  if (left > LONGEST_WAIT_US) left = LONGEST_WAIT_US;
  time.tv_sec = left / 1000000;
  time.tv_nsec = left % 1000000 * 1000;
  return ppoll(wanted, (nfds_t)n, &time, NULL);
}

bool bglssl_wait(int fd, short events, int64_t left) {
  struct pollfd wanted = {.fd = fd, .events = events};

  return fd >= 0 && left > 0 && bglssl_wait_for_one(&wanted, 1, left) > 0;
}

/* ---- guards ------------------------------------------------------------------------------- */

struct bglssl_guard {
  bgl_ssl_socket_t *handle;
  FILE *input;
  int output;
};

static void finalize_guard(void *object, void *unused) {
  struct bglssl_guard *guard = object;

  (void)unused;
  bgl_ssl_socket_free(guard->handle);
  if (guard->input) fclose(guard->input);
  if (guard->output >= 0) close(guard->output);
}

static struct bglssl_guard *guard_socket(bgl_ssl_socket_t *handle, FILE *input, int output) {
  struct bglssl_guard *guard = (void *)GC_MALLOC_ATOMIC(sizeof(*guard));

  guard->handle = handle;
  guard->input = input;
  guard->output = output;
  bglssl_finalize_with(guard, finalize_guard);
  return guard;
}

static void release_guard(struct bglssl_guard *guard) {
  bglssl_finalize_no_more(guard);
  GC_FREE((void *)guard);
}

/* ---- handshakes --------------------------------------------------------------------------- */

bgl_ssl_status_t bglssl_handshake(bgl_ssl_socket_t *handle, FILE *input, int output, bool peer_begins) {
  struct bglssl_guard *guard = guard_socket(handle, input, output);
  bgl_ssl_status_t status;

  bgl_ssl_socket_set_nonblocking(handle, true);
  if (peer_begins) bglssl_wait(bgl_ssl_socket_fd(handle), POLLIN, FIRST_WAIT_US);
  while ((status = bgl_ssl_socket_handshake(handle)) == BGL_SSL_WANT_READ ||
         status == BGL_SSL_WANT_WRITE) {
    int64_t left = bgl_ssl_socket_timeout(handle);

    bglssl_wait(bgl_ssl_socket_fd(handle), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT,
                left < 0 ? LONGEST_WAIT_US : left);
  }
  bgl_ssl_socket_set_nonblocking(handle, false);
  release_guard(guard);
  return status;
}
