/* Raw OpenSSL over datagrams, as DTLSv1_listen(3) and BIO_s_datagram(3) have it: cookies, a connected socket for each
 * client, blocking sockets with a time limit. */

#include "side.h"
#include "side_openssl.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static unsigned char secret[32];

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned int *length) {
  unsigned char data[64];
  size_t size = sizeof data - sizeof(unsigned short);
  BIO_ADDR *peer = BIO_ADDR_new();
  BIO_dgram_get_peer(SSL_get_rbio(ssl), peer);
  unsigned short port = BIO_ADDR_rawport(peer);
  BIO_ADDR_rawaddress(peer, data, &size);
  BIO_ADDR_free(peer);
  memcpy(data + size, &port, sizeof port);
  return HMAC(EVP_sha256(), secret, sizeof secret, data, size + sizeof port, cookie, length) != NULL;
}

static int verify_cookie(SSL *ssl, const unsigned char *cookie, unsigned int length) {
  unsigned char expected[EVP_MAX_MD_SIZE];
  unsigned int expected_length;
  return make_cookie(ssl, expected, &expected_length) && length == expected_length &&
         CRYPTO_memcmp(cookie, expected, length) == 0;
}

void use_cookies(SSL_CTX *context) {
  if (RAND_bytes(secret, sizeof secret) != 1) die_ssl("cookies");
  SSL_CTX_set_cookie_generate_cb(context, make_cookie);
  SSL_CTX_set_cookie_verify_cb(context, verify_cookie);
}

static int new_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket", strerror(errno));
  return fd;
}

/* The server's sockets share a port. A client's must not, or the system connects one in some thousands to itself. */
static void bind_socket(int fd, struct sockaddr_in address) {
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
    die("bind", strerror(errno));
}

static void connect_socket(int fd, const struct sockaddr_in *peer) {
  if (connect(fd, (const struct sockaddr *)peer, sizeof *peer) != 0) die("connect", strerror(errno));
}

static void limit_waits(BIO *bio) {
  struct timeval limit = {.tv_sec = DATAGRAM_SECONDS};
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
}

static void set_peer(BIO *bio, const struct sockaddr_in *peer) {
  BIO_ADDR *address = BIO_ADDR_new();
  BIO_ADDR_rawmake(address, AF_INET, &peer->sin_addr, sizeof peer->sin_addr, peer->sin_port);
  BIO_ctrl_set_connected(bio, address);
  BIO_ADDR_free(address);
}

int listen_datagrams(const char *address) {
  int fd = new_socket();
  bind_socket(fd, address_of(address, 0));
  return fd;
}

SSL *accept_datagrams(SSL_CTX *context, int listener) {
  SSL *ssl = SSL_new(context);
  BIO *bio = BIO_new_dgram(listener, BIO_NOCLOSE);
  limit_waits(bio);
  SSL_set_bio(ssl, bio, bio);

  BIO_ADDR *from = BIO_ADDR_new();
  if (DTLSv1_listen(ssl, from) != 1) die("DTLSv1_listen", "no client has come in time");
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = BIO_ADDR_rawport(from)}, local;
  size_t size = sizeof peer.sin_addr;
  BIO_ADDR_rawaddress(from, &peer.sin_addr, &size);
  BIO_ADDR_free(from);

  socklen_t length = sizeof local;
  getsockname(listener, (struct sockaddr *)&local, &length);
  int fd = new_socket();
  bind_socket(fd, local);
  connect_socket(fd, &peer);
  BIO_set_fd(bio, fd, BIO_NOCLOSE);
  limit_waits(bio);
  set_peer(bio, &peer);
  return ssl;
}

SSL *connect_datagrams(SSL_CTX *context, struct sockaddr_in server) {
  SSL *ssl = SSL_new(context);
  int fd = new_socket();
  connect_socket(fd, &server);
  BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
  limit_waits(bio);
  set_peer(bio, &server);
  SSL_set_bio(ssl, bio, bio);
  return ssl;
}
