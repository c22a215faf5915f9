/* Datagrams that anybody can send in a peer's name: they must hold no call, no other thread, and no connection's place.
 * Each flood is sent through the peer's own descriptor, as a forged source address would do. */
#define _GNU_SOURCE
#include "datagram_pair.h"

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* ---- floods ---- */

/* How a flood is made: from now on all that is received stays where it is, and is received once more by the next call.
 * So it never runs dry, however fast it is read, and however few processors there are. */
struct flood {
    atomic_bool is_on;
    atomic_llong ends;
    atomic_long received;
};

static struct flood flood;

static int flags_of_receive(int flags)
{
    if (!flood.is_on)
        return flags;
    if (now_us() >= flood.ends)
        flood.is_on = false;
    flood.received++;
    return flags | MSG_PEEK;
}

/* A descriptor that sends one datagram to the listener whose server is about to connect a socket beside it, and floods
 * from then on; or -1. */
static atomic_int early_sender = -1;

static void begin_flood(int fd, int kind);

/* These stand in for the C library's. */
int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int sender = atomic_exchange(&early_sender, -1);
    if (sender >= 0)
        begin_flood(sender, 23);
    return (int)syscall(SYS_connect, fd, address, length);
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    return syscall(SYS_recvfrom, fd, buffer, size, flags_of_receive(flags), NULL, NULL);
}

ssize_t recvfrom(int fd, void *restrict buffer, size_t size, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict length)
{
    return syscall(SYS_recvfrom, fd, buffer, size, flags_of_receive(flags), from, length);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return syscall(SYS_recvmsg, fd, message, flags_of_receive(flags));
}

/* Kinds of records (RFC 6347, section 4.1). */
enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, DATA = 23 };

enum { HEADER = 13, BODY = 64 };

/* A record of epoch 1 whose authentication tag is wrong. */
static void send_forged(int fd, int kind)
{
    uint8_t record[HEADER + BODY] = {(uint8_t)kind, 254, 253, 0, 1, 0, 0, 0, 1, 0, 0, 0, BODY};
    memset(record + HEADER, 0x5a, BODY);
    CHECK_INT(sizeof record, (long long)send(fd, record, sizeof record, 0));
}

/* The peer's descriptor `fd` sends forged records without end, for much longer than what is tested should take. */
static void begin_flood(int fd, int kind)
{
    send_forged(fd, kind);
    flood.received = 0;
    flood.ends = now_us() + 3 * SECOND * slowness();
    flood.is_on = true;
}

/* The flood is not over: the call came back although there was more to receive. */
static void check_still_flooding(void)
{
    CHECK(flood.received > 0);
    if (!flood.is_on)
        FAIL("the flood ended first");
}

static void end_flood(void)
{
    flood.is_on = false;
}

TEST(a_flood_does_not_move_the_read_deadline)
{
    struct pair pair;
    char byte;
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(pair.server, 100 * MS));
    begin_flood(bgl_ssl_socket_fd(pair.client), DATA);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(pair.server, &byte, 1, &n));
    check_still_flooding();
    end_flood();
    end_pair(&pair);
}

TEST(a_flood_does_not_keep_a_non_blocking_reader)
{
    struct pair pair;
    char byte;
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(pair.server, true));
    begin_flood(bgl_ssl_socket_fd(pair.client), DATA);
    for (int i = 0; i < 10; i++) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(pair.server, &byte, 1, &n));
        CHECK_INT(0, (long long)bgl_ssl_socket_pending(pair.server));
    }
    check_still_flooding();
    end_flood();
    end_pair(&pair);
}

