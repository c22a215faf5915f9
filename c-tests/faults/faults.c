/* Runs every scenario once for each call that may fail, in a process each.
 *
 *   faults allocations|system-calls [--all|--every] [--for-ever] [-j N] [--runs N] [SCENARIO...]
 *   faults allocations|system-calls --planted
 *   faults allocations|system-calls --one THREAD N CHOICE SCENARIO     one run, to be looked at with a debugger
 *
 * --all: every system call with each of its errors; of allocations every call stack that leads to one, the first, the
 * second and the last time, and once only where another scenario had it already (see plan.c). --every: each time, in each
 * scenario. Otherwise N runs (--runs) of those of --all, evenly spread
 * and the same every time. --for-ever lets a failing system call fail to the end of the run.
 * A case's line tells the first bad run; standard error has all of them. */
#define _GNU_SOURCE
#include <signal.h>

#include "jobs.h"
#include "plan.h"

enum { RUN_SECONDS = 25, PLANTED_SECONDS = 4, RETRIES = 7 };

static struct {
    enum fault_kind kind;
    enum thoroughness thoroughness;
    bool all, for_ever, planted;
    long sample;
} options = {.sample = 40};

struct tally {
    const struct scenario *scenario;
    long runs, bad;
    char first[2600];
};

static void note_bad(struct tally *tally, const struct job *job)
{
    char line[2600];
    snprintf(line, sizeof line, "run %u %u %d (%s): %s", job->fault.thread, job->fault.n, job->fault.choice,
             job->trace->fired ? job->trace->where : "nothing failed", job->why);
    fprintf(stderr, "%s: %s\n", tally->scenario->name, line);
    if (tally->bad++ == 0)
        memcpy(tally->first, line, sizeof line);
}

enum { RETRY_LIMIT_FACTOR = 10 };

/* A run in which nothing failed after all says nothing about failures, but that the machine was too busy for a time limit: it
 * is bad only if it is once more, alone and with more time. A crash is always one of the library's. */
static void await_one(struct tally *tally, struct plan *plan)
{
    const struct job *job = finish_job();
    struct planned *planned = &plan->faults[job->which];
    tally->runs++;
    if (!job->good && !job->crashed && !job->trace->fired && !planned->tried_alone) {
        long which = job->which;
        fprintf(stderr, "%s: tried again alone: %s\n", tally->scenario->name, job->why);
        planned->tried_alone = true;
        while (jobs_are_running())
            await_one(tally, plan);
        limit_factor = RETRY_LIMIT_FACTOR;
        start_job(tally->scenario, planned->fault, which);
        await_one(tally, plan);
        limit_factor = 1;
        return;
    }
    if (!job->good)
        note_bad(tally, job);
    note_run(options.kind, planned, job->trace);
}

/* Tries `runs` of the planned faults, each that is not done yet: the middle of each of as many equal parts. */
static void try_some(struct tally *tally, struct plan *plan, long runs)
{
    for (long i = 0; i < runs; i++) {
        long which = (long)((2 * (int64_t)i + 1) * plan->count / (2 * runs));
        if (plan->faults[which].done)
            continue;
        if (all_places_taken())
            await_one(tally, plan);
        start_job(tally->scenario, plan->faults[which].fault, which);
    }
    while (jobs_are_running())
        await_one(tally, plan);
}

/* A run without a fault; NULL if it crashed, or went wrong twice, which is told then. */
static const struct fault_trace *trace_calls(const struct scenario *scenario, const char *prefix)
{
    const struct job *job = NULL;
    for (int tries = 0; tries < 2; tries++) {
        limit_factor = tries == 0 ? 1 : RETRY_LIMIT_FACTOR;
        start_job(scenario, (struct fault){0}, 0);
        job = finish_job();
        limit_factor = 1;
        if (job->good)
            return job->trace;
        if (job->crashed)
            break;
    }
    printf("not ok %s%s: without a failure: %s\n", prefix, scenario->name, job->why);
    return NULL;
}

static long count_undone(const struct plan *plan)
{
    long count = 0;
    for (long i = 0; i < plan->count; i++)
        count += !plan->faults[i].done;
    return count;
}

static void print_result(const struct tally *tally, const struct plan *plan)
{
    if (tally->bad) {
        printf("not ok %s: %ld of %ld runs, such as %s\n", tally->scenario->name, tally->bad, tally->runs, tally->first);
        return;
    }
    printf("ok %s (%ld runs for %ld calls", tally->scenario->name, tally->runs, plan->calls);
    if (plan->stacks)
        printf(" from %ld stacks", plan->stacks);
    if (options.all && count_undone(plan))
        printf(", %ld not met again", count_undone(plan));
    printf(")\n");
}

static struct stack_group stack_group(const struct scenario *scenario)
{
    uint64_t number = 4 * (uint64_t)scenario->outcome + 2 * scenario->cold + scenario->again;
    return (struct stack_group){number + 1, scenario->outcome != SUCCEEDS};
}

