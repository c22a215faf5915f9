/* Closing, truncation, resets: nothing written is lost, no end is mistaken for another, no close waits for ever. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <poll.h>

enum { MEGABYTE = 1 << 20 };

struct version {
    const char *name;
    int number;
};

static const struct version versions[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}};

static char *megabyte(void)
{
    char *data = malloc(MEGABYTE);
    for (size_t i = 0; i < MEGABYTE; i++)
        data[i] = (char)(i * 13 + i / 4096);
    return data;
}

static bgl_ssl_config_t *versioned_client(const void *row)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_min_protocol(config, ((const struct version *)row)->number));
    CHECK_OK(bgl_ssl_config_set_max_protocol(config, ((const struct version *)row)->number));
    return config;
}

/* What an end got, and how the stream ended. */
struct received {
    char *data;
    size_t length;
    bgl_ssl_status_t end;
    bgl_ssl_error_t error;
    useconds_t pause;
};

static void receive_stream(const bgl_ssl_socket_t *socket, struct received *received)
{
    size_t n = 0;
    received->length = 0;
    while (received->length < MEGABYTE + 1 &&
           (received->end = bgl_ssl_socket_read(socket, received->data + received->length,
                                                MEGABYTE + 1 - received->length, &n)) == BGL_SSL_OK) {
        received->length += n;
        if (received->pause)
            usleep(received->pause);
    }
    received->error = last_error();
}

static void serve_receive(bgl_ssl_socket_t *socket, void *data)
{
    receive_stream(socket, data);
}

static void serve_megabyte(bgl_ssl_socket_t *socket, void *data)
{
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(socket, data, MEGABYTE, &n));
}

static void check_received(const struct received *received, const char *data)
{
    if (received->end != BGL_SSL_EOF)
        FAIL("after %zu bytes the stream ended with %s: %s", received->length, bgl_ssl_status_name(received->end),
             received->error.message);
    CHECK_INT(MEGABYTE, (long long)received->length);
    CHECK(memcmp(received->data, data, MEGABYTE) == 0);
}

/* ---- nothing is lost ---- */

/* A megabyte for a service that receives it. */
struct delivery {
    struct client_and_service both;
    struct received received;
    char *data;
};

/* The client's config is taken over. The service has a buffer of `space` bytes and pauses for `pause` after each. */
static void start_delivery(struct delivery *it, bgl_ssl_config_t *client, serve_function *serve, size_t space,
                           useconds_t pause)
{
    it->data = megabyte();
    it->received = (struct received){malloc(space), 0, 0, {0}, pause};
    connect_to_service(&it->both, client, server_config("good"), serve, &it->received);
}

/* Closes, and all has arrived. */
static void end_delivery(struct delivery *it)
{
    end_client_and_service(&it->both);
    check_received(&it->received, it->data);
    free(it->received.data);
    free(it->data);
}

/* The client never reads, so under TLS 1.3 the server's session tickets lie unread when it closes. */
TEST_TABLE(close_after_last_write_loses_nothing, versions)
{
    struct delivery it;
    start_delivery(&it, versioned_client(row), serve_receive, MEGABYTE + 1, 200);
    send_bytes(it.both.socket, it.data, MEGABYTE);
    end_delivery(&it);
}

TEST_TABLE(a_server_that_closes_after_its_last_write_loses_nothing, versions)
{
    struct client_and_service both;
    struct received received = {malloc(MEGABYTE + 1), 0, 0, {0}, 200};
    char *data = megabyte();
    connect_to_service(&both, versioned_client(row), server_config("good"), serve_megabyte, data);
    receive_stream(both.socket, &received);
    check_received(&received, data);
    end_client_and_service(&both);
    free(received.data);
    free(data);
}

/* A peer that answers while it reads, slowly. */
static void serve_answers_while_receiving(bgl_ssl_socket_t *socket, void *data)
{
    struct received *received = data;
    bgl_ssl_status_t status;
    size_t n;
    while ((status = bgl_ssl_socket_read(socket, received->data + received->length, 16384, &n)) == BGL_SSL_OK) {
        received->length += n;
        send_bytes(socket, "answer", 6);
        usleep(500);
    }
    received->end = status;
    received->error = last_error();
}

