/* Secure contexts: methods, keys, certificates, CAs, revocation lists, ciphers, options. */
#define _GNU_SOURCE
#include "engine.h"

#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- methods ---- */

static const struct method {
    const char *name;
    const char *protocol; /* NULL: this OpenSSL may lack it */
} methods[] = {
    {"default", "TLSv1.3"},        {"SSLv23_method", "TLSv1.3"},  {"TLS_method", "TLSv1.3"},
    {"TLSv1_method", "TLSv1.3"},   {"TLSv1_1_method", NULL},      {"TLSv1_2_method", "TLSv1.2"},
    {"TLSv1_3_method", "TLSv1.3"}, {"SSLv3_method", NULL},
};

TEST_TABLE(method, methods)
{
    const struct method *it = row;
    bgl_ssl_ctx_t *client = bgl_ssl_ctx_init(it->name);
    if (!client && !it->protocol) {
        CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, last_error().code);
        CHECK_MESSAGE("method not supported");
        return;
    }
    CHECK(client);
    struct pair pair = make_own_pair(client, server_ctx(it->name, "good-rsa"));
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    if (it->protocol)
        CHECK_STRING(it->protocol, bgl_ssl_connection_protocol(pair.client));
    free_pair(&pair);
}

TEST(methods_of_one_end_make_only_such_connections)
{
    static const char *const families[] = {"SSLv23", "TLSv1", "TLS", "TLSv1_2", "TLSv1_3"};
    for (size_t i = 0; i < COUNT(families); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_client_method", families[i]);
        bgl_ssl_ctx_t *client = new_ctx(name);
        snprintf(name, sizeof name, "%s_server_method", families[i]);
        bgl_ssl_ctx_t *server = server_ctx(name, "good");
        CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_connection_init(client, true, false, NULL, false));
        CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_connection_init(server, false, false, NULL, false));
        struct pair pair = make_own_pair(client, server);
        complete_handshakes(&pair);
        check_handshakes_done(&pair);
        free_pair(&pair);
    }
}

TEST(sslv2_is_unsupported)
{
    static const char *const names[] = {"SSLv2_method", "SSLv2_server_method", "SSLv2_client_method"};
    for (size_t i = 0; i < COUNT(names); i++) {
        CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_ctx_init(names[i]));
        CHECK_MESSAGE("method not supported");
    }
}

TEST(an_unknown_method_is_an_argument_error)
{
    static const char *const names[] = {"", "tls", "TLSv1", "TLSv9_method", "TLS_method ", "\xff"};
    for (size_t i = 0; i < COUNT(names); i++)
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ctx_init(names[i]));
}

/* ---- life ---- */

TEST(a_context_closes_twice_and_does_nothing_then)
{
    bgl_ssl_ctx_t *ctx = client_ctx("default");
    CHECK_OK(bgl_ssl_ctx_close(ctx));
    CHECK_OK(bgl_ssl_ctx_close(ctx));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ctx_add_root_certs(ctx));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ctx_set_ciphers(ctx, "HIGH"));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ctx_set_options(ctx, 0));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_ctx_set_session_id_context(ctx, "x", 0, 1));
    CHECK_REFUSED(BGL_SSL_E_STATE, bgl_ssl_connection_init(ctx, false, false, NULL, false));
    bgl_ssl_ctx_free(ctx);
}

/* ---- who is trusted ---- */

