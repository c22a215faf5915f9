/* Connections without a socket: the handshake step by step, bytes in pieces of any size, flags after each step. */
#define _GNU_SOURCE
#include "engine.h"

static const struct size {
    const char *name;
    const char *method;
    size_t piece;
} sizes[] = {
    {"one_byte_at_a_time", "TLS_method", 1},
    {"one_byte_at_a_time_with_tls_1_2", "TLSv1_2_method", 1},
    {"random_pieces", "TLS_method", 0},
    {"random_pieces_with_tls_1_2", "TLSv1_2_method", 0},
    {"at_once", "default", 100000},
};

TEST_TABLE(pieces, sizes)
{
    const struct size *it = row;
    struct pair pair = make_own_pair(client_ctx(it->method), server_ctx(it->method, "good"));
    pair.piece = it->piece;
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("fine", verify_error(pair.client));
    char data[20000];
    size_t length = it->piece == 1 ? 1000 : sizeof data; /* a byte at a time is slow under valgrind */
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    transfer(&pair, pair.client, pair.server, data, length);
    transfer(&pair, pair.server, pair.client, data, length);
    free_pair(&pair);
}

TEST(a_step_says_whether_the_handshake_is_done)
{
    struct pair pair = make_plain_pair("good");
    CHECK(!bgl_ssl_connection_init_finishedp(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_start(pair.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    CHECK_STRING("", err_of(pair.client));
    size_t hello = bgl_ssl_connection_enc_pending(pair.client);
    CHECK(hello > 100);
    CHECK(carry(&pair, pair.client, pair.server));
    CHECK_INT(0, bgl_ssl_connection_enc_pending(pair.client));
    CHECK_INT((long)hello, bgl_ssl_connection_clear_pending(pair.server));
    CHECK_INT(-1, bgl_ssl_connection_start(pair.server));
    CHECK_INT(0, bgl_ssl_connection_clear_pending(pair.server));
    CHECK(carry(&pair, pair.server, pair.client));
    CHECK_INT(1, bgl_ssl_connection_start(pair.client));
    CHECK_STATUS(BGL_SSL_OK, bgl_ssl_connection_status(pair.client));
    CHECK_INT(0, bgl_ssl_connection_start(pair.client));
    CHECK(bgl_ssl_connection_init_finishedp(pair.client));
    free_pair(&pair);
}

TEST(reading_and_writing_plaintext_drive_the_handshake)
{
    struct pair pair = make_plain_pair("good");
    char buffer[16];
    bool moved = true;
    while (moved && bgl_ssl_connection_clear_in(pair.client, "hello", 0, 5) < 0) {
        moved = carry(&pair, pair.client, pair.server);
        CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.server, buffer, 0, sizeof buffer));
        moved |= carry(&pair, pair.server, pair.client);
    }
    carry(&pair, pair.client, pair.server);
    CHECK_INT(5, bgl_ssl_connection_clear_out(pair.server, buffer, 3, sizeof buffer - 3));
    CHECK(memcmp(buffer + 3, "hello", 5) == 0);
    free_pair(&pair);
}

TEST(nothing_to_take_out_is_less_than_none)
{
    char buffer[16];
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_INT(-1, bgl_ssl_connection_read(client, buffer, 0, sizeof buffer));
    CHECK_INT(0, bgl_ssl_connection_read(client, buffer, 0, 0));
    CHECK_INT(0, bgl_ssl_connection_write(client, buffer, 0, 0));
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

TEST(shutdown_flags_follow_each_step)
{
    struct pair pair = make_plain_pair("good");
    char buffer[16];
    complete_handshakes(&pair);
    exchange_messages(&pair);
    CHECK(!bgl_ssl_connection_sent_shutdown(pair.client));
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK(bgl_ssl_connection_sent_shutdown(pair.client));
    CHECK(!bgl_ssl_connection_received_shutdown(pair.client));
    while (carry(&pair, pair.client, pair.server))
        ;
    CHECK(!bgl_ssl_connection_received_shutdown(pair.server));
    CHECK_INT(0, bgl_ssl_connection_clear_out(pair.server, buffer, 0, sizeof buffer));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_connection_status(pair.server));
    CHECK_STRING("", err_of(pair.server));
    CHECK(bgl_ssl_connection_received_shutdown(pair.server));
    /* The other half still works. */
    transfer(&pair, pair.server, pair.client, "last words", 10);
    CHECK_STRING("", err_of(pair.server));
    CHECK_INT(1, bgl_ssl_connection_shutdown(pair.server));
    while (carry(&pair, pair.server, pair.client))
        ;
    CHECK_INT(1, bgl_ssl_connection_shutdown(pair.client));
    CHECK(bgl_ssl_connection_received_shutdown(pair.client));
    free_pair(&pair);
}

/* Sessions come before the peer's close_notify where nobody has read yet. */
TEST(a_shutdown_reads_past_sessions)
{
    struct pair pair = make_own_pair(client_ctx("TLSv1_3_method"), server_ctx("default", "good"));
    complete_handshakes(&pair);
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.server));
    while (carry(&pair, pair.server, pair.client)) {
    }
    CHECK(bgl_ssl_connection_clear_pending(pair.client) > 200);
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK_INT(1, bgl_ssl_connection_shutdown(pair.client));
    free_pair(&pair);
}

