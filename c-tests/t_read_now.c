/* Reads that never wait, also on blocking sockets, and tell whether there is more to read. */
#define _GNU_SOURCE
#include "harness.h"


static void connect_nonblocking_client(struct ends *ends)
{
    connect_over_tcp(ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, false));
}

/* As its users do: waits for the descriptor whenever it says so. */
static bgl_ssl_status_t read_and_wait(const bgl_ssl_socket_t *socket, char *buffer, size_t size, size_t *n, bool *more)
{
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read_now(socket, buffer, size, n, more)) == BGL_SSL_WANT_READ)
        await_readable(bgl_ssl_socket_fd(socket));
    return status;
}

TEST(a_blocking_socket_does_not_wait)
{
    struct ends ends;
    char buffer[8];
    size_t n = 1;
    bool more = true;
    connect_nonblocking_client(&ends);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read_now(ends.client, buffer, sizeof buffer, &n, &more));
    CHECK_INT(0, (long long)n);
    CHECK(!more);
    send_bytes(ends.server, "x", 1);
    CHECK_OK(read_and_wait(ends.client, buffer, sizeof buffer, &n, NULL));
    CHECK_INT(1, (long long)n);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read_now(ends.client, buffer, sizeof buffer, &n, &more));
    free_ends(&ends);
}

TEST(what_a_small_buffer_leaves_is_more)
{
    struct ends ends;
    char buffer[2];
    size_t n;
    bool more;
    connect_nonblocking_client(&ends);
    send_bytes(ends.server, "abc", 3);
    CHECK_OK(read_and_wait(ends.client, buffer, 2, &n, &more));
    CHECK_INT(2, (long long)n);
    CHECK(more);
    CHECK_OK(bgl_ssl_socket_read_now(ends.client, buffer, 2, &n, &more));
    CHECK_INT(1, (long long)n);
    CHECK(!more);
    free_ends(&ends);
}

TEST(the_end_that_came_with_the_bytes_is_more)
{
    struct ends ends;
    char buffer[8];
    size_t n;
    bool more;
    /* A local socket has what was sent at once, and whole. */
    connect_with(&ends, client_config(), server_config("good"));
    send_bytes(ends.client, "?", 1); /* what comes next is an answer, of which all is taken */
    receive_bytes(ends.server, buffer, 1);
    send_bytes(ends.server, "a", 1);
    CHECK_OK(bgl_ssl_socket_shutdown(ends.server));
    CHECK_OK(bgl_ssl_socket_read_now(ends.client, buffer, sizeof buffer, &n, &more));
    CHECK_INT(1, (long long)n);
    CHECK(more);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read_now(ends.client, buffer, sizeof buffer, &n, &more));
    free_ends(&ends);
}

/* Asks until the library has seen so many waits in so short a time that it lets several records come. */
static int64_t gather_time_after_many_waits(const bgl_ssl_socket_t *socket)
{
    int64_t time = 0;
    for (int i = 0; i < 100000 && time == 0; i++) time = bgl_ssl_socket_gather(socket);
    return time;
}

TEST(small_records_that_come_fast_are_gathered)
{
    struct ends ends;
    char buffer[8];
    size_t n;
    connect_nonblocking_client(&ends);
    send_bytes(ends.server, "x", 1);
    CHECK_OK(read_and_wait(ends.client, buffer, sizeof buffer, &n, NULL));
    CHECK(gather_time_after_many_waits(ends.client) > 0);
    /* That wait has brought nothing. */
    CHECK_INT(0, bgl_ssl_socket_gather(ends.client));
    free_ends(&ends);
}

TEST(an_answer_is_not_gathered)
{
    struct ends ends;
    char buffer[8];
    size_t n;
    connect_nonblocking_client(&ends);
    send_bytes(ends.server, "x", 1);
    CHECK_OK(read_and_wait(ends.client, buffer, sizeof buffer, &n, NULL));
    send_bytes(ends.client, "?", 1);
    CHECK_INT(0, gather_time_after_many_waits(ends.client));
    free_ends(&ends);
}

TEST(nothing_is_gathered_before_the_handshake_and_after_the_end)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_INT(0, gather_time_after_many_waits(ends.client));
    CHECK_INT(0, bgl_ssl_socket_gather(NULL));
    bgl_ssl_socket_close(ends.client);
    CHECK_INT(0, gather_time_after_many_waits(ends.client));
    free_ends(&ends);
}

TEST(there_is_nothing_to_read_before_the_handshake)
{
    struct ends ends;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read_now(ends.client, &byte, 1, &n, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_read_now(ends.client, &byte, 1, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_read_now(NULL, &byte, 1, &n, NULL));
    free_ends(&ends);
}

/* The header: BGL_SSL_E_STATE if the socket is closed. */
TEST(a_read_of_nothing_from_a_closed_socket_says_that_it_is_closed)
{
    struct ends ends;
    char byte;
    size_t n;
    bool more;
    connect_nonblocking_client(&ends);
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(ends.client, &byte, 0, &n));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(ends.client, &byte, 0, &n));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read_now(ends.client, &byte, 0, &n, &more));
    free_ends(&ends);
}
