/* Peers that send without end what is of no use to the reader, over functions and inside TLS: key updates of TLS 1.3. All of
 * it is there when a call begins, so that only the call's own bound can end it, and bytes are counted instead of time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "harness.h"
#include "openssl_peer.h"

enum { CTRL_RESET = 1, UPDATES = 20000, PIECE = 50 };

/* What the functions of a client work on: a descriptor, behind whose bytes come those of a flood. */
struct source {
    int fd;
    const char *flood;
    size_t length, taken; /* by the functions; where there are none, by the system */
    bool refuses; /* to write */
    unsigned calls;
};

static bgl_ssl_status_t read_source(void *user, void *buffer, size_t length, size_t *n)
{
    struct source *it = user;
    it->calls++;
    ssize_t got = recv(it->fd, buffer, length, MSG_DONTWAIT);
    if (got >= 0) {
        *n = (size_t)got;
        return got == 0 ? BGL_SSL_EOF : BGL_SSL_OK;
    }
    size_t left = it->length - it->taken;
    if (left == 0)
        return BGL_SSL_WANT_READ;
    *n = left < length ? left : length;
    memcpy(buffer, it->flood + it->taken, *n);
    it->taken += *n;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t write_source(void *user, const void *buffer, size_t length, size_t *n)
{
    struct source *it = user;
    it->calls++;
    if (it->refuses)
        return BGL_SSL_WANT_WRITE;
    write_all(it->fd, buffer, length);
    *n = length;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t wait_for_source(void *user, int events, int64_t timeout)
{
    struct source *it = user;
    struct pollfd wait = {it->fd, (short)(it->refuses ? events & ~POLLOUT : events), 0};
    it->calls++;
    if (it->length > it->taken)
        return BGL_SSL_OK;
    poll(&wait, 1, (int)(timeout / 1000) + 1);
    return BGL_SSL_OK;
}

static const bgl_ssl_io_t functions = {
    .size = sizeof functions, .read = read_source, .write = write_source, .wait = wait_for_source};

/* A client over functions, or over a descriptor, and its peer. */
struct outer {
    struct source source;
    bool over_descriptor;
    struct openssl_peer peer;
    bgl_ssl_socket_t *client;
};

static void begin_over(struct outer *it, bool descriptor)
{
    int fds[2];
    bgl_ssl_config_t *config = client_config();
    memset(it, 0, sizeof *it);
    load_openssl(&it->peer.openssl);
    tcp_pair(fds);
    it->over_descriptor = descriptor;
    it->source.fd = fds[0];
    it->peer.fd = fds[1];
    pthread_t thread = start_thread(openssl_accept_in_thread, &it->peer);
    if (descriptor)
        it->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    else
        it->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(config, &functions, &it->source, "localhost", 0));
    join_thread(thread);
    bgl_ssl_config_free(config);
}

static void begin(struct outer *it)
{
    begin_over(it, false);
}

static void end(struct outer *it)
{
    bgl_ssl_socket_free(it->client);
    openssl_free(&it->peer);
    close(it->source.fd);
    close(it->peer.fd);
}

/* Has the system take as much as it does; the client has the rest already. Returns how many bytes the client has taken. */
static size_t feed(struct outer *it)
{
    struct source *source = &it->source;
    int sending, received;
    if (!it->over_descriptor)
        return source->taken;
    while (source->taken < source->length) {
        ssize_t n = send(it->peer.fd, source->flood + source->taken, source->length - source->taken, MSG_DONTWAIT);
        if (n <= 0)
            break;
        source->taken += (size_t)n;
    }
    CHECK(ioctl(it->peer.fd, SIOCOUTQ, &sending) == 0 && ioctl(source->fd, SIOCINQ, &received) == 0);
    size_t left = (size_t)sending + (size_t)received;
    return source->taken > left ? source->taken - left : 0;
}

/* Lets the client find all that the peer has written. */
static void pass_on(struct outer *it)
{
    char *bytes;
    long length = openssl_kept(&it->peer, &bytes);
    CHECK(length >= 0);
    it->source.flood = bytes;
    it->source.length = (size_t)length;
    it->source.taken = 0;
    feed(it);
}

static void forget_passed(struct outer *it)
{
    CHECK_INT((long long)it->source.length, (long long)it->source.taken);
    it->source.length = it->source.taken = 0;
    it->peer.openssl.BIO_ctrl(it->peer.kept, CTRL_RESET, 0, NULL);
}

/* A client inside of it, and its peer, whose bytes are carried by the peer of the other. */
struct inner {
    struct openssl_peer peer;
    bgl_ssl_socket_t *client;
};

static void write_with_outer_peer(struct outer *outer, const char *bytes, size_t length)
{
    CHECK_INT((long long)length, outer->peer.openssl.SSL_write(outer->peer.ssl, bytes, (int)length));
}

static void begin_inner(struct inner *it, struct outer *outer)
{
    int fds[2];
    char bytes[20000];
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    memset(it, 0, sizeof *it);
    it->peer.openssl = outer->peer.openssl;
    local_pair(fds);
    it->peer.fd = fds[1];
    pthread_t thread = start_thread(openssl_accept_in_thread, &it->peer);
    it->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(config, outer->client, "localhost", 0));
    bgl_ssl_config_free(config);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(it->client, true));
    CHECK(fcntl(outer->peer.fd, F_SETFL, O_NONBLOCK) == 0);
    bgl_ssl_status_t status;
    do {
        status = bgl_ssl_socket_handshake(it->client);
        CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_READ);
        int n;
        while ((n = outer->peer.openssl.SSL_read(outer->peer.ssl, bytes, sizeof bytes)) > 0)
            write_all(fds[0], bytes, (size_t)n);
        struct pollfd wait = {fds[0], POLLIN, 0};
        if (status != BGL_SSL_OK && poll(&wait, 1, 10) == 1) {
            n = (int)read(fds[0], bytes, sizeof bytes);
            CHECK(n > 0);
            write_with_outer_peer(outer, bytes, (size_t)n);
            pass_on(outer);
            CHECK(bgl_ssl_socket_handshake(it->client) >= 0);
            forget_passed(outer);
        }
    } while (status != BGL_SSL_OK);
    join_thread(thread);
    /* The tickets. */
    ssize_t tickets = recv(fds[0], bytes, sizeof bytes, MSG_DONTWAIT);
    if (tickets > 0)
        write_with_outer_peer(outer, bytes, (size_t)tickets);
    close(fds[0]);
}

