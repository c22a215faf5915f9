/* memory_io.c: TLS whose bytes are in memory on their way, from where Scheme carries them on. Nothing here calls
 * Scheme, so that what a program's ports do, raise or escape never happens inside the library. */
#include <bigloo.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bglssl_bigloo.h"

extern obj_t string_to_bstring_len(char *text, int length);

struct queue {
  char *data;
  size_t length, space;
};

/* What the library's functions work on; one thread may read while another writes. */
struct memory {
  pthread_mutex_t lock;
  struct queue incoming, outgoing;
  bool has_ended, is_broken;
};

/* The library frees the memory after the socket, and both go with the box. */
struct memory_io {
  bgl_ssl_socket_t *socket;
  struct memory *memory;
};

static bool append(struct queue *queue, const char *data, size_t length) {
  if (length > queue->space - queue->length) {
    size_t space = 2 * (queue->length + length);
    char *grown = realloc(queue->data, space);

    if (!grown) return false;
    queue->data = grown;
    queue->space = space;
  }
  memcpy(queue->data + queue->length, data, length);
  queue->length += length;
  return true;
}

/* Idle connections hold no buffers. */
static void forget(struct queue *queue) {
  free(queue->data);
  memset(queue, 0, sizeof(*queue));
}

static bgl_ssl_status_t read_memory(void *user, void *buffer, size_t length, size_t *n) {
  struct memory *memory = user;
  struct queue *queue = &memory->incoming;
  bgl_ssl_status_t status = BGL_SSL_OK;

  pthread_mutex_lock(&memory->lock);
  if (queue->length == 0) {
    status = memory->has_ended ? BGL_SSL_EOF : BGL_SSL_WANT_READ;
  } else {
    *n = length < queue->length ? length : queue->length;
    memcpy(buffer, queue->data, *n);
    queue->length -= *n;
    memmove(queue->data, queue->data + *n, queue->length);
    if (queue->length == 0) forget(queue);
  }
  pthread_mutex_unlock(&memory->lock);
  return status;
}

static bgl_ssl_status_t write_memory(void *user, const void *buffer, size_t length, size_t *n) {
  struct memory *memory = user;
  bgl_ssl_status_t status = BGL_SSL_E_NO_MEMORY;

  pthread_mutex_lock(&memory->lock);
  if (memory->is_broken) {
    status = BGL_SSL_E_IO;
  } else if (append(&memory->outgoing, buffer, length)) {
    *n = length;
    status = BGL_SSL_OK;
  }
  pthread_mutex_unlock(&memory->lock);
  return status;
}

static void free_memory(void *user) {
  struct memory *memory = user;

  forget(&memory->incoming);
  forget(&memory->outgoing);
  pthread_mutex_destroy(&memory->lock);
  free(memory);
}

static void release(void *handle) {
  struct memory_io *io = handle;

  bgl_ssl_socket_free(io->socket);
  free(io);
}

/* The box of a connection before its handshake; NULL, and the library's last error says why. Raises if memory runs out. */
void *bglssl_memory_io(void *config, int role, obj_t hostname) {
  bgl_ssl_io_t functions = {
      .size = sizeof(functions), .read = read_memory, .write = write_memory, .free = free_memory};
  struct memory_io *io = malloc(sizeof(*io));
  struct memory *memory = calloc(1, sizeof(*memory));
  const char *name = STRINGP(hostname) ? BSTRING_TO_STRING(hostname) : NULL;

  if (!io || !memory) {
    free(io);
    free(memory);
    C_SYSTEM_FAILURE(BGL_ERROR, "ssl-ports", "memory ran out", hostname);
  }
  io->memory = memory;
  pthread_mutex_init(&memory->lock, NULL);
  io->socket = role == BGLSSL_ROLE_SERVER
                   ? bgl_ssl_upgrade_server_io(bglssl_unbox(config), &functions, memory, 0)
                   : bgl_ssl_upgrade_client_io(bglssl_unbox(config), &functions, memory, name, 0);
  bglssl_keep(config);
  if (!io->socket) {
    free(io);
    return NULL;
  }
  return bglssl_make_box(io, release);
}

