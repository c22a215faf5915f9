/* TLS inside TLS: both roles, any depth, one thread and several, closing and cutting off. */
#define _GNU_SOURCE
#include "bulk.h"
#include "harness.h"
#include "openssl_peer.h"

#include <fcntl.h>
#include <poll.h>

/* Ends inside of others, which stay the case's. The roles can be swapped: then the client's end of `outer` is the inner
 * server. */
static void make_inner(struct ends *inner, const struct ends *outer, bool swapped, bool lazy)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, lazy));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, lazy));
    memset(inner, 0, sizeof *inner);
    const bgl_ssl_socket_t *under_client = swapped ? outer->server : outer->client;
    const bgl_ssl_socket_t *under_server = swapped ? outer->client : outer->server;
    inner->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(client, under_client, "localhost", 0));
    inner->server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_socket(server, under_server, 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner->client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner->server, true));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void connect_inner(struct ends *inner, const struct ends *outer)
{
    make_inner(inner, outer, false, true);
    step_handshakes(inner);
    CHECK_OK(inner->client_status);
    CHECK_OK(inner->server_status);
}

/* Outer ends over TCP, whose handshake is complete. */
static void connect_outer(struct ends *outer)
{
    connect_over_tcp(outer, client_config(), server_config("good"));
}

TEST(bytes_pass_in_lock_step_both_ways)
{
    struct ends outer, inner;
    connect_with(&outer, client_config(), server_config("good"));
    connect_inner(&inner, &outer);
    move_bytes(inner.client, inner.server, 300000);
    move_bytes(inner.server, inner.client, 300000);
    CHECK_INT(bgl_ssl_socket_fd(outer.client), bgl_ssl_socket_fd(inner.client));
    free_ends(&inner);
    free_ends(&outer);
}

TEST(the_roles_can_differ)
{
    struct ends outer, inner;
    connect_with(&outer, client_config(), server_config("good"));
    make_inner(&inner, &outer, true, true);
    step_handshakes(&inner);
    CHECK_OK(inner.client_status);
    CHECK_OK(inner.server_status);
    move_bytes(inner.client, inner.server, 50000);
    move_bytes(inner.server, inner.client, 50000);
    free_ends(&inner);
    free_ends(&outer);
}

