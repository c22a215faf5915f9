/* The trace of handshakes. */
#define _GNU_SOURCE
#include "hosts.h"

struct log {
    pthread_mutex_t mutex;
    char text[16384];
    char peer[256];
    const bgl_ssl_socket_t *ask;
};

static void note(const char *peer, const char *line, void *user)
{
    struct log *log = user;
    pthread_mutex_lock(&log->mutex);
    CHECK(strlen(log->text) + strlen(line) + 2 < sizeof log->text);
    CHECK(!strchr(line, '\n'));
    strcat(strcat(log->text, line), "\n");
    snprintf(log->peer, sizeof log->peer, "%s", peer);
    pthread_mutex_unlock(&log->mutex);
    if (log->ask) {
        bgl_ssl_socket_info_t info = {.size = sizeof info};
        CHECK_OK(bgl_ssl_socket_info(log->ask, &info));
    }
}

#define LOG {.mutex = PTHREAD_MUTEX_INITIALIZER}

/* The lines begin in this order; lines may be between them. */
static void check_lines(const struct log *log, const char *const *begins)
{
    const char *at = log->text;
    for (; *begins; begins++) {
        while (*at && strncmp(at, *begins, strlen(*begins)) != 0) {
            at = strchr(at, '\n');
            at = at ? at + 1 : "";
        }
        if (!*at)
            FAIL("no line \"%s\" at its place in:\n%s", *begins, log->text);
    }
}

struct row {
    const char *name;
    int protocol;
    const char *client[12];
    const char *server[12];
};

static const struct row rows[] = {
    {"tls_1_2",
     BGLSSL_TLSV1_2,
     {"> ClientHello ", "< ServerHello ", "< Certificate ", "< ServerKeyExchange ", "< ServerHelloDone 0", "> ClientKeyExchange ",
      "> ChangeCipherSpec", "> Finished 12", "< Finished 12", NULL},
     {"< ClientHello ", "> ServerHello ", "> Certificate ", "> ServerHelloDone 0", "< ClientKeyExchange ", "< Finished 12",
      "> ChangeCipherSpec", "> Finished 12", NULL}},
    {"tls_1_3",
     BGLSSL_TLSV1_3,
     {"> ClientHello ", "< ServerHello ", "< EncryptedExtensions ", "< Certificate ", "< CertificateVerify ", "< Finished ",
      "> Finished ", NULL},
     {"< ClientHello ", "> ServerHello ", "> EncryptedExtensions ", "> Certificate ", "> CertificateVerify ", "> Finished ",
      "< Finished ", "> NewSessionTicket ", NULL}},
    {"dtls_1_2",
     BGLSSL_DTLSV1,
     {"> ClientHello ", "< ServerHello ", "< Certificate ", "< ServerHelloDone 0", "> ClientKeyExchange ",
      "> ChangeCipherSpec", "> Finished 12", "< Finished 12", NULL},
     {"< ClientHello ", "> ServerHello ", "> ServerHelloDone 0", "< ClientKeyExchange ", "< Finished 12", "> Finished 12", NULL}},
};

static void connect_traced(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server, bool datagrams)
{
    int fds[2];
    CHECK_INT(0, socketpair(AF_UNIX, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0, fds));
    make_ends_over(ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(both_ends_see_the_messages_of, rows)
{
    const struct row *it = row;
    static struct log of_client = LOG, of_server = LOG;
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, it->protocol));
    CHECK_OK(bgl_ssl_config_set_protocol(server, it->protocol));
    CHECK_OK(bgl_ssl_config_set_trace(client, note, &of_client));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &of_server));
    connect_traced(&ends, client, server, it->protocol == BGLSSL_DTLSV1);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    check_lines(&of_client, it->client);
    check_lines(&of_server, it->server);
    CHECK_STRING("localhost", of_client.peer);
    /* Each message once. */
    const char *hello = strstr(of_server.text, "< ClientHello ");
    CHECK(!strstr(hello + 1, "< ClientHello "));
    free_ends(&ends);
}

/* Its connections begin with a hello that OpenSSL reads twice. */
TEST(a_server_over_datagrams_traces_each_message_once)
{
    static struct log log = LOG;
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_protocol(server, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &log));
    connect_to_service(&both, client, server, serve_nothing, NULL);
    end_client_and_service(&both);
    static const char *const lines[] = {"< ClientHello ", "> ServerHello ", "< Finished 12", "> Finished 12", NULL};
    check_lines(&log, lines);
    CHECK(!strstr(strstr(log.text, "< ClientHello ") + 1, "< ClientHello "));
}

