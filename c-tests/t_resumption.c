/* Resumption: a resumed handshake refuses whatever a full one refuses, on either end, with each version. */
#include <fcntl.h>
#include <sys/stat.h>

#include "clock.h"
#include "versions.h"

/* Seconds from the end of the certificate that ends first in the chains of "chained-soon". */
static void set_clock_to_end_plus(int64_t seconds)
{
    bgl_ssl_certificate_t *ca = certificate("intermediate-soon.pem");
    atomic_fetch_add(&ahead, bgl_ssl_certificate_not_after(ca) + seconds - (int64_t)time(NULL));
    bgl_ssl_certificate_free(ca);
}

/* ---- two ends, and what becomes of a connection between them ---- */

/* What the configs of both ends are like before the session is made, and after. */
struct stage {
    bool after;
    bgl_ssl_config_t *client, *server;
};

static void trust_system(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_ca_certificates(config, NULL, 0));
}

static void set_system_cas(const char *file)
{
    size_t length;
    char *text = read_whole_file(pki(file), &length);
    setenv("SSL_CERT_FILE", write_file("system.pem", text, length), 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    free(text);
}

static void require_certificate(bgl_ssl_config_t *server)
{
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
}

struct change {
    const char *name;
    void (*apply)(struct stage *stage);
    bgl_ssl_status_t client, server; /* what a full handshake comes to afterwards */
};

static void other_name(struct stage *stage)
{
    CHECK_OK(bgl_ssl_config_set_hostname(stage->client, stage->after ? "other.test" : "localhost"));
}

static void other_ca(struct stage *stage)
{
    set_ca(stage->client, stage->after ? "root2.pem" : "root.pem");
}

static void no_ca(struct stage *stage)
{
    const bgl_ssl_certificate_t *none[1] = {NULL};
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_ca_certificates(stage->client, none, 0));
}

static void other_trust_in_the_ca(struct stage *stage)
{
    set_ca(stage->client, stage->after ? "root-rejected.pem" : "root.pem");
}

static void other_accepted_list(struct stage *stage)
{
    set_accepted(stage->client, stage->after ? "good-rsa.pem" : "good.pem");
}

static void accepted_list_given(struct stage *stage)
{
    if (stage->after)
        set_accepted(stage->client, "good-rsa.pem");
}

static void verification_begun(struct stage *stage)
{
    set_certificate(stage->server, "untrusted");
    if (!stage->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_none(stage->client));
}

static void name_verified(struct stage *stage)
{
    set_certificate(stage->server, "wrong-name");
    if (!stage->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(stage->client));
}

static void chain_expired(struct stage *stage)
{
    set_certificate(stage->server, "chained-soon");
    set_clock_to_end_plus(stage->after ? 60 : -600);
}

static void system_ca_renewed(struct stage *stage)
{
    trust_system(stage->client);
    set_system_cas(stage->after ? "root2.pem" : "root.pem");
}

static void own_certificate_gone(struct stage *stage)
{
    set_ca(stage->server, "root.pem");
    require_certificate(stage->server);
    if (!stage->after)
        set_certificate(stage->client, "client");
}

static void add_pin_of(bgl_ssl_config_t *config, const char *file)
{
    char pin[64];
    bgl_ssl_certificate_t *it = certificate(file);
    CHECK_INT(52, bgl_ssl_certificate_pin(it, pin, sizeof pin));
    CHECK_OK(bgl_ssl_config_add_pins(config, pin));
    bgl_ssl_certificate_free(it);
}

static void add_crls(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_add_crl_file(config, pki("root.crl")));
}

static void other_pin(struct stage *stage)
{
    add_pin_of(stage->client, stage->after ? "good-rsa.pem" : "good.pem");
}

static void depth_limited(struct stage *stage)
{
    set_certificate(stage->server, "chained");
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_verify_depth(stage->client, 0));
}

static void time_moved(struct stage *stage)
{
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_verify_time(stage->client, 1));
}

