/* netem would do this, but not every kernel has it. */

#define _GNU_SOURCE
#include "delay.h"
#include "side.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 2048, HELD = 1024 };

typedef struct {
  int out;
  long due; /* microseconds */
  size_t length;
  unsigned char bytes[LONGEST];
} frame_t;

static long microseconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int open_device(const char *name) {
  struct sockaddr_ll address = {
    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die(name, strerror(errno));
  return fd;
}

/* Takes the frames that have come in, and not those that the line has sent. */
static void take_frames(int in, int out, long due, frame_t *frames, size_t *last) {
  struct sockaddr_ll from;
  for (;;) {
    frame_t *frame = &frames[*last % HELD];
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(in, frame->bytes, sizeof frame->bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    if (n <= 0) return;
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    frame->out = out;
    frame->due = due;
    frame->length = (size_t)n;
    ++*last;
  }
}

_Noreturn void run_delay_line(const char *const devices[2], long microseconds) {
  static frame_t frames[HELD];
  size_t first = 0, last = 0; /* all are late by the same time, so those that came first are due first */
  int fds[2] = {open_device(devices[0]), open_device(devices[1])};
  struct pollfd wait[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    long left = first == last ? 1000000 : frames[first % HELD].due - microseconds_now();
    struct timespec timeout = {left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 * 1000 : 0};
    ppoll(wait, 2, &timeout, NULL);
    long now = microseconds_now();
    for (int i = 0; i < 2; i++) take_frames(fds[i], fds[!i], now + microseconds, frames, &last);
    for (; first != last && frames[first % HELD].due <= now; first++)
      send(frames[first % HELD].out, frames[first % HELD].bytes, frames[first % HELD].length, 0);
  }
}

void complete_checksums(const char *device) {
  struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM, .data = 0};
  struct ifreq request = {.ifr_data = (char *)&off};
  strncpy(request.ifr_name, device, sizeof request.ifr_name - 1);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) != 0) die(device, strerror(errno));
  close(fd);
}
