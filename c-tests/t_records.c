/* The sizes of records and datagrams, and whose order of cipher suites counts. */
#define _GNU_SOURCE
#include "middle.h"

enum { APPLICATION_DATA = 23, OVERHEAD_TLS_1_3 = 1 + 16, OVERHEAD_TLS_1_2 = 8 + 16 };

static bgl_ssl_config_t *with_version(bgl_ssl_config_t *config, int version)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, version));
    CHECK_OK(bgl_ssl_config_set_cipher_list(config, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    return config;
}

/* The client sends so many bytes, and the server reads them. */
static void send_through(struct middle *middle, size_t length)
{
    static char data[300000], back[300000];
    size_t sent = 0, received = 0, n;
    memset(data, 'x', sizeof data);
    middle->sides[CLIENT].count = 0;
    while (received < length) {
        if (sent < length) {
            bgl_ssl_status_t status = bgl_ssl_socket_write(middle->ends.client, data + sent, length - sent, &n);
            CHECK(status >= 0);
            sent += n;
        }
        pass_on(middle);
        if (bgl_ssl_socket_read(middle->ends.server, back, sizeof back, &n) == BGL_SSL_OK)
            received += n;
    }
}

static size_t largest(const struct side_of_middle *side)
{
    size_t most = 0;
    for (size_t i = 0; i < side->count; i++)
        if (side->lengths[i] > most)
            most = side->lengths[i];
    return most;
}

struct version {
    const char *name;
    int number;
    size_t overhead;
};

static const struct version versions[] = {
    {"tls_1_2", BGLSSL_TLSV1_2, OVERHEAD_TLS_1_2},
    {"tls_1_3", BGLSSL_TLSV1_3, OVERHEAD_TLS_1_3},
};

static void connect_through(struct middle *middle, bgl_ssl_config_t *client, bgl_ssl_config_t *server, bool datagrams)
{
    make_middle(middle, client, server, datagrams);
    complete_handshakes(middle);
    CHECK_OK(middle->ends.client_status);
    CHECK_OK(middle->ends.server_status);
}

TEST_TABLE(records_are_full_by_default_with, versions)
{
    const struct version *it = row;
    struct middle middle;
    connect_through(&middle, with_version(client_config(), it->number), server_config("good"), false);
    send_through(&middle, 40000);
    CHECK_INT((long long)(16384 + it->overhead), (long long)largest(&middle.sides[CLIENT]));
    free_middle(&middle);
}

TEST_TABLE(records_are_no_larger_than_the_config_says_with, versions)
{
    const struct version *it = row;
    struct middle middle;
    bgl_ssl_config_t *client = with_version(client_config(), it->number);
    CHECK_OK(bgl_ssl_config_set_record_size(client, 1000));
    connect_through(&middle, client, server_config("good"), false);
    send_through(&middle, 40000);
    CHECK_INT((long long)(1000 + it->overhead), (long long)largest(&middle.sides[CLIENT]));
    CHECK_INT(40, (long long)middle.sides[CLIENT].count);
    free_middle(&middle);
}

/* The client's wish binds both ends. */
TEST_TABLE(a_client_s_fragment_length_binds_both_ends_with, versions)
{
    const struct version *it = row;
    struct middle middle;
    static char back[20000];
    size_t n, received = 0;
    bgl_ssl_config_t *client = with_version(client_config(), it->number);
    CHECK_OK(bgl_ssl_config_set_max_fragment_length(client, 512));
    connect_through(&middle, client, server_config("good"), false);
    send_through(&middle, 5000);
    CHECK_INT((long long)(512 + it->overhead), (long long)largest(&middle.sides[CLIENT]));
    middle.sides[SERVER].count = 0;
    for (int i = 0; i < 3; i++)
        CHECK(bgl_ssl_socket_write(middle.ends.server, back, 5000, &n) >= 0);
    while (received < 1500) {
        pass_on(&middle);
        CHECK(bgl_ssl_socket_read(middle.ends.client, back, sizeof back, &n) >= 0);
        received += n;
    }
    CHECK_INT((long long)(512 + it->overhead), (long long)largest(&middle.sides[SERVER]));
    free_middle(&middle);
}

TEST(padding_hides_the_length_of_a_record)
{
    struct middle middle;
    bgl_ssl_config_t *client = with_version(client_config(), BGLSSL_TLSV1_3);
    CHECK_OK(bgl_ssl_config_set_padding(client, 512));
    connect_through(&middle, client, server_config("good"), false);
    static const size_t lengths[] = {1, 100, 511, 513};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        send_through(&middle, lengths[i]);
        CHECK_INT(1, (long long)middle.sides[CLIENT].count);
        size_t with_type = lengths[i] < 512 ? 512 : 1024;
        CHECK_INT((long long)with_type + 16, (long long)middle.sides[CLIENT].lengths[0]);
    }
    free_middle(&middle);
}

