#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { CASE_SECONDS = 30, EXIT_FAILED = 1, EXIT_SKIPPED = 77 };

static struct test_case *first_test;
static struct test_case **next_test = &first_test;
static int why_fd = STDERR_FILENO; /* a case tells the parent here why it failed or was skipped */
static pid_t case_process;
static char case_directory[64];

void add_test(struct test_case *test)
{
    *next_test = test;
    next_test = &test->next;
}

/* ---- checks ---- */

_Noreturn static void end_case(int status, const char *why)
{
    /* _exit: other threads are still at work, and what they hold is no leak. */
    if (write(why_fd, why, strlen(why)) < 0)
        _exit(EXIT_FAILED);
    _exit(status);
}

void fail_at(const char *file, int line, const char *format, ...)
{
    char why[4096];
    va_list arguments;
    int length = snprintf(why, sizeof why, "%s:%d: ", file, line);
    va_start(arguments, format);
    vsnprintf(why + length, sizeof why - (size_t)length, format, arguments);
    va_end(arguments);
    end_case(EXIT_FAILED, why);
}

void skip_test(const char *what_it_misses)
{
    end_case(EXIT_SKIPPED, what_it_misses);
}

bgl_ssl_error_t last_error(void)
{
    bgl_ssl_error_t error;
    memset(&error, 0, sizeof error);
    error.size = sizeof error;
    if (bgl_ssl_last_error(&error) != BGL_SSL_OK)
        FAIL("bgl_ssl_last_error refused a good struct");
    return error;
}

static const char *status_name(bgl_ssl_status_t status)
{
    const char *name = bgl_ssl_status_name(status);
    return name ? name : "(no name)";
}

void check_int_at(const char *file, int line, const char *text, long long expected, long long actual)
{
    if (expected != actual)
        fail_at(file, line, "%s is %lld, not %lld", text, actual, expected);
}

void check_string_at(const char *file, int line, const char *text, const char *expected, const char *actual)
{
    if (!actual || strcmp(expected, actual) != 0)
        fail_at(file, line, "%s is \"%s\", not \"%s\"", text, actual ? actual : "(NULL)", expected);
}

void check_status_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, bgl_ssl_status_t actual)
{
    if (expected != actual)
        fail_at(file, line, "%s is %s, not %s (last error: %s)", text, status_name(actual), status_name(expected),
                last_error().message);
    if (expected < 0)
        check_int_at(file, line, "code in the error slot", expected, last_error().code);
}

void *check_made_at(const char *file, int line, const char *text, const void *handle)
{
    if (!handle)
        fail_at(file, line, "%s gave NULL: %s: %s", text, status_name(last_error().code), last_error().message);
    return (void *)(uintptr_t)handle;
}

void check_refused_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, const void *handle)
{
    if (handle)
        fail_at(file, line, "%s was not refused", text);
    bgl_ssl_error_t error = last_error();
    if (error.code != expected)
        fail_at(file, line, "%s failed with %s, not %s: %s", text, status_name(error.code), status_name(expected),
                error.message);
    if (!error.message[0])
        fail_at(file, line, "%s failed without a message", text);
}

static bool holds_ignoring_case(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text; text++)
        if (strncasecmp(text, part, length) == 0)
            return true;
    return length == 0;
}

void check_message_at(const char *file, int line, const char *part)
{
    bgl_ssl_error_t error = last_error();
    if (!holds_ignoring_case(error.message, part))
        fail_at(file, line, "the message lacks \"%s\": %s", part, error.message);
}

/* ---- time ---- */

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

int slowness(void)
{
    const char *text = getenv("BGLSSL_TEST_SLOW");
    int factor = text ? atoi(text) : 1;
    return factor > 0 ? factor : 1;
}

bool memory_is_watched(void)
{
    return getenv("BGLSSL_TEST_MEMCHECK") != NULL;
}

/* ---- running ---- */

int open_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        FAIL("cannot list /proc/self/fd: %s", strerror(errno));
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* The task directory of a thread of the library's, which may outlive its call: one that runs getaddrinfo, or the one
 * that looks after closed connections until their peers have ended them too. */
