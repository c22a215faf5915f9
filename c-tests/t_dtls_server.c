/* A DTLS server among many clients, silent ones, liars, floods, and clients that come back. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bgl_ssl_config_t *over_datagrams(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(config, 100 * MS * slowness()));
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 100 * MS));
    return config;
}

struct world {
    bgl_ssl_config_t *client;
    bgl_ssl_config_t *server;
    bgl_ssl_server_t *listener;
    int port;
};

static void make_world_with(struct world *world, bgl_ssl_config_t *server)
{
    world->client = over_datagrams(client_config());
    world->server = over_datagrams(server);
    world->listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(world->server, "127.0.0.1", 0, 5, AF_INET));
    world->port = bgl_ssl_server_port(world->listener);
}

static void make_world(struct world *world)
{
    make_world_with(world, server_config("good"));
}

static void end_world(struct world *world)
{
    bgl_ssl_server_free(world->listener);
    bgl_ssl_config_free(world->client);
    bgl_ssl_config_free(world->server);
}

static struct sockaddr_in loopback_port(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A plain socket that speaks to the server from `own_port` of 127.0.0.1 (0: any). */
static int raw_client(int server_port, int own_port)
{
    int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = loopback_port(own_port), server = loopback_port(server_port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK_INT(0, bind(fd, (struct sockaddr *)&own, sizeof own));
    CHECK_INT(0, connect(fd, (struct sockaddr *)&server, sizeof server));
    return fd;
}

static int port_of_socket(int fd)
{
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&own, &size));
    return ntohs(own.sin_port);
}

/* A non-blocking client over a raw socket, whose descriptor stays the case's. */
static bgl_ssl_socket_t *client_over(const struct world *world, int fd)
{
    bgl_ssl_config_t *lazy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(world->client));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(lazy, true));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(lazy, fd, "localhost", 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    bgl_ssl_config_free(lazy);
    return socket;
}

/* Drives server and client until both are done; the server's end. */
static bgl_ssl_socket_t *connect_both(const struct world *world, const bgl_ssl_socket_t *client)
{
    bgl_ssl_socket_t *accepted = NULL;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    for (int64_t began = now_us(); status != BGL_SSL_OK || !accepted;) {
        if (now_us() - began > 10 * SECOND * slowness())
            FAIL("no connection: client %d, accepted %d", status, accepted != NULL);
        if (status != BGL_SSL_OK)
            status = bgl_ssl_socket_handshake(client);
        if (status < 0)
            FAIL("client: %s", last_error().message);
        if (!accepted && bgl_ssl_server_accept(world->listener, 5 * MS, &accepted) < 0)
            CHECK_INT(BGL_SSL_E_TIMEOUT, last_error().code);
    }
    return accepted;
}

static void check_byte(const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to)
{
    char byte = 0;
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(from, "x", 1, &n));
    await_readable(bgl_ssl_socket_fd(to));
    CHECK_OK(bgl_ssl_socket_read(to, &byte, 1, &n));
    CHECK_INT('x', byte);
}

/* ---- hellos by hand ---- */

static size_t first_hello(const struct world *world, uint8_t *hello, size_t size)
{
    int fds[2];
    bgl_ssl_config_t *lazy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(world->client));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(lazy, true));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(lazy, fds[0], "localhost", 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(client));
    ssize_t n = recv(fds[1], hello, size, MSG_DONTWAIT);
    CHECK(n > 60);
    bgl_ssl_socket_free(client);
    bgl_ssl_config_free(lazy);
    close(fds[0]);
    close(fds[1]);
    return (size_t)n;
}

enum { RECORD = 13, MESSAGE = 12, COOKIE = 32, COOKIE_AT = RECORD + MESSAGE + 2 + 32 + 1 };

static void add_to(uint8_t *number, int bytes, int n)
{
    for (int i = bytes - 1; i >= 0; i--, n >>= 8) {
        n += number[i];
        number[i] = (uint8_t)n;
    }
}

/* The hello (without session id) as the client repeats it, with this cookie. */
static size_t with_cookie(const uint8_t *hello, size_t length, const uint8_t cookie[COOKIE], uint8_t *out)
{
    CHECK_INT(0, hello[COOKIE_AT - 1]);
    CHECK_INT(0, hello[COOKIE_AT]);
    memcpy(out, hello, COOKIE_AT + 1);
    memcpy(out + COOKIE_AT + 1, cookie, COOKIE);
    memcpy(out + COOKIE_AT + 1 + COOKIE, hello + COOKIE_AT + 1, length - COOKIE_AT - 1);
    out[COOKIE_AT] = COOKIE;
    out[10] = 1;
    out[RECORD + 5] = 1;
    add_to(out + 11, 2, COOKIE);
    add_to(out + RECORD + 1, 3, COOKIE);
    add_to(out + RECORD + 9, 3, COOKIE);
    return length + COOKIE;
}

/* Lets the server look at everything that has come. */
static void serve_nobody(const struct world *world)
{
    bgl_ssl_socket_t *accepted = NULL;
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(world->listener, BGL_SSL_NO_WAIT, &accepted));
    CHECK(!accepted);
}