TEST(writing_after_shutdown_fails_and_reading_goes_on)
{
    struct pair pair = make_plain_pair("good");
    complete_handshakes(&pair);
    exchange_messages(&pair);
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_clear_in(pair.client, "x", 0, 1));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    transfer(&pair, pair.server, pair.client, "still here", 10);
    free_pair(&pair);
}

/* OpenSSL's shutdown takes it for a fatal error that there is something to read. */
TEST(a_shutdown_leaves_what_is_still_to_be_read)
{
    struct pair pair = make_plain_pair("good");
    char buffer[16];
    complete_handshakes(&pair);
    CHECK_INT(5, bgl_ssl_connection_clear_in(pair.server, "hello", 0, 5));
    while (carry(&pair, pair.server, pair.client)) {
    }
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    CHECK_INT(5, bgl_ssl_connection_clear_out(pair.client, buffer, 0, sizeof buffer));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.server));
    while (carry(&pair, pair.server, pair.client)) {
    }
    CHECK_INT(1, bgl_ssl_connection_shutdown(pair.client));
    free_pair(&pair);
}

TEST(what_a_shutdown_finds_damaged_is_what_later_steps_say)
{
    struct pair pair = make_plain_pair("good");
    char record[64];
    complete_handshakes(&pair);
    exchange_messages(&pair);
    CHECK_INT(5, bgl_ssl_connection_clear_in(pair.server, "hello", 0, 5));
    long length = bgl_ssl_connection_read(pair.server, record, 0, sizeof record);
    CHECK(length > 5);
    record[length - 1] ^= 1;
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK_INT(length, bgl_ssl_connection_write(pair.client, record, 0, (size_t)length));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.client, record, 0, sizeof record));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

TEST(garbage_fails_the_handshake_with_a_reason_that_stays)
{
    bgl_ssl_ctx_t *server = server_ctx("default", "good");
    bgl_ssl_connection_t *connection = new_server(server);
    CHECK_INT(18, bgl_ssl_connection_write(connection, "GET / HTTP/1.0\r\n\r\n", 0, 18));
    CHECK_INT(-1, bgl_ssl_connection_start(connection));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(connection));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, last_error().code);
    CHECK(strstr(err_of(connection), "http request"));
    CHECK_INT(-1, bgl_ssl_connection_start(connection));
    CHECK(strstr(err_of(connection), "http request"));
    bgl_ssl_connection_free(connection);
    bgl_ssl_ctx_free(server);
}

TEST(an_end_without_close_notify_is_truncation)
{
    struct pair pair = make_plain_pair("good");
    char buffer[16];
    complete_handshakes(&pair);
    exchange_messages(&pair);
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.client, buffer, 0, sizeof buffer));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    CHECK_OK(bgl_ssl_connection_write_eof(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.client, buffer, 0, sizeof buffer));
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

