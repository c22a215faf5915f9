/* ports.c: the ports of a Bigloo socket over a connection of the library.
 *
 * A connection has two descriptors of one socket. The input port keeps its own, so that
 * Bigloo's runtime can poll it and set time-outs on it; the output port's is the
 * library's, which closes it. What ties them together is the link: both ports and the
 * socket point to it, and once none of them is reachable its finalizer gives everything
 * back.
 *
 * Bigloo closes a socket's input port first and its output port last, and only then
 * flushes it. So nothing is ended before both ports are closed, or before the close
 * hook of the socket, which flushes the output port first.
 */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "bglssl_bigloo.h"
#include "body.h"
#include "registry.h"

/* Defined in Scheme. */
extern obj_t bglssl_scheme_raise(obj_t condition);

/* Of Bigloo's runtime, which declares none of these in bigloo.h. */
extern long bgl_read(obj_t port, char *buffer, long size);
extern ssize_t bgl_syswrite();
extern bool_t bgl_input_port_timeout_set(obj_t port, long timeout);
extern bool_t bgl_output_port_timeout_set(obj_t port, long timeout);

/* How long a thread waits in the library, where it cannot be interrupted, for one read or write. */
#define LONGEST_CALL_US 1000

/* How long a close waits for writes that are under way and for the system to take the rest, and how
 * long the library then takes the peer's last bytes in the background. */
#define CLOSE_TIMEOUT_US 2000000

/* What a connection takes outside the collector's heap, more or less: see objects.c. */
#define LINK_WEIGHT (16 * 1024)

/* The most that one record of DTLS carries. */
#define LARGEST_RECORD (16 * 1024)

#define INPUT_CLOSED 1
#define OUTPUT_CLOSED 2
#define SOCKET_CLOSED 4

/* The collector scans it for `weight`: nothing else in it may look like a reference to an object of the
 * collector, or links would refer to themselves, and never be finalized. */
struct bglssl_link {
  const void *tag;
  bgl_ssl_socket_t *handle;
  void *weight;
  FILE *input;
  int input_fd;
  /* What to call the peer; NULL: by its address. */
  char *where;
  struct bglssl_peer peer;
  atomic_int closed;
  bool is_datagram;
  /* Whether the handshake is known to be complete. */
  atomic_bool shaken;
  /* Whether a read has something to tell without the peer sending more; and whether the input's
   * descriptor shows that: see show_more. */
  atomic_bool more;
  bool shows_more;
  /* Whether something was written since the latest read: then that is waited for first. */
  atomic_bool has_asked;
  /* Whether closing the output port tells the peer: see close_output. */
  atomic_bool output_ends_stream;
  /* Whether the peer ended the stream without close_notify, and whether reads raise then. */
  atomic_bool truncated, raises_truncation;
  /* Where the latest read ended in memory, inverted: see is_within_an_operation. */
  uintptr_t read_end;
  atomic_int readers;
  atomic_long read_limit;
  atomic_long write_limit;
  /* Of a handshake that is still to come, in microseconds; 0 for none. */
  long handshake_limit;
  /* The latest writer, and how many there are. Who closes says so first, and counts them then; who
   * leaves is no more counted first, and then looks whether somebody closes. */
  _Atomic pthread_t writer;
  atomic_int writers;
  atomic_bool closing;
  pthread_mutex_t lock;
  pthread_cond_t writer_left;
  /* In microseconds: how long a close may take, and until when the one under way may. */
  long close_limit;
  int64_t close_deadline;
  _Atomic pthread_t closer;
  /* Of datagrams: what of a record had no space in the port's buffer. */
  char *rest;
  size_t rest_length;
  /* Of an https URL's port: where the body of the response is. */
  struct bglssl_body body;
};

static const char tag;

bgl_ssl_socket_t *bglssl_link_handle(struct bglssl_link *link) { return link->handle; }

/* ---- streams ------------------------------------------------------------------------------ */

/* Closes the descriptor of `file`. A clone of the port may still hold the address, and
 * hand it in once more, so the structure lives as long as the link; only the
 * descriptor goes now. Where the C library gives no way to do that, both go. */
