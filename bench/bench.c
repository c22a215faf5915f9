/* bench: bglssl beside raw OpenSSL, both ends in C, in the same run.
 *
 *   bench [-r ROUNDS] [-s SCALE] [WORD ...]       only the scenarios whose names contain one of the words
 *   bench -o bglssl|openssl [-s SCALE] WORD ...   only that side, once: for profilers
 *
 * Each measurement has two fresh processes, a server and a client, on 127.0.0.1. The two libraries take turns; what
 * counts is the median, over all rounds, of the ratio of two measurements made one after the other. */

#define _GNU_SOURCE
#include "scenario.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99, DEADLINE_SECONDS = 120 };

_Noreturn void die(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why ? why : "unknown reason");
  exit(1);
}

/* ----------------------------------------------------------------------------------------------------- measurements */

typedef struct {
  double result;
  double cpu; /* seconds of processor time, of both processes */
} measure_t;

static double processor_seconds(pid_t pid) {
  struct rusage usage;
  int status;
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) die("measurement", "a process has failed");
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Gives this process one half of the processors, so that the two ends share none, as in a network. Left alone, the
 * scheduler puts them together or apart as it happens, which makes a round trip slower or faster by a factor, and lets
 * the threads of one process contend for cache lines or not. */
static void take_half(int which) {
  cpu_set_t all, half;
  if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
  CPU_ZERO(&half);
  int seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &all) && seen++ * 2 / CPU_COUNT(&all) == which) CPU_SET(cpu, &half);
  sched_setaffinity(0, sizeof half, &half);
}

static measure_t measure(const scenario_t *scenario, const side_t *side, const pki_t *pki) {
  int port_pipe[2], result_pipe[2];
  if (pipe(port_pipe) != 0 || pipe(result_pipe) != 0) die("pipe", strerror(errno));

  pid_t server_pid = fork();
  if (server_pid == 0) {
    alarm(DEADLINE_SECONDS);
    take_half(0);
    void *server = side->listen(pki, &scenario->link);
    int port = side->port(server);
    if (write(port_pipe[1], &port, sizeof port) != sizeof port) die("port", strerror(errno));
    scenario->server(scenario, side, server, result_pipe[1]);
    _exit(0);
  }
  pid_t client_pid = fork();
  if (client_pid == 0) {
    alarm(DEADLINE_SECONDS);
    take_half(1);
    close(port_pipe[1]);
    int port;
    if (read(port_pipe[0], &port, sizeof port) != sizeof port) die("client", "the server did not start");
    void *client = side->client(pki, &scenario->link);
    scenario->client(scenario, side, client, port, result_pipe[1]);
    _exit(0);
  }
  if (server_pid < 0 || client_pid < 0) die("fork", strerror(errno));
  close(port_pipe[0]);
  close(port_pipe[1]);
  close(result_pipe[1]);

  measure_t m;
  m.cpu = processor_seconds(client_pid) + processor_seconds(server_pid);
  if (read(result_pipe[0], &m.result, sizeof m.result) != sizeof m.result) die("measurement", "there is no result");
  close(result_pipe[0]);
  return m;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void compare_sides(const scenario_t *scenario, const pki_t *pki, int rounds) {
  double ours[MAX_ROUNDS], raw[MAX_ROUNDS], ratio[MAX_ROUNDS], cpu[MAX_ROUNDS];

  for (int i = 0; i < rounds; i++) {
    /* The side that goes first may find the machine in another state, so the sides take turns in going first. */
    measure_t a, b;
    if (i % 2 == 0) {
      a = measure(scenario, &side_bglssl, pki);
      b = measure(scenario, &side_openssl, pki);
    } else {
      b = measure(scenario, &side_openssl, pki);
      a = measure(scenario, &side_bglssl, pki);
    }
    ours[i] = a.result;
    raw[i] = b.result;
    ratio[i] = a.result / b.result;
    cpu[i] = a.cpu / b.cpu;
  }
  printf("%-48s %10.1f %10.1f %-5s %7.2f", scenario->name, median(ours, rounds), median(raw, rounds), scenario->unit,
         median(ratio, rounds));
  if (scenario->less_is_better)
    printf(" %7s\n", "-");
  else
    printf(" %7.2f\n", median(cpu, rounds));
}

static void one_side(const scenario_t *scenario, const pki_t *pki, const char *name) {
  const side_t *side = strcmp(name, side_openssl.name) == 0 ? &side_openssl : &side_bglssl;
  measure_t m = measure(scenario, side, pki);
  printf("%-48s %-10s %10.1f %-5s %7.2f s cpu\n", scenario->name, side->name, m.result, scenario->unit, m.cpu);
}

static bool wanted(const scenario_t *scenario, char **words, int n) {
  for (int i = 0; i < n; i++)
    if (strstr(scenario->name, words[i])) return true;
  return n == 0;
}

int main(int argc, char **argv) {
  const char *only = NULL;
  int rounds = 7, option;
  double scale = 1;
  while ((option = getopt(argc, argv, "o:r:s:")) != -1) {
    if (option == 'o') only = optarg;
    if (option == 'r') rounds = atoi(optarg);
    if (option == 's') scale = atof(optarg);
    if (option == '?' || rounds < 1 || rounds > MAX_ROUNDS || scale <= 0) {
      fputs("usage: bench [-o bglssl|openssl] [-r ROUNDS (1 to 99)] [-s SCALE] [WORD ...]\n", stderr);
      return 2;
    }
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  pki_t pki = make_pki();
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!only) printf("%-48s %10s %10s %-5s %7s %7s\n", "", "bglssl", "openssl", "", "ratio", "cpu");
  for (int i = 0; i < scenarios_count; i++) {
    scenario_t scenario = scenarios[i];
    if (!scenario.server_measures) scenario.count = (size_t)((double)scenario.count * scale) + 1;
    if (!wanted(&scenario, argv + optind, argc - optind)) continue;
    if (only)
      one_side(&scenario, &pki, only);
    else
      compare_sides(&scenario, &pki, rounds);
  }
  free(pki.ca);
  free(pki.server);
  free(pki.server_key);
  free(pki.client);
  free(pki.client_key);
  return 0;
}
