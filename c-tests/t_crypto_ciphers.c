/* Ciphers: with and without additional data. */
#define _GNU_SOURCE
#include "vectors.h"

#define SPACE(length) ((length) + BGL_SSL_CIPHER_SLACK)

static unsigned char out[4096];

static bgl_ssl_cipher_t *cipher(const char *type, const char *key, const char *iv, bool encrypt)
{
    return MADE(bgl_ssl_cipher_t, bgl_ssl_cipher_initiv(type, key, strlen(key), iv, strlen(iv), encrypt));
}

/* Takes `length` bytes in, in pieces of `piece` bytes, and ends the text; what comes out is in `out`. */
static size_t run(bgl_ssl_cipher_t *handle, const void *data, size_t length, size_t piece)
{
    size_t written, total = 0;
    for (size_t at = 0; at < length; at += piece) {
        size_t now = length - at < piece ? length - at : piece;
        CHECK_OK(bgl_cipher_update(handle, (const char *)data + at, now, out + total, sizeof out - total, &written));
        total += written;
    }
    CHECK_OK(bgl_cipher_final(handle, out + total, sizeof out - total, &written));
    return total + written;
}

/* ---- vectors ---- */

static void check_cipher(char *field[])
{
    if (!is_listed(bgl_evp_get_ciphers, field[0]))
        return;
    struct bytes key = bytes_of(field[1]), iv = bytes_of(field[2]);
    struct bytes text[2] = {bytes_of(field[4]), bytes_of(field[3])};
    /* XTS takes its data unit at once. */
    size_t pieces[] = {4096, 1, 7};
    for (size_t i = 0; i < (strstr(field[0], "xts") ? 1 : COUNT(pieces)); i++) {
        for (int encrypt = 0; encrypt < 2; encrypt++) {
            bgl_ssl_cipher_t *handle = MADE(
                bgl_ssl_cipher_t, bgl_ssl_cipher_initiv(field[0], key.data, key.length, iv.data, iv.length, encrypt));
            CHECK_OK(bgl_cipher_set_auto_padding(handle, false));
            size_t length = run(handle, text[encrypt].data, text[encrypt].length, pieces[i]);
            CHECK_BYTES(text[!encrypt], out, length);
            bgl_ssl_cipher_free(handle);
        }
    }
}

TEST(ciphers_in_pieces_give_the_published_texts)
{
    each_vector("ciphers.txt", 5, check_cipher);
}

struct aead {
    const char *type;
    struct bytes key, iv, aad, plain, coded, tag;
};

static struct aead aead_of(char *field[])
{
    return (struct aead){field[0],           bytes_of(field[1]), bytes_of(field[2]), bytes_of(field[3]),
                         bytes_of(field[4]), bytes_of(field[5]), bytes_of(field[6])};
}

static bgl_ssl_cipher_t *begin_aead(const struct aead *it, bool encrypt)
{
    return MADE(bgl_ssl_cipher_t, bgl_ssl_cipher_init_aead(it->type, it->key.data, it->key.length, it->iv.data,
                                                           it->iv.length, it->tag.length, encrypt));
}

static void check_aead(char *field[])
{
    struct aead it = aead_of(field);
    /* CCM takes its message at once. */
    size_t piece = strstr(it.type, "ccm") ? 4096 : 5;

    bgl_ssl_cipher_t *handle = begin_aead(&it, true);
    CHECK_OK(bgl_ssl_cipher_add_aad(handle, it.aad.data, it.aad.length / 2));
    CHECK_OK(bgl_ssl_cipher_add_aad(handle, it.aad.data + it.aad.length / 2, it.aad.length - it.aad.length / 2));
    size_t length = run(handle, it.plain.data, it.plain.length, piece);
    CHECK_BYTES(it.coded, out, length);
    length = bgl_ssl_cipher_tag(handle, out, sizeof out);
    CHECK_BYTES(it.tag, out, length);
    bgl_ssl_cipher_free(handle);

    handle = begin_aead(&it, false);
    CHECK_OK(bgl_ssl_cipher_set_tag(handle, it.tag.data, it.tag.length));
    CHECK_OK(bgl_ssl_cipher_add_aad(handle, it.aad.data, it.aad.length));
    length = run(handle, it.coded.data, it.coded.length, piece);
    CHECK_BYTES(it.plain, out, length);
    bgl_ssl_cipher_free(handle);
}

