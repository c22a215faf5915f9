/* port_reading.c: what the input port of a connection calls to read (see link.h). */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "link.h"

/* Defined in Scheme. */
extern obj_t bglssl_scheme_raise(obj_t condition);

/* The most that one record of DTLS carries. */
#define LARGEST_RECORD (16 * 1024)

/* ---- records of datagrams ------------------------------------------------------------------ */

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

/* ---- readers -------------------------------------------------------------------------------- */

/* A read under way, whether the link counts it, and whether it has taken longer than the descriptor's SO_RCVTIMEO. */
struct reading {
  struct bglssl_link *link;
  bool is_counted;
  bool has_expired;
};

/* This thread is counted: the handler of a signal has escaped from a read, or reads in the middle of one. */
static bool is_reader(const struct bglssl_link *link) {
  return atomic_load(&link->readers) > 0 && pthread_equal(atomic_load(&link->reader), pthread_self());
}

static void enter_reader(struct reading *read) {
  read->is_counted = !is_reader(read->link);
  if (!read->is_counted) return;
  atomic_store(&read->link->reader, pthread_self());
  atomic_fetch_add(&read->link->readers, 1);
}

static void leave_reader(struct reading *read) {
  pthread_t self = pthread_self();

  if (!read->is_counted) return;
  atomic_compare_exchange_strong(&read->link->reader, &self, 0);
  atomic_fetch_sub(&read->link->readers, 1);
}

/* The thread is terminated while it waits. */
static void abandon_read(void *read) { leave_reader(read); }

/* Other threads than this one. */
bool bglssl_link_has_readers(const struct bglssl_link *link) {
  return atomic_load(&link->readers) > (is_reader(link) ? 1 : 0);
}

/* ---- waiting for the peer ------------------------------------------------------------------ */

bool bglssl_link_is_read_closed(struct bglssl_link *link) {
  return atomic_load(&link->closed) & (INPUT_CLOSED | SOCKET_CLOSED);
}

