/* Configs from files and from lists, in one call each. */
#define _GNU_SOURCE
#include "harness.h"

static bgl_ssl_config_t *empty_config(void)
{
    return MADE(bgl_ssl_config_t, bgl_ssl_config_new());
}

TEST(files_make_two_ends_that_connect)
{
    struct ends ends;
    bgl_ssl_config_t *client = empty_config(), *server = empty_config();
    CHECK_OK(bgl_ssl_config_set_ca_file(client, pki("root.pem")));
    CHECK_OK(bgl_ssl_config_set_certificate_file(server, pki("chained.pem"), pki("chained.key"), NULL));
    connect_with(&ends, client, server);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(a_key_may_be_encrypted_or_in_the_file_of_the_chain)
{
    bgl_ssl_config_t *config = empty_config();
    CHECK_OK(bgl_ssl_config_set_certificate_file(config, pki("good.pem"), pki("good-encrypted.key"), "secret"));
    CHECK_OK(bgl_ssl_config_set_certificate_file(config, pki("key-then-certificates.pem"), NULL, NULL));
    CHECK_OK(bgl_ssl_config_set_certificate_file(config, pki("good.pem"), pki("good.key.der"), NULL));
    bgl_ssl_config_free(config);
}

/* ---- from memory ---- */

struct bytes {
    char *data;
    size_t length;
};

static struct bytes bytes_of(const char *file)
{
    struct bytes bytes;
    bytes.data = read_whole_file(pki(file), &bytes.length);
    CHECK(bytes.data != NULL);
    return bytes;
}

/* What the config makes of a certificate and a key that are these files' bytes; NULL: the key is behind the chain. */
static bgl_ssl_status_t set_mem(bgl_ssl_config_t *config, const char *chain_file, const char *key_file,
                                const char *passphrase)
{
    struct bytes chain = bytes_of(chain_file), key = key_file ? bytes_of(key_file) : (struct bytes){NULL, 0};
    bgl_ssl_status_t status =
        bgl_ssl_config_set_certificate_mem(config, chain.data, chain.length, key.data, key.length, passphrase);
    free(chain.data);
    free(key.data);
    return status;
}

TEST(memory_makes_two_ends_that_connect)
{
    struct ends ends;
    bgl_ssl_config_t *client = empty_config(), *server = empty_config();
    struct bytes ca = bytes_of("root.pem");
    CHECK_OK(bgl_ssl_config_set_ca_mem(client, ca.data, ca.length));
    free(ca.data);
    CHECK_OK(set_mem(server, "chained.pem", "chained.key", NULL));
    connect_with(&ends, client, server);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(what_may_be_in_a_file_may_be_in_memory)
{
    bgl_ssl_config_t *config = empty_config();
    CHECK_OK(set_mem(config, "good.pem", "good-encrypted.key", "secret"));
    CHECK_OK(set_mem(config, "key-then-certificates.pem", NULL, NULL));
    CHECK_OK(set_mem(config, "good.der", "good.key.der", NULL));
    CHECK_OK(set_mem(config, "good.p12", NULL, "secret"));
    CHECK_OK(set_mem(config, "good.p12", "client.key", "secret"));
    bgl_ssl_config_free(config);
}

TEST(bad_memory_leaves_a_config_as_it_was)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    struct bytes key = bytes_of("client.key"), ca = bytes_of("root.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG, set_mem(server, "chained.pem", "client.key", NULL));
    CHECK_MESSAGE("the key in memory: the private key does not belong to the certificate");
    CHECK_STATUS(BGL_SSL_E_CONFIG, set_mem(server, "client.key", "client.pem", NULL));
    CHECK_MESSAGE("the chain in memory: no certificate found");
    CHECK_STATUS(BGL_SSL_E_CONFIG, set_mem(server, "good.pem", NULL, NULL));
    CHECK_MESSAGE("no private key found");
    CHECK_STATUS(BGL_SSL_E_CONFIG, set_mem(server, "good.pem", "good-encrypted.key", "wrong"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_ca_mem(client, key.data, key.length));
    CHECK_MESSAGE("no certificate found");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_ca_mem(client, "", 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_mem(client, NULL, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_mem(client, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_mem(client, key.data, SIZE_MAX));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_mem(NULL, ca.data, ca.length));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate_mem(server, NULL, 0, key.data, key.length, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate_mem(server, key.data, SIZE_MAX, NULL, 0, NULL));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_certificate_mem(server, key.data, 0, NULL, 0, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, set_mem(NULL, "good.pem", "good.key", NULL));
    CHECK_OK(bgl_ssl_config_freeze(server));
    CHECK_STATUS(BGL_SSL_E_STATE, set_mem(server, "good.pem", "good.key", NULL));
    CHECK_OK(bgl_ssl_config_freeze(client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_ca_mem(client, ca.data, ca.length));
    free(key.data);
    free(ca.data);
    connect_with(&ends, client, server);
    free_ends(&ends);
}

/* ---- from lists ---- */

TEST(lists_make_two_ends_that_connect)
{
    struct ends ends;
    bgl_ssl_config_t *client = empty_config(), *server = empty_config();
    bgl_ssl_certificate_list_t *cas = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("root.pem")));
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("chained.pem")));
    bgl_ssl_private_key_t *key = private_key("chained.key");
    CHECK_OK(bgl_ssl_config_set_ca_list(client, cas));
    CHECK_OK(bgl_ssl_config_set_accepted_list(client, chain));
    CHECK_OK(bgl_ssl_config_set_certificate_list(server, chain, key));
    bgl_ssl_certificate_list_free(cas);
    bgl_ssl_certificate_list_free(chain);
    bgl_ssl_private_key_free(key);
    connect_with(&ends, client, server);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
}

TEST(a_list_of_others_accepts_nobody_else)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_certificate_list_t *others = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("client.pem")));
    CHECK_OK(bgl_ssl_config_set_accepted_list(client, others));
    bgl_ssl_certificate_list_free(others);
    try_connect_with(&ends, client, server_config("good"));
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

