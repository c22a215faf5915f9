/* Certificates and keys: what is read from files and memory, and what is told about it. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

TEST(pem_file_keeps_the_order_of_its_certificates)
{
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("bundle.pem")));
    CHECK_INT(300, (long long)bgl_ssl_certificate_list_length(list));
    for (size_t i = 0; i < 300; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "bundle %03zu", i);
        bgl_ssl_certificate_t *one = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, i));
        CHECK_STRING(expected, bgl_ssl_certificate_subject(one));
        bgl_ssl_certificate_free(one);
    }
    bgl_ssl_certificate_list_free(list);
}

TEST(pem_file_misses_none_that_has_settings_of_trust)
{
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("trusted-then-root.pem")));
    CHECK_INT(2, (long long)bgl_ssl_certificate_list_length(list));
    bgl_ssl_certificate_t *first = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, 0));
    CHECK_STRING("good", bgl_ssl_certificate_subject(first));
    bgl_ssl_certificate_free(first);
    bgl_ssl_certificate_list_free(list);
}

TEST(certificates_of_a_list_outlive_it)
{
    bgl_ssl_certificate_list_t *list = MADE(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki("three.pem")));
    bgl_ssl_certificate_t *last = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, 2));
    bgl_ssl_certificate_list_free(list);
    CHECK_STRING("root", bgl_ssl_certificate_subject(last));
    bgl_ssl_certificate_free(last);
}

TEST(common_name_longer_than_255_bytes_is_whole)
{
    bgl_ssl_certificate_t *cert = certificate("cn-long.pem");
    const char *subject = bgl_ssl_certificate_subject(cert);
    CHECK_INT(1000, (long long)strlen(subject));
    CHECK_INT(1000, (long long)bgl_ssl_certificate_subject_length(cert));
    CHECK(strncmp(subject, "0000.0001.", 10) == 0);
    CHECK_STRING("0198.0199.", subject + 990);
    CHECK_STRING(subject, bgl_ssl_certificate_issuer(cert));
    CHECK_INT(1000, (long long)bgl_ssl_certificate_issuer_length(cert));
    bgl_ssl_certificate_free(cert);
}

TEST(common_name_with_an_embedded_nul_is_whole)
{
    bgl_ssl_certificate_t *cert = certificate("cn-nul.pem");
    CHECK_INT(10, (long long)bgl_ssl_certificate_subject_length(cert));
    CHECK(memcmp("left\0right", bgl_ssl_certificate_subject(cert), 11) == 0);
    CHECK_INT(10, (long long)bgl_ssl_certificate_issuer_length(cert));
    CHECK(memcmp("left\0right", bgl_ssl_certificate_issuer(cert), 11) == 0);
    bgl_ssl_certificate_free(cert);
}

struct common_name {
    const char *name;
    const char *file;
    const char *expected;
};

static const struct common_name common_names[] = {
    {"in_utf8", "cn-utf8.pem", "gr\xc3\xbc\xc3\x9f"
                               "e"},
    {"in_t61", "cn-t61.pem", "gr\xc3\xbc\xc3\x9f"
                             "e"},
    {"in_bmp", "cn-bmp.pem", "gr\xc3\xbc\xc3\x9f"
                             "e \xe2\x98\x83"},
    {"empty", "cn-empty.pem", ""},
};

TEST_TABLE(common_name_comes_as_utf8, common_names)
{
    const struct common_name *it = row;
    bgl_ssl_certificate_t *cert = certificate(it->file);
    CHECK_STRING(it->expected, bgl_ssl_certificate_subject(cert));
    CHECK_INT((long long)strlen(it->expected), (long long)bgl_ssl_certificate_subject_length(cert));
    CHECK_STRING(it->expected, bgl_ssl_certificate_issuer(cert));
    bgl_ssl_certificate_free(cert);
}

TEST(subject_and_issuer_are_the_common_names)
{
    bgl_ssl_certificate_t *cert = certificate("chained-alone.pem");
    CHECK_STRING("chained-alone", bgl_ssl_certificate_subject(cert));
    CHECK_STRING("intermediate", bgl_ssl_certificate_issuer(cert));
    CHECK_INT(13, (long long)bgl_ssl_certificate_subject_length(cert));
    CHECK_INT(12, (long long)bgl_ssl_certificate_issuer_length(cert));
    bgl_ssl_certificate_free(cert);
}

TEST(subject_lives_as_long_as_the_handle_and_stays_in_place)
{
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    const char *subject = bgl_ssl_certificate_subject(cert);
    bgl_ssl_certificate_t *other = certificate("client.pem");
    CHECK_STRING("client", bgl_ssl_certificate_subject(other));
    bgl_ssl_certificate_free(other);
    CHECK(subject == bgl_ssl_certificate_subject(cert));
    CHECK_STRING("good", subject);
    bgl_ssl_certificate_free(cert);
}

TEST(names_are_whole_distinguished_names)
{
    char name[256];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK_INT(16, (long long)bgl_ssl_certificate_subject_name(cert, name, sizeof name));
    CHECK(strcmp(name, "CN=good,O=bglssl") == 0 || strcmp(name, "O=bglssl,CN=good") == 0);
    bgl_ssl_certificate_issuer_name(cert, name, sizeof name);
    CHECK(strstr(name, "CN=root") && strstr(name, "O=bglssl"));
    bgl_ssl_certificate_free(cert);
}

/* As snprintf: the whole length is told whatever the size, and no more is written than fits. */
TEST(text_out_is_cut_to_the_size_and_tells_the_whole_length)
{
    char text[64];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    size_t whole = bgl_ssl_certificate_subject_name(cert, NULL, 0);
    CHECK_INT(16, (long long)whole);
    memset(text, '#', sizeof text);
    CHECK_INT(16, (long long)bgl_ssl_certificate_subject_name(cert, text, 5));
    CHECK_INT(4, (long long)strlen(text));
    CHECK_INT('#', text[5]);
    memset(text, '#', sizeof text);
    CHECK_INT(16, (long long)bgl_ssl_certificate_subject_name(cert, text, 1));
    CHECK_INT(0, text[0]);
    CHECK_INT('#', text[1]);
    memset(text, '#', sizeof text);
    CHECK_INT(16, (long long)bgl_ssl_certificate_subject_name(cert, text, 0));
    CHECK_INT('#', text[0]);
    memset(text, '#', sizeof text);
    bgl_ssl_certificate_subject_name(cert, text, whole + 1);
    CHECK_INT(16, (long long)strlen(text));
    CHECK_INT('#', text[17]);
    bgl_ssl_certificate_free(cert);
}

