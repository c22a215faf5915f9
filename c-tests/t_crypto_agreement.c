/* Numbers, Diffie-Hellman and ECDH. */
#define _GNU_SOURCE
#include "vectors.h"

static unsigned char out[2048], other_out[2048];

static bgl_ssl_bignum_t *number(struct bytes bytes)
{
    return MADE(bgl_ssl_bignum_t, bgl_bn_bin2bn(bytes.data, bytes.length));
}

static bgl_ssl_bignum_t *small(int64_t word)
{
    bgl_ssl_bignum_t *bn = MADE(bgl_ssl_bignum_t, bgl_bn_new());
    CHECK_OK(bgl_bn_set_word(bn, word));
    return bn;
}

static void check_number(struct bytes expected, bgl_ssl_bignum_t *bn)
{
    CHECK(bn);
    size_t length = bgl_bn_bn2bin(bn, out, sizeof out);
    CHECK_BYTES(expected, out, length);
    bgl_bn_free(bn);
}

static bgl_ssl_dh_t *group(const char *name)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    CHECK_OK(bgl_ssl_dh_set_group(dh, name));
    return dh;
}

/* A group of small numbers; q 0 for none. */
static bgl_ssl_dh_t *small_group(int64_t p, int64_t q, int64_t g)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    bgl_ssl_bignum_t *numbers[] = {small(p), q ? small(q) : NULL, small(g)};
    CHECK_OK(bgl_dh_pqg_set(dh, numbers[0], numbers[1], numbers[2]));
    for (size_t i = 0; i < 3; i++)
        bgl_bn_free(numbers[i]);
    return dh;
}

/* ---- numbers ---- */

TEST(numbers_come_out_as_they_went_in)
{
    bgl_ssl_bignum_t *bn = MADE(bgl_ssl_bignum_t, bgl_bn_bin2bn("\0\0\x01\x02\x03", 5));
    CHECK_INT(3, (long long)bgl_bn_num_bytes(bn));
    CHECK_INT(3, (long long)bgl_bn_bn2bin(bn, NULL, 0));
    CHECK_INT(3, (long long)bgl_bn_bn2bin(bn, out, sizeof out));
    CHECK(memcmp(out, "\x01\x02\x03", 3) == 0);
    CHECK_OK(bgl_bn_set_word(bn, 256));
    CHECK_INT(2, (long long)bgl_bn_bn2bin(bn, out, sizeof out));
    CHECK(memcmp(out, "\x01\x00", 2) == 0);
    CHECK_OK(bgl_bn_set_word(bn, 0));
    CHECK_INT(0, (long long)bgl_bn_num_bytes(bn));
    bgl_bn_free(bn);
}

TEST(zero_is_the_number_of_no_bytes)
{
    bgl_ssl_bignum_t *bn = MADE(bgl_ssl_bignum_t, bgl_bn_bin2bn(NULL, 0));
    CHECK_INT(0, (long long)bgl_bn_num_bytes(bn));
    bgl_bn_free(bn);
    bn = MADE(bgl_ssl_bignum_t, bgl_bn_new());
    CHECK_INT(0, (long long)bgl_bn_num_bytes(bn));
    bgl_bn_free(bn);
}

TEST(numbers_refuse_what_cannot_be)
{
    bgl_ssl_bignum_t *bn = MADE(bgl_ssl_bignum_t, bgl_bn_new());
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_bn_bin2bn(NULL, 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_bn_bin2bn("x", SIZE_MAX));
    CHECK_INT(0, (long long)bgl_bn_bn2bin(NULL, out, sizeof out));
    CHECK_INT(0, (long long)bgl_bn_num_bytes(NULL));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_bn_set_word(NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_bn_set_word(bn, -1));
    CHECK_OK(bgl_bn_set_word(bn, INT64_MAX));
    CHECK_INT(0, (long long)bgl_bn_bn2bin(bn, NULL, 8));
    CHECK_INT(8, (long long)bgl_bn_bn2bin(bn, out, 8));
    bgl_bn_free(bn);
    bgl_bn_free(NULL);
}

/* ---- Diffie-Hellman ---- */

