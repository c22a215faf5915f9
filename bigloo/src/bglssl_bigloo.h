/* bglssl_bigloo.h: the C that knows Bigloo's objects.
 *
 * Everything else of `(library ssl)` is Scheme over bglssl.h. What is here needs
 * Bigloo's structures (ports, sockets), the collector (boxes with a finalizer), or
 * C arrays made from Scheme lists.
 *
 * Two rules hold everywhere in these files:
 *  - errors are raised by a long jump, so nothing of the library and no lock of ours
 *    is in progress when `bglssl_raise` is called;
 *  - an object whose finalizer frees a handle is kept (`bglssl_keep`) until the last
 *    use of that handle: the compiler may forget a variable sooner than that.
 */
#ifndef BGLSSL_BIGLOO_H
#define BGLSSL_BIGLOO_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bglssl.h"

/* For Scheme's macros. */
#define BGLSSL_NULL ((void *)0)
#define BGLSSL_NULLP(pointer) ((pointer) == (void *)0)

/* Which condition an error becomes; the numbers are known to condition.scm. */
#define BGLSSL_CONDITION_SSL 0
#define BGLSSL_CONDITION_TIMEOUT 1
#define BGLSSL_CONDITION_CONNECTION 2
#define BGLSSL_CONDITION_UNKNOWN_HOST 3
#define BGLSSL_CONDITION_FILE_NOT_FOUND 4
#define BGLSSL_CONDITION_ARGUMENT 5
#define BGLSSL_CONDITION_SIGPIPE 6
#define BGLSSL_CONDITION_TRUNCATED 7
#define BGLSSL_CONDITION_IO 8
#define BGLSSL_CONDITION_READ 9
#define BGLSSL_CONDITION_WRITE 10

/* How a connection is switched to TLS; the numbers are known to client.scm. */
#define BGLSSL_ROLE_CLIENT 0
#define BGLSSL_ROLE_SERVER 1

/* objects.c: runs `finalizer` some time after `object` is unreachable, in whichever thread
 * allocates then, in a hold; it must neither block nor touch Scheme. */
void bglssl_finalize_with(void *object, void (*finalizer)(void *object));

/* The opposite. */
void bglssl_finalize_no_more(void *object);

/* objects.c: handles of the library inside objects of the collector */
void *bglssl_box_certificate(void *handle);
void *bglssl_box_private_key(void *handle);
void *bglssl_box_config(void *handle);
void *bglssl_box_ticket_keys(void *handle);
void *bglssl_box_session(void *handle);
void *bglssl_box_ctx(void *handle);
void *bglssl_box_connection(void *handle);
void *bglssl_make_box(void *handle, void (*release)(void *));
void *bglssl_unbox(void *box);
void bglssl_box_release(void *box);

/* objects.c: lists and errors */
int bglssl_config_set_chain(void *config, obj_t certificates, void *private_key);
int bglssl_config_set_cas(void *config, obj_t certificates);
int bglssl_config_set_accepted(void *config, obj_t certificates);
int bglssl_config_set_alpn(void *config, obj_t names);
/* The verified chain, or NULL; frees the list of intermediates. */
void *bglssl_certificate_verify(void *certificate, void *intermediates, void *config, int purpose,
                                void *hostname);
int bglssl_last_code(void);
obj_t bglssl_condition(const bgl_ssl_error_t *error, obj_t proc, obj_t where);
obj_t bglssl_last_condition(obj_t proc, obj_t where);
obj_t bglssl_raise(obj_t proc, obj_t where);

/* objects.c: an association list of what is known of a connection */
obj_t bglssl_socket_info(void *handle);

/* objects.c: one half of what a PKCS#12 file holds */
void *bglssl_pkcs12_certificate(const char *file, const char *passphrase);
void *bglssl_pkcs12_private_key(const char *file, const char *passphrase);

/* hold.c: between these the handlers of the thread's signals wait, and so does its termination, except in its waits (see wait.c).
 * From the moment at which there is a handle or a descriptor, until a Scheme object or a guard that the collector finalizes owns it.
 * In pairs, which may be nested; nothing raises in between. A handler that has waited may escape from the end of the outer one. */
void bglssl_hold(void);
void bglssl_release(void);
/* Around a wait: suspends all that there is, and takes it up again. */
int bglssl_suspend_hold(void);
void bglssl_resume_hold(int depth);