TEST(hellos_say_what_is_offered_and_chosen)
{
    static struct log of_client = LOG, of_server = LOG;
    struct ends ends;
    static const char *const protocols[] = {"h2", "http/1.1"};
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_alpn(client, protocols, 2));
    CHECK_OK(bgl_ssl_config_set_groups(client, "P-384:P-256"));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(client, "TLS_AES_128_GCM_SHA256"));
    CHECK_OK(bgl_ssl_config_set_cipher_list(client, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK_OK(bgl_ssl_config_set_groups(server, "P-256"));
    CHECK_OK(bgl_ssl_config_set_trace(client, note, &of_client));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &of_server));
    connect_with(&ends, client, server);
    CHECK(strstr(of_server.text, ": localhost h2,http/1.1 TLS 1.3,TLS 1.2 secp384r1,secp256r1 "));
    CHECK(strstr(of_client.text, "< HelloRetryRequest "));
    CHECK(strstr(of_client.text, ": TLS 1.3 TLS_AES_128_GCM_SHA256 secp256r1\n"));
    free_ends(&ends);
}

TEST(alerts_are_in_the_trace_by_name_and_number)
{
    static struct log of_client = LOG, of_server = LOG;
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_protocol(server, BGLSSL_TLSV1_3));
    CHECK_OK(bgl_ssl_config_set_trace(client, note, &of_client));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &of_server));
    try_connect_with(&ends, client, server);
    CHECK(strstr(of_server.text, "> alert: fatal, protocol version (70)\n"));
    CHECK(strstr(of_client.text, "< alert: fatal, protocol version (70)\n"));
    free_ends(&ends);
}

/* There the library answers, and OpenSSL sees nothing of it. */
TEST(a_refused_host_is_in_the_trace)
{
    static struct log log = LOG;
    struct ends ends;
    bgl_ssl_config_t *server = server_config("host-a");
    CHECK_OK(bgl_ssl_config_set_unknown_host(server, BGL_SSL_UNKNOWN_HOST_REFUSE));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &log));
    try_connect_with(&ends, client_config(), server);
    static const char *const lines[] = {"< ClientHello ", "> alert: fatal, unrecognized name (112)", NULL};
    check_lines(&log, lines);
    free_ends(&ends);
}

/* The TLS state is made again where the hello decides; the trace goes on. */
TEST(a_chosen_host_is_traced_to_the_end)
{
    static struct log log = LOG;
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good"), *host = server_config("good-rsa");
    CHECK_OK(bgl_ssl_config_add_host(server, "localhost", host));
    CHECK_OK(bgl_ssl_config_set_trace(server, note, &log));
    connect_with(&ends, client_config(), server);
    static const char *const lines[] = {"< ClientHello ", "> ServerHello ", "< Finished ", NULL};
    check_lines(&log, lines);
    free_ends(&ends);
    bgl_ssl_config_free(host);
}

TEST(a_socket_has_a_trace_of_its_own_and_can_end_it)
{
    static struct log of_config = LOG, of_socket = LOG;
    struct ends ends;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_trace(client, note, &of_config));
    connect_traced(&ends, client, server_config("good"), false);
    CHECK_OK(bgl_ssl_socket_set_trace(ends.client, note, &of_socket));
    of_socket.ask = ends.client;
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_STRING("", of_config.text);
    CHECK(strstr(of_socket.text, "< Finished "));
    /* Tickets come with the first read. */
    CHECK(exchange_bytes(&ends));
    CHECK(strstr(of_socket.text, "< NewSessionTicket "));
    CHECK_OK(bgl_ssl_socket_set_trace(ends.client, NULL, NULL));
    of_socket.text[0] = '\0';
    CHECK_OK(bgl_ssl_socket_shutdown(ends.server));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK_STRING("", of_socket.text);
    free_ends(&ends);
}

TEST(the_end_of_a_connection_is_in_the_trace)
{
    static struct log log = LOG;
    struct ends ends;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_trace(client, note, &log));
    connect_with(&ends, client, server_config("good"));
    CHECK_OK(bgl_ssl_socket_shutdown(ends.server));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK(strstr(log.text, "< alert: warning, close notify (0)\n"));
    bgl_ssl_socket_close(ends.client);
    CHECK(strstr(log.text, "> alert: warning, close notify (0)\n"));
    free_ends(&ends);
}

TEST(bad_arguments_of_traces_are_refused)
{
    static struct log log = LOG;
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_trace(NULL, note, &log));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_trace(NULL, note, &log));
    CHECK_OK(bgl_ssl_config_set_trace(config, NULL, NULL));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_trace(config, note, &log));
    bgl_ssl_config_free(config);
}