static void close_stream(struct bglssl_link *link, FILE *file) {
#ifdef __GLIBC__
  pthread_mutex_lock(&link->lock);
  file->_fileno = -1;
  pthread_mutex_unlock(&link->lock);
  close(link->input_fd);
#else
  link->input = NULL;
  fclose(file);
#endif
}

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
static void show_more(struct bglssl_link *link, bool more) {
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

/* Both ports are closed: what stands for the connection's memory can go at once. */
static void end_connection(struct bglssl_link *link, int closed) {
  void *weight = link->weight;

  if (!(closed & SOCKET_CLOSED)) bgl_ssl_socket_close(link->handle);
  link->weight = NULL;
  if (weight) GC_FREE(weight);
}

static int close_input(void *stream) {
  struct bglssl_link *link = bglssl_registry_take(stream, NULL);
  int closed;

  if (!link) return 0;
  closed = atomic_fetch_or(&link->closed, INPUT_CLOSED);
  if (closed & OUTPUT_CLOSED)
    end_connection(link, closed);
  else if (atomic_load(&link->readers) > 0)
    bgl_ssl_socket_shutdown_read(link->handle);
  close_stream(link, stream);
  bglssl_keep(link);
  return 0;
}

/* A client that has closed its output port wants to read the answer still. If it told the server so, by close_notify
 * and the end of the stream, many servers would take it for a client that has gone; and those that close without reading
 * what they do not expect would reset the connection, which destroys the answer. Bigloo's own sockets tell nothing. So
 * clients tell it when the socket is closed, or both ports are, or when they ask for it. */
static int close_output(void *channel) {
  struct bglssl_link *link = channel;
  int closed = atomic_fetch_or(&link->closed, OUTPUT_CLOSED);

  if (closed & OUTPUT_CLOSED) return 0;
  if (closed & INPUT_CLOSED)
    end_connection(link, closed);
  else if (!(closed & SOCKET_CLOSED) && atomic_load(&link->output_ends_stream))
    bgl_ssl_socket_shutdown(link->handle);
  bglssl_keep(link);
  return 0;
}

static void finalize_link(void *object, void *unused) {
  struct bglssl_link *link = object;
  bool input_open = bglssl_registry_take(link->input, link) != NULL;

  (void)unused;
#ifdef __GLIBC__
  if (input_open) close_stream(link, link->input);
  fclose(link->input);
#else
  if (input_open) fclose(link->input);
#endif
  bgl_ssl_socket_free(link->handle);
  pthread_mutex_destroy(&link->lock);
  pthread_cond_destroy(&link->writer_left);
  free(link->where);
  free(link->rest);
}

/* ---- reading and writing ------------------------------------------------------------------ */

static obj_t name_of(const struct bglssl_link *link) {
  return link->where ? string_to_bstring(link->where) : bglssl_name_of_peer(&link->peer);
}

static void raise_from_port(struct bglssl_link *link, const char *proc) {
  bglssl_raise(string_to_symbol((char *)proc), name_of(link));
}

static long tls_read(void *object, char *buffer, long size);
static ssize_t tls_write(void *object, void *buffer, size_t size);

/* The runtime puts a wrapper of its own before the primitive while a time limit is in
 * force. The limit stays where it was when the wrapper is gone, so both must be asked. */
static long time_limit(obj_t port, const void *primitive, const void *unwrapped) {
  /* What PORT(port).timeout points to begins with this, in every release. */
  const struct timeval *limit = (const void *)PORT(port).timeout;

  return primitive == unwrapped || !limit ? 0 : limit->tv_sec * 1000000L + limit->tv_usec;
}

static long read_limit(obj_t port, const void *unwrapped) {
  return time_limit(port, (const void *)INPUT_PORT(port).sysread, unwrapped);
}

static long write_limit(obj_t port, const void *unwrapped) {
  return time_limit(port, (const void *)OUTPUT_PORT(port).syswrite, unwrapped);
}

/* The limit of a socket's reads, in microseconds; 0 when there is none. */
long bglssl_port_time_limit(obj_t socket) {
  return read_limit(SOCKET(socket).input,
                    bglssl_link_of_socket(socket) ? (const void *)tls_read : (const void *)bgl_read);
}

static size_t take_rest(struct bglssl_link *link, char *buffer, size_t size) {
  size_t taken;

  pthread_mutex_lock(&link->lock);
  taken = link->rest_length < size ? link->rest_length : size;
  if (taken > 0) {
    memcpy(buffer, link->rest, taken);
    link->rest_length -= taken;
    memmove(link->rest, link->rest + taken, link->rest_length);
  }
  pthread_mutex_unlock(&link->lock);
  return taken;
}

static bool keep_rest(struct bglssl_link *link, const char *data, size_t size) {
  char *grown;

  pthread_mutex_lock(&link->lock);
  grown = realloc(link->rest, link->rest_length + size);
  if (grown) {
    link->rest = grown;
    memcpy(grown + link->rest_length, data, size);
    link->rest_length += size;
  }
  pthread_mutex_unlock(&link->lock);
  return grown != NULL;
}

/* A port is a stream of bytes, whose buffer may have little space left; a record is read as a
 * whole or not at all. What has no space waits for the next read. `waits`: in the library. */
static bgl_ssl_status_t read_record(struct bglssl_link *link, char *buffer, size_t size, size_t *got,
                                    bool waits) {
  char record[LARGEST_RECORD];
  bgl_ssl_status_t status;

  *got = take_rest(link, buffer, size);
  if (*got > 0) return BGL_SSL_OK;
  status = waits ? bgl_ssl_socket_read(link->handle, record, sizeof(record), got)
                 : bgl_ssl_socket_read_now(link->handle, record, sizeof(record), got, NULL);
  if (status != BGL_SSL_OK) return status;
  if (*got > size) {
    if (!keep_rest(link, record + size, *got - size)) return BGL_SSL_E_NO_MEMORY;
    *got = size;
  }
  memcpy(buffer, record, *got);
  return BGL_SSL_OK;
}

/* Whether the handshake is complete. */
static bool is_shaken(struct bglssl_link *link) {
  if (!atomic_load(&link->shaken) && bgl_ssl_socket_protocol(link->handle))
    atomic_store(&link->shaken, true);
  return atomic_load(&link->shaken);
}

/* A handshake that a read or a write begins (:lazy-handshake) keeps the port's limit, too. */
static void limit_handshake(struct bglssl_link *link, long limit) {
  if (is_shaken(link)) return;
  if (limit <= 0 || (link->handshake_limit > 0 && link->handshake_limit < limit))
    limit = link->handshake_limit;
  bgl_ssl_socket_set_handshake_timeout(link->handle, limit);
}

static int64_t time_left(int64_t deadline) {
  return deadline ? deadline - bglssl_microseconds() : INT64_MAX;
}

static bool is_read_closed(struct bglssl_link *link) {
  return atomic_load(&link->closed) & (INPUT_CLOSED | SOCKET_CLOSED);
}

/* Waits in the library, until `deadline` (0: none). */
static bgl_ssl_status_t read_waiting(struct bglssl_link *link, char *buffer, size_t size, int64_t deadline,
                                     size_t *got) {
  int64_t limit = deadline ? time_left(deadline) : 0;

  if (deadline && limit <= 0) limit = 1;
  if (atomic_exchange(&link->read_limit, limit) != limit)
    bgl_ssl_socket_set_read_timeout(link->handle, limit);
  return link->is_datagram ? read_record(link, buffer, size, got, true)
                           : bgl_ssl_socket_read(link->handle, buffer, size, got);
}

static bool has_more(struct bglssl_link *link) {
  return link->rest_length > 0 || bgl_ssl_socket_pending(link->handle) > 0;
}

static bgl_ssl_status_t read_now(struct bglssl_link *link, char *buffer, size_t size, size_t *got,
                                 bool *more) {
  bgl_ssl_status_t status;

  if (!link->is_datagram) return bgl_ssl_socket_read_now(link->handle, buffer, size, got, more);
  status = read_record(link, buffer, size, got, false);
  *more = status == BGL_SSL_OK && has_more(link);
  return status;
}

/* What a connection over datagrams has to do at certain times, such as to send the end of its handshake
 * again, is done while it is waited for. */
static void wait_for_peer(struct bglssl_link *link, short events, int64_t left) {
  int64_t timer = link->is_datagram ? bgl_ssl_socket_timeout(link->handle) : -1;

  if (timer >= 0 && timer < left) left = timer;
  if (!bglssl_wait(bgl_ssl_socket_fd(link->handle), events, left) && timer >= 0)
    bgl_ssl_socket_handle_timeout(link->handle);
}

/* Waits here (see wait.c). What the program has asked the peer takes a while: then to look first would be of no
 * use. Otherwise the library is asked first: the answer may be there. It is asked time and again: what
 * came may be less than a record, or nothing that is for the program. */
static bgl_ssl_status_t read_interruptibly(struct bglssl_link *link, char *buffer, size_t size,
                                           int64_t deadline, size_t *got) {
  short awaited = atomic_load(&link->has_asked) && !atomic_load(&link->more) ? POLLIN : 0;

  if (atomic_exchange(&link->read_limit, 0) != 0) bgl_ssl_socket_set_read_timeout(link->handle, 0);
  for (;;) {
    bgl_ssl_status_t status;
    bool more;

    if (awaited) wait_for_peer(link, awaited, time_left(deadline));
    if (is_read_closed(link)) return BGL_SSL_EOF;
    status = read_now(link, buffer, size, got, &more);
    if (status != BGL_SSL_WANT_READ && status != BGL_SSL_WANT_WRITE) {
      if (status == BGL_SSL_OK) atomic_store(&link->has_asked, false);
      show_more(link, more);
      return status;
    }
    /* The library puts it into words. */
    if (deadline && time_left(deadline) <= 0) return read_waiting(link, buffer, size, deadline, got);
    awaited = status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT;
  }
}

static bgl_ssl_status_t read_until(struct bglssl_link *link, char *buffer, size_t size, int64_t deadline,
                                   size_t *got) {
  bgl_ssl_status_t status;

  if (is_shaken(link)) return read_interruptibly(link, buffer, size, deadline, got);
  if (is_read_closed(link)) return BGL_SSL_EOF;
  /* A handshake that a read begins is waited for in the library. */
  status = read_waiting(link, buffer, size, deadline, got);
  show_more(link, has_more(link));
  return status;
}

static bool is_in_port_buffer(obj_t port, const char *buffer) {
  const char *start = (const char *)&RGC_BUFFER_REF(port, 0);

  return buffer >= start && buffer < start + BGL_INPUT_PORT_BUFSIZ(port);
}

/* Whether the reader of `port` has bytes already that it would lose by a condition: they are in the
 * port's buffer (a token that is not yet complete), or were put just before `buffer`, where
 * read-chars collects them. */
static bool is_within_an_operation(struct bglssl_link *link, obj_t port, const char *buffer) {
  return INPUT_PORT(port).bufpos > INPUT_PORT(port).matchstart ||
         (link->read_end == ~(uintptr_t)buffer && !is_in_port_buffer(port, buffer));
}

static void raise_truncated(struct bglssl_link *link) {
  bgl_ssl_error_t error = {
      .size = sizeof(error), .code = BGL_SSL_E_TRUNCATED, .phase = BGL_SSL_PHASE_READ, .alert = -1};

  /* Where TLS ended properly the library has no error to tell. */
  if (link->body.state == BGLSSL_BODY_NONE) raise_from_port(link, "read");
  snprintf(error.message, sizeof(error.message), "%s",
           link->body.state == BGLSSL_BODY_BAD ? "the chunks of the response are damaged"
                                               : "the connection ended before the response was complete");
  bglssl_scheme_raise(
      bglssl_condition(&error, string_to_symbol("read"), name_of(link)));
}

/* The stream ended without close_notify. By default that is its end, as for Bigloo's own sockets. Where
 * it raises, a caller that is collecting bytes gets them first, and the next read raises. */
static long end_of_truncated(struct bglssl_link *link, obj_t port, const char *buffer) {
  atomic_store(&link->truncated, true);
  if (!atomic_load(&link->raises_truncation)) {
    INPUT_PORT(port).eof = 1;
    return 0;
  }
  if (!is_within_an_operation(link, port, buffer)) raise_truncated(link);
  link->read_end = 0;
  /* read-chars asks again until it has all, or has seen the end of file, which would be for good; of
   * datagrams it takes what it gets. In all else the runtime treats both kinds of ports alike. */
  if (!is_in_port_buffer(port, buffer)) PORT(port).kindof = KINDOF_DATAGRAM;
  return 0;
}

/* Reads what belongs to the body of a response, or is of no response. */
static bgl_ssl_status_t read_body(struct bglssl_link *link, char *buffer, size_t size, int64_t deadline,
                                  size_t *got) {
  do {
    bgl_ssl_status_t status;

    if (bglssl_body_is_over(&link->body))
      return link->body.state == BGLSSL_BODY_END ? BGL_SSL_EOF : BGL_SSL_E_TRUNCATED;
    status = read_until(link, buffer, size, deadline, got);
    if (status == BGL_SSL_EOF && link->body.state != BGLSSL_BODY_NONE) return BGL_SSL_E_TRUNCATED;
    if (status != BGL_SSL_OK) return status;
    *got = bglssl_body_decode(&link->body, buffer, *got);
  } while (*got == 0 && link->body.state != BGLSSL_BODY_NONE);
  return BGL_SSL_OK;
}

static long tls_read(void *object, char *buffer, long size) {
  obj_t port = object;
  struct bglssl_link *link = (void *)PORT(port).userdata;
  long limit = read_limit(port, (const void *)tls_read);
  size_t got = 0;
  bgl_ssl_status_t status;

  if (size <= 0) return 0;
  limit_handshake(link, limit);
  atomic_fetch_add(&link->readers, 1);
  status = read_body(link, buffer, (size_t)size, limit > 0 ? bglssl_microseconds() + limit : 0, &got);
  atomic_fetch_sub(&link->readers, 1);

  if (status == BGL_SSL_OK) {
    link->read_end = ~(uintptr_t)(buffer + got);
    bglssl_keep(port);
    return (long)got;
  }
  /* A port closed by this program while it was read ends, as a plain socket's does. */
  if (status == BGL_SSL_EOF || is_read_closed(link)) {
    INPUT_PORT(port).eof = 1;
    return 0;
  }
  if (status == BGL_SSL_E_TRUNCATED) return end_of_truncated(link, port, buffer);
  raise_from_port(link, status == BGL_SSL_E_TIMEOUT ? "read/timeout" : "read");
  return 0;
}

/* The handler of a signal has escaped from a write of this thread: the write is counted still, and the
 * runtime's lock on the port still taken. */
static bool has_escaped_from_write(const struct bglssl_link *link) {
  return atomic_load(&link->writers) > 0 && pthread_equal(atomic_load(&link->writer), pthread_self());
}

static bool enter_writer(struct bglssl_link *link) {
  atomic_store(&link->writer, pthread_self());
  atomic_fetch_add(&link->writers, 1);
  return atomic_load(&link->closing) && pthread_equal(atomic_load(&link->closer), pthread_self());
}

static void leave_writer(struct bglssl_link *link) {
  atomic_fetch_sub(&link->writers, 1);
  if (!atomic_load(&link->closing)) return;
  pthread_mutex_lock(&link->lock);
  pthread_cond_broadcast(&link->writer_left);
  pthread_mutex_unlock(&link->lock);
}

struct write_in_progress {
  struct bglssl_link *link;
  obj_t port;
};

/* The thread is terminated while it waits: what it wrote is incomplete, and nobody waits for it. */
static void abandon_write(void *data) {
  struct write_in_progress *write = data;

  OUTPUT_PORT(write->port).err = BGL_IO_WRITE_ERROR;
  leave_writer(write->link);
  BGL_MUTEX_UNLOCK(OUTPUT_PORT(write->port).mutex);
}

static void await_space(struct bglssl_link *link, obj_t port, int64_t deadline) {
  struct write_in_progress write = {link, port};

  pthread_cleanup_push(abandon_write, &write);
  bglssl_wait(bgl_ssl_socket_fd(link->handle), POLLOUT, time_left(deadline));
  pthread_cleanup_pop(0);
}

static bgl_ssl_status_t write_until(struct bglssl_link *link, obj_t port, const char *buffer, size_t size,
                                    int64_t deadline, size_t *done) {
  /* A datagram is taken at once, and a handshake that a write begins is waited for in the library. */
  bool wait_here = is_shaken(link) && !link->is_datagram;

  *done = 0;
  for (;;) {
    int64_t left = deadline ? time_left(deadline) : 0;
    int64_t limit;
    size_t written = 0;
    bgl_ssl_status_t status;

    if (deadline && left <= 0) left = 1;
    limit = wait_here && (!deadline || left > LONGEST_CALL_US) ? LONGEST_CALL_US : left;
    if (atomic_exchange(&link->write_limit, limit) != limit)
      bgl_ssl_socket_set_write_timeout(link->handle, limit);
    status = bgl_ssl_socket_write(link->handle, buffer + *done, size - *done, &written);
    *done += written;
    if (status != BGL_SSL_E_TIMEOUT || limit == left) return status;
    if (*done == size) return BGL_SSL_OK;
    await_space(link, port, deadline);
  }
}

static ssize_t tls_write(void *object, void *buffer, size_t size) {
  obj_t port = object;
  struct bglssl_link *link = PORT(port).stream.channel;
  long limit = write_limit(port, (const void *)tls_write);
  bool closer = enter_writer(link);
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  size_t done = 0;
  bgl_ssl_status_t status;

  limit_handshake(link, limit);
  atomic_store(&link->has_asked, true);
  if (closer && (!deadline || link->close_deadline < deadline)) deadline = link->close_deadline;
  status = write_until(link, port, buffer, size, deadline, &done);
  leave_writer(link);

  if (status == BGL_SSL_OK) {
    bglssl_keep(port);
    return (ssize_t)done;
  }
  OUTPUT_PORT(port).err = BGL_IO_WRITE_ERROR;
  /* What a dead peer no longer takes must not keep a socket from being closed. */
  if (closer) return (ssize_t)size;
  /* The runtime holds this lock around every write, and expects a writer that raises to
   * release it. */
  BGL_MUTEX_UNLOCK(OUTPUT_PORT(port).mutex);
  raise_from_port(link, status == BGL_SSL_E_TIMEOUT ? "write/timeout" : "write");
  return 0;
}

static long seek_output(void *channel, long offset, int whence) {
  (void)channel;
  (void)offset;
  (void)whence;
  return -1;
}

/* ---- from a plain socket to a link -------------------------------------------------------- */

static struct bglssl_link *make_link(bgl_ssl_socket_t *handle, FILE *input, obj_t where) {
  struct bglssl_link *link = (void *)GC_MALLOC(sizeof(struct bglssl_link));
  pthread_condattr_t attributes;

  memset(link, 0, sizeof(*link));
  link->weight = (void *)GC_MALLOC_ATOMIC(LINK_WEIGHT);
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
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&link->writer_left, &attributes);
  pthread_condattr_destroy(&attributes);
  bglssl_finalize_with(link, finalize_link);
  return link;
}

