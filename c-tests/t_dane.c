/* DANE: TLSA records of the program's, compared with what openssl's own client makes of them. */
#define _GNU_SOURCE
#include "versions.h"

enum { UNKNOWN_ISSUER = 20, WRONG_NAME = 62, NO_MATCH = 65 };

/* The first line that a command prints. */
static void output_of(const char *command, char *line, int size)
{
    FILE *pipe = popen(command, "r");
    CHECK(pipe && fgets(line, size, pipe));
    pclose(pipe);
    line[strcspn(line, "\n")] = 0;
}

/* "USAGE SELECTOR MATCHING HEX" about a certificate of the PKI, by openssl's command. */
static const char *record_of(const char *kind, const char *certificate)
{
    static char record[8192];
    char command[1024], hex[8000];
    int usage, selector, matching;
    if (system("command -v openssl >/dev/null 2>&1"))
        skip_test("the command openssl");
    CHECK_INT(3, sscanf(kind, "%d %d %d", &usage, &selector, &matching));
    snprintf(command, sizeof command, "openssl x509 -in '%s' %s | %s", pki(certificate),
             selector ? "-noout -pubkey | openssl pkey -pubin -outform DER" : "-outform DER",
             matching == 0 ? "od -An -v -tx1 | tr -d ' \\n'"
                           : (matching == 1 ? "openssl dgst -sha256 -r | cut -d' ' -f1"
                                            : "openssl dgst -sha512 -r | cut -d' ' -f1"));
    output_of(command, hex, sizeof hex);
    snprintf(record, sizeof record, "%s %s", kind, hex);
    return record;
}

struct row {
    const char *name;
    const char *server; /* what it shows */
    const char *kind, *about;
    const char *cas; /* whom the client trusts; NULL: nobody */
    const char *host;
    bool any_name;
    bgl_ssl_status_t expected;
    int verify_result;
};

#define OK BGL_SSL_OK
#define NO BGL_SSL_E_VERIFY
#define NAME BGL_SSL_E_NAME

static const struct row rows[] = {
    {"the_servers_key", "good", "3 1 1", "good.pem", NULL, "localhost", false, OK, 0},
    {"the_servers_key_by_sha512", "good", "3 1 2", "good.pem", NULL, "localhost", false, OK, 0},
    {"the_servers_whole_key", "good", "3 1 0", "good.pem", NULL, "localhost", false, OK, 0},
    {"the_servers_certificate", "good", "3 0 1", "good.pem", NULL, "localhost", false, OK, 0},
    {"the_servers_whole_certificate", "good", "3 0 0", "good.pem", NULL, "localhost", false, OK, 0},
    {"another_key", "good", "3 1 1", "good-rsa.pem", "root.pem", "localhost", false, NO, NO_MATCH},
    {"the_key_of_a_self_signed_server", "self-signed", "3 1 1", "self-signed.pem", NULL, "localhost", false, OK, 0},
    {"the_key_of_an_expired_server", "expired", "3 1 1", "expired.pem", NULL, "localhost", false, OK, 0},
    {"the_key_of_a_server_of_another_name", "wrong-name", "3 1 1", "wrong-name.pem", NULL, "localhost", false, NAME,
     WRONG_NAME},
    {"the_key_of_a_server_of_any_name", "wrong-name", "3 1 1", "wrong-name.pem", NULL, "localhost", true, OK, 0},
    {"the_ca", "trust-anchor", "2 1 1", "root.pem", NULL, "localhost", false, OK, 0},
    {"the_ca_by_its_certificate", "trust-anchor", "2 0 1", "root.pem", NULL, "localhost", false, OK, 0},
    {"an_intermediate_ca", "chained", "2 1 1", "intermediate.pem", NULL, "localhost", false, OK, 0},
    {"another_ca", "trust-anchor", "2 1 1", "root2.pem", "root.pem", "localhost", false, NO, NO_MATCH},
    {"the_ca_of_a_server_of_another_name", "chained", "2 1 1", "intermediate.pem", NULL, "other.test", false, NAME,
     WRONG_NAME},
    {"the_ca_of_a_server_of_any_name", "chained", "2 1 1", "intermediate.pem", NULL, "other.test", true, NAME,
     WRONG_NAME},
    {"a_key_beside_a_trusted_ca", "good", "1 1 1", "good.pem", "root.pem", "localhost", false, OK, 0},
    {"a_key_without_a_trusted_ca", "good", "1 1 1", "good.pem", "root2.pem", "localhost", false, NO, UNKNOWN_ISSUER},
    {"another_key_beside_a_trusted_ca", "good", "1 1 1", "good-rsa.pem", "root.pem", "localhost", false, NO, NO_MATCH},
    {"a_trusted_ca", "good", "0 1 1", "root.pem", "root.pem", "localhost", false, OK, 0},
    {"a_trusted_ca_that_is_another", "good", "0 1 1", "root2.pem", "root.pem", "localhost", false, NO, NO_MATCH},
    {"a_ca_that_is_not_trusted", "chained", "0 1 1", "intermediate.pem", "root2.pem", "localhost", false, NO,
     UNKNOWN_ISSUER},
};