static void end_inner(struct inner *it)
{
    bgl_ssl_socket_free(it->client);
    openssl_free(&it->peer);
    close(it->peer.fd);
}

/* The inner peer makes key updates, and a byte behind them; the outer one carries them piece by piece, and makes updates of
 * its own before each. */
static void flood_inner(struct inner *inner, struct outer *outer, int updates, int outer_updates, int kind)
{
    char *bytes;
    for (int i = 0; i < updates; i++)
        openssl_key_update(&inner->peer, kind);
    CHECK_INT(1, inner->peer.openssl.SSL_write(inner->peer.ssl, "x", 1));
    size_t left = (size_t)openssl_kept(&inner->peer, &bytes);
    while (left > 0) {
        size_t length = left < PIECE ? left : PIECE;
        for (int i = 0; i < outer_updates; i++)
            openssl_key_update(&outer->peer, kind);
        write_with_outer_peer(outer, bytes, length);
        bytes += length;
        left -= length;
    }
    pass_on(outer);
}

/* No call takes all of it, or even much; and all of it arrives. */
static void check_calls(const bgl_ssl_socket_t *client, struct outer *outer)
{
    enum { AT_MOST = 512 * 1024 };
    size_t length = outer->source.length, before = feed(outer), after, n;
    bgl_ssl_status_t status;
    char byte;
    CHECK(length > 2 * AT_MOST);
    do {
        /* The first read after a write reads ahead. */
        CHECK_OK(bgl_ssl_socket_write(client, "y", 1, &n));
        before = feed(outer);
        status = bgl_ssl_socket_read(client, &byte, 1, &n);
        after = feed(outer);
        if (after > before + AT_MOST)
            FAIL("one read took %zu of %zu bytes", after - before, length);
        CHECK(status == BGL_SSL_OK || after > before);
        size_t pending = bgl_ssl_socket_pending(client);
        CHECK(pending == 0 || status == BGL_SSL_WANT_READ);
        before = feed(outer);
        if (before > after + AT_MOST)
            FAIL("one look took %zu of %zu bytes", before - after, length);
    } while (status == BGL_SSL_WANT_READ);
    CHECK_OK(status);
    CHECK(byte == 'x');
}

TEST(a_flood_through_functions_does_not_keep_a_non_blocking_reader)
{
    struct outer outer;
    begin(&outer);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(outer.client, true));
    for (int i = 0; i < 2 * UPDATES; i++)
        openssl_key_update(&outer.peer, NOT_REQUESTED);
    write_with_outer_peer(&outer, "x", 1);
    pass_on(&outer);
    check_calls(outer.client, &outer);
    end(&outer);
}

static void check_flood_inside(bool descriptor, int updates, int outer_updates)
{
    struct outer outer;
    struct inner inner;
    begin_over(&outer, descriptor);
    begin_inner(&inner, &outer);
    flood_inner(&inner, &outer, updates, outer_updates, NOT_REQUESTED);
    check_calls(inner.client, &outer);
    end_inner(&inner);
    end(&outer);
}

TEST(a_flood_inside_tls_over_a_descriptor_does_not_keep_a_non_blocking_reader)
{
    check_flood_inside(true, 2 * UPDATES, 0);
}

TEST(a_flood_inside_tls_over_functions_does_not_keep_a_non_blocking_reader)
{
    check_flood_inside(false, 2 * UPDATES, 0);
}

