/* tls-echo-server: sends back whatever its clients say. One thread for each client.
 *
 *   tls-echo-server --cert server.pem --key server.key --port 4433
 *   tls-echo-server --cert server.pem --key server.key --ca ca.pem      (clients must show a certificate of this CA)
 *
 * What it shows: a server whose accepting thread never waits for a slow client, since the handshake is left to the
 * client's own thread; client certificates; and how another thread ends a blocking accept. It prints the port on which
 * it listens, a line for each client, and ends on SIGTERM or SIGINT. */

#include "common.h"

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char help[] =
  "usage: tls-echo-server --cert FILE --key FILE [options]\n"
  "  --cert FILE      the server's certificate (PEM, followed by its chain)\n"
  "  --key FILE       its private key\n"
  "  --ca FILE        demand client certificates, signed by the CAs of this PEM file\n"
  "  --optional       with --ca: clients may come without a certificate\n"
  "  --address NAME   listen on this address (default 127.0.0.1)\n"
  "  --port PORT      listen on this port (default 0: any free one)\n"
  "  --protocol NAME  sslv23 (the default: the best that both have), tlsv1_2, tlsv1_3 ...\n"
  "  --alpn NAMES     application protocols, the best first, separated by commas\n";

static void describe(const char *client, const bgl_ssl_socket_t *socket) {
  char certificate_name[256] = "no certificate", alpn[256] = "";

  bgl_ssl_certificate_t *certificate = bgl_ssl_socket_peer_certificate(socket);
  if (certificate) bgl_ssl_certificate_subject_name(certificate, certificate_name, sizeof certificate_name);
  bgl_ssl_certificate_free(certificate);
  bgl_ssl_socket_alpn(socket, alpn, sizeof alpn);

  printf("%s: accepted, %s, %s, %s%s%s\n", client, bgl_ssl_socket_protocol(socket), bgl_ssl_socket_cipher(socket),
         certificate_name, *alpn ? ", alpn " : "", alpn);
}

/* Returns how the conversation ended: BGL_SSL_EOF when the client closed it, a failure otherwise. */
static bgl_ssl_status_t echo(const bgl_ssl_socket_t *socket) {
  char buffer[16384];
  bgl_ssl_status_t status;
  size_t n;

  while ((status = bgl_ssl_socket_read(socket, buffer, sizeof buffer, &n)) == BGL_SSL_OK) {
    status = bgl_ssl_socket_write(socket, buffer, n, &n);
    if (status != BGL_SSL_OK) break;
  }
  return status;
}

static void *serve(void *argument) {
  bgl_ssl_socket_t *socket = argument;
  char address[64], client[96];
  int port;

  bgl_ssl_socket_peer_address(socket, address, sizeof address, &port);
  snprintf(client, sizeof client, "%s:%d", address, port);

  if (bgl_ssl_socket_handshake(socket) != BGL_SSL_OK) {
    printf("%s: refused: %s\n", client, bgl_ssl_error_message());
  } else {
    describe(client, socket);
    if (echo(socket) != BGL_SSL_EOF)
      printf("%s: broken: %s\n", client, bgl_ssl_error_message());
    else if (bgl_ssl_socket_close(socket) != BGL_SSL_OK)
      printf("%s: not closed properly: %s\n", client, bgl_ssl_error_message());
    else
      printf("%s: closed\n", client);
  }
  bgl_ssl_socket_free(socket);
  return NULL;
}

static void *accept_clients(void *argument) {
  const bgl_ssl_server_t *server = argument;

  for (;;) {
    bgl_ssl_socket_t *socket;
    bgl_ssl_status_t status = bgl_ssl_server_accept(server, 0, &socket);
    if (status == BGL_SSL_E_STATE) return NULL; /* the server was closed */
    if (status != BGL_SSL_OK) {
      /* Out of descriptors, most likely, until some client leaves. */
      printf("cannot accept: %s\n", bgl_ssl_error_message());
      poll(NULL, 0, 100);
      continue;
    }

    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, socket) == 0)
      pthread_detach(thread);
    else
      bgl_ssl_socket_free(socket); /* too many clients: this one is cut off */
  }
}

int main(int argc, char **argv) {
  enum { CERT = 256, KEY, CA, OPTIONAL, ADDRESS, PORT, PROTOCOL, ALPN, HELP };
  static const struct option options[] = {
    {"cert", required_argument, NULL, CERT},         {"key", required_argument, NULL, KEY},
    {"ca", required_argument, NULL, CA},             {"optional", no_argument, NULL, OPTIONAL},
    {"address", required_argument, NULL, ADDRESS},   {"port", required_argument, NULL, PORT},
    {"protocol", required_argument, NULL, PROTOCOL}, {"alpn", required_argument, NULL, ALPN},
    {"help", no_argument, NULL, HELP},               {NULL, 0, NULL, 0},
  };
  const char *cert = NULL, *key = NULL, *address = "127.0.0.1";
  int port = 0, option;

  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (!config) fail("cannot make a config");

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    bgl_ssl_status_t status = BGL_SSL_OK;
    switch (option) {
    case CERT: cert = optarg; break;
    case KEY: key = optarg; break;
    case CA: trust_file(config, optarg); break;
    case OPTIONAL:
      status = bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL);
      break;
    case ADDRESS: address = optarg; break;
    case PORT: port = port_number(optarg); break;
    case PROTOCOL: use_protocol(config, optarg); break;
    case ALPN: use_alpn(config, optarg); break;
    case HELP: fputs(help, stdout); return 0;
    default: fputs(help, stderr); return 2;
    }
    if (status != BGL_SSL_OK) fail("bad option");
  }
  if (!cert || !key) usage_error("--cert and --key are needed");
  show_certificate(config, cert, key);

  /* The handshake happens in serve, with this deadline; a client that falls silent is dropped after two minutes. */
  bgl_ssl_config_set_lazy_handshake(config, true);
  bgl_ssl_config_set_handshake_timeout(config, 10 * 1000000);
  bgl_ssl_config_set_read_timeout(config, 120 * 1000000);
  bgl_ssl_config_set_write_timeout(config, 120 * 1000000);

  bgl_ssl_server_t *server = bgl_ssl_listen(config, address, port, 128, AF_UNSPEC);
  if (!server) fail("cannot listen");
  bgl_ssl_config_free(config);

  /* Signals are taken by sigwait below, and by no other thread. */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);

  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("listening on %s port %d\n", address, bgl_ssl_server_port(server));

  pthread_t accepting;
  if (pthread_create(&accepting, NULL, accept_clients, server) != 0) {
    perror("tls-echo-server: cannot start a thread");
    return 1;
  }

  int signal_number;
  sigwait(&signals, &signal_number);
  bgl_ssl_server_close(server); /* wakes accept_clients */
  pthread_join(accepting, NULL);
  bgl_ssl_server_free(server);
  return 0;
}
