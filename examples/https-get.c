/* https-get HOST [PATH [PORT]]: prints a page, and says so if it was cut short. */
#include <bglssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  char request[1024], page[4096];
  size_t n;
  int length = argc < 2 ? 0 : snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n",
                                       argc > 2 ? argv[2] : "/", argv[1]);
  if (length <= 0 || length >= (int)sizeof request) return 2;
  bgl_ssl_config_t *config = bgl_ssl_config_new(); /* verifies chain and name against the system's CAs */
  bgl_ssl_socket_t *socket = bgl_ssl_connect(config, argv[1], argc > 3 ? atoi(argv[3]) : 443, AF_UNSPEC);
  bgl_ssl_status_t status = socket ? bgl_ssl_socket_write(socket, request, (size_t)length, &n) : BGL_SSL_E_IO;
  while (status == BGL_SSL_OK && (status = bgl_ssl_socket_read(socket, page, sizeof page, &n)) == BGL_SSL_OK)
    fwrite(page, 1, n, stdout);
  if (status != BGL_SSL_EOF) /* only close_notify says that the page is complete */
    fprintf(stderr, "https-get: %s\n", bgl_ssl_error_message());
  if (socket) bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  bgl_ssl_config_free(config);
  return status == BGL_SSL_EOF ? 0 : 1;
}