TEST(alt_names_are_told_with_their_kind)
{
    static const char *const expected[] = {
        "DNS:localhost", "IP:192.0.2.1", "IP:2001:db8::1", "EMAIL:who@example.test", "URI:https://example.test/x",
    };
    char name[128];
    bgl_ssl_certificate_t *cert = certificate("many-names.pem");
    CHECK_INT((long long)COUNT(expected), (long long)bgl_ssl_certificate_alt_name_count(cert));
    for (size_t i = 0; i < COUNT(expected); i++) {
        CHECK_INT((long long)strlen(expected[i]), (long long)bgl_ssl_certificate_alt_name(cert, i, name, sizeof name));
        CHECK_STRING(expected[i], name);
    }
    bgl_ssl_certificate_free(cert);
}

TEST(alt_name_beyond_the_last_is_an_argument_error)
{
    char name[16] = "untouched";
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK_INT(3, (long long)bgl_ssl_certificate_alt_name_count(cert));
    CHECK_INT(0, (long long)bgl_ssl_certificate_alt_name(cert, 3, name, sizeof name));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_certificate_alt_name(cert, SIZE_MAX, name, sizeof name));
    bgl_ssl_certificate_free(cert);
}

/* As many as go through a handshake: to read them all for each one took 20 s of a program that lists its peer's. */
TEST(nine_thousand_alt_names_are_told_in_no_time)
{
    bgl_ssl_certificate_t *cert = certificate("crowd.pem");
    size_t count = bgl_ssl_certificate_alt_name_count(cert);
    char name[32], expected[32];
    int64_t began = now_us();
    CHECK_INT(9000, (long long)count);
    for (size_t i = 0; i < count; i++) {
        snprintf(expected, sizeof expected, "DNS:n%zu", i);
        bgl_ssl_certificate_alt_name(cert, i, name, sizeof name);
        CHECK_STRING(expected, name);
    }
    CHECK(now_us() - began < 5 * SECOND * slowness());
    bgl_ssl_certificate_free(cert);
}

TEST(certificate_without_alt_names_has_none)
{
    bgl_ssl_certificate_t *cert = certificate("root.pem");
    CHECK_INT(0, (long long)bgl_ssl_certificate_alt_name_count(cert));
    bgl_ssl_certificate_free(cert);
}

TEST(serial_is_upper_case_hex)
{
    char serial[128];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    size_t length = bgl_ssl_certificate_serial(cert, serial, sizeof serial);
    CHECK(length > 16 && length == strlen(serial));
    CHECK_INT((long long)length, (long long)strspn(serial, "0123456789ABCDEF"));
    bgl_ssl_certificate_free(cert);
}

