/* resolver.c: see resolver.h. Bigloo's headers stay out of this file, as out of thread.c. */
#define _GNU_SOURCE
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "thread.h"

/* How many names are remembered, of which length. */
#define MOST_NAMES 16
#define LONGEST_NAME 255

struct bglssl_lookup {
  /* The thread that looks up, and the one that waits for it. */
  atomic_int owners;
  int done_fd;
  int family;
  int error;
  struct bglssl_addresses found;
  char host[];
};

struct entry {
  char host[LONGEST_NAME + 1];
  int family;
  time_t since;
  struct bglssl_addresses found;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[MOST_NAMES];
static unsigned next;

static time_t seconds(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

/* ---- what is known ------------------------------------------------------------------------ */

static bool take_number(const char *host, int family, struct bglssl_addresses *found) {
  size_t length = strlen(host);
  char text[INET6_ADDRSTRLEN];
  struct sockaddr_in *in = (void *)&found->list[0].address;
  struct sockaddr_in6 *in6 = (void *)&found->list[0].address;

  if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
    host++;
    length -= 2;
  }
  if (length >= sizeof(text)) return false;
  memcpy(text, host, length);
  text[length] = '\0';
  memset(found, 0, sizeof(*found));
  found->count = 1;
  if (family != AF_INET6 && inet_pton(AF_INET, text, &in->sin_addr) == 1) {
    in->sin_family = AF_INET;
    found->list[0].size = sizeof(*in);
    return true;
  }
  if (family != AF_INET && inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    found->list[0].size = sizeof(*in6);
    return true;
  }
  return false;
}

static struct entry *entry_of(const char *host, int family) {
  for (int i = 0; i < MOST_NAMES; i++)
    if (entries[i].found.count > 0 && entries[i].family == family && strcmp(entries[i].host, host) == 0)
      return &entries[i];
  return NULL;
}

bool bglssl_known_addresses(const char *host, int family, long validity, struct bglssl_addresses *found) {
  bool known = false;
  struct entry *entry;

  if (take_number(host, family, found)) return true;
  /* The handler of a signal may have escaped while another call of this thread had the lock. */
  if (validity <= 0 || pthread_mutex_trylock(&lock) != 0) return false;
  entry = entry_of(host, family);
  if (entry && seconds() - entry->since < validity) {
    *found = entry->found;
    known = true;
  }
  pthread_mutex_unlock(&lock);
  return known;
}

static void remember(const struct bglssl_lookup *lookup) {
  struct entry *entry;

  if (lookup->error || strlen(lookup->host) > LONGEST_NAME || pthread_mutex_trylock(&lock) != 0) return;
  entry = entry_of(lookup->host, lookup->family);
  if (!entry) entry = &entries[next++ % MOST_NAMES];
  strcpy(entry->host, lookup->host);
  entry->family = lookup->family;
  entry->since = seconds();
  entry->found = lookup->found;
  pthread_mutex_unlock(&lock);
}

/* ---- lookups ------------------------------------------------------------------------------- */

/* Takes them as they come, but of both families in turn (RFC 8305). */
static void collect(const struct addrinfo *all, struct bglssl_addresses *found) {
  const struct addrinfo *next[2] = {all, all};
  int families[2] = {all->ai_family, all->ai_family == AF_INET6 ? AF_INET : AF_INET6};
  bool more = true;

  found->count = 0;
  while (more) {
    more = false;
    for (int i = 0; i < 2; i++) {
      while (next[i] && next[i]->ai_family != families[i]) next[i] = next[i]->ai_next;
      if (!next[i] || found->count == BGLSSL_MOST_ADDRESSES) continue;
      memcpy(&found->list[found->count].address, next[i]->ai_addr, next[i]->ai_addrlen);
      found->list[found->count++].size = next[i]->ai_addrlen;
      next[i] = next[i]->ai_next;
      more = true;
    }
  }
}

static void *look_up(void *data) {
  struct bglssl_lookup *lookup = data;
  struct addrinfo hints = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
  struct addrinfo *all = NULL;
  uint64_t one = 1;

  lookup->error = getaddrinfo(lookup->host, NULL, &hints, &all);
  if (lookup->error == 0) {
    collect(all, &lookup->found);
    freeaddrinfo(all);
    remember(lookup);
  }
  if (write(lookup->done_fd, &one, sizeof(one)) < 0) {
    /* It cannot fail: nobody else writes. */
  }
  bglssl_lookup_release(lookup);
  return NULL;
}

struct bglssl_lookup *bglssl_lookup_start(const char *host, int family) {
  struct bglssl_lookup *lookup = calloc(1, sizeof(*lookup) + strlen(host) + 1);
  int error;

  if (!lookup) return NULL;
  strcpy(lookup->host, host);
  lookup->family = family;
  atomic_init(&lookup->owners, 2);
  lookup->done_fd = eventfd(0, EFD_CLOEXEC);
  error = lookup->done_fd < 0 ? errno : bglssl_start_thread(look_up, lookup);
  if (!error) return lookup;
  if (lookup->done_fd >= 0) close(lookup->done_fd);
  free(lookup);
  errno = error;
  return NULL;
}

int bglssl_lookup_fd(const struct bglssl_lookup *lookup) { return lookup->done_fd; }

int bglssl_lookup_result(const struct bglssl_lookup *lookup, struct bglssl_addresses *found) {
  *found = lookup->found;
  return lookup->error;
}

void bglssl_lookup_release(struct bglssl_lookup *lookup) {
  if (atomic_fetch_sub(&lookup->owners, 1) > 1) return;
  close(lookup->done_fd);
  free(lookup);
}
