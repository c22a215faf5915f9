/* Sockets that block, and a server in a thread. */
#include "steps.h"

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
    bgl_ssl_socket_t *socket = connect_by(scenario->way, client, port, offered);
    if (!good_handle(socket, "connect_by")) {
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
    served.server = TRY(bgl_ssl_server_t, listen_by(scenario->way, configs[1]));
    if (!served.server) {
        must_be_planned("bgl_ssl_listen failed");
        return false;
    }
    int port = scenario->way == BY_UNIX ? 1 : bgl_ssl_server_port(served.server);
    pthread_t thread = start_thread(serve, &served);
    bool good = port > 0 && visit(scenario, configs[0], port, offered, session);
    if (port > 0)
        leave(scenario->way);
    if (!good)
        IS_GOOD(bgl_ssl_server_close(served.server));
    join_thread(thread);
    IS_GOOD(bgl_ssl_server_close(served.server));
    bgl_ssl_server_free(served.server);
    return good;
}

void blocking(const struct scenario *scenario)
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