/* The kernel resets a connection whose reading half is shut down when the peer sends more after our FIN. */
TEST_TABLE(close_after_the_reading_half_was_shut_down_loses_nothing, versions)
{
    struct delivery it;
    bgl_ssl_config_t *client = versioned_client(row);
    CHECK_OK(bgl_ssl_config_set_close_timeout(client, 10 * SECOND * slowness()));
    start_delivery(&it, client, serve_answers_while_receiving, MEGABYTE + 16384, 0);
    send_bytes(it.both.socket, it.data, MEGABYTE);
    CHECK_OK(bgl_ssl_socket_shutdown_read(it.both.socket));
    end_delivery(&it);
}

/* Writing goes on, although nothing can be read: also where the handshake is still to come. */
TEST_TABLE(a_lazy_socket_handshakes_after_its_reading_half_was_shut_down, versions)
{
    struct delivery it;
    bgl_ssl_config_t *client = versioned_client(row);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    start_delivery(&it, client, serve_receive, MEGABYTE + 1, 0);
    CHECK_OK(bgl_ssl_socket_shutdown_read(it.both.socket));
    send_bytes(it.both.socket, it.data, MEGABYTE);
    end_delivery(&it);
}

static void serve_unread_then_receive(bgl_ssl_socket_t *socket, void *data)
{
    struct received *received = data;
    memset(received->data, 'u', 300000);
    send_bytes(socket, received->data, 300000);
    receive_stream(socket, received);
}

/* close() with bytes unread makes TCP reset the connection, unless they are drained first. */
TEST_TABLE(unread_data_does_not_turn_the_close_into_a_reset, versions)
{
    struct delivery it;
    start_delivery(&it, versioned_client(row), serve_unread_then_receive, MEGABYTE + 1, 0);
    send_bytes(it.both.socket, it.data, MEGABYTE);
    end_delivery(&it);
}

/* The program shuts the descriptor down, below TLS, while bytes lie unread. */
TEST_TABLE(a_descriptor_that_was_shut_down_does_not_turn_the_close_into_a_reset, versions)
{
    struct ends ends;
    size_t n, length = 0;
    ssize_t got;
    static char received[2 * MEGABYTE];
    char *data = megabyte();
    connect_over_tcp(&ends, versioned_client(row), server_config("good"));
    send_bytes(ends.client, "unread", 6);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(ends.server, SECOND / 5));
    bgl_ssl_socket_write(ends.server, data, MEGABYTE, &n);
    CHECK(n > 0);
    CHECK_INT(0, shutdown(bgl_ssl_socket_fd(ends.server), SHUT_RDWR));
    bgl_ssl_socket_close(ends.server);
    while ((got = recv(bgl_ssl_socket_fd(ends.client), received + length, sizeof received - length, 0)) > 0)
        length += (size_t)got;
    if (got < 0)
        FAIL("a reset after %zu bytes of %zu", length, n);
    CHECK(length >= n);
    free(data);
    free_ends(&ends);
}

/* Ends that can talk, with hardly any space between them. The client's config is taken over. */
static void make_cramped_ends(struct ends *ends, bgl_ssl_config_t *client)
{
    int fds[2];
    bgl_ssl_config_t *server = server_config("good");
    tiny_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    step_handshakes(ends);
    CHECK_OK(ends->server_status);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void *receive_in_thread(void *data)
{
    void **both = data;
    receive_stream(both[0], both[1]);
    return NULL;
}

/* A non-blocking end took bytes that the kernel had no space for yet: close() still owes them to the peer. */
TEST(close_flushes_what_a_write_took)
{
    struct ends ends;
    size_t n, sent = 0;
    char *data = megabyte();
    struct received received = {malloc(MEGABYTE + 1), 0, 0, {0}, 100};
    make_cramped_ends(&ends, client_config());
    while (sent < MEGABYTE && bgl_ssl_socket_write(ends.client, data + sent, MEGABYTE - sent, &n) == BGL_SSL_OK)
        sent += n;
    CHECK(sent < MEGABYTE);
    set_ends_blocking(&ends);
    void *both[] = {ends.server, &received};
    pthread_t thread = start_thread(receive_in_thread, both);
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_EOF, received.end);
    CHECK(received.length >= sent);
    CHECK(memcmp(received.data, data, received.length) == 0);
    free_ends(&ends);
    free(received.data);
    free(data);
}

