/* The short forms, with the names and the meaning that Bigloo's C half has. */
#include "harness.h"

struct short_service {
    bgl_ssl_server_t *server;
    pthread_t thread;
    int connections;
    bgl_ssl_status_t last_status;
};

static void *serve_short(void *data)
{
    struct short_service *it = data;
    for (int i = 0; i < it->connections; i++) {
        bgl_ssl_socket_t *socket = NULL;
        it->last_status = bgl_ssl_server_accept(it->server, 20 * SECOND * slowness(), &socket);
        if (it->last_status != BGL_SSL_OK)
            continue;
        serve_echo(socket, NULL);
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    }
    return NULL;
}

/* What each side presents, whom it trusts, whom it accepts: file names without their ends, or NULL. */
struct short_case {
    const char *name;
    const char *server_presents;
    const char *server_trusts;
    const char *server_accepts;
    const char *client_presents;
    const char *client_trusts;
    const char *client_accepts;
    bgl_ssl_status_t client_expected;
    bgl_ssl_status_t server_expected;
};

static const struct short_case short_cases[] = {
    {"without_cas_nothing_is_verified", "untrusted", NULL, NULL, NULL, NULL, NULL, BGL_SSL_OK, BGL_SSL_OK},
    {"with_cas_the_chain_is", "untrusted", NULL, NULL, NULL, "root", NULL, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"with_cas_a_good_chain_passes", "good", NULL, NULL, NULL, "root", NULL, BGL_SSL_OK, BGL_SSL_OK},
    {"with_cas_an_expired_one_does_not", "expired", NULL, NULL, NULL, "root", NULL, BGL_SSL_E_VERIFY,
     BGL_SSL_E_PROTOCOL},
    {"names_are_not_verified", "wrong-name", NULL, NULL, NULL, "root", NULL, BGL_SSL_OK, BGL_SSL_OK},
    {"an_intermediate_ca_is_an_anchor", "chained-alone", NULL, NULL, NULL, "intermediate", NULL, BGL_SSL_OK,
     BGL_SSL_OK},
    {"accepted", "untrusted", NULL, NULL, NULL, NULL, "untrusted", BGL_SSL_OK, BGL_SSL_OK},
    {"not_accepted", "untrusted", NULL, NULL, NULL, NULL, "good", BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"server_with_cas_and_a_client_certificate", "good", "root", NULL, "client", NULL, NULL, BGL_SSL_OK, BGL_SSL_OK},
    {"server_with_cas_demands_a_certificate", "good", "root", NULL, NULL, NULL, NULL, BGL_SSL_E_PROTOCOL,
     BGL_SSL_E_VERIFY},
    {"server_with_cas_refuses_an_untrusted_peer", "good", "root", NULL, "client-untrusted", NULL, NULL, BGL_SSL_E_PROTOCOL,
     BGL_SSL_E_VERIFY},
    {"accepted_certs_without_cas_ask_the_client", "good", NULL, "client-untrusted", "client-untrusted", NULL,
     NULL, BGL_SSL_OK, BGL_SSL_OK},
    {"accepted_certs_without_cas_refuse_others", "good", NULL, "client-untrusted", "client", NULL, NULL,
     BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"accepted_certs_without_cas_refuse_nobody", "good", NULL, "client-untrusted", NULL, NULL, NULL,
     BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
};

/* A certificate, or NULL for no name. */
static bgl_ssl_certificate_t *maybe(const char *name)
{
    char file[64];
    if (!name)
        return NULL;
    snprintf(file, sizeof file, "%s.pem", name);
    return certificate(file);
}

static bgl_ssl_private_key_t *maybe_key(const char *name)
{
    char file[64];
    if (!name)
        return NULL;
    snprintf(file, sizeof file, "%s.key", name);
    return private_key(file);
}

enum { CERTIFICATE, CAS, ACCEPTED };

struct credentials {
    bgl_ssl_certificate_t *certificates[3];
    bgl_ssl_private_key_t *key;
};

static struct credentials credentials(const char *presents, const char *trusts, const char *accepts)
{
    struct credentials result = {{maybe(presents), maybe(trusts), maybe(accepts)}, maybe_key(presents)};
    return result;
}

static void free_credentials(struct credentials *it)
{
    for (int i = 0; i < 3; i++)
        bgl_ssl_certificate_free(it->certificates[i]);
    bgl_ssl_private_key_free(it->key);
}

/* The arguments from cert to accepted, as all short forms have them. */
#define LIST(it, which)                                                                                                \
    (it).certificates[which] ? (const bgl_ssl_certificate_t *const *)&(it).certificates[which] : NULL,                 \
        (it).certificates[which] ? 1 : 0
#define CREDENTIALS(it) (it).certificates[CERTIFICATE], (it).key, LIST(it, CAS), LIST(it, ACCEPTED)

static void open_short_service(struct short_service *service, struct credentials *it, int connections)
{
    service->server = MADE(bgl_ssl_server_t, bgl_make_ssl_server_socket("127.0.0.1", 0, BGLSSL_SSLV23,
                                                                        CREDENTIALS(*it), 5, AF_INET));
    service->connections = connections;
    service->thread = start_thread(serve_short, service);
}

static void close_short_service(struct short_service *service)
{
    join_thread(service->thread);
    CHECK_OK(bgl_ssl_server_close(service->server));
    bgl_ssl_server_free(service->server);
}

/* A client whose server refused it knows that from the first read at the latest (TLS 1.3). */
static void check_client(const struct short_case *it, bgl_ssl_socket_t *socket)
{
    char byte;
    size_t n;
    if (it->client_expected == BGL_SSL_OK) {
        socket = MADE(bgl_ssl_socket_t, socket);
        check_echo(socket, "hello");
        finish(socket);
    } else if (socket && it->client_expected == BGL_SSL_E_PROTOCOL) {
        CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(socket, &byte, 1, &n));
        bgl_ssl_socket_free(socket);
    } else {
        CHECK_REFUSED(it->client_expected, socket);
    }
}

