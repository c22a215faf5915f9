/* Certificates that are verified without a connection, and the chains that connections have verified. */
#include "versions.h"

enum { UNKNOWN_ISSUER = 20, UNKNOWN_LEAF = 21, TOO_LONG = 22, REVOKED = 23, WRONG_PURPOSE = 26, REJECTED = 28 };
enum { NOT_YET = 9, EXPIRED = 10, NO_LIST = 3, WRONG_NAME = 62, WRONG_ADDRESS = 64 };

/* ---- without a connection ---- */

struct row {
    const char *name;
    const char *certificate, *intermediates;
    int32_t purpose;
    const char *host;
    void (*demand)(bgl_ssl_config_t *config);
    bgl_ssl_status_t expected;
    int verify_result; /* or the length of the chain */
};

static void pin_another(bgl_ssl_config_t *config)
{
    char pin[64];
    bgl_ssl_certificate_t *it = certificate("good-rsa.pem");
    CHECK_INT(52, bgl_ssl_certificate_pin(it, pin, sizeof pin));
    bgl_ssl_certificate_free(it);
    CHECK_OK(bgl_ssl_config_add_pins(config, pin));
}

static void pin_root(bgl_ssl_config_t *config)
{
    char pin[64];
    bgl_ssl_certificate_t *it = certificate("root.pem");
    CHECK_INT(52, bgl_ssl_certificate_pin(it, pin, sizeof pin));
    bgl_ssl_certificate_free(it);
    CHECK_OK(bgl_ssl_config_add_pins(config, pin));
}

static void accept_another(bgl_ssl_config_t *config) { set_accepted(config, "good-rsa.pem"); }
static void accept_it(bgl_ssl_config_t *config) { set_accepted(config, "good.pem"); }
static void limit_depth(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_verify_depth(config, 0)); }
static void go_to_1970(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_verify_time(config, 1)); }
static void trust_another(bgl_ssl_config_t *config) { set_ca(config, "root2.pem"); }
static void trust_intermediate(bgl_ssl_config_t *config) { set_ca(config, "intermediate.pem"); }
static void verify_none(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_insecure_verify_none(config)); }
static void look_into_lists(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_add_crl_file(config, pki("root.crl")));
}
static void raise_level(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_security_level(config, 5)); }

#define ANY BGL_SSL_PURPOSE_ANY
#define SERVER BGL_SSL_PURPOSE_SERVER
#define CLIENT BGL_SSL_PURPOSE_CLIENT
#define OK BGL_SSL_OK
#define NO BGL_SSL_E_VERIFY

