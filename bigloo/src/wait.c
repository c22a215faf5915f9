/* wait.c: waiting for the network in the program's own thread, and not in the library.
 *
 * While a thread waits here it may be terminated, and the handler of a signal may raise or escape.
 * What the waiting thread owns is then reachable from nothing but a guard, which the collector
 * finalizes.
 */
#define _GNU_SOURCE
#include <bigloo.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bglssl_bigloo.h"

/* How long a thread waits before it looks whether it still should. */
#define LONGEST_WAIT_US 1000000

/* How long the peer has to begin before the handshake, and its time limit, begin. */
#define FIRST_WAIT_US 20000

/* How long a thread waits for the step of another one, before it looks whether it is taken. */
#define TURN_RECHECK_US 20000

/* After what time without a step a thread is no longer waiting, but has left: waits are shorter. */
#define HAS_LEFT_US (2 * LONGEST_WAIT_US)

int64_t bglssl_microseconds(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t bglssl_time_left(int64_t deadline) {
  return deadline ? deadline - bglssl_microseconds() : INT64_MAX;
}

int bglssl_wait_for_one(struct pollfd *wanted, int n, int64_t left) {
  int ready, hold;
  struct timespec time;

  if (left < 0) left = 0;
  if (left > LONGEST_WAIT_US) left = LONGEST_WAIT_US;
  time.tv_sec = left / 1000000;
  time.tv_nsec = left % 1000000 * 1000;
  hold = bglssl_suspend_hold();
  ready = ppoll(wanted, (nfds_t)n, &time, NULL);
  bglssl_resume_hold(hold);
  return ready;
}

bool bglssl_wait(int fd, short events, int64_t left) {
  struct pollfd wanted = {.fd = fd, .events = events};

  return fd >= 0 && left > 0 && bglssl_wait_for_one(&wanted, 1, left) > 0;
}

/* ---- steps -------------------------------------------------------------------------------- */

static bool wants_more(bgl_ssl_status_t status) {
  return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

static void wait_for_descriptor(bgl_ssl_socket_t *socket, bgl_ssl_status_t status, int64_t left) {
  bglssl_wait(bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT,
              left < 0 ? LONGEST_WAIT_US : left);
}

void bglssl_turns_init(struct bglssl_turns *turns) {
  pthread_mutex_init(&turns->lock, NULL);
  turns->step = NULL;
}

void bglssl_turns_destroy(struct bglssl_turns *turns) { pthread_mutex_destroy(&turns->lock); }

/* Whether another thread takes these steps. If this one did, too, it would take bytes that the other one waits for, which
 * would go on waiting. But a time limit that is over is told to whoever asks first. */
static bool is_taken(const struct bglssl_turns *turns, bglssl_step_t *step, bgl_ssl_socket_t *socket) {
  return turns->step == step && !pthread_equal(turns->thread, pthread_self()) &&
         bglssl_microseconds() < turns->since + HAS_LEFT_US && bgl_ssl_socket_timeout(socket) != 0;
}

/* Takes a step, unless another thread does, which `elsewhere` tells. No thread finds the socket in the mode that another
 * one has given it: a step in the blocking mode would wait in the library. */
static bgl_ssl_status_t take_turn(bgl_ssl_socket_t *socket, struct bglssl_turns *turns, bglssl_step_t *step, void *data,
                                  int64_t *left, bool *elsewhere) {
  bgl_ssl_status_t status = BGL_SSL_WANT_READ;

  bglssl_hold();
  pthread_mutex_lock(&turns->lock);
  *elsewhere = is_taken(turns, step, socket);
  if (!*elsewhere) {
    bgl_ssl_socket_set_nonblocking(socket, true);
    status = step(socket, data);
    turns->step = wants_more(status) ? step : NULL;
    if (turns->step) {
      *left = bgl_ssl_socket_timeout(socket);
      turns->thread = pthread_self();
      turns->since = bglssl_microseconds();
    }
    bgl_ssl_socket_set_nonblocking(socket, false);
  }
  pthread_mutex_unlock(&turns->lock);
  bglssl_release();
  return status;
}

/* The thread is terminated while it waits for its next turn: another one need not wait for it. */
static void leave_turn(void *data) {
  struct bglssl_turns *turns = data;

  pthread_mutex_lock(&turns->lock);
  if (pthread_equal(turns->thread, pthread_self())) turns->step = NULL;
  pthread_mutex_unlock(&turns->lock);
}

static void wait_for_turn(bgl_ssl_socket_t *socket, struct bglssl_turns *turns, bool for_others, bgl_ssl_status_t status,
                          int64_t left) {
  pthread_cleanup_push(leave_turn, turns);
  if (for_others)
    bglssl_wait_for_one(NULL, 0, TURN_RECHECK_US);
  else
    wait_for_descriptor(socket, status, left);
  pthread_cleanup_pop(0);
}

bgl_ssl_status_t bglssl_in_steps(bgl_ssl_socket_t *socket, struct bglssl_turns *turns, bglssl_step_t *step, void *data) {
  bgl_ssl_status_t before = BGL_SSL_OK;

  for (;;) {
    int64_t left = 0;
    bool elsewhere;
    bgl_ssl_status_t status = take_turn(socket, turns, step, data, &left, &elsewhere);

    if (!wants_more(status)) return status;
    /* The library asks for space, which there is, also while another thread is in a call of its own. */
    wait_for_turn(socket, turns, elsewhere || (status == BGL_SSL_WANT_WRITE && before == status), status, left);
    before = status;
  }
}

/* ---- guards ------------------------------------------------------------------------------- */

struct bglssl_guard {
  bgl_ssl_socket_t *handle;
  FILE *input;
  int output;
};

static void finalize_guard(void *object) {
  struct bglssl_guard *guard = object;

  bgl_ssl_socket_free(guard->handle);
  if (guard->input) fclose(guard->input);
  if (guard->output >= 0) close(guard->output);
}

static struct bglssl_guard *guard_socket(bgl_ssl_socket_t *handle, FILE *input, int output) {
  struct bglssl_guard *guard = (void *)GC_MALLOC_ATOMIC(sizeof(*guard));

  guard->handle = handle;
  guard->input = input;
  guard->output = output;
  bglssl_finalize_with(guard, finalize_guard);
  return guard;
}

static void release_guard(struct bglssl_guard *guard) {
  bglssl_finalize_no_more(guard);
  GC_FREE((void *)guard);
}

/* ---- handshakes --------------------------------------------------------------------------- */

static bgl_ssl_status_t handshake_step(bgl_ssl_socket_t *handle, int64_t *left) {
  bgl_ssl_status_t status = bgl_ssl_socket_handshake(handle);

  if (wants_more(status)) *left = bgl_ssl_socket_timeout(handle);
  return status;
}

bgl_ssl_status_t bglssl_handshake(bgl_ssl_socket_t *handle, FILE *input, int output, bool peer_begins) {
  struct bglssl_guard *guard = guard_socket(handle, input, output);
  bgl_ssl_status_t status;
  int64_t left = 0;

  bgl_ssl_socket_set_nonblocking(handle, true);
  if (peer_begins) bglssl_wait(bgl_ssl_socket_fd(handle), POLLIN, FIRST_WAIT_US);
  while (wants_more(status = handshake_step(handle, &left))) wait_for_descriptor(handle, status, left);
  bgl_ssl_socket_set_nonblocking(handle, false);
  release_guard(guard);
  return status;
}
