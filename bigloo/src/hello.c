/* hello.c: the client's hello, and the handshake that follows. */
#include <bigloo.h>

#include <stdlib.h>

#include "bglssl_bigloo.h"

#define LONGEST_WAIT_US 1000000

static void release_hello(void *handle) { bgl_ssl_hello_free(handle); }

void *bglssl_box_hello(void *handle) { return bglssl_make_box(handle, release_hello); }

/* These wait in the program's own thread, which may be terminated meanwhile, or escape: the socket is
 * non-blocking only for each call. */

static bool waits(void *socket, bgl_ssl_status_t status, int64_t left) {
  if (status != BGL_SSL_WANT_READ && status != BGL_SSL_WANT_WRITE) return false;
  bglssl_wait(bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT,
              left < 0 ? LONGEST_WAIT_US : left);
  return true;
}

void *bglssl_hello(void *socket) {
  bgl_ssl_hello_t *hello = NULL;
  bgl_ssl_status_t status;
  int64_t left;

  do {
    bgl_ssl_socket_set_nonblocking(socket, true);
    status = bgl_ssl_socket_hello(socket, &hello);
    left = bgl_ssl_socket_timeout(socket);
    bgl_ssl_socket_set_nonblocking(socket, false);
  } while (waits(socket, status, left));
  return hello;
}

int bglssl_complete_handshake(void *socket) {
  bgl_ssl_status_t status;
  int64_t left;

  do {
    bgl_ssl_socket_set_nonblocking(socket, true);
    status = bgl_ssl_socket_handshake(socket);
    left = bgl_ssl_socket_timeout(socket);
    bgl_ssl_socket_set_nonblocking(socket, false);
  } while (waits(socket, status, left));
  return status;
}

obj_t bglssl_hello_numbers(void *hello, int which) {
  size_t (*const lists[])(const bgl_ssl_hello_t *, uint16_t *, size_t) = {
      bgl_ssl_hello_versions, bgl_ssl_hello_ciphers, bgl_ssl_hello_groups, bgl_ssl_hello_signature_algorithms};
  size_t n = lists[which](hello, NULL, 0);
  uint16_t *numbers = (void *)GC_MALLOC_ATOMIC((n + 1) * sizeof(*numbers));
  obj_t list = BNIL;

  lists[which](hello, numbers, n);
  while (n > 0) list = MAKE_PAIR(BINT(numbers[--n]), list);
  return list;
}
