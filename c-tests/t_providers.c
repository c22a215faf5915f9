/* Keys and certificates from URIs, providers, FIPS. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>

static bool is_1_1_1(void)
{
    return strncmp(bgl_ssl_version(), "OpenSSL 1.", 10) == 0;
}

static const char *uri_of(const char *file)
{
    static char uri[4096];
    snprintf(uri, sizeof uri, "file:%s", pki(file));
    return uri;
}

TEST(a_key_from_a_uri_is_that_of_the_file)
{
    static const char *const files[] = {"good.key", "good-rsa.key", "good-ed25519.key", "good.key.der"};
    for (size_t i = 0; i < COUNT(files); i++) {
        bgl_ssl_private_key_t *expected = private_key(i < 3 ? files[i] : files[0]);
        bgl_ssl_private_key_t *key = MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_uri(uri_of(files[i]), NULL));
        CHECK(bgl_ssl_private_key_equal(expected, key));
        bgl_ssl_private_key_free(key);
        /* A name without a scheme is a file's. */
        key = MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_uri(pki(files[i]), NULL));
        CHECK(bgl_ssl_private_key_equal(expected, key));
        bgl_ssl_private_key_free(key);
        bgl_ssl_private_key_free(expected);
    }
}

TEST(certificates_from_a_uri_are_those_of_the_file_in_their_order)
{
    bgl_ssl_certificate_list_t *list =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_certificate_list_from_uri(uri_of("chained.pem"), NULL));
    bgl_ssl_certificate_list_t *expected =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("chained.pem")));
    CHECK_INT((long long)bgl_ssl_certificate_list_length(expected), (long long)bgl_ssl_certificate_list_length(list));
    for (size_t i = 0; i < bgl_ssl_certificate_list_length(list); i++) {
        bgl_ssl_certificate_t *a = bgl_ssl_certificate_list_get(expected, i), *b = bgl_ssl_certificate_list_get(list, i);
        CHECK(bgl_ssl_certificate_equal(a, b));
        bgl_ssl_certificate_free(a);
        bgl_ssl_certificate_free(b);
    }
    bgl_ssl_certificate_list_free(list);
    bgl_ssl_certificate_list_free(expected);
}

TEST(an_encrypted_key_needs_its_passphrase)
{
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_uri(uri_of("good-encrypted.key"), NULL));
    CHECK_MESSAGE("no passphrase was given");
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_uri(uri_of("good-encrypted.key"), "wrong"));
    bgl_ssl_private_key_t *key =
        MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_uri(uri_of("good-encrypted.key"), "secret"));
    bgl_ssl_private_key_free(key);
}

TEST(what_is_not_there_is_an_error_that_names_it)
{
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_private_key_from_uri("file:/no/such/file", NULL));
    CHECK_MESSAGE("file:/no/such/file");
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_uri(uri_of("good.pem"), NULL));
    CHECK_MESSAGE("no private key found");
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_certificate_list_from_uri(uri_of("good.key"), NULL));
    CHECK_MESSAGE("no certificate found");
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_private_key_from_uri("no-such-scheme:x", NULL));
    CHECK_MESSAGE("no-such-scheme");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_private_key_from_uri(NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_list_from_uri(NULL, NULL));
}

TEST(stores_and_providers_can_be_asked_about)
{
    CHECK(bgl_ssl_supports("store:file"));
    CHECK(!bgl_ssl_supports("store:no-such-scheme"));
    CHECK(!bgl_ssl_supports("provider:no-such-provider"));
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_load_provider("no-such-provider"));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_load_provider(NULL));
    if (is_1_1_1()) {
        CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_load_provider("default"));
        CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_set_fips(true));
        return;
    }
    CHECK_MESSAGE("NULL");
    CHECK_OK(bgl_ssl_load_provider("base"));
    CHECK_OK(bgl_ssl_load_provider("base"));
    CHECK(bgl_ssl_supports("provider:base"));
}

