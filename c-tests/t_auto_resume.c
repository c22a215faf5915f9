/* Clients that resume by themselves: which connections do, and that nothing is resumed where something else counts. */
#include "auto_resume.h"

/* ---- what is resumed ---- */

TEST_TABLE(ten_connects_make_one_full_handshake, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 10, serve_counted, &count);
    for (int i = 0; i < 10; i++)
        CHECK_INT(i > 0, connection_is_resumed(client, service.port));
    end_service(&service);
    CHECK_INT(1, count.full);
    CHECK_INT(9, count.resumed);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(a_config_with_equal_settings_resumes, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *server = named_server(row);
    start_service(&service, server, 3, serve_counted, &count);
    for (int i = 0; i < 3; i++) {
        bgl_ssl_config_t *client = named_client(row);
        set_certificate(client, "client");
        CHECK_INT(i > 0, connection_is_resumed(client, service.port));
        bgl_ssl_config_free(client);
    }
    end_service(&service);
    bgl_ssl_config_free(server);
}

/* Connections that have read nothing yet, and so have got no tickets yet. */
static int resumed_of(bgl_ssl_socket_t **sockets, int number, const bgl_ssl_config_t *client, int port)
{
    int resumed = 0;
    for (int i = 0; i < number; i++) {
        sockets[i] = connect_to(client, port);
        resumed += bgl_ssl_socket_session_reused(sockets[i]);
    }
    return resumed;
}

static void free_all(bgl_ssl_socket_t **sockets, int number)
{
    for (int i = 0; i < number; i++)
        bgl_ssl_socket_free(sockets[i]);
}

/* TLS 1.3: two tickets come with the first connection, and each is used once. Before, the session stays. */
TEST_TABLE(connections_at_the_same_time_use_different_tickets, versions)
{
    const struct version *version = row;
    struct count count = {.silent_after = 1};
    struct service service;
    bgl_ssl_socket_t *sockets[4];
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 5, serve_counted, &count);
    CHECK(!connection_is_resumed(client, service.port));
    CHECK_INT(version->number == BGLSSL_TLSV1_3 ? 2 : 4, resumed_of(sockets, 4, client, service.port));
    end_service(&service);
    free_all(sockets, 4);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Three connections get two tickets each: four are kept. */
TEST(four_tickets_of_a_host_are_kept)
{
    struct count count = {.silent_after = 3};
    struct service service;
    bgl_ssl_socket_t *sockets[6];
    bgl_ssl_config_t *client = named_client(&versions[1]), *server = named_server(&versions[1]);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    start_service(&service, server, 9, serve_counted, &count);
    for (int i = 0; i < 3; i++)
        sockets[i] = connect_to(client, service.port);
    for (int i = 0; i < 3; i++) {
        check_echo(sockets[i], "x");
        CHECK(!bgl_ssl_socket_session_reused(sockets[i]));
        finish(sockets[i]);
    }
    for (int i = 0; i < 6; i++) {
        sockets[i] = connect_to(client, service.port);
        CHECK_OK(bgl_ssl_socket_handshake(sockets[i]));
    }
    end_service(&service);
    free_all(sockets, 6);
    CHECK_INT(4, count.resumed);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* One byte, and the end of the stream without close_notify. */
static void serve_cut_off(bgl_ssl_socket_t *socket, void *data)
{
    char byte;
    count_one(socket, data);
    receive_bytes(socket, &byte, 1);
    send_bytes(socket, &byte, 1);
    shutdown(bgl_ssl_socket_fd(socket), SHUT_WR);
}

TEST_TABLE(servers_that_end_without_close_notify_are_resumed, stream_versions)
{
    struct count count = {0};
    struct service service;
    char byte;
    size_t n;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 5, serve_cut_off, &count);
    for (int i = 0; i < 5; i++) {
        bgl_ssl_socket_t *socket = connect_to(client, service.port);
        CHECK_INT(i > 0, bgl_ssl_socket_session_reused(socket));
        check_echo(socket, "x");
        CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(socket, &byte, 1, &n));
        finish(socket);
    }
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* STARTTLS: a descriptor whose peer has an address and a port. */
TEST_TABLE(upgraded_descriptors_resume, stream_versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = of_version(row, client_config()), *server = named_server(row);
    start_service(&service, server, 3, serve_counted, &count);
    for (int i = 0; i < 3; i++) {
        int fd = plain_connect(service.port);
        bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fd, "localhost", 0));
        close(fd);
        CHECK_INT(i > 0, bgl_ssl_socket_session_reused(socket));
        check_echo(socket, "x");
        finish(socket);
    }
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Who is behind a descriptor of another kind is not known. */
TEST_TABLE(descriptors_without_an_address_resume_nothing, stream_versions)
{
    bgl_ssl_config_t *client = of_version(row, client_config()), *server = named_server(row);
    for (int i = 0; i < 2; i++) {
        struct ends ends;
        bgl_ssl_config_t *ours = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
        bgl_ssl_config_t *theirs = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(server));
        connect_with(&ends, ours, theirs);
        CHECK(exchange_bytes(&ends));
        CHECK(!bgl_ssl_socket_session_reused(ends.client));
        free_ends(&ends);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(a_resumed_connection_tells_of_its_peer_what_a_full_one_does, versions)
{
    struct count count = {0};
    struct service service;
    const char *alpn[] = {"a/1"};
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    set_certificate(server, "chained");
    CHECK_OK(bgl_ssl_config_set_alpn(client, alpn, 1));
    CHECK_OK(bgl_ssl_config_set_alpn(server, alpn, 1));
    start_service(&service, server, 2, serve_counted, &count);
    for (int i = 0; i < 2; i++) {
        char name[64];
        bgl_ssl_socket_t *socket = connect_to(client, service.port);
        CHECK_INT(i > 0, bgl_ssl_socket_session_reused(socket));
        bgl_ssl_certificate_t *theirs = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(socket));
        CHECK_STRING("chained-alone", bgl_ssl_certificate_subject(theirs));
        bgl_ssl_certificate_free(theirs);
        bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_peer_chain(socket));
        CHECK_INT(2, (int)bgl_ssl_certificate_list_length(chain));
        bgl_ssl_certificate_list_free(chain);
        CHECK_INT(0, bgl_ssl_socket_verify_result(socket));
        CHECK_INT(3, (int)bgl_ssl_socket_alpn(socket, name, sizeof name));
        check_echo(socket, "x");
        finish(socket);
    }
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- what is not resumed ---- */

