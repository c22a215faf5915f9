/* Non-blocking ends in one thread, over socket pairs whose buffers hold less than a record: every WANT_* path. */
#define _GNU_SOURCE
#include "bulk.h"

#include <poll.h>

struct version {
    const char *name;
    int number;
};

static const struct version versions[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}};

static int version_of(const void *row)
{
    return ((const struct version *)row)->number;
}

/* Ends over tiny buffers; both certificates are too large for them when `heavy`. */
static void make_tiny_ends(struct ends *ends, int version, bool heavy)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config(heavy ? "heavy" : "good");
    if (heavy) {
        set_certificate(client, "heavy");
        set_ca(server, "root.pem");
    }
    CHECK_OK(bgl_ssl_config_set_min_protocol(client, version));
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, version));
    tiny_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void connect_tiny_ends(struct ends *ends, int version)
{
    make_tiny_ends(ends, version, false);
    step_handshakes(ends);
    CHECK_OK(ends->client_status);
    CHECK_OK(ends->server_status);
}

/* Moves `total` bytes, each side stepping in turn; counts how often each had to wait. */
static void move_bytes_in_steps(const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to, size_t total, size_t step,
                       unsigned *want_writes, unsigned *want_reads)
{
    unsigned char *data = patterns(total);
    unsigned char buffer[5000];
    size_t sent = 0, received = 0;
    for (int idle = 0; received < total;) {
        size_t n = 4711;
        bool moved = false;
        if (sent < total) {
            size_t length = total - sent < step ? total - sent : step;
            bgl_ssl_status_t status = bgl_ssl_socket_write(from, data + sent, length, &n);
            if (status == BGL_SSL_OK) {
                CHECK(n > 0 && n <= length);
                sent += n;
                moved = true;
            } else {
                CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
                CHECK_INT(0, (long long)n);
                ++*want_writes;
            }
        }
        n = 4711;
        bgl_ssl_status_t status = bgl_ssl_socket_read(to, buffer, sizeof buffer, &n);
        if (status == BGL_SSL_OK) {
            CHECK(n > 0 && n <= sizeof buffer);
            for (size_t i = 0; i < n; i++)
                if (buffer[i] != pattern(received + i))
                    FAIL("byte %zu is wrong", received + i);
            received += n;
            moved = true;
        } else {
            CHECK_STATUS(BGL_SSL_WANT_READ, status);
            CHECK_INT(0, (long long)n);
            ++*want_reads;
        }
        idle = moved ? 0 : idle + 1;
        if (idle > 1000)
            FAIL("stuck after %zu of %zu bytes sent and %zu received", sent, total, received);
    }
    free(data);
}

TEST_TABLE(handshake_waits_to_read_and_to_write, versions)
{
    struct ends ends;
    make_tiny_ends(&ends, version_of(row), true);
    char byte;
    size_t n;
    ends.client_status = ends.server_status = BGL_SSL_WANT_READ;
    for (int i = 0; i < 1000 && (ends.client_status != BGL_SSL_OK || ends.server_status != BGL_SSL_OK); i++) {
        ends.client_status = bgl_ssl_socket_handshake(ends.client);
        CHECK(ends.client_status >= 0);
        /* TLS 1.3: the server's tickets, which hold the client's certificate, must be read for it to get on. */
        if (ends.client_status == BGL_SSL_OK)
            CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
        ends.server_status = bgl_ssl_socket_handshake(ends.server);
        CHECK(ends.server_status >= 0);
        ends.want_reads += ends.client_status == BGL_SSL_WANT_READ || ends.server_status == BGL_SSL_WANT_READ;
        ends.want_writes += ends.client_status == BGL_SSL_WANT_WRITE || ends.server_status == BGL_SSL_WANT_WRITE;
    }
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK(ends.want_reads > 0);
    CHECK(ends.want_writes > 0);
    CHECK_OK(bgl_ssl_socket_handshake(ends.client));
    CHECK_OK(bgl_ssl_socket_handshake(ends.server));
    unsigned waits = 0;
    move_bytes_in_steps(ends.server, ends.client, 1, 1, &waits, &waits);
    move_bytes_in_steps(ends.client, ends.server, 1, 1, &waits, &waits);
    free_ends(&ends);
}

