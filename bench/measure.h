/* One measurement: a server and a client, each a fresh process, and what they have used. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "network.h"
#include "scenario.h"

typedef struct {
  double result;
  double server_cpu, client_cpu; /* seconds of processor time */
  /* Of both processes; -1 where it is not known. */
  long switches; /* context switches */
  long packets;  /* sent */
  long calls;    /* system calls; counted only if asked for: counting takes time */
} measure_t;

measure_t measure(const scenario_t *scenario, const side_t *side, const pki_t *pki, const network_t *network,
                  bool counts_calls);

#endif
