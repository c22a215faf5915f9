/* Servers' sessions: the keys of tickets and who shares them, how long and how many, tickets, a cache or nothing. */
#include <signal.h>
#include <sys/wait.h>

#include "clock.h"
#include "hosts.h"
#include "s_client.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE };

static const unsigned char SECRET[32] = "what all of our machines know...";
static const unsigned char OTHER_SECRET[32] = "what none of our machines knows.";

/* ---- a client that resumes what it is told to ---- */

struct outcome {
    bgl_ssl_status_t status;
    bool reused;
    bgl_ssl_session_t *session; /* NULL where there is none */
};

static struct outcome offer_session(const struct version *version, const char *identity, int port,
                                    const bgl_ssl_session_t *session)
{
    struct outcome outcome = {.status = BGL_SSL_OK};
    char byte = 'x';
    size_t n;
    bgl_ssl_config_t *client = of_version(version, client_of("localhost"));
    if (identity)
        set_certificate(client, identity);
    bgl_ssl_socket_t *socket = bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session);
    bgl_ssl_config_free(client);
    if (!socket) {
        outcome.status = last_error().code;
        return outcome;
    }
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    outcome.status = bgl_ssl_socket_write(socket, &byte, 1, &n);
    if (outcome.status == BGL_SSL_OK)
        outcome.status = bgl_ssl_socket_read(socket, &byte, 1, &n);
    outcome.reused = bgl_ssl_socket_session_reused(socket);
    outcome.session = bgl_ssl_socket_session(socket);
    finish(socket);
    return outcome;
}

/* A session, made by a full handshake. */
static bgl_ssl_session_t *full_session(const struct version *version, const char *identity, int port)
{
    struct outcome outcome = offer_session(version, identity, port, NULL);
    CHECK_OK(outcome.status);
    CHECK(!outcome.reused);
    return MADE(bgl_ssl_session_t, outcome.session);
}

/* Whether a session is resumed; a full handshake is done otherwise. */
static bool resumes(const struct version *version, const char *identity, int port, const bgl_ssl_session_t *session)
{
    struct outcome outcome = offer_session(version, identity, port, session);
    CHECK_OK(outcome.status);
    bgl_ssl_session_free(outcome.session);
    return outcome.reused;
}

/* ---- servers ---- */

struct host {
    struct service service;
    bgl_ssl_config_t *config;
};

/* Takes the keys over. */
static void set_keys(bgl_ssl_config_t *config, bgl_ssl_ticket_keys_t *keys)
{
    CHECK_OK(bgl_ssl_config_set_ticket_keys(config, keys));
    bgl_ssl_ticket_keys_free(keys);
}

/* A server that takes `config` over, and `keys` if it is not NULL. */
static int open_host(struct host *host, bgl_ssl_config_t *config, bgl_ssl_ticket_keys_t *keys, int connections)
{
    if (keys)
        set_keys(config, keys);
    host->config = config;
    start_service(&host->service, config, connections, serve_echo, NULL);
    return host->service.port;
}

static void close_host(struct host *host)
{
    end_service(&host->service);
    bgl_ssl_config_free(host->config);
}

static bgl_ssl_config_t *plain_server(const struct version *version)
{
    return of_version(version, server_config("good"));
}

static bgl_ssl_ticket_keys_t *random_keys(int64_t period)
{
    return MADE(bgl_ssl_ticket_keys_t, bgl_ssl_ticket_keys_new(period));
}

static bgl_ssl_ticket_keys_t *keys_of(const unsigned char *secret, int64_t period)
{
    return MADE(bgl_ssl_ticket_keys_t, bgl_ssl_ticket_keys_from_secret(secret, 32, period));
}

/* A key of so many bytes, which begin with its number. */
static void add_key(const bgl_ssl_ticket_keys_t *keys, unsigned char number, size_t length)
{
    unsigned char key[80];
    memset(key, 0x55, sizeof key);
    key[0] = number;
    CHECK_OK(bgl_ssl_ticket_keys_add(keys, key, length));
}

static bgl_ssl_ticket_keys_t *added_keys(unsigned char number, size_t length)
{
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    add_key(keys, number, length);
    return keys;
}

/* Whether the second server resumes what the first has made. Takes all of it over. */
static bool passes_on(const struct version *version, bgl_ssl_config_t *first, bgl_ssl_ticket_keys_t *first_keys,
                      bgl_ssl_config_t *second, bgl_ssl_ticket_keys_t *second_keys)
{
    struct host one, other;
    int from = open_host(&one, first, first_keys, 2), to = open_host(&other, second, second_keys, 1);
    bgl_ssl_session_t *session = full_session(version, NULL, from);
    bool resumed = resumes(version, NULL, to, session);
    /* The control: it is good where it was made. */
    CHECK(resumes(version, NULL, from, session));
    bgl_ssl_session_free(session);
    close_host(&one);
    close_host(&other);
    return resumed;
}

/* ---- keys that are shared ---- */

