/* Networks in namespaces of their own, so that nothing else sends over them and nothing of them is left behind. */

#define _GNU_SOURCE
#include "network.h"
#include "delay.h"
#include "side.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

network_t networks[] = {
  {.name = "loopback", .address = "127.0.0.1", .scale = 1, .server_namespace = -1, .client_namespace = -1},
  {.name = "veth, 200 Mbit/s", .address = "10.0.0.1", .rate = 200, .is_veth = true, .scale = 0.25,
   .server_namespace = -1, .client_namespace = -1},
  {.name = "veth, full speed", .address = "10.0.0.1", .is_veth = true, .scale = 1,
   .server_namespace = -1, .client_namespace = -1},
  {.name = "veth, 40 ms", .address = "10.0.0.1", .round_trip = 40000, .is_veth = true, .scale = 1,
   .server_namespace = -1, .client_namespace = -1},
};
const int networks_count = sizeof networks / sizeof networks[0];

static int own_namespace(void) {
  int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (namespace < 0) die("network namespace", strerror(errno));
  return namespace;
}

void enter_namespace(int namespace) {
  if (namespace >= 0 && setns(namespace, CLONE_NEWNET) != 0) die("setns", strerror(errno));
}

static bool run(const char *format, ...) {
  char command[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  return system(command) == 0;
}

/* A new namespace with its loopback device up, which the process is in afterwards. */
static int new_namespace(void) {
  return unshare(CLONE_NEWNET) == 0 && run("ip link set lo up") ? own_namespace() : -1;
}

/* In the namespace of one end: its address, and how fast it sends. One segment a packet, as over a wire without offloading. */
static bool set_up_end(const network_t *network, int last_byte) {
  if (network->round_trip) complete_checksums("veth");
  return run("ip address add 10.0.0.%d/24 dev veth && ip link set veth gso_max_segs 1 up", last_byte) &&
         (network->rate == 0 ||
          run("tc qdisc add dev veth root tbf rate %dmbit burst 16kb latency 100ms", network->rate));
}

/* From the namespace that the process is in to another. */
static bool add_pair(const char *name, int other_namespace, const char *other_name) {
  return run("ip link add %s type veth peer name %s netns /proc/%d/fd/%d", name, other_name, getpid(), other_namespace);
}

/* The ends have a delay line between them, in a namespace of its own; the process is in it then. */
static bool add_delayed_pairs(const network_t *network) {
  static const char *const devices[] = {"server", "client"};
  int namespace = new_namespace();
  if (namespace < 0 || !add_pair(devices[0], network->server_namespace, "veth") ||
      !add_pair(devices[1], network->client_namespace, "veth") || !run("ip link set server up && ip link set client up"))
    return false;
  if (fork() == 0) run_delay_line(devices, network->round_trip / 2);
  return true;
}

static bool make_veth(network_t *network) {
  network->server_namespace = new_namespace();
  if (network->server_namespace < 0) return false;
  network->client_namespace = new_namespace();
  if (network->client_namespace < 0) return false;
  if (!(network->round_trip ? add_delayed_pairs(network) : add_pair("veth", network->server_namespace, "veth")))
    return false;
  enter_namespace(network->server_namespace);
  if (!set_up_end(network, 1)) return false;
  enter_namespace(network->client_namespace);
  return set_up_end(network, 2);
}

bool make_network(network_t *network) {
  int before = own_namespace();
  bool made;
  if (unshare(CLONE_NEWNET) != 0) {
    close(before);
    return false;
  }
  if (network->is_veth) {
    made = make_veth(network);
  } else {
    network->server_namespace = network->client_namespace = new_namespace();
    made = network->server_namespace >= 0;
  }
  enter_namespace(before);
  close(before);
  return made;
}

/* ------------------------------------------------------------------------------------------------------ its packets */

/* The value of a counter in /proc/net/snmp, where a line of names is followed by one of values. */
static long counter(FILE *file, const char *protocol, const char *name) {
  char names[1024], values[1024];
  rewind(file);
  while (fgets(names, sizeof names, file) && fgets(values, sizeof values, file)) {
    char *names_at, *values_at;
    char *key = strtok_r(names, " \n", &names_at), *value = strtok_r(values, " \n", &values_at);
    if (!key || strcmp(key, protocol) != 0) continue;
    while (key && value) {
      if (strcmp(key, name) == 0) return atol(value);
      key = strtok_r(NULL, " \n", &names_at);
      value = strtok_r(NULL, " \n", &values_at);
    }
  }
  die("/proc/net/snmp", "a counter is missing");
}

static long sent_in(int namespace) {
  enter_namespace(namespace);
  FILE *file = fopen("/proc/thread-self/net/snmp", "r");
  if (!file) die("/proc/net/snmp", strerror(errno));
  long sent = counter(file, "Tcp:", "OutSegs") + counter(file, "Udp:", "OutDatagrams");
  fclose(file);
  return sent;
}

long packets_sent(const network_t *network) {
  if (network->server_namespace < 0) return -1;
  int before = own_namespace();
  long sent = sent_in(network->server_namespace);
  if (network->client_namespace != network->server_namespace) sent += sent_in(network->client_namespace);
  enter_namespace(before);
  close(before);
  return sent;
}
