/* servers.c: sockets that listen, and the clients that they accept. */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acceptor.h"
#include "sockets.h"

/* Defined in Scheme: applies the server's :accept-failure. Returning means: go on. */
extern obj_t bglssl_scheme_accept_failed(obj_t policy, obj_t condition);
/* Likewise: its :choose, and the handshake if it is not lazy. BFALSE, or why the client is not served: then the socket is closed. */
extern obj_t bglssl_scheme_admit(obj_t choose, obj_t socket, bool_t lazy);

/* Likewise: has :verify-peer look at a client. BFALSE, or why it is refused: then the socket is closed. */
extern obj_t bglssl_scheme_verify_peer(obj_t verify_peer, obj_t socket);

/* Likewise: tells the lines of a handshake. */
extern obj_t bglssl_scheme_trace(obj_t trace, obj_t socket);

/* A listening socket of ours; lives as long as the Bigloo socket that points to it. */
struct server {
  const void *tag;
  struct server_handle *owner;
  void *config;
  long handshake_limit;
  bool lazy_handshake;
  bool raises_truncation;
  long close_limit;
  obj_t accept_failure;
  obj_t choose;
  /* A port or a procedure; BFALSE for none. */
  obj_t trace;
  /* A procedure that decides about clients; BFALSE for none. */
  obj_t verify_peer;
  obj_t close_hook;
  /* Whether socket-accept-many has been seen at work. */
  atomic_bool many;
};

/* Apart from the above, which refers to Scheme objects: finalizers want no cycles. */
struct server_handle {
  bgl_ssl_server_t *handle;
  /* The process that listens: a child of fork(2) must not stop it. */
  pid_t made_by;
  /* Of datagrams: then the handle is the acceptor's. */
  struct bglssl_acceptor *acceptor;
};

static const char tag;

static struct server *server_of_socket(obj_t socket) {
  struct server *server = SOCKET(socket).userdata;

  return SOCKET(socket).stype == BGL_SOCKET_SERVER && server && (obj_t)server != BUNSPEC &&
                 server->tag == &tag
             ? server
             : NULL;
}

static void finalize_server(void *object) {
  struct server_handle *owner = object;

  if (owner->acceptor)
    bglssl_acceptor_release(owner->acceptor);
  else
    bgl_ssl_server_free(owner->handle);
}

/* Waits for one more connection on the server's descriptor, and makes a plain socket
 * with the buffers of one that failed, and a hold. BFALSE, and no hold: socket-accept-many has had them all. */