/* The kind of the first handshake message that the server answers with; 0 for no answer. */
static int answer_to(const struct world *world, int fd, const uint8_t *hello, size_t length, uint8_t *cookie)
{
    uint8_t answer[2048];
    CHECK_INT((long long)length, (long long)send(fd, hello, length, 0));
    serve_nobody(world);
    ssize_t n = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    if (n < 0)
        return 0;
    CHECK(n > RECORD + MESSAGE);
    if (answer[RECORD] == 3) {
        CHECK(n <= (ssize_t)length);
        CHECK_INT(RECORD + MESSAGE + 2 + 1 + COOKIE, (long long)n);
        if (cookie)
            memcpy(cookie, answer + n - COOKIE, COOKIE);
    }
    return answer[RECORD];
}

enum { NO_ANSWER = 0, SERVER_HELLO = 2, VERIFY_REQUEST = 3 };

TEST(only_the_cookie_of_the_same_address_and_hello_is_good)
{
    struct world world;
    uint8_t hello[1024], other_hello[1024], repeated[1024], cookie[COOKIE], other_cookie[COOKIE];
    make_world(&world);
    int fd = raw_client(world.port, 0), other = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    size_t other_length = first_hello(&world, other_hello, sizeof other_hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));

    size_t n = with_cookie(hello, length, cookie, repeated);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, other, repeated, n, other_cookie));
    CHECK(memcmp(cookie, other_cookie, COOKIE) != 0);
    n = with_cookie(other_hello, other_length, cookie, repeated);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, repeated, n, NULL));
    for (int i = 0; i < COOKIE; i++) {
        cookie[i] ^= 1;
        n = with_cookie(hello, length, cookie, repeated);
        CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, repeated, n, NULL));
        cookie[i] ^= 1;
    }
    n = with_cookie(hello, length, cookie, repeated);
    CHECK_INT(SERVER_HELLO, answer_to(&world, fd, repeated, n, NULL));
    close(fd);
    close(other);
    end_world(&world);
}

TEST(a_repeated_hello_starts_no_second_connection)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    make_world(&world);
    int fd = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));
    size_t n = with_cookie(hello, length, cookie, repeated);
    for (int i = 0; i < 3; i++)
        send(fd, repeated, n, 0);
    int before = open_descriptors();
    serve_nobody(&world);
    CHECK_INT(before + 1, open_descriptors());
    close(fd);
    end_world(&world);
}

static void *accept_until_closed(void *data)
{
    bgl_ssl_socket_t *nobody;
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_server_accept(data, 0, &nobody));
    return NULL;
}

TEST(a_repeated_hello_starts_no_second_connection_in_another_thread)
{
    enum { ROUNDS = 20, COPIES = 16 };
    struct world world;
    pthread_t threads[4];
    uint8_t hello[1024], repeated[1024], answer[2048];
    int fds[ROUNDS];
    make_world(&world);
    size_t length = first_hello(&world, hello, sizeof hello);
    int before = open_descriptors();
    for (size_t i = 0; i < COUNT(threads); i++)
        threads[i] = start_thread(accept_until_closed, world.listener);
    for (int round = 0; round < ROUNDS; round++) {
        fds[round] = raw_client(world.port, 0);
        send(fds[round], hello, length, 0);
        await_readable(fds[round]);
        ssize_t n = recv(fds[round], answer, sizeof answer, 0);
        CHECK_INT(VERIFY_REQUEST, answer[RECORD]);
        size_t size = with_cookie(hello, length, answer + n - COOKIE, repeated);
        for (int i = 0; i < COPIES; i++)
            send(fds[round], repeated, size, 0);
        await_readable(fds[round]);
    }
    usleep(20000);
    CHECK(open_descriptors() <= before + 2 * ROUNDS);
    CHECK_OK(bgl_ssl_server_close(world.listener));
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    for (int round = 0; round < ROUNDS; round++)
        close(fds[round]);
    end_world(&world);
}

/* A hello that comes once more after its connection has ended: a late duplicate, or a replay. */
TEST(a_hello_starts_one_connection_only)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    bgl_ssl_socket_t *nobody;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, 200 * MS * slowness()));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));
    size_t n = with_cookie(hello, length, cookie, repeated);
    CHECK_INT(SERVER_HELLO, answer_to(&world, fd, repeated, n, NULL));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 20 * SECOND * slowness(), &nobody));
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    char datagram[2048];
    while (recv(fd, datagram, sizeof datagram, MSG_DONTWAIT) > 0) {
    }
    CHECK_INT(NO_ANSWER, answer_to(&world, fd, repeated, n, NULL));
    close(fd);
    end_world(&world);
}

TEST(what_is_no_hello_is_not_answered)
{
    struct world world;
    uint8_t hello[1024], junk[1500] = {0};
    make_world(&world);
    int fd = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(NO_ANSWER, answer_to(&world, fd, junk, sizeof junk, NULL));
    CHECK_INT(NO_ANSWER, answer_to(&world, fd, junk, 0, NULL));
    for (size_t cut = 0; cut < length; cut += 7)
        CHECK_INT(NO_ANSWER, answer_to(&world, fd, hello, cut, NULL));
    hello[4] = 1;
    CHECK_INT(NO_ANSWER, answer_to(&world, fd, hello, length, NULL));
    close(fd);
    end_world(&world);
}