TEST(an_alert_of_the_peer_is_told)
{
    struct pair pair = make_own_pair(client_ctx("TLSv1_2_client_method"), server_ctx("TLSv1_3_server_method", "good"));
    complete_handshakes(&pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.server));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    CHECK(strstr(err_of(pair.client), "alert"));
    CHECK_INT(70, last_error().alert);
    free_pair(&pair);
}

/* OpenSSL has no words for this one among its reasons. */
TEST(an_alert_without_a_reason_of_openssl_s_has_its_registered_name)
{
    static const char alert[] = "\x15\x03\x03\x00\x02\x02\x00";
    struct pair pair = make_plain_pair("good");
    bgl_ssl_connection_start(pair.client);
    bgl_ssl_connection_write(pair.client, alert, 0, sizeof alert - 1);
    bgl_ssl_connection_start(pair.client);
    CHECK_INT(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    if (!strstr(err_of(pair.client), "close notify"))
        FAIL("%s", err_of(pair.client));
    free_pair(&pair);
}

TEST(shutdown_before_the_handshake_says_no)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_INT(-1, bgl_ssl_connection_start(client));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_status(client));
    CHECK(err_of(client)[0]);
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

TEST(a_closed_connection_says_so_and_closes_again)
{
    char buffer[16];
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_INT(-1, bgl_ssl_connection_start(client));
    CHECK_OK(bgl_ssl_connection_close(client));
    CHECK_OK(bgl_ssl_connection_close(client));
    CHECK_INT(-1, bgl_ssl_connection_start(client));
    CHECK_STATUS(BGL_SSL_E_STATE, last_error().code);
    CHECK_INT(-1, bgl_ssl_connection_read(client, buffer, 0, sizeof buffer));
    CHECK_INT(-1, bgl_ssl_connection_write(client, buffer, 0, sizeof buffer));
    CHECK_INT(-1, bgl_ssl_connection_clear_in(client, buffer, 0, sizeof buffer));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(client, buffer, 0, sizeof buffer));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(client));
    CHECK(!bgl_ssl_connection_init_finishedp(client));
    CHECK_STRING("INVALID_CALL", verify_error(client));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_connection_get_peer_certificate(client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_write_eof(client));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(client));
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

