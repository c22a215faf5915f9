/* addresses.c: the addresses of sockets and of their peers, where Bigloo's runtime does not know them. */
#include <bigloo.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sockets.h"

/* Bigloo's accept knows IPv4 addresses only. */
void bglssl_set_address(obj_t socket, const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)address;

    SOCKET(socket).address.in_addr = in->sin_addr;
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const void *)address;

    SOCKET(socket).address.in6_addr = in6->sin6_addr;
  }
  SOCKET(socket).family = address->ss_family;
}

void bglssl_set_peer_address(obj_t socket) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);

  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&address, &size) == 0)
    bglssl_set_address(socket, &address);
}

int bglssl_port_of(const struct sockaddr_storage *address) {
  return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                              : ((const struct sockaddr_in *)address)->sin_port);
}

/* Bigloo has taken these from the local connection that stands for the client's. */
void bglssl_set_datagram_peer(obj_t socket) {
  struct sockaddr_storage address;
  socklen_t size = sizeof(address);

  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&address, &size) == 0)
    SOCKET(socket).portnum = bglssl_port_of(&address);
  SOCKET(socket).hostname = BUNSPEC;
  SOCKET(socket).hostip = BUNSPEC;
}

/* The peer's address as it was when the connection was accepted: the kernel forgets that of a peer
 * that has reset it. Bigloo's accept has kept it for IPv4 only, and says so of IPv6, too. */
static bool accepted_address(obj_t socket, struct sockaddr_storage *address, socklen_t *size) {
  struct sockaddr_in *in = (void *)address;
  struct sockaddr_storage local;
  socklen_t local_size = sizeof(local);

  if (SOCKET(socket).family != AF_INET || SOCKET(socket).portnum <= 0 ||
      getsockname(SOCKET(socket).fd, (struct sockaddr *)&local, &local_size) != 0 ||
      local.ss_family != AF_INET)
    return false;
  memset(in, 0, sizeof(*in));
  in->sin_family = AF_INET;
  in->sin_addr = SOCKET(socket).address.in_addr;
  in->sin_port = htons((uint16_t)SOCKET(socket).portnum);
  *size = sizeof(*in);
  return true;
}

void bglssl_ask_peer(obj_t socket, struct bglssl_peer *peer) {
  peer->size = sizeof(peer->address);
  if (getpeername(SOCKET(socket).fd, (struct sockaddr *)&peer->address, &peer->size) != 0 &&
      !accepted_address(socket, &peer->address, &peer->size))
    peer->size = 0;
}

obj_t bglssl_name_of_peer(const struct bglssl_peer *peer) {
  char host[NI_MAXHOST], port[NI_MAXSERV], name[NI_MAXHOST + NI_MAXSERV + 4];

  if (peer->size == 0 ||
      getnameinfo((const struct sockaddr *)&peer->address, peer->size, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return string_to_bstring("a socket");
  snprintf(name, sizeof(name), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  return string_to_bstring(name);
}

obj_t bglssl_peer_name(obj_t socket) {
  struct bglssl_peer peer;

  bglssl_ask_peer(socket, &peer);
  return bglssl_name_of_peer(&peer);
}

/* The name that the program connected to, if it did; asks no name server. */
obj_t bglssl_known_hostname(obj_t socket) {
  obj_t name = SOCKET(socket).hostname;

  return STRINGP(name) && SOCKET(socket).family != AF_UNIX ? name : BFALSE;
}