static bool is_the_librarys(const char *task)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", task);
    FILE *file = fopen(path, "r");
    if (!file)
        return false; /* ended meanwhile */
    bool found = fgets(name, sizeof name, file) && strncmp(name, "bglssl-", 7) == 0;
    fclose(file);
    return found;
}

static bool library_is_at_work(void)
{
    bool found = false;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        FAIL("cannot list /proc/self/task: %s", strerror(errno));
    while (!found && (entry = readdir(tasks)) != NULL)
        found = is_the_librarys(entry->d_name);
    closedir(tasks);
    return found;
}

/* What such a thread holds until it ends is neither leaked memory nor a leaked descriptor. That it ends is checked by the
 * watchdog. */
static void wait_for_library(void)
{
    while (library_is_at_work())
        usleep(10000);
}

int open_descriptors_at_rest(int expected)
{
    wait_for_library();
    int count = open_descriptors();
    /* A thread has its name, by which it is found, only a moment after its start. */
    for (int i = 0; count != expected && i < 200 * slowness(); i++) {
        usleep(10000);
        wait_for_library();
        count = open_descriptors();
    }
    return count;
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

/* Arguments: parts of names; without any, every case runs. */
int main(int argc, char **argv)
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

/* ---- files and certificates ---- */

#define PATHS 64

static const char *kept_path(const char *directory, const char *file)
{
    static char paths[PATHS][512];
    static unsigned next;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    char *path = paths[next++ % PATHS];
    pthread_mutex_unlock(&lock);
    snprintf(path, sizeof paths[0], "%s/%s", directory, file);
    return path;
}

const char *pki(const char *file)
{
    const char *directory = getenv("BGLSSL_TEST_PKI");
    if (!directory)
        FAIL("BGLSSL_TEST_PKI is not set");
    return kept_path(directory, file);
}

const char *own_path(const char *name)
{
    return kept_path(case_directory, name);
}

char *read_whole_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        FAIL("%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *data = malloc((size_t)size + 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        FAIL("%s: cannot be read", path);
    fclose(file);
    data[size] = '\0';
    if (length)
        *length = (size_t)size;
    return data;
}

const char *write_file(const char *name, const void *data, size_t length)
{
    const char *path = own_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, length, file) != length || fclose(file) != 0)
        FAIL("%s: %s", path, strerror(errno));
    return path;
}

bgl_ssl_certificate_t *certificate(const char *file)
{
    return MADE(bgl_ssl_certificate_t, bgl_ssl_load_certificate(pki(file)));
}

bgl_ssl_private_key_t *private_key(const char *file)
{
    return MADE(bgl_ssl_private_key_t, bgl_ssl_load_private_key(pki(file)));
}

/* ---- configs ---- */

void set_ca(bgl_ssl_config_t *config, const char *file)
{
    bgl_ssl_certificate_t *ca = certificate(file);
    const bgl_ssl_certificate_t *list[] = {ca};
    CHECK_OK(bgl_ssl_config_set_ca_certificates(config, list, 1));
    bgl_ssl_certificate_free(ca);
}

void set_accepted(bgl_ssl_config_t *config, const char *file)
{
    bgl_ssl_certificate_t *one = certificate(file);
    const bgl_ssl_certificate_t *list[] = {one};
    CHECK_OK(bgl_ssl_config_set_accepted_certificates(config, list, 1));
    bgl_ssl_certificate_free(one);
}

/* NAME.pem may hold a chain, leaf first. */
void set_certificate(bgl_ssl_config_t *config, const char *name)
{
    enum { LONGEST = 8 };
    char file[128];
    const bgl_ssl_certificate_t *chain[LONGEST];
    snprintf(file, sizeof file, "%s.pem", name);
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki(file)));
    size_t count = bgl_ssl_certificate_list_length(list);
    CHECK(count >= 1 && count <= LONGEST);
    for (size_t i = 0; i < count; i++)
        chain[i] = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, i));
    snprintf(file, sizeof file, "%s.key", name);
    bgl_ssl_private_key_t *key = private_key(file);
    CHECK_OK(bgl_ssl_config_set_certificate_chain(config, chain, count, key));
    for (size_t i = 0; i < count; i++)
        bgl_ssl_certificate_free((bgl_ssl_certificate_t *)(uintptr_t)chain[i]);
    bgl_ssl_certificate_list_free(list);
    bgl_ssl_private_key_free(key);
}