TEST(a_flooded_reader_lets_other_threads_ask_write_and_close)
{
    struct pair pair;
    size_t n;
    connect_pair(&pair);
    struct reader reader = {.socket = pair.server};
    begin_flood(bgl_ssl_socket_fd(pair.client), DATA);
    pthread_t thread = start_thread(read_one, &reader);
    while (!reader.begun)
        usleep(1000);
    for (int i = 0; i < 20; i++) {
        CHECK(bgl_ssl_socket_mtu(pair.server) > 0);
        CHECK(bgl_ssl_socket_max_datagram(pair.server) > 0);
        CHECK(!bgl_ssl_socket_session_reused(pair.server));
        CHECK_OK(bgl_ssl_socket_handle_timeout(pair.server));
    }
    CHECK_OK(bgl_ssl_socket_write(pair.server, "x", 1, &n));
    check_still_flooding();
    CHECK_OK(bgl_ssl_socket_close(pair.server));
    check_still_flooding();
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    end_flood();
    end_pair(&pair);
}

TEST(a_flood_does_not_keep_a_writer_that_looks_at_its_peer)
{
    struct pair pair;
    size_t n;
    connect_pair(&pair);
    /* The server sent the last message: as long as its client has said nothing, a write looks whether it came. */
    begin_flood(bgl_ssl_socket_fd(pair.client), HANDSHAKE);
    for (int i = 0; i < 10; i++)
        CHECK_OK(bgl_ssl_socket_write(pair.server, "x", 1, &n));
    check_still_flooding();
    end_flood();
    end_pair(&pair);
}

TEST(a_flood_does_not_move_the_close_limit)
{
    struct pair pair;
    connect_pair(&pair);
    begin_flood(bgl_ssl_socket_fd(pair.client), DATA);
    CHECK_OK(bgl_ssl_socket_close(pair.server));
    check_still_flooding();
    end_flood();
    end_pair(&pair);
}

struct handshake_flood {
    const char *name;
    int kind;
};

static const struct handshake_flood handshake_floods[] = {
    {"records_of_the_next_epoch", DATA},
    {"changes_of_cipher", CHANGE_CIPHER_SPEC},
};

TEST_TABLE(the_handshake_deadline_holds_in_a_flood_of, handshake_floods)
{
    const struct handshake_flood *it = row;
    int fds[2];
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    bgl_ssl_config_t *config = over_datagrams(client_config());
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 200 * MS));
    begin_flood(fds[1], it->kind);
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    check_still_flooding();
    end_flood();
    bgl_ssl_config_free(config);
    close(fds[0]);
    close(fds[1]);
}

/* ---- servers ---- */

static int raw_client(int server_port)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(0, connect(fd, (struct sockaddr *)&server, sizeof server));
    return fd;
}

/* A listener, one client of it, and the accepted socket that nobody reads. */
struct world {
    bgl_ssl_config_t *config;
    bgl_ssl_config_t *client_config;
    bgl_ssl_server_t *listener;
    bgl_ssl_socket_t *client;
    bgl_ssl_socket_t *accepted;
};

static void *connect_client(void *data)
{
    struct world *it = data;
    it->client = connect_to(it->client_config, bgl_ssl_server_port(it->listener));
    return NULL;
}

static void make_world(struct world *it, bgl_ssl_config_t *config)
{
    it->config = over_datagrams(config);
    it->client_config = over_datagrams(client_config());
    it->listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(it->config, "127.0.0.1", 0, 5, AF_INET));
    pthread_t thread = start_thread(connect_client, it);
    CHECK_OK(bgl_ssl_server_accept(it->listener, 20 * SECOND * slowness(), &it->accepted));
    join_thread(thread);
}

static void end_world(struct world *it)
{
    bgl_ssl_socket_free(it->client);
    bgl_ssl_socket_free(it->accepted);
    bgl_ssl_server_free(it->listener);
    bgl_ssl_config_free(it->config);
    bgl_ssl_config_free(it->client_config);
}

struct server_flood {
    const char *name;
    int kind;
    bool to_listener;
};

static const struct server_flood server_floods[] = {
    {"its_listener", HANDSHAKE, true},
    {"handshake_records_over_a_connection", HANDSHAKE, false},
    {"data_over_a_connection", DATA, false},
};