/* Prints the case's line; true unless it failed. */
static bool try_all(const struct scenario *scenario)
{
    const struct fault_trace *trace = trace_calls(scenario, "");
    if (!trace)
        return false;
    struct tally tally = {.scenario = scenario};
    struct plan plan = make_plan(options.kind, options.thoroughness, options.for_ever || scenario->for_ever,
                                 stack_group(scenario), trace);
    long some = options.sample > scenario->at_least ? options.sample : scenario->at_least;
    if (plan.calls == 0)
        printf("ok %s (it makes no such calls)\n", scenario->name);
    else if (!options.all && some < plan.count)
        try_some(&tally, &plan, some);
    else
        try_some(&tally, &plan, plan.count);
    for (int again = 0; options.all && again < RETRIES; again++)
        try_some(&tally, &plan, plan.count);
    if (plan.calls > 0)
        print_result(&tally, &plan);
    fflush(stdout);
    free_plan(&plan);
    return tally.bad == 0;
}

/* Each planted mistake must be reported, in the words that its name has. */
static bool try_planted(const struct scenario *scenario)
{
    const struct fault_trace *trace = trace_calls(scenario, "notices_");
    if (!trace)
        return false;
    if (trace->count == 0)
        return true; /* a mistake for the other kind of failures */
    struct tally tally = {.scenario = scenario};
    struct plan plan = make_plan(options.kind, EVERY_CALL, scenario->for_ever, stack_group(scenario), trace);
    for (long i = 0; i < plan.count && !tally.bad; i++) {
        start_job(scenario, plan.faults[i].fault, i);
        await_one(&tally, &plan);
    }
    char words[100];
    snprintf(words, sizeof words, "%s", scenario->name);
    for (char *c = words; *c; c++)
        if (*c == '_')
            *c = ' ';
    bool noticed = tally.bad && strstr(tally.first, words);
    if (noticed)
        printf("ok notices_%s\n", scenario->name);
    else
        printf("not ok notices_%s: %s\n", scenario->name, tally.bad ? tally.first : "not noticed");
    fflush(stdout);
    free_plan(&plan);
    return noticed;
}

static bool is_wanted(const char *name, char **wanted)
{
    bool any = false;
    for (; *wanted; wanted++) {
        if (strcmp(*wanted, name) == 0)
            return true;
        any = true;
    }
    return !any;
}

/* As many runs at a time as keep the processors busy while some of them wait for a time limit. */
static int usual_jobs(void)
{
    long jobs = 3 * sysconf(_SC_NPROCESSORS_ONLN);
    return jobs < 3 ? 3 : jobs > MAX_JOBS ? MAX_JOBS : (int)jobs;
}

int main(int argc, char **argv)
{
    bool good = true, is_warm = false, only_one = false;
    struct fault one = {0};
    int most = usual_jobs(), i = 2;
    if (argc < 2)
        return 2;
    options.kind = strcmp(argv[1], "allocations") == 0 ? FAULT_ALLOCATION : FAULT_SYSTEM_CALL;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--all") == 0)
            options.all = true;
        else if (strcmp(argv[i], "--every") == 0)
            options.all = true, options.thoroughness = EVERY_CALL;
        else if (strcmp(argv[i], "--for-ever") == 0)
            options.for_ever = true;
        else if (strcmp(argv[i], "--planted") == 0)
            options.planted = true;
        else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc)
            most = atoi(argv[++i]);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            options.sample = atol(argv[++i]);
        else if (strcmp(argv[i], "--one") == 0 && i + 3 < argc) {
            only_one = true;
            one.thread = (uint32_t)atol(argv[++i]);
            one.n = (uint32_t)atol(argv[++i]);
            one.choice = atoi(argv[++i]);
            one.for_ever = options.for_ever;
        } else {
            fprintf(stderr, "what is %s?\n", argv[i]);
            return 2;
        }
    }
    if (most < 1 || most > MAX_JOBS)
        most = usual_jobs();
    setenv("SSL_CERT_FILE", pki("root.pem"), true);
    setenv("SSL_CERT_DIR", "/nonexistent", true);
    signal(SIGPIPE, SIG_DFL);
    if (options.kind == FAULT_ALLOCATION && !inject_into_allocations()) {
        printf("skip allocations: the library has an OpenSSL of its own\n");
        return 0;
    }
    prepare_jobs(options.kind, (options.planted ? PLANTED_SECONDS : RUN_SECONDS) * slowness(), most);
    for (const struct scenario *scenario = options.planted ? planted : scenarios; scenario->name; scenario++) {
        if (!is_wanted(scenario->name, argv + i))
            continue;
        if (!is_warm && !scenario->cold && !options.planted) {
            warm_up_openssl();
            is_warm = true;
        }
        if (only_one)
            run_here(scenario, one);
        good = (options.planted ? try_planted(scenario) : try_all(scenario)) && good;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
