/* Raw OpenSSL as its manual uses it: one SSL_CTX for all connections, SSL_set_fd, blocking sockets. What datagrams have
 * beside that is in side_openssl_datagrams.c. */

#include "side.h"
#include "side_openssl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  SSL_CTX *context;
  int fd;
  bool datagrams;
} server_t;

typedef struct {
  const char *address;
  SSL_CTX *context;
  SSL_SESSION *session;
  bool datagrams;
} client_t;

static X509 *certificate_of(const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  BIO_free(bio);
  if (!certificate) die_ssl("certificate");
  return certificate;
}

static void use_certificate(SSL_CTX *context, const char *pem, const char *key_pem) {
  BIO *bio = BIO_new_mem_buf(key_pem, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  X509 *certificate = certificate_of(pem);
  if (!key || SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1)
    die_ssl("certificate and key");
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static void trust(SSL_CTX *context, const char *pem) {
  X509 *ca = certificate_of(pem);
  if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) != 1) die_ssl("CA");
  X509_free(ca);
}

static int listen_stream(const char *text) {
  struct sockaddr_in address = address_of(text, 0);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
    die("listen", strerror(errno));
  return fd;
}

static void *server_listen(const pki_t *pki, const link_t *link) {
  server_t *server = calloc(1, sizeof *server);
  signal(SIGPIPE, SIG_IGN);

  server->datagrams = link->datagrams;
  server->context = SSL_CTX_new(link->datagrams ? DTLS_server_method() : TLS_server_method());
  if (link->datagrams) use_cookies(server->context);
  use_certificate(server->context, pki->server, pki->server_key);
  if (link->client_certificates) {
    X509 *ca = certificate_of(pki->ca);
    trust(server->context, pki->ca);
    SSL_CTX_add_client_CA(server->context, ca);
    X509_free(ca);
    SSL_CTX_set_verify(server->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* Without it, a server that verifies its clients refuses to resume their sessions. */
    SSL_CTX_set_session_id_context(server->context, (const unsigned char *)"bench", 5);
  }
  server->fd = link->datagrams ? listen_datagrams(link->address) : listen_stream(link->address);
  return server;
}

static int server_port(void *handle) {
  server_t *server = handle;
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  getsockname(server->fd, (struct sockaddr *)&address, &length);
  return ntohs(address.sin_port);
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static SSL *accept_stream(SSL_CTX *context, int listener) {
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) die("accept", strerror(errno));
  no_delay(fd);
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  return ssl;
}

static void *server_accept(void *handle) {
  server_t *server = handle;
  SSL *ssl = server->datagrams ? accept_datagrams(server->context, server->fd)
                               : accept_stream(server->context, server->fd);
  if (SSL_accept(ssl) != 1) die_ssl("SSL_accept");
  return ssl;
}

static void *new_client(const pki_t *pki, const link_t *link) {
  client_t *client = calloc(1, sizeof *client);
  signal(SIGPIPE, SIG_IGN);

  client->address = link->address;
  client->datagrams = link->datagrams;
  client->context = SSL_CTX_new(link->datagrams ? DTLS_client_method() : TLS_client_method());
  trust(client->context, pki->ca);
  SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
  if (link->client_certificates) use_certificate(client->context, pki->client, pki->client_key);
  return client;
}

static SSL *connect_stream(SSL_CTX *context, struct sockaddr_in address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect", strerror(errno));
  no_delay(fd);
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  return ssl;
}

static void *client_connect(void *handle, int port) {
  client_t *client = handle;
  struct sockaddr_in server = address_of(client->address, port);
  SSL *ssl = client->datagrams ? connect_datagrams(client->context, server) : connect_stream(client->context, server);
  SSL_set_tlsext_host_name(ssl, "localhost");
  SSL_set1_host(ssl, "localhost");
  if (client->session) SSL_set_session(ssl, client->session);
  if (SSL_connect(ssl) != 1) die_ssl("SSL_connect");
  return ssl;
}

static void save_session(void *handle, void *connection) {
  client_t *client = handle;
  client->session = SSL_get1_session(connection);
}

static bool resumed(void *connection) {
  return SSL_session_reused(connection) == 1;
}

/* There are none. */
static void forget_sessions(void) {
}

/* The application data of connections that poll. */
static char polls;

static void set_read_mode(void *connection, read_mode_t mode) {
  int fd = SSL_get_fd(connection);
  struct timeval limit = {.tv_sec = READ_SECONDS};
  SSL_set_app_data((SSL *)connection, mode == READS_POLL ? &polls : NULL);
  if (fcntl(fd, F_SETFL, mode == READS_POLL ? O_NONBLOCK : 0) != 0) die("fcntl", strerror(errno));
  if (mode == READS_HAVE_LIMIT) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

static size_t read_some(void *connection, void *data, size_t size) {
  size_t n;
  while (SSL_read_ex(connection, data, size, &n) != 1) {
    struct pollfd wait = {SSL_get_fd(connection), POLLIN, 0};
    switch (SSL_get_error(connection, 0)) {
      case SSL_ERROR_ZERO_RETURN: return 0;
      case SSL_ERROR_WANT_READ:
        if (SSL_get_app_data((SSL *)connection) != &polls) die("SSL_read_ex", "timed out");
        if (poll(&wait, 1, READ_SECONDS * 1000) != 1) die("poll", strerror(errno));
        break;
      default: die_ssl("SSL_read_ex");
    }
  }
  return n;
}

static void write_all(void *connection, const void *data, size_t size) {
  size_t n;
  if (SSL_write_ex(connection, data, size, &n) != 1) die_ssl("SSL_write_ex");
}

static void close_connection(void *connection, bool wait) {
  int fd = SSL_get_fd(connection);
  if (SSL_shutdown(connection) == 0 && wait) {
    char ignored[1024];
    size_t n;
    while (SSL_read_ex(connection, ignored, sizeof ignored, &n) == 1) continue;
    SSL_shutdown(connection);
  }
  SSL_free(connection);
  close(fd);
}

const side_t side_openssl = {
  .name = "openssl",
  .listen = server_listen,
  .port = server_port,
  .accept = server_accept,
  .client = new_client,
  .connect = client_connect,
  .save_session = save_session,
  .resumed = resumed,
  .forget_sessions = forget_sessions,
  .read = read_some,
  .write = write_all,
  .set_read_mode = set_read_mode,
  .close = close_connection,
};
