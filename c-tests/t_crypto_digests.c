/* Digests and HMAC. */
#define _GNU_SOURCE
#include "vectors.h"

static bgl_ssl_hash_t *hash(const char *type)
{
    return MADE(bgl_ssl_hash_t, bgl_ssl_hash_init(type));
}

/* ---- vectors ---- */

static void check_digest(char *field[])
{
    if (!is_listed(bgl_evp_get_hashes, field[0]))
        return;
    struct bytes message = bytes_of(field[1]), digest = bytes_of(field[2]);
    unsigned char out[64];
    size_t length = bgl_ssl_digest(field[0], message.data, message.length, out, sizeof out);
    CHECK_BYTES(digest, out, length);

    bgl_ssl_hash_t *pieces = hash(field[0]);
    for (size_t i = 0; i < message.length; i++)
        CHECK_OK(bgl_ssl_hash_update(pieces, message.data + i, 1));
    CHECK_INT((long long)digest.length, (long long)bgl_ssl_hash_digest(pieces, NULL, 0));
    length = bgl_ssl_hash_digest(pieces, out, sizeof out);
    CHECK_BYTES(digest, out, length);
    bgl_ssl_hash_free(pieces);
}

TEST(digests_at_once_and_byte_by_byte_are_the_published_ones)
{
    each_vector("digests.txt", 3, check_digest);
}

static void check_extendable(char *field[])
{
    struct bytes message = bytes_of(field[1]), output = bytes_of(field[2]);
    unsigned char out[512];
    CHECK(output.length <= sizeof out);
    bgl_ssl_hash_t *extendable = hash(field[0]);
    CHECK_OK(bgl_ssl_hash_update(extendable, message.data, message.length));
    CHECK_OK(bgl_ssl_hash_digest_extendable(extendable, out, output.length));
    CHECK_BYTES(output, out, output.length);
    bgl_ssl_hash_free(extendable);
}

TEST(extendable_digests_of_any_length_are_the_published_ones)
{
    each_vector("extendable.txt", 3, check_extendable);
}

static void check_hmac(char *field[])
{
    struct bytes key = bytes_of(field[1]), message = bytes_of(field[2]), mac = bytes_of(field[3]);
    unsigned char out[64];
    bgl_ssl_hmac_t *hmac = MADE(bgl_ssl_hmac_t, bgl_ssl_hmac_init(field[0], key.data, key.length));
    for (size_t i = 0; i < message.length; i++)
        CHECK_OK(bgl_ssl_hmac_update(hmac, message.data + i, 1));
    CHECK_INT((long long)mac.length, (long long)bgl_ssl_hmac_digest(hmac, NULL, 0));
    size_t length = bgl_ssl_hmac_digest(hmac, out, sizeof out);
    CHECK_BYTES(mac, out, length);
    bgl_ssl_hmac_free(hmac);
}

TEST(hmacs_with_short_and_long_keys_are_the_published_ones)
{
    each_vector("hmac.txt", 4, check_hmac);
}

/* ---- beside openssl(1) ---- */

TEST(a_megabyte_has_the_digest_that_openssl_gives_it)
{
    static unsigned char data[1 << 20];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    const char *file = write_file("data", data, sizeof data);
    bgl_ssl_hash_t *sha512 = hash("sha512");
    for (size_t at = 0, piece = 1; at < sizeof data; at += piece, piece = piece * 7 % 60000 + 1) {
        if (piece > sizeof data - at)
            piece = sizeof data - at;
        CHECK_OK(bgl_ssl_hash_update(sha512, data + at, piece));
    }
    unsigned char out[64];
    CHECK_INT(64, (long long)bgl_ssl_hash_digest(sha512, out, sizeof out));
    CHECK_STRING(output_of("openssl dgst -sha512 -r %s | cut -d' ' -f1", file), hex_of(out, 64));
    bgl_ssl_hash_free(sha512);
}

TEST(an_empty_hmac_key_gives_what_openssl_gives)
{
    unsigned char out[32];
    bgl_ssl_hmac_t *hmac = MADE(bgl_ssl_hmac_t, bgl_ssl_hmac_init("sha256", NULL, 0));
    CHECK_OK(bgl_ssl_hmac_update(hmac, "message", 7));
    CHECK_INT(32, (long long)bgl_ssl_hmac_digest(hmac, out, sizeof out));
    /* RFC 2104: a short key is filled with zeros, so one zero byte is the same key. */
    CHECK_STRING(output_of("printf message | openssl dgst -sha256 -mac HMAC -macopt hexkey:00 -r | cut -d' ' -f1"),
                 hex_of(out, 32));
    bgl_ssl_hmac_free(hmac);
}

/* ---- names ---- */

TEST(a_digest_is_found_by_its_other_names)
{
    unsigned char one[32], other[32];
    CHECK_INT(32, (long long)bgl_ssl_digest("sha256", "x", 1, one, 32));
    CHECK_INT(32, (long long)bgl_ssl_digest("RSA-SHA256", "x", 1, other, 32));
    CHECK(memcmp(one, other, 32) == 0);
    CHECK_INT(32, (long long)bgl_ssl_digest("SHA256", "x", 1, other, 32));
    CHECK(memcmp(one, other, 32) == 0);
}

TEST(an_unknown_digest_is_refused_by_name)
{
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_init("sha257"));
    CHECK_MESSAGE("sha257");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_init("sha257", "key", 3));
    CHECK_MESSAGE("sha257");
    CHECK_INT(0, (long long)bgl_ssl_digest("sha257", "x", 1, NULL, 0));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
}

