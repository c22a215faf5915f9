/* interop_engine_server PROTOCOL CA CERT KEY: as interop_server, with a connection without a socket. */
#include "interop_engine.h"

static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\npong\n";

int main(int argc, char **argv)
{
    char text[4096];
    if (argc != 5) {
        fprintf(stderr, "usage: interop_engine_server PROTOCOL CA CERT KEY\n");
        return 2;
    }
    bgl_ssl_ctx_t *ctx = context_of(argv[1], argv[2], argv[3], argv[4]);
    bool certificate = given(argv[2]);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 5) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("listen");
        return 1;
    }
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct wire wire = {bgl_ssl_connection_init(ctx, true, certificate, NULL, certificate), accept(listener, NULL, NULL), 1};
    bgl_ssl_ctx_free(ctx);
    close(listener);
    if (!wire.connection)
        die("connection");
    must(bgl_ssl_connection_set_npn_protos(wire.connection, "\10http/1.1", 9), "protocols");
    complete_handshakes(&wire);
    if (certificate)
        check_peer(&wire);
    size_t length = receive_until(&wire, "\n", text, sizeof text);
    if (strncmp(text, "GET ", 4) == 0) {
        while (!strstr(text, "\r\n\r\n") && length < sizeof text - 1)
            length += receive_until(&wire, "\r\n\r\n", text + length, sizeof text - length);
        say(&wire, page, sizeof page - 1);
    } else {
        say(&wire, text, length);
    }
    tell(&wire);
    printf("got %s\n", strtok(text, "\r\n"));
    send_close_notify(&wire);
    return 0;
}