/* Puts our primitives below the runtime's wrapper, with the time limit that was in force. */
static void attach_input(obj_t port, struct bglssl_link *link) {
  long limit = read_limit(port, (const void *)bgl_read);

  PORT(port).timeout = 0;
  PORT(port).userdata = (void *)link;
  PORT(port).sysclose = (int (*)(void *))close_input;
  INPUT_PORT(port).sysread = (long (*)(void *, char *, long))tls_read;
  if (limit > 0) bgl_input_port_timeout_set(port, limit);
}

/* The stream is a channel, not a descriptor: what copies files straight to descriptors
 * (send-file, send-chars) would send them in the clear. For a socket's port that is a
 * channel the runtime looks in userdata for the descriptor to set time-outs on. */
static void attach_output(obj_t port, struct bglssl_link *link) {
  long limit = write_limit(port, (const void *)bgl_syswrite);
  int fd = bgl_ssl_socket_fd(link->handle);

  if (PORT_FD(port) != fd) close(PORT_FD(port));
  PORT(port).timeout = 0;
  PORT(port).userdata = (void *)(long)fd;
  PORT(port).stream.channel = link;
  PORT(port).sysclose = (int (*)(void *))close_output;
  OUTPUT_PORT(port).stream_type = BGL_STREAM_TYPE_CHANNEL;
  OUTPUT_PORT(port).sysseek = (long (*)(void *, long, int))seek_output;
  OUTPUT_PORT(port).syswrite = (ssize_t (*)(void *, void *, size_t))tls_write;
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
  show_more(link, bgl_ssl_socket_pending(handle) > 0);
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
  show_more(link, bgl_ssl_socket_pending(handle) > 0);
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

/* From here on the input port of an SSL socket gives the body of an HTTP response, `length` bytes (-1: to
 * the end of the stream), or chunks. `position`: how many bytes of the whole are left out. */
void bglssl_socket_begin_body(obj_t socket, BGL_LONGLONG_T length, bool_t chunked, long position) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (link) bglssl_body_attach(&link->body, SOCKET(socket).input, length, chunked, position);
}

