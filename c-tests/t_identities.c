/* Identities: several certificates of one config, chosen by name and by type of key, and read again from their files. */
#include "hosts.h"

static bgl_ssl_config_t *config_with(const char *const *names)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    for (; *names; names++)
        add_identity(config, *names);
    return config;
}

static const char *const a_and_b[] = {"host-a", "host-b", "host-wild", NULL};

static const struct choice choices[] = {
    {"the_first_name", "a.test", "host-a.pem"},
    {"a_further_name_of_the_first", "www.a.test", "host-a.pem"},
    {"the_second", "b.test", "host-b.pem"},
    {"a_wildcard_s_label", "x.wild.test", "host-wild.pem"},
    {"in_capitals", "B.TEST", "host-b.pem"},
    {"an_unknown_name", "c.test", "host-a.pem"},
    {"two_labels_for_a_wildcard", "x.y.wild.test", "host-a.pem"},
    {"no_label_for_a_wildcard", "wild.test", "host-a.pem"},
    {"no_name", NULL, "host-a.pem"},
};

TEST_TABLE(identity_is_chosen_by, choices)
{
    const struct choice *choice = row;
    bgl_ssl_config_t *server = config_with(a_and_b);
    check_presents(server, choice->asked, choice->shown);
    bgl_ssl_config_free(server);
}

/* With a client that verifies only signatures of one kind: TLS 1.2's ciphers say so. */
static void ask_with_cipher(struct ends *ends, const bgl_ssl_config_t *server, const char *name, const char *ciphers)
{
    bgl_ssl_config_t *client = client_of(name);
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, BGLSSL_TLSV1_2));
    CHECK_OK(bgl_ssl_config_set_cipher_list(client, ciphers));
    make_ends(ends, client, server, "127.0.0.1");
    bgl_ssl_config_free(client);
    step_handshakes(ends);
}

struct type_choice {
    const char *name, *asked, *ciphers, *shown;
};

static const struct type_choice type_choices[] = {
    {"rsa_for_a_client_without_ecdsa", "a.test", "ECDHE-RSA-AES128-GCM-SHA256", "host-a-rsa.pem"},
    {"ecdsa_for_a_client_without_rsa", "a.test", "ECDHE-ECDSA-AES128-GCM-SHA256", "host-a.pem"},
    {"rsa_by_default_without_a_name", NULL, "ECDHE-RSA-AES128-GCM-SHA256", "host-a-rsa.pem"},
    {"rsa_for_an_unknown_name", "c.test", "ECDHE-RSA-AES128-GCM-SHA256", "host-a-rsa.pem"},
};

TEST_TABLE(type_of_key_is, type_choices)
{
    const struct type_choice *choice = row;
    static const char *const names[] = {"host-b", "host-a", "host-a-rsa", NULL};
    static const char *const a_first[] = {"host-a", "host-b", "host-a-rsa", NULL};
    struct ends ends;
    bgl_ssl_config_t *server = config_with(choice->asked && strcmp(choice->asked, "a.test") == 0 ? names : a_first);
    ask_with_cipher(&ends, server, choice->asked, choice->ciphers);
    CHECK_OK(ends.client_status);
    check_shown(ends.client, choice->shown);
    free_ends(&ends);
    bgl_ssl_config_free(server);
}

TEST(a_certificate_for_another_name_is_not_shown_for_its_type_of_key)
{
    static const char *const names[] = {"host-b", "host-a-rsa", NULL};
    struct ends ends;
    bgl_ssl_config_t *server = config_with(names);
    ask_with_cipher(&ends, server, "b.test", "ECDHE-RSA-AES128-GCM-SHA256");
    CHECK(ends.client_status != BGL_SSL_OK);
    free_ends(&ends);
    bgl_ssl_config_free(server);
}

TEST(of_one_type_and_name_the_first_is_taken)
{
    static const char *const names[] = {"good", "dns-only", NULL};
    bgl_ssl_config_t *server = config_with(names);
    check_presents(server, "localhost", "good.pem");
    bgl_ssl_config_free(server);
}

