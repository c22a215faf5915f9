/* Files that other programs have written, or that this OpenSSL cannot read: keys under old ciphers, truststores. */
#define _GNU_SOURCE
#include "harness.h"

/* ---- keys that are encrypted with ciphers of OpenSSL's legacy provider ---- */

struct old_key {
    const char *name;
    const char *file;
    int format;
};

static const struct old_key old_keys[] = {
    {"md5_and_des", "old-md5-des.key", BGL_SSL_FORMAT_PEM},
    {"md5_and_des_in_der", "old-md5-des.key.der", BGL_SSL_FORMAT_DER},
    {"rc2", "old-rc2.key", BGL_SSL_FORMAT_AUTO},
    {"des", "old-des.key", BGL_SSL_FORMAT_AUTO},
    {"des_in_the_own_form_of_rsa", "old-own-form-des.key", BGL_SSL_FORMAT_AUTO},
    {"rc2_in_the_own_form_of_rsa", "old-own-form-rc2.key", BGL_SSL_FORMAT_PEM},
};

TEST_TABLE(the_passphrase_is_not_blamed_for_a_key_with_an_old_cipher, old_keys)
{
    const struct old_key *it = row;
    bgl_ssl_private_key_t *key = bgl_ssl_private_key_from_file(pki(it->file), it->format, "secret");
    if (key) {
        bgl_ssl_private_key_free(key);
        skip_test("an OpenSSL without DES and RC2");
    }
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_MESSAGE(it->file);
    CHECK_MESSAGE("old cipher");
    CHECK(!strstr(last_error().message, "passphrase"));
}

TEST_TABLE(a_passphrase_is_asked_for_a_key_with_an_old_cipher, old_keys)
{
    const struct old_key *it = row;
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_file(pki(it->file), it->format, NULL));
    CHECK_MESSAGE("no passphrase was given");
    CHECK(!strstr(last_error().message, "cancelled"));
}

TEST(a_passphrase_that_was_not_given_is_not_called_wrong)
{
    bgl_ssl_certificate_list_t *list = NULL;
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(pki("good.p12"), NULL, NULL, NULL, &list));
    CHECK_MESSAGE("no passphrase was given");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(pki("good.p12"), "wrong", NULL, NULL, &list));
    CHECK_MESSAGE("is the passphrase right?");
}

/* ---- PKCS#12 with certificates alone ---- */

static const char *const certificate_stores[] = {"certificates-only.p12", "truststore.p12"};

TEST(a_store_of_certificates_gives_them_as_a_list)
{
    for (size_t i = 0; i < COUNT(certificate_stores); i++) {
        bgl_ssl_certificate_list_t *list = NULL;
        CHECK_OK(bgl_ssl_pkcs12_from_file(pki(certificate_stores[i]), "secret", NULL, NULL, &list));
        CHECK(bgl_ssl_certificate_list_length(list) > 0);
        bgl_ssl_certificate_list_free(list);
    }
}

TEST(a_truststore_of_java_gives_its_certificates_in_order)
{
    static const char *const names[] = {"root", "good"};
    bgl_ssl_certificate_list_t *list = NULL;
    CHECK_OK(bgl_ssl_pkcs12_from_file(pki("truststore.p12"), "secret", NULL, NULL, &list));
    CHECK_INT((long long)COUNT(names), (long long)bgl_ssl_certificate_list_length(list));
    for (size_t i = 0; i < COUNT(names); i++) {
        bgl_ssl_certificate_t *one = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, i));
        CHECK_STRING(names[i], bgl_ssl_certificate_subject(one));
        bgl_ssl_certificate_free(one);
    }
    bgl_ssl_certificate_list_free(list);
}

TEST(a_key_that_a_store_of_certificates_lacks_is_not_handed_out)
{
    for (size_t i = 0; i < COUNT(certificate_stores); i++) {
        bgl_ssl_private_key_t *key = NULL;
        bgl_ssl_certificate_t *cert = NULL;
        bgl_ssl_certificate_list_t *list = NULL;
        const char *file = pki(certificate_stores[i]);
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(file, "secret", &key, NULL, &list));
        CHECK_MESSAGE("no private key");
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(file, "secret", NULL, &cert, &list));
        CHECK_MESSAGE("no private key");
        CHECK(!key && !cert && !list);
    }
}
