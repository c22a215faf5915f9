/* sockets.c: clients' sockets made from connections of the library, and sockets switched to TLS. */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver.h"
#include "sockets.h"

/* Of Bigloo's runtime, which does not declare it in bigloo.h. */
extern void bgl_input_port_buffer_set(obj_t port, obj_t buffer);

/* Takes the handle and the descriptor over, and ends the hold, also where it raises. */
static obj_t make_client_socket(bgl_ssl_socket_t *handle, int fd, obj_t proc, obj_t hostname, int port,
                                obj_t where, obj_t inbuf, obj_t outbuf, obj_t close_hook) {
  obj_t socket = fd < 0 ? BFALSE : bglssl_allocate_socket(fd, port, hostname, BUNSPEC, BGL_SOCKET_CLIENT);

  if (fd < 0 || bglssl_make_ports(socket, bgl_ssl_socket_fd(handle), inbuf, outbuf) == BFALSE) {
    int number = errno;

    if (fd >= 0) close(fd);
    bgl_ssl_socket_free(handle);
    bglssl_release();
    bglssl_fail(proc, "cannot make the socket's ports", number, where);
  }
  bglssl_set_peer_address(socket);
  bglssl_set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, BGLSSL_ROLE_CLIENT, where, NULL, 0, close_hook);
  bglssl_release();
  return socket;
}

/* A handshake of at most `handshake_limit` microseconds, and no longer than until `deadline` (0: none). */
static bgl_ssl_status_t shake_hands(bgl_ssl_socket_t *handle, int fd, long handshake_limit, int64_t deadline) {
  int64_t limit = handshake_limit;

  if (deadline) {
    int64_t left = deadline - bglssl_microseconds();

    if (left <= 0) left = 1;
    if (limit == 0 || left < limit) limit = left;
  }
  bgl_ssl_socket_set_handshake_timeout(handle, limit);
  return bglssl_handshake(handle, NULL, fd, false);
}

