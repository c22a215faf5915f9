/* What a full handshake refuses, a resumed one refuses: for each thing that can have changed since the session was made, a
 * connection that offers the session comes to the verdict of one that does not. */
#define _GNU_SOURCE
#include "engine.h"

#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#define SSL_OP_NO_TICKET (UINT64_C(1) << 14)
#define SSL_OP_NO_TLSv1_2 (UINT64_C(1) << 27)
#define SSL_OP_NO_TLSv1_3 (UINT64_C(1) << 29)
#define DAY 86400

/* ---- the clock: library and OpenSSL find these before libc's ---- */

static time_t shift;

static struct timespec real_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

time_t time(time_t *out)
{
    time_t now = real_time().tv_sec + shift;
    if (out)
        *out = now;
    return now;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now = real_time();
    (void)zone;
    out->tv_sec = now.tv_sec + shift;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

static void set_clock(time_t to)
{
    shift = to - real_time().tv_sec;
}

/* Before the certificate ends, by less than sessions live. */
static void set_clock_before_the_end_of(const char *file)
{
    bgl_ssl_certificate_t *certificate =
        MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    set_clock((time_t)bgl_ssl_certificate_not_after(certificate) - 100);
    bgl_ssl_certificate_free(certificate);
}

/* ---- connections ---- */

struct session {
    char id[64];
    char text[8192];
    size_t id_len, length;
};

struct world {
    const char *method;
    bool tickets;
    bool client_verifies; /* whose verdict it is about */
    bgl_ssl_ctx_t *client, *server;
    bgl_ssl_ctx_t *switched; /* the context of b.test, or NULL */
    const char *server_name, *hostname;
    bool request, reject;
    void (*late)(struct world *); /* called once connections have been made, or NULL */
    struct session kept[2];       /* what client and server have kept */
    bool resumed;
};

static void keep(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session, size_t length,
                 void *user)
{
    struct session *kept = user;
    (void)connection;
    CHECK(id_len <= sizeof kept->id && length <= sizeof kept->text);
    memcpy(kept->id, id, id_len);
    memcpy(kept->text, session, length);
    kept->id_len = id_len;
    kept->length = length;
}

static void look_up(bgl_ssl_connection_t *connection, const void *id, size_t id_len, void *user)
{
    struct session *kept = user;
    if (id_len == kept->id_len && memcmp(id, kept->id, id_len) == 0)
        CHECK_OK(bgl_ssl_connection_load_session(connection, kept->text, kept->length));
}

static const bgl_ssl_ctx_t *choose(bgl_ssl_connection_t *connection, const char *name, void *user)
{
    struct world *world = user;
    (void)connection;
    return strcmp(name, "b.test") == 0 ? world->switched : NULL;
}

/* A connection; what its end that verifies says, or "refused" if there was no handshake. */
static const char *connect_once(struct world *world, bool offers)
{
    struct pair pair = {new_client(world->client, world->server_name), NULL, 100000, 1, {NULL, NULL}};
    pair.server = MADE(bgl_ssl_connection_t,
                       bgl_ssl_connection_init(world->server, true, world->request, NULL, world->reject));
    if (offers)
        CHECK_OK(bgl_ssl_connection_set_session(pair.client, world->kept[0].text, world->kept[0].length));
    if (world->hostname)
        CHECK_OK(bgl_ssl_connection_set_hostname(pair.client, world->hostname));
    if (world->switched)
        CHECK_OK(bgl_ssl_connection_set_sni_context_callback(pair.server, choose, world));
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(pair.client, keep, &world->kept[0]));
    if (!world->tickets) {
        CHECK_OK(bgl_ssl_connection_set_newsession_callback(pair.server, keep, &world->kept[1]));
        CHECK_OK(bgl_ssl_connection_set_session_lookup_callback(pair.server, look_up, &world->kept[1]));
    }
    if (world->late)
        world->late(world);
    complete_handshakes(&pair);
    const char *verdict = "refused";
    if (bgl_ssl_connection_init_finishedp(pair.client) && bgl_ssl_connection_init_finishedp(pair.server)) {
        exchange_messages(&pair);
        verdict = verify_error(world->client_verifies ? pair.client : pair.server);
    }
    world->resumed = bgl_ssl_connection_reused(pair.server);
    free_pair(&pair);
    return verdict;
}

