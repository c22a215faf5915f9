/* ports.c: makes the ports of a Bigloo socket those of a connection (see link.h). */
#define _GNU_SOURCE
#include <bigloo.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "link.h"
#include "registry.h"

/* Of Bigloo's runtime, which declares none of these in bigloo.h. */
extern long bgl_read(obj_t port, char *buffer, long size);
extern ssize_t bgl_syswrite();
extern bool_t bgl_input_port_timeout_set(obj_t port, long timeout);
extern bool_t bgl_output_port_timeout_set(obj_t port, long timeout);

/* How long a close waits for writes that are under way and for the system to take the rest, and how
 * long the library then takes the peer's last bytes in the background. */
#define CLOSE_TIMEOUT_US 2000000

/* What a connection takes outside the collector's heap, more or less: see objects.c. */
#define LINK_WEIGHT (16 * 1024)

static const char tag;

bgl_ssl_socket_t *bglssl_link_handle(struct bglssl_link *link) { return link->handle; }

bgl_ssl_status_t bglssl_link_in_steps(struct bglssl_link *link, bglssl_step_t *step, void *data) {
  return bglssl_in_steps(link->handle, &link->turns, step, data);
}

/* ---- what the descriptor shows ------------------------------------------------------------- */

#ifdef __GLIBC__
/* A descriptor that is always ready, for all connections. */
static int ready_fd(void) {
  static atomic_int ready = -1;
  int fd = atomic_load(&ready), none = -1;

  if (fd >= 0) return fd;
  fd = eventfd(1, EFD_CLOEXEC);
  if (fd < 0 || atomic_compare_exchange_strong(&ready, &none, fd)) return fd;
  close(fd);
  return none;
}
#endif

/* So that programs that count their descriptors find one more from the first socket on. */
void bglssl_open_ready_fd(void) {
#ifdef __GLIBC__
  ready_fd();
#endif
}

/* char-ready? polls the stream's descriptor, which tells nothing of what the library has taken
 * already. While there is any, the stream has another one. */
void bglssl_link_show_more(struct bglssl_link *link, bool more) {
  atomic_store(&link->more, more);
#ifdef __GLIBC__
  if (more == link->shows_more) return;
  pthread_mutex_lock(&link->lock);
  link->shows_more = more;
  if (link->input->_fileno >= 0) {
    int ready = more ? ready_fd() : -1;

    link->input->_fileno = ready >= 0 ? ready : link->input_fd;
  }
  pthread_mutex_unlock(&link->lock);
#endif
}

/* ---- what reading and writing share -------------------------------------------------------- */

obj_t bglssl_link_name(const struct bglssl_link *link) {
  return link->where ? string_to_bstring(link->where) : bglssl_name_of_peer(&link->peer);
}

void bglssl_link_raise(struct bglssl_link *link, const char *proc) {
  bglssl_raise(string_to_symbol((char *)proc), bglssl_link_name(link));
}

/* The runtime puts a wrapper of its own before the primitive while a time limit is in
 * force. The limit stays where it was when the wrapper is gone, so both must be asked. */
static long time_limit(obj_t port, const void *primitive, const void *unwrapped) {
  /* What PORT(port).timeout points to begins with this, in every release. */
  const struct timeval *limit = (const void *)PORT(port).timeout;

  return primitive == unwrapped || !limit ? 0 : limit->tv_sec * 1000000L + limit->tv_usec;
}

long bglssl_read_limit(obj_t port, const void *unwrapped) {
  return time_limit(port, (const void *)INPUT_PORT(port).sysread, unwrapped);
}

long bglssl_write_limit(obj_t port, const void *unwrapped) {
  return time_limit(port, (const void *)OUTPUT_PORT(port).syswrite, unwrapped);
}

/* The limit of a socket's reads, in microseconds; 0 when there is none. */
long bglssl_port_time_limit(obj_t socket) {
  return bglssl_read_limit(SOCKET(socket).input,
                    bglssl_link_of_socket(socket) ? (const void *)bglssl_port_read : (const void *)bgl_read);
}

