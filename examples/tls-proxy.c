/* tls-proxy CHAIN KEY PORT BACKEND-HOST BACKEND-PORT: speaks TLS with clients, and plain TCP with the server behind.
 *
 * What it shows: one thread, poll(2) and the non-blocking calls, in both directions at once; the end of one direction
 * is passed on while the other goes on; time limits by bgl_ssl_socket_timeout. A truncated stream is not passed on as a
 * complete one: the connection to the backend is reset. */
#define _GNU_SOURCE /* SOCK_NONBLOCK */
#include <bglssl.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256, STEPS_A_TURN = 16 };

typedef struct {
  char data[16384];
  size_t start, end; /* data[start..end) is still to be written */
  bool is_over;      /* nothing more comes from the reading side */
  bool is_shut;      /* and the writing side knows that */
} direction_t;

typedef struct {
  bgl_ssl_socket_t *tls;
  int plain;
  direction_t to_plain, to_tls;
  short tls_events, plain_events; /* what poll is to wait for */
} connection_t;

typedef enum { PROGRESS, WAITS, FAILED } step_t;

static connection_t *connections[MAX_CONNECTIONS];
static size_t n_connections;
static struct addrinfo *backend;

static int fail(const char *what) {
  fprintf(stderr, "tls-proxy: %s: %s\n", what, bgl_ssl_error_message());
  return 1;
}

static step_t after_tls(connection_t *c, bgl_ssl_status_t status) {
  if (status == BGL_SSL_OK) return PROGRESS;
  if (status == BGL_SSL_WANT_READ) return c->tls_events |= POLLIN, WAITS;
  if (status == BGL_SSL_WANT_WRITE) return c->tls_events |= POLLOUT, WAITS;
  return fail("a client"), FAILED;
}

static step_t after_plain(connection_t *c, ssize_t result, short event) {
  if (result >= 0 || errno == EINTR) return PROGRESS;
  if (errno == EAGAIN) return c->plain_events |= event, WAITS;
  return perror("tls-proxy: the backend"), FAILED;
}

static step_t client_to_backend(connection_t *c) {
  direction_t *d = &c->to_plain;

  if (d->start < d->end) {
    ssize_t n = send(c->plain, d->data + d->start, d->end - d->start, MSG_NOSIGNAL);
    if (n > 0) d->start += (size_t)n;
    return after_plain(c, n, POLLOUT);
  }
  if (!d->is_over) {
    bgl_ssl_status_t status = bgl_ssl_socket_read(c->tls, d->data, sizeof d->data, &d->end);
    d->start = 0;
    if (status != BGL_SSL_OK) d->end = 0;
    d->is_over = status == BGL_SSL_EOF;
    return d->is_over ? PROGRESS : after_tls(c, status);
  }
  if (d->is_shut) return WAITS;
  d->is_shut = true;
  return after_plain(c, shutdown(c->plain, SHUT_WR), 0);
}

static step_t backend_to_client(connection_t *c) {
  direction_t *d = &c->to_tls;
  size_t written;

  if (d->start < d->end) {
    bgl_ssl_status_t status = bgl_ssl_socket_write(c->tls, d->data + d->start, d->end - d->start, &written);
    if (status == BGL_SSL_OK) d->start += written;
    return after_tls(c, status);
  }
  if (!d->is_over) {
    ssize_t n = recv(c->plain, d->data, sizeof d->data, 0);
    d->start = 0;
    d->end = n > 0 ? (size_t)n : 0;
    d->is_over = n == 0;
    return after_plain(c, n, POLLIN);
  }
  if (d->is_shut) return WAITS;
  step_t step = after_tls(c, bgl_ssl_socket_shutdown(c->tls));
  d->is_shut = step == PROGRESS;
  return step;
}

/* Goes on as far as that is possible without waiting. False once the connection is over. */
static bool go_on(connection_t *c) {
  c->tls_events = c->plain_events = 0;
  for (int i = 0; i < STEPS_A_TURN; i++) {
    step_t up = client_to_backend(c), down = backend_to_client(c);
    if (up == FAILED || down == FAILED) return false;
    if (c->to_plain.is_shut && c->to_tls.is_shut) return false;
    if (up == WAITS && down == WAITS) return true;
  }
  c->tls_events = POLLIN | POLLOUT; /* the others' turn; a socket that can be written to is soon back here */
  return true;
}