TEST(fingerprint_is_colon_separated_hex_of_the_digest)
{
    char print[256];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK_INT(32 * 3 - 1, (long long)bgl_ssl_certificate_fingerprint(cert, "sha256", print, sizeof print));
    CHECK_INT(32 * 3 - 1, (long long)strspn(print, "0123456789ABCDEF:"));
    CHECK_INT(':', print[2]);
    CHECK_INT(20 * 3 - 1, (long long)bgl_ssl_certificate_fingerprint(cert, "SHA1", print, sizeof print));
    CHECK_INT(0, (long long)bgl_ssl_certificate_fingerprint(cert, "no-such-digest", print, sizeof print));
    CHECK(last_error().code < 0);
    CHECK_MESSAGE("no-such-digest");
    bgl_ssl_certificate_free(cert);
}

struct key_row {
    const char *name, *file, *type;
    int bits;
};

static const struct key_row keys_of_certificates[] = {
    {"ec", "good.pem", "EC", 256},
    {"rsa", "good-rsa.pem", "RSA", 2048},
    {"ed25519", "good-ed25519.pem", "ED25519", 253},
};

TEST_TABLE(key_type_and_size_are_told, keys_of_certificates)
{
    const struct key_row *it = row;
    char type[32];
    bgl_ssl_certificate_t *cert = certificate(it->file);
    CHECK_INT((long long)strlen(it->type), (long long)bgl_ssl_certificate_key_type(cert, type, sizeof type));
    CHECK_STRING(it->type, type);
    int bits = bgl_ssl_certificate_key_bits(cert);
    /* OpenSSL counts 253 bits of an Ed25519 key, or 256. */
    CHECK(bits == it->bits || (it->bits == 253 && bits == 256));
    bgl_ssl_certificate_free(cert);
}

TEST(a_ca_is_told_from_other_certificates)
{
    bgl_ssl_certificate_t *ca = certificate("root.pem");
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    CHECK(bgl_ssl_certificate_is_ca(ca));
    CHECK(!bgl_ssl_certificate_is_ca(leaf));
    bgl_ssl_certificate_free(ca);
    bgl_ssl_certificate_free(leaf);
}

static void check_bytes(const void *expected, size_t length, const unsigned char *actual, size_t actual_length)
{
    CHECK_INT((long long)length, (long long)actual_length);
    CHECK_INT(0, memcmp(expected, actual, length));
}

TEST(identifiers_policies_and_timestamps_are_what_the_certificate_says)
{
    unsigned char bytes[64];
    char text[64];
    bgl_ssl_certificate_t *cert = certificate("identifiers.pem");
    check_bytes("\x0a\x0b\x0c\x0d", 4, bytes, bgl_ssl_certificate_subject_key_id(cert, bytes, sizeof bytes));
    check_bytes("\1\2\3\4", 4, bytes, bgl_ssl_certificate_authority_key_id(cert, bytes, sizeof bytes));
    CHECK_INT(2, (long long)bgl_ssl_certificate_policy_count(cert));
    CHECK_INT(14, (long long)bgl_ssl_certificate_policy(cert, 0, text, sizeof text));
    CHECK_STRING("2.23.140.1.2.1", text);
    CHECK_INT(7, (long long)bgl_ssl_certificate_policy(cert, 1, text, sizeof text));
    CHECK_STRING("1.2.3.4", text);
    check_bytes("\0\3\0\1\xaa", 5, bytes, bgl_ssl_certificate_timestamps(cert, bytes, sizeof bytes));
    check_bytes("\x04\x04\x0a\x0b\x0c\x0d", 6, bytes,
                bgl_ssl_certificate_extension(cert, "2.5.29.14", bytes, sizeof bytes));
    /* As many as fit, and how many there are. */
    memset(bytes, '#', sizeof bytes);
    CHECK_INT(4, (long long)bgl_ssl_certificate_subject_key_id(cert, bytes, 2));
    CHECK_INT(0x0b, bytes[1]);
    CHECK_INT('#', bytes[2]);
    CHECK_INT(5, (long long)bgl_ssl_certificate_timestamps(cert, NULL, 0));
    bgl_ssl_certificate_free(cert);
}

