/* Sessions of connections without a socket: exported, imported, looked up by servers, resumed. */
#define _GNU_SOURCE
#include "engine.h"

#define SSL_OP_NO_TICKET (UINT64_C(1) << 14)

struct store {
    char id[256];
    size_t id_len;
    char session[8192];
    size_t session_len;
    int asked;
};

static void keep(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session,
                 size_t session_len, void *user)
{
    struct store *store = user;
    (void)connection;
    CHECK(id_len <= sizeof store->id && session_len <= sizeof store->session);
    memcpy(store->id, id, id_len);
    memcpy(store->session, session, session_len);
    store->id_len = id_len;
    store->session_len = session_len;
}

static void look_up(bgl_ssl_connection_t *connection, const void *id, size_t id_len, void *user)
{
    struct store *store = user;
    store->asked++;
    if (id_len == store->id_len && memcmp(id, store->id, id_len) == 0)
        CHECK_OK(bgl_ssl_connection_load_session(connection, store->session, store->session_len));
}

struct run {
    bgl_ssl_ctx_t *client, *server;
    struct store server_store;
    char exported[8192];
    size_t exported_len;
};

static void begin(struct run *run, const char *method, bool tickets)
{
    memset(run, 0, sizeof *run);
    run->client = client_ctx(method);
    run->server = server_ctx("default", "good");
    if (!tickets)
        CHECK_OK(bgl_ssl_ctx_set_options(run->server, SSL_OP_NO_TICKET));
}

static void end(struct run *run)
{
    bgl_ssl_ctx_free(run->client);
    bgl_ssl_ctx_free(run->server);
}

/* One connection that offers what the one before exported; true if it was resumed. */
static bool connect_once(struct run *run, bool with_store)
{
    struct store client_store;
    memset(&client_store, 0, sizeof client_store);
    struct pair pair = make_pair(run->client, run->server);
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(pair.client, keep, &client_store));
    if (with_store) {
        CHECK_OK(bgl_ssl_connection_set_newsession_callback(pair.server, keep, &run->server_store));
        CHECK_OK(bgl_ssl_connection_set_session_lookup_callback(pair.server, look_up, &run->server_store));
    }
    if (run->exported_len)
        CHECK_OK(bgl_ssl_connection_set_session(pair.client, run->exported, run->exported_len));
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    exchange_messages(&pair);
    CHECK_STRING("fine", verify_error(pair.client));
    bool reused = bgl_ssl_connection_reused(pair.client);
    CHECK_INT(reused, bgl_ssl_connection_reused(pair.server));
    if (client_store.session_len) {
        memcpy(run->exported, client_store.session, client_store.session_len);
        run->exported_len = client_store.session_len;
    }
    free_pair(&pair);
    return reused;
}

static const struct way {
    const char *name;
    const char *method;
    bool tickets;
    bool store;
} ways[] = {
    {"tls_1_2_tickets", "TLSv1_2_method", true, false},
    {"tls_1_2_ids", "TLSv1_2_method", false, true},
    {"tls_1_3_tickets", "TLSv1_3_method", true, false},
    {"tls_1_3_ids", "TLSv1_3_method", false, true},
};

TEST_TABLE(resumes, ways)
{
    const struct way *it = row;
    struct run run;
    begin(&run, it->method, it->tickets);
    CHECK(!connect_once(&run, it->store));
    CHECK(run.exported_len > 0);
    CHECK(connect_once(&run, it->store));
    CHECK_INT(it->store, run.server_store.asked > 0);
    end(&run);
}

TEST(ids_without_a_store_are_not_resumed)
{
    struct run run;
    begin(&run, "TLSv1_2_method", false);
    CHECK(!connect_once(&run, false));
    CHECK(!connect_once(&run, false));
    end(&run);
}

/* A pair whose client offers this session, and whose server has loaded the last one that it kept. */
static struct pair make_loaded_pair(const struct run *run, const char *offered, size_t offered_len)
{
    const struct store *kept = &run->server_store;
    struct pair pair = make_pair(run->client, run->server);
    CHECK_OK(bgl_ssl_connection_set_session(pair.client, offered, offered_len));
    CHECK_OK(bgl_ssl_connection_load_session(pair.server, kept->session, kept->session_len));
    return pair;
}

/* The handshake is made; true if its server resumed. That was all the pair was for: it is freed. */
static bool comes_to_resumption(struct pair *pair)
{
    complete_handshakes(pair);
    check_handshakes_done(pair);
    bool reused = bgl_ssl_connection_reused(pair->server);
    free_pair(pair);
    return reused;
}

