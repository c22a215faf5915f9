/* Sessions as bytes: what they are bound to, and what becomes of bytes that are none. */
#include <sys/wait.h>

#include "clock.h"
#include "versions.h"

struct saved {
    void *bytes;
    size_t length;
};

/* The bytes of a session with the service. */
static struct saved save(const bgl_ssl_config_t *client, int port)
{
    bgl_ssl_socket_t *socket = connect_to(client, port);
    check_echo(socket, "x");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    struct saved saved = {.length = bgl_ssl_session_export(session, NULL, 0)};
    CHECK(saved.length > 500);
    saved.bytes = malloc(saved.length);
    CHECK_INT((long long)saved.length, (long long)bgl_ssl_session_export(session, saved.bytes, saved.length));
    bgl_ssl_session_free(session);
    return saved;
}

static bgl_ssl_session_t *import(const bgl_ssl_config_t *config, const struct saved *saved)
{
    return bgl_ssl_session_import(config, "127.0.0.1", saved->bytes, saved->length);
}

static bgl_ssl_config_t *unaided_client(const struct version *version)
{
    bgl_ssl_config_t *config = of_version(version, client_config());
    CHECK_OK(bgl_ssl_config_set_hostname(config, "localhost"));
    CHECK_OK(bgl_ssl_config_set_resume(config, false));
    return config;
}

static void check_chain(const bgl_ssl_socket_t *socket, size_t length)
{
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_peer_chain(socket));
    CHECK_INT((long long)length, (long long)bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_list_free(chain);
}

TEST_TABLE(a_session_is_resumed_from_bytes, versions)
{
    struct service service;
    bgl_ssl_config_t *server = of_version(row, server_config("chained"));
    bgl_ssl_config_t *client = unaided_client(row), *other = unaided_client(row);
    start_service(&service, server, 3, serve_echo, NULL);
    struct saved saved = save(client, service.port);
    bgl_ssl_config_free(client);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(other, &saved));
    int64_t end = bgl_ssl_session_expiry(session);
    CHECK(end > (int64_t)time(NULL) + 60 && end <= (int64_t)time(NULL) + 7 * 24 * 3600);
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(other, "127.0.0.1", service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    check_chain(socket, 2);
    CHECK_INT(0, bgl_ssl_socket_verify_result(socket));
    check_echo(socket, "x");
    /* What comes with the resumed connection can be written, too, and has the whole chain. */
    bgl_ssl_session_t *next = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    struct saved again = {.length = bgl_ssl_session_export(next, NULL, 0)};
    again.bytes = malloc(again.length);
    bgl_ssl_session_export(next, again.bytes, again.length);
    finish(socket);
    bgl_ssl_session_t *imported = MADE(bgl_ssl_session_t, import(other, &again));
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(other, "127.0.0.1", service.port, AF_INET, imported));
    CHECK(bgl_ssl_socket_session_reused(socket));
    check_chain(socket, 2);
    finish(socket);
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_session_free(next);
    bgl_ssl_session_free(imported);
    free(saved.bytes);
    free(again.bytes);
    bgl_ssl_config_free(other);
    bgl_ssl_config_free(server);
}

/* ---- what the bytes are bound to ---- */

struct difference {
    const char *name;
    void (*apply)(bgl_ssl_config_t *config);
};

static void other_host(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_hostname(config, "other.test")); }
static void other_ca(bgl_ssl_config_t *config) { set_ca(config, "root2.pem"); }
static void other_sni(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_set_server_name(config, "other.test")); }
static void own_certificate(bgl_ssl_config_t *config) { set_certificate(config, "client"); }
static void accepted_list(bgl_ssl_config_t *config) { set_accepted(config, "good.pem"); }
static void crls(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_add_crl_file(config, pki("root.crl"))); }
static void verify_none(bgl_ssl_config_t *config) { CHECK_OK(bgl_ssl_config_insecure_verify_none(config)); }

static const struct difference differences[] = {
    {"host", other_host},       {"ca", other_ca},     {"sni", other_sni},
    {"client_certificate", own_certificate}, {"accepted_list", accepted_list}, {"crls", crls},
    {"verification", verify_none},
};

TEST_TABLE(bytes_are_refused_where_something_else_is, differences)
{
    const struct difference *difference = row;
    struct service service;
    bgl_ssl_config_t *server = server_config("good"), *client = unaided_client(&versions[1]);
    bgl_ssl_config_t *other = unaided_client(&versions[1]);
    difference->apply(other);
    start_service(&service, server, 2, serve_echo, NULL);
    struct saved saved = save(client, service.port);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, import(other, &saved));
    CHECK_MESSAGE("another host, or of a config that differs");
    /* The control. */
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(client, &saved));
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    finish(socket);
    end_service(&service);
    bgl_ssl_session_free(session);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(other);
    bgl_ssl_config_free(server);
}

/* Each single byte is guarded, and so is the end. */
/* Makes OpenSSL read such an openssl.cnf in this process. */
static void set_system_policy(const char *policy)
{
    static const char start[] = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n";
    char text[300];
    snprintf(text, sizeof text, "%s%s\n", start, policy);
    setenv("OPENSSL_CONF", write_file("openssl.cnf", text, strlen(text)), 1);
}

