/* Peers that send without end what is of no use to the reader: key updates of TLS 1.3, ten thousands at once. OpenSSL
 * reads on and on for as long as there is one more, so deadlines and other threads must not depend on its stopping. */
#include <stdatomic.h>

#include "openssl_peer.h"

struct flood {
    struct openssl_peer peer;
    int updates;
    int kind;
    pthread_t thread;
    /* How many bytes there are, once they are there, and how many of them have been sent. */
    atomic_long total;
    atomic_long sent;
};

/* Accepts, makes its key updates, and sends them as fast as the socket takes them. */
static void *flood_peer(void *data)
{
    struct flood *it = data;
    char *bytes;
    openssl_accept(&it->peer);
    for (int i = 0; i < it->updates; i++)
        openssl_key_update(&it->peer, it->kind);
    long left = openssl_kept(&it->peer, &bytes);
    CHECK(left > 0);
    it->total = left;
    while (left > 0) {
        ssize_t n = send(it->peer.fd, bytes, left < 4096 ? (size_t)left : 4096, MSG_NOSIGNAL);
        if (n <= 0)
            break; /* the test has seen enough */
        bytes += n;
        left -= n;
        it->sent += n;
    }
    openssl_free(&it->peer);
    return NULL;
}

/* A client whose peer begins to flood it. */
static bgl_ssl_socket_t *begin_flood(struct flood *it, int updates, int kind, int fds[2])
{
    memset(it, 0, sizeof *it);
    load_openssl(&it->peer.openssl);
    it->peer.fd = fds[1];
    it->updates = updates;
    it->kind = kind;
    it->thread = start_thread(flood_peer, it);
    bgl_ssl_config_t *config = client_config();
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    bgl_ssl_config_free(config);
    close(fds[0]);
    while (it->sent == 0)
        usleep(1000);
    return client;
}

/* The flood is not over: the call returned because of its bound, not because nothing was left to read. */
static void check_still_flooding(const struct flood *it)
{
    if (it->sent >= it->total)
        FAIL("all %ld bytes have been taken", (long)it->total);
}

static void end_flood(struct flood *it, bgl_ssl_socket_t *client)
{
    bgl_ssl_socket_free(client);
    join_thread(it->thread);
    close(it->peer.fd);
}

TEST(a_flood_of_key_updates_does_not_move_the_read_deadline)
{
    struct flood flood;
    char byte;
    size_t n;
    int fds[2];
    local_pair(fds);
    bgl_ssl_socket_t *client = begin_flood(&flood, 60000, NOT_REQUESTED, fds);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(client, 10 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(client, &byte, 1, &n));
    check_still_flooding(&flood);
    end_flood(&flood, client);
}

TEST(a_flood_of_key_updates_does_not_keep_a_non_blocking_reader)
{
    struct flood flood;
    char byte;
    size_t n;
    int fds[2];
    local_pair(fds);
    bgl_ssl_socket_t *client = begin_flood(&flood, 60000, NOT_REQUESTED, fds);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(client, &byte, 1, &n));
    check_still_flooding(&flood);
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(client));
    check_still_flooding(&flood);
    end_flood(&flood, client);
}

TEST(a_flooded_reader_lets_other_threads_write_and_close)
{
    struct flood flood;
    size_t n;
    int fds[2];
    local_pair(fds);
    struct reader reader = {.socket = begin_flood(&flood, 60000, NOT_REQUESTED, fds)};
    bgl_ssl_socket_t *client = (bgl_ssl_socket_t *)reader.socket;
    pthread_t thread = start_thread(read_one, &reader);
    while (!reader.begun)
        usleep(1000);
    CHECK_OK(bgl_ssl_socket_write(client, "x", 1, &n));
    check_still_flooding(&flood);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(client, 0));
    CHECK_OK(bgl_ssl_socket_close(client));
    check_still_flooding(&flood);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    end_flood(&flood, client);
}