TEST(a_session_loaded_before_the_handshake_is_resumed)
{
    struct run run;
    begin(&run, "TLSv1_2_method", false);
    CHECK(!connect_once(&run, true));
    struct pair pair = make_loaded_pair(&run, run.exported, run.exported_len);
    CHECK(comes_to_resumption(&pair));
    end(&run);
}

TEST(another_session_than_the_wanted_one_is_not_resumed)
{
    struct run run;
    begin(&run, "TLSv1_2_method", false);
    CHECK(!connect_once(&run, true));
    size_t wanted_len = run.exported_len;
    char wanted[8192];
    memcpy(wanted, run.exported, wanted_len);
    run.exported_len = 0;
    CHECK(!connect_once(&run, true));
    struct pair pair = make_loaded_pair(&run, wanted, wanted_len);
    CHECK(!comes_to_resumption(&pair));
    end(&run);
}

TEST(a_loaded_session_can_be_taken_away_again)
{
    struct run run;
    begin(&run, "TLSv1_2_method", false);
    CHECK(!connect_once(&run, true));
    struct pair pair = make_loaded_pair(&run, run.exported, run.exported_len);
    CHECK_OK(bgl_ssl_connection_load_session(pair.server, NULL, 0));
    CHECK(!comes_to_resumption(&pair));
    end(&run);
}

TEST(the_session_can_be_asked_for_too)
{
    struct run run;
    begin(&run, "TLSv1_2_method", true);
    struct pair pair = make_pair(run.client, run.server);
    CHECK_INT(0, bgl_ssl_connection_get_session(pair.client, NULL, 0));
    complete_handshakes(&pair);
    run.exported_len = bgl_ssl_connection_get_session(pair.client, run.exported, sizeof run.exported);
    CHECK(run.exported_len > 0 && run.exported_len <= sizeof run.exported);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_set_session(pair.client, run.exported, run.exported_len));
    free_pair(&pair);
    CHECK(connect_once(&run, false));
    end(&run);
}

/* Hop hands over whole buffers, with a session at their beginning. */
TEST(bytes_behind_a_session_are_ignored)
{
    struct run run;
    char buffer[8192] = "";
    begin(&run, "TLSv1_2_method", false);
    CHECK(!connect_once(&run, true));
    struct pair pair = make_pair(run.client, run.server);
    CHECK(run.exported_len < sizeof buffer);
    memcpy(buffer, run.exported, run.exported_len);
    CHECK_OK(bgl_ssl_connection_set_session(pair.client, buffer, sizeof buffer));
    CHECK(run.server_store.session_len < sizeof buffer);
    memcpy(buffer, run.server_store.session, run.server_store.session_len);
    CHECK_OK(bgl_ssl_connection_load_session(pair.server, buffer, sizeof buffer));
    CHECK(comes_to_resumption(&pair));
    end(&run);
}

TEST(what_is_no_session_is_refused)
{
    struct run run;
    begin(&run, "TLSv1_2_method", true);
    CHECK(!connect_once(&run, false));
    bgl_ssl_connection_t *client = new_client(run.client, NULL);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_session(client, "nonsense", 8));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_session(client, "", 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_set_session(client, run.exported, run.exported_len - 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_load_session(client, "nonsense", 8));
    bgl_ssl_connection_free(client);
    end(&run);
}

TEST(sessions_of_another_id_context_are_not_resumed)
{
    struct run run;
    begin(&run, "TLSv1_2_method", true);
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(run.server, "..one", 2, 3));
    CHECK(!connect_once(&run, false));
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(run.server, "two", 0, 3));
    CHECK(!connect_once(&run, false));
    CHECK(connect_once(&run, false));
    end(&run);
}

TEST(a_session_made_without_a_certificate_is_not_resumed_where_one_is_demanded)
{
    struct run run;
    begin(&run, "TLSv1_2_method", true);
    CHECK(!connect_once(&run, false));
    struct pair pair = make_pair(run.client, run.server);
    ask_client(&pair, run.server, true, true);
    CHECK_OK(bgl_ssl_connection_set_session(pair.client, run.exported, run.exported_len));
    complete_handshakes(&pair);
    CHECK(!bgl_ssl_connection_init_finishedp(pair.server));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.server));
    free_pair(&pair);
    end(&run);
}