/* OpenSSL 3 has one of this name, whose digests are empty. */
TEST(a_digest_that_digests_nothing_is_unknown)
{
    unsigned char out[128];
    static const char *const names[] = {"NULL", "null"};
    for (size_t i = 0; i < COUNT(names); i++) {
        CHECK_INT(0, (long long)bgl_ssl_digest(names[i], "x", 1, out, sizeof out));
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
        CHECK_MESSAGE(names[i]);
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_init(names[i], "key", 3));
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf(names[i], "s", 1, NULL, 0, NULL, 0, out, 16));
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac(names[i], "p", 1, "s", 1, 1, out, 16));
    }
}

TEST(every_digest_that_openssl_lists_works_or_is_refused_by_name)
{
    static char names[16384];
    CHECK(bgl_evp_get_hashes(names, sizeof names) < sizeof names);
    char *rest = names, *name;
    int working = 0;
    while ((name = strsep(&rest, ":")) != NULL) {
        unsigned char out[64];
        size_t length = bgl_ssl_digest(name, "x", 1, out, sizeof out);
        CHECK(length <= sizeof out);
        if (length > 0) {
            working++;
        } else {
            CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
            CHECK_MESSAGE(name);
        }
    }
    CHECK(working > 20);
}

/* ---- states ---- */

TEST(a_second_digest_is_an_error)
{
    unsigned char out[32];
    bgl_ssl_hash_t *sha256 = hash("sha256");
    CHECK_INT(32, (long long)bgl_ssl_hash_digest(sha256, out, 32));
    CHECK_INT(0, (long long)bgl_ssl_hash_digest(sha256, out, 32));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_hash_digest(sha256, NULL, 0));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_hash_update(sha256, "x", 1));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_hash_update(sha256, NULL, 0));
    bgl_ssl_hash_free(sha256);
}

TEST(a_second_hmac_digest_is_an_error)
{
    unsigned char out[32];
    bgl_ssl_hmac_t *hmac = MADE(bgl_ssl_hmac_t, bgl_ssl_hmac_init("sha256", "key", 3));
    CHECK_INT(32, (long long)bgl_ssl_hmac_digest(hmac, out, 32));
    CHECK_INT(0, (long long)bgl_ssl_hmac_digest(hmac, out, 32));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_hmac_update(hmac, "x", 1));
    bgl_ssl_hmac_free(hmac);
}

TEST(a_buffer_that_is_too_small_leaves_the_digest_unfinished)
{
    unsigned char out[32], expected[32];
    memset(out, 0xee, sizeof out);
    bgl_ssl_hash_t *sha256 = hash("sha256");
    CHECK_OK(bgl_ssl_hash_update(sha256, "ab", 2));
    CHECK_INT(32, (long long)bgl_ssl_hash_digest(sha256, out, 31));
    CHECK_INT(0xee, out[0]);
    CHECK_OK(bgl_ssl_hash_update(sha256, "c", 1));
    CHECK_INT(32, (long long)bgl_ssl_hash_digest(sha256, out, 32));
    CHECK_INT(32, (long long)bgl_ssl_digest("sha256", "abc", 3, expected, 32));
    CHECK(memcmp(expected, out, 32) == 0);
    bgl_ssl_hash_free(sha256);
}

TEST(only_extendable_digests_have_any_length)
{
    unsigned char out[48];
    bgl_ssl_hash_t *sha256 = hash("sha256");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_digest_extendable(sha256, out, sizeof out));
    CHECK_MESSAGE("32 bytes");
    CHECK_INT(32, (long long)bgl_ssl_hash_digest(sha256, out, sizeof out));
    bgl_ssl_hash_free(sha256);

    bgl_ssl_hash_t *shake = hash("shake128");
    CHECK_INT(16, (long long)bgl_ssl_hash_digest(shake, NULL, 0));
    CHECK_OK(bgl_ssl_hash_digest_extendable(shake, out, sizeof out));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_hash_digest_extendable(shake, out, sizeof out));
    bgl_ssl_hash_free(shake);
}

TEST(digests_refuse_what_cannot_be)
{
    unsigned char out[64];
    bgl_ssl_hash_t *sha256 = hash("sha256");
    bgl_ssl_hmac_t *hmac = MADE(bgl_ssl_hmac_t, bgl_ssl_hmac_init("sha256", "key", 3));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_init(NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_init(""));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_update(NULL, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_update(sha256, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_update(sha256, "x", SIZE_MAX));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_update((bgl_ssl_hash_t *)hmac, "x", 1));
    CHECK_INT(0, (long long)bgl_ssl_hash_digest(NULL, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_hash_digest(sha256, NULL, 32));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_digest_extendable(NULL, out, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hash_digest_extendable(sha256, NULL, 1));
    CHECK_INT(0, (long long)bgl_ssl_digest(NULL, "x", 1, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_digest("sha256", NULL, 1, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_digest("sha256", "x", 1, NULL, 32));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_init(NULL, "key", 3));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_init("sha256", NULL, 3));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_hmac_init("shake128", "key", 3));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_update(NULL, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hmac_update(hmac, NULL, 1));
    CHECK_INT(0, (long long)bgl_ssl_hmac_digest(NULL, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_hmac_digest(hmac, NULL, 32));
    /* Neither was harmed. */
    CHECK_INT(32, (long long)bgl_ssl_hash_digest(sha256, out, sizeof out));
    CHECK_INT(32, (long long)bgl_ssl_hmac_digest(hmac, out, sizeof out));
    bgl_ssl_hash_free(sha256);
    bgl_ssl_hmac_free(hmac);
    bgl_ssl_hash_free(NULL);
    bgl_ssl_hmac_free(NULL);
}
