/* Peers that speak no TLS, speak it slowly, or do not speak at all. */
#define _GNU_SOURCE
#include "harness.h"

#include <poll.h>

struct speech {
    const char *name;
    const char *text;
    size_t length;
    bgl_ssl_status_t expected;
    const char *message;
};

#define SAYS(text) text, sizeof(text) - 1

static const struct speech speeches[] = {
    {"http_request", SAYS("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), BGL_SSL_E_PROTOCOL, "HTTP"},
    {"http_post", SAYS("POST /form HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), BGL_SSL_E_PROTOCOL, "HTTP"},
    {"http_patch", SAYS("PATCH /form HTTP/1.1\r\nHost: localhost\r\n\r\n"), BGL_SSL_E_PROTOCOL, "HTTP"},
    {"http_2", SAYS("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), BGL_SSL_E_PROTOCOL, "HTTP"},
    {"http_response", SAYS("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), BGL_SSL_E_PROTOCOL, "HTTP"},
    {"ssh_banner", SAYS("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), BGL_SSL_E_PROTOCOL, ""},
    {"smtp_greeting", SAYS("220 mail.example.test ESMTP ready\r\n"), BGL_SSL_E_PROTOCOL, ""},
    {"zeros", SAYS("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), BGL_SSL_E_PROTOCOL, ""},
    {"garbage", SAYS("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4"), BGL_SSL_E_PROTOCOL, ""},
    {"record_of_an_unknown_kind", SAYS("\x63\x03\x03\x00\x05hello"), BGL_SSL_E_PROTOCOL, ""},
    {"record_that_is_too_long", SAYS("\x16\x03\x03\xff\xffhello"), BGL_SSL_E_PROTOCOL, ""},
    {"fatal_alert", SAYS("\x15\x03\x03\x00\x02\x02\x28"), BGL_SSL_E_PROTOCOL, ""},
};

/* A server that gets an alert before any ClientHello need not take it for one. */
static void check_speech(const struct speech *it, bool alerts_count)
{
    CHECK_MESSAGE(it->message);
    bgl_ssl_error_t error = last_error();
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, error.phase);
    CHECK(strlen(error.message) > 10);
    if (strcmp(it->name, "fatal_alert") == 0)
        CHECK(!alerts_count || error.alert == 40);
    else
        CHECK_INT(-1, error.alert);
}

TEST_TABLE(client_meets, speeches)
{
    const struct speech *it = row;
    int fds[2];
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 0)); /* the peer stays: nothing is gained by waiting for it */
    tcp_pair(fds);
    write_all(fds[1], it->text, it->length);
    CHECK_REFUSED(it->expected, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    check_speech(it, true);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(config);
}

TEST_TABLE(server_meets, speeches)
{
    const struct speech *it = row;
    int fds[2];
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_close_timeout(config, 0));
    tcp_pair(fds);
    write_all(fds[1], it->text, it->length);
    CHECK_REFUSED(it->expected, bgl_ssl_upgrade_server_fd(config, fds[0], 0));
    check_speech(it, false);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(config);
}

TEST(a_plaintext_client_does_not_stop_the_server)
{
    struct service service;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 2, serve_echo, NULL);
    int plain = plain_connect(service.port);
    write_all(plain, "GET / HTTP/1.0\r\n\r\n", 18);
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    check_echo(socket, "I speak TLS");
    finish(socket);
    end_service(&service);
    CHECK_INT(1, service.refused);
    CHECK_INT(BGL_SSL_E_PROTOCOL, service.last_refusal.code);
    close(plain);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_peer_that_hangs_up_at_once_is_truncation)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    local_pair(fds);
    shutdown(fds[1], SHUT_WR);
    CHECK_REFUSED(BGL_SSL_E_TRUNCATED, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    close(fds[0]);
    close(fds[1]);
    local_pair(fds);
    shutdown(fds[1], SHUT_WR);
    CHECK_REFUSED(BGL_SSL_E_TRUNCATED, bgl_ssl_upgrade_server_fd(server, fds[0], 0));
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_peer_that_has_reset_already_is_an_io_error)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    tcp_pair(fds);
    reset_on_close(fds[1]);
    close(fds[1]);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    CHECK_INT(ECONNRESET, last_error().sys_errno);
    close(fds[0]);
    bgl_ssl_config_free(client);
}

TEST(a_peer_that_resets_in_the_handshake_is_an_io_error)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    tcp_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    reset_on_close(fds[1]);
    close(fds[1]);
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_handshake(socket));
    CHECK_INT(ECONNRESET, last_error().sys_errno);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    bgl_ssl_socket_free(socket);
    close(fds[0]);
    bgl_ssl_config_free(client);
}

/* ---- a byte now and then ---- */

struct dripping {
    int from;
    int to;
    useconds_t pause;
    bool stop;
};

/* Hands on what comes from one descriptor to the other, a byte at a time. */
static void *relay_slowly(void *data)
{
    struct dripping *it = data;
    char byte;
    while (!__atomic_load_n(&it->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd wait = {it->from, POLLIN, 0};
        if (poll(&wait, 1, 50) != 1)
            continue;
        if (read(it->from, &byte, 1) != 1 || send(it->to, &byte, 1, MSG_NOSIGNAL) != 1)
            break;
        usleep(it->pause);
    }
    return NULL;
}

/* Every byte restarts a naive time limit; a deadline it does not. */
TEST(a_peer_that_sends_a_byte_now_and_then_does_not_move_the_deadline)
{
    int client_fds[2], feeder[2];
    char hello[5 + 512];
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(client, 600 * MS));
    tcp_pair(client_fds);
    local_pair(feeder);
    /* The start of a long record: never enough of it. */
    memset(hello, 0, sizeof hello);
    memcpy(hello, "\x16\x03\x03\x20\x00", 5);
    write_all(feeder[1], hello, sizeof hello);
    struct dripping dripping = {feeder[0], client_fds[1], 50000, false};
    pthread_t thread = start_thread(relay_slowly, &dripping);
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_upgrade_client_fd(client, client_fds[0], "localhost", 0));
    int64_t took = now_us() - began;
    CHECK(took > 590 * MS);
    CHECK(took < 5 * SECOND * slowness());
    __atomic_store_n(&dripping.stop, true, __ATOMIC_RELEASE);
    join_thread(thread);
    for (int i = 0; i < 2; i++) {
        close(client_fds[i]);
        close(feeder[i]);
    }
    bgl_ssl_config_free(client);
}

struct upgrading {
    const bgl_ssl_config_t *config;
    int fd;
};

static void *upgrade_and_echo(void *data)
{
    struct upgrading *it = data;
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(it->config, it->fd, 0));
    serve_echo(socket, NULL);
    finish(socket);
    return NULL;
}

/* Slow is not wrong: byte by byte, everything works. */
TEST(a_connection_that_passes_single_bytes_works)
{
    int client_fds[2], server_fds[2];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    local_pair(client_fds);
    local_pair(server_fds);
    struct dripping to_server = {client_fds[1], server_fds[1], 0, false};
    struct dripping to_client = {server_fds[1], client_fds[1], 0, false};
    struct upgrading upgrading = {server, server_fds[0]};
    pthread_t threads[] = {start_thread(relay_slowly, &to_server), start_thread(relay_slowly, &to_client),
                           start_thread(upgrade_and_echo, &upgrading)};
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, client_fds[0], "localhost", 0));
    check_echo(socket, "byte by byte");
    finish(socket);
    join_thread(threads[2]);
    __atomic_store_n(&to_server.stop, true, __ATOMIC_RELEASE);
    __atomic_store_n(&to_client.stop, true, __ATOMIC_RELEASE);
    join_thread(threads[0]);
    join_thread(threads[1]);
    for (int i = 0; i < 2; i++) {
        close(client_fds[i]);
        close(server_fds[i]);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
