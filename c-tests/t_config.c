/* Configs: secure defaults, frozen by use, shared, copied; what is wrong is found before any connection. */
#define _GNU_SOURCE
#include "harness.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

TEST(a_fresh_config_freezes)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(the_cas_of_the_system_are_found)
{
    unsetenv("SSL_CERT_FILE");
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

/* Calls every setter with good arguments; each must answer `expected`. */
static void check_setters(bgl_ssl_config_t *config, bgl_ssl_status_t expected)
{
    static const char *const protocols[] = {"h2", "http/1.1"};
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    const bgl_ssl_certificate_t *list[] = {cert};
    CHECK_STATUS(expected, bgl_ssl_config_set_protocol(config, BGLSSL_SSLV23));
    CHECK_STATUS(expected, bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1_2));
    CHECK_STATUS(expected, bgl_ssl_config_set_max_protocol(config, BGLSSL_TLSV1_3));
    CHECK_STATUS(expected, bgl_ssl_config_set_certificate(config, cert, key));
    CHECK_STATUS(expected, bgl_ssl_config_set_certificate(config, NULL, NULL));
    CHECK_STATUS(expected, bgl_ssl_config_set_certificate_chain(config, list, 1, key));
    CHECK_STATUS(expected, bgl_ssl_config_set_ca_certificates(config, list, 1));
    CHECK_STATUS(expected, bgl_ssl_config_set_ca_certificates(config, NULL, 0));
    CHECK_STATUS(expected, bgl_ssl_config_set_accepted_certificates(config, list, 1));
    CHECK_STATUS(expected, bgl_ssl_config_set_accepted_certificates(config, NULL, 0));
    CHECK_STATUS(expected, bgl_ssl_config_insecure_verify_none(config));
    CHECK_STATUS(expected, bgl_ssl_config_insecure_verify_chain_only(config));
    CHECK_STATUS(expected, bgl_ssl_config_verify_chain_and_name(config));
    CHECK_STATUS(expected, bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL));
    CHECK_STATUS(expected, bgl_ssl_config_set_hostname(config, "localhost"));
    CHECK_STATUS(expected, bgl_ssl_config_set_hostname(config, NULL));
    CHECK_STATUS(expected, bgl_ssl_config_set_server_name(config, "localhost"));
    CHECK_STATUS(expected, bgl_ssl_config_set_server_name(config, ""));
    CHECK_STATUS(expected, bgl_ssl_config_set_alpn(config, protocols, 2));
    CHECK_STATUS(expected, bgl_ssl_config_set_alpn(config, NULL, 0));
    CHECK_STATUS(expected, bgl_ssl_config_set_cipher_list(config, "HIGH:!aNULL"));
    CHECK_STATUS(expected, bgl_ssl_config_set_cipher_suites(config, "TLS_AES_128_GCM_SHA256"));
    CHECK_STATUS(expected, bgl_ssl_config_set_groups(config, "X25519:P-256"));
    CHECK_STATUS(expected, bgl_ssl_config_set_connect_timeout(config, SECOND));
    CHECK_STATUS(expected, bgl_ssl_config_set_handshake_timeout(config, SECOND));
    CHECK_STATUS(expected, bgl_ssl_config_set_read_timeout(config, SECOND));
    CHECK_STATUS(expected, bgl_ssl_config_set_write_timeout(config, 0));
    CHECK_STATUS(expected, bgl_ssl_config_set_close_timeout(config, 0));
    CHECK_STATUS(expected, bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
}

TEST(setters_work_before_the_first_use_and_are_refused_after_it)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    check_setters(config, BGL_SSL_OK);
    CHECK_OK(bgl_ssl_config_freeze(config));
    check_setters(config, BGL_SSL_E_STATE);
    bgl_ssl_config_free(config);
}

TEST(a_socket_freezes_its_config)
{
    struct ends ends;
    int fds[2];
    bgl_ssl_config_t *config = client_config();
    local_pair(fds);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    ends.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_lazy_handshake(config, false));
    bgl_ssl_socket_free(ends.client);
    bgl_ssl_config_free(config);
    close(fds[0]);
    close(fds[1]);
}

TEST(a_listener_freezes_its_config)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_read_timeout(config, 1));
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(a_copy_of_a_frozen_config_can_be_changed_and_the_original_keeps)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_freeze(client));
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    CHECK_OK(bgl_ssl_config_set_max_protocol(copy, BGLSSL_TLSV1_2));
    set_ca(copy, "root.pem");
    connect_ends(&ends, copy, server, "localhost");
    CHECK_STRING("TLSv1.2", bgl_ssl_socket_protocol(ends.client));
    free_ends(&ends);
    connect_ends(&ends, client, server, "localhost");
    CHECK_STRING("TLSv1.3", bgl_ssl_socket_protocol(ends.client));
    free_ends(&ends);
    bgl_ssl_config_free(copy);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_copy_keeps_what_the_original_had)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    bgl_ssl_config_free(client);
    connect_ends(&ends, copy, server, NULL);
    CHECK_STRING("TLSv1.2", bgl_ssl_socket_protocol(ends.client));
    free_ends(&ends);
    bgl_ssl_config_free(copy);
    bgl_ssl_config_free(server);
}

