/* Stapled OCSP responses: what a server hands over, and what a client makes of them. */
#define _GNU_SOURCE
#include "harness.h"

struct answer {
    void *data;
    size_t length;
};

/* What the PKI's database says of a certificate, signed by `signer`. */
static struct answer answer_for(const char *certificate_name, const char *signer, const char *further)
{
    struct answer answer;
    char command[2048], out[256];
    snprintf(out, sizeof out, "%s", own_path("answer.der"));
    snprintf(command, sizeof command,
             "cd '%s' && openssl ocsp -index ocsp-index.txt -CA root.pem -issuer root.pem -cert %s.pem -rsigner %s.pem "
             "-rkey %s.key -respout '%s' -ndays 5 %s >/dev/null 2>&1",
             pki(""), certificate_name, signer, signer, out, further);
    CHECK_INT(0, system(command));
    answer.data = read_whole_file(out, &answer.length);
    return answer;
}

static void staple(bgl_ssl_config_t *server, const struct answer *answer)
{
    CHECK_OK(bgl_ssl_config_set_staple(server, answer->data, answer->length));
}

/* ---- the table ---- */

/* From 3.6 on, OpenSSL's servers do not send what is no answer about their certificate. */
static bool servers_send_anything(void)
{
    int major = 0, minor = 0;
    const char *version = strstr(bgl_ssl_version(), "OpenSSL ");
    CHECK(version && sscanf(version, "OpenSSL %d.%d", &major, &minor) == 2);
    return major < 3 || (major == 3 && minor < 6);
}

struct row {
    const char *name;
    const char *server;
    const char *about;  /* NULL: nothing is stapled */
    const char *signer;
    bgl_ssl_status_t ignored, honoured, required;
    int verify_result;
};

enum { REVOKED = 23, NEEDED = 73 };

#define OK BGL_SSL_OK
#define NO BGL_SSL_E_VERIFY

static const struct row rows[] = {
    {"nothing", "good", NULL, NULL, OK, OK, NO, NEEDED},
    {"nothing_though_the_certificate_demands_it", "must-staple", NULL, NULL, OK, NO, NO, NEEDED},
    {"a_good_answer", "good", "good", "root", OK, OK, OK, 0},
    {"a_good_answer_that_the_certificate_demands", "must-staple", "must-staple", "root", OK, OK, OK, 0},
    {"a_good_answer_of_a_delegate", "good", "good", "ocsp-responder", OK, OK, OK, 0},
    {"a_revocation", "revoked", "revoked", "root", OK, NO, NO, REVOKED},
    {"an_answer_signed_by_the_certificate_itself", "good", "good", "good", OK, NO, NO, NEEDED},
    {"an_answer_signed_by_another_ca", "good", "good", "root2", OK, NO, NO, NEEDED},
    {"an_answer_signed_without_the_right_to", "good", "good", "ocsp-pretender", OK, NO, NO, NEEDED},
    {"an_answer_about_another_certificate", "good", "good-rsa", "root", OK, NO, NO, NEEDED},
};

static void check_row(const struct row *it, int protocol, int policy, bgl_ssl_status_t expected)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config(it->server);
    CHECK_OK(bgl_ssl_config_set_protocol(client, protocol));
    CHECK_OK(bgl_ssl_config_set_staple_policy(client, policy));
    if (it->about) {
        struct answer answer = answer_for(it->about, it->signer, "");
        staple(server, &answer);
        free(answer.data);
    }
    try_connect_with(&ends, client, server);
    CHECK_INT(expected, ends.client_status);
    if (expected < 0)
        CHECK_INT(it->verify_result, ends.client_error.verify_result);
    else if (policy != BGL_SSL_STAPLE_IGNORE)
        CHECK_INT(it->about != NULL, bgl_ssl_socket_staple(ends.client, NULL, 0) > 0);
    free_ends(&ends);
}

