/* What the system's failures come to. This program's own accept4, ppoll and send stand before the system's. */
#define _GNU_SOURCE
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
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
    let_meet(&ends, client_config(), server_config("good"));
    while (bgl_ssl_socket_write(ends.client, data, sizeof data, &n) == BGL_SSL_OK)
        ;
    let_block(&ends);
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
