/* The client's hello as a value, and what a program decides by it before the handshake. */
#include <fcntl.h>

#include "hosts.h"

static bgl_ssl_config_t *lazy(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    return config;
}

/* A client that speaks these protocols, and the hello that the server sees. The server's end is not blocking. */
static bgl_ssl_hello_t *hello_of(struct ends *ends, bgl_ssl_config_t *client)
{
    bgl_ssl_hello_t *hello = NULL;
    bgl_ssl_config_t *server = server_config("good");
    make_ends(ends, client, server, "127.0.0.1");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_hello(ends->server, &hello));
    CHECK(!hello);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends->client));
    CHECK_OK(bgl_ssl_socket_hello(ends->server, &hello));
    return hello;
}

static bool holds(const uint16_t *numbers, size_t count, uint16_t number)
{
    while (count--)
        if (numbers[count] == number)
            return true;
    return false;
}

TEST(hello_tells_what_the_client_wants)
{
    struct ends ends;
    char text[64];
    uint16_t numbers[64];
    static const char *const protocols[] = {"h2", "http/1.1"};
    bgl_ssl_config_t *client = client_of("a.test");
    CHECK_OK(bgl_ssl_config_set_alpn(client, protocols, 2));
    CHECK_OK(bgl_ssl_config_set_groups(client, "P-256"));
    CHECK_OK(bgl_ssl_config_set_cipher_list(client, "ECDHE-RSA-AES128-GCM-SHA256"));
    bgl_ssl_hello_t *hello = hello_of(&ends, client);
    CHECK_INT(6, bgl_ssl_hello_server_name(hello, text, sizeof text));
    CHECK_STRING("a.test", text);
    CHECK_INT(2, bgl_ssl_hello_alpn_count(hello));
    CHECK_INT(2, bgl_ssl_hello_alpn(hello, 0, text, sizeof text));
    CHECK_STRING("h2", text);
    CHECK_INT(8, bgl_ssl_hello_alpn(hello, 1, text, sizeof text));
    CHECK_STRING("http/1.1", text);
    size_t count = bgl_ssl_hello_versions(hello, numbers, COUNT(numbers));
    CHECK(holds(numbers, count, 0x304) && holds(numbers, count, 0x303));
    count = bgl_ssl_hello_ciphers(hello, numbers, COUNT(numbers));
    CHECK(holds(numbers, count, 0x1301) && holds(numbers, count, 0xc02f));
    CHECK_INT(1, bgl_ssl_hello_groups(hello, numbers, COUNT(numbers)));
    CHECK_INT(23, numbers[0]);
    count = bgl_ssl_hello_signature_algorithms(hello, numbers, COUNT(numbers));
    CHECK(holds(numbers, count, 0x403));
    count = bgl_ssl_hello_extensions(hello, numbers, COUNT(numbers));
    CHECK(holds(numbers, count, 0) && holds(numbers, count, 16) && holds(numbers, count, 43));
    /* No more than there is space for. */
    memset(numbers, 0x55, sizeof numbers);
    CHECK_INT(count, bgl_ssl_hello_extensions(hello, numbers, 1));
    CHECK_INT(0x5555, numbers[1]);
    CHECK_INT(count, bgl_ssl_hello_extensions(hello, NULL, 0));
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    free_ends(&ends);
    /* It outlives its socket. */
    CHECK_INT(6, bgl_ssl_hello_server_name(hello, text, sizeof text));
    bgl_ssl_hello_free(hello);
}

TEST(hello_is_there_as_it_came)
{
    struct ends ends;
    unsigned char raw[16384];
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("a.test"));
    size_t length = bgl_ssl_hello_raw(hello, raw, sizeof raw);
    CHECK(length > 40 && length < sizeof raw);
    CHECK_INT(1, raw[0]);
    CHECK_INT((long long)length - 4, raw[1] << 16 | raw[2] << 8 | raw[3]);
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
}

TEST(hello_without_name_or_protocols_says_so)
{
    struct ends ends;
    char text[8] = "x";
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of(NULL));
    CHECK_INT(0, bgl_ssl_hello_server_name(hello, text, sizeof text));
    CHECK_STRING("", text);
    CHECK_INT(0, bgl_ssl_hello_alpn_count(hello));
    CHECK_INT(0, bgl_ssl_hello_alpn(hello, 0, text, sizeof text));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
}

TEST(fingerprint_does_not_depend_on_random_values)
{
    char first[64], second[64], lists[2048];
    struct ends ends;
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("a.test"));
    CHECK_INT(36, bgl_ssl_hello_fingerprint(hello, "ja4", first, sizeof first));
    CHECK(strncmp(first, "t13d", 4) == 0 && first[10] == '_' && first[23] == '_');
    CHECK(bgl_ssl_hello_fingerprint(hello, "ja4_r", lists, sizeof lists) > 36);
    CHECK(strstr(lists, "1301,1302"));
    CHECK_INT(0, bgl_ssl_hello_fingerprint(hello, "ja5", first, sizeof first));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_hello_fingerprint(hello, "ja4", first, sizeof first);
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
    hello = hello_of(&ends, client_of("other.test"));
    bgl_ssl_hello_fingerprint(hello, "ja4", second, sizeof second);
    CHECK_STRING(first, second);
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
}

