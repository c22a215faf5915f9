/* connect.c: connecting to a host in the program's own thread, where it may be interrupted (see
 * wait.c): each address is tried, a slow one no longer than 250 ms before the next one beside it, as
 * the library does (RFC 8305). */
#define _GNU_SOURCE
#include <bigloo.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "bglssl_bigloo.h"
#include "resolver.h"

/* How long one address has before the next one is tried beside it. */
#define ATTEMPT_DELAY_US 250000

/* Of the runtime: for how long it remembers addresses, in seconds. */
extern bool_t bgl_dns_enable_cache(void);
extern long bgl_dns_cache_validity_timeout(void);

/* What a thread owns while it connects. */
struct dial {
  struct bglssl_lookup *lookup;
  int count;
  int fds[BGLSSL_MOST_ADDRESSES];
};

struct failure {
  int code;
  int phase;
  int number;
  char reason[NI_MAXHOST + 128];
};

static void give_up(void *object) {
  struct dial *dial = object;

  if (dial->lookup) bglssl_lookup_release(dial->lookup);
  dial->lookup = NULL;
  for (int i = 0; i < dial->count; i++)
    if (dial->fds[i] >= 0) close(dial->fds[i]);
  dial->count = 0;
}

static void fail(struct failure *failure, int code, int phase, int number, const char *reason) {
  if (failure->code) return;
  failure->code = code;
  failure->phase = phase;
  failure->number = number;
  snprintf(failure->reason, sizeof(failure->reason), "%s", reason);
}

static bool is_over(int64_t deadline) { return deadline && bglssl_microseconds() >= deadline; }

/* ---- names --------------------------------------------------------------------------------- */

static bool look_up(struct dial *dial, const char *host, int family, int64_t deadline,
                    struct bglssl_addresses *found, struct failure *failure) {
  int error;

  dial->lookup = bglssl_lookup_start(host, family);
  if (!dial->lookup) {
    fail(failure, BGL_SSL_E_IO, BGL_SSL_PHASE_RESOLVE, errno, strerror(errno));
    return false;
  }
  while (!bglssl_wait(bglssl_lookup_fd(dial->lookup), POLLIN, bglssl_time_left(deadline))) {
    if (is_over(deadline)) {
      fail(failure, BGL_SSL_E_TIMEOUT, BGL_SSL_PHASE_RESOLVE, 0, "timed out");
      return false;
    }
  }
  error = bglssl_lookup_result(dial->lookup, found);
  if (error) fail(failure, BGL_SSL_E_RESOLVE, BGL_SSL_PHASE_RESOLVE, 0, gai_strerror(error));
  return error == 0;
}

/* ---- addresses ----------------------------------------------------------------------------- */

static void fail_address(struct failure *failure, const struct bglssl_address *address, int number) {
  char host[NI_MAXHOST], reason[sizeof(failure->reason)];

  if (getnameinfo((const struct sockaddr *)&address->address, address->size, host, sizeof(host), NULL, 0,
                  NI_NUMERICHOST) != 0)
    strcpy(host, "?");
  snprintf(reason, sizeof(reason), "%s: %s", host, strerror(number));
  fail(failure, BGL_SSL_E_IO, BGL_SSL_PHASE_CONNECT, number, reason);
}

static void set_port(struct bglssl_address *address, int port) {
  if (address->address.ss_family == AF_INET6)
    ((struct sockaddr_in6 *)&address->address)->sin6_port = htons((uint16_t)port);
  else
    ((struct sockaddr_in *)&address->address)->sin_port = htons((uint16_t)port);
}

/* Begins to connect to one more address. */
static void begin(struct dial *dial, const struct bglssl_address *address, struct failure *failure) {
  int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  dial->fds[dial->count++] = fd;
  if (fd >= 0 && (connect(fd, (const struct sockaddr *)&address->address, address->size) == 0 ||
                  errno == EINPROGRESS || errno == EINTR))
    return;
  fail_address(failure, address, errno);
  dial->fds[dial->count - 1] = -1;
  if (fd >= 0) close(fd);
}

