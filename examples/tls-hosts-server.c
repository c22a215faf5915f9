/* tls-hosts-server: a web server for all the names that it has certificates for.
 *
 *   tls-hosts-server DIRECTORY PORT
 *
 * DIRECTORY holds NAME.pem, a certificate with its chain, and NAME.key for each; clients get the one that is for the name
 * they ask for. The first in the order of the alphabet is for all others. On SIGHUP the directory is read again, for
 * clients that come from then on: a certificate that was renewed, another name. If that fails the server says why, and
 * goes on with what it had. It ends on SIGTERM or SIGINT. */

#include <bglssl.h>

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int is_chain(const struct dirent *entry) {
  size_t length = strlen(entry->d_name);

  return length > 4 && strcmp(entry->d_name + length - 4, ".pem") == 0;
}

static int add_identity(bgl_ssl_config_t *config, const char *directory, const char *name) {
  char chain[PATH_MAX], key[PATH_MAX];

  snprintf(chain, sizeof chain, "%s/%s", directory, name);
  snprintf(key, sizeof key, "%s/%.*s.key", directory, (int)strlen(name) - 4, name);
  bgl_ssl_identity_t *identity = bgl_ssl_identity_from_files(chain, key, NULL);
  bgl_ssl_status_t status = identity ? bgl_ssl_config_add_identity(config, identity) : BGL_SSL_E_CONFIG;
  bgl_ssl_identity_free(identity);
  return status == BGL_SSL_OK;
}

/* The config for what is in the directory now; NULL, after a message, if something there cannot be used. */
static bgl_ssl_config_t *read_directory(const char *directory) {
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  struct dirent **entries;
  int count = scandir(directory, &entries, is_chain, alphasort), good = count > 0;

  if (count <= 0) fprintf(stderr, "%s: no certificates\n", directory);
  for (int i = 0; i < count; i++) {
    if (good && !add_identity(config, directory, entries[i]->d_name)) {
      fprintf(stderr, "%s\n", bgl_ssl_error_message());
      good = 0;
    }
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  /* The handshakes happen in the threads of the clients, not in the one that accepts. */
  if (good) bgl_ssl_config_set_lazy_handshake(config, true);
  if (good && bgl_ssl_config_set_read_timeout(config, 30 * 1000 * 1000) == BGL_SSL_OK) return config;
  bgl_ssl_config_free(config);
  return NULL;
}

/* The value of the Host header, without a port. */
static void host_of(const char *request, char *host, size_t size) {
  const char *line = strstr(request, "\r\nHost: ");

  *host = 0;
  if (line) snprintf(host, size, "%.*s", (int)strcspn(line + 8, ":\r"), line + 8);
}

static void *serve(void *argument) {
  bgl_ssl_socket_t *socket = argument;
  char request[8192], host[256], answer[1024];
  size_t length = 0, n;

  while (length < sizeof request - 1 &&
         bgl_ssl_socket_read(socket, request + length, sizeof request - 1 - length, &n) == BGL_SSL_OK) {
    length += n;
    request[length] = 0;
    if (!strstr(request, "\r\n\r\n")) continue;
    host_of(request, host, sizeof host);
    /* The connection was made for one name, and a request may be for another one. */
    if (bgl_ssl_socket_serves_host(socket, host))
      snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\n\r\nThis is %s.\n", host);
    else
      snprintf(answer, sizeof answer, "HTTP/1.0 421 Misdirected Request\r\n\r\n");
    bgl_ssl_socket_write(socket, answer, strlen(answer), &n);
    break;
  }
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  return NULL;
}

static void *accept_clients(void *argument) {
  const bgl_ssl_server_t *server = argument;

  for (;;) {
    bgl_ssl_socket_t *socket;
    bgl_ssl_status_t status = bgl_ssl_server_accept(server, 0, &socket);
    pthread_t thread;

    if (status == BGL_SSL_E_STATE) return NULL; /* the server was closed */
    if (status != BGL_SSL_OK)
      poll(NULL, 0, 100);
    else if (pthread_create(&thread, NULL, serve, socket) == 0)
      pthread_detach(thread);
    else
      bgl_ssl_socket_free(socket);
  }
}

int main(int argc, char **argv) {
  sigset_t signals;
  pthread_t acceptor;
  int signal = SIGHUP;

  if (argc != 3) {
    fprintf(stderr, "usage: tls-hosts-server DIRECTORY PORT\n");
    return 2;
  }
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);

  bgl_ssl_config_t *config = read_directory(argv[1]);
  if (!config) return 1;
  bgl_ssl_server_t *server = bgl_ssl_listen(config, NULL, atoi(argv[2]), 64, AF_UNSPEC);
  bgl_ssl_config_free(config);
  if (!server || pthread_create(&acceptor, NULL, accept_clients, server) != 0) {
    fprintf(stderr, "%s\n", bgl_ssl_error_message());
    return 1;
  }
  printf("listening on port %d\n", bgl_ssl_server_port(server));
  fflush(stdout);

  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
    config = read_directory(argv[1]);
    if (config && bgl_ssl_server_set_config(server, config) != BGL_SSL_OK)
      fprintf(stderr, "%s\n", bgl_ssl_error_message());
    else if (config)
      printf("read %s again\n", argv[1]);
    fflush(stdout);
    bgl_ssl_config_free(config);
  }
  bgl_ssl_server_close(server);
  pthread_join(acceptor, NULL);
  bgl_ssl_server_free(server);
  return 0;
}
