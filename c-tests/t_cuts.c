/* Handshakes and streams that are cut, or damaged, at any byte: a relay between the two ends hands on so many bytes
 * and no more. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>

enum { TO_CLIENT, TO_SERVER };

/* The minor version of the first record, which a receiver must ignore (RFC 8446, section 5.1). */
enum { LEGACY_RECORD_VERSION = 2 };

struct relay {
    struct ends ends;
    int fds[2]; /* the relay's sides: [TO_CLIENT] leads to the client */
    size_t passed[2];
    size_t limit[2];
    size_t damage[2]; /* the byte with this number is changed */
    bool cut[2];
};

static void make_relay(struct relay *relay, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server)
{
    int client_pair[2], server_pair[2], fds[2];
    memset(relay, 0, sizeof *relay);
    local_pair(client_pair);
    local_pair(server_pair);
    fds[0] = client_pair[0];
    fds[1] = server_pair[0];
    make_lazy_ends(&relay->ends, client, server, "localhost", fds);
    relay->fds[TO_CLIENT] = client_pair[1];
    relay->fds[TO_SERVER] = server_pair[1];
    for (int i = 0; i < 2; i++) {
        fcntl(relay->fds[i], F_SETFL, O_NONBLOCK);
        relay->limit[i] = relay->damage[i] = SIZE_MAX;
    }
}

static void free_relay(struct relay *relay)
{
    free_ends(&relay->ends);
    close(relay->fds[0]);
    close(relay->fds[1]);
}

/* Hands on what has come for `side`; at the limit, that side sees the end of the stream. */
static void pass_on(struct relay *relay, int side)
{
    unsigned char data[16384];
    if (relay->cut[side])
        return;
    ssize_t n = read(relay->fds[!side], data, sizeof data);
    size_t space = relay->limit[side] - relay->passed[side];
    size_t length = n > 0 ? (size_t)n : 0;
    if (length > space)
        length = space;
    if (relay->damage[side] >= relay->passed[side] && relay->damage[side] < relay->passed[side] + length)
        data[relay->damage[side] - relay->passed[side]] ^= 0x40;
    if (length)
        write_all(relay->fds[side], data, length);
    relay->passed[side] += length;
    if (relay->passed[side] == relay->limit[side]) {
        shutdown(relay->fds[side], SHUT_WR);
        relay->cut[side] = true;
    }
}

static void relay_handshake(struct relay *relay)
{
    struct ends *ends = &relay->ends;
    ends->client_status = ends->server_status = BGL_SSL_WANT_READ;
    for (int round = 0; round < 8; round++) {
        if (ends->client_status > 0) {
            ends->client_status = bgl_ssl_socket_handshake(ends->client);
            if (ends->client_status < 0)
                ends->client_error = last_error();
        }
        pass_on(relay, TO_SERVER);
        if (ends->server_status > 0) {
            ends->server_status = bgl_ssl_socket_handshake(ends->server);
            if (ends->server_status < 0)
                ends->server_error = last_error();
        }
        pass_on(relay, TO_CLIENT);
        if (ends->client_status <= 0 && ends->server_status <= 0)
            break;
    }
}

struct direction {
    const char *name;
    int version;
    int side;
};

static const struct direction directions[] = {
    {"tls_1_2_to_the_client", BGLSSL_TLSV1_2, TO_CLIENT},
    {"tls_1_2_to_the_server", BGLSSL_TLSV1_2, TO_SERVER},
    {"tls_1_3_to_the_client", BGLSSL_TLSV1_3, TO_CLIENT},
    {"tls_1_3_to_the_server", BGLSSL_TLSV1_3, TO_SERVER},
};

static void make_configs(bgl_ssl_config_t **client, bgl_ssl_config_t **server, int version)
{
    *client = client_config();
    *server = server_config("good");
    set_certificate(*client, "client");
    set_ca(*server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_min_protocol(*client, version));
    CHECK_OK(bgl_ssl_config_set_max_protocol(*client, version));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(*client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(*server, true));
}

/* How many bytes go to one side until its handshake is done, at least: signatures differ in length from one handshake
 * to the next by a few bytes. */
static size_t handshake_bytes(const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, int side)
{
    struct relay relay;
    make_relay(&relay, client, server);
    struct ends *ends = &relay.ends;
    size_t bytes = 0;
    ends->client_status = ends->server_status = BGL_SSL_WANT_READ;
    for (int round = 0; round < 8; round++) {
        if (ends->client_status > 0) {
            ends->client_status = bgl_ssl_socket_handshake(ends->client);
            if (side == TO_CLIENT && ends->client_status == BGL_SSL_OK)
                bytes = relay.passed[TO_CLIENT];
        }
        pass_on(&relay, TO_SERVER);
        if (ends->server_status > 0) {
            ends->server_status = bgl_ssl_socket_handshake(ends->server);
            if (side == TO_SERVER && ends->server_status == BGL_SSL_OK)
                bytes = relay.passed[TO_SERVER];
        }
        pass_on(&relay, TO_CLIENT);
    }
    CHECK_OK(ends->client_status);
    CHECK_OK(ends->server_status);
    CHECK(bytes > 100);
    free_relay(&relay);
    return bytes - 8;
}

