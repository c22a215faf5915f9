/* Runs of scenarios, in a process each, several at a time. */
#ifndef FAULTS_JOBS_H
#define FAULTS_JOBS_H

#include "faults.h"

enum { MAX_JOBS = 32 };

struct job {
    pid_t pid;
    int why_fd;
    struct fault fault;
    long which; /* what its starter calls it */
    bool good, crashed; /* crashed: by a signal, other than that of its time limit */
    char why[2048]; /* it was not good */
    struct fault_trace *trace;
};

/* Before the first run; once. Each may take this many seconds, and `most` are made at a time. */
void prepare_jobs(enum fault_kind kind, int seconds, int most);

/* A run in this process, which ends with it. */
_Noreturn void run_here(const struct scenario *scenario, struct fault fault);
/* Starts a run, when a place is free. */
void start_job(const struct scenario *scenario, struct fault fault, long which);
bool all_places_taken(void);
bool jobs_are_running(void);
/* Waits for one to end; NULL when there is none. What is returned holds until the next start. */
const struct job *finish_job(void);

#endif