/* Whom the settings accept may depend on the system. It becomes stricter between one process and the next. */
TEST(bytes_are_refused_where_the_system_demands_longer_keys)
{
    struct service service;
    int pipe_ends[2];
    struct saved saved = {.bytes = malloc(1 << 16)};
    if (openssl_is_warm())
        skip_test("a process in which OpenSSL has not read its configuration yet");
    CHECK_INT(0, pipe(pipe_ends));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        set_system_policy("CipherString = DEFAULT:@SECLEVEL=1");
        bgl_ssl_config_t *server = server_config("good-rsa");
        start_service(&service, server, 1, serve_echo, NULL);
        struct saved made = save(unaided_client(&versions[1]), service.port);
        _exit(write(pipe_ends[1], made.bytes, made.length) == (ssize_t)made.length ? 0 : 1);
    }
    close(pipe_ends[1]);
    for (ssize_t n; (n = read(pipe_ends[0], (char *)saved.bytes + saved.length, (1 << 16) - saved.length)) > 0;)
        saved.length += (size_t)n;
    int status = 0;
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    set_system_policy("CipherString = DEFAULT:@SECLEVEL=3");
    bgl_ssl_config_t *server = server_config("good-rsa"), *client = unaided_client(&versions[1]);
    CHECK_OK(bgl_ssl_config_set_security_level(server, 1));
    start_service(&service, server, 1, serve_echo, NULL);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    end_service(&service);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, import(client, &saved));
    close(pipe_ends[0]);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(damaged_bytes_are_refused)
{
    struct service service;
    bgl_ssl_config_t *server = server_config("good"), *client = unaided_client(&versions[1]);
    start_service(&service, server, 1, serve_echo, NULL);
    struct saved saved = save(client, service.port);
    end_service(&service);
    for (size_t i = 0; i < saved.length; i++) {
        ((unsigned char *)saved.bytes)[i] ^= 1;
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, import(client, &saved));
        ((unsigned char *)saved.bytes)[i] ^= 1;
        struct saved part = {saved.bytes, i};
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, import(client, &part));
    }
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(client, &saved));
    bgl_ssl_session_free(session);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* What time has to say is said as with other sessions. */
TEST(a_session_from_bytes_ends_with_the_chain)
{
    struct service service;
    bgl_ssl_config_t *server = server_config("chained-soon"), *client = unaided_client(&versions[1]);
    bgl_ssl_certificate_t *ca = certificate("intermediate-soon.pem");
    int64_t end = bgl_ssl_certificate_not_after(ca);
    bgl_ssl_certificate_free(ca);
    start_service(&service, server, 2, serve_echo, NULL);
    atomic_fetch_add(&ahead, end - 600 - (int64_t)time(NULL));
    struct saved saved = save(client, service.port);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(client, &saved));
    CHECK_INT(end, bgl_ssl_session_expiry(session));
    atomic_fetch_add(&ahead, 660);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    end_service(&service);
    bgl_ssl_session_free(session);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- a session for a socket over a descriptor ---- */

TEST_TABLE(a_session_can_be_given_before_the_handshake, stream_versions)
{
    struct service service;
    bgl_ssl_config_t *server = of_version(row, server_config("good")), *client = unaided_client(row);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    start_service(&service, server, 2, serve_echo, NULL);
    struct saved saved = save(client, service.port);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(client, &saved));
    int fd = plain_connect(service.port);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fd, "localhost", 0));
    close(fd);
    CHECK_OK(bgl_ssl_socket_set_session(socket, session));
    check_echo(socket, "x");
    CHECK(bgl_ssl_socket_session_reused(socket));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_set_session(socket, session));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_session(socket, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_session(NULL, session));
    finish(socket);
    end_service(&service);
    bgl_ssl_session_free(session);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_server_offers_no_session)
{
    struct ends ends;
    struct service service;
    bgl_ssl_config_t *server = server_config("good"), *client = unaided_client(&versions[1]);
    start_service(&service, server, 1, serve_echo, NULL);
    struct saved saved = save(client, service.port);
    end_service(&service);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, import(client, &saved));
    make_ends(&ends, client, server, "localhost");
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_set_session(ends.server, session));
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_set_session(ends.client, session));
    free_ends(&ends);
    bgl_ssl_session_free(session);
    free(saved.bytes);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(arguments_are_checked)
{
    char byte = 0;
    bgl_ssl_config_t *client = client_config();
    CHECK_INT(0, (int)bgl_ssl_session_export(NULL, &byte, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(-1, bgl_ssl_session_expiry(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(NULL, "localhost", &byte, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, NULL, &byte, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, "a b", &byte, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, "localhost", NULL, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, "localhost", NULL, 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, "localhost", &byte, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_session_import(client, "localhost", &byte, SIZE_MAX));
    bgl_ssl_config_free(client);
}

/* The header: "The session of a client's connection"; NULL if there is none to resume (BGL_SSL_E_STATE). */
TEST(a_servers_connection_has_no_session_to_resume)
{
    struct ends ends;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_socket_session(ends.server));
    free_ends(&ends);
}
