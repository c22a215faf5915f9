/* Hosts: names with configs of their own. What one of them demands of clients never leaks into another, neither in a full
 * handshake nor in a resumed one. */
#include <stdatomic.h>
#include <sys/wait.h>

#include "hosts.h"
#include "s_client.h"

/* Presents "good" by default; a.test, b.test and *.wild.test have configs of their own. */
static bgl_ssl_config_t *three_hosts(void)
{
    bgl_ssl_config_t *server = server_config("good");
    add_host(server, "a.test", server_config("host-a"));
    add_host(server, "b.test", server_config("host-b"));
    add_host(server, "*.wild.test", server_config("host-wild"));
    return server;
}

static const struct choice choices[] = {
    {"exact_name", "a.test", "host-a.pem"},
    {"another_exact_name", "b.test", "host-b.pem"},
    {"label_for_the_wildcard", "x.wild.test", "host-wild.pem"},
    {"name_in_capitals", "A.TEST", "host-a.pem"},
    {"unknown_name", "c.test", "good.pem"},
    {"two_labels_for_the_wildcard", "x.y.wild.test", "good.pem"},
    {"no_label_for_the_wildcard", "wild.test", "good.pem"},
    {"no_name", NULL, "good.pem"},
};

TEST_TABLE(host_is_found_by, choices)
{
    const struct choice *choice = row;
    bgl_ssl_config_t *server = three_hosts();
    check_presents(server, choice->asked, choice->shown);
    bgl_ssl_config_free(server);
}

static const char *const refused_names[][2] = {{"an_unknown_name", "c.test"}, {"no_name", NULL}};

TEST_TABLE(refusing_unknown_hosts_refuses, refused_names)
{
    const char *const *name = row;
    struct ends ends;
    bgl_ssl_config_t *server = three_hosts();
    CHECK_OK(bgl_ssl_config_set_unknown_host(server, BGL_SSL_UNKNOWN_HOST_REFUSE));
    ask_for(&ends, server, name[1]);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, ends.server_status);
    if (name[1])
        CHECK(strstr(ends.server_error.message, name[1]));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, ends.client_status);
    CHECK_INT(112, ends.client_error.alert);
    free_ends(&ends);
    ask_for(&ends, server, "a.test");
    CHECK_OK(ends.client_status);
    free_ends(&ends);
    /* The server's own certificate is for this. */
    check_presents(server, "localhost", "good.pem");
    bgl_ssl_config_free(server);
}

TEST(refusing_unknown_hosts_refuses_what_is_no_hello)
{
    int fds[2];
    char byte;
    bgl_ssl_config_t *server = three_hosts();
    CHECK_OK(bgl_ssl_config_set_unknown_host(server, BGL_SSL_UNKNOWN_HOST_REFUSE));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[0], 0));
    close(fds[0]);
    write_all(fds[1], "GET / HTTP/1.0\r\n\r\n", 18);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(socket));
    CHECK_MESSAGE("HTTP");
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    while (read(fds[1], &byte, 1) > 0)
        ;
    close(fds[1]);
    bgl_ssl_config_free(server);
}

TEST(each_host_has_its_protocols_and_versions)
{
    struct ends ends;
    static const char *const h2[] = {"h2"}, *const http[] = {"http/1.1"};
    bgl_ssl_config_t *server = server_config("good"), *a = server_config("host-a"), *b = server_config("host-b");
    CHECK_OK(bgl_ssl_config_set_alpn(a, h2, 1));
    CHECK_OK(bgl_ssl_config_set_alpn(b, http, 1));
    CHECK_OK(bgl_ssl_config_set_max_protocol(b, BGLSSL_TLSV1_2));
    add_host(server, "a.test", a);
    add_host(server, "b.test", b);
    static const char *const expected[][3] = {
        {"a.test", "h2", "TLSv1.3"}, {"b.test", "http/1.1", "TLSv1.2"}, {"c.test", "", "TLSv1.3"}};
    for (size_t i = 0; i < COUNT(expected); i++) {
        static const char *const both[] = {"h2", "http/1.1"};
        char alpn[16];
        bgl_ssl_config_t *client = client_of(expected[i][0]);
        CHECK_OK(bgl_ssl_config_set_alpn(client, both, 2));
        make_ends(&ends, client, server, "127.0.0.1");
        bgl_ssl_config_free(client);
        step_handshakes(&ends);
        CHECK_OK(ends.client_status);
        bgl_ssl_socket_alpn(ends.client, alpn, sizeof alpn);
        CHECK_STRING(expected[i][1], alpn);
        CHECK_STRING(expected[i][2], bgl_ssl_socket_protocol(ends.client));
        free_ends(&ends);
    }
    bgl_ssl_config_free(server);
}