static void common_name_forbidden(struct stage *stage)
{
    set_certificate(stage->server, "server-purpose");
    CHECK_OK(bgl_ssl_config_set_hostname(stage->client, "server-purpose"));
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_verify_flags(stage->client, BGL_SSL_VERIFY_NO_COMMON_NAME));
}

static void staple_required(struct stage *stage)
{
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_staple_policy(stage->client, BGL_SSL_STAPLE_REQUIRE));
}

static void revoked(struct stage *stage)
{
    set_certificate(stage->server, "revoked");
    if (stage->after)
        add_crls(stage->client);
}

static const struct change client_changes[] = {
    {"other_name", other_name, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL},
    {"other_ca", other_ca, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"no_ca", no_ca, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"other_trust_in_the_ca", other_trust_in_the_ca, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"other_accepted_list", other_accepted_list, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"accepted_list_given", accepted_list_given, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"verification_begun", verification_begun, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"name_verified", name_verified, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL},
    {"chain_expired", chain_expired, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"system_ca_renewed", system_ca_renewed, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"own_certificate_gone", own_certificate_gone, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"other_pin", other_pin, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"depth_limited", depth_limited, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"time_moved", time_moved, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"common_name_forbidden", common_name_forbidden, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL},
    {"staple_required", staple_required, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"revoked", revoked, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
};

static void other_client_ca(struct stage *stage)
{
    set_certificate(stage->client, "client");
    set_ca(stage->server, stage->after ? "root2.pem" : "root.pem");
}

static void no_client_ca(struct stage *stage)
{
    const bgl_ssl_certificate_t *none[1] = {NULL};
    set_certificate(stage->client, "client");
    if (stage->after)
        CHECK_OK(bgl_ssl_config_set_ca_certificates(stage->server, none, 0));
    else
        set_ca(stage->server, "root.pem");
}

static void other_trust_in_the_client_ca(struct stage *stage)
{
    set_certificate(stage->client, "client");
    set_ca(stage->server, stage->after ? "root-for-servers.pem" : "root.pem");
}

static void other_accepted_clients(struct stage *stage)
{
    set_certificate(stage->client, "client");
    set_ca(stage->server, "root.pem");
    set_accepted(stage->server, stage->after ? "client2.pem" : "client.pem");
}

static void clients_verified(struct stage *stage)
{
    set_certificate(stage->client, "client-untrusted");
    set_ca(stage->server, "root.pem");
    if (!stage->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_none(stage->server));
}

static void clients_chain_expired(struct stage *stage)
{
    set_certificate(stage->client, "chained-soon");
    set_ca(stage->server, "root.pem");
    set_clock_to_end_plus(stage->after ? 60 : -600);
}

static void system_client_ca_renewed(struct stage *stage)
{
    set_certificate(stage->client, "client");
    require_certificate(stage->server);
    set_system_cas(stage->after ? "root2.pem" : "root.pem");
}

static void client_certificate_required(struct stage *stage)
{
    set_ca(stage->server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_client_certificate(stage->server, BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL));
    if (stage->after)
        require_certificate(stage->server);
}

static void other_pinned_client(struct stage *stage)
{
    set_certificate(stage->client, "client");
    set_ca(stage->server, "root.pem");
    add_pin_of(stage->server, stage->after ? "client2.pem" : "client.pem");
}

static void client_revoked(struct stage *stage)
{
    set_certificate(stage->client, "revoked");
    set_ca(stage->server, "root.pem");
    if (stage->after)
        add_crls(stage->server);
}

static const struct change server_changes[] = {
    {"other_ca", other_client_ca, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"no_ca", no_client_ca, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"other_trust_in_the_ca", other_trust_in_the_client_ca, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"other_accepted_list", other_accepted_clients, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"verification_begun", clients_verified, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"chain_expired", clients_chain_expired, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"system_ca_renewed", system_client_ca_renewed, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"client_certificate_required", client_certificate_required, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"other_pin", other_pinned_client, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"revoked", client_revoked, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
};

static void set_stage(struct stage *stage, const struct version *version, const struct change *change, bool after)
{
    stage->after = after;
    stage->client = client_config();
    stage->server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_hostname(stage->client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_resume(stage->client, true));
    if (change)
        change->apply(stage);
    of_version(version, stage->client);
    of_version(version, stage->server);
}

static void free_stage(struct stage *stage)
{
    bgl_ssl_config_free(stage->client);
    bgl_ssl_config_free(stage->server);
}

/* What became of a connection: each end's status once a byte has gone both ways or could not, and whether it was
 * resumed. */
struct outcome {
    bgl_ssl_status_t client;
    bool reused;
    bgl_ssl_session_t *session;
};

static struct outcome meet(const bgl_ssl_config_t *client, int port, const bgl_ssl_session_t *session)
{
    struct outcome outcome = {.client = BGL_SSL_OK};
    char byte = 'x';
    size_t n;
    bgl_ssl_socket_t *socket = bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session);
    if (!socket) {
        outcome.client = last_error().code;
        return outcome;
    }
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    outcome.client = bgl_ssl_socket_write(socket, &byte, 1, &n);
    if (outcome.client == BGL_SSL_OK)
        outcome.client = bgl_ssl_socket_read(socket, &byte, 1, &n);
    outcome.reused = bgl_ssl_socket_session_reused(socket);
    if (outcome.client == BGL_SSL_OK)
        outcome.session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return outcome;
}

/* A session made before a change is offered after it. */
static void check_change(const struct version *version, const struct change *change, bool on_server)
{
    struct stage before, after;
    struct service first, second;
    set_stage(&before, version, change, false);
    start_service(&first, before.server, on_server ? 3 : 5, serve_echo, NULL);
    struct outcome made = meet(before.client, first.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, made.client);
    CHECK(!made.reused);
    /* The control: nothing has changed, and the configs are equal but not the same. */
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(before.client));
    struct outcome again = meet(copy, first.port, made.session);
    CHECK_STATUS(BGL_SSL_OK, again.client);
    CHECK(again.reused);
    struct outcome by_itself = meet(copy, first.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, by_itself.client);
    CHECK(by_itself.reused);
    bgl_ssl_session_free(by_itself.session);
    bgl_ssl_config_free(copy);
    if (on_server)
        end_service(&first);

    set_stage(&after, version, change, true);
    if (on_server)
        start_service(&second, after.server, 2, serve_echo, NULL);
    struct service *service = on_server ? &second : &first;
    /* What the library has kept is offered no more than what the program has. */
    struct outcome full = meet(after.client, service->port, NULL);
    struct outcome resumed = meet(after.client, service->port, again.session);
    end_service(service);
    CHECK_INT(change->client, full.client);
    CHECK_INT(change->client, resumed.client);
    CHECK(!full.reused && !resumed.reused);
    CHECK_INT(2, service->refused);
    CHECK_INT(change->server, service->last_status);
    bgl_ssl_session_free(made.session);
    bgl_ssl_session_free(again.session);
    free_stage(&before);
    free_stage(&after);
}

