/* What a config demands of the peer beside chain and name (pins, depth, time, flags), its algorithms, and its key log. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static void pin_of(const char *file, char pin[64])
{
    bgl_ssl_certificate_t *it = certificate(file);
    CHECK_INT(52, bgl_ssl_certificate_pin(it, pin, 64));
    bgl_ssl_certificate_free(it);
}

static void add_pin(bgl_ssl_config_t *config, const char *file)
{
    char pin[64];
    pin_of(file, pin);
    CHECK_OK(bgl_ssl_config_add_pins(config, pin));
}

static bgl_ssl_error_t refusal;

/* What a client with this config makes of a server with this certificate; a failure is in `refusal`. */
static int client_status(bgl_ssl_config_t *client, const char *server)
{
    struct ends ends;
    try_connect_with(&ends, client, server_config(server));
    int status = ends.client_status;
    refusal = ends.client_error;
    free_ends(&ends);
    return status;
}

/* ---- pins ---- */

struct pinning {
    const char *name;
    const char *pinned;
    bgl_ssl_status_t verified;
    bgl_ssl_status_t unverified;
};

static const struct pinning pinnings[] = {
    {"the_servers_key", "good.pem", BGL_SSL_OK, BGL_SSL_OK},
    {"the_key_of_its_ca", "root.pem", BGL_SSL_OK, BGL_SSL_E_VERIFY},
    {"another_key", "good-rsa.pem", BGL_SSL_E_VERIFY, BGL_SSL_E_VERIFY},
};

TEST_TABLE(a_client_pins, pinnings)
{
    const struct pinning *it = row;
    bgl_ssl_config_t *client = client_config();
    add_pin(client, it->pinned);
    CHECK_INT(it->verified, client_status(client, "good"));
    client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    add_pin(client, it->pinned);
    CHECK_INT(it->unverified, client_status(client, "good"));
}

TEST(one_of_several_pins_is_enough)
{
    bgl_ssl_config_t *client = client_config();
    add_pin(client, "good-rsa.pem");
    add_pin(client, "good.pem");
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    client = client_config();
    add_pin(client, "good-rsa.pem");
    CHECK_OK(bgl_ssl_config_add_pins(client, NULL));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
}

TEST(a_pin_is_the_digest_that_openssl_computes)
{
    char pin[64], command[512], digest[64] = "";
    pin_of("good.pem", pin);
    snprintf(command, sizeof command,
             "openssl x509 -in '%s' -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | "
             "openssl base64",
             pki("good.pem"));
    FILE *tool = popen(command, "r");
    CHECK(tool && fscanf(tool, "%63s", digest) == 1);
    pclose(tool);
    CHECK_STRING(digest, pin + strlen("sha256//"));
}

TEST(a_pinned_key_does_not_replace_the_chain)
{
    bgl_ssl_config_t *client = client_config();
    add_pin(client, "untrusted.pem");
    CHECK_INT(BGL_SSL_E_VERIFY, client_status(client, "untrusted"));
}

struct client_pinning {
    const char *name;
    const char *certificate;
    bool accepted;
};

static const struct client_pinning client_pinnings[] = {
    {"the_pinned_one", "client", true},
    {"another_one", "client2", false},
    {"none", NULL, false},
};

TEST_TABLE(a_server_pins_its_clients, client_pinnings)
{
    const struct client_pinning *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    if (it->certificate)
        set_certificate(client, it->certificate);
    set_ca(server, "root.pem");
    add_pin(server, "client.pem");
    try_connect_with(&ends, client, server);
    CHECK_INT(it->accepted ? BGL_SSL_OK : BGL_SSL_E_VERIFY, ends.server_status);
    free_ends(&ends);
}

TEST(pins_on_a_server_that_asks_nobody_are_a_contradiction)
{
    bgl_ssl_config_t *server = server_config("good");
    add_pin(server, "client.pem");
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_NONE));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(server));
    bgl_ssl_config_free(server);
}

TEST(what_is_no_pin_is_refused)
{
    static const char *const texts[] = {"", "sha256//", "sha256//AAAA", "sha1//AAECAwQFBgcICQoLDA0ODxAREhM=", ";"};
    bgl_ssl_config_t *config = client_config();
    for (size_t i = 0; i < COUNT(texts); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_pins(config, texts[i]));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_pins(NULL, NULL));
    CHECK_INT(0, bgl_ssl_certificate_pin(NULL, NULL, 0));
    bgl_ssl_config_free(config);
}

