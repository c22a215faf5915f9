/* Resumption: what is demanded of a connection beside CA and name (versions, ciphers, keys, revocation lists) is
 * demanded of a resumed one, too, on either end, with each version. The verify callback is t_verify_callback's. */
#include <sys/stat.h>

#include "resumption.h"

#define DAY (24 * 60 * 60)

static const char *const ours[] = {"ours/1"}, *const theirs[] = {"theirs/1"};

/* The other end is content with the second of each of these, and so was this one at first. */
static void take_other_ciphers(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, "TLS_AES_128_GCM_SHA256"));
}

static void take_ciphers(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, "ECDHE-ECDSA-AES256-GCM-SHA384"));
    CHECK_OK(bgl_ssl_config_set_cipher_suites(config, "TLS_AES_256_GCM_SHA384"));
}

static void take_rsa_signatures(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_signature_algorithms(config, "RSA-PSS+SHA256:RSA+SHA256"));
}

static void verify_strictly(bgl_ssl_config_t *config)
{
    if (strstr(bgl_ssl_version(), "OpenSSL 1."))
        skip_test("an OpenSSL that looks for authority key identifiers");
    CHECK_OK(bgl_ssl_config_set_verify_flags(config, BGL_SSL_VERIFY_STRICT));
}

/* A file that holds one list at first, and another in its place later. */
static void use_lists(bgl_ssl_config_t *config, const char *list)
{
    size_t length;
    char *text = read_whole_file(pki(list), &length);
    CHECK_OK(bgl_ssl_config_add_crl_file(config, write_file("lists.pem", text, length)));
    CHECK_OK(bgl_ssl_config_set_crl_policy(config, BGL_SSL_CRL_CHAIN + BGL_SSL_CRL_TOLERATE_MISSING));
    free(text);
}

static void use_brief_lists(struct setup *setup, bgl_ssl_config_t *config)
{
    struct stat made;
    CHECK_INT(0, stat(pki("brief.crl"), &made));
    atomic_fetch_add(&ahead, made.st_mtime + 30 * DAY + (setup->after ? 60 : -600) - time(NULL));
    CHECK_OK(bgl_ssl_config_add_crl_file(config, pki("brief.crl")));
}

/* "3 0 1" about a certificate. */
static void add_record_of(bgl_ssl_config_t *config, const char *file)
{
    char digest[128], record[160] = "3 0 1 ", *end = record + strlen(record);
    bgl_ssl_certificate_t *it = certificate(file);
    CHECK(bgl_ssl_certificate_fingerprint(it, "sha256", digest, sizeof digest) > 0);
    bgl_ssl_certificate_free(it);
    for (const char *from = digest; *from; from++)
        if (*from != ':')
            *end++ = *from;
    *end = 0;
    CHECK_OK(bgl_ssl_config_add_tlsa(config, record));
}

/* ---- on clients ---- */

static void client_wants_another_version(struct setup *setup)
{
    setup->client_moves = setup->after;
}

static void client_wants_other_ciphers(struct setup *setup)
{
    take_ciphers(setup->server);
    if (setup->after)
        take_other_ciphers(setup->client);
}

static void client_wants_other_groups(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_groups(setup->server, "P-256"));
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_groups(setup->client, "P-384"));
}

static void client_wants_other_signatures(struct setup *setup)
{
    if (setup->after)
        take_rsa_signatures(setup->client);
}

static void client_wants_longer_keys(struct setup *setup)
{
    set_certificate(setup->server, "good-rsa");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_security_level(setup->client, 3));
}

static void client_wants_another_protocol(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_alpn(setup->server, ours, 1));
    CHECK_OK(bgl_ssl_config_set_alpn(setup->client, setup->after ? theirs : ours, 1));
}

static void client_is_strict(struct setup *setup)
{
    set_certificate(setup->server, "cn-localhost");
    if (setup->after)
        verify_strictly(setup->client);
}

static void client_has_a_record(struct setup *setup)
{
    if (setup->after)
        add_record_of(setup->client, "good-rsa.pem");
}

static void client_has_another_record(struct setup *setup)
{
    add_record_of(setup->client, setup->after ? "good-rsa.pem" : "good.pem");
}

static void client_has_other_lists(struct setup *setup)
{
    set_certificate(setup->server, "revoked");
    use_lists(setup->client, setup->after ? "root.crl" : "intermediate.crl");
}

static void client_has_overdue_lists(struct setup *setup)
{
    use_brief_lists(setup, setup->client);
}

