/* Runs every scenario once for each call that may fail, in a process each.
 *
 *   faults allocations|system-calls [--all] [--for-ever] [-j N] [--runs N] [SCENARIO...]
 *   faults allocations|system-calls --planted
 *   faults allocations|system-calls --one N CHOICE SCENARIO     one run, to be looked at with a debugger
 *
 * Without --all, N runs (--runs) of each scenario, evenly spread and the same every time. --for-ever lets a failing
 * system call fail to the end of the run. A case's line tells the first bad run; standard error has all of them. */
#define _GNU_SOURCE
#include "faults.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { MAX_JOBS = 16, RUN_SECONDS = 25, PLANTED_SECONDS = 4 };

struct job {
    pid_t pid;
    int why_fd;
    long n;
    int choice;
    char why[2048];
    struct fault_trace *trace;
};

static enum fault_kind kind;
static bool for_ever, are_planted;
static int max_jobs = 3;
static long sample = 40;
static struct job jobs[MAX_JOBS];

static int run_seconds(void)
{
    return (are_planted ? PLANTED_SECONDS : RUN_SECONDS) * slowness();
}

_Noreturn static void run(const struct scenario *scenario, struct job *job, int why_fd)
{
    dup2(why_fd, STDERR_FILENO);
    close(why_fd);
    setpgid(0, 0);
    alarm((unsigned)run_seconds());
    fault_plan(kind, job->n, job->choice, for_ever || scenario->for_ever, scenario->from_program, job->trace);
    int before = open_descriptors();
    scenario->run(scenario);
    fault_end();
    /* A look-up that nobody waits for any more still has its descriptors. */
    int after = open_descriptors();
    for (int i = 0; i < 200 && after != before; i++) {
        usleep(10000);
        after = open_descriptors();
    }
    if (after != before)
        FAIL("%d descriptors open at the end, %d at the start", after, before);
    _exit(EXIT_SUCCESS);
}

static void start(const struct scenario *scenario, struct job *job, long n, int choice)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("pipe2");
        exit(1);
    }
    job->n = n;
    job->choice = choice;
    job->trace->count = 0;
    job->trace->fired = false;
    job->trace->where[0] = '\0';
    fflush(NULL);
    job->pid = fork();
    if (job->pid < 0) {
        perror("fork");
        exit(1);
    }
    if (job->pid == 0) {
        close(ends[0]);
        run(scenario, job, ends[1]);
    }
    close(ends[1]);
    job->why_fd = ends[0];
}

/* Waits for one job; true when it was good. Its place is free then. */
static struct job *finish_one(bool *good)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, 0);
        for (int i = 0; i < MAX_JOBS; i++) {
            struct job *job = &jobs[i];
            if (!job->pid || job->pid != pid)
                continue;
            kill(-pid, SIGKILL);
            job->pid = 0;
            fcntl(job->why_fd, F_SETFL, O_NONBLOCK);
            ssize_t length = read(job->why_fd, job->why, sizeof job->why - 1);
            close(job->why_fd);
            job->why[length > 0 ? length : 0] = '\0';
            for (char *c = job->why; *c; c++)
                if (*c == '\n')
                    *c = ' ';
            *good = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS && !job->why[0];
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
                snprintf(job->why, sizeof job->why, "not done after %d seconds", run_seconds());
            else if (WIFSIGNALED(status))
                snprintf(job->why, sizeof job->why, "killed by signal %d", WTERMSIG(status));
            else if (!*good && !job->why[0])
                snprintf(job->why, sizeof job->why, "exit status %d", WEXITSTATUS(status));
            return job;
        }
        if (pid < 0 && errno != EINTR) {
            perror("waitpid");
            exit(1);
        }
    }
}

struct tally {
    const struct scenario *scenario;
    long runs, bad;
    char first[2600];
};

static void await_one(struct tally *tally)
{
    bool good = false;
    struct job *job = finish_one(&good);
    tally->runs++;
    if (good)
        return;
    char line[2600];
    snprintf(line, sizeof line, "run %ld/%d (%s): %s", job->n, job->choice,
             job->trace->fired ? job->trace->where : "nothing failed", job->why);
    fprintf(stderr, "%s: %s\n", tally->scenario->name, line);
    if (tally->bad++ == 0)
        memcpy(tally->first, line, sizeof line);
}

static struct job *free_job(struct tally *tally, int *busy)
{
    if (*busy == max_jobs) {
        await_one(tally);
        --*busy;
    }
    for (int i = 0; i < MAX_JOBS; i++)
        if (!jobs[i].pid)
            return &jobs[i];
    abort();
}

/* One pair (n, choice) for each number below total_of: the calls' errors one after the other. */
struct plan {
    long calls;
    long total;
    unsigned char *call;
};

static void nth_fault(const struct plan *plan, long which, long *n, int *choice)
{
    for (long i = 0; i < plan->calls; i++) {
        int choices = fault_choices(plan->call[i]);
        if (which < choices) {
            *n = i + 1;
            *choice = (int)which;
            return;
        }
        which -= choices;
    }
    *n = plan->calls;
    *choice = 0;
}