static void check_dh(char *field[])
{
    struct bytes bytes[7];
    bgl_ssl_bignum_t *bn[6];
    for (int i = 0; i < 7; i++)
        bytes[i] = bytes_of(field[i]);
    for (int i = 0; i < 6; i++)
        bn[i] = number(bytes[i]);
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    CHECK_OK(bgl_dh_pqg_set(dh, bn[0], bn[1], bn[2]));
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check(dh));
    /* The public key follows from the private one. */
    CHECK_OK(bgl_dh_private_key_set(dh, bn[3]));
    CHECK_OK(bgl_ssl_dh_generate_key(dh));
    check_number(bytes[3], bgl_dh_private_key(dh));
    check_number(bytes[4], bgl_dh_public_key(dh));
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check_pub_key(dh, bn[5]));
    CHECK_OK(bgl_dh_public_key_set(dh, NULL));
    size_t length = bgl_ssl_dh_compute_key(dh, bn[5], out, sizeof out);
    CHECK_BYTES(bytes[6], out, length);
    CHECK_OK(bgl_dh_pub_priv_key_set(dh, bn[4], bn[3]));
    length = bgl_ssl_dh_compute_key(dh, bn[5], out, sizeof out);
    CHECK_BYTES(bytes[6], out, length);
    for (int i = 0; i < 6; i++)
        bgl_bn_free(bn[i]);
    bgl_ssl_dh_free(dh);
}

TEST(dh_secrets_are_the_published_ones)
{
    each_vector("dh.txt", 7, check_dh);
}

TEST(two_dh_keys_in_a_group_of_rfc_7919_agree)
{
    bgl_ssl_dh_t *alice = group("ffdhe2048"), *bob = group("ffdhe2048");
    CHECK_INT(256, (long long)bgl_ssl_dh_size(alice));
    CHECK_OK(bgl_ssl_dh_generate_key(alice));
    CHECK_OK(bgl_ssl_dh_generate_key(bob));
    bgl_ssl_bignum_t *for_alice = bgl_dh_public_key(bob), *for_bob = bgl_dh_public_key(alice);
    CHECK_INT(256, (long long)bgl_ssl_dh_compute_key(alice, for_alice, NULL, 0));
    CHECK_INT(256, (long long)bgl_ssl_dh_compute_key(alice, for_alice, out, sizeof out));
    CHECK_INT(256, (long long)bgl_ssl_dh_compute_key(bob, for_bob, other_out, sizeof other_out));
    CHECK(memcmp(out, other_out, 256) == 0);
    bgl_bn_free(for_alice);
    bgl_bn_free(for_bob);
    bgl_ssl_dh_free(alice);
    bgl_ssl_dh_free(bob);
}

struct named_group {
    const char *name;
    size_t bytes;
};

static const struct named_group named_groups[] = {
    {"ffdhe2048", 256}, {"ffdhe3072", 384}, {"ffdhe4096", 512}, {"ffdhe6144", 768}, {"ffdhe8192", 1024},
};

TEST_TABLE(group_of_rfc_7919_is_there, named_groups)
{
    const struct named_group *it = row;
    bgl_ssl_dh_t *dh = group(it->name);
    bgl_ssl_bignum_t *p = bgl_dh_p(dh), *q = bgl_dh_q(dh), *g = bgl_dh_g(dh);
    CHECK(p && g);
    /* RFC 7919: all begin with 64 ones, the fraction of e, and end with 64 ones; g is 2;
     * q is (p - 1) / 2. */
    unsigned char ends[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xad\xf8\x54\x58\xa2\xbb\x4a\x9a";
    CHECK_INT((long long)it->bytes, (long long)bgl_bn_bn2bin(p, out, sizeof out));
    CHECK(memcmp(out, ends, 16) == 0);
    CHECK(memcmp(out + it->bytes - 8, ends, 8) == 0);
    CHECK_INT(1, (long long)bgl_bn_bn2bin(g, other_out, sizeof other_out));
    CHECK_INT(2, other_out[0]);
    CHECK_INT((long long)it->bytes, (long long)bgl_bn_bn2bin(q, other_out, sizeof other_out));
    for (size_t i = 0; i < it->bytes; i++)
        CHECK_INT(out[i] >> 1 | (i > 0 ? (out[i - 1] & 1) << 7 : 0), other_out[i]);
    bgl_bn_free(p);
    bgl_bn_free(q);
    bgl_bn_free(g);
    bgl_ssl_dh_free(dh);
}

TEST(a_generated_group_is_safe_and_can_be_used)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    CHECK_OK(bgl_ssl_dh_generate_parameters(dh, 512, 2));
    CHECK_INT(64, (long long)bgl_ssl_dh_size(dh));
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check(dh));
    CHECK_OK(bgl_ssl_dh_generate_key(dh));
    bgl_ssl_bignum_t *public_key = bgl_dh_public_key(dh);
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check_pub_key(dh, public_key));
    CHECK_INT(64, (long long)bgl_ssl_dh_compute_key(dh, public_key, out, sizeof out));
    /* A new group makes the keys of the old one void. */
    CHECK_OK(bgl_ssl_dh_set_group(dh, "ffdhe2048"));
    CHECK(!bgl_dh_public_key(dh));
    CHECK(!bgl_dh_private_key(dh));
    bgl_bn_free(public_key);
    bgl_ssl_dh_free(dh);
}