/* Each of these updates asks for one in return. A peer that reads none of the answers must not fill our memory. */
TEST(a_peer_that_asks_without_end_and_reads_nothing_is_not_listened_to_any_more)
{
    struct flood flood;
    char byte, answers[4096];
    size_t n;
    int fds[2], rounds = 0;
    local_pair(fds);
    tiny_buffers(fds[0]);
    bgl_ssl_socket_t *client = begin_flood(&flood, 20000, REQUESTED, fds);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read(client, &byte, 1, &n)) == BGL_SSL_WANT_READ) {
        if (flood.sent == flood.total && ++rounds > 100)
            FAIL("%ld bytes of requests have been taken", (long)flood.total);
        usleep(1000);
    }
    CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
    check_still_flooding(&flood);
    /* A blocking read waits, rather than to turn in circles. */
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(client, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(client, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(client, 0));
    /* Once it reads again, it is listened to again. */
    long before = flood.sent;
    while (flood.sent < flood.total && flood.sent < before + 100000) {
        while (recv(flood.peer.fd, answers, sizeof answers, MSG_DONTWAIT) > 0)
            continue;
        status = bgl_ssl_socket_read(client, &byte, 1, &n);
        CHECK(status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE);
    }
    end_flood(&flood, client);
}

/* ---- session tickets ---- */

struct tickets {
    long in_step, most_in_step, all;
};

static void count_session(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session, size_t length,
                          void *user)
{
    struct tickets *tickets = user;
    (void)connection, (void)id, (void)id_len, (void)session, (void)length;
    tickets->all++;
    if (++tickets->in_step > tickets->most_in_step)
        tickets->most_in_step = tickets->in_step;
}

/* Carries what the engine's client has to say to a descriptor. */
static void flush_engine(bgl_ssl_connection_t *client, int fd)
{
    char buffer[20000];
    long n;
    while ((n = bgl_ssl_connection_read(client, buffer, 0, sizeof buffer)) > 0)
        write_all(fd, buffer, (size_t)n);
}

TEST(an_engine_keeps_few_of_the_sessions_that_a_server_sends_at_once)
{
    enum { TICKETS = 400 };
    struct openssl_peer peer = {.ctx = NULL};
    struct tickets tickets = {0, 0, 0};
    static char bytes[1 << 20];
    char *sent;
    int fds[2];
    load_openssl(&peer.openssl);
    if (!peer.openssl.SSL_new_session_ticket)
        skip_test("a libssl of 3.0 or later");
    local_pair(fds); /* where nothing is delayed */
    peer.fd = fds[1];
    bgl_ssl_ctx_t *ctx = MADE(bgl_ssl_ctx_t, bgl_ssl_ctx_init("default"));
    bgl_ssl_connection_t *client =
        MADE(bgl_ssl_connection_t, bgl_ssl_connection_init(ctx, false, false, "localhost", false));
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(client, count_session, &tickets));
    pthread_t thread = start_thread(openssl_accept_in_thread, &peer);
    while (!bgl_ssl_connection_init_finishedp(client)) {
        bgl_ssl_connection_start(client);
        flush_engine(client, fds[0]);
        if (bgl_ssl_connection_init_finishedp(client))
            break;
        ssize_t n = read(fds[0], bytes, sizeof bytes);
        CHECK(n > 0);
        CHECK_INT(n, bgl_ssl_connection_write(client, bytes, 0, (size_t)n));
    }
    join_thread(thread);
    ssize_t rest;
    while ((rest = recv(fds[0], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        CHECK_INT(rest, bgl_ssl_connection_write(client, bytes, 0, (size_t)rest));
    for (int i = 0; i < TICKETS; i++)
        CHECK_INT(1, peer.openssl.SSL_new_session_ticket(peer.ssl));
    CHECK_INT(1, peer.openssl.SSL_do_handshake(peer.ssl));
    long length = openssl_kept(&peer, &sent);
    for (long at = 0; at < length;) {
        long n = bgl_ssl_connection_write(client, sent, (size_t)at, (size_t)(length - at));
        CHECK(n > 0);
        at += n;
        tickets.in_step = 0;
        CHECK_INT(-1, bgl_ssl_connection_clear_out(client, bytes, 0, sizeof bytes));
        CHECK_INT(BGL_SSL_WANT_READ, bgl_ssl_connection_status(client));
    }
    CHECK(tickets.all > 0);
    CHECK(tickets.most_in_step <= 16);
    bgl_ssl_connection_close(client);
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
    openssl_free(&peer);
    close(fds[0]);
    close(fds[1]);
}