/* Waits in the library, until `deadline` (0: none). */
static bgl_ssl_status_t read_waiting(struct bglssl_link *link, char *buffer, size_t size, int64_t deadline,
                                     size_t *got) {
  int64_t limit = deadline ? bglssl_time_left(deadline) : 0;

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

/* poll(2)'s events, or with 0 only for a time. */
static bool await(struct reading *read, short events, int64_t left) {
  bool came;

  pthread_cleanup_push(abandon_read, read);
  came = events ? bglssl_wait(bgl_ssl_socket_fd(read->link->handle), events, left) : bglssl_wait_for_one(NULL, 0, left) > 0;
  pthread_cleanup_pop(0);
  return came;
}

/* What a connection over datagrams has to do at certain times, such as to send the end of its handshake
 * again, is done while it is waited for. */
static void wait_for_peer(struct reading *read, short events, int64_t left) {
  struct bglssl_link *link = read->link;
  int64_t timer = link->is_datagram ? bgl_ssl_socket_timeout(link->handle) : -1;

  if (!await(read, events, timer >= 0 && timer < left ? timer : left) && timer >= 0) bgl_ssl_socket_handle_timeout(link->handle);
}

/* Where small records come fast, lets several of them come, for a short while. False without a wait if they do not. */
static bool await_several(struct reading *read) {
  int64_t limit = bgl_ssl_socket_gather(read->link->handle);

  if (limit > 0) await(read, 0, limit);
  return limit > 0;
}

/* When a read ends that begins to wait now and has no other limit: programs may have set the option :SO_RCVTIMEO, which means
 * nothing to poll(2). 0: never. */
static int64_t descriptor_deadline(struct bglssl_link *link) {
  struct timeval limit;
  socklen_t size = sizeof(limit);

  if (getsockopt(bgl_ssl_socket_fd(link->handle), SOL_SOCKET, SO_RCVTIMEO, &limit, &size) != 0) return 0;
  if (limit.tv_sec == 0 && limit.tv_usec == 0) return 0;
  return bglssl_microseconds() + (int64_t)limit.tv_sec * 1000000 + limit.tv_usec;
}

/* Waits here (see wait.c). What the program has asked the peer takes a while: then to look first would be of no
 * use. Otherwise the library is asked first: the answer may be there. It is asked time and again: what
 * came may be less than a record, or nothing that is for the program. */
static bgl_ssl_status_t read_interruptibly(struct reading *read, char *buffer, size_t size,
                                           int64_t deadline, size_t *got) {
  struct bglssl_link *link = read->link;
  short awaited = atomic_load(&link->has_asked) && !atomic_load(&link->more) ? POLLIN : 0;
  int64_t end = deadline ? deadline : -1;

  if (atomic_exchange(&link->read_limit, 0) != 0) bgl_ssl_socket_set_read_timeout(link->handle, 0);
  for (;;) {
    bgl_ssl_status_t status;
    bool more;

    if (awaited) {
      if (end < 0) end = descriptor_deadline(link);
      wait_for_peer(read, awaited, bglssl_time_left(end));
    }
    if (bglssl_link_is_read_closed(link)) return BGL_SSL_EOF;
    status = read_now(link, buffer, size, got, &more);
    if (status != BGL_SSL_WANT_READ && status != BGL_SSL_WANT_WRITE) {
      if (status == BGL_SSL_OK) atomic_store(&link->has_asked, false);
      bglssl_link_show_more(link, more);
      return status;
    }
    /* The library puts it into words. */
    if (deadline && bglssl_time_left(deadline) <= 0) return read_waiting(link, buffer, size, deadline, got);
    read->has_expired = end > 0 && bglssl_time_left(end) <= 0;
    if (read->has_expired) return BGL_SSL_E_IO;
    awaited = status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT;
    /* Not for an answer. */
    if (awaited == POLLIN && !atomic_load(&link->has_asked) && await_several(read)) awaited = 0;
  }
}

static bgl_ssl_status_t shake_hands(struct reading *read) {
  struct bglssl_link *link = read->link;
  bgl_ssl_status_t status;

  pthread_cleanup_push(abandon_read, read);
  status = bglssl_link_is_read_closed(link) ? BGL_SSL_EOF : bglssl_complete_handshake(link);
  pthread_cleanup_pop(0);
  return status;
}

static bgl_ssl_status_t read_until(struct reading *read, char *buffer, size_t size, int64_t deadline,
                                   size_t *got) {
  if (!bglssl_link_is_shaken(read->link)) {
    bgl_ssl_status_t status = shake_hands(read);

    if (status != BGL_SSL_OK) return status;
  }
  return read_interruptibly(read, buffer, size, deadline, got);
}

/* ---- the end of the stream ----------------------------------------------------------------- */

static bool is_in_port_buffer(obj_t port, const char *buffer) {
  const char *start = (const char *)&RGC_BUFFER_REF(port, 0);

  return buffer >= start && buffer < start + BGL_INPUT_PORT_BUFSIZ(port);
}

/* Whether the reader of `port` has bytes already that it would lose by a condition: they are in the
 * port's buffer (a token that is not yet complete), or were put just before `buffer`, where
 * read-chars collects them. */
static bool is_within_an_operation(struct bglssl_link *link, obj_t port, const char *buffer) {
  return bglssl_port_partly_readp(port) ||
         (link->read_end == ~(uintptr_t)buffer && !is_in_port_buffer(port, buffer));
}

static void raise_truncated(struct bglssl_link *link) {
  bgl_ssl_error_t error = {
      .size = sizeof(error), .code = BGL_SSL_E_TRUNCATED, .phase = BGL_SSL_PHASE_READ, .alert = -1};

  /* Where TLS ended properly the library has no error to tell. */
  if (link->body.state == BGLSSL_BODY_NONE) bglssl_link_raise(link, "read");
  snprintf(error.message, sizeof(error.message), "%s",
           link->body.state == BGLSSL_BODY_BAD ? "the chunks of the response are damaged"
                                               : "the connection ended before the response was complete");
  bglssl_scheme_raise(
      bglssl_condition(&error, string_to_symbol("read"), bglssl_link_name(link)));
}

/* As a read of a plain socket raises whose SO_RCVTIMEO is over. */
static void raise_expired(struct bglssl_link *link) {
  bgl_ssl_error_t error = {
      .size = sizeof(error), .code = BGL_SSL_E_IO, .phase = BGL_SSL_PHASE_READ, .alert = -1, .sys_errno = EAGAIN};

  snprintf(error.message, sizeof(error.message), "%s", strerror(EAGAIN));
  bglssl_scheme_raise(bglssl_condition(&error, string_to_symbol("read"), bglssl_link_name(link)));
}

/* The stream ended without close_notify. By default that is its end, as for Bigloo's own sockets. Where
 * it raises, a caller that is collecting bytes gets them first, and the next read raises. `wrapped`: the runtime's wrapper
 * would make that the end of the file, for good. */
static long end_of_truncated(struct bglssl_link *link, obj_t port, const char *buffer, bool wrapped) {
  atomic_store(&link->truncated, true);
  if (!atomic_load(&link->raises_truncation)) {
    INPUT_PORT(port).eof = 1;
    return 0;
  }
  if (wrapped || !is_within_an_operation(link, port, buffer)) raise_truncated(link);
  link->read_end = 0;
  /* read-chars asks again until it has all, or has seen the end of file, which would be for good; of
   * datagrams it takes what it gets. In all else the runtime treats both kinds of ports alike. */
  if (!is_in_port_buffer(port, buffer)) PORT(port).kindof = KINDOF_DATAGRAM;
  return 0;
}

bool_t bglssl_socket_truncatedp(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  return link && atomic_load(&link->truncated);
}

/* ---- the port ------------------------------------------------------------------------------ */

/* From here on the input port of an SSL socket gives the body of an HTTP response, `length` bytes (-1: to
 * the end of the stream), or chunks. `position`: how many bytes of the whole are left out. */
void bglssl_socket_begin_body(obj_t socket, BGL_LONGLONG_T length, bool_t chunked, long position) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (link) bglssl_body_attach(&link->body, SOCKET(socket).input, length, chunked, position);
}