/* ---- how a stream ends ---- */

static void connected(struct ends *ends, const void *row)
{
    connect_over_tcp(ends, versioned_client(row), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends->client, 10 * SECOND));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends->server, 10 * SECOND));
}

TEST_TABLE(close_is_a_clean_end_of_file_and_stays_one, versions)
{
    struct ends ends;
    char text[16];
    size_t n;
    connected(&ends, row);
    send_bytes(ends.client, "last words", 10);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    receive_bytes(ends.server, text, 10);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    CHECK_INT(0, (long long)n);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    free_ends(&ends);
}

TEST_TABLE(a_peer_that_vanishes_is_truncation_and_stays_one, versions)
{
    struct ends ends;
    char text[16];
    size_t n;
    connected(&ends, row);
    CHECK(exchange_bytes(&ends)); /* so that nothing lies unread, and the peer's FIN is no reset */
    send_bytes(ends.client, "last words", 10);
    bgl_ssl_socket_free(ends.client);
    ends.client = NULL;
    receive_bytes(ends.server, text, 10);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    CHECK_INT(0, (long long)n);
    CHECK_INT(BGL_SSL_PHASE_READ, last_error().phase);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    free_ends(&ends);
}

TEST_TABLE(a_peer_that_resets_is_an_io_error_with_errno, versions)
{
    struct ends ends;
    char text[16];
    size_t n;
    connected(&ends, row);
    reset_on_close(bgl_ssl_socket_fd(ends.client));
    bgl_ssl_socket_free(ends.client);
    ends.client = NULL;
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    CHECK_INT(ECONNRESET, last_error().sys_errno);
    CHECK_MESSAGE("reset");
    free_ends(&ends);
}

/* SIGPIPE has its default action here: it would kill the case. */
TEST_TABLE(writing_to_a_peer_that_is_gone_is_an_error_and_no_signal, versions)
{
    struct ends ends;
    static char data[100000];
    size_t n;
    connected(&ends, row);
    bgl_ssl_socket_free(ends.client);
    ends.client = NULL;
    bgl_ssl_status_t status = BGL_SSL_OK;
    for (int i = 0; i < 100 && status == BGL_SSL_OK; i++)
        status = bgl_ssl_socket_write(ends.server, data, sizeof data, &n);
    CHECK_STATUS(BGL_SSL_E_IO, status);
    CHECK(last_error().sys_errno == EPIPE || last_error().sys_errno == ECONNRESET);
    CHECK_INT(BGL_SSL_PHASE_WRITE, last_error().phase);
    /* Ending such a connection is no error of the one who ends it, and no signal either. */
    bgl_ssl_socket_close(ends.server);
    CHECK_INT(-1, bgl_ssl_socket_fd(ends.server));
    free_ends(&ends);
}

TEST(writing_to_a_vanished_local_peer_raises_no_signal)
{
    struct ends ends;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    bgl_ssl_socket_free(ends.client);
    ends.client = NULL;
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_write(ends.server, "x", 1, &n));
    CHECK_INT(EPIPE, last_error().sys_errno);
    bgl_ssl_socket_shutdown(ends.server);
    bgl_ssl_socket_close(ends.server);
    free_ends(&ends);
}

TEST_TABLE(half_close_ends_one_direction_and_leaves_the_other, versions)
{
    struct ends ends;
    char text[16];
    size_t n = 4711;
    connected(&ends, row);
    send_bytes(ends.client, "question", 8);
    CHECK_OK(bgl_ssl_socket_shutdown(ends.client));
    CHECK_OK(bgl_ssl_socket_shutdown(ends.client));
    receive_bytes(ends.server, text, 8);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.server, text, sizeof text, &n));
    send_bytes(ends.server, "answer", 6);
    receive_bytes(ends.client, text, 6);
    CHECK(memcmp(text, "answer", 6) == 0);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(ends.client, "more", 4, &n));
    CHECK_INT(0, (long long)n);
    CHECK_OK(bgl_ssl_socket_shutdown(ends.server));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.client, text, sizeof text, &n));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_OK(bgl_ssl_socket_close(ends.server));
    free_ends(&ends);
}

