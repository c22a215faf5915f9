/* Exported keying material and channel bindings: the same on both ends, and the same as OpenSSL's own tool has. */
#define _GNU_SOURCE
#include "harness.h"

struct version {
    const char *name;
    int number;
    bool is_tls13;
};

static const struct version versions[] = {
    {"tls_1_2", BGLSSL_TLSV1_2, false},
    {"tls_1_3", BGLSSL_TLSV1_3, true},
};

static const char label[] = "EXPORTER-bglssl-test";

static bgl_ssl_config_t *client_of(const struct version *it)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, it->number));
    return client;
}

static void connect_with_version(struct ends *ends, const struct version *it)
{
    connect_with(ends, client_of(it), server_config("good"));
}

static void export_from(const bgl_ssl_socket_t *socket, const char *of, const void *context, size_t context_len,
                        unsigned char out[32])
{
    CHECK_OK(bgl_ssl_socket_export(socket, of, context, context_len, out, 32));
}

TEST_TABLE(both_ends_export_the_same, versions)
{
    struct ends ends;
    unsigned char client[32], server[32], other[32];
    connect_with_version(&ends, row);
    export_from(ends.client, label, "context", 7, client);
    export_from(ends.server, label, "context", 7, server);
    CHECK(memcmp(client, server, sizeof client) == 0);
    export_from(ends.server, label, "another", 7, other);
    CHECK(memcmp(client, other, sizeof client) != 0);
    export_from(ends.server, "EXPORTER-another-label", "context", 7, other);
    CHECK(memcmp(client, other, sizeof client) != 0);
    free_ends(&ends);
}

TEST_TABLE(no_context_is_an_empty_one_with_tls_1_3_only, versions)
{
    struct ends ends;
    unsigned char none[32], empty[32];
    connect_with_version(&ends, row);
    export_from(ends.client, label, NULL, 0, none);
    export_from(ends.client, label, "", 0, empty);
    CHECK_INT(((const struct version *)row)->is_tls13, memcmp(none, empty, sizeof none) == 0);
    free_ends(&ends);
}

TEST(two_connections_export_different_bytes)
{
    struct ends first, second;
    unsigned char of_first[32], of_second[32];
    connect_with_version(&first, &versions[1]);
    connect_with_version(&second, &versions[1]);
    export_from(first.client, label, NULL, 0, of_first);
    export_from(second.client, label, NULL, 0, of_second);
    CHECK(memcmp(of_first, of_second, sizeof of_first) != 0);
    free_ends(&first);
    free_ends(&second);
}

