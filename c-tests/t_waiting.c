/* Who waits for whom, and who must not: event loops that believe WANT_*, and threads that meet on one socket. */
#define _GNU_SOURCE
#include "harness.h"

#include <poll.h>

struct version {
    const char *name;
    int number;
};

static const struct version versions[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}};

static bool is_waiting(bgl_ssl_status_t status)
{
    return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

/* Steps an end as an event loop does: only when what it asked for has come. */
static bool step_when_ready(const bgl_ssl_socket_t *socket, bgl_ssl_status_t *status)
{
    if (!is_waiting(*status))
        return false;
    struct pollfd wait = {bgl_ssl_socket_fd(socket), *status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
    if (poll(&wait, 1, 0) == 0)
        return false;
    *status = bgl_ssl_socket_handshake(socket);
    return true;
}

TEST_TABLE(a_handshake_over_tiny_buffers_gets_on_by_what_it_asks_for, versions)
{
    int fds[2], version = ((const struct version *)row)->number;
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("heavy");
    CHECK_OK(bgl_ssl_config_set_protocol(client, version));
    tiny_pair(fds);
    make_ends_over(&ends, client, server, "localhost", fds);
    ends.client_status = bgl_ssl_socket_handshake(ends.client);
    ends.server_status = bgl_ssl_socket_handshake(ends.server);
    while (is_waiting(ends.client_status)) {
        bool moved = step_when_ready(ends.client, &ends.client_status);
        moved |= step_when_ready(ends.server, &ends.server_status);
        if (!moved)
            FAIL("both wait: the client for %d, the server for %d", ends.client_status, ends.server_status);
    }
    CHECK_OK(ends.client_status);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Ends over small buffers, the client's full; counts what the server is to get. */
static void fill(struct ends *ends, size_t *sent)
{
    static const char as[100000] = {0};
    bgl_ssl_status_t status;
    size_t n;
    connect_with(ends, client_config(), server_config("good"));
    *sent = 0;
    /* The last of these leaves a record half in the kernel. */
    do {
        status = bgl_ssl_socket_write(ends->client, as, sizeof as, &n);
        *sent += n;
    } while (status == BGL_SSL_OK && n > 0);
    CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
    CHECK_INT(0, (long long)n);
}

/* Reads what is there: counts zeros, and then ones. */
static void drain(const struct ends *ends, size_t *zeros, size_t *ones)
{
    unsigned char buffer[20000];
    size_t n;
    while (bgl_ssl_socket_read(ends->server, buffer, sizeof buffer, &n) == BGL_SSL_OK)
        for (size_t i = 0; i < n; i++)
            ++*(buffer[i] == 0 ? zeros : ones);
}

TEST(a_non_blocking_write_reports_all_that_will_be_sent)
{
    static const char zeros_there_are[300000] = {0};
    char ones_there_are[20000];
    struct ends ends;
    size_t n, reported = 0, zeros = 0, ones = 0;
    memset(ones_there_are, 1, sizeof ones_there_are);
    connect_with(&ends, client_config(), server_config("good"));
    /* A short count is a success: nothing says that the rest must come next. */
    CHECK_OK(bgl_ssl_socket_write(ends.client, zeros_there_are, sizeof zeros_there_are, &n));
    CHECK(n < sizeof zeros_there_are);
    reported = n;
    drain(&ends, &zeros, &ones);
    for (size_t sent = 0; sent < sizeof ones_there_are; sent += n) {
        bgl_ssl_status_t status =
            bgl_ssl_socket_write(ends.client, ones_there_are + sent, sizeof ones_there_are - sent, &n);
        CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_WRITE);
        drain(&ends, &zeros, &ones);
    }
    drain(&ends, &zeros, &ones);
    CHECK_INT((long long)reported, (long long)zeros);
    CHECK_INT(sizeof ones_there_are, (long long)ones);
    free_ends(&ends);
}

TEST(another_write_while_one_is_to_be_repeated_goes_behind_it_and_both_are_counted)
{
    static const char as[100000] = {0};
    char more[20000];
    struct ends ends;
    size_t n, sent, zeros = 0, ones = 0;
    bgl_ssl_status_t status;
    memset(more, 1, sizeof more);
    fill(&ends, &sent);
    drain(&ends, &zeros, &ones);
    for (size_t told = 0; told < sizeof more; told += n) {
        status = bgl_ssl_socket_write(ends.client, more + told, sizeof more - told, &n);
        CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_WRITE);
        drain(&ends, &zeros, &ones);
    }
    do {
        status = bgl_ssl_socket_write(ends.client, as, sizeof as, &n);
        sent += n;
        drain(&ends, &zeros, &ones);
    } while (status == BGL_SSL_WANT_WRITE);
    CHECK_OK(status);
    drain(&ends, &zeros, &ones);
    CHECK_INT((long long)sent, (long long)zeros);
    CHECK_INT(sizeof more, (long long)ones);
    free_ends(&ends);
}

static void *read_a_byte(void *data)
{
    const bgl_ssl_socket_t *socket = data;
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_read(socket, &byte, 1, &n));
    return NULL;
}

static void blocking_ends(struct ends *ends)
{
    connect_with(ends, client_config(), server_config("good"));
    set_ends_blocking(ends);
}

