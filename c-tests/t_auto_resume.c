/* Clients that resume by themselves: which connections do, and that nothing is resumed where something else counts. */
#include <sys/wait.h>

#include "clock.h"
#include "versions.h"

/* ---- a server that counts, and visits to it ---- */

struct count {
    int full, resumed;
    int silent_after; /* how many clients get an echo; 0: all */
};

static void count_one(bgl_ssl_socket_t *socket, struct count *count)
{
    bool reused = bgl_ssl_socket_session_reused(socket);
    count->resumed += reused;
    count->full += !reused;
}

static void serve_counted(bgl_ssl_socket_t *socket, void *data)
{
    struct count *count = data;
    count_one(socket, count);
    if (!count->silent_after || count->full + count->resumed <= count->silent_after)
        serve_echo(socket, NULL);
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

static bgl_ssl_config_t *named_client(const struct version *version)
{
    bgl_ssl_config_t *config = of_version(version, client_config());
    CHECK_OK(bgl_ssl_config_set_hostname(config, "localhost"));
    return config;
}

static bgl_ssl_config_t *named_server(const struct version *version)
{
    return of_version(version, server_config("good"));
}

/* Asks for a byte, and says whether a session was resumed. */
static bool visit_host(const bgl_ssl_config_t *client, const char *host, int port)
{
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, host, port, AF_INET));
    bool reused = bgl_ssl_socket_session_reused(socket);
    check_echo(socket, "x");
    finish(socket);
    return reused;
}

static bool visit(const bgl_ssl_config_t *client, int port) { return visit_host(client, "127.0.0.1", port); }

/* ---- what is resumed ---- */

TEST_TABLE(ten_connects_make_one_full_handshake, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 10, serve_counted, &count);
    for (int i = 0; i < 10; i++)
        CHECK_INT(i > 0, visit(client, service.port));
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
        CHECK_INT(i > 0, visit(client, service.port));
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
    CHECK(!visit(client, service.port));
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

