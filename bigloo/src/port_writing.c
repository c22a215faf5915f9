/* port_writing.c: what the output port of a connection calls to write (see link.h). */
#define _GNU_SOURCE
#include <bigloo.h>

#include <poll.h>
#include <pthread.h>

#include "link.h"

/* How long a thread waits in the library, where it cannot be interrupted, for one write. */
#define LONGEST_CALL_US 1000

/* ---- writers -------------------------------------------------------------------------------- */

/* The handler of a signal has escaped from a write of this thread: the write is counted still, and the
 * runtime's lock on the port still taken. */
bool bglssl_link_has_escaped_from_write(const struct bglssl_link *link) {
  return atomic_load(&link->writers) > 0 && pthread_equal(atomic_load(&link->writer), pthread_self());
}

static bool enter_writer(struct bglssl_link *link) {
  atomic_store(&link->writer, pthread_self());
  atomic_fetch_add(&link->writers, 1);
  return atomic_load(&link->closing) && pthread_equal(atomic_load(&link->closer), pthread_self());
}

static void leave_writer(struct bglssl_link *link) { atomic_fetch_sub(&link->writers, 1); }

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

/* ---- waiting for the peer ------------------------------------------------------------------ */

/* The handshake that a write begins. */
static bgl_ssl_status_t shake_hands(struct bglssl_link *link, obj_t port) {
  struct write_in_progress write = {link, port};
  bgl_ssl_status_t status;

  pthread_cleanup_push(abandon_write, &write);
  status = bglssl_complete_handshake(link);
  pthread_cleanup_pop(0);
  return status;
}

static void await_space(struct bglssl_link *link, obj_t port, int64_t deadline) {
  struct write_in_progress write = {link, port};

  pthread_cleanup_push(abandon_write, &write);
  bglssl_wait(bgl_ssl_socket_fd(link->handle), POLLOUT, bglssl_time_left(deadline));
  pthread_cleanup_pop(0);
}

static void await_step(struct bglssl_link *link, obj_t port) {
  struct write_in_progress write = {link, port};

  pthread_cleanup_push(abandon_write, &write);
  bglssl_wait_for_one(NULL, 0, WRITER_RECHECK_US);
  pthread_cleanup_pop(0);
}

static bgl_ssl_status_t write_until(struct bglssl_link *link, obj_t port, const char *buffer, size_t size,
                                    int64_t deadline, size_t *done) {
  /* A datagram is taken at once. */
  bool wait_here = !link->is_datagram;

  *done = 0;
  if (!bglssl_link_is_shaken(link)) {
    bgl_ssl_status_t status = shake_hands(link, port);

    if (status != BGL_SSL_OK) return status;
  }
  for (;;) {
    int64_t left = deadline ? bglssl_time_left(deadline) : 0;
    int64_t limit;
    size_t written = 0;
    bgl_ssl_status_t status;

    if (deadline && left <= 0) left = 1;
    limit = wait_here && (!deadline || left > LONGEST_CALL_US) ? LONGEST_CALL_US : left;
    if (atomic_exchange(&link->write_limit, limit) != limit)
      bgl_ssl_socket_set_write_timeout(link->handle, limit);
    status = bgl_ssl_socket_write(link->handle, buffer + *done, size - *done, &written);
    *done += written;
    /* Another thread has made the socket non-blocking for a step of its own: see bglssl_in_steps. */
    if (status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE) {
      await_step(link, port);
      continue;
    }
    if (status == BGL_SSL_OK && *done < size) continue;
    if (status != BGL_SSL_E_TIMEOUT || limit == left) return status;
    if (*done == size) return BGL_SSL_OK;
    await_space(link, port, deadline);
  }
}

/* ---- the port ------------------------------------------------------------------------------ */

ssize_t bglssl_port_write(void *object, void *buffer, size_t size) {
  obj_t port = object;
  struct bglssl_link *link = PORT(port).stream.channel;
  long limit = bglssl_write_limit(port, (const void *)bglssl_port_write);
  bool closer = enter_writer(link);
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  size_t done = 0;
  bgl_ssl_status_t status;

  bglssl_link_limit_handshake(link, limit);
  atomic_store(&link->has_asked, true);
  if (closer && (!deadline || link->close_deadline < deadline)) deadline = link->close_deadline;
  status = write_until(link, port, buffer, size, deadline, &done);
  leave_writer(link);

  if (status == BGL_SSL_OK) {
    bglssl_keep(port);
    return (ssize_t)done;
  }
  OUTPUT_PORT(port).err = BGL_IO_WRITE_ERROR;
  /* What a dead peer no longer takes must not keep a socket, or a port, from being closed. The runtime holds this lock around
   * every write but the last one of a port that it closes, and expects a writer that raises to release it. */
  if (closer || !bglssl_port_lock_is_own(port)) return (ssize_t)size;
  BGL_MUTEX_UNLOCK(OUTPUT_PORT(port).mutex);
  bglssl_link_raise(link, status == BGL_SSL_E_TIMEOUT ? "write/timeout" : "write");
  return 0;
}

long bglssl_port_seek(void *channel, long offset, int whence) {
  (void)channel;
  (void)offset;
  (void)whence;
  return -1;
}