TEST(a_connection_outlives_its_context)
{
    bgl_ssl_ctx_t *client = client_ctx("default"), *server = server_ctx("default", "good");
    struct pair pair = make_pair(client, server);
    CHECK_OK(bgl_ssl_ctx_close(client));
    bgl_ssl_ctx_free(server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    exchange_messages(&pair);
    CHECK_STRING("fine", verify_error(pair.client));
    free_pair(&pair);
    bgl_ssl_ctx_free(client);
}

TEST(cipher_and_protocol_are_told_once_there_are_some)
{
    bgl_ssl_ctx_t *client = client_ctx("TLSv1_2_method");
    CHECK_OK(bgl_ssl_ctx_set_ciphers(client, "ECDHE-RSA-AES128-SHA"));
    struct pair pair = make_own_pair(client, server_ctx("default", "good-rsa"));
    CHECK(!bgl_ssl_connection_get_current_cipher(pair.client));
    CHECK(!bgl_ssl_connection_get_current_cipher_version(pair.client));
    CHECK(!bgl_ssl_connection_protocol(pair.client));
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("ECDHE-RSA-AES128-SHA", bgl_ssl_connection_get_current_cipher(pair.client));
    CHECK_STRING("TLSv1.0", bgl_ssl_connection_get_current_cipher_version(pair.client));
    CHECK_STRING("TLSv1.2", bgl_ssl_connection_protocol(pair.client));
    free_pair(&pair);
}

/* ---- the peer's certificate ---- */

static const struct verdict {
    const char *name;
    const char *server;
    const char *ca;
    const char *error;
} verdicts[] = {
    {"fine", "good", "root.pem", "fine"},
    {"chained", "chained", "root.pem", "fine"},
    {"expired", "expired", "root.pem", "CERT_HAS_EXPIRED"},
    {"not_yet", "not-yet", "root.pem", "CERT_NOT_YET_VALID"},
    {"self_signed", "self-signed", "root.pem", "DEPTH_ZERO_SELF_SIGNED_CERT"},
    {"untrusted", "untrusted", "root.pem", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    {"intermediate_missing", "chained-alone", "root.pem", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    {"for_clients_only", "client", "root.pem", "INVALID_PURPOSE"},
    {"nobody_trusted", "good", NULL, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
};

TEST_TABLE(verify_error, verdicts)
{
    const struct verdict *it = row;
    bgl_ssl_ctx_t *client = new_ctx("default"), *server = new_ctx("default");
    if (strcmp(it->server, "chained-alone") == 0) {
        set_cert(server, "chained-alone.pem");
        set_key(server, "chained.key");
    } else {
        present(server, it->server);
    }
    if (it->ca)
        trust(client, it->ca);
    struct pair pair = make_own_pair(client, server);
    CHECK_STRING("UNABLE_TO_GET_ISSUER_CERT", verify_error(pair.client));
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING(it->error, verify_error(pair.client));
    CHECK_STRING("UNABLE_TO_GET_ISSUER_CERT", verify_error(pair.server));
    free_pair(&pair);
}

static const struct host_name {
    const char *name;
    const char *certificate;
    const char *host;
    const char *verdict; /* NULL: that is no host name */
} host_names[] = {
    {"name", "good", "localhost", "fine"},
    {"final_dot", "good", "localhost.", "fine"},
    {"upper_case", "good", "LOCALHOST", "fine"},
    {"wildcard", "wildcard", "a.example.test", "fine"},
    {"other_name", "good", "elsewhere.example", "HOSTNAME_MISMATCH"},
    {"ipv4_address", "good", "127.0.0.1", "fine"},
    {"ipv4_address_in_an_old_form", "good", "127.1", "fine"},
    {"ipv6_address", "good", "::1", "fine"},
    {"ipv6_address_in_brackets", "good", "[::1]", "fine"},
    {"ipv6_address_with_zone", "good", "::1%lo", "fine"},
    {"other_address", "good", "127.0.0.2", "IP_ADDRESS_MISMATCH"},
    {"address_that_is_a_dns_name", "ip-as-dns", "127.0.0.1", "IP_ADDRESS_MISMATCH"},
    {"empty", "good", "", NULL},
    {"dot_in_front", "good", ".localhost", NULL},
    {"dot_alone", "good", ".", NULL},
    {"two_final_dots", "good", "localhost..", NULL},
    {"two_dots_inside", "good", "a..example.test", NULL},
    {"blank_in_front", "good", " localhost", NULL},
    {"blank_behind", "good", "localhost ", NULL},
    {"blank_alone", "good", " ", NULL},
    {"line_end", "good", "localhost\n", NULL},
    {"star", "wildcard", "*.example.test", NULL},
    {"bad_utf_8", "good", "local\xffhost", NULL},
    {"not_ascii", "good", "b\xc3\xbc" "cher.example", NULL},
    {"final_dot_of_an_address", "ip-as-dns", "127.0.0.1.", NULL},
    {"zone_of_an_ipv4_address", "good", "127.0.0.1%lo", NULL},
    {"dot_behind_brackets", "good", "[::1].", NULL},
    {"brackets_around_a_name", "good", "[localhost]", NULL},
    {"empty_brackets", "good", "[]", NULL},
    {"percent", "good", "%", NULL},
    {"slash", "good", "localhost/x", NULL},
    {"port", "good", "localhost:443", NULL},
    {"user", "good", "me@localhost", NULL},
};

TEST_TABLE(host_name, host_names)
{
    const struct host_name *it = row;
    struct pair pair = make_plain_pair(it->certificate);
    if (it->verdict) {
        CHECK_OK(bgl_ssl_connection_set_hostname(pair.client, it->host));
        complete_handshakes(&pair);
        CHECK_STRING(it->verdict, verify_error(pair.client));
    } else {
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_hostname(pair.client, it->host));
    }
    free_pair(&pair);
}

TEST(a_host_name_is_checked_where_it_is_set)
{
    struct pair pair = make_plain_pair("wrong-name");
    CHECK_OK(bgl_ssl_connection_set_hostname(pair.client, "localhost"));
    complete_handshakes(&pair);
    CHECK_STRING("HOSTNAME_MISMATCH", verify_error(pair.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_set_hostname(pair.client, "elsewhere.example"));
    free_pair(&pair);
}

static const struct demand {
    const char *name;
    bool request, reject;
    const char *client;
    bool works;
    const char *error;
} demands[] = {
    {"not_asked", false, true, "client", true, "UNABLE_TO_GET_ISSUER_CERT"},
    {"asked_and_given", true, false, "client", true, "fine"},
    {"asked_and_missing", true, false, NULL, true, "UNABLE_TO_GET_ISSUER_CERT"},
    {"demanded_and_given", true, true, "client", true, "fine"},
    {"demanded_and_missing", true, true, NULL, false, "UNABLE_TO_GET_ISSUER_CERT"},
    {"demanded_and_bad", true, true, "client-expired", true, "CERT_HAS_EXPIRED"},
};

TEST_TABLE(client_certificate, demands)
{
    const struct demand *it = row;
    bgl_ssl_ctx_t *client = client_ctx("default"), *server = server_ctx("default", "good");
    trust(server, "root.pem");
    if (it->client)
        present(client, it->client);
    struct pair pair = make_own_pair(client, server);
    ask_client(&pair, server, it->request, it->reject);
    complete_handshakes(&pair);
    CHECK_INT(it->works, bgl_ssl_connection_init_finishedp(pair.server));
    CHECK_STRING(it->error, verify_error(pair.server));
    free_pair(&pair);
}

static bgl_ssl_certificate_t *peer_certificate_of(const char *name)
{
    struct pair pair = make_plain_pair(name);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK(!bgl_ssl_connection_get_peer_certificate(pair.server));
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_connection_get_peer_certificate(pair.client));
    free_pair(&pair);
    return peer;
}

TEST(an_rsa_peer_certificate_tells_modulus_and_exponent)
{
    char text[2048];
    bgl_ssl_certificate_t *peer = peer_certificate_of("good-rsa");
    CHECK_INT(512, bgl_ssl_certificate_modulus(peer, text, sizeof text));
    CHECK_INT(512, strspn(text, "0123456789ABCDEF"));
    CHECK(text[0] != '0');
    CHECK_INT(5, bgl_ssl_certificate_exponent(peer, text, sizeof text));
    CHECK_STRING("10001", text);
    bgl_ssl_certificate_free(peer);
}

TEST(ec_and_ed25519_peer_certificates_have_neither_modulus_nor_exponent)
{
    static const char *const names[] = {"good", "good-ed25519"};
    for (size_t i = 0; i < COUNT(names); i++) {
        bgl_ssl_certificate_t *peer = peer_certificate_of(names[i]);
        CHECK_INT(0, bgl_ssl_certificate_modulus(peer, NULL, 0));
        CHECK_INT(0, bgl_ssl_certificate_exponent(peer, NULL, 0));
        CHECK_STATUS(BGL_SSL_OK, last_error().code);
        bgl_ssl_certificate_free(peer);
    }
}

TEST(a_peer_certificate_tells_names_and_times_as_node_does)
{
    char text[2048];
    bgl_ssl_certificate_t *peer = peer_certificate_of("many-names");
    bgl_ssl_certificate_subject_lines(peer, text, sizeof text);
    CHECK_STRING("CN=many-names\nO=bglssl", text);
    bgl_ssl_certificate_issuer_lines(peer, text, sizeof text);
    CHECK_STRING("CN=root\nO=bglssl", text);
    bgl_ssl_certificate_alt_names(peer, text, sizeof text);
    CHECK_STRING("DNS:localhost, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, "
                 "email:who@example.test, URI:https://example.test/x",
                 text);
    CHECK_INT(24, bgl_ssl_certificate_valid_from(peer, text, sizeof text));
    CHECK_STRING(" GMT", text + 20);
    CHECK_INT(24, bgl_ssl_certificate_valid_to(peer, text, sizeof text));
    CHECK_STRING(" GMT", text + 20);
    CHECK_INT(0, bgl_ssl_certificate_ext_key_usage_count(peer));
    bgl_ssl_certificate_free(peer);
}

TEST(a_peer_certificate_tells_what_it_may_be_used_for)
{
    char text[64];
    bgl_ssl_certificate_t *peer = peer_certificate_of("server-purpose");
    CHECK_INT(1, bgl_ssl_certificate_ext_key_usage_count(peer));
    bgl_ssl_certificate_ext_key_usage(peer, 0, text, sizeof text);
    CHECK_STRING("1.3.6.1.5.5.7.3.1", text);
    CHECK_INT(0, bgl_ssl_certificate_ext_key_usage(peer, 1, text, sizeof text));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_certificate_free(peer);
}

TEST(a_name_that_reads_as_two_is_quoted)
{
    char text[256];
    bgl_ssl_certificate_t *peer = peer_certificate_of("forged-names");
    bgl_ssl_certificate_alt_names(peer, text, sizeof text);
    CHECK_STRING("DNS:\"good.example, DNS:evil.example\", DNS:localhost", text);
    bgl_ssl_certificate_free(peer);
}

TEST(the_peers_chain_is_told_leaf_first)
{
    struct pair pair = make_plain_pair("chained");
    complete_handshakes(&pair);
    bgl_ssl_certificate_list_t *chain =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_connection_peer_chain(pair.client));
    CHECK_INT(2, bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_t *leaf = bgl_ssl_certificate_list_get(chain, 0);
    CHECK_STRING("chained-alone", bgl_ssl_certificate_subject(leaf));
    bgl_ssl_certificate_free(leaf);
    bgl_ssl_certificate_list_free(chain);
    free_pair(&pair);
}

/* ---- protocols ---- */

static const struct offer {
    const char *name;
    const char *client, *server, *chosen;
} offers[] = {
    {"the_servers_preference", "\2h2\10http/1.1", "\10http/1.1\2h2", "http/1.1"},
    {"one_in_common", "\2h2\10http/1.1", "\6spdy/3\2h2", "h2"},
    {"none_in_common", "\2h2", "\6spdy/3", ""},
    {"only_the_client", "\2h2", "", ""},
    {"only_the_server", "", "\2h2", ""},
};

TEST_TABLE(alpn, offers)
{
    const struct offer *it = row;
    char text[16];
    struct pair pair = make_plain_pair("good");
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.client, it->client, strlen(it->client)));
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.server, it->server, strlen(it->server)));
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_INT((long)strlen(it->chosen), bgl_ssl_connection_get_negotiated_protocol(pair.client, text, sizeof text));
    CHECK_STRING(it->chosen, text);
    CHECK_INT((long)strlen(it->chosen), bgl_ssl_connection_get_negotiated_protocol(pair.server, text, sizeof text));
    CHECK_STRING(it->chosen, text);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_set_npn_protos(pair.client, "\2h2", 3));
    free_pair(&pair);
}