TEST_TABLE(bulk_waits_to_read_and_to_write, versions)
{
    struct ends ends;
    unsigned want_writes = 0, want_reads = 0;
    connect_tiny_ends(&ends, version_of(row));
    move_bytes_in_steps(ends.client, ends.server, 300000, 300000, &want_writes, &want_reads);
    CHECK(want_writes > 0);
    CHECK(want_reads > 0);
    want_writes = want_reads = 0;
    move_bytes_in_steps(ends.server, ends.client, 300000, 300000, &want_writes, &want_reads);
    CHECK(want_writes > 0);
    free_ends(&ends);
}

TEST_TABLE(small_writes_arrive_in_order, versions)
{
    static const size_t steps[] = {1, 2, 100, 4095, 4096, 16383, 16384, 16385, 65536};
    struct ends ends;
    unsigned waits = 0;
    connect_tiny_ends(&ends, version_of(row));
    for (size_t i = 0; i < COUNT(steps); i++) {
        move_bytes_in_steps(ends.client, ends.server, steps[i] * 3 + 1, steps[i], &waits, &waits);
        move_bytes_in_steps(ends.server, ends.client, steps[i] * 3 + 1, steps[i], &waits, &waits);
    }
    free_ends(&ends);
}

/* Neither end calls handshake(): reads and writes do it. */
TEST_TABLE(first_write_and_read_make_the_handshake, versions)
{
    struct ends ends;
    unsigned want_writes = 0, want_reads = 0;
    char byte = 0;
    size_t n = 0;
    make_tiny_ends(&ends, version_of(row), true);
    CHECK(bgl_ssl_socket_protocol(ends.client) == NULL);
    CHECK(bgl_ssl_socket_cipher(ends.client) == NULL);
    bgl_ssl_status_t sent = BGL_SSL_WANT_READ, got = BGL_SSL_WANT_READ;
    for (int i = 0; i < 1000 && got != BGL_SSL_OK; i++) {
        if (sent != BGL_SSL_OK)
            sent = bgl_ssl_socket_write(ends.client, "x", 1, &n);
        CHECK(sent >= 0);
        if (sent == BGL_SSL_OK)
            CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
        got = bgl_ssl_socket_read(ends.server, &byte, 1, &n);
        CHECK(got >= 0);
        want_reads += sent == BGL_SSL_WANT_READ || got == BGL_SSL_WANT_READ;
        want_writes += sent == BGL_SSL_WANT_WRITE || got == BGL_SSL_WANT_WRITE;
    }
    CHECK_STATUS(BGL_SSL_OK, got);
    CHECK_INT('x', byte);
    /* A read that waits for space to write is what event loops forget. */
    CHECK(want_reads > 0);
    CHECK(want_writes > 0);
    free_ends(&ends);
}

TEST(both_directions_at_once_do_not_lock_each_other)
{
    struct ends ends;
    enum { TOTAL = 200000 };
    static char data[TOTAL], buffer[TOTAL];
    const bgl_ssl_socket_t *side[2];
    size_t sent[2] = {0, 0}, got[2] = {0, 0};
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    side[0] = ends.client;
    side[1] = ends.server;
    for (int round = 0; got[0] < TOTAL || got[1] < TOTAL; round++) {
        CHECK(round < 100000);
        for (int i = 0; i < 2; i++) {
            size_t n = 0;
            if (sent[i] < TOTAL && bgl_ssl_socket_write(side[i], data + sent[i], TOTAL - sent[i], &n) == BGL_SSL_OK)
                sent[i] += n;
            bgl_ssl_status_t status = bgl_ssl_socket_read(side[i], buffer, sizeof buffer, &n);
            CHECK(status >= 0);
            if (status == BGL_SSL_OK)
                got[i] += n;
        }
    }
    free_ends(&ends);
}

/* An event loop asks pending() before it polls; where that says nothing, poll must know of what is there. */
TEST_TABLE(nothing_hides_between_pending_and_poll, versions)
{
    struct ends ends;
    char message[100], buffer[37];
    size_t n, got = 0;
    memset(message, 'm', sizeof message);
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, version_of(row)));
    connect_with(&ends, client, server_config("good"));
    for (int i = 0; i < 5; i++)
        CHECK_OK(bgl_ssl_socket_write(ends.client, message, sizeof message, &n));
    while (got < 5 * sizeof message) {
        if (bgl_ssl_socket_pending(ends.server) == 0)
            await_readable(bgl_ssl_socket_fd(ends.server));
        CHECK_OK(bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n));
        got += n;
    }
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends.server));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n));
    free_ends(&ends);
}