static bgl_ssl_ctx_t *make_server(struct world *world, const char *name, const char *ca)
{
    bgl_ssl_ctx_t *ctx = server_ctx("default", name);
    trust(ctx, ca);
    if (!world->tickets)
        CHECK_OK(bgl_ssl_ctx_set_options(ctx, SSL_OP_NO_TICKET));
    return ctx;
}

static bgl_ssl_ctx_t *make_client(struct world *world, const char *name, const char *ca)
{
    bgl_ssl_ctx_t *ctx = new_ctx(world->method);
    trust(ctx, ca);
    if (name)
        present(ctx, name);
    return ctx;
}

/* Instead of the one that there is. */
static void replace(bgl_ssl_ctx_t **place, bgl_ssl_ctx_t *ctx)
{
    bgl_ssl_ctx_free(*place);
    *place = ctx;
}

static void add_crl(bgl_ssl_ctx_t *ctx, const char *file)
{
    size_t length;
    const char *pem = pki_text(file, &length);
    CHECK_OK(bgl_ssl_ctx_add_crl(ctx, pem, 0, length));
}

/* ---- what may have changed ---- */

static void clock_goes_on(struct world *world)
{
    (void)world;
    shift += 200;
}

static void take_ciphers(bgl_ssl_ctx_t *ctx, const char *list)
{
    CHECK_OK(bgl_ssl_ctx_set_ciphers(ctx, list));
}

#define CIPHERS "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384"
#define OTHER_CIPHERS "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"

/* Clients. */
static void client_plain(struct world *world)
{
    world->client = make_client(world, NULL, "root.pem");
    world->server = make_server(world, "good", "root.pem");
    world->hostname = "localhost";
}

static void client_without_name(struct world *world)
{
    client_plain(world);
    world->hostname = NULL;
}

static void client_of_revoked(struct world *world)
{
    client_plain(world);
    replace(&world->server, make_server(world, "revoked", "root.pem"));
}

static void client_before_the_end(struct world *world)
{
    client_plain(world);
    set_clock_before_the_end_of("good.pem");
}

static void client_before_the_end_of_the_intermediate(struct world *world)
{
    client_plain(world);
    replace(&world->server, make_server(world, "of-brief-ca", "root.pem"));
    set_clock_before_the_end_of("brief-ca.pem");
}

static void before_the_end_of_the_crl(void)
{
    struct stat found;
    CHECK(stat(pki("brief.crl"), &found) == 0);
    set_clock(found.st_mtime + 30 * DAY - 100);
}

static void client_before_the_end_of_the_crl(struct world *world)
{
    client_plain(world);
    add_crl(world->client, "brief.crl");
    before_the_end_of_the_crl();
}

static void client_of_few_ciphers(struct world *world)
{
    client_plain(world);
    take_ciphers(world->server, CIPHERS);
}

static void client_takes_other_ciphers(struct world *world)
{
    take_ciphers(world->client, OTHER_CIPHERS);
}

static void client_forbids_the_version(struct world *world)
{
    CHECK_OK(bgl_ssl_ctx_set_options(world->client, SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3));
}

static void client_of_an_unknown_ca_before_the_end(struct world *world)
{
    client_before_the_end(world);
    replace(&world->client, make_client(world, NULL, "root2.pem"));
}

static void client_of_another_name_before_the_end(struct world *world)
{
    client_before_the_end(world);
    world->hostname = "elsewhere.example";
}

static void other_hostname(struct world *world)
{
    world->hostname = "elsewhere.example";
}

static void address(struct world *world)
{
    world->hostname = "127.0.0.2";
}

static void other_client_ca(struct world *world)
{
    replace(&world->client, make_client(world, NULL, "root2.pem"));
}

static void no_client_ca(struct world *world)
{
    replace(&world->client, new_ctx(world->method));
}

static void crl_for_the_client(struct world *world)
{
    add_crl(world->client, "root.crl");
}

