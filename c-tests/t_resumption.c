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

static void other_name(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_hostname(setup->client, setup->after ? "other.test" : "localhost"));
}

static void other_ca(struct setup *setup)
{
    set_ca(setup->client, setup->after ? "root2.pem" : "root.pem");
}

static void no_ca(struct setup *setup)
{
    const bgl_ssl_certificate_t *none[1] = {NULL};
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_ca_certificates(setup->client, none, 0));
}

static void other_trust_in_the_ca(struct setup *setup)
{
    set_ca(setup->client, setup->after ? "root-rejected.pem" : "root.pem");
}

static void other_accepted_list(struct setup *setup)
{
    set_accepted(setup->client, setup->after ? "good-rsa.pem" : "good.pem");
}

static void accepted_list_given(struct setup *setup)
{
    if (setup->after)
        set_accepted(setup->client, "good-rsa.pem");
}

static void verification_begun(struct setup *setup)
{
    set_certificate(setup->server, "untrusted");
    if (!setup->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_none(setup->client));
}

static void name_verified(struct setup *setup)
{
    set_certificate(setup->server, "wrong-name");
    if (!setup->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(setup->client));
}

static void chain_expired(struct setup *setup)
{
    set_certificate(setup->server, "chained-soon");
    set_clock_to_end_plus(setup->after ? 60 : -600);
}

static void system_ca_renewed(struct setup *setup)
{
    trust_system(setup->client);
    set_system_cas(setup->after ? "root2.pem" : "root.pem");
}

static void own_certificate_gone(struct setup *setup)
{
    set_ca(setup->server, "root.pem");
    require_certificate(setup->server);
    if (!setup->after)
        set_certificate(setup->client, "client");
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

static void other_pin(struct setup *setup)
{
    add_pin_of(setup->client, setup->after ? "good-rsa.pem" : "good.pem");
}

static void depth_limited(struct setup *setup)
{
    set_certificate(setup->server, "chained");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_verify_depth(setup->client, 0));
}

static void time_moved(struct setup *setup)
{
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_verify_time(setup->client, 1));
}

static void common_name_forbidden(struct setup *setup)
{
    set_certificate(setup->server, "server-purpose");
    CHECK_OK(bgl_ssl_config_set_hostname(setup->client, "server-purpose"));
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_verify_flags(setup->client, BGL_SSL_VERIFY_NO_COMMON_NAME));
}

static void staple_required(struct setup *setup)
{
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_staple_policy(setup->client, BGL_SSL_STAPLE_REQUIRE));
}

static void revoked(struct setup *setup)
{
    set_certificate(setup->server, "revoked");
    if (setup->after)
        add_crls(setup->client);
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

static void other_client_ca(struct setup *setup)
{
    set_certificate(setup->client, "client");
    set_ca(setup->server, setup->after ? "root2.pem" : "root.pem");
}

static void no_client_ca(struct setup *setup)
{
    const bgl_ssl_certificate_t *none[1] = {NULL};
    set_certificate(setup->client, "client");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_ca_certificates(setup->server, none, 0));
    else
        set_ca(setup->server, "root.pem");
}

static void other_trust_in_the_client_ca(struct setup *setup)
{
    set_certificate(setup->client, "client");
    set_ca(setup->server, setup->after ? "root-for-servers.pem" : "root.pem");
}

static void other_accepted_clients(struct setup *setup)
{
    set_certificate(setup->client, "client");
    set_ca(setup->server, "root.pem");
    set_accepted(setup->server, setup->after ? "client2.pem" : "client.pem");
}

static void clients_verified(struct setup *setup)
{
    set_certificate(setup->client, "client-untrusted");
    set_ca(setup->server, "root.pem");
    if (!setup->after)
        CHECK_OK(bgl_ssl_config_insecure_verify_none(setup->server));
}

static void clients_chain_expired(struct setup *setup)
{
    set_certificate(setup->client, "chained-soon");
    set_ca(setup->server, "root.pem");
    set_clock_to_end_plus(setup->after ? 60 : -600);
}