TEST(bytes_pass_through_tiny_buffers)
{
    struct ends outer, inner;
    int fds[2];
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    tiny_pair(fds);
    make_ends_over(&outer, client, server, "localhost", fds);
    /* The outer handshake has not begun: it is part of the inner one. */
    make_inner(&inner, &outer, false, true);
    step_handshakes(&inner);
    CHECK_OK(inner.client_status);
    CHECK_OK(inner.server_status);
    CHECK(move_bytes(inner.client, inner.server, 300000) > 0);
    CHECK(move_bytes(inner.server, inner.client, 300000) > 0);
    free_ends(&inner);
    free_ends(&outer);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(three_levels)
{
    struct ends level[3];
    connect_with(&level[0], client_config(), server_config("good"));
    connect_inner(&level[1], &level[0]);
    make_inner(&level[2], &level[1], true, true);
    step_handshakes(&level[2]);
    CHECK_OK(level[2].client_status);
    CHECK_OK(level[2].server_status);
    move_bytes(level[2].client, level[2].server, 100000);
    move_bytes(level[2].server, level[2].client, 100000);
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_close(level[2].client));
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(level[i].client, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(level[2].server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_close(level[2].server));
    for (int i = 0; i < 3; i++)
        free_ends(&level[i]);
}

/* ---- an outer peer that is OpenSSL itself, and changes its keys ---- */

enum { CTRL_RESET = 1 };

/* Hands what OpenSSL has written to the descriptor. */
static void pass_on(struct openssl_peer *peer)
{
    char *bytes;
    long length = openssl_kept(peer, &bytes);
    if (length > 0)
        write_all(peer->fd, bytes, (size_t)length);
    peer->openssl.BIO_ctrl(peer->kept, CTRL_RESET, 0, NULL);
}

static bgl_ssl_status_t read_with_openssl(void *user, void *buffer, size_t length, size_t *n)
{
    struct openssl_peer *peer = user;
    int got = peer->openssl.SSL_read(peer->ssl, buffer, (int)length);
    if (got <= 0)
        return BGL_SSL_WANT_READ;
    *n = (size_t)got;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t write_with_openssl(void *user, const void *buffer, size_t length, size_t *n)
{
    struct openssl_peer *peer = user;
    *n = length < 1000 ? length : 1000;
    CHECK_INT((long long)*n, peer->openssl.SSL_write(peer->ssl, buffer, (int)*n));
    pass_on(peer);
    return BGL_SSL_OK;
}

TEST(the_outer_peer_may_change_its_keys)
{
    struct openssl_peer peer = {.fd = -1};
    struct ends inner = {0};
    int fds[2];
    load_openssl(&peer.openssl);
    local_pair(fds);
    peer.fd = fds[1];
    pthread_t thread = start_thread(openssl_accept_in_thread, &peer);
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    bgl_ssl_socket_t *outer = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    close(fds[0]);
    join_thread(thread);
    pass_on(&peer);
    CHECK(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
    bgl_ssl_config_t *lazy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(lazy, true));
    bgl_ssl_io_t io = {.size = sizeof io, .read = read_with_openssl, .write = write_with_openssl};
    inner.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(lazy, outer, "localhost", 0));
    inner.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(server, &io, &peer, 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, true));
    step_handshakes(&inner);
    CHECK_INT(BGL_SSL_OK, inner.client_status);
    CHECK_INT(BGL_SSL_OK, inner.server_status);
    for (int i = 0; i < 10; i++) {
        openssl_key_update(&peer, i % 2 ? REQUESTED : NOT_REQUESTED);
        pass_on(&peer);
        move_bytes(inner.server, inner.client, 20000);
        move_bytes(inner.client, inner.server, 20000);
    }
    free_ends(&inner);
    bgl_ssl_socket_free(outer);
    openssl_free(&peer);
    close(fds[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(lazy);
    bgl_ssl_config_free(server);
}

/* ---- several threads ---- */

struct inner_server {
    const bgl_ssl_socket_t *outer;
    bgl_ssl_socket_t *inner;
};

static void *accept_inner(void *data)
{
    struct inner_server *it = data;
    bgl_ssl_config_t *server = server_config("good");
    it->inner = bgl_ssl_upgrade_server_socket(server, it->outer, 0);
    bgl_ssl_config_free(server);
    return NULL;
}

/* Blocking ends, with an eager handshake. */
static void connect_inner_in_threads(struct ends *inner, const struct ends *outer)
{
    struct inner_server server = {outer->server, NULL};
    pthread_t thread = start_thread(accept_inner, &server);
    bgl_ssl_config_t *client = client_config();
    memset(inner, 0, sizeof *inner);
    inner->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(client, outer->client, "localhost", 0));
    join_thread(thread);
    inner->server = MADE(bgl_ssl_socket_t, server.inner);
    bgl_ssl_config_free(client);
}

TEST(two_threads_at_each_end)
{
    struct ends outer, inner;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    pthread_t threads[] = {
        start_thread(write_bulk, inner.client), start_thread(write_bulk, inner.server),
        start_thread(read_bulk, inner.client), start_thread(read_bulk, inner.server),
    };
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    finish(inner.client);
    finish(inner.server);
    free_ends(&outer);
}

TEST(an_event_loop_never_sleeps_over_bytes_of_the_outer_connection)
{
    struct ends outer, inner;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, true));
    pthread_t writer = start_thread(write_bulk, inner.server);
    char buffer[100];
    for (size_t received = 0;;) {
        size_t n;
        bgl_ssl_status_t status = bgl_ssl_socket_read(inner.client, buffer, sizeof buffer, &n);
        for (size_t i = 0; i < n; i++)
            CHECK((unsigned char)buffer[i] == pattern(received + i));
        received += n;
        if (status == BGL_SSL_EOF)
            break;
        if (status == BGL_SSL_WANT_READ) {
            CHECK_INT(0, (long long)bgl_ssl_socket_pending(inner.client));
            await_readable(bgl_ssl_socket_fd(inner.client));
        } else {
            CHECK_OK(status);
        }
    }
    join_thread(writer);
    free_ends(&inner);
    free_ends(&outer);
}

TEST(what_the_outer_connection_has_received_is_pending)
{
    struct ends outer, inner;
    char buffer[8];
    size_t n;
    bool more;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, true));
    send_bytes(inner.server, "ab", 2);
    send_bytes(inner.server, "cd", 2);
    bgl_ssl_status_t status;
    do
        await_readable(bgl_ssl_socket_fd(inner.client));
    while ((status = bgl_ssl_socket_read(inner.client, buffer, 1, &n)) == BGL_SSL_WANT_READ);
    CHECK_OK(status);
    CHECK_INT(1, (long long)bgl_ssl_socket_pending(inner.client));
    CHECK_OK(bgl_ssl_socket_read_now(inner.client, buffer, 1, &n, &more));
    CHECK(buffer[0] == 'b');
    /* Both records were read from the descriptor at once, as a first read does. */
    if (more) {
        CHECK_INT(2, (long long)bgl_ssl_socket_pending(inner.client));
        CHECK_OK(bgl_ssl_socket_read_now(inner.client, buffer, 8, &n, &more));
        CHECK_INT(2, (long long)n);
    }
    free_ends(&inner);
    free_ends(&outer);
}