TEST(pending_counts_the_rest_of_a_record)
{
    struct ends ends;
    char buffer[16];
    size_t n;
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends.server));
    CHECK_OK(bgl_ssl_socket_write(ends.client, "0123456789", 10, &n));
    CHECK_OK(bgl_ssl_socket_read(ends.server, buffer, 3, &n));
    CHECK_INT(7, (long long)bgl_ssl_socket_pending(ends.server));
    CHECK_OK(bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n));
    CHECK_INT(7, (long long)n);
    CHECK(memcmp(buffer, "3456789", 7) == 0);
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends.server));
    free_ends(&ends);
}

TEST(a_write_of_nothing_sends_nothing)
{
    struct ends ends;
    char byte;
    size_t n = 4711;
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    CHECK_OK(bgl_ssl_socket_write(ends.client, "", 0, &n));
    CHECK_INT(0, (long long)n);
    n = 4711;
    CHECK_OK(bgl_ssl_socket_write(ends.client, NULL, 0, &n));
    CHECK_INT(0, (long long)n);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(a_waiting_end_becomes_readable_when_the_peer_has_written)
{
    struct ends ends;
    char byte;
    size_t n;
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    struct pollfd wait = {bgl_ssl_socket_fd(ends.server), POLLIN, 0};
    CHECK_INT(0, poll(&wait, 1, 0));
    CHECK_OK(bgl_ssl_socket_write(ends.client, "x", 1, &n));
    await_readable(wait.fd);
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    free_ends(&ends);
}

TEST(a_full_peer_becomes_writable_when_it_has_read)
{
    struct ends ends;
    static char data[100000], buffer[100000];
    size_t n, sent = 0, got = 0;
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    while (bgl_ssl_socket_write(ends.client, data, sizeof data, &n) == BGL_SSL_OK)
        sent += n;
    struct pollfd wait = {bgl_ssl_socket_fd(ends.client), POLLOUT, 0};
    CHECK_INT(0, poll(&wait, 1, 0));
    while (bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n) == BGL_SSL_OK)
        got += n;
    CHECK(got <= sent);
    CHECK_INT(1, poll(&wait, 1, 5000 * slowness()));
    /* The rest of a record comes first, and may fill the peer again. */
    bgl_ssl_status_t status = BGL_SSL_WANT_WRITE;
    for (int i = 0; i < 100 && status == BGL_SSL_WANT_WRITE; i++) {
        while (bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n) == BGL_SSL_OK)
            ;
        status = bgl_ssl_socket_write(ends.client, data, sizeof data, &n);
    }
    CHECK_OK(status);
    free_ends(&ends);
}

/* What a write took is flushed by shutdown(), which says when it must wait for space. */
TEST_TABLE(shutdown_waits_for_space_and_then_ends_the_stream, versions)
{
    struct ends ends;
    static char data[100000], buffer[100000];
    size_t n, sent = 0, got = 0;
    connect_tiny_ends(&ends, version_of(row));
    while (bgl_ssl_socket_write(ends.client, data, sizeof data, &n) == BGL_SSL_OK)
        sent += n;
    bgl_ssl_status_t closing = bgl_ssl_socket_shutdown(ends.client);
    CHECK_STATUS(BGL_SSL_WANT_WRITE, closing);
    bgl_ssl_status_t reading = BGL_SSL_OK;
    for (int i = 0; i < 1000 && reading != BGL_SSL_EOF; i++) {
        reading = bgl_ssl_socket_read(ends.server, buffer, sizeof buffer, &n);
        CHECK(reading >= 0);
        if (reading == BGL_SSL_OK)
            got += n;
        if (closing != BGL_SSL_OK) {
            closing = bgl_ssl_socket_shutdown(ends.client);
            CHECK(closing >= 0);
        }
    }
    CHECK_STATUS(BGL_SSL_EOF, reading);
    CHECK_OK(closing);
    CHECK(got >= sent);
    free_ends(&ends);
}

TEST(a_blocking_end_can_be_made_non_blocking_and_back)
{
    struct ends ends;
    char byte;
    size_t n;
    connect_tiny_ends(&ends, BGLSSL_TLSV1_3);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.server, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}