static const struct strictness {
    const char *name;
    const char *offered, *own;
    bool strict, shaken;
} strictnesses[] = {
    {"refuses_what_it_has_not", "\2h2", "\010http/1.1", true, false},
    {"refuses_everything_without_protocols", "\2h2", "", true, false},
    {"takes_one_in_common", "\2h2\010http/1.1", "\010http/1.1", true, true},
    {"takes_clients_without_offer", "", "\010http/1.1", true, true},
    {"is_off_by_default", "\2h2", "\010http/1.1", false, true},
};

TEST_TABLE(strict_alpn, strictnesses)
{
    enum { NO_APPLICATION_PROTOCOL = 120 };
    const struct strictness *it = row;
    struct pair pair = make_plain_pair("good");
    if (it->strict)
        CHECK_OK(bgl_ssl_connection_set_strict_alpn(pair.server, true));
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.client, it->offered, strlen(it->offered)));
    CHECK_OK(bgl_ssl_connection_set_npn_protos(pair.server, it->own, strlen(it->own)));
    complete_handshakes(&pair);
    CHECK_INT(it->shaken, bgl_ssl_connection_init_finishedp(pair.server));
    if (!it->shaken) {
        CHECK_INT(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
        CHECK(bgl_ssl_connection_start(pair.client) < 0);
        CHECK_INT(NO_APPLICATION_PROTOCOL, last_error().alert);
    } else {
        CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_set_strict_alpn(pair.server, true));
    }
    free_pair(&pair);
}

