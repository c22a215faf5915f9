/* several_addresses.h: the host "several.example", which has three addresses in a program that includes this. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

static const char *const several_addresses[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};

typedef int resolve_t(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  resolve_t *resolve = (resolve_t *)dlsym(RTLD_NEXT, "getaddrinfo");

  if (!host || strcmp(host, "several.example") != 0) return resolve(host, service, hints, found);
  for (int i = 0; i < 3; i++) {
    int error = resolve(several_addresses[i], service, hints, found);

    if (error) return error;
    while (*found) found = &(*found)->ai_next;
  }
  return 0;
}

/* A descriptor that takes datagrams at one of the addresses and answers none; -1 if it cannot be. */
static int silent_datagrams(int address, int port) {
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  inet_pton(AF_INET, several_addresses[address], &local.sin_addr);
  return fd >= 0 && bind(fd, (const struct sockaddr *)&local, sizeof(local)) == 0 ? fd : -1;
}