static const char *verdict_of(const bgl_ssl_ctx_t *client, const char *server_name)
{
    bgl_ssl_ctx_t *server = server_ctx("default", server_name);
    struct pair pair = make_pair(client, server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    const char *verdict = verify_error(pair.client);
    free_pair(&pair);
    bgl_ssl_ctx_free(server);
    return verdict;
}

TEST(root_certs_are_those_of_ssl_cert_file)
{
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    bgl_ssl_ctx_t *client = new_ctx("default");
    CHECK_OK(bgl_ssl_ctx_add_root_certs(client));
    CHECK_STRING("fine", verdict_of(client, "good"));
    CHECK_STRING("UNABLE_TO_VERIFY_LEAF_SIGNATURE", verdict_of(client, "untrusted"));
    bgl_ssl_ctx_free(client);
}

static const struct bad_file {
    const char *name;
    const char *file;
} bad_files[] = {
    {"missing", "no-such-file.pem"},
    {"empty", "empty.pem"},
    {"without_certificates", "words.pem"},
    {"cut_off", "half.pem"},
    {"damaged_in_the_middle", "garbled.pem"},
    {"damaged_at_the_end", "good-then-half.pem"},
};

/* Not later, by a verdict that names no file. */
TEST_TABLE(root_certs_name_a_file_that_is, bad_files)
{
    const struct bad_file *it = row;
    bgl_ssl_ctx_t *client = new_ctx("default");
    setenv("SSL_CERT_FILE", pki(it->file), 1);
    CHECK(bgl_ssl_ctx_add_root_certs(client) < 0);
    CHECK(strstr(last_error().message, it->file));
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    CHECK_OK(bgl_ssl_ctx_add_root_certs(client));
    CHECK_STRING("fine", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
}

TEST(root_certs_are_each_contexts_own)
{
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    bgl_ssl_ctx_t *one = new_ctx("default"), *two = new_ctx("default");
    CHECK_OK(bgl_ssl_ctx_add_root_certs(one));
    CHECK_OK(bgl_ssl_ctx_add_root_certs(two));
    trust(one, "root2.pem");
    CHECK_STRING("fine", verdict_of(one, "untrusted"));
    CHECK_STRING("UNABLE_TO_VERIFY_LEAF_SIGNATURE", verdict_of(two, "untrusted"));
    bgl_ssl_ctx_free(one);
    CHECK_STRING("fine", verdict_of(two, "good"));
    bgl_ssl_ctx_free(two);
}

static bool aged;

/* A file that has just changed is read each time. */
__attribute__((visibility("default"))) int statx(int dir, const char *restrict path, int flags, unsigned mask,
                                                 struct statx *restrict out)
{
    int result = (int)syscall(SYS_statx, dir, path, flags, mask, out);
    if (result == 0 && aged) {
        out->stx_mtime.tv_sec -= 60;
        out->stx_ctime.tv_sec -= 60;
    }
    return result;
}

/* How many bytes this process has read so far. */
static long bytes_read(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    long n = -1;
    if (!io) return -1;
    if (fscanf(io, "rchar: %ld", &n) != 1) n = -1;
    fclose(io);
    return n;
}

TEST(root_certs_are_read_once_and_again_when_they_have_changed)
{
    enum { SIZE = 200000 };
    static char text[SIZE];
    size_t length;
    char *root = read_whole_file(pki("root.pem"), &length);
    CHECK(length < SIZE);
    memset(text, '\n', SIZE);
    memcpy(text, root, length);
    free(root);
    aged = true;
    setenv("SSL_CERT_FILE", write_file("many.pem", text, SIZE), 1);
    bgl_ssl_ctx_t *one = new_ctx("default"), *two = new_ctx("default"), *three = new_ctx("default");
    CHECK_OK(bgl_ssl_ctx_add_root_certs(one));
    long before = bytes_read();
    if (before < 0) skip_test("/proc/self/io");
    CHECK_OK(bgl_ssl_ctx_add_root_certs(two));
    CHECK(bytes_read() - before < SIZE / 2);
    CHECK_STRING("fine", verdict_of(two, "good"));
    write_file("many.pem", "nothing\n", 8);
    CHECK(bgl_ssl_ctx_add_root_certs(three) < 0);
    bgl_ssl_ctx_free(one);
    bgl_ssl_ctx_free(two);
    bgl_ssl_ctx_free(three);
}

TEST(a_ca_in_the_middle_of_a_buffer_is_trusted)
{
    size_t length;
    const char *pem = pki_text("root.pem", &length);
    char *buffer = malloc(length + 20);
    memset(buffer, '-', length + 20);
    memcpy(buffer + 7, pem, length);
    bgl_ssl_ctx_t *client = new_ctx("default");
    CHECK_OK(bgl_ssl_ctx_add_ca_cert(client, buffer, 7, length));
    CHECK_STRING("fine", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
    free(buffer);
}

/* Their names have more bytes than the message that asks for a certificate can hold. */
TEST(thousands_of_client_cas_leave_handshakes_working)
{
    unsigned char der[2000];
    char pem[4000];
    bgl_ssl_ctx_t *server = server_ctx("default", "good"), *client = client_ctx("default");
    bgl_ssl_certificate_t *root =
        MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("root.pem"), BGL_SSL_FORMAT_PEM));
    size_t length = bgl_ssl_certificate_der(root, der, sizeof der);
    bgl_ssl_certificate_free(root);
    CHECK(length <= sizeof der);
    /* Behind the issuer's name, which is the same. */
    unsigned char *subject = memmem(der, length, "root", 4);
    CHECK(subject && (subject = memmem(subject + 4, length - (size_t)(subject + 4 - der), "root", 4)));
    present(client, "client");
    trust(server, "root.pem");
    for (int i = 0; i < 3000; i++) {
        for (int j = 0, rest = i; j < 4; j++, rest /= 26)
            subject[j] = (unsigned char)('a' + rest % 26);
        bgl_ssl_certificate_t *ca =
            MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_mem(der, length, BGL_SSL_FORMAT_DER));
        size_t pem_length = bgl_ssl_certificate_pem(ca, pem, sizeof pem);
        CHECK(pem_length < sizeof pem);
        CHECK_OK(bgl_ssl_ctx_add_ca_cert(server, pem, 0, pem_length));
        bgl_ssl_certificate_free(ca);
    }
    struct pair pair = make_own_pair(client, server);
    ask_client(&pair, server, true, true);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("fine", verify_error(pair.server));
    free_pair(&pair);
}

