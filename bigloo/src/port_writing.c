/* port_writing.c: what the output port of a connection calls to write (see link.h). */
#define _GNU_SOURCE
#include <bigloo.h>

#include <poll.h>
#include <pthread.h>

#include "link.h"

/* How long a thread waits in the library, where it cannot be interrupted, for one write. */
#define LONGEST_CALL_US 1000

/* ---- waiting for the peer ------------------------------------------------------------------ */

/* The thread is terminated while it waits: what it wrote is incomplete, and nobody waits for it. */
static void abandon_write(void *object) {
  obj_t port = object;

  OUTPUT_PORT(port).err = BGL_IO_WRITE_ERROR;
  BGL_MUTEX_UNLOCK(OUTPUT_PORT(port).mutex);
}

/* The handshake that a write begins. */
static bgl_ssl_status_t shake_hands(struct bglssl_link *link, obj_t port) {
  bgl_ssl_status_t status;

  pthread_cleanup_push(abandon_write, port);
  status = bglssl_complete_handshake(link);
  pthread_cleanup_pop(0);
  return status;
}

static void await_space(struct bglssl_link *link, obj_t port, int64_t deadline) {
  pthread_cleanup_push(abandon_write, port);
  bglssl_wait(bgl_ssl_socket_fd(link->handle), POLLOUT, bglssl_time_left(deadline));
  pthread_cleanup_pop(0);
}

static void await_step(obj_t port) {
  pthread_cleanup_push(abandon_write, port);
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
      await_step(port);
      continue;
    }
    if (status == BGL_SSL_OK && *done < size) continue;
    if (status != BGL_SSL_E_TIMEOUT || limit == left) return status;
    if (*done == size) return BGL_SSL_OK;
    await_space(link, port, deadline);
  }
}

/* ---- the port ------------------------------------------------------------------------------ */

/* The runtime holds the port's lock around every write but the last one of a port that it closes, and wants a condition of all
 * but that one. */
ssize_t bglssl_port_write(void *object, void *buffer, size_t size) {
  obj_t port = object;
  struct bglssl_link *link = PORT(port).stream.channel;
  long limit = bglssl_write_limit(port, (const void *)bglssl_port_write);
  bool is_last = !bglssl_port_lock_is_own(port);
  bool closer = atomic_load(&link->closing) && pthread_equal(atomic_load(&link->closer), pthread_self());
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  size_t done = 0;
  bgl_ssl_status_t status;
  bool locked;

  bglssl_hold();
  bglssl_link_limit_handshake(link, limit);
  atomic_store(&link->has_asked, true);
  if (closer && (!deadline || link->close_deadline < deadline)) deadline = link->close_deadline;
  /* Who closes the socket waits for it. But a thread that an escape has taken out of a write has the lock for ever. */
  locked = is_last && bglssl_port_lock_take(port, bglssl_microseconds() + link->close_limit);
  status = write_until(link, port, buffer, size, deadline, &done);
  if (status != BGL_SSL_OK) OUTPUT_PORT(port).err = BGL_IO_WRITE_ERROR;
  if (locked || (status != BGL_SSL_OK && !is_last && !closer)) BGL_MUTEX_UNLOCK(OUTPUT_PORT(port).mutex);
  bglssl_release();

  bglssl_keep(port);
  if (status == BGL_SSL_OK) return (ssize_t)done;
  /* What a dead peer no longer takes must not keep a socket, or a port, from being closed. */
  if (closer || is_last) return (ssize_t)size;
  bglssl_link_raise(link, status == BGL_SSL_E_TIMEOUT ? "write/timeout" : "write");
  return 0;
}

long bglssl_port_seek(void *channel, long offset, int whence) {
  (void)channel;
  (void)offset;
  (void)whence;
  return -1;
}
