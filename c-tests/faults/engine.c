/* Connections of the engine. */
#include "steps.h"

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
static void connect_in_engine(const struct scenario *scenario, const bgl_ssl_ctx_t *contexts[2], struct text offered,
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

void engine(const struct scenario *scenario)
{
    if (scenario->configs_too)
        fault_begin();
    bgl_ssl_ctx_t *contexts[2] = {make_ctx(scenario, false), make_ctx(scenario, true)};
    struct text session = {NULL, 0};
    if (scenario->resumes) {
        /* From the same server, where all is fine, and nothing fails. */
        struct scenario fine = fine_one_before(scenario);
        bgl_ssl_ctx_t *client = make_ctx(&fine, false);
        connect_in_engine(&fine, (const bgl_ssl_ctx_t *[]){client, contexts[1]}, session, &session);
        bgl_ssl_ctx_free(client);
        if (!session.length)
            FAIL("no session: %s", last_error().message);
    }
    fault_begin();
    if (contexts[0] && contexts[1])
        connect_in_engine(scenario, (const bgl_ssl_ctx_t **)contexts, session, NULL);
    fault_end();
    free(session.data);
    bgl_ssl_ctx_free(contexts[0]);
    bgl_ssl_ctx_free(contexts[1]);
}
