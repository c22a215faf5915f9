/* Who is let in and who is not: the table of verification cases, on both sides, over the versions of TLS and over DTLS,
 * in lock-step and over the loopback. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { CHAIN_AND_NAME, CHAIN_ONLY, NOTHING };

/* Numbers of X509_V_ERR_*, which the library hands on. */
enum {
    FINE = 0,
    NOT_YET_VALID = 9,
    EXPIRED = 10,
    SELF_SIGNED = 18,
    NO_LOCAL_ISSUER = 20,
    WRONG_PURPOSE = 26,
    WRONG_HOST = 62,
    WRONG_ADDRESS = 64,
    ANY_RESULT = -100,
};

static const int versions[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3, BGLSSL_DTLSV1};

static void set_policy(bgl_ssl_config_t *config, int policy)
{
    if (policy == CHAIN_ONLY)
        CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(config));
    if (policy == NOTHING)
        CHECK_OK(bgl_ssl_config_insecure_verify_none(config));
}

static void pin(bgl_ssl_config_t *config, int version)
{
    if (version == BGLSSL_DTLSV1) {
        CHECK_OK(bgl_ssl_config_set_protocol(config, version));
        return;
    }
    CHECK_OK(bgl_ssl_config_set_min_protocol(config, version));
    CHECK_OK(bgl_ssl_config_set_max_protocol(config, version));
}

/* OpenSSL lets servers present an Ed25519 certificate in TLS, but not in DTLS. */
static bool is_possible(const char *presents, int version)
{
    return version != BGLSSL_DTLSV1 || strcmp(presents, "good-ed25519") != 0;
}

/* What a server must set to be spoken to by a client that is pinned to this version. */
static bgl_ssl_config_t *speaking(bgl_ssl_config_t *server, int version)
{
    if (version == BGLSSL_DTLSV1)
        pin(server, version);
    return server;
}

