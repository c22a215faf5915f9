/* resolver.h: host names to addresses, in a thread of their own: getaddrinfo(3) can neither be
 * interrupted nor given a time limit. What was found is remembered for a while, as the runtime does
 * for its own sockets. */
#ifndef BGLSSL_RESOLVER_H
#define BGLSSL_RESOLVER_H

#include <stdbool.h>
#include <sys/socket.h>

#define BGLSSL_MOST_ADDRESSES 16

struct bglssl_address {
  struct sockaddr_storage address;
  socklen_t size;
};

/* In the order in which to try them: IPv6 and IPv4 in turn. */
struct bglssl_addresses {
  int count;
  struct bglssl_address list[BGLSSL_MOST_ADDRESSES];
};

struct bglssl_lookup;

/* The addresses of a host that need no lookup: its name is one, or was looked up less than
 * `validity` seconds ago. */
bool bglssl_known_addresses(const char *host, int family, long validity, struct bglssl_addresses *found);

/* Begins to look a name up. NULL with errno. */
struct bglssl_lookup *bglssl_lookup_start(const char *host, int family);

/* A descriptor that is readable once that is done. */
int bglssl_lookup_fd(const struct bglssl_lookup *lookup);

/* What was found then; or the error of getaddrinfo(3). */
int bglssl_lookup_result(const struct bglssl_lookup *lookup, struct bglssl_addresses *found);

/* Does not wait: a lookup that is still in progress ends by itself. */
void bglssl_lookup_release(struct bglssl_lookup *lookup);

#endif
