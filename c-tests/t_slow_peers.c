/* Every call ends at its limit, whatever the peer does: nothing, a byte now and then, or a flood of what is of no use. Over
 * streams, functions, other connections and datagrams; calls that block, and event loops. */
#define _GNU_SOURCE
#include "openssl_peer.h"
#include "over_fd.h"

enum carrier { STREAM, FUNCTIONS, NESTED, DATAGRAMS };
enum manner { SILENT, SLOW, FLOODING };

/* The limit of a call, and that under a flood of key updates. */
enum { LIMIT = 60 * 1000, LIMIT_UNDER_UPDATES = 10 * 1000 };

/* How many key updates last longer than that. A read that does not block looks at its limit when it has read 448 kB, and
 * fails the second time at the earliest. */
enum { UPDATES = 20000, UPDATES_FOR_TWO_READS = 50000 };

struct row {
    const char *name;
    enum carrier carrier;
    enum manner manner;
    bool blocks;
};

#define MANNERS(name, carrier)                                                                                         \
    {name "_silent_blocking", carrier, SILENT, true}, {name "_silent", carrier, SILENT, false},                        \
        {name "_slow_blocking", carrier, SLOW, true}, {name "_slow", carrier, SLOW, false},                            \
        {name "_flooding_blocking", carrier, FLOODING, true}, {name "_flooding", carrier, FLOODING, false}

static const struct row streams[] = {
    MANNERS("stream", STREAM), MANNERS("functions", FUNCTIONS), MANNERS("nested", NESTED)};

static const struct row all[] = {MANNERS("stream", STREAM), MANNERS("functions", FUNCTIONS),
                                 MANNERS("nested", NESTED), MANNERS("datagrams", DATAGRAMS)};

/* A client, or a server's connection, and the plain descriptor at the other end of what carries it. */
struct world {
    const struct row *row;
    bool serves;
    bgl_ssl_socket_t *socket;
    int far;
    struct ends outer;
    int relay;
    pthread_t relays[2];
    struct openssl_peer peer;
    atomic_bool over;
    atomic_long sent;
    pthread_t peer_thread;
    int updates;
    char *bytes; /* of the flood, and how many */
    long length;
};

/* ---- what carries a connection ---- */

static void close_it(void *user)
{
    close(*(int *)user);
    free(user);
}

static const bgl_ssl_io_t functions = {
    .size = sizeof functions, .read = receive_some, .write = send_some, .wait = wait_for, .free = close_it};

static void *relay_in(void *data)
{
    struct world *it = data;
    char buffer[16384];
    ssize_t got;
    size_t n;
    while ((got = read(it->relay, buffer, sizeof buffer)) > 0)
        if (bgl_ssl_socket_write(it->outer.server, buffer, (size_t)got, &n) != BGL_SSL_OK)
            break;
    return NULL;
}

static void *relay_out(void *data)
{
    struct world *it = data;
    char buffer[16384];
    size_t n;
    while (bgl_ssl_socket_read(it->outer.server, buffer, sizeof buffer, &n) == BGL_SSL_OK)
        if (send(it->relay, buffer, n, MSG_NOSIGNAL) < 0)
            break;
    shutdown(it->relay, SHUT_RDWR);
    return NULL;
}

static bgl_ssl_socket_t *nest(struct world *it, const bgl_ssl_config_t *config, int fd)
{
    connect_over_tcp(&it->outer, client_config(), server_config("good"));
    tiny_buffers(bgl_ssl_socket_fd(it->outer.client));
    tiny_buffers(bgl_ssl_socket_fd(it->outer.server));
    it->relay = fd;
    it->relays[0] = start_thread(relay_in, it);
    it->relays[1] = start_thread(relay_out, it);
    return it->serves ? bgl_ssl_upgrade_server_socket(config, it->outer.client, 0)
                      : bgl_ssl_upgrade_client_socket(config, it->outer.client, "localhost", 0);
}

static bgl_ssl_socket_t *over_functions(struct world *it, const bgl_ssl_config_t *config, int fd)
{
    int *own = malloc(sizeof *own);
    *own = fd;
    return it->serves ? bgl_ssl_upgrade_server_io(config, &functions, own, 0)
                      : bgl_ssl_upgrade_client_io(config, &functions, own, "localhost", 0);
}

static bgl_ssl_socket_t *over_fd(struct world *it, const bgl_ssl_config_t *config, int fd)
{
    bgl_ssl_socket_t *socket = it->serves ? bgl_ssl_upgrade_server_fd(config, fd, 0)
                                          : bgl_ssl_upgrade_client_fd(config, fd, "localhost", 0);
    close(fd);
    return socket;
}

