/* Callbacks of connections without a socket, and how they misbehave; the same as events. */
#define _GNU_SOURCE
#include "engine.h"

/* What the callbacks saw, and what they are to do. */
struct story {
    char text[200];
    const bgl_ssl_ctx_t *answer;
    struct pair *pair;
    void (*misbehave)(bgl_ssl_connection_t *connection, struct story *story);
};

static void note(struct story *story, const char *what)
{
    size_t length = strlen(story->text);
    snprintf(story->text + length, sizeof story->text - length, "%s;", what);
}

static void on_info(bgl_ssl_connection_t *connection, int what, void *user)
{
    struct story *story = user;
    note(story, what == 0 ? "start" : what == 1 ? "done" : "?");
    if (story->misbehave)
        story->misbehave(connection, story);
}

static const bgl_ssl_ctx_t *on_name(bgl_ssl_connection_t *connection, const char *name, void *user)
{
    struct story *story = user;
    note(story, name);
    if (story->misbehave)
        story->misbehave(connection, story);
    return story->answer;
}

static void on_session(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session,
                       size_t session_len, void *user)
{
    struct story *story = user;
    CHECK(id && id_len > 0 && session && session_len > 0);
    note(story, "session");
    if (story->misbehave)
        story->misbehave(connection, story);
}

struct stage {
    bgl_ssl_ctx_t *client, *server, *other;
    struct pair pair;
    struct story story;
};

static void set(struct stage *stage, const char *client_method)
{
    memset(stage, 0, sizeof *stage);
    stage->client = client_ctx(client_method);
    stage->server = server_ctx("default", "good");
    stage->other = server_ctx("default", "good-rsa");
    stage->pair = make_pair(stage->client, stage->server);
    stage->story.pair = &stage->pair;
}

static void strike(struct stage *stage)
{
    free_pair(&stage->pair);
    bgl_ssl_ctx_free(stage->client);
    bgl_ssl_ctx_free(stage->server);
    bgl_ssl_ctx_free(stage->other);
}

static void check_server_is(struct stage *stage, const char *name)
{
    bgl_ssl_certificate_t *peer =
        MADE(bgl_ssl_certificate_t, bgl_ssl_connection_get_peer_certificate(stage->pair.client));
    CHECK_STRING(name, bgl_ssl_certificate_subject(peer));
    bgl_ssl_certificate_free(peer);
}

/* ---- good manners ---- */

static const struct kind {
    const char *name;
    const char *method;
} kinds[] = {{"tls_1_2", "TLSv1_2_method"}, {"tls_1_3", "TLSv1_3_method"}};

TEST_TABLE(info_tells_start_and_done_once, kinds)
{
    const struct kind *it = row;
    struct stage stage;
    set(&stage, it->method);
    struct story client;
    memset(&client, 0, sizeof client);
    CHECK_OK(bgl_ssl_connection_set_info_callback(stage.pair.server, on_info, &stage.story));
    CHECK_OK(bgl_ssl_connection_set_info_callback(stage.pair.client, on_info, &client));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    talk(&stage.pair);
    CHECK_STRING("start;done;", stage.story.text);
    CHECK_STRING("start;done;", client.text);
    strike(&stage);
}

TEST_TABLE(sni_switches_to_the_context_returned, kinds)
{
    const struct kind *it = row;
    char name[64];
    struct stage stage;
    set(&stage, it->method);
    stage.story.answer = stage.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    CHECK_STRING("localhost;", stage.story.text);
    check_server_is(&stage, "good-rsa");
    CHECK_INT(9, bgl_ssl_connection_server_name(stage.pair.server, name, sizeof name));
    CHECK_STRING("localhost", name);
    CHECK_INT(9, bgl_ssl_connection_server_name(stage.pair.client, name, sizeof name));
    talk(&stage.pair);
    strike(&stage);
}

TEST(sni_stays_with_its_own_context_for_null)
{
    struct stage stage;
    set(&stage, "default");
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    check_server_is(&stage, "good");
    strike(&stage);
}

TEST(sni_is_not_asked_where_no_name_is_sent)
{
    struct stage stage;
    set(&stage, "default");
    bgl_ssl_connection_free(stage.pair.client);
    stage.pair.client = new_client(stage.client, NULL);
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    CHECK_STRING("", stage.story.text);
    CHECK_INT(0, bgl_ssl_connection_server_name(stage.pair.server, NULL, 0));
    strike(&stage);
}

TEST_TABLE(clients_hear_of_new_sessions, kinds)
{
    const struct kind *it = row;
    struct stage stage;
    set(&stage, it->method);
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(stage.pair.client, on_session, &stage.story));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    talk(&stage.pair);
    CHECK(strncmp(stage.story.text, "session;", 8) == 0);
    strike(&stage);
}