bgl_ssl_config_t *client_config(void)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_ca(config, "root.pem");
    return config;
}

bgl_ssl_config_t *server_config(const char *name)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_certificate(config, name);
    return config;
}

/* ---- descriptors ---- */

void local_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        FAIL("socketpair: %s", strerror(errno));
}

static socklen_t loopback(struct sockaddr_storage *address, int family, const char *text, int port)
{
    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
        v6->sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, text, &v6->sin6_addr);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    v4->sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, text, &v4->sin_addr);
    return sizeof *v4;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        FAIL("getsockname: %s", strerror(errno));
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int plain_listener(int family, const char *address, int port, int backlog, int *bound_port)
{
    struct sockaddr_storage where;
    socklen_t length = loopback(&where, family, address, port);
    int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&where, length) != 0 || listen(fd, backlog) != 0) {
        close(fd);
        return -1;
    }
    if (bound_port)
        *bound_port = port_of(fd);
    return fd;
}

int plain_connect(int port)
{
    struct sockaddr_storage where;
    socklen_t length = loopback(&where, AF_INET, "127.0.0.1", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&where, length) != 0)
        FAIL("connect to 127.0.0.1:%d: %s", port, strerror(errno));
    return fd;
}

void tcp_pair(int fds[2])
{
    int port = 0;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 1, &port);
    if (listener < 0)
        FAIL("listen: %s", strerror(errno));
    fds[0] = plain_connect(port);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fds[1] < 0)
        FAIL("accept: %s", strerror(errno));
    close(listener);
}

/* A listener with the smallest queue, filled: the kernel then drops what else arrives. */
void open_silent_port(struct silent_port *silent, int family, int port)
{
    struct sockaddr_storage where;
    const char *text = family == AF_INET6 ? "::1" : "127.0.0.1";
    silent->fds[0] = plain_listener(family, text, port, 0, &silent->port);
    /* A program beside us may have the number that ours has with the other family. */
    if (silent->fds[0] < 0 && port != 0 && errno == EADDRINUSE)
        skip_test("a port that is free for both families");
    if (silent->fds[0] < 0)
        FAIL("listen on %s: %s", text, strerror(errno));
    socklen_t length = loopback(&where, family, text, silent->port);
    for (size_t i = 1; i < COUNT(silent->fds); i++) {
        silent->fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(silent->fds[i], (struct sockaddr *)&where, length) != 0 && errno != EINPROGRESS)
            FAIL("connect: %s", strerror(errno));
        if (i == 1) {
            struct pollfd wait = {silent->fds[i], POLLOUT, 0};
            poll(&wait, 1, 5000);
        }
    }
}

void close_silent_port(struct silent_port *silent)
{
    for (size_t i = 0; i < COUNT(silent->fds); i++)
        close(silent->fds[i]);
}

void tiny_buffers(int fd)
{
    int size = 1; /* the kernel raises it to its least */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

void tiny_pair(int fds[2])
{
    local_pair(fds);
    tiny_buffers(fds[0]);
    tiny_buffers(fds[1]);
}

void write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            FAIL("send: %s", strerror(errno));
        at += n;
        length -= (size_t)n;
    }
}

ssize_t read_until_end(int fd, void *buffer, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, (char *)buffer + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

void reset_on_close(int fd)
{
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* ---- two ends in one thread ---- */

static bgl_ssl_config_t *lazy_copy(const bgl_ssl_config_t *config)
{
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(config));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(copy, true));
    return copy;
}

void make_lazy_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2])
{
    memset(ends, 0, sizeof *ends);
    ends->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], host, 0));
    ends->server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->server, true));
    close(fds[0]);
    close(fds[1]);
}

