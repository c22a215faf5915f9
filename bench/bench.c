/* bench: bglssl beside raw OpenSSL, both ends in C, in the same run.
 *
 *   bench [-r ROUNDS] [-s SCALE] [-n NETWORK] [WORD ...]       only the scenarios whose names contain one of the words,
 *                                                              over the networks whose names contain NETWORK
 *   bench -o bglssl|openssl [-s SCALE] [-n NETWORK] WORD ...   only that side, once: for profilers
 *
 * Each measurement has two fresh processes, a server and a client. The two libraries take turns; what counts is the
 * median, over all rounds, of the ratio of two measurements made one after the other. */

#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99 };

_Noreturn void die(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why ? why : "unknown reason");
  exit(1);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ------------------------------------------------------------------------------------------------------- the table */

static void print_heading(const network_t *network) {
  char over[64];
  snprintf(over, sizeof over, "over %s", network->name);
  printf("\n%-46s %9s %9s %-5s %5s %5s %6s %6s  %15s %15s %15s\n", over, "bglssl", "openssl", "", "ratio", "cpu", "server",
         "client", "switches", "packets", "calls");
}

/* Two counts per unit of the scenario, bglssl's first. */
static void print_counts(long ours, long raw, size_t units) {
  char text[64] = "-";
  if (ours >= 0 && raw >= 0)
    snprintf(text, sizeof text, "%.1f : %.1f", (double)ours / (double)units, (double)raw / (double)units);
  printf(" %15s", text);
}

/* The figures of all rounds, and what is made of those of one round, by a function each. */
typedef struct {
  measure_t ours[MAX_ROUNDS], raw[MAX_ROUNDS];
  int n;
} rounds_t;

static double median_of(const measure_t *of, int n, double (*figure)(const measure_t *)) {
  double values[MAX_ROUNDS];
  for (int i = 0; i < n; i++) values[i] = figure(&of[i]);
  return median(values, n);
}

static double median_ratio(const rounds_t *rounds, double (*figure)(const measure_t *)) {
  double values[MAX_ROUNDS];
  for (int i = 0; i < rounds->n; i++) values[i] = figure(&rounds->ours[i]) / figure(&rounds->raw[i]);
  return median(values, rounds->n);
}

static double result(const measure_t *m) {
  return m->result;
}

static double server_cpu(const measure_t *m) {
  return m->server_cpu;
}

static double client_cpu(const measure_t *m) {
  return m->client_cpu;
}

static double cpu(const measure_t *m) {
  return m->server_cpu + m->client_cpu;
}

static double switches(const measure_t *m) {
  return (double)m->switches;
}

static double packets(const measure_t *m) {
  return (double)m->packets;
}

static void compare_sides(const scenario_t *scenario, const pki_t *pki, const network_t *network, int n) {
  rounds_t rounds = {.n = n};
  for (int i = 0; i < n; i++) {
    /* The side that goes first may find the machine in another state, so the sides take turns in going first. */
    if (i % 2 == 0) rounds.ours[i] = measure(scenario, &side_bglssl, pki, network, false);
    rounds.raw[i] = measure(scenario, &side_openssl, pki, network, false);
    if (i % 2 != 0) rounds.ours[i] = measure(scenario, &side_bglssl, pki, network, false);
  }
  printf("%-46s %9.1f %9.1f %-5s %5.2f", scenario->name, median_of(rounds.ours, n, result),
         median_of(rounds.raw, n, result), scenario->unit, median_ratio(&rounds, result));
  if (!scenario->less_is_better) {
    printf(" %5.2f %6.2f %6.2f ", median_ratio(&rounds, cpu), median_ratio(&rounds, server_cpu),
           median_ratio(&rounds, client_cpu));
    print_counts((long)median_of(rounds.ours, n, switches), (long)median_of(rounds.raw, n, switches), scenario->count);
    print_counts((long)median_of(rounds.ours, n, packets), (long)median_of(rounds.raw, n, packets), scenario->count);
    measure_t ours = measure(scenario, &side_bglssl, pki, network, true);
    measure_t raw = measure(scenario, &side_openssl, pki, network, true);
    print_counts(ours.calls, raw.calls, scenario->count);
  }
  putchar('\n');
}

static void one_side(const scenario_t *scenario, const pki_t *pki, const network_t *network, const char *name) {
  const side_t *side = strcmp(name, side_openssl.name) == 0 ? &side_openssl : &side_bglssl;
  measure_t m = measure(scenario, side, pki, network, false);
  printf("%-46s %-10s %9.1f %-5s  cpu of the server %.3f s, of the client %.3f s\n", scenario->name, side->name, m.result,
         scenario->unit, m.server_cpu, m.client_cpu);
}

static bool wanted(const scenario_t *scenario, char **words, int n) {
  for (int i = 0; i < n; i++)
    if (strstr(scenario->name, words[i])) return true;
  return n == 0;
}

static void run_over(const network_t *network, const char *only, int rounds, double scale, char **words, int n) {
  pki_t pki = make_pki(false), rsa = make_pki(true);
  if (!only) print_heading(network);
  for (int i = 0; i < scenarios_count; i++) {
    scenario_t scenario = scenarios[i];
    if (!wanted(&scenario, words, n) || (scenario.only_once && network != networks) ||
        scenario.counts_round_trips != (network->round_trip > 0)) continue;
    scenario.count = (size_t)((double)scenario.count * scale * network->scale) + 1;
    const pki_t *its = scenario.link.rsa ? &rsa : &pki;
    if (only)
      one_side(&scenario, its, network, only);
    else
      compare_sides(&scenario, its, network, scenario.only_once ? 1 : rounds);
  }
  free_pki(&pki);
  free_pki(&rsa);
}

int main(int argc, char **argv) {
  const char *only = NULL, *over = "";
  int rounds = 7, option;
  double scale = 1;
  while ((option = getopt(argc, argv, "n:o:r:s:")) != -1) {
    if (option == 'n') over = optarg;
    if (option == 'o') only = optarg;
    if (option == 'r') rounds = atoi(optarg);
    if (option == 's') scale = atof(optarg);
    if (option == '?' || rounds < 1 || rounds > MAX_ROUNDS || scale <= 0) {
      fputs("usage: bench [-o bglssl|openssl] [-n NETWORK] [-r ROUNDS (1 to 99)] [-s SCALE] [WORD ...]\n", stderr);
      return 2;
    }
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < networks_count; i++) {
    network_t *network = &networks[i];
    if (!strstr(network->name, over)) continue;
    if (make_network(network) || !network->is_veth)
      run_over(network, only, rounds, scale, argv + optind, argc - optind);
    else
      printf("\nnot measured over %s: that needs root, ip(8) and tc(8)\n", network->name);
  }
  return 0;
}