/* Whatever a hello's bytes are changed to, the server lives, and serves the next client. */
TEST(changed_hellos_are_survived)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    bgl_ssl_socket_t *accepted;
    make_world(&world);
    int fd = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));
    size_t n = with_cookie(hello, length, cookie, repeated);
    for (size_t at = 0; at < n; at++) {
        uint8_t kept = repeated[at];
        for (int bit = 0; bit < 8; bit += 3) {
            repeated[at] = kept ^ (uint8_t)(1 << bit);
            send(fd, repeated, n, 0);
        }
        repeated[at] = kept;
        while (bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &accepted) < 0)
            CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    }
    int good = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, good);
    accepted = connect_both(&world, client);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(good);
    close(fd);
    end_world(&world);
}

TEST(a_flood_of_hellos_leaves_memory_and_descriptors_as_they_were)
{
    enum { FLOOD = 50000 };
    struct world world;
    uint8_t hello[1024];
    make_world(&world);
    size_t length = first_hello(&world, hello, sizeof hello);
    int fds[16];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = raw_client(world.port, 0);
    size_t before = 0;
    int descriptors = open_descriptors();
    for (int i = 0; i < FLOOD / slowness(); i++) {
        if (i == 1000)
            before = bytes_in_use();
        for (int j = 0; j < 4; j++)
            hello[RECORD + MESSAGE + 2 + j] = (uint8_t)(i >> (8 * j));
        send(fds[i % COUNT(fds)], hello, length, MSG_DONTWAIT);
        if (i % 64 == 63)
            serve_nobody(&world);
    }
    serve_nobody(&world);
    CHECK_INT(descriptors, open_descriptors());
    if (!memory_is_watched())
        CHECK(bytes_in_use() < before + 4096);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    end_world(&world);
}

/* Messages that come too early are kept for later, each in as much memory as its first fragment says that it needs. */
TEST(a_client_without_certificate_cannot_make_a_handshake_keep_long_messages)
{
    enum { COUNT_OF_MESSAGES = 100, FRAGMENT = 52 };
    struct world world;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    bgl_ssl_socket_t *nobody;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    /* The beginnings of certificates of 100000 bytes. */
    uint8_t datagram[RECORD + MESSAGE + FRAGMENT] = {22, 254, 253, 0, 0};
    const uint8_t message[] = {11, 1, 134, 160, 0, 0, 0, 0, 0, 0, 0, FRAGMENT};
    if (memory_is_watched())
        skip_test("an allocator that counts");
    make_world(&world);
    int fd = raw_client(world.port, 0);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));
    size_t n = with_cookie(hello, length, cookie, repeated);
    CHECK_INT(SERVER_HELLO, answer_to(&world, fd, repeated, n, NULL));
    size_t before = bytes_in_use();
    datagram[12] = MESSAGE + FRAGMENT;
    memcpy(datagram + RECORD, message, sizeof message);
    for (int i = 0; i < COUNT_OF_MESSAGES && status == BGL_SSL_WANT_READ; i++) {
        datagram[10] = (uint8_t)(2 + i);
        datagram[RECORD + 5] = (uint8_t)(3 + i);
        CHECK_INT(sizeof datagram, (long long)send(fd, datagram, sizeof datagram, 0));
        status = bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &nobody);
    }
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, status);
    size_t after = bytes_in_use();
    if (after > before + 64 * 1024)
        FAIL("%zu kB are kept", (after - before) / 1024);
    close(fd);
    end_world(&world);
}

/* The hello (with a cookie) in two datagrams: the first has all but the last `rest` bytes of the message. */
static size_t first_part(const uint8_t *hello, size_t length, size_t rest, uint8_t *out)
{
    memcpy(out, hello, length - rest);
    add_to(out + 11, 2, -(int)rest);
    add_to(out + RECORD + 9, 3, -(int)rest);
    return length - rest;
}

static size_t last_part(const uint8_t *hello, size_t length, size_t rest, uint8_t *out)
{
    memcpy(out, hello, RECORD + MESSAGE);
    memcpy(out + RECORD + MESSAGE, hello + length - rest, rest);
    out[10]++;
    out[11] = 0;
    out[12] = (uint8_t)(MESSAGE + rest);
    memset(out + RECORD + 6, 0, 6);
    add_to(out + RECORD + 6, 3, (int)(length - RECORD - MESSAGE - rest));
    add_to(out + RECORD + 9, 3, (int)rest);
    return RECORD + MESSAGE + rest;
}

static bgl_ssl_config_t *with_a_host(bgl_ssl_config_t *server)
{
    bgl_ssl_config_t *host = over_datagrams(server_config("host-a"));
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", host));
    bgl_ssl_config_free(host);
    return server;
}

enum { REST_OF_HELLO = 20, JUNK = 16000 };

