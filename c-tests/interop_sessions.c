/* interop_sessions PROTOCOL CERT KEY MODE [CONTEXT KEY-FILE]: a server for interop_sessions.py. It prints `port N`, serves
 * all clients, and answers requests of HTTP, or a line, with whether the connection was resumed. MODE is `tickets` or
 * `cache`; CONTEXT is a session id context in hexadecimal, and KEY-FILE the file of ticket keys of another server. */
#include "interop_common.h"

enum { SECOND = 1000000 };

static void *serve(void *data)
{
    bgl_ssl_socket_t *socket = data;
    char request[8192] = "", page[256];
    size_t length = 0, n;
    bgl_ssl_status_t status = bgl_ssl_socket_handshake(socket);
    while (status == BGL_SSL_OK && !strchr(request, '\n') && length + 1 < sizeof request) {
        status = bgl_ssl_socket_read(socket, request + length, sizeof request - 1 - length, &n);
        length += status == BGL_SSL_OK ? n : 0;
        request[length] = '\0';
    }
    if (status == BGL_SSL_OK) {
        int resumed = bgl_ssl_socket_session_reused(socket);
        int whole = snprintf(page, sizeof page, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nresumed %d\n",
                             resumed);
        bgl_ssl_socket_write(socket, page, (size_t)whole, &n);
        printf("resumed %d\n", resumed);
        fflush(stdout);
    }
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return NULL;
}

static void share(bgl_ssl_config_t *config, const char *context, const char *key_file)
{
    unsigned char id[32];
    size_t length = 0;
    for (unsigned byte; length < sizeof id && sscanf(context + 2 * length, "%2x", &byte) == 1; length++)
        id[length] = (unsigned char)byte;
    must(bgl_ssl_config_set_session_id_context(config, id, length), "session id context");
    bgl_ssl_ticket_keys_t *keys = bgl_ssl_ticket_keys_new(0);
    must(bgl_ssl_ticket_keys_add_file(keys, key_file), key_file);
    must(bgl_ssl_config_set_ticket_keys(config, keys), "ticket keys");
    bgl_ssl_ticket_keys_free(keys);
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "usage: interop_sessions PROTOCOL CERT KEY MODE [CONTEXT KEY-FILE]\n");
        return 2;
    }
    bgl_ssl_config_t *config = config_of(argv[1], "-", argv[2], argv[3]);
    must(bgl_ssl_config_set_lazy_handshake(config, true), "lazy handshake");
    if (strcmp(argv[4], "cache") == 0)
        must(bgl_ssl_config_set_sessions(config, BGL_SSL_SESSIONS_CACHE), "sessions");
    if (argc == 7)
        share(config, argv[5], argv[6]);
    serve_clients(config, serve);
}
