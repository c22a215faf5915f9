/* sockets.c: Bigloo sockets made from connections of the library, and plain ones switched to TLS. */
#define _GNU_SOURCE
#include <bigloo.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acceptor.h"
#include "bglssl_bigloo.h"

#ifndef BGL_MAKE_HEADER
#define BGL_MAKE_HEADER MAKE_HEADER
#endif

/* Of Bigloo's runtime, which declares none of these in bigloo.h. */
extern obj_t bgl_make_input_port(obj_t name, FILE *file, obj_t kind, obj_t buffer);
extern obj_t bgl_close_input_port(obj_t port);
extern void bgl_output_port_buffer_set(obj_t port, obj_t buffer);
extern void bgl_input_port_buffer_set(obj_t port, obj_t buffer);
extern long bgl_read(obj_t port, char *buffer, long size);
extern ssize_t bgl_syswrite();
extern obj_t make_string_sans_fill();

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

static void fail(obj_t proc, const char *what, int number, obj_t where) {
  char message[256];

  snprintf(message, sizeof(message), "%s: %s", what, strerror(number));
  SYSTEM_FAILURE(BGL_IO_ERROR, SYMBOLP(proc) ? SYMBOL_TO_STRING(proc) : proc,
                 string_to_bstring(message), where);
}

/* ---- addresses ---------------------------------------------------------------------------- */

/* Bigloo's accept knows IPv4 addresses only. */
static void set_address(obj_t socket, const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)address;

    SOCKET(socket).address.in_addr = in->sin_addr;
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const void *)address;

    SOCKET(socket).address.in6_addr = in6->sin6_addr;
  }
  SOCKET(socket).family = address->ss_family;
}

static void set_peer_address(obj_t socket) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);

  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&address, &size) == 0)
    set_address(socket, &address);
}

static int port_of(const struct sockaddr_storage *address) {
  return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                              : ((const struct sockaddr_in *)address)->sin_port);
}

/* Bigloo has taken these from the local connection that stands for the client's. */
static void set_datagram_peer(obj_t socket) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);

  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&address, &size) == 0)
    SOCKET(socket).portnum = port_of(&address);
  SOCKET(socket).hostname = BUNSPEC;
  SOCKET(socket).hostip = BUNSPEC;
}

/* The peer's address as it was when the connection was accepted: the kernel forgets that of a peer
 * that has reset it. Bigloo's accept has kept it for IPv4 only, and says so of IPv6, too. */
static bool accepted_address(obj_t socket, struct sockaddr_storage *address, socklen_t *size) {
  struct sockaddr_in *in = (void *)address;
  struct sockaddr_storage local;
  socklen_t local_size = sizeof(local);

  if (SOCKET(socket).family != AF_INET || SOCKET(socket).portnum <= 0 ||
      getsockname(SOCKET(socket).fd, (struct sockaddr *)&local, &local_size) != 0 ||
      local.ss_family != AF_INET)
    return false;
  memset(in, 0, sizeof(*in));
  in->sin_family = AF_INET;
  in->sin_addr = SOCKET(socket).address.in_addr;
  in->sin_port = htons((uint16_t)SOCKET(socket).portnum);
  *size = sizeof(*in);
  return true;
}

static void ask_peer(obj_t socket, struct bglssl_peer *peer) {
  peer->size = sizeof(peer->address);
  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&peer->address, &peer->size) != 0 &&
      !accepted_address(socket, &peer->address, &peer->size))
    peer->size = 0;
}