TEST(setting_a_certificate_drops_all_identities)
{
    bgl_ssl_config_t *server = config_with(a_and_b);
    set_certificate(server, "good");
    add_identity(server, "host-b");
    check_presents(server, "a.test", "good.pem");
    check_presents(server, "b.test", "host-b.pem");
    bgl_ssl_config_free(server);
}

TEST(a_client_presents_its_first_identity)
{
    static const char *const names[] = {"client", "client-rsa", NULL};
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    for (size_t i = 0; names[i]; i++)
        add_identity(client, names[i]);
    set_ca(server, "root.pem");
    connect_ends(&ends, client, server, "localhost");
    check_shown(ends.server, "client.pem");
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- files ---- */

struct file_case {
    const char *name, *chain, *key, *passphrase, *shown;
};

static const struct file_case file_cases[] = {
    {"pem", "good.pem", "good.key", NULL, "good.pem"},
    {"a_chain", "chained.pem", "chained.key", NULL, "chained-alone.pem"},
    {"der", "good.der", "good.key.der", NULL, "good.pem"},
    {"pkcs12", "good.p12", NULL, "secret", "good.pem"},
    {"an_encrypted_key", "good.pem", "good-encrypted.key", "secret", "good.pem"},
    {"key_and_certificate_in_one", "key-then-certificates.pem", NULL, NULL, "good.pem"},
};

TEST_TABLE(identity_is_read_from, file_cases)
{
    const struct file_case *it = row;
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_identity_t *identity =
        MADE(bgl_ssl_identity_t, bgl_ssl_identity_from_files(pki(it->chain), it->key ? pki(it->key) : NULL, it->passphrase));
    CHECK_OK(bgl_ssl_config_add_identity(server, identity));
    bgl_ssl_identity_free(identity);
    check_presents(server, "localhost", it->shown);
    bgl_ssl_config_free(server);
}

struct refused_case {
    const char *name, *chain, *key, *passphrase;
    bgl_ssl_status_t status;
    const char *message;
};

static const struct refused_case refused_cases[] = {
    {"no_file", "nowhere.pem", "good.key", NULL, BGL_SSL_E_IO, "nowhere.pem"},
    {"no_key_file", "good.pem", "nowhere.key", NULL, BGL_SSL_E_IO, "nowhere.key"},
    {"no_key_in_the_chain_s_file", "good.pem", NULL, NULL, BGL_SSL_E_CONFIG, "good.pem"},
    {"another_key", "good.pem", "untrusted.key", NULL, BGL_SSL_E_CONFIG, "untrusted.key"},
    {"the_wrong_passphrase", "good.pem", "good-encrypted.key", "wrong", BGL_SSL_E_CONFIG, "good-encrypted.key"},
    {"the_wrong_passphrase_of_pkcs12", "good.p12", NULL, "wrong", BGL_SSL_E_CONFIG, "good.p12"},
    {"a_damaged_certificate", "garbled.pem", "good.key", NULL, BGL_SSL_E_CONFIG, "garbled.pem"},
    {"pkcs12_without_a_key", "certificates-only.p12", NULL, "secret", BGL_SSL_E_CONFIG, "certificates-only.p12"},
};

TEST_TABLE(identity_is_refused_for, refused_cases)
{
    const struct refused_case *it = row;
    CHECK_REFUSED(it->status,
                  bgl_ssl_identity_from_files(pki(it->chain), it->key ? pki(it->key) : NULL, it->passphrase));
    CHECK_MESSAGE(it->message);
}

static void copy_file(const char *from, const char *name)
{
    size_t length;
    char *data = read_whole_file(from, &length);
    write_file(name, data, length);
    free(data);
}

static void put_identity(const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.pem", name);
    copy_file(pki(file), "live.pem");
    snprintf(file, sizeof file, "%s.key", name);
    copy_file(pki(file), "live.key");
}

TEST(reloaded_files_serve_later_handshakes_of_a_frozen_config)
{
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    put_identity("host-a");
    bgl_ssl_identity_t *identity =
        MADE(bgl_ssl_identity_t, bgl_ssl_identity_from_files(own_path("live.pem"), own_path("live.key"), NULL));
    CHECK_OK(bgl_ssl_config_add_identity(server, identity));
    add_identity(server, "host-wild");
    check_presents(server, "c.test", "host-a.pem");
    put_identity("host-b");
    check_presents(server, "c.test", "host-a.pem");
    CHECK_OK(bgl_ssl_identity_reload(identity));
    check_presents(server, "c.test", "host-b.pem");
    check_presents(server, "x.wild.test", "host-wild.pem");
    bgl_ssl_identity_free(identity);
    bgl_ssl_config_free(server);
}

TEST(reloaded_names_are_found_and_old_ones_are_not)
{
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    put_identity("host-wild");
    bgl_ssl_identity_t *identity =
        MADE(bgl_ssl_identity_t, bgl_ssl_identity_from_files(own_path("live.pem"), own_path("live.key"), NULL));
    add_identity(server, "host-a");
    CHECK_OK(bgl_ssl_config_add_identity(server, identity));
    check_presents(server, "x.wild.test", "host-wild.pem");
    put_identity("host-b");
    CHECK_OK(bgl_ssl_identity_reload(identity));
    check_presents(server, "b.test", "host-b.pem");
    check_presents(server, "x.wild.test", "host-a.pem");
    bgl_ssl_identity_free(identity);
    bgl_ssl_config_free(server);
}

TEST(a_bad_file_keeps_the_identity_and_is_named)
{
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    put_identity("host-a");
    bgl_ssl_identity_t *identity =
        MADE(bgl_ssl_identity_t, bgl_ssl_identity_from_files(own_path("live.pem"), own_path("live.key"), NULL));
    CHECK_OK(bgl_ssl_config_add_identity(server, identity));
    check_presents(server, "a.test", "host-a.pem");
    copy_file(pki("host-b.pem"), "live.pem");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_identity_reload(identity));
    CHECK_MESSAGE("live.key");
    check_presents(server, "a.test", "host-a.pem");
    write_file("live.pem", "rubbish", 7);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_identity_reload(identity));
    CHECK_MESSAGE("live.pem");
    check_presents(server, "a.test", "host-a.pem");
    bgl_ssl_identity_free(identity);
    bgl_ssl_config_free(server);
}