/* ---- misbehaviour ---- */

static void close_it(bgl_ssl_connection_t *connection, struct story *story)
{
    (void)story;
    CHECK_OK(bgl_ssl_connection_close(connection));
}

static void free_it(bgl_ssl_connection_t *connection, struct story *story)
{
    bgl_ssl_connection_free(connection);
    if (story->pair->client == connection)
        story->pair->client = NULL;
    else
        story->pair->server = NULL;
}

static void re_enter(bgl_ssl_connection_t *connection, struct story *story)
{
    static char buffer[100];
    struct pair *pair = story->pair;
    story->misbehave = NULL;
    bgl_ssl_connection_start(connection);
    bgl_ssl_connection_clear_in(connection, "x", 0, 0);
    bgl_ssl_connection_clear_out(connection, buffer, 0, 0);
    bgl_ssl_connection_get_current_cipher(connection);
    bgl_ssl_connection_enc_pending(connection);
    carry(pair, connection, pair->client == connection ? pair->server : pair->client);
}

static void clear_all_callbacks(bgl_ssl_connection_t *connection, struct story *story)
{
    (void)story;
    CHECK_OK(bgl_ssl_connection_set_info_callback(connection, NULL, NULL));
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(connection, NULL, NULL));
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(connection, NULL, NULL));
}

static const struct misdeed {
    const char *name;
    void (*misbehave)(bgl_ssl_connection_t *connection, struct story *story);
    bool ends;
} misdeeds[] = {
    {"closes_it", close_it, true},
    {"frees_it", free_it, true},
    {"re_enters_it", re_enter, false},
    {"takes_the_callbacks_away", clear_all_callbacks, false},
};

/* What is gone is not driven any further. */
static void check_end(struct stage *stage, const struct misdeed *it, bgl_ssl_connection_t *actor)
{
    if (it->ends) {
        if (actor)
            CHECK(!bgl_ssl_connection_init_finishedp(actor));
    } else {
        check_shaken(&stage->pair);
        talk(&stage->pair);
    }
    strike(stage);
}

static void shake_while_it_lasts(struct pair *pair)
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

TEST_TABLE(info_callback, misdeeds)
{
    const struct misdeed *it = row;
    struct stage stage;
    set(&stage, "default");
    stage.story.misbehave = it->misbehave;
    CHECK_OK(bgl_ssl_connection_set_info_callback(stage.pair.server, on_info, &stage.story));
    shake_while_it_lasts(&stage.pair);
    CHECK(strncmp(stage.story.text, "start;", 6) == 0);
    check_end(&stage, it, stage.pair.server);
}

TEST_TABLE(sni_callback, misdeeds)
{
    const struct misdeed *it = row;
    struct stage stage;
    set(&stage, "default");
    stage.story.misbehave = it->misbehave;
    stage.story.answer = stage.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_while_it_lasts(&stage.pair);
    CHECK(strncmp(stage.story.text, "localhost;", 10) == 0);
    if (!it->ends)
        check_server_is(&stage, "good-rsa");
    check_end(&stage, it, stage.pair.server);
}

TEST_TABLE(newsession_callback, misdeeds)
{
    const struct misdeed *it = row;
    char buffer[16];
    struct stage stage;
    set(&stage, "TLSv1_3_method");
    stage.story.misbehave = it->misbehave;
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(stage.pair.client, on_session, &stage.story));
    shake_while_it_lasts(&stage.pair);
    check_shaken(&stage.pair);
    CHECK_INT(-1, bgl_ssl_connection_clear_out(stage.pair.client, buffer, 0, sizeof buffer));
    CHECK(strncmp(stage.story.text, "session;", 8) == 0);
    check_end(&stage, it, stage.pair.client);
}

static void refuse(bgl_ssl_connection_t *connection, struct story *story)
{
    (void)story;
    CHECK_OK(bgl_ssl_connection_refuse_server_name(connection));
}

TEST(a_name_that_the_callback_refuses_fails_both_ends)
{
    struct stage stage;
    set(&stage, "default");
    stage.story.misbehave = refuse;
    stage.story.answer = NULL;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_hands(&stage.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(stage.pair.server));
    bgl_ssl_connection_start(stage.pair.client);
    CHECK_INT(112, last_error().alert);
    strike(&stage);
}

TEST(a_closed_context_as_the_answer_refuses_the_name)
{
    struct stage stage;
    set(&stage, "default");
    CHECK_OK(bgl_ssl_ctx_close(stage.other));
    stage.story.answer = stage.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    shake_hands(&stage.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(stage.pair.server));
    strike(&stage);
}

