/* Blocking sockets over real TCP, at ports that the kernel chooses: connect, accept, addresses, deadlines. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <netinet/tcp.h>

/* Deadlines are kept from both sides: not before, and not much after, whatever the machine's load. */
static void check_deadline(int64_t began, int64_t deadline)
{
    int64_t took = now_us() - began;
    if (took < deadline - 5 * MS)
        FAIL("gave up after %lld us, before the deadline of %lld us", (long long)took, (long long)deadline);
    if (took > deadline + 5 * SECOND * slowness())
        FAIL("gave up only after %lld us, long after the deadline of %lld us", (long long)took, (long long)deadline);
}

struct host {
    const char *name;
    const char *host;
    const char *listen;
    int family;
};

static const struct host hosts[] = {
    {"ipv4", "127.0.0.1", "127.0.0.1", AF_INET},
    {"ipv6", "::1", "::1", AF_INET6},
    {"name", "localhost", "127.0.0.1", AF_INET},
    {"unspec_ipv4", "127.0.0.1", "127.0.0.1", AF_UNSPEC},
    {"unspec_ipv6", "::1", "::1", AF_UNSPEC},
    {"unspec_name", "localhost", "127.0.0.1", AF_UNSPEC},
};

struct one_accept {
    bgl_ssl_server_t *server;
    bgl_ssl_socket_t *socket;
    bgl_ssl_status_t status;
    bgl_ssl_error_t error;
    int64_t timeout;
};

static void *accept_once(void *data)
{
    struct one_accept *it = data;
    it->status = bgl_ssl_server_accept(it->server, it->timeout, &it->socket);
    it->error = last_error();
    return NULL;
}

TEST_TABLE(connects_and_talks_by, hosts)
{
    const struct host *it = row;
    bgl_ssl_config_t *client_settings = client_config();
    bgl_ssl_config_t *server_settings = server_config("good");
    int listen_family = strchr(it->listen, ':') ? AF_INET6 : AF_INET;
    bgl_ssl_server_t *server = bgl_ssl_listen(server_settings, it->listen, 0, 5, listen_family);
    if (!server && listen_family == AF_INET6)
        skip_test("IPv6 on the loopback");
    struct one_accept accept = {MADE(bgl_ssl_server_t, server), NULL, 0, last_error(), 20 * SECOND};
    pthread_t thread = start_thread(accept_once, &accept);
    bgl_ssl_socket_t *client = MADE(
        bgl_ssl_socket_t, bgl_ssl_connect(client_settings, it->host, bgl_ssl_server_port(server), it->family));
    join_thread(thread);
    CHECK_OK(accept.status);
    char byte;
    size_t n;
    send_bytes(client, "a", 1);
    CHECK_OK(bgl_ssl_socket_read(accept.socket, &byte, 1, &n));
    CHECK_INT('a', byte);

    char address[64], other[64];
    int port = -1, other_port = -1;
    CHECK(bgl_ssl_socket_peer_address(client, address, sizeof address, &port) > 0);
    CHECK_STRING(it->listen, address);
    CHECK_INT(bgl_ssl_server_port(server), port);
    CHECK_INT((long long)strlen(it->listen),
              (long long)bgl_ssl_socket_local_address(client, address, sizeof address, &port));
    bgl_ssl_socket_peer_address(accept.socket, other, sizeof other, &other_port);
    CHECK_STRING(address, other);
    CHECK_INT(port, other_port);
    bgl_ssl_socket_local_address(accept.socket, other, sizeof other, &other_port);
    CHECK_INT(bgl_ssl_server_port(server), other_port);
    bgl_ssl_server_local_address(server, other, sizeof other, &other_port);
    CHECK_STRING(it->listen, other);
    CHECK_INT(bgl_ssl_server_port(server), other_port);
    bgl_ssl_socket_peer_address(client, other, 3, NULL);
    CHECK_INT(2, (long long)strlen(other));

    finish(client);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(accept.socket, &byte, 1, &n));
    finish(accept.socket);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(client_settings);
    bgl_ssl_config_free(server_settings);
}