/* A server that chooses by the hello keeps what comes until all of it is there. */
TEST(a_client_cannot_make_a_server_that_waits_for_its_hello_keep_what_is_no_hello)
{
    enum { CLIENTS = 16, DATAGRAMS = 60, LONGEST_HELLO = 132 * 1024 };
    struct world world;
    uint8_t hello[1024], repeated[1024], part[1024], cookie[COOKIE];
    static uint8_t junk[JUNK];
    int fds[CLIENTS];
    if (memory_is_watched())
        skip_test("an allocator that counts");
    make_world_with(&world, with_a_host(over_datagrams(server_config("good"))));
    size_t length = first_hello(&world, hello, sizeof hello);
    memset(junk, 0x5a, sizeof junk);
    serve_nobody(&world);
    size_t before = bytes_in_use();
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_client(world.port, 0);
        CHECK_INT(VERIFY_REQUEST, answer_to(&world, fds[i], hello, length, cookie));
        size_t n = with_cookie(hello, length, cookie, repeated);
        n = first_part(repeated, n, REST_OF_HELLO, part);
        CHECK_INT(NO_ANSWER, answer_to(&world, fds[i], part, n, NULL));
        for (int j = 0; j < DATAGRAMS; j++) {
            CHECK_INT(JUNK, (long long)send(fds[i], junk, JUNK, 0));
            serve_nobody(&world);
        }
    }
    size_t after = bytes_in_use();
    if (after > before + CLIENTS * 2 * LONGEST_HELLO)
        FAIL("%zu kB are kept of each client", (after - before) / 1024 / CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    end_world(&world);
}

/* Anybody can send datagrams in the client's name (RFC 6347, section 4.1.2.7: such records are discarded). */
TEST(junk_does_not_end_a_handshake_whose_hello_has_not_come_as_a_whole)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], part[1024], cookie[COOKIE];
    make_world_with(&world, with_a_host(over_datagrams(server_config("good"))));
    size_t length = first_hello(&world, hello, sizeof hello);
    int fd = raw_client(world.port, 0);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, fd, hello, length, cookie));
    size_t whole = with_cookie(hello, length, cookie, repeated);
    size_t n = first_part(repeated, whole, REST_OF_HELLO, part);
    CHECK_INT(NO_ANSWER, answer_to(&world, fd, part, n, NULL));
    for (int i = 0; i < 100; i++) {
        bgl_ssl_socket_t *nobody;
        CHECK_INT(4, (long long)send(fd, "junk", 4, 0));
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &nobody));
    }
    n = last_part(repeated, whole, REST_OF_HELLO, part);
    CHECK_INT(SERVER_HELLO, answer_to(&world, fd, part, n, NULL));
    close(fd);
    end_world(&world);
}

/* ---- many ---- */

struct client_thread {
    const struct world *world;
    pthread_t thread;
};

static void *run_client(void *data)
{
    struct client_thread *client_thread = data;
    bgl_ssl_socket_t *socket =
        bgl_ssl_connect(client_thread->world->client, "127.0.0.1", client_thread->world->port, AF_INET);
    if (!socket)
        FAIL("connect: %s", last_error().message);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND * slowness()));
    check_echo(socket, "one of many");
    finish(socket);
    return NULL;
}

struct many {
    struct world world;
    int left;
};

static void *serve_one_of_many(void *data)
{
    serve_echo(data, NULL);
    bgl_ssl_socket_close(data);
    bgl_ssl_socket_free(data);
    return NULL;
}

static void *accept_many(void *data)
{
    struct many *many = data;
    while (__atomic_sub_fetch(&many->left, 1, __ATOMIC_SEQ_CST) >= 0) {
        bgl_ssl_socket_t *accepted = NULL;
        if (bgl_ssl_server_accept(many->world.listener, 20 * SECOND * slowness(), &accepted) != BGL_SSL_OK)
            FAIL("accept: %s", last_error().message);
        pthread_t thread = start_thread(serve_one_of_many, accepted);
        pthread_detach(thread);
    }
    return NULL;
}

TEST(two_hundred_clients_at_once_are_served_by_two_accepting_threads)
{
    enum { CLIENTS = 200 };
    struct many many;
    int clients = slowness() > 1 ? 20 : CLIENTS, before = open_descriptors();
    static struct client_thread client_threads[CLIENTS];
    make_world(&many.world);
    CHECK_OK(bgl_ssl_config_freeze(many.world.client));
    many.left = clients;
    pthread_t accepting[2] = {start_thread(accept_many, &many), start_thread(accept_many, &many)};
    for (int i = 0; i < clients; i++) {
        client_threads[i].world = &many.world;
        client_threads[i].thread = start_thread(run_client, &client_threads[i]);
    }
    for (int i = 0; i < clients; i++)
        join_thread(client_threads[i].thread);
    join_thread(accepting[0]);
    join_thread(accepting[1]);
    end_world(&many.world);
    /* The threads that serve are detached: their sockets' descriptors tell when they have ended. */
    for (int64_t began = now_us(); open_descriptors() > before && now_us() - began < 10 * SECOND;)
        usleep(1000);
}