static void udp_pair(int fds[2])
{
    struct sockaddr_in addresses[2];
    for (int i = 0; i < 2; i++) {
        socklen_t size = sizeof addresses[i];
        addresses[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK_INT(0, bind(fds[i], (struct sockaddr *)&addresses[i], size));
        CHECK_INT(0, getsockname(fds[i], (struct sockaddr *)&addresses[i], &size));
    }
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, connect(fds[i], (struct sockaddr *)&addresses[1 - i], sizeof addresses[0]));
}

/* The config is taken over. */
static void begin_world_with(struct world *it, const struct row *row, bgl_ssl_config_t *config, bool serves)
{
    int fds[2];
    memset(it, 0, sizeof *it);
    it->row = row;
    it->serves = serves;
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    if (row->carrier == DATAGRAMS) {
        CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
        udp_pair(fds);
    } else {
        local_pair(fds);
        /* So that writing ends soon. The other way the system holds much of a flood: it has no gaps. */
        tiny_buffers(fds[0]);
    }
    it->far = fds[1];
    it->socket = MADE(bgl_ssl_socket_t, row->carrier == NESTED      ? nest(it, config, fds[0])
                                        : row->carrier == FUNCTIONS ? over_functions(it, config, fds[0])
                                                                    : over_fd(it, config, fds[0]));
    bgl_ssl_config_free(config);
}

static void begin_world(struct world *it, const struct row *row)
{
    begin_world_with(it, row, client_config(), false);
}

/* ---- what the peer does ---- */