void make_ends_over(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2])
{
    bgl_ssl_config_t *lazy_client = lazy_copy(client);
    bgl_ssl_config_t *lazy_server = lazy_copy(server);
    make_lazy_ends(ends, lazy_client, lazy_server, host, fds);
    bgl_ssl_config_free(lazy_client);
    bgl_ssl_config_free(lazy_server);
}

void make_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host)
{
    int fds[2];
    local_pair(fds);
    make_ends_over(ends, client, server, host, fds);
}

static bool is_waiting(bgl_ssl_status_t status)
{
    return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

static void count_wants(struct ends *ends, bgl_ssl_status_t status)
{
    ends->want_reads += status == BGL_SSL_WANT_READ;
    ends->want_writes += status == BGL_SSL_WANT_WRITE;
}

void step_handshakes(struct ends *ends)
{
    ends->client_status = ends->server_status = BGL_SSL_WANT_READ;
    /* Both may wait for each other for ever when one has failed: a few rounds without the other end are enough. */
    for (int lonely = 0; lonely < 3 && (is_waiting(ends->client_status) || is_waiting(ends->server_status));) {
        if (is_waiting(ends->client_status)) {
            ends->client_status = bgl_ssl_socket_handshake(ends->client);
            count_wants(ends, ends->client_status);
            if (ends->client_status < 0)
                ends->client_error = last_error();
        }
        if (is_waiting(ends->server_status)) {
            ends->server_status = bgl_ssl_socket_handshake(ends->server);
            count_wants(ends, ends->server_status);
            if (ends->server_status < 0)
                ends->server_error = last_error();
        }
        bool client_waits = is_waiting(ends->client_status), server_waits = is_waiting(ends->server_status);
        if (client_waits != server_waits) {
            lonely++;
            struct pollfd wait = {bgl_ssl_socket_fd(client_waits ? ends->client : ends->server), POLLIN, 0};
            poll(&wait, 1, 100);
        }
    }
}

static bool pass_byte(struct ends *ends, const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to)
{
    char byte = 0;
    size_t n = 0;
    bgl_ssl_status_t *from_status = from == ends->client ? &ends->client_status : &ends->server_status;
    bgl_ssl_status_t *to_status = to == ends->client ? &ends->client_status : &ends->server_status;
    *from_status = bgl_ssl_socket_write(from, "x", 1, &n);
    if (*from_status < 0)
        *(from == ends->client ? &ends->client_error : &ends->server_error) = last_error();
    *to_status = bgl_ssl_socket_read(to, &byte, 1, &n);
    if (*to_status < 0)
        *(to == ends->client ? &ends->client_error : &ends->server_error) = last_error();
    return *from_status == BGL_SSL_OK && *to_status == BGL_SSL_OK && n == 1 && byte == 'x';
}

bool exchange_bytes(struct ends *ends)
{
    return pass_byte(ends, ends->server, ends->client) && pass_byte(ends, ends->client, ends->server);
}

void connect_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host)
{
    make_ends(ends, client, server, host);
    step_handshakes(ends);
    if (ends->client_status != BGL_SSL_OK || ends->server_status != BGL_SSL_OK)
        FAIL("handshake: client %s (%s), server %s (%s)", status_name(ends->client_status), ends->client_error.message,
             status_name(ends->server_status), ends->server_error.message);
}

