/* Callbacks of connections without a socket, also such as close or free the connection; the same as events. */
#define _GNU_SOURCE
#include "engine.h"

/* What the callbacks saw, and what they are to do. */
struct callback_log {
    char text[200];
    const bgl_ssl_ctx_t *answer;
    struct pair *pair;
    void (*action)(bgl_ssl_connection_t *connection, struct callback_log *callback_log);
};

static void note(struct callback_log *callback_log, const char *what)
{
    size_t length = strlen(callback_log->text);
    snprintf(callback_log->text + length, sizeof callback_log->text - length, "%s;", what);
}

static void on_info(bgl_ssl_connection_t *connection, int what, void *user)
{
    struct callback_log *callback_log = user;
    note(callback_log, what == 0 ? "start" : what == 1 ? "done" : "?");
    if (callback_log->action)
        callback_log->action(connection, callback_log);
}

static const bgl_ssl_ctx_t *on_name(bgl_ssl_connection_t *connection, const char *name, void *user)
{
    struct callback_log *callback_log = user;
    note(callback_log, name);
    if (callback_log->action)
        callback_log->action(connection, callback_log);
    return callback_log->answer;
}

static void on_session(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session,
                       size_t session_len, void *user)
{
    struct callback_log *callback_log = user;
    CHECK(id && id_len > 0 && session && session_len > 0);
    note(callback_log, "session");
    if (callback_log->action)
        callback_log->action(connection, callback_log);
}

struct fixture {
    bgl_ssl_ctx_t *client, *server, *other;
    struct pair pair;
    struct callback_log callback_log;
};

static void make_fixture(struct fixture *fixture, const char *client_method)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->client = client_ctx(client_method);
    fixture->server = server_ctx("default", "good");
    fixture->other = server_ctx("default", "good-rsa");
    fixture->pair = make_pair(fixture->client, fixture->server);
    fixture->callback_log.pair = &fixture->pair;
}

static void free_fixture(struct fixture *fixture)
{
    free_pair(&fixture->pair);
    bgl_ssl_ctx_free(fixture->client);
    bgl_ssl_ctx_free(fixture->server);
    bgl_ssl_ctx_free(fixture->other);
}

static void check_server_is(struct fixture *fixture, const char *name)
{
    bgl_ssl_certificate_t *peer =
        MADE(bgl_ssl_certificate_t, bgl_ssl_connection_get_peer_certificate(fixture->pair.client));
    CHECK_STRING(name, bgl_ssl_certificate_subject(peer));
    bgl_ssl_certificate_free(peer);
}

/* ---- callbacks that only look ---- */

static const struct kind {
    const char *name;
    const char *method;
} kinds[] = {{"tls_1_2", "TLSv1_2_method"}, {"tls_1_3", "TLSv1_3_method"}};

TEST_TABLE(info_tells_start_and_done_once, kinds)
{
    const struct kind *it = row;
    struct fixture fixture;
    make_fixture(&fixture, it->method);
    struct callback_log client;
    memset(&client, 0, sizeof client);
    CHECK_OK(bgl_ssl_connection_set_info_callback(fixture.pair.server, on_info, &fixture.callback_log));
    CHECK_OK(bgl_ssl_connection_set_info_callback(fixture.pair.client, on_info, &client));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    exchange_messages(&fixture.pair);
    CHECK_STRING("start;done;", fixture.callback_log.text);
    CHECK_STRING("start;done;", client.text);
    free_fixture(&fixture);
}

TEST_TABLE(sni_switches_to_the_context_returned, kinds)
{
    const struct kind *it = row;
    char name[64];
    struct fixture fixture;
    make_fixture(&fixture, it->method);
    fixture.callback_log.answer = fixture.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    CHECK_STRING("localhost;", fixture.callback_log.text);
    check_server_is(&fixture, "good-rsa");
    CHECK_INT(9, bgl_ssl_connection_server_name(fixture.pair.server, name, sizeof name));
    CHECK_STRING("localhost", name);
    CHECK_INT(9, bgl_ssl_connection_server_name(fixture.pair.client, name, sizeof name));
    exchange_messages(&fixture.pair);
    free_fixture(&fixture);
}

