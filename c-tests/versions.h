/* The versions that tests of policies go through, over streams and datagrams. */
#ifndef VERSIONS_H
#define VERSIONS_H

#include "harness.h"

struct version {
    const char *name;
    int protocol, number;
};

#define STREAM_VERSIONS {"tls_1_2", BGLSSL_SSLV23, BGLSSL_TLSV1_2}, {"tls_1_3", BGLSSL_SSLV23, BGLSSL_TLSV1_3}

static const struct version versions[] = {STREAM_VERSIONS, {"dtls_1_2", BGLSSL_DTLSV1, 0}};

/* For what datagrams do not have, such as an end. */
static const struct version stream_versions[] = {STREAM_VERSIONS};

static inline bgl_ssl_config_t *of_version(const struct version *version, bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, version->protocol));
    if (version->number) {
        CHECK_OK(bgl_ssl_config_set_min_protocol(config, version->number));
        CHECK_OK(bgl_ssl_config_set_max_protocol(config, version->number));
    }
    return config;
}

/* A connection that sends a byte and reads one: whether that was allowed, and, if it was made, whether it was resumed. */
static inline bgl_ssl_status_t try_connection(const bgl_ssl_config_t *client, int port, bool *resumed)
{
    char byte = 'x';
    size_t n;
    bgl_ssl_socket_t *socket = bgl_ssl_connect(client, "127.0.0.1", port, AF_INET);
    *resumed = false;
    if (!socket)
        return last_error().code;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    bgl_ssl_status_t status = bgl_ssl_socket_write(socket, &byte, 1, &n);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_socket_read(socket, &byte, 1, &n);
    *resumed = bgl_ssl_socket_session_reused(socket);
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return status;
}

#endif