/* The config of a server; "trust-anchor" sends its root along, which the records of its CA need. */
static bgl_ssl_config_t *server_of(const char *name)
{
    if (strcmp(name, "trust-anchor"))
        return server_config(name);
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    size_t leaf_length, root_length;
    char *leaf = read_whole_file(pki("good.pem"), &leaf_length), *root = read_whole_file(pki("root.pem"), &root_length);
    char *both = malloc(leaf_length + root_length);
    memcpy(both, leaf, leaf_length);
    memcpy(both + leaf_length, root, root_length);
    const char *file = write_file("with-root.pem", both, leaf_length + root_length);
    CHECK_OK(bgl_ssl_config_set_certificate_file(config, file, pki("good.key"), NULL));
    free(leaf);
    free(root);
    free(both);
    return config;
}

static bgl_ssl_config_t *client_of(const struct row *it)
{
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    if (it->cas)
        set_ca(client, it->cas);
    CHECK_OK(bgl_ssl_config_set_hostname(client, it->host));
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of(it->kind, it->about)));
    CHECK_OK(bgl_ssl_config_set_tlsa_names(client, !it->any_name));
    return client;
}

static void check_row(const struct version *version, const struct row *it)
{
    struct service service;
    bool resumed = false;
    /* The records of keys need no CA, not even the system's. */
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    bgl_ssl_config_t *client = of_version(version, client_of(it));
    bgl_ssl_config_t *server = of_version(version, server_of(it->server));
    start_service(&service, server, 2, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(it->expected, try_connection(client, service.port, &resumed));
        if (it->expected == OK)
            CHECK_INT(i, resumed);
        else
            CHECK_INT(it->verify_result, last_error().verify_result);
    }
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(over_tls_1_2_a_record_names, rows) { check_row(&versions[0], row); }
TEST_TABLE(over_tls_1_3_a_record_names, rows) { check_row(&versions[1], row); }
TEST_TABLE(over_dtls_1_2_a_record_names, rows) { check_row(&versions[2], row); }

/* The oracle: the same server, record, CAs and name. */
TEST_TABLE(openssl_agrees_about, rows)
{
    const struct row *it = row;
    struct service service;
    char command[10240], line[64];
    bgl_ssl_config_t *server = server_of(it->server);
    start_service(&service, server, 1, serve_echo, NULL);
    snprintf(command, sizeof command,
             "openssl s_client -connect 127.0.0.1:%d -dane_tlsa_domain %s -dane_tlsa_rrdata '%s' %s %s%s "
             "-no-CApath -verify_return_error </dev/null >/dev/null 2>&1; echo $?",
             service.port, it->host, record_of(it->kind, it->about),
             it->any_name ? "-dane_ee_no_namechecks" : "", it->cas ? "-CAfile " : "-no-CAfile",
             it->cas ? pki(it->cas) : "");
    output_of(command, line, sizeof line);
    CHECK_INT(it->expected == OK, !strcmp(line, "0"));
    end_service(&service);
    bgl_ssl_config_free(server);
}

/* ---- more than one, and beside other demands ---- */

TEST(one_record_of_several_is_enough)
{
    struct ends ends;
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("3 1 1", "good-rsa.pem")));
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("3 1 1", "good.pem")));
    connect_with(&ends, client, server_config("good"));
    free_ends(&ends);
}

TEST(removed_records_do_not_count)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("3 1 1", "good-rsa.pem")));
    CHECK_OK(bgl_ssl_config_add_tlsa(client, NULL));
    connect_with(&ends, client, server_config("good"));
    free_ends(&ends);
}

TEST(pins_and_accepted_lists_count_beside_records)
{
    for (int i = 0; i < 2; i++) {
        struct ends ends;
        char pin[64];
        bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
        CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("3 1 1", "good.pem")));
        if (i == 0) {
            set_accepted(client, "good-rsa.pem");
        } else {
            bgl_ssl_certificate_t *other = certificate("good-rsa.pem");
            bgl_ssl_certificate_pin(other, pin, sizeof pin);
            bgl_ssl_certificate_free(other);
            CHECK_OK(bgl_ssl_config_add_pins(client, pin));
        }
        try_connect_with(&ends, client, server_config("good"));
        CHECK_INT(NO, ends.client_status);
        free_ends(&ends);
    }
}