static const struct row rows[] = {
    {"a_good_one", "good.pem", NULL, SERVER, NULL, NULL, OK, 2},
    {"one_for_a_name", "good.pem", NULL, SERVER, "localhost", NULL, OK, 2},
    {"one_for_an_address", "good.pem", NULL, SERVER, "127.0.0.1", NULL, OK, 2},
    {"one_for_another_name", "good.pem", NULL, SERVER, "other.test", NULL, BGL_SSL_E_NAME, WRONG_NAME},
    {"one_for_another_address", "good.pem", NULL, SERVER, "127.0.0.2", NULL, BGL_SSL_E_NAME, WRONG_ADDRESS},
    {"a_clients", "client.pem", NULL, CLIENT, NULL, NULL, OK, 2},
    {"a_servers_as_a_clients", "server-purpose.pem", NULL, CLIENT, NULL, NULL, NO, WRONG_PURPOSE},
    {"a_servers_as_a_servers", "server-purpose.pem", NULL, SERVER, NULL, NULL, OK, 2},
    {"a_servers_as_anybodys", "server-purpose.pem", NULL, ANY, NULL, NULL, OK, 2},
    {"one_with_its_intermediate", "chained-alone.pem", "intermediate.pem", SERVER, NULL, NULL, OK, 3},
    {"one_without_its_intermediate", "chained-alone.pem", NULL, SERVER, NULL, NULL, NO, UNKNOWN_ISSUER},
    {"one_of_a_trusted_intermediate", "chained-alone.pem", NULL, SERVER, NULL, trust_intermediate, OK, 2},
    {"one_of_another_ca", "good.pem", NULL, SERVER, NULL, trust_another, NO, UNKNOWN_ISSUER},
    {"one_of_nobody", "untrusted.pem", NULL, SERVER, NULL, NULL, NO, UNKNOWN_ISSUER},
    {"one_of_nobody_where_connections_verify_nothing", "untrusted.pem", NULL, ANY, NULL, verify_none, NO,
     UNKNOWN_ISSUER},
    {"an_expired_one", "expired.pem", NULL, SERVER, NULL, NULL, NO, EXPIRED},
    {"a_future_one", "not-yet.pem", NULL, SERVER, NULL, NULL, NO, NOT_YET},
    {"one_of_later", "good.pem", NULL, SERVER, NULL, go_to_1970, NO, NOT_YET},
    {"a_revoked_one", "revoked.pem", NULL, SERVER, NULL, look_into_lists, NO, REVOKED},
    {"one_that_is_not_revoked", "good.pem", NULL, SERVER, NULL, look_into_lists, OK, 2},
    {"one_without_a_list", "chained-alone.pem", "intermediate.pem", SERVER, NULL, look_into_lists, NO, NO_LIST},
    {"a_long_chain", "chained-alone.pem", "intermediate.pem", SERVER, NULL, limit_depth, NO, TOO_LONG},
    {"one_with_another_key_than_is_pinned", "good.pem", NULL, SERVER, NULL, pin_another, NO, REJECTED},
    {"one_whose_ca_is_pinned", "good.pem", NULL, SERVER, NULL, pin_root, OK, 2},
    {"one_that_is_not_accepted", "good.pem", NULL, SERVER, NULL, accept_another, NO, REJECTED},
    {"one_that_is_accepted", "good.pem", NULL, SERVER, NULL, accept_it, OK, 2},
};

TEST_TABLE(a_verification_of, rows)
{
    const struct row *it = row;
    bgl_ssl_config_t *config = client_config();
    if (it->demand)
        it->demand(config);
    bgl_ssl_certificate_t *leaf = certificate(it->certificate);
    bgl_ssl_certificate_list_t *others = NULL, *chain = (void *)1;
    if (it->intermediates)
        others = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki(it->intermediates)));
    CHECK_STATUS(it->expected, bgl_ssl_certificate_verify(leaf, others, config, it->purpose, it->host, &chain));
    if (it->expected == OK) {
        CHECK_INT(it->verify_result, bgl_ssl_certificate_list_length(chain));
        bgl_ssl_certificate_t *first = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, 0));
        CHECK(bgl_ssl_certificate_equal(first, leaf));
        bgl_ssl_certificate_free(first);
    } else {
        CHECK(!chain);
        CHECK_INT(it->verify_result, last_error().verify_result);
        CHECK(strlen(last_error().reason) > 0);
    }
    bgl_ssl_certificate_list_free(chain);
    bgl_ssl_certificate_list_free(others);
    bgl_ssl_certificate_free(leaf);
    bgl_ssl_config_free(config);
}

TEST(a_verification_needs_no_config)
{
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    CHECK_OK(bgl_ssl_certificate_verify(leaf, NULL, NULL, SERVER, "localhost", NULL));
    setenv("SSL_CERT_FILE", pki("root2.pem"), 1);
    CHECK_STATUS(NO, bgl_ssl_certificate_verify(leaf, NULL, NULL, SERVER, "localhost", NULL));
    CHECK_MESSAGE("certificate verify failed");
    bgl_ssl_certificate_free(leaf);
}

TEST(a_verification_obeys_the_security_level)
{
    bgl_ssl_config_t *config = client_config();
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    raise_level(config);
    CHECK_STATUS(NO, bgl_ssl_certificate_verify(leaf, NULL, config, SERVER, NULL, NULL));
    bgl_ssl_certificate_free(leaf);
    bgl_ssl_config_free(config);
}