/* A number of a key, as openssl(1) prints it. */
static bgl_ssl_bignum_t *number_in_key(const char *file, const char *label)
{
    char hex[4096];
    snprintf(hex, sizeof hex, "%s",
             output_of("openssl pkey -in %s -text -noout | "
                       "awk '/^ *([0-9a-f][0-9a-f]:?)+$/ { if (on) print; next } { on = /%s:/ }' | tr -dc 0-9a-f",
                       file, label));
    CHECK(strlen(hex) >= 2);
    return number(bytes_of(hex));
}

TEST(openssl_agrees_on_the_secret_of_ffdhe2048)
{
    char ours[256], theirs[256], their_public[256], expected[600];
    snprintf(ours, sizeof ours, "%s", own_path("ours.key"));
    snprintf(theirs, sizeof theirs, "%s", own_path("theirs.key"));
    snprintf(their_public, sizeof their_public, "%s", own_path("theirs.pem"));
    output_of("openssl genpkey -algorithm DH -pkeyopt group:ffdhe2048 -out %s", ours);
    output_of("openssl genpkey -algorithm DH -pkeyopt group:ffdhe2048 -out %s", theirs);
    output_of("openssl pkey -in %s -pubout -out %s", theirs, their_public);
    bgl_ssl_dh_t *dh = group("ffdhe2048");
    bgl_ssl_bignum_t *private_number = number_in_key(ours, "private-key");
    bgl_ssl_bignum_t *public_number = number_in_key(theirs, "public-key");
    CHECK_OK(bgl_dh_private_key_set(dh, private_number));
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check_pub_key(dh, public_number));
    CHECK_INT(256, (long long)bgl_ssl_dh_compute_key(dh, public_number, out, sizeof out));
    snprintf(expected, sizeof expected, "%.599s", hex_of(out, 256));
    /* openssl(1) leaves leading zeros away, or not, as its version likes. */
    const char *secret = output_of("openssl pkeyutl -derive -inkey %s -peerkey %s | od -An -v -tx1 | tr -d ' \\n'", ours,
                                   their_public);
    CHECK_STRING(expected + 512 - strlen(secret), secret);
    bgl_bn_free(private_number);
    bgl_bn_free(public_number);
    bgl_ssl_dh_free(dh);
}

struct check {
    const char *name;
    int64_t p, q, g;
    int expected;
};

