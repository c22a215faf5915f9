/* Servers that serve one host by a config of its own: by the name that the client asks for, or because the program chooses. */
#include "steps.h"

/* What the program chooses. */
static bgl_ssl_config_t *chosen;

static bgl_ssl_config_t *host_of(const struct scenario *scenario)
{
    struct scenario only = *scenario;
    only.choice = NO_HOSTS;
    return make_config(&only, true);
}

bool add_host(const struct scenario *scenario, bgl_ssl_config_t *config)
{
    bgl_ssl_config_t *host = host_of(scenario);
    bool good = host && IS_GOOD(bgl_ssl_config_add_host(config, scenario->host, host));
    bgl_ssl_config_free(host);
    return good;
}

bool choose_host(const struct scenario *scenario, struct ends *ends)
{
    char name[64] = "";
    bgl_ssl_hello_t *hello = NULL;
    chosen = host_of(scenario);
    if (!chosen || !is_good(bgl_ssl_socket_handshake(ends->client), "bgl_ssl_socket_handshake"))
        return false;
    bgl_ssl_status_t status = bgl_ssl_socket_hello(ends->server, &hello);
    for (int i = 0; i < 100 && status == BGL_SSL_WANT_READ; i++) {
        if (!is_good(bgl_ssl_socket_handshake(ends->client), "bgl_ssl_socket_handshake"))
            return false;
        status = bgl_ssl_socket_hello(ends->server, &hello);
    }
    bool good = IS_GOOD(status) && status == BGL_SSL_OK;
    if (good && bgl_ssl_hello_server_name(hello, name, sizeof name) > 0 && strcmp(name, scenario->host) != 0)
        FAIL("the hello asks for %s", name);
    bgl_ssl_hello_free(hello);
    if (good && IS_GOOD(bgl_ssl_socket_set_config(ends->server, chosen)))
        return true;
    /* As a program does that cannot serve the host. */
    is_good(bgl_ssl_socket_refuse(ends->server, 80), "bgl_ssl_socket_refuse");
    return false;
}

void forget_host(void)
{
    bgl_ssl_config_free(chosen);
    chosen = NULL;
}
