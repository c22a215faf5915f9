/* Sockets that do not block, in one thread. */
#include <poll.h>

#include "steps.h"

static bool open_over_descriptors(struct ends *ends, bgl_ssl_config_t *configs[2])
{
    int fds[2];
    memset(ends, 0, sizeof *ends);
    local_pair(fds);
    ends->client = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(configs[0], fds[0], NULL, 0));
    ends->server = ends->client ? TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(configs[1], fds[1], 0)) : NULL;
    close(fds[0]);
    close(fds[1]);
    return ends->server;
}

static bool open_ends(const struct scenario *scenario, struct ends *ends, bgl_ssl_config_t *configs[2])
{
    struct ends outer;
    bool good = scenario->over_functions ? open_over_functions(ends, configs)
                : scenario->over_pipes   ? open_over_pipes(ends, configs)
                                         : open_over_descriptors(ends, configs);
    if (good && scenario->nested) {
        outer = *ends;
        good = open_inside(ends, &outer, configs);
    }
    return good && IS_GOOD(bgl_ssl_socket_set_nonblocking(ends->client, true)) &&
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
static bool pass(const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to, size_t total, bool reads_now)
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
        bgl_ssl_status_t status = reads_now ? bgl_ssl_socket_read_now(to, taken, sizeof taken, &n, NULL)
                                            : bgl_ssl_socket_read(to, taken, sizeof taken, &n);
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

bool connect_in_lock_step(const struct scenario *scenario, bgl_ssl_config_t *configs[2])
{
    struct ends ends;
    bool good = open_ends(scenario, &ends, configs);
    if (good && scenario->choice == BY_PROGRAM && !choose_host(scenario, &ends)) {
        must_be_planned("the program could not choose");
        good = false;
    } else if (good) {
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
        good = both && pass(ends.client, ends.server, BYTES, scenario->reads_now) &&
               pass(ends.server, ends.client, BYTES, scenario->reads_now);
        if (both && !good)
            must_be_planned("bytes did not pass");
    } else {
        must_be_planned("no ends");
    }
    close_ends(&ends);
    forget_host();
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

void in_lock_step(const struct scenario *scenario)
{
    bgl_ssl_config_t *configs[2], *later[2];
    if (scenario->configs_too)
        fault_begin();
    bool good = make_lazy_configs(scenario, configs);
    fault_begin();
    if (good)
        connect_in_lock_step(scenario, configs);
    fault_end();
    free_configs(configs);
    if (!scenario->again)
        return;
    if (!make_lazy_configs(scenario, later))
        FAIL("after the failure a config is refused: %s", last_error().message);
    if (!connect_in_lock_step(scenario, later) && scenario->outcome == SUCCEEDS)
        FAIL("after the failure a connection is refused: %s", last_error().message);
    free_configs(later);
}
