/* What TLS offers beside bytes: versions, ciphers, groups, ALPN, SNI, resumption. */
#define _GNU_SOURCE
#include "harness.h"


/* ---- versions ---- */

struct pinned {
    const char *name;
    int protocol;
    const char *spoken;
};

static const struct pinned pins[] = {
    {"tls_1_0", BGLSSL_TLSV1_0, "TLSv1"},
    {"tls_1_1", BGLSSL_TLSV1_1, "TLSv1.1"},
    {"tls_1_2", BGLSSL_TLSV1_2, "TLSv1.2"},
    {"tls_1_3", BGLSSL_TLSV1_3, "TLSv1.3"},
    {"the_highest", BGLSSL_SSLV23, "TLSv1.3"},
    {"the_highest_by_its_other_name", BGLSSL_TLSV1, "TLSv1.3"},
};

static void pinned_ends(struct ends *ends, const struct pinned *it, const char *certificate_name)
{
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config(certificate_name);
    bgl_ssl_status_t status = bgl_ssl_config_set_protocol(client, it->protocol);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_freeze(client);
    if (status == BGL_SSL_E_UNSUPPORTED)
        skip_test("an OpenSSL with this version of TLS");
    CHECK_OK(status);
    CHECK_OK(bgl_ssl_config_set_protocol(server, it->protocol));
    connect_with(ends, client, server);
}

TEST_TABLE(a_pinned_version_is_really_spoken, pins)
{
    static const char *const kinds[] = {"good", "good-rsa"};
    const struct pinned *it = row;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct ends ends;
        pinned_ends(&ends, it, kinds[i]);
        CHECK_STRING(it->spoken, bgl_ssl_socket_protocol(ends.client));
        CHECK_STRING(it->spoken, bgl_ssl_socket_protocol(ends.server));
        CHECK(exchange_bytes(&ends));
        free_ends(&ends);
    }
}

struct meeting {
    const char *name;
    int client;
    int server;
};

static void make_configs(const struct meeting *it, bgl_ssl_config_t **client, bgl_ssl_config_t **server)
{
    *client = client_config();
    *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(*client, it->client));
    CHECK_OK(bgl_ssl_config_set_protocol(*server, it->server));
}

/* What programs mean by "tls", and what Bigloo's own library does: any version. */
static const struct meeting agreements[] = {
    {"server_1_2", BGLSSL_TLSV1, BGLSSL_TLSV1_2},
    {"server_1_3", BGLSSL_TLSV1, BGLSSL_TLSV1_3},
    {"server_any", BGLSSL_TLSV1, BGLSSL_SSLV23},
    {"as_server_client_1_2", BGLSSL_TLSV1_2, BGLSSL_TLSV1},
    {"as_server_client_1_3", BGLSSL_TLSV1_3, BGLSSL_TLSV1},
};

TEST_TABLE(tlsv1_meets_any_version, agreements)
{
    const struct meeting *it = row;
    struct ends ends;
    bgl_ssl_config_t *client, *server;
    make_configs(it, &client, &server);
    connect_with(&ends, client, server);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(tlsv1_is_no_bound_since_it_means_any_version)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1));
    CHECK_MESSAGE("tlsv1_0");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_protocol(config, BGLSSL_TLSV1));
    CHECK_OK(bgl_ssl_config_set_min_protocol(config, BGLSSL_TLSV1_0));
    bgl_ssl_config_free(config);
}

static const struct meeting disagreements[] = {
    {"client_1_3_server_1_2", BGLSSL_TLSV1_3, BGLSSL_TLSV1_2},
    {"client_1_2_server_1_3", BGLSSL_TLSV1_2, BGLSSL_TLSV1_3},
    {"client_1_3_server_1_0", BGLSSL_TLSV1_3, BGLSSL_TLSV1_0},
    {"client_1_1_server_1_2", BGLSSL_TLSV1_1, BGLSSL_TLSV1_2},
    {"client_1_0_server_any", BGLSSL_TLSV1_0, BGLSSL_SSLV23},
    {"client_any_server_1_1", BGLSSL_SSLV23, BGLSSL_TLSV1_1},
    {"client_tls_server_1_1", BGLSSL_TLSV1, BGLSSL_TLSV1_1},
};