static void end(size_t i) {
  connection_t *c = connections[i];
  bool is_complete = c->to_plain.is_shut && c->to_tls.is_shut;
  struct linger reset = {.l_onoff = 1};

  if (!is_complete) setsockopt(c->plain, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(c->plain);
  if (is_complete) bgl_ssl_socket_close(c->tls); /* without it the client sees a truncation */
  bgl_ssl_socket_free(c->tls);
  free(c);
  connections[i] = connections[--n_connections];
}

static void accept_one(const bgl_ssl_server_t *server) {
  bgl_ssl_socket_t *tls;
  bgl_ssl_status_t status = bgl_ssl_server_accept(server, BGL_SSL_NO_WAIT, &tls);
  if (status == BGL_SSL_WANT_READ) return;
  if (status != BGL_SSL_OK) {
    fail("cannot accept");
    return;
  }

  connection_t *c = calloc(1, sizeof *c);
  int plain = socket(backend->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  bool is_ready = c && plain >= 0 && bgl_ssl_socket_set_nonblocking(tls, true) == BGL_SSL_OK
                  && (connect(plain, backend->ai_addr, backend->ai_addrlen) == 0 || errno == EINPROGRESS);
  if (!is_ready) {
    if (plain >= 0) close(plain);
    bgl_ssl_socket_free(tls);
    free(c);
    return;
  }
  c->tls = tls;
  c->plain = plain;
  connections[n_connections++] = c;
  if (!go_on(c)) end(n_connections - 1);
}

/* Milliseconds until the first time limit of a connection; -1 if none has one. */
static int next_timeout(void) {
  int64_t next = -1;
  for (size_t i = 0; i < n_connections; i++) {
    int64_t us = bgl_ssl_socket_timeout(connections[i]->tls);
    if (us >= 0 && (next < 0 || us < next)) next = us;
  }
  return next < 0 ? -1 : (int)((next + 999) / 1000);
}

int main(int argc, char **argv) {
  static struct pollfd fds[1 + 2 * MAX_CONNECTIONS];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

  if (argc != 6 || getaddrinfo(argv[4], argv[5], &hints, &backend) != 0)
    return fprintf(stderr, "usage: tls-proxy CHAIN KEY PORT BACKEND-HOST BACKEND-PORT\n"), 2;
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  bgl_ssl_config_set_lazy_handshake(config, true); /* handshakes happen bit by bit, in reads */
  bgl_ssl_config_set_read_timeout(config, 300 * 1000000);
  bgl_ssl_config_set_close_timeout(config, 0);
  if (bgl_ssl_config_set_certificate_file(config, argv[1], argv[2], NULL) != BGL_SSL_OK) return fail(argv[1]);
  bgl_ssl_server_t *server = bgl_ssl_listen(config, NULL, atoi(argv[3]), 128, AF_UNSPEC);
  if (!server) return fail("cannot listen");
  printf("port %d\n", bgl_ssl_server_port(server)), fflush(stdout);

  for (;;) {
    fds[0] = (struct pollfd){n_connections < MAX_CONNECTIONS ? bgl_ssl_server_fd(server) : -1, POLLIN, 0};
    for (size_t i = 0; i < n_connections; i++) {
      connection_t *c = connections[i];
      /* Without events poll would still report a hang-up, again and again: a negative descriptor is not looked at. */
      fds[2 * i + 1] = (struct pollfd){c->tls_events ? bgl_ssl_socket_fd(c->tls) : -1, c->tls_events, 0};
      fds[2 * i + 2] = (struct pollfd){c->plain_events ? c->plain : -1, c->plain_events, 0};
    }
    if (poll(fds, 1 + 2 * n_connections, next_timeout()) < 0 && errno != EINTR) return perror("tls-proxy: poll"), 1;
    for (size_t i = n_connections; i-- > 0;) /* backwards: the last one takes the place of one that has ended */
      if (fds[2 * i + 1].revents || fds[2 * i + 2].revents || bgl_ssl_socket_timeout(connections[i]->tls) == 0)
        if (!go_on(connections[i])) end(i);
    if (fds[0].revents) accept_one(server);
  }
}