static obj_t accept_another(obj_t server_socket, obj_t failed) {
  struct sockaddr_storage address;
  socklen_t size;
  obj_t socket;
  int fd, output;

  do {
    size = sizeof(address);
    fd = accept(SOCKET(server_socket).fd, (struct sockaddr *)&address, &size);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return BFALSE;
  bglssl_hold();
  output = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
  socket = output < 0 ? BFALSE : bglssl_allocate_socket(fd, 0, BUNSPEC, BUNSPEC, BGL_SOCKET_CLIENT);
  if (output < 0 || bglssl_make_ports(socket, output, INPUT_PORT(SOCKET(failed).input).buf,
                               OUTPUT_PORT(SOCKET(failed).output).buf) == BFALSE) {
    int number = errno;

    if (fd >= 0) close(fd);
    if (output >= 0) close(output);
    bglssl_release();
    bglssl_fail(string_to_bstring("socket-accept"), "cannot accept a connection", number, server_socket);
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  bglssl_set_address(socket, &address);
  SOCKET(socket).portnum = bglssl_port_of(&address);
  return socket;
}

/* socket-accept-many makes the descriptor non-blocking while it takes connections, and
 * blocking when it has done. With two threads at it the first to be done would make the
 * other one wait, with the connections that it holds, for a client that may never come.
 * So where it is in use every connection sets the mode again. */
static bool note_mode(struct server *server, int fd) {
  bool nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;

  if (nonblocking) atomic_store(&server->many, true);
  return nonblocking;
}

/* The other thread can be done between this and the runtime's next accept(2), too. So once
 * one was seen to be, accept(2) waits for a while only. */
static void restore_mode(struct server *server, int fd, bool was_nonblocking) {
  static const struct timeval a_while = {.tv_usec = 200000};

  if (!atomic_load(&server->many)) return;
  if (was_nonblocking && !(fcntl(fd, F_GETFL) & O_NONBLOCK))
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &a_while, sizeof(a_while));
  bglssl_set_nonblocking(fd, true);
}

/* The client behind a plain socket; NULL, and a condition that says why not, or BFALSE where
 * nobody is there at all. */
static bgl_ssl_socket_t *upgrade(struct server *server, obj_t socket, struct bglssl_peer *peer,
                                 obj_t *condition) {
  obj_t proc = string_to_symbol("socket-accept");
  bgl_ssl_error_t error;
  bgl_ssl_socket_t *handle;

  if (server->trace != BFALSE) bglssl_begin_trace();
  if (!server->owner->acceptor) {
    bglssl_ask_peer(socket, peer);
    bglssl_send_at_once(SOCKET(socket).fd);
    handle = bgl_ssl_server_upgrade_fd(server->owner->handle, SOCKET(socket).fd);
    if (handle) bgl_ssl_socket_set_handshake_timeout(handle, server->handshake_limit);
    if (handle && !server->lazy_handshake && server->choose == BFALSE &&
        bglssl_handshake(handle, PORT_FILE(SOCKET(socket).input), PORT_FD(SOCKET(socket).output), true) !=
            BGL_SSL_OK) {
      *condition = bglssl_last_condition(proc, bglssl_name_of_peer(peer));
      bglssl_refuse(handle);
      return NULL;
    }
    if (!handle) *condition = bglssl_last_condition(proc, bglssl_name_of_peer(peer));
    return handle;
  }
  *condition = BFALSE;
  if (!bglssl_acceptor_take(server->owner->acceptor, SOCKET(socket).fd, &handle, &error)) return NULL;
  if (!handle) {
    *condition = bglssl_condition(&error, proc, string_to_bstring("a client"));
    return NULL;
  }
  /* The descriptor of the local connection becomes the client's. */
  if (dup3(bgl_ssl_socket_fd(handle), SOCKET(socket).fd, O_CLOEXEC) < 0) {
    bgl_ssl_socket_free(handle);
    return NULL;
  }
  bglssl_set_datagram_peer(socket);
  bglssl_ask_peer(socket, peer);
  return handle;
}

static void tell_trace(struct server *server, obj_t server_socket, obj_t socket) {
  if (server->trace == BFALSE) return;
  /* A procedure that raises or escapes leaves socket-accept-many without the chance to do it. */
  bglssl_set_nonblocking(SOCKET(server_socket).fd, false);
  bglssl_scheme_trace(server->trace, socket);
}

/* Turns a plain socket into an SSL socket, and ends the hold. False, and the condition that says why not, or BFALSE where
 * nobody was there; then the socket is closed. */
static bool serve(struct server *server, obj_t server_socket, obj_t socket, obj_t *condition) {
  struct bglssl_peer peer;
  bgl_ssl_socket_t *handle = upgrade(server, socket, &peer, condition);

  if (!handle) {
    bglssl_close_plain(socket);
    bglssl_release();
    tell_trace(server, server_socket, socket);
    return false;
  }
  if (peer.size > 0) bglssl_set_address(socket, &peer.address);
  bglssl_set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, BGLSSL_ROLE_SERVER, BFALSE, &peer, server->handshake_limit, server->close_hook);
  bglssl_socket_configure(socket, server->raises_truncation, server->close_limit);
  bglssl_release();
  *condition = BFALSE;
  if (server->choose != BFALSE) {
    /* A procedure that raises or escapes leaves socket-accept-many without the chance to do it. */
    bglssl_set_nonblocking(SOCKET(server_socket).fd, false);
    *condition = bglssl_scheme_admit(server->choose, socket, server->lazy_handshake);
  }
  tell_trace(server, server_socket, socket);
  if (*condition == BFALSE && server->verify_peer != BFALSE) {
    /* Likewise. */
    bglssl_set_nonblocking(SOCKET(server_socket).fd, false);
    *condition = bglssl_scheme_verify_peer(server->verify_peer, socket);
  }
  return *condition == BFALSE;
}

/* The accept hook: called in the accepting thread with each new plain socket. */
static obj_t accept_connection(obj_t server_socket, obj_t socket) {
  struct server *server = SOCKET(server_socket).userdata;
  obj_t condition = BFALSE;
  bool nonblocking;

  /* Nothing but the sockets' ports has the new descriptors, and no finalizer. */
  bglssl_hold();
  nonblocking = note_mode(server, SOCKET(server_socket).fd);
  while (!serve(server, server_socket, socket, &condition)) {
    /* As above. */
    bglssl_set_nonblocking(SOCKET(server_socket).fd, false);
    if (condition != BFALSE) bglssl_scheme_accept_failed(server->accept_failure, condition);
    nonblocking = false;
    restore_mode(server, SOCKET(server_socket).fd, false);
    socket = accept_another(server_socket, socket);
    if (socket == BFALSE) return BFALSE;
  }
  restore_mode(server, SOCKET(server_socket).fd, nonblocking);
  return socket;
}

