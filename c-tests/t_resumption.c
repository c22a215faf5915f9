/* Resumption: a resumed handshake refuses whatever a full one refuses, on either end, with each version. */
#include "resumption.h"

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

TEST_TABLE(a_client_of_tls_1_2_refuses_after, client_changes) { check_change(&versions[0], row, CLIENT); }
TEST_TABLE(a_client_of_tls_1_3_refuses_after, client_changes) { check_change(&versions[1], row, CLIENT); }
TEST_TABLE(a_client_of_dtls_1_2_refuses_after, client_changes) { check_change(&versions[2], row, CLIENT); }
TEST_TABLE(a_server_of_tls_1_2_refuses_after, server_changes) { check_change(&versions[0], row, OTHER_SERVER); }
TEST_TABLE(a_server_of_tls_1_3_refuses_after, server_changes) { check_change(&versions[1], row, OTHER_SERVER); }
TEST_TABLE(a_server_of_dtls_1_2_refuses_after, server_changes) { check_change(&versions[2], row, OTHER_SERVER); }
TEST_TABLE(a_server_with_a_cache_of_tls_1_2_refuses_after, server_changes) { check_change(&versions[0], row, SAME_SERVER); }
TEST_TABLE(a_server_with_a_cache_of_tls_1_3_refuses_after, server_changes) { check_change(&versions[1], row, SAME_SERVER); }
TEST_TABLE(a_server_with_a_cache_of_dtls_1_2_refuses_after, server_changes) { check_change(&versions[2], row, SAME_SERVER); }

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

/* What OpenSSL does to a session that was resumed does not reach the program's handle. */
static void check_is_resumed_again_and_again(const struct version *version, bool by_itself)
{
    struct stage stage;
    struct service service;
    set_stage(&stage, version, NULL, false);
    CHECK_OK(bgl_ssl_config_set_resume(stage.client, by_itself));
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

TEST_TABLE(a_session_is_resumed_any_number_of_times, versions)
{
    check_is_resumed_again_and_again(row, false);
}

TEST_TABLE(a_session_is_resumed_any_number_of_times_by_a_client_that_also_resumes_by_itself, versions)
{
    check_is_resumed_again_and_again(row, true);
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
