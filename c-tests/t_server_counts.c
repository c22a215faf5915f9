/* What a server counts of its clients. */
#define _GNU_SOURCE
#include <arpa/inet.h>

#include "hosts.h"

static bgl_ssl_server_info_t info_of(const bgl_ssl_server_t *server)
{
    bgl_ssl_server_info_t info = {.size = sizeof info};
    CHECK_OK(bgl_ssl_server_info(server, &info));
    CHECK_INT(sizeof info, info.size);
    return info;
}

/* Each client that is not in the middle of its handshake is counted once. */
static void check_sum(const bgl_ssl_server_info_t *info)
{
    CHECK_INT((long long)info->accepted,
              (long long)(info->handshakes + info->refused + info->failed_protocol + info->failed_verify +
                          info->failed_timeout + info->failed_io + info->failed_other + info->abandoned));
}

static bgl_ssl_server_t *listen_with(const bgl_ssl_config_t *config)
{
    return MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 8, AF_INET));
}

/* A client in a thread, and what becomes of it. */
struct client {
    const bgl_ssl_config_t *config;
    bgl_ssl_session_t *session;
    int port;
    bgl_ssl_status_t status;
};

static void *run_client(void *data)
{
    struct client *client = data;
    char byte;
    size_t n;
    bgl_ssl_socket_t *socket =
        bgl_ssl_connect_resume(client->config, "localhost", client->port, AF_INET, client->session);
    client->status = socket ? BGL_SSL_OK : last_error().code;
    if (socket) {
        bgl_ssl_socket_read(socket, &byte, 1, &n);
        bgl_ssl_session_free(client->session);
        client->session = bgl_ssl_socket_session(socket);
    }
    bgl_ssl_socket_free(socket);
    return NULL;
}

/* One accept for one client of this config. */
static bgl_ssl_status_t serve_one_client(const bgl_ssl_server_t *server, struct client *client)
{
    bgl_ssl_socket_t *socket = NULL;
    client->port = bgl_ssl_server_port(server);
    pthread_t thread = start_thread(run_client, client);
    bgl_ssl_status_t status = bgl_ssl_server_accept(server, 10 * SECOND, &socket);
    if (socket)
        send_bytes(socket, "x", 1);
    bgl_ssl_socket_free(socket);
    join_thread(thread);
    return status;
}

struct row {
    const char *name;
    int protocol;
};

static const struct row rows[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}, {"dtls", BGLSSL_DTLSV1}};

TEST_TABLE(handshakes_and_resumed_ones_are_counted_with, rows)
{
    const struct row *it = row;
    bgl_ssl_config_t *config = server_config("good"), *with = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(config, it->protocol));
    CHECK_OK(bgl_ssl_config_set_protocol(with, it->protocol));
    bgl_ssl_server_t *server = listen_with(config);
    struct client client = {.config = with};
    bgl_ssl_server_info_t info = info_of(server);
    CHECK_INT(0, (long long)(info.accepted | info.handshakes | info.open));
    CHECK_OK(serve_one_client(server, &client));
    CHECK_OK(serve_one_client(server, &client));
    info = info_of(server);
    CHECK_INT(2, (long long)info.accepted);
    CHECK_INT(2, (long long)info.handshakes);
    CHECK_INT(1, (long long)info.resumed);
    CHECK_INT(0, (long long)info.open);
    check_sum(&info);
    bgl_ssl_session_free(client.session);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(with);
}

