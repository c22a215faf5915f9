/* bench.c: what bench.scm measures, in the same words and the same order, with the C API.
 *
 *    bench CERTIFICATE KEY server WHAT COUNT THREADS      prints its port, serves, and ends
 *    bench CERTIFICATE KEY client WHAT COUNT THREADS PORT
 */
#include <bglssl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK 16384
#define KILOBYTE 1024
#define LINE 64
#define MOST_THREADS 64

typedef struct {
  const char *what;
  int count, threads, port;
  bgl_ssl_config_t *config;
  bgl_ssl_server_t *server;
} run_t;

static _Noreturn void die(const char *what) {
  bgl_ssl_error_t error = {.size = sizeof error};

  bgl_ssl_last_error(&error);
  fprintf(stderr, "%s: %s\n", what, error.message);
  exit(1);
}

static void write_all(bgl_ssl_socket_t *socket, const void *data, size_t size) {
  size_t n;

  if (bgl_ssl_socket_write(socket, data, size, &n) != BGL_SSL_OK) die("write");
}

static void read_all(bgl_ssl_socket_t *socket, size_t size) {
  char buffer[BLOCK];
  size_t n;

  for (; size > 0; size -= n)
    if (bgl_ssl_socket_read(socket, buffer, size < sizeof buffer ? size : sizeof buffer, &n) != BGL_SSL_OK) die("read");
}

/* The end that sends the data, and the one that receives them and says so. */
static void transfer(const run_t *run, bgl_ssl_socket_t *socket, bool sends) {
  static const char block[BLOCK];
  bool is_small = strcmp(run->what, "kilobytes") == 0, is_trips = strcmp(run->what, "trips") == 0;
  size_t size = is_trips ? LINE : is_small ? KILOBYTE : BLOCK;

  if (is_trips) {
    for (int i = 0; i < run->count; i++) {
      if (sends) write_all(socket, block, size);
      read_all(socket, size);
      if (!sends) write_all(socket, block, size);
    }
  } else if (sends) {
    for (int i = 0; i < run->count; i++) write_all(socket, block, size);
    read_all(socket, 1);
  } else {
    for (size_t left = size * (size_t)run->count; left > 0; left -= left < BLOCK ? left : BLOCK)
      read_all(socket, left < BLOCK ? left : BLOCK);
    write_all(socket, "y", 1);
  }
}

static void end(bgl_ssl_socket_t *socket) {
  if (bgl_ssl_socket_close(socket) != BGL_SSL_OK) die("close");
  bgl_ssl_socket_free(socket);
}

static void *serve(void *data) {
  run_t *run = data;
  bool is_handshake = strcmp(run->what, "handshake") == 0;

  for (int i = is_handshake ? run->count / run->threads : 1; i > 0; i--) {
    bgl_ssl_socket_t *socket;

    if (bgl_ssl_server_accept(run->server, 0, &socket) != BGL_SSL_OK) die("accept");
    if (is_handshake) {
      read_all(socket, 1);
      write_all(socket, "y", 1);
    } else {
      transfer(run, socket, strcmp(run->what, "down") == 0);
    }
    end(socket);
  }
  return NULL;
}

static void *visit(void *data) {
  run_t *run = data;
  bool is_handshake = strcmp(run->what, "handshake") == 0;

  for (int i = is_handshake ? run->count / run->threads : 1; i > 0; i--) {
    bgl_ssl_socket_t *socket = bgl_ssl_connect(run->config, "127.0.0.1", run->port, AF_INET);

    if (!socket) die("connect");
    if (is_handshake) {
      write_all(socket, "x", 1);
      read_all(socket, 1);
    } else {
      transfer(run, socket, strcmp(run->what, "down") != 0);
    }
    end(socket);
  }
  return NULL;
}

static void in_threads(run_t *run, void *(*body)(void *)) {
  pthread_t threads[MOST_THREADS];

  if (run->threads == 1) {
    body(run);
    return;
  }
  for (int i = 0; i < run->threads; i++) {
    if (pthread_create(&threads[i], NULL, body, run) != 0) {
      fputs("a thread cannot be made\n", stderr);
      exit(1);
    }
  }
  for (int i = 0; i < run->threads; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
  run_t run = {.config = bgl_ssl_config_new()};
  bool is_server;

  if (argc < 7) return 2;
  is_server = strcmp(argv[3], "server") == 0;
  run.what = argv[4];
  run.count = atoi(argv[5]);
  run.threads = atoi(argv[6]) < MOST_THREADS ? atoi(argv[6]) : MOST_THREADS;
  if (is_server) {
    if (bgl_ssl_config_set_certificate_file(run.config, argv[1], argv[2], NULL) != BGL_SSL_OK) die("certificate");
    run.server = bgl_ssl_listen(run.config, "127.0.0.1", 0, 1000, AF_INET);
    if (!run.server) die("listen");
    printf("%d\n", bgl_ssl_server_port(run.server));
    fflush(stdout);
  } else {
    /* As Scheme's clients do by default. */
    bgl_ssl_config_insecure_verify_none(run.config);
    run.port = argc > 7 ? atoi(argv[7]) : 0;
  }
  in_threads(&run, is_server ? serve : visit);
  bgl_ssl_server_free(run.server);
  bgl_ssl_config_free(run.config);
  return 0;
}