/* ---- depth, time, flags ---- */

TEST(the_depth_counts_the_cas_between)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_depth(client, 0));
    CHECK_INT(BGL_SSL_E_VERIFY, client_status(client, "chained"));
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_depth(client, 0));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_depth(client, 1));
    CHECK_INT(BGL_SSL_OK, client_status(client, "chained"));
    client = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_verify_depth(client, 101));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_verify_depth(client, -2));
    CHECK_OK(bgl_ssl_config_set_verify_depth(client, -1));
    bgl_ssl_config_free(client);
}

TEST(certificates_are_judged_by_the_time_that_was_set)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_time(client, 1));
    CHECK_INT(BGL_SSL_E_VERIFY, client_status(client, "good"));
    CHECK_INT(9, refusal.verify_result);
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_time(client, 0));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    client = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_verify_time(client, -1));
    bgl_ssl_config_free(client);
}

TEST(a_common_name_counts_unless_it_must_not)
{
    for (int strict = 0; strict < 2; strict++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config();
        /* A certificate without names, whose CommonName is "server-purpose". */
        CHECK_OK(bgl_ssl_config_set_hostname(client, "server-purpose"));
        if (strict)
            CHECK_OK(bgl_ssl_config_set_verify_flags(client, BGL_SSL_VERIFY_NO_COMMON_NAME));
        try_connect_with(&ends, client, server_config("server-purpose"));
        CHECK_INT(strict ? BGL_SSL_E_NAME : BGL_SSL_OK, ends.client_status);
        free_ends(&ends);
    }
}

/* This certificate does not name its issuer's key, which RFC 5280 demands and OpenSSL 3 looks for. */
TEST(strictness_refuses_what_rfc_5280_forbids)
{
    enum { MISSING_AUTHORITY_KEY_IDENTIFIER = 85 };
    if (strstr(bgl_ssl_version(), "OpenSSL 1."))
        skip_test("an OpenSSL that looks for authority key identifiers");
    CHECK_INT(BGL_SSL_OK, client_status(client_config(), "cn-localhost"));
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_flags(client, BGL_SSL_VERIFY_STRICT));
    CHECK_INT(BGL_SSL_E_VERIFY, client_status(client, "cn-localhost"));
    CHECK_INT(MISSING_AUTHORITY_KEY_IDENTIFIER, refusal.verify_result);
}

TEST(unknown_flags_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_verify_flags(config, 4));
    CHECK_OK(bgl_ssl_config_set_verify_flags(config, BGL_SSL_VERIFY_STRICT | BGL_SSL_VERIFY_NO_COMMON_NAME));
    bgl_ssl_config_free(config);
}

/* ---- algorithms ---- */

TEST(signature_algorithms_limit_what_the_peer_may_use)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_signature_algorithms(client, "rsa_pss_rsae_sha256"));
    CHECK(client_status(client, "good") < 0);
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_signature_algorithms(client, "ECDSA+SHA256:rsa_pss_rsae_sha256"));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_signature_algorithms(client, "no-such-algorithm"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(client));
    CHECK_MESSAGE("\"no-such-algorithm\" that OpenSSL cannot use");
    bgl_ssl_config_free(client);
}

TEST(a_security_level_refuses_weaker_keys)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_security_level(client, 5));
    CHECK(client_status(client, "good") < 0);
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_security_level(client, 1));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    client = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_security_level(client, 6));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_security_level(client, -2));
    bgl_ssl_config_free(client);
}

/* ---- what OpenSSL can do ---- */

