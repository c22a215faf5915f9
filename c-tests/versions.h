/* The versions that tests of policies go through, over streams and datagrams. */
#ifndef VERSIONS_H
#define VERSIONS_H

#include "harness.h"

struct version {
    const char *name;
    int protocol, number;
};

static const struct version versions[] = {
    {"tls_1_2", BGLSSL_SSLV23, BGLSSL_TLSV1_2},
    {"tls_1_3", BGLSSL_SSLV23, BGLSSL_TLSV1_3},
    {"dtls_1_2", BGLSSL_DTLSV1, 0},
};

static inline bgl_ssl_config_t *of_version(const struct version *version, bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, version->protocol));
    if (version->number) {
        CHECK_OK(bgl_ssl_config_set_min_protocol(config, version->number));
        CHECK_OK(bgl_ssl_config_set_max_protocol(config, version->number));
    }
    return config;
}

#endif
