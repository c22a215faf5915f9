/* acceptor.c: see acceptor.h. Bigloo's headers stay out of this file: the collector's would
 * turn its thread into one of the collector's. */
#define _GNU_SOURCE
#include "acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "thread.h"

/* How long the thread rests when the system has no descriptors left. */
#define REST_MS 100

struct arrival {
  bgl_ssl_socket_t *client;
  bgl_ssl_error_t error;
  struct arrival *next;
};

struct bglssl_acceptor {
  bgl_ssl_server_t *server;
  /* The process that has the thread. A child of fork(2) shares the listener with it, and must not stop it. */
  pid_t made_by;
  /* The thread, and the Bigloo socket. */
  atomic_int owners;
  /* For accept(2); -1 once closed. */
  atomic_int listener;
  struct sockaddr_un address;
  socklen_t address_size;
  pthread_mutex_t lock;
  struct arrival *first, **last;
};

static void give_up(struct bglssl_acceptor *acceptor) {
  if (atomic_fetch_sub(&acceptor->owners, 1) > 1) return;
  while (acceptor->first) {
    struct arrival *arrival = acceptor->first;

    acceptor->first = arrival->next;
    bgl_ssl_socket_free(arrival->client);
    free(arrival);
  }
  bgl_ssl_server_free(acceptor->server);
  pthread_mutex_destroy(&acceptor->lock);
  free(acceptor);
}

static void put(struct bglssl_acceptor *acceptor, struct arrival *arrival) {
  pthread_mutex_lock(&acceptor->lock);
  *acceptor->last = arrival;
  acceptor->last = &arrival->next;
  pthread_mutex_unlock(&acceptor->lock);
}

static struct arrival *get(struct bglssl_acceptor *acceptor) {
  struct arrival *arrival;

  pthread_mutex_lock(&acceptor->lock);
  arrival = acceptor->first;
  if (arrival) {
    acceptor->first = arrival->next;
    if (!acceptor->first) acceptor->last = &acceptor->first;
  }
  pthread_mutex_unlock(&acceptor->lock);
  return arrival;
}

/* Makes accept(2) return, once. Waits while its queue is full; false once it is closed. */
static bool ring(struct bglssl_acceptor *acceptor) {
  int fd, result;

  while ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) poll(NULL, 0, REST_MS);
  do {
    result = connect(fd, (struct sockaddr *)&acceptor->address, acceptor->address_size);
  } while (result < 0 && errno == EINTR);
  close(fd);
  return result == 0;
}

static void *accept_clients(void *data) {
  struct bglssl_acceptor *acceptor = data;
  sigset_t all;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  for (;;) {
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    bgl_ssl_status_t status;

    if (!arrival) {
      poll(NULL, 0, REST_MS);
      continue;
    }
    status = bgl_ssl_server_accept(acceptor->server, 0, &arrival->client);
    if (status != BGL_SSL_OK) {
      arrival->error.size = sizeof(arrival->error);
      bgl_ssl_last_error(&arrival->error);
    }
    if (status == BGL_SSL_E_STATE && arrival->error.phase != BGL_SSL_PHASE_HANDSHAKE) {
      free(arrival);
      break;
    }
    if (status != BGL_SSL_OK && arrival->error.phase != BGL_SSL_PHASE_HANDSHAKE)
      poll(NULL, 0, REST_MS);
    put(acceptor, arrival);
    if (!ring(acceptor)) break;
  }
  give_up(acceptor);
  return NULL;
}

/* A local socket with a name of the system's choice. */
static int listen_locally(struct bglssl_acceptor *acceptor, int backlog) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un any = {.sun_family = AF_UNIX};

  acceptor->address_size = sizeof(acceptor->address);
  if (fd >= 0 && (bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)) < 0 ||
                  listen(fd, backlog > 0 ? backlog : 1) < 0 ||
                  getsockname(fd, (struct sockaddr *)&acceptor->address, &acceptor->address_size) < 0)) {
    int error = errno;

    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

int bglssl_acceptor_start(bgl_ssl_server_t *server, int backlog, struct bglssl_acceptor **result) {
  struct bglssl_acceptor *acceptor = calloc(1, sizeof(*acceptor));
  int fd, error;

  if (!acceptor) return -1;
  fd = listen_locally(acceptor, backlog);
  if (fd < 0) {
    free(acceptor);
    return -1;
  }
  acceptor->server = server;
  acceptor->made_by = getpid();
  acceptor->last = &acceptor->first;
  atomic_init(&acceptor->owners, 2);
  atomic_init(&acceptor->listener, fd);
  pthread_mutex_init(&acceptor->lock, NULL);
  error = bglssl_start_thread(accept_clients, acceptor);
  if (error) {
    pthread_mutex_destroy(&acceptor->lock);
    free(acceptor);
    close(fd);
    errno = error;
    return -1;
  }
  *result = acceptor;
  return fd;
}

/* Any process of the machine can connect to the local socket. */
static bool is_own(int fd) {
  struct ucred peer;
  socklen_t size = sizeof(peer);

  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == getpid();
}

bool bglssl_acceptor_take(struct bglssl_acceptor *acceptor, int fd, bgl_ssl_socket_t **client,
                          bgl_ssl_error_t *error) {
  struct arrival *arrival = is_own(fd) ? get(acceptor) : NULL;

  if (!arrival) return false;
  *client = arrival->client;
  *error = arrival->error;
  free(arrival);
  return true;
}

void bglssl_acceptor_close(struct bglssl_acceptor *acceptor) {
  int fd = atomic_exchange(&acceptor->listener, -1);

  bgl_ssl_server_close(acceptor->server);
  if (fd < 0) return;
  /* Wakes who waits in accept(2), and our thread where the queue is full. */
  if (acceptor->made_by == getpid()) shutdown(fd, SHUT_RDWR);
  close(fd);
}

void bglssl_acceptor_release(struct bglssl_acceptor *acceptor) {
  bglssl_acceptor_close(acceptor);
  give_up(acceptor);
}