/* ---- client authentication ---- */

static bgl_ssl_config_t *demanding(const char *name, const char *ca)
{
    bgl_ssl_config_t *config = server_config(name);
    set_ca(config, ca);
    return config;
}

/* A connection over TCP or UDP to a server with hosts. */
static bgl_ssl_status_t connect_to_host(const struct version *version, int port, const char *name, const char *identity)
{
    char byte = 'x';
    size_t n;
    bgl_ssl_config_t *client = of_version(version, client_of(name));
    if (identity)
        set_certificate(client, identity);
    bgl_ssl_socket_t *socket = bgl_ssl_connect(client, "127.0.0.1", port, AF_INET);
    bgl_ssl_status_t status = BGL_SSL_OK;
    if (!socket)
        status = last_error().code;
    else {
        CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
        status = bgl_ssl_socket_write(socket, &byte, 1, &n);
        if (status == BGL_SSL_OK)
            status = bgl_ssl_socket_read(socket, &byte, 1, &n);
        bgl_ssl_socket_close(socket);
    }
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
    return status;
}

TEST_TABLE(hosts_demand_their_own_client_certificates, versions)
{
    const struct version *version = row;
    struct service service;
    bgl_ssl_config_t *server = of_version(version, server_config("good"));
    add_host(server, "a.test", of_version(version, demanding("host-a", "root.pem")));
    add_host(server, "b.test", of_version(version, demanding("host-b", "root2.pem")));
    start_service(&service, server, 6, serve_echo, NULL);
    CHECK_OK(connect_to_host(version, service.port, "a.test", "client"));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, connect_to_host(version, service.port, "b.test", "client"));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, connect_to_host(version, service.port, "a.test", NULL));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, connect_to_host(version, service.port, "a.test", "client-untrusted"));
    CHECK_OK(connect_to_host(version, service.port, "b.test", "client-untrusted"));
    CHECK_OK(connect_to_host(version, service.port, "c.test", NULL));
    end_service(&service);
    bgl_ssl_config_free(server);
}

/* ---- resumption across hosts, by a client that offers sessions where it should not ---- */

struct across {
    const char *name;
    const char *a_ca, *b_ca, *accepted_by_b;
    int b_asks;
    const char *identity;
    bool b_lets_in;
};

static const struct across acrosses[] = {
    {"other_ca", "root.pem", "root2.pem", NULL, BGL_SSL_CLIENT_CERTIFICATE_AUTO, "client", false},
    {"b_demands_and_a_does_not", NULL, "root.pem", NULL, BGL_SSL_CLIENT_CERTIFICATE_AUTO, NULL, false},
    {"b_accepts_others", "root.pem", "root.pem", "client2.pem", BGL_SSL_CLIENT_CERTIFICATE_AUTO, "client", false},
    {"b_does_not_ask", "root.pem", NULL, NULL, BGL_SSL_CLIENT_CERTIFICATE_NONE, "client", true},
    {"b_asks_politely", "root.pem", "root2.pem", NULL, BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL, "client", false},
    {"nothing_but_the_name_differs", NULL, NULL, NULL, BGL_SSL_CLIENT_CERTIFICATE_AUTO, NULL, true},
};