static struct memory *memory_of(void *box) { return ((struct memory_io *)bglssl_unbox(box))->memory; }

void *bglssl_memory_socket(void *box) { return ((struct memory_io *)bglssl_unbox(box))->socket; }

/* What has come for the connection. False if there is no memory for it. */
bool_t bglssl_memory_feed(void *box, const char *data, long length) {
  struct memory *memory = memory_of(box);
  bool done;

  pthread_mutex_lock(&memory->lock);
  done = append(&memory->incoming, data, (size_t)length);
  pthread_mutex_unlock(&memory->lock);
  bglssl_keep(box);
  return done;
}

/* Nothing more will come. */
void bglssl_memory_end(void *box) {
  struct memory *memory = memory_of(box);

  pthread_mutex_lock(&memory->lock);
  memory->has_ended = true;
  pthread_mutex_unlock(&memory->lock);
  bglssl_keep(box);
}

/* Some of what was taken for sending is lost: nothing more can be sent. */
void bglssl_memory_break(void *box) {
  struct memory *memory = memory_of(box);

  pthread_mutex_lock(&memory->lock);
  memory->is_broken = true;
  forget(&memory->outgoing);
  pthread_mutex_unlock(&memory->lock);
  bglssl_keep(box);
}

/* What is to be sent, all of it. */
obj_t bglssl_memory_take(void *box) {
  struct memory *memory = memory_of(box);
  struct queue taken;
  obj_t bytes;

  pthread_mutex_lock(&memory->lock);
  taken = memory->outgoing;
  memset(&memory->outgoing, 0, sizeof(memory->outgoing));
  pthread_mutex_unlock(&memory->lock);
  bytes = string_to_bstring_len(taken.data ? taken.data : (char *)"", (int)taken.length);
  free(taken.data);
  bglssl_keep(box);
  return bytes;
}

/* These give the number of bytes, 0 for the end of the stream, or the status, negative, where wants are
 * BGLSSL_MEMORY_WANTS. */
static long outcome(void *box, bgl_ssl_status_t status, size_t n) {
  bglssl_keep(box);
  if (status == BGL_SSL_OK) return (long)n;
  if (status == BGL_SSL_EOF) return 0;
  return status > 0 ? BGLSSL_MEMORY_WANTS : status;
}

bgl_ssl_status_t bglssl_memory_handshake(bgl_ssl_socket_t *socket) {
  bgl_ssl_status_t status;

  bglssl_hold();
  status = bgl_ssl_socket_handshake(socket);
  bglssl_release();
  return status;
}

long bglssl_memory_read(void *box, char *buffer, long length) {
  size_t n = 0;
  bgl_ssl_status_t status = bgl_ssl_socket_read(bglssl_memory_socket(box), buffer, (size_t)length, &n);

  return outcome(box, status, n);
}

long bglssl_memory_write(void *box, const void *data, long length) {
  size_t n = 0;
  bgl_ssl_status_t status = bgl_ssl_socket_write(bglssl_memory_socket(box), data, (size_t)length, &n);

  return outcome(box, status, n);
}

/* After an escape out of a write or a flush of an output port. */
void bglssl_port_unlock(obj_t port) { BGL_MUTEX_UNLOCK(OUTPUT_PORT(port).mutex); }

/* How many bytes an input port has in its buffer. */
long bglssl_port_buffered(obj_t port) { return (long)RGC_BUFFER_AVAILABLE(port); }

/* Whether its reader has bytes of an operation that is under way, such as a part of a line. */
bool_t bglssl_port_partly_readp(obj_t port) { return INPUT_PORT(port).bufpos > INPUT_PORT(port).matchstart; }