TEST(padding_is_no_matter_of_tls_1_2)
{
    struct middle middle;
    bgl_ssl_config_t *client = with_version(client_config(), BGLSSL_TLSV1_2);
    CHECK_OK(bgl_ssl_config_set_padding(client, 512));
    connect_through(&middle, client, server_config("good"), false);
    send_through(&middle, 100);
    CHECK_INT(100 + OVERHEAD_TLS_1_2, (long long)middle.sides[CLIENT].lengths[0]);
    free_middle(&middle);
}

TEST(dynamic_records_begin_in_single_packets_and_become_full)
{
    struct middle middle;
    bgl_ssl_config_t *client = with_version(client_config(), BGLSSL_TLSV1_3);
    CHECK_OK(bgl_ssl_config_set_dynamic_records(client, true));
    connect_through(&middle, client, server_config("good"), false);
    send_through(&middle, 200000);
    const struct side_of_middle *sent = &middle.sides[CLIENT];
    CHECK(sent->lengths[0] + 5 <= 1500 - 40 - 20 - 12);
    CHECK_INT((long long)sent->lengths[0], (long long)sent->lengths[40]);
    CHECK_INT(16384 + OVERHEAD_TLS_1_3, (long long)largest(sent));
    free_middle(&middle);
}

/* ---- datagrams of handshakes ---- */

static bgl_ssl_config_t *over_datagrams(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    return config;
}

/* The loopback takes 65535 bytes; other paths, and some peers, do not. */
TEST(packets_of_handshakes_have_1400_bytes_at_most)
{
    struct middle middle;
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("heavy"));
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(client));
    connect_through(&middle, client, server, true);
    for (int i = 0; i < 2; i++)
        CHECK(largest(&middle.sides[i]) <= 1400 - 28);
    CHECK(largest(&middle.sides[SERVER]) > 1200);
    /* Data may have as much as the path takes. */
    send_through(&middle, 10000);
    CHECK(largest(&middle.sides[CLIENT]) > 10000);
    free_middle(&middle);
}

/* OpenSSL cuts what is larger than its buffer, and then no peer can read it. */
TEST(packets_of_handshakes_may_be_larger_where_the_mtu_is_set)
{
    struct middle middle;
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("heavy"));
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(client));
    CHECK_OK(bgl_ssl_config_set_mtu(server, 9000));
    connect_through(&middle, client, server, true);
    CHECK(largest(&middle.sides[SERVER]) > 1400);
    CHECK(largest(&middle.sides[SERVER]) <= 4096);
    free_middle(&middle);
}

/* ---- whose order counts ---- */

#define AES128 "ECDHE-ECDSA-AES128-GCM-SHA256"
#define AES256 "ECDHE-ECDSA-AES256-GCM-SHA384"

TEST(the_order_of_ciphers_is_the_client_s_unless_the_server_prefers_its_own)
{
    for (int preference = 0; preference < 2; preference++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config(), *server = server_config("good");
        CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_2));
        CHECK_OK(bgl_ssl_config_set_cipher_list(client, AES128 ":" AES256));
        CHECK_OK(bgl_ssl_config_set_cipher_list(server, AES256 ":" AES128));
        if (preference)
            CHECK_OK(bgl_ssl_config_set_server_preference(server, true));
        connect_with(&ends, client, server);
        CHECK_STRING(preference ? AES256 : AES128, bgl_ssl_socket_cipher(ends.server));
        free_ends(&ends);
    }
}

/* ---- groups that may be unknown ---- */

struct groups {
    const char *name;
    const char *list;
    const char *first;
};

static const struct groups lists[] = {
    {"an_unknown_one", "?no-such-group:P-384:?nor-this", "secp384r1"},
    {"a_hybrid_one_that_this_openssl_may_lack", "?X25519MLKEM768:P-384", NULL},
    {"openssl_s_own", "P-384:DEFAULT", "secp384r1"},
    {"openssl_s_own_and_an_unknown_one", "?no-such-group:DEFAULT", NULL},
    {"two_names_of_one", "P-384:?secp384r1:DEFAULT", "secp384r1"},
};