TEST_TABLE(a_client_of_tls_1_2_refuses_after, client_changes) { check_change(&versions[0], row, false); }
TEST_TABLE(a_client_of_tls_1_3_refuses_after, client_changes) { check_change(&versions[1], row, false); }
TEST_TABLE(a_client_of_dtls_1_2_refuses_after, client_changes) { check_change(&versions[2], row, false); }
TEST_TABLE(a_server_of_tls_1_2_refuses_after, server_changes) { check_change(&versions[0], row, true); }
TEST_TABLE(a_server_of_tls_1_3_refuses_after, server_changes) { check_change(&versions[1], row, true); }
TEST_TABLE(a_server_of_dtls_1_2_refuses_after, server_changes) { check_change(&versions[2], row, true); }

/* A ticket that came with a resumed handshake does not begin another lifetime, as the CA of a client is not in it. */
TEST_TABLE(a_ticket_from_a_resumed_handshake_ends_with_the_clients_chain, versions)
{
    struct stage stage;
    struct service service;
    struct change change = {.apply = clients_chain_expired};
    set_stage(&stage, row, &change, false);
    start_service(&service, stage.server, 4, serve_echo, NULL);
    struct outcome first = meet(stage.client, service.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, first.client);
    set_clock_to_end_plus(-20);
    struct outcome second = meet(stage.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(second.reused);
    set_clock_to_end_plus(20);
    struct outcome third = meet(stage.client, service.port, second.session);
    CHECK(!third.reused);
    CHECK_INT(BGL_SSL_E_PROTOCOL, third.client);
    struct outcome fourth = meet(stage.client, service.port, first.session);
    CHECK(!fourth.reused);
    CHECK_INT(BGL_SSL_E_PROTOCOL, fourth.client);
    end_service(&service);
    CHECK_INT(2, service.refused);
    CHECK_INT(BGL_SSL_E_VERIFY, service.last_status);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    free_stage(&stage);
}

/* What differs, but decides about nobody, does not prevent resumption, and what is equal in other objects does not. */
TEST_TABLE(equal_settings_resume, versions)
{
    struct stage one, other;
    struct service service;
    set_stage(&one, row, NULL, false);
    set_stage(&other, row, NULL, false);
    CHECK_OK(bgl_ssl_config_set_read_timeout(other.client, 30 * SECOND));
    start_service(&service, one.server, 2, serve_echo, NULL);
    struct outcome first = meet(one.client, service.port, NULL);
    bgl_ssl_config_free(one.client);
    struct outcome second = meet(other.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(second.reused);
    end_service(&service);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    bgl_ssl_config_free(one.server);
    free_stage(&other);
}

/* It is the program's to use, and the library's not to spoil. */
TEST_TABLE(a_session_is_resumed_any_number_of_times, versions)
{
    struct stage stage;
    struct service service;
    set_stage(&stage, row, NULL, false);
    CHECK_OK(bgl_ssl_config_set_resume(stage.client, false));
    start_service(&service, stage.server, 4, serve_echo, NULL);
    struct outcome first = meet(stage.client, service.port, NULL);
    for (int i = 0; i < 3; i++) {
        struct outcome next = meet(stage.client, service.port, first.session);
        CHECK_STATUS(BGL_SSL_OK, next.client);
        CHECK(next.reused);
        bgl_ssl_session_free(next.session);
    }
    end_service(&service);
    bgl_ssl_session_free(first.session);
    free_stage(&stage);
}

/* The name that a server is asked for tells which of its certificates the session is of. */
TEST_TABLE(a_session_is_not_offered_under_another_sni, versions)
{
    struct stage one, other;
    struct service service;
    set_stage(&one, row, NULL, false);
    set_stage(&other, row, NULL, false);
    CHECK_OK(bgl_ssl_config_set_server_name(other.client, "other.test"));
    start_service(&service, one.server, 2, serve_echo, NULL);
    struct outcome first = meet(one.client, service.port, NULL);
    struct outcome second = meet(other.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(!second.reused);
    end_service(&service);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    free_stage(&one);
    free_stage(&other);
}

/* What OpenSSL does to a session that was resumed does not reach the handle. */
TEST_TABLE(a_session_can_be_resumed_again, versions)
{
    struct stage stage;
    struct service service;
    set_stage(&stage, row, NULL, false);
    start_service(&service, stage.server, 4, serve_echo, NULL);
    struct outcome first = meet(stage.client, service.port, NULL);
    for (int i = 0; i < 3; i++) {
        struct outcome again = meet(stage.client, service.port, first.session);
        CHECK_STATUS(BGL_SSL_OK, again.client);
        CHECK(again.reused);
        bgl_ssl_session_free(again.session);
    }
    end_service(&service);
    bgl_ssl_session_free(first.session);
    free_stage(&stage);
}
