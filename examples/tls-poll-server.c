/* tls-poll-server: an echo server in one thread, over poll(2) and the non-blocking calls.
 *
 *   tls-poll-server --cert server.pem --key server.key --port 4433 --max 1000
 *
 * What it shows: no call ever waits. A call that cannot go on says what it waits for (BGL_SSL_WANT_READ,
 * BGL_SSL_WANT_WRITE); poll waits for that, on all connections at once; then the call is made again. The loop keeps
 * deadlines: silent clients are disconnected. It prints the port on which it listens, and ends on SIGTERM or
 * SIGINT with a line that says how many clients it has served. */

#define _GNU_SOURCE /* ppoll */
#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static const char help[] =
  "usage: tls-poll-server --cert FILE --key FILE [options]\n"
  "  --cert FILE      the server's certificate (PEM, followed by its chain)\n"
  "  --key FILE       its private key\n"
  "  --address NAME   listen on this address (default 127.0.0.1)\n"
  "  --port PORT      listen on this port (default 0: any free one)\n"
  "  --max N          hold at most so many connections (default 1000)\n";

enum { HANDSHAKE_SECONDS = 10, IDLE_SECONDS = 300, STEPS_A_TURN = 16 };

typedef struct {
  bgl_ssl_socket_t *socket;
  short events;          /* what poll is to wait for */
  time_t expires;        /* when to give up on this client */
  size_t sent, received; /* buffer[sent..received) is still to be echoed */
  char buffer[4096];
} connection_t;

static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static time_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

/* Goes on with a connection as far as it goes without waiting. Returns false when it is over. */
static bool step(connection_t *c) {
  for (int i = 0; i < STEPS_A_TURN; i++) {
    bgl_ssl_status_t status;
    size_t n;

    if (c->sent < c->received) {
      status = bgl_ssl_socket_write(c->socket, c->buffer + c->sent, c->received - c->sent, &n);
      if (status == BGL_SSL_OK) c->sent += n;
    } else {
      status = bgl_ssl_socket_read(c->socket, c->buffer, sizeof c->buffer, &n);
      if (status == BGL_SSL_OK) {
        c->sent = 0;
        c->received = n;
      }
    }

    switch (status) {
    case BGL_SSL_OK:
      c->expires = now() + IDLE_SECONDS;
      break;
    case BGL_SSL_WANT_READ:
      c->events = POLLIN;
      return true;
    case BGL_SSL_WANT_WRITE:
      c->events = POLLOUT;
      return true;
    case BGL_SSL_EOF:
      bgl_ssl_socket_close(c->socket);
      return false;
    default:
      fprintf(stderr, "tls-poll-server: %s\n", bgl_ssl_error_message());
      return false;
    }
  }
  /* A busy client: let the others have their turn. What the library has already decrypted is invisible to poll, but a
   * connection that can also be written to is soon back here. */
  c->events = POLLIN | POLLOUT;
  return true;
}

/* Takes the clients that are waiting, without waiting for more. */
static size_t accept_some(const bgl_ssl_server_t *server, connection_t **connections, size_t n, size_t max) {
  while (n < max) {
    bgl_ssl_socket_t *socket;
    bgl_ssl_status_t status = bgl_ssl_server_accept(server, BGL_SSL_NO_WAIT, &socket);
    if (status == BGL_SSL_WANT_READ) return n;
    if (status != BGL_SSL_OK) fail("cannot accept");

    connection_t *c = calloc(1, sizeof *c);
    if (!c || bgl_ssl_socket_set_nonblocking(socket, true) != BGL_SSL_OK) {
      bgl_ssl_socket_free(socket);
      free(c);
      continue;
    }
    c->socket = socket;
    c->events = POLLIN; /* the client speaks first */
    c->expires = now() + HANDSHAKE_SECONDS;
    connections[n++] = c;
  }
  return n;
}

static void end(connection_t *c) {
  bgl_ssl_socket_free(c->socket);
  free(c);
}