TEST_TABLE(a_list_of_groups_may_have, lists)
{
    const struct groups *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_groups(client, it->list));
    connect_with(&ends, client, server_config("good"));
    bgl_ssl_socket_info_t info = {.size = sizeof info};
    CHECK_OK(bgl_ssl_socket_info(ends.client, &info));
    /* OpenSSL 3.5 and newer send key shares for some of its own groups, and the server takes one of those. */
    bool shares_others = strstr(it->list, "DEFAULT") && bgl_ssl_supports("group:X25519MLKEM768");
    if (it->first && info.group[0] && !shares_others)
        CHECK_STRING(it->first, info.group);
    if (strstr(it->list, "MLKEM") && info.group[0])
        CHECK_STRING(bgl_ssl_supports("group:X25519MLKEM768") ? "X25519MLKEM768" : "secp384r1", info.group);
    free_ends(&ends);
}

TEST(a_list_of_unknown_groups_is_refused)
{
    static const char *const wrong[] = {"?no-such-group", "no-such-group:?P-256", "?", "?no:DEFAULT:no-such-group"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        bgl_ssl_config_t *config = client_config();
        CHECK_OK(bgl_ssl_config_set_groups(config, wrong[i]));
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
        CHECK_MESSAGE("group");
        bgl_ssl_config_free(config);
    }
}

/* ---- settings and contexts ---- */

/* Connections of equal settings share a context: one that differs must not. */
TEST(each_setting_has_a_context_of_its_own)
{
    struct middle middle;
    bgl_ssl_config_t *first = with_version(client_config(), BGLSSL_TLSV1_3);
    CHECK_OK(bgl_ssl_config_freeze(first));
    bgl_ssl_config_t *second = bgl_ssl_config_copy(first);
    CHECK_OK(bgl_ssl_config_set_record_size(second, 600));
    connect_through(&middle, second, server_config("good"), false);
    send_through(&middle, 2000);
    CHECK_INT(600 + OVERHEAD_TLS_1_3, (long long)largest(&middle.sides[CLIENT]));
    free_middle(&middle);
    bgl_ssl_config_free(first);
}

/* A session keeps the fragment length of its first handshake, and servers refuse another one: it is not offered. */
TEST(a_session_is_not_offered_under_another_fragment_length)
{
    struct service service;
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_config_t *plain = with_version(client_config(), BGLSSL_TLSV1_2);
    bgl_ssl_config_t *small = bgl_ssl_config_copy(plain);
    CHECK_OK(bgl_ssl_config_set_max_fragment_length(small, 1024));
    start_service(&service, server, 3, serve_nothing, NULL);
    bgl_ssl_session_t *session = NULL;
    for (int i = 0; i < 3; i++) {
        bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(i < 2 ? plain : small, "localhost",
                                                                                 service.port, AF_INET, session));
        CHECK_INT(i == 1, bgl_ssl_socket_session_reused(socket));
        if (!session)
            session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
        finish(socket);
    }
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(plain);
    bgl_ssl_config_free(small);
    bgl_ssl_config_free(server);
}

TEST(values_out_of_range_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    static const size_t sizes[] = {1, 511, 16385, SIZE_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_record_size(config, sizes[i]));
    static const int32_t lengths[] = {-1, 1, 513, 8192, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(lengths); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_fragment_length(config, lengths[i]));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_padding(config, 16385));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_padding(config, SIZE_MAX));
    CHECK_OK(bgl_ssl_config_set_record_size(config, 0));
    CHECK_OK(bgl_ssl_config_set_max_fragment_length(config, 0));
    CHECK_OK(bgl_ssl_config_set_padding(config, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_record_size(NULL, 512));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_fragment_length(NULL, 512));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_padding(NULL, 512));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_dynamic_records(NULL, true));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_server_preference(NULL, true));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_record_size(config, 512));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_max_fragment_length(config, 512));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_padding(config, 512));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_dynamic_records(config, true));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_server_preference(config, true));
    bgl_ssl_config_free(config);
}

/* ---- a resumed connection, in the middle of a message behind the handshake ---- */

static bgl_ssl_config_t *with_client_certificate(void)
{
    bgl_ssl_config_t *client = client_config();
    set_certificate(client, "client-chained");
    CHECK_OK(bgl_ssl_config_set_max_fragment_length(client, 512));
    return client;
}