/* The inner connection gets few bytes, the outer one many for each of them. */
TEST(floods_at_both_levels_count_together)
{
    check_flood_inside(false, 1000, 100);
}

TEST(a_flood_at_both_levels_does_not_move_the_read_deadline)
{
    struct outer outer;
    struct inner inner;
    char byte;
    size_t n;
    begin(&outer);
    begin_inner(&inner, &outer);
    flood_inner(&inner, &outer, 1000, 100, NOT_REQUESTED);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(inner.client, 1 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(inner.client, &byte, 1, &n));
    if (outer.source.taken > outer.source.length / 2)
        FAIL("the read took %zu of %zu bytes", outer.source.taken, outer.source.length);
    end_inner(&inner);
    end(&outer);
}

/* What the peer asks for makes answers, which it does not read: the functions take nothing. */
static void check_answers(const bgl_ssl_socket_t *client, struct outer *outer)
{
    enum { CALLS = 20000 };
    struct source *source = &outer->source;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    unsigned before = 0;
    char byte;
    size_t n;
    source->refuses = true;
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    for (int i = 0; i < 100 && status == BGL_SSL_WANT_READ; i++) {
        before = source->calls;
        status = bgl_ssl_socket_read(client, &byte, 1, &n);
        if (source->calls > before + CALLS)
            FAIL("one read called %u functions", source->calls - before);
    }
    CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
    CHECK(source->taken < source->length);
    before = source->calls;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_read(client, &byte, 1, &n));
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(client));
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_write(client, "y", 1, &n));
    /* Blocking calls wait, and end with their time. */
    source->length = source->taken;
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(client, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(client, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_write_timeout(client, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_write(client, "z", 1, &n));
    if (source->calls > before + CALLS)
        FAIL("calls that cannot go on called %u functions", source->calls - before);
}

TEST(a_reader_whose_answers_are_not_taken_does_not_turn_in_circles)
{
    struct outer outer;
    begin(&outer);
    for (int i = 0; i < UPDATES; i++)
        openssl_key_update(&outer.peer, REQUESTED);
    pass_on(&outer);
    check_answers(outer.client, &outer);
    end(&outer);
}

TEST(an_inner_reader_whose_answers_are_not_taken_does_not_turn_in_circles)
{
    struct outer outer;
    struct inner inner;
    begin(&outer);
    begin_inner(&inner, &outer);
    flood_inner(&inner, &outer, 500, 100, REQUESTED);
    check_answers(inner.client, &outer);
    end_inner(&inner);
    end(&outer);
}

TEST(an_inner_flood_whose_answers_are_not_taken_does_not_turn_in_circles)
{
    struct outer outer;
    struct inner inner;
    begin(&outer);
    begin_inner(&inner, &outer);
    flood_inner(&inner, &outer, UPDATES, 0, REQUESTED);
    check_answers(inner.client, &outer);
    end_inner(&inner);
    end(&outer);
}

/* Each byte is a record of the outer connection. */
static bgl_ssl_status_t write_by_byte(void *outer, const void *data, size_t length, size_t *n)
{
    bgl_ssl_status_t status = BGL_SSL_OK;
    size_t one;
    *n = 0;
    for (size_t i = 0; i < length && status == BGL_SSL_OK; i++) {
        status = bgl_ssl_socket_write(outer, (const char *)data + i, 1, &one);
        *n += one;
    }
    return *n ? BGL_SSL_OK : status;
}

static bgl_ssl_status_t read_outer(void *outer, void *data, size_t length, size_t *n)
{
    return bgl_ssl_socket_read(outer, data, length, n);
}

/* Nothing announces again what a call has left to the system. */
TEST(a_record_in_outer_records_of_one_byte_is_read_by_one_call)
{
    static char data[16384];
    const bgl_ssl_io_t by_byte = {.size = sizeof by_byte, .read = read_outer, .write = write_by_byte};
    const int space = 4 << 20;
    struct ends outer, inner;
    size_t n;
    connect_over_tcp(&outer, client_config(), server_config("good"));
    CHECK_INT(0, setsockopt(bgl_ssl_socket_fd(outer.client), SOL_SOCKET, SO_SNDBUF, &space, sizeof space));
    CHECK_INT(0, setsockopt(bgl_ssl_socket_fd(outer.server), SOL_SOCKET, SO_RCVBUF, &space, sizeof space));
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(outer.client, true));
    inner.client =
        MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(client, &by_byte, outer.client, "localhost", 0));
    inner.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_socket(server, outer.server, 0));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(inner.server, true));
    step_handshakes(&inner);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(inner.server, data, sizeof data, &n));
    CHECK_OK(bgl_ssl_socket_write(inner.client, data, sizeof data, &n));
    CHECK_INT(sizeof data, n);
    await_acknowledgement(bgl_ssl_socket_fd(outer.client));
    CHECK_OK(bgl_ssl_socket_read(inner.server, data, sizeof data, &n));
    CHECK_INT(sizeof data, n);
    free_ends(&inner);
    free_ends(&outer);
}