TEST(a_certificate_without_extensions_has_no_identifiers)
{
    char text[8];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    CHECK_INT(0, (long long)bgl_ssl_certificate_policy_count(cert));
    CHECK_INT(0, (long long)bgl_ssl_certificate_policy(cert, 0, text, sizeof text));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, (long long)bgl_ssl_certificate_timestamps(cert, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_certificate_extension(cert, "1.2.3", text, sizeof text));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    static const char *const wrong[] = {"", "x", "1.2.", "-1", NULL};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_INT(0, (long long)bgl_ssl_certificate_extension(cert, wrong[i], text, sizeof text));
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    }
    CHECK_INT(0, (long long)bgl_ssl_certificate_subject_key_id(NULL, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_certificate_authority_key_id(NULL, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_certificate_policy_count(NULL));
    CHECK_INT(0, (long long)bgl_ssl_certificate_policy(NULL, 0, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_certificate_timestamps(NULL, text, sizeof text));
    CHECK_INT(0, (long long)bgl_ssl_certificate_extension(NULL, "1.2.3", text, sizeof text));
    bgl_ssl_certificate_free(cert);
}

TEST(key_usage_is_the_sum_of_its_bits_or_any)
{
    bgl_ssl_certificate_t *ca = certificate("root.pem");
    bgl_ssl_certificate_t *leaf = certificate("good.pem");
    CHECK_INT(BGL_SSL_KEY_USAGE_KEY_CERT_SIGN + BGL_SSL_KEY_USAGE_CRL_SIGN, bgl_ssl_certificate_key_usage(ca));
    CHECK_INT(BGL_SSL_KEY_USAGE_ANY, bgl_ssl_certificate_key_usage(leaf));
    bgl_ssl_certificate_free(ca);
    bgl_ssl_certificate_free(leaf);
}

TEST(key_facts_of_null_are_an_argument_error)
{
    char type[8] = "x";
    CHECK_INT(0, (long long)bgl_ssl_certificate_key_type(NULL, type, sizeof type));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    CHECK_INT(0, bgl_ssl_certificate_key_bits(NULL));
    CHECK(!bgl_ssl_certificate_is_ca(NULL));
    CHECK_INT(0, bgl_ssl_certificate_key_usage(NULL));
    CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
}

TEST(validity_is_in_seconds_of_utc)
{
    bgl_ssl_certificate_t *cert = certificate("expired.pem");
    CHECK_INT(1577836800, (long long)bgl_ssl_certificate_not_before(cert));
    CHECK(bgl_ssl_certificate_not_after(cert) < (int64_t)time(NULL));
    bgl_ssl_certificate_free(cert);
    cert = certificate("not-yet.pem");
    CHECK(bgl_ssl_certificate_not_before(cert) > (int64_t)time(NULL));
    CHECK(bgl_ssl_certificate_not_after(cert) > bgl_ssl_certificate_not_before(cert));
    bgl_ssl_certificate_free(cert);
}

TEST(der_and_pem_come_out_as_they_went_in)
{
    size_t der_length;
    char *der = read_whole_file(pki("good.der"), &der_length);
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    unsigned char out[4096];
    CHECK_INT((long long)der_length, (long long)bgl_ssl_certificate_der(cert, NULL, 0));
    CHECK_INT((long long)der_length, (long long)bgl_ssl_certificate_der(cert, out, sizeof out));
    CHECK(memcmp(der, out, der_length) == 0);

    char pem[8192];
    size_t pem_length = bgl_ssl_certificate_pem(cert, pem, sizeof pem);
    CHECK_INT((long long)strlen(pem), (long long)pem_length);
    bgl_ssl_certificate_t *again =
        MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_mem(pem, pem_length, BGL_SSL_FORMAT_PEM));
    CHECK(bgl_ssl_certificate_equal(cert, again));
    bgl_ssl_certificate_free(again);
    bgl_ssl_certificate_free(cert);
    free(der);
}

TEST(der_that_does_not_fit_writes_nothing_beyond_the_size)
{
    unsigned char out[32];
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    memset(out, '#', sizeof out);
    CHECK(bgl_ssl_certificate_der(cert, out, 10) > 100);
    CHECK_INT('#', out[10]);
    CHECK_INT('#', out[31]);
    bgl_ssl_certificate_free(cert);
}

struct source {
    const char *name;
    const char *file;
    int format;
};

static const struct source same_certificate[] = {
    {"pem_auto", "good.pem", BGL_SSL_FORMAT_AUTO},
    {"pem", "good.pem", BGL_SSL_FORMAT_PEM},
    {"der_auto", "good.der", BGL_SSL_FORMAT_AUTO},
    {"der", "good.der", BGL_SSL_FORMAT_DER},
    {"der_with_a_line_end", "line-after.der", BGL_SSL_FORMAT_DER},
    {"der_with_a_line_end_auto", "line-after.der", BGL_SSL_FORMAT_AUTO},
    {"text_around", "with-text.pem", BGL_SSL_FORMAT_AUTO},
    {"crlf", "crlf.pem", BGL_SSL_FORMAT_PEM},
    {"key_first", "key-then-certificates.pem", BGL_SSL_FORMAT_PEM},
    {"others_after", "three.pem", BGL_SSL_FORMAT_AUTO},
    {"byte_order_mark", "byte-order-mark.pem", BGL_SSL_FORMAT_AUTO},
    {"with_settings_of_trust", "trusted.pem", BGL_SSL_FORMAT_AUTO},
};

TEST_TABLE(certificate_is_read_from_file_and_memory_in, same_certificate)
{
    const struct source *it = row;
    size_t length;
    bgl_ssl_certificate_t *good = certificate("good.pem");
    bgl_ssl_certificate_t *from_file =
        MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(it->file), it->format));
    char *data = read_whole_file(pki(it->file), &length);
    bgl_ssl_certificate_t *from_mem =
        MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_mem(data, length, it->format));
    free(data);
    CHECK(bgl_ssl_certificate_equal(good, from_file));
    CHECK(bgl_ssl_certificate_equal(good, from_mem));
    bgl_ssl_certificate_free(good);
    bgl_ssl_certificate_free(from_file);
    bgl_ssl_certificate_free(from_mem);
}