struct difference {
    const char *name;
    void (*apply)(bgl_ssl_config_t *config);
    const char *host; /* NULL: the same */
};

static void other_sni(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_server_name(config, "other.test")); }
static void no_sni(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_server_name(config, "")); }
static void other_name(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_hostname(config, "127.0.0.1")); }
static void own_certificate(bgl_ssl_config_t *config) { set_certificate(config, "client"); }
static void accepted_list(bgl_ssl_config_t *config) { set_accepted(config, "good.pem"); }
static void depth(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_verify_depth(config, 3)); }
static void chain_only(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(config)); }
static void verify_none(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_insecure_verify_none(config)); }
static void security_level(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_security_level(config, 1)); }
static void crls(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_add_crl_file(config, pki("root.crl"))); }
static void ciphers(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_cipher_list(config, "HIGH:!aNULL:!CAMELLIA")); }
static void nothing(bgl_ssl_config_t *config) { (void)config; }

static void verify_time(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_verify_time(config, (int64_t)time(NULL)));
}

static void flags(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_verify_flags(config, BGL_SSL_VERIFY_NO_COMMON_NAME));
}

static void staples_ignored(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_staple_policy(config, BGL_SSL_STAPLE_IGNORE));
}

static void other_alpn(bgl_ssl_config_t *config)
{
    const char *names[] = {"h2"};
    CHECK_OK(bgl_ssl_config_set_alpn(config, names, 1));
}

static void further_ca(bgl_ssl_config_t *config)
{
    bgl_ssl_certificate_t *cas[] = {certificate("root.pem"), certificate("root2.pem")};
    CHECK_OK(bgl_ssl_config_set_ca_certificates(config, (const bgl_ssl_certificate_t *const *)cas, 2));
    bgl_ssl_certificate_free(cas[0]);
    bgl_ssl_certificate_free(cas[1]);
}

static void pin(bgl_ssl_config_t *config)
{
    char text[64];
    bgl_ssl_certificate_t *good = certificate("good.pem");
    CHECK_INT(52, bgl_ssl_certificate_pin(good, text, sizeof text));
    CHECK_OK(bgl_ssl_config_add_pins(config, text));
    bgl_ssl_certificate_free(good);
}

static const struct difference differences[] = {
    {"sni", other_sni, NULL},           {"no_sni", no_sni, NULL},
    {"verified_name", other_name, NULL}, {"host", nothing, "localhost"},
    {"alpn", other_alpn, NULL},         {"client_certificate", own_certificate, NULL},
    {"cas", further_ca, NULL},          {"accepted_list", accepted_list, NULL},
    {"pins", pin, NULL},                {"crls", crls, NULL},
    {"depth", depth, NULL},             {"time", verify_time, NULL},
    {"flags", flags, NULL},             {"staple_policy", staples_ignored, NULL},
    {"security_level", security_level, NULL}, {"ciphers", ciphers, NULL},
    {"verification_of_the_chain_only", chain_only, NULL}, {"no_verification", verify_none, NULL},
};

