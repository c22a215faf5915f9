/* Two ends of a connection, stepped by one thread. */
#define _GNU_SOURCE
#include "harness.h"
#include "parts.h"

#include <poll.h>

static bgl_ssl_config_t *lazy_copy(const bgl_ssl_config_t *config)
{
    bgl_ssl_config_t *copy = MADE(bgl_ssl_config_t, bgl_ssl_config_copy(config));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(copy, true));
    return copy;
}

void make_lazy_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2])
{
    memset(ends, 0, sizeof *ends);
    ends->client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], host, 0));
    ends->server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->server, true));
    close(fds[0]);
    close(fds[1]);
}

void make_ends_over(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2])
{
    bgl_ssl_config_t *lazy_client = lazy_copy(client);
    bgl_ssl_config_t *lazy_server = lazy_copy(server);
    make_lazy_ends(ends, lazy_client, lazy_server, host, fds);
    bgl_ssl_config_free(lazy_client);
    bgl_ssl_config_free(lazy_server);
}

void make_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host)
{
    int fds[2];
    local_pair(fds);
    make_ends_over(ends, client, server, host, fds);
}

static bool is_waiting(bgl_ssl_status_t status)
{
    return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

static void count_wants(struct ends *ends, bgl_ssl_status_t status)
{
    ends->want_reads += status == BGL_SSL_WANT_READ;
    ends->want_writes += status == BGL_SSL_WANT_WRITE;
}

void step_handshakes(struct ends *ends)
{
    ends->client_status = ends->server_status = BGL_SSL_WANT_READ;
    /* Both may wait for each other for ever when one has failed: a few rounds without the other end are enough. */
    for (int lonely = 0; lonely < 3 && (is_waiting(ends->client_status) || is_waiting(ends->server_status));) {
        if (is_waiting(ends->client_status)) {
            ends->client_status = bgl_ssl_socket_handshake(ends->client);
            count_wants(ends, ends->client_status);
            if (ends->client_status < 0)
                ends->client_error = last_error();
        }
        if (is_waiting(ends->server_status)) {
            ends->server_status = bgl_ssl_socket_handshake(ends->server);
            count_wants(ends, ends->server_status);
            if (ends->server_status < 0)
                ends->server_error = last_error();
        }
        bool client_waits = is_waiting(ends->client_status), server_waits = is_waiting(ends->server_status);
        if (client_waits != server_waits) {
            lonely++;
            struct pollfd wait = {bgl_ssl_socket_fd(client_waits ? ends->client : ends->server), POLLIN, 0};
            poll(&wait, 1, 20);
        }
    }
}

static bool pass_byte(struct ends *ends, const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to)
{
    char byte = 0;
    size_t n = 0;
    bgl_ssl_status_t *from_status = from == ends->client ? &ends->client_status : &ends->server_status;
    bgl_ssl_status_t *to_status = to == ends->client ? &ends->client_status : &ends->server_status;
    *from_status = bgl_ssl_socket_write(from, "x", 1, &n);
    if (*from_status < 0)
        *(from == ends->client ? &ends->client_error : &ends->server_error) = last_error();
    *to_status = bgl_ssl_socket_read(to, &byte, 1, &n);
    if (*to_status < 0)
        *(to == ends->client ? &ends->client_error : &ends->server_error) = last_error();
    return *from_status == BGL_SSL_OK && *to_status == BGL_SSL_OK && n == 1 && byte == 'x';
}

bool exchange_bytes(struct ends *ends)
{
    return pass_byte(ends, ends->server, ends->client) && pass_byte(ends, ends->client, ends->server);
}

void connect_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host)
{
    make_ends(ends, client, server, host);
    step_handshakes(ends);
    if (ends->client_status != BGL_SSL_OK || ends->server_status != BGL_SSL_OK)
        FAIL("handshake: client %s (%s), server %s (%s)", status_name(ends->client_status), ends->client_error.message,
             status_name(ends->server_status), ends->server_error.message);
}

void connect_with(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    connect_ends(ends, client, server, "localhost");
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void try_connect_with(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    make_ends(ends, client, server, "localhost");
    step_handshakes(ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void connect_over_tcp(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    int fds[2];
    tcp_pair(fds);
    make_ends_over(ends, client, server, "localhost", fds);
    step_handshakes(ends);
    CHECK_OK(ends->client_status);
    CHECK_OK(ends->server_status);
    set_ends_blocking(ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

void set_ends_blocking(const struct ends *ends)
{
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->client, false));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends->server, false));
}

void free_ends(struct ends *ends)
{
    bgl_ssl_socket_free(ends->client);
    bgl_ssl_socket_free(ends->server);
}