void let_meet(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    connect_ends(ends, client, server, "localhost");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void try_to_meet(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    make_ends(ends, client, server, "localhost");
    step_handshakes(ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void let_meet_over_tcp(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    int fds[2];
    tcp_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    step_handshakes(ends);
    CHECK_OK(ends->client_status);
    CHECK_OK(ends->server_status);
    let_block(ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void let_block(const struct ends *ends)
{
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, false));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->server, false));
}

void free_ends(struct ends *ends)
{
    bgl_ssl_socket_free(ends->client);
    bgl_ssl_socket_free(ends->server);
}

/* ---- a server in a thread ---- */

static void *run_service(void *data)
{
    struct service *service = data;
    for (int i = 0; i < service->connections; i++) {
        bgl_ssl_socket_t *socket = NULL;
        service->last_status = bgl_ssl_server_accept(service->server, 20 * SECOND * slowness(), &socket);
        if (service->last_status != BGL_SSL_OK) {
            service->last_refusal = last_error();
            service->refused++;
            continue;
        }
        service->serve(socket, service->data);
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    }
    return NULL;
}

void start_service(struct service *service, const bgl_ssl_config_t *config, int connections, serve_function *serve,
                   void *data)
{
    memset(service, 0, sizeof *service);
    service->server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 16, AF_INET));
    service->port = bgl_ssl_server_port(service->server);
    CHECK(service->port > 0 && service->port < 65536);
    service->connections = connections;
    service->serve = serve;
    service->data = data;
    service->thread = start_thread(run_service, service);
}

void end_service(struct service *service)
{
    join_thread(service->thread);
    CHECK_OK(bgl_ssl_server_close(service->server));
    bgl_ssl_server_free(service->server);
}

void await_visits(struct visit *visit, bgl_ssl_config_t *client, bgl_ssl_config_t *server, int connections,
                  serve_function *serve, void *data)
{
    visit->client = client;
    visit->server = server;
    visit->socket = NULL;
    start_service(&visit->service, server, connections, serve, data);
}

void start_visit(struct visit *visit, bgl_ssl_config_t *client, bgl_ssl_config_t *server, serve_function *serve,
                 void *data)
{
    await_visits(visit, client, server, 1, serve, data);
    visit->socket = connect_to(client, visit->service.port);
}

void end_visit(struct visit *visit)
{
    if (visit->socket)
        finish(visit->socket);
    end_service(&visit->service);
    bgl_ssl_config_free(visit->client);
    bgl_ssl_config_free(visit->server);
}

bgl_ssl_socket_t *connect_to(const bgl_ssl_config_t *client, int port)
{
    return MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
}

void serve_echo(bgl_ssl_socket_t *socket, void *data)
{
    (void)data;
    char buffer[16384];
    size_t n;
    while (bgl_ssl_socket_read(socket, buffer, sizeof buffer, &n) == BGL_SSL_OK) {
        size_t written = 0;
        if (bgl_ssl_socket_write(socket, buffer, n, &written) != BGL_SSL_OK)
            return;
    }
}

void serve_nothing(bgl_ssl_socket_t *socket, void *data)
{
    (void)socket;
    (void)data;
}

void send_bytes(const bgl_ssl_socket_t *socket, const void *data, size_t length)
{
    size_t n = 0;
    CHECK_OK(bgl_ssl_socket_write(socket, data, length, &n));
    CHECK_INT((long long)length, (long long)n);
}

void receive_bytes(const bgl_ssl_socket_t *socket, void *buffer, size_t length)
{
    for (size_t got = 0; got < length;) {
        size_t n = 0;
        CHECK_OK(bgl_ssl_socket_read(socket, (char *)buffer + got, length - got, &n));
        CHECK(n > 0 && n <= length - got);
        got += n;
    }
}

void check_echo(const bgl_ssl_socket_t *socket, const char *text)
{
    char back[1024];
    size_t length = strlen(text);
    CHECK(length < sizeof back);
    send_bytes(socket, text, length);
    receive_bytes(socket, back, length);
    back[length] = '\0';
    CHECK_STRING(text, back);
}

void finish(bgl_ssl_socket_t *socket)
{
    CHECK_OK(bgl_ssl_socket_close(socket));
    bgl_ssl_socket_free(socket);
}

void *read_one(void *data)
{
    struct reader *it = data;
    char byte;
    size_t n;
    it->begun = true;
    it->status = bgl_ssl_socket_read(it->socket, &byte, 1, &n);
    return NULL;
}

pthread_t start_thread(void *(*run)(void *), void *data)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, data);
    if (error)
        FAIL("pthread_create: %s", strerror(error));
    return thread;
}

void join_thread(pthread_t thread)
{
    pthread_join(thread, NULL);
}