static bgl_ssl_config_t *with_known_keys(void)
{
    bgl_ssl_config_t *server = server_config("good");
    set_ca(server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    share_ticket_keys(server);
    return server;
}

/* A ticket of two records, of which only the first has come. */
TEST(what_is_known_of_the_peer_stays_while_a_ticket_arrives)
{
    static unsigned char data[70000];
    struct middle middle;
    char byte;
    size_t n;
    make_middle(&middle, with_client_certificate(), with_known_keys(), false);
    complete_handshakes(&middle);
    CHECK_OK(bgl_ssl_socket_write(middle.ends.server, "x", 1, &n));
    pass_on(&middle);
    CHECK_OK(bgl_ssl_socket_read(middle.ends.client, &byte, 1, &n));
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(middle.ends.client));
    free_middle(&middle);

    make_middle(&middle, with_client_certificate(), with_known_keys(), false);
    CHECK_OK(bgl_ssl_socket_set_session(middle.ends.client, session));
    bgl_ssl_session_free(session);
    while (bgl_ssl_socket_handshake(middle.ends.client) == BGL_SSL_WANT_READ) {
        pass_on(&middle);
        bgl_ssl_socket_handshake(middle.ends.server);
        pass_on(&middle);
    }
    pass_on(&middle);
    CHECK_OK(bgl_ssl_socket_handshake(middle.ends.server));
    CHECK_OK(bgl_ssl_socket_write(middle.ends.server, "x", 1, &n));
    CHECK(bgl_ssl_socket_session_reused(middle.ends.client));
    ssize_t all = recv(middle.sides[SERVER].fd, data, sizeof data, MSG_DONTWAIT);
    CHECK(all > 5);
    ssize_t first = 5 + (data[3] << 8 | data[4]);
    CHECK(first > 500 && first < all);
    CHECK_INT(first, send(middle.sides[CLIENT].fd, data, (size_t)first, MSG_NOSIGNAL));
    CHECK_INT(0, bgl_ssl_socket_verify_result(middle.ends.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(middle.ends.client, &byte, 1, &n));
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(middle.ends.client);
    CHECK(peer != NULL);
    bgl_ssl_certificate_free(peer);
    CHECK_INT(0, bgl_ssl_socket_verify_result(middle.ends.client));
    CHECK_INT(all - first, send(middle.sides[CLIENT].fd, data + first, (size_t)(all - first), MSG_NOSIGNAL));
    CHECK_OK(bgl_ssl_socket_read(middle.ends.client, &byte, 1, &n));
    free_middle(&middle);
}

/* The client has read the first record of a session ticket that has two. Says how much of what the server has sent is kept back
 * in rest. */
static size_t read_half_a_ticket(struct middle *middle, unsigned char *rest, size_t size)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    struct ends *ends = &middle->ends;
    char byte;
    size_t n;
    set_certificate(client, "client-rsa");
    set_ca(server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_TLSV1_3));
    CHECK_OK(bgl_ssl_config_set_record_size(server, 512));
    make_middle(middle, client, server, false);
    do {
        ends->client_status = bgl_ssl_socket_handshake(ends->client);
        pass_on(middle);
        ends->server_status = bgl_ssl_socket_handshake(ends->server);
        CHECK(ends->client_status >= 0 && ends->server_status >= 0);
    } while (ends->server_status != BGL_SSL_OK);
    ssize_t length = recv(middle->sides[SERVER].fd, rest, size, MSG_DONTWAIT);
    CHECK(length > 5 && (size_t)length < size);
    size_t record = 5 + ((size_t)rest[3] << 8 | rest[4]);
    CHECK(record > 512 && record < (size_t)length);
    write_all(middle->sides[CLIENT].fd, rest, record);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends->client, &byte, 1, &n));
    memmove(rest, rest + record, (size_t)length - record);
    return (size_t)length - record;
}

static void check_proper_end(struct middle *middle)
{
    char byte;
    size_t n;
    pass_on(middle);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(middle->ends.server, &byte, 1, &n));
    free_middle(middle);
}

/* OpenSSL sends no close_notify in the middle of a message of the peer's. */
TEST(a_shutdown_inside_a_message_of_two_records_waits_for_its_end)
{
    struct middle middle;
    static unsigned char rest[20000];
    size_t length = read_half_a_ticket(&middle, rest, sizeof rest);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_shutdown(middle.ends.client));
    write_all(middle.sides[CLIENT].fd, rest, length);
    CHECK_OK(bgl_ssl_socket_shutdown(middle.ends.client));
    check_proper_end(&middle);
}

TEST(a_close_inside_a_message_of_two_records_is_proper_if_its_end_has_come)
{
    struct middle middle;
    static unsigned char rest[20000];
    size_t length = read_half_a_ticket(&middle, rest, sizeof rest);
    write_all(middle.sides[CLIENT].fd, rest, length);
    CHECK_OK(bgl_ssl_socket_close(middle.ends.client));
    check_proper_end(&middle);
}
