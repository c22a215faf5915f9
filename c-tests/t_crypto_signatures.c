/* Signatures: made and verified. */
#define _GNU_SOURCE
#include "vectors.h"

static unsigned char signature[1024];
static const char text[] = "The quick brown fox jumps over the lazy dog";

static bgl_ssl_sign_t *sign_text(const char *type)
{
    bgl_ssl_sign_t *sign = MADE(bgl_ssl_sign_t, bgl_ssl_sign_init(type));
    for (const char *c = text; *c; c++)
        CHECK_OK(bgl_ssl_sign_update(sign, c, 1));
    return sign;
}

static bgl_ssl_verify_t *verify_text(const char *type)
{
    bgl_ssl_verify_t *verify = MADE(bgl_ssl_verify_t, bgl_ssl_verify_init(type));
    CHECK_OK(bgl_ssl_verify_update(verify, text, strlen(text)));
    return verify;
}

/* A file of the PKI, as a NUL-terminated text; freed by the caller. */
static char *pem(const char *file)
{
    size_t length;
    return read_whole_file(pki(file), &length);
}

/* Signs the text with a PEM key; the signature is in `signature`. */
static size_t sign_with(const char *type, const char *key_pem)
{
    bgl_ssl_sign_t *sign = sign_text(type);
    size_t length = bgl_ssl_sign_sign(sign, key_pem, strlen(key_pem), signature, sizeof signature);
    if (length == 0)
        FAIL("%s", last_error().message);
    bgl_ssl_sign_free(sign);
    return length;
}

static bool verify_with(const char *type, const char *key_pem, size_t length)
{
    bgl_ssl_verify_t *verify = verify_text(type);
    bool valid = false;
    CHECK_OK(bgl_ssl_verify_signature(verify, key_pem, strlen(key_pem), signature, length, &valid));
    bgl_ssl_verify_free(verify);
    return valid;
}

/* ---- vectors ---- */

static bool is_valid(const char *word)
{
    CHECK(strcmp(word, "valid") == 0 || strcmp(word, "invalid") == 0);
    return strcmp(word, "valid") == 0;
}

static void check_verification(const char *type, int padding, int salt, char *field[])
{
    char *key = pem_public_key(bytes_of(field[0]));
    struct bytes message = bytes_of(field[1]), sig = bytes_of(field[2]);
    bgl_ssl_verify_t *verify = MADE(bgl_ssl_verify_t, bgl_ssl_verify_init(type));
    CHECK_OK(bgl_ssl_verify_set_padding(verify, padding, salt));
    CHECK_OK(bgl_ssl_verify_update(verify, message.data, message.length));
    if (bgl_ssl_verify_final(verify, key, strlen(key), sig.data, sig.length) != is_valid(field[3]))
        FAIL("%s: %s", vector_place, is_valid(field[3]) ? "refused" : "accepted");
    bgl_ssl_verify_free(verify);
    free(key);
}

static void check_ecdsa(char *field[])
{
    check_verification(field[0], BGL_SSL_PADDING_DEFAULT, 0, field + 1);
}

TEST(ecdsa_signatures_verify_as_published)
{
    each_vector("ecdsa.txt", 5, check_ecdsa);
}

static void check_rsa(char *field[])
{
    bool pss = strcmp(field[1], "pss") == 0;
    check_verification(field[0], pss ? BGL_SSL_PADDING_PSS : BGL_SSL_PADDING_PKCS1, atoi(field[2]), field + 3);
}

TEST(rsa_signatures_verify_as_published)
{
    each_vector("rsa.txt", 7, check_rsa);
}