/* What the system's openssl sends. */
static size_t recorded_hello(unsigned char *buffer, size_t size)
{
    int fds[2];
    local_pair(fds);
    bgl_ssl_config_t *client = lazy(client_of("a.test"));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "127.0.0.1", 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    ssize_t n = read(fds[1], buffer, size);
    CHECK(n > 100);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
    close(fds[0]);
    close(fds[1]);
    return (size_t)n;
}

static bgl_ssl_socket_t *server_over(int fds[2])
{
    bgl_ssl_config_t *config = lazy(server_config("good"));
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(config, fds[0], 0));
    close(fds[0]);
    bgl_ssl_config_free(config);
    return socket;
}

TEST(hello_in_single_bytes_is_found_with_the_last)
{
    unsigned char bytes[16384];
    int fds[2];
    char text[16];
    bgl_ssl_hello_t *hello;
    size_t length = recorded_hello(bytes, sizeof bytes);
    bgl_ssl_socket_t *socket = server_over(fds);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    for (size_t i = 0; i < length; i++) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_hello(socket, &hello));
        write_all(fds[1], bytes + i, 1);
    }
    CHECK_OK(bgl_ssl_socket_hello(socket, &hello));
    CHECK_INT(6, bgl_ssl_hello_server_name(hello, text, sizeof text));
    bgl_ssl_hello_free(hello);
    bgl_ssl_socket_free(socket);
    close(fds[1]);
}

TEST(what_is_no_hello_is_told_at_once)
{
    int fds[2];
    bgl_ssl_hello_t *hello;
    bgl_ssl_socket_t *socket = server_over(fds);
    write_all(fds[1], "GET / HTTP/1.0\r\n\r\n", 18);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_hello(socket, &hello));
    CHECK(!hello);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(socket));
    CHECK_MESSAGE("HTTP");
    bgl_ssl_socket_free(socket);
    close(fds[1]);
}

TEST(waiting_for_a_hello_has_a_limit)
{
    int fds[2];
    bgl_ssl_hello_t *hello;
    bgl_ssl_socket_t *socket = server_over(fds);
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(socket, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_hello(socket, &hello));
    bgl_ssl_socket_free(socket);
    close(fds[1]);
}

TEST(a_client_that_goes_before_its_hello_is_told)
{
    int fds[2];
    bgl_ssl_hello_t *hello;
    bgl_ssl_socket_t *socket = server_over(fds);
    close(fds[1]);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_hello(socket, &hello));
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_handshake(socket));
    bgl_ssl_socket_free(socket);
}

/* ---- decisions ---- */

TEST(program_chooses_the_config_by_the_hello)
{
    struct ends ends;
    char name[16];
    bgl_ssl_config_t *chosen = server_config("host-b");
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("b.test"));
    bgl_ssl_hello_server_name(hello, name, sizeof name);
    CHECK_STRING("b.test", name);
    bgl_ssl_hello_free(hello);
    CHECK_OK(bgl_ssl_socket_set_config(ends.server, chosen));
    bgl_ssl_config_free(chosen);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    check_shown(ends.client, "host-b.pem");
    /* It can be asked for later, too. */
    CHECK_OK(bgl_ssl_socket_hello(ends.server, &hello));
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
}

TEST(config_is_chosen_without_looking_at_the_hello)
{
    struct ends ends;
    bgl_ssl_hello_t *hello;
    bgl_ssl_config_t *client = client_of("a.test"), *server = server_config("good"), *chosen = server_config("good");
    add_host(chosen, "a.test", server_config("host-a"));
    make_ends(&ends, client, server, "127.0.0.1");
    CHECK_OK(bgl_ssl_socket_set_config(ends.server, chosen));
    bgl_ssl_config_free(chosen);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    check_shown(ends.client, "host-a.pem");
    CHECK(bgl_ssl_socket_serves_host(ends.server, "a.test"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "c.test"));
    CHECK_OK(bgl_ssl_socket_hello(ends.server, &hello));
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(program_refuses_a_client_with_an_alert)
{
    struct ends ends;
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("a.test"));
    bgl_ssl_hello_free(hello);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_refuse(ends.server, 256));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_refuse(ends.server, -1));
    CHECK_OK(bgl_ssl_socket_refuse(ends.server, 49));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(ends.server));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_refuse(ends.server, 49));
    bgl_ssl_socket_free(ends.server);
    ends.server = NULL;
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(ends.client));
    CHECK_INT(49, last_error().alert);
    free_ends(&ends);
}

static void check_too_late(const bgl_ssl_socket_t *socket, const bgl_ssl_config_t *config)
{
    bgl_ssl_hello_t *hello;
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_hello(socket, &hello));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_set_config(socket, config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_refuse(socket, 49));
}

