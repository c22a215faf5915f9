/* bench: bglssl beside raw OpenSSL, both ends in C, in the same run.
 *
 *   bench [-r ROUNDS] [-s SCALE] [WORD ...]       only the scenarios whose names contain one of the words
 *   bench -o bglssl|openssl [-s SCALE] WORD ...   only that side, once: for profilers
 *
 * Each measurement has two fresh processes, a server and a client, on 127.0.0.1. The two libraries take turns; what
 * counts is the median, over all rounds, of the ratio of two measurements made one after the other. */

#include "side.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99, MAX_THREADS = 16, DEADLINE_SECONDS = 120 };

typedef struct scenario scenario_t;

/* Whose clients wait, before they close, until the server has said goodbye as well. bglssl's do by default. */
typedef enum { BOTH_WAIT, NONE_WAITS, BGLSSL_WAITS } goodbye_t;

struct scenario {
  const char *name, *unit;
  void (*server)(const scenario_t *, const side_t *, void *server, int result_fd);
  void (*client)(const scenario_t *, const side_t *, void *client, int port, int result_fd);
  bool server_measures; /* which of the two writes the result */
  bool less_is_better;
  int threads;
  size_t count; /* connections, messages */
  size_t size;  /* bytes of a message */
  bool client_certificates, resume;
  goodbye_t goodbye;
};

_Noreturn void die(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why ? why : "unknown reason");
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_result(int fd, double result) {
  if (write(fd, &result, sizeof result) != sizeof result) die("result", strerror(errno));
}

static void read_exactly(const side_t *side, void *connection, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    size_t n = side->read(connection, at, size);
    if (n == 0) die("read", "the peer has closed the connection");
    at += n;
    size -= n;
  }
}

static void end_client(const scenario_t *scenario, const side_t *side, void *connection) {
  bool wait = scenario->goodbye == BOTH_WAIT || (scenario->goodbye == BGLSSL_WAITS && side == &side_bglssl);
  side->close(connection, wait);
}

/* The client has said goodbye, so there is nothing to wait for. */
static void end_server(const side_t *side, void *connection) {
  side->close(connection, false);
}

/* ------------------------------------------------------------------------------------------------------ handshakes */

/* A thread's share of the connections is not fixed: each takes the next. */
typedef struct {
  const scenario_t *scenario;
  const side_t *side;
  void *handle;
  int port;
  atomic_long left;
} crowd_t;

static void in_threads(int threads, void *(*run)(void *), crowd_t *crowd) {
  pthread_t ids[MAX_THREADS];
  for (int i = 0; i < threads; i++)
    if (pthread_create(&ids[i], NULL, run, crowd) != 0) die("thread", strerror(errno));
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
}

/* The client's byte is answered, then the client says goodbye. */
static void serve_one(const side_t *side, void *server) {
  void *connection = side->accept(server);
  char byte;
  read_exactly(side, connection, &byte, 1);
  side->write(connection, &byte, 1);
  if (side->read(connection, &byte, 1) != 0) die("server", "more data than expected");
  end_server(side, connection);
}

static void *accept_share(void *argument) {
  crowd_t *crowd = argument;
  while (atomic_fetch_sub(&crowd->left, 1) > 0) serve_one(crowd->side, crowd->handle);
  return NULL;
}

static void *connect_share(void *argument) {
  crowd_t *crowd = argument;
  const side_t *side = crowd->side;
  char byte = 'x';

  while (atomic_fetch_sub(&crowd->left, 1) > 0) {
    void *connection = side->connect(crowd->handle, crowd->port);
    side->write(connection, &byte, 1);
    read_exactly(side, connection, &byte, 1);
    if (side->resumed(connection) != crowd->scenario->resume) die("client", "resumption is not as expected");
    end_client(crowd->scenario, side, connection);
  }
  return NULL;
}

static void handshake_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  serve_one(side, server); /* the first connection is not measured: it builds contexts and gives the session */
  crowd_t crowd = {.scenario = scenario, .side = side, .handle = server, .left = (long)scenario->count};
  in_threads(scenario->threads, accept_share, &crowd);
}