TEST(sockets_outlive_their_config_and_what_went_into_it)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("chained");
    make_ends(&ends, client, server, "localhost");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(one_config_serves_many_sockets_at_once)
{
    enum { MANY = 20 };
    struct ends ends[MANY];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    for (int i = 0; i < MANY; i++)
        make_ends(&ends[i], client, server, "localhost");
    for (int i = MANY - 1; i >= 0; i--) {
        step_handshakes(&ends[i]);
        CHECK_OK(ends[i].client_status);
        CHECK_OK(ends[i].server_status);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK(exchange_bytes(&ends[i]));
        free_ends(&ends[i]);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(certificate_without_key_and_key_without_certificate_are_refused)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate(config, cert, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate(config, NULL, key));
    CHECK_OK(bgl_ssl_config_set_certificate(config, cert, key));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
    bgl_ssl_config_free(config);
}

/* Either the setter or freeze() may find it; a connection never does. */
TEST(a_key_that_does_not_match_is_found_before_any_connection)
{
    static const char *const keys[] = {"client.key", "good-rsa.key", "good-ed25519.key"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
        bgl_ssl_certificate_t *cert = certificate("good.pem");
        bgl_ssl_private_key_t *key = private_key(keys[i]);
        bgl_ssl_status_t status = bgl_ssl_config_set_certificate(config, cert, key);
        if (status == BGL_SSL_OK)
            status = bgl_ssl_config_freeze(config);
        CHECK_STATUS(BGL_SSL_E_CONFIG, status);
        CHECK_MESSAGE("good");
        CHECK_MESSAGE("key");
        bgl_ssl_certificate_free(cert);
        bgl_ssl_private_key_free(key);
        bgl_ssl_config_free(config);
    }
}

struct list_setting {
    const char *name;
    bgl_ssl_status_t (*set)(bgl_ssl_config_t *, const char *);
    const char *bad;
};

static const struct list_setting bad_lists[] = {
    {"cipher_list", bgl_ssl_config_set_cipher_list, "NO-SUCH-CIPHER"},
    {"cipher_suites", bgl_ssl_config_set_cipher_suites, "TLS_NO_SUCH_SUITE"},
    {"groups", bgl_ssl_config_set_groups, "no-such-group"},
};

TEST_TABLE(an_unknown_name_is_found_before_any_connection_in, bad_lists)
{
    const struct list_setting *it = row;
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_status_t status = it->set(config, it->bad);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_freeze(config);
    CHECK_STATUS(BGL_SSL_E_CONFIG, status);
    CHECK_MESSAGE(it->bad);
    bgl_ssl_config_free(config);
}

static const struct {
    const char *name;
    int protocol;
} lacking[] = {
    {"sslv2", BGLSSL_SSLV2},
    {"sslv3", BGLSSL_SSLV3},
};

/* sslv3 is there in an OpenSSL built with it; then it must freeze. */
TEST_TABLE(a_version_that_openssl_lacks_is_unsupported_by_name, lacking)
{
    const char *const *name = row;
    int protocol = bgl_ssl_protocol_number(*name);
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_status_t status = bgl_ssl_config_set_protocol(config, protocol);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_freeze(config);
    if (status == BGL_SSL_OK && protocol == BGLSSL_SSLV3)
        skip_test("an OpenSSL without SSLv3");
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, status);
    CHECK_MESSAGE(*name);
    bgl_ssl_config_free(config);
}

TEST(unknown_protocol_numbers_are_argument_errors)
{
    static const int unknown[] = {0, -1, 10, 100, INT32_MIN, INT32_MAX};
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    for (size_t i = 0; i < COUNT(unknown); i++) {
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_protocol(config, unknown[i]));
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_min_protocol(config, unknown[i]));
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_protocol(config, unknown[i]));
    }
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(a_minimum_above_the_maximum_is_refused)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_status_t status = bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1_3);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_set_max_protocol(config, BGLSSL_TLSV1_2);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_freeze(config);
    CHECK(status == BGL_SSL_E_CONFIG || status == BGL_SSL_E_ARGUMENT);
    bgl_ssl_config_free(config);
}

TEST(times_below_zero_are_argument_errors)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    static bgl_ssl_status_t (*const setters[])(bgl_ssl_config_t *, int64_t) = {
        bgl_ssl_config_set_connect_timeout, bgl_ssl_config_set_handshake_timeout, bgl_ssl_config_set_read_timeout,
        bgl_ssl_config_set_write_timeout,   bgl_ssl_config_set_close_timeout,
    };
    for (size_t i = 0; i < COUNT(setters); i++) {
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, setters[i](config, -2));
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, setters[i](config, INT64_MIN));
        CHECK_OK(setters[i](config, INT64_MAX));
    }
    bgl_ssl_config_free(config);
}