obj_t bglssl_name_of_peer(const struct bglssl_peer *peer) {
  char host[NI_MAXHOST], port[NI_MAXSERV], name[NI_MAXHOST + NI_MAXSERV + 4];

  if (peer->size == 0 ||
      getnameinfo((const struct sockaddr *)&peer->address, peer->size, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return string_to_bstring("a socket");
  snprintf(name, sizeof(name), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  return string_to_bstring(name);
}

obj_t bglssl_peer_name(obj_t socket) {
  struct bglssl_peer peer;

  ask_peer(socket, &peer);
  return bglssl_name_of_peer(&peer);
}

/* The name that the program connected to, if it did; asks no name server. */
obj_t bglssl_known_hostname(obj_t socket) {
  obj_t name = SOCKET(socket).hostname;

  return STRINGP(name) && SOCKET(socket).family != AF_UNIX ? name : BFALSE;
}

/* TLS gathers records itself. Without this an answer would wait, some 40 ms, until the
 * peer has acknowledged the handshake's last message. */
static void send_at_once(int fd) {
  int on = 1;

  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- new sockets -------------------------------------------------------------------------- */

static obj_t allocate_socket(int fd, int port, obj_t hostname, obj_t hostip, int type) {
  obj_t socket = (void *)GC_MALLOC(SOCKET_SIZE);

  socket->socket.header = BGL_MAKE_HEADER(SOCKET_TYPE, 0);
  socket->socket.portnum = port;
  socket->socket.hostname = hostname;
  socket->socket.hostip = hostip;
  socket->socket.family = AF_INET;
  socket->socket.fd = fd;
  socket->socket.input = BFALSE;
  socket->socket.output = BFALSE;
  socket->socket.stype = type;
  socket->socket.chook = BFALSE;
  socket->socket.accept = 0;
  socket->socket.userdata = NULL;
  return BREF(socket);
}

/* Skips forward, as the runtime's own socket ports do; a stream cannot go back. */
static void seek_input(void *object, long offset) {
  obj_t port = object;
  long position = INPUT_PORT(port).filepos;
  char skipped[1024];

  if (offset < position)
    C_SYSTEM_FAILURE(BGL_IO_PORT_ERROR, "set-input-port-position!", "a socket cannot be rewound",
                     port);
  while (position < offset) {
    long want = offset - position;
    long got = bgl_rgc_blit_string(port, skipped, 0,
                                   want > (long)sizeof(skipped) ? (long)sizeof(skipped) : want);

    if (got <= 0) break;
    position += got;
  }
}

/* What is written to an unbuffered port goes out at once: it has no space at all, and not
 * the two bytes that the runtime takes for unbuffered. */
static void set_buffering(obj_t port) {
  if (STRING_LENGTH(OUTPUT_PORT(port).buf) <= 2) {
    bgl_output_port_buffer_set(port, make_string_sans_fill(0));
    OUTPUT_PORT(port).bufmode = BGL_IONB;
  }
}

/* How ports are closed that never come to a connection: the runtime has nothing for those
 * that it has not made itself. */
static int close_descriptor(void *descriptor) { return close((int)(long)descriptor); }

static obj_t make_ports(obj_t socket, int output, obj_t inbuf, obj_t outbuf) {
  FILE *file = fdopen(SOCKET(socket).fd, "r");

  if (!file) return BFALSE;
  SOCKET(socket).input =
      bgl_make_input_port(SOCKET(socket).hostname, file, KINDOF_SOCKET, inbuf);
  INPUT_PORT(SOCKET(socket).input).sysread = (long (*)(void *, char *, long))bgl_read;
  INPUT_PORT(SOCKET(socket).input).sysseek = (void (*)(void *, long))seek_input;
  PORT(SOCKET(socket).input).sysclose = (int (*)(void *))fclose;
  SOCKET(socket).output = bgl_make_output_port(
      SOCKET(socket).hostname, (bgl_stream_t)output, BGL_STREAM_TYPE_FD, KINDOF_SOCKET, outbuf,
      (ssize_t (*)(void *, void *, size_t))bgl_syswrite, NULL, close_descriptor);
  return socket;
}

/* Takes the handle and the descriptor over, also where it raises. */
static obj_t make_client_socket(bgl_ssl_socket_t *handle, int fd, obj_t proc, obj_t hostname, int port,
                                obj_t where, obj_t inbuf, obj_t outbuf, obj_t close_hook) {
  obj_t socket = fd < 0 ? BFALSE : allocate_socket(fd, port, hostname, BUNSPEC, BGL_SOCKET_CLIENT);

  if (fd < 0 || make_ports(socket, bgl_ssl_socket_fd(handle), inbuf, outbuf) == BFALSE) {
    int number = errno;

    if (fd >= 0) close(fd);
    bgl_ssl_socket_free(handle);
    fail(proc, "cannot make the socket's ports", number, where);
  }
  set_peer_address(socket);
  set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, BGLSSL_ROLE_CLIENT, where, NULL, 0, close_hook);
  return socket;
}

/* A handshake of at most `handshake_limit` microseconds, and no longer than until `deadline` (0: none). */
static bgl_ssl_status_t shake_hands(bgl_ssl_socket_t *handle, int fd, long handshake_limit, int64_t deadline) {
  if (deadline) {
    int64_t left = deadline - bglssl_microseconds();

    if (left <= 0) left = 1;
    if (handshake_limit == 0 || left < handshake_limit) bgl_ssl_socket_set_handshake_timeout(handle, left);
  }
  return bglssl_handshake(handle, NULL, fd, false);
}

/* After a handshake that failed: the peer learns why. */
static void refuse(bgl_ssl_socket_t *handle) {
  bgl_ssl_socket_close(handle);
  bgl_ssl_socket_free(handle);
}

/* Whether a host can have the name; if not, the library's last error says so. */
static bool is_host_name(const char *name) {
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  bool is = config && bgl_ssl_config_set_hostname(config, name) == BGL_SSL_OK;

  bgl_ssl_config_free(config);
  return is;
}

/* Offers the server the session, if there is one, before the handshake. */
static bool offer(bgl_ssl_socket_t *handle, const bgl_ssl_session_t *session) {
  return !session || bgl_ssl_socket_set_session(handle, session) == BGL_SSL_OK;
}

/* A socket, or the condition that says why there is none. `limit`: for connecting and the handshake
 * together, in microseconds; 0 for none. `hostname`: the name to verify, or BFALSE. All waiting happens here, where
 * the thread can be interrupted, but for datagrams to one of several addresses, which the library tries one after
 * another. */
obj_t bglssl_connect(void *config, void *session, obj_t proc, obj_t host_string, int port, int family,
                     bool_t datagrams, bool_t proxied, obj_t hostname, long handshake_limit, long limit, obj_t inbuf,
                     obj_t outbuf, obj_t close_hook) {
  bgl_ssl_session_t *offered = session ? bglssl_unbox(session) : NULL;
  const char *host = BSTRING_TO_STRING(host_string);
  const char *name = STRINGP(hostname) ? BSTRING_TO_STRING(hostname) : NULL;
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  char text[NI_MAXHOST + 16];
  bgl_ssl_socket_t *handle;
  obj_t where, condition = BFALSE;
  int fd = BGLSSL_SEVERAL_ADDRESSES;

  snprintf(text, sizeof(text), family == AF_UNIX ? "%s" : "%s:%d", host, port);
  where = string_to_bstring(text);
  if (family == AF_UNIX)
    condition = bglssl_dial_unix(host, limit, proc, where, &fd);
  else if (!proxied)
    condition = bglssl_dial(host, port, family, datagrams, limit, proc, where, &fd);
  if (condition != BFALSE)
    return family == AF_UNIX || is_host_name(host) ? condition : bglssl_last_condition(proc, where);
  /* The handshake over datagrams begins with the socket: a session must be there by then. */
  if (datagrams && session && fd >= 0) {
    close(fd);
    fd = BGLSSL_SEVERAL_ADDRESSES;
  }
  if (fd != BGLSSL_SEVERAL_ADDRESSES) {
    if (!datagrams) send_at_once(fd);
    handle = bgl_ssl_upgrade_client_fd(bglssl_unbox(config), fd, name || family == AF_UNIX ? name : host, 0);
  } else if (!proxied) {
    handle = bgl_ssl_connect_named(bglssl_unbox(config), host, port, family, name, offered);
  } else {
    handle = bgl_ssl_connect_start(bglssl_unbox(config), host, port, family, name, offered);
  }
  if (handle && (proxied || fd >= 0) &&
      ((fd >= 0 && !offer(handle, offered)) || shake_hands(handle, fd, handshake_limit, deadline) != BGL_SSL_OK)) {
    condition = bglssl_last_condition(proc, where);
    refuse(handle);
    if (fd >= 0) close(fd);
    return condition;
  }
  bglssl_keep(config);
  if (!handle) {
    condition = bglssl_last_condition(proc, where);
    if (fd >= 0) close(fd);
    return condition;
  }
  if (fd < 0) fd = fcntl(bgl_ssl_socket_fd(handle), F_DUPFD_CLOEXEC, 0);
  return make_client_socket(handle, fd, proc, host_string, port, where, inbuf, outbuf, close_hook);
}

/* ---- servers ------------------------------------------------------------------------------ */

static void finalize_server(void *object, void *unused) {
  struct server_handle *owner = object;

  (void)unused;
  if (owner->acceptor)
    bglssl_acceptor_release(owner->acceptor);
  else
    bgl_ssl_server_free(owner->handle);
}

static void close_plain(obj_t socket) {
  SOCKET(socket).fd = -1;
  bgl_close_input_port(SOCKET(socket).input);
  bgl_close_output_port(SOCKET(socket).output);
}

static void set_nonblocking(int fd, bool nonblocking) {
  int flags = fcntl(fd, F_GETFL);
  int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

  if (flags >= 0 && flags != wanted) fcntl(fd, F_SETFL, wanted);
}

/* Waits for one more connection on the server's descriptor, and makes a plain socket
 * with the buffers of one that failed. BFALSE: socket-accept-many has had them all. */
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
  output = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
  socket = output < 0 ? BFALSE : allocate_socket(fd, 0, BUNSPEC, BUNSPEC, BGL_SOCKET_CLIENT);
  if (output < 0 || make_ports(socket, output, INPUT_PORT(SOCKET(failed).input).buf,
                               OUTPUT_PORT(SOCKET(failed).output).buf) == BFALSE) {
    int number = errno;

    if (fd >= 0) close(fd);
    if (output >= 0) close(output);
    fail(string_to_bstring("socket-accept"), "cannot accept a connection", number, server_socket);
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  set_address(socket, &address);
  SOCKET(socket).portnum = port_of(&address);
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
  set_nonblocking(fd, true);
}

/* The client behind a plain socket; NULL, and a condition that says why not, or BFALSE where
 * nobody is there at all. */
static bgl_ssl_socket_t *upgrade(struct server *server, obj_t socket, struct bglssl_peer *peer,
                                 obj_t *condition) {
  obj_t proc = string_to_symbol("socket-accept");
  bgl_ssl_error_t error;
  bgl_ssl_socket_t *handle;

  if (!server->owner->acceptor) {
    ask_peer(socket, peer);
    send_at_once(SOCKET(socket).fd);
    handle = bgl_ssl_server_upgrade_fd(server->owner->handle, SOCKET(socket).fd);
    if (handle && !server->lazy_handshake && server->choose == BFALSE &&
        bglssl_handshake(handle, PORT_FILE(SOCKET(socket).input), PORT_FD(SOCKET(socket).output), true) !=
            BGL_SSL_OK) {
      *condition = bglssl_last_condition(proc, bglssl_name_of_peer(peer));
      refuse(handle);
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
  set_datagram_peer(socket);
  ask_peer(socket, peer);
  return handle;
}

static void tell_trace(struct server *server, obj_t server_socket, obj_t socket) {
  if (server->trace == BFALSE) return;
  /* A procedure that raises or escapes leaves socket-accept-many without the chance to do it. */
  set_nonblocking(SOCKET(server_socket).fd, false);
  bglssl_scheme_trace(server->trace, socket);
}

/* Turns a plain socket into an SSL socket. False, and the condition that says why not, or BFALSE where
 * nobody was there; then the socket is closed. */
static bool serve(struct server *server, obj_t server_socket, obj_t socket, obj_t *condition) {
  struct bglssl_peer peer;
  bgl_ssl_socket_t *handle = upgrade(server, socket, &peer, condition);

  if (!handle) {
    close_plain(socket);
    tell_trace(server, server_socket, socket);
    return false;
  }
  if (peer.size > 0) set_address(socket, &peer.address);
  set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, BGLSSL_ROLE_SERVER, BFALSE, &peer, server->handshake_limit, server->close_hook);
  bglssl_socket_configure(socket, server->raises_truncation, server->close_limit);
  *condition = BFALSE;
  if (server->choose != BFALSE) {
    /* A procedure that raises or escapes leaves socket-accept-many without the chance to do it. */
    set_nonblocking(SOCKET(server_socket).fd, false);
    *condition = bglssl_scheme_admit(server->choose, socket, server->lazy_handshake);
  }
  tell_trace(server, server_socket, socket);
  if (*condition == BFALSE && server->verify_peer != BFALSE) {
    /* Likewise. */
    set_nonblocking(SOCKET(server_socket).fd, false);
    *condition = bglssl_scheme_verify_peer(server->verify_peer, socket);
  }
  return *condition == BFALSE;
}

/* The accept hook: called in the accepting thread with each new plain socket. */
static obj_t accept_connection(obj_t server_socket, obj_t socket) {
  struct server *server = SOCKET(server_socket).userdata;
  bool nonblocking = note_mode(server, SOCKET(server_socket).fd);
  obj_t condition;

  while (!serve(server, server_socket, socket, &condition)) {
    /* As above. */
    set_nonblocking(SOCKET(server_socket).fd, false);
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

  bglssl_open_ready_fd();
  owner->acceptor = NULL;
  owner->made_by = getpid();
  owner->handle = family == AF_UNIX ? bgl_ssl_listen_unix(bglssl_unbox(config), host, backlog, mode)
                                    : bgl_ssl_listen(bglssl_unbox(config), host, port, backlog, family);
  if (!owner->handle) {
    char where[NI_MAXHOST + 16];

    snprintf(where, sizeof(where), family == AF_UNIX ? "%s" : "%s:%d", host ? host : "*", port);
    return bglssl_raise(proc, string_to_bstring(where));
  }
  fd = bgl_ssl_server_fd(owner->handle);
  if (bgl_ssl_server_is_datagram(owner->handle)) {
    fd = bglssl_acceptor_start(owner->handle, backlog, &owner->acceptor);
    if (fd < 0) {
      int number = errno;

      bgl_ssl_server_free(owner->handle);
      fail(proc, "cannot accept datagrams", number, string_to_bstring(host ? (char *)host : "*"));
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
  socket = allocate_socket(fd, bgl_ssl_server_port(owner->handle),
                           family == AF_UNIX ? name : BUNSPEC, BFALSE, BGL_SOCKET_SERVER);
  /* Bigloo's own accept works on it. */
  set_nonblocking(SOCKET(socket).fd, false);
  SOCKET(socket).family = family;
  SOCKET(socket).userdata = server;
  SOCKET(socket).accept = (obj_t (*)(obj_t, obj_t))accept_connection;
  SOCKET(socket).chook = close_hook;
  return socket;
}

/* ---- plain sockets switched to TLS -------------------------------------------------------- */

/* A client's or an accepted socket, of whatever domain, open, with both ports; it may be an SSL socket already. */
bool_t bglssl_switchablep(obj_t object) {
  return BGL_SOCKET_CLIENTP(object) && SOCKET(object).fd >= 0 &&
         INPUT_PORTP(SOCKET(object).input) && OUTPUT_PORTP(SOCKET(object).output) &&
         PORT(SOCKET(object).input).kindof == KINDOF_SOCKET &&
         PORT(SOCKET(object).output).kindof == KINDOF_SOCKET;
}

static bgl_ssl_socket_t *begin_tls(obj_t socket, struct bglssl_link *outer, void *config, int role, const char *name) {
  size_t buffered = (size_t)RGC_BUFFER_AVAILABLE(SOCKET(socket).input);
  int fd = SOCKET(socket).fd;
  bgl_ssl_socket_t *carrier;

  if (!outer) {
    send_at_once(fd);
    return role == BGLSSL_ROLE_SERVER ? bgl_ssl_upgrade_server_fd(config, fd, buffered)
                                      : bgl_ssl_upgrade_client_fd(config, fd, name, buffered);
  }
  carrier = bglssl_link_handle(outer);
  return role == BGLSSL_ROLE_SERVER ? bgl_ssl_upgrade_server_socket(config, carrier, buffered)
                                    : bgl_ssl_upgrade_client_socket(config, carrier, name, buffered);
}

/* The handshake, over a socket that `bglssl_switchablep` accepts: over an SSL socket it is one inside of the
 * connection that there is. BFALSE, or what went wrong; then the socket is closed: nobody can tell what the peer
 * makes of what it was sent. */
obj_t bglssl_use_ssl(obj_t socket, void *config, void *session, int role, obj_t hostname, long handshake_limit,
                     bool_t lazy_handshake, obj_t proc, obj_t where, obj_t close_hook) {
  obj_t input = SOCKET(socket).input;
  const char *name = STRINGP(hostname) ? BSTRING_TO_STRING(hostname) : NULL;
  struct bglssl_link *outer = bglssl_link_of_socket(socket);
  bgl_ssl_socket_t *handle = begin_tls(socket, outer, bglssl_unbox(config), role, name);

  bglssl_keep(config);
  if (!handle || !offer(handle, session ? bglssl_unbox(session) : NULL) ||
      (!lazy_handshake && bglssl_handshake(handle, NULL, -1, role == BGLSSL_ROLE_SERVER) != BGL_SSL_OK)) {
    /* First of all: close hooks may call the library too. */
    obj_t condition = bglssl_last_condition(proc, where);

    if (handle) refuse(handle);
    close_plain(socket);
    /* Unsafe programs read what a closed port still has: let it have nothing. */
    bgl_input_port_buffer_set(input, INPUT_PORT(input).buf);
    return condition;
  }
  if (outer) {
    bglssl_link_nest(outer, handle, role, handshake_limit);
    return BFALSE;
  }
  set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, role, where, NULL, handshake_limit, close_hook);
  return BFALSE;
}

/* ---- questions ---------------------------------------------------------------------------- */

bool_t bglssl_ssl_socketp(obj_t object) {
  return SOCKETP(object) && (bglssl_link_of_socket(object) || server_of_socket(object));
}

/* The connection of a socket; NULL for anything that is not one of ours. */
void *bglssl_socket_handle(obj_t object) {
  struct bglssl_link *link = SOCKETP(object) ? bglssl_link_of_socket(object) : NULL;

  return link ? bglssl_link_handle(link) : NULL;
}

/* The library's server; NULL for anything that is not one of ours. */
void *bglssl_server_handle(obj_t object) {
  struct server *server = SOCKETP(object) ? server_of_socket(object) : NULL;

  return server ? server->owner->handle : NULL;
}

void bglssl_server_set_trace(obj_t socket, obj_t trace) {
  struct server *server = server_of_socket(socket);

  if (server) server->trace = trace;
}

void bglssl_server_set_verify_peer(obj_t socket, obj_t verify_peer) {
  struct server *server = server_of_socket(socket);

  if (server) server->verify_peer = verify_peer;
}

/* The close hook of every socket made here: these, one after the other. */
void bglssl_socket_flush(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (!link) return;
  bglssl_link_flush(link, socket);
  /* The port is flushed again when it is closed, with nothing to write. */
  BGL_OUTPUT_PORT_FHOOK_SET(SOCKET(socket).output, BFALSE);
}

/* Threads wait in the runtime's accept(2), which the library knows nothing of: a shutdown wakes them. */
static void stop_listening(struct server_handle *owner) {
  if (owner->made_by == getpid()) shutdown(bgl_ssl_server_fd(owner->handle), SHUT_RDWR);
  bgl_ssl_server_close(owner->handle);
}

void bglssl_socket_closing(obj_t socket) {
  struct server *server = server_of_socket(socket);
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (server) {
    if (server->owner->acceptor)
      bglssl_acceptor_close(server->owner->acceptor);
    else
      stop_listening(server->owner);
    bglssl_keep(server);
  } else if (link) {
    bglssl_link_closing(link);
    /* The number may soon be another connection's. */
    PORT(SOCKET(socket).output).userdata = (void *)-1L;
  }
}

/* In place of socket-close, which an escape out of the close hook has left half done. What
 * the output port still has goes nowhere. */
void bglssl_socket_abandon(obj_t socket) {
  OUTPUT_PORT(SOCKET(socket).output).err = BGL_IO_WRITE_ERROR;
  close_plain(socket);
}