TEST(aead_ciphers_give_the_published_texts_and_tags)
{
    each_vector("aead.txt", 7, check_aead);
}

/* Decrypts with one bit of tag, text or additional data changed. */
static bgl_ssl_status_t decrypt_changed(const struct aead *it, const struct bytes *changed)
{
    changed->data[changed->length - 1] ^= 1;
    size_t written;
    bgl_ssl_cipher_t *handle = begin_aead(it, false);
    CHECK_OK(bgl_ssl_cipher_set_tag(handle, it->tag.data, it->tag.length));
    CHECK_OK(bgl_ssl_cipher_add_aad(handle, it->aad.data, it->aad.length));
    bgl_ssl_status_t status =
        bgl_cipher_update(handle, it->coded.data, it->coded.length, out, sizeof out, &written);
    if (status == BGL_SSL_OK)
        status = bgl_cipher_final(handle, out, sizeof out, &written);
    CHECK_INT(0, (long long)written);
    bgl_ssl_cipher_free(handle);
    changed->data[changed->length - 1] ^= 1;
    return status;
}

static void check_forgery(char *field[])
{
    struct aead it = aead_of(field);
    CHECK_STATUS(BGL_SSL_E_VERIFY, decrypt_changed(&it, &it.tag));
    CHECK_MESSAGE(it.type);
    if (it.coded.length > 0)
        CHECK_STATUS(BGL_SSL_E_VERIFY, decrypt_changed(&it, &it.coded));
    if (it.aad.length > 0)
        CHECK_STATUS(BGL_SSL_E_VERIFY, decrypt_changed(&it, &it.aad));
}

TEST(aead_ciphers_refuse_each_forgery)
{
    each_vector("aead.txt", 7, check_forgery);
}

/* ---- passwords ---- */

TEST(a_password_gives_the_key_that_openssl_makes_of_it)
{
    const char *types[] = {"aes-128-cbc", "aes-256-cbc", "aes-192-ctr", "des-ede3-cbc", "chacha20"};
    for (size_t i = 0; i < COUNT(types); i++) {
        bgl_ssl_cipher_t *handle = MADE(bgl_ssl_cipher_t, bgl_ssl_cipher_init(types[i], "opensesame", 10, true));
        size_t length = run(handle, "some secret text of 31 bytes...", 31, 5);
        const char *file = write_file("coded", out, length);
        CHECK_STRING("some secret text of 31 bytes...",
                     output_of("openssl enc -d -%s -md md5 -nosalt -pass pass:opensesame -in %s 2>%s", types[i], file,
                               own_path("stderr")));
        bgl_ssl_cipher_free(handle);
    }
}

TEST(an_empty_password_is_a_password)
{
    bgl_ssl_cipher_t *coder = MADE(bgl_ssl_cipher_t, bgl_ssl_cipher_init("aes-128-cbc", NULL, 0, true));
    bgl_ssl_cipher_t *again = MADE(bgl_ssl_cipher_t, bgl_ssl_cipher_init("aes-128-cbc", "", 0, true));
    unsigned char first[16];
    CHECK_INT(16, (long long)run(coder, "text", 4, 4));
    memcpy(first, out, 16);
    CHECK_INT(16, (long long)run(again, "text", 4, 4));
    CHECK(memcmp(first, out, 16) == 0);
    bgl_ssl_cipher_free(coder);
    bgl_ssl_cipher_free(again);
}

/* ---- names ---- */

TEST(an_unknown_cipher_is_refused_by_name)
{
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init("aes-129-cbc", "p", 1, true));
    CHECK_MESSAGE("aes-129-cbc");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_initiv("aes-129-cbc", "k", 1, "i", 1, true));
    CHECK_MESSAGE("aes-129-cbc");
}

TEST(every_cipher_that_openssl_lists_works_or_is_refused_by_name)
{
    static char names[16384];
    CHECK(bgl_evp_get_ciphers(names, sizeof names) < sizeof names);
    char *rest = names, *name;
    int working = 0, refused = 0;
    while ((name = strsep(&rest, ":")) != NULL) {
        bgl_ssl_cipher_t *handle = bgl_ssl_cipher_init(name, "password", 8, true);
        if (!handle) {
            refused++;
            CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
            CHECK_MESSAGE(name);
            continue;
        }
        /* Enough for every mode, XTS included. */
        size_t written;
        working++;
        CHECK_OK(bgl_cipher_update(handle, "0123456789abcdef0123456789abcdef", 32, out, sizeof out, &written));
        CHECK_OK(bgl_cipher_final(handle, out, sizeof out, &written));
        bgl_ssl_cipher_free(handle);
    }
    CHECK(working > 30);
    CHECK(refused > 0);
}

