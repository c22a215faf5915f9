/* Clients that resume by themselves: what ends a session, how many there are, and who uses them. */
#include <sys/wait.h>

#include "auto_resume.h"
#include "openssl_peer.h"

/* ---- what ends a session ---- */

TEST_TABLE(forgotten_sessions_are_not_resumed, versions)
{
    struct count count = {0};
    struct service service;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row);
    start_service(&service, server, 4, serve_counted, &count);
    CHECK(!connection_is_resumed(client, service.port));
    bgl_ssl_forget_sessions();
    bgl_ssl_socket_t *socket = connect_to(client, service.port);
    CHECK(!bgl_ssl_socket_session_reused(socket));
    bgl_ssl_forget_sessions();
    check_echo(socket, "tickets that come only now are of before");
    finish(socket);
    CHECK(!connection_is_resumed(client, service.port));
    CHECK(connection_is_resumed(client, service.port));
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
    CHECK(!connection_is_resumed(client, service.port));
    atomic_fetch_add(&ahead, 3600);
    CHECK(connection_is_resumed(client, service.port));
    atomic_fetch_add(&ahead, 8 * 24 * 3600);
    CHECK(!connection_is_resumed(client, service.port));
    /* A clock that was set back makes no session younger. */
    atomic_fetch_add(&ahead, -9 * 24 * 3600);
    CHECK(!connection_is_resumed(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* OpenSSL's own server, which goes on resuming for ever what is refreshed in time. */
struct raw_server {
    struct openssl openssl;
    int listener, connections;
};

static void *serve_raw(void *data)
{
    struct raw_server *it = data;
    struct openssl *o = &it->openssl;
    void *ctx = o->SSL_CTX_new(o->TLS_server_method());
    CHECK(ctx && o->SSL_CTX_use_certificate_chain_file(ctx, pki("good.pem")) == 1);
    CHECK(o->SSL_CTX_use_PrivateKey_file(ctx, pki("good.key"), FILETYPE_PEM) == 1);
    for (int i = 0; i < it->connections; i++) {
        char byte;
        int fd = accept(it->listener, NULL, NULL);
        void *ssl = o->SSL_new(ctx);
        CHECK(fd >= 0 && ssl && o->SSL_set_fd(ssl, fd) == 1);
        CHECK_INT(1, o->SSL_accept(ssl));
        while (o->SSL_read(ssl, &byte, 1) == 1)
            CHECK_INT(1, o->SSL_write(ssl, &byte, 1));
        o->SSL_free(ssl);
        close(fd);
    }
    o->SSL_CTX_free(ctx);
    return NULL;
}

/* Resumed over and over, a session ends a week after the server has proved who it is. */
TEST(a_week_later_the_server_proves_who_it_is)
{
    enum { HOURS = 7 * 24 };
    struct raw_server server = {.connections = HOURS + 2};
    int port, full = 0;
    load_openssl(&server.openssl);
    bgl_ssl_config_t *client = named_client(&versions[1]);
    server.listener = plain_listener(AF_INET, "127.0.0.1", 0, 4, &port);
    pthread_t thread = start_thread(serve_raw, &server);
    for (int hour = 0; hour < HOURS + 2; hour++) {
        full += !connection_is_resumed(client, port);
        CHECK_INT(hour < HOURS - 1 ? 1 : full, full);
        atomic_fetch_add(&ahead, 3600);
    }
    CHECK_INT(2, full);
    join_thread(thread);
    close(server.listener);
    bgl_ssl_config_free(client);
}

/* Whether a session that the program keeps was resumed; the connection's own takes its place. */
static bool visit_with(const bgl_ssl_config_t *client, int port, bgl_ssl_session_t **session)
{
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, *session));
    check_echo(socket, "tickets come with the answer");
    bool reused = bgl_ssl_socket_session_reused(socket);
    bgl_ssl_session_free(*session);
    *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    return reused;
}

TEST(a_week_later_the_server_of_a_session_that_the_program_keeps_proves_who_it_is)
{
    enum { HOURS = 7 * 24 };
    struct raw_server server = {.connections = HOURS + 2};
    bgl_ssl_session_t *session = NULL;
    int port;
    load_openssl(&server.openssl);
    bgl_ssl_config_t *client = named_client(&versions[1]);
    CHECK_OK(bgl_ssl_config_set_resume(client, false));
    server.listener = plain_listener(AF_INET, "127.0.0.1", 0, 4, &port);
    pthread_t thread = start_thread(serve_raw, &server);
    CHECK(!visit_with(client, port, &session));
    for (int hour = 1; hour < HOURS; hour++) {
        atomic_fetch_add(&ahead, 3600);
        CHECK(visit_with(client, port, &session));
    }
    atomic_fetch_add(&ahead, 3600);
    CHECK(bgl_ssl_session_expiry(session) <= (int64_t)time(NULL));
    CHECK(!visit_with(client, port, &session));
    CHECK(visit_with(client, port, &session));
    join_thread(thread);
    bgl_ssl_session_free(session);
    close(server.listener);
    bgl_ssl_config_free(client);
}