static void handshake_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  char byte = 'x';
  void *first = side->connect(client, port);
  side->write(first, &byte, 1);
  read_exactly(side, first, &byte, 1);
  if (scenario->resume) side->save_session(client, first);
  end_client(scenario, side, first);

  crowd_t crowd = {
    .scenario = scenario, .side = side, .handle = client, .port = port, .left = (long)scenario->count};
  double start = now();
  in_threads(scenario->threads, connect_share, &crowd);
  put_result(result_fd, (double)scenario->count / (now() - start));
}

/* ------------------------------------------------------------------------------------------------------------ bulk */

static void send_bulk(const scenario_t *scenario, const side_t *side, void *connection) {
  char *data = calloc(1, scenario->size);
  for (size_t i = 0; i < scenario->count; i++) side->write(connection, data, scenario->size);
  free(data);
}

static void receive_bulk(const scenario_t *scenario, const side_t *side, void *connection) {
  static char data[16384];
  for (size_t left = scenario->count * scenario->size; left > 0;) {
    size_t n = side->read(connection, data, sizeof data);
    if (n == 0 || n > left) die("bulk", "the connection gave too little or too much");
    left -= n;
  }
}

static void upload_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  void *connection = side->accept(server);
  receive_bulk(scenario, side, connection);
  side->write(connection, "k", 1);
  end_server(side, connection);
}

static void upload_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  void *connection = side->connect(client, port);
  char byte;
  double start = now();
  send_bulk(scenario, side, connection);
  read_exactly(side, connection, &byte, 1);
  put_result(result_fd, (double)(scenario->count * scenario->size) / 1e6 / (now() - start));
  end_client(scenario, side, connection);
}

static void download_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  void *connection = side->accept(server);
  char byte;
  read_exactly(side, connection, &byte, 1);
  send_bulk(scenario, side, connection);
  if (side->read(connection, &byte, 1) != 0) die("server", "more data than expected");
  end_server(side, connection);
}

static void download_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  void *connection = side->connect(client, port);
  double start = now();
  side->write(connection, "g", 1);
  receive_bulk(scenario, side, connection);
  put_result(result_fd, (double)(scenario->count * scenario->size) / 1e6 / (now() - start));
  end_client(scenario, side, connection);
}

/* ----------------------------------------------------------------------------------------------------- round trips */

static void echo_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  char *data = calloc(1, scenario->size);
  void *connection = side->accept(server);
  for (size_t i = 0; i < scenario->count; i++) {
    read_exactly(side, connection, data, scenario->size);
    side->write(connection, data, scenario->size);
  }
  if (side->read(connection, data, 1) != 0) die("server", "more data than expected");
  end_server(side, connection);
  free(data);
}

static void echo_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  char *data = calloc(1, scenario->size);
  void *connection = side->connect(client, port);
  double start = now();
  for (size_t i = 0; i < scenario->count; i++) {
    side->write(connection, data, scenario->size);
    read_exactly(side, connection, data, scenario->size);
  }
  put_result(result_fd, (double)scenario->count / (now() - start));
  end_client(scenario, side, connection);
  free(data);
}

/* ---------------------------------------------------------------------------------------------------------- memory */

static double heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return (double)(info.uordblks + info.hblkhd);
}

/* Clients stay idle until the server closes them, so that all are there when the memory is measured. The first
 * connection is made before: it pays for what all share. */
static void idle_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  void **connections = calloc(scenario->count + 1, sizeof *connections);
  double before = 0;
  char byte;
  for (size_t i = 0; i <= scenario->count; i++) {
    connections[i] = side->accept(server);
    read_exactly(side, connections[i], &byte, 1);
    side->write(connections[i], &byte, 1);
    if (i == 0) before = heap_bytes();
  }
  put_result(result_fd, (heap_bytes() - before) / 1024 / (double)scenario->count);
  for (size_t i = 0; i <= scenario->count; i++) side->close(connections[i], false);
  free(connections);
}

