/* Runs the cases of a program, each in a process of its own, and reports them. */
#define _GNU_SOURCE
#include "harness.h"
#include "parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { CASE_SECONDS = 30 };

static struct test_case *first_test;
static struct test_case **next_test = &first_test;
static pid_t case_process;
char case_directory[64];

void add_test(struct test_case *test)
{
    *next_test = test;
    next_test = &test->next;
}

_Noreturn static void run_in_child(const struct test_case *test)
{
    setpgid(0, 0);
    alarm((unsigned)(CASE_SECONDS * slowness()));
    /* What a host may do: the library must never rely on SIGPIPE being ignored. */
    signal(SIGPIPE, SIG_DFL);
    int before = open_descriptors();
    test->run(test->row);
    int after = open_descriptors_at_rest(before);
    if (after != before)
        FAIL("%d descriptors open at the end, %d at the start", after, before);
    /* exit, not _exit: leak checkers work at exit. */
    exit(EXIT_SUCCESS);
}

static void remove_case_directory(void)
{
    DIR *directory = opendir(case_directory);
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(case_directory);
}

static void make_case_directory(void)
{
    snprintf(case_directory, sizeof case_directory, "/tmp/bglssl-test-XXXXXX");
    if (!mkdtemp(case_directory)) {
        perror("mkdtemp");
        exit(EXIT_FAILED);
    }
}

/* Prints the case's line; true unless it failed. */
static bool report(const char *name, int status, const char *why)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
        printf("ok %s\n", name);
        return true;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        printf("skip %s: %s\n", name, why);
        return true;
    }
    if (why[0])
        printf("not ok %s: %s\n", name, why);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("not ok %s: not done after %d seconds\n", name, CASE_SECONDS * slowness());
    else if (WIFSIGNALED(status))
        printf("not ok %s: killed by signal %d (%s)\n", name, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("not ok %s: exit status %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return false;
}

static bool run_case(const struct test_case *test)
{
    char why[4096];
    int why_pipe[2];
    make_case_directory();
    fflush(stdout);
    if (pipe2(why_pipe, O_CLOEXEC) != 0) {
        perror("pipe2");
        return false;
    }
    case_process = fork();
    if (case_process < 0) {
        perror("fork");
        return false;
    }
    if (case_process == 0) {
        close(why_pipe[0]);
        why_fd = why_pipe[1];
        run_in_child(test);
    }
    close(why_pipe[1]);
    int status = 0;
    while (waitpid(case_process, &status, 0) < 0 && errno == EINTR)
        ;
    kill(-case_process, SIGKILL);
    fcntl(why_pipe[0], F_SETFL, O_NONBLOCK);
    ssize_t length = read(why_pipe[0], why, sizeof why - 1);
    why[length > 0 ? length : 0] = '\0';
    for (char *c = why; *c; c++)
        if (*c == '\n')
            *c = ' ';
    close(why_pipe[0]);
    remove_case_directory();
    bool good = report(test->name, status, why);
    fflush(stdout);
    return good;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return argc < 2;
}

bool openssl_is_warm(void)
{
    const char *watcher = getenv("BGLSSL_TEST_MEMCHECK");
    return watcher && strcmp(watcher, "valgrind") == 0;
}

/* Under valgrind a program is slow the first time: what the cases do, their parent does once, and they inherit what
 * valgrind and OpenSSL have learnt by that. */
static void warm_up(void)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    connect_ends(&ends, client, server, "localhost");
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

int run_tests(int argc, char **argv)
{
    bool good = true;
    /* Name servers that do not answer are given up soon: resolv.conf(5). */
    setenv("RES_OPTIONS", "timeout:1 attempts:1", false);
    if (openssl_is_warm())
        warm_up();
    for (const struct test_case *test = first_test; test; test = test->next)
        if (is_wanted(test->name, argc, argv))
            good = run_case(test) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILED;
}