/* After a handshake that failed: the peer learns why. */
void bglssl_refuse(bgl_ssl_socket_t *handle) {
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

/* What a client connects to, and how. */
struct target {
  void *config;
  const bgl_ssl_session_t *session;
  obj_t proc, where;
  const char *host;
  int port, family;
  /* The name to verify; NULL: the host's. */
  const char *name;
  /* For the handshake, and for connecting and the handshake together, in microseconds; 0 for none. */
  long handshake_limit, limit;
  /* When `limit` has passed; 0 for never. */
  int64_t deadline;
};

/* Completes the handshake of a new connection. Takes the handle and the descriptor (-1: none) over where it fails. */
static bgl_ssl_status_t complete(const struct target *to, bgl_ssl_socket_t *handle, int fd, int64_t deadline,
                                 obj_t *condition) {
  bgl_ssl_status_t status = handle && (fd < 0 || offer(handle, to->session))
                                ? shake_hands(handle, fd, to->handshake_limit, deadline)
                                : (bgl_ssl_status_t)bglssl_last_code();

  if (status == BGL_SSL_OK) return status;
  *condition = bglssl_last_condition(to->proc, to->where);
  if (handle) bglssl_refuse(handle);
  if (fd >= 0) close(fd);
  return status;
}

/* Of a host that could not be reached: one that no host can be called is told as such. */
static obj_t unreachable(const struct target *to, obj_t condition) {
  return to->family == AF_UNIX || is_host_name(to->host) ? condition : bglssl_last_condition(to->proc, to->where);
}

static bgl_ssl_socket_t *begin_client(const struct target *to, int fd) {
  const char *name = to->name || to->family == AF_UNIX ? to->name : to->host;

  return bgl_ssl_upgrade_client_fd(bglssl_unbox(to->config), fd, name, 0);
}

/* Until when the handshakes with all addresses together may take; 0 for none. */
static int64_t end_of_handshakes(const struct target *to) {
  int64_t until = to->handshake_limit > 0 ? bglssl_microseconds() + to->handshake_limit : 0;

  return until && (!to->deadline || until < to->deadline) ? until : to->deadline;
}

/* Until when the handshake with an address may take that `others` still wait behind: it has a share of the time that is
 * left until `end`. */
static int64_t share_of_time(int64_t end, int others) {
  int64_t now = bglssl_microseconds();

  return end > now ? now + (end - now) / (others + 1) : end;
}

/* Datagrams do not tell whether anybody listens: each of the host's addresses gets a handshake, until there is an answer. */
static obj_t connect_datagrams(const struct target *to, bgl_ssl_socket_t **handle, int *fd) {
  struct bglssl_addresses addresses;
  obj_t first = BFALSE, condition = bglssl_addresses_of(to->host, to->port, to->family, to->limit, to->proc,
                                                        to->where, &addresses);
  int64_t end = end_of_handshakes(to);

  if (condition != BFALSE) return unreachable(to, condition);
  for (int i = 0; i < addresses.count; i++) {
    bgl_ssl_status_t status = BGL_SSL_E_IO;

    condition = bglssl_dial_datagrams(&addresses.list[i], to->host, to->port, to->proc, to->where, fd);
    if (condition == BFALSE) {
      *handle = begin_client(to, *fd);
      status = complete(to, *handle, *fd, share_of_time(end, addresses.count - 1 - i), &condition);
      if (status == BGL_SSL_OK) return BFALSE;
    }
    if (status != BGL_SSL_E_IO && status != BGL_SSL_E_TIMEOUT) return condition;
    if (first == BFALSE) first = condition;
  }
  return first;
}

static obj_t connect_stream(const struct target *to, bgl_ssl_socket_t **handle, int *fd) {
  obj_t condition =
      to->family == AF_UNIX
          ? bglssl_dial_unix(to->host, to->limit, to->proc, to->where, fd)
          : bglssl_dial(to->host, to->port, to->family, to->limit, to->proc, to->where, fd);

  if (condition != BFALSE) return unreachable(to, condition);
  bglssl_send_at_once(*fd);
  *handle = begin_client(to, *fd);
  complete(to, *handle, *fd, to->deadline, &condition);
  return condition;
}

/* The library does the connecting through a proxy, as part of the handshake. */
static obj_t connect_by_proxy(const struct target *to, bgl_ssl_socket_t **handle, int *fd) {
  obj_t condition = BFALSE;

  *handle = bgl_ssl_connect_start(bglssl_unbox(to->config), to->host, to->port, to->family, to->name, to->session);
  if (complete(to, *handle, -1, to->deadline, &condition) == BGL_SSL_OK)
    *fd = fcntl(bgl_ssl_socket_fd(*handle), F_DUPFD_CLOEXEC, 0);
  return condition;
}

/* Datagrams go through no proxy, which is a failure to connect, unless there is none for this host. Where there is none, the
 * library says that it does not begin connections of datagrams: it has looked no name up. */
static obj_t refuse_proxy(const struct target *to) {
  bgl_ssl_error_t error = {.size = sizeof(error)};
  bgl_ssl_socket_t *handle =
      bgl_ssl_connect_start(bglssl_unbox(to->config), to->host, to->port, to->family, to->name, NULL);

  bgl_ssl_socket_free(handle);
  bgl_ssl_last_error(&error);
  return error.phase == BGL_SSL_PHASE_CONNECT ? bglssl_last_condition(to->proc, to->where) : BFALSE;
}

/* A socket, or the condition that says why there is none. `limit`: for connecting and the handshake
 * together, in microseconds; 0 for none. `hostname`: the name to verify, or BFALSE. All waiting happens here, where
 * the thread can be interrupted. */
obj_t bglssl_connect(void *config, void *session, obj_t proc, obj_t host, int port, int family, bool_t datagrams,
                     bool_t proxied, obj_t hostname, long handshake_limit, long limit, obj_t inbuf, obj_t outbuf,
                     obj_t close_hook) {
  struct target to = {
      .config = config,
      .session = session ? bglssl_unbox(session) : NULL,
      .proc = proc,
      .host = BSTRING_TO_STRING(host),
      .port = port,
      .family = family,
      .name = STRINGP(hostname) ? BSTRING_TO_STRING(hostname) : NULL,
      .handshake_limit = handshake_limit,
      .limit = limit,
      .deadline = limit > 0 ? bglssl_microseconds() + limit : 0,
  };
  char text[NI_MAXHOST + 16];
  bgl_ssl_socket_t *handle = NULL;
  obj_t condition;
  int fd = -1;

  snprintf(text, sizeof(text), family == AF_UNIX ? "%s" : "%s:%d", to.host, port);
  to.where = string_to_bstring(text);
  bglssl_hold();
  if (datagrams && family != AF_UNIX) {
    condition = proxied ? refuse_proxy(&to) : BFALSE;
    if (condition == BFALSE) condition = connect_datagrams(&to, &handle, &fd);
  } else {
    condition = proxied ? connect_by_proxy(&to, &handle, &fd) : connect_stream(&to, &handle, &fd);
  }
  bglssl_keep(config);
  bglssl_keep(session);
  if (condition == BFALSE)
    return make_client_socket(handle, fd, proc, host, port, to.where, inbuf, outbuf, close_hook);
  bglssl_release();
  return condition;
}

/* ---- sockets switched to TLS -------------------------------------------------------------- */

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
    bglssl_send_at_once(fd);
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
  bgl_ssl_socket_t *handle;

  bglssl_hold();
  handle = begin_tls(socket, outer, bglssl_unbox(config), role, name);
  bglssl_keep(config);
  /* It may be another one than the configuration's. */
  if (handle) bgl_ssl_socket_set_handshake_timeout(handle, handshake_limit);
  if (!handle || !offer(handle, session ? bglssl_unbox(session) : NULL) ||
      (!lazy_handshake && bglssl_handshake(handle, NULL, -1, role == BGLSSL_ROLE_SERVER) != BGL_SSL_OK)) {
    /* First of all: close hooks may call the library too. */
    obj_t condition = bglssl_last_condition(proc, where);

    if (handle) bglssl_refuse(handle);
    bglssl_release();
    bglssl_close_plain(socket);
    /* Unsafe programs read what a closed port still has: let it have nothing. */
    bgl_input_port_buffer_set(input, INPUT_PORT(input).buf);
    return condition;
  }
  if (outer) {
    bglssl_link_nest(outer, handle, role, handshake_limit);
  } else {
    bglssl_set_buffering(SOCKET(socket).output);
    bglssl_link_attach(socket, handle, role, where, NULL, handshake_limit, close_hook);
  }
  bglssl_release();
  return BFALSE;
}

/* ---- questions ---------------------------------------------------------------------------- */

bool_t bglssl_ssl_socketp(obj_t object) {
  return SOCKETP(object) && (bglssl_link_of_socket(object) || bglssl_serverp(object));
}

/* The connection of a socket; NULL for anything that is not one of ours. */
void *bglssl_socket_handle(obj_t object) {
  struct bglssl_link *link = SOCKETP(object) ? bglssl_link_of_socket(object) : NULL;

  return link ? bglssl_link_handle(link) : NULL;
}

/* The close hook of every socket made here: these, one after the other. */
void bglssl_socket_flush(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (!link) return;
  bglssl_link_flush(link, socket);
  /* The port is flushed again when it is closed, with nothing to write. */
  BGL_OUTPUT_PORT_FHOOK_SET(SOCKET(socket).output, BFALSE);
}

void bglssl_socket_closing(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (bglssl_serverp(socket)) {
    bglssl_stop_server(socket);
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
  bglssl_close_plain(socket);
}