TEST(a_legacy_cipher_is_refused_where_openssl_cannot_use_it)
{
    if (strncmp(bgl_ssl_version(), "OpenSSL 1.", 10) == 0)
        skip_test("an OpenSSL with providers");
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_cipher_init("bf-cbc", "password", 8, true));
    CHECK_MESSAGE("\"bf-cbc\"");
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_cipher_initiv("rc4", "0123456789abcdef", 16, NULL, 0, true));
    CHECK_MESSAGE("\"rc4\"");
}

/* ---- lengths ---- */

struct lengths {
    const char *name;
    const char *type;
    size_t key, iv;
    const char *message;
};

static const struct lengths wrong_lengths[] = {
    {"short_key", "aes-128-cbc", 15, 16, "15 bytes, and not 16"},
    {"long_key", "aes-128-cbc", 17, 16, "17 bytes, and not 16"},
    {"no_key", "aes-128-cbc", 0, 16, "0 bytes, and not 16"},
    {"short_iv", "aes-128-cbc", 16, 15, "15 bytes, and not 16"},
    {"long_iv", "aes-128-cbc", 16, 17, "17 bytes, and not 16"},
    {"no_iv", "aes-128-cbc", 16, 0, "0 bytes, and not 16"},
    {"iv_for_ecb", "aes-128-ecb", 16, 16, "16 bytes, and not 0"},
    {"no_iv_for_gcm", "aes-128-gcm", 16, 0, "initialisation vector"},
    {"short_key_for_gcm", "aes-256-gcm", 16, 12, "16 bytes, and not 32"},
    {"short_iv_for_ccm", "aes-128-ccm", 16, 6, "initialisation vector"},
    {"long_iv_for_ccm", "aes-128-ccm", 16, 14, "initialisation vector"},
    {"short_iv_for_chacha", "chacha20-poly1305", 32, 8, "8 bytes, and not 12"},
    {"long_iv_for_chacha", "chacha20-poly1305", 32, 16, "16 bytes, and not 12"},
    {"half_key_for_xts", "aes-128-xts", 16, 16, "16 bytes, and not 32"},
};

TEST_TABLE(wrong_length_is_refused, wrong_lengths)
{
    static const char zeros[64];
    const struct lengths *it = row;
    for (int encrypt = 0; encrypt < 2; encrypt++) {
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT,
                      bgl_ssl_cipher_initiv(it->type, zeros, it->key, zeros, it->iv, encrypt));
        CHECK_MESSAGE(it->message);
    }
}

TEST(a_tag_of_a_wrong_length_is_refused)
{
    static const char zeros[32];
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init_aead("aes-128-gcm", zeros, 16, zeros, 12, 3, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init_aead("aes-128-gcm", zeros, 16, zeros, 12, 17, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init_aead("aes-128-ccm", zeros, 16, zeros, 12, 5, true));
    bgl_ssl_cipher_t *handle = cipher("aes-128-gcm", "0123456789abcdef", "0123456789ab", false);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_set_tag(handle, zeros, 4));
    CHECK_MESSAGE("4 bytes, and not 16");
    CHECK_OK(bgl_ssl_cipher_set_tag(handle, zeros, 16));
    bgl_ssl_cipher_free(handle);
}

/* ---- states ---- */

TEST(padding_is_added_and_taken_off)
{
    for (size_t length = 0; length <= 33; length++) {
        const char *text = "012345678901234567890123456789012";
        bgl_ssl_cipher_t *coder = cipher("aes-128-cbc", "0123456789abcdef", "fedcba9876543210", true);
        size_t coded_length = run(coder, text, length, 3);
        CHECK_INT((long long)(length / 16 + 1) * 16, (long long)coded_length);
        unsigned char coded[64];
        memcpy(coded, out, coded_length);
        bgl_ssl_cipher_t *decoder = cipher("aes-128-cbc", "0123456789abcdef", "fedcba9876543210", false);
        CHECK_INT((long long)length, (long long)run(decoder, coded, coded_length, 5));
        CHECK(memcmp(text, out, length) == 0);
        bgl_ssl_cipher_free(coder);
        bgl_ssl_cipher_free(decoder);
    }
}

