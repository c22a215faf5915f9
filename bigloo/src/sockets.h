/* sockets.h: what the files share that make Bigloo sockets. */
#ifndef BGLSSL_SOCKETS_H
#define BGLSSL_SOCKETS_H

#include <stdbool.h>

#include "bglssl_bigloo.h"

/* addresses.c */
void bglssl_set_address(obj_t socket, const struct sockaddr_storage *address);
void bglssl_set_peer_address(obj_t socket);
int bglssl_port_of(const struct sockaddr_storage *address);
void bglssl_set_datagram_peer(obj_t socket);
void bglssl_ask_peer(obj_t socket, struct bglssl_peer *peer);

/* plain.c */
/* Raises an &io-error. */
void bglssl_fail(obj_t proc, const char *what, int number, obj_t where);
void bglssl_send_at_once(int fd);
void bglssl_set_nonblocking(int fd, bool nonblocking);
obj_t bglssl_allocate_socket(int fd, int port, obj_t hostname, obj_t hostip, int type);
/* BFALSE, and errno, if there is no memory. */
obj_t bglssl_make_ports(obj_t socket, int output, obj_t inbuf, obj_t outbuf);
void bglssl_set_buffering(obj_t port);
void bglssl_close_plain(obj_t socket);

/* servers.c */
bool bglssl_serverp(obj_t socket);
void bglssl_stop_server(obj_t socket);

/* sockets.c */
void bglssl_refuse(bgl_ssl_socket_t *handle);

#endif
