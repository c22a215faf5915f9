/* Bad input gets a clear error; nothing crashes, hangs or leaks. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* ---- NULL for every pointer of every export ---- */

#define CHECK_ARGUMENT(call)                                                                                           \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, call);                                                                        \
    } while (0)
#define CHECK_NO_HANDLE(call)                                                                                          \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, call);                                                                       \
    } while (0)
#define CHECK_NOTHING(call)                                                                                            \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_INT(0, (long long)(call));                                                                               \
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);                                                              \
    } while (0)

TEST(null_for_names_and_lists)
{
    CHECK_NOTHING(bgl_ssl_protocol_number(NULL));
    CHECK_ARGUMENT(bgl_ssl_rand_bytes(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_rand_pseudo_bytes(NULL, 1));
    CHECK(bgl_ssl_get_ciphers(NULL, 0) > 0);
    CHECK(bgl_evp_get_ciphers(NULL, 0) > 0);
    CHECK(bgl_evp_get_hashes(NULL, 0) > 0);
    /* A size without a buffer: the length is told, or an error, and nothing is written. */
    bgl_ssl_get_ciphers(NULL, 100);
    bgl_evp_get_ciphers(NULL, 100);
    bgl_evp_get_hashes(NULL, 100);
    CHECK(!bgl_ssl_socketp(NULL));
}

TEST(null_for_free_is_fine)
{
    bgl_ssl_certificate_free(NULL);
    bgl_ssl_certificate_list_free(NULL);
    bgl_ssl_private_key_free(NULL);
    bgl_ssl_config_free(NULL);
    bgl_ssl_socket_free(NULL);
    bgl_ssl_server_free(NULL);
    bgl_ssl_session_free(NULL);
    CHECK_INT(BGL_SSL_OK, last_error().code);
}

TEST(null_for_certificates_and_keys)
{
    char text[16];
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *cert = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    CHECK_NO_HANDLE(bgl_ssl_load_certificate(NULL));
    CHECK_NO_HANDLE(bgl_ssl_load_pem(NULL));
    CHECK_NO_HANDLE(bgl_ssl_load_private_key(NULL));
    CHECK_NO_HANDLE(bgl_ssl_certificate_from_file(NULL, BGL_SSL_FORMAT_AUTO));
    CHECK_NO_HANDLE(bgl_ssl_certificate_from_mem(NULL, 5, BGL_SSL_FORMAT_AUTO));
    CHECK_NO_HANDLE(bgl_ssl_certificate_list_from_mem(NULL, 5));
    CHECK_NO_HANDLE(bgl_ssl_private_key_from_file(NULL, BGL_SSL_FORMAT_AUTO, NULL));
    CHECK_NO_HANDLE(bgl_ssl_private_key_from_mem(NULL, 5, BGL_SSL_FORMAT_AUTO, NULL));
    CHECK_ARGUMENT(bgl_ssl_pkcs12_from_file(NULL, "secret", &key, &cert, &chain));
    CHECK_ARGUMENT(bgl_ssl_pkcs12_from_mem(NULL, 5, "secret", &key, &cert, &chain));
    CHECK(!key && !cert && !chain);
    /* What is not wanted need not be taken. */
    CHECK_OK(bgl_ssl_pkcs12_from_file(pki("good.p12"), "secret", NULL, NULL, NULL));
    CHECK_NO_HANDLE(bgl_ssl_certificate_retain(NULL));
    CHECK_NO_HANDLE(bgl_ssl_private_key_retain(NULL));
    CHECK_NOTHING(bgl_ssl_certificate_list_length(NULL));
    CHECK_NO_HANDLE(bgl_ssl_certificate_list_get(NULL, 0));
    CHECK_NO_HANDLE(bgl_ssl_certificate_subject(NULL));
    CHECK_NO_HANDLE(bgl_ssl_certificate_issuer(NULL));
    CHECK_NOTHING(bgl_ssl_certificate_subject_length(NULL));
    CHECK_NOTHING(bgl_ssl_certificate_issuer_length(NULL));
    CHECK_NOTHING(bgl_ssl_certificate_subject_name(NULL, text, sizeof text));
    CHECK_NOTHING(bgl_ssl_certificate_issuer_name(NULL, text, sizeof text));
    CHECK_NOTHING(bgl_ssl_certificate_serial(NULL, text, sizeof text));
    CHECK_NOTHING(bgl_ssl_certificate_fingerprint(NULL, "sha256", text, sizeof text));
    CHECK_NOTHING(bgl_ssl_certificate_alt_name_count(NULL));
    CHECK_NOTHING(bgl_ssl_certificate_alt_name(NULL, 0, text, sizeof text));
    bgl_ssl_certificate_not_before(NULL);
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_certificate_not_after(NULL);
    CHECK_NOTHING(bgl_ssl_certificate_pem(NULL, text, sizeof text));
    CHECK_NOTHING(bgl_ssl_certificate_der(NULL, text, sizeof text));
    CHECK(!bgl_ssl_certificate_equal(NULL, NULL));
    CHECK(!bgl_ssl_private_key_equal(NULL, NULL));
    CHECK_ARGUMENT(bgl_ssl_certificate_check_private_key(NULL, NULL));
}

TEST(null_beside_a_good_certificate)
{
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    size_t length = bgl_ssl_certificate_subject_name(cert, NULL, 0);
    CHECK(length > 0);
    /* A size without a buffer writes nothing. */
    bgl_ssl_certificate_subject_name(cert, NULL, 100);
    bgl_ssl_certificate_issuer_name(cert, NULL, 100);
    bgl_ssl_certificate_serial(cert, NULL, 100);
    bgl_ssl_certificate_fingerprint(cert, "sha256", NULL, 100);
    bgl_ssl_certificate_alt_name(cert, 0, NULL, 100);
    bgl_ssl_certificate_pem(cert, NULL, 100);
    bgl_ssl_certificate_der(cert, NULL, 100);
    CHECK_NOTHING(bgl_ssl_certificate_fingerprint(cert, NULL, NULL, 0));
    CHECK_ARGUMENT(bgl_ssl_certificate_check_private_key(cert, NULL));
    CHECK_ARGUMENT(bgl_ssl_certificate_check_private_key(NULL, key));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
}

TEST(null_for_configs)
{
    static const char *const names[] = {"h2"};
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    const bgl_ssl_certificate_t *list[] = {cert};
    CHECK_NO_HANDLE(bgl_ssl_config_copy(NULL));
    CHECK_ARGUMENT(bgl_ssl_config_set_protocol(NULL, BGLSSL_SSLV23));
    CHECK_ARGUMENT(bgl_ssl_config_set_min_protocol(NULL, BGLSSL_TLSV1_2));
    CHECK_ARGUMENT(bgl_ssl_config_set_max_protocol(NULL, BGLSSL_TLSV1_2));
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate(NULL, cert, key));
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate_chain(NULL, list, 1, key));
    CHECK_ARGUMENT(bgl_ssl_config_set_ca_certificates(NULL, list, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_accepted_certificates(NULL, list, 1));
    CHECK_ARGUMENT(bgl_ssl_config_verify_chain_and_name(NULL));
    CHECK_ARGUMENT(bgl_ssl_config_insecure_verify_chain_only(NULL));
    CHECK_ARGUMENT(bgl_ssl_config_insecure_verify_none(NULL));
    CHECK_ARGUMENT(bgl_ssl_config_set_client_certificate(NULL, BGL_SSL_CLIENT_CERTIFICATE_AUTO));
    CHECK_ARGUMENT(bgl_ssl_config_set_hostname(NULL, "localhost"));
    CHECK_ARGUMENT(bgl_ssl_config_set_server_name(NULL, "localhost"));
    CHECK_ARGUMENT(bgl_ssl_config_set_alpn(NULL, names, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_cipher_list(NULL, "HIGH"));
    CHECK_ARGUMENT(bgl_ssl_config_set_cipher_suites(NULL, "TLS_AES_128_GCM_SHA256"));
    CHECK_ARGUMENT(bgl_ssl_config_set_groups(NULL, "X25519"));
    CHECK_ARGUMENT(bgl_ssl_config_set_connect_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_handshake_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_read_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_write_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_close_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_lazy_handshake(NULL, true));
    CHECK_ARGUMENT(bgl_ssl_config_freeze(NULL));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
}

TEST(null_beside_a_good_config)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    const bgl_ssl_certificate_t *with_hole[] = {cert, NULL};
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate_chain(config, NULL, 1, key));
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate_chain(config, with_hole, 2, key));
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate_chain(config, with_hole, 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_config_set_ca_certificates(config, NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_ca_certificates(config, with_hole, 2));
    CHECK_ARGUMENT(bgl_ssl_config_set_accepted_certificates(config, NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_config_set_accepted_certificates(config, with_hole, 2));
    CHECK_ARGUMENT(bgl_ssl_config_set_alpn(config, NULL, 1));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
}

TEST(null_for_sockets)
{
    char text[16];
    int port = 0;
    size_t n = 0;
    CHECK_NO_HANDLE(bgl_ssl_connect(NULL, "localhost", 443, AF_INET));
    CHECK_NO_HANDLE(bgl_ssl_connect_resume(NULL, "localhost", 443, AF_INET, NULL));
    CHECK_NO_HANDLE(bgl_ssl_upgrade_client_fd(NULL, 0, "localhost", 0));
    CHECK_NO_HANDLE(bgl_ssl_upgrade_server_fd(NULL, 0, 0));
    CHECK_ARGUMENT(bgl_ssl_socket_handshake(NULL));
    CHECK_ARGUMENT(bgl_ssl_socket_read(NULL, text, sizeof text, &n));
    CHECK_ARGUMENT(bgl_ssl_socket_write(NULL, text, sizeof text, &n));
    bgl_ssl_clear_error();
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(NULL));
    CHECK_ARGUMENT(bgl_ssl_socket_shutdown(NULL));
    CHECK_ARGUMENT(bgl_ssl_socket_close(NULL));
    CHECK_ARGUMENT(bgl_ssl_socket_set_nonblocking(NULL, true));
    CHECK_ARGUMENT(bgl_ssl_socket_set_read_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_socket_set_write_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_socket_set_handshake_timeout(NULL, 1));
    CHECK_ARGUMENT(bgl_ssl_socket_set_close_timeout(NULL, 1));
    CHECK_INT(-1, bgl_ssl_socket_fd(NULL));
    CHECK_NOTHING(bgl_ssl_socket_local_address(NULL, text, sizeof text, &port));
    CHECK_NOTHING(bgl_ssl_socket_peer_address(NULL, text, sizeof text, &port));
    CHECK(bgl_ssl_socket_protocol(NULL) == NULL);
    CHECK(bgl_ssl_socket_cipher(NULL) == NULL);
    CHECK_INT(0, (long long)bgl_ssl_socket_alpn(NULL, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_socket_server_name(NULL, text, sizeof text));
    CHECK_INT(-1, bgl_ssl_socket_verify_result(NULL));
    bgl_ssl_socket_verify_error(NULL, text, sizeof text);
    CHECK(bgl_ssl_socket_peer_certificate(NULL) == NULL);
    CHECK(bgl_ssl_socket_peer_chain(NULL) == NULL);
    CHECK(bgl_ssl_socket_session(NULL) == NULL);
    CHECK(!bgl_ssl_socket_session_reused(NULL));
}

TEST(null_beside_a_good_socket)
{
    struct ends ends;
    char text[16];
    size_t n = 4711;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    connect_ends(&ends, client, server, "localhost");
    CHECK_ARGUMENT(bgl_ssl_socket_read(ends.client, NULL, 16, &n));
    CHECK_INT(0, (long long)n);
    CHECK_ARGUMENT(bgl_ssl_socket_read(ends.client, text, sizeof text, NULL));
    n = 4711;
    CHECK_ARGUMENT(bgl_ssl_socket_write(ends.client, NULL, 16, &n));
    CHECK_INT(0, (long long)n);
    CHECK_ARGUMENT(bgl_ssl_socket_write(ends.client, text, sizeof text, NULL));
    /* Lengths that no object can have. */
    CHECK_ARGUMENT(bgl_ssl_socket_read(ends.client, text, SIZE_MAX, &n));
    CHECK_ARGUMENT(bgl_ssl_socket_write(ends.client, text, SIZE_MAX, &n));
    CHECK_ARGUMENT(bgl_ssl_socket_write(ends.client, text, (size_t)PTRDIFF_MAX + 1, &n));
    int port = 4711;
    CHECK_NOTHING(bgl_ssl_socket_local_address(ends.client, NULL, 100, &port));
    CHECK_NOTHING(bgl_ssl_socket_peer_address(ends.client, NULL, 100, &port));
    CHECK_INT(4711, port);
    bgl_ssl_socket_alpn(ends.client, NULL, 100);
    bgl_ssl_socket_server_name(ends.client, NULL, 100);
    bgl_ssl_socket_verify_error(ends.client, NULL, 100);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_read_timeout(ends.client, -2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_write_timeout(ends.client, INT64_MIN));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_handshake_timeout(ends.client, -2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_close_timeout(ends.client, -2));
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(null_for_servers)
{
    char text[16];
    int port = 0;
    bgl_ssl_socket_t *socket = NULL;
    CHECK_NO_HANDLE(bgl_ssl_listen(NULL, "127.0.0.1", 0, 5, AF_INET));
    CHECK_ARGUMENT(bgl_ssl_server_accept(NULL, 1, &socket));
    CHECK_INT(-1, bgl_ssl_server_port(NULL));
    CHECK_INT(-1, bgl_ssl_server_fd(NULL));
    CHECK_NOTHING(bgl_ssl_server_local_address(NULL, text, sizeof text, &port));
    CHECK_ARGUMENT(bgl_ssl_server_close(NULL));
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    CHECK_ARGUMENT(bgl_ssl_server_accept(server, 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_server_accept(server, INT64_MIN, &socket));
    port = 4711;
    CHECK_NOTHING(bgl_ssl_server_local_address(server, NULL, 100, &port));
    CHECK_INT(4711, port);
    CHECK_OK(bgl_ssl_server_close(server));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_server_accept(server, 1, &socket));
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

TEST(null_for_the_short_forms)
{
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    CHECK_NO_HANDLE(bgl_make_ssl_client_socket(NULL, 443, 0, BGLSSL_SSLV23, NULL, NULL, NULL, 0, NULL, 0, AF_INET));
    CHECK_NO_HANDLE(
        bgl_make_ssl_client_socket("localhost", 443, 0, BGLSSL_SSLV23, NULL, NULL, NULL, 1, NULL, 0, AF_INET));
    CHECK_NO_HANDLE(
        bgl_make_ssl_client_socket("localhost", 443, 0, BGLSSL_SSLV23, NULL, NULL, NULL, 0, NULL, 1, AF_INET));
    CHECK_NO_HANDLE(
        bgl_make_ssl_client_socket("localhost", 443, 0, BGLSSL_SSLV23, cert, NULL, NULL, 0, NULL, 0, AF_INET));
    CHECK_NO_HANDLE(bgl_client_socket_use_ssl(0, BGLSSL_SSLV23, NULL, key, NULL, 0, NULL, 0));
    CHECK_NO_HANDLE(bgl_client_socket_use_ssl(0, BGLSSL_SSLV23, NULL, NULL, NULL, 1, NULL, 0));
    CHECK_NO_HANDLE(
        bgl_make_ssl_server_socket("127.0.0.1", 0, BGLSSL_SSLV23, cert, NULL, NULL, 0, NULL, 0, 5, AF_INET));
    CHECK_NO_HANDLE(
        bgl_make_ssl_server_socket("127.0.0.1", 0, BGLSSL_SSLV23, cert, key, NULL, 1, NULL, 0, 5, AF_INET));
    CHECK_NO_HANDLE(
        bgl_make_ssl_server_socket("127.0.0.1", 0, BGLSSL_SSLV23, cert, key, NULL, 0, NULL, 1, 5, AF_INET));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_private_key_free(key);
}

/* ---- strings ---- */

TEST(strings_that_are_not_utf8_are_refused)
{
    static const char bad[] = "h\xff\xfe";
    const char *const names[] = {bad};
    bgl_ssl_config_t *config = client_config();
    CHECK_NO_HANDLE(bgl_ssl_connect(config, bad, 443, AF_INET));
    CHECK_ARGUMENT(bgl_ssl_config_set_hostname(config, bad));
    CHECK_ARGUMENT(bgl_ssl_config_set_server_name(config, bad));
    CHECK_NO_HANDLE(bgl_make_ssl_client_socket(bad, 443, 0, BGLSSL_SSLV23, NULL, NULL, NULL, 0, NULL, 0, AF_INET));
    CHECK_NO_HANDLE(bgl_ssl_listen(config, bad, 0, 5, AF_INET));
    /* Lists of names are OpenSSL's to understand, when the config is frozen. */
    static bgl_ssl_status_t (*const lists[])(bgl_ssl_config_t *, const char *) = {
        bgl_ssl_config_set_cipher_list, bgl_ssl_config_set_cipher_suites, bgl_ssl_config_set_groups};
    for (size_t i = 0; i < COUNT(lists); i++) {
        bgl_ssl_config_t *other = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
        CHECK_OK(lists[i](other, bad));
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(other));
        bgl_ssl_config_free(other);
    }
    /* ALPN names are bytes, and so are file names and passphrases: no crash, whatever the answer. */
    bgl_ssl_config_set_alpn(config, names, 1);
    CHECK(!bgl_ssl_load_certificate(bad));
    CHECK(last_error().code < 0);
    CHECK(!bgl_ssl_private_key_from_file(pki("good-encrypted.key"), BGL_SSL_FORMAT_AUTO, bad));
    CHECK(last_error().code < 0);
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK_INT(0, (long long)bgl_ssl_certificate_fingerprint(cert, bad, NULL, 0));
    CHECK(last_error().code < 0);
    bgl_ssl_certificate_free(cert);
    bgl_ssl_config_free(config);
}

TEST(hosts_that_are_no_hosts_are_refused)
{
    char endless[400];
    static const char *const hosts[] = {"",    " ",  "local host",      "localhost\n",
                                        "a/b", "..", "256.256.256.256", "[::1",
                                        "127.0.0.1 a"};
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 2 * SECOND));
    for (size_t i = 0; i < COUNT(hosts); i++) {
        if (bgl_ssl_connect(config, hosts[i], 443, AF_UNSPEC))
            FAIL("connected to \"%s\"", hosts[i]);
        CHECK(last_error().code < 0);
        CHECK(last_error().message[0] != '\0');
    }
    CHECK(!bgl_ssl_connect(config, endless, 443, AF_UNSPEC));
    CHECK(last_error().code < 0);
    bgl_ssl_config_free(config);
}