static bgl_ssl_status_t read_outer(void *user, void *buffer, size_t length, size_t *n)
{
    return bgl_ssl_socket_read(user, buffer, length, n);
}

static bgl_ssl_status_t write_outer(void *user, const void *buffer, size_t length, size_t *n)
{
    return bgl_ssl_socket_write(user, buffer, length, n);
}

/* The inner server is over functions: so the case can write to the outer connection, too. */
static void connect_inner_over_functions(struct ends *inner, const struct ends *outer)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    bgl_ssl_io_t io = {.size = sizeof io, .read = read_outer, .write = write_outer};
    memset(inner, 0, sizeof *inner);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(outer->server, true));
    inner->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(client, outer->client, "localhost", 0));
    inner->server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(server, &io, outer->server, 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner->client, true));
    step_handshakes(inner);
    CHECK_OK(inner->client_status);
    CHECK_OK(inner->server_status);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(pending_ends_where_the_inner_connection_has_failed_and_more_has_come)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_with(&outer, client_config(), server_config("good"));
    connect_inner_over_functions(&inner, &outer);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    /* The first read after a write takes all that has come. */
    send_bytes(inner.client, "x", 1);
    receive_bytes(inner.server, &byte, 1);
    send_bytes(inner.server, "y", 1);
    /* A record that cannot be decrypted, and others behind it. */
    static const unsigned char bad[200] = {0x17, 3, 3, 0, 32};
    for (int i = 0; i < 5; i++)
        CHECK_OK(bgl_ssl_socket_write(outer.server, bad, sizeof bad, &n));
    CHECK_OK(bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(inner.client));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    free_ends(&inner);
    free_ends(&outer);
}

/* ---- the end ---- */

TEST(a_close_ends_both_connections_in_order)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    send_bytes(inner.client, "x", 1);
    CHECK_OK(bgl_ssl_socket_close(inner.client));
    CHECK_INT(-1, bgl_ssl_socket_fd(inner.client));
    CHECK_INT(-1, bgl_ssl_socket_fd(outer.client));
    CHECK_OK(bgl_ssl_socket_close(outer.client));
    receive_bytes(inner.server, &byte, 1);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(inner.server, &byte, 1, &n));
    finish(inner.server);
    bgl_ssl_socket_free(inner.client);
    free_ends(&outer);
}

TEST(a_shutdown_ends_one_half_of_both)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    CHECK_OK(bgl_ssl_socket_shutdown(inner.client));
    CHECK_OK(bgl_ssl_socket_shutdown(inner.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(inner.client, "x", 1, &n));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(inner.server, &byte, 1, &n));
    send_bytes(inner.server, "y", 1);
    receive_bytes(inner.client, &byte, 1);
    CHECK(byte == 'y');
    finish(inner.server);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    finish(inner.client);
    free_ends(&outer);
}

TEST(the_end_of_the_outer_connection_alone_is_a_truncation)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    /* With close_notify of its own, which says nothing about the inner one. */
    CHECK_OK(bgl_ssl_socket_close(outer.server));
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(inner.server, &byte, 1, &n));
    CHECK_MESSAGE("closed");
    free_ends(&inner);
    free_ends(&outer);
}

TEST(a_connection_that_is_cut_off_is_a_truncation)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    bgl_ssl_socket_free(inner.server);
    bgl_ssl_socket_free(outer.server);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    bgl_ssl_socket_free(inner.client);
    bgl_ssl_socket_free(outer.client);
}

TEST(the_order_of_frees_does_not_matter)
{
    struct ends outer, inner;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    free_ends(&outer);
    char byte;
    send_bytes(inner.client, "x", 1);
    receive_bytes(inner.server, &byte, 1);
    finish(inner.client);
    finish(inner.server);
}

