/* dtls-echo server CERTIFICATE KEY PORT      sends each datagram back
 * dtls-echo client CA-FILE HOST PORT TEXT    sends the text until its echo arrives
 *
 * What it shows: DTLS. Datagrams can be lost, so the client repeats its question, and a server's connection ends when
 * its client has been silent for too long. */
#include <bglssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int fail(void) {
  fprintf(stderr, "dtls-echo: %s\n", bgl_ssl_error_message());
  return 1;
}

static void *echo(void *argument) {
  bgl_ssl_socket_t *socket = argument;
  char datagram[16384]; /* the largest record */
  bgl_ssl_status_t status;
  size_t n;

  while ((status = bgl_ssl_socket_read(socket, datagram, sizeof datagram, &n)) == BGL_SSL_OK)
    bgl_ssl_socket_write(socket, datagram, n, &n); /* if it is lost, the client asks again */
  printf("a client has %s\n", status == BGL_SSL_EOF ? "left" : "gone");
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  return NULL;
}

static int server(bgl_ssl_config_t *config, const char *certificate, const char *key, int port) {
  bgl_ssl_status_t status;
  bgl_ssl_socket_t *socket;
  pthread_t thread;

  if (bgl_ssl_config_set_certificate_file(config, certificate, key, NULL) != BGL_SSL_OK
      || bgl_ssl_config_set_idle_timeout(config, 60 * 1000000) != BGL_SSL_OK)
    return fail();
  bgl_ssl_server_t *server = bgl_ssl_listen(config, NULL, port, 0, AF_UNSPEC);
  if (!server) return fail();
  printf("port %d\n", bgl_ssl_server_port(server));
  /* Accepting also serves the handshakes of all clients, so it has to go on. */
  while ((status = bgl_ssl_server_accept(server, 0, &socket)) != BGL_SSL_E_STATE) {
    if (status != BGL_SSL_OK)
      fail();
    else if (pthread_create(&thread, NULL, echo, socket) == 0)
      pthread_detach(thread);
    else
      bgl_ssl_socket_free(socket);
  }
  bgl_ssl_server_free(server);
  return 0;
}

static int client(bgl_ssl_config_t *config, const char *cas, const char *host, int port, const char *text) {
  char answer[16384];
  size_t n;
  bgl_ssl_status_t status = BGL_SSL_E_TIMEOUT;

  if (bgl_ssl_config_set_ca_file(config, cas) != BGL_SSL_OK
      || bgl_ssl_config_set_read_timeout(config, 500000) != BGL_SSL_OK)
    return fail();
  bgl_ssl_socket_t *socket = bgl_ssl_connect(config, host, port, AF_UNSPEC);
  if (!socket) return fail();
  printf("%s, datagrams of up to %zu bytes\n", bgl_ssl_socket_protocol(socket), bgl_ssl_socket_max_datagram(socket));
  for (int attempt = 0; attempt < 10 && status == BGL_SSL_E_TIMEOUT; attempt++) {
    status = bgl_ssl_socket_write(socket, text, strlen(text), &n);
    if (status == BGL_SSL_OK) status = bgl_ssl_socket_read(socket, answer, sizeof answer, &n);
  }
  if (status == BGL_SSL_OK)
    printf("%.*s\n", (int)n, answer);
  else
    fail();
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  return status == BGL_SSL_OK ? 0 : 1;
}

int main(int argc, char **argv) {
  int result = 2;
  bgl_ssl_config_t *config = bgl_ssl_config_new();

  setvbuf(stdout, NULL, _IOLBF, 0);
  bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1);
  if (argc == 5 && strcmp(argv[1], "server") == 0)
    result = server(config, argv[2], argv[3], atoi(argv[4]));
  else if (argc == 6 && strcmp(argv[1], "client") == 0)
    result = client(config, argv[2], argv[3], atoi(argv[4]), argv[5]);
  else
    fprintf(stderr, "usage: dtls-echo server CERTIFICATE KEY PORT | dtls-echo client CA-FILE HOST PORT TEXT\n");
  bgl_ssl_config_free(config);
  return result;
}