static void check_ed25519(char *field[])
{
    struct bytes private_key = bytes_of(field[0]), public_key = bytes_of(field[1]);
    struct bytes message = bytes_of(field[2]), expected = bytes_of(field[3]);
    /* RFC 8410: what is around the 32 bytes of a key in PKCS#8 and in SubjectPublicKeyInfo. */
    unsigned char pkcs8[48] = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    unsigned char spki[44] = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    memcpy(pkcs8 + 16, private_key.data, 32);
    memcpy(spki + 12, public_key.data, 32);
    bgl_ssl_private_key_t *key =
        MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_mem(pkcs8, sizeof pkcs8, BGL_SSL_FORMAT_DER, NULL));
    size_t length = bgl_ssl_sign_message(NULL, key, message.data, message.length, signature, sizeof signature);
    CHECK_BYTES(expected, signature, length);

    char *public_pem = pem_public_key((struct bytes){spki, sizeof spki});
    bool valid = false;
    CHECK_OK(bgl_ssl_verify_message(NULL, public_pem, strlen(public_pem), message.data, message.length, signature,
                                    length, &valid));
    CHECK(valid);
    signature[length / 2] ^= 1;
    CHECK_OK(bgl_ssl_verify_message(NULL, public_pem, strlen(public_pem), message.data, message.length, signature,
                                    length, &valid));
    CHECK(!valid);
    free(public_pem);
    bgl_ssl_private_key_free(key);
}

TEST(ed25519_signatures_are_the_published_ones)
{
    each_vector("ed25519.txt", 4, check_ed25519);
}

/* ---- beside openssl(1) ---- */

struct algorithm {
    const char *name;
    const char *key;
    const char *certificate;
};

static const struct algorithm algorithms[] = {
    {"rsa", "good-rsa.key", "good-rsa.pem"},
    {"ecdsa", "good.key", "good.pem"},
};

TEST_TABLE(openssl_verifies_what_is_signed_with, algorithms)
{
    const struct algorithm *it = row;
    char *key = pem(it->key);
    size_t length = sign_with("RSA-SHA256", key);
    char signature_file[256], text_file[256];
    snprintf(signature_file, sizeof signature_file, "%s", write_file("signature", signature, length));
    snprintf(text_file, sizeof text_file, "%s", write_file("text", text, strlen(text)));
    CHECK_STRING("Verified OK", output_of("openssl dgst -sha256 -prverify %s -signature %s %s 2>&1", pki(it->key),
                                          signature_file, text_file));
    free(key);
}

TEST_TABLE(what_openssl_signs_is_verified_with, algorithms)
{
    const struct algorithm *it = row;
    char text_file[256];
    snprintf(text_file, sizeof text_file, "%s", write_file("text", text, strlen(text)));
    output_of("openssl dgst -sha384 -sign %s -out %s %s", pki(it->key), own_path("signature"), text_file);
    size_t length;
    char *made = read_whole_file(own_path("signature"), &length);
    memcpy(signature, made, length);
    char *certificate_pem = pem(it->certificate);
    CHECK(verify_with("sha384", certificate_pem, length));
    CHECK(!verify_with("sha256", certificate_pem, length));
    free(made);
    free(certificate_pem);
}

TEST(pss_is_understood_both_ways)
{
    char *certificate_pem = pem("good-rsa.pem");
    char *key = pem("good-rsa.key");
    bgl_ssl_sign_t *sign = sign_text("sha256");
    CHECK_OK(bgl_ssl_sign_set_padding(sign, BGL_SSL_PADDING_PSS, BGL_SSL_SALT_DIGEST));
    size_t length = bgl_ssl_sign_sign(sign, key, strlen(key), signature, sizeof signature);
    CHECK_INT(256, (long long)length);
    bgl_ssl_sign_free(sign);
    char signature_file[256], text_file[256];
    snprintf(signature_file, sizeof signature_file, "%s", write_file("signature", signature, length));
    snprintf(text_file, sizeof text_file, "%s", write_file("text", text, strlen(text)));
    CHECK_STRING("Verified OK",
                 output_of("openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 "
                           "-prverify %s -signature %s %s 2>&1",
                           pki("good-rsa.key"), signature_file, text_file));
    /* As PKCS#1, or with another salt, it is something else. */
    CHECK(!verify_with("sha256", certificate_pem, length));
    int salts[] = {BGL_SSL_SALT_AUTO, BGL_SSL_SALT_DIGEST, 32, 20};
    for (size_t i = 0; i < COUNT(salts); i++) {
        bgl_ssl_verify_t *verify = verify_text("sha256");
        CHECK_OK(bgl_ssl_verify_set_padding(verify, BGL_SSL_PADDING_PSS, salts[i]));
        bool valid =
            bgl_ssl_verify_final(verify, certificate_pem, strlen(certificate_pem), signature, length);
        CHECK_INT(salts[i] != 20, valid);
        bgl_ssl_verify_free(verify);
    }
    free(key);
    free(certificate_pem);
}

