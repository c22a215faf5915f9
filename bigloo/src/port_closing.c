/* port_closing.c: the end of a connection (see link.h).
 *
 * Bigloo closes a socket's input port first and its output port last, and only then
 * flushes it. So nothing is ended before both ports are closed, or before the close
 * hook of the socket, which flushes the output port first.
 */
#define _GNU_SOURCE
#include <bigloo.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "link.h"
#include "registry.h"

/* Of Bigloo's runtime, which does not declare it in bigloo.h: flushes a port whose lock is held. */
extern obj_t bgl_output_flush(obj_t port, unsigned char *text, size_t size);

/* ---- steps ----------------------------------------------------------------------------------- */

static bgl_ssl_status_t close_step(bgl_ssl_socket_t *handle, void *unused) {
  (void)unused;
  return bgl_ssl_socket_close(handle);
}

static bgl_ssl_status_t shutdown_step(bgl_ssl_socket_t *handle, void *unused) {
  (void)unused;
  return bgl_ssl_socket_shutdown(handle);
}

/* ---- the ports ------------------------------------------------------------------------------- */

/* Closes the descriptor of `file`. A clone of the port may still hold the address, and
 * hand it in once more, so the structure lives as long as the link; only the
 * descriptor goes now. Where the C library gives no way to do that, both go. */
void bglssl_link_close_stream(struct bglssl_link *link, FILE *file) {
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

/* Both ports are closed: what stands for the connection's memory can go at once. */
static void end_connection(struct bglssl_link *link, int closed) {
  bglssl_link_give_weight(link);
  if (!(closed & SOCKET_CLOSED)) bglssl_link_in_steps(link, close_step, NULL);
}

int bglssl_port_close_input(void *stream) {
  struct bglssl_link *link = bglssl_registry_take(stream, NULL);
  int closed;

  if (!link) return 0;
  closed = atomic_fetch_or(&link->closed, INPUT_CLOSED);
  /* Before what waits: a thread that is terminated there does not come back. */
  bglssl_link_close_stream(link, stream);
  if (closed & OUTPUT_CLOSED)
    end_connection(link, closed);
  else if (bglssl_link_has_readers(link))
    bgl_ssl_socket_shutdown_read(link->handle);
  bglssl_keep(link);
  return 0;
}

/* A client that has closed its output port wants to read the answer still. If it told the server so, by close_notify
 * and the end of the stream, many servers would take it for a client that has gone; and those that close without reading
 * what they do not expect would reset the connection, which destroys the answer. Bigloo's own sockets tell nothing. So
 * clients tell it when the socket is closed, or both ports are, or when they ask for it. */
int bglssl_port_close_output(void *channel) {
  struct bglssl_link *link = channel;
  int closed = atomic_fetch_or(&link->closed, OUTPUT_CLOSED);

  if (closed & OUTPUT_CLOSED) return 0;
  if (closed & INPUT_CLOSED)
    end_connection(link, closed);
  else if (!(closed & SOCKET_CLOSED) && atomic_load(&link->output_ends_stream))
    bglssl_link_in_steps(link, shutdown_step, NULL);
  bglssl_keep(link);
  return 0;
}

/* Ends our half of the stream; the port flushes what it has. */
void bglssl_socket_end_output(obj_t socket) {
  struct bglssl_link *link = bglssl_link_of_socket(socket);

  if (!link) return;
  if (PORT(SOCKET(socket).output).kindof == KINDOF_CLOSED) {
    if (!atomic_exchange(&link->output_ends_stream, true) &&
        !(atomic_load(&link->closed) & (INPUT_CLOSED | SOCKET_CLOSED)))
      bglssl_link_in_steps(link, shutdown_step, NULL);
  } else {
    atomic_store(&link->output_ends_stream, true);
    bgl_close_output_port(SOCKET(socket).output);
  }
  bglssl_keep(link);
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* Whether a write, or a copy, of this thread was left by an escape. Undoes what it left behind, but the port is not
 * written to any more: nobody knows how much of its buffer has gone out. */
static bool recover_from_escape(obj_t output) {
  if (!bglssl_port_lock_is_own(output)) return false;
  OUTPUT_PORT(output).err = BGL_IO_WRITE_ERROR;
  while (bglssl_port_lock_is_own(output)) BGL_MUTEX_UNLOCK(OUTPUT_PORT(output).mutex);
  return true;
}

/* A flush hook of the program's may raise, or escape. Until the deadline of the close it waits for the lock, which other threads
 * hold while they write, or copy to the port (send-chars): their bytes and the ones in the port's buffer belong together. */
void bglssl_link_flush(struct bglssl_link *link, obj_t socket) {
  obj_t output = SOCKET(socket).output;

  link->close_deadline = bglssl_microseconds() + link->close_limit;
  if (recover_from_escape(output)) return;
  atomic_store(&link->closer, pthread_self());
  atomic_store(&link->closing, true);
  if (!bglssl_port_lock_take(output, link->close_deadline)) {
    OUTPUT_PORT(output).err = BGL_IO_TIMEOUT_ERROR;
  } else {
    if (OUTPUT_PORT(output).err == 0 && PORT(output).kindof != KINDOF_CLOSED) bgl_output_flush(output, NULL, 0);
    BGL_MUTEX_UNLOCK(OUTPUT_PORT(output).mutex);
  }
  bglssl_keep(link);
}

void bglssl_link_closing(struct bglssl_link *link) {
  int64_t left = link->close_deadline - bglssl_microseconds();

  atomic_fetch_or(&link->closed, SOCKET_CLOSED);
  /* A writer, or the flush, may have used all the time; what is left to send is little then. */
  bgl_ssl_socket_set_close_timeout(link->handle, left > 0 ? left : link->close_limit > 0 ? 1 : 0);
  bglssl_link_in_steps(link, close_step, NULL);
  bglssl_keep(link);
}