static void late_crl_for_the_client(struct world *world)
{
    static bgl_ssl_ctx_t *known;
    if (known != world->client)
        add_crl(world->client, "root.crl");
    known = world->client;
}

/* The control connection adds it; the other must know it by then. */
static void crl_for_the_client_after_the_connection(struct world *world)
{
    world->late = late_crl_for_the_client;
}

/* The session is made while the store has a CA more than when its connection was made. */
static void late_ca(struct world *world)
{
    trust(world->client, "root2.pem");
}

static void client_of_untrusted_with_a_late_ca(struct world *world)
{
    client_plain(world);
    replace(&world->server, make_server(world, "untrusted", "root.pem"));
    world->late = late_ca;
}

static void client_without_the_late_ca(struct world *world)
{
    world->late = NULL;
    replace(&world->client, make_client(world, NULL, "root.pem"));
}

static void other_server_name(struct world *world)
{
    replace(&world->client, make_client(world, NULL, "root.pem"));
    world->switched = make_server(world, "wrong-name", "root.pem");
    world->server_name = "b.test";
    world->hostname = "b.test";
}

/* Servers. */
static void server_plain(struct world *world)
{
    world->client = make_client(world, "client", "root.pem");
    world->server = make_server(world, "good", "root.pem");
    world->request = true;
}

static void server_before_the_end(struct world *world)
{
    server_plain(world);
    set_clock_before_the_end_of("client.pem");
}

static void server_of_an_unknown_ca_before_the_end(struct world *world)
{
    server_before_the_end(world);
    replace(&world->server, make_server(world, "good", "root2.pem"));
}

static void server_before_the_end_of_the_intermediate(struct world *world)
{
    server_plain(world);
    replace(&world->client, make_client(world, "of-brief-ca", "root.pem"));
    set_clock_before_the_end_of("brief-ca.pem");
}

static void server_before_the_end_of_the_crl(struct world *world)
{
    server_plain(world);
    add_crl(world->server, "brief.crl");
    before_the_end_of_the_crl();
}

static void server_of_revoked(struct world *world)
{
    server_plain(world);
    replace(&world->client, make_client(world, "revoked", "root.pem"));
}

static void server_that_does_not_ask(struct world *world)
{
    server_plain(world);
    replace(&world->client, make_client(world, NULL, "root.pem"));
    world->request = false;
}

static void server_of_few_ciphers(struct world *world)
{
    server_plain(world);
    take_ciphers(world->client, CIPHERS);
}

static void server_takes_other_ciphers(struct world *world)
{
    take_ciphers(world->server, OTHER_CIPHERS);
}

static void server_forbids_the_version(struct world *world)
{
    CHECK_OK(bgl_ssl_ctx_set_options(world->server, SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3));
}

static void server_with_two_names(struct world *world)
{
    server_plain(world);
    world->server_name = "a.test";
    world->switched = make_server(world, "good", "root2.pem");
}

static void server_with_two_names_and_one_id_context(struct world *world)
{
    server_with_two_names(world);
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(world->server, "same", 0, 4));
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(world->switched, "same", 0, 4));
}

static void server_with_two_names_of_one_certificate_and_a_crl(struct world *world)
{
    server_of_revoked(world);
    world->server_name = "a.test";
    world->switched = make_server(world, "good", "root.pem");
    add_crl(world->switched, "root.crl");
}

static void demands_a_certificate(struct world *world)
{
    world->request = world->reject = true;
}

static void asks_for_a_certificate(struct world *world)
{
    world->request = true;
}

static void other_server_ca(struct world *world)
{
    replace(&world->server, make_server(world, "good", "root2.pem"));
}

static void crl_for_the_server(struct world *world)
{
    add_crl(world->server, "root.crl");
}

static void name_of_the_other_context(struct world *world)
{
    world->server_name = "b.test";
}

/* A session that was made as a client, with a certificate that is for servers only. */
static void client_of_a_server(struct world *world)
{
    world->client = make_client(world, "server-purpose", "root.pem");
    world->server = make_server(world, "server-purpose", "root.pem");
}

static void peer_comes_back_as_a_client(struct world *world)
{
    world->client_verifies = false;
    world->request = true;
}