TEST(after_the_handshake_it_is_too_late)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    connect_ends(&ends, client, server, "localhost");
    check_too_late(ends.server, server);
    check_too_late(ends.client, server);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(on_a_closed_socket_it_is_too_late)
{
    int fds[2];
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_socket_t *socket = server_over(fds);
    bgl_ssl_socket_close(socket);
    check_too_late(socket, server);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(server);
    close(fds[1]);
}

TEST(config_that_cannot_serve_is_refused_and_the_old_one_stays)
{
    struct ends ends;
    bgl_ssl_config_t *empty = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_config_t *datagrams = of_version(&versions[2], server_config("good"));
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("a.test"));
    bgl_ssl_hello_free(hello);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_socket_set_config(ends.server, empty));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_config(ends.server, datagrams));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_config(ends.server, NULL));
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    check_shown(ends.client, "good.pem");
    free_ends(&ends);
    bgl_ssl_config_free(empty);
    bgl_ssl_config_free(datagrams);
}

TEST(null_hellos_are_refused)
{
    struct ends ends;
    char text[8];
    uint16_t number;
    bgl_ssl_hello_t *hello = hello_of(&ends, client_of("a.test")), *other;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_hello(NULL, &other));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_hello(ends.server, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_config(NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_refuse(NULL, 0));
    CHECK_INT(0, bgl_ssl_hello_server_name(NULL, text, sizeof text));
    CHECK_INT(0, bgl_ssl_hello_alpn_count(NULL));
    CHECK_INT(0, bgl_ssl_hello_alpn(NULL, 0, text, sizeof text));
    CHECK_INT(0, bgl_ssl_hello_versions(NULL, &number, 1));
    CHECK_INT(0, bgl_ssl_hello_ciphers(NULL, &number, 1));
    CHECK_INT(0, bgl_ssl_hello_groups(NULL, &number, 1));
    CHECK_INT(0, bgl_ssl_hello_signature_algorithms(NULL, &number, 1));
    CHECK_INT(0, bgl_ssl_hello_extensions(NULL, &number, 1));
    CHECK_INT(0, bgl_ssl_hello_extensions(hello, NULL, 1));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, bgl_ssl_hello_fingerprint(NULL, "ja4", text, sizeof text));
    CHECK_INT(0, bgl_ssl_hello_fingerprint(hello, NULL, text, sizeof text));
    CHECK_INT(0, bgl_ssl_hello_raw(NULL, text, sizeof text));
    bgl_ssl_hello_free(NULL);
    bgl_ssl_hello_free(hello);
    free_ends(&ends);
}

/* ---- over datagrams ---- */

struct client_thread {
    int port;
    bgl_ssl_config_t *config;
    bgl_ssl_status_t status;
    bgl_ssl_error_t error;
    bool saw_host_b;
};

static void *run_client(void *data)
{
    struct client_thread *client_thread = data;
    bgl_ssl_socket_t *socket = bgl_ssl_connect(client_thread->config, "127.0.0.1", client_thread->port, AF_INET);
    client_thread->status = socket ? BGL_SSL_OK : last_error().code;
    client_thread->error = last_error();
    if (socket) {
        bgl_ssl_certificate_t *shown = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(socket));
        client_thread->saw_host_b = is_certificate(shown, "host-b.pem");
        bgl_ssl_certificate_free(shown);
        check_echo(socket, "over datagrams");
        finish(socket);
    }
    return NULL;
}

struct decision {
    const char *name;
    int alert;
};

static const struct decision decisions[] = {{"chosen", 0}, {"refused", 49}};

TEST_TABLE(client_over_datagrams_is, decisions)
{
    const struct decision *decision = row;
    struct client_thread client_thread = {.config = of_version(&versions[2], client_of("b.test"))};
    char text[64];
    bgl_ssl_hello_t *hello;
    bgl_ssl_socket_t *socket;
    bgl_ssl_config_t *config = lazy(of_version(&versions[2], server_config("good")));
    bgl_ssl_config_t *chosen = of_version(&versions[2], server_config("host-b"));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 4, AF_INET));
    client_thread.port = bgl_ssl_server_port(server);
    pthread_t thread = start_thread(run_client, &client_thread);
    CHECK_OK(bgl_ssl_server_accept(server, 20 * SECOND, &socket));
    CHECK_OK(bgl_ssl_socket_hello(socket, &hello));
    bgl_ssl_hello_server_name(hello, text, sizeof text);
    CHECK_STRING("b.test", text);
    CHECK(bgl_ssl_hello_fingerprint(hello, "ja4", text, sizeof text) == 36);
    CHECK(text[0] == 'd');
    bgl_ssl_hello_free(hello);
    if (decision->alert) {
        CHECK_OK(bgl_ssl_socket_refuse(socket, decision->alert));
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    } else {
        CHECK_OK(bgl_ssl_socket_set_config(socket, chosen));
        serve_echo(socket, NULL);
        finish(socket);
    }
    join_thread(thread);
    if (decision->alert) {
        CHECK_INT(BGL_SSL_E_PROTOCOL, client_thread.status);
        CHECK_INT(decision->alert, client_thread.error.alert);
    } else
        CHECK(client_thread.saw_host_b);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(chosen);
    bgl_ssl_config_free(client_thread.config);
}