static void check_across(const struct across *it, const struct peer_version *version)
{
    struct service service;
    char identity[512] = "", *session = strdup(own_path("session"));
    bgl_ssl_config_t *server = of_version(&version->version, server_config("good"));
    bgl_ssl_config_t *a = it->a_ca ? demanding("host-a", it->a_ca) : server_config("host-a");
    bgl_ssl_config_t *b = it->b_ca ? demanding("host-b", it->b_ca) : server_config("host-b");
    if (it->accepted_by_b)
        set_accepted(b, it->accepted_by_b);
    CHECK_OK(bgl_ssl_config_set_client_certificate(b, it->b_asks));
    add_host(server, "a.test", of_version(&version->version, a));
    add_host(server, "b.test", of_version(&version->version, b));
    if (it->identity)
        snprintf(identity, sizeof identity, "-cert %s.pem -key %s.key", pki(it->identity), pki(it->identity));
    start_service(&service, server, 3, serve_a_line, NULL);
    CHECK(strstr(s_client(version, service.port, "a.test", true, "%s -sess_out %s", identity, session), "New, "));
    /* The control: where it belongs the session is resumed. */
    CHECK(strstr(s_client(version, service.port, "a.test", true, "%s -sess_in %s", identity, session), "Reused, "));
    CHECK(!strstr(s_client(version, service.port, "b.test", it->b_lets_in, "%s -sess_in %s", identity, session), "Reused, "));
    end_service(&service);
    bgl_ssl_config_free(server);
    free(session);
}

TEST_TABLE(no_session_is_resumed_across_hosts, acrosses)
{
    for (size_t i = 0; i < COUNT(peer_versions); i++)
        check_across(row, &peer_versions[i]);
}

/* ---- which requests a connection may carry ---- */

TEST(connection_serves_the_host_it_was_made_for)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good"), *two_names = server_config("host-a");
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", two_names));
    CHECK_OK(bgl_ssl_config_add_host(server, "other.test", two_names));
    bgl_ssl_config_free(two_names);
    add_host(server, "www.a.test", server_config("host-a"));
    add_host(server, "b.test", demanding("host-b", "root.pem"));
    ask_for(&ends, server, "a.test");
    CHECK(bgl_ssl_socket_serves_host(ends.server, "a.test"));
    CHECK(bgl_ssl_socket_serves_host(ends.server, "A.Test."));
    CHECK(bgl_ssl_socket_serves_host(ends.server, "other.test"));
    /* Of another config, but neither asks for certificates, and the certificate is for it. */
    CHECK(bgl_ssl_socket_serves_host(ends.server, "www.a.test"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "b.test"));
    /* That is the default's. */
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "localhost"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "127.0.0.1"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, ""));
    free_ends(&ends);
    ask_for(&ends, server, NULL);
    CHECK(bgl_ssl_socket_serves_host(ends.server, "c.test"));
    CHECK(bgl_ssl_socket_serves_host(ends.server, "127.0.0.1"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "a.test"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "b.test"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, NULL));
    CHECK(!bgl_ssl_socket_serves_host(NULL, "a.test"));
    free_ends(&ends);
    bgl_ssl_config_free(server);
}

TEST(connection_of_a_demanding_host_serves_no_other)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good");
    add_host(server, "www.a.test", server_config("host-a"));
    add_host(server, "a.test", demanding("host-a", "root.pem"));
    bgl_ssl_config_t *client = client_of("a.test");
    set_certificate(client, "client");
    make_ends(&ends, client, server, "127.0.0.1");
    bgl_ssl_config_free(client);
    step_handshakes(&ends);
    CHECK_OK(ends.server_status);
    CHECK(bgl_ssl_socket_serves_host(ends.server, "a.test"));
    CHECK(!bgl_ssl_socket_serves_host(ends.server, "www.a.test"));
    free_ends(&ends);
    bgl_ssl_config_free(server);
}

/* ---- what is refused ---- */

TEST(hosts_that_cannot_be_are_refused)
{
    bgl_ssl_config_t *server = server_config("good"), *a = server_config("host-a"), *empty = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    static const char *const patterns[] = {"", "*", "*.*.test", "a*.test", "127.0.0.1", "::1", "b\303\274cher.test", "a..b"};
    for (size_t i = 0; i < COUNT(patterns); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_host(server, patterns[i], a));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_host(server, NULL, a));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_host(server, "a.test", NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_host(NULL, "a.test", a));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_host(server, "a.test", server));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_host(server, "a.test", empty));
    CHECK_MESSAGE("certificate");
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", a));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_host(server, "A.TEST.", a));
    CHECK_MESSAGE("a.test");
    bgl_ssl_config_t *nested = server_config("host-b");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_host(nested, "b.test", server));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_unknown_host(nested, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_unknown_host(NULL, 0));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_add_host(a, "b.test", nested));
    bgl_ssl_config_free(nested);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(empty);
    bgl_ssl_config_free(a);
}

