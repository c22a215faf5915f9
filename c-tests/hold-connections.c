/* hold-connections: opens many connections to an echo server, and holds them all at once, in one thread.
 *
 *   hold-connections CA.pem PORT N
 *
 * Each connection says a line and must get it back; then, with all of them open, each does so again; then all are
 * closed. Ends with status 0 if everything came back, 1 with a message otherwise. */

#include <bglssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static _Noreturn void fail(const char *what, size_t connection) {
  bgl_ssl_error_t error = {.size = sizeof error};
  bgl_ssl_last_error(&error);
  fprintf(stderr, "connection %zu: %s: %s\n", connection, what, error.message);
  exit(1);
}

/* The line differs from connection to connection and from round to round: an answer from elsewhere is noticed. */
static void talk(const bgl_ssl_socket_t *socket, size_t i, int round) {
  char line[64], answer[64];
  size_t n, have = 0, length;

  length = (size_t)snprintf(line, sizeof line, "connection %zu, round %d", i, round);
  if (bgl_ssl_socket_write(socket, line, length, &n) != BGL_SSL_OK) fail("write", i);
  while (have < length) {
    if (bgl_ssl_socket_read(socket, answer + have, length - have, &n) != BGL_SSL_OK) fail("read", i);
    have += n;
  }
  if (memcmp(line, answer, length) != 0) {
    fprintf(stderr, "connection %zu: said \"%s\", got \"%.*s\"\n", i, line, (int)length, answer);
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fputs("usage: hold-connections CA.pem PORT N\n", stderr);
    return 2;
  }
  int port = atoi(argv[2]);
  size_t count = (size_t)atoi(argv[3]);

  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < count + 32) {
    fprintf(stderr, "only %llu descriptors allowed\n", (unsigned long long)limit.rlim_max);
    return 77;
  }

  bgl_ssl_certificate_t *ca = bgl_ssl_load_certificate(argv[1]);
  if (!ca) fail("CA", 0);
  const bgl_ssl_certificate_t *cas[] = {ca};
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (bgl_ssl_config_set_ca_certificates(config, cas, 1) != BGL_SSL_OK) fail("config", 0);
  bgl_ssl_config_set_read_timeout(config, 30 * 1000000);
  bgl_ssl_config_set_write_timeout(config, 30 * 1000000);

  bgl_ssl_socket_t **sockets = calloc(count, sizeof *sockets);
  if (!sockets) {
    perror("hold-connections");
    return 1;
  }
  for (size_t i = 0; i < count; i++) {
    sockets[i] = bgl_ssl_connect(config, "127.0.0.1", port, AF_INET);
    if (!sockets[i]) fail("connect", i);
    talk(sockets[i], i, 1);
  }
  for (size_t i = 0; i < count; i++) talk(sockets[i], i, 2);
  for (size_t i = 0; i < count; i++) {
    if (bgl_ssl_socket_close(sockets[i]) != BGL_SSL_OK) fail("close", i);
    bgl_ssl_socket_free(sockets[i]);
  }
  free(sockets);
  bgl_ssl_config_free(config);
  bgl_ssl_certificate_free(ca);
  return 0;
}
