/* Peers that must be refused although nothing was verified, and refusals that come late. */
#define _GNU_SOURCE
#include "harness.h"

struct version {
    const char *name;
    int number;
};

static const struct version anonymous_versions[] = {{"tls_1_1", BGLSSL_TLSV1_1}, {"tls_1_2", BGLSSL_TLSV1_2}};

/* With an anonymous cipher the server shows no certificate, and OpenSSL verifies nothing. */
static void set_anonymous(bgl_ssl_config_t *config, const void *row)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, ((const struct version *)row)->number));
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, "aNULL:@SECLEVEL=0"));
    bgl_ssl_status_t status = bgl_ssl_config_freeze(config);
    if (status == BGL_SSL_E_UNSUPPORTED)
        skip_test("an OpenSSL with this version of TLS");
    CHECK_OK(status);
}

static void try_anonymous(struct ends *ends, const void *row, bgl_ssl_config_t *client)
{
    bgl_ssl_config_t *server = server_config("good");
    set_anonymous(client, row);
    set_anonymous(server, row);
    try_connect_with(ends, client, server);
}

TEST_TABLE(anonymous_server_is_refused_by_a_client_that_verifies, anonymous_versions)
{
    struct ends ends;
    try_anonymous(&ends, row, client_config());
    CHECK_STATUS(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

TEST_TABLE(anonymous_server_is_refused_by_an_accepted_list, anonymous_versions)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    set_accepted(client, "good.pem");
    try_anonymous(&ends, row, client);
    CHECK_STATUS(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

TEST_TABLE(anonymous_server_will_do_for_a_client_that_verifies_nothing, anonymous_versions)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    try_anonymous(&ends, row, client);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    free_ends(&ends);
}

/* TLS 1.3: the client's handshake is over before the server has seen its certificate. */
TEST(client_that_only_writes_learns_why_its_certificate_was_refused)
{
    enum { CERTIFICATE_REQUIRED = 116 };
    struct service service;
    char byte = 'x';
    size_t n;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_3));
    set_ca(server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_close_timeout(server, 0));
    start_service(&service, server, 1, serve_nothing, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "localhost", service.port, AF_INET));
    end_service(&service);
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_write(socket, &byte, 1, &n)) == BGL_SSL_OK)
        ;
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, status);
    CHECK_INT(CERTIFICATE_REQUIRED, last_error().alert);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(socket, &byte, 1, &n));
    CHECK_INT(CERTIFICATE_REQUIRED, last_error().alert);
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static const struct wrong_name {
    const char *name;
    const char *host;
} wrong_names[] = {
    {"empty", ""},
    {"dot_in_front", ".example.com"}, /* to OpenSSL any host below */
    {"two_final_dots", "example.com.."},
    {"two_dots_inside", "a..b"},
    {"star", "*.example.com"},
    {"final_dot_of_an_address", "127.0.0.1."},
    {"zone_of_an_ipv4_address", "1.2.3.4%lo"},
    {"dot_behind_brackets", "[::1]."},
    {"brackets_around_a_name", "[example.com]"},
    {"empty_brackets", "[]"},
    {"percent", "%"},
    {"slash", "a/b"},
    {"port", "a:443"},
    {"user", "a@b"},
};

TEST_TABLE(no_host_name, wrong_names)
{
    const struct wrong_name *it = row;
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_hostname(config, it->host));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect(config, it->host, 443, AF_INET));
    bgl_ssl_config_free(config);
}
