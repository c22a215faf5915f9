/* What the side of raw OpenSSL has for streams and for datagrams, and what it has for datagrams alone. */
#ifndef BENCH_SIDE_OPENSSL_H
#define BENCH_SIDE_OPENSSL_H

#include "side.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* Ends the process with what OpenSSL says of its failure. */
static inline _Noreturn void die_ssl(const char *what) {
  die(what, ERR_reason_error_string(ERR_get_error()));
}

static inline struct sockaddr_in address_of(const char *text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

/* A server's context learns to make and to verify cookies. */
void use_cookies(SSL_CTX *context);

/* A socket that takes datagrams from anybody, on a free port. */
int listen_datagrams(const char *address);

/* The next client that has shown its address, on a socket of its own; the handshake is still to do. */
SSL *accept_datagrams(SSL_CTX *context, int listener);

/* A connection to that server, the handshake still to do. */
SSL *connect_datagrams(SSL_CTX *context, struct sockaddr_in server);

#endif