TEST(a_ca_added_twice_is_fine)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    trust(client, "root.pem");
    CHECK_STRING("fine", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
}

static void add_crl(bgl_ssl_ctx_t *ctx, const char *file)
{
    size_t length;
    const char *pem = pki_text(file, &length);
    CHECK_OK(bgl_ssl_ctx_add_crl(ctx, pem, 0, length));
}

TEST(a_crl_may_come_before_any_ca)
{
    bgl_ssl_ctx_t *client = new_ctx("default");
    add_crl(client, "root.crl");
    trust(client, "root.pem");
    CHECK_STRING("CERT_REVOKED", verdict_of(client, "revoked"));
    CHECK_STRING("fine", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
}

/* A good list followed by a damaged one. */
TEST(a_damaged_crl_spoils_all_lists_of_the_text)
{
    size_t good_length, bad_length;
    const char *good = pki_text("intermediate.crl", &good_length), *bad = pki_text("root.crl", &bad_length);
    char *text = malloc(good_length + bad_length + 1);
    memcpy(text, good, good_length);
    memcpy(text + good_length, bad, bad_length);
    bgl_ssl_ctx_t *client = client_ctx("default");
    for (size_t cut = strlen("-----BEGIN "); cut + 1 < bad_length; cut += 7)
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_add_crl(client, text, 0, good_length + cut));
    char *damaged = text + good_length + bad_length / 2, whole = *damaged;
    *damaged = '#';
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_add_crl(client, text, 0, good_length + bad_length));
    *damaged = whole;
    /* None was added: no list is demanded. */
    CHECK_STRING("fine", verdict_of(client, "revoked"));
    CHECK_OK(bgl_ssl_ctx_add_crl(client, text, 0, good_length + bad_length));
    CHECK_STRING("CERT_REVOKED", verdict_of(client, "revoked"));
    bgl_ssl_ctx_free(client);
    free(text);
}

TEST(without_a_crl_nothing_is_revoked)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    CHECK_STRING("fine", verdict_of(client, "revoked"));
    bgl_ssl_ctx_free(client);
}

TEST(each_certificate_of_a_chain_needs_a_crl)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    add_crl(client, "root.crl");
    CHECK_STRING("UNABLE_TO_GET_CRL", verdict_of(client, "chained"));
    add_crl(client, "intermediate.crl");
    CHECK_STRING("fine", verdict_of(client, "chained"));
    bgl_ssl_ctx_free(client);
}

