#define _GNU_SOURCE
#include "measure.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_SECONDS = 120 };

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

/* A counter of the system calls of this process and the threads that it will have; -1 where the system has none for us. */
static int count_calls(void) {
  FILE *file = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "r");
  if (!file) file = fopen("/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id", "r");
  unsigned long long id;
  if (!file) return -1;
  int found = fscanf(file, "%llu", &id);
  fclose(file);
  struct perf_event_attr event = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof event, .config = id, .inherit = 1};
  return found == 1 ? (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC) : -1;
}

static void report_calls(int counter, int pipe) {
  long long calls = -1;
  if (counter >= 0 && read(counter, &calls, sizeof calls) != sizeof calls) calls = -1;
  if (write(pipe, &calls, sizeof calls) != sizeof calls) die("calls", strerror(errno));
}

typedef struct {
  const scenario_t *scenario;
  const side_t *side;
  const pki_t *pki;
  link_t link;
  int namespace;
  bool counts_calls;
  int port_pipe[2], result_pipe[2], calls_pipe[2];
} job_t;

static void be_server(const job_t *job) {
  void *server = job->side->listen(job->pki, &job->link);
  int port = job->side->port(server);
  if (write(job->port_pipe[1], &port, sizeof port) != sizeof port) die("port", strerror(errno));
  job->scenario->server(job->scenario, job->side, server, job->result_pipe[1]);
}

static void be_client(const job_t *job) {
  int port;
  close(job->port_pipe[1]);
  if (read(job->port_pipe[0], &port, sizeof port) != sizeof port) die("client", "the server did not start");
  void *client = job->side->client(job->pki, &job->link);
  job->scenario->client(job->scenario, job->side, client, port, job->result_pipe[1]);
}

static pid_t start(const job_t *job, int half, int namespace, void (*run)(const job_t *)) {
  pid_t pid = fork();
  if (pid < 0) die("fork", strerror(errno));
  if (pid > 0) return pid;
  alarm(DEADLINE_SECONDS);
  take_half(half);
  enter_namespace(namespace);
  int counter = job->counts_calls ? count_calls() : -1;
  run(job);
  report_calls(counter, job->calls_pipe[1]);
  _exit(0);
}

static double processor_seconds(pid_t pid, long *switches) {
  struct rusage usage;
  int status;
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) die("measurement", "a process has failed");
  *switches += usage.ru_nvcsw + usage.ru_nivcsw;
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void take(int pipe, void *value, size_t size) {
  if (read(pipe, value, size) != (ssize_t)size) die("measurement", "there is no result");
}

measure_t measure(const scenario_t *scenario, const side_t *side, const pki_t *pki, const network_t *network,
                  bool counts_calls) {
  job_t job = {
    .scenario = scenario, .side = side, .pki = pki, .link = scenario->link, .counts_calls = counts_calls};
  job.link.address = network->address;
  int *const pipes[] = {job.port_pipe, job.result_pipe, job.calls_pipe};
  for (int i = 0; i < 3; i++)
    if (pipe(pipes[i]) != 0) die("pipe", strerror(errno));

  long packets_before = packets_sent(network);
  pid_t server = start(&job, 0, network->server_namespace, be_server);
  pid_t client = start(&job, 1, network->client_namespace, be_client);
  for (int i = 0; i < 3; i++) close(pipes[i][1]);
  close(job.port_pipe[0]);

  measure_t m = {0};
  m.client_cpu = processor_seconds(client, &m.switches);
  m.server_cpu = processor_seconds(server, &m.switches);
  m.packets = packets_before < 0 ? -1 : packets_sent(network) - packets_before;
  long long calls[2];
  take(job.result_pipe[0], &m.result, sizeof m.result);
  take(job.calls_pipe[0], calls, sizeof calls);
  m.calls = calls[0] < 0 || calls[1] < 0 ? -1 : (long)(calls[0] + calls[1]);
  if (scenario->counts_round_trips) m.result /= (double)network->round_trip / 1e6;
  close(job.result_pipe[0]);
  close(job.calls_pipe[0]);
  return m;
}
