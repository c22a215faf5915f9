/* tls-in-tls PROXY PROXY-PORT HOST PORT [CA-FILE]: asks a proxy that is reached by TLS for a tunnel to HOST (HTTP CONNECT),
 * begins TLS with HOST inside of it, and carries standard input and output over that.
 *
 * What it shows: a TLS connection inside another one. The answer of the proxy is read byte by byte up to its empty line:
 * what comes behind it belongs to the inner connection. */
#include <bglssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what) {
  fprintf(stderr, "tls-in-tls: %s: %s\n", what, bgl_ssl_error_message());
  return 1;
}

/* True if the proxy agrees. */
static bool ask_for_tunnel(bgl_ssl_socket_t *proxy, const char *host, const char *port) {
  char text[4096];
  size_t length = 0, n;
  int size = snprintf(text, sizeof text, "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", host, port, host, port);

  if (size >= (int)sizeof text || bgl_ssl_socket_write(proxy, text, (size_t)size, &n) != BGL_SSL_OK) return false;
  while (length < sizeof text - 1 && bgl_ssl_socket_read(proxy, text + length, 1, &n) == BGL_SSL_OK) {
    text[++length] = '\0';
    if (length >= 4 && strcmp(text + length - 4, "\r\n\r\n") == 0) return strncmp(text, "HTTP/1.1 2", 10) == 0;
  }
  return false;
}

int main(int argc, char **argv) {
  char data[16384];
  bgl_ssl_status_t status;
  ssize_t length;
  size_t n;

  if (argc != 5 && argc != 6)
    return fprintf(stderr, "usage: tls-in-tls PROXY PROXY-PORT HOST PORT [CA-FILE]\n"), 2;
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (argc == 6 && bgl_ssl_config_set_ca_file(config, argv[5]) != BGL_SSL_OK) return fail(argv[5]);

  bgl_ssl_socket_t *proxy = bgl_ssl_connect(config, argv[1], atoi(argv[2]), AF_UNSPEC);
  if (!proxy) return fail(argv[1]);
  if (!ask_for_tunnel(proxy, argv[3], argv[4])) return fprintf(stderr, "tls-in-tls: the proxy refuses\n"), 1;

  bgl_ssl_socket_t *socket = bgl_ssl_upgrade_client_socket(config, proxy, argv[3], 0);
  bgl_ssl_socket_free(proxy); /* it goes on under the new one */
  if (!socket) return fail(argv[3]);

  while ((length = read(STDIN_FILENO, data, sizeof data)) > 0)
    if (bgl_ssl_socket_write(socket, data, (size_t)length, &n) != BGL_SSL_OK) return fail(argv[3]);
  status = bgl_ssl_socket_shutdown(socket);
  while (status == BGL_SSL_OK && (status = bgl_ssl_socket_read(socket, data, sizeof data, &n)) == BGL_SSL_OK)
    fwrite(data, 1, n, stdout);
  if (status != BGL_SSL_EOF) return fail(argv[3]);
  bgl_ssl_socket_close(socket); /* and the connection with the proxy */
  bgl_ssl_socket_free(socket);
  bgl_ssl_config_free(config);
  return 0;
}