static const struct change {
    const char *name;
    bool client_verifies;
    void (*before)(struct world *);
    void (*change)(struct world *);
    const char *verdict; /* of a full handshake after the change */
} changes[] = {
    {"client_sees_other_hostname", true, client_plain, other_hostname, "HOSTNAME_MISMATCH"},
    {"client_sees_hostname_after_none", true, client_without_name, other_hostname, "HOSTNAME_MISMATCH"},
    {"client_sees_address", true, client_plain, address, "IP_ADDRESS_MISMATCH"},
    {"client_sees_other_server_name", true, client_plain, other_server_name, "HOSTNAME_MISMATCH"},
    {"client_has_other_ca", true, client_plain, other_client_ca, "SELF_SIGNED_CERT_IN_CHAIN"},
    {"client_has_no_ca", true, client_plain, no_client_ca, "SELF_SIGNED_CERT_IN_CHAIN"},
    {"client_has_crl", true, client_of_revoked, crl_for_the_client, "CERT_REVOKED"},
    {"client_has_crl_after_the_connection_was_made", true, client_of_revoked, crl_for_the_client_after_the_connection,
     "CERT_REVOKED"},
    {"client_had_a_ca_more_during_the_handshake", true, client_of_untrusted_with_a_late_ca, client_without_the_late_ca,
     "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    {"client_is_after_the_end", true, client_before_the_end, clock_goes_on, "CERT_HAS_EXPIRED"},
    {"client_is_after_the_end_of_the_intermediate", true, client_before_the_end_of_the_intermediate, clock_goes_on,
     "CERT_HAS_EXPIRED"},
    {"client_is_after_the_end_of_the_crl", true, client_before_the_end_of_the_crl, clock_goes_on, "CRL_HAS_EXPIRED"},
    {"client_takes_other_ciphers", true, client_of_few_ciphers, client_takes_other_ciphers, "refused"},
    {"client_forbids_the_version", true, client_plain, client_forbids_the_version, "refused"},
    {"server_takes_other_ciphers", false, server_of_few_ciphers, server_takes_other_ciphers, "refused"},
    {"server_forbids_the_version", false, server_plain, server_forbids_the_version, "refused"},
    {"server_has_other_ca", false, server_plain, other_server_ca, "SELF_SIGNED_CERT_IN_CHAIN"},
    {"server_demands_certificate", false, server_that_does_not_ask, demands_a_certificate, "refused"},
    {"server_asks_for_certificate", false, server_that_does_not_ask, asks_for_a_certificate,
     "UNABLE_TO_GET_ISSUER_CERT"},
    {"server_has_crl", false, server_of_revoked, crl_for_the_server, "CERT_REVOKED"},
    {"server_is_after_the_end", false, server_before_the_end, clock_goes_on, "CERT_HAS_EXPIRED"},
    {"server_is_after_the_end_of_the_intermediate", false, server_before_the_end_of_the_intermediate, clock_goes_on,
     "CERT_HAS_EXPIRED"},
    {"server_is_after_the_end_of_the_crl", false, server_before_the_end_of_the_crl, clock_goes_on, "CRL_HAS_EXPIRED"},
    {"server_switches_to_other_ca", false, server_with_two_names, name_of_the_other_context,
     "SELF_SIGNED_CERT_IN_CHAIN"},
    {"server_switches_to_other_ca_of_the_same_id_context", false, server_with_two_names_and_one_id_context,
     name_of_the_other_context, "SELF_SIGNED_CERT_IN_CHAIN"},
    {"server_switches_to_crl", false, server_with_two_names_of_one_certificate_and_a_crl, name_of_the_other_context,
     "CERT_REVOKED"},
    {"server_loads_session_of_a_client", true, client_of_a_server, peer_comes_back_as_a_client, "INVALID_PURPOSE"},
};

/* `first` is the verdict before the change; NULL: nothing is wrong. */
static void run_change_of(const char *first, const struct change *it, const char *method, bool tickets)
{
    struct world world;
    memset(&world, 0, sizeof world);
    world.method = method;
    world.tickets = tickets;
    world.client_verifies = it->client_verifies;
    world.server_name = "localhost";
    it->before(&world);
    bool verifies = world.client_verifies || world.request;
    const char *fine = verifies ? "fine" : "UNABLE_TO_GET_ISSUER_CERT";
    CHECK_STRING(first ? first : fine, connect_once(&world, false));
    CHECK(world.kept[0].length > 0);
    struct session kept[2] = {world.kept[0], world.kept[1]};
    it->change(&world);
    if (it->change == peer_comes_back_as_a_client)
        kept[1] = kept[0];
    CHECK_STRING(it->verdict, connect_once(&world, false));
    world.kept[0] = kept[0];
    world.kept[1] = kept[1];
    CHECK_STRING(it->verdict, connect_once(&world, true));
    bgl_ssl_ctx_free(world.client);
    bgl_ssl_ctx_free(world.server);
    bgl_ssl_ctx_free(world.switched);
}

static void run_change(const struct change *it, const char *method, bool tickets)
{
    run_change_of(NULL, it, method, tickets);
}

/* What was wrong before does not hide what has become so. */
static const struct further_fault {
    struct change change;
    const char *first;
} further_faults[] = {
    {{"client_of_an_unknown_ca_is_after_the_end", true, client_of_an_unknown_ca_before_the_end, clock_goes_on,
      "CERT_HAS_EXPIRED"},
     "SELF_SIGNED_CERT_IN_CHAIN"},
    {{"client_of_another_name_is_after_the_end", true, client_of_another_name_before_the_end, clock_goes_on,
      "CERT_HAS_EXPIRED"},
     "HOSTNAME_MISMATCH"},
    {{"server_of_an_unknown_ca_is_after_the_end", false, server_of_an_unknown_ca_before_the_end, clock_goes_on,
      "CERT_HAS_EXPIRED"},
     "SELF_SIGNED_CERT_IN_CHAIN"},
};

static void run_further_fault(const struct further_fault *it, const char *method)
{
    run_change_of(it->first, &it->change, method, true);
    run_change_of(it->first, &it->change, method, false);
}

TEST_TABLE(tls_1_2_further, further_faults)
{
    run_further_fault(row, "TLSv1_2_method");
}

TEST_TABLE(tls_1_3_further, further_faults)
{
    run_further_fault(row, "TLSv1_3_method");
}

TEST_TABLE(tls_1_2_tickets, changes)
{
    run_change(row, "TLSv1_2_method", true);
}

TEST_TABLE(tls_1_2_ids, changes)
{
    run_change(row, "TLSv1_2_method", false);
}

TEST_TABLE(tls_1_3_tickets, changes)
{
    run_change(row, "TLSv1_3_method", true);
}

TEST_TABLE(tls_1_3_ids, changes)
{
    run_change(row, "TLSv1_3_method", false);
}

/* ---- and where nothing has changed, sessions are resumed ---- */

static const struct way {
    const char *name;
    const char *method;
    bool tickets;
    bool client_verifies;
} ways[] = {
    {"tls_1_2_tickets_client", "TLSv1_2_method", true, true},   {"tls_1_2_tickets_server", "TLSv1_2_method", true, false},
    {"tls_1_2_ids_client", "TLSv1_2_method", false, true},      {"tls_1_2_ids_server", "TLSv1_2_method", false, false},
    {"tls_1_3_tickets_client", "TLSv1_3_method", true, true},   {"tls_1_3_tickets_server", "TLSv1_3_method", true, false},
    {"tls_1_3_ids_client", "TLSv1_3_method", false, true},      {"tls_1_3_ids_server", "TLSv1_3_method", false, false},
};

static struct world begin_way(const struct way *way, void (*before)(struct world *))
{
    struct world world;
    memset(&world, 0, sizeof world);
    world.method = way->method;
    world.tickets = way->tickets;
    world.client_verifies = way->client_verifies;
    world.server_name = "localhost";
    before(&world);
    return world;
}

static void end_way(struct world *world)
{
    bgl_ssl_ctx_free(world->client);
    bgl_ssl_ctx_free(world->server);
    bgl_ssl_ctx_free(world->switched);
}

/* The name of the key of the ticket that a session in DER holds: element 10, an octet string. */
static void ticket_key_name(const struct session *session, char name[16])
{
    const unsigned char *der = (const unsigned char *)session->text;
    for (size_t i = 0; i + 24 < session->length; i++)
        if (der[i] == 0xaa && (der[i + 1] == 0x81 || der[i + 1] == 0x82)) {
            size_t header = der[i + 1] - 0x80u;
            const unsigned char *inner = der + i + 2 + header;
            if (inner[0] == 4 && inner[1] >= 0x80) {
                memcpy(name, inner + 2 + (inner[1] - 0x80u), 16);
                return;
            }
        }
    FAIL("the session has no ticket");
}

static const struct way ticket_ways[] = {
    {"tls_1_2", "TLSv1_2_method", true, true},
    {"tls_1_3", "TLSv1_3_method", true, true},
};

TEST_TABLE(ticket_keys_are_renewed, ticket_ways)
{
    const struct way *it = row;
    char names[3][16];
    struct world world = begin_way(it, client_plain);
    for (int i = 0; i < 3; i++) {
        /* A key encrypts for twelve hours. */
        shift += i == 2 ? 13 * 60 * 60 : 1;
        CHECK_STRING("fine", connect_once(&world, false));
        ticket_key_name(&world.kept[0], names[i]);
    }
    CHECK(memcmp(names[0], names[1], 16) == 0);
    CHECK(memcmp(names[1], names[2], 16) != 0);
    end_way(&world);
}

TEST_TABLE(nothing_changed, ways)
{
    const struct way *it = row;
    struct world world = begin_way(it, it->client_verifies ? client_plain : server_plain);
    CHECK_STRING("fine", connect_once(&world, false));
    for (int i = 0; i < 3; i++) {
        CHECK_STRING("fine", connect_once(&world, true));
        CHECK(world.resumed);
    }
    end_way(&world);
}

TEST_TABLE(resumed_within_the_context_switched_to, ways)
{
    const struct way *it = row;
    struct world world = begin_way(it, it->client_verifies ? client_plain : server_plain);
    world.hostname = NULL;
    world.server_name = "b.test";
    world.switched = make_server(&world, "good-rsa", "root.pem");
    CHECK_STRING("fine", connect_once(&world, false));
    CHECK_STRING("fine", connect_once(&world, true));
    CHECK(world.resumed);
    end_way(&world);
}

/* An equal context in another place: a program that makes one for each connection, with a store of its own. */
TEST_TABLE(resumed_with_an_equal_context_of_the_client, ways)
{
    const struct way *it = row;
    struct world world = begin_way(it, it->client_verifies ? client_plain : server_plain);
    CHECK_STRING("fine", connect_once(&world, false));
    replace(&world.client, make_client(&world, it->client_verifies ? NULL : "client", "root.pem"));
    CHECK_STRING("fine", connect_once(&world, true));
    CHECK(world.resumed);
    end_way(&world);
}

/* Tickets that come with a resumed handshake do not live longer than what the first one found. */
TEST_TABLE(renewed_sessions_end_with_the_certificate, ways)
{
    const struct way *it = row;
    struct world world = begin_way(it, it->client_verifies ? client_before_the_end : server_before_the_end);
    CHECK_STRING("fine", connect_once(&world, false));
    shift += 50;
    CHECK_STRING("fine", connect_once(&world, true));
    CHECK(world.resumed);
    shift += 100;
    CHECK_STRING("CERT_HAS_EXPIRED", connect_once(&world, true));
    end_way(&world);
}

/* The verdict was bad and stays so. */
TEST_TABLE(a_bad_verdict_is_resumed_as_bad, ways)
{
    const struct way *it = row;
    struct world world = begin_way(it, it->client_verifies ? client_plain : server_plain);
    if (it->client_verifies)
        replace(&world.server, make_server(&world, "untrusted", "root.pem"));
    else
        replace(&world.client, make_client(&world, "client-untrusted", "root.pem"));
    CHECK_STRING("UNABLE_TO_VERIFY_LEAF_SIGNATURE", connect_once(&world, false));
    CHECK_STRING("UNABLE_TO_VERIFY_LEAF_SIGNATURE", connect_once(&world, true));
    end_way(&world);
}