TEST(identity_of_objects_has_nothing_to_reload)
{
    bgl_ssl_certificate_t *chain = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    const bgl_ssl_certificate_t *certificates[] = {chain};
    bgl_ssl_identity_t *identity = MADE(bgl_ssl_identity_t, bgl_ssl_identity_new(certificates, 1, key));
    bgl_ssl_certificate_free(chain);
    bgl_ssl_private_key_free(key);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_identity_reload(identity));
    bgl_ssl_config_t *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_add_identity(server, identity));
    bgl_ssl_identity_free(identity);
    check_presents(server, "localhost", "good.pem");
    bgl_ssl_config_free(server);
}

TEST(identity_needs_the_key_of_its_certificate)
{
    bgl_ssl_certificate_t *chain = certificate("good.pem");
    bgl_ssl_private_key_t *key = private_key("untrusted.key");
    const bgl_ssl_certificate_t *certificates[] = {chain};
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_identity_new(certificates, 1, key));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_identity_new(certificates, 0, key));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_identity_new(certificates, 1, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_identity_new(NULL, 1, key));
    bgl_ssl_certificate_free(chain);
    bgl_ssl_private_key_free(key);
}

TEST(null_identities_are_refused)
{
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_identity_t *identity = identity_of("good");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_identity_from_files(NULL, NULL, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_identity_reload(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_identity(config, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_add_identity(NULL, identity));
    CHECK_OK(bgl_ssl_config_add_identity(config, identity));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_add_identity(config, identity));
    bgl_ssl_identity_free(NULL);
    bgl_ssl_identity_free(identity);
    bgl_ssl_config_free(config);
}
