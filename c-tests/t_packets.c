/* How many packets and system calls a connection takes. This program's own functions stand before the system's, and count
 * for each thread. */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct calls {
    int polls, peeks, receives, unsuccessful, shutdowns, questions;
};

static _Thread_local struct calls calls;

/* What an accepted connection takes is counted from here on. */
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address, length, flags);
    calls = (struct calls){0};
    return accepted;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
    /* The system writes into it. */
    struct timespec left = limit ? *limit : (struct timespec){0};
    calls.polls++;
    return (int)syscall(SYS_ppoll, fds, count, limit ? &left : NULL, mask, _NSIG / 8);
}

static ssize_t count_receive(ssize_t n, int flags)
{
    if (flags & MSG_PEEK)
        calls.peeks++;
    else
        calls.receives++;
    if (n < 0 && !(flags & MSG_PEEK))
        calls.unsuccessful++;
    return n;
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
    return count_receive(recvfrom(fd, data, length, flags, NULL, NULL), flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return count_receive(syscall(SYS_recvmsg, fd, message, flags), flags);
}

int shutdown(int fd, int how)
{
    calls.shutdowns++;
    return (int)syscall(SYS_shutdown, fd, how);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    calls.questions++;
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* How many segments with data the socket has sent. */
static long long segments(const bgl_ssl_socket_t *socket)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    CHECK_INT(0, getsockopt(bgl_ssl_socket_fd(socket), IPPROTO_TCP, TCP_INFO, &info, &size));
    if (size < offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof info.tcpi_data_segs_out)
        skip_test("a TCP_INFO that counts segments");
    return info.tcpi_data_segs_out;
}

TEST(the_tickets_of_a_server_go_out_together)
{
    struct ends ends;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_INT(2, segments(ends.client)); /* its hello, and its Finished */
    CHECK_INT(2, segments(ends.server)); /* its flight, and two tickets */
    free_ends(&ends);
}

/* Whatever OpenSSL asks for: the header of each record, and then the rest of it. */
TEST(a_flight_of_a_handshake_is_received_at_once)
{
    struct ends ends;
    int fds[2];
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    tcp_pair(fds);
    make_ends_over(&ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
    await_readable(bgl_ssl_socket_fd(ends.server));
    calls = (struct calls){0};
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.server));
    /* The hello; and after its flight the server has found the descriptor empty. */
    CHECK_INT(2, calls.receives);
    CHECK_INT(1, calls.unsuccessful);
    await_readable(bgl_ssl_socket_fd(ends.client));
    calls = (struct calls){0};
    CHECK_OK(bgl_ssl_socket_handshake(ends.client));
    CHECK_INT(1, calls.receives);
    await_readable(bgl_ssl_socket_fd(ends.server));
    calls = (struct calls){0};
    CHECK_OK(bgl_ssl_socket_handshake(ends.server));
    CHECK_INT(1, calls.receives);
    free_ends(&ends);
}

/* With the tickets, which the server has sent before. */
TEST(the_records_of_an_answer_are_received_at_once)
{
    struct ends ends;
    size_t n;
    char answer[8];
    connect_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    send_bytes(ends.client, "?", 1);
    for (int i = 0; i < 3; i++) send_bytes(ends.server, "answer", 6);
    await_acknowledgement(bgl_ssl_socket_fd(ends.server));
    calls = (struct calls){0};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(bgl_ssl_socket_read(ends.client, answer, sizeof answer, &n));
        CHECK_INT(6, n);
    }
    CHECK_INT(1, calls.receives);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, answer, sizeof answer, &n));
    CHECK_INT(1, calls.unsuccessful);
    free_ends(&ends);
}