TEST(a_listener_without_a_name_is_reached)
{
    bgl_ssl_config_t *client_settings = client_config();
    bgl_ssl_config_t *server_settings = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(server_settings, NULL, 0, 5, AF_INET));
    struct one_accept accept = {server, NULL, 0, last_error(), 20 * SECOND};
    pthread_t thread = start_thread(accept_once, &accept);
    bgl_ssl_socket_t *client = MADE(
        bgl_ssl_socket_t, bgl_ssl_connect(client_settings, "127.0.0.1", bgl_ssl_server_port(server), AF_INET));
    join_thread(thread);
    CHECK_OK(accept.status);
    finish(client);
    finish(accept.socket);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(client_settings);
    bgl_ssl_config_free(server_settings);
}

TEST(protocol_cipher_and_descriptor_are_told)
{
    struct ends ends;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_STRING("TLSv1.3", bgl_ssl_socket_protocol(ends.client));
    CHECK_STRING("TLSv1.3", bgl_ssl_socket_protocol(ends.server));
    CHECK_STRING(bgl_ssl_socket_cipher(ends.client), bgl_ssl_socket_cipher(ends.server));
    CHECK(strncmp(bgl_ssl_socket_cipher(ends.client), "TLS_", 4) == 0);
    CHECK(bgl_ssl_socket_fd(ends.client) >= 0);
    CHECK((fcntl(bgl_ssl_socket_fd(ends.client), F_GETFD) & FD_CLOEXEC) != 0);
    free_ends(&ends);
}

TEST(descriptors_do_not_leak_into_executed_programs)
{
    struct client_and_service both;
    connect_to_service(&both, client_config(), server_config("good"), serve_echo, NULL);
    CHECK((fcntl(bgl_ssl_server_fd(both.service.server), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(bgl_ssl_socket_fd(both.socket), F_GETFD) & FD_CLOEXEC) != 0);
    end_client_and_service(&both);
}

TEST(socketp_knows_sockets_and_servers_from_other_things)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    bgl_ssl_server_t *listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
    CHECK(bgl_ssl_socketp(ends.client));
    CHECK(bgl_ssl_socketp(ends.server));
    CHECK(bgl_ssl_socketp(listener));
    CHECK(!bgl_ssl_socketp(NULL));
    CHECK(!bgl_ssl_socketp(client));
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK(!bgl_ssl_socketp(cert));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_t *key = private_key("good.key");
    CHECK(!bgl_ssl_socketp(key));
    bgl_ssl_private_key_free(key);
    free_ends(&ends);
    bgl_ssl_server_free(listener);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- upgrade of an open descriptor ---- */

struct upgrade {
    const bgl_ssl_config_t *config;
    int fd;
};

static void *upgrade_and_echo(void *data)
{
    struct upgrade *it = data;
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(it->config, it->fd, 0));
    serve_echo(socket, NULL);
    finish(socket);
    return NULL;
}

TEST(upgrade_after_plaintext_works_on_both_sides)
{
    int fds[2];
    char line[16];
    bgl_ssl_config_t *client_settings = client_config();
    bgl_ssl_config_t *server_settings = server_config("good");
    tcp_pair(fds);
    write_all(fds[0], "STARTTLS\n", 9);
    CHECK_INT(9, (long long)read(fds[1], line, sizeof line));
    struct upgrade upgrade = {server_settings, fds[1]};
    pthread_t thread = start_thread(upgrade_and_echo, &upgrade);
    bgl_ssl_socket_t *client =
        MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client_settings, fds[0], "localhost", 0));
    check_echo(client, "after the upgrade");
    finish(client);
    join_thread(thread);
    /* The descriptors are still the caller's. */
    CHECK(fcntl(fds[0], F_GETFD) >= 0);
    CHECK(fcntl(fds[1], F_GETFD) >= 0);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client_settings);
    bgl_ssl_config_free(server_settings);
}