static const struct check checks[] = {
    {"safe_prime", 23, 0, 5, BGL_SSL_DH_FINE},
    {"composite", 25, 0, 2, BGL_SSL_DH_P_NOT_PRIME},
    {"even", 24, 0, 2, BGL_SSL_DH_P_NOT_PRIME},
    {"unsafe_prime", 29, 0, 2, BGL_SSL_DH_P_NOT_SAFE_PRIME},
    {"unsafe_prime_with_q", 29, 7, 16, BGL_SSL_DH_FINE},
    {"generator_of_another_order", 29, 7, 2, BGL_SSL_DH_NOT_SUITABLE_GENERATOR},
    {"generator_0", 23, 0, 0, BGL_SSL_DH_NOT_SUITABLE_GENERATOR},
    {"generator_1", 23, 0, 1, BGL_SSL_DH_NOT_SUITABLE_GENERATOR},
    {"generator_of_order_2", 23, 0, 22, BGL_SSL_DH_NOT_SUITABLE_GENERATOR},
    {"generator_too_large", 23, 0, 23, BGL_SSL_DH_NOT_SUITABLE_GENERATOR},
    {"q_not_prime", 29, 4, 16, BGL_SSL_DH_Q_NOT_PRIME},
    {"q_no_divisor", 29, 5, 16, BGL_SSL_DH_INVALID_Q},
    {"q_too_large", 29, 31, 16, BGL_SSL_DH_INVALID_Q},
    {"p_1", 1, 0, 2, BGL_SSL_E_ARGUMENT},
    {"p_0", 0, 0, 2, BGL_SSL_E_ARGUMENT},
};

TEST_TABLE(dh_check_finds, checks)
{
    const struct check *it = row;
    bgl_ssl_dh_t *dh = small_group(it->p, it->q, it->g);
    CHECK_INT(it->expected, bgl_dh_check(dh));
    bgl_ssl_dh_free(dh);
}

TEST(a_public_key_outside_the_group_is_found_and_refused)
{
    bgl_ssl_dh_t *dh = group("ffdhe2048");
    CHECK_OK(bgl_ssl_dh_generate_key(dh));
    bgl_ssl_bignum_t *p = bgl_dh_p(dh);
    size_t size = bgl_bn_bn2bin(p, out, sizeof out);
    out[size - 1] ^= 1;
    bgl_ssl_bignum_t *bad[] = {small(0), small(1), number((struct bytes){out, size}), p, NULL};
    out[size - 1] ^= 1;
    memset(out + size, 0, 8);
    bad[4] = number((struct bytes){out, size + 8});
    int expected[] = {BGL_SSL_DH_PUBKEY_TOO_SMALL, BGL_SSL_DH_PUBKEY_TOO_SMALL, BGL_SSL_DH_PUBKEY_TOO_LARGE,
                      BGL_SSL_DH_PUBKEY_TOO_LARGE, BGL_SSL_DH_PUBKEY_TOO_LARGE};
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_INT(expected[i], bgl_dh_check_pub_key(dh, bad[i]));
        CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(dh, bad[i], other_out, sizeof other_out));
        CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
        bgl_bn_free(bad[i]);
    }
    bgl_ssl_dh_free(dh);
    dh = small_group(29, 7, 16);
    bgl_ssl_bignum_t *two = small(2);
    CHECK_INT(BGL_SSL_DH_PUBKEY_INVALID, bgl_dh_check_pub_key(dh, two));
    bgl_bn_free(two);
    bgl_ssl_dh_free(dh);
}

TEST(the_order_q_is_not_the_prime_p)
{
    bgl_ssl_dh_t *dh = small_group(29, 7, 16);
    bgl_ssl_bignum_t *p = bgl_dh_p(dh), *q = bgl_dh_q(dh), *g = bgl_dh_g(dh);
    CHECK_INT(1, (long long)bgl_bn_bn2bin(q, out, sizeof out));
    CHECK_INT(7, out[0]);
    CHECK_INT(1, (long long)bgl_bn_bn2bin(p, out, sizeof out));
    CHECK_INT(29, out[0]);
    CHECK_INT(1, (long long)bgl_bn_bn2bin(g, out, sizeof out));
    CHECK_INT(16, out[0]);
    bgl_bn_free(p);
    bgl_bn_free(q);
    bgl_bn_free(g);
    bgl_ssl_dh_free(dh);
}