TEST(a_non_blocking_read_does_not_wait_for_one_that_blocks)
{
    struct ends ends;
    char byte;
    size_t n;
    blocking_ends(&ends);
    pthread_t reader = start_thread(read_a_byte, ends.client);
    usleep(100000); /* nothing tells from outside when a reader has begun to wait */
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    send_bytes(ends.server, "x", 1);
    join_thread(reader);
    free_ends(&ends);
}

struct pieces {
    int from, to;
};

/* Passes bytes on, the last ones of each piece a little later; who does not want them any more need not take them. */
static void *pass_in_pieces(void *data)
{
    const struct pieces *it = data;
    char buffer[20000];
    ssize_t n;
    while ((n = read(it->from, buffer, sizeof buffer)) > 0) {
        ssize_t first = n > 40 ? n - 20 : n;
        send(it->to, buffer, (size_t)first, MSG_NOSIGNAL);
        for (int64_t until = now_us() + 100; now_us() < until;)
            ;
        if (first < n)
            send(it->to, buffer + first, (size_t)(n - first), MSG_NOSIGNAL);
    }
    shutdown(it->to, SHUT_WR);
    return NULL;
}

static void *ask_for_pending(void *data)
{
    const bgl_ssl_socket_t *socket = data;
    while (bgl_ssl_socket_fd(socket) >= 0)
        bgl_ssl_socket_pending(socket);
    return NULL;
}

static void *handshake_in_thread(void *data)
{
    CHECK_OK(bgl_ssl_socket_handshake(data));
    return NULL;
}

TEST(pending_takes_no_bytes_from_under_a_reader)
{
    struct ends ends;
    int left[2], right[2], fds[2];
    char buffer[100] = {0};
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    local_pair(left);
    local_pair(right);
    struct pieces there = {left[1], right[0]}, back = {right[0], left[1]};
    pthread_t threads[3] = {start_thread(pass_in_pieces, &there), start_thread(pass_in_pieces, &back)};
    fds[0] = left[0];
    fds[1] = right[1];
    make_ends_over(&ends, client, server, "localhost", fds);
    set_ends_blocking(&ends);
    pthread_t shaking = start_thread(handshake_in_thread, ends.server);
    handshake_in_thread(ends.client);
    join_thread(shaking);
    threads[2] = start_thread(ask_for_pending, ends.client);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 3 * SECOND * slowness()));
    for (int i = 0; i < 300; i++) {
        send_bytes(ends.server, buffer, sizeof buffer);
        receive_bytes(ends.client, buffer, sizeof buffer);
    }
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.server, 0));
    CHECK_OK(bgl_ssl_socket_close(ends.server));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    close(left[1]);
    close(right[0]);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

enum { LENGTH = 1000 };

static void *read_a_record(void *data)
{
    char buffer[LENGTH];
    receive_bytes(data, buffer, LENGTH);
    return NULL;
}

static void wake_readers_at(const bgl_ssl_socket_t *socket, int bytes)
{
    CHECK_INT(0, setsockopt(bgl_ssl_socket_fd(socket), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes));
}

/* The rest must be returned to a caller that does not wait, although poll(2) does not report it. */
TEST(what_came_to_a_waiting_reader_beside_its_record_is_pending)
{
    enum { RECORDS = 4 };
    struct ends ends;
    char buffer[LENGTH] = {0};
    size_t n;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    send_bytes(ends.server, "x", 1);
    receive_bytes(ends.client, buffer, 1);
    wake_readers_at(ends.client, RECORDS * LENGTH);
    pthread_t reader = start_thread(read_a_record, ends.client);
    usleep(100000); /* nothing tells from outside when a reader has begun to wait */
    for (int i = 0; i < RECORDS; i++)
        send_bytes(ends.server, buffer, LENGTH);
    join_thread(reader);
    wake_readers_at(ends.client, 1);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    struct pollfd nothing = {bgl_ssl_socket_fd(ends.client), POLLIN, 0};
    CHECK_INT(0, poll(&nothing, 1, 0));
    for (int i = 1; i < RECORDS; i++) {
        CHECK_INT(LENGTH, (long long)bgl_ssl_socket_pending(ends.client));
        CHECK_OK(bgl_ssl_socket_read(ends.client, buffer, LENGTH, &n));
        CHECK_INT(LENGTH, (long long)n);
    }
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, buffer, LENGTH, &n));
    free_ends(&ends);
}

static void *read_one_byte(void *data)
{
    /* Not on the stack: AddressSanitizer takes the frame of a cancelled thread for one that is still in use. */
    static char byte;
    static size_t n;
    bgl_ssl_socket_read(data, &byte, 1, &n);
    pthread_testcancel();
    return NULL;
}

TEST(a_cancelled_thread_ends_after_its_call_and_not_within)
{
    struct ends ends;
    void *result;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, SECOND / 2));
    pthread_t reader = start_thread(read_one_byte, ends.client);
    usleep(100000);
    CHECK_INT(0, pthread_cancel(reader));
    CHECK_INT(0, pthread_join(reader, &result));
    CHECK(result == PTHREAD_CANCELED);
    send_bytes(ends.server, "x", 1);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 0));
    char byte;
    receive_bytes(ends.client, &byte, 1);
    free_ends(&ends);
}