TEST_TABLE(servers_with_one_secret_resume_one_another_s_sessions, versions)
{
    CHECK(passes_on(row, plain_server(row), keys_of(SECRET, 0), plain_server(row), keys_of(SECRET, 0)));
    CHECK(!passes_on(row, plain_server(row), keys_of(SECRET, 0), plain_server(row), keys_of(OTHER_SECRET, 0)));
    CHECK(!passes_on(row, plain_server(row), keys_of(SECRET, 0), plain_server(row), keys_of(SECRET, HOUR * SECOND)));
    CHECK(!passes_on(row, plain_server(row), keys_of(SECRET, 0), plain_server(row), random_keys(0)));
}

TEST_TABLE(servers_with_one_handle_resume_one_another_s_sessions, versions)
{
    struct host one, other;
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    bgl_ssl_config_t *second = plain_server(row);
    CHECK_OK(bgl_ssl_config_set_ticket_keys(second, keys));
    int from = open_host(&one, plain_server(row), keys, 1);
    other.config = second;
    start_service(&other.service, second, 1, serve_echo, NULL);
    bgl_ssl_session_t *session = full_session(row, NULL, from);
    /* The first server's end does not matter to the keys. */
    close_host(&one);
    CHECK(resumes(row, NULL, other.service.port, session));
    close_host(&other);
    bgl_ssl_session_free(session);
}

TEST_TABLE(servers_that_ask_nobody_share_sessions_whatever_cas_they_have, versions)
{
    bgl_ssl_config_t *first = plain_server(row), *second = plain_server(row);
    set_keys(first, keys_of(SECRET, 0));
    set_keys(second, keys_of(SECRET, 0));
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    CHECK_OK(bgl_ssl_config_freeze(first));
    setenv("SSL_CERT_FILE", pki("root2.pem"), 1);
    CHECK_OK(bgl_ssl_config_freeze(second));
    CHECK(passes_on(row, first, NULL, second, NULL));
}

/* What was agreed where nobody is asked is no way in where a certificate is demanded. */
TEST_TABLE(shared_keys_do_not_share_trust, versions)
{
    static const char *const cas[] = {"root.pem", "root2.pem", NULL};
    for (size_t i = 0; i < COUNT(cas) - 1; i++) {
        struct host one, other;
        bgl_ssl_config_t *first = plain_server(row), *second = plain_server(row);
        const char *identity = i == 0 ? NULL : "client";
        if (identity)
            set_ca(first, "root.pem");
        set_ca(second, cas[i]);
        int from = open_host(&one, first, keys_of(SECRET, 0), 1), to = open_host(&other, second, keys_of(SECRET, 0), 1);
        bgl_ssl_session_t *session = full_session(row, identity, from);
        struct outcome outcome = offer_session(row, identity, to, session);
        CHECK(!outcome.reused);
        CHECK(outcome.status < 0);
        bgl_ssl_session_free(session);
        bgl_ssl_session_free(outcome.session);
        close_host(&one);
        close_host(&other);
        CHECK_INT(BGL_SSL_E_VERIFY, other.service.last_refusal.code);
    }
}