struct bad_source {
    const char *name;
    const char *file;
    int format;
    const char *message;
};

static const struct bad_source bad_certificates[] = {
    {"half", "half.pem", BGL_SSL_FORMAT_AUTO, "half.pem"},
    {"garbled", "garbled.pem", BGL_SSL_FORMAT_PEM, "garbled.pem"},
    {"empty", "empty.pem", BGL_SSL_FORMAT_AUTO, "empty.pem"},
    {"words", "words.pem", BGL_SSL_FORMAT_AUTO, "words.pem"},
    {"key_where_a_certificate_is_expected", "good.key", BGL_SSL_FORMAT_AUTO, "key"},
    {"request_where_a_certificate_is_expected", "request.pem", BGL_SSL_FORMAT_AUTO, "it holds: CERTIFICATE REQUEST"},
    {"der_as_pem", "good.der", BGL_SSL_FORMAT_PEM, "good.der"},
    {"pem_as_der", "good.pem", BGL_SSL_FORMAT_DER, "good.pem"},
    {"der_with_words_behind", "words-after.der", BGL_SSL_FORMAT_DER, "further bytes"},
};

TEST_TABLE(bad_certificate_file_is_refused, bad_certificates)
{
    const struct bad_source *it = row;
    size_t length;
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_certificate_from_file(pki(it->file), it->format));
    CHECK_MESSAGE(it->file);
    CHECK_MESSAGE(it->message);
    char *data = read_whole_file(pki(it->file), &length);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_certificate_from_mem(data, length, it->format));
    free(data);
}

static const struct bad_source bad_lists[] = {
    {"half", "half.pem", 0, "half.pem"},
    {"empty", "empty.pem", 0, "empty.pem"},
    {"words", "words.pem", 0, "words.pem"},
    {"only_a_key", "good.key", 0, "good.key"},
    {"a_good_one_then_a_half", "good-then-half.pem", 0, "good-then-half.pem"},
};

TEST_TABLE(bad_certificate_list_is_refused, bad_lists)
{
    const struct bad_source *it = row;
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_load_pem(pki(it->file)));
    CHECK_MESSAGE(it->message);
}

TEST(bad_lists_in_memory_are_refused)
{
    for (size_t i = 0; i < COUNT(bad_lists); i++) {
        size_t length;
        char *data = read_whole_file(pki(bad_lists[i].file), &length);
        CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_certificate_list_from_mem(data, length));
        free(data);
    }
}

TEST(a_certificate_that_is_cut_off_spoils_the_list)
{
    size_t length;
    char *text = read_whole_file(pki("good.pem"), &length), *two = malloc(2 * length);
    memcpy(two, text, length);
    memcpy(two + length, text, length);
    bgl_ssl_config_t *config = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    for (size_t cut = strlen("-----B"); cut + 2 < length; cut += cut < 35 ? 1 : 37) {
        const char *file = write_file("cut.pem", two, length + cut);
        CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_load_pem(file));
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_ca_file(config, file));
    }
    bgl_ssl_config_free(config);
    free(text);
    free(two);
}

TEST(what_stands_between_certificates_spoils_no_list)
{
    static const char remark[] = "-----BEGIN of a remark\n", end[] = "\v\n";
    size_t length;
    char *text = read_whole_file(pki("good.pem"), &length), *remarked = malloc(length + sizeof remark + sizeof end);
    sprintf(remarked, "%s%s%s", remark, text, end);
    bgl_ssl_certificate_list_t *list =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_certificate_list_from_mem(remarked, strlen(remarked)));
    CHECK_INT(1, (long long)bgl_ssl_certificate_list_length(list));
    bgl_ssl_certificate_list_free(list);
    free(text);
    free(remarked);
}

TEST(list_from_memory_holds_all_in_order_and_skips_keys_and_words)
{
    size_t length;
    char *data = read_whole_file(pki("key-then-certificates.pem"), &length);
    bgl_ssl_certificate_list_t *list =
        MADE(bgl_ssl_certificate_list_t, bgl_ssl_certificate_list_from_mem(data, length));
    free(data);
    CHECK_INT(2, (long long)bgl_ssl_certificate_list_length(list));
    bgl_ssl_certificate_t *second = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(list, 1));
    CHECK_STRING("root", bgl_ssl_certificate_subject(second));
    bgl_ssl_certificate_free(second);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_list_get(list, 2));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_certificate_list_get(list, SIZE_MAX));
    bgl_ssl_certificate_list_free(list);
}

