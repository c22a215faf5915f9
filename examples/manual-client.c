/* manual-client: the client of the SSL chapter of Bigloo's manual, in C and with the same functions: it opens a TLS
 * connection, says two lines, and prints the answers.
 *
 *   manual-client HOST PORT [CA.pem]
 *
 * As in the manual, nothing is verified unless CAs are given; given CAs verify the chain, not the host's name. New
 * programs do better with bgl_ssl_connect and a config, as tls-client.c shows. */

#include "common.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void say(const bgl_ssl_socket_t *socket, const char *line) {
  size_t n;
  if (bgl_ssl_socket_write(socket, line, strlen(line), &n) != BGL_SSL_OK) fail("cannot write");
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 4) {
    fputs("usage: manual-client HOST PORT [CA.pem]\n", stderr);
    return 2;
  }
  certificates_t cas = {0};
  if (argc == 4) cas = read_certificates(argv[3]);

  bgl_ssl_socket_t *socket = bgl_make_ssl_client_socket(
    argv[1], port_number(argv[2]),
    10 * 1000000,           /* timeout: ten seconds for the connection and the handshake */
    BGLSSL_SSLV23,          /* protocol: the best that both sides have */
    NULL, NULL,             /* cert, pkey: this client shows none */
    cas.items, cas.length,  /* CAs */
    NULL, 0,                /* accepted-certs: any */
    AF_UNSPEC);             /* domain */
  if (!socket) fail("cannot connect");
  free_certificates(cas);

  say(socket, "Hello there!\n");
  say(socket, "How are you?\n");
  if (bgl_ssl_socket_shutdown(socket) != BGL_SSL_OK) fail("cannot end");

  char answer[1024];
  bgl_ssl_status_t status;
  size_t n;
  while ((status = bgl_ssl_socket_read(socket, answer, sizeof answer, &n)) == BGL_SSL_OK)
    fwrite(answer, 1, n, stdout);
  if (status != BGL_SSL_EOF) fail("cannot read");

  if (bgl_ssl_socket_close(socket) != BGL_SSL_OK) fail("cannot close");
  bgl_ssl_socket_free(socket);
  return 0;
}