/* An anchor that is not self-signed: its issuer, who is not known, has no list here. */
TEST(an_anchor_that_is_not_self_signed_needs_no_crl)
{
    bgl_ssl_ctx_t *client = new_ctx("default");
    trust(client, "intermediate-for-servers.pem");
    add_crl(client, "intermediate.crl");
    CHECK_STRING("fine", verdict_of(client, "chained"));
    CHECK(strcmp("fine", verdict_of(client, "untrusted")) != 0);
    add_crl(client, "root.crl");
    CHECK_STRING("fine", verdict_of(client, "chained"));
    bgl_ssl_ctx_free(client);
}

/* ---- one CA twice, of which one is rejected ---- */

TEST(a_rejection_counts_though_the_same_ca_is_trusted)
{
    for (int rejected_first = 0; rejected_first < 2; rejected_first++) {
        bgl_ssl_ctx_t *client = rejected_first ? new_ctx("default") : client_ctx("default");
        trust(client, "root-rejected.pem");
        if (rejected_first)
            trust(client, "root.pem");
        CHECK(strcmp("fine", verdict_of(client, "good")) != 0);
        bgl_ssl_ctx_free(client);
    }
}

TEST(a_rejection_among_the_systems_cas_counts)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    setenv("SSL_CERT_FILE", pki("root-rejected.pem"), 1);
    CHECK_OK(bgl_ssl_ctx_add_root_certs(client));
    CHECK_STRING("CERT_REJECTED", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
}

TEST(a_rejection_for_another_purpose_does_not_count)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    trust(client, "root-rejected-for-code.pem");
    CHECK_STRING("fine", verdict_of(client, "good"));
    bgl_ssl_ctx_free(client);
}

/* ---- what is presented ---- */

TEST(a_chain_is_presented_whole)
{
    bgl_ssl_ctx_t *client = client_ctx("default");
    CHECK_STRING("fine", verdict_of(client, "chained"));
    bgl_ssl_ctx_free(client);
}

TEST(an_encrypted_key_needs_its_passphrase)
{
    size_t length;
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    set_cert(ctx, "good.pem");
    const char *pem = pki_text("good-encrypted.key", &length);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_set_key(ctx, pem, 0, length, NULL));
    CHECK_MESSAGE("passphrase");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_set_key(ctx, pem, 0, length, "wrong"));
    CHECK_OK(bgl_ssl_ctx_set_key(ctx, pem, 0, length, "secret"));
    pem = pki_text("good-rsa-encrypted-old.key", &length);
    CHECK_OK(bgl_ssl_ctx_set_key(ctx, pem, 0, length, "secret"));
    bgl_ssl_ctx_free(ctx);
}

static const struct version {
    const char *name;
    const char *method;
} versions[] = {
    {"tls_1_2", "TLSv1_2_method"},
    {"tls_1_3", "TLSv1_3_method"},
};

static const struct order {
    const char *name;
    const char *method;
    bool is_key_first;
} orders[] = {
    {"tls_1_2", "TLSv1_2_method", true},
    {"tls_1_3", "TLSv1_3_method", true},
    {"tls_1_2_certificate_first", "TLSv1_2_method", false},
    {"tls_1_3_certificate_first", "TLSv1_3_method", false},
};

/* As with node: contexts and connections can be made, and `err` says why the handshake fails. */
TEST_TABLE(a_certificate_of_another_key_fails_the_handshake, orders)
{
    const struct order *it = row;
    bgl_ssl_ctx_t *server = new_ctx("default");
    if (it->is_key_first)
        set_key(server, "untrusted.key");
    set_cert(server, "good.pem");
    if (!it->is_key_first)
        set_key(server, "untrusted.key");
    struct pair pair = make_own_pair(client_ctx(it->method), server);
    complete_handshakes(&pair);
    CHECK(!bgl_ssl_connection_init_finishedp(pair.server));
    CHECK_INT(BGL_SSL_E_CONFIG, bgl_ssl_connection_status(pair.server));
    CHECK(strstr(err_of(pair.server), "no private key that belongs to it"));
    CHECK_INT(BGL_SSL_E_PROTOCOL, bgl_ssl_connection_status(pair.client));
    free_pair(&pair);
}