TEST(a_prefix_of_a_certificate_in_memory_is_never_read_beyond)
{
    size_t length;
    char *der = read_whole_file(pki("good.der"), &length);
    for (size_t cut = 0; cut < length; cut += 7) {
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, der, cut);
        CHECK(!bgl_ssl_certificate_from_mem(exact, cut, BGL_SSL_FORMAT_AUTO));
        free(exact);
    }
    free(der);
}

TEST(a_missing_file_is_an_io_error_with_errno)
{
    const char *missing = own_path("missing.pem");
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_load_certificate(missing));
    CHECK_INT(ENOENT, last_error().sys_errno);
    CHECK_MESSAGE(missing);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_load_pem(missing));
    CHECK_INT(ENOENT, last_error().sys_errno);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_load_private_key(missing));
    CHECK_INT(ENOENT, last_error().sys_errno);
    CHECK_MESSAGE(missing);
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *cert = NULL;
    bgl_ssl_certificate_list_t *chain = NULL;
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_pkcs12_from_file(missing, "secret", &key, &cert, &chain));
    CHECK_INT(ENOENT, last_error().sys_errno);
}

TEST(an_empty_file_name_is_that_of_no_file)
{
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_load_certificate(""));
    CHECK_INT(ENOENT, last_error().sys_errno);
    CHECK_MESSAGE("empty");
}

/* ---- references and equality ---- */

TEST(retained_certificate_needs_both_frees)
{
    bgl_ssl_certificate_t *first = certificate("good.pem");
    bgl_ssl_certificate_t *second = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_retain(first));
    bgl_ssl_certificate_free(first);
    CHECK_STRING("good", bgl_ssl_certificate_subject(second));
    bgl_ssl_certificate_free(second);
}

TEST(retained_key_needs_both_frees)
{
    bgl_ssl_private_key_t *first = private_key("good.key");
    bgl_ssl_private_key_t *second = MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_retain(first));
    bgl_ssl_private_key_free(first);
    bgl_ssl_private_key_t *again = private_key("good.key");
    CHECK(bgl_ssl_private_key_equal(second, again));
    bgl_ssl_private_key_free(second);
    bgl_ssl_private_key_free(again);
}

TEST(certificates_are_equal_when_their_der_is)
{
    bgl_ssl_certificate_t *a = certificate("good.pem");
    bgl_ssl_certificate_t *b = certificate("with-text.pem");
    bgl_ssl_certificate_t *other = certificate("good-rsa.pem");
    CHECK(bgl_ssl_certificate_equal(a, a));
    CHECK(bgl_ssl_certificate_equal(a, b));
    CHECK(!bgl_ssl_certificate_equal(a, other));
    CHECK(!bgl_ssl_certificate_equal(a, NULL));
    CHECK(!bgl_ssl_certificate_equal(NULL, a));
    bgl_ssl_certificate_free(a);
    bgl_ssl_certificate_free(b);
    bgl_ssl_certificate_free(other);
}

TEST(keys_of_other_kinds_are_not_equal)
{
    bgl_ssl_private_key_t *ec = private_key("good.key");
    bgl_ssl_private_key_t *other_ec = private_key("client.key");
    bgl_ssl_private_key_t *rsa = private_key("good-rsa.key");
    bgl_ssl_private_key_t *old_rsa = private_key("good-rsa-old.key");
    CHECK(!bgl_ssl_private_key_equal(ec, rsa));
    CHECK(!bgl_ssl_private_key_equal(ec, other_ec));
    CHECK(bgl_ssl_private_key_equal(rsa, old_rsa));
    CHECK(!bgl_ssl_private_key_equal(ec, NULL));
    bgl_ssl_private_key_free(ec);
    bgl_ssl_private_key_free(other_ec);
    bgl_ssl_private_key_free(rsa);
    bgl_ssl_private_key_free(old_rsa);
}

TEST(certificate_knows_its_key)
{
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_private_key_t *own = private_key("good.key");
    bgl_ssl_private_key_t *foreign = private_key("client.key");
    bgl_ssl_private_key_t *rsa = private_key("good-rsa.key");
    CHECK_OK(bgl_ssl_certificate_check_private_key(cert, own));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_certificate_check_private_key(cert, foreign));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_certificate_check_private_key(cert, rsa));
    bgl_ssl_private_key_free(own);
    bgl_ssl_private_key_free(foreign);
    bgl_ssl_private_key_free(rsa);
    bgl_ssl_certificate_free(cert);
}

/* ---- keys ---- */

struct key_source {
    const char *name;
    const char *file;
    int format;
    const char *passphrase;
    const char *same_as;
};