/* try_connect_with at this host, over datagrams where the version is DTLS's. */
static void try_connect_to(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server, const char *host,
                           int version)
{
    int fds[2];
    if (version == BGLSSL_DTLSV1) {
        CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
        make_ends_over(ends, client, server, host, fds);
    } else {
        make_ends(ends, client, server, host);
    }
    step_handshakes(ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- a client looks at its server ---- */

struct server_case {
    const char *name;
    const char *presents;
    const char *ca;
    const char *host;
    int policy;
    const char *accepted;
    bgl_ssl_status_t expected;
    int verify_result;
};

static const struct server_case server_cases[] = {
    {"good", "good", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"good_rsa", "good-rsa", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"good_ed25519", "good-ed25519", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"name_in_upper_case", "good", "root.pem", "LocalHost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"ipv4_address", "good", "root.pem", "127.0.0.1", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"ipv4_address_in_an_old_form", "good", "root.pem", "127.1", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"ipv6_address", "good", "root.pem", "::1", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"ipv6_address_spelt_out", "good", "root.pem", "0:0:0:0:0:0:0:1", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"other_address", "good", "root.pem", "127.0.0.2", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME, WRONG_ADDRESS},
    {"address_of_a_certificate_with_names_only", "dns-only", "root.pem", "127.0.0.1", CHAIN_AND_NAME, NULL,
     BGL_SSL_E_NAME, WRONG_ADDRESS},
    {"address_written_as_a_dns_name", "ip-as-dns", "root.pem", "127.0.0.1", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME,
     WRONG_ADDRESS},
    {"wrong_name", "wrong-name", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME, WRONG_HOST},
    {"name_is_only_the_end", "good", "root.pem", "evil-localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME, WRONG_HOST},
    {"name_is_only_the_beginning", "good", "root.pem", "localhost.evil.example", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME,
     WRONG_HOST},
    {"wildcard_name", "wildcard", "root.pem", "a.example.test", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"wildcard_is_one_label", "wildcard", "root.pem", "a.b.example.test", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME,
     WRONG_HOST},
    {"wildcard_is_not_nothing", "wildcard", "root.pem", "example.test", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME,
     WRONG_HOST},
    {"common_name_with_nul", "nul-in-host-name", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_NAME,
     WRONG_HOST},
    {"common_name_where_there_is_no_other", "cn-localhost", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK,
     FINE},
    {"wrong_ca", "untrusted", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER},
    {"expired", "expired", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY, EXPIRED},
    {"expired_and_for_another_host", "expired", "root.pem", "other.example", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY,
     EXPIRED},
    {"untrusted_for_another_host", "untrusted", "root.pem", "other.example", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY,
     NO_LOCAL_ISSUER},
    {"not_yet_valid", "not-yet", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY, NOT_YET_VALID},
    {"wrong_purpose", "client", "root.pem", "localhost", CHAIN_ONLY, NULL, BGL_SSL_E_VERIFY, WRONG_PURPOSE},
    {"intermediate_sent", "chained", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"intermediate_missing", "chained-alone", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY,
     NO_LOCAL_ISSUER},
    {"intermediate_as_anchor", "chained-alone", "intermediate.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"intermediate_as_anchor_and_sent", "chained", "intermediate.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK,
     FINE},
    {"intermediate_is_no_anchor_for_others", "good", "intermediate.pem", "localhost", CHAIN_AND_NAME, NULL,
     BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER},
    {"self_signed_unlisted", "self-signed", "root.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY,
     SELF_SIGNED},
    {"self_signed_listed", "self-signed", "self-signed.pem", "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_OK, FINE},
    {"self_signed_listed_wrong_name", "self-signed", "self-signed.pem", "elsewhere.example", CHAIN_AND_NAME, NULL,
     BGL_SSL_E_NAME, WRONG_HOST},
    {"system_cas_do_not_know_it", "good", NULL, "localhost", CHAIN_AND_NAME, NULL, BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER},
    {"chain_only_wrong_name", "wrong-name", "root.pem", "localhost", CHAIN_ONLY, NULL, BGL_SSL_OK, FINE},
    {"chain_only_no_name", "wrong-name", "root.pem", NULL, CHAIN_ONLY, NULL, BGL_SSL_OK, FINE},
    {"chain_only_wrong_ca", "untrusted", "root.pem", "localhost", CHAIN_ONLY, NULL, BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER},
    {"chain_only_expired", "expired", "root.pem", "localhost", CHAIN_ONLY, NULL, BGL_SSL_E_VERIFY, EXPIRED},
    {"none_wrong_name", "wrong-name", "root.pem", NULL, NOTHING, NULL, BGL_SSL_OK, FINE},
    {"none_wrong_ca_is_still_told", "untrusted", "root.pem", "localhost", NOTHING, NULL, BGL_SSL_OK, NO_LOCAL_ISSUER},
    {"none_expired_is_still_told", "expired", "root.pem", "localhost", NOTHING, NULL, BGL_SSL_OK, EXPIRED},
    {"accepted", "good", "root.pem", "localhost", CHAIN_AND_NAME, "good.pem", BGL_SSL_OK, FINE},
    {"not_accepted", "good", "root.pem", "localhost", CHAIN_AND_NAME, "good-rsa.pem", BGL_SSL_E_VERIFY, ANY_RESULT},
    {"accepted_is_not_enough", "untrusted", "root.pem", "localhost", CHAIN_AND_NAME, "untrusted.pem", BGL_SSL_E_VERIFY,
     NO_LOCAL_ISSUER},
    {"accepted_wrong_name", "wrong-name", "root.pem", "localhost", CHAIN_AND_NAME, "wrong-name.pem", BGL_SSL_E_NAME,
     WRONG_HOST},
    {"its_issuer_accepted", "good", "root.pem", "localhost", CHAIN_AND_NAME, "root.pem", BGL_SSL_E_VERIFY, ANY_RESULT},
    {"none_accepted", "untrusted", "root.pem", NULL, NOTHING, "untrusted.pem", BGL_SSL_OK, NO_LOCAL_ISSUER},
    {"none_not_accepted", "untrusted", "root.pem", NULL, NOTHING, "good.pem", BGL_SSL_E_VERIFY, ANY_RESULT},
};

static bgl_ssl_config_t *client_of(const struct server_case *it, int version)
{
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    if (it->ca)
        set_ca(client, it->ca);
    if (it->accepted)
        set_accepted(client, it->accepted);
    set_policy(client, it->policy);
    pin(client, version);
    return client;
}

static void check_refusal(const struct server_case *it, const bgl_ssl_error_t *error)
{
    CHECK_INT(it->expected, error->code);
    CHECK(error->message[0] != '\0');
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, error->phase);
    if (it->verify_result != ANY_RESULT)
        CHECK_INT(it->verify_result, error->verify_result);
}

/* A peer that was refused has shown a certificate all the same, or none; why it was refused stays a fact of the socket. */
static void check_refused_peer(const bgl_ssl_socket_t *socket, const char *shown, int verify_result)
{
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_peer_chain(socket));
    if (shown) {
        char file[64];
        snprintf(file, sizeof file, "%s.pem", shown);
        bgl_ssl_certificate_t *expected = certificate(file);
        CHECK(peer && bgl_ssl_certificate_equal(expected, peer));
        bgl_ssl_certificate_t *first = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, 0));
        CHECK(bgl_ssl_certificate_equal(expected, first));
        bgl_ssl_certificate_free(first);
        bgl_ssl_certificate_free(expected);
        CHECK(bgl_ssl_socket_verify_result(socket) > 0);
        CHECK(bgl_ssl_socket_verify_error(socket, NULL, 0) > 0);
        if (verify_result != ANY_RESULT)
            CHECK_INT(verify_result, bgl_ssl_socket_verify_result(socket));
    } else {
        CHECK(!peer);
        CHECK_INT(0, (long long)bgl_ssl_certificate_list_length(chain));
        CHECK_INT(-1, bgl_ssl_socket_verify_result(socket));
    }
    bgl_ssl_certificate_free(peer);
    bgl_ssl_certificate_list_free(chain);
}

TEST_TABLE(client_in_lock_step, server_cases)
{
    const struct server_case *it = row;
    for (size_t i = 0; i < COUNT(versions) && is_possible(it->presents, versions[i]); i++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_of(it, versions[i]);
        bgl_ssl_config_t *server = speaking(server_config(it->presents), versions[i]);
        try_connect_to(&ends, client, server, it->host, versions[i]);
        if (it->expected == BGL_SSL_OK) {
            if (ends.client_status != BGL_SSL_OK)
                FAIL("refused: %s", ends.client_error.message);
            CHECK_OK(ends.server_status);
            CHECK(exchange_bytes(&ends));
            CHECK_INT(it->verify_result, bgl_ssl_socket_verify_result(ends.client));
            char words[256];
            CHECK_INT(it->verify_result == FINE, bgl_ssl_socket_verify_error(ends.client, words, sizeof words) == 0);
        } else {
            CHECK_INT(it->expected, ends.client_status);
            check_refusal(it, &ends.client_error);
            check_refused_peer(ends.client, it->presents, it->verify_result);
            CHECK_INT(BGL_SSL_E_PROTOCOL, ends.server_status);
            CHECK(ends.server_error.alert > 0);
        }
        free_ends(&ends);
    }
}

/* The name to verify is the config's, since all of these are at 127.0.0.1. */
TEST_TABLE(client_over_the_loopback, server_cases)
{
    const struct server_case *it = row;
    for (size_t i = 0; i < COUNT(versions) && is_possible(it->presents, versions[i]); i++) {
        struct client_and_service both;
        bgl_ssl_config_t *client = client_of(it, versions[i]);
        bgl_ssl_config_t *server = speaking(server_config(it->presents), versions[i]);
        CHECK_OK(bgl_ssl_config_set_hostname(client, it->host));
        start_service_for(&both, client, server, 1, serve_echo, NULL);
        if (it->expected == BGL_SSL_OK) {
            bgl_ssl_socket_t *socket = connect_to(client, both.service.port);
            check_echo(socket, "hello");
            finish(socket);
        } else {
            CHECK_REFUSED(it->expected, bgl_ssl_connect(client, "127.0.0.1", both.service.port, AF_INET));
            bgl_ssl_error_t error = last_error();
            check_refusal(it, &error);
        }
        end_client_and_service(&both);
    }
}

TEST(the_name_connected_to_is_checked_without_being_asked)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    start_service_for(&both, client, server_config("wrong-name"), 1, serve_echo, NULL);
    CHECK_REFUSED(BGL_SSL_E_NAME, bgl_ssl_connect(client, "localhost", both.service.port, AF_INET));
    CHECK_MESSAGE("not for \"localhost\": it is for elsewhere.example, 127.0.0.99");
    end_client_and_service(&both);
}

