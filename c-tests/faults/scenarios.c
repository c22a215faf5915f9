/* What is done while something fails. Every call's failure must be told truthfully: a status, the same in the error
 * slot, and a message. Nothing here may insist that a call succeeds while failures are on. */
#include <poll.h>
#include <sys/socket.h>

#include "faults.h"

enum { BYTES = 40000 };

#define LIMIT (2 * SECOND * slowness())

/* ---- truth ---- */

/* True when the status is no failure. */
static bool is_good(bgl_ssl_status_t status, const char *call)
{
    if (status >= 0)
        return true;
    bgl_ssl_error_t error = last_error();
    if (error.code != status)
        FAIL("%s returned %s, and the error slot says %s: %s", call, bgl_ssl_status_name(status),
             bgl_ssl_status_name(error.code), error.message);
    if (!error.message[0])
        FAIL("%s returned %s without a message", call, bgl_ssl_status_name(status));
    return false;
}

static void *good_handle(void *handle, const char *call)
{
    if (!handle) {
        bgl_ssl_error_t error = last_error();
        if (error.code >= 0)
            FAIL("%s returned NULL, and the error slot says %s", call, bgl_ssl_status_name(error.code));
        is_good(error.code, call);
    }
    return handle;
}

#define IS_GOOD(call) is_good((call), #call)
#define TRY(type, call) ((type *)good_handle((call), #call))

/* Without a failure, only the right failure is allowed. */
static void must_be_planned(const char *what)
{
    if (!fault_has_fired())
        FAIL("%s, though nothing was made to fail: %s: %s", what, bgl_ssl_status_name(last_error().code),
             last_error().message);
}

static void refused_rightly(const struct scenario *scenario, enum outcome by)
{
    int32_t code = last_error().code;
    if (fault_has_fired())
        return;
    if (scenario->outcome != by || (code != BGL_SSL_E_VERIFY && code != BGL_SSL_E_NAME))
        must_be_planned(by == CLIENT_REFUSES ? "the client failed" : "the server failed");
}

static void accepted_by(const struct scenario *scenario, enum outcome by)
{
    if (scenario->outcome == by)
        FAIL("the %s accepted a peer that it has to refuse", by == CLIENT_REFUSES ? "client" : "server");
}

static char byte_at(size_t place)
{
    return (char)((place * 31 + place / 251) & 0xff);
}

static void fill(char *data, size_t from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        data[i] = byte_at(from + i);
}

static void check_bytes(const char *data, size_t from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (data[i] != byte_at(from + i))
            FAIL("byte %zu arrived changed", from + i);
}

/* ---- configs ---- */

static bool trust_file(bgl_ssl_config_t *config, const char *file, bool accept)
{
    bgl_ssl_certificate_t *one = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    if (!one)
        return false;
    const bgl_ssl_certificate_t *all[] = {one};
    bool good = IS_GOOD(accept ? bgl_ssl_config_set_accepted_certificates(config, all, 1)
                               : bgl_ssl_config_set_ca_certificates(config, all, 1));
    bgl_ssl_certificate_free(one);
    return good;
}

static bool identify(bgl_ssl_config_t *config, const char *name)
{
    char file[64];
    const bgl_ssl_certificate_t *chain[8];
    size_t count = 0;
    bool good = false;
    snprintf(file, sizeof file, "%s.pem", name);
    bgl_ssl_certificate_list_t *list = TRY(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki(file)));
    snprintf(file, sizeof file, "%s.key", name);
    bgl_ssl_private_key_t *key = TRY(bgl_ssl_private_key_t, bgl_ssl_load_private_key(pki(file)));
    for (size_t i = 0; list && i < bgl_ssl_certificate_list_length(list) && count < COUNT(chain); i++) {
        const bgl_ssl_certificate_t *one = bgl_ssl_certificate_list_get(list, i);
        if (one)
            chain[count++] = one;
    }
    if (list && key && count == bgl_ssl_certificate_list_length(list))
        good = IS_GOOD(bgl_ssl_config_set_certificate_chain(config, chain, count, key));
    while (count > 0)
        bgl_ssl_certificate_free((bgl_ssl_certificate_t *)(uintptr_t)chain[--count]);
    bgl_ssl_certificate_list_free(list);
    bgl_ssl_private_key_free(key);
    return good;
}

static bool limit(bgl_ssl_config_t *config, int protocol)
{
    return IS_GOOD(bgl_ssl_config_set_connect_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_handshake_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_read_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_write_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_close_timeout(config, LIMIT / 4)) &&
           (!protocol || IS_GOOD(bgl_ssl_config_set_protocol(config, protocol))) &&
           (protocol != BGLSSL_DTLSV1 || IS_GOOD(bgl_ssl_config_set_retransmission_timeout(config, 50 * MS)));
}

