/* Connected descriptors and listeners, without TLS. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/ioctl.h>

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

void await_readable(int fd)
{
    struct pollfd wait = {fd, POLLIN, 0};
    CHECK_INT(1, poll(&wait, 1, 10000 * slowness()));
}

void await_acknowledgement(int fd)
{
    for (int unsent = 1; unsent > 0;)
        CHECK_INT(0, ioctl(fd, TIOCOUTQ, &unsent));
}