TEST(a_host_whose_settings_openssl_refuses_is_found_when_it_is_added)
{
    bgl_ssl_config_t *server = server_config("good"), *a = server_config("host-a");
    CHECK_OK(bgl_ssl_config_set_cipher_list(a, "nonsense"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_add_host(server, "a.test", a));
    CHECK_MESSAGE("a.test");
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(a);
}

TEST(a_host_for_datagrams_does_not_fit_a_server_of_streams)
{
    bgl_ssl_config_t *server = server_config("good"), *a = of_version(&versions[2], server_config("host-a"));
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", a));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(server));
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(a);
}

/* ---- another config while serving ---- */

static bgl_ssl_session_t *session_from(int port, const bgl_ssl_config_t *client, const bgl_ssl_session_t *offered,
                                       bool *reused, const char *shown)
{
    char byte = 'x';
    size_t n;
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, offered));
    CHECK_OK(bgl_ssl_socket_write(socket, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(socket, &byte, 1, &n));
    *reused = bgl_ssl_socket_session_reused(socket);
    if (shown)
        check_shown(socket, shown);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    return session;
}

TEST_TABLE(tickets_survive_another_config, versions)
{
    const struct version *version = row;
    struct service service;
    bool reused;
    bgl_ssl_config_t *server = of_version(version, server_config("good"));
    bgl_ssl_config_t *renewed = of_version(version, server_config("good-rsa"));
    bgl_ssl_config_t *demands = of_version(version, demanding("good", "root.pem"));
    bgl_ssl_config_t *client = of_version(version, client_of("localhost"));
    set_certificate(client, "client");
    start_service(&service, server, 4, serve_echo, NULL);
    bgl_ssl_session_t *first = session_from(service.port, client, NULL, &reused, "good.pem");
    CHECK(!reused);
    CHECK_OK(bgl_ssl_server_set_config(service.server, renewed));
    bgl_ssl_session_t *second = session_from(service.port, client, first, &reused, NULL);
    CHECK(reused);
    /* Who is let in must not be taken over from a config that lets in everybody. */
    CHECK_OK(bgl_ssl_server_set_config(service.server, demands));
    bgl_ssl_session_free(first);
    first = session_from(service.port, client, second, &reused, "good.pem");
    CHECK(!reused);
    CHECK_OK(bgl_ssl_server_set_config(service.server, renewed));
    bgl_ssl_session_free(second);
    second = session_from(service.port, client, NULL, &reused, "good-rsa.pem");
    end_service(&service);
    bgl_ssl_session_free(first);
    bgl_ssl_session_free(second);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(renewed);
    bgl_ssl_config_free(demands);
    bgl_ssl_config_free(client);
}

/* A client's connection to a server that leaves accept(2) to its program, over a local pair. */
static bgl_ssl_session_t *session_by_upgrade(const bgl_ssl_server_t *server, const bgl_ssl_config_t *client,
                                             const char *shown)
{
    struct ends ends = {0};
    int fds[2];
    local_pair(fds);
    ends.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    ends.server = MADE(bgl_ssl_socket_t, bgl_ssl_server_upgrade_fd(server, fds[1]));
    close(fds[0]);
    close(fds[1]);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.server, true));
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK(exchange_bytes(&ends));
    check_shown(ends.client, shown);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(ends.client));
    free_ends(&ends);
    return session;
}

TEST(a_socket_that_the_program_accepted_gets_the_server_s_config_and_tickets)
{
    bool reused;
    bgl_ssl_config_t *server = server_config("good"), *renewed = server_config("good-rsa"), *client = client_config();
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    struct service service;
    start_service(&service, server, 1, serve_echo, NULL);
    bgl_ssl_session_t *session = session_by_upgrade(service.server, client, "good.pem");
    CHECK_OK(bgl_ssl_server_set_config(service.server, renewed));
    /* By accept: the ticket is the server's. */
    bgl_ssl_session_free(session_from(service.port, client, session, &reused, NULL));
    CHECK(reused);
    end_service(&service);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_server_upgrade_fd(NULL, 0));
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(renewed);
    bgl_ssl_config_free(client);
}

