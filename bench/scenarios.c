/* What the two processes of each measurement do, and with how much of it. */

#include "scenario.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 16 };

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
  bool wait = scenario->close_wait == BOTH_WAIT || (scenario->close_wait == BGLSSL_WAITS && side == &side_bglssl);
  side->close(connection, wait);
}

/* The client has sent close_notify, so there is nothing to wait for. */
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

/* The client's byte is answered, then the client sends close_notify. */
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
  const scenario_t *scenario = crowd->scenario;
  char byte = 'x';

  for (size_t i = 0; atomic_fetch_sub(&crowd->left, 1) > 0; i++) {
    bool fresh = scenario->fresh_every > 0 && i % scenario->fresh_every == 0;
    bool by_itself = scenario->link.resumes_by_itself && side == &side_bglssl && !fresh;
    if (fresh) side->forget_sessions();
    void *connection = side->connect(crowd->handle, crowd->port);
    side->write(connection, &byte, 1);
    read_exactly(side, connection, &byte, 1);
    if (side->resumed(connection) != (scenario->resume || by_itself)) die("client", "resumption is not as expected");
    end_client(scenario, side, connection);
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

/* -------------------------------------------------------------------------------------------------- first responses */

enum { REQUEST = 200 };

static void response_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  char *data = calloc(1, scenario->size);
  for (size_t i = 0; i < scenario->count; i++) {
    void *connection = side->accept(server);
    read_exactly(side, connection, data, REQUEST);
    side->write(connection, data, scenario->size);
    if (side->read(connection, data, 1) != 0) die("server", "more data than expected");
    end_server(side, connection);
  }
  free(data);
}

/* The result is the time from the beginning of a connect to the last byte of the response. */
static void response_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  char *data = calloc(1, scenario->size);
  double time = 0;
  for (size_t i = 0; i < scenario->count; i++) {
    double start = now();
    void *connection = side->connect(client, port);
    side->write(connection, data, REQUEST);
    read_exactly(side, connection, data, scenario->size);
    time += now() - start;
    end_client(scenario, side, connection);
  }
  put_result(result_fd, time / (double)scenario->count);
  free(data);
}

/* ------------------------------------------------------------------------------------------------------------ bulk */

static void send_bulk(const scenario_t *scenario, const side_t *side, void *connection) {
  char *data = calloc(1, scenario->size);
  for (size_t i = 0; i < scenario->count; i++) side->write(connection, data, scenario->size);
  free(data);
}