TEST_TABLE(processes_with_one_secret_resume_one_another_s_sessions, versions)
{
    int ports[2], end[2];
    pid_t child;
    CHECK(pipe(ports) == 0 && pipe(end) == 0);
    /* Before there are any threads. */
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct host host;
        char byte;
        int port = open_host(&host, plain_server(row), keys_of(SECRET, 0), 1);
        if (write(ports[1], &port, sizeof port) == (ssize_t)sizeof port)
            close_host(&host);
        close(end[1]);
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    struct host host;
    int port, status;
    CHECK(read(ports[0], &port, sizeof port) == (ssize_t)sizeof port);
    int own = open_host(&host, plain_server(row), keys_of(SECRET, 0), 1);
    bgl_ssl_session_t *session = full_session(row, NULL, port);
    CHECK(resumes(row, NULL, own, session));
    bgl_ssl_session_free(session);
    close_host(&host);
    for (int i = 0; i < 2; i++) {
        close(ports[i]);
        close(end[i]);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* ---- keys that follow one another ---- */

/* Whether a session is resumed so many seconds after it was made, by keys that are renewed each minute. */
static void check_rotation(const struct version *version, const unsigned char *secret)
{
    static const struct {
        int64_t after;
        bool good;
    } moments[] = {{0, true}, {70, true}, {40 * MINUTE, true}, {HOUR - 2, true}, {HOUR + 1, false}, {5 * HOUR, false}};
    struct host host;
    bgl_ssl_config_t *config = plain_server(version);
    CHECK_OK(bgl_ssl_config_set_session_lifetime(config, HOUR * SECOND));
    bgl_ssl_ticket_keys_t *keys = secret ? keys_of(secret, MINUTE * SECOND) : random_keys(MINUTE * SECOND);
    int port = open_host(&host, config, keys, (int)COUNT(moments) + 1);
    bgl_ssl_session_t *session = full_session(version, NULL, port);
    int64_t passed = 0;
    for (size_t i = 0; i < COUNT(moments); i++) {
        atomic_fetch_add(&ahead, moments[i].after - passed);
        passed = moments[i].after;
        if (resumes(version, NULL, port, session) != moments[i].good)
            FAIL("%s after %lld s", moments[i].good ? "not resumed" : "resumed", (long long)passed);
    }
    close_host(&host);
    bgl_ssl_session_free(session);
}

TEST_TABLE(random_keys_are_renewed_and_old_ones_decrypt, versions) { check_rotation(row, NULL); }
TEST_TABLE(keys_of_a_secret_are_renewed_and_old_ones_decrypt, versions) { check_rotation(row, SECRET); }

TEST_TABLE(keys_of_a_secret_are_renewed_in_step, versions)
{
    struct host one, other;
    int from = open_host(&one, plain_server(row), keys_of(SECRET, MINUTE * SECOND), 3);
    int to = open_host(&other, plain_server(row), keys_of(SECRET, MINUTE * SECOND), 3);
    for (int i = 0; i < 3; i++) {
        bgl_ssl_session_t *session = full_session(row, NULL, from);
        CHECK(resumes(row, NULL, to, session));
        bgl_ssl_session_free(session);
        atomic_fetch_add(&ahead, 90);
    }
    close_host(&one);
    close_host(&other);
}

TEST_TABLE(the_clock_of_another_machine_may_be_ahead, versions)
{
    struct host one, other;
    int from = open_host(&one, plain_server(row), keys_of(SECRET, HOUR * SECOND), 1);
    int to = open_host(&other, plain_server(row), keys_of(SECRET, HOUR * SECOND), 1);
    atomic_fetch_add(&ahead, HOUR - 10);
    bgl_ssl_session_t *session = full_session(row, NULL, from);
    atomic_fetch_add(&ahead, 10 - HOUR);
    /* The client has got it from the future, too: in TLS 1.3 some versions of OpenSSL refuse a ticket whose age is below
     * zero. */
    if (!resumes(row, NULL, to, session) && ((const struct version *)row)->number != BGLSSL_TLSV1_3)
        FAIL("a ticket from the future is refused");
    close_host(&one);
    close_host(&other);
    bgl_ssl_session_free(session);
}

TEST_TABLE(an_added_key_encrypts_and_those_before_it_decrypt, versions)
{
    static const size_t lengths[] = {48, 80};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t length = lengths[i];
        bgl_ssl_ticket_keys_t *both = added_keys(1, length);
        add_key(both, 2, length);
        CHECK(passes_on(row, plain_server(row), added_keys(1, length), plain_server(row), both));
        both = added_keys(1, length);
        add_key(both, 2, length);
        CHECK(!passes_on(row, plain_server(row), both, plain_server(row), added_keys(1, length)));
        both = added_keys(1, length);
        add_key(both, 2, length);
        CHECK(passes_on(row, plain_server(row), both, plain_server(row), added_keys(2, length)));
    }
}

TEST_TABLE(a_key_is_added_while_a_server_is_at_work, versions)
{
    struct host host;
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    bgl_ssl_config_t *config = plain_server(row);
    CHECK_OK(bgl_ssl_config_set_ticket_keys(config, keys));
    host.config = config;
    start_service(&host.service, config, 4, serve_echo, NULL);
    bgl_ssl_session_t *before = full_session(row, NULL, host.service.port);
    add_key(keys, 1, 80);
    bgl_ssl_session_t *after = full_session(row, NULL, host.service.port);
    CHECK(resumes(row, NULL, host.service.port, before));
    CHECK(resumes(row, NULL, host.service.port, after));
    close_host(&host);
    bgl_ssl_ticket_keys_free(keys);
    bgl_ssl_session_free(before);
    bgl_ssl_session_free(after);
}

/* ---- files of keys ---- */

static bgl_ssl_ticket_keys_t *keys_of_file(const char *name, const void *content, size_t length)
{
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    CHECK_OK(bgl_ssl_ticket_keys_add_file(keys, write_file(name, content, length)));
    return keys;
}

TEST_TABLE(key_files_of_nginx_are_read, versions)
{
    static const size_t lengths[] = {48, 80};
    unsigned char key[80];
    memset(key, 0x55, sizeof key);
    key[0] = 1;
    for (size_t i = 0; i < COUNT(lengths); i++)
        CHECK(passes_on(row, plain_server(row), added_keys(1, lengths[i]), plain_server(row),
                        keys_of_file("nginx.key", key, lengths[i])));
}

/* 80 bytes, of which the first is 1, 2 and 3, and the others are 0x55. */
#define LINE_REST                                                                                                      \
    "VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVU=\n"
static const char HAPROXY[] = "AVVV" LINE_REST "AlVV" LINE_REST "A1VV" LINE_REST;

TEST_TABLE(key_files_of_haproxy_are_read, versions)
{
    size_t length = sizeof HAPROXY - 1;
    for (unsigned char number = 1; number <= 3; number++)
        CHECK(passes_on(row, plain_server(row), added_keys(number, 80), plain_server(row),
                        keys_of_file("haproxy.keys", HAPROXY, length)));
    /* The last but one encrypts. */
    CHECK(passes_on(row, plain_server(row), keys_of_file("haproxy.keys", HAPROXY, length), plain_server(row),
                    added_keys(2, 80)));
}

TEST(keys_that_cannot_be_are_refused)
{
    unsigned char bytes[81] = {0};
    bgl_ssl_ticket_keys_t *keys = random_keys(0), *derived = keys_of(SECRET, 0);
    static const size_t lengths[] = {0, 1, 16, 32, 47, 49, 79, 81};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_add(keys, bytes, lengths[i]));
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ticket_keys_add_file(keys, write_file("keys", bytes, lengths[i])));
        CHECK_MESSAGE("keys");
    }
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_add(keys, NULL, 80));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_add(NULL, bytes, 80));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ticket_keys_add(derived, bytes, 80));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ticket_keys_add_file(keys, write_file("keys", HAPROXY, 100)));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_ticket_keys_add_file(keys, "/nonexistent"));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_ticket_keys_add_file(keys, ""));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_add_file(keys, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_add_file(NULL, "/nonexistent"));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ticket_keys_add_file(derived, write_file("keys", bytes, 80)));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_from_secret(SECRET, 31, 0));
    CHECK_MESSAGE("31");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_from_secret(NULL, 32, 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_from_secret(NULL, 0, 0));
    static const int64_t periods[] = {-1, 1, MINUTE * SECOND - 1, INT64_MIN};
    for (size_t i = 0; i < COUNT(periods); i++) {
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_new(periods[i]));
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ticket_keys_from_secret(SECRET, 32, periods[i]));
    }
    bgl_ssl_ticket_keys_free(random_keys(INT64_MAX));
    bgl_ssl_ticket_keys_free(keys);
    bgl_ssl_ticket_keys_free(derived);
    bgl_ssl_ticket_keys_free(NULL);
}

