/* The networks that the two ends talk over. */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include <stdbool.h>

typedef struct {
  const char *name;
  const char *address; /* the server's */
  int rate;            /* Mbit/s in each direction; 0: unlimited */
  long round_trip;     /* microseconds that one takes, beside the time of the system itself */
  bool is_veth;        /* a pair of virtual Ethernet devices with an MTU of 1500; otherwise the loopback device */
  double scale;        /* how much of each scenario is done over it */
  /* Descriptors of the network namespaces of the ends; -1: the one that the benchmark was started in. */
  int server_namespace, client_namespace;
} network_t;

extern network_t networks[];
extern const int networks_count;

/* Makes the namespaces of a network, which live as long as the process. False where that is not allowed, or ip(8) or
 * tc(8) is missing; a loopback network is then that of the machine. */
bool make_network(network_t *network);

/* Moves this process into a namespace. */
void enter_namespace(int namespace);

/* How many packets of TCP and UDP both ends have sent so far; -1 where others use the network, too. */
long packets_sent(const network_t *network);

#endif