TEST_TABLE(a_key_may_be_set_before_the_certificate_it_belongs_to, versions)
{
    const struct version *it = row;
    bgl_ssl_ctx_t *server = new_ctx("default");
    set_cert(server, "good.pem");
    set_key(server, "good.key");
    set_key(server, "dns-only.key");
    set_cert(server, "dns-only.pem");
    struct pair pair = make_own_pair(client_ctx(it->method), server);
    complete_handshakes(&pair);
    CHECK(bgl_ssl_connection_init_finishedp(pair.server));
    free_pair(&pair);
}

/* It has nothing to prove the certificate with, and sends none. */
TEST_TABLE(a_client_with_a_certificate_only_is_one_without, versions)
{
    const struct version *it = row;
    bgl_ssl_ctx_t *client = client_ctx(it->method), *server = server_ctx("default", "good");
    set_cert(client, "client.pem");
    trust(server, "root.pem");
    struct pair pair = make_own_pair(client, server);
    ask_client(&pair, server, true, false);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("fine", verify_error(pair.client));
    CHECK_STRING("UNABLE_TO_GET_ISSUER_CERT", verify_error(pair.server));
    free_pair(&pair);
}

TEST(the_key_may_come_before_the_certificate)
{
    bgl_ssl_ctx_t *server = new_ctx("default"), *client = client_ctx("default");
    set_key(server, "good.key");
    set_cert(server, "good.pem");
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    free_pair(&pair);
}

TEST(another_chain_replaces_the_first)
{
    bgl_ssl_ctx_t *server = server_ctx("default", "chained"), *client = client_ctx("default");
    present(server, "good");
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    bgl_ssl_certificate_list_t *chain =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_connection_peer_chain(pair.client));
    CHECK_INT(1, bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_list_free(chain);
    free_pair(&pair);
}

TEST(pkcs12_brings_key_certificate_and_cas)
{
    size_t length;
    bgl_ssl_ctx_t *server = new_ctx("default"), *client = client_ctx("default");
    const char *pfx = pki_text("chained.p12", &length);
    CHECK_OK(bgl_load_pkcs12(server, pfx, length, "secret"));
    present(client, "client-chained");
    struct pair pair = make_own_pair(client, server);
    ask_client(&pair, server, true, true);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("fine", verify_error(pair.client));
    CHECK_STRING("fine", verify_error(pair.server));
    free_pair(&pair);
}

TEST(bad_pkcs12_is_refused_with_a_reason)
{
    size_t length;
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    const char *pfx = pki_text("good.p12", &length);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_load_pkcs12(ctx, pfx, length, "wrong"));
    CHECK_MESSAGE("passphrase");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_load_pkcs12(ctx, pfx, length, NULL));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_load_pkcs12(ctx, pfx, length / 2, "secret"));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_load_pkcs12(ctx, "", 0, "secret"));
    pfx = pki_text("certificates-only.p12", &length);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_load_pkcs12(ctx, pfx, length, "secret"));
    pfx = pki_text("no-passphrase.p12", &length);
    CHECK_OK(bgl_load_pkcs12(ctx, pfx, length, ""));
    bgl_ssl_ctx_free(ctx);
}

TEST(what_is_no_pem_is_refused)
{
    size_t length;
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    const char *words = pki_text("words.pem", &length);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_set_cert(ctx, words, 0, length));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_set_key(ctx, words, 0, length, NULL));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_add_ca_cert(ctx, words, 0, length));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_add_crl(ctx, words, 0, length));
    CHECK_MESSAGE("CRL");
    const char *half = pki_text("half.pem", &length);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_set_cert(ctx, half, 0, length));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_ctx_add_ca_cert(ctx, half, 0, length));
    bgl_ssl_ctx_free(ctx);
}

/* ---- ciphers and options ---- */