static bgl_ssl_config_t *make_config(const struct scenario *scenario, bool server)
{
    bgl_ssl_config_t *config = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
    if (!config)
        return NULL;
    bool good = limit(config, scenario->protocol);
    if (server)
        good = good && identify(config, scenario->identity) &&
               (!scenario->server_trusts ||
                (trust_file(config, scenario->server_trusts, false) &&
                 IS_GOOD(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED))));
    else
        good = good && (!scenario->client_trusts || trust_file(config, scenario->client_trusts, false)) &&
               (!scenario->accepted || trust_file(config, scenario->accepted, true)) &&
               (!scenario->client_identity || identify(config, scenario->client_identity)) &&
               IS_GOOD(bgl_ssl_config_set_hostname(config, scenario->host));
    good = good && IS_GOOD(bgl_ssl_config_freeze(config));
    if (good)
        return config;
    must_be_planned("a config was refused");
    bgl_ssl_config_free(config);
    return NULL;
}

static bool make_configs(const struct scenario *scenario, bgl_ssl_config_t *configs[2])
{
    configs[0] = make_config(scenario, false);
    configs[1] = make_config(scenario, true);
    return configs[0] && configs[1];
}

static void free_configs(bgl_ssl_config_t *configs[2])
{
    bgl_ssl_config_free(configs[0]);
    bgl_ssl_config_free(configs[1]);
}

/* ---- sockets that do not block, in one thread ---- */

static bool open_ends(struct ends *ends, bgl_ssl_config_t *configs[2])
{
    int fds[2];
    memset(ends, 0, sizeof *ends);
    local_pair(fds);
    ends->client = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(configs[0], fds[0], NULL, 0));
    ends->server = ends->client ? TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(configs[1], fds[1], 0)) : NULL;
    close(fds[0]);
    close(fds[1]);
    return ends->server && IS_GOOD(bgl_ssl_socket_set_nonblocking(ends->client, true)) &&
           IS_GOOD(bgl_ssl_socket_set_nonblocking(ends->server, true));
}

static void check_told(bgl_ssl_status_t status, const bgl_ssl_error_t *error)
{
    if (status < 0 && (error->code != status || !error->message[0]))
        FAIL("the handshake returned %s, and the error slot says %s: \"%s\"", bgl_ssl_status_name(status),
             bgl_ssl_status_name(error->code), error->message);
}

/* Bytes from one end to the other, then the end of the stream. What was told to be written must arrive if both ends
 * tell of no failure, and whatever arrives must be what was written. */
static bool pass(const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to, size_t total)
{
    static char data[BYTES], taken[BYTES];
    size_t written = 0, arrived = 0;
    bool shut = false;
    int64_t deadline = now_us() + LIMIT;
    fill(data, 0, total);
    for (;;) {
        size_t n = 0;
        if (written < total) {
            bgl_ssl_status_t status = bgl_ssl_socket_write(from, data + written, total - written, &n);
            written += n;
            if (!is_good(status, "bgl_ssl_socket_write"))
                return false;
        } else if (!shut) {
            bgl_ssl_status_t status = bgl_ssl_socket_shutdown(from);
            if (!is_good(status, "bgl_ssl_socket_shutdown"))
                return false;
            shut = status == BGL_SSL_OK;
        }
        bgl_ssl_status_t status = bgl_ssl_socket_read(to, taken, sizeof taken, &n);
        if (!is_good(status, "bgl_ssl_socket_read"))
            return false;
        if (status == BGL_SSL_OK)
            check_bytes(taken, arrived, n), arrived += n;
        if (status == BGL_SSL_EOF) {
            if (arrived != written || written != total)
                FAIL("%zu bytes were taken, %zu arrived before a clean end", written, arrived);
            return true;
        }
        if (now_us() > deadline)
            return false; /* limits of sockets that do not block are the caller's here */
        if (status == BGL_SSL_WANT_READ) {
            struct pollfd wait = {bgl_ssl_socket_fd(to), POLLIN, 0};
            poll(&wait, 1, shut ? 20 : 0);
        }
    }
}

/* In turns, since each waits for the other. */
static void close_ends(struct ends *ends)
{
    bgl_ssl_socket_t *open[2] = {ends->client, ends->server};
    int64_t deadline = now_us() + LIMIT;
    while ((open[0] || open[1]) && now_us() < deadline) {
        for (int i = 0; i < 2; i++) {
            bgl_ssl_status_t status = open[i] ? bgl_ssl_socket_close(open[i]) : BGL_SSL_OK;
            if (!is_good(status, "bgl_ssl_socket_close") || status == BGL_SSL_OK)
                open[i] = NULL;
        }
        if (open[0] || open[1])
            poll(NULL, 0, 1);
    }
    free_ends(ends);
}

static bool meet(const struct scenario *scenario, bgl_ssl_config_t *configs[2])
{
    struct ends ends;
    bool good = open_ends(&ends, configs);
    if (good) {
        step_handshakes(&ends);
        check_told(ends.client_status, &ends.client_error);
        check_told(ends.server_status, &ends.server_error);
        if (ends.client_status == BGL_SSL_OK)
            accepted_by(scenario, CLIENT_REFUSES);
        if (ends.server_status == BGL_SSL_OK)
            accepted_by(scenario, SERVER_REFUSES);
        bool both = ends.client_status == BGL_SSL_OK && ends.server_status == BGL_SSL_OK;
        const bgl_ssl_error_t *refusal = scenario->outcome == SERVER_REFUSES ? &ends.server_error : &ends.client_error;
        if (!both && !fault_has_fired() &&
            (scenario->outcome == SUCCEEDS || (refusal->code != BGL_SSL_E_VERIFY && refusal->code != BGL_SSL_E_NAME)))
            FAIL("the handshake failed: client %s, server %s", ends.client_error.message, ends.server_error.message);
        good = both && pass(ends.client, ends.server, BYTES) && pass(ends.server, ends.client, BYTES);
        if (both && !good)
            must_be_planned("bytes did not pass");
    } else {
        must_be_planned("no ends");
    }
    close_ends(&ends);
    return good;
}

