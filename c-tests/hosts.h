/* What tests of servers with many names have in common: clients that ask for a name, and what they get to see. */
#ifndef HOSTS_H
#define HOSTS_H

#include "versions.h"

/* Whether two certificates are the same. */
static inline bool is_certificate(const bgl_ssl_certificate_t *shown, const char *file)
{
    char one[128], other[128];
    bgl_ssl_certificate_t *expected = certificate(file);
    CHECK(bgl_ssl_certificate_fingerprint(shown, "sha256", one, sizeof one) > 0);
    CHECK(bgl_ssl_certificate_fingerprint(expected, "sha256", other, sizeof other) > 0);
    bgl_ssl_certificate_free(expected);
    return strcmp(one, other) == 0;
}

/* The connection's peer has shown NAME.pem. */
static inline void check_shown(const bgl_ssl_socket_t *socket, const char *file)
{
    bgl_ssl_certificate_t *shown = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(socket));
    if (!is_certificate(shown, file))
        FAIL("another certificate than %s", file);
    bgl_ssl_certificate_free(shown);
}

/* A client's config that asks for this name (NULL: for none), and takes the certificate of any. */
static inline bgl_ssl_config_t *client_of(const char *name)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_insecure_verify_chain_only(config));
    CHECK_OK(bgl_ssl_config_set_server_name(config, name ? name : ""));
    return config;
}

/* Two ends of which the client asks for this name; whether they come together is up to the case. The configs are not
 * taken over. */
static inline void ask_for(struct ends *ends, const bgl_ssl_config_t *server, const char *name)
{
    bgl_ssl_config_t *client = client_of(name);
    make_ends(ends, client, server, "127.0.0.1");
    bgl_ssl_config_free(client);
    step_handshakes(ends);
}

/* The certificate that a client is to be shown who asks for a name. */
struct choice {
    const char *name, *asked, *shown;
};

/* A client that asks this server for the name is shown that certificate. */
static inline void check_presents(const bgl_ssl_config_t *server, const char *asked, const char *shown)
{
    struct ends ends;
    ask_for(&ends, server, asked);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    check_shown(ends.client, shown);
    free_ends(&ends);
}

static inline bgl_ssl_identity_t *identity_of(const char *name)
{
    char chain[64], key[64];
    snprintf(chain, sizeof chain, "%s.pem", name);
    snprintf(key, sizeof key, "%s.key", name);
    return MADE(bgl_ssl_identity_t, bgl_ssl_identity_from_files(pki(chain), pki(key), NULL));
}

static inline void add_identity(bgl_ssl_config_t *config, const char *name)
{
    bgl_ssl_identity_t *identity = identity_of(name);
    CHECK_OK(bgl_ssl_config_add_identity(config, identity));
    bgl_ssl_identity_free(identity);
}

/* Adds a host that presents NAME.pem, and takes over `host` if it is not NULL. */
static inline void add_host(bgl_ssl_config_t *config, const char *pattern, bgl_ssl_config_t *host)
{
    CHECK_OK(bgl_ssl_config_add_host(config, pattern, host));
    bgl_ssl_config_free(host);
}

#endif
