/* A function of the program decides about peers, in full and in resumed handshakes: it refuses, or overrides. */
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "clock.h"
#include "versions.h"

enum { SEVERAL = 1, UNKNOWN_ISSUER = 20, REJECTED = 28, APPLICATION = 50 };

struct decision {
    bool accepts;
    int calls, verify_result;
    size_t chain;
    char subject[64], protocol[16], name[64];
    bool resumed, had_socket;
    bgl_ssl_status_t reading, writing, handshake;
    const bgl_ssl_socket_t *lazy; /* to be used from inside */
};

static bool decide(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain, int32_t verify_result,
                   void *user)
{
    struct decision *it = user;
    char byte;
    size_t n;
    it->calls++;
    it->verify_result = verify_result;
    it->chain = bgl_ssl_certificate_list_length(chain);
    if (it->chain) {
        bgl_ssl_certificate_t *leaf = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(chain, 0));
        bgl_ssl_certificate_subject_name(leaf, it->subject, sizeof it->subject);
        bgl_ssl_certificate_free(leaf);
    }
    /* Whatever is asked is answered. */
    snprintf(it->protocol, sizeof it->protocol, "%s", bgl_ssl_socket_protocol(socket) ? "known" : "unknown");
    bgl_ssl_socket_server_name(socket, it->name, sizeof it->name);
    it->resumed = bgl_ssl_socket_session_reused(socket);
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    it->had_socket = (peer != NULL) == (it->chain > 0);
    bgl_ssl_certificate_free(peer);
    bgl_ssl_certificate_list_free(bgl_ssl_socket_verified_chain(socket));
    bgl_ssl_socket_verify_result(socket);
    /* What would wait for this is refused. */
    const bgl_ssl_socket_t *busy = it->lazy ? it->lazy : socket;
    it->reading = bgl_ssl_socket_read(busy, &byte, 1, &n);
    it->writing = bgl_ssl_socket_write(busy, "x", 1, &n);
    it->handshake = bgl_ssl_socket_handshake(busy);
    return it->accepts;
}

static void check_asked(const struct decision *it)
{
    CHECK(it->had_socket);
    CHECK_INT(BGL_SSL_E_STATE, it->reading);
    CHECK_INT(BGL_SSL_E_STATE, it->writing);
    CHECK_INT(BGL_SSL_E_STATE, it->handshake);
}

/* ---- on clients ---- */

TEST_TABLE(a_client_asks_in_full_and_in_resumed_handshakes, versions)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("chained"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, decide, &decision));
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(i, resumed);
        CHECK_INT(i, decision.resumed);
        CHECK_INT(i + 1, decision.calls);
        CHECK_INT(3, decision.chain);
        CHECK_INT(0, decision.verify_result);
        CHECK_STRING("localhost", decision.name);
        check_asked(&decision);
    }
    decision.accepts = false;
    CHECK_STATUS(BGL_SSL_E_VERIFY, try_connection(client, service.port, &resumed));
    CHECK_INT(APPLICATION, last_error().verify_result);
    CHECK_MESSAGE("the program has refused the peer's certificate");
    CHECK_INT(3, decision.calls);
    CHECK(decision.resumed);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_refused_peer_stays_refused_on_a_lazy_socket)
{
    struct ends ends;
    char byte;
    size_t n;
    struct decision decision = {.accepts = false};
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, decide, &decision));
    make_ends(&ends, client, server, "localhost");
    decision.lazy = ends.client;
    step_handshakes(&ends);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    CHECK_INT(1, decision.calls);
    check_asked(&decision);
    CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_socket_write(ends.client, &byte, 1, &n));
    CHECK_INT(1, decision.calls);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static bool close_and_refuse(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                             int32_t verify_result, void *user)
{
    (void)chain, (void)verify_result, (void)user;
    bgl_ssl_socket_close((bgl_ssl_socket_t *)(uintptr_t)socket);
    return false;
}