static bgl_ssl_config_t *lazy(bgl_ssl_config_t *config)
{
    bgl_ssl_config_t *copy = config ? TRY(bgl_ssl_config_t, bgl_ssl_config_copy(config)) : NULL;
    if (copy && !IS_GOOD(bgl_ssl_config_set_lazy_handshake(copy, true))) {
        bgl_ssl_config_free(copy);
        copy = NULL;
    }
    bgl_ssl_config_free(config);
    return copy;
}

static bool make_lazy_configs(const struct scenario *scenario, bgl_ssl_config_t *configs[2])
{
    bool good = make_configs(scenario, configs);
    configs[0] = lazy(configs[0]);
    configs[1] = lazy(configs[1]);
    return good && configs[0] && configs[1];
}

static void in_lock_step(const struct scenario *scenario)
{
    bgl_ssl_config_t *configs[2], *later[2];
    if (scenario->configs_too)
        fault_begin();
    bool good = make_lazy_configs(scenario, configs);
    fault_begin();
    if (good)
        meet(scenario, configs);
    fault_end();
    free_configs(configs);
    if (!scenario->again)
        return;
    if (!make_lazy_configs(scenario, later))
        FAIL("after the failure a config is refused: %s", last_error().message);
    if (!meet(scenario, later) && scenario->outcome == SUCCEEDS)
        FAIL("after the failure a connection is refused: %s", last_error().message);
    free_configs(later);
}

/* ---- sockets that block, and a server in a thread ---- */

struct served {
    const struct scenario *scenario;
    bgl_ssl_server_t *server;
    int connections;
};

static void echo(bgl_ssl_socket_t *socket)
{
    char buffer[16384];
    size_t n = 0;
    size_t most = bgl_ssl_socket_is_datagram(socket) ? 1000 : sizeof buffer;
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_read(socket, buffer, most, &n)) == BGL_SSL_OK) {
        size_t written = 0;
        if (!IS_GOOD(bgl_ssl_socket_write(socket, buffer, n, &written)))
            return;
    }
    is_good(status, "bgl_ssl_socket_read");
}

static void *serve(void *data)
{
    struct served *served = data;
    for (int i = 0, failures = 0; i < served->connections && failures < 5;) {
        bgl_ssl_socket_t *socket = NULL;
        int64_t begun = now_us();
        bgl_ssl_status_t status = bgl_ssl_server_accept(served->server, LIMIT, &socket);
        if (now_us() - begun > 5 * LIMIT)
            FAIL("accept took %lld ms", (long long)(now_us() - begun) / 1000);
        if (status == BGL_SSL_OK) {
            accepted_by(served->scenario, SERVER_REFUSES);
            echo(socket);
            IS_GOOD(bgl_ssl_socket_close(socket));
        } else {
            is_good(status, "bgl_ssl_server_accept");
            if (status == BGL_SSL_E_STATE)
                break;
            if (last_error().phase != BGL_SSL_PHASE_HANDSHAKE) {
                failures++; /* the client is still to come */
                continue;
            }
            if (served->scenario->outcome == SERVER_REFUSES)
                refused_rightly(served->scenario, SERVER_REFUSES);
        }
        bgl_ssl_socket_free(socket);
        i++;
    }
    return NULL;
}

/* Writes, reads back, and hands out the session. */
static bool visit(const struct scenario *scenario, bgl_ssl_config_t *client, int port, bgl_ssl_session_t *offered,
                  bgl_ssl_session_t **session)
{
    static char data[BYTES], taken[BYTES];
    size_t arrived = 0, n = 0;
    bool good = false;
    bgl_ssl_socket_t *socket = offered ? bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, offered)
                                       : bgl_ssl_connect(client, "127.0.0.1", port, AF_INET);
    if (!good_handle(socket, "bgl_ssl_connect")) {
        if (scenario->outcome == SUCCEEDS || scenario->outcome == CLIENT_REFUSES)
            refused_rightly(scenario, CLIENT_REFUSES);
        return false;
    }
    accepted_by(scenario, CLIENT_REFUSES);
    bool datagrams = bgl_ssl_socket_is_datagram(socket);
    size_t total = datagrams ? 1000 : BYTES;
    fill(data, 0, total);
    if (IS_GOOD(bgl_ssl_socket_write(socket, data, total, &n))) {
        if (n != total)
            FAIL("%zu of %zu bytes were written, and it was called a success", n, total);
        while (arrived < total) {
            if (!IS_GOOD(bgl_ssl_socket_read(socket, taken, sizeof taken, &n)) || n == 0)
                break;
            check_bytes(taken, arrived, n);
            arrived += n;
        }
        good = arrived == total;
    }
    if (!good && scenario->outcome == SUCCEEDS)
        must_be_planned("the bytes did not come back");
    if (offered && good && !bgl_ssl_socket_session_reused(socket))
        must_be_planned("the session was not resumed");
    if (session)
        *session = TRY(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    IS_GOOD(bgl_ssl_socket_close(socket));
    bgl_ssl_socket_free(socket);
    return good;
}