TEST(protocol_names_without_lengths_are_refused)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_npn_protos(client, "http/1.1", 8));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_npn_protos(client, "\0", 1));
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

/* ---- threads ---- */

struct stall {
    int reached[2];
    int go_on[2];
};

static void stall_here(bgl_ssl_connection_t *connection, int what, void *user)
{
    struct stall *stall = user;
    char byte = (char)what;
    (void)connection;
    CHECK(write(stall->reached[1], &byte, 1) == 1);
    CHECK(read(stall->go_on[0], &byte, 1) == 1);
}

static void *start_in_a_thread(void *connection)
{
    bgl_ssl_connection_start(connection);
    return NULL;
}

TEST(no_lock_is_held_while_a_callback_runs)
{
    struct stall stall;
    char byte;
    CHECK(pipe(stall.reached) == 0 && pipe(stall.go_on) == 0);
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_OK(bgl_ssl_connection_set_info_callback(client, stall_here, &stall));
    pthread_t thread = start_thread(start_in_a_thread, client);
    CHECK(read(stall.reached[0], &byte, 1) == 1);
    CHECK(bgl_ssl_connection_enc_pending(client) > 0);
    CHECK(write(stall.go_on[1], &byte, 1) == 1);
    join_thread(thread);
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
    for (int i = 0; i < 2; i++) {
        close(stall.reached[i]);
        close(stall.go_on[i]);
    }
}