TEST(settings_that_cannot_be_are_refused)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    char id[33] = {0};
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_sessions(config, 3));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_sessions(config, -1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_tickets(config, 17));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_tickets(config, UINT32_MAX));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_tickets(config, 256));
    static const int64_t lifetimes[] = {INT64_MIN, -1, 0, SECOND - 1, 7 * 24 * HOUR * SECOND + 1, INT64_MAX};
    for (size_t i = 0; i < COUNT(lifetimes); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_lifetime(config, lifetimes[i]));
    CHECK_OK(bgl_ssl_config_set_session_lifetime(config, SECOND));
    CHECK_OK(bgl_ssl_config_set_session_lifetime(config, 7 * 24 * HOUR * SECOND));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_cache(config, 0, 1 << 20));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_cache(config, 1, 4095));
    CHECK_OK(bgl_ssl_config_set_session_cache(config, SIZE_MAX, SIZE_MAX));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_id_context(config, id, 33));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_id_context(config, NULL, 1));
    CHECK_OK(bgl_ssl_config_set_session_id_context(config, id, 32));
    CHECK_OK(bgl_ssl_config_set_session_id_context(config, NULL, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_sessions(NULL, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_tickets(NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_lifetime(NULL, SECOND));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_cache(NULL, 1, 4096));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_session_id_context(NULL, id, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ticket_keys(NULL, keys));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ticket_keys(config, (void *)config));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_sessions(config, 0));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_tickets(config, 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_session_lifetime(config, SECOND));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_session_cache(config, 1, 4096));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_session_id_context(config, id, 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_ticket_keys(config, keys));
    bgl_ssl_ticket_keys_free(keys);
    bgl_ssl_config_free(config);
}

/* ---- a session id context of the program's ---- */

static bgl_ssl_config_t *server_in(const struct version *version, const char *context)
{
    bgl_ssl_config_t *config = plain_server(version);
    CHECK_OK(bgl_ssl_config_set_session_id_context(config, context, strlen(context)));
    return config;
}

TEST_TABLE(a_given_session_id_context_decides, versions)
{
    bgl_ssl_config_t *differs = server_in(row, "ours");
    CHECK_OK(bgl_ssl_config_set_groups(differs, "P-256:P-384"));
    CHECK(passes_on(row, server_in(row, "ours"), keys_of(SECRET, 0), differs, keys_of(SECRET, 0)));
    CHECK(!passes_on(row, server_in(row, "ours"), keys_of(SECRET, 0), server_in(row, "theirs"), keys_of(SECRET, 0)));
    CHECK(!passes_on(row, server_in(row, "ours"), keys_of(SECRET, 0), plain_server(row), keys_of(SECRET, 0)));
}

TEST(a_given_session_id_context_is_not_for_servers_that_ask_for_certificates)
{
    bgl_ssl_config_t *config = server_in(&versions[1], "ours");
    set_ca(config, "root.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_freeze(config));
    CHECK_MESSAGE("session id context");
    CHECK_OK(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_NONE));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

/* ---- how long ---- */

/* A session, and the one that a resumed handshake has brought, end together. */
static void check_lifetime(const struct version *version, int mode)
{
    struct host host;
    bgl_ssl_config_t *config = plain_server(version);
    CHECK_OK(bgl_ssl_config_set_sessions(config, mode));
    CHECK_OK(bgl_ssl_config_set_session_lifetime(config, 100 * SECOND));
    int port = open_host(&host, config, NULL, 5);
    bgl_ssl_session_t *first = full_session(version, NULL, port);
    atomic_fetch_add(&ahead, 60);
    struct outcome second = offer_session(version, NULL, port, first);
    CHECK(second.reused);
    atomic_fetch_add(&ahead, 36);
    struct outcome third = offer_session(version, NULL, port, second.session);
    CHECK(third.reused);
    atomic_fetch_add(&ahead, 6);
    CHECK(!resumes(version, NULL, port, third.session));
    CHECK(!resumes(version, NULL, port, first));
    close_host(&host);
    bgl_ssl_session_free(first);
    bgl_ssl_session_free(second.session);
    bgl_ssl_session_free(third.session);
}

TEST_TABLE(tickets_end_with_the_session_s_lifetime, versions) { check_lifetime(row, BGL_SSL_SESSIONS_TICKETS); }
TEST_TABLE(sessions_in_a_cache_end_with_their_lifetime, versions) { check_lifetime(row, BGL_SSL_SESSIONS_CACHE); }

/* Machines may differ: the lifetime is that of the server which resumes. */
TEST_TABLE(a_shorter_lifetime_counts_for_tickets_of_a_longer_one, versions)
{
    struct host one, other;
    bgl_ssl_config_t *shorter = plain_server(row);
    CHECK_OK(bgl_ssl_config_set_session_lifetime(shorter, 10 * SECOND));
    int from = open_host(&one, plain_server(row), keys_of(SECRET, 0), 2);
    int to = open_host(&other, shorter, keys_of(SECRET, 0), 1);
    bgl_ssl_session_t *session = full_session(row, NULL, from);
    atomic_fetch_add(&ahead, 30);
    CHECK(!resumes(row, NULL, to, session));
    CHECK(resumes(row, NULL, from, session));
    close_host(&one);
    close_host(&other);
    bgl_ssl_session_free(session);
}

/* ---- how many, as `openssl s_client` sees it ---- */

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    while ((text = strstr(text, word))) {
        count++;
        text++;
    }
    return count;
}