TEST_TABLE(a_program_may_close_and_refuse, versions)
{
    struct service service;
    bgl_ssl_config_t *client = of_version(row, client_config());
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, close_and_refuse, NULL));
    bgl_ssl_config_t *server = of_version(row, server_config("good"));
    start_service(&service, server, 1, serve_nothing, NULL);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(who_is_refused_already_is_not_asked_about)
{
    struct ends ends;
    struct decision decision = {.accepts = true};
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, decide, &decision));
    try_connect_with(&ends, client, server_config("untrusted"));
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    CHECK_INT(0, decision.calls);
    free_ends(&ends);
}

TEST(what_a_verification_would_find_is_told_where_none_is_demanded)
{
    struct ends ends;
    struct decision decision = {.accepts = true};
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, decide, &decision));
    connect_with(&ends, client, server_config("untrusted"));
    CHECK_INT(UNKNOWN_ISSUER, decision.verify_result);
    CHECK(decision.chain >= 1);
    free_ends(&ends);
}

/* ---- on servers ---- */

TEST_TABLE(a_server_asks_in_full_and_in_resumed_handshakes, versions)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("good"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    set_certificate(client, "client");
    set_ca(server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide, &decision));
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(i, resumed);
        CHECK_INT(i, decision.resumed);
        CHECK_INT(i + 1, decision.calls);
        CHECK_INT(2, decision.chain);
        CHECK(strstr(decision.subject, "client"));
        check_asked(&decision);
    }
    decision.accepts = false;
    CHECK(try_connection(client, service.port, &resumed) != BGL_SSL_OK);
    end_service(&service);
    CHECK_INT(1, service.refused);
    CHECK_INT(BGL_SSL_E_VERIFY, service.last_status);
    CHECK_INT(3, decision.calls);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* close_notify would be a proper end, of an answer without a byte. */
TEST(a_client_whom_the_server_s_program_refuses_reads_a_truncation)
{
    struct ends ends;
    struct decision decision = {.accepts = false};
    char byte;
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide, &decision));
    try_connect_with(&ends, client_config(), server);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.server_status);
    bgl_ssl_socket_close(ends.server);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    free_ends(&ends);
}

TEST(a_server_may_refuse_clients_without_a_certificate)
{
    struct ends ends;
    struct decision decision = {.accepts = false};
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide, &decision));
    try_connect_with(&ends, client_config(), server);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.server_status);
    CHECK_INT(0, decision.chain);
    CHECK_INT(1, decision.calls);
    free_ends(&ends);
}

/* The config of the host that a client asks for decides. */
TEST(a_host_has_a_function_of_its_own)
{
    struct ends ends;
    struct decision of_server = {.accepts = true}, of_host = {.accepts = false};
    bgl_ssl_config_t *server = server_config("good"), *host = server_config("host-a");
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide, &of_server));
    CHECK_OK(bgl_ssl_config_set_verify_callback(host, decide, &of_host));
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", host));
    bgl_ssl_config_free(host);
    bgl_ssl_config_t *client = client_config();
    connect_ends(&ends, client, server, "localhost");
    CHECK_INT(1, of_server.calls);
    CHECK_INT(0, of_host.calls);
    free_ends(&ends);
    make_ends(&ends, client, server, "a.test");
    step_handshakes(&ends);
    CHECK_INT(BGL_SSL_E_VERIFY, ends.server_status);
    CHECK_INT(1, of_host.calls);
    CHECK_INT(1, of_server.calls);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Sends for the library. The client whose turn it is answers before the call returns. */
static const bgl_ssl_socket_t *answering;

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    ssize_t sent = sendto(fd, data, length, flags, NULL, 0);
    const bgl_ssl_socket_t *client = answering;
    answering = NULL;
    if (client)
        bgl_ssl_socket_handshake(client);
    return sent;
}