TEST_TABLE(short_forms, short_cases)
{
    const struct short_case *it = row;
    struct short_service service;
    struct credentials server = credentials(it->server_presents, it->server_trusts, it->server_accepts);
    struct credentials client = credentials(it->client_presents, it->client_trusts, it->client_accepts);
    open_short_service(&service, &server, 1);
    check_client(it, bgl_make_ssl_client_socket("127.0.0.1", bgl_ssl_server_port(service.server), 20 * SECOND,
                                                BGLSSL_SSLV23, CREDENTIALS(client), AF_INET));
    close_short_service(&service);
    CHECK_INT(it->server_expected, service.last_status);
    free_credentials(&server);
    free_credentials(&client);
}

TEST_TABLE(client_socket_use_ssl, short_cases)
{
    const struct short_case *it = row;
    struct short_service service;
    struct credentials server = credentials(it->server_presents, it->server_trusts, it->server_accepts);
    struct credentials client = credentials(it->client_presents, it->client_trusts, it->client_accepts);
    open_short_service(&service, &server, 1);
    int fd = plain_connect(bgl_ssl_server_port(service.server));
    bgl_ssl_socket_t *socket = bgl_client_socket_use_ssl(fd, BGLSSL_SSLV23, CREDENTIALS(client));
    close(fd);
    check_client(it, socket);
    close_short_service(&service);
    CHECK_INT(it->server_expected, service.last_status);
    free_credentials(&server);
    free_credentials(&client);
}

struct pinned {
    const char *name;
    int protocol;
    const char *spoken;
};

static const struct pinned pins[] = {
    {"sslv23", BGLSSL_SSLV23, "TLSv1.3"},  {"tlsv1", BGLSSL_TLSV1, "TLSv1.3"},     {"tlsv1_1", BGLSSL_TLSV1_1, "TLSv1.1"},
    {"tlsv1_2", BGLSSL_TLSV1_2, "TLSv1.2"}, {"tlsv1_3", BGLSSL_TLSV1_3, "TLSv1.3"}, {"tlsv1_0", BGLSSL_TLSV1_0, "TLSv1"},
};

TEST_TABLE(short_forms_speak, pins)
{
    const struct pinned *it = row;
    struct short_service service = {.connections = 1};
    struct credentials server = credentials("good", NULL, NULL);
    service.server = bgl_make_ssl_server_socket("127.0.0.1", 0, it->protocol, CREDENTIALS(server), 5, AF_INET);
    if (!service.server && last_error().code == BGL_SSL_E_UNSUPPORTED)
        skip_test("an OpenSSL with this version of TLS");
    MADE(bgl_ssl_server_t, service.server);
    service.thread = start_thread(serve_short, &service);
    bgl_ssl_socket_t *socket = MADE(
        bgl_ssl_socket_t, bgl_make_ssl_client_socket("localhost", bgl_ssl_server_port(service.server), 0, it->protocol,
                                                     NULL, NULL, NULL, 0, NULL, 0, AF_UNSPEC));
    CHECK_STRING(it->spoken, bgl_ssl_socket_protocol(socket));
    check_echo(socket, "hello");
    finish(socket);
    close_short_service(&service);
    free_credentials(&server);
}

TEST(sslv2_is_unsupported_in_every_short_form)
{
    struct credentials server = credentials("good", NULL, NULL);
    int fds[2];
    tcp_pair(fds);
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED,
                  bgl_make_ssl_server_socket(NULL, 0, BGLSSL_SSLV2, CREDENTIALS(server), 5, AF_INET));
    CHECK_MESSAGE("sslv2");
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_make_ssl_client_socket("127.0.0.1", 1, 0, BGLSSL_SSLV2, NULL, NULL, NULL,
                                                                    0, NULL, 0, AF_INET));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED,
                  bgl_client_socket_use_ssl(fds[0], BGLSSL_SSLV2, NULL, NULL, NULL, 0, NULL, 0));
    close(fds[0]);
    close(fds[1]);
    free_credentials(&server);
}

TEST(the_timeout_in_microseconds_covers_the_handshake)
{
    int port;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_make_ssl_client_socket("127.0.0.1", port, 300 * MS, BGLSSL_SSLV23, NULL, NULL,
                                                                NULL, 0, NULL, 0, AF_INET));
    int64_t took = now_us() - began;
    CHECK(took >= 295 * MS && took < 5 * SECOND * slowness());
    close(listener);
}

TEST(a_key_that_does_not_match_is_refused_before_any_connection)
{
    struct credentials mixed = {{certificate("good.pem"), NULL, NULL}, private_key("client.key")};
    CHECK_REFUSED(BGL_SSL_E_CONFIG,
                  bgl_make_ssl_server_socket(NULL, 0, BGLSSL_SSLV23, CREDENTIALS(mixed), 5, AF_INET));
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_make_ssl_client_socket("127.0.0.1", 1, 0, BGLSSL_SSLV23, CREDENTIALS(mixed),
                                                               AF_INET));
    free_credentials(&mixed);
}