/* What s_client prints of a connection to a server of this config, which is taken over. */
static const char *shown_by(const struct peer_version *version, bgl_ssl_config_t *config)
{
    struct service service;
    start_service(&service, of_version(&version->version, config), 1, serve_a_line, NULL);
    const char *output = s_client(version, service.port, "localhost", true, "-msg");
    end_service(&service);
    bgl_ssl_config_free(config);
    return output;
}

TEST(a_client_of_tls_1_3_gets_as_many_tickets_as_the_config_says)
{
    static const unsigned counts[] = {0, 1, 2, 3, 16};
    for (size_t i = 0; i < COUNT(counts); i++) {
        bgl_ssl_config_t *config = server_config("good");
        CHECK_OK(bgl_ssl_config_set_tickets(config, counts[i]));
        CHECK_INT(counts[i], occurrences(shown_by(&peer_versions[1], config), ", NewSessionTicket"));
    }
    CHECK_INT(2, occurrences(shown_by(&peer_versions[1], server_config("good")), ", NewSessionTicket"));
}

static bool has_session_id(const char *output)
{
    const char *id = strstr(output, "Session-ID: ");
    return id && id[strlen("Session-ID: ")] != '\n';
}

/* What `openssl s_client` prints of it. */
static int hinted_lifetime(const char *output)
{
    static const char hint[] = "lifetime hint: ";
    const char *at = strstr(output, hint);
    return at ? atoi(at + strlen(hint)) : -1;
}

TEST(clients_are_told_for_how_long_a_session_lasts)
{
    for (size_t i = 0; i < COUNT(peer_versions); i++) {
        bgl_ssl_config_t *config = server_config("good");
        CHECK_OK(bgl_ssl_config_set_session_lifetime(config, 100 * SECOND));
        CHECK_INT(100, hinted_lifetime(shown_by(&peer_versions[i], config)));
    }
}

/* A ticket that comes with a resumed handshake of TLS 1.3 lasts for what is left. */
TEST(clients_are_told_what_is_left_of_a_session)
{
    struct service service;
    char *session = strdup(own_path("session"));
    bgl_ssl_config_t *config = of_version(&versions[1], server_config("good"));
    CHECK_OK(bgl_ssl_config_set_session_lifetime(config, 1000 * SECOND));
    start_service(&service, config, 2, serve_a_line, NULL);
    CHECK_INT(1000, hinted_lifetime(s_client(&peer_versions[1], service.port, "localhost", true, "-sess_out %s", session)));
    /* The server's clock, and not the client's: for TLS 1.3 a ticket must be about as old as its client says. */
    atomic_fetch_add(&ahead, 5);
    const char *output = s_client(&peer_versions[1], service.port, "localhost", true, "-sess_in %s", session);
    CHECK(strstr(output, "Reused, "));
    int left = hinted_lifetime(output);
    if (left < 900 || left > 995)
        FAIL("%d s are left", left);
    end_service(&service);
    bgl_ssl_config_free(config);
    free(session);
}

static void check_no_sessions(const struct peer_version *version, bgl_ssl_config_t *config)
{
    const char *output = shown_by(version, config);
    CHECK_INT(0, occurrences(output, ", NewSessionTicket"));
    CHECK(!has_session_id(output));
}

TEST_TABLE(without_sessions_there_is_neither_ticket_nor_id, peer_versions)
{
    bgl_ssl_config_t *none = server_config("good"), *no_tickets = server_config("good"),
                     *empty_cache = server_config("good");
    CHECK_OK(bgl_ssl_config_set_sessions(none, BGL_SSL_SESSIONS_NONE));
    check_no_sessions(row, none);
    CHECK_OK(bgl_ssl_config_set_tickets(no_tickets, 0));
    check_no_sessions(row, no_tickets);
    CHECK_OK(bgl_ssl_config_set_sessions(empty_cache, BGL_SSL_SESSIONS_CACHE));
    CHECK_OK(bgl_ssl_config_set_tickets(empty_cache, 0));
    check_no_sessions(row, empty_cache);
}