/* The server has completed its handshake when the client's request was there. */
static void request_early(struct ends *ends)
{
    int fds[2];
    size_t n;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    tcp_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends->client));
    await_readable(bgl_ssl_socket_fd(ends->server));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends->server));
    await_readable(bgl_ssl_socket_fd(ends->client));
    CHECK_OK(bgl_ssl_socket_handshake(ends->client));
    CHECK_OK(bgl_ssl_socket_write(ends->client, "request", 7, &n));
    await_acknowledgement(bgl_ssl_socket_fd(ends->client));
    CHECK_OK(bgl_ssl_socket_handshake(ends->server));
    CHECK_INT(1, segments(ends->server)); /* its flight */
}

static void read_request(const struct ends *ends)
{
    char request[7];
    size_t n;
    CHECK_OK(bgl_ssl_socket_read(ends->server, request, sizeof request, &n));
    CHECK_INT(7, n);
}

TEST(tickets_go_out_with_the_first_response)
{
    struct ends ends;
    char response[8];
    size_t n;
    request_early(&ends);
    read_request(&ends);
    CHECK_OK(bgl_ssl_socket_write(ends.server, "response", 8, &n));
    CHECK_INT(2, segments(ends.server));
    await_readable(bgl_ssl_socket_fd(ends.client));
    CHECK_OK(bgl_ssl_socket_read(ends.client, response, sizeof response, &n));
    CHECK_INT(8, n);
    bgl_ssl_session_t *session = bgl_ssl_socket_session(ends.client);
    CHECK(session != NULL);
    bgl_ssl_session_free(session);
    free_ends(&ends);
}

TEST(tickets_go_out_before_a_server_waits_for_the_rest_of_a_request)
{
    struct ends ends;
    char more;
    size_t n;
    request_early(&ends);
    read_request(&ends);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &more, 1, &n));
    CHECK_INT(2, segments(ends.server));
    free_ends(&ends);
}

/* It waits by itself, for the descriptor. */
TEST(tickets_go_out_where_a_server_only_receives)
{
    struct ends ends;
    char byte;
    size_t n;
    request_early(&ends);
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK_INT(2, segments(ends.server));
    free_ends(&ends);
}

TEST(tickets_go_out_with_the_close_of_a_server_that_does_not_respond)
{
    struct ends ends;
    char end;
    size_t n;
    request_early(&ends);
    read_request(&ends);
    CHECK_OK(bgl_ssl_socket_shutdown(ends.server));
    CHECK_INT(2, segments(ends.server));
    await_readable(bgl_ssl_socket_fd(ends.client));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.client, &end, 1, &n));
    bgl_ssl_session_t *session = bgl_ssl_socket_session(ends.client);
    CHECK(session != NULL);
    bgl_ssl_session_free(session);
    free_ends(&ends);
}

/* The handshake of two ends that only write, as far as the client's Finished. */
static void begin_by_writing(struct ends *ends, bgl_ssl_config_t *client)
{
    int fds[2];
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    tcp_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_write(ends->client, "c", 1, &n));
    await_readable(bgl_ssl_socket_fd(ends->server));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_write(ends->server, "s", 1, &n));
    await_readable(bgl_ssl_socket_fd(ends->client));
}