/* Prints the case's line; true unless it failed. */
static bool try_all(const struct scenario *scenario, bool all)
{
    struct tally tally = {scenario, 0, 0, ""};
    bool good = false;
    start(scenario, &jobs[0], 0, 0);
    struct job *job = finish_one(&good);
    if (!good) {
        printf("not ok %s: without a failure: %s\n", scenario->name, job->why);
        return false;
    }
    static unsigned char call[MAX_TRACED];
    struct plan plan = {job->trace->count < MAX_TRACED ? job->trace->count : MAX_TRACED, 0, call};
    memcpy(call, job->trace->call, sizeof call);
    for (long i = 0; i < plan.calls; i++)
        plan.total += fault_choices(call[i]);
    if (plan.total == 0) {
        printf("ok %s (it makes no such calls)\n", scenario->name);
        return true;
    }
    long some = sample > scenario->at_least ? sample : scenario->at_least;
    long runs = all || plan.total < some ? plan.total : some;
    int busy = 0;
    for (long i = 0; i < runs; i++) {
        long n = 0;
        int choice = 0;
        /* The middle of each of as many equal parts. */
        nth_fault(&plan, (2 * i + 1) * plan.total / (2 * runs), &n, &choice);
        job = free_job(&tally, &busy);
        start(scenario, job, n, choice);
        busy++;
    }
    for (; busy > 0; busy--)
        await_one(&tally);
    if (tally.bad)
        printf("not ok %s: %ld of %ld runs, such as %s\n", scenario->name, tally.bad, tally.runs, tally.first);
    else
        printf("ok %s (%ld of %ld)\n", scenario->name, tally.runs, plan.total);
    fflush(stdout);
    return tally.bad == 0;
}

/* Each planted mistake must be reported, in the words that its name has. */
static bool try_planted(const struct scenario *scenario)
{
    struct tally tally = {scenario, 0, 0, ""};
    bool good = false;
    start(scenario, &jobs[0], 0, 0);
    struct job *job = finish_one(&good);
    if (!good) {
        printf("not ok notices_%s: without a failure: %s\n", scenario->name, job->why);
        return false;
    }
    if (job->trace->count == 0)
        return true; /* a mistake for the other kind of failures */
    struct plan plan = {job->trace->count < MAX_TRACED ? job->trace->count : MAX_TRACED, 0, job->trace->call};
    for (long i = 0; i < plan.calls; i++)
        plan.total += fault_choices(plan.call[i]);
    unsigned char call[MAX_TRACED];
    memcpy(call, plan.call, sizeof call);
    plan.call = call;
    for (long i = 0; i < plan.total && !tally.bad; i++) {
        long n = 0;
        int choice = 0;
        nth_fault(&plan, i, &n, &choice);
        start(scenario, &jobs[0], n, choice);
        await_one(&tally);
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

int main(int argc, char **argv)
{
    bool all = false, good = true, is_warm = false;
    long one = -1;
    int choice = 0, i = 2;
    if (argc < 2)
        return 2;
    kind = strcmp(argv[1], "allocations") == 0 ? FAULT_ALLOCATION : FAULT_SYSTEM_CALL;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--all") == 0)
            all = true;
        else if (strcmp(argv[i], "--for-ever") == 0)
            for_ever = true;
        else if (strcmp(argv[i], "--planted") == 0)
            are_planted = true;
        else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc)
            max_jobs = atoi(argv[++i]);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            sample = atol(argv[++i]);
        else if (strcmp(argv[i], "--one") == 0 && i + 2 < argc) {
            one = atol(argv[++i]);
            choice = atoi(argv[++i]);
        }
    }
    if (max_jobs < 1 || max_jobs > MAX_JOBS)
        max_jobs = 3;
    setenv("SSL_CERT_FILE", pki("root.pem"), true);
    setenv("SSL_CERT_DIR", "/nonexistent", true);
    signal(SIGPIPE, SIG_DFL);
    if (kind == FAULT_ALLOCATION && !inject_into_allocations()) {
        printf("skip allocations: the library has an OpenSSL of its own\n");
        return 0;
    }
    for (int j = 0; j < MAX_JOBS; j++)
        jobs[j].trace = mmap(NULL, sizeof *jobs[j].trace, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (const struct scenario *scenario = are_planted ? planted : scenarios; scenario->name; scenario++) {
        if (!is_wanted(scenario->name, argv + i))
            continue;
        if (!is_warm && !scenario->cold && !are_planted) {
            warm_up_openssl();
            is_warm = true;
        }
        if (one >= 0) {
            jobs[0].n = one;
            jobs[0].choice = choice;
            run(scenario, &jobs[0], dup(STDERR_FILENO));
        }
        good = (are_planted ? try_planted(scenario) : try_all(scenario, all)) && good;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