static void idle_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  (void)result_fd;
  void **connections = calloc(scenario->count + 1, sizeof *connections);
  char byte = 'x';
  for (size_t i = 0; i <= scenario->count; i++) {
    connections[i] = side->connect(client, port);
    side->write(connections[i], &byte, 1);
    read_exactly(side, connections[i], &byte, 1);
  }
  for (size_t i = 0; i <= scenario->count; i++) {
    if (side->read(connections[i], &byte, 1) != 0) die("client", "more data than expected");
    end_client(scenario, side, connections[i]);
  }
  free(connections);
}

/* ------------------------------------------------------------------------------------------------------- scenarios */

#define HANDSHAKES .unit = "/s", .server = handshake_server, .client = handshake_client

static const scenario_t scenarios[] = {
  {.name = "handshakes full, 1 thread", HANDSHAKES, .threads = 1, .count = 600},
  {.name = "handshakes full, 1 thread, no client waits", HANDSHAKES, .threads = 1, .count = 600, .goodbye = NONE_WAITS},
  {.name = "handshakes full, 1 thread, only bglssl waits", HANDSHAKES, .threads = 1, .count = 600,
   .goodbye = BGLSSL_WAITS},
  {.name = "handshakes full, 8 threads", HANDSHAKES, .threads = 8, .count = 800},
  {.name = "handshakes resumed, 1 thread", HANDSHAKES, .threads = 1, .count = 800, .resume = true},
  {.name = "handshakes resumed, 8 threads", HANDSHAKES, .threads = 8, .count = 1200, .resume = true},
  {.name = "handshakes with client certificates, 1 thread", HANDSHAKES, .threads = 1, .count = 400,
   .client_certificates = true},
  {.name = "handshakes with client certificates, 8 threads", HANDSHAKES, .threads = 8, .count = 600,
   .client_certificates = true},
  {.name = "bulk to the server, 16 kB writes", .unit = "MB/s", .server = upload_server, .client = upload_client,
   .count = 16384, .size = 16384},
  {.name = "bulk to the server, 1 kB writes", .unit = "MB/s", .server = upload_server, .client = upload_client,
   .count = 100000, .size = 1024},
  {.name = "bulk to the client, 16 kB writes", .unit = "MB/s", .server = download_server, .client = download_client,
   .count = 16384, .size = 16384},
  {.name = "bulk to the client, 1 kB writes", .unit = "MB/s", .server = download_server, .client = download_client,
   .count = 100000, .size = 1024},
  {.name = "round trips of 64 bytes", .unit = "/s", .server = echo_server, .client = echo_client,
   .count = 15000, .size = 64},
  {.name = "round trips of 16 kB", .unit = "/s", .server = echo_server, .client = echo_client,
   .count = 6000, .size = 16384},
  {.name = "memory of an idle connection", .unit = "kB", .server = idle_server, .client = idle_client,
   .server_measures = true, .less_is_better = true, .count = 1000},
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* ----------------------------------------------------------------------------------------------------- measurements */

typedef struct {
  double result;
  double cpu; /* seconds of processor time, of both processes */
} measure_t;

static double processor_seconds(pid_t pid) {
  struct rusage usage;
  int status;
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) die("measurement", "a process has failed");
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static measure_t measure(const scenario_t *scenario, const side_t *side, const pki_t *pki) {
  int port_pipe[2], result_pipe[2];
  if (pipe(port_pipe) != 0 || pipe(result_pipe) != 0) die("pipe", strerror(errno));

  pid_t server_pid = fork();
  if (server_pid == 0) {
    alarm(DEADLINE_SECONDS);
    void *server = side->listen(pki, scenario->client_certificates);
    int port = side->port(server);
    if (write(port_pipe[1], &port, sizeof port) != sizeof port) die("port", strerror(errno));
    scenario->server(scenario, side, server, result_pipe[1]);
    _exit(0);
  }
  pid_t client_pid = fork();
  if (client_pid == 0) {
    alarm(DEADLINE_SECONDS);
    close(port_pipe[1]);
    int port;
    if (read(port_pipe[0], &port, sizeof port) != sizeof port) die("client", "the server did not start");
    void *client = side->client(pki, scenario->client_certificates);
    scenario->client(scenario, side, client, port, result_pipe[1]);
    _exit(0);
  }
  if (server_pid < 0 || client_pid < 0) die("fork", strerror(errno));
  close(port_pipe[0]);
  close(port_pipe[1]);
  close(result_pipe[1]);

  measure_t m;
  m.cpu = processor_seconds(client_pid) + processor_seconds(server_pid);
  if (read(result_pipe[0], &m.result, sizeof m.result) != sizeof m.result) die("measurement", "there is no result");
  close(result_pipe[0]);
  return m;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void compare_sides(const scenario_t *scenario, const pki_t *pki, int rounds) {
  double ours[MAX_ROUNDS], raw[MAX_ROUNDS], ratio[MAX_ROUNDS], cpu[MAX_ROUNDS];

  for (int i = 0; i < rounds; i++) {
    /* Whoever goes first may find the machine in another state: they take turns in that, too. */
    measure_t a, b;
    if (i % 2 == 0) {
      a = measure(scenario, &side_bglssl, pki);
      b = measure(scenario, &side_openssl, pki);
    } else {
      b = measure(scenario, &side_openssl, pki);
      a = measure(scenario, &side_bglssl, pki);
    }
    ours[i] = a.result;
    raw[i] = b.result;
    ratio[i] = a.result / b.result;
    cpu[i] = a.cpu / b.cpu;
  }
  printf("%-48s %10.1f %10.1f %-5s %7.2f", scenario->name, median(ours, rounds), median(raw, rounds), scenario->unit,
         median(ratio, rounds));
  if (scenario->less_is_better)
    printf(" %7s\n", "-");
  else
    printf(" %7.2f\n", median(cpu, rounds));
}

static void one_side(const scenario_t *scenario, const pki_t *pki, const char *name) {
  const side_t *side = strcmp(name, side_openssl.name) == 0 ? &side_openssl : &side_bglssl;
  measure_t m = measure(scenario, side, pki);
  printf("%-48s %-10s %10.1f %-5s %7.2f s cpu\n", scenario->name, side->name, m.result, scenario->unit, m.cpu);
}

static bool wanted(const scenario_t *scenario, char **words, int n) {
  for (int i = 0; i < n; i++)
    if (strstr(scenario->name, words[i])) return true;
  return n == 0;
}

int main(int argc, char **argv) {
  const char *only = NULL;
  int rounds = 7, option;
  double scale = 1;
  while ((option = getopt(argc, argv, "o:r:s:")) != -1) {
    if (option == 'o') only = optarg;
    if (option == 'r') rounds = atoi(optarg);
    if (option == 's') scale = atof(optarg);
    if (option == '?' || rounds < 1 || rounds > MAX_ROUNDS || scale <= 0) {
      fputs("usage: bench [-o bglssl|openssl] [-r ROUNDS (1 to 99)] [-s SCALE] [WORD ...]\n", stderr);
      return 2;
    }
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  pki_t pki = make_pki();
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!only) printf("%-48s %10s %10s %-5s %7s %7s\n", "", "bglssl", "openssl", "", "ratio", "cpu");
  for (int i = 0; i < SCENARIOS; i++) {
    scenario_t scenario = scenarios[i];
    if (!scenario.server_measures) scenario.count = (size_t)((double)scenario.count * scale) + 1;
    if (!wanted(&scenario, argv + optind, argc - optind)) continue;
    if (only)
      one_side(&scenario, &pki, only);
    else
      compare_sides(&scenario, &pki, rounds);
  }
  free(pki.ca);
  free(pki.server);
  free(pki.server_key);
  free(pki.client);
  free(pki.client_key);
  return 0;
}