TEST(a_public_key_may_be_pkcs1_or_spki_or_a_certificate)
{
    char *key = pem("good-rsa.key"), *certificate_pem = pem("good-rsa.pem");
    size_t length = sign_with("sha256", key);
    CHECK(verify_with("sha256", certificate_pem, length));
    CHECK(verify_with("sha256", output_of("openssl pkey -in %s -pubout", pki("good-rsa.key")), length));
    CHECK(verify_with("sha256", output_of("openssl rsa -in %s -RSAPublicKey_out 2>/dev/null", pki("good-rsa.key")),
                      length));
    /* Of several, the first counts; text around them does not. */
    char *all = pem("good.pem");
    char *both = malloc(strlen(all) + strlen(certificate_pem) + 16);
    sprintf(both, "words\n%s\n%s", certificate_pem, all);
    CHECK(verify_with("sha256", both, length));
    sprintf(both, "%s\n%s", all, certificate_pem);
    CHECK(!verify_with("sha256", both, length));
    free(both);
    free(all);
    free(key);
    free(certificate_pem);
}

TEST(a_key_read_before_signs_though_it_is_encrypted)
{
    char *certificate_pem = pem("good.pem");
    bgl_ssl_private_key_t *key = MADE(
        bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki("good-encrypted.key"), BGL_SSL_FORMAT_AUTO, "secret"));
    bgl_ssl_sign_t *sign = sign_text("sha256");
    size_t length = bgl_ssl_sign_with_key(sign, key, signature, sizeof signature);
    CHECK(length > 0);
    CHECK(verify_with("sha256", certificate_pem, length));
    bgl_ssl_sign_free(sign);
    bgl_ssl_private_key_free(key);
    free(certificate_pem);
}

/* ---- garbage and bad keys ---- */

TEST(garbage_is_no_signature_and_no_error)
{
    const char *files[] = {"good.pem", "good-rsa.pem"};
    const char *garbage[] = {"", "x", "\x30\x06\x02\x01\x00\x02\x01\x00", "this is not a signature at all"};
    for (size_t i = 0; i < COUNT(files); i++) {
        char *certificate_pem = pem(files[i]);
        for (size_t j = 0; j < COUNT(garbage); j++) {
            bgl_ssl_clear_error();
            bgl_ssl_verify_t *verify = verify_text("sha256");
            CHECK(!bgl_ssl_verify_final(verify, certificate_pem, strlen(certificate_pem), garbage[j],
                                        strlen(garbage[j])));
            CHECK_INT(BGL_SSL_OK, last_error().code);
            CHECK_STRING("", bgl_ssl_error_string());
            bgl_ssl_verify_free(verify);
        }
        memset(signature, 0xff, sizeof signature);
        CHECK(!verify_with("sha256", certificate_pem, sizeof signature));
        CHECK(!verify_with("sha256", certificate_pem, 256));
        free(certificate_pem);
    }
}

struct bad_key {
    const char *name;
    const char *file;
    const char *message;
};

static const struct bad_key bad_signing_keys[] = {
    {"encrypted", "good-encrypted.key", "encrypted"},
    {"encrypted_in_the_old_way", "good-rsa-encrypted-old.key", "encrypted"},
    {"certificate", "good.pem", "CERTIFICATE"},
};