TEST_TABLE(handshake_cut_at_every_byte, directions)
{
    const struct direction *it = row;
    int side = it->side;
    bgl_ssl_config_t *client, *server;
    make_configs(&client, &server, it->version);
    size_t whole = handshake_bytes(client, server, side);
    for (size_t cut = 0; cut < whole; cut++) {
        struct relay relay;
        make_relay(&relay, client, server);
        relay.limit[side] = cut;
        relay_handshake(&relay);
        bgl_ssl_status_t status = side == TO_CLIENT ? relay.ends.client_status : relay.ends.server_status;
        const bgl_ssl_error_t *error = side == TO_CLIENT ? &relay.ends.client_error : &relay.ends.server_error;
        if (status != BGL_SSL_E_TRUNCATED)
            FAIL("cut after %zu of %zu bytes: %s: %s", cut, whole, bgl_ssl_status_name(status), error->message);
        CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, error->phase);
        CHECK(error->message[0] != '\0');
        free_relay(&relay);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(handshake_damaged_at_every_byte, directions)
{
    const struct direction *it = row;
    int side = it->side;
    bgl_ssl_config_t *client, *server;
    make_configs(&client, &server, it->version);
    size_t whole = handshake_bytes(client, server, side);
    for (size_t at = 0; at < whole; at++) {
        struct relay relay;
        make_relay(&relay, client, server);
        relay.damage[side] = at;
        relay_handshake(&relay);
        /* A damaged length makes an end wait; all else is a refusal with a reason, on the end that sees it. */
        bool harmless = at == LEGACY_RECORD_VERSION;
        if (!harmless && relay.ends.client_status == BGL_SSL_OK && relay.ends.server_status == BGL_SSL_OK)
            FAIL("nobody minds that byte %zu is damaged", at);
        if (relay.ends.client_status == BGL_SSL_E_INTERNAL || relay.ends.server_status == BGL_SSL_E_INTERNAL)
            FAIL("damaged byte %zu: internal error: %s %s", at, relay.ends.client_error.message,
                 relay.ends.server_error.message);
        if (relay.ends.client_status < 0)
            CHECK(relay.ends.client_error.message[0] != '\0');
        if (relay.ends.server_status < 0)
            CHECK(relay.ends.server_error.message[0] != '\0');
        free_relay(&relay);
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Passes records on until the reader has them all; what it has read before the cut it keeps. */
static void read_cut_stream(int version, size_t cut_after)
{
    enum { LENGTH = 1000 };
    struct relay relay;
    bgl_ssl_config_t *client, *server;
    char data[LENGTH], buffer[2 * LENGTH];
    size_t n;
    memset(data, 'd', sizeof data);
    make_configs(&client, &server, version);
    make_relay(&relay, client, server);
    relay_handshake(&relay);
    CHECK_OK(relay.ends.client_status);
    CHECK_OK(relay.ends.server_status);
    pass_on(&relay, TO_CLIENT);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(relay.ends.client, buffer, sizeof buffer, &n));
    relay.limit[TO_CLIENT] = relay.passed[TO_CLIENT] + LENGTH + 30 + cut_after;
    for (int i = 0; i < 3; i++)
        CHECK_OK(bgl_ssl_socket_write(relay.ends.server, data, LENGTH, &n));
    pass_on(&relay, TO_CLIENT);
    size_t got = 0;
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read(relay.ends.client, buffer, sizeof buffer, &n)) == BGL_SSL_OK)
        got += n;
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, status);
    CHECK(got >= LENGTH && got < 3 * LENGTH);
    /* And it stays so: it never turns into a clean end. */
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(relay.ends.client, buffer, sizeof buffer, &n));
    free_relay(&relay);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_record_cut_in_the_middle_is_truncation)
{
    for (size_t cut = 0; cut < 1000; cut += 97) {
        read_cut_stream(BGLSSL_TLSV1_2, cut);
        read_cut_stream(BGLSSL_TLSV1_3, cut);
    }
}

TEST(a_damaged_record_is_a_protocol_error)
{
    struct relay relay;
    bgl_ssl_config_t *client, *server;
    char buffer[100];
    size_t n;
    make_configs(&client, &server, BGLSSL_TLSV1_3);
    make_relay(&relay, client, server);
    relay_handshake(&relay);
    pass_on(&relay, TO_CLIENT);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(relay.ends.client, buffer, sizeof buffer, &n));
    relay.damage[TO_CLIENT] = relay.passed[TO_CLIENT] + 10;
    CHECK_OK(bgl_ssl_socket_write(relay.ends.server, "hello", 5, &n));
    pass_on(&relay, TO_CLIENT);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(relay.ends.client, buffer, sizeof buffer, &n));
    CHECK_INT(BGL_SSL_PHASE_READ, last_error().phase);
    /* The server is told. */
    pass_on(&relay, TO_SERVER);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_read(relay.ends.server, buffer, sizeof buffer, &n));
    CHECK_INT(20, last_error().alert); /* bad_record_mac */
    free_relay(&relay);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
