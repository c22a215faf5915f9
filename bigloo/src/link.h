/* link.h: the connection behind the ports of a Bigloo socket.
 *
 * A connection has two descriptors of one socket. The input port keeps its own, so that
 * Bigloo's runtime can poll it and set time-outs on it; the output port's is the
 * library's, which closes it. What ties them together is the link: both ports and the
 * socket point to it, and once none of them is reachable its finalizer gives everything
 * back.
 *
 * ports.c makes links, port_reading.c and port_writing.c have what the ports call to read and
 * to write, port_lock.c the output port's lock, port_closing.c what ends a connection.
 */
#ifndef BGLSSL_LINK_H
#define BGLSSL_LINK_H

#include <stdatomic.h>
#include <sys/types.h>

#include "bglssl_bigloo.h"
#include "body.h"

#define INPUT_CLOSED 1
#define OUTPUT_CLOSED 2
#define SOCKET_CLOSED 4

/* How long a close that waits for a writer looks away, and a writer that waits for a step of another thread. */
#define WRITER_RECHECK_US 1000

/* The collector scans it for `weight`: nothing else in it may look like a reference to an object of the
 * collector, or links would refer to themselves, and never be finalized. */
struct bglssl_link {
  const void *tag;
  bgl_ssl_socket_t *handle;
  struct bglssl_turns turns;
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
   * descriptor shows that: see bglssl_link_show_more. */
  atomic_bool more;
  bool shows_more;
  /* Whether something was written since the latest read: then that is waited for first. */
  atomic_bool has_asked;
  /* Whether closing the output port tells the peer: see bglssl_port_close_output. */
  atomic_bool output_ends_stream;
  /* Whether the peer ended the stream without close_notify, and whether reads raise then. */
  atomic_bool truncated, raises_truncation;
  /* Where the latest read ended in memory, inverted: see is_within_an_operation. */
  uintptr_t read_end;
  /* The latest reader, and how many there are. */
  _Atomic pthread_t reader;
  atomic_int readers;
  atomic_long read_limit;
  atomic_long write_limit;
  /* Of a handshake that is still to come, in microseconds; 0 for none. */
  long handshake_limit;
  /* Whether a thread, `closer`, closes the socket, and flushes the port for that. */
  atomic_bool closing;
  pthread_mutex_t lock;
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

/* ports.c */
void bglssl_link_show_more(struct bglssl_link *link, bool more);
void bglssl_link_raise(struct bglssl_link *link, const char *proc);
obj_t bglssl_link_name(const struct bglssl_link *link);
long bglssl_read_limit(obj_t port, const void *unwrapped);
long bglssl_write_limit(obj_t port, const void *unwrapped);
bool bglssl_link_is_shaken(struct bglssl_link *link);
void bglssl_link_limit_handshake(struct bglssl_link *link, long limit);
void bglssl_link_give_weight(struct bglssl_link *link);

/* port_reading.c */
long bglssl_port_read(void *port, char *buffer, long size);
long bglssl_port_read_limited(void *port, char *buffer, long size);
bool bglssl_link_is_read_closed(struct bglssl_link *link);
bool bglssl_link_has_readers(const struct bglssl_link *link);

/* port_writing.c */
ssize_t bglssl_port_write(void *port, void *buffer, size_t size);
long bglssl_port_seek(void *channel, long offset, int whence);

/* port_lock.c */
void bglssl_port_lock_attach(obj_t port);
bool bglssl_port_lock_is_own(obj_t port);
bool bglssl_port_lock_take(obj_t port, int64_t deadline);

/* port_closing.c */
int bglssl_port_close_input(void *stream);
int bglssl_port_close_output(void *channel);
void bglssl_link_close_stream(struct bglssl_link *link, FILE *file);

#endif