TEST(before_the_handshake_nothing_is_exported)
{
    struct ends ends;
    unsigned char out[32] = {1};
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_export(ends.client, label, NULL, 0, out, sizeof out));
    CHECK_INT(0, out[0]);
    CHECK_INT(0, bgl_ssl_socket_channel_binding(ends.client, BGL_SSL_BINDING_TLS_EXPORTER, out, sizeof out));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(what_cannot_be_exported_is_an_argument_error)
{
    struct ends ends;
    unsigned char out[32];
    connect_with_version(&ends, &versions[1]);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(NULL, label, NULL, 0, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(ends.client, NULL, NULL, 0, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(ends.client, "", NULL, 0, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT,
                 bgl_ssl_socket_export(ends.client, "EXPORTER-\xc3\xa9", NULL, 0, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(ends.client, label, NULL, 5, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(ends.client, label, NULL, 0, NULL, 32));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(ends.client, label, NULL, 0, out, 0));
    CHECK_INT(0, bgl_ssl_socket_channel_binding(ends.client, 0, out, sizeof out));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, bgl_ssl_socket_channel_binding(NULL, BGL_SSL_BINDING_TLS_EXPORTER, out, sizeof out));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    free_ends(&ends);
}

/* There is no context, whatever its length. */
static void check_fails_with_zeros(const bgl_ssl_socket_t *socket, const char *of, size_t context_len)
{
    static const unsigned char zeros[32];
    unsigned char out[32];
    memset(out, 7, sizeof out);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_export(socket, of, NULL, context_len, out, sizeof out));
    CHECK_INT(0, memcmp(out, zeros, sizeof out));
}

/* The header: "out: where to put len bytes; all zero on failure". */
TEST(whatever_fails_the_keying_material_is_all_zero)
{
    struct ends ends;
    connect_with_version(&ends, &versions[1]);
    check_fails_with_zeros(NULL, label, 0);
    check_fails_with_zeros(ends.client, "\xff", 0);
    check_fails_with_zeros(ends.client, label, 5);
    check_fails_with_zeros(ends.client, NULL, 0);
    free_ends(&ends);
}

/* ---- channel bindings ---- */

static size_t binding(const bgl_ssl_socket_t *socket, int kind, unsigned char out[64])
{
    memset(out, 0, 64);
    return bgl_ssl_socket_channel_binding(socket, kind, out, 64);
}

/* The number of bytes of a binding that both ends agree on; 0 if it is undefined on both. */
static size_t agreed_binding(const bgl_ssl_socket_t *client, const bgl_ssl_socket_t *server, int kind)
{
    unsigned char of_client[64], of_server[64];
    size_t length = binding(client, kind, of_client);
    if (length == 0)
        CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
    CHECK_INT(length, binding(server, kind, of_server));
    CHECK(memcmp(of_client, of_server, sizeof of_client) == 0);
    return length;
}

static void check_bindings(const bgl_ssl_socket_t *client, const bgl_ssl_socket_t *server, bool is_tls13)
{
    CHECK_INT(is_tls13 ? 0 : 12, agreed_binding(client, server, BGL_SSL_BINDING_TLS_UNIQUE));
    CHECK_INT(32, agreed_binding(client, server, BGL_SSL_BINDING_TLS_SERVER_END_POINT));
    CHECK_INT(32, agreed_binding(client, server, BGL_SSL_BINDING_TLS_EXPORTER));
}

TEST_TABLE(both_ends_have_the_same_bindings, versions)
{
    struct ends ends;
    connect_with_version(&ends, row);
    check_bindings(ends.client, ends.server, ((const struct version *)row)->is_tls13);
    free_ends(&ends);
}

/* What the server's end of a connection found; for comparison with the client's. */
struct server_side {
    unsigned char unique[64];
    size_t unique_length;
    char exported[65];
};

static void serve_bindings(bgl_ssl_socket_t *socket, void *data)
{
    struct server_side *side = data;
    unsigned char out[32];
    side->unique_length = binding(socket, BGL_SSL_BINDING_TLS_UNIQUE, side->unique);
    export_from(socket, label, NULL, 0, out);
    for (int i = 0; i < 32; i++)
        snprintf(side->exported + 2 * i, 3, "%02X", out[i]);
    serve_echo(socket, NULL);
}

TEST(tls_unique_of_a_resumed_handshake_is_the_servers_finished)
{
    struct client_and_service both;
    struct server_side side = {.unique_length = 0};
    unsigned char first[64], resumed[64];
    bgl_ssl_config_t *client = client_of(&versions[0]);
    start_service_for(&both, client, server_config("good"), 2, serve_bindings, &side);
    bgl_ssl_socket_t *socket = connect_to(client, both.service.port);
    check_echo(socket, "first");
    CHECK_INT(12, binding(socket, BGL_SSL_BINDING_TLS_UNIQUE, first));
    CHECK(memcmp(first, side.unique, sizeof first) == 0);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    socket = MADE(bgl_ssl_socket_t,
                  bgl_ssl_connect_resume(client, "127.0.0.1", both.service.port, AF_INET, session));
    check_echo(socket, "again");
    CHECK(bgl_ssl_socket_session_reused(socket));
    CHECK_INT(12, binding(socket, BGL_SSL_BINDING_TLS_UNIQUE, resumed));
    CHECK(memcmp(resumed, side.unique, sizeof resumed) == 0);
    CHECK(memcmp(first, resumed, sizeof first) != 0);
    finish(socket);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST(the_binding_to_the_servers_certificate_is_its_digest)
{
    struct ends ends;
    unsigned char bytes[64];
    char digest[96], text[97] = "";
    connect_with_version(&ends, &versions[1]);
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(ends.client));
    CHECK_INT(95, bgl_ssl_certificate_fingerprint(peer, "SHA256", digest, sizeof digest));
    CHECK_INT(32, binding(ends.client, BGL_SSL_BINDING_TLS_SERVER_END_POINT, bytes));
    for (int i = 0; i < 32; i++)
        snprintf(text + 3 * i, 4, "%02X:", bytes[i]);
    text[95] = 0;
    CHECK_STRING(digest, text);
    bgl_ssl_certificate_free(peer);
    free_ends(&ends);
}

TEST_TABLE(openssls_own_client_exports_the_same, versions)
{
    const struct version *it = row;
    struct service service;
    struct server_side side = {.unique_length = 0};
    char command[512], line[512], found[65] = "";
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 1, serve_bindings, &side);
    snprintf(command, sizeof command,
             "timeout 20 openssl s_client -connect 127.0.0.1:%d -tls1_%d -keymatexport %s -keymatexportlen 32 "
             "</dev/null 2>/dev/null",
             service.port, it->is_tls13 ? 3 : 2, label);
    FILE *tool = popen(command, "r");
    CHECK(tool);
    while (fgets(line, sizeof line, tool))
        sscanf(line, " Keying material: %64[0-9A-F]", found);
    pclose(tool);
    end_service(&service);
    bgl_ssl_config_free(server);
    if (!found[0])
        skip_test("an openssl s_client that exports keying material");
    CHECK_STRING(side.exported, found);
}