TEST(alpn_names_must_have_1_to_255_bytes)
{
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[256] = '\0';
    const char *const empty[] = {"h2", ""};
    const char *const too_long[] = {long_name};
    const char *const null[] = {"h2", NULL};
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_alpn(config, empty, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_alpn(config, too_long, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_alpn(config, null, 2));
    long_name[255] = '\0';
    CHECK_OK(bgl_ssl_config_set_alpn(config, too_long, 1));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(unknown_client_certificate_modes_are_argument_errors)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_client_certificate(config, -1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_client_certificate(config, 4));
    bgl_ssl_config_free(config);
}

TEST(ciphers_that_do_not_fit_the_version_are_found_before_any_connection)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_TLSV1_3));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, ""));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    CHECK_MESSAGE("cipher");
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_SSLV23)); /* servers have TLS 1.2 left */
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
    config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_TLSV1_1));
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, "ECDHE-RSA-AES128-GCM-SHA256"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

/* A list that nobody is asked for would let everybody in. */
TEST(an_accepted_list_that_no_client_is_asked_for_is_refused)
{
    bgl_ssl_config_t *config = server_config("good");
    set_accepted(config, "client.pem");
    CHECK_OK(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_NONE));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    CHECK_MESSAGE("accepted");
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    CHECK_OK(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(frees_in_any_order_are_fine)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(config));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(copy, "127.0.0.1", 0, 5, AF_INET));
    bgl_ssl_config_free(copy);
    bgl_ssl_config_free(config);
    CHECK(bgl_ssl_server_port(server) > 0);
    bgl_ssl_server_free(server);
}

/* What the default protocol does with a server that speaks only this one, on a system with such an openssl.cnf. */
static bgl_ssl_status_t status_by_default(const char *policy, int version)
{
    static const char start[] = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n";
    struct ends ends;
    char text[300];
    if (openssl_is_warm())
        skip_test("a process in which OpenSSL has not read its configuration yet");
    snprintf(text, sizeof text, "%s%s\n", start, policy);
    setenv("OPENSSL_CONF", write_file("openssl.cnf", text, strlen(text)), 1);
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(server, version));
    try_connect_with(&ends, client, server);
    free_ends(&ends);
    return ends.client_status;
}

TEST(default_protocol_is_no_laxer_than_the_systems_minimum)
{
    CHECK(status_by_default("MinProtocol = TLSv1.3", BGLSSL_TLSV1_2) < 0);
}

TEST(default_protocol_keeps_the_systems_maximum)
{
    CHECK(status_by_default("MaxProtocol = TLSv1.2", BGLSSL_TLSV1_3) < 0);
}

TEST(default_protocol_is_no_laxer_than_tls_1_2)
{
    CHECK(status_by_default("MinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0", BGLSSL_TLSV1_1) < 0);
}

/* ---- changes while it is frozen ---- */

static atomic_bool holds;
static sem_t held, let_go;

/* A disk that takes its time. */
__attribute__((visibility("default"))) int statx(int dir, const char *restrict path, int flags, unsigned mask,
                                                 struct statx *restrict out)
{
    if (atomic_exchange(&holds, false)) {
        sem_post(&held);
        sem_wait(&let_go);
    }
    return (int)syscall(SYS_statx, dir, path, flags, mask, out);
}

struct freezing {
    bgl_ssl_config_t *config;
    bgl_ssl_status_t status;
};

static void *freeze(void *data)
{
    struct freezing *it = data;
    it->status = bgl_ssl_config_freeze(it->config);
    return NULL;
}

TEST(who_changes_or_copies_a_config_does_not_wait_for_its_freezing)
{
    struct freezing freezing = {.config = MADE(bgl_ssl_config_t, bgl_ssl_config_new())};
    CHECK_INT(0, sem_init(&held, 0, 0));
    CHECK_INT(0, sem_init(&let_go, 0, 0));
    atomic_store(&holds, true);
    pthread_t thread = start_thread(freeze, &freezing);
    sem_wait(&held);
    bgl_ssl_config_free(MADE(bgl_ssl_config_t, bgl_ssl_config_copy(freezing.config)));
    CHECK_OK(bgl_ssl_config_set_cipher_list(freezing.config, "nonsense"));
    sem_post(&let_go);
    join_thread(thread);
    /* What was set meanwhile counts. */
    CHECK_INT(BGL_SSL_E_CONFIG, freezing.status);
    CHECK_OK(bgl_ssl_config_set_cipher_list(freezing.config, NULL));
    CHECK_OK(bgl_ssl_config_freeze(freezing.config));
    bgl_ssl_config_free(freezing.config);
}

/* The header: bgl_ssl_config_freeze returns BGL_SSL_E_CONFIG or BGL_SSL_E_UNSUPPORTED; BGL_SSL_E_ARGUMENT is for NULL. */
TEST(a_minimum_that_datagrams_do_not_have_is_a_contradiction)
{
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1_3));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

/* "A bad list is found when the config is frozen": groups and signature algorithms with an unknown name are. */
TEST(an_unknown_suite_beside_another_is_found_before_any_connection)
{
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA348"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(no_suite_for_the_only_version_is_found_before_any_connection)
{
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    CHECK_OK(bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1_3));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, ""));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}