static bool call_on(const struct scenario *scenario, bgl_ssl_config_t *configs[2], bgl_ssl_session_t *offered,
                    bgl_ssl_session_t **session)
{
    struct served served = {scenario, NULL, 1};
    served.server = TRY(bgl_ssl_server_t, bgl_ssl_listen(configs[1], "127.0.0.1", 0, 16, AF_INET));
    if (!served.server) {
        must_be_planned("bgl_ssl_listen failed");
        return false;
    }
    int port = bgl_ssl_server_port(served.server);
    pthread_t thread = start_thread(serve, &served);
    bool good = port > 0 && visit(scenario, configs[0], port, offered, session);
    if (!good)
        IS_GOOD(bgl_ssl_server_close(served.server));
    join_thread(thread);
    IS_GOOD(bgl_ssl_server_close(served.server));
    bgl_ssl_server_free(served.server);
    return good;
}

/* The connection whose session this one offers. */
static struct scenario fine_one_before(const struct scenario *scenario)
{
    struct scenario fine = *scenario;
    fine.outcome = SUCCEEDS;
    fine.host = "localhost";
    fine.client_trusts = "root.pem";
    if (scenario->outcome == SERVER_REFUSES)
        fine.server_trusts = NULL;
    fine.accepted = NULL;
    return fine;
}

static void blocking(const struct scenario *scenario)
{
    bgl_ssl_config_t *configs[2], *first[2] = {NULL, NULL};
    bgl_ssl_session_t *session = NULL, *kept = NULL;
    if (scenario->resumes) {
        /* These configs live on, and with them the keys of the server's tickets. */
        struct scenario fine = fine_one_before(scenario);
        if (!make_configs(&fine, first) || !call_on(&fine, first, NULL, &session) || !session)
            FAIL("no session: %s", last_error().message);
    }
    if (scenario->configs_too)
        fault_begin();
    bool good = make_configs(scenario, configs);
    fault_begin();
    if (good)
        call_on(scenario, configs, session, &kept);
    fault_end();
    bgl_ssl_session_free(kept);
    bgl_ssl_session_free(session);
    free_configs(configs);
    free_configs(first);
}

/* ---- the engine ---- */

struct text {
    char *data;
    size_t length;
};

static struct text read_text(const char *name, const char *ending)
{
    char file[64];
    struct text text;
    snprintf(file, sizeof file, "%s%s", name, ending);
    text.data = read_whole_file(pki(file), &text.length);
    return text;
}

static bgl_ssl_ctx_t *make_ctx(const struct scenario *scenario, bool server)
{
    const char *identity = server ? scenario->identity : scenario->client_identity;
    const char *trusts = server ? scenario->server_trusts : scenario->client_trusts;
    bgl_ssl_ctx_t *ctx = TRY(bgl_ssl_ctx_t, bgl_ssl_ctx_init(scenario->protocol == BGLSSL_TLSV1_2 ? "TLSv1_2_method" : "default"));
    bool good = ctx != NULL;
    if (identity && good) {
        struct text cert = read_text(identity, ".pem"), key = read_text(identity, ".key");
        good = IS_GOOD(bgl_ssl_ctx_set_cert(ctx, cert.data, 0, cert.length)) &&
               IS_GOOD(bgl_ssl_ctx_set_key(ctx, key.data, 0, key.length, NULL));
        free(cert.data);
        free(key.data);
    }
    if (trusts && good) {
        struct text ca = read_text(trusts, "");
        good = IS_GOOD(bgl_ssl_ctx_add_ca_cert(ctx, ca.data, 0, ca.length));
        free(ca.data);
    }
    if (!server && scenario->crl && good) {
        struct text crl = read_text(scenario->crl, "");
        good = IS_GOOD(bgl_ssl_ctx_add_crl(ctx, crl.data, 0, crl.length));
        free(crl.data);
    }
    if (good)
        return ctx;
    must_be_planned("a secure context was refused");
    bgl_ssl_ctx_free(ctx);
    return NULL;
}

/* A step's failure, if it is one. */
static bool went_well(const bgl_ssl_connection_t *connection, long result)
{
    char text[1024] = "";
    bgl_ssl_status_t status = bgl_ssl_connection_status(connection);
    if (result >= 0 || status >= 0)
        return true;
    if (bgl_ssl_connection_err(connection, text, sizeof text) == 0 || !text[0])
        if (!last_error().message[0])
            FAIL("the engine tells %s without a message", bgl_ssl_status_name(status));
    return false;
}