obj_t bglssl_make_server_socket(void *config, obj_t proc, obj_t name, int port, int backlog,
                                int family, int mode, long handshake_limit, bool_t lazy_handshake,
                                bool_t raises_truncation, long close_limit, obj_t accept_failure,
                                obj_t choose, obj_t close_hook) {
  const char *host = STRINGP(name) ? BSTRING_TO_STRING(name) : NULL;
  struct server_handle *owner = (void *)GC_MALLOC_ATOMIC(sizeof(*owner));
  struct server *server = (void *)GC_MALLOC(sizeof(*server));
  obj_t socket;
  int fd;

  bglssl_hold();
  bglssl_open_ready_fd();
  owner->acceptor = NULL;
  owner->made_by = getpid();
  owner->handle = family == AF_UNIX ? bgl_ssl_listen_unix(bglssl_unbox(config), host, backlog, mode)
                                    : bgl_ssl_listen(bglssl_unbox(config), host, port, backlog, family);
  if (!owner->handle) {
    char where[NI_MAXHOST + 16];

    snprintf(where, sizeof(where), family == AF_UNIX ? "%s" : "%s:%d", host ? host : "*", port);
    bglssl_release();
    return bglssl_raise(proc, string_to_bstring(where));
  }
  fd = bgl_ssl_server_fd(owner->handle);
  if (bgl_ssl_server_is_datagram(owner->handle)) {
    fd = bglssl_acceptor_start(owner->handle, backlog, &owner->acceptor);
    if (fd < 0) {
      int number = errno;

      bgl_ssl_server_free(owner->handle);
      bglssl_release();
      bglssl_fail(proc, "cannot accept datagrams", number, string_to_bstring(host ? (char *)host : "*"));
    }
  }
  bglssl_finalize_with(owner, finalize_server);
  server->tag = &tag;
  server->owner = owner;
  server->config = config;
  server->handshake_limit = handshake_limit;
  server->lazy_handshake = lazy_handshake;
  server->raises_truncation = raises_truncation;
  server->close_limit = close_limit;
  server->accept_failure = accept_failure;
  server->choose = choose;
  server->trace = BFALSE;
  server->verify_peer = BFALSE;
  server->close_hook = close_hook;
  socket = bglssl_allocate_socket(fd, bgl_ssl_server_port(owner->handle),
                           family == AF_UNIX ? name : BUNSPEC, BFALSE, BGL_SOCKET_SERVER);
  /* Bigloo's own accept works on it. */
  bglssl_set_nonblocking(SOCKET(socket).fd, false);
  SOCKET(socket).family = family;
  SOCKET(socket).userdata = server;
  SOCKET(socket).accept = (obj_t (*)(obj_t, obj_t))accept_connection;
  SOCKET(socket).chook = close_hook;
  bglssl_release();
  return socket;
}

/* The library's server; NULL for anything that is not one of ours. */
void *bglssl_server_handle(obj_t object) {
  struct server *server = SOCKETP(object) ? server_of_socket(object) : NULL;

  return server ? server->owner->handle : NULL;
}

/* Whether its clients' handshakes begin after they were accepted: with :lazy-handshake or :choose. */
bool_t bglssl_server_lazyp(obj_t socket) {
  struct server *server = server_of_socket(socket);

  return server && (server->lazy_handshake || server->choose != BFALSE);
}

/* In microseconds, of clients that are accepted from now on; 0: none. */
void bglssl_server_limit_handshakes(obj_t socket, long limit) {
  struct server *server = server_of_socket(socket);

  if (server) server->handshake_limit = limit;
}

void bglssl_server_set_trace(obj_t socket, obj_t trace) {
  struct server *server = server_of_socket(socket);

  if (server) server->trace = trace;
}

void bglssl_server_set_verify_peer(obj_t socket, obj_t verify_peer) {
  struct server *server = server_of_socket(socket);

  if (server) server->verify_peer = verify_peer;
}

bool bglssl_serverp(obj_t socket) { return server_of_socket(socket); }

/* Threads wait in the runtime's accept(2), which the library knows nothing of: a shutdown wakes them. */
static void stop_listening(struct server_handle *owner) {
  if (owner->made_by == getpid()) shutdown(bgl_ssl_server_fd(owner->handle), SHUT_RDWR);
  bgl_ssl_server_close(owner->handle);
}

void bglssl_stop_server(obj_t socket) {
  struct server *server = server_of_socket(socket);

  bglssl_hold();
  if (server->owner->acceptor)
    bglssl_acceptor_close(server->owner->acceptor);
  else
    stop_listening(server->owner);
  bglssl_release();
  bglssl_keep(server);
}