/* Were anybody asked for a passphrase, the case would wait for the terminal. */
TEST_TABLE(bad_key_does_not_sign, bad_signing_keys)
{
    const struct bad_key *it = row;
    char *bad = pem(it->file), *good = pem("good.key");
    bgl_ssl_sign_t *sign = sign_text("sha256");
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, bad, strlen(bad), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_MESSAGE(it->message);
    /* The text is still there for a better key. */
    CHECK(bgl_ssl_sign_sign(sign, good, strlen(good), signature, sizeof signature) > 0);
    bgl_ssl_sign_free(sign);
    free(bad);
    free(good);
}

TEST(text_that_is_no_key_neither_signs_nor_verifies)
{
    const char *texts[] = {"", "nothing", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                           "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                           "-----BEGIN RSA PUBLIC KEY-----\n!!!!\n-----END RSA PUBLIC KEY-----\n",
                           "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        bgl_ssl_sign_t *sign = sign_text("sha256");
        CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, texts[i], strlen(texts[i]), signature, sizeof signature));
        CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
        bgl_ssl_sign_free(sign);
        bgl_ssl_verify_t *verify = verify_text("sha256");
        bool valid = true;
        CHECK_STATUS(BGL_SSL_E_CONFIG,
                     bgl_ssl_verify_signature(verify, texts[i], strlen(texts[i]), signature, 64, &valid));
        CHECK(!valid);
        CHECK(!bgl_ssl_verify_final(verify, texts[i], strlen(texts[i]), signature, 64));
        CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
        bgl_ssl_verify_free(verify);
    }
}

TEST(ed25519_is_for_whole_messages)
{
    char *key = pem("good-ed25519.key"), *certificate_pem = pem("good-ed25519.pem");
    bgl_ssl_sign_t *sign = sign_text("sha256");
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, key, strlen(key), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
    CHECK_MESSAGE("bgl_ssl_sign_message");
    /* Nor how much space there should be. */
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, key, strlen(key), NULL, 0));
    CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
    bgl_ssl_sign_free(sign);
    bgl_ssl_verify_t *verify = verify_text("sha256");
    bool valid = true;
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_verify_signature(verify, certificate_pem, strlen(certificate_pem),
                                                                 signature, 64, &valid));
    bgl_ssl_verify_free(verify);
    bgl_ssl_private_key_t *whole = private_key("good-ed25519.key");
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha256", whole, text, strlen(text), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha256", whole, text, strlen(text), NULL, 0));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    bgl_ssl_private_key_free(whole);
    free(key);
    free(certificate_pem);
}

/* ---- states ---- */

TEST(a_second_signature_is_an_error)
{
    char *key = pem("good.key");
    bgl_ssl_sign_t *sign = sign_text("sha256");
    size_t most = bgl_ssl_sign_sign(sign, key, strlen(key), NULL, 0);
    CHECK(most >= 70 && most <= 72);
    CHECK_INT((long long)most, (long long)bgl_ssl_sign_sign(sign, key, strlen(key), signature, most - 1));
    CHECK(bgl_ssl_sign_sign(sign, key, strlen(key), signature, most) > 0);
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, key, strlen(key), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_sign_update(sign, "x", 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_sign_set_padding(sign, BGL_SSL_PADDING_PSS, 0));
    bgl_ssl_sign_free(sign);
    free(key);
}

