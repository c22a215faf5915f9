/* acceptor.h: Bigloo's accept(2) for a server over datagrams.
 *
 * Bigloo's socket-accept calls accept(2) on the server's descriptor, and all clients of a
 * server over datagrams come to one socket. So a thread accepts them in the library, and
 * for each one connects to a local socket on which accept(2) works; the accept hook then
 * takes the client. The thread knows nothing of Bigloo and never touches its objects.
 */
#ifndef BGLSSL_ACCEPTOR_H
#define BGLSSL_ACCEPTOR_H

#include <stdbool.h>

#include "bglssl.h"

struct bglssl_acceptor;

/* Starts accepting. Returns the descriptor for accept(2), or -1 with errno; only if it succeeds
 * the server is the acceptor's. */
int bglssl_acceptor_start(bgl_ssl_server_t *server, int backlog, struct bglssl_acceptor **acceptor);

/* What stands behind `fd`, which came from accept(2): a client, or NULL and the error of one
 * whose handshake failed. False if nothing does: somebody else connected. */
bool bglssl_acceptor_take(struct bglssl_acceptor *acceptor, int fd, bgl_ssl_socket_t **client,
                          bgl_ssl_error_t *error);

/* Ends the accepting; does not wait. */
void bglssl_acceptor_close(struct bglssl_acceptor *acceptor);

/* Ends it, and gives it back, with the server. Does not wait. */
void bglssl_acceptor_release(struct bglssl_acceptor *acceptor);

#endif