/* Waits until one is connected, which is taken from `dial`, or has failed; -1 if none is connected. */
static int await_one(struct dial *dial, const struct bglssl_addresses *addresses, int64_t until,
                     struct failure *failure) {
  struct pollfd polled[BGLSSL_MOST_ADDRESSES];

  for (int i = 0; i < dial->count; i++) polled[i] = (struct pollfd){dial->fds[i], POLLOUT, 0};
  if (bglssl_wait_for_one(polled, dial->count, bglssl_time_left(until)) <= 0) return -1;
  for (int i = 0; i < dial->count; i++) {
    int fd = polled[i].fd, error = 0;
    socklen_t size = sizeof(error);

    if (fd < 0 || polled[i].revents == 0) continue;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
    dial->fds[i] = -1;
    if (!error) return fd;
    fail_address(failure, &addresses->list[i], error);
    close(fd);
  }
  return -1;
}

static bool is_trying(const struct dial *dial) {
  for (int i = 0; i < dial->count; i++)
    if (dial->fds[i] >= 0) return true;
  return false;
}

static int race(struct dial *dial, struct bglssl_addresses *addresses, int port, int64_t deadline,
                struct failure *failure) {
  for (;;) {
    int64_t until = deadline;
    int fd;

    if (dial->count < addresses->count) {
      set_port(&addresses->list[dial->count], port);
      begin(dial, &addresses->list[dial->count], failure);
    }
    if (!is_trying(dial)) {
      if (dial->count < addresses->count) continue;
      return -1;
    }
    if (dial->count < addresses->count) {
      until = bglssl_microseconds() + ATTEMPT_DELAY_US;
      if (deadline && deadline < until) until = deadline;
    }
    do {
      fd = await_one(dial, addresses, until, failure);
    } while (fd < 0 && is_trying(dial) && !is_over(until));
    if (fd >= 0) {
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
      return fd;
    }
    if (is_over(deadline)) {
      fail(failure, BGL_SSL_E_TIMEOUT, BGL_SSL_PHASE_CONNECT, 0, "timed out");
      return -1;
    }
  }
}

/* The condition of a failure. */
static obj_t told(const struct failure *failure, const char *what, obj_t proc, obj_t where) {
  bgl_ssl_error_t error;

  memset(&error, 0, sizeof(error));
  error.size = sizeof(error);
  error.code = failure->code;
  error.phase = failure->phase;
  error.sys_errno = failure->number;
  error.alert = -1;
  snprintf(error.message, sizeof(error.message), "%.500s: %.500s", what, failure->reason);
  return bglssl_condition(&error, proc, where);
}

/* ---- Unix sockets --------------------------------------------------------------------------- */

/* How long a listener whose queue is full is left alone: nothing tells when it is not. */
#define QUEUE_RECHECK_US 10000

