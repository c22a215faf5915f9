/* What the system's failures come to. This program's own accept4, ppoll, send and timerfd_settime stand before
 * the system's. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static atomic_int accept_errno, poll_errno, send_errno;
static atomic_int accepts;

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    atomic_fetch_add(&accepts, 1);
    if (accept_errno) {
        errno = accept_errno;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, length, flags);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
    /* The system writes into it. */
    struct timespec left = limit ? *limit : (struct timespec){0};
    if (poll_errno) {
        errno = poll_errno;
        return -1;
    }
    return (int)syscall(SYS_ppoll, fds, count, limit ? &left : NULL, mask, _NSIG / 8);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    if (send_errno) {
        errno = send_errno;
        return -1;
    }
    return sendto(fd, data, length, flags, NULL, 0);
}

/* Which call of this thread fails; 0: none. */
static _Thread_local int failing_timer, timers;

int timerfd_settime(int fd, int flags, const struct itimerspec *setting, struct itimerspec *former)
{
    if (++timers == failing_timer) {
        errno = ECANCELED;
        return -1;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, setting, former);
}

static atomic_bool no_threads;

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                   void *restrict data)
{
    typeof(pthread_create) *next = (typeof(pthread_create) *)dlsym(RTLD_NEXT, "pthread_create");
    return no_threads ? EAGAIN : next(thread, attributes, run, data);
}

struct failing {
    const char *name;
    int error;
    bgl_ssl_status_t status;
};

static const struct failing failing[] = {
    {"ECONNABORTED", ECONNABORTED, BGL_SSL_E_TIMEOUT}, {"EPROTO", EPROTO, BGL_SSL_E_TIMEOUT},
    {"ENETDOWN", ENETDOWN, BGL_SSL_E_TIMEOUT},         {"EHOSTUNREACH", EHOSTUNREACH, BGL_SSL_E_TIMEOUT},
    {"EMFILE", EMFILE, BGL_SSL_E_IO},                  {"ENOBUFS", ENOBUFS, BGL_SSL_E_IO},
};

TEST_TABLE(accept_keeps_its_limit_and_does_not_spin_when_accept4_says, failing)
{
    const struct failing *it = row;
    bgl_ssl_socket_t *socket;
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    accept_errno = it->error;
    CHECK_STATUS(it->status, bgl_ssl_server_accept(server, 300 * MS, &socket));
    if (accepts > 100)
        FAIL("%d calls of accept4", accepts);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

/* Most programs accept again when an accept has failed. */
TEST(a_loop_around_accept_does_not_spin_when_there_are_no_descriptors)
{
    bgl_ssl_socket_t *socket;
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    accept_errno = EMFILE;
    for (int64_t end = now_us() + 500 * MS; now_us() < end;)
        CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    if (accepts > 100)
        FAIL("%d calls of accept4", accepts);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(a_close_tells_of_bytes_that_are_lost_because_poll_fails)
{
    static const char data[100000];
    struct ends ends;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    while (bgl_ssl_socket_write(ends.client, data, sizeof data, &n) == BGL_SSL_OK)
        ;
    set_ends_blocking(&ends);
    poll_errno = ENOMEM;
    CHECK_STATUS(BGL_SSL_E_NO_MEMORY, bgl_ssl_socket_close(ends.client));
    CHECK_INT(ENOMEM, last_error().sys_errno);
    CHECK_INT(-1, bgl_ssl_socket_fd(ends.client));
    poll_errno = 0;
    free_ends(&ends);
}

static const struct failing unsendable[] = {
    {"ENOBUFS", ENOBUFS, BGL_SSL_E_IO}, {"EHOSTUNREACH", EHOSTUNREACH, BGL_SSL_E_IO}, {"EPERM", EPERM, BGL_SSL_E_IO}};

TEST_TABLE(a_handshake_whose_message_cannot_be_sent_says_why, unsendable)
{
    const struct failing *it = row;
    int fds[2];
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 20 * SECOND));
    tcp_pair(fds);
    send_errno = it->error;
    CHECK_REFUSED(it->status, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    CHECK_INT(it->error, last_error().sys_errno);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    send_errno = 0;
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(config);
}

/* Ends a process without getrandom(2): 0 if that is told as such. OpenSSL calls it a failed allocation. */
static void ask_without_random_numbers(void)
{
    struct sock_filter no_getrandom[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT(no_getrandom), no_getrandom};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    bgl_ssl_config_set_ca_file(config, pki("root.pem"));
    bgl_ssl_status_t status = bgl_ssl_config_freeze(config);
    if (status == BGL_SSL_OK)
        _exit(77); /* OpenSSL has another source */
    _exit(status == BGL_SSL_E_UNSUPPORTED && strstr(last_error().message, "no random numbers from the system") ? 0 : 1);
}

TEST(a_system_without_random_numbers_is_told_as_such)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        ask_without_random_numbers();
    CHECK(child > 0);
    CHECK_INT(child, waitpid(child, &status, 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip_test("an OpenSSL whose only source of random numbers is getrandom(2)");
    CHECK_INT(0, status);
}

static void *connect_over_datagrams(void *data)
{
    const int *port = data;
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(config, "localhost", *port, AF_INET));
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(config);
    return NULL;
}

/* The client has got its Finished: it would wait for an answer of nobody. */
TEST(a_server_of_datagrams_loses_no_connection_because_a_timer_cannot_be_set)
{
    int failed = 0;
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    for (int n = 1; failed == n - 1; n++) {
        bgl_ssl_socket_t *socket = NULL;
        bgl_ssl_status_t status = BGL_SSL_E_TIMEOUT;
        bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
        int port = bgl_ssl_server_port(server);
        pthread_t client = start_thread(connect_over_datagrams, &port);
        failing_timer = n;
        timers = 0;
        for (int tries = 0; status != BGL_SSL_OK && tries < 3; tries++)
            status = bgl_ssl_server_accept(server, 10 * SECOND, &socket);
        CHECK_STATUS(BGL_SSL_OK, status);
        if (timers >= n)
            failed = n;
        failing_timer = 0;
        join_thread(client);
        bgl_ssl_socket_free(socket);
        bgl_ssl_server_free(server);
    }
    CHECK(failed > 0);
    bgl_ssl_config_free(config);
}

/* The peer does not close, and so could keep a thread that waits for it. */
TEST(a_non_blocking_close_does_not_wait_where_there_can_be_no_thread_for_it)
{
    struct ends ends;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 2 * SECOND));
    no_threads = true;
    int64_t begin = now_us();
    bgl_ssl_status_t status = bgl_ssl_socket_close(ends.client);
    int64_t took = now_us() - begin;
    no_threads = false;
    CHECK(status >= 0);
    if (took > SECOND)
        FAIL("the close has waited for %lld ms", (long long)(took / MS));
    free_ends(&ends);
}