TEST_TABLE(without_sessions_none_is_resumed, versions)
{
    bgl_ssl_config_t *none = plain_server(row);
    CHECK_OK(bgl_ssl_config_set_sessions(none, BGL_SSL_SESSIONS_NONE));
    CHECK(!passes_on(row, plain_server(row), keys_of(SECRET, 0), none, keys_of(SECRET, 0)));
}

/* ---- a cache ---- */

static bgl_ssl_config_t *caching(const struct version *version)
{
    bgl_ssl_config_t *config = plain_server(version);
    CHECK_OK(bgl_ssl_config_set_sessions(config, BGL_SSL_SESSIONS_CACHE));
    return config;
}

/* Another server, whose context is another one. */
TEST_TABLE(sessions_in_a_cache_are_those_of_one_server, versions)
{
    bgl_ssl_config_t *other = caching(row);
    set_certificate(other, "good-rsa");
    CHECK(!passes_on(row, caching(row), keys_of(SECRET, 0), other, keys_of(SECRET, 0)));
    CHECK(!passes_on(row, caching(row), keys_of(SECRET, 0), plain_server(row), keys_of(SECRET, 0)));
}

TEST(a_cache_gives_ids_instead_of_tickets)
{
    for (size_t i = 0; i < COUNT(peer_versions); i++) {
        bool is_tls_1_3 = peer_versions[i].version.number == BGLSSL_TLSV1_3;
        const char *output = shown_by(&peer_versions[i], caching(&peer_versions[i].version));
        CHECK_INT(is_tls_1_3 ? 2 : 0, occurrences(output, ", NewSessionTicket"));
        CHECK(has_session_id(output));
    }
}

TEST_TABLE(the_oldest_session_leaves_a_full_cache, versions)
{
    struct host host;
    bgl_ssl_config_t *config = caching(row);
    CHECK_OK(bgl_ssl_config_set_tickets(config, 1));
    CHECK_OK(bgl_ssl_config_set_session_cache(config, 3, 1 << 20));
    int port = open_host(&host, config, NULL, 6);
    bgl_ssl_session_t *sessions[4];
    for (size_t i = 0; i < COUNT(sessions); i++)
        sessions[i] = full_session(row, NULL, port);
    CHECK(resumes(row, NULL, port, sessions[3]));
    CHECK(!resumes(row, NULL, port, sessions[0]));
    close_host(&host);
    for (size_t i = 0; i < COUNT(sessions); i++)
        bgl_ssl_session_free(sessions[i]);
}

TEST_TABLE(the_limit_of_another_config_s_cache_does_not_count, versions)
{
    struct host host, small;
    bgl_ssl_config_t *config = caching(row), *other = caching(row);
    CHECK_OK(bgl_ssl_config_set_session_cache(config, 100, 1 << 20));
    CHECK_OK(bgl_ssl_config_set_session_cache(other, 1, 1 << 20));
    int port = open_host(&host, config, NULL, 3), other_port = open_host(&small, other, NULL, 1);
    bgl_ssl_session_t *first = full_session(row, NULL, port), *second = full_session(row, NULL, port);
    bgl_ssl_session_t *of_other = full_session(row, NULL, other_port);
    CHECK(resumes(row, NULL, port, first));
    close_host(&host);
    close_host(&small);
    bgl_ssl_session_free(first);
    bgl_ssl_session_free(second);
    bgl_ssl_session_free(of_other);
}

/* The bytes in use after so many handshakes more. */
static size_t used_after(int handshakes, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server)
{
    for (int i = 0; i < handshakes; i++) {
        struct ends ends;
        int fds[2];
        local_pair(fds);
        make_lazy_ends(&ends, client, server, "localhost", fds);
        step_handshakes(&ends);
        CHECK_OK(ends.client_status);
        CHECK_OK(ends.server_status);
        free_ends(&ends);
    }
    return bytes_in_use();
}