TEST(sni_stays_with_its_own_context_for_null)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    check_server_is(&fixture, "good");
    free_fixture(&fixture);
}

TEST(sni_is_not_asked_where_no_name_is_sent)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    bgl_ssl_connection_free(fixture.pair.client);
    fixture.pair.client = new_client(fixture.client, NULL);
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    CHECK_STRING("", fixture.callback_log.text);
    CHECK_INT(0, bgl_ssl_connection_server_name(fixture.pair.server, NULL, 0));
    free_fixture(&fixture);
}

TEST_TABLE(clients_hear_of_new_sessions, kinds)
{
    const struct kind *it = row;
    struct fixture fixture;
    make_fixture(&fixture, it->method);
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(fixture.pair.client, on_session, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    exchange_messages(&fixture.pair);
    CHECK(strncmp(fixture.callback_log.text, "session;", 8) == 0);
    free_fixture(&fixture);
}

/* ---- callbacks that change the connection ---- */

static void close_it(bgl_ssl_connection_t *connection, struct callback_log *callback_log)
{
    (void)callback_log;
    CHECK_OK(bgl_ssl_connection_close(connection));
}

static void free_it(bgl_ssl_connection_t *connection, struct callback_log *callback_log)
{
    bgl_ssl_connection_free(connection);
    if (callback_log->pair->client == connection)
        callback_log->pair->client = NULL;
    else
        callback_log->pair->server = NULL;
}

static void re_enter(bgl_ssl_connection_t *connection, struct callback_log *callback_log)
{
    static char buffer[100];
    struct pair *pair = callback_log->pair;
    callback_log->action = NULL;
    bgl_ssl_connection_start(connection);
    bgl_ssl_connection_clear_in(connection, "x", 0, 0);
    bgl_ssl_connection_clear_out(connection, buffer, 0, 0);
    bgl_ssl_connection_get_current_cipher(connection);
    bgl_ssl_connection_enc_pending(connection);
    carry(pair, connection, pair->client == connection ? pair->server : pair->client);
}

static void clear_all_callbacks(bgl_ssl_connection_t *connection, struct callback_log *callback_log)
{
    (void)callback_log;
    CHECK_OK(bgl_ssl_connection_set_info_callback(connection, NULL, NULL));
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(connection, NULL, NULL));
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(connection, NULL, NULL));
}

static const struct disruption {
    const char *name;
    void (*action)(bgl_ssl_connection_t *connection, struct callback_log *callback_log);
    bool ends;
} disruptions[] = {
    {"closes_it", close_it, true},
    {"frees_it", free_it, true},
    {"re_enters_it", re_enter, false},
    {"takes_the_callbacks_away", clear_all_callbacks, false},
};

/* What is gone is not driven any further. */
static void check_end(struct fixture *fixture, const struct disruption *it, bgl_ssl_connection_t *actor)
{
    if (it->ends) {
        if (actor)
            CHECK(!bgl_ssl_connection_init_finishedp(actor));
    } else {
        check_handshakes_done(&fixture->pair);
        exchange_messages(&fixture->pair);
    }
    free_fixture(fixture);
}

static void handshake_until_freed(struct pair *pair)
{
    for (int i = 0; i < 20 && pair->client && pair->server; i++) {
        bgl_ssl_connection_start(pair->client);
        if (pair->client && pair->server)
            carry(pair, pair->client, pair->server);
        if (pair->server)
            bgl_ssl_connection_start(pair->server);
        if (pair->client && pair->server)
            carry(pair, pair->server, pair->client);
    }
}

TEST_TABLE(info_callback, disruptions)
{
    const struct disruption *it = row;
    struct fixture fixture;
    make_fixture(&fixture, "default");
    fixture.callback_log.action = it->action;
    CHECK_OK(bgl_ssl_connection_set_info_callback(fixture.pair.server, on_info, &fixture.callback_log));
    handshake_until_freed(&fixture.pair);
    CHECK(strncmp(fixture.callback_log.text, "start;", 6) == 0);
    check_end(&fixture, it, fixture.pair.server);
}

