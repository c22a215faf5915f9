/* interop_engine_client HOST PORT PROTOCOL CA CERT KEY: as interop_client, with a connection without a socket. */
#include "interop_engine.h"

int main(int argc, char **argv)
{
    char reply[256];
    if (argc != 7) {
        fprintf(stderr, "usage: interop_engine_client HOST PORT PROTOCOL CA CERT KEY\n");
        return 2;
    }
    bgl_ssl_ctx_t *ctx = context_of(argv[3], argv[4], argv[5], argv[6]);
    struct wire wire = {bgl_ssl_connection_init(ctx, false, false, argv[1], false), socket(AF_INET, SOCK_STREAM, 0), 1};
    bgl_ssl_ctx_free(ctx);
    if (!wire.connection)
        die("connection");
    must(bgl_ssl_connection_set_hostname(wire.connection, argv[1]), "host name");
    must(bgl_ssl_connection_set_npn_protos(wire.connection, "\10http/1.1", 9), "protocols");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(wire.fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        return 1;
    }
    complete_handshakes(&wire);
    check_peer(&wire);
    say(&wire, "ping\n", 5);
    receive_until(&wire, "\n", reply, sizeof reply);
    tell(&wire);
    printf("reply %s", reply);
    send_close_notify(&wire);
    return 0;
}