struct fault {
    const char *name;
    const char *certificate;
    const char *message;
};

static const struct fault faults[] = {
    {"an_expired_one", "expired", "certificate has expired: \"O=bglssl,CN=expired\", valid until "},
    {"one_of_the_future", "not-yet", ": \"O=bglssl,CN=not-yet\", valid from "},
    {"an_untrusted_one", "untrusted", "\"O=bglssl,CN=untrusted\" is signed by \"O=bglssl,CN=root2\", which is neither"},
    {"one_without_its_intermediate", "chained-alone", "is signed by \"O=bglssl,CN=intermediate\", which is neither"},
    {"a_self_signed_one", "self-signed", ": \"O=bglssl,CN=self-signed\""},
};

TEST_TABLE(a_refusal_names_the_certificate_at_fault, faults)
{
    const struct fault *it = row;
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    start_service_for(&both, client, server_config(it->certificate), 1, serve_echo, NULL);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "localhost", both.service.port, AF_INET));
    CHECK_MESSAGE(it->message);
    end_client_and_service(&both);
}

TEST(a_name_cannot_be_verified_where_none_is_known)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    local_pair(fds);
    CHECK(!bgl_ssl_upgrade_client_fd(client, fds[0], NULL, 0));
    CHECK(last_error().code < 0);
    CHECK_MESSAGE("name");
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