/* A record that never becomes complete, or datagrams that are no records. */
static void *send_slowly(void *data)
{
    struct world *it = data;
    static const char handshake[] = "\x16\x03\x03\x40\x00", other[] = "\x17\x03\x03\x40\x00";
    const char *begin = it->peer.ssl ? other : handshake;
    char byte;
    const char *record = it->serves ? "\1" : "\2"; /* a ClientHello or a ServerHello begins */
    for (size_t i = 0; !it->over; i++) {
        it->sent += send(it->far, i < 5 ? &begin[i] : i == 5 ? record : "\0", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
        recv(it->far, &byte, 1, MSG_DONTWAIT);
        usleep(5000);
    }
    return NULL;
}

static void *send_flood(void *data)
{
    struct world *it = data;
    char requests[5 + 4 * 1000] = "\x16\x03\x03\x0f\xa0"; /* HelloRequests, which clients pass over */
    char forged[13 + 64] = "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\x40"; /* a record of DTLS that nobody has made */
    const char *bytes = it->length ? it->bytes : it->row->carrier == DATAGRAMS ? forged : requests;
    long length = it->length ? it->length : it->row->carrier == DATAGRAMS ? (long)sizeof forged : (long)sizeof requests;
    long piece = it->row->carrier == DATAGRAMS ? length : 4096;
    for (long at = 0; !it->over && at < length;) {
        ssize_t n = send(it->far, bytes + at, (size_t)(length - at < piece ? length - at : piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED)
            break;
        if (n < 0)
            usleep(100);
        at += n < 0 ? 0 : n;
        it->sent += n < 0 ? 0 : n;
        if (at == length && !it->length)
            at = 0;
    }
    return NULL;
}

static void start_peer(struct world *it)
{
    if (it->row->manner != SILENT)
        it->peer_thread = start_thread(it->row->manner == SLOW ? send_slowly : send_flood, it);
    while (it->row->manner != SILENT && it->sent == 0)
        usleep(1000);
    bgl_ssl_socket_set_nonblocking(it->socket, !it->row->blocks);
}

static void end_world(struct world *it)
{
    if (it->length > 0 && it->sent == it->length)
        FAIL("the flood was over before the call");
    it->over = true;
    if (it->row->manner != SILENT)
        join_thread(it->peer_thread);
    bgl_ssl_socket_free(it->socket);
    shutdown(it->far, SHUT_RDWR);
    if (it->row->carrier == NESTED) {
        CHECK_OK(bgl_ssl_socket_set_close_timeout(it->outer.client, 0));
        bgl_ssl_socket_close(it->outer.client);
        join_thread(it->relays[0]);
        join_thread(it->relays[1]);
        free_ends(&it->outer);
        close(it->relay);
    }
    if (it->peer.ssl)
        openssl_free(&it->peer);
    else
        bgl_ssl_socket_free(it->outer.server);
    close(it->far);
}

/* ---- the calls ---- */

typedef bgl_ssl_status_t operation(const bgl_ssl_socket_t *socket);

static bgl_ssl_status_t handshake(const bgl_ssl_socket_t *socket)
{
    return bgl_ssl_socket_handshake(socket);
}

static bgl_ssl_status_t read_byte(const bgl_ssl_socket_t *socket)
{
    char byte;
    size_t n;
    return bgl_ssl_socket_read(socket, &byte, 1, &n);
}

/* How many bytes the latest `write_much` has handed over. */
static size_t taken;

static bgl_ssl_status_t write_much(const bgl_ssl_socket_t *socket)
{
    static const char data[4 << 20];
    size_t n;
    bgl_ssl_status_t status;
    do {
        status = bgl_ssl_socket_write(socket, data, sizeof data, &n);
        taken += n;
    } while (status == BGL_SSL_OK);
    return status;
}

static bgl_ssl_status_t close_it_now(const bgl_ssl_socket_t *socket)
{
    return bgl_ssl_socket_close((bgl_ssl_socket_t *)(uintptr_t)socket);
}

/* How a call ends, within the limit: as an event loop does it, if the call does not block. */
static bgl_ssl_status_t end_of(const struct world *it, operation *call, int64_t limit)
{
    int64_t began = now_us();
    bgl_ssl_status_t status;
    while ((status = call(it->socket)) == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE) {
        CHECK(!it->row->blocks);
        int64_t left = bgl_ssl_socket_timeout(it->socket);
        if (left < 0 || left > limit)
            FAIL("%lld us are left, says the socket", (long long)left);
        int fd = bgl_ssl_socket_fd(it->socket);
        struct pollfd wait = {fd, status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        poll(&wait, 1, fd < 0 ? 1 : (int)(left / 1000) + 1);
        if (now_us() - began > 8 * SECOND * slowness())
            FAIL("it has not ended");
    }
    if (now_us() - began > 8 * SECOND * slowness())
        FAIL("it took %lld ms", (long long)(now_us() - began) / 1000);
    return status;
}

static void check_ends_within(const struct world *it, operation *call, int64_t limit)
{
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, end_of(it, call, limit));
}

static void check_ends_in_time(const struct world *it, operation *call)
{
    check_ends_within(it, call, LIMIT);
}

/* ---- the handshake ---- */

TEST_TABLE(a_handshake_ends_with_a_peer_over, all)
{
    struct world world;
    begin_world(&world, row);
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(world.socket, LIMIT));
    start_peer(&world);
    check_ends_in_time(&world, handshake);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    end_world(&world);
}

#define BOTH(name, carrier)                                                                                            \
    {name "_silent_blocking", carrier, SILENT, true}, {name "_silent", carrier, SILENT, false},                        \
        {name "_slow_blocking", carrier, SLOW, true}, {name "_slow", carrier, SLOW, false}

static const struct row quiet[] = {BOTH("stream", STREAM), BOTH("functions", FUNCTIONS), BOTH("nested", NESTED)};

static void check_serves(const struct row *row, bool has_hosts)
{
    struct world world;
    bgl_ssl_config_t *server = server_config("good");
    if (has_hosts)
        CHECK_OK(bgl_ssl_config_set_unknown_host(server, BGL_SSL_UNKNOWN_HOST_REFUSE));
    begin_world_with(&world, row, server, true);
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(world.socket, LIMIT));
    start_peer(&world);
    check_ends_in_time(&world, handshake);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    end_world(&world);
}

TEST_TABLE(a_server_s_handshake_ends_with_a_client_over, quiet) { check_serves(row, false); }
TEST_TABLE(a_server_that_looks_at_names_ends_with_a_client_over, quiet) { check_serves(row, true); }

static bgl_ssl_status_t look_at_hello(const bgl_ssl_socket_t *socket)
{
    bgl_ssl_hello_t *hello;
    bgl_ssl_status_t status = bgl_ssl_socket_hello(socket, &hello);
    CHECK(!hello);
    return status;
}

TEST_TABLE(waiting_for_a_hello_ends_with_a_client_over, quiet)
{
    struct world world;
    begin_world_with(&world, row, server_config("good"), true);
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(world.socket, LIMIT));
    start_peer(&world);
    check_ends_in_time(&world, look_at_hello);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    end_world(&world);
}

/* ---- connecting and accepting ---- */

static const struct row slow_stream = {"slow", STREAM, SLOW, true};

static void *accept_and_send_slowly(void *data)
{
    struct world *it = data;
    int listener = it->far;
    it->far = accept(listener, NULL, NULL);
    CHECK(it->far >= 0);
    close(listener);
    return send_slowly(it);
}