static const struct list {
    const char *name;
    const char *list;
    bgl_ssl_status_t status;
} lists[] = {
    {"of_tls_1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", BGL_SSL_OK},
    {"of_tls_1_3", "TLS_AES_128_GCM_SHA256", BGL_SSL_OK},
    {"of_both", "TLS_AES_128_GCM_SHA256:HIGH:!aNULL", BGL_SSL_OK},
    {"unknown", "NO-SUCH-CIPHER", BGL_SSL_E_CONFIG},
    {"unknown_suite", "TLS_NO_SUCH_SUITE", BGL_SSL_E_CONFIG},
    {"unknown_suite_beside_another", "TLS_AES_128_GCM_SHA256:TLS_NO_SUCH_SUITE", BGL_SSL_E_CONFIG},
    {"empty", "", BGL_SSL_E_CONFIG},
    {"only_separators", "::", BGL_SSL_E_CONFIG},
};

TEST_TABLE(cipher_list, lists)
{
    const struct list *it = row;
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    CHECK_STATUS(it->status, bgl_ssl_ctx_set_ciphers(ctx, it->list));
    bgl_ssl_ctx_free(ctx);
}

TEST(the_ciphers_set_are_the_ones_used)
{
    bgl_ssl_ctx_t *client = client_ctx("default"), *server = server_ctx("default", "good");
    CHECK_OK(bgl_ssl_ctx_set_ciphers(client, "TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"));
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("TLS_CHACHA20_POLY1305_SHA256", bgl_ssl_connection_get_current_cipher(pair.client));
    free_pair(&pair);
}

TEST(an_option_works)
{
    const uint64_t no_tls_1_3 = UINT64_C(1) << 29;
    bgl_ssl_ctx_t *client = client_ctx("default"), *server = server_ctx("default", "good");
    CHECK_OK(bgl_ssl_ctx_set_options(server, no_tls_1_3));
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    check_handshakes_done(&pair);
    CHECK_STRING("TLSv1.2", bgl_ssl_connection_protocol(pair.client));
    free_pair(&pair);
}

TEST(a_session_id_context_has_at_most_32_bytes)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    char id[33] = {0};
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(ctx, id, 1, 32));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_ctx_set_session_id_context(ctx, id, 0, 33));
    CHECK_OK(bgl_ssl_ctx_set_session_id_context(ctx, NULL, 0, 0));
    bgl_ssl_ctx_free(ctx);
}

/* ---- keys and certificates of other types ---- */

TEST(a_key_of_another_type_than_the_certificate_is_a_mismatch)
{
    bgl_ssl_ctx_t *client = client_ctx("default"), *server = new_ctx("default");
    set_cert(server, "good-rsa.pem");
    set_key(server, "good.key");
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    CHECK_INT(BGL_SSL_E_CONFIG, bgl_ssl_connection_status(pair.server));
    free_pair(&pair);
}

TEST(an_identity_of_another_type_is_presented_beside_the_earlier_one)
{
    bgl_ssl_ctx_t *client = client_ctx("TLSv1_2_method"), *server = server_ctx("default", "good-rsa");
    present(server, "good");
    CHECK_OK(bgl_ssl_ctx_set_ciphers(client, "aRSA"));
    struct pair pair = make_own_pair(client, server);
    complete_handshakes(&pair);
    CHECK(bgl_ssl_connection_init_finishedp(pair.client));
    free_pair(&pair);
}

/* Both certificates first, and then both keys, as OpenSSL's programs may set them. */
static const struct key_order {
    const char *name, *first, *second;
} key_orders[] = {
    {"in_the_order_of_the_certificates", "good.key", "good-rsa.key"},
    {"in_the_other_order", "good-rsa.key", "good.key"},
};

TEST_TABLE(keys_set_behind_certificates_of_two_types_are_both_used, key_orders)
{
    static const char *const kinds[] = {"aRSA", "aECDSA"};
    const struct key_order *it = row;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        bgl_ssl_ctx_t *client = client_ctx("TLSv1_2_method"), *server = new_ctx("default");
        set_cert(server, "good.pem");
        set_cert(server, "good-rsa.pem");
        set_key(server, it->first);
        set_key(server, it->second);
        CHECK_OK(bgl_ssl_ctx_set_ciphers(client, kinds[i]));
        struct pair pair = make_own_pair(client, server);
        complete_handshakes(&pair);
        check_handshakes_done(&pair);
        free_pair(&pair);
    }
}
