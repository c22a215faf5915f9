/* Runs of scenarios: started, waited for, and what they had to say. */
#define _GNU_SOURCE
#include "jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct {
    enum fault_kind kind;
    int seconds;
    int most;
} manner;
int limit_factor = 1;
static struct job jobs[MAX_JOBS];
static int running;

void prepare_jobs(enum fault_kind kind, int seconds, int most)
{
    manner.kind = kind;
    manner.seconds = seconds;
    manner.most = most;
    for (int i = 0; i < MAX_JOBS; i++) {
        jobs[i].trace = mmap(NULL, sizeof *jobs[i].trace, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (jobs[i].trace == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
    }
}

static const char *file_of(pid_t pid, enum run_file file)
{
    static const char *const names[] = {[CAS_FILE] = "cas", [KEYS_FILE] = "keys", [SOCKET_FILE] = "socket"};
    static char path[64];
    snprintf(path, sizeof path, "/tmp/bglssl-faults-%d-%s", (int)pid, names[file]);
    return path;
}

const char *run_file(enum run_file file)
{
    return file_of(getpid(), file);
}

static void remove_files(pid_t pid)
{
    for (enum run_file file = CAS_FILE; file <= SOCKET_FILE; file++)
        unlink(file_of(pid, file));
}

/* Where getrandom(2) fails, OpenSSL opens the device that has the same bytes, and keeps it. */
static int devices_of_openssl(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[32], target[32] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "random"))
            count++;
    }
    return count;
}

_Noreturn static void run(const struct scenario *scenario, struct job *job, int why_fd)
{
    dup2(why_fd, STDERR_FILENO);
    close(why_fd);
    setpgid(0, 0);
    alarm((unsigned)(manner.seconds * limit_factor));
    fault_plan(manner.kind, job->fault, scenario->from_program, job->trace);
    int before = open_descriptors();
    scenario->run(scenario);
    fault_end();
    remove_files(getpid());
    /* A look-up that nobody waits for any more still has its descriptors. */
    int after = open_descriptors();
    for (int i = 0; i < 200 && after != before && after - devices_of_openssl() != before; i++) {
        usleep(10000);
        after = open_descriptors();
    }
    if (after != before && after - devices_of_openssl() != before)
        FAIL("%d descriptors open at the end, %d at the start", after, before);
    _exit(EXIT_SUCCESS);
}

_Noreturn void run_here(const struct scenario *scenario, struct fault fault)
{
    jobs[0].fault = fault;
    run(scenario, &jobs[0], dup(STDERR_FILENO));
}

static struct job *free_place(void)
{
    for (int i = 0; i < MAX_JOBS; i++)
        if (!jobs[i].pid)
            return &jobs[i];
    abort();
}

void start_job(const struct scenario *scenario, struct fault fault, long which)
{
    struct job *job = free_place();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("pipe2");
        exit(1);
    }
    job->fault = fault;
    job->which = which;
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
    running++;
}

bool all_places_taken(void)
{
    return running == manner.most;
}

bool jobs_are_running(void)
{
    return running > 0;
}

static void note_end(struct job *job, int status)
{
    fcntl(job->why_fd, F_SETFL, O_NONBLOCK);
    ssize_t length = read(job->why_fd, job->why, sizeof job->why - 1);
    close(job->why_fd);
    job->why[length > 0 ? length : 0] = '\0';
    for (char *c = job->why; *c; c++)
        if (*c == '\n')
            *c = ' ';
    job->good = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS && !job->why[0];
    job->crashed = WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(job->why, sizeof job->why, "not done after %d seconds", manner.seconds * limit_factor);
    else if (job->crashed)
        snprintf(job->why, sizeof job->why, "killed by signal %d", WTERMSIG(status));
    else if (!job->good && !job->why[0])
        snprintf(job->why, sizeof job->why, "exit status %d", WEXITSTATUS(status));
}

const struct job *finish_job(void)
{
    while (running > 0) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno != EINTR) {
            perror("waitpid");
            exit(1);
        }
        for (int i = 0; pid > 0 && i < MAX_JOBS; i++) {
            if (jobs[i].pid != pid)
                continue;
            kill(-pid, SIGKILL);
            remove_files(pid);
            jobs[i].pid = 0;
            running--;
            note_end(&jobs[i], status);
            return &jobs[i];
        }
    }
    return NULL;
}
