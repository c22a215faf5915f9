/* Two ends that have nothing in common: each message says what the ends offer. */
#define _GNU_SOURCE
#include "engine.h"

struct side {
    int protocol;
    const char *ciphers;
    const char *groups;
    const char *signature_algorithms;
    const char *alpn;
};

struct row {
    const char *name;
    struct side client, server;
    bool datagrams;
    const char *server_says[4];
    const char *client_says[4];
};

#define AES128 "ECDHE-ECDSA-AES128-GCM-SHA256"
#define AES256 "ECDHE-ECDSA-AES256-GCM-SHA384"
#define BOTH_VERSIONS BGLSSL_SSLV23

static const struct row rows[] = {
    {"cipher_suite",
     {BGLSSL_TLSV1_2, AES128, NULL, NULL, NULL},
     {BGLSSL_TLSV1_2, AES256, NULL, NULL, NULL},
     false,
     {"no shared cipher", "the client offers cipher suites " AES128 ",", "this server has " AES256},
     {"alert: handshake failure (40)", "this client offers TLS 1.2 only", "cipher suites " AES128 ",", "groups "}},
    {"cipher_suite_for_the_server_s_key",
     {BGLSSL_TLSV1_2, "ECDHE-RSA-AES128-GCM-SHA256", NULL, NULL, NULL},
     {BGLSSL_TLSV1_2, "ECDHE-RSA-AES128-GCM-SHA256:" AES256, NULL, NULL, NULL},
     false,
     {"no shared cipher", "ECDHE-RSA-AES128-GCM-SHA256", "do not fit the server's EC key"},
     {"ECDHE-RSA-AES128-GCM-SHA256"}},
    {"cipher_suite_of_tls_1_3",
     {BGLSSL_TLSV1_3, "TLS_AES_128_GCM_SHA256", NULL, NULL, NULL},
     {BGLSSL_TLSV1_3, "TLS_AES_256_GCM_SHA384", NULL, NULL, NULL},
     false,
     {"the client offers cipher suites TLS_AES_128_GCM_SHA256, this server has TLS_AES_256_GCM_SHA384"},
     {"this client offers TLS 1.3 only, cipher suites TLS_AES_128_GCM_SHA256"}},
    {"newer_version",
     {BGLSSL_TLSV1_2, NULL, NULL, NULL, NULL},
     {BGLSSL_TLSV1_3, NULL, NULL, NULL, NULL},
     false,
     {"the client offers TLS 1.2", "this server has TLS 1.3 only"},
     {"this client offers TLS 1.2 only"}},
    {"group",
     {BGLSSL_TLSV1_3, NULL, "P-384", NULL, NULL},
     {BGLSSL_TLSV1_3, NULL, "P-256", NULL, NULL},
     false,
     {"the client offers groups secp384r1, this server has secp256r1"},
     {"groups secp384r1"}},
    {"signature_algorithm",
     {BOTH_VERSIONS, NULL, NULL, "ecdsa_secp384r1_sha384:rsa_pss_rsae_sha256", NULL},
     {BOTH_VERSIONS, NULL, NULL, "ecdsa_secp256r1_sha256", NULL},
     false,
     {"the client offers signature algorithms ecdsa_secp384r1_sha384 rsa_pss_rsae_sha256, this server has "
      "ecdsa_secp256r1_sha256"},
     {"signature algorithms ecdsa_secp384r1_sha384 rsa_pss_rsae_sha256"}},
    {"application_protocol",
     {BOTH_VERSIONS, NULL, NULL, NULL, "h2"},
     {BOTH_VERSIONS, NULL, NULL, NULL, "imap"},
     false,
     {"the client offers protocols h2, this server has imap"},
     {"no application protocol", "this client offers protocols h2"}},
    {"cipher_suite_over_datagrams",
     {BGLSSL_DTLSV1, AES128, NULL, NULL, NULL},
     {BGLSSL_DTLSV1, AES256, NULL, NULL, NULL},
     true,
     {"the client offers cipher suites " AES128 ",", "this server has " AES256},
     {"this client offers DTLS 1.2 and newer, cipher suites " AES128 ","}},
};

static void set_side(bgl_ssl_config_t *config, const struct side *side)
{
    bool tls_1_3 = side->ciphers && strncmp(side->ciphers, "TLS_", 4) == 0;
    CHECK_OK(bgl_ssl_config_set_protocol(config, side->protocol));
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, tls_1_3 ? NULL : side->ciphers));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, tls_1_3 ? side->ciphers : NULL));
    CHECK_OK(bgl_ssl_config_set_groups(config, side->groups));
    CHECK_OK(bgl_ssl_config_set_signature_algorithms(config, side->signature_algorithms));
    if (side->alpn)
        CHECK_OK(bgl_ssl_config_set_alpn(config, &side->alpn, 1));
}