TEST(features_are_asked_for_by_name)
{
    CHECK(bgl_ssl_supports("protocol:tlsv1_2"));
    CHECK(bgl_ssl_supports("protocol:dtls"));
    CHECK(!bgl_ssl_supports("protocol:sslv2"));
    CHECK(!bgl_ssl_supports("protocol:tlsv9"));
    CHECK(bgl_ssl_supports("group:P-256"));
    CHECK(!bgl_ssl_supports("group:no-such-group"));
    CHECK(bgl_ssl_supports("signature-algorithm:ecdsa_secp256r1_sha256"));
    CHECK(!bgl_ssl_supports("signature-algorithm:no-such-algorithm"));
    CHECK(bgl_ssl_supports("cipher:TLS_AES_128_GCM_SHA256"));
    CHECK(bgl_ssl_supports("cipher:ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK(!bgl_ssl_supports("cipher:no-such-cipher"));
    CHECK(!bgl_ssl_supports("cipher:TLS_AES_128_GCM_SHA384"));
    CHECK(!bgl_ssl_supports("cipher:ALL"));
    CHECK(!bgl_ssl_supports("cipher:ECDHE+AESGCM"));
}

TEST(what_is_no_feature_is_an_argument_error)
{
    static const char *const texts[] = {NULL, "", "group", "group:", "group:P-256:P-384", "colour:red", "\xff"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        bgl_ssl_clear_error();
        CHECK(!bgl_ssl_supports(texts[i]));
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    }
}

/* ---- key log ---- */

static void check_key_log(int protocol, const char *expected)
{
    size_t length;
    const char *path = own_path(expected);
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, protocol));
    CHECK_OK(bgl_ssl_config_insecure_set_key_log_file(client, path));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    char *text = read_whole_file(path, &length);
    CHECK(length > 0 && text[length - 1] == '\n');
    CHECK(memmem(text, length, expected, strlen(expected)));
    free(text);
    struct stat status;
    CHECK_INT(0, stat(path, &status));
    CHECK_INT(0600, status.st_mode & 0777);
}

TEST(a_key_log_holds_the_secrets_for_its_owner_only)
{
    check_key_log(BGLSSL_TLSV1_2, "CLIENT_RANDOM");
    check_key_log(BGLSSL_TLSV1_3, "CLIENT_TRAFFIC_SECRET_0");
}

/* A tool that reads the log may end at any time. */
TEST(a_key_log_whose_reader_has_gone_ends_nothing)
{
    char line[2000];
    const char *path = own_path("fifo");
    bgl_ssl_config_t *client = client_config();
    signal(SIGPIPE, SIG_DFL);
    CHECK_INT(0, mkfifo(path, 0600));
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(reader >= 0);
    CHECK_OK(bgl_ssl_config_insecure_set_key_log_file(client, path));
    bgl_ssl_config_t *copy = bgl_ssl_config_copy(client);
    CHECK_OK(bgl_ssl_config_freeze(copy));
    CHECK_INT(BGL_SSL_OK, client_status(client, "good"));
    CHECK(read(reader, line, sizeof line) > 0);
    CHECK_INT(0, close(reader));
    CHECK_INT(BGL_SSL_OK, client_status(copy, "good"));
}

TEST(the_environment_alone_logs_no_keys)
{
    const char *path = own_path("environment");
    setenv("SSLKEYLOGFILE", path, 1);
    CHECK_INT(BGL_SSL_OK, client_status(client_config(), "good"));
    CHECK(access(path, F_OK) != 0);
}

TEST(a_key_log_that_cannot_be_opened_is_an_error)
{
    const char *path = own_path("no-such-directory/log");
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_set_key_log_file(client, path));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_freeze(client));
    CHECK_MESSAGE("no-such-directory");
    CHECK_OK(bgl_ssl_config_insecure_set_key_log_file(client, NULL));
    CHECK_OK(bgl_ssl_config_freeze(client));
    bgl_ssl_config_free(client);
}

/* ---- what a verification would have found ---- */

TEST(the_result_of_who_verifies_nobody_counts_at_the_time_that_was_set)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_set_verify_time(client, (int64_t)time(NULL) + INT64_C(10) * 365 * 86400));
    connect_with(&ends, client, server_config("good"));
    CHECK_INT(10, bgl_ssl_socket_verify_result(ends.client)); /* expired */
    free_ends(&ends);
}

TEST(the_result_of_who_verifies_nobody_counts_the_depth_that_was_set)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_set_verify_depth(client, 0));
    connect_with(&ends, client, server_config("chained"));
    CHECK(bgl_ssl_socket_verify_result(ends.client) > 0);
    free_ends(&ends);
}
