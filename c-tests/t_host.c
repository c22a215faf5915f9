/* What the program does to OpenSSL behind the library's back: taking its providers away, cleaning it up. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/wait.h>

/* ---- no provider: algorithms are missing, memory is not ---- */

static void use_no_provider(void)
{
    static const char text[] = "openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\nactivate = 1\n";
    if (openssl_is_warm())
        skip_test("a process in which OpenSSL has not read its configuration yet");
    if (strstr(bgl_ssl_version(), "OpenSSL 1."))
        skip_test("an OpenSSL with providers");
    setenv("OPENSSL_CONF", write_file("openssl.cnf", text, strlen(text)), 1);
}

TEST(a_config_without_any_provider_is_unsupported)
{
    use_no_provider();
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(a_secure_context_without_any_provider_is_unsupported)
{
    use_no_provider();
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_ctx_init("SSLv23_method"));
}

TEST(random_bytes_without_any_provider_are_unsupported)
{
    char bytes[8];
    use_no_provider();
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_rand_bytes(bytes, sizeof bytes));
}

/* ---- after OPENSSL_cleanup: refused, where OpenSSL itself would crash ---- */

static void clean_openssl_up(void)
{
    char digest[32];
    CHECK_INT(32, (long long)bgl_ssl_digest("sha256", "x", 1, digest, sizeof digest));
    /* An OpenSSL inside of the library cannot be cleaned up from outside. */
    void (*cleanup)(void) = NULL;
    *(void **)&cleanup = dlsym(RTLD_DEFAULT, "OPENSSL_cleanup");
    if (!cleanup)
        skip_test("a shared OpenSSL");
    cleanup();
}

static void *made(const void *handle)
{
    return (void *)handle;
}

static void call_digest(void)
{
    char digest[32];
    CHECK_INT(0, (long long)bgl_ssl_digest("sha256", "x", 1, digest, sizeof digest));
}

static void call_hash(void)
{
    CHECK(!made(bgl_ssl_hash_init("sha256")));
}

static void call_hmac(void)
{
    CHECK(!made(bgl_ssl_hmac_init("sha256", "key", 3)));
}

static void call_sign(void)
{
    CHECK(!made(bgl_ssl_sign_init("sha256")));
}

static void call_cipher(void)
{
    CHECK(!made(bgl_ssl_cipher_initiv("aes-128-cbc", "0123456789abcdef", 16, "0123456789abcdef", 16, true)));
}

static void call_random(void)
{
    char bytes[8];
    CHECK(bgl_ssl_rand_bytes(bytes, sizeof bytes) < 0);
}

static void call_random_status(void)
{
    CHECK(!bgl_ssl_rand_status());
}

static void call_pbkdf2(void)
{
    char key[8];
    CHECK(bgl_ssl_pbkdf2_hmac("sha256", "p", 1, "s", 1, 1, key, sizeof key) < 0);
}

static void call_scrypt(void)
{
    char key[8];
    CHECK(bgl_ssl_scrypt("p", 1, "s", 1, 16, 8, 1, 0, key, sizeof key) < 0);
}

static void call_ecdh(void)
{
    CHECK(!made(bgl_ssl_ecdh_new("P-256")));
}

static void call_certificate(void)
{
    CHECK(!made(bgl_ssl_load_certificate(pki("good.pem"))));
}

static void call_private_key(void)
{
    CHECK(!made(bgl_ssl_load_private_key(pki("good.key"))));
}

static void call_pkcs12(void)
{
    bgl_ssl_private_key_t *key = NULL;
    CHECK(bgl_ssl_pkcs12_from_file(pki("good.p12"), "secret", &key, NULL, NULL) < 0);
}

static void call_config(void)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK(bgl_ssl_config_freeze(config) < 0);
    bgl_ssl_config_free(config);
}

static void call_secure_context(void)
{
    CHECK(!made(bgl_ssl_ctx_init("SSLv23_method")));
}

static void call_lists(void)
{
    CHECK_INT(0, (long long)bgl_evp_get_hashes(NULL, 0));
}

struct late_call {
    const char *name;
    void (*call)(void);
};

static const struct late_call late_calls[] = {
    {"digest", call_digest},
    {"hash", call_hash},
    {"hmac", call_hmac},
    {"sign", call_sign},
    {"cipher", call_cipher},
    {"random_bytes", call_random},
    {"random_status", call_random_status},
    {"pbkdf2", call_pbkdf2},
    {"scrypt", call_scrypt},
    {"ecdh", call_ecdh},
    {"certificate", call_certificate},
    {"private_key", call_private_key},
    {"pkcs12", call_pkcs12},
    {"config", call_config},
    {"secure_context", call_secure_context},
    {"lists", call_lists},
};

TEST_TABLE(after_openssl_cleanup_there_is_no, late_calls)
{
    const struct late_call *it = row;
    clean_openssl_up();
    it->call();
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_MESSAGE("OPENSSL_cleanup");
}