/* wait.c: waiting in the program's own thread */
int64_t bglssl_microseconds(void);
/* How much is left until a time of that clock; INT64_MAX for 0, which is none. */
int64_t bglssl_time_left(int64_t deadline);
/* Waits for poll(2)'s `events`, for `left` microseconds or a second at most. Whether they have come. */
bool bglssl_wait(int fd, short events, int64_t left);
/* Waits likewise for one of several descriptors; returns what poll(2) does. */
int bglssl_wait_for_one(struct pollfd *wanted, int n, int64_t left);
/* One of the steps by which something is done on a socket, without waiting. */
typedef bgl_ssl_status_t bglssl_step_t(bgl_ssl_socket_t *socket, void *data);
/* Who takes the steps of a connection that several threads use. */
struct bglssl_turns {
  pthread_mutex_t lock;
  /* What the latest step was, if it is to be repeated, by whom it was taken, and when. */
  bglssl_step_t *step;
  pthread_t thread;
  int64_t since;
};
void bglssl_turns_init(struct bglssl_turns *turns);
void bglssl_turns_destroy(struct bglssl_turns *turns);
/* Repeats a step of a socket that a Bigloo socket has, until it is done; waits in between, where the thread may be terminated
 * or escape: the socket is non-blocking only during each step. */
bgl_ssl_status_t bglssl_in_steps(bgl_ssl_socket_t *socket, struct bglssl_turns *turns, bglssl_step_t *step, void *data);
/* Completes the handshake of a socket of a lazy configuration, which the peer begins on a server; to be called in a hold. The
 * collector frees the handle, and closes `input` and `output` (NULL, -1: none), if the thread never comes back. */
bgl_ssl_status_t bglssl_handshake(bgl_ssl_socket_t *handle, FILE *input, int output, bool peer_begins);

/* connect.c, whose functions are called in a hold: connects a descriptor to a host, within `limit` microseconds (0: none). BFALSE
 * and the descriptor, or why that failed. */
obj_t bglssl_dial(const char *host, int port, int family, long limit, obj_t proc, obj_t where, int *connected);
/* The same to a Unix socket: a path, or "@" and an abstract name. */
obj_t bglssl_dial_unix(const char *name, long limit, obj_t proc, obj_t where, int *connected);
/* For datagrams: the addresses of a host, with the port; and a descriptor bound to one of them. */
struct bglssl_address;
struct bglssl_addresses;
obj_t bglssl_addresses_of(const char *host, int port, int family, long limit, obj_t proc, obj_t where,
                          struct bglssl_addresses *found);
obj_t bglssl_dial_datagrams(const struct bglssl_address *address, const char *host, int port, obj_t proc, obj_t where,
                            int *connected);

/* A peer's address; its size is 0 if it is not known. */
struct bglssl_peer {
  struct sockaddr_storage address;
  socklen_t size;
};

/* ports.c: the connection behind the ports of a socket */
struct bglssl_link;
struct bglssl_link *bglssl_link_of_socket(obj_t socket);
/* `where` is what conditions call the peer; if it is BFALSE, they name its address. To be called in a hold, which it ends where it
 * raises. */
void bglssl_link_attach(obj_t socket, bgl_ssl_socket_t *handle, int role, obj_t where,
                        const struct bglssl_peer *peer, long handshake_limit, obj_t close_hook);
/* From now on the ports read and write on `handle`, which is inside of the connection that they had. */
void bglssl_link_nest(struct bglssl_link *link, bgl_ssl_socket_t *handle, int role, long handshake_limit);
void bglssl_link_flush(struct bglssl_link *link, obj_t socket);
void bglssl_link_closing(struct bglssl_link *link);
bgl_ssl_socket_t *bglssl_link_handle(struct bglssl_link *link);
bgl_ssl_status_t bglssl_link_in_steps(struct bglssl_link *link, bglssl_step_t *step, void *data);
long bglssl_port_time_limit(obj_t socket);
void bglssl_socket_configure(obj_t socket, bool_t raises_truncation, long close_limit);
bool_t bglssl_socket_truncatedp(obj_t socket);
void bglssl_open_ready_fd(void);
void bglssl_socket_end_output(obj_t socket);
void bglssl_socket_begin_body(obj_t socket, BGL_LONGLONG_T length, bool_t chunked, long position);

