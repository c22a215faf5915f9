/* CAs that are read again from their file: whom a server at work lets in. */
#include "hosts.h"

static void put_file(const char *from, const char *name)
{
    size_t length;
    char *data = read_whole_file(pki(from), &length);
    write_file(name, data, length);
    free(data);
}

/* Presents "good", and demands a certificate of a CA in the case's own file of this name. */
static bgl_ssl_config_t *demanding(const struct version *version, const char *name)
{
    bgl_ssl_config_t *config = of_version(version, server_config("good"));
    CHECK_OK(bgl_ssl_config_set_ca_file(config, own_path(name)));
    return config;
}

struct result_of_client {
    bool let_in, reused;
    bgl_ssl_session_t *session;
};

static struct result_of_client connect_as(const struct version *version, int port, const char *name,
                                          const char *identity, const bgl_ssl_session_t *session)
{
    struct result_of_client result = {0};
    char byte = 'x';
    size_t n;
    bgl_ssl_config_t *client = of_version(version, client_of(name));
    set_certificate(client, identity);
    bgl_ssl_socket_t *socket = bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session);
    bgl_ssl_config_free(client);
    if (!socket)
        return result;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    result.let_in = bgl_ssl_socket_write(socket, &byte, 1, &n) == BGL_SSL_OK &&
                    bgl_ssl_socket_read(socket, &byte, 1, &n) == BGL_SSL_OK;
    result.reused = bgl_ssl_socket_session_reused(socket);
    result.session = bgl_ssl_socket_session(socket);
    finish(socket);
    return result;
}

static bool is_let_in(const struct version *version, int port, const char *name, const char *identity)
{
    struct result_of_client result = connect_as(version, port, name, identity, NULL);
    bgl_ssl_session_free(result.session);
    return result.let_in;
}

TEST_TABLE(cas_of_a_file_are_read_again, versions)
{
    struct service service;
    put_file("root.pem", "ca.pem");
    bgl_ssl_config_t *server = demanding(row, "ca.pem");
    start_service(&service, server, 5, serve_echo, NULL);
    CHECK(!is_let_in(row, service.port, "localhost", "client-untrusted"));
    struct result_of_client before = connect_as(row, service.port, "localhost", "client", NULL);
    CHECK(before.let_in);
    put_file("root2.pem", "ca.pem");
    CHECK_OK(bgl_ssl_server_reload(service.server));
    CHECK(is_let_in(row, service.port, "localhost", "client-untrusted"));
    CHECK(!is_let_in(row, service.port, "localhost", "client"));
    /* What was agreed before is no way in. */
    struct result_of_client after = connect_as(row, service.port, "localhost", "client", before.session);
    CHECK(!after.let_in && !after.reused);
    end_service(&service);
    bgl_ssl_session_free(before.session);
    bgl_ssl_session_free(after.session);
    bgl_ssl_config_free(server);
}

TEST_TABLE(sessions_last_where_the_cas_are_the_same, versions)
{
    struct service service;
    put_file("root.pem", "ca.pem");
    bgl_ssl_config_t *server = demanding(row, "ca.pem");
    start_service(&service, server, 2, serve_echo, NULL);
    struct result_of_client before = connect_as(row, service.port, "localhost", "client", NULL);
    put_file("root.pem", "ca.pem");
    CHECK_OK(bgl_ssl_server_reload(service.server));
    struct result_of_client after = connect_as(row, service.port, "localhost", "client", before.session);
    CHECK(after.let_in && after.reused);
    end_service(&service);
    bgl_ssl_session_free(before.session);
    bgl_ssl_session_free(after.session);
    bgl_ssl_config_free(server);
}

TEST(settings_of_trust_in_the_file_count)
{
    struct service service;
    put_file("root.pem", "ca.pem");
    bgl_ssl_config_t *server = demanding(&versions[1], "ca.pem");
    start_service(&service, server, 2, serve_echo, NULL);
    CHECK(is_let_in(&versions[1], service.port, "localhost", "client"));
    put_file("root-for-servers.pem", "ca.pem");
    CHECK_OK(bgl_ssl_server_reload(service.server));
    CHECK(!is_let_in(&versions[1], service.port, "localhost", "client"));
    end_service(&service);
    bgl_ssl_config_free(server);
}

TEST(cas_of_hosts_are_read_again_with_all_else_or_not_at_all)
{
    struct service service;
    const struct version *version = &versions[1];
    put_file("root.pem", "ca.pem");
    put_file("root.pem", "host-ca.pem");
    put_file("good.pem", "live.pem");
    put_file("good.key", "live.key");
    bgl_ssl_config_t *server = demanding(version, "ca.pem");
    CHECK_OK(bgl_ssl_config_set_certificate_file(server, own_path("live.pem"), own_path("live.key"), NULL));
    add_host(server, "a.test", demanding(version, "host-ca.pem"));
    start_service(&service, server, 6, serve_echo, NULL);
    put_file("root2.pem", "ca.pem");
    put_file("dns-only.pem", "live.pem");
    put_file("dns-only.key", "live.key");
    write_file("host-ca.pem", "nothing", 7);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_server_reload(service.server));
    CHECK_MESSAGE("host-ca.pem");
    CHECK(is_let_in(version, service.port, "localhost", "client"));
    CHECK(is_let_in(version, service.port, "a.test", "client"));
    put_file("root2.pem", "host-ca.pem");
    CHECK_OK(bgl_ssl_server_reload(service.server));
    CHECK(!is_let_in(version, service.port, "localhost", "client"));
    CHECK(!is_let_in(version, service.port, "a.test", "client"));
    CHECK(is_let_in(version, service.port, "localhost", "client-untrusted"));
    CHECK(is_let_in(version, service.port, "a.test", "client-untrusted"));
    end_service(&service);
    bgl_ssl_config_free(server);
}