static void *use_for_a_while(void *connection)
{
    char buffer[64];
    for (int i = 0; i < 2000; i++) {
        bgl_ssl_clear_error();
        long n = bgl_ssl_connection_clear_out(connection, buffer, 0, sizeof buffer);
        if (n == 0 || (n < 0 && last_error().code != 0 && last_error().code != BGL_SSL_E_STATE))
            FAIL("clear_out gave %ld: %s", n, last_error().message);
        bgl_ssl_connection_clear_in(connection, "ping", 0, 4);
        bgl_ssl_connection_read(connection, buffer, 0, sizeof buffer);
    }
    return NULL;
}

TEST(threads_that_use_one_connection_are_refused_rather_than_mixed_up)
{
    struct pair pair = make_plain_pair("good");
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    pthread_t one = start_thread(use_for_a_while, pair.client), two = start_thread(use_for_a_while, pair.client);
    join_thread(one);
    join_thread(two);
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.client, (char[8]){0}, 0, 8));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

/* The header: "-1 if neither can be done now, or on failure: bgl_ssl_connection_status tells". */
TEST(a_shutdown_that_waits_for_the_peers_says_for_what)
{
    struct pair pair = make_plain_pair("good");
    complete_handshakes(&pair);
    CHECK_INT(0, bgl_ssl_connection_shutdown(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_connection_status(pair.client));
    CHECK_OK(bgl_ssl_connection_write_eof(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

/* The header: "The result of the last call of bgl_ssl_connection_start, _clear_in, ...". A caller that asks after -1, as the
 * manual page's example does, waits for ever otherwise. */
TEST(a_step_that_fails_for_its_arguments_has_that_status)
{
    struct pair pair = make_plain_pair("good");
    complete_handshakes(&pair);
    CHECK_INT(-1, bgl_ssl_connection_clear_in(pair.client, NULL, 0, 10));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

TEST(a_step_of_a_closed_connection_has_the_status_of_a_failure)
{
    struct pair pair = make_plain_pair("good");
    char buffer[16];
    complete_handshakes(&pair);
    CHECK_OK(bgl_ssl_connection_close(pair.client));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair.client, buffer, 0, sizeof buffer));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}