TEST(numbers_set_and_got_are_freed_in_any_order)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    bgl_ssl_bignum_t *p = small(23), *g = small(5);
    CHECK_OK(bgl_dh_p_set(dh, p));
    CHECK_OK(bgl_dh_g_set(dh, g));
    bgl_bn_free(p);
    bgl_bn_free(g);
    for (int i = 0; i < 3; i++) {
        bgl_ssl_bignum_t *lent = bgl_dh_p(dh);
        CHECK_OK(bgl_dh_p_set(dh, lent));
        CHECK_OK(bgl_dh_q_set(dh, lent));
        CHECK_OK(bgl_dh_g_set(dh, lent));
        CHECK_OK(bgl_dh_private_key_set(dh, lent));
        CHECK_OK(bgl_dh_public_key_set(dh, lent));
        CHECK_OK(bgl_dh_pqg_set(dh, lent, lent, lent));
        CHECK_OK(bgl_dh_pub_priv_key_set(dh, lent, lent));
        bgl_bn_free(lent);
    }
    bgl_ssl_bignum_t *last = bgl_dh_p(dh);
    bgl_ssl_dh_free(dh);
    CHECK_INT(1, (long long)bgl_bn_bn2bin(last, out, sizeof out));
    CHECK_INT(23, out[0]);
    bgl_bn_free(last);
}

TEST(a_number_that_was_got_or_set_can_still_be_changed)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    bgl_ssl_bignum_t *p = small(23), *g = small(0), *lent;
    CHECK_OK(bgl_dh_pqg_set(dh, p, NULL, g));
    CHECK_INT(BGL_SSL_DH_NOT_SUITABLE_GENERATOR, bgl_dh_check(dh));
    lent = bgl_dh_g(dh);
    CHECK_OK(bgl_bn_set_word(lent, 5));
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check(dh));
    CHECK_INT(1, (long long)bgl_bn_num_bytes(g));
    bgl_bn_free(lent);
    CHECK_OK(bgl_bn_set_word(p, 25));
    CHECK_INT(BGL_SSL_DH_P_NOT_PRIME, bgl_dh_check(dh));
    bgl_bn_free(p);
    bgl_bn_free(g);
    CHECK_INT(BGL_SSL_DH_P_NOT_PRIME, bgl_dh_check(dh));
    bgl_ssl_dh_free(dh);
}

TEST(the_numbers_of_two_groups_go_separate_ways)
{
    bgl_ssl_dh_t *dh = group("ffdhe2048"), *other = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    bgl_ssl_bignum_t *p = bgl_dh_p(dh), *g = bgl_dh_g(dh), *key;
    CHECK_OK(bgl_dh_pqg_set(other, p, NULL, g));
    bgl_bn_free(p);
    bgl_bn_free(g);
    CHECK_OK(bgl_ssl_dh_generate_key(dh));
    key = bgl_dh_private_key(dh);
    CHECK_OK(bgl_dh_private_key_set(other, key));
    bgl_bn_free(key);
    CHECK_OK(bgl_ssl_dh_set_group(dh, "ffdhe3072"));
    CHECK_OK(bgl_ssl_dh_generate_key(other));
    key = bgl_dh_public_key(other);
    CHECK_INT(256, (long long)bgl_ssl_dh_compute_key(other, key, out, sizeof out));
    bgl_bn_free(key);
    bgl_ssl_dh_free(dh);
    bgl_ssl_dh_free(other);
}

TEST(what_is_missing_is_an_error)
{
    bgl_ssl_dh_t *dh = MADE(bgl_ssl_dh_t, bgl_ssl_dh_new());
    bgl_ssl_bignum_t *bn = small(5);
    CHECK_INT(0, (long long)bgl_ssl_dh_size(dh));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_dh_generate_key(dh));
    CHECK_MESSAGE("prime");
    CHECK_INT(BGL_SSL_E_STATE, bgl_dh_check(dh));
    CHECK_INT(BGL_SSL_E_STATE, bgl_dh_check_pub_key(dh, bn));
    CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(dh, bn, out, sizeof out));
    bgl_ssl_clear_error();
    CHECK(!bgl_dh_p(dh) && !bgl_dh_q(dh) && !bgl_dh_g(dh) && !bgl_dh_public_key(dh) && !bgl_dh_private_key(dh));
    CHECK_INT(BGL_SSL_OK, last_error().code);
    CHECK_OK(bgl_ssl_dh_set_group(dh, "ffdhe2048"));
    CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(dh, bn, out, sizeof out));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_MESSAGE("private key");
    bgl_bn_free(bn);
    bgl_ssl_dh_free(dh);
}