TEST(another_config_that_cannot_be_leaves_the_server_its_own)
{
    struct service service;
    bool reused;
    bgl_ssl_config_t *server = server_config("good"), *client = client_of("localhost");
    bgl_ssl_config_t *empty = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_config_t *datagrams = of_version(&versions[2], server_config("good")), *bad = server_config("good");
    CHECK_OK(bgl_ssl_config_set_cipher_list(bad, "nonsense"));
    start_service(&service, server, 1, serve_echo, NULL);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_server_set_config(service.server, empty));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_server_set_config(service.server, bad));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_set_config(service.server, datagrams));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_set_config(service.server, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_set_config(NULL, server));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_server_reload(NULL));
    bgl_ssl_session_free(session_from(service.port, client, NULL, &reused, "good.pem"));
    end_service(&service);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(empty);
    bgl_ssl_config_free(datagrams);
    bgl_ssl_config_free(bad);
}

static void put_file(const char *from, const char *name)
{
    size_t length;
    char *data = read_whole_file(pki(from), &length);
    write_file(name, data, length);
    free(data);
}

TEST(server_reads_all_files_again_or_none)
{
    struct ends ends;
    put_file("good.pem", "live.pem");
    put_file("good.key", "live.key");
    put_file("host-a.pem", "host.pem");
    put_file("host-a.key", "host.key");
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new()), *a = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_certificate_file(server, own_path("live.pem"), own_path("live.key"), NULL));
    CHECK_OK(bgl_ssl_config_set_certificate_file(a, own_path("host.pem"), own_path("host.key"), NULL));
    add_host(server, "a.test", a);
    bgl_ssl_server_t *listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 4, AF_INET));
    put_file("dns-only.pem", "live.pem");
    put_file("dns-only.key", "live.key");
    put_file("host-b.pem", "host.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_server_reload(listener));
    CHECK_MESSAGE("host.key");
    ask_for(&ends, server, NULL);
    check_shown(ends.client, "good.pem");
    free_ends(&ends);
    put_file("host-b.key", "host.key");
    CHECK_OK(bgl_ssl_server_reload(listener));
    ask_for(&ends, server, NULL);
    check_shown(ends.client, "dns-only.pem");
    free_ends(&ends);
    ask_for(&ends, server, "a.test");
    check_shown(ends.client, "host-b.pem");
    free_ends(&ends);
    bgl_ssl_server_free(listener);
    bgl_ssl_config_free(server);
}

/* ---- many connections while the certificates change ---- */

enum { CLIENTS = 4, CONNECTIONS = 1000, CHANGES = 100 };

struct clients {
    int port;
    atomic_int done, old_seen, new_seen;
};

static void *connect_often(void *data)
{
    struct clients *clients = data;
    bgl_ssl_config_t *client = client_of("localhost");
    for (int i = 0; i < CONNECTIONS / CLIENTS; i++) {
        bgl_ssl_socket_t *socket = connect_to(client, clients->port);
        bgl_ssl_certificate_t *shown = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(socket));
        atomic_fetch_add(is_certificate(shown, "good.pem") ? &clients->old_seen : &clients->new_seen, 1);
        bgl_ssl_certificate_free(shown);
        check_echo(socket, "still there?");
        finish(socket);
        atomic_fetch_add(&clients->done, 1);
    }
    bgl_ssl_config_free(client);
    return NULL;
}