static void client_looks_for_cas_in_lists(struct setup *setup)
{
    set_certificate(setup->server, "chained");
    CHECK_OK(bgl_ssl_config_add_crl_file(setup->client, pki("intermediate.crl")));
    CHECK_OK(bgl_ssl_config_set_crl_policy(setup->client, setup->after ? BGL_SSL_CRL_CHAIN : BGL_SSL_CRL_LEAF));
}

static const struct change client_changes[] = {
    {"another_version", client_wants_another_version, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_ciphers", client_wants_other_ciphers, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_groups", client_wants_other_groups, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_signatures", client_wants_other_signatures, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"longer_keys", client_wants_longer_keys, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"another_protocol", client_wants_another_protocol, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"strictness", client_is_strict, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"a_record", client_has_a_record, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"another_record", client_has_another_record, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"other_lists_in_its_file", client_has_other_lists, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"overdue_lists", client_has_overdue_lists, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
    {"lists_about_cas", client_looks_for_cas_in_lists, BGL_SSL_E_VERIFY, BGL_SSL_E_PROTOCOL},
};

/* ---- on servers: of clients that have shown a certificate, where it is about one ---- */

static void with_client(struct setup *setup, const char *name)
{
    set_certificate(setup->client, name);
    set_ca(setup->server, "root.pem");
}

static void server_wants_another_version(struct setup *setup)
{
    setup->server_moves = setup->after;
}

static void server_wants_other_ciphers(struct setup *setup)
{
    take_ciphers(setup->client);
    if (setup->after)
        take_other_ciphers(setup->server);
}

static void server_wants_other_groups(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_groups(setup->client, "P-256"));
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_groups(setup->server, "P-384"));
}

static void server_wants_other_signatures(struct setup *setup)
{
    with_client(setup, "client");
    set_certificate(setup->server, "good-rsa");
    if (setup->after)
        take_rsa_signatures(setup->server);
}

static void server_wants_longer_keys(struct setup *setup)
{
    with_client(setup, "client-rsa");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_security_level(setup->server, 3));
}

static void server_wants_another_protocol(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_alpn(setup->client, ours, 1));
    CHECK_OK(bgl_ssl_config_set_alpn(setup->server, setup->after ? theirs : ours, 1));
}

static void server_refuses_unknown_hosts(struct setup *setup)
{
    CHECK_OK(bgl_ssl_config_set_server_name(setup->client, "unknown.test"));
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_unknown_host(setup->server, BGL_SSL_UNKNOWN_HOST_REFUSE));
}

static void server_is_strict(struct setup *setup)
{
    with_client(setup, "cn-localhost");
    if (setup->after)
        verify_strictly(setup->server);
}

static void server_limits_the_depth(struct setup *setup)
{
    with_client(setup, "client-chained");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_verify_depth(setup->server, 0));
}

static void server_has_another_time(struct setup *setup)
{
    with_client(setup, "client");
    if (setup->after)
        CHECK_OK(bgl_ssl_config_set_verify_time(setup->server, 1));
}

static void server_accepts_a_list(struct setup *setup)
{
    with_client(setup, "client");
    if (setup->after)
        set_accepted(setup->server, "client2.pem");
}

static void server_has_other_lists(struct setup *setup)
{
    with_client(setup, "revoked");
    use_lists(setup->server, setup->after ? "root.crl" : "intermediate.crl");
}

static void server_has_overdue_lists(struct setup *setup)
{
    with_client(setup, "client");
    use_brief_lists(setup, setup->server);
}

static void server_looks_for_cas_in_lists(struct setup *setup)
{
    with_client(setup, "client-chained");
    CHECK_OK(bgl_ssl_config_add_crl_file(setup->server, pki("intermediate.crl")));
    CHECK_OK(bgl_ssl_config_set_crl_policy(setup->server, setup->after ? BGL_SSL_CRL_CHAIN : BGL_SSL_CRL_LEAF));
}

static const struct change server_changes[] = {
    {"another_version", server_wants_another_version, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_ciphers", server_wants_other_ciphers, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_groups", server_wants_other_groups, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"other_signatures", server_wants_other_signatures, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"longer_keys", server_wants_longer_keys, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"another_protocol", server_wants_another_protocol, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"unknown_hosts_refused", server_refuses_unknown_hosts, BGL_SSL_E_PROTOCOL, BGL_SSL_E_PROTOCOL},
    {"strictness", server_is_strict, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"the_depth_limited", server_limits_the_depth, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"the_time_moved", server_has_another_time, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"an_accepted_list_given", server_accepts_a_list, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"other_lists_in_its_file", server_has_other_lists, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"overdue_lists", server_has_overdue_lists, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
    {"lists_about_cas", server_looks_for_cas_in_lists, BGL_SSL_E_PROTOCOL, BGL_SSL_E_VERIFY},
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
