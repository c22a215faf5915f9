/* DTLS through a proxy that drops, doubles, reorders and delays datagrams by a seeded plan: the handshake survives, and
 * no plan hangs or crashes either end. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>

/* ---- the proxy ---- */

/* In percent of the datagrams. */
struct plan {
    const char *name;
    int drop;
    int doubled;
    int delayed;
    int longest_delay_ms;
    /* Counted from 1, whatever the percentages say; 0: none. */
    int lost_to_server;
    int lost_to_client;
};

struct delayed {
    int64_t due;
    bool to_server;
    ssize_t length;
    char data[2048];
    struct delayed *next;
};

struct proxy {
    const struct plan *plan;
    uint64_t seed;
    int front;
    int back;
    int port;
    int stop[2];
    struct sockaddr_in client;
    bool client_known;
    struct delayed *delayed;
    int passed;
    int seen_to_server;
    int seen_to_client;
    pthread_t thread;
};

static bool happens(struct proxy *proxy, int percent)
{
    proxy->seed ^= proxy->seed << 13;
    proxy->seed ^= proxy->seed >> 7;
    proxy->seed ^= proxy->seed << 17;
    return (int)(proxy->seed % 100) < percent;
}

static void forward(struct proxy *proxy, bool to_server, const void *data, size_t length)
{
    proxy->passed++;
    if (to_server)
        send(proxy->back, data, length, MSG_NOSIGNAL);
    else if (proxy->client_known)
        sendto(proxy->front, data, length, MSG_NOSIGNAL, (struct sockaddr *)&proxy->client, sizeof proxy->client);
}

static void delay(struct proxy *proxy, bool to_server, const void *data, ssize_t length)
{
    struct delayed *delayed = calloc(1, sizeof *delayed);
    happens(proxy, 0);
    delayed->due = now_us() + (int64_t)(proxy->seed % (uint64_t)(proxy->plan->longest_delay_ms + 1)) * MS;
    delayed->to_server = to_server;
    delayed->length = length;
    memcpy(delayed->data, data, (size_t)length);
    delayed->next = proxy->delayed;
    proxy->delayed = delayed;
}

static void forward_or_drop(struct proxy *proxy, bool to_server, const void *data, ssize_t length)
{
    const struct plan *plan = proxy->plan;
    int nth = to_server ? ++proxy->seen_to_server : ++proxy->seen_to_client;
    bool chosen = nth == (to_server ? plan->lost_to_server : plan->lost_to_client);
    int copies = chosen || happens(proxy, plan->drop) ? 0 : happens(proxy, plan->doubled) ? 2 : 1;
    while (copies-- > 0) {
        if (happens(proxy, plan->delayed))
            delay(proxy, to_server, data, length);
        else
            forward(proxy, to_server, data, (size_t)length);
    }
}

/* Passes on what is due; the time until the next, in milliseconds. */
static int release(struct proxy *proxy)
{
    int64_t now = now_us(), soonest = now + SECOND;
    for (struct delayed **at = &proxy->delayed; *at;) {
        struct delayed *delayed = *at;
        if (delayed->due <= now) {
            forward(proxy, delayed->to_server, delayed->data, (size_t)delayed->length);
            *at = delayed->next;
            free(delayed);
        } else {
            soonest = delayed->due < soonest ? delayed->due : soonest;
            at = &delayed->next;
        }
    }
    return (int)((soonest - now) / MS) + 1;
}

static void *run_proxy(void *data)
{
    struct proxy *proxy = data;
    for (;;) {
        char datagram[2048];
        socklen_t size = sizeof proxy->client;
        struct pollfd wait[] = {{proxy->front, POLLIN, 0}, {proxy->back, POLLIN, 0}, {proxy->stop[0], POLLIN, 0}};
        poll(wait, 3, release(proxy));
        if (wait[2].revents)
            break;
        if (wait[0].revents) {
            ssize_t n = recvfrom(proxy->front, datagram, sizeof datagram, MSG_DONTWAIT,
                                 (struct sockaddr *)&proxy->client, &size);
            proxy->client_known = true;
            if (n > 0)
                forward_or_drop(proxy, true, datagram, n);
        }
        if (wait[1].revents) {
            ssize_t n = recv(proxy->back, datagram, sizeof datagram, MSG_DONTWAIT);
            if (n > 0)
                forward_or_drop(proxy, false, datagram, n);
        }
    }
    while (proxy->delayed) {
        struct delayed *delayed = proxy->delayed;
        proxy->delayed = delayed->next;
        free(delayed);
    }
    return NULL;
}