TEST(no_connection_fails_while_certificates_change)
{
    struct clients clients = {0};
    struct service service;
    pthread_t threads[CLIENTS];
    put_file("good.pem", "live.pem");
    put_file("good.key", "live.key");
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_certificate_file(server, own_path("live.pem"), own_path("live.key"), NULL));
    add_host(server, "a.test", server_config("host-a"));
    bgl_ssl_config_t *other = server_config("good-rsa");
    start_service(&service, server, CONNECTIONS, serve_echo, NULL);
    clients.port = service.port;
    for (int i = 0; i < CLIENTS; i++)
        threads[i] = start_thread(connect_often, &clients);
    for (int change = 1; change <= CHANGES; change++) {
        /* By turns: the files, and the config as a whole. */
        put_file(change & 1 ? "dns-only.pem" : "good.pem", "live.pem");
        put_file(change & 1 ? "dns-only.key" : "good.key", "live.key");
        CHECK_OK(bgl_ssl_server_reload(service.server));
        CHECK_OK(bgl_ssl_server_set_config(service.server, change % 10 == 0 ? other : server));
        if (change % 10 == 0)
            CHECK_OK(bgl_ssl_server_set_config(service.server, server));
        while (atomic_load(&clients.done) < change * CONNECTIONS / CHANGES - CLIENTS)
            usleep(1000);
    }
    for (int i = 0; i < CLIENTS; i++)
        join_thread(threads[i]);
    end_service(&service);
    CHECK_INT(0, service.refused);
    CHECK(atomic_load(&clients.old_seen) > 0);
    CHECK(atomic_load(&clients.new_seen) > 0);
    CHECK_INT(CONNECTIONS, atomic_load(&clients.old_seen) + atomic_load(&clients.new_seen));
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(other);
}

/* ---- real peers ---- */

struct peer {
    const char *name, *program, *command;
    const char *expected;
};

static const struct peer peers[] = {
    {"openssl", "openssl", "echo x | timeout 20 openssl s_client -connect 127.0.0.1:%d -servername A.test", "CN=host-a"},
    {"openssl_without_a_name", "openssl", "echo x | timeout 20 openssl s_client -connect 127.0.0.1:%d -noservername", "CN=good"},
    {"gnutls", "gnutls-cli", "echo x | timeout 20 gnutls-cli --insecure --sni-hostname b.test -p %d 127.0.0.1", "CN=host-b"},
    {"curl", "curl", "timeout 20 curl -svk --resolve x.wild.test:%1$d:127.0.0.1 https://x.wild.test:%1$d/ 2>&1", "CN=host-wild"},
};

static void serve_page(bgl_ssl_socket_t *socket, void *data __attribute__((unused)))
{
    char request[4096];
    size_t n;
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nx\n";
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    if (bgl_ssl_socket_read(socket, request, sizeof request, &n) == BGL_SSL_OK)
        bgl_ssl_socket_write(socket, answer, sizeof answer - 1, &n);
}

/* Versions of openssl differ in the blanks of names. */
static void remove_blanks(char *line)
{
    char *to = line;
    for (const char *from = line; *from; from++)
        if (*from != ' ')
            *to++ = *from;
    *to = '\0';
}

TEST_TABLE(peer_gets_its_host_from, peers)
{
    const struct peer *peer = row;
    struct service service;
    char command[512], line[1024];
    bool seen = false;
    snprintf(command, sizeof command, "command -v %s >/dev/null", peer->program);
    if (system(command) != 0) {
        snprintf(command, sizeof command, "the command %s", peer->program);
        skip_test(command);
    }
    bgl_ssl_config_t *server = three_hosts();
    start_service(&service, server, 1, serve_page, NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, peer->command, service.port);
#pragma GCC diagnostic pop
    strcat(command, " 2>&1");
    FILE *pipe = popen(command, "r");
    CHECK(pipe);
    while (fgets(line, sizeof line, pipe)) {
        remove_blanks(line);
        seen |= strstr(line, peer->expected) != NULL;
    }
    pclose(pipe);
    end_service(&service);
    CHECK(seen);
    bgl_ssl_config_free(server);
}

/* ---- a reading half that is shut down ---- */

static const struct serving {
    const char *name;
    bool has_hosts;
} servings[] = {{"with_hosts", true}, {"without_hosts", false}};

/* Writing goes on, although nothing can be read: also where the handshake is still to come, and its config. */
TEST_TABLE(a_lazy_socket_handshakes_after_its_reading_half_was_shut_down, servings)
{
    const struct serving *it = row;
    int fds[2];
    struct ends ends;
    bgl_ssl_config_t *server = it->has_hosts ? three_hosts() : server_config("host-a"), *client = client_of("a.test");
    tcp_pair(fds);
    make_ends_over(&ends, client, server, "127.0.0.1", fds);
    CHECK_OK(bgl_ssl_socket_shutdown_read(ends.server));
    step_handshakes(&ends);
    CHECK_OK(ends.server_status);
    CHECK_OK(ends.client_status);
    check_shown(ends.client, "host-a.pem");
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