TEST(the_end_of_a_handshake_goes_out_with_the_write_that_made_it)
{
    struct ends ends;
    size_t n;
    char byte;
    begin_by_writing(&ends, client_config());
    CHECK_OK(bgl_ssl_socket_write(ends.client, "c", 1, &n));
    CHECK_INT(2, segments(ends.client)); /* its hello; Finished and the byte */
    await_readable(bgl_ssl_socket_fd(ends.server));
    CHECK_OK(bgl_ssl_socket_write(ends.server, "s", 1, &n));
    CHECK_INT(2, segments(ends.server)); /* its flight; the tickets and the byte */
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    await_readable(bgl_ssl_socket_fd(ends.client));
    CHECK_OK(bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    free_ends(&ends);
}

TEST(the_end_of_a_handshake_goes_out_with_a_write_of_nothing)
{
    struct ends ends;
    size_t n;
    begin_by_writing(&ends, client_config());
    CHECK_OK(bgl_ssl_socket_write(ends.client, "", 0, &n));
    CHECK_INT(2, segments(ends.client));
    await_readable(bgl_ssl_socket_fd(ends.server));
    CHECK_OK(bgl_ssl_socket_write(ends.server, "", 0, &n));
    CHECK_INT(2, segments(ends.server));
    free_ends(&ends);
}

static bool refuse(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain, int32_t verify_result,
                   void *user)
{
    (void)socket, (void)chain, (void)verify_result, (void)user;
    return false;
}

TEST(the_end_of_a_handshake_goes_out_where_the_program_refuses_the_peer)
{
    struct ends ends;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, refuse, NULL));
    begin_by_writing(&ends, client);
    CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_socket_write(ends.client, "c", 1, &n));
    CHECK_INT(2, segments(ends.client));
    await_readable(bgl_ssl_socket_fd(ends.server));
    CHECK_OK(bgl_ssl_socket_handshake(ends.server));
    free_ends(&ends);
}

static bool count_segments(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                           int32_t verify_result, void *sent)
{
    (void)chain, (void)verify_result;
    *(long long *)sent = segments(socket);
    return true;
}

TEST(the_end_of_a_handshake_goes_out_before_the_program_decides_about_the_peer)
{
    struct ends ends;
    long long sent = 0;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, count_segments, &sent));
    begin_by_writing(&ends, client);
    CHECK_OK(bgl_ssl_socket_write(ends.client, "c", 1, &n));
    CHECK_INT(2, sent);
    free_ends(&ends);
}

static bool is_waiting(bgl_ssl_status_t status)
{
    return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

TEST(ends_that_only_write_meet_where_hardly_anything_fits)
{
    struct ends ends;
    int fds[2];
    size_t n;
    char byte;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    bgl_ssl_status_t wrote = BGL_SSL_WANT_WRITE, answered = BGL_SSL_WANT_WRITE;
    tiny_pair(fds);
    make_ends_over(&ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    for (int step = 0; step < 1000 && (is_waiting(wrote) || is_waiting(answered)); step++) {
        if (is_waiting(wrote))
            wrote = bgl_ssl_socket_write(ends.client, "c", 1, &n);
        if (is_waiting(answered))
            answered = bgl_ssl_socket_write(ends.server, "s", 1, &n);
        /* Only reading makes room. */
        if (wrote == BGL_SSL_OK && is_waiting(answered))
            CHECK(is_waiting(bgl_ssl_socket_read(ends.client, &byte, 1, &n)));
    }
    CHECK_OK(wrote);
    CHECK_OK(answered);
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    free_ends(&ends);
}

static void serve_and_count(bgl_ssl_socket_t *socket, void *data)
{
    struct calls *counted = data;
    counted[0] = calls;
    serve_echo(socket, NULL);
    calls = (struct calls){0};
    CHECK_OK(bgl_ssl_socket_close(socket));
    counted[1] = calls;
}

TEST(a_connection_takes_no_needless_system_calls)
{
    struct client_and_service both;
    struct calls counted[2];
    calls = (struct calls){0};
    connect_to_service(&both, client_config(), server_config("good"), serve_and_count, counted);
    /* It waits in connect(2), and then once for the server's flight. */
    CHECK_INT(0, calls.questions);
    CHECK_INT(1, calls.polls);
    CHECK_INT(0, calls.unsuccessful);
    check_echo(both.socket, "x");
    end_client_and_service(&both);
    /* The server waits for the hello and for Finished, and looks then whether there is a request already. */
    CHECK_INT(2, counted[0].polls);
    CHECK_INT(0, counted[0].unsuccessful);
    CHECK(counted[0].peeks <= 1);
    /* The client has said that it will send no more, and nobody waits for the descriptor. */
    CHECK_INT(1, counted[1].shutdowns);
    CHECK_INT(0, counted[1].receives);
}