TEST(silent_clients_hold_nobody_up_and_end_in_time)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, 2 * SECOND * slowness()));
    make_world_with(&world, server);
    int silent[3];
    for (size_t i = 0; i < COUNT(silent); i++) {
        silent[i] = raw_client(world.port, 0);
        size_t length = first_hello(&world, hello, sizeof hello);
        CHECK_INT(VERIFY_REQUEST, answer_to(&world, silent[i], hello, length, cookie));
        size_t n = with_cookie(hello, length, cookie, repeated);
        CHECK_INT(SERVER_HELLO, answer_to(&world, silent[i], repeated, n, NULL));
    }
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client), *nobody;
    check_byte(client, accepted);
    for (size_t i = 0; i < COUNT(silent); i++) {
        CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 20 * SECOND * slowness(), &nobody));
        CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    }
    bgl_ssl_server_info_t info = {.size = sizeof info};
    CHECK_OK(bgl_ssl_server_info(world.listener, &info));
    CHECK_INT(COUNT(silent), (long long)info.failed_timeout);
    CHECK_INT(0, (long long)info.abandoned);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 20 * MS, &nobody));
    CHECK_INT(BGL_SSL_PHASE_ACCEPT, last_error().phase);
    for (size_t i = 0; i < COUNT(silent); i++)
        close(silent[i]);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

/* A server with much to do may not come to a hello at once. */
static ssize_t await_answer(const struct world *world, int fd, uint8_t *answer, size_t size)
{
    for (int64_t began = now_us(); now_us() - began < 5 * SECOND * slowness();) {
        serve_nobody(world);
        ssize_t n = recv(fd, answer, size, MSG_DONTWAIT);
        if (n > 0)
            return n;
    }
    FAIL("no answer to a hello");
}

TEST(silent_clients_give_their_places_to_another_of_their_host)
{
    enum { SILENT = 256 };
    struct world world;
    uint8_t hello[1024], repeated[1024], answer[2048];
    int fds[SILENT];
    make_world(&world);
    size_t length = first_hello(&world, hello, sizeof hello);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = raw_client(world.port, 0);
        send(fds[i], hello, length, 0);
        ssize_t n = await_answer(&world, fds[i], answer, sizeof answer);
        send(fds[i], repeated, with_cookie(hello, length, answer + n - COOKIE, repeated), 0);
        await_answer(&world, fds[i], answer, sizeof answer);
        CHECK_INT(SERVER_HELLO, answer[RECORD]);
    }
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    close(fd);
    end_world(&world);
}

TEST(no_more_peers_than_allowed_are_served)
{
    struct world world;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_max_peers(server, 1));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0), late_fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *first = client_over(&world, fd), *late = client_over(&world, late_fd), *nobody;
    bgl_ssl_socket_t *accepted = connect_both(&world, first);
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(late));
        CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 2 * MS, &nobody));
    }
    bgl_ssl_socket_free(accepted);
    accepted = connect_both(&world, late);
    check_byte(late, accepted);
    bgl_ssl_socket_free(first);
    bgl_ssl_socket_free(late);
    bgl_ssl_socket_free(accepted);
    close(fd);
    close(late_fd);
    end_world(&world);
}

/* A plain socket that speaks to the server from 127.0.0.2. */
static int raw_client_of_another_host(int server_port)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = loopback_port(0), server = loopback_port(server_port);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    CHECK_INT(0, bind(fd, (struct sockaddr *)&own, sizeof own));
    CHECK_INT(0, connect(fd, (struct sockaddr *)&server, sizeof server));
    return fd;
}

TEST(one_host_cannot_take_all_places)
{
    struct world world;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_max_peers_per_host(server, 1));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0), late_fd = raw_client(world.port, 0);
    int other_fd = raw_client_of_another_host(world.port);
    bgl_ssl_socket_t *first = client_over(&world, fd), *late = client_over(&world, late_fd), *nobody;
    bgl_ssl_socket_t *other = client_over(&world, other_fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, first);
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(late));
        CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 2 * MS, &nobody));
    }
    bgl_ssl_socket_t *accepted_other = connect_both(&world, other);
    check_byte(other, accepted_other);
    /* Once the host has gone, it is welcome again. */
    bgl_ssl_socket_free(accepted);
    accepted = connect_both(&world, late);
    check_byte(late, accepted);
    bgl_ssl_socket_t *sockets[] = {first, late, other, accepted, accepted_other};
    for (size_t i = 0; i < COUNT(sockets); i++)
        bgl_ssl_socket_free(sockets[i]);
    close(fd);
    close(late_fd);
    close(other_fd);
    end_world(&world);
}

TEST(an_old_handshake_gives_its_descriptor_to_another_client)
{
    struct world world;
    struct rlimit limit, old_limit;
    uint8_t hello[1024], repeated[1024], cookie[COOKIE];
    bgl_ssl_socket_t *nobody;
    make_world(&world);
    int silent = raw_client(world.port, 0), fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT(VERIFY_REQUEST, answer_to(&world, silent, hello, length, cookie));
    size_t n = with_cookie(hello, length, cookie, repeated);
    CHECK_INT(SERVER_HELLO, answer_to(&world, silent, repeated, n, NULL));
    for (int64_t began = now_us(); now_us() - began < 3200 * MS;)
        CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 100 * MS, &nobody));

    /* From now on there is no descriptor left. */
    int next = dup(silent);
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &old_limit));
    limit = old_limit;
    limit.rlim_cur = (rlim_t)next;
    CHECK_INT(0, close(next));
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_INT(-1, dup(silent));
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &old_limit));
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(silent);
    close(fd);
    end_world(&world);
}