static const struct key_source same_keys[] = {
    {"pem", "good.key", BGL_SSL_FORMAT_AUTO, NULL, "good.key"},
    {"der", "good.key.der", BGL_SSL_FORMAT_DER, NULL, "good.key"},
    {"der_auto", "good.key.der", BGL_SSL_FORMAT_AUTO, NULL, "good.key"},
    {"pem_before_certificates", "key-then-certificates.pem", BGL_SSL_FORMAT_AUTO, NULL, "good.key"},
    {"encrypted_pem", "good-encrypted.key", BGL_SSL_FORMAT_PEM, "secret", "good.key"},
    {"encrypted_der", "good-encrypted.key.der", BGL_SSL_FORMAT_DER, "secret", "good.key"},
    {"encrypted_traditional_pem", "good-rsa-encrypted-old.key", BGL_SSL_FORMAT_AUTO, "secret", "good-rsa.key"},
    {"traditional_pem", "good-rsa-old.key", BGL_SSL_FORMAT_AUTO, NULL, "good-rsa.key"},
    {"passphrase_not_needed", "good.key", BGL_SSL_FORMAT_PEM, "secret", "good.key"},
};

TEST_TABLE(key_is_read_from_file_and_memory_as, same_keys)
{
    const struct key_source *it = row;
    size_t length;
    bgl_ssl_private_key_t *same = private_key(it->same_as);
    bgl_ssl_private_key_t *from_file =
        MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_file(pki(it->file), it->format, it->passphrase));
    char *data = read_whole_file(pki(it->file), &length);
    bgl_ssl_private_key_t *from_mem =
        MADE(bgl_ssl_private_key_t, bgl_ssl_private_key_from_mem(data, length, it->format, it->passphrase));
    free(data);
    CHECK(bgl_ssl_private_key_equal(same, from_file));
    CHECK(bgl_ssl_private_key_equal(same, from_mem));
    bgl_ssl_private_key_free(same);
    bgl_ssl_private_key_free(from_file);
    bgl_ssl_private_key_free(from_mem);
}

TEST(key_after_ec_parameters_is_found)
{
    bgl_ssl_private_key_free(private_key("ec-parameters-first.key"));
}

static const struct key_source bad_keys[] = {
    {"certificate_where_a_key_is_expected", "good.pem", BGL_SSL_FORMAT_AUTO, NULL, "certificate"},
    {"certificate_after_a_byte_order_mark", "byte-order-mark.pem", BGL_SSL_FORMAT_AUTO, NULL, "certificate"},
    {"openssh_key", "openssh.key", BGL_SSL_FORMAT_AUTO, NULL, "it holds: OPENSSH PRIVATE KEY"},
    {"public_key", "good.pub", BGL_SSL_FORMAT_AUTO, NULL, "good.pub"},
    {"words", "words.pem", BGL_SSL_FORMAT_AUTO, NULL, "words.pem"},
    {"empty", "empty.pem", BGL_SSL_FORMAT_AUTO, NULL, "empty.pem"},
    {"wrong_passphrase", "good-encrypted.key", BGL_SSL_FORMAT_PEM, "Secret", "passphrase"},
    {"wrong_passphrase_for_der", "good-encrypted.key.der", BGL_SSL_FORMAT_DER, "Secret", "passphrase"},
    {"empty_passphrase", "good-encrypted.key", BGL_SSL_FORMAT_PEM, "", "passphrase"},
    {"no_passphrase", "good-encrypted.key", BGL_SSL_FORMAT_PEM, NULL, "passphrase"},
    {"no_passphrase_for_der", "good-encrypted.key.der", BGL_SSL_FORMAT_AUTO, NULL, "passphrase"},
    {"no_passphrase_for_traditional", "good-rsa-encrypted-old.key", BGL_SSL_FORMAT_AUTO, NULL, "passphrase"},
};

TEST_TABLE(bad_key_is_refused, bad_keys)
{
    const struct key_source *it = row;
    size_t length;
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_file(pki(it->file), it->format, it->passphrase));
    CHECK_MESSAGE(it->file);
    CHECK_MESSAGE(it->same_as);
    char *data = read_whole_file(pki(it->file), &length);
    CHECK_REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_private_key_from_mem(data, length, it->format, it->passphrase));
    free(data);
}

