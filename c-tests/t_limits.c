/* Limits of non-blocking calls, accept's limit, and what the processes of a fork share. */
#define _GNU_SOURCE
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>

/* ---- limits of non-blocking calls ---- */

/* A non-blocking, lazy client whose peer never says anything. */
static bgl_ssl_socket_t *silent_client(int fds[2])
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    tcp_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    bgl_ssl_config_free(config);
    return socket;
}

/* Waits as an event loop does; the limit is no more than this away. */
static void await_limit(const bgl_ssl_socket_t *socket, int64_t limit)
{
    int64_t left = bgl_ssl_socket_timeout(socket);
    CHECK(left > 0 && left <= limit);
    usleep((useconds_t)left + 1000);
    CHECK_INT(0, bgl_ssl_socket_timeout(socket));
}

TEST(a_non_blocking_handshake_ends_at_its_limit)
{
    int fds[2];
    bgl_ssl_socket_t *socket = silent_client(fds);
    CHECK_INT(-1, bgl_ssl_socket_timeout(socket));
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(socket, 200 * MS));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    await_limit(socket, 200 * MS);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(socket));
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(socket));
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    bgl_ssl_socket_free(socket);
    close(fds[0]);
    close(fds[1]);
}

TEST(a_non_blocking_read_ends_at_its_limit_and_can_be_tried_again)
{
    struct ends ends;
    char byte;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 200 * MS));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    await_limit(ends.client, 200 * MS);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(ends.client));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK_INT(BGL_SSL_PHASE_READ, last_error().phase);
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_write(ends.server, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    free_ends(&ends);
}

/* Writes until the peer's buffers are full. */
static void fill_up(const struct ends *ends)
{
    static const char data[100000];
    size_t n;
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_write(ends->client, data, sizeof data, &n)) == BGL_SSL_OK)
        ;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
}

TEST(a_non_blocking_write_ends_at_its_limit)
{
    static const char data[100000];
    struct ends ends;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_write_timeout(ends.client, 200 * MS));
    fill_up(&ends);
    await_limit(ends.client, 200 * MS);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_write(ends.client, data, sizeof data, &n));
    CHECK_INT(BGL_SSL_PHASE_WRITE, last_error().phase);
    free_ends(&ends);
}

TEST(a_non_blocking_close_ends_at_its_limit_towards_a_peer_that_does_not_read)
{
    struct ends ends;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 200 * MS));
    fill_up(&ends);
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_close(ends.client));
    await_limit(ends.client, 200 * MS);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(ends.client));
    CHECK_INT(BGL_SSL_PHASE_CLOSE, last_error().phase);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_close(ends.client));
    CHECK_INT(-1, bgl_ssl_socket_fd(ends.client));
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    free_ends(&ends);
}

/* ---- closing is quick ---- */

/* The peer of each is silent, and stays. */
TEST(closing_does_not_wait_for_a_peer_that_stays)
{
    struct ends ends;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 20 * SECOND));
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    if (now_us() - began > 5 * SECOND)
        FAIL("close waited %lld us", (long long)(now_us() - began));
    free_ends(&ends); /* which lets the lingering end */
}

TEST(closing_before_the_handshake_began_waits_for_nothing)
{
    int fds[2];
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 20 * SECOND));
    tcp_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(config, fds[0], 0));
    close(fds[0]);
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(socket));
    CHECK(now_us() - began < 5 * SECOND);
    /* Not even in the background: the descriptor is closed by now, and so the peer sees the end. */
    char byte;
    CHECK_INT(0, recv(fds[1], &byte, 1, MSG_DONTWAIT));
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(config);
    close(fds[1]);
}

/* What the peer has not read when the program ends arrives, although the peer's own bytes were never read here. */
TEST(exiting_right_after_a_close_loses_nothing)
{
    struct ends ends;
    enum { SIZE = 300000 };
    static char data[SIZE + 1];
    size_t n, got = 0;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    send_bytes(ends.server, "unread", 6);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        send_bytes(ends.client, data, SIZE);
        CHECK_OK(bgl_ssl_socket_close(ends.client));
        exit(EXIT_SUCCESS);
    }
    bgl_ssl_socket_free(ends.client); /* the child's */
    ends.client = NULL;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.server, 20 * SECOND));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read(ends.server, data, sizeof data, &n)) == BGL_SSL_OK) {
        got += n;
        usleep(2000);
    }
    CHECK_STATUS(BGL_SSL_EOF, status);
    CHECK_INT(SIZE, (long long)got);
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS);
    free_ends(&ends);
}

TEST(a_child_process_does_not_inherit_what_lingers)
{
    struct ends ends;
    /* What the parent's thread held has no owner in the child. */
    if (memory_is_watched())
        skip_test("a detector that tells leaks from what a fork leaves behind");
    connect_over_tcp(&ends, client_config(), server_config("good"));
    int before = open_descriptors();
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        /* The client's descriptor is gone here, and a close starts a thread of this process. */
        CHECK_INT(before - 1, open_descriptors());
        CHECK_OK(bgl_ssl_socket_close(ends.server));
        exit(EXIT_SUCCESS);
    }
    int ended;
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS);
    free_ends(&ends);
}