TEST(a_second_verification_is_an_error)
{
    char *certificate_pem = pem("good.pem");
    bgl_ssl_verify_t *verify = verify_text("sha256");
    bool valid = true;
    CHECK_OK(bgl_ssl_verify_signature(verify, certificate_pem, strlen(certificate_pem), "x", 1, &valid));
    CHECK(!valid);
    CHECK_STATUS(BGL_SSL_E_STATE,
                 bgl_ssl_verify_signature(verify, certificate_pem, strlen(certificate_pem), "x", 1, &valid));
    CHECK(!bgl_ssl_verify_final(verify, certificate_pem, strlen(certificate_pem), "x", 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_verify_update(verify, "x", 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_verify_set_padding(verify, BGL_SSL_PADDING_PSS, 0));
    bgl_ssl_verify_free(verify);
    free(certificate_pem);
}

TEST(padding_that_does_not_suit_the_key_is_an_error)
{
    char *ec = pem("good.key"), *rsa = pem("good-rsa.key");
    bgl_ssl_sign_t *sign = sign_text("sha256");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_set_padding(sign, 3, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_set_padding(sign, -1, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_set_padding(sign, BGL_SSL_PADDING_PSS, -3));
    CHECK_OK(bgl_ssl_sign_set_padding(sign, BGL_SSL_PADDING_PSS, 1000));
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, rsa, strlen(rsa), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, ec, strlen(ec), signature, sizeof signature));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_OK(bgl_ssl_sign_set_padding(sign, BGL_SSL_PADDING_PSS, 10));
    CHECK_INT(256, (long long)bgl_ssl_sign_sign(sign, rsa, strlen(rsa), signature, sizeof signature));
    bgl_ssl_sign_free(sign);
    free(ec);
    free(rsa);
}

TEST(signatures_refuse_what_cannot_be)
{
    char *key = pem("good.key"), *certificate_pem = pem("good.pem");
    size_t key_length = strlen(key), certificate_length = strlen(certificate_pem);
    bgl_ssl_private_key_t *handle = private_key("good.key");
    bool valid = true;
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_init(NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_init("sha257"));
    CHECK_MESSAGE("sha257");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_init(NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_init("sha257"));
    bgl_ssl_sign_t *sign = sign_text("sha256");
    bgl_ssl_verify_t *verify = verify_text("sha256");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_update(NULL, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_update(sign, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_update((bgl_ssl_sign_t *)verify, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_sign_set_padding(NULL, 0, 0));
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(NULL, key, key_length, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, NULL, key_length, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_sign(sign, key, key_length, NULL, 100));
    CHECK_INT(0, (long long)bgl_ssl_sign_with_key(NULL, handle, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_with_key(sign, NULL, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_with_key(sign, handle, NULL, 100));
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha256", NULL, "x", 1, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha256", handle, NULL, 1, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha257", handle, "x", 1, signature, sizeof signature));
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha257", handle, "x", 1, NULL, 0));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_sign_message("sha256", handle, "x", 1, NULL, 100));
    CHECK(bgl_ssl_sign_message("sha256", handle, "x", 1, signature, sizeof signature) > 0);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_update(NULL, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_update(verify, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_set_padding(NULL, 0, 0));
    CHECK(!bgl_ssl_verify_final(NULL, certificate_pem, certificate_length, "x", 1));
    CHECK(!bgl_ssl_verify_final(verify, NULL, 1, "x", 1));
    CHECK(!bgl_ssl_verify_final(verify, certificate_pem, certificate_length, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT,
                 bgl_ssl_verify_signature(verify, certificate_pem, certificate_length, "x", 1, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_message("sha256", certificate_pem, certificate_length, NULL, 1,
                                                            "x", 1, &valid));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_message("sha256", NULL, 1, "x", 1, "x", 1, &valid));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_message("sha256", certificate_pem, certificate_length, "x", 1,
                                                            NULL, 1, &valid));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_verify_message("sha257", certificate_pem, certificate_length, "x", 1,
                                                            "x", 1, &valid));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT,
                 bgl_ssl_verify_message("sha256", certificate_pem, certificate_length, "x", 1, "x", 1, NULL));
    CHECK(!valid);
    bgl_ssl_sign_free(sign);
    bgl_ssl_verify_free(verify);
    bgl_ssl_private_key_free(handle);
    bgl_ssl_sign_free(NULL);
    bgl_ssl_verify_free(NULL);
    free(key);
    free(certificate_pem);
}