TEST(without_padding_a_broken_block_is_an_error)
{
    size_t written;
    bgl_ssl_cipher_t *coder = cipher("aes-128-cbc", "0123456789abcdef", "fedcba9876543210", true);
    CHECK_OK(bgl_cipher_set_auto_padding(coder, false));
    CHECK_OK(bgl_cipher_update(coder, "text", 4, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_cipher_final(coder, out, sizeof out, &written));
    CHECK_MESSAGE("aes-128-cbc");
    bgl_ssl_cipher_free(coder);
}

TEST(another_key_is_an_error_at_the_end)
{
    size_t written;
    bgl_ssl_cipher_t *coder = cipher("aes-128-cbc", "0123456789abcdef", "fedcba9876543210", true);
    size_t length = run(coder, "text", 4, 4);
    unsigned char coded[16];
    memcpy(coded, out, length);
    bgl_ssl_cipher_t *decoder = cipher("aes-128-cbc", "0123456789abcdeF", "fedcba9876543210", false);
    CHECK_OK(bgl_cipher_update(decoder, coded, length, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_cipher_final(decoder, out, sizeof out, &written));
    CHECK_MESSAGE("another key");
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_final(decoder, out, sizeof out, &written));
    bgl_ssl_cipher_free(coder);
    bgl_ssl_cipher_free(decoder);
}

TEST(everything_after_final_is_an_error)
{
    size_t written = 7;
    bgl_ssl_cipher_t *handle = cipher("aes-128-gcm", "0123456789abcdef", "fedcba987654", true);
    CHECK_INT(4, (long long)run(handle, "text", 4, 4));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_final(handle, out, sizeof out, &written));
    CHECK_INT(0, (long long)written);
    CHECK_MESSAGE("finished");
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_update(handle, "text", 4, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_update(handle, NULL, 0, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_set_auto_padding(handle, true));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_cipher_add_aad(handle, "aad", 3));
    CHECK_INT(16, (long long)bgl_ssl_cipher_tag(handle, NULL, 0));
    bgl_ssl_cipher_free(handle);
}

TEST(additional_data_comes_before_the_text)
{
    size_t written;
    bgl_ssl_cipher_t *handle = cipher("aes-128-gcm", "0123456789abcdef", "fedcba987654", true);
    CHECK_OK(bgl_cipher_update(handle, "text", 4, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_cipher_add_aad(handle, "aad", 3));
    bgl_ssl_cipher_free(handle);
}

TEST(decryption_without_a_tag_waits_for_it)
{
    size_t written;
    const char *types[] = {"aes-128-gcm", "aes-128-ccm"};
    for (size_t i = 0; i < COUNT(types); i++) {
        unsigned char tag[16];
        bgl_ssl_cipher_t *coder = cipher(types[i], "0123456789abcdef", "fedcba987654", true);
        CHECK_INT(0, (long long)bgl_ssl_cipher_tag(coder, tag, 16));
        CHECK_INT(BGL_SSL_E_STATE, last_error().code);
        CHECK_INT(0, (long long)run(coder, "", 0, 1));
        CHECK_INT(16, (long long)bgl_ssl_cipher_tag(coder, tag, 16));
        CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_cipher_set_tag(coder, tag, 16));
        bgl_ssl_cipher_free(coder);

        bgl_ssl_cipher_t *decoder = cipher(types[i], "0123456789abcdef", "fedcba987654", false);
        CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_final(decoder, out, sizeof out, &written));
        CHECK_MESSAGE("tag");
        CHECK_INT(0, (long long)bgl_ssl_cipher_tag(decoder, tag, 16));
        CHECK_OK(bgl_ssl_cipher_set_tag(decoder, tag, 16));
        CHECK_OK(bgl_cipher_final(decoder, out, sizeof out, &written));
        bgl_ssl_cipher_free(decoder);
    }
}