TEST(a_list_that_could_not_be_loaded_does_not_widen_whom_is_trusted)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_certificate_list_t *missing = bgl_ssl_load_pem(own_path("missing.pem"));
    set_accepted(client, "client.pem");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_list(client, missing));
    CHECK_MESSAGE("NULL");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_accepted_list(client, missing));
    CHECK_MESSAGE("NULL");
    try_connect_with(&ends, client, server_config("good"));
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
}

TEST(a_null_chain_and_key_restore_the_default)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_set_certificate_list(config, NULL, NULL));
    CHECK_OK(bgl_ssl_config_freeze(config));
    bgl_ssl_config_free(config);
}

TEST(a_file_that_cannot_be_used_is_named_and_changes_nothing)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_set_ca_file(client, own_path("missing.pem")));
    CHECK_MESSAGE("missing.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_ca_file(client, pki("good.key")));
    CHECK_MESSAGE("good.key");
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_set_certificate_file(server, pki("good.pem"), own_path("no.key"), NULL));
    CHECK_MESSAGE("no.key");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_certificate_file(server, pki("good.pem"), pki("client.key"), NULL));
    CHECK_MESSAGE("client.key");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_certificate_file(server, pki("good.pem"), NULL, NULL));
    CHECK_MESSAGE("good.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG,
                 bgl_ssl_config_set_certificate_file(server, pki("good.pem"), pki("good-encrypted.key"), NULL));
    CHECK_MESSAGE("no passphrase was given");
    connect_with(&ends, client, server);
    free_ends(&ends);
}

TEST(a_frozen_config_takes_no_files_or_lists)
{
    bgl_ssl_config_t *config = server_config("good");
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_ca_file(config, pki("root.pem")));
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("root.pem")));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_ca_list(config, list));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_accepted_list(config, list));
    bgl_ssl_certificate_list_free(list);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_certificate_list(config, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_certificate_file(config, pki("good.pem"), pki("good.key"), NULL));
    bgl_ssl_config_free(config);
}

TEST(null_is_an_argument_error)
{
    bgl_ssl_config_t *config = empty_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_file(NULL, pki("root.pem")));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_file(config, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_list(NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_ca_list(config, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_accepted_list(config, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_accepted_list(NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate_list(NULL, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate_file(config, NULL, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_certificate_file(NULL, pki("good.pem"), pki("good.key"), NULL));
    bgl_ssl_config_free(config);
}