/* A version that is asked for is never silently another one. The defaults leave 1.0 and 1.1 out. */
TEST_TABLE(versions_that_differ_do_not_connect, disagreements)
{
    const struct meeting *it = row;
    struct ends ends;
    bgl_ssl_config_t *client, *server;
    make_configs(it, &client, &server);
    try_connect_with(&ends, client, server);
    CHECK_INT(BGL_SSL_E_PROTOCOL, ends.client_status);
    CHECK_INT(BGL_SSL_E_PROTOCOL, ends.server_status);
    free_ends(&ends);
}

TEST(tlsv1_3_refuses_a_peer_that_speaks_less)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_3));
    CHECK_OK(bgl_ssl_config_set_max_protocol(server, BGLSSL_TLSV1_2));
    start_service_for(&both, client, server, 1, serve_echo, NULL);
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_connect(client, "127.0.0.1", both.service.port, AF_INET));
    CHECK_INT(70, last_error().alert); /* protocol_version */
    CHECK_MESSAGE("version");
    end_client_and_service(&both);
}

TEST(minimum_and_maximum_meet_in_between)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_min_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_max_protocol(server, BGLSSL_TLSV1_2));
    connect_with(&ends, client, server);
    CHECK_STRING("TLSv1.2", bgl_ssl_socket_protocol(ends.server));
    free_ends(&ends);
}

/* DTLS needs datagrams: over a stream it is refused by name, rather than tried. */
TEST(dtls_over_a_stream_is_refused_by_name)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    tcp_pair(fds);
    bgl_ssl_status_t status = bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1);
    if (status == BGL_SSL_OK) {
        CHECK(!bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
        status = last_error().code;
    }
    CHECK(status == BGL_SSL_E_UNSUPPORTED || status == BGL_SSL_E_ARGUMENT || status == BGL_SSL_E_CONFIG);
    CHECK_MESSAGE("dtls");
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

/* ---- ciphers and groups ---- */

TEST(the_chosen_cipher_is_used_in_tls_1_2)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_cipher_list(client, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    connect_with(&ends, client, server_config("good"));
    CHECK_STRING("ECDHE-ECDSA-AES128-GCM-SHA256", bgl_ssl_socket_cipher(ends.server));
    free_ends(&ends);
}

TEST(the_chosen_suite_is_used_in_tls_1_3)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_cipher_suites(client, "TLS_CHACHA20_POLY1305_SHA256"));
    connect_with(&ends, client, server_config("good"));
    CHECK_STRING("TLS_CHACHA20_POLY1305_SHA256", bgl_ssl_socket_cipher(ends.server));
    free_ends(&ends);
}

TEST(groups_without_overlap_do_not_connect)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good-rsa");
    CHECK_OK(bgl_ssl_config_set_groups(client, "X25519"));
    CHECK_OK(bgl_ssl_config_set_groups(server, "P-384"));
    try_connect_with(&ends, client, server);
    CHECK_INT(BGL_SSL_E_PROTOCOL, ends.client_status);
    CHECK_INT(BGL_SSL_E_PROTOCOL, ends.server_status);
    free_ends(&ends);
}

/* ---- ALPN ---- */

struct alpn {
    const char *name;
    const char *client[3];
    const char *server[3];
    const char *chosen; /* NULL: the handshake fails */
};

/* The server's order decides. */
static const struct alpn alpns[] = {
    {"common", {"h2", "http/1.1", NULL}, {"http/1.1", NULL}, "http/1.1"},
    {"servers_order", {"h2", "http/1.1", NULL}, {"http/1.1", "h2", NULL}, "http/1.1"},
    {"client_only", {"h2", NULL}, {NULL}, ""},
    {"server_only", {NULL}, {"h2", NULL}, ""},
    {"neither", {NULL}, {NULL}, ""},
    {"nothing_in_common", {"h2", NULL}, {"http/1.1", NULL}, NULL},
};