static void system_client_ca_renewed(struct setup *setup)
{
    set_certificate(setup->client, "client");
    require_certificate(setup->server);
    set_system_cas(setup->after ? "root2.pem" : "root.pem");
}

static void client_certificate_required(struct setup *setup)
{
    set_ca(setup->server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_client_certificate(setup->server, BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL));
    if (setup->after)
        require_certificate(setup->server);
}

static void other_pinned_client(struct setup *setup)
{
    set_certificate(setup->client, "client");
    set_ca(setup->server, "root.pem");
    add_pin_of(setup->server, setup->after ? "client2.pem" : "client.pem");
}

static void client_revoked(struct setup *setup)
{
    set_certificate(setup->client, "revoked");
    set_ca(setup->server, "root.pem");
    if (setup->after)
        add_crls(setup->server);
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
    struct setup setup;
    struct service service;
    struct change change = {.apply = clients_chain_expired};
    make_setup(&setup, row, &change, false);
    start_service(&service, setup.server, 4, serve_echo, NULL);
    struct outcome first = offer_session(setup.client, service.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, first.client);
    set_clock_to_end_plus(-20);
    struct outcome second = offer_session(setup.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(second.reused);
    set_clock_to_end_plus(20);
    struct outcome third = offer_session(setup.client, service.port, second.session);
    CHECK(!third.reused);
    CHECK_INT(BGL_SSL_E_PROTOCOL, third.client);
    struct outcome fourth = offer_session(setup.client, service.port, first.session);
    CHECK(!fourth.reused);
    CHECK_INT(BGL_SSL_E_PROTOCOL, fourth.client);
    end_service(&service);
    CHECK_INT(2, service.refused);
    CHECK_INT(BGL_SSL_E_VERIFY, service.last_status);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    free_setup(&setup);
}

/* What differs, but decides about nobody, does not prevent resumption, and what is equal in other objects does not. */
TEST_TABLE(equal_settings_resume, versions)
{
    struct setup one, other;
    struct service service;
    make_setup(&one, row, NULL, false);
    make_setup(&other, row, NULL, false);
    CHECK_OK(bgl_ssl_config_set_read_timeout(other.client, 30 * SECOND));
    start_service(&service, one.server, 2, serve_echo, NULL);
    struct outcome first = offer_session(one.client, service.port, NULL);
    bgl_ssl_config_free(one.client);
    struct outcome second = offer_session(other.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(second.reused);
    end_service(&service);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    bgl_ssl_config_free(one.server);
    free_setup(&other);
}

/* What OpenSSL does to a session that was resumed does not reach the program's handle. */
static void check_is_resumed_again_and_again(const struct version *version, bool by_itself)
{
    struct setup setup;
    struct service service;
    make_setup(&setup, version, NULL, false);
    CHECK_OK(bgl_ssl_config_set_resume(setup.client, by_itself));
    start_service(&service, setup.server, 4, serve_echo, NULL);
    struct outcome first = offer_session(setup.client, service.port, NULL);
    for (int i = 0; i < 3; i++) {
        struct outcome next = offer_session(setup.client, service.port, first.session);
        CHECK_STATUS(BGL_SSL_OK, next.client);
        CHECK(next.reused);
        bgl_ssl_session_free(next.session);
    }
    end_service(&service);
    bgl_ssl_session_free(first.session);
    free_setup(&setup);
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
    struct setup one, other;
    struct service service;
    make_setup(&one, row, NULL, false);
    make_setup(&other, row, NULL, false);
    CHECK_OK(bgl_ssl_config_set_server_name(other.client, "other.test"));
    start_service(&service, one.server, 2, serve_echo, NULL);
    struct outcome first = offer_session(one.client, service.port, NULL);
    struct outcome second = offer_session(other.client, service.port, first.session);
    CHECK_STATUS(BGL_SSL_OK, second.client);
    CHECK(!second.reused);
    end_service(&service);
    bgl_ssl_session_free(first.session);
    bgl_ssl_session_free(second.session);
    free_setup(&one);
    free_setup(&other);
}