TEST(an_open_connection_is_counted_until_it_is_freed)
{
    bgl_ssl_config_t *config = server_config("good"), *with = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_server_t *server = listen_with(config);
    int fd = plain_connect(bgl_ssl_server_port(server));
    bgl_ssl_socket_t *socket = NULL;
    CHECK_OK(bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    bgl_ssl_server_info_t info = info_of(server);
    CHECK_INT(1, (long long)info.accepted);
    CHECK_INT(1, (long long)info.open);
    CHECK_INT(0, (long long)info.abandoned);
    bgl_ssl_socket_free(socket);
    info = info_of(server);
    CHECK_INT(0, (long long)info.open);
    CHECK_INT(1, (long long)info.abandoned);
    check_sum(&info);
    close(fd);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(with);
}

TEST(an_open_connection_is_counted_until_it_is_closed)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_server_t *server = listen_with(config);
    int fd = plain_connect(bgl_ssl_server_port(server));
    bgl_ssl_socket_t *socket = NULL;
    CHECK_OK(bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    CHECK_INT(1, (long long)info_of(server).open);
    bgl_ssl_socket_close(socket);
    CHECK_INT(0, (long long)info_of(server).open);
    bgl_ssl_socket_free(socket);
    CHECK_INT(0, (long long)info_of(server).open);
    close(fd);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

/* What a client does that is no client of TLS, and under what the server counts it. */
struct failure {
    const char *name;
    const char *says;
    bool then_closes;
    size_t counted;
};

static const struct failure failures[] = {
    {"http", "GET / HTTP/1.0\r\n\r\n", false, offsetof(bgl_ssl_server_info_t, failed_protocol)},
    {"silence", "", false, offsetof(bgl_ssl_server_info_t, failed_timeout)},
    {"a_client_that_has_gone", "", true, offsetof(bgl_ssl_server_info_t, failed_io)},
};

TEST_TABLE(a_failure_is_counted_for, failures)
{
    const struct failure *it = row;
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 50 * MS));
    bgl_ssl_server_t *server = listen_with(config);
    int fd = plain_connect(bgl_ssl_server_port(server));
    bgl_ssl_socket_t *socket = NULL;
    write_all(fd, it->says, strlen(it->says));
    if (it->then_closes)
        close(fd);
    CHECK(bgl_ssl_server_accept(server, 10 * SECOND, &socket) < 0);
    bgl_ssl_server_info_t info = info_of(server);
    CHECK_INT(1, (long long)*(uint64_t *)(void *)((char *)&info + it->counted));
    CHECK_INT(1, (long long)info.accepted);
    CHECK_INT(0, (long long)info.open);
    check_sum(&info);
    if (!it->then_closes)
        close(fd);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(a_client_without_a_certificate_is_counted_as_such)
{
    bgl_ssl_config_t *config = server_config("good"), *with = client_config();
    CHECK_OK(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    set_ca(config, "root.pem");
    bgl_ssl_server_t *server = listen_with(config);
    struct client client = {.config = with};
    CHECK_INT(BGL_SSL_E_VERIFY, serve_one_client(server, &client));
    bgl_ssl_server_info_t info = info_of(server);
    CHECK_INT(1, (long long)info.failed_verify);
    check_sum(&info);
    bgl_ssl_session_free(client.session);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(with);
}

TEST(a_client_that_asks_for_an_unknown_host_is_counted_as_refused)
{
    bgl_ssl_config_t *config = server_config("host-a"), *with = client_config();
    CHECK_OK(bgl_ssl_config_set_unknown_host(config, BGL_SSL_UNKNOWN_HOST_REFUSE));
    bgl_ssl_server_t *server = listen_with(config);
    struct client client = {.config = with};
    CHECK_INT(BGL_SSL_E_PROTOCOL, serve_one_client(server, &client));
    bgl_ssl_server_info_t info = info_of(server);
    CHECK_INT(1, (long long)info.refused);
    CHECK_INT(0, (long long)info.failed_protocol);
    check_sum(&info);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(with);
}

TEST(the_numbers_outlive_a_close_and_a_change_of_the_config)
{
    bgl_ssl_config_t *config = server_config("good"), *other = server_config("good-rsa"), *with = client_config();
    bgl_ssl_server_t *server = listen_with(config);
    struct client client = {.config = with};
    CHECK_OK(serve_one_client(server, &client));
    CHECK_OK(bgl_ssl_server_set_config(server, other));
    CHECK_OK(serve_one_client(server, &client));
    bgl_ssl_server_close(server);
    CHECK_INT(2, (long long)info_of(server).handshakes);
    bgl_ssl_session_free(client.session);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(other);
    bgl_ssl_config_free(with);
}

TEST(the_size_field_must_be_set)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = listen_with(config);
    bgl_ssl_server_info_t info = {.size = 0};
    struct {
        bgl_ssl_server_info_t info;
        char later[64];
    } larger;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_info(server, &info));
    info.size = SIZE_MAX;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_info(server, &info));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_info(server, NULL));
    info.size = sizeof info;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_info(NULL, &info));
    memset(&larger, 1, sizeof larger);
    larger.info.size = sizeof larger;
    CHECK_OK(bgl_ssl_server_info(server, &larger.info));
    CHECK_INT(sizeof info, larger.info.size);
    CHECK_INT(0, larger.later[0] | larger.later[63]);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

/* A time-out ends the call and not the connection: what counts is what the handshake comes to. */
TEST(a_handshake_that_is_completed_after_a_timeout_is_counted_as_completed)
{
    bgl_ssl_config_t *config = server_config("good"), *with = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(with, true));
    bgl_ssl_server_t *server = listen_with(config);
    bgl_ssl_socket_t *socket = NULL,
                     *client = MADE(bgl_ssl_socket_t, bgl_ssl_connect(with, "localhost", bgl_ssl_server_port(server), AF_INET));
    CHECK_OK(bgl_ssl_server_accept(server, 10 * SECOND, &socket));
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(socket, 20 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(socket));
    struct ends ends = {.client = client, .server = socket};
    CHECK_OK(bgl_ssl_socket_set_handshake_timeout(socket, 10 * SECOND * slowness()));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    step_handshakes(&ends);
    CHECK_OK(ends.server_status);
    bgl_ssl_server_info_t info = info_of(server);
    check_sum(&info);
    CHECK_INT(1, (long long)info.handshakes);
    free_ends(&ends);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(with);
}
