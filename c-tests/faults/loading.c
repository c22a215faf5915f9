/* Certificates, keys and lists: read while something fails, and used again afterwards. */
#include "steps.h"

void load_certificates(const struct scenario *scenario)
{
    (void)scenario;
    fault_begin();
    bgl_ssl_certificate_t *pem = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.pem"), BGL_SSL_FORMAT_AUTO));
    bgl_ssl_certificate_t *der = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.der"), BGL_SSL_FORMAT_AUTO));
    bgl_ssl_certificate_list_t *list = TRY(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("three.pem")));
    bgl_ssl_certificate_list_t *half = bgl_ssl_load_pem(pki("good-then-half.pem"));
    if (half)
        FAIL("a list with half a certificate was taken");
    is_good(last_error().code, "bgl_ssl_load_pem");
    if (list && bgl_ssl_certificate_list_length(list) != 3)
        FAIL("%zu of 3 certificates were read, and it was called a success", bgl_ssl_certificate_list_length(list));
    char name[200];
    if (pem && bgl_ssl_certificate_subject_name(pem, name, sizeof name) == 0)
        must_be_planned("a certificate has no subject");
    if (pem && der && !bgl_ssl_certificate_equal(pem, der))
        must_be_planned("two equal certificates differ");
    if (!pem || !der || !list)
        must_be_planned("a certificate was refused");
    fault_end();
    bgl_ssl_certificate_free(pem);
    bgl_ssl_certificate_free(der);
    bgl_ssl_certificate_list_free(list);
}

void load_keys(const struct scenario *scenario)
{
    (void)scenario;
    static const char *const files[] = {"good.key", "good-encrypted.key", "good-rsa-encrypted-old.key", "good.key.der",
                                        "good-encrypted.key.der"};
    bgl_ssl_private_key_t *keys[COUNT(files)];
    fault_begin();
    for (size_t i = 0; i < COUNT(files); i++) {
        keys[i] = TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki(files[i]), BGL_SSL_FORMAT_AUTO, "secret"));
        if (!keys[i])
            must_be_planned(files[i]);
    }
    bgl_ssl_private_key_t *wrong = bgl_ssl_private_key_from_file(pki("good-encrypted.key"), BGL_SSL_FORMAT_AUTO, "wrong");
    if (wrong)
        FAIL("a key was read with a wrong passphrase");
    is_good(last_error().code, "bgl_ssl_private_key_from_file");
    fault_end();
    for (size_t i = 0; i < COUNT(files); i++)
        bgl_ssl_private_key_free(keys[i]);
}

void load_key(const struct scenario *scenario)
{
    (void)scenario;
    fault_begin();
    bgl_ssl_private_key_t *key =
        TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki("good.key.der"), BGL_SSL_FORMAT_DER, NULL));
    if (!key)
        must_be_planned("a key was refused");
    fault_end();
    bgl_ssl_private_key_free(key);
}

void load_pkcs12(const struct scenario *scenario)
{
    (void)scenario;
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *certificate = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    fault_begin();
    if (IS_GOOD(bgl_ssl_pkcs12_from_file(pki("chained.p12"), "secret", &key, &certificate, &chain))) {
        if (!key || !certificate || !chain || bgl_ssl_certificate_list_length(chain) != 3)
            FAIL("a PKCS#12 was read in part, and it was called a success");
        if (!IS_GOOD(bgl_ssl_certificate_check_private_key(certificate, key)))
            must_be_planned("key and certificate do not fit");
    } else {
        must_be_planned("a PKCS#12 was refused");
        if (key || certificate || chain)
            FAIL("a failure hands out handles");
    }
    fault_end();
    bgl_ssl_private_key_free(key);
    bgl_ssl_certificate_free(certificate);
    bgl_ssl_certificate_list_free(chain);
}