TEST_TABLE(a_server_staples, rows)
{
    static const int protocols[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    const struct row *it = row;
    for (size_t i = 0; i < COUNT(protocols); i++) {
        check_row(it, protocols[i], BGL_SSL_STAPLE_IGNORE, it->ignored);
        if (!it->about || strcmp(it->about, it->server) == 0 || servers_send_anything())
            check_row(it, protocols[i], BGL_SSL_STAPLE_HONOUR, it->honoured);
        check_row(it, protocols[i], BGL_SSL_STAPLE_REQUIRE, it->required);
    }
}

TEST(by_default_a_revocation_is_honoured)
{
    struct ends ends;
    bgl_ssl_config_t *server = server_config("revoked");
    struct answer answer = answer_for("revoked", "root", "");
    staple(server, &answer);
    free(answer.data);
    try_connect_with(&ends, client_config(), server);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

struct time_row {
    const char *name;
    long offset; /* seconds from now; the answers hold for five days */
    bgl_ssl_status_t expected;
};

static const struct time_row time_rows[] = {
    {"of_now", 0, OK},
    {"of_a_day_later", 24 * 3600, OK},
    {"of_ten_days_later", 10 * 24 * 3600, NO},
    {"of_an_hour_before", -3600, NO},
};

TEST_TABLE(a_staple_is_judged_by_the_time_of_the_verification, time_rows)
{
    static const int protocols[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    const struct time_row *it = row;
    struct answer answer = answer_for("good", "root", "");
    for (size_t i = 0; i < COUNT(protocols); i++) {
        struct ends ends;
        bgl_ssl_config_t *server = server_config("good"), *client = client_config();
        staple(server, &answer);
        CHECK_OK(bgl_ssl_config_set_protocol(client, protocols[i]));
        CHECK_OK(bgl_ssl_config_set_verify_time(client, (int64_t)time(NULL) + it->offset));
        try_connect_with(&ends, client, server);
        CHECK_INT(it->expected, ends.client_status);
        CHECK_INT(it->expected == OK ? 0 : NEEDED, ends.client_error.verify_result);
        free_ends(&ends);
    }
    free(answer.data);
}

TEST(rubbish_is_no_staple)
{
    struct ends ends;
    if (!servers_send_anything())
        skip_test("an OpenSSL whose servers send any staple");
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_staple(server, "rubbish", 7));
    try_connect_with(&ends, client_config(), server);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

/* ---- replacing ---- */

TEST(a_staple_is_replaced_while_the_config_is_in_use)
{
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_staple(server, NULL, 0));
    for (int stapled = 0; stapled < 2; stapled++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config();
        if (stapled) {
            struct answer answer = answer_for("good", "root", "");
            staple(server, &answer);
            free(answer.data);
        }
        make_ends(&ends, client, server, "localhost");
        step_handshakes(&ends);
        CHECK_OK(ends.client_status);
        CHECK_INT(stapled, bgl_ssl_socket_staple(ends.client, NULL, 0) > 0);
        free_ends(&ends);
        bgl_ssl_config_free(client);
    }
    bgl_ssl_config_free(server);
}

TEST(a_frozen_config_without_a_staple_takes_none)
{
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_freeze(server));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_staple(server, "x", 1));
    bgl_ssl_config_free(server);
}

TEST(a_session_whose_staple_was_good_is_resumed_without_one)
{
    static const int protocols[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    for (size_t i = 0; i < COUNT(protocols); i++) {
        struct service service;
        bgl_ssl_config_t *client = client_config();
        bgl_ssl_config_t *server = server_config("must-staple");
        struct answer answer = answer_for("must-staple", "root", "");
        staple(server, &answer);
        free(answer.data);
        CHECK_OK(bgl_ssl_config_set_protocol(client, protocols[i]));
        CHECK_OK(bgl_ssl_config_set_staple_policy(client, BGL_SSL_STAPLE_REQUIRE));
        start_service(&service, server, 2, serve_echo, NULL);
        bgl_ssl_socket_t *socket = connect_to(client, service.port);
        check_echo(socket, "first");
        bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
        finish(socket);
        socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", service.port, AF_INET, session));
        check_echo(socket, "again");
        CHECK(bgl_ssl_socket_session_reused(socket));
        finish(socket);
        bgl_ssl_session_free(session);
        end_service(&service);
        bgl_ssl_config_free(client);
        bgl_ssl_config_free(server);
    }
}

/* A staple is to be shown each time, and resumed handshakes have none. */
TEST(where_a_staple_is_required_nothing_is_resumed_by_itself)
{
    struct service service;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    struct answer answer = answer_for("good", "root", "");
    staple(server, &answer);
    free(answer.data);
    CHECK_OK(bgl_ssl_config_set_staple_policy(client, BGL_SSL_STAPLE_REQUIRE));
    CHECK_OK(bgl_ssl_config_set_resume(client, true));
    start_service(&service, server, 2, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        bgl_ssl_socket_t *socket = connect_to(client, service.port);
        check_echo(socket, "x");
        CHECK(!bgl_ssl_socket_session_reused(socket));
        finish(socket);
    }
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static bool accept_revoked(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                           int32_t verify_result, void *user)
{
    (void)socket, (void)chain;
    *(int *)user += verify_result == REVOKED;
    return true;
}

/* A session would not remember what the staple has said. */
TEST(a_bad_staple_that_a_program_has_accepted_is_told_each_time)
{
    static const int protocols[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    for (size_t i = 0; i < COUNT(protocols); i++) {
        struct service service;
        int told = 0;
        bgl_ssl_config_t *client = client_config(), *server = server_config("revoked");
        struct answer answer = answer_for("revoked", "root", "");
        staple(server, &answer);
        free(answer.data);
        CHECK_OK(bgl_ssl_config_set_protocol(client, protocols[i]));
        CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
        CHECK_OK(bgl_ssl_config_set_staple_policy(client, BGL_SSL_STAPLE_HONOUR));
        CHECK_OK(bgl_ssl_config_set_resume(client, true));
        CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, accept_revoked, &told));
        start_service(&service, server, 2, serve_echo, NULL);
        for (int connection = 1; connection <= 2; connection++) {
            bgl_ssl_socket_t *socket = connect_to(client, service.port);
            check_echo(socket, "x");
            CHECK(!bgl_ssl_socket_session_reused(socket));
            CHECK_INT(connection, told);
            CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_socket_session(socket));
            finish(socket);
        }
        end_service(&service);
        bgl_ssl_config_free(client);
        bgl_ssl_config_free(server);
    }
}

