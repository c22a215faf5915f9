/* bglssl as its manual uses it: one config for all connections, blocking calls. */

#include "side.h"

#include <bglssl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
  const char *address;
  bgl_ssl_config_t *config;
  bgl_ssl_session_t *session;
} client_t;

static _Noreturn void die_ssl(const char *what) {
  bgl_ssl_error_t error = {.size = sizeof error};
  bgl_ssl_last_error(&error);
  die(what, error.message);
}

static bgl_ssl_certificate_t *certificate_of(const char *pem) {
  bgl_ssl_certificate_t *certificate = bgl_ssl_certificate_from_mem(pem, strlen(pem), BGL_SSL_FORMAT_PEM);
  if (!certificate) die_ssl("certificate");
  return certificate;
}

static void use_certificate(bgl_ssl_config_t *config, const char *pem, const char *key_pem) {
  bgl_ssl_certificate_t *certificate = certificate_of(pem);
  bgl_ssl_private_key_t *key = bgl_ssl_private_key_from_mem(key_pem, strlen(key_pem), BGL_SSL_FORMAT_PEM, NULL);
  if (!key || bgl_ssl_config_set_certificate(config, certificate, key) != BGL_SSL_OK) die_ssl("certificate and key");
  bgl_ssl_certificate_free(certificate);
  bgl_ssl_private_key_free(key);
}

static void trust(bgl_ssl_config_t *config, const char *pem) {
  bgl_ssl_certificate_t *certificate = certificate_of(pem);
  const bgl_ssl_certificate_t *cas[] = {certificate};
  if (bgl_ssl_config_set_ca_certificates(config, cas, 1) != BGL_SSL_OK) die_ssl("CA");
  bgl_ssl_certificate_free(certificate);
}

static bgl_ssl_config_t *new_config(const link_t *link) {
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (link->datagrams) {
    bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1);
    bgl_ssl_config_set_read_timeout(config, DATAGRAM_SECONDS * 1000000LL);
  }
  return config;
}

/* The last one is the one that clients ask for. */
static void add_hosts(bgl_ssl_config_t *config, const pki_t *pki, const link_t *link) {
  bgl_ssl_config_t *host = new_config(link);
  char name[32];
  use_certificate(host, pki->server, pki->server_key);
  for (int i = 1; i <= link->hosts; i++) {
    snprintf(name, sizeof name, i < link->hosts ? "host%d.test" : "localhost", i);
    if (bgl_ssl_config_add_host(config, name, host) != BGL_SSL_OK) die_ssl("bgl_ssl_config_add_host");
  }
  bgl_ssl_config_free(host);
}

static void *server_listen(const pki_t *pki, const link_t *link) {
  bgl_ssl_config_t *config = new_config(link);
  use_certificate(config, pki->server, pki->server_key);
  add_hosts(config, pki, link);
  if (link->client_certificates) trust(config, pki->ca);
  bgl_ssl_server_t *server = bgl_ssl_listen(config, link->address, 0, 1024, AF_INET);
  if (!server) die_ssl("bgl_ssl_listen");
  bgl_ssl_config_free(config);
  return server;
}

static int server_port(void *server) {
  return bgl_ssl_server_port(server);
}

static void *server_accept(void *server) {
  bgl_ssl_socket_t *socket;
  if (bgl_ssl_server_accept(server, 0, &socket) != BGL_SSL_OK) die_ssl("bgl_ssl_server_accept");
  return socket;
}

static void *new_client(const pki_t *pki, const link_t *link) {
  client_t *client = calloc(1, sizeof *client);
  client->address = link->address;
  client->config = new_config(link);
  trust(client->config, pki->ca);
  bgl_ssl_config_set_hostname(client->config, "localhost");
  if (!link->resumes_by_itself) bgl_ssl_config_set_resume(client->config, false);
  if (link->client_certificates) use_certificate(client->config, pki->client, pki->client_key);
  return client;
}

static void *client_connect(void *handle, int port) {
  client_t *client = handle;
  bgl_ssl_socket_t *socket = client->session
                               ? bgl_ssl_connect_resume(client->config, client->address, port, AF_INET, client->session)
                               : bgl_ssl_connect(client->config, client->address, port, AF_INET);
  if (!socket) die_ssl("bgl_ssl_connect");
  return socket;
}

static void save_session(void *handle, void *connection) {
  client_t *client = handle;
  client->session = bgl_ssl_socket_session(connection);
  if (!client->session) die_ssl("bgl_ssl_socket_session");
}

static bool resumed(void *connection) {
  return bgl_ssl_socket_session_reused(connection);
}

static size_t read_some(void *connection, void *data, size_t size) {
  size_t n;
  bgl_ssl_status_t status;
  while ((status = bgl_ssl_socket_read(connection, data, size, &n)) == BGL_SSL_WANT_READ) {
    struct pollfd wait = {bgl_ssl_socket_fd(connection), POLLIN, 0};
    if (poll(&wait, 1, READ_SECONDS * 1000) != 1) die("poll", strerror(errno));
  }
  if (status == BGL_SSL_OK) return n;
  if (status != BGL_SSL_EOF) die_ssl("bgl_ssl_socket_read");
  return 0;
}

static void write_all(void *connection, const void *data, size_t size) {
  size_t n;
  if (bgl_ssl_socket_write(connection, data, size, &n) != BGL_SSL_OK) die_ssl("bgl_ssl_socket_write");
}

static void set_read_mode(void *connection, read_mode_t mode) {
  bgl_ssl_socket_set_nonblocking(connection, mode == READS_POLL);
  if (mode == READS_HAVE_LIMIT) bgl_ssl_socket_set_read_timeout(connection, READ_SECONDS * 1000000LL);
}

static void close_connection(void *connection, bool wait) {
  if (!wait) bgl_ssl_socket_set_close_timeout(connection, 0);
  if (bgl_ssl_socket_close(connection) != BGL_SSL_OK) die_ssl("bgl_ssl_socket_close");
  bgl_ssl_socket_free(connection);
}

const side_t side_bglssl = {
  .name = "bglssl",
  .listen = server_listen,
  .port = server_port,
  .accept = server_accept,
  .client = new_client,
  .connect = client_connect,
  .save_session = save_session,
  .resumed = resumed,
  .forget_sessions = bgl_ssl_forget_sessions,
  .read = read_some,
  .write = write_all,
  .set_read_mode = set_read_mode,
  .close = close_connection,
};