TEST(buffered_plaintext_is_an_error_and_leaves_the_descriptor_alone)
{
    int fds[2];
    char text[8];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    tcp_pair(fds);
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 1));
    CHECK_MESSAGE("plaintext");
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_server_fd(server, fds[1], SIZE_MAX));
    write_all(fds[0], "plain", 5);
    CHECK_INT(5, (long long)read(fds[1], text, sizeof text));
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* The other half of CVE-2011-0411: a command sent together with STARTTLS lies in the kernel's buffer, not in the
 * caller's; it must not be read as a plain byte by anyone. */
TEST(plaintext_before_the_handshake_never_comes_out_as_data)
{
    int fds[2];
    bgl_ssl_config_t *server = server_config("good");
    tcp_pair(fds);
    write_all(fds[0], "RCPT TO:<evil>\r\n", 16);
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(server);
}

TEST(a_failed_upgrade_leaves_the_callers_descriptor_open)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    tcp_pair(fds);
    write_all(fds[1], "220 not TLS\r\n", 13);
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    CHECK(fcntl(fds[0], F_GETFD) >= 0);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

/* ---- hosts play with O_NONBLOCK; it must not matter ---- */

static void *toggle_and_write(void *data)
{
    struct ends *ends = data;
    for (int i = 0; i < 20; i++)
        fcntl(bgl_ssl_socket_fd(ends->server), F_SETFL, i % 2 ? 0 : O_NONBLOCK);
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(ends->client, "x", 1, &n));
    return NULL;
}

TEST(o_nonblock_set_by_the_host_changes_nothing)
{
    struct ends ends;
    char byte;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    /* Blocking although the descriptor is non-blocking … */
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, false));
    fcntl(bgl_ssl_socket_fd(ends.server), F_SETFL, O_NONBLOCK);
    pthread_t thread = start_thread(toggle_and_write, &ends);
    CHECK_OK(bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    join_thread(thread);
    /* … and non-blocking although the descriptor blocks. */
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, true));
    fcntl(bgl_ssl_socket_fd(ends.server), F_SETFL, 0);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    free_ends(&ends);
}

static void *write_a_little_later(void *data)
{
    const struct ends *ends = data;
    usleep(200000);
    send_bytes(ends->client, "x", 1);
    return NULL;
}

TEST(a_time_limit_that_the_host_sets_on_the_descriptor_changes_nothing)
{
    struct ends ends;
    char byte;
    const struct timeval limit = {.tv_usec = 20000};
    connect_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_INT(0, setsockopt(bgl_ssl_socket_fd(ends.server), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    pthread_t thread = start_thread(write_a_little_later, &ends);
    receive_bytes(ends.server, &byte, 1);
    join_thread(thread);
    free_ends(&ends);
}

/* ---- failing to connect ---- */

TEST(a_refused_connection_says_so_with_host_and_port)
{
    char port_text[16];
    int port = 0;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 1, &port);
    close(listener);
    bgl_ssl_config_t *config = client_config();
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(config, "127.0.0.1", port, AF_INET));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    snprintf(port_text, sizeof port_text, "%d", port);
    CHECK_MESSAGE("127.0.0.1");
    CHECK_MESSAGE(port_text);
    CHECK_MESSAGE("refused");
    bgl_ssl_config_free(config);
}

TEST(a_port_that_never_answers_costs_no_more_than_the_deadline)
{
    struct silent_port silent;
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 400 * MS));
    open_silent_port(&silent, AF_INET, 0);
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(config, "127.0.0.1", silent.port, AF_INET));
    check_deadline(began, 400 * MS);
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    CHECK_MESSAGE("127.0.0.1");
    close_silent_port(&silent);
    bgl_ssl_config_free(config);
}

TEST(the_connect_deadline_is_not_one_of_the_descriptor)
{
    struct service service;
    struct timeval left;
    socklen_t size = sizeof left;
    bgl_ssl_config_t *server = server_config("good"), *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 20 * SECOND));
    start_service(&service, server, 1, serve_nothing, NULL);
    bgl_ssl_socket_t *socket = connect_to(config, service.port);
    CHECK_INT(0, getsockopt(bgl_ssl_socket_fd(socket), SOL_SOCKET, SO_SNDTIMEO, &left, &size));
    CHECK_INT(0, left.tv_sec + left.tv_usec);
    bgl_ssl_socket_free(socket);
    end_service(&service);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(config);
}