TEST_TABLE(a_cache_takes_no_more_memory_than_it_may, stream_versions)
{
    enum { FILL = 200, MORE = 1500, SMALLEST_SESSION = 300, SPACE = 64 << 10 };
    const struct version *version = row;
    if (memory_is_watched())
        skip_test("an allocator that counts");
    bgl_ssl_config_t *client = of_version(version, client_of("localhost")), *server = caching(version);
    CHECK_OK(bgl_ssl_config_set_session_cache(server, 1 << 20, SPACE));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    size_t full = used_after(FILL, client, server), later = used_after(MORE, client, server);
    if (later > full + MORE * SMALLEST_SESSION / 4)
        FAIL("%zu bytes and then %zu", full, later);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- what a change of the server's config leaves ---- */

static void check_change(const struct version *version, int mode)
{
    struct host host;
    bgl_ssl_config_t *config = plain_server(version), *renewed = plain_server(version), *other = plain_server(version);
    CHECK_OK(bgl_ssl_config_set_sessions(config, mode));
    CHECK_OK(bgl_ssl_config_set_sessions(renewed, mode));
    CHECK_OK(bgl_ssl_config_set_sessions(other, mode));
    set_certificate(renewed, "good-rsa");
    set_keys(other, keys_of(OTHER_SECRET, 0));
    int port = open_host(&host, config, keys_of(SECRET, 0), 4);
    bgl_ssl_session_t *session = full_session(version, NULL, port);
    CHECK_OK(bgl_ssl_server_reload(host.service.server));
    CHECK(resumes(version, NULL, port, session));
    CHECK_OK(bgl_ssl_server_set_config(host.service.server, renewed));
    CHECK(resumes(version, NULL, port, session));
    /* Keys of the new config's take the place of the server's. */
    CHECK_OK(bgl_ssl_server_set_config(host.service.server, other));
    CHECK_INT(mode == BGL_SSL_SESSIONS_CACHE, resumes(version, NULL, port, session));
    close_host(&host);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(renewed);
    bgl_ssl_config_free(other);
}

TEST_TABLE(a_server_keeps_its_keys_unless_its_new_config_has_others, versions)
{
    check_change(row, BGL_SSL_SESSIONS_TICKETS);
}

TEST_TABLE(a_server_keeps_its_cache, versions) { check_change(row, BGL_SSL_SESSIONS_CACHE); }

/* ---- hosts ---- */

/* A host's settings count, and its keys, if it has any, before the server's. */
TEST_TABLE(hosts_have_their_own_sessions, versions)
{
    struct host one, other;
    bgl_ssl_config_t *first = plain_server(row), *own = of_version(row, server_config("host-a"));
    set_keys(own, keys_of(OTHER_SECRET, 0));
    add_host(first, "localhost", own);
    bgl_ssl_config_t *second = plain_server(row);
    add_host(second, "localhost", of_version(row, server_config("host-a")));
    int from = open_host(&one, first, keys_of(SECRET, 0), 2), to = open_host(&other, second, keys_of(OTHER_SECRET, 0), 1);
    bgl_ssl_session_t *session = full_session(row, NULL, from);
    CHECK(resumes(row, NULL, to, session));
    CHECK(resumes(row, NULL, from, session));
    bgl_ssl_session_free(session);
    close_host(&one);
    close_host(&other);
}

/* The session of one name is not one of another, though the keys, and all else, are the same. */
static void check_apart(const struct peer_version *version, int mode)
{
    static const char *const names[] = {"a.test", "b.test"};
    struct service service;
    char *session = strdup(own_path("session"));
    bgl_ssl_config_t *server = of_version(&version->version, server_config("good"));
    for (size_t i = 0; i < COUNT(names); i++) {
        bgl_ssl_config_t *host = of_version(&version->version, server_config("host-a"));
        set_keys(host, keys_of(SECRET, 0));
        CHECK_OK(bgl_ssl_config_set_sessions(host, mode));
        add_host(server, names[i], host);
    }
    start_service(&service, server, 3, serve_a_line, NULL);
    CHECK(strstr(s_client(version, service.port, "a.test", true, "-sess_out %s", session), "New, "));
    CHECK(strstr(s_client(version, service.port, "a.test", true, "-sess_in %s", session), "Reused, "));
    CHECK(!strstr(s_client(version, service.port, "b.test", true, "-sess_in %s", session), "Reused, "));
    end_service(&service);
    bgl_ssl_config_free(server);
    free(session);
}

TEST_TABLE(shared_keys_do_not_join_hosts, peer_versions)
{
    check_apart(row, BGL_SSL_SESSIONS_TICKETS);
    check_apart(row, BGL_SSL_SESSIONS_CACHE);
}

/* ---- what the hello tells of tickets ---- */

struct offer {
    size_t count, length;
    unsigned char first[512];
};

/* What the clients of a service have offered; for the test once the service has ended. */
struct offers {
    struct offer all[2];
    size_t count;
};

static void look_at_offer(bgl_ssl_socket_t *socket, void *data)
{
    struct offers *offers = data;
    struct offer *offer = &offers->all[offers->count++];
    unsigned char first[512];
    bgl_ssl_hello_t *hello;
    CHECK_OK(bgl_ssl_socket_hello(socket, &hello));
    offer->count = bgl_ssl_hello_psk_identity_count(hello);
    offer->length = bgl_ssl_hello_psk_identity(hello, 0, NULL, 0);
    CHECK_INT(offer->length, bgl_ssl_hello_psk_identity(hello, 0, first, sizeof first));
    memcpy(offer->first, first, sizeof first);
    CHECK_INT(0, bgl_ssl_hello_psk_identity(hello, offer->count, first, sizeof first));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_hello_free(hello);
    serve_echo(socket, NULL);
}

TEST_TABLE(the_hello_tells_which_key_a_ticket_is_of, versions)
{
    const struct version *version = row;
    struct offers offers = {.count = 0};
    const struct offer *again = &offers.all[1];
    struct service service;
    bgl_ssl_config_t *config = plain_server(version);
    unsigned char name[16];
    memset(name, 0x55, sizeof name);
    name[0] = 7;
    set_keys(config, added_keys(7, 80));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    start_service(&service, config, 2, look_at_offer, &offers);
    bgl_ssl_session_t *session = full_session(version, NULL, service.port);
    CHECK(resumes(version, NULL, service.port, session));
    end_service(&service);
    CHECK_INT(2, offers.count);
    CHECK_INT(0, offers.all[0].count);
    if (version->number == BGLSSL_TLSV1_3) {
        CHECK_INT(1, again->count);
        CHECK(again->length > sizeof name && memcmp(again->first, name, sizeof name) == 0);
    } else {
        CHECK_INT(0, again->count);
    }
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(config);
}

/* The second config has no keys of its own: then they are the server's, and not those of the first. */
static void serve_by_the_second_config(bgl_ssl_socket_t *socket, void *data)
{
    bgl_ssl_config_t **configs = data;
    CHECK_OK(bgl_ssl_socket_set_config(socket, configs[0]));
    CHECK_OK(bgl_ssl_socket_set_config(socket, configs[1]));
    serve_echo(socket, NULL);
}

TEST(a_socket_s_second_config_does_not_have_the_keys_of_its_first)
{
    const struct version *version = &versions[1];
    struct offers offers = {.count = 0};
    struct service service;
    unsigned char name[16];
    memset(name, 0x55, sizeof name);
    name[0] = 7;
    bgl_ssl_config_t *config = plain_server(version), *configs[] = {plain_server(version), plain_server(version)};
    set_keys(configs[0], added_keys(7, 80));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    start_service(&service, config, 1, serve_by_the_second_config, configs);
    bgl_ssl_session_t *session = full_session(version, NULL, service.port);
    end_service(&service);
    start_service(&service, config, 1, look_at_offer, &offers);
    resumes(version, NULL, service.port, session);
    end_service(&service);
    CHECK_INT(1, offers.all[0].count);
    CHECK(memcmp(offers.all[0].first, name, sizeof name) != 0);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(configs[0]);
    bgl_ssl_config_free(configs[1]);
}

TEST(null_hellos_offer_nothing)
{
    char byte;
    CHECK_INT(0, bgl_ssl_hello_psk_identity_count(NULL));
    CHECK_INT(0, bgl_ssl_hello_psk_identity(NULL, 0, &byte, 1));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 40, KEYS = 200 };

struct worker {
    const bgl_ssl_config_t *client, *server;
};

static void *connect_often(void *data)
{
    const struct worker *worker = data;
    for (int i = 0; i < ROUNDS; i++) {
        struct ends ends;
        int fds[2];
        local_pair(fds);
        make_lazy_ends(&ends, worker->client, worker->server, "localhost", fds);
        step_handshakes(&ends);
        CHECK_OK(ends.client_status);
        CHECK_OK(ends.server_status);
        CHECK(exchange_bytes(&ends));
        free_ends(&ends);
    }
    return NULL;
}

TEST(threads_use_keys_and_a_cache_while_keys_are_added)
{
    static const int modes[] = {BGL_SSL_SESSIONS_TICKETS, BGL_SSL_SESSIONS_CACHE};
    for (size_t i = 0; i < COUNT(modes); i++) {
        bgl_ssl_config_t *client = client_config(), *server = server_config("good");
        bgl_ssl_ticket_keys_t *keys = random_keys(MINUTE * SECOND);
        pthread_t threads[THREADS];
        CHECK_OK(bgl_ssl_config_set_sessions(server, modes[i]));
        CHECK_OK(bgl_ssl_config_set_session_cache(server, 1000, 20000));
        CHECK_OK(bgl_ssl_config_set_ticket_keys(server, keys));
        CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
        CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
        struct worker worker = {client, server};
        for (size_t j = 0; j < THREADS; j++)
            threads[j] = start_thread(connect_often, &worker);
        for (int j = 0; j < KEYS; j++) {
            atomic_fetch_add(&ahead, MINUTE);
            if (j % 2 == 1)
                add_key(keys, (unsigned char)j, 80);
        }
        for (size_t j = 0; j < THREADS; j++)
            join_thread(threads[j]);
        bgl_ssl_ticket_keys_free(keys);
        bgl_ssl_config_free(client);
        bgl_ssl_config_free(server);
    }
}

/* ---- keys shared by servers of which each has one host ---- */

static bgl_ssl_socket_t *ask_for_a(const struct version *version, int port, const bgl_ssl_session_t *session)
{
    bgl_ssl_config_t *client = of_version(version, client_config());
    CHECK_OK(bgl_ssl_config_set_hostname(client, "a.test"));
    bgl_ssl_socket_t *socket = bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session);
    bgl_ssl_config_free(client);
    return socket;
}

/* What was agreed with a.test is not resumed by the server of b.test, to which a full handshake is refused. */
TEST_TABLE(a_server_of_another_host_does_not_resume_with_the_same_keys, versions)
{
    struct host one, other;
    char byte = 'x';
    size_t n;
    bgl_ssl_ticket_keys_t *keys = random_keys(0);
    bgl_ssl_config_t *a = of_version(row, server_config("host-a")), *b = of_version(row, server_config("host-b"));
    CHECK_OK(bgl_ssl_config_set_ticket_keys(b, keys));
    int from = open_host(&one, a, keys, 1), to = open_host(&other, b, NULL, 1);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, ask_for_a(row, from, NULL));
    CHECK_OK(bgl_ssl_socket_write(socket, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_read(socket, &byte, 1, &n));
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    /* Even if the server of b.test can read the ticket. */
    CHECK_REFUSED(BGL_SSL_E_NAME, ask_for_a(row, to, session));
    bgl_ssl_session_free(session);
    close_host(&one);
    close_host(&other);
}