static void start_proxy(struct proxy *proxy, const struct plan *plan, uint64_t seed, int server_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(proxy, 0, sizeof *proxy);
    proxy->plan = plan;
    proxy->seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    proxy->front = socket(AF_INET, SOCK_DGRAM, 0);
    proxy->back = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_INT(0, bind(proxy->front, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, getsockname(proxy->front, (struct sockaddr *)&address, &size));
    proxy->port = ntohs(address.sin_port);
    address.sin_port = htons((uint16_t)server_port);
    CHECK_INT(0, connect(proxy->back, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, pipe(proxy->stop));
    proxy->thread = start_thread(run_proxy, proxy);
}

static void end_proxy(struct proxy *proxy)
{
    CHECK_INT(1, write(proxy->stop[1], "", 1));
    join_thread(proxy->thread);
    close(proxy->front);
    close(proxy->back);
    close(proxy->stop[0]);
    close(proxy->stop[1]);
}

/* ---- the two ends ---- */

static bgl_ssl_config_t *for_a_bad_network(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(config, 10 * MS));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 20 * SECOND));
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 20 * MS));
    /* Flights of many datagrams. */
    CHECK_OK(bgl_ssl_config_set_mtu(config, 500));
    return config;
}

/* Echoes until the peer has gone or is silent. Before it begins it may wait for long for the end of our handshake. */
static void serve_badly_connected(bgl_ssl_socket_t *socket, void *data)
{
    char message[64];
    size_t n;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    if (bgl_ssl_socket_read(socket, message, sizeof message, &n) != BGL_SSL_OK)
        return;
    send_bytes(socket, message, n);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, SECOND));
    serve_echo(socket, data);
}

/* Each message until its echo has come. */
static void exchange_messages_repeatedly(const bgl_ssl_socket_t *socket)
{
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * MS));
    for (int message = 0; message < 5; message++) {
        bool answered = false;
        for (int tries = 0; tries < 500 && !answered; tries++) {
            char back[64];
            size_t n = 0;
            send_bytes(socket, &message, sizeof message);
            bgl_ssl_status_t status = bgl_ssl_socket_read(socket, back, sizeof back, &n);
            if (status != BGL_SSL_OK && status != BGL_SSL_E_TIMEOUT)
                FAIL("read: %s", last_error().message);
            answered = status == BGL_SSL_OK && n == sizeof message && memcmp(back, &message, n) == 0;
        }
        CHECK(answered);
    }
}

static const struct plan plans[] = {
    {"nothing_lost", 0, 0, 0, 0, 0, 0},
    {"thirty_percent_lost", 30, 0, 0, 0, 0, 0},
    {"half_doubled", 0, 50, 0, 0, 0, 0},
    {"half_out_of_order", 0, 0, 50, 15, 0, 0},
    {"all_late", 0, 0, 100, 30, 0, 0},
    {"everything_at_once", 20, 20, 30, 20, 0, 0},
};

TEST_TABLE(handshake_and_data_survive, plans)
{
    enum { SEEDS = 6 };
    struct service service;
    bgl_ssl_config_t *client = for_a_bad_network(client_config()), *server = for_a_bad_network(server_config("good"));
    set_certificate(client, "client");
    set_ca(server, "root.pem");
    for (uint64_t seed = 1; seed <= (slowness() > 1 ? 2 : SEEDS); seed++) {
        struct proxy proxy;
        start_service(&service, server, 1, serve_badly_connected, NULL);
        start_proxy(&proxy, row, seed, service.port);
        bgl_ssl_socket_t *socket = bgl_ssl_connect(client, "127.0.0.1", proxy.port, AF_INET);
        if (!socket)
            FAIL("seed %llu: %s", (unsigned long long)seed, last_error().message);
        exchange_messages_repeatedly(socket);
        finish(socket);
        end_service(&service);
        end_proxy(&proxy);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static const struct plan hopeless[] = {
    {"everything_lost", 100, 0, 0, 0, 0, 0},
    {"ninety_percent_lost", 90, 0, 0, 0, 0, 0},
    {"all_much_too_late", 0, 0, 100, 3000, 0, 0},
};

/* Whether it connects is up to luck; that it ends is not. */
TEST_TABLE(no_plan_hangs_with, hopeless)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct proxy proxy;
        bgl_ssl_config_t *client = for_a_bad_network(client_config());
        bgl_ssl_config_t *server = for_a_bad_network(server_config("good"));
        CHECK_OK(bgl_ssl_config_set_handshake_timeout(client, 500 * MS));
        CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, 500 * MS));
        bgl_ssl_server_t *listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
        start_proxy(&proxy, row, seed, bgl_ssl_server_port(listener));
        int64_t began = now_us();
        bgl_ssl_socket_t *accepted = NULL, *socket = bgl_ssl_connect(client, "127.0.0.1", proxy.port, AF_INET);
        if (!socket)
            CHECK_INT(BGL_SSL_E_TIMEOUT, last_error().code);
        bgl_ssl_server_accept(listener, 100 * MS, &accepted);
        CHECK(now_us() - began < 10 * SECOND * slowness());
        bgl_ssl_socket_free(socket);
        bgl_ssl_socket_free(accepted);
        bgl_ssl_server_free(listener);
        end_proxy(&proxy);
        bgl_ssl_config_free(client);
        bgl_ssl_config_free(server);
    }
}