static void receive_bulk(const scenario_t *scenario, const side_t *side, void *connection) {
  char data[16384];
  if (scenario->read_mode != READS_BLOCK) side->set_read_mode(connection, scenario->read_mode);
  for (size_t left = scenario->count * scenario->size; left > 0;) {
    size_t n = side->read(connection, data, sizeof data);
    if (n == 0 || n > left) die("bulk", "the connection gave too little or too much");
    left -= n;
  }
  if (scenario->read_mode == READS_POLL) side->set_read_mode(connection, READS_BLOCK);
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

/* ------------------------------------------------------------------------------------------------------- datagrams */

/* The receiver acknowledges every window, and the sender is two windows ahead at most: that much fits the buffer of a
 * socket on loopback, so nothing is lost. If it is, one of the two runs into its time limit. */
enum { WINDOW = 32 };

static size_t windows(const scenario_t *scenario) {
  return (scenario->count + WINDOW - 1) / WINDOW;
}

static void flow_server(const scenario_t *scenario, const side_t *side, void *server, int result_fd) {
  (void)result_fd;
  char *data = calloc(1, scenario->size);
  void *connection = side->accept(server);
  for (size_t window = 0; window < windows(scenario); window++) {
    for (int i = 0; i < WINDOW; i++)
      if (side->read(connection, data, scenario->size) != scenario->size) die("server", "half a datagram");
    side->write(connection, "k", 1);
  }
  if (side->read(connection, data, scenario->size) != 0) die("server", "more data than expected");
  end_server(side, connection);
  free(data);
}

static void flow_client(const scenario_t *scenario, const side_t *side, void *client, int port, int result_fd) {
  char *data = calloc(1, scenario->size);
  void *connection = side->connect(client, port);
  char byte;
  double start = now();
  for (size_t window = 0; window < windows(scenario); window++) {
    for (int i = 0; i < WINDOW; i++) side->write(connection, data, scenario->size);
    if (window > 0) read_exactly(side, connection, &byte, 1);
  }
  read_exactly(side, connection, &byte, 1);
  put_result(result_fd, (double)(windows(scenario) * WINDOW) / (now() - start));
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

const scenario_t scenarios[] = {
  {.name = "handshakes full, 1 thread", HANDSHAKES, .threads = 1, .count = 600},
  {.name = "handshakes full, 1 thread, no client waits", HANDSHAKES, .threads = 1, .count = 600, .close_wait = NONE_WAITS},
  {.name = "handshakes full, 1 thread, only bglssl waits", HANDSHAKES, .threads = 1, .count = 600,
   .close_wait = BGLSSL_WAITS},
  {.name = "handshakes full, 8 threads", HANDSHAKES, .threads = 8, .count = 800},
  {.name = "handshakes full, 1 thread, 10,000 hosts", HANDSHAKES, .threads = 1, .count = 600, .link.hosts = 10000},
  {.name = "handshakes resumed, 1 thread", HANDSHAKES, .threads = 1, .count = 800, .resume = true},
  {.name = "handshakes resumed, 8 threads", HANDSHAKES, .threads = 8, .count = 1200, .resume = true},
  {.name = "handshakes, resumed by itself", HANDSHAKES, .threads = 1, .count = 800, .link.resumes_by_itself = true},
  {.name = "handshakes, resumed by itself, RSA", HANDSHAKES, .threads = 1, .count = 600, .link.resumes_by_itself = true,
   .link.rsa = true},
  {.name = "handshakes, resumed by itself 9 times of 10", HANDSHAKES, .threads = 1, .count = 800,
   .link.resumes_by_itself = true, .fresh_every = 10},
  {.name = "handshakes with client certificates, 1 thread", HANDSHAKES, .threads = 1, .count = 400,
   .link.client_certificates = true},
  {.name = "handshakes with client certificates, 8 threads", HANDSHAKES, .threads = 8, .count = 600,
   .link.client_certificates = true},
  {.name = "bulk to the server, 16 kB writes", .unit = "MB/s", .server = upload_server, .client = upload_client,
   .count = 16384, .size = 16384},
  {.name = "bulk to the server, 1 kB writes", .unit = "MB/s", .server = upload_server, .client = upload_client,
   .count = 100000, .size = 1024},
  {.name = "bulk to the server, 16 kB writes, time limit", .unit = "MB/s", .server = upload_server,
   .client = upload_client, .count = 16384, .size = 16384, .read_mode = READS_HAVE_LIMIT},
  {.name = "bulk to the server, 1 kB writes, time limit", .unit = "MB/s", .server = upload_server,
   .client = upload_client, .count = 100000, .size = 1024, .read_mode = READS_HAVE_LIMIT},
  {.name = "bulk to the server, 16 kB writes, non-blocking", .unit = "MB/s", .server = upload_server,
   .client = upload_client, .count = 16384, .size = 16384, .read_mode = READS_POLL},
  {.name = "bulk to the server, 1 kB writes, non-blocking", .unit = "MB/s", .server = upload_server,
   .client = upload_client, .count = 100000, .size = 1024, .read_mode = READS_POLL},
  {.name = "bulk to the client, 16 kB writes", .unit = "MB/s", .server = download_server, .client = download_client,
   .count = 16384, .size = 16384},
  {.name = "bulk to the client, 1 kB writes", .unit = "MB/s", .server = download_server, .client = download_client,
   .count = 100000, .size = 1024},
  {.name = "round trips of 64 bytes", .unit = "/s", .server = echo_server, .client = echo_client,
   .count = 15000, .size = 64},
  {.name = "round trips of 16 kB", .unit = "/s", .server = echo_server, .client = echo_client,
   .count = 6000, .size = 16384},
  {.name = "DTLS handshakes full, 1 thread", HANDSHAKES, .link.datagrams = true, .threads = 1, .count = 600},
  {.name = "DTLS round trips of 64 bytes", .unit = "/s", .server = echo_server, .client = echo_client,
   .link.datagrams = true, .count = 30000, .size = 64},
  {.name = "DTLS round trips of 1 kB", .unit = "/s", .server = echo_server, .client = echo_client,
   .link.datagrams = true, .count = 30000, .size = 1024},
  {.name = "DTLS datagrams of 1 kB to the server", .unit = "/s", .server = flow_server, .client = flow_client,
   .link.datagrams = true, .count = 100000, .size = 1024},
  {.name = "connect, request, response of 10 kB", .unit = "RTT", .server = response_server, .client = response_client,
   .counts_round_trips = true, .count = 30, .size = 10240},
  {.name = "memory of an idle connection", .unit = "kB", .server = idle_server, .client = idle_client,
   .less_is_better = true, .only_once = true, .count = 10000},
};

const int scenarios_count = sizeof scenarios / sizeof scenarios[0];
