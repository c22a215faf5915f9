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

/* A client and a server, one of which asks what the decision says. */
struct trial {
    struct client_and_service both;
    struct decision decision;
    bool resumed;
};

static void make_trial(struct trial *it, const struct version *version, const char *server)
{
    *it = (struct trial){.decision = {.accepts = true}};
    it->both.client = of_version(version, client_config());
    it->both.server = of_version(version, server_config(server));
    CHECK_OK(bgl_ssl_config_set_hostname(it->both.client, "localhost"));
}

static void begin_trial(struct trial *it, int connections)
{
    start_service_for(&it->both, it->both.client, it->both.server, connections, serve_echo, NULL);
}

static void end_trial(struct trial *it)
{
    end_client_and_service(&it->both);
}

/* How one more connection ends. */
static bgl_ssl_status_t try_again(struct trial *it)
{
    return try_connection(it->both.client, it->both.service.port, &it->resumed);
}

/* ---- on clients ---- */

TEST_TABLE(a_client_asks_in_full_and_in_resumed_handshakes, versions)
{
    struct trial trial;
    make_trial(&trial, row, "chained");
    CHECK_OK(bgl_ssl_config_set_verify_callback(trial.both.client, decide, &trial.decision));
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(i, trial.resumed);
        CHECK_INT(i, trial.decision.resumed);
        CHECK_INT(i + 1, trial.decision.calls);
        CHECK_INT(3, trial.decision.chain);
        CHECK_INT(0, trial.decision.verify_result);
        CHECK_STRING("localhost", trial.decision.name);
        check_asked(&trial.decision);
    }
    trial.decision.accepts = false;
    CHECK_STATUS(BGL_SSL_E_VERIFY, try_again(&trial));
    CHECK_INT(APPLICATION, last_error().verify_result);
    CHECK_MESSAGE("the program has refused the peer's certificate");
    CHECK_INT(3, trial.decision.calls);
    CHECK(trial.decision.resumed);
    end_trial(&trial);
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

/* What the function of a_program_may_close says when it has closed the socket. */
struct closing {
    bool accepts;
    bgl_ssl_status_t expected;
};

static bool close_and_decide(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                             int32_t verify_result, void *user)
{
    (void)chain, (void)verify_result;
    bgl_ssl_socket_close(socket);
    return ((const struct closing *)user)->accepts;
}

static void check_closing(const struct version *version, struct closing closing)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = of_version(version, client_config());
    CHECK_OK(bgl_ssl_config_set_verify_callback(client, close_and_decide, &closing));
    start_service_for(&both, client, of_version(version, server_config("good")), 1, serve_nothing, NULL);
    CHECK_REFUSED(closing.expected, bgl_ssl_connect(client, "127.0.0.1", both.service.port, AF_INET));
    end_client_and_service(&both);
}

TEST_TABLE(a_program_may_close_and_refuse, versions) { check_closing(row, (struct closing){false, BGL_SSL_E_VERIFY}); }

/* Calls on a socket that is closed meanwhile are BGL_SSL_E_STATE. */
TEST_TABLE(a_program_that_closes_and_accepts_gets_no_connection, versions)
{
    check_closing(row, (struct closing){true, BGL_SSL_E_STATE});
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
    struct trial trial;
    make_trial(&trial, row, "good");
    set_certificate(trial.both.client, "client");
    set_ca(trial.both.server, "root.pem");
    CHECK_OK(bgl_ssl_config_set_verify_callback(trial.both.server, decide, &trial.decision));
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(i, trial.resumed);
        CHECK_INT(i, trial.decision.resumed);
        CHECK_INT(i + 1, trial.decision.calls);
        CHECK_INT(2, trial.decision.chain);
        CHECK(strstr(trial.decision.subject, "client"));
        check_asked(&trial.decision);
    }
    trial.decision.accepts = false;
    CHECK(try_again(&trial) != BGL_SSL_OK);
    end_trial(&trial);
    CHECK_INT(1, trial.both.service.refused);
    CHECK_INT(BGL_SSL_E_VERIFY, trial.both.service.last_status);
    CHECK_INT(3, trial.decision.calls);
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

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        CHECK_INT(EINTR, errno);
}

static bool decide_later(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                         int32_t verify_result, void *user)
{
    struct pause *it = user;
    (void)socket, (void)chain, (void)verify_result;
    sem_post(&it->begun);
    await(&it->may_go_on);
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
    await(&pause.begun);
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

/* A listener for datagrams with this function, and a client that has not begun its handshake. */
static bgl_ssl_socket_t *begin_busy(struct busy_listener *it, bgl_ssl_verify_callback_t decide_so, void *user)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_protocol(server, BGLSSL_DTLSV1));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(server, HANDSHAKE_LIMIT * slowness()));
    CHECK_OK(bgl_ssl_config_set_verify_callback(server, decide_so, user));
    it->has_returned = false;
    it->listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(server, "127.0.0.1", 0, 5, AF_INET));
    bgl_ssl_socket_t *socket = connect_to(client, bgl_ssl_server_port(it->listener));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    return socket;
}

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
    struct busy_listener it;
    sem_init(&pause.begun, 0, 0);
    sem_init(&pause.may_go_on, 0, 0);
    bgl_ssl_socket_t *socket = begin_busy(&it, decide_later, &pause);
    pthread_t accepting = start_thread(accept_one, &it), completing = start_thread(complete_slowly, socket);
    await(&pause.begun);
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
}

