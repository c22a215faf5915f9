/* TLS over one descriptor to read and another one to write. */
#define _GNU_SOURCE
#include "bulk.h"
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

/* What the two ends have: the descriptors to read and to write. */
struct pipes {
    int client[2], server[2];
};

static void open_pipes(struct pipes *pipes, int flags)
{
    int up[2], down[2];
    CHECK_INT(0, pipe2(up, flags | O_CLOEXEC));
    CHECK_INT(0, pipe2(down, flags | O_CLOEXEC));
    *pipes = (struct pipes){{down[0], up[1]}, {up[0], down[1]}};
}

static void close_both(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void *accept_one(void *fds)
{
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_socket_t *socket = bgl_ssl_upgrade_server_fds(config, ((int *)fds)[0], ((int *)fds)[1], 0);
    bgl_ssl_config_free(config);
    close_both(fds);
    return socket;
}

/* Blocking ends; the pipes' own descriptors are closed. */
static void connect_over_pipes(struct ends *ends, struct pipes *pipes)
{
    pthread_t thread = start_thread(accept_one, pipes->server);
    bgl_ssl_config_t *config = client_config();
    memset(ends, 0, sizeof *ends);
    ends->client = MADE(bgl_ssl_socket_t,
                        bgl_ssl_upgrade_client_fds(config, pipes->client[0], pipes->client[1], "localhost", 0));
    bgl_ssl_config_free(config);
    close_both(pipes->client);
    void *server;
    CHECK_INT(0, pthread_join(thread, &server));
    ends->server = MADE(bgl_ssl_socket_t, server);
}

struct kind {
    const char *name;
    int flags;
};

static const struct kind kinds[] = {{"blocking_pipes", 0}, {"pipes_that_do_not_block", O_NONBLOCK}};

TEST_TABLE(two_threads_at_each_end_of, kinds)
{
    struct pipes pipes;
    struct ends ends;
    open_pipes(&pipes, ((const struct kind *)row)->flags);
    connect_over_pipes(&ends, &pipes);
    pthread_t threads[] = {
        start_thread(write_bulk, ends.client), start_thread(write_bulk, ends.server),
        start_thread(read_bulk, ends.client), start_thread(read_bulk, ends.server),
    };
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    finish(ends.client);
    finish(ends.server);
}

TEST(a_socket_to_read_and_a_pipe_to_write)
{
    struct pipes pipes;
    struct ends ends;
    int down[2], up[2];
    char byte;
    size_t n;
    local_pair(down);
    CHECK_INT(0, pipe2(up, O_CLOEXEC));
    pipes = (struct pipes){{down[0], up[1]}, {up[0], down[1]}};
    connect_over_pipes(&ends, &pipes);
    send_bytes(ends.client, "x", 1);
    receive_bytes(ends.server, &byte, 1);
    send_bytes(ends.server, "y", 1);
    receive_bytes(ends.client, &byte, 1);
    finish(ends.server);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    finish(ends.client);
}

TEST(limits_hold)
{
    struct pipes pipes;
    struct ends ends;
    char byte;
    size_t n;
    open_pipes(&pipes, 0);
    connect_over_pipes(&ends, &pipes);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 50 * MS));
    int64_t begin = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK(now_us() - begin >= 50 * MS);
    enum { MUCH = 1 << 20 };
    char *data = calloc(1, MUCH);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(ends.client, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_write(ends.client, data, MUCH, &n));
    CHECK(n > 0 && n < MUCH);
    free(data);
    free_ends(&ends);
}

TEST(an_event_loop_waits_for_the_descriptor_to_read)
{
    struct pipes pipes;
    struct ends ends;
    char byte;
    size_t n;
    open_pipes(&pipes, 0);
    connect_over_pipes(&ends, &pipes);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    send_bytes(ends.server, "x", 1);
    await_readable(bgl_ssl_socket_fd(ends.client));
    CHECK_OK(bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    free_ends(&ends);
}

TEST(a_peer_that_is_gone_is_an_error_and_no_signal)
{
    struct pipes pipes;
    struct ends ends;
    char byte;
    size_t n;
    signal(SIGPIPE, SIG_DFL);
    open_pipes(&pipes, 0);
    connect_over_pipes(&ends, &pipes);
    bgl_ssl_socket_free(ends.server);
    bgl_ssl_status_t status = bgl_ssl_socket_write(ends.client, "x", 1, &n);
    CHECK_STATUS(BGL_SSL_E_IO, status);
    CHECK_INT(EPIPE, last_error().sys_errno);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    sigset_t pending;
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGPIPE));
    bgl_ssl_socket_free(ends.client);
}

TEST(a_thread_that_waits_notices_the_close)
{
    struct pipes pipes;
    struct ends ends;
    open_pipes(&pipes, 0);
    connect_over_pipes(&ends, &pipes);
    struct reader reader = {.socket = ends.client};
    pthread_t thread = start_thread(read_one, &reader);
    while (!atomic_load(&reader.begun))
        poll(NULL, 0, 1);
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    free_ends(&ends);
}

TEST(bad_arguments)
{
    struct pipes pipes;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good"), *dtls = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(dtls, BGLSSL_DTLSV1));
    open_pipes(&pipes, 0);
    int good = pipes.client[0], other = pipes.client[1], closed = dup(good);
    close(closed);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fds(client, -1, other, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fds(client, good, INT32_MIN, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fds(client, good, closed, "localhost", 0));
    CHECK_INT(EBADF, last_error().sys_errno);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_fds(NULL, good, other, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_fds(client, good, other, "localhost", 1));
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_fds(client, good, other, NULL, 0));
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_fds(dtls, good, other, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_server_fds(server, INT32_MAX, other, 0));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_server_fds(server, good, other, SIZE_MAX));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_server_fds(NULL, good, other, 0));
    /* Nothing can be read from where a pipe is written. */
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fds(client, other, other, "localhost", 0));
    close_both(pipes.client);
    close_both(pipes.server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(dtls);
}

/* The header: 0, and the port 0, for a socket that is neither IPv4 nor IPv6. */
TEST(pipes_have_no_address_and_that_is_no_failure)
{
    int in[2], out[2], port = 99;
    char text[64] = "x";
    CHECK_INT(0, pipe(in));
    CHECK_INT(0, pipe(out));
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fds(config, in[0], out[1], "localhost", 0));
    bgl_ssl_clear_error();
    CHECK_INT(0, bgl_ssl_socket_local_address(socket, text, sizeof text, &port));
    CHECK_STATUS(BGL_SSL_OK, last_error().code);
    CHECK_INT(0, port);
    port = 99;
    CHECK_INT(0, bgl_ssl_socket_peer_address(socket, text, sizeof text, &port));
    CHECK_STATUS(BGL_SSL_OK, last_error().code);
    CHECK_INT(0, port);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(config);
    close_both(in);
    close_both(out);
}