TEST(the_function_of_a_host_is_asked_where_one_call_does_the_whole_handshake)
{
    struct ends ends;
    struct decision of_host = {.accepts = false};
    bgl_ssl_config_t *client = client_config(), *server = server_config("good"), *host = server_config("host-a");
    CHECK_OK(bgl_ssl_config_set_verify_callback(host, decide, &of_host));
    CHECK_OK(bgl_ssl_config_add_host(server, "a.test", host));
    bgl_ssl_config_free(host);
    make_ends(&ends, client, server, "a.test");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
    answering = ends.client;
    CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_socket_handshake(ends.server));
    CHECK_INT(1, of_host.calls);
    free_ends(&ends);
}

/* ---- threads ---- */

struct pause {
    sem_t begun, may_go_on;
};

static bool decide_later(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                         int32_t verify_result, void *user)
{
    struct pause *it = user;
    (void)socket, (void)chain, (void)verify_result;
    sem_post(&it->begun);
    while (sem_wait(&it->may_go_on) != 0)
        CHECK_INT(EINTR, errno);
    return true;
}

static void *complete(void *socket)
{
    CHECK_OK(bgl_ssl_socket_handshake(socket));
    return NULL;
}

static void *serve_one(void *socket)
{
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(socket, "x", 1, &n));
    return NULL;
}

/* While the function takes its time, the socket answers other threads, and those that read wait. */
TEST(other_threads_may_ask_and_wait_while_a_program_decides)
{
    struct ends ends;
    struct pause pause;
    sem_init(&pause.begun, 0, 0);
    sem_init(&pause.may_go_on, 0, 0);
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, decide_later, &pause));
    make_ends(&ends, client, server, "localhost");
    set_ends_blocking(&ends);
    pthread_t completing = start_thread(complete, ends.client), serving = start_thread(serve_one, ends.server);
    while (sem_wait(&pause.begun) != 0)
        CHECK_INT(EINTR, errno);
    CHECK(!bgl_ssl_socket_protocol(ends.client));
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(ends.client));
    bgl_ssl_certificate_free(peer);
    struct reader reader = {.socket = ends.client};
    pthread_t reading = start_thread(read_one, &reader);
    CHECK(!bgl_ssl_socket_session_reused(ends.client));
    sem_post(&pause.may_go_on);
    join_thread(completing);
    join_thread(reading);
    CHECK_INT(BGL_SSL_OK, reader.status);
    join_thread(serving);
    CHECK(bgl_ssl_socket_protocol(ends.client));
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

#define HANDSHAKE_LIMIT (1 * SECOND)
#define AFTER_HANDSHAKE_LIMIT ((HANDSHAKE_LIMIT + 200 * MS) * slowness())

struct busy_listener {
    bgl_ssl_server_t *listener;
    atomic_bool has_returned;
};

static void *accept_one(void *data)
{
    struct busy_listener *it = data;
    bgl_ssl_socket_t *accepted = NULL;
    CHECK_OK(bgl_ssl_server_accept(it->listener, 20 * SECOND * slowness(), &accepted));
    finish(accepted);
    return NULL;
}

/* Looks for clients until the handshake timeout is over, and never waits for one. */
static void *accept_without_waiting(void *data)
{
    struct busy_listener *it = data;
    bgl_ssl_socket_t *nobody = NULL;
    for (int64_t begin = now_us(); now_us() - begin < AFTER_HANDSHAKE_LIMIT;) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(it->listener, BGL_SSL_NO_WAIT, &nobody));
        usleep(1000);
    }
    atomic_store(&it->has_returned, true);
    return NULL;
}

/* The server comes to wait for each flight. */
static void *complete_slowly(void *socket)
{
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_handshake(socket)) == BGL_SSL_WANT_READ)
        usleep(20000);
    CHECK_OK(status);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
    return NULL;
}