TEST(an_empty_accepted_list_accepts_nobody)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    const bgl_ssl_certificate_t *const nobody[] = {NULL};
    CHECK_OK(bgl_ssl_config_set_accepted_certificates(client, nobody, 0));
    try_connect_with(&ends, client, server_config("good"));
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

TEST(several_cas_and_accepted_certificates_are_all_looked_at)
{
    struct ends ends;
    bgl_ssl_certificate_t *cas[] = {certificate("root2.pem"), certificate("client.pem"), certificate("root.pem")};
    bgl_ssl_certificate_t *accepted[] = {certificate("good-rsa.pem"), certificate("good.pem")};
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_ca_certificates(client, (const bgl_ssl_certificate_t *const *)cas, COUNT(cas)));
    CHECK_OK(bgl_ssl_config_set_accepted_certificates(client, (const bgl_ssl_certificate_t *const *)accepted,
                                                      COUNT(accepted)));
    for (size_t i = 0; i < COUNT(cas); i++)
        bgl_ssl_certificate_free(cas[i]);
    for (size_t i = 0; i < COUNT(accepted); i++)
        bgl_ssl_certificate_free(accepted[i]);
    connect_with(&ends, client, server_config("good"));
    free_ends(&ends);
}

/* The bundled list of Bigloo is of 2013; ours is the system's, where an administrator adds to it. */
TEST(the_system_cas_are_read_where_openssl_says)
{
    struct ends ends;
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    connect_with(&ends, MADE(bgl_ssl_config_t, bgl_ssl_config_new()), server_config("good"));
    CHECK_INT(FINE, bgl_ssl_socket_verify_result(ends.client));
    free_ends(&ends);
}

TEST(peer_certificate_and_chain_are_as_sent_leaf_first)
{
    struct ends ends;
    connect_with(&ends, client_config(), server_config("chained"));
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(ends.client));
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_peer_chain(ends.client));
    CHECK(!bgl_ssl_socket_peer_certificate(ends.server));
    CHECK_INT(-1, bgl_ssl_socket_verify_result(ends.server));
    free_ends(&ends);
    CHECK_STRING("chained-alone", bgl_ssl_certificate_subject(peer));
    CHECK_INT(2, (long long)bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_t *first = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, 0));
    bgl_ssl_certificate_t *second = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, 1));
    CHECK(bgl_ssl_certificate_equal(first, peer));
    CHECK_STRING("intermediate", bgl_ssl_certificate_subject(second));
    bgl_ssl_certificate_free(first);
    bgl_ssl_certificate_free(second);
    bgl_ssl_certificate_free(peer);
    bgl_ssl_certificate_list_free(chain);
}

/* ---- a server looks at its client ---- */

struct client_case {
    const char *name;
    const char *presents;
    const char *ca;
    const char *accepted;
    int policy;
    int mode;
    bgl_ssl_status_t expected;
    int verify_result;
    const char *peer;
};