/* What one end has to say to the other; false when there was nothing, or the other does not take it. */
static bool carry_over(bgl_ssl_connection_t *from, bgl_ssl_connection_t *to)
{
    static char buffer[70000];
    long n = bgl_ssl_connection_read(from, buffer, 0, sizeof buffer);
    if (n <= 0)
        return false;
    long taken = bgl_ssl_connection_write(to, buffer, 0, (size_t)n);
    if (taken >= 0 && taken < n)
        FAIL("the engine took %ld of %ld bytes, and dropped the rest", taken, n);
    return taken == n;
}

static bool engine_pass(bgl_ssl_connection_t *from, bgl_ssl_connection_t *to)
{
    static char data[BYTES], taken[BYTES];
    size_t arrived = 0;
    fill(data, 0, BYTES);
    long written = bgl_ssl_connection_clear_in(from, data, 0, BYTES);
    if (written < 0) {
        went_well(from, written);
        return false;
    }
    CHECK_INT(BYTES, written);
    for (int idle = 0; arrived < BYTES && idle < 3;) {
        bool moved = carry_over(from, to);
        long n = bgl_ssl_connection_clear_out(to, taken, 0, sizeof taken);
        if (!went_well(to, n))
            return false;
        if (n > 0) {
            check_bytes(taken, arrived, (size_t)n);
            arrived += (size_t)n;
        }
        if (n == 0 && arrived < BYTES)
            FAIL("the stream ended cleanly after %zu of %d bytes", arrived, BYTES);
        idle = moved || n > 0 ? 0 : idle + 1;
    }
    return arrived == BYTES;
}

/* The session of a client, for a later one; empty if there is none. */
static struct text session_in_engine(bgl_ssl_connection_t *client)
{
    struct text session = {NULL, bgl_ssl_connection_get_session(client, NULL, 0)};
    if (session.length) {
        session.data = malloc(session.length);
        bgl_ssl_connection_get_session(client, session.data, session.length);
    }
    return session;
}

/* Offers a session unless it is empty, and hands out the new one where `session` is not NULL. */
static void meet_in_engine(const struct scenario *scenario, const bgl_ssl_ctx_t *contexts[2], struct text offered,
                           struct text *session)
{
    bgl_ssl_connection_t *server = NULL;
    bgl_ssl_connection_t *client =
        TRY(bgl_ssl_connection_t, bgl_ssl_connection_init(contexts[0], false, false, "localhost", false));
    bool asks = scenario->server_trusts != NULL;
    if (client)
        server = TRY(bgl_ssl_connection_t, bgl_ssl_connection_init(contexts[1], true, asks, NULL, asks));
    if (!server || !IS_GOOD(bgl_ssl_connection_set_hostname(client, scenario->host)) ||
        (offered.length && !IS_GOOD(bgl_ssl_connection_set_session(client, offered.data, offered.length)))) {
        must_be_planned("a connection was refused");
        bgl_ssl_connection_free(client);
        bgl_ssl_connection_free(server);
        return;
    }
    bool good = true;
    for (int idle = 0; idle < 2 && good;) {
        good = went_well(client, bgl_ssl_connection_start(client));
        bool moved = carry_over(client, server);
        good = went_well(server, bgl_ssl_connection_start(server)) && good;
        moved |= carry_over(server, client);
        idle = moved ? 0 : idle + 1;
    }
    bool done = bgl_ssl_connection_init_finishedp(client), served = bgl_ssl_connection_init_finishedp(server);
    const char *wrong = bgl_ssl_connection_verify_error(client);
    if (done && !wrong)
        accepted_by(scenario, CLIENT_REFUSES);
    if (served && asks && !bgl_ssl_connection_verify_error(server))
        accepted_by(scenario, SERVER_REFUSES);
    if (!fault_has_fired() && scenario->outcome == SUCCEEDS && (!done || !served || wrong))
        FAIL("the handshake failed: %s", wrong ? wrong : last_error().message);
    if (done && served && !wrong) {
        good = engine_pass(client, server) && engine_pass(server, client);
        if (!good)
            must_be_planned("bytes did not pass");
        if (offered.length && !bgl_ssl_connection_reused(client))
            must_be_planned("the session was not resumed");
        if (session)
            *session = session_in_engine(client);
        went_well(client, bgl_ssl_connection_shutdown(client));
        carry_over(client, server);
        went_well(server, bgl_ssl_connection_shutdown(server));
    }
    IS_GOOD(bgl_ssl_connection_close(client));
    bgl_ssl_connection_free(client);
    bgl_ssl_connection_free(server);
}

static void engine(const struct scenario *scenario)
{
    if (scenario->configs_too)
        fault_begin();
    bgl_ssl_ctx_t *contexts[2] = {make_ctx(scenario, false), make_ctx(scenario, true)};
    struct text session = {NULL, 0};
    if (scenario->resumes) {
        /* From the same server, where all is fine, and nothing fails. */
        struct scenario fine = fine_one_before(scenario);
        bgl_ssl_ctx_t *client = make_ctx(&fine, false);
        meet_in_engine(&fine, (const bgl_ssl_ctx_t *[]){client, contexts[1]}, session, &session);
        bgl_ssl_ctx_free(client);
        if (!session.length)
            FAIL("no session: %s", last_error().message);
    }
    fault_begin();
    if (contexts[0] && contexts[1])
        meet_in_engine(scenario, (const bgl_ssl_ctx_t **)contexts, session, NULL);
    fault_end();
    free(session.data);
    bgl_ssl_ctx_free(contexts[0]);
    bgl_ssl_ctx_free(contexts[1]);
}

