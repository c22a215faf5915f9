/* hello.c: the client's hello, and the handshake that follows. */
#include <bigloo.h>

#include <stdlib.h>

#include "link.h"

static void release_hello(void *handle) { bgl_ssl_hello_free(handle); }

static bgl_ssl_status_t ask_hello(bgl_ssl_socket_t *socket, void *hello) {
  return bgl_ssl_socket_hello(socket, hello);
}

/* The box of a hello, of the socket of a connection; NULL, and the library's last error says why. */
void *bglssl_hello(obj_t socket) {
  bgl_ssl_hello_t *hello = NULL;
  void *box;

  bglssl_hold();
  bglssl_link_in_steps(bglssl_link_of_socket(socket), ask_hello, &hello);
  box = bglssl_make_box(hello, release_hello);
  bglssl_release();
  return box;
}

static bgl_ssl_status_t shake_hands(bgl_ssl_socket_t *socket, void *unused) {
  (void)unused;
  return bgl_ssl_socket_handshake(socket);
}

bgl_ssl_status_t bglssl_complete_handshake(struct bglssl_link *link) {
  bgl_ssl_status_t status = bglssl_link_in_steps(link, shake_hands, NULL);

  /* What came with the end of the handshake is there for a read that would else wait for an answer first. */
  if (status == BGL_SSL_OK && bgl_ssl_socket_pending(link->handle) > 0) bglssl_link_show_more(link, true);
  return status;
}

/* Likewise. */
int bglssl_socket_handshake(obj_t socket) { return bglssl_complete_handshake(bglssl_link_of_socket(socket)); }

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
