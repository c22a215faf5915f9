/* Digests, signatures and ciphers: what comes out is right, or an error. */
#include "steps.h"

static const char message[] = "a message that is longer than one block of any digest or cipher, so that each of them works on "
                              "several: ........................................................................";

/* The length of the i-th digest; 0 on failure. */
static size_t digest(int i, unsigned char out[64])
{
    size_t length = 0;
    if (i == 0)
        return bgl_ssl_digest("sha256", message, sizeof message, out, 64);
    if (i == 1)
        return IS_GOOD(bgl_ssl_pbkdf2_hmac("sha256", "pw", 2, "salt", 4, 3, out, 40)) ? 40 : 0;
    bgl_ssl_hmac_t *hmac = TRY(bgl_ssl_hmac_t, bgl_ssl_hmac_init("sha512", "key", 3));
    if (hmac && IS_GOOD(bgl_ssl_hmac_update(hmac, message, sizeof message)))
        length = bgl_ssl_hmac_digest(hmac, out, 64);
    bgl_ssl_hmac_free(hmac);
    return length;
}

void digests(const struct scenario *scenario)
{
    enum { DIGESTS = 3 };
    unsigned char right[DIGESTS][64], now[64];
    size_t lengths[DIGESTS];
    (void)scenario;
    for (int i = 0; i < DIGESTS; i++)
        lengths[i] = digest(i, right[i]);
    fault_begin();
    for (int i = 0; i < DIGESTS; i++) {
        size_t length = digest(i, now);
        if (length == 0) {
            is_good(last_error().code, "a digest");
            must_be_planned("a digest failed");
        } else if (length != lengths[i] || memcmp(now, right[i], length) != 0) {
            FAIL("another digest, and it was called a success");
        }
    }
    fault_end();
}

void sign_and_verify(const struct scenario *scenario)
{
    static const char *const names[] = {"good", "good-rsa"};
    (void)scenario;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct text public = read_text(names[i], ".pem");
        unsigned char signature[600];
        char file[64];
        snprintf(file, sizeof file, "%s.key", names[i]);
        fault_begin();
        bgl_ssl_private_key_t *key = TRY(bgl_ssl_private_key_t, bgl_ssl_load_private_key(pki(file)));
        size_t length =
            key ? bgl_ssl_sign_message("sha256", key, message, sizeof message, signature, sizeof signature) : 0;
        if (length == 0) {
            is_good(last_error().code, "bgl_ssl_sign_message");
            must_be_planned("nothing was signed");
        }
        for (int damaged = 0; length && damaged < 2; damaged++) {
            bool valid = true;
            signature[length - 1] ^= damaged ? 1 : 0;
            bgl_ssl_status_t status = bgl_ssl_verify_message("sha256", public.data, public.length, message, sizeof message,
                                                             signature, length, &valid);
            if (!is_good(status, "bgl_ssl_verify_message"))
                must_be_planned("a signature was not verified");
            if (valid && (damaged || status != BGL_SSL_OK))
                FAIL("a signature is valid that is damaged, or was not verified");
            if (!valid && !damaged)
                must_be_planned("a good signature was refused");
        }
        fault_end();
        bgl_ssl_private_key_free(key);
        free(public.data);
    }
}

/* False on failure. */
static bool convert(bool encrypt, const void *from, size_t length, unsigned char *to, size_t *out, unsigned char tag[16])
{
    static const char key[32] = "a key of thirty-two bytes ......", iv[12] = "twelve bytes";
    size_t n = 0, last = 0;
    bgl_ssl_cipher_t *cipher =
        TRY(bgl_ssl_cipher_t, bgl_ssl_cipher_initiv("aes-256-gcm", key, sizeof key, iv, sizeof iv, encrypt));
    bool good = cipher && (encrypt || IS_GOOD(bgl_ssl_cipher_set_tag(cipher, tag, 16))) &&
                IS_GOOD(bgl_ssl_cipher_add_aad(cipher, "more", 4)) &&
                IS_GOOD(bgl_cipher_update(cipher, from, length, to, 300, &n)) &&
                IS_GOOD(bgl_cipher_final(cipher, to + n, 300 - n, &last)) &&
                (!encrypt || bgl_ssl_cipher_tag(cipher, tag, 16) == 16);
    *out = n + last;
    bgl_ssl_cipher_free(cipher);
    return good;
}

void ciphers(const struct scenario *scenario)
{
    unsigned char secret[400], back[400], tag[16];
    size_t length = 0, restored = 0;
    (void)scenario;
    fault_begin();
    if (convert(true, message, sizeof message, secret, &length, tag)) {
        if (!convert(false, secret, length, back, &restored, tag))
            must_be_planned("what was encrypted is not decrypted");
        else if (restored != sizeof message || memcmp(back, message, restored) != 0)
            FAIL("something else was decrypted");
        tag[0] ^= 1;
        if (convert(false, secret, length, back, &restored, tag))
            FAIL("what is forged was decrypted");
    } else {
        must_be_planned("nothing was encrypted");
    }
    fault_end();
}
