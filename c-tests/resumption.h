/* What the tests of resumption have in common: two ends whose settings, or whose world, change after a session was made. */
#ifndef RESUMPTION_H
#define RESUMPTION_H

#include "clock.h"
#include "versions.h"

/* Seconds from the end of the certificate that ends first in the chains of "chained-soon". */
static inline void set_clock_to_end_plus(int64_t seconds)
{
    bgl_ssl_certificate_t *ca = certificate("intermediate-soon.pem");
    atomic_fetch_add(&ahead, bgl_ssl_certificate_not_after(ca) + seconds - (int64_t)time(NULL));
    bgl_ssl_certificate_free(ca);
}

/* ---- two ends, and what becomes of a connection between them ---- */

/* What the configs of both ends are like before the session is made, and after. */
struct setup {
    bool after;
    bgl_ssl_config_t *client, *server;
    bool client_moves, server_moves; /* to a version that the other end does not have */
};

struct change {
    const char *name;
    void (*apply)(struct setup *setup);
    bgl_ssl_status_t client, server; /* what a full handshake comes to afterwards */
};

static inline void require_certificate(bgl_ssl_config_t *server)
{
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
}

static inline const struct version *other_than(const struct version *version)
{
    if (version->protocol == BGLSSL_DTLSV1)
        skip_test("another version of DTLS");
    return version == &versions[0] ? &versions[1] : &versions[0];
}

static inline void make_setup(struct setup *setup, const struct version *version, const struct change *change,
                              bool after)
{
    *setup = (struct setup){.after = after};
    setup->client = client_config();
    setup->server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_hostname(setup->client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_resume(setup->client, true));
    share_ticket_keys(setup->server);
    if (change)
        change->apply(setup);
    of_version(setup->client_moves ? other_than(version) : version, setup->client);
    of_version(setup->server_moves ? other_than(version) : version, setup->server);
}

static inline void free_setup(struct setup *setup)
{
    bgl_ssl_config_free(setup->client);
    bgl_ssl_config_free(setup->server);
}

/* What became of a connection: each end's status once a byte has gone both ways or could not, and whether it was
 * resumed. */
struct outcome {
    bgl_ssl_status_t client;
    bool reused;
    bgl_ssl_session_t *session;
};

static inline struct outcome offer_session(const bgl_ssl_config_t *client, int port, const bgl_ssl_session_t *session)
{
    struct outcome outcome = {.client = BGL_SSL_OK};
    char byte = 'x';
    size_t n;
    bgl_ssl_socket_t *socket = bgl_ssl_connect_resume(client, "127.0.0.1", port, AF_INET, session);
    if (!socket) {
        outcome.client = last_error().code;
        return outcome;
    }
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    outcome.client = bgl_ssl_socket_write(socket, &byte, 1, &n);
    if (outcome.client == BGL_SSL_OK)
        outcome.client = bgl_ssl_socket_read(socket, &byte, 1, &n);
    outcome.reused = bgl_ssl_socket_session_reused(socket);
    if (outcome.client == BGL_SSL_OK)
        outcome.session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return outcome;
}

/* Whose the change is: the client's; another server's with the same ticket keys; or the same server's, which has sessions
 * in a cache, and gets another config. */
enum changed { CLIENT, OTHER_SERVER, SAME_SERVER };

static inline void make_setup_for(struct setup *setup, const struct version *version, const struct change *change,
                                  enum changed changed, bool after)
{
    make_setup(setup, version, change, after);
    if (changed == SAME_SERVER)
        CHECK_OK(bgl_ssl_config_set_sessions(setup->server, BGL_SSL_SESSIONS_CACHE));
}

/* A session made before a change is offered after it. */
static inline void check_change(const struct version *version, const struct change *change, enum changed changed)
{
    struct setup before, after;
    struct service first, second;
    make_setup_for(&before, version, change, changed, false);
    start_service(&first, before.server, changed == OTHER_SERVER ? 3 : 5, serve_echo, NULL);
    struct outcome made = offer_session(before.client, first.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, made.client);
    CHECK(!made.reused);
    /* The control: nothing has changed, and the configs are equal but not the same. */
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(before.client));
    struct outcome again = offer_session(copy, first.port, made.session);
    CHECK_STATUS(BGL_SSL_OK, again.client);
    CHECK(again.reused);
    struct outcome by_itself = offer_session(copy, first.port, NULL);
    CHECK_STATUS(BGL_SSL_OK, by_itself.client);
    CHECK(by_itself.reused);
    bgl_ssl_session_free(by_itself.session);
    bgl_ssl_config_free(copy);
    if (changed == OTHER_SERVER)
        end_service(&first);

    make_setup_for(&after, version, change, changed, true);
    if (changed == OTHER_SERVER)
        start_service(&second, after.server, 2, serve_echo, NULL);
    if (changed == SAME_SERVER)
        CHECK_OK(bgl_ssl_server_set_config(first.server, after.server));
    struct service *service = changed == OTHER_SERVER ? &second : &first;
    /* What the library has kept is offered no more than what the program has. */
    struct outcome full = offer_session(after.client, service->port, NULL);
    struct outcome resumed = offer_session(after.client, service->port, again.session);
    end_service(service);
    CHECK_INT(change->client, full.client);
    CHECK_INT(change->client, resumed.client);
    CHECK(!full.reused && !resumed.reused);
    CHECK_INT(2, service->refused);
    CHECK_INT(change->server, service->last_status);
    bgl_ssl_session_free(made.session);
    bgl_ssl_session_free(again.session);
    free_setup(&before);
    free_setup(&after);
}

#endif
