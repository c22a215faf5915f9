/* What the two halves of raw OpenSSL, streams and datagrams, know of each other. */
#ifndef BENCH_SIDE_OPENSSL_H
#define BENCH_SIDE_OPENSSL_H

#include <netinet/in.h>
#include <openssl/ssl.h>

_Noreturn void die_ssl(const char *what);

struct sockaddr_in address_of(const char *text, int port);

/* A server's context learns to make and to verify cookies. */
void use_cookies(SSL_CTX *context);

/* A socket that takes datagrams from anybody, on a free port. */
int listen_datagrams(const char *address);

/* The next client that has shown its address, on a socket of its own; the handshake is still to do. */
SSL *accept_datagrams(SSL_CTX *context, int listener);

/* A connection to that server, the handshake still to do. */
SSL *connect_datagrams(SSL_CTX *context, struct sockaddr_in server);

#endif