/* A session of one config is there, and the server would resume it; a config that differs uses it in no direction. */
static void check_difference(const struct version *version, const struct difference *difference)
{
    struct count count = {0};
    struct service service;
    const char *host = difference->host ? difference->host : "127.0.0.1";
    bgl_ssl_config_t *client = named_client(version), *other = named_client(version), *server = named_server(version);
    difference->apply(other);
    CHECK_OK(bgl_ssl_config_set_resume(other, true));
    start_service(&service, server, 4, serve_counted, &count);
    CHECK(!connection_is_resumed(client, service.port));
    CHECK(!connection_to_host_is_resumed(other, host, service.port));
    CHECK(connection_to_host_is_resumed(other, host, service.port));
    CHECK(connection_is_resumed(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(other);
    bgl_ssl_config_free(server);
}

TEST_TABLE(tls_1_2_is_not_resumed_under_another, differences) { check_difference(&versions[0], row); }
TEST_TABLE(tls_1_3_is_not_resumed_under_another, differences) { check_difference(&versions[1], row); }
TEST_TABLE(dtls_1_2_is_not_resumed_under_another, differences) { check_difference(&versions[2], row); }

/* One config serves both, so the tickets of one are good for the other. */
TEST_TABLE(another_port_is_another_server, versions)
{
    struct count count = {0};
    struct service first, second;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&first, server, 2, serve_counted, &count);
    start_service(&second, server, 1, serve_counted, &count);
    CHECK(!connection_is_resumed(client, first.port));
    CHECK(!connection_is_resumed(client, second.port));
    CHECK(connection_is_resumed(client, first.port));
    end_service(&first);
    end_service(&second);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

struct choice {
    const char *name;
    void (*apply)(bgl_ssl_config_t *config);
    int set; /* -1: not set */
    bool resumes;
};

static const struct choice choices[] = {
    {"by_default", nothing, -1, true},
    {"unless_turned_off", nothing, 0, false},
    {"not_by_default_where_the_name_is_not_verified", chain_only, -1, false},
    {"not_by_default_where_nothing_is_verified", verify_none, -1, false},
    {"if_asked_to_where_the_name_is_not_verified", chain_only, 1, true},
    {"if_asked_to_where_nothing_is_verified", verify_none, 1, true},
};

static void check_choice(const struct version *version, const struct choice *choice)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(version), *server = named_server(version);
    choice->apply(client);
    if (choice->set >= 0)
        CHECK_OK(bgl_ssl_config_set_resume(client, choice->set));
    start_service(&service, server, 2, serve_counted, &count);
    CHECK(!connection_is_resumed(client, service.port));
    CHECK_INT(choice->resumes, connection_is_resumed(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(tls_1_2_is_resumed, choices) { check_choice(&versions[0], row); }
TEST_TABLE(tls_1_3_is_resumed, choices) { check_choice(&versions[1], row); }
TEST_TABLE(dtls_1_2_is_resumed, choices) { check_choice(&versions[2], row); }

/* ---- what is told of a peer before it has said anything ---- */

TEST_TABLE(a_lazy_connection_tells_nothing_of_the_peer_of_the_session_before, versions)
{
    struct count count = {0};
    struct service service;
    bool resumed = false;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 2, serve_counted, &count);
    CHECK(!connection_is_resumed(client, service.port));
    bgl_ssl_config_t *lazy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(lazy, true));
    bgl_ssl_socket_t *socket = connect_to(lazy, service.port);
    int result = bgl_ssl_socket_verify_result(socket);
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    bool told = peer != NULL;
    bgl_ssl_certificate_free(peer);
    check_echo(socket, "x");
    resumed = bgl_ssl_socket_session_reused(socket);
    finish(socket);
    end_service(&service);
    CHECK(resumed);
    CHECK_INT(-1, result);
    CHECK(!told);
    bgl_ssl_config_free(lazy);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Between its hello and the server's. SSL_get_state names that state by another number in each OpenSSL. */
TEST_TABLE(a_client_that_has_sent_its_hello_tells_nothing_of_the_peer_of_the_session_before, stream_versions)
{
    int fds[2];
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 1, serve_counted, &count);
    bgl_ssl_socket_t *first = connect_to(client, service.port);
    check_echo(first, "x");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(first));
    finish(first);
    end_service(&service);
    bgl_ssl_config_t *lazy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(lazy, true));
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(lazy, fds[0], "localhost", 0));
    CHECK_OK(bgl_ssl_socket_set_session(socket, session));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    CHECK_INT(-1, bgl_ssl_socket_verify_result(socket));
    CHECK(bgl_ssl_socket_peer_certificate(socket) == NULL);
    bgl_ssl_socket_free(socket);
    bgl_ssl_session_free(session);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(lazy);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