/* Whether the handshake is complete. */
bool bglssl_link_is_shaken(struct bglssl_link *link) {
  if (!atomic_load(&link->shaken) && bgl_ssl_socket_protocol(link->handle))
    atomic_store(&link->shaken, true);
  return atomic_load(&link->shaken);
}

/* A handshake that a read or a write begins (:lazy-handshake) keeps the port's limit, too. */
void bglssl_link_limit_handshake(struct bglssl_link *link, long limit) {
  if (bglssl_link_is_shaken(link)) return;
  if (limit <= 0 || (link->handshake_limit > 0 && link->handshake_limit < limit))
    limit = link->handshake_limit;
  bgl_ssl_socket_set_handshake_timeout(link->handle, limit);
}

/* ---- from a plain socket to a link -------------------------------------------------------- */

static void finalize_link(void *object) {
  struct bglssl_link *link = object;
  bool input_open = bglssl_registry_take(link->input, link) != NULL;

#ifdef __GLIBC__
  if (input_open) bglssl_link_close_stream(link, link->input);
  fclose(link->input);
#else
  if (input_open) fclose(link->input);
#endif
  bgl_ssl_socket_free(link->handle);
  pthread_mutex_destroy(&link->lock);
  bglssl_turns_destroy(&link->turns);
  free(link->where);
  free(link->rest);
}

/* The weight of a connection that was closed, for the next one: programs open and close one after the other, and so large
 * an object takes the collector long, to make and to take back. */
static _Atomic(void *) spare_weight;

static void *take_weight(void) {
  void *spare = atomic_exchange(&spare_weight, NULL);

  return spare ? spare : (void *)GC_MALLOC_ATOMIC(LINK_WEIGHT);
}

void bglssl_link_give_weight(struct bglssl_link *link) {
  void *weight = link->weight;

  link->weight = NULL;
  if (!weight) return;
  weight = atomic_exchange(&spare_weight, weight);
  if (weight) GC_FREE(weight);
}

static struct bglssl_link *make_link(bgl_ssl_socket_t *handle, FILE *input, obj_t where) {
  struct bglssl_link *link = (void *)GC_MALLOC(sizeof(struct bglssl_link));

  memset(link, 0, sizeof(*link));
  link->weight = take_weight();
  link->where = STRINGP(where) ? strdup(BSTRING_TO_STRING(where)) : NULL;
  if ((STRINGP(where) && !link->where) || !bglssl_registry_put(input, link)) {
    free(link->where);
    return NULL;
  }
  link->tag = &tag;
  link->handle = handle;
  link->input = input;
  link->input_fd = fileno(input);
  bglssl_open_ready_fd();
  link->is_datagram = bgl_ssl_socket_is_datagram(handle);
  pthread_mutex_init(&link->lock, NULL);
  bglssl_turns_init(&link->turns);
  bglssl_finalize_with(link, finalize_link);
  return link;
}

/* Puts our primitives below the runtime's wrapper, with the time limit that was in force. */
static void attach_input(obj_t port, struct bglssl_link *link) {
  long limit = bglssl_read_limit(port, (const void *)bgl_read);

  PORT(port).timeout = 0;
  PORT(port).userdata = (void *)link;
  PORT(port).sysclose = (int (*)(void *))bglssl_port_close_input;
  INPUT_PORT(port).sysread = (long (*)(void *, char *, long))bglssl_port_read;
  if (limit <= 0) return;
  bgl_input_port_timeout_set(port, limit);
  INPUT_PORT(port).sysread = (long (*)(void *, char *, long))bglssl_port_read_limited;
}

/* The stream is a channel, not a descriptor: what copies files straight to descriptors
 * (send-file, send-chars) would send them in the clear. For a socket's port that is a
 * channel the runtime looks in userdata for the descriptor to set time-outs on. */