/* ---- loading ---- */

static void load_certificates(const struct scenario *scenario)
{
    (void)scenario;
    fault_begin();
    bgl_ssl_certificate_t *pem = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.pem"), BGL_SSL_FORMAT_AUTO));
    bgl_ssl_certificate_t *der = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.der"), BGL_SSL_FORMAT_AUTO));
    bgl_ssl_certificate_list_t *list = TRY(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("three.pem")));
    bgl_ssl_certificate_list_t *half = bgl_ssl_load_pem(pki("good-then-half.pem"));
    if (half)
        FAIL("a list with half a certificate was taken");
    is_good(last_error().code, "bgl_ssl_load_pem");
    if (list && bgl_ssl_certificate_list_length(list) != 3)
        FAIL("%zu of 3 certificates were read, and it was called a success", bgl_ssl_certificate_list_length(list));
    char name[200];
    if (pem && bgl_ssl_certificate_subject_name(pem, name, sizeof name) == 0)
        must_be_planned("a certificate has no subject");
    if (pem && der && !bgl_ssl_certificate_equal(pem, der))
        must_be_planned("two equal certificates differ");
    if (!pem || !der || !list)
        must_be_planned("a certificate was refused");
    fault_end();
    bgl_ssl_certificate_free(pem);
    bgl_ssl_certificate_free(der);
    bgl_ssl_certificate_list_free(list);
}

static void load_keys(const struct scenario *scenario)
{
    (void)scenario;
    static const char *const files[] = {"good.key", "good-encrypted.key", "good-rsa-encrypted-old.key", "good.key.der",
                                        "good-encrypted.key.der"};
    bgl_ssl_private_key_t *keys[COUNT(files)];
    fault_begin();
    for (size_t i = 0; i < COUNT(files); i++) {
        keys[i] = TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki(files[i]), BGL_SSL_FORMAT_AUTO, "secret"));
        if (!keys[i])
            must_be_planned(files[i]);
    }
    bgl_ssl_private_key_t *wrong = bgl_ssl_private_key_from_file(pki("good-encrypted.key"), BGL_SSL_FORMAT_AUTO, "wrong");
    if (wrong)
        FAIL("a key was read with a wrong passphrase");
    is_good(last_error().code, "bgl_ssl_private_key_from_file");
    fault_end();
    for (size_t i = 0; i < COUNT(files); i++)
        bgl_ssl_private_key_free(keys[i]);
}

static void load_key(const struct scenario *scenario)
{
    (void)scenario;
    fault_begin();
    bgl_ssl_private_key_t *key =
        TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki("good.key.der"), BGL_SSL_FORMAT_DER, NULL));
    if (!key)
        must_be_planned("a key was refused");
    fault_end();
    bgl_ssl_private_key_free(key);
}

static void load_pkcs12(const struct scenario *scenario)
{
    (void)scenario;
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *certificate = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    fault_begin();
    if (IS_GOOD(bgl_ssl_pkcs12_from_file(pki("chained.p12"), "secret", &key, &certificate, &chain))) {
        if (!key || !certificate || !chain || bgl_ssl_certificate_list_length(chain) != 3)
            FAIL("a PKCS#12 was read in part, and it was called a success");
        if (!IS_GOOD(bgl_ssl_certificate_check_private_key(certificate, key)))
            must_be_planned("key and certificate do not fit");
    } else {
        must_be_planned("a PKCS#12 was refused");
        if (key || certificate || chain)
            FAIL("a failure hands out handles");
    }
    fault_end();
    bgl_ssl_private_key_free(key);
    bgl_ssl_certificate_free(certificate);
    bgl_ssl_certificate_list_free(chain);
}

static void load_crls(const struct scenario *scenario)
{
    struct text good = read_text("root.crl", ""), other = read_text("intermediate.crl", "");
    struct text both = {malloc(good.length + other.length), good.length + other.length};
    memcpy(both.data, good.data, good.length);
    memcpy(both.data + good.length, other.data, other.length);
    (void)scenario;
    fault_begin();
    bgl_ssl_ctx_t *ctx = TRY(bgl_ssl_ctx_t, bgl_ssl_ctx_init("default"));
    if (ctx) {
        if (!IS_GOOD(bgl_ssl_ctx_add_crl(ctx, good.data, 0, good.length)) ||
            !IS_GOOD(bgl_ssl_ctx_add_crl(ctx, both.data, 0, both.length)))
            must_be_planned("revocation lists were refused");
        /* The second list is cut off. */
        if (is_good(bgl_ssl_ctx_add_crl(ctx, both.data, 0, both.length - other.length / 2), "bgl_ssl_ctx_add_crl"))
            FAIL("half a revocation list was taken");
    } else {
        must_be_planned("a secure context was refused");
    }
    fault_end();
    bgl_ssl_ctx_free(ctx);
    free(both.data);
    free(good.data);
    free(other.data);
}

