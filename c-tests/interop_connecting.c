/* Connects through others' proxies and over Unix sockets, for interop_connecting.py:
 *
 *   interop_connecting through PROXY HOST PORT CA PROXY-CA    says "ping", waiting for everything, then without waiting;
 *                                                             prints the lines that come back
 *   interop_connecting unix PATH HOST CA                      the same once, to a Unix socket
 *   interop_connecting listen PATH CERT KEY                   answers one client with its own line
 */
#include <poll.h>

#include "interop_common.h"

static void ping(bgl_ssl_socket_t *socket)
{
    char reply[256];
    size_t n;
    must(bgl_ssl_socket_write(socket, "ping\n", 5, &n), "write");
    read_text(socket, "\n", reply, sizeof reply);
    printf("reply %s", reply);
    must(bgl_ssl_socket_close(socket), "close");
    bgl_ssl_socket_free(socket);
}

static bgl_ssl_config_t *client(const char *ca)
{
    return config_of("tls", ca, "-", "-");
}

static bgl_ssl_socket_t *without_waiting(const bgl_ssl_config_t *config, const char *host, int port)
{
    bgl_ssl_socket_t *socket = bgl_ssl_connect_start(config, host, port, AF_INET, NULL, NULL);
    bgl_ssl_status_t status;
    if (!socket)
        die("start");
    while ((status = bgl_ssl_socket_handshake(socket)) > 0) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        poll(&wait, 1, 20000);
    }
    must(status, "handshake");
    must(bgl_ssl_socket_set_nonblocking(socket, false), "blocking");
    return socket;
}

static void through(char **argv)
{
    int port = atoi(argv[2]);
    bgl_ssl_config_t *config = client(argv[3]), *proxy = client(argv[4]);
    must(bgl_ssl_config_set_proxy(config, argv[0], proxy), "proxy");
    must(bgl_ssl_config_set_connect_timeout(config, 20000000), "connect timeout");
    bgl_ssl_socket_t *socket = bgl_ssl_connect(config, argv[1], port, AF_INET);
    if (!socket)
        die("connect");
    ping(socket);
    ping(without_waiting(config, argv[1], port));
    bgl_ssl_config_free(proxy);
    bgl_ssl_config_free(config);
}

static void listen_on(char **argv)
{
    char line[256];
    size_t n;
    bgl_ssl_config_t *config = config_of("tls", "-", argv[1], argv[2]);
    bgl_ssl_server_t *server = bgl_ssl_listen_unix(config, argv[0], 5, 0600);
    bgl_ssl_socket_t *socket = NULL;
    if (!server)
        die("listen");
    printf("listening\n");
    fflush(stdout);
    must(bgl_ssl_server_accept(server, 20000000, &socket), "accept");
    must(bgl_ssl_socket_write(socket, line, read_text(socket, "\n", line, sizeof line), &n), "write");
    must(bgl_ssl_socket_close(socket), "close");
    bgl_ssl_socket_free(socket);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "through") == 0) {
        through(argv + 2);
    } else if (argc == 5 && strcmp(argv[1], "unix") == 0) {
        bgl_ssl_config_t *config = client(argv[4]);
        bgl_ssl_socket_t *socket = bgl_ssl_connect_unix(config, argv[2], argv[3]);
        if (!socket)
            die("connect");
        ping(socket);
        bgl_ssl_config_free(config);
    } else if (argc == 5 && strcmp(argv[1], "listen") == 0) {
        listen_on(argv + 2);
    } else {
        return 2;
    }
    return 0;
}