static void free_the_answer_later(bgl_ssl_connection_t *connection, int what, void *user)
{
    struct stage *stage = user;
    (void)connection;
    if (what == 1) {
        bgl_ssl_ctx_free(stage->other);
        stage->other = NULL;
    }
}

TEST(the_context_switched_to_may_be_freed_while_the_connection_lives)
{
    struct stage stage;
    set(&stage, "default");
    stage.story.answer = stage.other;
    CHECK_OK(bgl_ssl_connection_set_sni_context_callback(stage.pair.server, on_name, &stage.story));
    CHECK_OK(bgl_ssl_connection_set_info_callback(stage.pair.server, free_the_answer_later, &stage));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    CHECK(!stage.other);
    talk(&stage.pair);
    strike(&stage);
}

/* ---- events ---- */

TEST(events_come_in_order_and_a_name_waits_for_its_answer)
{
    struct stage stage;
    set(&stage, "TLSv1_2_method");
    bgl_ssl_connection_t *server = stage.pair.server;
    CHECK_OK(bgl_ssl_connection_want_events(server, BGL_SSL_WANT_INFO_EVENTS | BGL_SSL_WANT_SERVER_NAME_EVENTS));
    bgl_ssl_connection_start(stage.pair.client);
    carry(&stage.pair, stage.pair.client, server);
    CHECK_INT(-1, bgl_ssl_connection_start(server));
    CHECK_STATUS(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(server));
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_START, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_SERVER_NAME, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(server));
    /* Without an answer it stays where it is. */
    CHECK_INT(-1, bgl_ssl_connection_start(server));
    CHECK_STATUS(BGL_SSL_WANT_EVENT, bgl_ssl_connection_status(server));
    CHECK_OK(bgl_ssl_connection_answer_server_name(server, stage.other, true));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_answer_server_name(server, NULL, true));
    shake_hands(&stage.pair);
    check_shaken(&stage.pair);
    check_server_is(&stage, "good-rsa");
    CHECK_INT(BGL_SSL_EVENT_HANDSHAKE_DONE, bgl_ssl_connection_next_event(server));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(server));
    strike(&stage);
}

TEST(a_name_refused_by_event_fails_the_handshake)
{
    struct stage stage;
    set(&stage, "default");
    CHECK_OK(bgl_ssl_connection_want_events(stage.pair.server, BGL_SSL_WANT_SERVER_NAME_EVENTS));
    shake_hands(&stage.pair);
    CHECK_INT(BGL_SSL_EVENT_SERVER_NAME, bgl_ssl_connection_next_event(stage.pair.server));
    CHECK_OK(bgl_ssl_connection_refuse_server_name(stage.pair.server));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_refuse_server_name(stage.pair.server));
    shake_hands(&stage.pair);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(stage.pair.server));
    strike(&stage);
}

TEST(a_new_session_event_has_id_and_session)
{
    char session[4096];
    struct stage stage;
    set(&stage, "TLSv1_3_method");
    CHECK_OK(bgl_ssl_connection_want_events(stage.pair.client, BGL_SSL_WANT_NEW_SESSION_EVENTS));
    shake_hands(&stage.pair);
    talk(&stage.pair);
    CHECK_INT(0, bgl_ssl_connection_event_id(stage.pair.client, NULL, 0));
    CHECK_INT(BGL_SSL_EVENT_NEW_SESSION, bgl_ssl_connection_next_event(stage.pair.client));
    CHECK(bgl_ssl_connection_event_id(stage.pair.client, NULL, 0) > 0);
    size_t length = bgl_ssl_connection_event_session(stage.pair.client, session, sizeof session);
    CHECK(length > 0 && length < sizeof session);
    bgl_ssl_connection_t *next = new_client(stage.client, "localhost");
    CHECK_OK(bgl_ssl_connection_set_session(next, session, length));
    bgl_ssl_connection_free(next);
    strike(&stage);
}

TEST(steps_stop_for_events_before_data_is_moved)
{
    char buffer[8];
    struct stage stage;
    set(&stage, "TLSv1_3_method");
    struct pair *pair = &stage.pair;
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
    strike(&stage);
}

TEST(events_that_nobody_wants_are_not_kept)
{
    struct stage stage;
    set(&stage, "default");
    shake_hands(&stage.pair);
    talk(&stage.pair);
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(stage.pair.client));
    CHECK_INT(BGL_SSL_EVENT_NONE, bgl_ssl_connection_next_event(stage.pair.server));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_want_events(stage.pair.client, 32));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_connection_want_events(stage.pair.client, -1));
    strike(&stage);
}