TEST(a_peer_silent_for_too_long_gives_its_place_to_another_although_nobody_reads)
{
    struct world world;
    char byte;
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_max_peers(server, 1));
    CHECK_OK(bgl_ssl_config_set_idle_timeout(server, 500 * MS * slowness()));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0), late_fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *first = client_over(&world, fd), *late = client_over(&world, late_fd);
    bgl_ssl_socket_t *silent = connect_both(&world, first);
    bgl_ssl_socket_t *accepted = connect_both(&world, late);
    check_byte(late, accepted);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(silent, &byte, 1, &n));
    bgl_ssl_socket_free(first);
    bgl_ssl_socket_free(late);
    bgl_ssl_socket_free(silent);
    bgl_ssl_socket_free(accepted);
    close(fd);
    close(late_fd);
    end_world(&world);
}

/* ---- coming back ---- */

TEST(a_client_that_comes_back_from_the_same_port_after_a_crash_is_served_again)
{
    struct world world;
    char byte;
    size_t n;
    make_world(&world);
    int fd = raw_client(world.port, 0), port = port_of_socket(fd);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client), *again = NULL;
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    close(fd);

    fd = raw_client(world.port, port);
    client = client_over(&world, fd);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    bgl_ssl_status_t status = BGL_SSL_WANT_READ, ended = BGL_SSL_WANT_READ;
    for (int64_t began = now_us(); status != BGL_SSL_OK || !again;) {
        CHECK(now_us() - began < 10 * SECOND * slowness());
        if (status != BGL_SSL_OK)
            status = bgl_ssl_socket_handshake(client);
        CHECK(status >= 0);
        if (ended == BGL_SSL_WANT_READ)
            ended = bgl_ssl_socket_read(accepted, &byte, 1, &n);
        if (ended < 0)
            CHECK_INT(ECONNRESET, last_error().sys_errno);
        if (!again)
            CHECK(bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &again) >= 0);
    }
    CHECK_STATUS(BGL_SSL_E_IO, ended);
    CHECK_OK(bgl_ssl_socket_close(accepted));
    bgl_ssl_socket_free(accepted);
    check_byte(client, again);
    check_byte(again, client);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(again);
    close(fd);
    end_world(&world);
}

/* The former connection is nobody's business any more, but has not been closed. */
TEST(a_client_that_comes_back_is_served_although_nobody_reads_its_former_connection)
{
    struct world world;
    char byte;
    size_t n;
    make_world(&world);
    int fd = raw_client(world.port, 0), port = port_of_socket(fd);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *former[3];
    for (size_t i = 0; i < COUNT(former); i++) {
        former[i] = connect_both(&world, client);
        check_byte(client, former[i]);
        check_byte(former[i], client);
        bgl_ssl_socket_free(client);
        close(fd);
        fd = raw_client(world.port, port);
        client = client_over(&world, fd);
    }
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    for (size_t i = 0; i < COUNT(former); i++) {
        CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_read(former[i], &byte, 1, &n));
        CHECK_INT(ECONNRESET, last_error().sys_errno);
        bgl_ssl_socket_free(former[i]);
    }
    check_byte(client, accepted);
    check_byte(accepted, client);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

TEST(a_client_that_has_closed_and_comes_back_is_served_although_its_former_socket_is_still_there)
{
    struct world world;
    char byte;
    size_t n;
    make_world(&world);
    int fd = raw_client(world.port, 0), port = port_of_socket(fd);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *former = connect_both(&world, client);
    CHECK_OK(bgl_ssl_socket_shutdown(client));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(former, &byte, 1, &n));
    bgl_ssl_socket_free(client);
    close(fd);

    fd = raw_client(world.port, port);
    client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    check_byte(accepted, client);
    bgl_ssl_socket_free(former);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

TEST(a_client_whose_connection_has_failed_comes_back_although_its_former_socket_is_still_there)
{
    struct world world;
    char byte;
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_idle_timeout(server, 200 * MS * slowness()));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0), port = port_of_socket(fd);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *former = connect_both(&world, client);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(former, &byte, 1, &n));
    bgl_ssl_socket_free(client);
    close(fd);

    fd = raw_client(world.port, port);
    client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(former, &byte, 1, &n));
    bgl_ssl_socket_free(former);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

/* Looking after a connection must not take its data away, nor keep the server's descriptor readable. */
TEST(what_a_connection_receives_is_left_to_its_reader)
{
    struct world world;
    char byte;
    size_t n;
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *nobody;
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    int readable = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(bgl_ssl_socket_write(client, "x", 1, &n));
        CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(world.listener, 2 * MS, &nobody));
        struct pollfd wait = {bgl_ssl_server_fd(world.listener), POLLIN, 0};
        readable += poll(&wait, 1, 50);
    }
    CHECK(readable < 3); /* not over and over, but every now and then */
    for (int i = 0; i < 3; i++) {
        struct pollfd wait = {bgl_ssl_socket_fd(accepted), POLLIN, 0};
        CHECK_INT(1, poll(&wait, 1, 0));
        CHECK_OK(bgl_ssl_socket_read(accepted, &byte, 1, &n));
    }
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

