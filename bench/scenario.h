/* What is measured: the scenarios, and what one is. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "side.h"

typedef struct scenario scenario_t;

/* Whose clients wait, before they close, for the server's close_notify. bglssl's do by default. */
typedef enum { BOTH_WAIT, NONE_WAITS, BGLSSL_WAITS } close_wait_t;

struct scenario {
  const char *name, *unit;
  void (*server)(const scenario_t *, const side_t *, void *server, int result_fd);
  void (*client)(const scenario_t *, const side_t *, void *client, int port, int result_fd);
  bool less_is_better;
  bool counts_round_trips; /* over networks whose round trips take time, and over no other */
  bool only_once; /* over one network, and in one round: other networks and rounds would give the same */
  int threads;
  size_t count; /* connections, messages */
  size_t size;  /* bytes of a message */
  link_t link;
  bool resume;
  size_t fresh_every; /* how many connections the sessions last that clients resume by themselves; 0: all */
  close_wait_t close_wait;
  read_mode_t read_mode; /* of the end that receives in bulk */
};

extern const scenario_t scenarios[];
extern const int scenarios_count;

#endif