TEST_TABLE(sni_callback, disruptions)
{
    const struct disruption *it = row;
    struct fixture fixture;
    make_fixture(&fixture, "default");
    fixture.callback_log.action = it->action;
    fixture.callback_log.answer = fixture.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    handshake_until_freed(&fixture.pair);
    CHECK(strncmp(fixture.callback_log.text, "localhost;", 10) == 0);
    if (!it->ends)
        check_server_is(&fixture, "good-rsa");
    check_end(&fixture, it, fixture.pair.server);
}

TEST_TABLE(newsession_callback, disruptions)
{
    const struct disruption *it = row;
    char buffer[16];
    struct fixture fixture;
    make_fixture(&fixture, "TLSv1_3_method");
    fixture.callback_log.action = it->action;
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(fixture.pair.client, on_session, &fixture.callback_log));
    handshake_until_freed(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    CHECK_INT(-1, bgl_ssl_connection_clear_out(fixture.pair.client, buffer, 0, sizeof buffer));
    CHECK(strncmp(fixture.callback_log.text, "session;", 8) == 0);
    check_end(&fixture, it, fixture.pair.client);
}

static void refuse(bgl_ssl_connection_t *connection, struct callback_log *callback_log)
{
    (void)callback_log;
    CHECK_OK(bgl_ssl_connection_refuse_server_name(connection));
}

TEST(a_name_that_the_callback_refuses_fails_both_ends)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    fixture.callback_log.action = refuse;
    fixture.callback_log.answer = NULL;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(fixture.pair.server));
    bgl_ssl_connection_start(fixture.pair.client);
    CHECK_INT(112, last_error().alert);
    free_fixture(&fixture);
}

TEST(a_closed_context_as_the_answer_refuses_the_name)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    CHECK_OK(bgl_ssl_ctx_close(fixture.other));
    fixture.callback_log.answer = fixture.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    complete_handshakes(&fixture.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(fixture.pair.server));
    free_fixture(&fixture);
}

static void free_the_answer_later(bgl_ssl_connection_t *connection, int what, void *user)
{
    struct fixture *fixture = user;
    (void)connection;
    if (what == 1) {
        bgl_ssl_ctx_free(fixture->other);
        fixture->other = NULL;
    }
}

TEST(the_context_switched_to_may_be_freed_while_the_connection_lives)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    fixture.callback_log.answer = fixture.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(fixture.pair.server, on_name, &fixture.callback_log));
    CHECK_OK(bgl_ssl_connection_set_info_callback(fixture.pair.server, free_the_answer_later, &fixture));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    CHECK(!fixture.other);
    exchange_messages(&fixture.pair);
    free_fixture(&fixture);
}

/* ---- events ---- */

TEST(events_come_in_order_and_a_name_waits_for_its_answer)
{
    struct fixture fixture;
    make_fixture(&fixture, "TLSv1_2_method");
    bgl_ssl_connection_t *server = fixture.pair.server;
    CHECK_OK(bgl_ssl_connection_want_events(server, BGL_SSL_WANT_INFO_EVENTS | BGL_SSL_WANT_SERVER_NAME_EVENTS));
    bgl_ssl_connection_start(fixture.pair.client);
    carry(&fixture.pair, fixture.pair.client, server);
    CHECK_INT(-1, bgl_ssl_connection_start(server));
    CHECK_STATUS(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(server));
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_START, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_SERVER_NAME, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(server));
    /* Without an answer it stays where it is. */
    CHECK_INT(-1, bgl_ssl_connection_start(server));
    CHECK_STATUS(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(server));
    CHECK_OK(bgl_ssl_connection_answer_server_name(server, fixture.other, true));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_answer_server_name(server, NULL, true));
    complete_handshakes(&fixture.pair);
    check_handshakes_done(&fixture.pair);
    check_server_is(&fixture, "good-rsa");
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_DONE, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(server));
    free_fixture(&fixture);
}

TEST(a_name_refused_by_event_fails_the_handshake)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    CHECK_OK(bgl_ssl_connection_want_events(fixture.pair.server, BGL_SSL_WANT_SERVER_NAME_EVENTS));
    complete_handshakes(&fixture.pair);
    CHECK_INT(BGL_SSL_EVENT_SERVER_NAME, bgl_ssl_connection_next_event(fixture.pair.server));
    CHECK_OK(bgl_ssl_connection_refuse_server_name(fixture.pair.server));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_refuse_server_name(fixture.pair.server));
    complete_handshakes(&fixture.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(fixture.pair.server));
    free_fixture(&fixture);
}