/* ---- the last flight ---- */

static bgl_ssl_config_t *with_short_timeouts(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(config, 50 * MS * slowness()));
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 20 * MS));
    return config;
}

static void *accept_but_one(void *data)
{
    bgl_ssl_socket_t *accepted = NULL, *nobody = NULL;
    CHECK_OK(bgl_ssl_server_accept(data, 10 * SECOND * slowness(), &accepted));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_server_accept(data, 20 * SECOND * slowness(), &nobody));
    bgl_ssl_socket_free(accepted);
    return NULL;
}

/* The last flight of the server's handshake is lost, and the server goes on accepting. */
TEST(a_server_that_only_accepts_helps_its_client_to_finish)
{
    const struct plan plan = {"last_flight_lost", 0, 0, 0, 0, 0, 3};
    struct proxy proxy;
    bgl_ssl_config_t *client = with_short_timeouts(client_config());
    bgl_ssl_config_t *server = with_short_timeouts(server_config("good"));
    bgl_ssl_server_t *listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
    pthread_t thread = start_thread(accept_but_one, listener);
    start_proxy(&proxy, &plan, 1, bgl_ssl_server_port(listener));
    bgl_ssl_socket_free(connect_to(client, proxy.port));
    CHECK_OK(bgl_ssl_server_close(listener));
    join_thread(thread);
    end_proxy(&proxy);
    CHECK(proxy.seen_to_client > 3);
    bgl_ssl_server_free(listener);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void note_message(bgl_ssl_socket_t *socket, void *data)
{
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 10 * SECOND));
    if (bgl_ssl_socket_read(socket, &byte, 1, &n) == BGL_SSL_OK)
        __atomic_add_fetch((int *)data, 1, __ATOMIC_SEQ_CST);
}

/* A resumed handshake ends with a flight of the client's, which is lost, and the client does nothing but write. */
TEST(a_client_that_only_writes_helps_its_server_to_finish)
{
    const struct plan plan = {"last_flight_lost", 0, 0, 0, 0, 3, 0};
    struct service service;
    struct proxy proxy;
    int noted = 0;
    size_t n;
    bgl_ssl_config_t *client = with_short_timeouts(client_config());
    bgl_ssl_config_t *server = with_short_timeouts(server_config("good"));
    start_service(&service, server, 2, note_message, &noted);
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    send_bytes(socket, "x", 1);
    finish(socket);
    start_proxy(&proxy, &plan, 1, service.port);
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", proxy.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    for (int64_t began = now_us(); __atomic_load_n(&noted, __ATOMIC_SEQ_CST) < 2; usleep(5000)) {
        CHECK(now_us() - began < 10 * SECOND * slowness());
        CHECK_OK(bgl_ssl_socket_write(socket, "x", 1, &n));
    }
    finish(socket);
    end_service(&service);
    end_proxy(&proxy);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static int discard_datagrams(int fd)
{
    char datagram[2048];
    int lost = 0;
    while (recv(fd, datagram, sizeof datagram, MSG_DONTWAIT) > 0)
        lost++;
    return lost;
}

/* The last flight of the server's handshake is lost, and the server does nothing but write. */
TEST(a_server_that_only_writes_helps_its_client_to_finish)
{
    int fds[2];
    size_t n;
    char byte;
    struct ends ends;
    bgl_ssl_config_t *client = for_a_bad_network(client_config()), *server = for_a_bad_network(server_config("good"));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    int clients = dup(fds[0]);
    make_ends_over(&ends, client, server, "localhost", fds);
    do {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
        ends.server_status = bgl_ssl_socket_handshake(ends.server);
    } while (ends.server_status == BGL_SSL_WANT_READ);
    CHECK_OK(ends.server_status);
    CHECK(discard_datagrams(clients) > 0);
    for (int64_t began = now_us(); bgl_ssl_socket_handshake(ends.client) == BGL_SSL_WANT_READ;) {
        CHECK(now_us() - began < 10 * SECOND);
        CHECK_OK(bgl_ssl_socket_write(ends.server, "x", 1, &n));
        struct pollfd wait = {clients, POLLIN, 0};
        poll(&wait, 1, 5);
    }
    CHECK_OK(bgl_ssl_socket_handshake(ends.client));
    CHECK_OK(bgl_ssl_socket_write(ends.server, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    close(clients);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
