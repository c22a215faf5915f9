/* mtls-server CHAIN KEY CLIENT-CAS PORT: echoes what clients with a certificate of the CAs send, one thread for each.
 * SIGTERM and SIGINT end it: it accepts no more clients, and waits for those that are connected. */
#include <bglssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t client_has_left = PTHREAD_COND_INITIALIZER;
static int clients;

static void count(int change) {
  pthread_mutex_lock(&mutex);
  clients += change;
  pthread_cond_signal(&client_has_left);
  pthread_mutex_unlock(&mutex);
}

static void *serve(void *argument) {
  bgl_ssl_socket_t *socket = argument;
  char data[16384];
  size_t n;

  bgl_ssl_status_t status = bgl_ssl_socket_handshake(socket); /* here, so that a slow client delays no other */
  while (status == BGL_SSL_OK && (status = bgl_ssl_socket_read(socket, data, sizeof data, &n)) == BGL_SSL_OK)
    status = bgl_ssl_socket_write(socket, data, n, &n);
  if (status != BGL_SSL_EOF) fprintf(stderr, "mtls-server: %s\n", bgl_ssl_error_message());
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  count(-1);
  return NULL;
}

static void *accept_clients(void *server) {
  bgl_ssl_status_t status;
  bgl_ssl_socket_t *socket;
  pthread_t thread;

  while ((status = bgl_ssl_server_accept(server, 0, &socket)) != BGL_SSL_E_STATE) { /* E_STATE: the server is closed */
    if (status != BGL_SSL_OK) { /* out of descriptors, perhaps: accept has paused, so this loop does not spin */
      fprintf(stderr, "mtls-server: %s\n", bgl_ssl_error_message());
      continue;
    }
    count(+1);
    if (pthread_create(&thread, NULL, serve, socket) == 0)
      pthread_detach(thread);
    else
      bgl_ssl_socket_free(socket), count(-1);
  }
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t acceptor;
  sigset_t signals;
  int number;

  if (argc != 5) return 2;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM), sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); /* for sigwait */
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (bgl_ssl_config_set_certificate_file(config, argv[1], argv[2], NULL) != BGL_SSL_OK
      || bgl_ssl_config_set_ca_file(config, argv[3]) != BGL_SSL_OK /* so clients need a certificate */
      || bgl_ssl_config_set_lazy_handshake(config, true) != BGL_SSL_OK
      || bgl_ssl_config_set_read_timeout(config, 60 * 1000000) != BGL_SSL_OK)
    return fprintf(stderr, "mtls-server: %s\n", bgl_ssl_error_message()), 1;
  bgl_ssl_server_t *server = bgl_ssl_listen(config, NULL, atoi(argv[4]), 128, AF_UNSPEC);
  if (!server || pthread_create(&acceptor, NULL, accept_clients, server) != 0)
    return fprintf(stderr, "mtls-server: %s\n", bgl_ssl_error_message()), 1;
  printf("port %d\n", bgl_ssl_server_port(server)), fflush(stdout);
  sigwait(&signals, &number);
  bgl_ssl_server_close(server); /* wakes the acceptor */
  pthread_join(acceptor, NULL);
  pthread_mutex_lock(&mutex);
  while (clients > 0) pthread_cond_wait(&client_has_left, &mutex);
  bgl_ssl_server_free(server), bgl_ssl_config_free(config);
}