void load_crls(const struct scenario *scenario)
{
    struct text good = read_text("root.crl", ""), other = read_text("intermediate.crl", "");
    struct text both = {malloc(good.length + other.length), good.length + other.length};
    memcpy(both.data, good.data, good.length);
    memcpy(both.data + good.length, other.data, other.length);
    (void)scenario;
    fault_begin();
    bgl_ssl_ctx_t *ctx = TRY(bgl_ssl_ctx_t, bgl_ssl_ctx_init("default"));
    if (ctx) {
        if (!IS_GOOD(bgl_ssl_ctx_add_crl(ctx, good.data, 0, good.length)) ||
            !IS_GOOD(bgl_ssl_ctx_add_crl(ctx, both.data, 0, both.length)))
            must_be_planned("revocation lists were refused");
        /* The second list is cut off. */
        if (is_good(bgl_ssl_ctx_add_crl(ctx, both.data, 0, both.length - other.length / 2), "bgl_ssl_ctx_add_crl"))
            FAIL("half a revocation list was taken");
    } else {
        must_be_planned("a secure context was refused");
    }
    fault_end();
    bgl_ssl_ctx_free(ctx);
    free(both.data);
    free(good.data);
    free(other.data);
}

void load_ticket_keys(const struct scenario *scenario)
{
    static const char all[80] = "a name of 16 ...and two keys of thirty-two bytes each, as nginx has them in file";
    const char *path = run_file(KEYS_FILE);
    (void)scenario;
    write_text(path, all, sizeof all);
    fault_begin();
    bgl_ssl_ticket_keys_t *keys = TRY(bgl_ssl_ticket_keys_t, bgl_ssl_ticket_keys_new(0));
    bgl_ssl_config_t *config = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
    if (!keys || !config || !IS_GOOD(bgl_ssl_ticket_keys_add_file(keys, path)) ||
        !IS_GOOD(bgl_ssl_ticket_keys_add(keys, all, 48)) || !IS_GOOD(bgl_ssl_config_set_ticket_keys(config, keys)))
        must_be_planned("keys of tickets were refused");
    fault_end();
    bgl_ssl_config_free(config);
    bgl_ssl_ticket_keys_free(keys);
}

struct handles {
    bgl_ssl_certificate_t *root, *leaf;
    bgl_ssl_private_key_t *key;
};

static bool make_configs_of(const struct handles *handles, bgl_ssl_config_t *configs[2])
{
    const bgl_ssl_certificate_t *leaf[] = {handles->leaf}, *root[] = {handles->root};
    bool good = true;
    for (int i = 0; i < 2; i++) {
        configs[i] = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
        good = good && configs[i] && limit(configs[i], 0) &&
               IS_GOOD(bgl_ssl_config_set_lazy_handshake(configs[i], true));
    }
    return good && IS_GOOD(bgl_ssl_config_set_certificate_chain(configs[1], leaf, 1, handles->key)) &&
           IS_GOOD(bgl_ssl_config_set_ca_certificates(configs[0], root, 1)) &&
           IS_GOOD(bgl_ssl_config_set_hostname(configs[0], "localhost")) &&
           IS_GOOD(bgl_ssl_config_freeze(configs[0])) && IS_GOOD(bgl_ssl_config_freeze(configs[1]));
}

/* A failure meanwhile does no lasting harm to certificates that could be read. */
void kept_handles(const struct scenario *scenario)
{
    bgl_ssl_config_t *configs[2] = {NULL, NULL}, *later[2];
    struct handles handles;
    fault_begin();
    handles.root = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("root.pem"), BGL_SSL_FORMAT_PEM));
    handles.leaf = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.der"), BGL_SSL_FORMAT_DER));
    handles.key = TRY(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki("good.key"), BGL_SSL_FORMAT_PEM, NULL));
    bool whole = handles.root && handles.leaf && handles.key;
    if (whole && make_configs_of(&handles, configs))
        connect_in_lock_step(scenario, configs);
    else
        must_be_planned("certificates or configs were refused");
    fault_end();
    free_configs(configs);
    if (whole) {
        if (!make_configs_of(&handles, later))
            FAIL("after the failure a config is refused: %s", last_error().message);
        if (!connect_in_lock_step(scenario, later))
            FAIL("after the failure a connection is refused: %s", last_error().message);
        free_configs(later);
    }
    bgl_ssl_certificate_free(handles.root);
    bgl_ssl_certificate_free(handles.leaf);
    bgl_ssl_private_key_free(handles.key);
}