/* Reads what belongs to the body of a response, or is of no response. */
static bgl_ssl_status_t read_body(struct reading *read, char *buffer, size_t size, int64_t deadline,
                                  size_t *got) {
  struct bglssl_link *link = read->link;

  do {
    bgl_ssl_status_t status;

    if (bglssl_body_is_over(&link->body))
      return link->body.state == BGLSSL_BODY_END ? BGL_SSL_EOF : BGL_SSL_E_TRUNCATED;
    status = read_until(read, buffer, size, deadline, got);
    if (status == BGL_SSL_EOF && link->body.state != BGLSSL_BODY_NONE) return BGL_SSL_E_TRUNCATED;
    if (status != BGL_SSL_OK) return status;
    *got = bglssl_body_decode(&link->body, buffer, *got);
  } while (*got == 0 && link->body.state != BGLSSL_BODY_NONE);
  return BGL_SSL_OK;
}

static long read_port(obj_t port, char *buffer, long size, bool wrapped) {
  struct bglssl_link *link = (void *)PORT(port).userdata;
  struct reading read = {.link = link};
  long limit = bglssl_read_limit(port, (const void *)bglssl_port_read);
  size_t got = 0;
  bgl_ssl_status_t status;

  if (size <= 0) return 0;
  bglssl_hold();
  bglssl_link_limit_handshake(link, limit);
  enter_reader(&read);
  status = read_body(&read, buffer, (size_t)size, limit > 0 ? bglssl_microseconds() + limit : 0, &got);
  leave_reader(&read);
  if (status == BGL_SSL_OK) link->read_end = ~(uintptr_t)(buffer + got);
  bglssl_release();

  bglssl_keep(port);
  if (status == BGL_SSL_OK) return (long)got;
  /* A port closed by this program while it was read ends, as a plain socket's does. */
  if (status == BGL_SSL_EOF || bglssl_link_is_read_closed(link)) {
    INPUT_PORT(port).eof = 1;
    return 0;
  }
  if (status == BGL_SSL_E_TRUNCATED) return end_of_truncated(link, port, buffer, wrapped);
  if (read.has_expired) raise_expired(link);
  bglssl_link_raise(link, status == BGL_SSL_E_TIMEOUT ? "read/timeout" : "read");
  return 0;
}

/* The runtime puts a wrapper before this while a time limit is in force. The wrapper takes "nothing more for this read" for the end
 * of the file, so from the second read on the primitive is another one, which keeps the limit itself. A limit of 0 makes it this
 * one again. */
long bglssl_port_read(void *object, char *buffer, long size) {
  obj_t port = object;
  bool wrapped = (const void *)INPUT_PORT(port).sysread != (const void *)bglssl_port_read;

  if (wrapped) INPUT_PORT(port).sysread = (long (*)(void *, char *, long))bglssl_port_read_limited;
  return read_port(port, buffer, size, wrapped);
}

long bglssl_port_read_limited(void *port, char *buffer, long size) { return read_port(port, buffer, size, false); }
