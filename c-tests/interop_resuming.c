/* interop_resuming PORT PROTOCOL CA TIMES: asks 127.0.0.1:PORT for a page, so many times, one after the other, and prints
 * for each whether the session was resumed, and what has come. For interop_resuming.py. */
#include "interop_common.h"

int main(int argc, char **argv)
{
    static const char request[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    char text[4096];
    size_t n;
    if (argc != 5) {
        fprintf(stderr, "usage: interop_resuming PORT PROTOCOL CA TIMES\n");
        return 2;
    }
    bgl_ssl_config_t *config = config_of(argv[2], argv[3], "-", "-");
    must(bgl_ssl_config_set_hostname(config, "localhost"), "host name");
    for (int i = 0; i < atoi(argv[4]); i++) {
        bgl_ssl_socket_t *socket = bgl_ssl_connect(config, "127.0.0.1", atoi(argv[1]), AF_INET);
        if (!socket)
            die("connect");
        must(bgl_ssl_socket_write(socket, request, sizeof request - 1, &n), "write");
        must(bgl_ssl_socket_read(socket, text, sizeof text - 1, &n), "read");
        text[n] = '\0';
        printf("%s %s\n%.40s\n", bgl_ssl_socket_session_reused(socket) ? "resumed" : "full",
               bgl_ssl_socket_protocol(socket), text);
        fflush(stdout);
        /* A web server ends the stream, well or badly; over datagrams nothing more comes. */
        while (bgl_ssl_socket_mtu(socket) == 0 && bgl_ssl_socket_read(socket, text, sizeof text, &n) == BGL_SSL_OK)
            continue;
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    }
    bgl_ssl_config_free(config);
    return 0;
}