static void check_in_time(int64_t began)
{
    if (now_us() - began > 8 * SECOND * slowness())
        FAIL("it took %lld ms", (long long)(now_us() - began) / 1000);
}

TEST(a_connect_ends_with_a_slow_server)
{
    struct world world = {.row = &slow_stream};
    int port;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 5 * LIMIT));
    world.far = plain_listener(AF_INET, "127.0.0.1", 0, 1, &port);
    world.peer_thread = start_thread(accept_and_send_slowly, &world);
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
    check_in_time(began);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    world.over = true;
    join_thread(world.peer_thread);
    close(world.far);
    bgl_ssl_config_free(client);
}

TEST(an_accept_ends_with_a_slow_client)
{
    struct world world = {.row = &slow_stream, .serves = true};
    bgl_ssl_socket_t *socket;
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, LIMIT));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 1, AF_INET));
    world.far = plain_connect(bgl_ssl_server_port(server));
    world.peer_thread = start_thread(send_slowly, &world);
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(server, 0, &socket));
    check_in_time(began);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    world.over = true;
    join_thread(world.peer_thread);
    close(world.far);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

/* ---- reading, writing and closing ---- */

static void *accept_openssl(void *data)
{
    struct world *it = data;
    openssl_accept(&it->peer);
    if (it->row->manner == FLOODING)
        for (int i = 0; i < it->updates; i++)
            openssl_key_update(&it->peer, NOT_REQUESTED);
    it->length = openssl_kept(&it->peer, &it->bytes);
    return NULL;
}

/* A connection that is complete. OpenSSL's end keeps its key updates, for a flood. */
static void connect_world(struct world *it, const struct row *row, int updates)
{
    begin_world(it, row);
    it->updates = updates;
    load_openssl(&it->peer.openssl);
    it->peer.fd = it->far;
    pthread_t thread = start_thread(accept_openssl, it);
    CHECK_OK(bgl_ssl_socket_handshake(it->socket));
    join_thread(thread);
}

static int64_t limit_of(const struct world *it)
{
    return it->length > 0 ? LIMIT_UNDER_UPDATES : LIMIT;
}

TEST_TABLE(a_read_ends_with_a_peer_over, streams)
{
    struct world world;
    bool blocks = ((const struct row *)row)->blocks;
    connect_world(&world, row, blocks ? UPDATES : UPDATES_FOR_TWO_READS);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(world.socket, limit_of(&world)));
    start_peer(&world);
    check_ends_in_time(&world, read_byte);
    CHECK_INT(BGL_SSL_PHASE_READ, last_error().phase);
    end_world(&world);
}

TEST_TABLE(a_write_ends_with_a_peer_over, streams)
{
    struct world world;
    connect_world(&world, row, UPDATES);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(world.socket, limit_of(&world)));
    start_peer(&world);
    check_ends_in_time(&world, write_much);
    CHECK_INT(BGL_SSL_PHASE_WRITE, last_error().phase);
    end_world(&world);
}

/* Until nothing on the way to the peer takes any more, not even after a while. */
static void fill_up(struct world *it)
{
    int64_t limit = 5 * LIMIT * slowness();
    CHECK_OK(bgl_ssl_socket_set_write_timeout(it->socket, limit));
    do {
        taken = 0;
        check_ends_within(it, write_much, limit);
    } while (taken > 0);
}

TEST_TABLE(a_close_ends_with_a_peer_over, streams)
{
    struct world world;
    connect_world(&world, row, UPDATES);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(world.socket, limit_of(&world)));
    start_peer(&world);
    fill_up(&world);
    /* The last write may have ended with a whole record: then the system may still take close_notify. */
    if (end_of(&world, close_it_now, LIMIT) != BGL_SSL_OK) {
        CHECK_INT(BGL_SSL_E_TIMEOUT, last_error().code);
        CHECK_INT(BGL_SSL_PHASE_CLOSE, last_error().phase);
    }
    end_world(&world);
}

static bgl_ssl_status_t end_writing(const bgl_ssl_socket_t *socket)
{
    return bgl_ssl_socket_shutdown(socket);
}

TEST_TABLE(ending_the_writing_half_ends_with_a_peer_over, streams)
{
    struct world world;
    connect_world(&world, row, UPDATES);
    start_peer(&world);
    fill_up(&world);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(world.socket, limit_of(&world)));
    /* As with a close. */
    if (end_of(&world, end_writing, LIMIT) != BGL_SSL_OK) {
        CHECK_INT(BGL_SSL_E_TIMEOUT, last_error().code);
        CHECK_INT(BGL_SSL_PHASE_WRITE, last_error().phase);
    }
    end_world(&world);
}