/* A program that takes its time to decide about one client keeps no other accept of the server. */
TEST(other_threads_may_accept_datagrams_while_a_program_decides)
{
    struct pause pause;
    struct busy_listener it = {.has_returned = false};
    sem_init(&pause.begun, 0, 0);
    sem_init(&pause.may_go_on, 0, 0);
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_protocol(server, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, HANDSHAKE_LIMIT * slowness()));
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide_later, &pause));
    it.listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
    bgl_ssl_socket_t *socket = connect_to(client, bgl_ssl_server_port(it.listener));
    pthread_t accepting = start_thread(accept_one, &it), completing = start_thread(complete_slowly, socket);
    while (sem_wait(&pause.begun) != 0)
        CHECK_INT(EINTR, errno);
    pthread_t looking = start_thread(accept_without_waiting, &it);
    for (int64_t begin = now_us(); now_us() - begin < 3 * SECOND * slowness() && !atomic_load(&it.has_returned);)
        usleep(1000);
    bool has_returned = atomic_load(&it.has_returned);
    sem_post(&pause.may_go_on);
    join_thread(completing);
    finish(socket);
    join_thread(accepting);
    join_thread(looking);
    if (!has_returned)
        FAIL("an accept that does not wait has waited for the program's function in another thread");
    bgl_ssl_server_free(it.listener);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* Looks for further clients until the handshake timeout is over. */
static bool accept_others_and_decide(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                                     int32_t verify_result, void *user)
{
    (void)socket, (void)chain, (void)verify_result;
    struct busy_listener *it = user;
    bgl_ssl_socket_t *nobody = NULL;
    for (int64_t begin = now_us(); now_us() - begin < AFTER_HANDSHAKE_LIMIT;) {
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_server_accept(it->listener, BGL_SSL_NO_WAIT, &nobody));
        usleep(1000);
    }
    return true;
}

/* It may call any function of the library. */
TEST(a_program_may_accept_other_datagrams_while_it_decides)
{
    struct busy_listener it = {.has_returned = false};
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_protocol(server, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, HANDSHAKE_LIMIT * slowness()));
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, accept_others_and_decide, &it));
    it.listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
    bgl_ssl_socket_t *socket = connect_to(client, bgl_ssl_server_port(it.listener));
    pthread_t completing = start_thread(complete_slowly, socket);
    accept_one(&it);
    join_thread(completing);
    finish(socket);
    bgl_ssl_server_free(it.listener);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- overriding ---- */

struct overridden {
    const char *name;
    const char *server;
    void (*demand)(bgl_ssl_config_t *client);
    int verify_result;
    bgl_ssl_status_t refused;
};

static void accept_another(bgl_ssl_config_t *client) { set_accepted(client, "good-rsa.pem"); }
static void want_another_name(bgl_ssl_config_t *client)
{
    CHECK_OK(bgl_ssl_config_set_hostname(client, "other.test"));
}
static void want_another_name_and_certificate(bgl_ssl_config_t *client)
{
    want_another_name(client);
    accept_another(client);
}
static void pin_another(bgl_ssl_config_t *client)
{
    char pin[64];
    bgl_ssl_certificate_t *it = certificate("good-rsa.pem");
    CHECK_INT(52, bgl_ssl_certificate_pin(it, pin, sizeof pin));
    bgl_ssl_certificate_free(it);
    CHECK_OK(bgl_ssl_config_add_pins(client, pin));
}
static void trust_another_ca(bgl_ssl_config_t *config) { set_ca(config, "root2.pem"); }
static void want_a_staple(bgl_ssl_config_t *client)
{
    CHECK_OK(bgl_ssl_config_set_staple_policy(client, BGL_SSL_STAPLE_REQUIRE));
}