/* ---- for programs that fetch ---- */

TEST(an_answer_is_checked_without_a_connection)
{
    int64_t until = -1;
    bgl_ssl_certificate_t *good = certificate("good.pem");
    bgl_ssl_certificate_t *revoked = certificate("revoked.pem");
    bgl_ssl_certificate_t *root = certificate("root.pem");
    struct answer answer = answer_for("good", "root", "");
    CHECK_INT(BGL_SSL_OCSP_GOOD, bgl_ssl_ocsp_status(answer.data, answer.length, good, root, &until));
    CHECK(until > time(NULL) + 4 * 86400 && until <= time(NULL) + 6 * 86400);
    CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_ocsp_status(answer.data, answer.length, revoked, root, &until));
    CHECK_INT(0, until);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ocsp_status(answer.data, answer.length - 1, good, root, NULL));
    free(answer.data);
    answer = answer_for("revoked", "root", "");
    CHECK_INT(BGL_SSL_OCSP_REVOKED, bgl_ssl_ocsp_status(answer.data, answer.length, revoked, root, NULL));
    free(answer.data);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ocsp_status(NULL, 0, good, root, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ocsp_status("x", 1, NULL, root, NULL));
    bgl_ssl_certificate_free(good);
    bgl_ssl_certificate_free(revoked);
    bgl_ssl_certificate_free(root);
}

TEST(openssl_reads_our_requests)
{
    char bytes[512], command[1024];
    bgl_ssl_certificate_t *good = certificate("good.pem");
    bgl_ssl_certificate_t *root = certificate("root.pem");
    size_t length = bgl_ssl_ocsp_request(good, root, bytes, sizeof bytes);
    CHECK(length > 0 && length <= sizeof bytes);
    const char *file = write_file("request.der", bytes, length);
    snprintf(command, sizeof command, "openssl ocsp -reqin '%s' -req_text 2>/dev/null | grep -q 'Serial Number'", file);
    CHECK_INT(0, system(command));
    CHECK_INT(0, bgl_ssl_ocsp_request(NULL, root, bytes, sizeof bytes));
    CHECK_INT(0, bgl_ssl_certificate_ocsp_url(good, bytes, sizeof bytes));
    CHECK_INT(0, bgl_ssl_certificate_ocsp_url(NULL, bytes, sizeof bytes));
    bgl_ssl_certificate_free(good);
    bgl_ssl_certificate_free(root);
}

TEST(unknown_policies_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_staple_policy(config, 3));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_staple_policy(NULL, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_staple(NULL, NULL, 0));
    CHECK_INT(0, bgl_ssl_socket_staple(NULL, NULL, 0));
    bgl_ssl_config_free(config);
}

/* ---- certificates that demand a staple in other words ---- */

struct demand {
    const char *name, *server;
};

static const struct demand demands[] = {
    {"alone", "must-staple-alone"},
    {"behind_one_of_two_bytes", "must-staple-behind-two-bytes"},
    {"with_a_length_of_two_bytes", "must-staple-long-length"},
    {"in_what_cannot_be_read", "must-staple-unreadable"},
};

TEST_TABLE(a_staple_is_missed_where_it_is_demanded, demands)
{
    const struct demand *it = row;
    struct ends ends;
    try_connect_with(&ends, client_config(), server_config(it->server));
    CHECK_INT(NO, ends.client_status);
    CHECK_INT(NEEDED, ends.client_error.verify_result);
    free_ends(&ends);
}

/* The issuer's signature cannot be checked with the leaf's own key, and nothing is demanded. */
TEST(a_client_that_trusts_the_certificate_itself_accepts_its_cas_answer)
{
    struct ends ends;
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_config_t *server = server_config("good");
    set_ca(client, "good.pem");
    struct answer answer = answer_for("good", "root", "");
    staple(server, &answer);
    free(answer.data);
    try_connect_with(&ends, client, server);
    CHECK_OK(ends.client_status);
    free_ends(&ends);
}