bool_t bglssl_socket_truncatedp(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  return link && atomic_load(&link->truncated);
}

/* Ends our half of the stream; the port flushes what it has. */
void bglssl_socket_end_output(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (!link) return;
  if (PORT(SOCKET(socket).output).kindof == KINDOF_CLOSED) {
    if (!atomic_exchange(&link->output_ends_stream, true) &&
        !(atomic_load(&link->closed) & (INPUT_CLOSED | SOCKET_CLOSED)))
      bgl_ssl_socket_shutdown(link->handle);
  } else {
    atomic_store(&link->output_ends_stream, true);
    bgl_close_output_port(SOCKET(socket).output);
  }
  bglssl_keep(link);
}

/* ---- closing ------------------------------------------------------------------------------ */

/* Waits, until the deadline of the close, until no other thread is writing: its bytes and the ones
 * still in the port's buffer belong together. */
static bool wait_for_writers(struct bglssl_link *link) {
  struct timespec until;
  bool idle;
  int cancellation;

  /* The lock must not be left taken. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
  until.tv_sec = link->close_deadline / 1000000;
  until.tv_nsec = link->close_deadline % 1000000 * 1000;
  pthread_mutex_lock(&link->lock);
  atomic_store(&link->closer, pthread_self());
  atomic_store(&link->closing, true);
  while (atomic_load(&link->writers) > 0 &&
         pthread_cond_timedwait(&link->writer_left, &link->lock, &until) != ETIMEDOUT) {
  }
  idle = atomic_load(&link->writers) == 0;
  pthread_mutex_unlock(&link->lock);
  pthread_setcancelstate(cancellation, NULL);
  return idle;
}

/* Whether a write of this thread was left by an escape. Undoes what it left behind, but the port is not
 * written to any more: nobody knows how much of its buffer has gone out. */
static bool recover_from_escape(struct bglssl_link *link, obj_t output) {
  if (!has_escaped_from_write(link)) return false;
  atomic_fetch_sub(&link->writers, 1);
  OUTPUT_PORT(output).err = BGL_IO_WRITE_ERROR;
  BGL_MUTEX_UNLOCK(OUTPUT_PORT(output).mutex);
  return true;
}

/* A flush hook of the program's may raise, or escape. */
void bglssl_link_flush(struct bglssl_link *link, obj_t socket) {
  obj_t output = SOCKET(socket).output;

  link->close_deadline = bglssl_microseconds() + link->close_limit;
  if (recover_from_escape(link, output)) return;
  if (!wait_for_writers(link))
    OUTPUT_PORT(output).err = BGL_IO_TIMEOUT_ERROR;
  else if (OUTPUT_PORT(output).err == 0 && PORT(output).kindof != KINDOF_CLOSED)
    bgl_flush_output_port(output);
  bglssl_keep(link);
}

void bglssl_link_closing(struct bglssl_link *link) {
  int64_t left = link->close_deadline - bglssl_microseconds();

  atomic_fetch_or(&link->closed, SOCKET_CLOSED);
  /* A writer, or the flush, may have used all the time; what is left to send is little then. */
  bgl_ssl_socket_set_close_timeout(link->handle, left > 0 ? left : link->close_limit > 0 ? 1 : 0);
  bgl_ssl_socket_close(link->handle);
  bglssl_keep(link);
}
