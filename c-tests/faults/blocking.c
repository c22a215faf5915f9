/* Sockets that block, and a server in a thread. */
#include "steps.h"

struct served {
    const struct scenario *scenario;
    bgl_ssl_server_t *server;
    pthread_t thread;
    int connections; /* that will be made */
    int accepted;
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
            served->accepted++;
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
static bool connect_and_echo(const struct scenario *scenario, bgl_ssl_config_t *client, int port,
                             bgl_ssl_session_t *offered, bgl_ssl_session_t **session)
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
    size_t total = datagrams ? 500 : BYTES;
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
    if ((offered || scenario->returns) && good && !bgl_ssl_socket_session_reused(socket))
        must_be_planned("the session was not resumed");
    if (session)
        *session = TRY(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    IS_GOOD(bgl_ssl_socket_close(socket));
    bgl_ssl_socket_free(socket);
    return good;
}

/* What the server has counted is what it has told. */
static void check_counts(const struct served *served)
{
    bgl_ssl_server_info_t info = {.size = sizeof info};
    if (!IS_GOOD(bgl_ssl_server_info(served->server, &info)))
        FAIL("the server does not tell what it has counted");
    if (info.handshakes != (uint64_t)served->accepted)
        FAIL("%llu handshakes counted, %d connections accepted", (unsigned long long)info.handshakes, served->accepted);
    if (info.open != 0)
        FAIL("%llu connections are open at the end", (unsigned long long)info.open);
}

static bool begin_serving(struct served *served, bgl_ssl_config_t *config, int *port)
{
    enum way way = served->scenario->way;
    served->server = TRY(bgl_ssl_server_t, listen_by(way, config));
    if (!served->server) {
        must_be_planned("bgl_ssl_listen failed");
        return false;
    }
    *port = way == BY_UNIX ? 1 : bgl_ssl_server_port(served->server);
    served->thread = start_thread(serve, served);
    return true;
}

/* Where not all of its clients have come, the server waits for more unless it is closed. */
static void end_serving(struct served *served, bool all_came)
{
    if (!all_came)
        IS_GOOD(bgl_ssl_server_close(served->server));
    join_thread(served->thread);
    IS_GOOD(bgl_ssl_server_close(served->server));
    check_counts(served);
    bgl_ssl_server_free(served->server);
}

static bool call_on(const struct scenario *scenario, bgl_ssl_config_t *configs[2], bgl_ssl_session_t *offered,
                    bgl_ssl_session_t **session)
{
    struct served served = {.scenario = scenario, .connections = 1};
    int port = 0;
    if (!begin_serving(&served, configs[1], &port))
        return false;
    bool good = port > 0 && connect_and_echo(scenario, configs[0], port, offered, session);
    if (port > 0)
        leave(scenario->way);
    end_serving(&served, good);
    return good;
}

/* The session as another process would have it; NULL if it cannot be used. */
static bgl_ssl_session_t *through_bytes(const bgl_ssl_session_t *session, const bgl_ssl_config_t *config)
{
    char bytes[8192];
    size_t length = bgl_ssl_session_export(session, bytes, sizeof bytes);
    if (length == 0) {
        is_good(last_error().code, "bgl_ssl_session_export");
        must_be_planned("a session was not written");
        return NULL;
    }
    bytes[length / 2] ^= 1;
    if (bgl_ssl_session_import(config, "127.0.0.1", bytes, length))
        FAIL("a session was read that is damaged");
    bytes[length / 2] ^= 1;
    return TRY(bgl_ssl_session_t, bgl_ssl_session_import(config, "127.0.0.1", bytes, length));
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
    if (good && scenario->from_bytes) {
        bgl_ssl_session_t *read = through_bytes(session, configs[0]);
        if (!read && scenario->outcome == SUCCEEDS)
            must_be_planned("a session was not read");
        bgl_ssl_session_free(session);
        session = read;
    }
    if (good)
        call_on(scenario, configs, session, &kept);
    fault_end();
    bgl_ssl_session_free(kept);
    bgl_ssl_session_free(session);
    free_configs(configs);
    free_configs(first);
}

/* A client that comes for the second time, and resumes by itself if it may. */
void returning(const struct scenario *scenario)
{
    struct scenario fine = fine_one_before(scenario);
    struct served served = {.scenario = scenario, .connections = 2};
    bgl_ssl_config_t *first[2], *client;
    bgl_ssl_session_t *session = NULL;
    int port = 0;
    fine.returns = false;
    if (!make_configs(&fine, first) || !begin_serving(&served, first[1], &port) ||
        !connect_and_echo(&fine, first[0], port, NULL, &session))
        FAIL("the first connection failed: %s", last_error().message);
    bgl_ssl_session_free(session);
    fault_begin();
    client = make_config(scenario, false);
    bool good = client && connect_and_echo(scenario, client, port, NULL, NULL);
    end_serving(&served, good);
    fault_end();
    bgl_ssl_config_free(client);
    free_configs(first);
}

static void put_file(const char *path, const char *from)
{
    struct text text = read_text(from, "");
    write_text(path, text.data, text.length);
    free(text.data);
}

/* A server whose file of CAs was replaced by another one: a client of the former is refused, one of the latter is not, unless
 * the server says that it could not read it. */
void reloading(const struct scenario *scenario)
{
    struct scenario fine = *scenario;
    struct served served = {.scenario = scenario, .connections = 1};
    bgl_ssl_config_t *configs[2];
    const char *path = run_file(CAS_FILE);
    int port = 0;
    put_file(path, scenario->outcome == SUCCEEDS ? "root2.pem" : "root.pem");
    fine.server_trusts = NULL;
    if (!make_configs(&fine, configs))
        FAIL("no configs: %s", last_error().message);
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(configs[1]));
    CHECK_OK(bgl_ssl_config_set_ca_file(server, path));
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    if (!begin_serving(&served, server, &port))
        FAIL("no server: %s", last_error().message);
    put_file(path, scenario->server_trusts);
    fault_begin();
    bool good = false;
    if (IS_GOOD(bgl_ssl_server_reload(served.server)))
        good = connect_and_echo(scenario, configs[0], port, NULL, NULL);
    else
        must_be_planned("the server did not reload");
    end_serving(&served, good);
    fault_end();
    bgl_ssl_config_free(server);
    free_configs(configs);
}