TEST(the_connect_deadline_covers_the_handshake)
{
    int port = 0;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 400 * MS));
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(config, "127.0.0.1", port, AF_INET));
    check_deadline(began, 400 * MS);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    close(listener);
    bgl_ssl_config_free(config);
}

TEST(the_handshake_deadline_holds_where_the_connect_deadline_is_longer)
{
    int port = 0;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 300 * MS));
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(config, "127.0.0.1", port, AF_INET));
    check_deadline(began, 300 * MS);
    close(listener);
    bgl_ssl_config_free(config);
}

TEST(an_unknown_host_is_a_resolve_error_within_the_deadline)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 3 * SECOND));
    int64_t began = now_us();
    CHECK(!bgl_ssl_connect(config, "no-such-host.invalid", 443, AF_UNSPEC));
    /* Where no name server answers, the deadline ends the search. */
    CHECK(last_error().code == BGL_SSL_E_RESOLVE || last_error().code == BGL_SSL_E_TIMEOUT);
    CHECK_MESSAGE("no-such-host.invalid");
    CHECK(now_us() - began < 8 * SECOND * slowness());
    bgl_ssl_config_free(config);
}

TEST(an_ipv4_address_asked_for_as_ipv6_is_a_resolve_error)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_REFUSED(BGL_SSL_E_RESOLVE, bgl_ssl_connect(config, "127.0.0.1", 443, AF_INET6));
    bgl_ssl_config_free(config);
}

TEST(a_port_in_use_cannot_be_listened_on)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    CHECK_REFUSED(BGL_SSL_E_IO,
                  bgl_ssl_listen(config, "127.0.0.1", bgl_ssl_server_port(server), 5, AF_INET));
    CHECK_INT(EADDRINUSE, last_error().sys_errno);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(a_port_can_be_listened_on_again_right_after_its_connections)
{
    struct service service;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *config = server_config("good");
    start_service(&service, config, 1, serve_nothing, NULL);
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    int port = service.port;
    end_service(&service);
    finish(socket);
    bgl_ssl_server_free(MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", port, 5, AF_INET)));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
}

static const struct protocol {
    const char *name;
    int number;
} protocols[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}, {"dtls", BGLSSL_DTLSV1}};

/* One may listen first; each client is then refused with what is missing, and told so. */
TEST_TABLE(a_server_without_a_certificate_says_so_to_both_sides, protocols)
{
    enum { HANDSHAKE_FAILURE = 40 };
    struct service service;
    int protocol = ((const struct protocol *)row)->number;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_protocol(client, protocol));
    CHECK_OK(bgl_ssl_config_set_protocol(config, protocol == BGLSSL_DTLSV1 ? protocol : BGLSSL_SSLV23));
    start_service(&service, config, 1, serve_nothing, NULL);
    CHECK(!bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    CHECK_INT(BGL_SSL_E_PROTOCOL, last_error().code);
    CHECK_INT(HANDSHAKE_FAILURE, last_error().alert);
    end_service(&service);
    CHECK_INT(1, service.refused);
    if (!strstr(service.last_refusal.message, "needs a certificate"))
        FAIL("the message does not speak of a certificate: %s", service.last_refusal.message);
    CHECK_INT(BGL_SSL_E_CONFIG, service.last_refusal.code);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, service.last_refusal.phase);
    if (!strstr(service.last_refusal.message, "127.0.0.1:"))
        FAIL("the message does not name the client: %s", service.last_refusal.message);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
}

/* ---- deadlines of a server ---- */