TEST(dh_refuses_what_cannot_be)
{
    bgl_ssl_dh_t *dh = small_group(23, 0, 5);
    bgl_ssl_bignum_t *bn = small(5);
    CHECK_INT(0, (long long)bgl_ssl_dh_size(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(NULL, 512, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(dh, 511, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(dh, -1, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(dh, 10001, 2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(dh, 512, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_parameters(dh, 512, -2));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_set_group(NULL, "ffdhe2048"));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_set_group(dh, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_set_group(dh, "ffdhe2047"));
    CHECK_MESSAGE("ffdhe2047");
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_set_group(dh, "P-256"));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_key(NULL));
    /* Too small a prime. */
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_dh_generate_key(dh));
    CHECK_MESSAGE("5 bits");
    CHECK_OK(bgl_dh_private_key_set(dh, bn));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_dh_generate_key(dh));
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_dh_check(NULL));
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_dh_check_pub_key(NULL, bn));
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_dh_check_pub_key(dh, NULL));
    CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(NULL, bn, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(dh, NULL, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_dh_compute_key(dh, bn, NULL, 1));
    CHECK(!bgl_dh_p(NULL) && !bgl_dh_q(NULL) && !bgl_dh_g(NULL) && !bgl_dh_public_key(NULL) &&
          !bgl_dh_private_key(NULL));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_p_set(NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_q_set(NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_g_set(NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_private_key_set(NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_public_key_set(NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_p_set(dh, (const bgl_ssl_bignum_t *)dh));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pqg_set(NULL, bn, bn, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pqg_set(dh, NULL, bn, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pqg_set(dh, bn, bn, NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pub_priv_key_set(NULL, bn, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pub_priv_key_set(dh, NULL, bn));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_dh_pub_priv_key_set(dh, bn, NULL));
    /* None of these changed it. */
    CHECK_INT(BGL_SSL_DH_FINE, bgl_dh_check(dh));
    bgl_bn_free(bn);
    bgl_ssl_dh_free(dh);
    bgl_ssl_dh_free(NULL);
}

TEST(a_prime_too_long_to_compute_with_is_refused)
{
    bgl_ssl_dh_t *dh = small_group(23, 0, 5);
    memset(out, 0xff, sizeof out);
    bgl_ssl_bignum_t *long_number = number((struct bytes){out, 2000});
    CHECK_OK(bgl_dh_p_set(dh, long_number));
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_dh_check(dh));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_dh_generate_key(dh));
    bgl_bn_free(long_number);
    bgl_ssl_dh_free(dh);
}

/* ---- ECDH ---- */

static void check_ecdh(char *field[])
{
    struct bytes private_bytes = bytes_of(field[1]), peer = bytes_of(field[2]), secret = bytes_of(field[3]);
    bgl_ssl_ecdh_t *ecdh = MADE(
        bgl_ssl_ecdh_t, bgl_ssl_ecdh_from_private_key(field[0], private_bytes.data, private_bytes.length));
    size_t length = bgl_ssl_ecdh_compute_key(ecdh, peer.data, peer.length, out, sizeof out);
    CHECK_BYTES(secret, out, length);
    bgl_ssl_ecdh_free(ecdh);
}

TEST(ecdh_secrets_are_the_published_ones)
{
    each_vector("ecdh.txt", 4, check_ecdh);
}

struct curve {
    const char *name;
    size_t private_size, public_size;
};

static const struct curve curves[] = {
    {"P-256", 32, 65}, {"P-384", 48, 97}, {"P-521", 66, 133}, {"X25519", 32, 32}, {"x448", 56, 56},
};

TEST_TABLE(two_keys_agree_on, curves)
{
    const struct curve *it = row;
    unsigned char alices[133], bobs[133];
    bgl_ssl_ecdh_t *alice = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new(it->name));
    bgl_ssl_ecdh_t *bob = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new(it->name));
    CHECK_INT((long long)it->public_size, (long long)bgl_ssl_ecdh_public_key(alice, NULL, 0));
    CHECK_INT((long long)it->public_size, (long long)bgl_ssl_ecdh_public_key(alice, alices, sizeof alices));
    CHECK_INT((long long)it->public_size, (long long)bgl_ssl_ecdh_public_key(bob, bobs, sizeof bobs));
    size_t length = bgl_ssl_ecdh_compute_key(alice, bobs, it->public_size, out, sizeof out);
    CHECK_INT((long long)it->private_size, (long long)length);
    CHECK_INT((long long)length,
              (long long)bgl_ssl_ecdh_compute_key(bob, alices, it->public_size, other_out, sizeof other_out));
    CHECK(memcmp(out, other_out, length) == 0);
    bgl_ssl_ecdh_free(alice);
    bgl_ssl_ecdh_free(bob);
}

TEST_TABLE(bad_public_key_is_refused_on, curves)
{
    const struct curve *it = row;
    unsigned char bad[134] = {0};
    bgl_ssl_ecdh_t *ecdh = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new(it->name));
    /* Zeros are no point of a NIST curve, and make a secret of zeros on the others. */
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, bad, it->public_size, out, sizeof out));
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, bad, it->public_size - 1, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, bad, it->public_size + 1, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, NULL, 0, out, sizeof out));
    bad[0] = 4;
    bad[1] = 1;
    if (it->public_size % 2 == 1)
        CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, bad, it->public_size, out, sizeof out));
    bgl_ssl_ecdh_free(ecdh);
}

