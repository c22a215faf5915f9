/* interop_server PROTOCOL CA CERT KEY: listens on 127.0.0.1, prints `port N`, serves one connection and prints what
 * it learns. A request of HTTP is answered as such, any other line is sent back. With a CA, the client must present a
 * certificate; "-" stands for no CA. */
#include "interop_common.h"

static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\npong\n";

int main(int argc, char **argv)
{
    static const char *const alpn[] = {"http/1.1"};
    char text[4096];
    size_t n;
    if (argc != 5) {
        fprintf(stderr, "usage: interop_server PROTOCOL CA CERT KEY\n");
        return 2;
    }
    bgl_ssl_config_t *config = config_of(argv[1], argv[2], argv[3], argv[4]);
    must(bgl_ssl_config_set_alpn(config, alpn, 1), "ALPN");
    bgl_ssl_server_t *server = bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET);
    bgl_ssl_config_free(config);
    if (!server)
        die("listen");
    printf("port %d\n", bgl_ssl_server_port(server));
    fflush(stdout);
    bgl_ssl_socket_t *socket = NULL;
    must(bgl_ssl_server_accept(server, 20000000, &socket), "accept");
    size_t length = read_text(socket, "\n", text, sizeof text);
    if (strncmp(text, "GET ", 4) == 0) {
        while (!strstr(text, "\r\n\r\n") && length < sizeof text - 1)
            length += read_text(socket, "\r\n\r\n", text + length, sizeof text - length);
        must(bgl_ssl_socket_write(socket, page, sizeof page - 1, &n), "write");
    } else {
        must(bgl_ssl_socket_write(socket, text, length, &n), "write");
    }
    tell_facts(socket);
    printf("got %s\n", strtok(text, "\r\n"));
    must(bgl_ssl_socket_close(socket), "close");
    bgl_ssl_socket_free(socket);
    bgl_ssl_server_free(server);
    return 0;
}