TEST(patterns_are_no_names_to_verify)
{
    static const char *const patterns[] = {"*.example.test", "*", ".example.test", "www.*.test"};
    bgl_ssl_config_t *config = client_config();
    for (size_t i = 0; i < COUNT(patterns); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_hostname(config, patterns[i]));
    bgl_ssl_config_free(config);
}

/* ---- numbers ---- */

TEST(ports_out_of_range_are_refused)
{
    static const int ports[] = {-1, 65536, 70000, INT_MIN, INT_MAX};
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    for (size_t i = 0; i < COUNT(ports); i++) {
        CHECK_NO_HANDLE(bgl_ssl_connect(client, "127.0.0.1", ports[i], AF_INET));
        CHECK_MESSAGE("port");
        CHECK_NO_HANDLE(bgl_ssl_listen(server, "127.0.0.1", ports[i], 5, AF_INET));
        CHECK_MESSAGE("port");
        CHECK_NO_HANDLE(
            bgl_make_ssl_client_socket("127.0.0.1", ports[i], 0, BGLSSL_SSLV23, NULL, NULL, NULL, 0, NULL, 0, AF_INET));
    }
    CHECK_NO_HANDLE(bgl_ssl_connect(client, "127.0.0.1", 0, AF_INET));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(unknown_families_are_refused)
{
    static const int families[] = {-1, 99, AF_UNIX, INT_MAX};
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    for (size_t i = 0; i < COUNT(families); i++) {
        CHECK_NO_HANDLE(bgl_ssl_connect(client, "127.0.0.1", 443, families[i]));
        CHECK_NO_HANDLE(bgl_ssl_listen(server, "127.0.0.1", 0, 5, families[i]));
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(unknown_formats_are_refused)
{
    static const int formats[] = {-1, 3, INT_MIN, INT_MAX};
    for (size_t i = 0; i < COUNT(formats); i++) {
        CHECK_NO_HANDLE(bgl_ssl_certificate_from_file(pki("good.pem"), formats[i]));
        CHECK_NO_HANDLE(bgl_ssl_certificate_from_mem("x", 1, formats[i]));
        CHECK_NO_HANDLE(bgl_ssl_private_key_from_file(pki("good.key"), formats[i], NULL));
        CHECK_NO_HANDLE(bgl_ssl_private_key_from_mem("x", 1, formats[i], NULL));
    }
}

TEST(lengths_beyond_every_object_are_refused)
{
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *cert = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, (size_t)PTRDIFF_MAX + 1};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CHECK_NO_HANDLE(bgl_ssl_certificate_from_mem("x", lengths[i], BGL_SSL_FORMAT_AUTO));
        CHECK_NO_HANDLE(bgl_ssl_certificate_list_from_mem("x", lengths[i]));
        CHECK_NO_HANDLE(bgl_ssl_private_key_from_mem("x", lengths[i], BGL_SSL_FORMAT_AUTO, NULL));
        CHECK_ARGUMENT(bgl_ssl_pkcs12_from_mem("x", lengths[i], NULL, &key, &cert, &chain));
        CHECK_ARGUMENT(bgl_ssl_rand_bytes(&key, lengths[i]));
        CHECK_ARGUMENT(bgl_ssl_rand_pseudo_bytes(&key, lengths[i]));
    }
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    const char *const names[] = {"h2"};
    const bgl_ssl_certificate_t *const list[] = {NULL};
    CHECK_ARGUMENT(bgl_ssl_config_set_alpn(config, names, SIZE_MAX));
    CHECK_ARGUMENT(bgl_ssl_config_set_ca_certificates(config, list, SIZE_MAX));
    CHECK_ARGUMENT(bgl_ssl_config_set_accepted_certificates(config, list, SIZE_MAX / 4));
    CHECK_ARGUMENT(bgl_ssl_config_set_certificate_chain(config, list, SIZE_MAX, NULL));
    bgl_ssl_config_free(config);
}

/* ---- descriptors ---- */

static void check_bad_descriptor(size_t number, const bgl_ssl_socket_t *socket)
{
    bgl_ssl_error_t error = last_error();
    if (socket)
        FAIL("descriptor %zu was taken", number);
    if (error.code != BGL_SSL_E_ARGUMENT && error.code != BGL_SSL_E_IO)
        FAIL("descriptor %zu: %s: %s", number, bgl_ssl_status_name(error.code), error.message);
}

TEST(descriptors_that_are_no_stream_sockets_are_refused)
{
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    int pipes[2];
    CHECK_INT(0, pipe(pipes));
    int bad[] = {-1,
                 INT_MIN,
                 INT_MAX,
                 1000,
                 open("/dev/null", O_RDWR | O_CLOEXEC),
                 open(pki("good.pem"), O_RDONLY | O_CLOEXEC),
                 socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                 plain_listener(AF_INET, "127.0.0.1", 0, 1, NULL),
                 socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 pipes[0]};
    for (size_t i = 0; i < COUNT(bad); i++) {
        check_bad_descriptor(i, bgl_ssl_upgrade_client_fd(client, bad[i], "localhost", 0));
        check_bad_descriptor(i, bgl_ssl_upgrade_server_fd(server, bad[i], 0));
        if (i >= 4)
            CHECK_INT(0, close(bad[i]));
    }
    close(pipes[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- files that are no PEM files ---- */

static void check_no_pem(const char *path)
{
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *cert = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    int64_t began = now_us();
    CHECK(!bgl_ssl_load_certificate(path));
    CHECK(last_error().code == BGL_SSL_E_IO || last_error().code == BGL_SSL_E_CONFIG);
    CHECK_MESSAGE(path);
    CHECK(!bgl_ssl_load_pem(path));
    CHECK_MESSAGE(path);
    CHECK(!bgl_ssl_load_private_key(path));
    CHECK_MESSAGE(path);
    CHECK(!bgl_ssl_certificate_from_file(path, BGL_SSL_FORMAT_DER));
    CHECK_MESSAGE(path);
    CHECK(bgl_ssl_pkcs12_from_file(path, "secret", &key, &cert, &chain) < 0);
    CHECK_MESSAGE(path);
    CHECK(now_us() - began < 10 * SECOND * slowness());
}

TEST(a_directory_is_no_pem_file)
{
    check_no_pem("/tmp");
    CHECK(!bgl_ssl_load_certificate("/tmp"));
    CHECK_INT(BGL_SSL_E_IO, last_error().code);
}

TEST(a_gigabyte_is_no_pem_file)
{
    const char *path = write_file("huge.pem", "-----BEGIN CERTIFICATE-----\n", 28);
    CHECK_INT(0, truncate(path, 1 << 30));
    check_no_pem(path);
}

TEST(an_endless_device_is_no_pem_file)
{
    check_no_pem("/dev/zero");
    check_no_pem("/dev/urandom");
}

TEST(an_empty_device_is_no_pem_file)
{
    check_no_pem("/dev/null");
}

/* Opening a pipe that nobody writes to waits for ever, unless one takes care. */
TEST(a_named_pipe_is_no_pem_file)
{
    const char *path = own_path("pipe.pem");
    CHECK_INT(0, mkfifo(path, 0600));
    check_no_pem(path);
}

/* To say what a file holds instead must not take a look at each label for each label. */
TEST(a_file_of_three_hundred_thousand_labels_is_read_in_no_time)
{
    enum { MOST = 340000, LENGTH = 50 };
    /* A tool that watches memory would take minutes for all of them. */
    const int LABELS = memory_is_watched() ? MOST / 10 : MOST;
    char *text = malloc((size_t)LABELS * LENGTH);
    size_t length = 0;
    CHECK(text != NULL);
    for (int i = 0; i < LABELS; i++)
        length += (size_t)snprintf(text + length, LENGTH, "-----BEGIN %06d-----\nAAAA\n-----END %06d-----\n", i, i);
    CHECK(length < 16 << 20);
    const char *path = write_file("labels.pem", text, length);
    free(text);
    check_no_pem(path);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_load_certificate(path));
    CHECK_MESSAGE("it holds: 000000, 000001");
}