/* The case gets a controlling terminal of its own: whatever is asked there, a daemon would wait for. */
TEST(encrypted_key_without_passphrase_never_prompts)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    char name[64];
    CHECK_INT(0, ptsname_r(terminal, name, sizeof name));
    pid_t child = fork();
    if (child == 0) {
        alarm(15);
        setsid();
        int side = open(name, O_RDWR);
        ioctl(side, TIOCSCTTY, 0);
        dup2(side, 0);
        dup2(side, 1);
        dup2(side, 2);
        bool refused = !bgl_ssl_load_private_key(pki("good-encrypted.key")) &&
                       !bgl_ssl_load_private_key(pki("good-rsa-encrypted-old.key")) &&
                       !bgl_ssl_private_key_from_file(pki("good-encrypted.key.der"), BGL_SSL_FORMAT_AUTO, NULL);
        _exit(refused ? 0 : 1);
    }
    /* It either asks, and so writes here, or hangs up. */
    await_readable(terminal);
    char asked[64];
    ssize_t n = read(terminal, asked, sizeof asked);
    if (n > 0)
        FAIL("the library wrote on the terminal: %.*s", (int)n, asked);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(terminal);
}

/* ---- PKCS#12 ---- */

struct bag {
    bgl_ssl_private_key_t *key;
    bgl_ssl_certificate_t *cert;
    bgl_ssl_certificate_list_t *chain;
};

static void free_bag(struct bag *bag)
{
    bgl_ssl_private_key_free(bag->key);
    bgl_ssl_certificate_free(bag->cert);
    bgl_ssl_certificate_list_free(bag->chain);
}

TEST(pkcs12_gives_key_certificate_and_an_empty_chain)
{
    struct bag bag = {NULL, NULL, NULL};
    CHECK_OK(bgl_ssl_pkcs12_from_file(pki("good.p12"), "secret", &bag.key, &bag.cert, &bag.chain));
    CHECK_STRING("good", bgl_ssl_certificate_subject(bag.cert));
    CHECK_OK(bgl_ssl_certificate_check_private_key(bag.cert, bag.key));
    CHECK_INT(0, (long long)bgl_ssl_certificate_list_length(bag.chain));
    free_bag(&bag);
}

TEST(pkcs12_gives_its_other_certificates)
{
    struct bag bag = {NULL, NULL, NULL};
    size_t length;
    char *data = read_whole_file(pki("chained.p12"), &length);
    CHECK_OK(bgl_ssl_pkcs12_from_mem(data, length, "secret", &bag.key, &bag.cert, &bag.chain));
    free(data);
    CHECK_STRING("chained-alone", bgl_ssl_certificate_subject(bag.cert));
    CHECK_INT(3, (long long)bgl_ssl_certificate_list_length(bag.chain));
    static const char *const order[] = {"good", "intermediate", "root"};
    for (size_t i = 0; i < COUNT(order); i++) {
        bgl_ssl_certificate_t *other = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_list_get(bag.chain, i));
        CHECK_STRING(order[i], bgl_ssl_certificate_subject(other));
        bgl_ssl_certificate_free(other);
    }
    free_bag(&bag);
}

TEST(pkcs12_with_an_old_cipher_does_not_blame_the_passphrase)
{
    struct bag bag = {NULL, NULL, NULL};
    if (bgl_ssl_pkcs12_from_file(pki("old-cipher.p12"), "secret", &bag.key, &bag.cert, &bag.chain) == BGL_SSL_OK)
        skip_test("an OpenSSL without RC2");
    CHECK_INT(BGL_SSL_E_CONFIG, last_error().code);
    CHECK_MESSAGE("old cipher");
    CHECK(!strstr(last_error().message, "passphrase"));
}

TEST(pkcs12_without_passphrase_takes_null_and_empty)
{
    struct bag bag = {NULL, NULL, NULL};
    CHECK_OK(bgl_ssl_pkcs12_from_file(pki("no-passphrase.p12"), NULL, &bag.key, &bag.cert, &bag.chain));
    free_bag(&bag);
    CHECK_OK(bgl_ssl_pkcs12_from_file(pki("no-passphrase.p12"), "", &bag.key, &bag.cert, &bag.chain));
    free_bag(&bag);
}

TEST(pkcs12_with_a_wrong_passphrase_says_so)
{
    struct bag bag = {NULL, NULL, NULL};
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(pki("good.p12"), "wrong", &bag.key, &bag.cert, &bag.chain));
    CHECK_MESSAGE("passphrase");
    CHECK_MESSAGE("good.p12");
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(pki("good.p12"), NULL, &bag.key, &bag.cert, &bag.chain));
    CHECK(!bag.key && !bag.cert && !bag.chain);
}

TEST(pkcs12_that_is_none_is_refused)
{
    struct bag bag = {NULL, NULL, NULL};
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_file(pki("good.pem"), "secret", &bag.key, &bag.cert, &bag.chain));
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_mem("", 0, "secret", &bag.key, &bag.cert, &bag.chain));
    size_t length;
    char *data = read_whole_file(pki("good.p12"), &length);
    for (size_t cut = 1; cut < length; cut += 37)
        CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_pkcs12_from_mem(data, cut, "secret", &bag.key, &bag.cert, &bag.chain));
    free(data);
    CHECK(!bag.key && !bag.cert && !bag.chain);
}