obj_t bglssl_dial_unix(const char *name, long limit, obj_t proc, obj_t where, int *connected) {
  struct dial *dial = (void *)GC_MALLOC_ATOMIC(sizeof(*dial));
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  bool is_abstract = name[0] == '@';
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !is_abstract);
  struct failure failure = {0};
  char what[160];

  *connected = -1;
  if (length == is_abstract || length - is_abstract >= sizeof(address.sun_path)) {
    fail(&failure, BGL_SSL_E_ARGUMENT, BGL_SSL_PHASE_CONNECT, 0, "the name of a Unix socket has 1 to 107 bytes");
  } else {
    memcpy(address.sun_path, name, length);
    if (is_abstract) address.sun_path[0] = '\0';
    dial->lookup = NULL;
    dial->count = 1;
    dial->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bglssl_finalize_with(dial, give_up);
    while (dial->fds[0] < 0 || connect(dial->fds[0], (const struct sockaddr *)&address, size) < 0) {
      if (dial->fds[0] < 0 || errno != EAGAIN) {
        fail(&failure, BGL_SSL_E_IO, BGL_SSL_PHASE_CONNECT, errno, strerror(errno));
        break;
      }
      if (is_over(deadline)) {
        fail(&failure, BGL_SSL_E_TIMEOUT, BGL_SSL_PHASE_CONNECT, 0, "timed out");
        break;
      }
      bglssl_wait_for_one(NULL, 0, QUEUE_RECHECK_US);
    }
    if (!failure.code) {
      *connected = dial->fds[0];
      dial->fds[0] = -1;
      fcntl(*connected, F_SETFL, fcntl(*connected, F_GETFL) & ~O_NONBLOCK);
    }
    give_up(dial);
    bglssl_finalize_no_more(dial);
  }
  if (*connected >= 0) return BFALSE;
  snprintf(what, sizeof(what), "connect to %.120s", name);
  return told(&failure, what, proc, where);
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static obj_t told_of_host(const struct failure *failure, const char *host, int port, obj_t proc, obj_t where) {
  char what[NI_MAXHOST + 32];

  if (failure->phase == BGL_SSL_PHASE_RESOLVE)
    snprintf(what, sizeof(what), "look up \"%.255s\"", host);
  else
    snprintf(what, sizeof(what), strchr(host, ':') && host[0] != '[' ? "connect to [%s]:%d" : "connect to %s:%d", host,
             port);
  return told(failure, what, proc, where);
}

static struct dial *start_dial(void) {
  struct dial *dial = (void *)GC_MALLOC_ATOMIC(sizeof(*dial));

  dial->lookup = NULL;
  dial->count = 0;
  bglssl_finalize_with(dial, give_up);
  return dial;
}

static void end_dial(struct dial *dial) {
  give_up(dial);
  bglssl_finalize_no_more(dial);
}

static bool find_addresses(struct dial *dial, const char *host, int family, int64_t deadline,
                           struct bglssl_addresses *found, struct failure *failure) {
  long validity = bgl_dns_enable_cache() ? bgl_dns_cache_validity_timeout() : 0;

  return bglssl_known_addresses(host, family, validity, found) ||
         look_up(dial, host, family, deadline, found, failure);
}

obj_t bglssl_dial(const char *host, int port, int family, long limit, obj_t proc, obj_t where, int *connected) {
  struct dial *dial = start_dial();
  int64_t deadline = limit > 0 ? bglssl_microseconds() + limit : 0;
  struct bglssl_addresses addresses;
  struct failure failure = {0};

  *connected = -1;
  if (find_addresses(dial, host, family, deadline, &addresses, &failure))
    *connected = race(dial, &addresses, port, deadline, &failure);
  end_dial(dial);
  return *connected >= 0 ? BFALSE : told_of_host(&failure, host, port, proc, where);
}

obj_t bglssl_addresses_of(const char *host, int port, int family, long limit, obj_t proc, obj_t where,
                          struct bglssl_addresses *found) {
  struct dial *dial = start_dial();
  struct failure failure = {0};
  bool is_found = find_addresses(dial, host, family, limit > 0 ? bglssl_microseconds() + limit : 0, found, &failure);

  end_dial(dial);
  if (!is_found) return told_of_host(&failure, host, port, proc, where);
  for (int i = 0; i < found->count; i++) set_port(&found->list[i], port);
  return BFALSE;
}

obj_t bglssl_dial_datagrams(const struct bglssl_address *address, const char *host, int port, obj_t proc, obj_t where,
                            int *connected) {
  struct failure failure = {0};
  int fd = socket(address->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  *connected = fd;
  if (fd >= 0 && connect(fd, (const struct sockaddr *)&address->address, address->size) == 0) return BFALSE;
  fail_address(&failure, address, errno);
  *connected = -1;
  if (fd >= 0) close(fd);
  return told_of_host(&failure, host, port, proc, where);
}