TEST(ccm_takes_its_message_in_one_piece)
{
    size_t written;
    bgl_ssl_cipher_t *handle = cipher("aes-128-ccm", "0123456789abcdef", "fedcba987654", true);
    CHECK_OK(bgl_cipher_update(handle, NULL, 0, out, sizeof out, &written));
    CHECK_OK(bgl_cipher_update(handle, "text", 4, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_update(handle, "text", 4, out, sizeof out, &written));
    CHECK_MESSAGE("one piece");
    CHECK_OK(bgl_cipher_final(handle, out, sizeof out, &written));
    bgl_ssl_cipher_free(handle);
}

/* OpenSSL would start again with the second piece, and no caller could notice. */
TEST(xts_takes_its_text_in_one_piece)
{
    size_t written;
    bgl_ssl_cipher_t *handle =
        cipher("aes-128-xts", "0123456789abcdefghijklmnopqrstuv", "fedcba9876543210", true);
    CHECK_OK(bgl_cipher_update(handle, NULL, 0, out, sizeof out, &written));
    CHECK_OK(bgl_cipher_update(handle, "a text of some 32 bytes or more.", 32, out, sizeof out, &written));
    CHECK_INT(32, (long long)written);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_cipher_update(handle, "0123456789abcdef", 16, out, sizeof out, &written));
    CHECK_MESSAGE("one piece");
    CHECK_OK(bgl_cipher_final(handle, out, sizeof out, &written));
    bgl_ssl_cipher_free(handle);
}

TEST(only_aead_ciphers_have_tags)
{
    bgl_ssl_cipher_t *handle = cipher("aes-128-cbc", "0123456789abcdef", "fedcba9876543210", false);
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_cipher_add_aad(handle, "aad", 3));
    CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_cipher_set_tag(handle, "0123456789abcdef", 16));
    CHECK_INT(0, (long long)bgl_ssl_cipher_tag(handle, out, 16));
    CHECK_INT(BGL_SSL_E_UNSUPPORTED, last_error().code);
    bgl_ssl_cipher_free(handle);
}

TEST(too_little_space_takes_nothing_in)
{
    size_t written;
    unsigned char expected[4];
    bgl_ssl_cipher_t *handle = cipher("aes-128-ctr", "0123456789abcdef", "fedcba9876543210", true);
    CHECK_INT(4, (long long)run(handle, "text", 4, 4));
    memcpy(expected, out, 4);
    bgl_ssl_cipher_free(handle);

    handle = cipher("aes-128-ctr", "0123456789abcdef", "fedcba9876543210", true);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, "text", 4, out, SPACE(4) - 1, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, "text", 4, NULL, SPACE(4), &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, "text", 4, out, SPACE(4), NULL));
    CHECK_OK(bgl_cipher_update(handle, "text", 4, out, SPACE(4), &written));
    CHECK_INT(4, (long long)written);
    CHECK(memcmp(expected, out, 4) == 0);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_final(handle, out, BGL_SSL_CIPHER_SLACK - 1, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_final(handle, NULL, BGL_SSL_CIPHER_SLACK, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_final(handle, out, BGL_SSL_CIPHER_SLACK, NULL));
    CHECK_OK(bgl_cipher_final(handle, out, BGL_SSL_CIPHER_SLACK, &written));
    bgl_ssl_cipher_free(handle);
}

TEST(ciphers_refuse_what_cannot_be)
{
    size_t written;
    static const char zeros[64];
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init(NULL, "p", 1, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init("aes-128-cbc", NULL, 1, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_initiv(NULL, zeros, 16, zeros, 16, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_initiv("aes-128-cbc", NULL, 16, zeros, 16, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_initiv("aes-128-cbc", zeros, 16, NULL, 16, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_init_aead(NULL, zeros, 16, zeros, 12, 16, true));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_initiv("aes-128-cbc", zeros, SIZE_MAX, zeros, 16, true));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_cipher_init("id-aes128-wrap", "p", 1, true));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(NULL, "x", 1, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_final(NULL, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_set_auto_padding(NULL, true));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_add_aad(NULL, "x", 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_set_tag(NULL, zeros, 16));
    CHECK_INT(0, (long long)bgl_ssl_cipher_tag(NULL, out, 16));
    bgl_ssl_cipher_t *handle = cipher("aes-128-gcm", "0123456789abcdef", "fedcba987654", false);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, NULL, 1, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, "x", SIZE_MAX, out, SIZE_MAX, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_cipher_update(handle, "x", SIZE_MAX - 16, out, sizeof out, &written));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_add_aad(handle, NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_cipher_set_tag(handle, NULL, 16));
    bgl_ssl_cipher_free(handle);
    bgl_ssl_cipher_free(NULL);
}