static bool accept_others_and_decide(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain,
                                     int32_t verify_result, void *user)
{
    (void)socket, (void)chain, (void)verify_result;
    accept_without_waiting(user);
    return true;
}

/* It may call any function of the library. */
TEST(a_program_may_accept_other_datagrams_while_it_decides)
{
    struct busy_listener it;
    bgl_ssl_socket_t *socket = begin_busy(&it, accept_others_and_decide, &it);
    pthread_t completing = start_thread(complete_slowly, socket);
    accept_one(&it);
    join_thread(completing);
    finish(socket);
    bgl_ssl_server_free(it.listener);
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
    struct trial trial;
    make_trial(&trial, version, it->server);
    if (it->demand)
        it->demand(trial.both.client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(trial.both.client, decide, &trial.decision));
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(it->verify_result, trial.decision.verify_result);
        CHECK_INT(i + 1, trial.decision.calls);
    }
    trial.decision.accepts = false;
    CHECK_STATUS(it->refused, try_again(&trial));
    end_trial(&trial);
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
    struct trial trial;
    make_trial(&trial, version, "chained-soon");
    it->demand(trial.both.client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(trial.both.client, decide, &trial.decision));
    set_clock_to_end_plus(-600);
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(i, trial.resumed);
        CHECK_INT(it->first, trial.decision.verify_result);
    }
    set_clock_to_end_plus(60);
    CHECK_OK(try_again(&trial));
    CHECK(!trial.resumed);
    CHECK_INT(it->later, trial.decision.verify_result);
    end_trial(&trial);
}

TEST_TABLE(a_program_is_told_of_several_faults_where_a_ca_and_the_certificate_have_expired, versions)
{
    enum { LIFETIME = 5 * 366 * 86400 };
    struct trial trial;
    make_trial(&trial, row, "good");
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(trial.both.client, decide, &trial.decision));
    atomic_fetch_add(&ahead, LIFETIME);
    begin_trial(&trial, 1);
    CHECK_OK(try_again(&trial));
    CHECK_INT(SEVERAL, trial.decision.verify_result);
    end_trial(&trial);
}

/* As it does not hide that a revocation list is overdue. */
TEST_TABLE(an_overridden_one_is_verified_when_a_list_is_overdue, versions)
{
    enum { CRL_HAS_EXPIRED = 12, LIFETIME = 30 * 86400 };
    struct trial trial;
    struct stat made;
    make_trial(&trial, row, "good");
    CHECK_OK(bgl_ssl_config_add_crl_file(trial.both.client, pki("brief.crl")));
    want_another_name(trial.both.client);
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(trial.both.client, decide, &trial.decision));
    CHECK_INT(0, stat(pki("brief.crl"), &made));
    int64_t overdue = made.st_mtime + LIFETIME;
    atomic_fetch_add(&ahead, overdue - 600 - (int64_t)time(NULL));
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(i, trial.resumed);
    }
    atomic_fetch_add(&ahead, 1200);
    CHECK_OK(try_again(&trial));
    CHECK(!trial.resumed);
    CHECK(trial.decision.verify_result == CRL_HAS_EXPIRED || trial.decision.verify_result == SEVERAL);
    end_trial(&trial);
}

TEST_TABLE(over_tls_1_2_an_overridden_one_expires, expiring) { check_expiring(&versions[0], row); }
TEST_TABLE(over_tls_1_3_an_overridden_one_expires, expiring) { check_expiring(&versions[1], row); }
TEST_TABLE(over_dtls_1_2_an_overridden_one_expires, expiring) { check_expiring(&versions[2], row); }

/* The same of a client's certificate, whose own end it is. */
TEST_TABLE(a_server_that_overrides_sees_what_expires, versions)
{
    struct trial trial;
    make_trial(&trial, row, "good");
    set_certificate(trial.both.client, "chained-soon");
    trust_another_ca(trial.both.server);
    CHECK_OK(bgl_ssl_config_set_client_certificate(trial.both.server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    CHECK_OK(bgl_ssl_config_insecure_set_verify_override(trial.both.server, decide, &trial.decision));
    set_clock_to_end_plus(-600);
    begin_trial(&trial, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(try_again(&trial));
        CHECK_INT(i, trial.resumed);
        CHECK_INT(UNKNOWN_ISSUER, trial.decision.verify_result);
    }
    set_clock_to_end_plus(60);
    CHECK_OK(try_again(&trial));
    CHECK(!trial.resumed);
    end_trial(&trial);
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