/* ---- certificates that are used again ---- */

struct handles {
    bgl_ssl_certificate_t *root, *leaf;
    bgl_ssl_private_key_t *key;
};

static bool make_configs_of(const struct handles *handles, bgl_ssl_config_t *configs[2])
{
    const bgl_ssl_certificate_t *leaf[] = {handles->leaf}, *root[] = {handles->root};
    bool good = true;
    for (int i = 0; i < 2; i++) {
        configs[i] = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
        good = good && configs[i] && limit(configs[i], 0) &&
               IS_GOOD(bgl_ssl_config_set_lazy_handshake(configs[i], true));
    }
    return good && IS_GOOD(bgl_ssl_config_set_certificate_chain(configs[1], leaf, 1, handles->key)) &&
           IS_GOOD(bgl_ssl_config_set_ca_certificates(configs[0], root, 1)) &&
           IS_GOOD(bgl_ssl_config_set_hostname(configs[0], "localhost")) &&
           IS_GOOD(bgl_ssl_config_freeze(configs[0])) && IS_GOOD(bgl_ssl_config_freeze(configs[1]));
}

/* A failure meanwhile does no lasting harm to certificates that could be read. */
static void kept_handles(const struct scenario *scenario)
{
    bgl_ssl_config_t *configs[2] = {NULL, NULL}, *later[2];
    struct handles handles;
    fault_begin();
    handles.root = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("root.pem"), BGL_SSL_FORMAT_PEM));
    handles.leaf = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.der"), BGL_SSL_FORMAT_DER));
    handles.key = TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki("good.key"), BGL_SSL_FORMAT_PEM, NULL));
    bool whole = handles.root && handles.leaf && handles.key;
    if (whole && make_configs_of(&handles, configs))
        meet(scenario, configs);
    else
        must_be_planned("certificates or configs were refused");
    fault_end();
    free_configs(configs);
    if (whole) {
        if (!make_configs_of(&handles, later))
            FAIL("after the failure a config is refused: %s", last_error().message);
        if (!meet(scenario, later))
            FAIL("after the failure a connection is refused: %s", last_error().message);
        free_configs(later);
    }
    bgl_ssl_certificate_free(handles.root);
    bgl_ssl_certificate_free(handles.leaf);
    bgl_ssl_private_key_free(handles.key);
}

/* ---- the table ---- */

#define BASE .identity = "good", .host = "localhost", .client_trusts = "root.pem"
#define NAME_IS_WRONG .outcome = CLIENT_REFUSES, .identity = "wrong-name", .host = "localhost", .client_trusts = "root.pem"
#define CA_IS_WRONG .outcome = CLIENT_REFUSES, .identity = "good", .host = "localhost", .client_trusts = "root2.pem"
#define IS_EXPIRED .outcome = CLIENT_REFUSES, .identity = "expired", .host = "localhost", .client_trusts = "root.pem"
#define IS_NOT_ACCEPTED BASE, .outcome = CLIENT_REFUSES, .accepted = "good-rsa.pem"
#define HAS_NO_CERTIFICATE BASE, .outcome = SERVER_REFUSES, .server_trusts = "root.pem"
#define CLIENTS_CA_IS_WRONG HAS_NO_CERTIFICATE, .client_identity = "client-untrusted"
#define CLIENT_IS_EXPIRED HAS_NO_CERTIFICATE, .client_identity = "client-expired"
#define CLIENT_IS_GOOD BASE, .server_trusts = "root.pem", .client_identity = "client"

