/* plain.c: Bigloo sockets and their ports, as the runtime makes them, before they come to a connection. */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

#ifndef BGL_MAKE_HEADER
#define BGL_MAKE_HEADER MAKE_HEADER
#endif

/* Of Bigloo's runtime, which declares none of these in bigloo.h. */
extern obj_t bgl_make_input_port(obj_t name, FILE *file, obj_t kind, obj_t buffer);
extern obj_t bgl_close_input_port(obj_t port);
extern void bgl_output_port_buffer_set(obj_t port, obj_t buffer);
extern long bgl_read(obj_t port, char *buffer, long size);
extern ssize_t bgl_syswrite();
extern obj_t make_string_sans_fill();

void bglssl_fail(obj_t proc, const char *what, int number, obj_t where) {
  char message[256];

  snprintf(message, sizeof(message), "%s: %s", what, strerror(number));
  SYSTEM_FAILURE(BGL_IO_ERROR, SYMBOLP(proc) ? SYMBOL_TO_STRING(proc) : proc,
                 string_to_bstring(message), where);
}

/* TLS gathers records itself. Without this an answer would wait, some 40 ms, until the
 * peer has acknowledged the handshake's last message. */
void bglssl_send_at_once(int fd) {
  int on = 1;

  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void bglssl_set_nonblocking(int fd, bool nonblocking) {
  int flags = fcntl(fd, F_GETFL);
  int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

  if (flags >= 0 && flags != wanted) fcntl(fd, F_SETFL, wanted);
}

obj_t bglssl_allocate_socket(int fd, int port, obj_t hostname, obj_t hostip, int type) {
  obj_t socket = (void *)GC_MALLOC(SOCKET_SIZE);

  socket->socket.header = BGL_MAKE_HEADER(SOCKET_TYPE, 0);
  socket->socket.portnum = port;
  socket->socket.hostname = hostname;
  socket->socket.hostip = hostip;
  socket->socket.family = AF_INET;
  socket->socket.fd = fd;
  socket->socket.input = BFALSE;
  socket->socket.output = BFALSE;
  socket->socket.stype = type;
  socket->socket.chook = BFALSE;
  socket->socket.accept = 0;
  socket->socket.userdata = NULL;
  return BREF(socket);
}

/* Skips forward, as the runtime's own socket ports do; a stream cannot go back. */
static void seek_input(void *object, long offset) {
  obj_t port = object;
  long position = INPUT_PORT(port).filepos;
  char skipped[1024];

  if (offset < position)
    C_SYSTEM_FAILURE(BGL_IO_PORT_ERROR, "set-input-port-position!", "a socket cannot be rewound",
                     port);
  while (position < offset) {
    long want = offset - position;
    long got = bgl_rgc_blit_string(port, skipped, 0,
                                   want > (long)sizeof(skipped) ? (long)sizeof(skipped) : want);

    if (got <= 0) break;
    position += got;
  }
}

/* What is written to an unbuffered port goes out at once: it has no space at all, and not
 * the two bytes that the runtime takes for unbuffered. */
void bglssl_set_buffering(obj_t port) {
  if (STRING_LENGTH(OUTPUT_PORT(port).buf) <= 2) {
    bgl_output_port_buffer_set(port, make_string_sans_fill(0));
    OUTPUT_PORT(port).bufmode = BGL_IONB;
  }
}

/* How ports are closed that never come to a connection: the runtime has nothing for those
 * that it has not made itself. */
static int close_descriptor(void *descriptor) { return close((int)(long)descriptor); }

obj_t bglssl_make_ports(obj_t socket, int output, obj_t inbuf, obj_t outbuf) {
  FILE *file = fdopen(SOCKET(socket).fd, "r");

  if (!file) return BFALSE;
  SOCKET(socket).input =
      bgl_make_input_port(SOCKET(socket).hostname, file, KINDOF_SOCKET, inbuf);
  INPUT_PORT(SOCKET(socket).input).sysread = (long (*)(void *, char *, long))bgl_read;
  INPUT_PORT(SOCKET(socket).input).sysseek = (void (*)(void *, long))seek_input;
  PORT(SOCKET(socket).input).sysclose = (int (*)(void *))fclose;
  /* The runtime's own have this name. */
  SOCKET(socket).output =
      bgl_make_output_port(socket, (bgl_stream_t)output, BGL_STREAM_TYPE_FD, KINDOF_SOCKET, outbuf,
                           (ssize_t (*)(void *, void *, size_t))bgl_syswrite, NULL, close_descriptor);
  return socket;
}

void bglssl_close_plain(obj_t socket) {
  SOCKET(socket).fd = -1;
  bgl_close_input_port(SOCKET(socket).input);
  bgl_close_output_port(SOCKET(socket).output);
}