TEST_TABLE(bad_private_key_is_refused_on, curves)
{
    const struct curve *it = row;
    unsigned char bytes[67];
    memset(bytes, 0xff, sizeof bytes);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_from_private_key(it->name, bytes, it->private_size - 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_from_private_key(it->name, bytes, it->private_size + 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_from_private_key(it->name, NULL, it->private_size));
    if (it->name[0] != 'P')
        return;
    /* As large as the order of the curve, or 0. */
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_ecdh_from_private_key(it->name, bytes, it->private_size));
    memset(bytes, 0, sizeof bytes);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_ecdh_from_private_key(it->name, bytes, it->private_size));
}

TEST(openssl_agrees_on_the_secret_of_x25519)
{
    static const unsigned char spki_head[] = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00";
    unsigned char spki[44];
    bgl_ssl_ecdh_t *ecdh = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new("X25519"));
    memcpy(spki, spki_head, 12);
    CHECK_INT(32, (long long)bgl_ssl_ecdh_public_key(ecdh, spki + 12, 32));
    char ours[256], theirs[256], public_der[256];
    snprintf(ours, sizeof ours, "%s", write_file("ours.der", spki, sizeof spki));
    snprintf(theirs, sizeof theirs, "%s", own_path("theirs.key"));
    snprintf(public_der, sizeof public_der, "%s", own_path("theirs.der"));
    output_of("openssl genpkey -algorithm X25519 -out %s", theirs);
    output_of("openssl pkey -in %s -pubout -outform DER -out %s", theirs, public_der);
    size_t length;
    char *der = read_whole_file(public_der, &length);
    CHECK_INT(44, (long long)length);
    CHECK_INT(32, (long long)bgl_ssl_ecdh_compute_key(ecdh, der + 12, 32, out, sizeof out));
    free(der);
    char expected[65];
    snprintf(expected, sizeof expected, "%.64s", hex_of(out, 32));
    CHECK_STRING(expected, output_of("openssl pkeyutl -derive -inkey %s -peerkey %s -peerform DER | od -An -v -tx1 | "
                                     "tr -d ' \\n'",
                                     theirs, ours));
    bgl_ssl_ecdh_free(ecdh);
}

TEST(ecdh_refuses_what_cannot_be)
{
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_new(NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_new("P-257"));
    CHECK_MESSAGE("P-257");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_from_private_key(NULL, "x", 1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_ecdh_from_private_key("P-257", "x", 1));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_public_key(NULL, out, sizeof out));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(NULL, "x", 1, out, sizeof out));
    bgl_ssl_ecdh_t *ecdh = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new("P-256"));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_public_key(ecdh, NULL, 65));
    CHECK_INT(0, (long long)bgl_ssl_ecdh_compute_key(ecdh, NULL, 65, out, sizeof out));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    bgl_ssl_ecdh_free(ecdh);
    bgl_ssl_ecdh_free(NULL);
}