static void check_says(const char *who, const char *message, const char *const *parts)
{
    for (int i = 0; i < 4 && parts[i]; i++)
        if (!strstr(message, parts[i]))
            FAIL("the %s's message lacks \"%s\": %s", who, parts[i], message);
    CHECK(strlen(message) < sizeof ((bgl_ssl_error_t *)NULL)->message - 1);
}

TEST_TABLE(both_ends_tell_of_no_common, rows)
{
    const struct row *it = row;
    struct ends ends;
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    set_side(client, &it->client);
    set_side(server, &it->server);
    CHECK_INT(0, socketpair(AF_UNIX, it->datagrams ? SOCK_DGRAM : SOCK_STREAM, 0, fds));
    make_ends_over(&ends, client, server, "localhost", fds);
    step_handshakes(&ends);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, ends.server_status);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, ends.client_status);
    check_says("server", ends.server_error.message, it->server_says);
    check_says("client", ends.client_error.message, it->client_says);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Lists are cut: with every algorithm that there is, the message fits into the error. */
TEST(the_longest_offers_fit_into_the_message)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_cipher_list(client, "ALL:!aECDSA:@SECLEVEL=0"));
    CHECK_OK(bgl_ssl_config_set_cipher_list(server, "ALL:@SECLEVEL=0:!aNULL"));
    try_connect_with(&ends, client, server);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, ends.server_status);
    const char *const says[] = {" more", "do not fit the server's EC key", NULL};
    check_says("server", ends.server_error.message, says);
    free_ends(&ends);
}

/* What is no disagreement is told in few words. */
TEST(other_failures_list_no_offers)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    set_ca(client, "brief-ca.pem");
    try_connect_with(&ends, client, server_config("good"));
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    CHECK(!strstr(ends.client_error.message, "offers"));
    CHECK(!strstr(ends.server_error.message, "offers"));
    free_ends(&ends);
}

/* ---- connections without a socket ---- */

static const struct engine_row {
    const char *name;
    const char *client_method, *client_ciphers;
    const char *server_method, *server_ciphers;
    const char *client_protocols, *server_protocols;
    const char *server_says[4];
    const char *client_says[4];
} engine_rows[] = {
    {"cipher_suite", "TLSv1_2_method", AES128, "TLSv1_2_method", AES256, "", "",
     {"no shared cipher", "the client offers cipher suites " AES128 ",", "this server has " AES256},
     {"handshake failure", "this client offers TLS 1.2 only, cipher suites " AES128 ","}},
    {"cipher_suite_of_a_server_s_method", "TLSv1_2_client_method", AES128, "TLSv1_2_server_method", AES256, "", "",
     {"the client offers cipher suites " AES128 ",", "this server has " AES256},
     {"this client offers TLS 1.2 only, cipher suites " AES128 ","}},
    {"version", "TLSv1_2_method", NULL, "TLSv1_3_method", NULL, "", "",
     {"the client offers TLS 1.2", "this server has TLS 1.3 only"},
     {"this client offers TLS 1.2 only"}},
    {"application_protocol", "TLS_method", NULL, "TLS_method", NULL, "\2h2", "\4imap",
     {"the client offers protocols h2, this server has imap"},
     {"no application protocol", "this client offers protocols h2"}},
};

static bgl_ssl_ctx_t *ctx_with(bgl_ssl_ctx_t *ctx, const char *ciphers)
{
    if (ciphers)
        CHECK_OK(bgl_ssl_ctx_set_ciphers(ctx, ciphers));
    return ctx;
}

TEST_TABLE(both_connections_tell_of_no_common, engine_rows)
{
    const struct engine_row *it = row;
    struct pair pair = make_own_pair(ctx_with(client_ctx(it->client_method), it->client_ciphers),
                                     ctx_with(server_ctx(it->server_method, "good"), it->server_ciphers));
    CHECK_OK(bgl_ssl_connection_set_strict_alpn(pair.server, true));
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.client, it->client_protocols, strlen(it->client_protocols)));
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.server, it->server_protocols, strlen(it->server_protocols)));
    complete_handshakes(&pair);
    for (int times = 0; times < 2; times++) {
        check_says("server", err_of(pair.server), it->server_says);
        check_says("client", err_of(pair.client), it->client_says);
        /* A failure stays, and is told in the same words. */
        CHECK(bgl_ssl_connection_start(pair.server) < 0);
        check_says("server", last_error().message, it->server_says);
        CHECK(bgl_ssl_connection_start(pair.client) < 0);
        check_says("client", last_error().message, it->client_says);
    }
    free_pair(&pair);
}

TEST(other_failures_of_connections_list_no_offers)
{
    struct pair pair = make_plain_pair("good");
    CHECK_INT(8, bgl_ssl_connection_write(pair.server, "no hello", 0, 8));
    CHECK(bgl_ssl_connection_start(pair.server) < 0);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.server));
    CHECK(!strstr(err_of(pair.server), "offer"));
    free_pair(&pair);
}