/* A provider that is loaded by name does not put an end to those that OpenSSL loads by itself. */
TEST(connections_go_on_beside_a_provider_that_was_loaded)
{
    struct ends ends;
    if (is_1_1_1())
        skip_test("an OpenSSL with providers");
    CHECK_OK(bgl_ssl_load_provider("base"));
    connect_with(&ends, client_config(), server_config("good"));
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(fips_is_off_unless_it_is_asked_for)
{
    CHECK(!bgl_ssl_fips());
    CHECK_OK(bgl_ssl_set_fips(false));
    if (bgl_ssl_set_fips(true) < 0) {
        CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
        CHECK(!bgl_ssl_fips());
        skip_test("a FIPS module");
    }
    CHECK(bgl_ssl_fips());
    CHECK(!bgl_ssl_supports("group:X25519"));
}

/* As bgl_ssl_set_fips(true) does it, also without a FIPS module. */
TEST(contexts_made_before_are_not_used_after_fips_was_turned_on)
{
    int (*confine)(void *, int) = NULL;
    *(void **)&confine = dlsym(RTLD_DEFAULT, "EVP_default_properties_enable_fips");
    if (!confine)
        skip_test("a shared OpenSSL with providers");
    bgl_ssl_config_t *before = client_config(), *after = client_config(), *other = client_config();
    CHECK_OK(bgl_ssl_config_freeze(before));
    if (bgl_ssl_set_fips(true) < 0)
        CHECK_INT(1, confine(NULL, 1));
    CHECK(bgl_ssl_fips());
    CHECK_OK(bgl_ssl_config_set_record_size(other, 1024));
    bgl_ssl_status_t expected = bgl_ssl_config_freeze(other);
    if (expected == BGL_SSL_OK)
        skip_test("an OpenSSL that refuses a config under FIPS, by which contexts are told apart");
    CHECK_STATUS(expected, bgl_ssl_config_freeze(after));
    bgl_ssl_config_free(before);
    bgl_ssl_config_free(after);
    bgl_ssl_config_free(other);
}

/* ---- a key inside a TPM (swtpm), made and used through OpenSSL's tpm2 provider ---- */

static bool have(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

TEST(a_key_of_a_tpm_signs_for_a_server)
{
    char command[8192];
    struct ends ends;
    bool has_space = true;
    if (!have("swtpm") || !have("tpm2_createprimary") || !have("openssl"))
        skip_test("swtpm and tpm2-tools");
    const char *state = own_path("tpm");
    snprintf(command, sizeof command,
             "mkdir -p %s && swtpm socket --tpmstate dir=%s --tpm2 --flags startup-clear "
             "--ctrl type=unixio,path=%s/ctrl --server type=unixio,path=%s/sock --daemon --pid file=%s/pid",
             state, state, state, state, state);
    if (system(command) != 0)
        skip_test("an swtpm that starts");
    char tcti[4096];
    snprintf(tcti, sizeof tcti, "cmd:nc -U %s/sock", state);
    if (!have("nc"))
        snprintf(tcti, sizeof tcti, "cmd:socat STDIO UNIX-CONNECT:%s/sock", state);
    setenv("TPM2TOOLS_TCTI", tcti, 1);
    setenv("TPM2OPENSSL_TCTI", tcti, 1);
    snprintf(command, sizeof command,
             "cd %s && { tpm2_createprimary -Q -C o -g sha256 -G ecc -c p.ctx && "
             "tpm2_flushcontext -Q -t && tpm2_create -Q -C p.ctx -g sha256 -G ecc:ecdsa -u k.pub -r k.priv && "
             "tpm2_flushcontext -Q -t && tpm2_load -Q -C p.ctx -u k.pub -r k.priv -c k.ctx && "
             "tpm2_evictcontrol -Q -C o -c k.ctx 0x81000001 && tpm2_flushcontext -Q -t && "
             "tpm2_readpublic -Q -c 0x81000001 -f pem -o k.pem && tpm2_flushcontext -Q -t; } "
             ">log 2>&1",
             state);
    bool made = system(command) == 0;
    if (made && bgl_ssl_load_provider("tpm2") == BGL_SSL_OK) {
        bgl_ssl_private_key_t *key =
            MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_uri("handle:0x81000001", NULL));
        snprintf(command, sizeof command,
                 "cd %s && openssl x509 -new -subj /CN=localhost -days 2 -CA %s -CAkey %s -force_pubkey k.pem "
                 "-out cert.pem 2>>log",
                 state, pki("root.pem"), pki("root.key"));
        CHECK_INT(0, system(command));
        char file[4096];
        snprintf(file, sizeof file, "%s/cert.pem", state);
        bgl_ssl_certificate_t *cert = MADE(bgl_ssl_certificate_t, bgl_ssl_load_certificate(file));
        const bgl_ssl_certificate_t *chain[] = {cert};
        bgl_ssl_config_t *server = bgl_ssl_config_new();
        CHECK_OK(bgl_ssl_config_set_certificate_chain(server, chain, 1, key));
        CHECK_OK(bgl_ssl_certificate_check_private_key(cert, key));
        try_connect_with(&ends, client_config(), server);
        /* A TPM has space for three objects, which is too little without a resource manager before it. */
        has_space = !strstr(ends.server_error.message, "out of memory for object contexts");
        if (has_space) {
            CHECK_OK(ends.client_status);
            CHECK_OK(ends.server_status);
            CHECK(exchange_bytes(&ends));
        }
        free_ends(&ends);
        bgl_ssl_certificate_free(cert);
        bgl_ssl_private_key_free(key);
    } else {
        made = false;
    }
    snprintf(command, sizeof command, "kill $(cat %s/pid) 2>/dev/null", state);
    if (system(command) != 0) {
        /* It has ended with its last connection. */
    }
    if (!made)
        skip_test("the tpm2 provider, and a TPM that makes keys");
    if (!has_space)
        skip_test("a TPM with a resource manager");
}

/* Not "unregistered scheme (scheme=file)": a mistyped path is the usual cause. */
TEST(a_file_that_is_not_there_is_told_as_such)
{
    static const char *const uris[] = {"file:/no/such/file", "file:///no/such/file", "file://localhost/no/such/file",
                                       "/no/such/file", "file:no-such-file"};
    for (size_t i = 0; i < COUNT(uris); i++) {
        CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_private_key_from_uri(uris[i], NULL));
        CHECK_MESSAGE("No such file");
        CHECK_INT(ENOENT, last_error().sys_errno);
        CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_certificate_list_from_uri(uris[i], NULL));
        CHECK_INT(ENOENT, last_error().sys_errno);
    }
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_private_key_from_uri("", NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_list_from_uri("", NULL));
}