TEST_TABLE(servers_that_end_without_close_notify_are_resumed, versions)
{
    const struct version *version = row;
    struct count count = {0};
    struct service service;
    char byte;
    size_t n;
    if (version->protocol == BGLSSL_DTLSV1)
        skip_test("an end of the stream");
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
TEST_TABLE(upgraded_descriptors_resume, versions)
{
    const struct version *version = row;
    struct count count = {0};
    struct service service;
    if (version->protocol == BGLSSL_DTLSV1)
        skip_test("a stream");
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
TEST_TABLE(descriptors_without_an_address_resume_nothing, versions)
{
    const struct version *version = row;
    if (version->protocol == BGLSSL_DTLSV1)
        skip_test("a stream");
    bgl_ssl_config_t *client = of_version(row, client_config()), *server = named_server(row);
    for (int i = 0; i < 2; i++) {
        struct ends ends;
        bgl_ssl_config_t *ours = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(client));
        bgl_ssl_config_t *theirs = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(server));
        let_meet(&ends, ours, theirs);
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
    CHECK(!visit(client, service.port));
    CHECK(!visit_host(other, host, service.port));
    CHECK(visit_host(other, host, service.port));
    CHECK(visit(client, service.port));
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
    CHECK(!visit(client, first.port));
    CHECK(!visit(client, second.port));
    CHECK(visit(client, first.port));
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

static void staple_required(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_staple_policy(config, BGL_SSL_STAPLE_REQUIRE));
    CHECK_OK(bgl_ssl_config_insecure_verify_none(config)); /* which looks at no staple */
}

static const struct choice choices[] = {
    {"by_default", nothing, -1, true},
    {"unless_turned_off", nothing, 0, false},
    {"not_by_default_where_the_name_is_not_verified", chain_only, -1, false},
    {"not_by_default_where_nothing_is_verified", verify_none, -1, false},
    {"if_asked_to_where_the_name_is_not_verified", chain_only, 1, true},
    {"if_asked_to_where_nothing_is_verified", verify_none, 1, true},
    {"not_where_a_staple_is_required", staple_required, 1, false},
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
    CHECK(!visit(client, service.port));
    CHECK_INT(choice->resumes, visit(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(tls_1_2_is_resumed, choices) { check_choice(&versions[0], row); }
TEST_TABLE(tls_1_3_is_resumed, choices) { check_choice(&versions[1], row); }
TEST_TABLE(dtls_1_2_is_resumed, choices) { check_choice(&versions[2], row); }

/* ---- what ends a session ---- */

TEST_TABLE(forgotten_sessions_are_not_resumed, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 4, serve_counted, &count);
    CHECK(!visit(client, service.port));
    bgl_ssl_forget_sessions();
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    CHECK(!bgl_ssl_socket_session_reused(socket));
    bgl_ssl_forget_sessions();
    check_echo(socket, "tickets that come only now are of before");
    finish(socket);
    CHECK(!visit(client, service.port));
    CHECK(visit(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* The server gives its sessions two hours. */
TEST_TABLE(sessions_end_with_their_time, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 4, serve_counted, &count);
    CHECK(!visit(client, service.port));
    atomic_fetch_add(&ahead, 3600);
    CHECK(visit(client, service.port));
    atomic_fetch_add(&ahead, 8 * 24 * 3600);
    CHECK(!visit(client, service.port));
    /* A clock that was set back makes no session younger. */
    atomic_fetch_add(&ahead, -9 * 24 * 3600);
    CHECK(!visit(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Resumed over and over, a session ends a week after the server has proved who it is. */
TEST_TABLE(a_week_later_the_server_proves_who_it_is, versions)
{
    struct count count = {0};
    struct service service;
    const int steps = 7 * 24 + 2;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, steps, serve_counted, &count);
    for (int hours = 0; hours < steps; hours++) {
        visit(client, service.port);
        atomic_fetch_add(&ahead, 3600);
    }
    end_service(&service);
    CHECK(count.full >= 2);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Another server at the port, with keys of its own: it refuses the tickets of the first. */
TEST_TABLE(a_server_that_refuses_is_asked_once, versions)
{
    struct count count = {0};
    struct service first, second;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row), *other = named_server(row);
    set_certificate(other, "good-rsa");
    start_service(&first, server, 1, serve_counted, &count);
    CHECK(!visit(client, first.port));
    end_service(&first);
    start_service_at("127.0.0.1", first.port, &second, other, 3, serve_counted, &count);
    CHECK(!visit(client, first.port));
    CHECK(visit(client, first.port));
    CHECK(visit(client, first.port));
    end_service(&second);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(other);
}

/* Whoever was refused at a port has made what was known of it doubtful. */
TEST_TABLE(a_server_that_is_refused_ends_the_sessions_of_before, versions)
{
    struct count count = {0};
    struct service first, second, third;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row), *impostor = named_server(row);
    set_certificate(impostor, "untrusted");
    start_service(&first, server, 1, serve_counted, &count);
    CHECK(!visit(client, first.port));
    end_service(&first);
    start_service_at("127.0.0.1", first.port, &second, impostor, 1, serve_counted, &count);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "127.0.0.1", first.port, AF_INET));
    end_service(&second);
    start_service_at("127.0.0.1", first.port, &third, server, 2, serve_counted, &count);
    CHECK(!visit(client, first.port));
    CHECK(visit(client, first.port));
    end_service(&third);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(impostor);
}

/* ---- bounds ---- */

/* All of 127.0.0.0/8 is this machine. */
TEST(sessions_of_256_hosts_are_kept_and_the_one_that_was_used_last_goes_last)
{
    struct count count = {0};
    struct service service;
    char host[32];
    const int hosts = 256;
    bgl_ssl_config_t *client = named_client(&versions[0]), *server = named_server(&versions[0]);
    start_service_at("0.0.0.0", 0, &service, server, hosts + 5, serve_counted, &count);
    for (int i = 1; i <= hosts; i++) {
        snprintf(host, sizeof host, "127.1.%d.%d", i / 100, i % 100 + 1);
        CHECK(!visit_host(client, host, service.port));
    }
    CHECK(visit_host(client, "127.1.0.2", service.port)); /* the first, which is now the latest */
    CHECK(!visit_host(client, "127.2.0.1", service.port));
    CHECK(visit_host(client, "127.1.0.2", service.port));
    CHECK(!visit_host(client, "127.1.0.3", service.port)); /* the second has made space */
    CHECK(visit_host(client, "127.1.2.1", service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- other ways to connect ---- */

TEST_TABLE(a_session_that_is_given_goes_first, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    bgl_ssl_config_t *off = named_client(row);
    CHECK_OK(bgl_ssl_config_set_resume(off, false));
    start_service(&service, server, 4, serve_counted, &count);
    bgl_ssl_socket_t *socket = connect_to(off, service.port);
    check_echo(socket, "x");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    CHECK(!visit(off, service.port));
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    check_echo(socket, "x");
    finish(socket);
    CHECK(visit(client, service.port)); /* what came with the given one */
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(off);
    bgl_ssl_config_free(server);
}

TEST(set_resume_checks_its_arguments)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_resume(NULL, true));
    CHECK_OK(bgl_ssl_config_set_resume(config, false));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_resume(config, true));
    bgl_ssl_config_free(config);
    bgl_ssl_forget_sessions();
    bgl_ssl_forget_sessions();
}

/* ---- processes and threads ---- */

TEST_TABLE(a_child_does_not_use_the_sessions_of_its_parent, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 4, serve_counted, &count);
    CHECK(!visit(client, service.port));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(!visit(client, service.port) && visit(client, service.port) ? 0 : 1);
    int status = 0;
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK(visit(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

struct load {
    const bgl_ssl_config_t *config;
    int port;
    atomic_bool *stops;
};

static void *visit_often(void *data)
{
    struct load *load = data;
    while (!atomic_load(load->stops))
        visit(load->config, load->port);
    return NULL;
}

static void *forget_often(void *data)
{
    struct load *load = data;
    while (!atomic_load(load->stops)) {
        bgl_ssl_forget_sessions();
        usleep(1000);
    }
    return NULL;
}

/* A child of a process whose threads are in the middle of this has locks of its own. */
TEST(threads_and_children_resume_at_the_same_time)
{
    struct count count = {0};
    struct service service;
    pthread_t threads[4];
    atomic_bool stops = false;
    enum { CHILDREN = 10 };
    bgl_ssl_config_t *client = named_client(&versions[1]), *server = named_server(&versions[1]);
    start_service(&service, server, 1000000, serve_counted, &count);
    struct load load = {client, service.port, &stops};
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(i ? visit_often : forget_often, &load);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20 * slowness());
            _exit(visit(client, service.port));
        }
        int status = 0;
        CHECK_INT(child, waitpid(child, &status, 0));
        CHECK_INT(0, status);
    }
    atomic_store(&stops, true);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    CHECK_OK(bgl_ssl_server_close(service.server));
    join_thread(service.thread);
    bgl_ssl_server_free(service.server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