TEST(what_only_connections_have_is_not_verified_without_one)
{
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_staple_policy(config, BGL_SSL_STAPLE_REQUIRE));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_certificate_verify(leaf, NULL, config, SERVER, NULL, NULL));
    bgl_ssl_config_free(config);
    config = client_config();
    CHECK_OK(bgl_ssl_config_add_tlsa(
        config, "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_certificate_verify(leaf, NULL, config, SERVER, NULL, NULL));
    bgl_ssl_config_free(config);
    bgl_ssl_certificate_free(leaf);
}

TEST(wrong_arguments_of_a_verification_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_verify(NULL, NULL, config, SERVER, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_verify(leaf, NULL, config, 3, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_verify(leaf, NULL, config, -1, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_verify(leaf, NULL, config, SERVER, "", NULL));
    bgl_ssl_certificate_free(leaf);
    bgl_ssl_config_free(config);
}

/* ---- of connections ---- */

/* How many certificates the chain has that was verified; the last of them is the root. */
static size_t verified(const bgl_ssl_socket_t *socket)
{
    bgl_ssl_certificate_list_t *chain =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_verified_chain(socket));
    size_t length = bgl_ssl_certificate_list_length(chain);
    if (length > 0) {
        bgl_ssl_certificate_t *last = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, length - 1));
        bgl_ssl_certificate_t *root = certificate("root.pem");
        CHECK(bgl_ssl_certificate_equal(last, root));
        bgl_ssl_certificate_free(last);
        bgl_ssl_certificate_free(root);
    }
    bgl_ssl_certificate_list_free(chain);
    return length;
}

static void serve_and_look(bgl_ssl_socket_t *socket, void *data)
{
    serve_echo(socket, NULL);
    *(size_t *)data = verified(socket);
}

static size_t verified_by_client(const bgl_ssl_config_t *client, int port, bool resumed)
{
    char byte = 'x';
    size_t n;
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
    CHECK_OK(bgl_ssl_socket_write(socket, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(socket, &byte, 1, &n));
    CHECK_INT(resumed, bgl_ssl_socket_session_reused(socket));
    size_t length = verified(socket);
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return length;
}

TEST_TABLE(the_verified_chain_is_known_also_after_resumption, versions)
{
    struct service service;
    size_t of_client = 0;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("chained"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    set_certificate(client, "client");
    set_ca(server, "root.pem");
    start_service(&service, server, 2, serve_and_look, &of_client);
    CHECK_INT(3, verified_by_client(client, service.port, false));
    CHECK_INT(3, verified_by_client(client, service.port, true));
    end_service(&service);
    CHECK_INT(2, of_client);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(nothing_verified_is_an_empty_chain)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    connect_with(&ends, client, server_config("untrusted"));
    CHECK_INT(0, verified(ends.client));
    CHECK_INT(0, verified(ends.server));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_verified_chain(NULL));
    free_ends(&ends);
}

TEST(a_refused_chain_is_not_a_verified_one)
{
    struct ends ends;
    try_connect_with(&ends, client_config(), server_config("untrusted"));
    CHECK_INT(NO, ends.client_status);
    CHECK_INT(0, verified(ends.client));
    free_ends(&ends);
}

/* What is written to bytes brings the chain along. */
TEST_TABLE(the_verified_chain_is_known_with_an_imported_session, versions)
{
    struct service service;
    char byte = 'x', bytes[16384];
    size_t n;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("chained"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    start_service(&service, server, 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    CHECK_OK(bgl_ssl_socket_write(socket, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(socket, &byte, 1, &n));
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    size_t length = bgl_ssl_session_export(session, bytes, sizeof bytes);
    CHECK(length > 0 && length <= sizeof bytes);
    bgl_ssl_session_free(session);
    finish(socket);
    session = MADE(bgl_ssl_session_t, bgl_ssl_session_import(client, "localhost", bytes, length));
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    CHECK_INT(3, verified(socket));
    finish(socket);
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
