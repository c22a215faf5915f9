/* interop_client HOST PORT PROTOCOL CA CERT KEY: connects to 127.0.0.1:PORT as to HOST, says "ping", prints what it
 * learns and the line that comes back. "-" stands for no CA, certificate or key. */
#include "interop_common.h"

int main(int argc, char **argv)
{
    static const char *const alpn[] = {"http/1.1"};
    char reply[256];
    size_t n;
    if (argc != 7) {
        fprintf(stderr, "usage: interop_client HOST PORT PROTOCOL CA CERT KEY\n");
        return 2;
    }
    bgl_ssl_config_t *config = config_of(argv[3], argv[4], argv[5], argv[6]);
    must(bgl_ssl_config_set_hostname(config, argv[1]), "host name");
    must(bgl_ssl_config_set_alpn(config, alpn, 1), "ALPN");
    bgl_ssl_socket_t *socket = bgl_ssl_connect(config, "127.0.0.1", atoi(argv[2]), AF_INET);
    bgl_ssl_config_free(config);
    if (!socket)
        die("connect");
    must(bgl_ssl_socket_write(socket, "ping\n", 5, &n), "write");
    read_text(socket, "\n", reply, sizeof reply);
    tell_facts(socket);
    printf("reply %s", reply);
    must(bgl_ssl_socket_close(socket), "close");
    bgl_ssl_socket_free(socket);
    return 0;
}
