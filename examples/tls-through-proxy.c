/* tls-through-proxy PROXY HOST [PORT]: an HTTPS client in an event loop, through a proxy ("http://user:password@proxy:3128",
 * "https://...", "socks5h://..."), or with the proxy of the environment ("env"). Nothing here waits but poll(2). */
#include <bglssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Waits for what the last call wanted. The descriptor is another one once the connection is made. */
static void await(const bgl_ssl_socket_t *socket, bgl_ssl_status_t wanted) {
  struct pollfd fd = {bgl_ssl_socket_fd(socket), wanted == BGL_SSL_WANT_WRITE ? POLLOUT : POLLIN, 0};
  int64_t left = bgl_ssl_socket_timeout(socket); /* microseconds; negative: no limit */
  poll(&fd, 1, left < 0 ? -1 : (int)(left / 1000) + 1);
}

static bool is_waiting(bgl_ssl_status_t status) { return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE; }

int main(int argc, char **argv) {
  char request[512], page[4096];
  size_t n, sent = 0;
  int length = argc < 3 ? 0 : snprintf(request, sizeof request, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", argv[2]);
  if (length <= 0 || length >= (int)sizeof request) return 2;
  bgl_ssl_config_t *config = bgl_ssl_config_new(); /* verifies the host; the proxy is not trusted with anything */
  bgl_ssl_socket_t *socket = NULL;
  bgl_ssl_status_t status = bgl_ssl_config_set_proxy(config, argv[1], NULL);
  bgl_ssl_config_set_read_timeout(config, 20 * INT64_C(1000000));
  if (status == BGL_SSL_OK)
    socket = bgl_ssl_connect_start(config, argv[2], argc > 3 ? atoi(argv[3]) : 443, AF_UNSPEC, NULL, NULL);
  if (socket) {
    /* Names, TCP, the proxy and TLS. */
    while (is_waiting(status = bgl_ssl_socket_handshake(socket))) await(socket, status);
    while (status == BGL_SSL_OK && sent < (size_t)length) {
      status = bgl_ssl_socket_write(socket, request + sent, (size_t)length - sent, &n);
      sent += n;
      if (is_waiting(status)) await(socket, status), status = BGL_SSL_OK;
    }
    while (status == BGL_SSL_OK || is_waiting(status)) {
      status = bgl_ssl_socket_read(socket, page, sizeof page, &n);
      if (status == BGL_SSL_OK) fwrite(page, 1, n, stdout);
      if (is_waiting(status)) await(socket, status);
    }
  }
  if (!socket || status != BGL_SSL_EOF) /* only close_notify says that the page is complete */
    fprintf(stderr, "tls-through-proxy: %s\n", bgl_ssl_error_message());
  if (socket) bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  bgl_ssl_config_free(config);
  return socket && status == BGL_SSL_EOF ? 0 : 1;
}
