/* Descriptors and memory stay constant over many connections, those that fail included. */
#define _GNU_SOURCE
#include "harness.h"

/* OpenSSL's tables grow for some thousand connections, by less than a kilobyte each, and then no more; what one
 * connection takes is much more than that. Smaller things kept are for the leak checkers to find. */
enum { KEPT = 1000 };

typedef void round_function(void *data);

/* Warm-up first: OpenSSL and the C library keep some things for good. */
static void check_constant_memory(round_function *run, void *data, int warm, int rounds, size_t slack)
{
    for (int i = 0; i < warm; i++)
        run(data);
    if (memory_is_watched())
        return; /* the watcher says whether something was kept */
    size_t before = bytes_in_use();
    for (int i = 0; i < rounds; i++)
        run(data);
    size_t after = bytes_in_use();
    if (after > before + slack)
        FAIL("%zu bytes in use after %d more rounds, %zu before", after, rounds, before);
}

struct configs {
    bgl_ssl_config_t *client;
    bgl_ssl_config_t *server;
    bgl_ssl_server_t *listener;
};

static void handshake_once(void *data)
{
    struct configs *it = data;
    struct ends ends;
    make_ends(&ends, it->client, it->server, "localhost");
    step_handshakes(&ends);
    if (ends.client_status == BGL_SSL_OK && ends.server_status == BGL_SSL_OK)
        exchange_bytes(&ends);
    free_ends(&ends);
}

/* make_ends copies the configs; this server has one config for all that it accepts. */
static void accept_once(void *data)
{
    struct configs *it = data;
    bgl_ssl_socket_t *accepted = NULL;
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_connect(it->client, "127.0.0.1",
                                                                      bgl_ssl_server_port(it->listener), AF_INET));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_OK(bgl_ssl_server_accept(it->listener, 5 * SECOND, &accepted));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepted, true));
    struct ends ends = {client, accepted, 0, 0, {0}, {0}, 0, 0};
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

static void open_listener(struct configs *it)
{
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(it->client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(it->server, true));
    it->listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(it->server, "127.0.0.1", 0, 16, AF_INET));
}

static void free_configs(struct configs *it)
{
    bgl_ssl_server_free(it->listener);
    bgl_ssl_config_free(it->client);
    bgl_ssl_config_free(it->server);
}

TEST(accepting_with_cas_keeps_nothing_of_each_connection)
{
    struct configs it = {client_config(), server_config("good"), NULL};
    set_certificate(it.client, "client");
    set_ca(it.server, "root.pem");
    /* Sessions are kept by neither end's cache, or by a bounded one. */
    open_listener(&it);
    check_constant_memory(accept_once, &it, 60, 300, 300 * KEPT);
    free_configs(&it);
}

TEST(connections_that_succeed_keep_nothing)
{
    struct configs it = {client_config(), server_config("good"), NULL};
    check_constant_memory(handshake_once, &it, 30, 200, 200 * KEPT);
    free_configs(&it);
}

TEST(connections_that_fail_keep_nothing)
{
    struct configs it = {client_config(), server_config("untrusted"), NULL};
    check_constant_memory(handshake_once, &it, 30, 200, 200 * KEPT);
    free_configs(&it);
}

static void load_and_fail(void *data)
{
    (void)data;
    bgl_ssl_certificate_list_free(MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("bundle.pem"))));
    CHECK(!bgl_ssl_load_pem(pki("good-then-half.pem")));
    CHECK(!bgl_ssl_load_private_key(pki("good.pem")));
    CHECK(!bgl_ssl_private_key_from_file(pki("good-encrypted.key"), BGL_SSL_FORMAT_AUTO, "wrong"));
    CHECK(!bgl_ssl_load_certificate(pki("half.pem")));
}

/* How a connection that has read much falls idle. */
static void read_without_data(const struct ends *ends)
{
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends->client, 10 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends->client, &byte, 1, &n));
}

static void answer(const struct ends *ends)
{
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(ends->client, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(ends->server, &byte, 1, &n));
}

static void ask_for_pending(const struct ends *ends)
{
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(ends->client));
}

static void do_nothing(const struct ends *ends)
{
    (void)ends;
}

struct idling {
    const char *name;
    bool nonblocking;
    void (*fall_idle)(const struct ends *ends);
};

