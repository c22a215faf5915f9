/* Verification that fails before it begins: OpenSSL goes on with the handshake then, as if nothing were wrong. */
#define _GNU_SOURCE
#include "engine.h"

#include <dlfcn.h>

static bool fails;
static int failures;

/* OpenSSL finds this before its own, unless it is a part of the library. It fails where memory is short. */
int X509_STORE_CTX_init(void *ctx, void *store, void *leaf, void *chain);

int X509_STORE_CTX_init(void *ctx, void *store, void *leaf, void *chain)
{
    int (*real)(void *, void *, void *, void *);
    if (fails) {
        failures++;
        return 0;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "X509_STORE_CTX_init");
    return real(ctx, store, leaf, chain);
}

static const struct method {
    const char *name;
    const char *method;
} methods[] = {
    {"tls_1_2", "TLSv1_2_method"},
    {"tls_1_3", "TLSv1_3_method"},
};

TEST_TABLE(a_certificate_that_could_not_be_verified_is_not_fine, methods)
{
    const struct method *it = row;
    struct pair pair = make_own_pair(client_ctx(it->method), server_ctx("default", "untrusted"));
    for (int i = 0; i < 5; i++) {
        /* Not on the server, which looks for the chain that it sends. */
        fails = true;
        bgl_ssl_connection_start(pair.client);
        fails = false;
        carry(&pair, pair.client, pair.server);
        bgl_ssl_connection_start(pair.server);
        carry(&pair, pair.server, pair.client);
    }
    if (!failures)
        skip_test("an OpenSSL outside of the library");
    check_handshakes_done(&pair);
    CHECK_STRING("OUT_OF_MEM", verify_error(pair.client));
    free_pair(&pair);
}