/* Another server at the port, with keys of its own: it refuses the tickets of the first. */
TEST_TABLE(a_server_that_refuses_is_asked_once, versions)
{
    struct count count = {0};
    struct service first, second;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row), *other = named_server(row);
    set_certificate(other, "good-rsa");
    start_service(&first, server, 1, serve_counted, &count);
    CHECK(!connection_is_resumed(client, first.port));
    end_service(&first);
    start_service_at("127.0.0.1", first.port, &second, other, 3, serve_counted, &count);
    CHECK(!connection_is_resumed(client, first.port));
    CHECK(connection_is_resumed(client, first.port));
    CHECK(connection_is_resumed(client, first.port));
    end_service(&second);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(other);
}

/* After a refusal at a port, what was known of the port is in doubt. */
TEST_TABLE(a_server_that_is_refused_ends_the_sessions_of_before, versions)
{
    struct count count = {0};
    struct service first, second, third;
    bgl_ssl_config_t *client = named_client(row), *server = named_server(row), *impostor = named_server(row);
    set_certificate(impostor, "untrusted");
    start_service(&first, server, 1, serve_counted, &count);
    CHECK(!connection_is_resumed(client, first.port));
    end_service(&first);
    start_service_at("127.0.0.1", first.port, &second, impostor, 1, serve_counted, &count);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "127.0.0.1", first.port, AF_INET));
    end_service(&second);
    start_service_at("127.0.0.1", first.port, &third, server, 2, serve_counted, &count);
    CHECK(!connection_is_resumed(client, first.port));
    CHECK(connection_is_resumed(client, first.port));
    end_service(&third);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(impostor);
}

/* ---- bounds ---- */

/* All of 127.0.0.0/8 is this machine. The latest of each part are kept. */
TEST(sessions_of_256_hosts_are_kept)
{
    struct count count = {0};
    struct service service;
    char host[32];
    enum { HOSTS = 300 };
    bgl_ssl_config_t *client = named_client(&versions[0]), *server = named_server(&versions[0]);
    start_service_at("0.0.0.0", 0, &service, server, 2 * HOSTS, serve_counted, &count);
    for (int i = 0; i < 2 * HOSTS; i++) {
        int number = i < HOSTS ? i : 2 * HOSTS - 1 - i; /* and back */
        snprintf(host, sizeof host, "127.1.%d.%d", number / 100, number % 100 + 1);
        bool reused = connection_to_host_is_resumed(client, host, service.port);
        CHECK(!reused || i >= HOSTS);
        CHECK(reused || i != HOSTS);
    }
    end_service(&service);
    CHECK(count.resumed > 200 && count.resumed <= 256);
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
    CHECK(!connection_is_resumed(off, service.port));
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    check_echo(socket, "x");
    finish(socket);
    CHECK(connection_is_resumed(client, service.port)); /* what came with the given one */
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
    CHECK(!connection_is_resumed(client, service.port));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(!connection_is_resumed(client, service.port) && connection_is_resumed(client, service.port) ? 0 : 1);
    int status = 0;
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK(connection_is_resumed(client, service.port));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void *forget_often(void *data)
{
    while (!atomic_load((atomic_bool *)data))
        bgl_ssl_forget_sessions();
    return NULL;
}

/* A lock that a thread of the parent holds at that moment stays locked in the child. */
TEST(a_child_does_not_wait_for_its_parents_threads)
{
    if (memory_is_watched())
        skip_test("an allocator whose locks do not stay taken after a fork");
    struct count count = {0};
    pthread_t threads[3];
    atomic_bool stops = false;
    bgl_ssl_config_t *client = named_client(&versions[1]), *server = named_server(&versions[1]);
    CHECK_OK(bgl_ssl_config_freeze(client));
    for (size_t i = 0; i < COUNT(threads); i++)
        threads[i] = start_thread(forget_often, &stops);
    for (int i = 0; i < 20; i++) {
        struct service service;
        start_service(&service, server, 1, serve_counted, &count);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm((unsigned)(20 * slowness()));
            _exit(connection_is_resumed(client, service.port));
        }
        int status = 0;
        CHECK_INT(child, waitpid(child, &status, 0));
        CHECK_INT(0, status);
        end_service(&service);
    }
    atomic_store(&stops, true);
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void *connect_often(void *data)
{
    struct client_and_service *both = data;
    for (int i = 0; i < 30; i++)
        connection_is_resumed(both->client, both->service.port);
    return NULL;
}

TEST(threads_resume_at_the_same_time)
{
    struct count count = {0};
    struct client_and_service both;
    pthread_t threads[4];
    atomic_bool stops = false;
    start_service_for(&both, named_client(&versions[1]), named_server(&versions[1]), 3 * 30, serve_counted, &count);
    for (size_t i = 0; i < COUNT(threads); i++)
        threads[i] = i ? start_thread(connect_often, &both) : start_thread(forget_often, &stops);
    for (size_t i = 1; i < COUNT(threads); i++)
        join_thread(threads[i]);
    atomic_store(&stops, true);
    join_thread(threads[0]);
    end_client_and_service(&both);
}