static const struct idling idlings[] = {
    {"blocking_and_waits", false, read_without_data},
    {"blocking_and_has_answered", false, answer},
    {"blocking_and_has_nothing_pending", false, ask_for_pending},
    {"nonblocking", true, do_nothing},
};

/* OpenSSL's buffers have 17 kB each. Some versions, such as 3.5, keep 1 kB of other things from the first records. */
TEST_TABLE(a_connection_that_has_read_much_holds_no_buffer_when_it_is, idlings)
{
    enum { RECORDS = 30, LENGTH = 1000, LESS_THAN_A_BUFFER = 4000 };
    const struct idling *idling = row;
    struct ends ends;
    char buffer[LENGTH] = {0};
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK(exchange_bytes(&ends));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, idling->nonblocking));
    size_t before = bytes_in_use();
    for (int i = 0; i < RECORDS; i++) {
        CHECK_OK(bgl_ssl_socket_write(ends.server, buffer, LENGTH, &n));
        CHECK_OK(bgl_ssl_socket_read(ends.client, buffer, LENGTH, &n));
        CHECK_INT(LENGTH, (long long)n);
    }
    idling->fall_idle(&ends);
    size_t after = bytes_in_use();
    if (!memory_is_watched() && after > before + LESS_THAN_A_BUFFER)
        FAIL("%zu bytes in use, %zu before", after, before);
    free_ends(&ends);
}

TEST(reading_files_keeps_nothing)
{
    check_constant_memory(load_and_fail, NULL, 10, 100, 100 * KEPT);
}

/* ---- descriptors: the harness compares the count before and after; this also looks in between ---- */

TEST(descriptors_stay_constant_over_a_thousand_connections)
{
    struct configs it = {client_config(), server_config("good"), NULL};
    open_listener(&it);
    int rounds = memory_is_watched() ? 100 : 1000;
    accept_once(&it);
    int before = open_descriptors();
    for (int i = 0; i < rounds; i++)
        accept_once(&it);
    CHECK_INT(before, open_descriptors_at_rest(before));
    free_configs(&it);
}

static void fail_in_many_ways(struct configs *it, const struct silent_port *silent, const bgl_ssl_config_t *hasty,
                              int refusing_port)
{
    int fds[2];
    CHECK(!bgl_ssl_connect(it->client, "127.0.0.1", refusing_port, AF_INET));
    CHECK(!bgl_ssl_connect(hasty, "127.0.0.1", silent->port, AF_INET));
    local_pair(fds);
    CHECK(!bgl_ssl_upgrade_client_fd(it->client, fds[0], "localhost", 1));
    shutdown(fds[1], SHUT_WR);
    CHECK(!bgl_ssl_upgrade_client_fd(it->client, fds[0], "localhost", 0));
    CHECK(!bgl_ssl_upgrade_server_fd(it->server, fds[0], 0));
    close(fds[0]);
    close(fds[1]);
    CHECK(!bgl_ssl_load_certificate(pki("half.pem")));
    CHECK(!bgl_ssl_load_certificate("/tmp"));
    CHECK(!bgl_ssl_listen(it->server, "192.0.2.1", 0, 5, AF_INET)); /* nobody's address here */
    CHECK(!bgl_ssl_connect(it->client, "127.0.0.1", -1, AF_INET));
}

TEST(descriptors_stay_constant_over_failing_connections)
{
    struct configs it = {client_config(), server_config("good"), NULL};
    struct silent_port silent;
    bgl_ssl_config_t *hasty = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(hasty, 2 * MS));
    open_silent_port(&silent, AF_INET, 0);
    int port;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 1, &port);
    close(listener);
    fail_in_many_ways(&it, &silent, hasty, port);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++)
        fail_in_many_ways(&it, &silent, hasty, port);
    CHECK_INT(before, open_descriptors_at_rest(before));
    close_silent_port(&silent);
    bgl_ssl_config_free(hasty);
    free_configs(&it);
}

/* Refused while handshaking over TCP, by either side, the accepted descriptor is closed too. */
TEST(descriptors_stay_constant_over_refused_clients)
{
    struct service service;
    enum { ROUNDS = 100 };
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("untrusted");
    start_service(&service, server, ROUNDS, serve_echo, NULL);
    CHECK(!bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    int before = open_descriptors();
    for (int i = 1; i < ROUNDS; i++)
        CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    join_thread(service.thread);
    CHECK(open_descriptors_at_rest(before) <= before);
    CHECK_INT(ROUNDS, service.refused);
    bgl_ssl_server_free(service.server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