TEST(a_hello_without_its_cookie_does_not_end_a_connection)
{
    struct world world;
    char byte;
    size_t n;
    uint8_t hello[1024];
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT((long long)length, (long long)send(fd, hello, length, 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(accepted, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(client, &byte, 1, &n));
    check_byte(client, accepted);
    check_byte(accepted, client);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

/* ---- the listener ---- */

TEST(a_second_listener_on_the_same_port_is_refused)
{
    struct world world;
    make_world(&world);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_listen(world.server, "127.0.0.1", world.port, 5, AF_INET));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    int on = 1, thief = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = loopback_port(world.port);
    setsockopt(thief, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(thief, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    CHECK_INT(-1, bind(thief, (struct sockaddr *)&own, sizeof own));
    close(thief);
    end_world(&world);
}

TEST(accepted_sockets_outlive_their_server_which_can_listen_again)
{
    struct world world;
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    CHECK_OK(bgl_ssl_server_close(world.listener));
    CHECK_INT(-1, bgl_ssl_server_fd(world.listener));
    check_byte(client, accepted);
    bgl_ssl_server_free(world.listener);
    world.listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(world.server, "127.0.0.1", world.port, 5, AF_INET));
    int other_fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *other = client_over(&world, other_fd);
    bgl_ssl_socket_t *other_accepted = connect_both(&world, other);
    check_byte(client, accepted);
    check_byte(other, other_accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    bgl_ssl_socket_free(other);
    bgl_ssl_socket_free(other_accepted);
    close(fd);
    close(other_fd);
    end_world(&world);
}

TEST(a_close_wakes_the_threads_that_accept)
{
    struct world world;
    make_world(&world);
    pthread_t threads[] = {start_thread(accept_until_closed, world.listener),
                           start_thread(accept_until_closed, world.listener)};
    usleep(10000);
    CHECK_OK(bgl_ssl_server_close(world.listener));
    join_thread(threads[0]);
    join_thread(threads[1]);
    end_world(&world);
}

/* An event loop that only polls the server's descriptor and never waits inside the library gets its client. */
TEST(the_servers_descriptor_is_readable_whenever_accept_has_work)
{
    struct world world;
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *accepted = NULL;
    CHECK(bgl_ssl_server_is_datagram(world.listener));
    CHECK(!bgl_ssl_server_is_datagram(NULL));
    struct pollfd wait[2] = {{bgl_ssl_server_fd(world.listener), POLLIN, 0}, {bgl_ssl_socket_fd(client), POLLIN, 0}};
    CHECK_INT(0, poll(wait, 1, 0));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(client));
    for (bgl_ssl_status_t status = BGL_SSL_WANT_READ; !accepted || status != BGL_SSL_OK;) {
        CHECK(poll(wait, 2, 5000 * slowness()) > 0);
        if (wait[0].revents && !accepted)
            CHECK(bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &accepted) >= 0);
        if (wait[1].revents)
            CHECK((status = bgl_ssl_socket_handshake(client)) >= 0);
    }
    CHECK_INT(0, poll(wait, 1, 0));
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

TEST(a_lazy_server_hands_a_client_out_before_its_handshake)
{
    struct world world;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *accepted = NULL;
    while (!accepted) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(client));
        CHECK(bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &accepted) >= 0);
    }
    CHECK(!bgl_ssl_socket_protocol(accepted));
    struct ends ends = {client, accepted, 0, 0, {0}, {0}, 0, 0};
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    step_handshakes(&ends);
    CHECK_OK(ends.server_status);
    check_byte(client, accepted);
    free_ends(&ends);
    close(fd);
    end_world(&world);
}

TEST(a_refused_client_is_told_and_the_server_goes_on)
{
    struct world world;
    bgl_ssl_config_t *server = server_config("good");
    set_ca(server, "root.pem");
    make_world_with(&world, server);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *nobody = NULL;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ, accepting = BGL_SSL_WANT_READ;
    for (int64_t began = now_us(); status >= 0 || accepting >= 0;) {
        CHECK(now_us() - began < 10 * SECOND * slowness());
        if (status >= 0)
            status = bgl_ssl_socket_handshake(client);
        if (accepting >= 0)
            accepting = bgl_ssl_server_accept(world.listener, BGL_SSL_NO_WAIT, &nobody);
    }
    CHECK_INT(BGL_SSL_E_PROTOCOL, status);
    CHECK_INT(BGL_SSL_E_VERIFY, accepting);
    bgl_ssl_socket_free(client);
    close(fd);
    end_world(&world);
}

/* As after bgl_ssl_server_close: there is nobody left who would accept the new connection. */
TEST(a_hello_with_its_cookie_does_not_end_a_connection_whose_server_is_freed)
{
    struct world world;
    uint8_t hello[1024], repeated[1024], answer[256];
    char byte;
    size_t n;
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
    bgl_ssl_server_free(world.listener);
    world.listener = NULL;
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    size_t length = first_hello(&world, hello, sizeof hello);
    CHECK_INT((long long)length, (long long)send(fd, hello, length, 0));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(accepted, &byte, 1, &n));
    ssize_t got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    CHECK_INT(RECORD + MESSAGE + 2 + 1 + COOKIE, (long long)got);
    length = with_cookie(hello, length, answer + got - COOKIE, repeated);
    CHECK_INT((long long)length, (long long)send(fd, repeated, length, 0));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(accepted, &byte, 1, &n));
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}