TEST(accept_waits_no_longer_than_its_deadline)
{
    bgl_ssl_socket_t *socket = (void *)&socket;
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_server_accept(server, 200 * MS, &socket));
    check_deadline(began, 200 * MS);
    CHECK_INT(BGL_SSL_PHASE_ACCEPT, last_error().phase);
    CHECK(socket == NULL);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(accept_without_waiting_says_that_nobody_is_there)
{
    bgl_ssl_socket_t *socket = NULL;
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(server, BGL_SSL_NO_WAIT, &socket));
    CHECK(now_us() - began < 5 * SECOND);
    CHECK(socket == NULL);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(a_client_that_says_nothing_does_not_hold_the_server)
{
    struct service service;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 300 * MS));
    start_service(&service, config, 2, serve_echo, NULL);
    int mute = plain_connect(service.port);
    int64_t began = now_us();
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    check_echo(socket, "I talk");
    check_deadline(began, 0);
    finish(socket);
    end_service(&service);
    CHECK_INT(1, service.refused);
    CHECK_INT(BGL_SSL_E_TIMEOUT, service.last_refusal.code);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, service.last_refusal.phase);
    close(mute);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
}

TEST(a_lazy_accept_never_waits_for_its_client)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 200 * MS));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    int mute = plain_connect(bgl_ssl_server_port(server));
    bgl_ssl_socket_t *socket = NULL;
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(socket, &byte, 1, &n));
    check_deadline(began, 200 * MS);
    bgl_ssl_socket_free(socket);
    bgl_ssl_server_free(server);
    close(mute);
    bgl_ssl_config_free(config);
}

TEST(a_lazy_client_connects_before_the_handshake)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    connect_to_service(&both, client, server_config("good"), serve_echo, NULL);
    CHECK(bgl_ssl_socket_protocol(both.socket) == NULL);
    CHECK_OK(bgl_ssl_socket_handshake(both.socket));
    CHECK(bgl_ssl_socket_protocol(both.socket) != NULL);
    CHECK_OK(bgl_ssl_socket_handshake(both.socket));
    check_echo(both.socket, "lazy");
    end_client_and_service(&both);
}

/* ---- deadlines of reads and writes ---- */

TEST(a_read_waits_no_longer_than_its_deadline_and_can_be_tried_again)
{
    struct ends ends;
    char byte;
    size_t n = 4711;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.server, 150 * MS));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    check_deadline(began, 150 * MS);
    CHECK_INT(0, (long long)n);
    CHECK_INT(BGL_SSL_PHASE_READ, last_error().phase);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(the_read_deadline_of_the_config_holds)
{
    struct client_and_service both;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_read_timeout(client, 150 * MS));
    connect_to_service(&both, client, server_config("good"), serve_echo, NULL);
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(both.socket, &byte, 1, &n));
    check_deadline(began, 150 * MS);
    check_echo(both.socket, "still there");
    end_client_and_service(&both);
}

TEST(a_write_waits_no_longer_than_its_deadline_and_tells_what_it_took)
{
    struct ends ends;
    static char data[1 << 20];
    size_t n = 4711, got = 0;
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    tiny_pair(fds);
    make_ends_over(&ends, client, server, "localhost", fds);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, false));
    CHECK_OK(bgl_ssl_socket_set_write_timeout(ends.client, 150 * MS));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_write(ends.client, data, sizeof data, &n));
    check_deadline(began, 150 * MS);
    CHECK_INT(BGL_SSL_PHASE_WRITE, last_error().phase);
    CHECK(n < sizeof data);
    size_t taken = n;
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read(ends.server, data, sizeof data, &n)) == BGL_SSL_OK)
        got += n;
    CHECK_STATUS(BGL_SSL_WANT_READ, status);
    CHECK(got <= taken);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_blocking_write_takes_all)
{
    struct client_and_service both;
    enum { LENGTH = 3000000 };
    char *data = malloc(LENGTH), *back = malloc(LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        data[i] = (char)(i * 7 + i / 1000);
    connect_to_service(&both, client_config(), server_config("good"), serve_echo, NULL);
    for (size_t at = 0; at < LENGTH; at += 100000) {
        send_bytes(both.socket, data + at, 100000);
        receive_bytes(both.socket, back + at, 100000);
    }
    CHECK(memcmp(data, back, LENGTH) == 0);
    end_client_and_service(&both);
    free(data);
    free(back);
}
