/* What the tests of clients that resume by themselves have in common. */
#ifndef AUTO_RESUME_H
#define AUTO_RESUME_H

#include "clock.h"
#include "versions.h"

/* ---- a server that counts, and connections to it ---- */

struct count {
    int full, resumed;
    int silent_after; /* how many clients get an echo; 0: all */
};

static inline void count_one(bgl_ssl_socket_t *socket, struct count *count)
{
    bool reused = bgl_ssl_socket_session_reused(socket);
    count->resumed += reused;
    count->full += !reused;
}

static inline void serve_counted(bgl_ssl_socket_t *socket, void *data)
{
    struct count *count = data;
    count_one(socket, count);
    if (!count->silent_after || count->full + count->resumed <= count->silent_after)
        serve_echo(socket, NULL);
}

static inline bgl_ssl_config_t *named_client(const struct version *version)
{
    bgl_ssl_config_t *config = of_version(version, client_config());
    CHECK_OK(bgl_ssl_config_set_hostname(config, "localhost"));
    return config;
}

static inline bgl_ssl_config_t *named_server(const struct version *version)
{
    return of_version(version, server_config("good"));
}

/* Asks for a byte, and says whether a session was resumed. */
static inline bool connection_to_host_is_resumed(const bgl_ssl_config_t *client, const char *host, int port)
{
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, host, port, AF_INET));
    bool reused = bgl_ssl_socket_session_reused(socket);
    check_echo(socket, "x");
    finish(socket);
    return reused;
}

static inline bool connection_is_resumed(const bgl_ssl_config_t *client, int port)
{
    return connection_to_host_is_resumed(client, "127.0.0.1", port);
}

#endif