/* Each connection needs a descriptor, and so do a few other things: returns how many connections of max there can be,
 * having raised the limit as far as the system allows. */
static int within_descriptor_limit(int max) {
  enum { OTHERS = 16 };
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return max;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max >= (rlim_t)max + OTHERS ? max : (int)limit.rlim_max - OTHERS;
}

/* Has SIGINT and SIGTERM end the loop. They are blocked but while ppoll waits, with the mask that was there before: none
 * can slip in between the look at stopping and the wait. */
static void stop_on_signals(sigset_t *before) {
  sigset_t blocked;
  struct sigaction action = {.sa_handler = stop};

  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, before);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv) {
  enum { CERT = 256, KEY, ADDRESS, PORT, MAX, HELP };
  static const struct option options[] = {
    {"cert", required_argument, NULL, CERT}, {"key", required_argument, NULL, KEY},
    {"address", required_argument, NULL, ADDRESS}, {"port", required_argument, NULL, PORT},
    {"max", required_argument, NULL, MAX},   {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
  };
  const char *cert = NULL, *key = NULL, *address = "127.0.0.1";
  int port = 0, max = 1000, option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
    case CERT: cert = optarg; break;
    case KEY: key = optarg; break;
    case ADDRESS: address = optarg; break;
    case PORT: port = port_number(optarg); break;
    case MAX: max = atoi(optarg); break;
    case HELP: fputs(help, stdout); return 0;
    default: fputs(help, stderr); return 2;
    }
  }
  if (!cert || !key) usage_error("--cert and --key are needed");
  if (max < 1) usage_error("--max is a number from 1");
  max = within_descriptor_limit(max);

  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (!config) fail("cannot make a config");
  show_certificate(config, cert, key);
  bgl_ssl_config_set_lazy_handshake(config, true); /* the handshake happens bit by bit, in step */
  bgl_ssl_config_set_close_timeout(config, 0);     /* a close does not wait either */

  bgl_ssl_server_t *server = bgl_ssl_listen(config, address, port, 1024, AF_UNSPEC);
  if (!server) fail("cannot listen");
  bgl_ssl_config_free(config);

  sigset_t before;
  stop_on_signals(&before);

  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("listening on %s port %d\n", address, bgl_ssl_server_port(server));

  connection_t **connections = calloc((size_t)max, sizeof *connections);
  struct pollfd *fds = calloc((size_t)max + 1, sizeof *fds);
  size_t n = 0, peak = 0, served = 0;
  if (!connections || !fds) {
    perror("tls-poll-server");
    return 1;
  }

  while (!stopping) {
    /* When all places are taken, new clients wait in the backlog. */
    fds[0] = (struct pollfd){.fd = n < (size_t)max ? bgl_ssl_server_fd(server) : -1, .events = POLLIN};
    for (size_t i = 0; i < n; i++)
      fds[i + 1] = (struct pollfd){.fd = bgl_ssl_socket_fd(connections[i]->socket), .events = connections[i]->events};

    struct timespec second = {.tv_sec = 1};
    if (ppoll(fds, n + 1, n > 0 ? &second : NULL, &before) < 0) {
      if (errno == EINTR) continue;
      perror("tls-poll-server: poll");
      return 1;
    }

    /* From the last to the first, so that the last one can take the place of one that has ended. */
    time_t time = now();
    for (size_t i = n; i-- > 0;) {
      connection_t *c = connections[i];
      bool alive = fds[i + 1].revents ? step(c) : time < c->expires;
      if (!alive) {
        end(c);
        connections[i] = connections[--n];
      }
    }

    if (fds[0].revents) {
      size_t before_accept = n;
      n = accept_some(server, connections, n, (size_t)max);
      served += n - before_accept;
    }
    if (n > peak) peak = n;
  }

  printf("served %zu clients, at most %zu at a time\n", served, peak);
  while (n > 0) end(connections[--n]);
  free(connections);
  free(fds);
  bgl_ssl_server_free(server);
  return 0;
}