static void set_alpn(bgl_ssl_config_t *config, const char *const *names)
{
    size_t n = 0;
    while (names[n])
        n++;
    CHECK_OK(bgl_ssl_config_set_alpn(config, names, n));
}

static void check_alpn(const bgl_ssl_socket_t *socket, const char *expected)
{
    char chosen[64] = "";
    CHECK_INT((long long)strlen(expected), (long long)bgl_ssl_socket_alpn(socket, chosen, sizeof chosen));
    CHECK_STRING(expected, chosen);
}

TEST_TABLE(alpn, alpns)
{
    const struct alpn *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    set_alpn(client, it->client);
    set_alpn(server, it->server);
    try_connect_with(&ends, client, server);
    if (it->chosen) {
        CHECK_INT(BGL_SSL_OK, ends.client_status);
        CHECK_INT(BGL_SSL_OK, ends.server_status);
        check_alpn(ends.client, it->chosen);
        check_alpn(ends.server, it->chosen);
    } else {
        CHECK_INT(BGL_SSL_E_PROTOCOL, ends.client_status);
        CHECK_INT(120, ends.client_error.alert); /* no_application_protocol */
        CHECK_INT(BGL_SSL_E_PROTOCOL, ends.server_status);
    }
    free_ends(&ends);
}

/* ---- SNI: what is really on the wire ---- */

/* The server name of a ClientHello; "" when there is none. */
static void wire_server_name(const unsigned char *hello, size_t length, char *name, size_t size)
{
    size_t at = 5 + 4 + 2 + 32;
    name[0] = '\0';
    CHECK(length > at && hello[0] == 0x16 && hello[5] == 1);
    at += 1u + hello[at];                                  /* session id */
    at += 2u + ((size_t)hello[at] << 8 | hello[at + 1]);   /* cipher suites */
    at += 1u + hello[at];                                  /* compression */
    size_t end = at + 2 + ((size_t)hello[at] << 8 | hello[at + 1]);
    CHECK(end <= length);
    for (at += 2; at + 4 <= end;) {
        unsigned kind = (unsigned)hello[at] << 8 | hello[at + 1];
        size_t extent = (size_t)hello[at + 2] << 8 | hello[at + 3];
        at += 4;
        if (kind == 0) {
            size_t name_length = (size_t)hello[at + 3] << 8 | hello[at + 4];
            CHECK(name_length < size);
            memcpy(name, hello + at + 5, name_length);
            name[name_length] = '\0';
            return;
        }
        at += extent;
    }
}

struct sni {
    const char *name;
    const char *host;
    const char *config_hostname;
    const char *config_server_name;
    const char *sent;
};

static const struct sni snis[] = {
    {"is_the_host_name", "localhost", NULL, NULL, "localhost"},
    {"is_the_configs_host_name", "localhost", "other.example", NULL, "other.example"},
    {"is_nothing_for_an_address_in_an_old_form", "127.1", NULL, NULL, ""},
    {"is_nothing_for_an_address_in_one_number", "0x7f000001", NULL, NULL, ""},
    {"is_the_configs_server_name", "localhost", NULL, "front.example", "front.example"},
    {"can_be_left_out", "localhost", NULL, "", ""},
    {"is_never_an_ipv4_address", "127.0.0.1", NULL, NULL, ""},
    {"is_never_an_ipv6_address", "::1", NULL, NULL, ""},
    {"is_never_the_configs_ip_address", "localhost", "127.0.0.1", NULL, ""},
};