#define AUTO BGL_SSL_CLIENT_CERTIFICATE_AUTO
#define NONE BGL_SSL_CLIENT_CERTIFICATE_NONE
#define OPTIONAL BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL
#define REQUIRED BGL_SSL_CLIENT_CERTIFICATE_REQUIRED

static const struct client_case client_cases[] = {
    {"not_asked", "client", NULL, NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, -1, NULL},
    {"good", "client", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE, "client"},
    {"good_rsa", "client-rsa", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE, "client-rsa"},
    {"good_ed25519", "client-ed25519", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE, "client-ed25519"},
    {"missing", NULL, "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, ANY_RESULT, NULL},
    {"untrusted", "client-untrusted", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER, NULL},
    {"expired", "client-expired", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, EXPIRED, NULL},
    {"wrong_purpose", "server-purpose", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, WRONG_PURPOSE, NULL},
    {"self_signed", "self-signed", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, SELF_SIGNED, NULL},
    {"intermediate_sent", "client-chained", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE,
     "client-chained-alone"},
    {"intermediate_missing", "client-chained-alone", "root.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY,
     NO_LOCAL_ISSUER, NULL},
    {"intermediate_as_anchor", "client-chained-alone", "intermediate.pem", NULL, CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE,
     "client-chained-alone"},
    {"accepted", "client", "root.pem", "client.pem", CHAIN_AND_NAME, AUTO, BGL_SSL_OK, FINE, "client"},
    {"not_accepted", "client2", "root.pem", "client.pem", CHAIN_AND_NAME, AUTO, BGL_SSL_E_VERIFY, ANY_RESULT, NULL},
    {"accepted_is_not_enough", "client-untrusted", "root.pem", "client-untrusted.pem", CHAIN_AND_NAME, AUTO,
     BGL_SSL_E_VERIFY, NO_LOCAL_ISSUER, NULL},
    {"accepted_without_cas", "client-untrusted", NULL, "client-untrusted.pem", NOTHING, AUTO, BGL_SSL_OK, ANY_RESULT,
     "client-untrusted"},
    {"not_accepted_without_cas", "client", NULL, "client-untrusted.pem", NOTHING, AUTO, BGL_SSL_E_VERIFY, ANY_RESULT,
     NULL},
    {"missing_with_accepted_list", NULL, NULL, "client.pem", NOTHING, AUTO, BGL_SSL_E_VERIFY, ANY_RESULT, NULL},
    {"optional_missing", NULL, "root.pem", NULL, CHAIN_AND_NAME, OPTIONAL, BGL_SSL_OK, -1, NULL},
    {"optional_good", "client", "root.pem", NULL, CHAIN_AND_NAME, OPTIONAL, BGL_SSL_OK, FINE, "client"},
    {"optional_untrusted", "client-untrusted", "root.pem", NULL, CHAIN_AND_NAME, OPTIONAL, BGL_SSL_E_VERIFY,
     NO_LOCAL_ISSUER, NULL},
    {"none_is_not_asked", "client", "root.pem", NULL, CHAIN_AND_NAME, NONE, BGL_SSL_OK, -1, NULL},
    {"required_unverified", "client-untrusted", "root.pem", NULL, NOTHING, REQUIRED, BGL_SSL_OK, NO_LOCAL_ISSUER,
     "client-untrusted"},
    {"required_unverified_missing", NULL, "root.pem", NULL, NOTHING, REQUIRED, BGL_SSL_E_VERIFY, ANY_RESULT, NULL},
};

static bgl_ssl_config_t *server_of(const struct client_case *it)
{
    bgl_ssl_config_t *server = server_config("good");
    if (it->ca)
        set_ca(server, it->ca);
    if (it->accepted)
        set_accepted(server, it->accepted);
    set_policy(server, it->policy);
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, it->mode));
    return server;
}

static bgl_ssl_config_t *presenting_client(const struct client_case *it, int version)
{
    bgl_ssl_config_t *client = client_config();
    if (it->presents)
        set_certificate(client, it->presents);
    pin(client, version);
    return client;
}

static void check_peer(const bgl_ssl_socket_t *socket, const struct client_case *it)
{
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    if (it->peer) {
        CHECK(peer != NULL);
        CHECK_STRING(it->peer, bgl_ssl_certificate_subject(peer));
    } else {
        CHECK(peer == NULL);
    }
    bgl_ssl_certificate_free(peer);
    if (it->verify_result != ANY_RESULT)
        CHECK_INT(it->verify_result, bgl_ssl_socket_verify_result(socket));
}