TEST_TABLE(accept_is_not_held_by_a_flood_of, server_floods)
{
    const struct server_flood *it = row;
    struct world world;
    bgl_ssl_socket_t *nobody;
    make_world(&world, server_config("good"));
    int raw = raw_client(bgl_ssl_server_port(world.listener));
    begin_flood(it->to_listener ? raw : bgl_ssl_socket_fd(world.client), it->kind);
    for (int i = 0; i < 5; i++)
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &nobody));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 100 * MS, &nobody));
    check_still_flooding();
    end_flood();
    close(raw);
    end_world(&world);
}

static void *connect_and_give_up(void *data)
{
    const struct world *it = data;
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(it->client_config));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 300 * MS * slowness()));
    /* Nobody serves it to the end. */
    CHECK(!bgl_ssl_connect(config, "localhost", bgl_ssl_server_port(it->listener), AF_INET));
    bgl_ssl_config_free(config);
    return NULL;
}

/* For a moment the socket of a new connection is bound to the listener's port and not yet connected, and receives what
 * was sent to the listener. */
TEST(accept_is_not_held_by_what_comes_before_a_clients_socket_is_connected)
{
    struct world world;
    bgl_ssl_socket_t *nobody;
    make_world(&world, server_config("good"));
    int raw = raw_client(bgl_ssl_server_port(world.listener));
    pthread_t thread = start_thread(connect_and_give_up, &world);
    /* The client's own socket is connected by the time that its hello is here. */
    await_readable(bgl_ssl_server_fd(world.listener));
    early_sender = raw;
    while (flood.ends == 0)
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &nobody));
    check_still_flooding();
    end_flood();
    join_thread(thread);
    close(raw);
    end_world(&world);
}

/* ---- single forged records ---- */

struct cipher {
    const char *name;
    const char *list;
};

static const struct cipher ciphers[] = {
    {"gcm", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"},
    {"cbc", "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"},
};

TEST_TABLE(a_forged_record_does_not_end_a_connection_with, ciphers)
{
    const struct cipher *it = row;
    struct pair pair;
    char byte;
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_cipher_list(server, it->list));
    connect_pair_with(&pair, client_config(), server);
    send_forged(bgl_ssl_socket_fd(pair.client), DATA);
    send_bytes(pair.client, "x", 1);
    CHECK_OK(bgl_ssl_socket_read(pair.server, &byte, 1, &n));
    CHECK_INT('x', byte);
    end_pair(&pair);
}

TEST(forged_records_do_not_count_as_signs_of_life)
{
    struct pair pair;
    char byte;
    size_t n;
    bgl_ssl_status_t status;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_idle_timeout(server, 200 * MS));
    connect_pair_with(&pair, client_config(), server);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(pair.server, true));
    int64_t began = now_us();
    do {
        if (now_us() - began > 10 * SECOND * slowness())
            FAIL("the connection is still alive");
        send_forged(bgl_ssl_socket_fd(pair.client), DATA);
        usleep(5000);
        status = bgl_ssl_socket_read(pair.server, &byte, 1, &n);
    } while (status == BGL_SSL_WANT_READ);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, status);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(pair.server));
    end_pair(&pair);
}

TEST(forged_records_that_nobody_reads_do_not_keep_a_silent_peers_place)
{
    struct world world;
    bgl_ssl_socket_t *second = NULL;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_idle_timeout(server, 200 * MS));
    CHECK_OK(bgl_ssl_config_set_max_peers(server, 1));
    make_world(&world, server);
    bgl_ssl_socket_t *first_client = world.client;
    send_forged(bgl_ssl_socket_fd(first_client), DATA);
    pthread_t thread = start_thread(connect_client, &world);
    CHECK_OK(bgl_ssl_server_accept(world.listener, 20 * SECOND * slowness(), &second));
    join_thread(thread);
    bgl_ssl_socket_free(first_client);
    bgl_ssl_socket_free(second);
    end_world(&world);
}
