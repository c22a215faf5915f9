/* sockets.c: clients' sockets made from connections of the library, and sockets switched to TLS. */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

/* Of Bigloo's runtime, which does not declare it in bigloo.h. */
extern void bgl_input_port_buffer_set(obj_t port, obj_t buffer);

/* Takes the handle and the descriptor over, also where it raises. */
static obj_t make_client_socket(bgl_ssl_socket_t *handle, int fd, obj_t proc, obj_t hostname, int port,
                                obj_t where, obj_t inbuf, obj_t outbuf, obj_t close_hook) {
  obj_t socket = fd < 0 ? BFALSE : bglssl_allocate_socket(fd, port, hostname, BUNSPEC, BGL_SOCKET_CLIENT);

  if (fd < 0 || bglssl_make_ports(socket, bgl_ssl_socket_fd(handle), inbuf, outbuf) == BFALSE) {
    int number = errno;

    if (fd >= 0) close(fd);
    bgl_ssl_socket_free(handle);
    bglssl_fail(proc, "cannot make the socket's ports", number, where);
  }
  bglssl_set_peer_address(socket);
  bglssl_set_buffering(SOCKET(socket).output);
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
    if (!datagrams) bglssl_send_at_once(fd);
    handle = bgl_ssl_upgrade_client_fd(bglssl_unbox(config), fd, name || family == AF_UNIX ? name : host, 0);
  } else if (!proxied) {
    handle = bgl_ssl_connect_named(bglssl_unbox(config), host, port, family, name, offered);
  } else {
    handle = bgl_ssl_connect_start(bglssl_unbox(config), host, port, family, name, offered);
  }
  if (handle && (proxied || fd >= 0) &&
      ((fd >= 0 && !offer(handle, offered)) || shake_hands(handle, fd, handshake_limit, deadline) != BGL_SSL_OK)) {
    condition = bglssl_last_condition(proc, where);
    bglssl_refuse(handle);
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
  bgl_ssl_socket_t *handle = begin_tls(socket, outer, bglssl_unbox(config), role, name);

  bglssl_keep(config);
  if (!handle || !offer(handle, session ? bglssl_unbox(session) : NULL) ||
      (!lazy_handshake && bglssl_handshake(handle, NULL, -1, role == BGLSSL_ROLE_SERVER) != BGL_SSL_OK)) {
    /* First of all: close hooks may call the library too. */
    obj_t condition = bglssl_last_condition(proc, where);

    if (handle) bglssl_refuse(handle);
    bglssl_close_plain(socket);
    /* Unsafe programs read what a closed port still has: let it have nothing. */
    bgl_input_port_buffer_set(input, INPUT_PORT(input).buf);
    return condition;
  }
  if (outer) {
    bglssl_link_nest(outer, handle, role, handshake_limit);
    return BFALSE;
  }
  bglssl_set_buffering(SOCKET(socket).output);
  bglssl_link_attach(socket, handle, role, where, NULL, handshake_limit, close_hook);
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