static const struct overridden overridden[] = {
    {"a_good_one", "good", NULL, 0, BGL_SSL_E_VERIFY},
    {"an_unknown_ca", "untrusted", NULL, UNKNOWN_ISSUER, BGL_SSL_E_VERIFY},
    {"an_expired_one", "expired", NULL, 10, BGL_SSL_E_VERIFY},
    {"another_name", "good", want_another_name, 62, BGL_SSL_E_NAME},
    {"one_that_is_not_accepted", "good", accept_another, REJECTED, BGL_SSL_E_VERIFY},
    {"an_expired_one_of_another_name", "expired", want_another_name, SEVERAL, BGL_SSL_E_VERIFY},
    {"an_expired_one_that_is_not_accepted", "expired", accept_another, SEVERAL, BGL_SSL_E_VERIFY},
    {"an_expired_one_that_is_not_pinned", "expired", pin_another, SEVERAL, BGL_SSL_E_VERIFY},
    {"one_of_another_name_that_is_not_accepted", "good", want_another_name_and_certificate, SEVERAL, BGL_SSL_E_VERIFY},
    {"an_expired_one_of_an_unknown_ca", "expired", trust_another_ca, SEVERAL, BGL_SSL_E_VERIFY},
    {"an_expired_one_without_a_staple", "expired", want_a_staple, SEVERAL, BGL_SSL_E_VERIFY},
    {"a_missing_staple", "good", want_a_staple, 73, BGL_SSL_E_VERIFY},
};

static void check_overriding(const struct version *version, const struct overridden *it)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(version, client_config());
    bgl_ssl_config_t *server = of_version(version, server_config(it->server));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    if (it->demand)
        it->demand(client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, decide, &decision));
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(it->verify_result, decision.verify_result);
        CHECK_INT(i + 1, decision.calls);
    }
    decision.accepts = false;
    CHECK_STATUS(it->refused, try_connection(client, service.port, &resumed));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(over_tls_1_2_a_program_may_override, overridden) { check_overriding(&versions[0], row); }
TEST_TABLE(over_tls_1_3_a_program_may_override, overridden) { check_overriding(&versions[1], row); }
TEST_TABLE(over_dtls_1_2_a_program_may_override, overridden) { check_overriding(&versions[2], row); }

/* ---- overriding, and time ---- */

/* Seconds from the end of the certificate that ends first in the chains of "chained-soon". */
static void set_clock_to_end_plus(int64_t seconds)
{
    bgl_ssl_certificate_t *ca = certificate("intermediate-soon.pem");
    atomic_fetch_add(&ahead, bgl_ssl_certificate_not_after(ca) + seconds - (int64_t)time(NULL));
    bgl_ssl_certificate_free(ca);
}

struct expiring {
    const char *name;
    void (*demand)(bgl_ssl_config_t *client);
    int first, later;
};

static const struct expiring expiring[] = {
    {"of_another_name", want_another_name, 62, SEVERAL},
    {"that_is_not_accepted", accept_another, REJECTED, SEVERAL},
    {"that_is_not_pinned", pin_another, REJECTED, SEVERAL},
    {"of_an_unknown_ca", trust_another_ca, UNKNOWN_ISSUER, UNKNOWN_ISSUER},
};

/* What the program has accepted once does not hide that a certificate has expired since: a CA's, which only a full handshake
 * shows. */
static void check_expiring(const struct version *version, const struct expiring *it)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(version, client_config());
    bgl_ssl_config_t *server = of_version(version, server_config("chained-soon"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    it->demand(client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, decide, &decision));
    set_clock_to_end_plus(-600);
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(i, resumed);
        CHECK_INT(it->first, decision.verify_result);
    }
    set_clock_to_end_plus(60);
    CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
    CHECK(!resumed);
    CHECK_INT(it->later, decision.verify_result);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(a_program_is_told_of_several_faults_where_a_ca_and_the_certificate_have_expired, versions)
{
    enum { LIFETIME = 5 * 366 * 86400 };
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("good"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, decide, &decision));
    atomic_fetch_add(&ahead, LIFETIME);
    start_service(&service, server, 1, serve_echo, NULL);
    CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
    CHECK_INT(SEVERAL, decision.verify_result);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* As it does not hide that a revocation list is overdue. */