TEST_TABLE(server_in_lock_step, client_cases)
{
    const struct client_case *it = row;
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct ends ends;
        bgl_ssl_config_t *client = presenting_client(it, versions[i]);
        bgl_ssl_config_t *server = speaking(server_of(it), versions[i]);
        try_connect_to(&ends, client, server, "localhost", versions[i]);
        if (it->expected == BGL_SSL_OK) {
            if (ends.server_status != BGL_SSL_OK)
                FAIL("refused: %s", ends.server_error.message);
            CHECK_OK(ends.client_status);
            CHECK(exchange_bytes(&ends));
            check_peer(ends.server, it);
        } else {
            CHECK_INT(it->expected, ends.server_status);
            CHECK(ends.server_error.message[0] != '\0');
            if (it->verify_result != ANY_RESULT)
                CHECK_INT(it->verify_result, ends.server_error.verify_result);
            check_refused_peer(ends.server, it->presents, it->verify_result);
            /* The client learns why, whether its own handshake was done already (TLS 1.3) or not. */
            char byte;
            size_t n;
            if (ends.client_status == BGL_SSL_OK)
                CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
            else
                CHECK_INT(BGL_SSL_E_PROTOCOL, ends.client_status);
            CHECK(last_error().code == BGL_SSL_E_PROTOCOL || ends.client_error.alert > 0);
        }
        free_ends(&ends);
    }
}

struct look {
    const struct client_case *it;
};

static void look_and_echo(bgl_ssl_socket_t *socket, void *data)
{
    check_peer(socket, ((struct look *)data)->it);
    serve_echo(socket, NULL);
}

TEST_TABLE(server_over_the_loopback, client_cases)
{
    const struct client_case *it = row;
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct client_and_service both;
        struct look look = {it};
        bgl_ssl_config_t *client = presenting_client(it, versions[i]);
        bgl_ssl_config_t *server = speaking(server_of(it), versions[i]);
        start_service_for(&both, client, server, 1, look_and_echo, &look);
        bgl_ssl_socket_t *socket = bgl_ssl_connect(client, "127.0.0.1", both.service.port, AF_INET);
        if (it->expected == BGL_SSL_OK) {
            socket = MADE(bgl_ssl_socket_t, socket);
            check_echo(socket, "hello");
            finish(socket);
        } else if (socket) {
            char byte;
            size_t n;
            CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(socket, &byte, 1, &n));
            CHECK(last_error().alert > 0);
            bgl_ssl_socket_free(socket);
        } else {
            CHECK_INT(BGL_SSL_E_PROTOCOL, last_error().code);
            CHECK(last_error().alert > 0);
        }
        end_client_and_service(&both);
        CHECK_INT(it->expected != BGL_SSL_OK, both.service.refused);
        if (both.service.refused)
            CHECK_INT(it->expected, both.service.last_status);
    }
}

/* Whether a client with a config of its own, which trusts the system's CAs, verifies the server. */
static bool system_trusts_server(const char *name)
{
    struct ends ends;
    try_connect_with(&ends, MADE(bgl_ssl_config_t, bgl_ssl_config_new()), server_config(name));
    bool verified = ends.client_status == BGL_SSL_OK;
    if (!verified)
        CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
    return verified;
}

/* The text of a PEM file, last changed then. */
static void replace_system_cas(const char *pem, time_t changed)
{
    size_t length;
    char *text = read_whole_file(pki(pem), &length);
    const char *path = write_file("system.pem", text, length);
    const struct timespec times[2] = {{changed, 0}, {changed, 0}};
    CHECK_INT(0, utimensat(AT_FDCWD, path, times, 0));
    free(text);
    setenv("SSL_CERT_FILE", path, 1);
}

TEST(system_cas_are_read_again_when_their_file_has_changed)
{
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    replace_system_cas("root2.pem", 1000000000);
    CHECK(!system_trusts_server("good"));
    replace_system_cas("root.pem", 1000000001);
    CHECK(system_trusts_server("good"));
    replace_system_cas("root2.pem", 1000000002);
    CHECK(!system_trusts_server("good"));
}