TEST_TABLE(server_name_sent, snis)
{
    const struct sni *it = row;
    int fds[2];
    unsigned char hello[8192];
    char name[256];
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    if (it->config_hostname)
        CHECK_OK(bgl_ssl_config_set_hostname(config, it->config_hostname));
    if (it->config_server_name)
        CHECK_OK(bgl_ssl_config_set_server_name(config, it->config_server_name));
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], it->host, 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    ssize_t n = read(fds[1], hello, sizeof hello);
    CHECK(n > 0);
    wire_server_name(hello, (size_t)n, name, sizeof name);
    CHECK_STRING(it->sent, name);
    name[0] = '\0';
    CHECK_INT((long long)strlen(it->sent), (long long)bgl_ssl_socket_server_name(socket, name, sizeof name));
    CHECK_STRING(it->sent, name);
    bgl_ssl_socket_free(socket);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(config);
}

TEST(a_server_is_told_the_name_its_client_sent)
{
    struct ends ends;
    char name[64];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    connect_ends(&ends, client, server, "localhost");
    CHECK_INT(9, (long long)bgl_ssl_socket_server_name(ends.server, name, sizeof name));
    CHECK_STRING("localhost", name);
    free_ends(&ends);
    CHECK_OK(bgl_ssl_config_freeze(client));
    connect_ends(&ends, client, server, "127.0.0.1");
    CHECK_INT(0, (long long)bgl_ssl_socket_server_name(ends.server, name, sizeof name));
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- resumption ---- */

struct version {
    const char *name;
    int number;
};

static const struct version versions[] = {{"tls_1_2", BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_TLSV1_3}};

static bgl_ssl_config_t *resuming_client(const void *row)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_min_protocol(client, ((const struct version *)row)->number));
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, ((const struct version *)row)->number));
    return client;
}

static bgl_ssl_socket_t *resume(const bgl_ssl_config_t *client, int port, const bgl_ssl_session_t *session)
{
    return MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session));
}

/* A connection that talks, and so has got its tickets, and what it leaves behind. */
static bgl_ssl_session_t *session_of_a_connection(const bgl_ssl_config_t *client, int port)
{
    bgl_ssl_socket_t *socket = connect_to(client, port);
    CHECK(!bgl_ssl_socket_session_reused(socket));
    check_echo(socket, "first");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    return session;
}