static void attach_output(obj_t port, struct bglssl_link *link) {
  long limit = bglssl_write_limit(port, (const void *)bgl_syswrite);
  int fd = bgl_ssl_socket_fd(link->handle);

  if (PORT_FD(port) != fd) close(PORT_FD(port));
  bglssl_port_lock_attach(port);
  PORT(port).timeout = 0;
  PORT(port).userdata = (void *)(long)fd;
  PORT(port).stream.channel = link;
  PORT(port).sysclose = (int (*)(void *))bglssl_port_close_output;
  OUTPUT_PORT(port).stream_type = BGL_STREAM_TYPE_CHANNEL;
  OUTPUT_PORT(port).sysseek = (long (*)(void *, long, int))bglssl_port_seek;
  OUTPUT_PORT(port).syswrite = (ssize_t (*)(void *, void *, size_t))bglssl_port_write;
  if (limit > 0) bgl_output_port_timeout_set(port, limit);
}

static int close_nothing(void *unused) {
  (void)unused;
  return 0;
}

void bglssl_link_attach(obj_t socket, bgl_ssl_socket_t *handle, int role, obj_t where,
                        const struct bglssl_peer *peer, long handshake_limit, obj_t close_hook) {
  obj_t input = SOCKET(socket).input, output = SOCKET(socket).output;
  struct bglssl_link *link = make_link(handle, PORT_FILE(input), where);

  if (!link) {
    if (PORT_FD(output) == bgl_ssl_socket_fd(handle)) PORT(output).sysclose = close_nothing;
    bgl_ssl_socket_free(handle);
    bglssl_release();
    C_SYSTEM_FAILURE(BGL_IO_ERROR, "ssl", "no memory for the socket's ports", where);
  }
  if (peer) {
    /* Not what lies behind it, which may look like references. */
    memcpy(&link->peer.address, &peer->address, peer->size);
    link->peer.size = peer->size;
  }
  link->handshake_limit = handshake_limit;
  atomic_init(&link->output_ends_stream,
              role == BGLSSL_ROLE_SERVER || link->is_datagram);
  link->close_limit = CLOSE_TIMEOUT_US;
  bgl_ssl_socket_set_close_timeout(handle, CLOSE_TIMEOUT_US);
  attach_input(input, link);
  attach_output(output, link);
  bglssl_link_show_more(link, bgl_ssl_socket_pending(handle) > 0);
  SOCKET(socket).userdata = link;
  SOCKET(socket).chook = close_hook;
}

void bglssl_link_nest(struct bglssl_link *link, bgl_ssl_socket_t *handle, int role, long handshake_limit) {
  bgl_ssl_socket_t *outer = link->handle;

  link->handle = handle;
  link->handshake_limit = handshake_limit;
  atomic_store(&link->shaken, false);
  atomic_store(&link->truncated, false);
  /* What the new connection has from its configuration. */
  atomic_store(&link->read_limit, 0);
  atomic_store(&link->write_limit, 0);
  atomic_store(&link->output_ends_stream, role == BGLSSL_ROLE_SERVER);
  bgl_ssl_socket_set_close_timeout(handle, link->close_limit);
  bglssl_link_show_more(link, bgl_ssl_socket_pending(handle) > 0);
  /* The new connection keeps it running. */
  bgl_ssl_socket_free(outer);
}

struct bglssl_link *bglssl_link_of_socket(obj_t socket) {
  struct bglssl_link *link = SOCKET(socket).userdata;

  return BGL_SOCKET_CLIENTP(socket) && link && (obj_t)link != BUNSPEC && link->tag == &tag
             ? link
             : NULL;
}

/* Whether reads raise where the peer ends the stream without close_notify, and how long a close may
 * take, in microseconds. */
void bglssl_socket_configure(obj_t socket, bool_t raises_truncation, long close_limit) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (!link) return;
  atomic_store(&link->raises_truncation, raises_truncation);
  link->close_limit = close_limit;
  bgl_ssl_socket_set_close_timeout(link->handle, close_limit);
}