TEST_TABLE(an_overridden_one_is_verified_when_a_list_is_overdue, versions)
{
    enum { CRL_HAS_EXPIRED = 12, LIFETIME = 30 * 86400 };
    struct service service;
    struct stat made;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("good"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_add_crl_file(client, pki("brief.crl")));
    want_another_name(client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(client, decide, &decision));
    CHECK_INT(0, stat(pki("brief.crl"), &made));
    int64_t overdue = made.st_mtime + LIFETIME;
    atomic_fetch_add(&ahead, overdue - 600 - (int64_t)time(NULL));
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(i, resumed);
    }
    atomic_fetch_add(&ahead, 1200);
    CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
    CHECK(!resumed);
    CHECK(decision.verify_result == CRL_HAS_EXPIRED || decision.verify_result == SEVERAL);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(over_tls_1_2_an_overridden_one_expires, expiring) { check_expiring(&versions[0], row); }
TEST_TABLE(over_tls_1_3_an_overridden_one_expires, expiring) { check_expiring(&versions[1], row); }
TEST_TABLE(over_dtls_1_2_an_overridden_one_expires, expiring) { check_expiring(&versions[2], row); }

/* The same of a client's certificate, whose own end it is. */
TEST_TABLE(a_server_that_overrides_sees_what_expires, versions)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bool resumed;
    bgl_ssl_config_t *client = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("good"));
    set_certificate(client, "chained-soon");
    trust_another_ca(server);
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(server, decide, &decision));
    set_clock_to_end_plus(-600);
    start_service(&service, server, 3, serve_echo, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
        CHECK_INT(i, resumed);
        CHECK_INT(UNKNOWN_ISSUER, decision.verify_result);
    }
    set_clock_to_end_plus(60);
    CHECK_STATUS(BGL_SSL_OK, try_connection(client, service.port, &resumed));
    CHECK(!resumed);
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* A session with a server that only the program has accepted is of no use to others. */
TEST_TABLE(an_overridden_session_stays_with_programs_that_override, versions)
{
    struct service service;
    struct decision decision = {.accepts = true};
    bgl_ssl_config_t *lax = of_version(row, client_config()), *strict = of_version(row, client_config());
    bgl_ssl_config_t *server = of_version(row, server_config("untrusted"));
    CHECK_OK(bgl_ssl_config_set_hostname(lax, "localhost"));
    CHECK_OK(bgl_ssl_config_set_hostname(strict, "localhost"));
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(lax, decide, &decision));
    start_service(&service, server, 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(lax, "127.0.0.1", service.port, AF_INET));
    check_echo(socket, "x");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    CHECK_REFUSED(BGL_SSL_E_VERIFY, bgl_ssl_connect_resume(strict, "127.0.0.1", service.port, AF_INET, session));
    end_service(&service);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(lax);
    bgl_ssl_config_free(strict);
    bgl_ssl_config_free(server);
}

TEST(wrong_arguments_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_verify_callback(NULL, decide, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_insecure_set_verify_override(NULL, decide, NULL));
    CHECK_OK(bgl_ssl_config_set_verify_callback(config, NULL, NULL));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_verify_callback(config, decide, NULL));
    bgl_ssl_config_free(config);
}

static bool close_and_accept(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                             int32_t verify_result, void *user)
{
    (void)chain, (void)verify_result, (void)user;
    bgl_ssl_socket_close(socket);
    return true;
}

/* Calls on a socket that is closed meanwhile are BGL_SSL_E_STATE. */
TEST_TABLE(a_program_that_closes_and_accepts_gets_no_connection, versions)
{
    struct service service;
    bgl_ssl_config_t *client = of_version(row, client_config()), *server = of_version(row, server_config("good"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, close_and_accept, NULL));
    start_service(&service, server, 1, serve_nothing, NULL);
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_connect(client, "127.0.0.1", service.port, AF_INET));
    end_service(&service);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}