TEST(a_new_session_event_has_id_and_session)
{
    char session[4096];
    struct fixture fixture;
    make_fixture(&fixture, "TLSv1_3_method");
    CHECK_OK(bgl_ssl_connection_want_events(fixture.pair.client, BGL_SSL_WANT_NEW_SESSION_EVENTS));
    complete_handshakes(&fixture.pair);
    exchange_messages(&fixture.pair);
    CHECK_INT(0, bgl_ssl_connection_event_id(fixture.pair.client, NULL, 0));
    CHECK_INT(BGL_SSL_EVENT_NEW_SESSION, bgl_ssl_connection_next_event(fixture.pair.client));
    CHECK(bgl_ssl_connection_event_id(fixture.pair.client, NULL, 0) > 0);
    size_t length = bgl_ssl_connection_event_session(fixture.pair.client, session, sizeof session);
    CHECK(length > 0 && length < sizeof session);
    bgl_ssl_connection_t *next = new_client(fixture.client, "localhost");
    CHECK_OK(bgl_ssl_connection_set_session(next, session, length));
    bgl_ssl_connection_free(next);
    free_fixture(&fixture);
}

TEST(steps_stop_for_events_before_data_is_moved)
{
    char buffer[8];
    struct fixture fixture;
    make_fixture(&fixture, "TLSv1_3_method");
    struct pair *pair = &fixture.pair;
    CHECK_OK(bgl_ssl_connection_want_events(pair->client, BGL_SSL_WANT_NEW_SESSION_EVENTS | BGL_SSL_STOP_FOR_EVENTS));
    CHECK_OK(bgl_ssl_connection_want_events(pair->server, BGL_SSL_WANT_INFO_EVENTS | BGL_SSL_STOP_FOR_EVENTS));
    bgl_ssl_connection_start(pair->client);
    CHECK(carry(pair, pair->client, pair->server));
    bgl_ssl_connection_start(pair->server);
    CHECK(carry(pair, pair->server, pair->client));
    CHECK_INT(4, bgl_ssl_connection_clear_in(pair->client, "ping", 0, 4));
    CHECK(carry(pair, pair->client, pair->server));
    /* The end of the handshake comes before the text that came with it. */
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_START, bgl_ssl_connection_next_event(pair->server));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair->server, buffer, 0, 8));
    CHECK_INT(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(pair->server));
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_DONE, bgl_ssl_connection_next_event(pair->server));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(pair->server));
    CHECK_INT(4, bgl_ssl_connection_clear_out(pair->server, buffer, 0, 8));
    CHECK_INT(BGL_SSL_OK, bgl_ssl_connection_status(pair->server));
    /* And each session before the text behind it, also where nobody takes the events. */
    CHECK_INT(4, bgl_ssl_connection_clear_in(pair->server, "pong", 0, 4));
    CHECK(carry(pair, pair->server, pair->client));
    CHECK_INT(-1, bgl_ssl_connection_clear_out(pair->client, buffer, 0, 8));
    CHECK_INT(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(pair->client));
    CHECK_INT(BGL_SSL_EVENT_NEW_SESSION, bgl_ssl_connection_next_event(pair->client));
    int steps = 1;
    while (bgl_ssl_connection_clear_out(pair->client, buffer, 0, 8) != 4)
        CHECK(steps++ < 10 && bgl_ssl_connection_status(pair->client) == BGL_SSL_WANT_EVENT);
    CHECK(memcmp(buffer, "pong", 4) == 0);
    free_fixture(&fixture);
}

TEST(events_that_nobody_wants_are_not_kept)
{
    struct fixture fixture;
    make_fixture(&fixture, "default");
    complete_handshakes(&fixture.pair);
    exchange_messages(&fixture.pair);
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(fixture.pair.client));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(fixture.pair.server));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_want_events(fixture.pair.client, 32));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_want_events(fixture.pair.client, -1));
    free_fixture(&fixture);
}
