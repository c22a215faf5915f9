/* Keys from passwords and from other secrets. */
#define _GNU_SOURCE
#include "vectors.h"

static unsigned char key[256];

static void check_pbkdf2(char *field[])
{
    struct bytes password = bytes_of(field[1]), salt = bytes_of(field[2]), expected = bytes_of(field[4]);
    int iterations = atoi(field[3]);
    CHECK_OK(bgl_ssl_pbkdf2_hmac(field[0], password.data, password.length, salt.data, salt.length, iterations, key,
                                 expected.length));
    CHECK_BYTES(expected, key, expected.length);
    if (strcmp(field[0], "sha1") == 0) {
        memset(key, 0, sizeof key);
        CHECK_OK(bgl_pkcs5_pbkdf2_hmac_sha1(password.data, password.length, salt.data, salt.length, iterations, key,
                                            expected.length));
        CHECK_BYTES(expected, key, expected.length);
    }
}

TEST(pbkdf2_gives_the_published_keys)
{
    each_vector("pbkdf2.txt", 5, check_pbkdf2);
}

static void check_hkdf(char *field[])
{
    struct bytes secret = bytes_of(field[1]), salt = bytes_of(field[2]), info = bytes_of(field[3]);
    struct bytes expected = bytes_of(field[4]);
    CHECK_OK(bgl_ssl_hkdf(field[0], secret.data, secret.length, salt.data, salt.length, info.data, info.length, key,
                          expected.length));
    CHECK_BYTES(expected, key, expected.length);
}

TEST(hkdf_gives_the_published_keys)
{
    each_vector("hkdf.txt", 5, check_hkdf);
}

static void check_scrypt(char *field[])
{
    struct bytes password = bytes_of(field[0]), salt = bytes_of(field[1]), expected = bytes_of(field[5]);
    uint64_t n = strtoull(field[2], NULL, 10), r = strtoull(field[3], NULL, 10), p = strtoull(field[4], NULL, 10);
    CHECK_OK(bgl_ssl_scrypt(password.data, password.length, salt.data, salt.length, n, r, p, 0, key, expected.length));
    CHECK_BYTES(expected, key, expected.length);
}

TEST(scrypt_gives_the_published_keys)
{
    each_vector("scrypt.txt", 6, check_scrypt);
}

TEST(pbkdf2_refuses_what_cannot_be)
{
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha257", "p", 1, "s", 1, 1, key, 16));
    CHECK_MESSAGE("sha257");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac(NULL, "p", 1, "s", 1, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha256", NULL, 1, "s", 1, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha256", "p", 1, NULL, 1, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha256", "p", 1, "s", 1, 0, key, 16));
    CHECK_MESSAGE("iteration");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha256", "p", 1, "s", 1, -1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_pbkdf2_hmac("sha256", "p", 1, "s", 1, 1, NULL, 16));
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_pbkdf2_hmac("shake128", "p", 1, "s", 1, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_pkcs5_pbkdf2_hmac_sha1(NULL, 1, "s", 1, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_pkcs5_pbkdf2_hmac_sha1("p", 1, "s", 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_pkcs5_pbkdf2_hmac_sha1("p", 1, "s", 1, 1, NULL, 16));
    CHECK_OK(bgl_pkcs5_pbkdf2_hmac_sha1("p", 1, "s", 1, 1, NULL, 0));
    CHECK_OK(bgl_pkcs5_pbkdf2_hmac_sha1(NULL, 0, NULL, 0, 1, key, 16));
}

TEST(hkdf_gives_no_more_than_255_digests)
{
    static unsigned char longest[255 * 32 + 1];
    CHECK_OK(bgl_ssl_hkdf("sha256", "s", 1, NULL, 0, NULL, 0, longest, 255 * 32));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha256", "s", 1, NULL, 0, NULL, 0, longest, sizeof longest));
    CHECK_MESSAGE("8160");
}

TEST(hkdf_refuses_what_cannot_be)
{
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha257", "s", 1, NULL, 0, NULL, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf(NULL, "s", 1, NULL, 0, NULL, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha256", NULL, 1, NULL, 0, NULL, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha256", "s", 1, NULL, 1, NULL, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha256", "s", 1, NULL, 0, NULL, 1, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_hkdf("sha256", "s", 1, NULL, 0, NULL, 0, NULL, 16));
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_hkdf("shake128", "s", 1, NULL, 0, NULL, 0, key, 16));
}

TEST(scrypt_takes_no_more_memory_than_it_may)
{
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 1 << 20, 8, 1, 0, key, 16));
    CHECK_MESSAGE("memory");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 1024, 8, 1, 1 << 20, key, 16));
    CHECK_OK(bgl_ssl_scrypt("p", 1, "s", 1, 1024, 8, 1, 2 << 20, key, 16));
}

TEST(scrypt_refuses_what_cannot_be)
{
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt(NULL, 1, "s", 1, 16, 1, 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, NULL, 1, 16, 1, 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 16, 1, 1, 0, NULL, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 15, 1, 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 0, 1, 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 16, 0, 1, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, 16, 1, 0, 0, key, 16));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_scrypt("p", 1, "s", 1, UINT64_MAX, 1, 1, 0, key, 16));
}