TEST(a_thread_that_reads_is_woken_by_a_close)
{
    struct ends outer, inner;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    struct reader reader = {.socket = inner.client};
    pthread_t thread = start_thread(read_one, &reader);
    while (!atomic_load(&reader.begun))
        poll(NULL, 0, 1);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(inner.client, 200 * MS));
    CHECK_OK(bgl_ssl_socket_close(inner.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    free_ends(&inner);
    free_ends(&outer);
}

/* ---- limits ---- */

TEST(the_limits_of_the_inner_connection_count)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_outer(&outer);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(outer.client, 1));
    connect_inner_in_threads(&inner, &outer);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(inner.client, 50 * MS));
    int64_t begin = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    CHECK(now_us() - begin >= 50 * MS);
    send_bytes(inner.server, "x", 1);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(inner.client, 0));
    receive_bytes(inner.client, &byte, 1);
    free_ends(&inner);
    free_ends(&outer);
}

TEST(a_write_that_runs_out_of_time_leaves_the_connection_intact)
{
    struct ends outer, inner;
    connect_outer(&outer);
    connect_inner_in_threads(&inner, &outer);
    enum { MUCH = 16 << 20 };
    unsigned char *data = patterns(MUCH), *buffer = malloc(MUCH);
    size_t n, written;
    CHECK(buffer != NULL);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(inner.client, 100 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_write(inner.client, data, MUCH, &written));
    CHECK(written > 0 && written < MUCH);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.server, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, true));
    bool closed = false;
    for (size_t received = 0;;) {
        bgl_ssl_status_t status = bgl_ssl_socket_read(inner.server, buffer, MUCH, &n);
        for (size_t i = 0; i < n; i++)
            CHECK(buffer[i] == pattern(received + i));
        received += n;
        if (status == BGL_SSL_EOF) {
            CHECK_INT((long long)written, (long long)received);
            break;
        }
        CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_READ);
        if (!closed) {
            status = bgl_ssl_socket_close(inner.client);
            CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_WRITE);
            closed = status == BGL_SSL_OK;
        }
    }
    free(data);
    free(buffer);
    free_ends(&inner);
    free_ends(&outer);
}

/* ---- what is refused ---- */

TEST(the_outer_socket_is_left_to_the_inner_one)
{
    struct ends outer, inner;
    char byte;
    size_t n;
    connect_with(&outer, client_config(), server_config("good"));
    connect_inner(&inner, &outer);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(outer.client, &byte, 1, &n));
    CHECK_MESSAGE("carries another");
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(outer.client, "x", 1, &n));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_shutdown(outer.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_shutdown_read(outer.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_handshake(outer.client));
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(outer.client));
    bgl_ssl_config_t *client = client_config();
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_socket(client, outer.client, "localhost", 0));
    bgl_ssl_config_free(client);
    CHECK(exchange_bytes(&inner));
    free_ends(&inner);
    free_ends(&outer);
}

TEST(bad_arguments_leave_the_outer_socket_as_it_is)
{
    struct ends outer;
    connect_with(&outer, client_config(), server_config("good"));
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    bgl_ssl_config_t *dtls = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(dtls, BGLSSL_DTLSV1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_socket(NULL, outer.client, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_socket(client, NULL, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_socket(client, outer.client, "", 0));
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_socket(client, outer.client, NULL, 0));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_socket(client, outer.client, "localhost", 1));
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_socket(dtls, outer.client, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_server_socket(server, outer.server, SIZE_MAX));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_server_socket(NULL, outer.server, 0));
    CHECK(exchange_bytes(&outer));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(outer.client, 0));
    bgl_ssl_socket_close(outer.client);
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_socket(client, outer.client, "localhost", 0));
    CHECK_MESSAGE("closed");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(dtls);
    free_ends(&outer);
}

static void *accept_refused(void *data)
{
    bgl_ssl_config_t *server = server_config("good");
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_upgrade_server_socket(server, data, 0));
    CHECK_MESSAGE("alert");
    bgl_ssl_config_free(server);
    return NULL;
}

TEST(a_handshake_that_fails_inside_tells_the_peer_why)
{
    struct ends outer;
    connect_outer(&outer);
    pthread_t thread = start_thread(accept_refused, outer.server);
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_upgrade_client_socket(client, outer.client, "localhost", 0));
    join_thread(thread);
    bgl_ssl_config_free(client);
    CHECK_INT(-1, bgl_ssl_socket_fd(outer.client));
    free_ends(&outer);
}

TEST(the_failure_of_the_outer_handshake_is_told)
{
    struct ends outer, inner;
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new()), *server = server_config("good");
    make_ends(&outer, client, server, "localhost");
    make_inner(&inner, &outer, false, true);
    step_handshakes(&inner);
    CHECK_INT(BGL_SSL_E_VERIFY, inner.client_status);
    CHECK(strstr(inner.client_error.message, "under it") != NULL);
    CHECK_INT(BGL_SSL_E_PROTOCOL, inner.server_status);
    free_ends(&inner);
    free_ends(&outer);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