const struct scenario scenarios[] = {
    {"cold_sockets", in_lock_step, BASE, .configs_too = true, .cold = true},
    {"cold_sockets_wrong_ca", in_lock_step, CA_IS_WRONG, .configs_too = true, .cold = true},
    {"cold_engine", engine, BASE, .configs_too = true, .cold = true},
    /* OpenSSL's library context, which crashes some versions where it is missing, takes some fifty of 9000 calls. */
    {"cold_key", load_key, .outcome = SUCCEEDS, .at_least = 240, .cold = true},
    {"cold_keys", load_keys, .outcome = SUCCEEDS, .cold = true},
    {"cold_pkcs12", load_pkcs12, .outcome = SUCCEEDS, .cold = true},
    {"sockets", in_lock_step, BASE, .configs_too = true},
    {"sockets_again", in_lock_step, BASE, .configs_too = true, .again = true},
    {"sockets_systems_cas_again", in_lock_step, .identity = "good", .host = "localhost", .configs_too = true, .again = true},
    {"sockets_tls12", in_lock_step, BASE, .protocol = BGLSSL_TLSV1_2},
    {"sockets_chain", in_lock_step, .identity = "chained", .host = "localhost", .client_trusts = "root.pem"},
    {"sockets_systems_cas", in_lock_step, .identity = "good", .host = "localhost", .configs_too = true},
    {"sockets_not_of_systems_cas", in_lock_step, .outcome = CLIENT_REFUSES, .identity = "untrusted", .host = "localhost",
     .configs_too = true},
    {"sockets_client_certificate", in_lock_step, CLIENT_IS_GOOD, .configs_too = true},
    {"sockets_wrong_name", in_lock_step, NAME_IS_WRONG, .configs_too = true},
    {"sockets_wrong_name_tls12", in_lock_step, NAME_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"sockets_wrong_ca", in_lock_step, CA_IS_WRONG, .configs_too = true},
    {"sockets_wrong_ca_tls12", in_lock_step, CA_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"sockets_expired", in_lock_step, IS_EXPIRED},
    {"sockets_not_accepted", in_lock_step, IS_NOT_ACCEPTED, .configs_too = true},
    {"sockets_no_client_certificate", in_lock_step, HAS_NO_CERTIFICATE, .configs_too = true},
    {"sockets_no_client_certificate_tls12", in_lock_step, HAS_NO_CERTIFICATE, .protocol = BGLSSL_TLSV1_2},
    {"sockets_clients_wrong_ca", in_lock_step, CLIENTS_CA_IS_WRONG},
    {"sockets_client_expired", in_lock_step, CLIENT_IS_EXPIRED},
    {"tcp", blocking, BASE, .configs_too = true},
    {"tcp_tls12", blocking, BASE, .protocol = BGLSSL_TLSV1_2},
    {"tcp_client_certificate", blocking, CLIENT_IS_GOOD},
    {"tcp_wrong_name", blocking, NAME_IS_WRONG},
    {"tcp_wrong_ca", blocking, CA_IS_WRONG},
    {"tcp_no_client_certificate", blocking, HAS_NO_CERTIFICATE},
    {"resume", blocking, BASE, .resumes = true},
    {"resume_tls12", blocking, BASE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"resume_client_certificate", blocking, CLIENT_IS_GOOD, .resumes = true},
    {"resume_wrong_name", blocking, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true},
    {"resume_wrong_ca", blocking, CA_IS_WRONG, .resumes = true},
    {"resume_not_accepted", blocking, IS_NOT_ACCEPTED, .resumes = true},
    {"resume_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .resumes = true},
    {"resume_no_client_certificate_tls12", blocking, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"datagrams", blocking, BASE, .protocol = BGLSSL_DTLSV1},
    {"datagrams_client_certificate", blocking, CLIENT_IS_GOOD, .protocol = BGLSSL_DTLSV1},
    {"datagrams_wrong_name", blocking, NAME_IS_WRONG, .protocol = BGLSSL_DTLSV1},
    {"datagrams_wrong_ca", blocking, CA_IS_WRONG, .protocol = BGLSSL_DTLSV1},
    {"datagrams_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams", blocking, BASE, .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams_wrong_name", blocking, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"engine", engine, BASE, .configs_too = true},
    {"engine_tls12", engine, BASE, .protocol = BGLSSL_TLSV1_2},
    {"engine_client_certificate", engine, CLIENT_IS_GOOD},
    {"engine_wrong_name", engine, NAME_IS_WRONG},
    {"engine_wrong_name_tls12", engine, NAME_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"engine_wrong_ca", engine, CA_IS_WRONG, .configs_too = true},
    {"engine_expired", engine, IS_EXPIRED},
    {"engine_revoked", engine, .outcome = CLIENT_REFUSES, .identity = "revoked", .host = "localhost",
     .client_trusts = "root.pem", .crl = "root.crl", .configs_too = true},
    {"engine_no_client_certificate", engine, HAS_NO_CERTIFICATE},
    {"engine_clients_wrong_ca", engine, CLIENTS_CA_IS_WRONG},
    {"engine_client_expired", engine, CLIENT_IS_EXPIRED},
    {"engine_resume", engine, BASE, .resumes = true},
    {"engine_resume_tls12", engine, BASE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"engine_resume_client_certificate", engine, CLIENT_IS_GOOD, .resumes = true},
    {"engine_resume_wrong_name", engine, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true},
    {"engine_resume_wrong_ca", engine, CA_IS_WRONG, .resumes = true},
    {"engine_resume_no_client_certificate", engine, HAS_NO_CERTIFICATE, .resumes = true},
    {"engine_resume_no_client_certificate_tls12", engine, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"certificates", load_certificates, .outcome = SUCCEEDS},
    {"keys", load_keys, .outcome = SUCCEEDS},
    {"pkcs12", load_pkcs12, .outcome = SUCCEEDS},
    {"revocation_lists", load_crls, .outcome = SUCCEEDS},
    {"kept_certificates", kept_handles, BASE},
    {.name = NULL},
};

void warm_up_openssl(void)
{
    static const struct scenario warming[] = {
        {"", in_lock_step, CLIENT_IS_GOOD},
        {"", in_lock_step, CLIENT_IS_GOOD, .protocol = BGLSSL_TLSV1_2},
        {"", in_lock_step, CLIENTS_CA_IS_WRONG},
        {"", in_lock_step, .identity = "good", .host = "localhost"},
        {"", engine, BASE},
        {"", load_certificates, .outcome = SUCCEEDS},
        {"", load_keys, .outcome = SUCCEEDS},
        {"", load_pkcs12, .outcome = SUCCEEDS},
    };
    for (size_t i = 0; i < COUNT(warming); i++)
        warming[i].run(&warming[i]);
}