/* A peer that does not speak TLS's close (or just TCP's) sees the end of the stream all the same. */
TEST_TABLE(half_close_shuts_the_tcp_direction_too, versions)
{
    bgl_ssl_config_t *client = versioned_client(row);
    bgl_ssl_config_t *server = server_config("good");
    struct ends ends;
    int fds[2];
    char rest[4096];
    tcp_pair(fds);
    int raw = fcntl(fds[1], F_DUPFD_CLOEXEC, 0);
    make_ends_over(&ends, client, server, "localhost", fds);
    step_handshakes(&ends);
    CHECK_OK(ends.server_status);
    CHECK_OK(bgl_ssl_socket_shutdown(ends.client));
    CHECK(read_until_end(raw, rest, sizeof rest) > 0);
    close(raw);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- after close ---- */

TEST(everything_but_free_is_a_state_error_after_close)
{
    struct ends ends;
    char text[16];
    int port = 4711;
    size_t n = 4711;
    connected(&ends, &versions[1]);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(ends.client, text, sizeof text, &n));
    CHECK_INT(0, (long long)n);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(ends.client, "x", 1, &n));
    CHECK_INT(0, (long long)n);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_handshake(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_shutdown(ends.client));
    CHECK_INT(-1, bgl_ssl_socket_fd(ends.client));
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends.client));
    bgl_ssl_socket_peer_address(ends.client, text, sizeof text, &port);
    bgl_ssl_socket_local_address(ends.client, text, sizeof text, &port);
    /* Lasting facts last. */
    CHECK_INT(0, bgl_ssl_socket_verify_result(ends.client));
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(ends.client));
    CHECK_STRING("good", bgl_ssl_certificate_subject(peer));
    bgl_ssl_certificate_free(peer);
    CHECK_STRING("TLSv1.3", bgl_ssl_socket_protocol(ends.client));
    free_ends(&ends);
}

TEST(a_closed_sockets_descriptor_number_is_not_touched_again)
{
    struct ends ends;
    char text[4];
    size_t n;
    connected(&ends, &versions[1]);
    int number = bgl_ssl_socket_fd(ends.client);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0)); /* otherwise the library keeps the number for a while */
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    /* The number now belongs to somebody else. */
    int other = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (other != number) {
        CHECK(dup3(other, number, O_CLOEXEC) == number);
        close(other);
    }
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(ends.client, text, sizeof text, &n));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    free_ends(&ends);
    CHECK(fcntl(number, F_GETFD) >= 0);
    close(number);
}

/* ---- no close waits for ever ---- */

static void check_bounded_close(const bgl_ssl_socket_t *socket, int64_t limit)
{
    int64_t began = now_us();
    bgl_ssl_socket_close(socket);
    int64_t took = now_us() - began;
    if (took > limit + 4 * SECOND * slowness())
        FAIL("close took %lld us with a limit of %lld us", (long long)took, (long long)limit);
    CHECK_INT(-1, bgl_ssl_socket_fd(socket));
}

static void make_ends_with_full_buffers(struct ends *ends, size_t *taken)
{
    static char data[100000];
    size_t n;
    make_cramped_ends(ends, client_config());
    *taken = 0;
    while (bgl_ssl_socket_write(ends->client, data, sizeof data, &n) == BGL_SSL_OK)
        *taken += n;
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, false));
}

TEST(closing_towards_a_peer_that_does_not_read_ends_at_the_deadline)
{
    struct ends ends;
    size_t taken;
    make_ends_with_full_buffers(&ends, &taken);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 200 * MS));
    check_bounded_close(ends.client, 200 * MS);
    free_ends(&ends);
}

TEST(closing_with_a_limit_of_zero_does_not_wait)
{
    struct ends ends;
    size_t taken;
    make_ends_with_full_buffers(&ends, &taken);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0));
    check_bounded_close(ends.client, 0);
    free_ends(&ends);
}

TEST(freeing_without_closing_does_not_wait)
{
    struct ends ends;
    size_t taken;
    make_ends_with_full_buffers(&ends, &taken);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 20 * SECOND));
    int64_t began = now_us();
    free_ends(&ends);
    CHECK(now_us() - began < 5 * SECOND * slowness());
}