TEST_TABLE(a_session_is_resumed, versions)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = resuming_client(row);
    start_service_for(&both, client, server_config("good"), 3, serve_echo, NULL);
    bgl_ssl_session_t *session = session_of_a_connection(client, both.service.port);
    for (int i = 0; i < 2; i++) {
        bgl_ssl_socket_t *socket = resume(client, both.service.port, session);
        check_echo(socket, "again");
        /* TLS 1.3 tickets are for one use; a second use may be refused, and is then a full handshake. */
        if (i == 0)
            CHECK(bgl_ssl_socket_session_reused(socket));
        CHECK_INT(0, bgl_ssl_socket_verify_result(socket));
        bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(socket));
        CHECK_STRING("good", bgl_ssl_certificate_subject(peer));
        bgl_ssl_certificate_free(peer);
        finish(socket);
    }
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST_TABLE(a_session_outlives_a_socket_that_was_freed_without_a_close, versions)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = resuming_client(row);
    start_service_for(&both, client, server_config("good"), 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket = connect_to(client, both.service.port);
    check_echo(socket, "first");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    bgl_ssl_socket_free(socket);
    socket = resume(client, both.service.port, session);
    CHECK(bgl_ssl_socket_session_reused(socket));
    finish(socket);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST_TABLE(a_session_with_a_client_certificate_is_resumed, versions)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = resuming_client(row);
    bgl_ssl_config_t *server = server_config("good");
    set_certificate(client, "client");
    set_ca(server, "root.pem");
    start_service_for(&both, client, server, 2, serve_echo, NULL);
    bgl_ssl_session_t *session = session_of_a_connection(client, both.service.port);
    bgl_ssl_socket_t *socket = resume(client, both.service.port, session);
    check_echo(socket, "again");
    CHECK(bgl_ssl_socket_session_reused(socket));
    finish(socket);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST_TABLE(a_session_of_another_server_gives_a_full_handshake, versions)
{
    struct service first, second;
    bgl_ssl_config_t *client = resuming_client(row);
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_config_t *other = server_config("good-rsa");
    start_service(&first, server, 1, serve_echo, NULL);
    start_service(&second, other, 1, serve_echo, NULL);
    bgl_ssl_session_t *session = session_of_a_connection(client, first.port);
    bgl_ssl_socket_t *socket = resume(client, second.port, session);
    check_echo(socket, "other");
    CHECK(!bgl_ssl_socket_session_reused(socket));
    finish(socket);
    bgl_ssl_session_free(session);
    end_service(&first);
    end_service(&second);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(other);
}

/* A session made with the lax config does not get past the strict one: it is not offered, and the full handshake fails
 * as it should. Both configs are taken over. */
static void check_not_carried(bgl_ssl_config_t *lax, bgl_ssl_config_t *strict, const char *presented,
                              bgl_ssl_status_t refusal)
{
    struct client_and_service both;
    start_service_for(&both, lax, server_config(presented), 2, serve_echo, NULL);
    bgl_ssl_session_t *session = session_of_a_connection(lax, both.service.port);
    CHECK_REFUSED(refusal, bgl_ssl_connect_resume(strict, "127.0.0.1", both.service.port, AF_INET, session));
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
    bgl_ssl_config_free(strict);
}

struct lax {
    const char *name;
    const char *presents;
    int version;
    bgl_ssl_status_t refusal;
};

static const struct lax laxities[] = {
    {"wrong_ca_tls_1_2", "untrusted", BGLSSL_TLSV1_2, BGL_SSL_E_VERIFY},
    {"wrong_ca_tls_1_3", "untrusted", BGLSSL_TLSV1_3, BGL_SSL_E_VERIFY},
    {"expired_tls_1_2", "expired", BGLSSL_TLSV1_2, BGL_SSL_E_VERIFY},
    {"expired_tls_1_3", "expired", BGLSSL_TLSV1_3, BGL_SSL_E_VERIFY},
    {"wrong_name_tls_1_2", "wrong-name", BGLSSL_TLSV1_2, BGL_SSL_E_NAME},
    {"wrong_name_tls_1_3", "wrong-name", BGLSSL_TLSV1_3, BGL_SSL_E_NAME},
};

/* A resumed handshake shows no certificate: what a lax config once let through must not get past a strict one. */
TEST_TABLE(a_session_does_not_carry_an_unverified_peer_past_verification, laxities)
{
    const struct lax *it = row;
    bgl_ssl_config_t *lax = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_config_t *strict = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(lax));
    CHECK_OK(bgl_ssl_config_set_max_protocol(lax, it->version));
    CHECK_OK(bgl_ssl_config_set_max_protocol(strict, it->version));
    CHECK_OK(bgl_ssl_config_set_hostname(strict, "localhost"));
    check_not_carried(lax, strict, it->presents, it->refusal);
}

TEST(a_session_does_not_carry_a_peer_past_the_accepted_list)
{
    bgl_ssl_config_t *strict = client_config();
    set_accepted(strict, "good-rsa.pem");
    check_not_carried(client_config(), strict, "good", BGL_SSL_E_VERIFY);
}

TEST(a_session_is_not_offered_to_another_host)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    start_service_for(&both, client, server_config("good"), 2, serve_echo, NULL);
    bgl_ssl_session_t *session = session_of_a_connection(client, both.service.port);
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "localhost", both.service.port, AF_INET, session));
    check_echo(socket, "another name");
    CHECK(!bgl_ssl_socket_session_reused(socket));
    finish(socket);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST(connect_resume_without_a_session_is_a_plain_connect)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    start_service_for(&both, client, server_config("good"), 1, serve_echo, NULL);
    bgl_ssl_socket_t *socket = resume(client, both.service.port, NULL);
    check_echo(socket, "fresh");
    CHECK(!bgl_ssl_socket_session_reused(socket));
    finish(socket);
    end_client_and_service(&both);
}