/* A session made under one record is not resumed under another, nor without any. */
TEST_TABLE(sessions_belong_to_their_records, versions)
{
    struct service service;
    bgl_ssl_config_t *server = of_version(row, server_config("self-signed"));
    bgl_ssl_config_t *one = of_version(row, MADE(bgl_ssl_config_t, bgl_ssl_config_new()));
    CHECK_OK(bgl_ssl_config_set_hostname(one, "localhost"));
    bgl_ssl_config_t *none = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(one));
    bgl_ssl_config_t *other = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(one));
    CHECK_OK(bgl_ssl_config_add_tlsa(one, record_of("3 1 1", "self-signed.pem")));
    CHECK_OK(bgl_ssl_config_add_tlsa(other, record_of("3 1 1", "good.pem")));
    start_service(&service, server, 3, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(one, "127.0.0.1", service.port, AF_INET));
    check_echo(socket, "x");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    CHECK_REFUSED(NO, bgl_ssl_connect_resume(other, "127.0.0.1", service.port, AF_INET, session));
    CHECK_REFUSED(NO, bgl_ssl_connect_resume(none, "127.0.0.1", service.port, AF_INET, session));
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(one);
    bgl_ssl_config_free(none);
    bgl_ssl_config_free(other);
}

static bool accept_and_note(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                            int32_t verify_result, void *user)
{
    (void)socket, (void)chain;
    *(int *)user = verify_result;
    return true;
}

/* What was wrong with the peer of the session does not count where the session is not resumed. */
TEST_TABLE(a_session_of_an_overridden_server_does_not_hide_a_record, versions)
{
    struct service of_session, service;
    int result = -1;
    bgl_ssl_config_t *client = of_version(row, MADE(bgl_ssl_config_t, bgl_ssl_config_new()));
    bgl_ssl_config_t *other = of_version(row, server_config("good"));
    bgl_ssl_config_t *server = of_version(row, server_config("wrong-name"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("3 1 1", "wrong-name.pem")));
    CHECK_OK(bgl_ssl_config_set_tlsa_names(client, false));
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, accept_and_note, &result));
    start_service(&of_session, other, 1, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "127.0.0.1", of_session.port, AF_INET));
    check_echo(socket, "x");
    CHECK(result > 0);
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    end_service(&of_session);
    start_service(&service, server, 1, serve_echo, NULL);
    socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
    check_echo(socket, "x");
    CHECK(!bgl_ssl_socket_session_reused(socket));
    CHECK_INT(0, result);
    finish(socket);
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(other);
    bgl_ssl_config_free(server);
}

TEST(the_verified_chain_under_a_record_ends_with_what_it_names)
{
    struct ends ends;
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record_of("2 1 1", "intermediate.pem")));
    connect_with(&ends, client, server_config("chained"));
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_verified_chain(ends.client));
    CHECK_INT(2, bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_list_free(chain);
    free_ends(&ends);
}

/* ---- what cannot be used ---- */

static const struct {
    const char *name;
    const char *record;
} malformed[] = {
    {"no_text", ""},
    {"no_data", "3 1 1"},
    {"too_few_digits", "3 1 1 abcd"},
    {"an_odd_digit", "3 1 1 abc"},
    {"no_hexadecimal_digit", "3 1 1 0g23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"an_unknown_usage", "4 1 1 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"an_unknown_selector", "3 2 1 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"an_unknown_kind_of_match", "3 1 3 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"a_huge_number", "3333333333 1 1 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"a_negative_number", "-3 1 1 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"no_certificate", "3 0 0 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"no_key", "3 1 0 0023456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
};

TEST_TABLE(no_record_is, malformed)
{
    bgl_ssl_config_t *config = client_config();
    const char *const *fields = row;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_tlsa(config, fields[1]));
    bgl_ssl_config_free(config);
}

TEST(records_that_would_not_count_are_refused)
{
    const char *record = record_of("3 1 1", "good.pem");
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(config));
    CHECK_OK(bgl_ssl_config_add_tlsa(config, record));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
    bgl_ssl_config_t *server = server_config("good"), *client = client_config();
    CHECK_OK(bgl_ssl_config_add_tlsa(server, record));
    int fds[2];
    local_pair(fds);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_server_fd(server, fds[0], 0));
    CHECK_MESSAGE("TLSA records are about servers");
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    CHECK_OK(bgl_ssl_config_add_tlsa(client, record));
    CHECK_STATUS(BGL_SSL_E_CONFIG,
                 bgl_ssl_certificate_verify(leaf, NULL, client, BGL_SSL_PURPOSE_SERVER, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_add_tlsa(client, record));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_tlsa_names(client, false));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_tlsa(NULL, record));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_tlsa_names(NULL, true));
    bgl_ssl_certificate_free(leaf);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(client);
}