static void *write_endlessly(void *data)
{
    const bgl_ssl_socket_t *socket = data;
    static char text[16384];
    size_t n;
    while (bgl_ssl_socket_write(socket, text, sizeof text, &n) == BGL_SSL_OK)
        ;
    return NULL;
}

TEST(closing_towards_a_peer_that_never_stops_talking_ends_at_the_deadline)
{
    struct ends ends;
    connected(&ends, &versions[1]);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 300 * MS));
    pthread_t thread = start_thread(write_endlessly, ends.server);
    check_bounded_close(ends.client, 300 * MS);
    join_thread(thread);
    free_ends(&ends);
}

TEST(closing_in_the_middle_of_a_handshake_does_not_wait_for_it)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
    set_ends_blocking(&ends);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 200 * MS));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.server, 200 * MS));
    check_bounded_close(ends.client, 200 * MS);
    check_bounded_close(ends.server, 200 * MS);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- non-blocking ---- */

TEST_TABLE(a_non_blocking_close_waits_for_space_and_for_the_peer_step_by_step, versions)
{
    struct ends ends;
    static char data[100000];
    size_t n, sent = 0, got = 0;
    make_cramped_ends(&ends, versioned_client(row));
    while (bgl_ssl_socket_write(ends.client, data, sizeof data, &n) == BGL_SSL_OK)
        sent += n;
    bgl_ssl_status_t closing = bgl_ssl_socket_close(ends.client), reading = BGL_SSL_OK;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, closing);
    for (int i = 0; i < 1000 && reading != BGL_SSL_EOF; i++) {
        reading = bgl_ssl_socket_read(ends.server, data, sizeof data, &n);
        CHECK(reading >= 0);
        got += reading == BGL_SSL_OK ? n : 0;
        if (closing != BGL_SSL_OK)
            closing = bgl_ssl_socket_close(ends.client);
        CHECK(closing >= 0);
    }
    CHECK_STATUS(BGL_SSL_EOF, reading);
    CHECK(got >= sent);
    for (int i = 0; i < 10 && closing != BGL_SSL_OK; i++) {
        CHECK(bgl_ssl_socket_close(ends.server) >= 0);
        closing = bgl_ssl_socket_close(ends.client);
    }
    CHECK_OK(closing);
    CHECK_INT(-1, bgl_ssl_socket_fd(ends.client));
    free_ends(&ends);
}

/* ---- a refused peer is hung up on ---- */

struct refusing {
    bgl_ssl_config_t *config;
    int fd;
    bgl_ssl_status_t status;
};

static void *refuse(void *data)
{
    struct refusing *it = data;
    bgl_ssl_socket_t *socket = bgl_ssl_upgrade_client_fd(it->config, it->fd, "localhost", 0);
    it->status = socket ? BGL_SSL_OK : last_error().code;
    close(it->fd);
    return NULL;
}

TEST(a_server_that_is_not_accepted_is_told_and_disconnected)
{
    int fds[2];
    char rest[256];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    set_accepted(client, "good-rsa.pem");
    tcp_pair(fds);
    struct refusing refusing = {client, fds[0], 0};
    pthread_t thread = start_thread(refuse, &refusing);
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    CHECK(last_error().alert > 0);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_VERIFY, refusing.status);
    CHECK(read_until_end(fds[1], rest, sizeof rest) <= 0);
    close(fds[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_client_that_is_not_accepted_is_told_and_disconnected)
{
    struct client_and_service both;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    set_certificate(client, "client2");
    set_ca(server, "root.pem");
    set_accepted(server, "client.pem");
    start_service_for(&both, client, server, 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket = connect_to(client, both.service.port);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(socket, &byte, 1, &n));
    CHECK(last_error().alert > 0);
    struct pollfd hung_up = {bgl_ssl_socket_fd(socket), POLLRDHUP, 0};
    CHECK_INT(1, poll(&hung_up, 1, 5000 * slowness()));
    bgl_ssl_socket_free(socket);
    close(plain_connect(both.service.port));
    end_client_and_service(&both);
}
