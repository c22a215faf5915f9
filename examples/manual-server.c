/* manual-server: the server of the SSL chapter of Bigloo's manual, in C and with the same functions: it accepts one
 * client, sends back what the client says, and ends.
 *
 *   manual-server PORT CERT.pem KEY.pem [CA.pem]       (PORT 0: any free port, which is printed)
 *
 * Given CAs, it demands a certificate that they have signed. */

#include "common.h"

#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) {
    fputs("usage: manual-server PORT CERT.pem KEY.pem [CA.pem]\n", stderr);
    return 2;
  }
  bgl_ssl_certificate_t *certificate = bgl_ssl_load_certificate(argv[2]);
  if (!certificate) fail("cannot read the certificate");
  bgl_ssl_private_key_t *key = bgl_ssl_load_private_key(argv[3]);
  if (!key) fail("cannot read the private key");
  certificates_t cas = {0};
  if (argc == 5) cas = read_certificates(argv[4]);

  bgl_ssl_server_t *server = bgl_make_ssl_server_socket(
    "127.0.0.1", port_number(argv[1]),
    BGLSSL_SSLV23,          /* protocol: the best that both sides have */
    certificate, key,
    cas.items, cas.length,  /* CAs: with them, clients must show a certificate */
    NULL, 0,                /* accepted-certs: any */
    5,                      /* backlog */
    AF_INET);               /* domain */
  if (!server) fail("cannot listen");
  bgl_ssl_certificate_free(certificate);
  bgl_ssl_private_key_free(key);
  free_certificates(cas);

  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("listening on 127.0.0.1 port %d\n", bgl_ssl_server_port(server));

  /* What is returned has its handshake behind it, and has been verified. */
  bgl_ssl_socket_t *client;
  if (bgl_ssl_server_accept(server, 0, &client) != BGL_SSL_OK) fail("cannot accept");

  char line[1024];
  bgl_ssl_status_t status;
  size_t n;
  while ((status = bgl_ssl_socket_read(client, line, sizeof line, &n)) == BGL_SSL_OK)
    if (bgl_ssl_socket_write(client, line, n, &n) != BGL_SSL_OK) fail("cannot write");
  if (status != BGL_SSL_EOF) fail("cannot read");

  if (bgl_ssl_socket_close(client) != BGL_SSL_OK) fail("cannot close");
  bgl_ssl_socket_free(client);
  bgl_ssl_server_free(server);
  return 0;
}
