/* The ways from a client to the server: TCP, a Unix socket, proxies, a connect that does not wait; a listener of the program's. */
#include <poll.h>

#include "steps.h"

/* ---- a proxy, in a thread; the program's own calls do not fail ---- */

struct proxy {
    bool socks;
    int listener;
    int port;
    int target;
    int stop[2];
    pthread_t thread;
};

static bool is_stopped(const struct proxy *it, int fd)
{
    struct pollfd fds[2] = {{fd, POLLIN, 0}, {it->stop[0], POLLIN, 0}};
    return poll(fds, 2, -1) < 0 || !(fds[0].revents & (POLLIN | POLLHUP | POLLERR));
}

/* From one to the other; false once there is nothing more. */
static bool carry(int from, int to)
{
    char buffer[16384];
    ssize_t n = recv(from, buffer, sizeof buffer, 0);
    return n > 0 && send(to, buffer, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool take(const struct proxy *it, int client, char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (is_stopped(it, client) || recv(client, data + i, 1, 0) != 1)
            return false;
    return true;
}

static bool give(int client, const char *data, size_t length)
{
    return send(client, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Whether the client has asked for a connection. */
static bool speak_http(const struct proxy *it, int client)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    char request[1024] = "";
    for (size_t length = 0; !strstr(request, "\r\n\r\n"); length++)
        if (length + 1 >= sizeof request || !take(it, client, request + length, 1))
            return false;
    return give(client, answer, sizeof answer - 1);
}

/* With user and password; the client tells the host's name. */
static bool speak_socks(const struct proxy *it, int client)
{
    char request[600];
    return take(it, client, request, 2) && take(it, client, request + 2, (unsigned char)request[1]) &&
           give(client, "\5\2", 2) && take(it, client, request, 2) &&
           take(it, client, request + 2, (unsigned char)request[1] + 1) &&
           take(it, client, request, (unsigned char)request[(unsigned char)request[1] + 2]) && give(client, "\1\0", 2) &&
           take(it, client, request, 5) && take(it, client, request + 5, (unsigned char)request[4] + 2) &&
           give(client, "\5\0\0\1\0\0\0\0\0\0", 10);
}

static void serve_client(const struct proxy *it, int client)
{
    if (!(it->socks ? speak_socks(it, client) : speak_http(it, client)))
        return;
    int server = plain_connect(it->target);
    if (server < 0)
        return;
    struct pollfd fds[3] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {it->stop[0], POLLIN, 0}};
    while ((fds[0].fd >= 0 || fds[1].fd >= 0) && poll(fds, 3, -1) > 0 && !fds[2].revents) {
        if (fds[0].revents && !carry(client, server))
            shutdown(server, SHUT_WR), fds[0].fd = -1;
        if (fds[1].revents && !carry(server, client))
            shutdown(client, SHUT_WR), fds[1].fd = -1;
    }
    close(server);
}

static void *run_proxy(void *data)
{
    const struct proxy *it = data;
    int client = is_stopped(it, it->listener) ? -1 : accept(it->listener, NULL, NULL);
    if (client >= 0) {
        serve_client(it, client);
        close(client);
    }
    return NULL;
}

static void start_proxy(struct proxy *it, int target)
{
    it->listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &it->port);
    it->target = target;
    CHECK(pipe(it->stop) == 0);
    it->thread = start_thread(run_proxy, it);
}

static void end_proxy(struct proxy *it)
{
    close(it->stop[1]);
    join_thread(it->thread);
    close(it->stop[0]);
    close(it->listener);
}

/* ---- the ways ---- */

/* One at a time, from a connect to `leave`. */
static struct proxy proxy;

static bgl_ssl_socket_t *through_proxy(enum way way, const bgl_ssl_config_t *client, int port)
{
    char url[64];
    bgl_ssl_socket_t *socket = NULL;
    bgl_ssl_config_t *config = TRY(bgl_ssl_config_t, bgl_ssl_config_copy(client));
    proxy.socks = way == BY_SOCKS;
    start_proxy(&proxy, port);
    if (!config)
        return NULL;
    snprintf(url, sizeof url, "%s://me:secret@127.0.0.1:%d", proxy.socks ? "socks5h" : "http", proxy.port);
    if (IS_GOOD(bgl_ssl_config_set_proxy(config, url, NULL)))
        socket = bgl_ssl_connect(config, "localhost", port, AF_INET);
    bgl_ssl_config_free(config);
    return socket;
}

static bgl_ssl_socket_t *without_waiting(const bgl_ssl_config_t *client, int port)
{
    bgl_ssl_socket_t *socket = bgl_ssl_connect_start(client, "localhost", port, AF_INET, NULL, NULL);
    int64_t deadline = now_us() + 5 * LIMIT;
    bgl_ssl_status_t status;
    if (!socket)
        return NULL;
    while ((status = bgl_ssl_socket_handshake(socket)) == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        int64_t left = bgl_ssl_socket_timeout(socket);
        if (now_us() > deadline)
            FAIL("the handshake did not end in time");
        poll(&wait, 1, left < 0 || left > SECOND ? 1000 : (int)(left / MS) + 1);
    }
    if (status == BGL_SSL_OK && bgl_ssl_socket_set_nonblocking(socket, false) == BGL_SSL_OK)
        return socket;
    bgl_ssl_error_t before = last_error();
    bgl_ssl_socket_free(socket);
    if (last_error().code != before.code)
        FAIL("a free has changed the error slot");
    return NULL;
}

void leave(enum way way)
{
    if (way == BY_PROXY || way == BY_SOCKS)
        end_proxy(&proxy);
    if (way == BY_UNIX)
        unlink(run_file(SOCKET_FILE));
}

static bgl_ssl_server_t *listen_on_given(const bgl_ssl_config_t *config)
{
    int port = 0;
    int fd = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    CHECK(fd >= 0);
    bgl_ssl_server_t *server = bgl_ssl_server_from_fd(config, fd);
    close(fd);
    return server;
}

bgl_ssl_server_t *listen_by(enum way way, const bgl_ssl_config_t *config)
{
    if (way == GIVEN_LISTENER)
        return listen_on_given(config);
    return way == BY_UNIX ? bgl_ssl_listen_unix(config, run_file(SOCKET_FILE), 16, 0600)
                          : bgl_ssl_listen(config, "127.0.0.1", 0, 16, AF_INET);
}

bgl_ssl_socket_t *connect_by(enum way way, const bgl_ssl_config_t *config, int port, const bgl_ssl_session_t *offered)
{
    switch (way) {
    case BY_UNIX:
        return bgl_ssl_connect_unix(config, run_file(SOCKET_FILE), NULL);
    case BY_PROXY:
    case BY_SOCKS:
        return through_proxy(way, config, port);
    case WITHOUT_WAITING:
        return without_waiting(config, port);
    default:
        return offered ? bgl_ssl_connect_resume(config, "127.0.0.1", port, AF_INET, offered)
                       : bgl_ssl_connect(config, "127.0.0.1", port, AF_INET);
    }
}