/* Carries datagrams between a client's pair of descriptors and a socket that speaks to the server. */
static void carry_between(int inside, int outside)
{
    uint8_t datagram[2048];
    ssize_t n;
    while ((n = recv(inside, datagram, sizeof datagram, MSG_DONTWAIT)) > 0)
        CHECK_INT((long long)n, (long long)send(outside, datagram, (size_t)n, 0));
    while ((n = recv(outside, datagram, sizeof datagram, MSG_DONTWAIT)) > 0)
        CHECK_INT((long long)n, (long long)send(inside, datagram, (size_t)n, 0));
}

static const struct look {
    const char *name;
    bool by_write;
} looks[] = {{"accept", false}, {"write", true}};

/* What is looked at because of a record of the handshake stays there for poll and the reader, if data come with it. */
TEST_TABLE(data_behind_a_record_of_the_handshake_are_left_to_their_reader_by, looks)
{
    const struct look *it = row;
    enum { JUNK_RECORD = RECORD + 1 };
    struct world world;
    int pair[2];
    uint8_t datagram[2048] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'j'};
    char byte = 0;
    size_t n;
    bgl_ssl_socket_t *accepted = NULL;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    make_world(&world);
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, pair[0]);
    for (int i = 0; i < 1000 && (status != BGL_SSL_OK || !accepted); i++) {
        if (status != BGL_SSL_OK)
            status = bgl_ssl_socket_handshake(client);
        carry_between(pair[1], fd);
        if (!accepted)
            bgl_ssl_server_accept(world.listener, 5 * MS, &accepted);
        carry_between(pair[1], fd);
    }
    CHECK_OK(status);
    CHECK(accepted);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(accepted, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_write(client, "x", 1, &n));
    ssize_t length = recv(pair[1], datagram + JUNK_RECORD, sizeof datagram - JUNK_RECORD, MSG_DONTWAIT);
    CHECK(length > RECORD);
    CHECK_INT(23, datagram[JUNK_RECORD]);
    CHECK_INT(JUNK_RECORD + length, (long long)send(fd, datagram, JUNK_RECORD + (size_t)length, 0));
    if (it->by_write)
        CHECK_OK(bgl_ssl_socket_write(accepted, "y", 1, &n));
    else
        serve_nobody(&world);
    await_readable(bgl_ssl_socket_fd(accepted));
    CHECK_OK(bgl_ssl_socket_read(accepted, &byte, 1, &n));
    CHECK_INT('x', byte);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(pair[0]);
    close(pair[1]);
    close(fd);
    end_world(&world);
}

/* Another program's socket, which is to be bound to the port of a listener at the worst moment. */
static atomic_int intruder = -1;
static atomic_int intruder_errno;

/* Stands in for the C library's. */
int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int other = atomic_exchange(&intruder, -1);
    if (other >= 0 && syscall(SYS_bind, other, address, length) != 0)
        intruder_errno = errno;
    return (int)syscall(SYS_bind, fd, address, length);
}

/* Otherwise it would get all hellos from now on. */
TEST(a_second_listener_on_the_same_port_is_refused_while_a_client_gets_its_socket)
{
    struct world world;
    int on = 1, other = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_INT(0, setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    make_world(&world);
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd);
    intruder = other;
    bgl_ssl_socket_t *accepted = connect_both(&world, client);
    CHECK_INT(-1, intruder);
    CHECK_INT(EADDRINUSE, intruder_errno);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(other);
    close(fd);
    end_world(&world);
}

/* Then the listener is still the first user's, and so are the sockets of those who are connected. */
TEST(clients_get_their_sockets_after_the_program_has_changed_its_user)
{
    struct world world;
    bgl_ssl_socket_t *clients[2], *accepted[2];
    int fds[2];
    make_world(&world);
    for (int i = 0; i < 2; i++) {
        if (i == 1 && seteuid(65534) != 0)
            skip_test("the right to change the user");
        fds[i] = raw_client(world.port, 0);
        clients[i] = client_over(&world, fds[i]);
        accepted[i] = connect_both(&world, clients[i]);
    }
    for (int i = 0; i < 2; i++) {
        check_byte(clients[i], accepted[i]);
        bgl_ssl_socket_free(clients[i]);
        bgl_ssl_socket_free(accepted[i]);
        close(fds[i]);
    }
    end_world(&world);
    /* Otherwise LeakSanitizer may not look. */
    CHECK_INT(0, seteuid(0));
    CHECK_INT(0, prctl(PR_SET_DUMPABLE, 1));
}

/* The two share what wakes the threads that accept. */
TEST(a_child_process_that_closes_the_server_does_not_wake_its_parent)
{
    struct world world;
    make_world(&world);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bgl_ssl_server_close(world.listener);
        bgl_ssl_server_free(world.listener);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    struct pollfd wait = {bgl_ssl_server_fd(world.listener), POLLIN, 0};
    CHECK_INT(0, poll(&wait, 1, 0));
    int fd = raw_client(world.port, 0);
    bgl_ssl_socket_t *client = client_over(&world, fd), *accepted = connect_both(&world, client);
    check_byte(client, accepted);
    bgl_ssl_socket_free(client);
    bgl_ssl_socket_free(accepted);
    close(fd);
    end_world(&world);
}