/* ---- handshakes that fail ---- */

TEST(a_handshake_that_failed_and_is_freed_without_a_close_tells_the_peer_why)
{
    static char junk[100];
    for (int i = 0; i < 20; i++) {
        int fds[2];
        char rest[64];
        bgl_ssl_config_t *config = server_config("good");
        CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
        tcp_pair(fds);
        bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(config, fds[0], 0));
        close(fds[0]);
        write_all(fds[1], "\x16\x03\x01\x00\x04\x63\x00\x00\x00", 9); /* no ClientHello */
        CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(socket));
        write_all(fds[1], junk, sizeof junk); /* which nobody reads */
        bgl_ssl_socket_free(socket);
        ssize_t length = read_until_end(fds[1], rest, sizeof rest);
        if (length < 7 || rest[0] != 0x15)
            FAIL("%zd bytes came: no alert", length);
        bgl_ssl_config_free(config);
        close(fds[1]);
    }
}

TEST(close_notify_in_the_middle_of_a_handshake_is_no_truncation)
{
    int fds[2];
    bgl_ssl_socket_t *socket = silent_client(fds);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    write_all(fds[1], "\x15\x03\x03\x00\x02\x01\x00", 7);
    await_readable(fds[0]);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(socket));
    CHECK_MESSAGE("close_notify");
    bgl_ssl_socket_free(socket);
    close(fds[0]);
    close(fds[1]);
}

/* ---- servers ---- */

static bgl_ssl_server_t *listening(int *port)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    bgl_ssl_config_free(config);
    *port = bgl_ssl_server_port(server);
    return server;
}

static void check_accepts(const bgl_ssl_server_t *server, int port)
{
    bgl_ssl_socket_t *socket;
    int client = plain_connect(port);
    CHECK_OK(bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    bgl_ssl_socket_free(socket);
    close(client);
}

TEST(a_server_closed_in_a_child_process_goes_on_in_the_parent)
{
    int port, ended;
    bgl_ssl_server_t *server = listening(&port);
    check_accepts(server, port);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        check_accepts(server, port);
        CHECK_OK(bgl_ssl_server_close(server));
        exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS);
    check_accepts(server, port);
    bgl_ssl_server_free(server);
}

TEST(a_server_closed_in_the_parent_goes_on_in_its_children)
{
    int port, ended, closed[2];
    char byte;
    bgl_ssl_server_t *server = listening(&port);
    CHECK(pipe(closed) == 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        close(closed[1]);
        CHECK_INT(0, read(closed[0], &byte, 1));
        check_accepts(server, port);
        exit(EXIT_SUCCESS);
    }
    CHECK_OK(bgl_ssl_server_close(server));
    close(closed[0]);
    close(closed[1]);
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS);
    bgl_ssl_server_free(server);
}

static void *accept_until_closed(void *data)
{
    bgl_ssl_socket_t *socket;
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_server_accept(data, 0, &socket));
    return NULL;
}

TEST(a_close_in_a_child_process_wakes_its_accepting_threads)
{
    int port, ended;
    bgl_ssl_server_t *server = listening(&port);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        pthread_t thread = start_thread(accept_until_closed, server);
        usleep(100000); /* nothing tells from outside when a thread has begun to wait */
        CHECK_OK(bgl_ssl_server_close(server));
        join_thread(thread);
        exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == EXIT_SUCCESS);
    check_accepts(server, port);
    bgl_ssl_server_free(server);
}

/* Without a name, IPv4 is for hosts without IPv6, not for ports that are taken. */
TEST(a_port_taken_on_ipv6_is_not_listened_on_by_ipv4_instead)
{
    int port, taken;
    bgl_ssl_config_t *config = server_config("good");
    taken = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    socklen_t length = sizeof any;
    int only = 1;
    if (taken < 0 || setsockopt(taken, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0 ||
        bind(taken, (struct sockaddr *)&any, sizeof any) != 0)
        skip_test("IPv6 on the loopback");
    CHECK(listen(taken, 1) == 0 && getsockname(taken, (struct sockaddr *)&any, &length) == 0);
    port = ntohs(any.sin6_port);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_listen(config, NULL, port, 5, AF_UNSPEC));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    close(taken);
    bgl_ssl_config_free(config);
}

/* The header: "the time-out runs from the first call, and a call after it returns BGL_SSL_E_TIMEOUT": so does the next. */
TEST(a_handshake_that_timed_out_does_not_get_its_time_again)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(client, 100 * MS * slowness()));
    make_ends(&ends, client, server, "localhost");
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
    usleep((useconds_t)(120 * MS * slowness()));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(ends.client));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(ends.client));
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