/* sockets.c, servers.c, addresses.c: Bigloo sockets made from, or switched to, connections of the library */
obj_t bglssl_connect(void *config, void *session, obj_t proc, obj_t host, int port, int family, bool_t datagrams,
                     bool_t proxied, obj_t hostname, long handshake_limit, long limit, obj_t inbuf, obj_t outbuf,
                     obj_t close_hook);
obj_t bglssl_make_server_socket(void *config, obj_t proc, obj_t name, int port, int backlog, int family,
                                int mode, long handshake_limit, bool_t lazy_handshake, bool_t raises_truncation,
                                long close_limit, obj_t accept_failure, obj_t choose, obj_t close_hook);
obj_t bglssl_use_ssl(obj_t socket, void *config, void *session, int role, obj_t hostname, long handshake_limit,
                     bool_t lazy_handshake, obj_t proc, obj_t where, obj_t close_hook);
obj_t bglssl_peer_name(obj_t socket);
obj_t bglssl_name_of_peer(const struct bglssl_peer *peer);
obj_t bglssl_known_hostname(obj_t socket);
bool_t bglssl_ssl_socketp(obj_t object);
bool_t bglssl_switchablep(obj_t object);
void bglssl_socket_flush(obj_t socket);
void bglssl_socket_closing(obj_t socket);
void bglssl_socket_abandon(obj_t socket);
void *bglssl_socket_handle(obj_t object);
void *bglssl_server_handle(obj_t object);

/* trace.c */
int bglssl_config_trace(void *config);
void bglssl_begin_trace(void);
obj_t bglssl_take_trace(obj_t socket);

/* servers.c: who is told of the handshakes of a server's clients; objects.c: what it has counted */
bool_t bglssl_server_lazyp(obj_t socket);
void bglssl_server_limit_handshakes(obj_t socket, long limit);
void bglssl_server_set_trace(obj_t socket, obj_t trace);
void bglssl_server_set_verify_peer(obj_t socket, obj_t verify_peer);
obj_t bglssl_server_info(void *handle);

/* memory_io.c */
#define BGLSSL_MEMORY_WANTS (-1000)
void *bglssl_memory_io(void *config, int role, obj_t hostname);
void *bglssl_memory_socket(void *box);
bool_t bglssl_memory_feed(void *box, const char *data, long length);
void bglssl_memory_end(void *box);
void bglssl_memory_break(void *box);
obj_t bglssl_memory_take(void *box);
bgl_ssl_status_t bglssl_memory_handshake(bgl_ssl_socket_t *socket);
long bglssl_memory_read(void *box, char *buffer, long length);
long bglssl_memory_write(void *box, const void *data, long length);
long bglssl_port_buffered(obj_t port);
bool_t bglssl_port_partly_readp(obj_t port);
void bglssl_port_unlock(obj_t port);

/* hello.c */
void *bglssl_hello(obj_t socket);
int bglssl_socket_handshake(obj_t socket);
bgl_ssl_status_t bglssl_complete_handshake(struct bglssl_link *link);
obj_t bglssl_hello_numbers(void *hello, int which);

/* crypto.c */
void *bglssl_box_hash(void *handle);
void *bglssl_box_hmac(void *handle);
void *bglssl_box_sign(void *handle);
void *bglssl_box_verify(void *handle);
void *bglssl_box_cipher(void *handle);
void *bglssl_box_dh(void *handle);
void *bglssl_box_ecdh(void *handle);
obj_t bglssl_bignum(void *handle);
bool_t bglssl_bignump(obj_t object);
void *bglssl_bignum_box(obj_t bignum);
long bglssl_cipher_update(void *cipher, const void *data, long len, void *buf, long size);
long bglssl_cipher_final(void *cipher, void *buf, long size);
int bglssl_verify_signature(void *verify, const void *key, long key_len, const void *signature,
                            long signature_len);
int bglssl_verify_message(const char *type, const char *key, long key_len, const char *data, long len,
                          const char *signature, long signature_len);

/* The bytes of a string from `offset` on. */
static inline void *bglssl_at(char *text, long offset) { return text + offset; }

/* Makes the compiler believe that `object` is used here. */
static inline void bglssl_keep(const void *object) {
  __asm__ volatile("" : : "r"(object) : "memory");
}

#endif
