/* The error slot, and the small functions: names, versions, randomness, lists. */
#define _GNU_SOURCE
#include "harness.h"

#include <ctype.h>

static void make_an_error(void)
{
    CHECK(!bgl_ssl_load_certificate(own_path("first-error.pem")));
}

TEST(a_fresh_thread_has_no_error)
{
    bgl_ssl_error_t error = last_error();
    CHECK_INT(BGL_SSL_OK, error.code);
    CHECK_STRING("", error.message);
}

static void check_untouched(const bgl_ssl_error_t *before)
{
    bgl_ssl_error_t after = last_error();
    CHECK_INT(before->code, after.code);
    CHECK_INT(before->sys_errno, after.sys_errno);
    CHECK_STRING(before->message, after.message);
    CHECK_STRING(before->reason, after.reason);
}

TEST(success_does_not_touch_the_slot)
{
    make_an_error();
    bgl_ssl_error_t before = last_error();
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STRING("good", bgl_ssl_certificate_subject(cert));
    bgl_ssl_certificate_free(cert);
    bgl_ssl_config_free(config);
    check_untouched(&before);
    CHECK_MESSAGE("first-error.pem");
}

TEST(free_does_not_touch_the_slot)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    connect_ends(&ends, client, server, "localhost");
    make_an_error();
    bgl_ssl_error_t before = last_error();
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_certificate_free(NULL);
    check_untouched(&before);
}

TEST(progress_does_not_touch_the_slot)
{
    struct ends ends;
    char byte;
    size_t n;
    connect_with(&ends, client_config(), server_config("good"));
    make_an_error();
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.server, &byte, 1, &n));
    CHECK_MESSAGE("first-error.pem");
    free_ends(&ends);
}

static void *look_at_slot(void *data)
{
    *(bgl_ssl_error_t *)data = last_error();
    return NULL;
}

TEST(each_thread_has_its_own_slot)
{
    bgl_ssl_error_t other;
    make_an_error();
    join_thread(start_thread(look_at_slot, &other));
    CHECK_INT(BGL_SSL_OK, other.code);
    CHECK_INT(BGL_SSL_E_IO, last_error().code);
}

TEST(clear_error_empties_the_slot)
{
    make_an_error();
    bgl_ssl_clear_error();
    CHECK_INT(BGL_SSL_OK, last_error().code);
    CHECK_STRING("", last_error().message);
}

TEST(last_error_refuses_a_struct_that_is_too_small_and_leaves_it_alone)
{
    static const size_t sizes[] = {1, sizeof(size_t), offsetof(bgl_ssl_error_t, message), sizeof(bgl_ssl_error_t) - 1};
    unsigned char raw[sizeof(bgl_ssl_error_t)];
    make_an_error();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(raw, '#', sizeof raw);
        memcpy(raw, &sizes[i], sizeof sizes[i]);
        CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_ssl_last_error((void *)raw));
        for (size_t j = sizeof(size_t); j < sizeof raw; j++)
            CHECK_INT('#', raw[j]);
    }
}

struct newer_error {
    bgl_ssl_error_t known;
    char tail[64];
};

/* The program's header has fields that this library does not know: they are zeroed, and the size says so. */
TEST(last_error_zeroes_what_a_newer_header_has_beyond_the_known_fields)
{
    struct newer_error newer;
    make_an_error();
    memset(&newer, '#', sizeof newer);
    newer.known.size = sizeof newer;
    CHECK_INT(BGL_SSL_OK, bgl_ssl_last_error(&newer.known));
    CHECK_INT(BGL_SSL_E_IO, newer.known.code);
    CHECK_INT((long long)sizeof newer.known, (long long)newer.known.size);
    for (size_t i = 0; i < sizeof newer.tail; i++)
        CHECK_INT(0, newer.tail[i]);
}

TEST(last_error_refuses_a_size_that_was_never_set)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, 0x5a5a5a5a};
    bgl_ssl_error_t error;
    make_an_error();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        error.size = sizes[i];
        CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_ssl_last_error(&error));
    }
}

TEST(last_error_refuses_null_and_a_size_of_zero)
{
    bgl_ssl_error_t error;
    memset(&error, 0, sizeof error);
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_ssl_last_error(NULL));
    CHECK_INT(BGL_SSL_E_ARGUMENT, bgl_ssl_last_error(&error));
}

TEST(a_message_is_one_line_and_says_what_on_what_and_why)
{
    make_an_error();
    bgl_ssl_error_t error = last_error();
    CHECK(strchr(error.message, '\n') == NULL);
    CHECK(strlen(error.message) > 20);
    CHECK_MESSAGE("first-error.pem");
    CHECK_MESSAGE("No such file");
}

TEST(an_overlong_name_does_not_overflow_the_message)
{
    char path[3000];
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_load_certificate(path));
    bgl_ssl_error_t error = last_error();
    CHECK(memchr(error.message, 0, sizeof error.message) != NULL);
    CHECK(memchr(error.reason, 0, sizeof error.reason) != NULL);
}

TEST(status_names_are_the_constants)
{
    CHECK_STRING("BGL_SSL_OK", bgl_ssl_status_name(BGL_SSL_OK));
    CHECK_STRING("BGL_SSL_WANT_READ", bgl_ssl_status_name(BGL_SSL_WANT_READ));
    CHECK_STRING("BGL_SSL_WANT_WRITE", bgl_ssl_status_name(BGL_SSL_WANT_WRITE));
    CHECK_STRING("BGL_SSL_EOF", bgl_ssl_status_name(BGL_SSL_EOF));
    CHECK_STRING("BGL_SSL_E_ARGUMENT", bgl_ssl_status_name(BGL_SSL_E_ARGUMENT));
    CHECK_STRING("BGL_SSL_E_STATE", bgl_ssl_status_name(BGL_SSL_E_STATE));
    CHECK_STRING("BGL_SSL_E_NO_MEMORY", bgl_ssl_status_name(BGL_SSL_E_NO_MEMORY));
    CHECK_STRING("BGL_SSL_E_IO", bgl_ssl_status_name(BGL_SSL_E_IO));
    CHECK_STRING("BGL_SSL_E_TIMEOUT", bgl_ssl_status_name(BGL_SSL_E_TIMEOUT));
    CHECK_STRING("BGL_SSL_E_TRUNCATED", bgl_ssl_status_name(BGL_SSL_E_TRUNCATED));
    CHECK_STRING("BGL_SSL_E_PROTOCOL", bgl_ssl_status_name(BGL_SSL_E_PROTOCOL));
    CHECK_STRING("BGL_SSL_E_VERIFY", bgl_ssl_status_name(BGL_SSL_E_VERIFY));
    CHECK_STRING("BGL_SSL_E_NAME", bgl_ssl_status_name(BGL_SSL_E_NAME));
    CHECK_STRING("BGL_SSL_E_CONFIG", bgl_ssl_status_name(BGL_SSL_E_CONFIG));
    CHECK_STRING("BGL_SSL_E_UNSUPPORTED", bgl_ssl_status_name(BGL_SSL_E_UNSUPPORTED));
    CHECK_STRING("BGL_SSL_E_RESOLVE", bgl_ssl_status_name(BGL_SSL_E_RESOLVE));
    CHECK_STRING("BGL_SSL_E_INTERNAL", bgl_ssl_status_name(BGL_SSL_E_INTERNAL));
    /* Unknown numbers are survived, with a text or without one. */
    bgl_ssl_status_name(4711);
    bgl_ssl_status_name(INT32_MIN);
    bgl_ssl_status_name(INT32_MAX);
}

struct protocol {
    const char *name;
    int number;
};

static const struct protocol protocols[] = {
    {"sslv2", BGLSSL_SSLV2},     {"sslv3", BGLSSL_SSLV3},     {"sslv23", BGLSSL_SSLV23},   {"ssl", BGLSSL_SSLV23},
    {"tls", BGLSSL_TLSV1},       {"tlsv1", BGLSSL_TLSV1},     {"tlsv1_1", BGLSSL_TLSV1_1}, {"tlsv1_2", BGLSSL_TLSV1_2},
    {"tlsv1_3", BGLSSL_TLSV1_3}, {"dtls", BGLSSL_DTLSV1},     {"dtlsv1", BGLSSL_DTLSV1},   {"TLSv1_2", BGLSSL_TLSV1_2},
    {"SSLv23", BGLSSL_SSLV23},   {"DTLS", BGLSSL_DTLSV1},     {"tlsv1_0", BGLSSL_TLSV1_0},
};

TEST_TABLE(protocol_number_of, protocols)
{
    const struct protocol *it = row;
    CHECK_INT(it->number, bgl_ssl_protocol_number(it->name));
}

TEST(protocol_numbers_are_the_foreign_ones)
{
    CHECK_INT(1, BGLSSL_SSLV2);
    CHECK_INT(2, BGLSSL_SSLV3);
    CHECK_INT(3, BGLSSL_SSLV23);
    CHECK_INT(4, BGLSSL_TLSV1);
    CHECK_INT(5, BGLSSL_DTLSV1);
    CHECK_INT(6, BGLSSL_TLSV1_1);
    CHECK_INT(7, BGLSSL_TLSV1_2);
    CHECK_INT(8, BGLSSL_TLSV1_3);
    CHECK_INT(9, BGLSSL_TLSV1_0);
}

TEST(unknown_protocol_names_give_zero_and_an_error)
{
    static const char *const unknown[] = {"", "tlsv1_4", "tls ", "sslv", "\xff\xfe"};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        bgl_ssl_clear_error();
        CHECK_INT(0, bgl_ssl_protocol_number(unknown[i]));
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);
    }
    bgl_ssl_protocol_number("tlsv1_4");
    CHECK_MESSAGE("\"tlsv1_4\": the names are sslv2 ");
    CHECK_MESSAGE(" tlsv1_3");
}

TEST(protocol_names_may_be_written_as_openssl_writes_versions)
{
    CHECK_INT(BGLSSL_TLSV1_2, bgl_ssl_protocol_number("TLSv1.2"));
    CHECK_INT(BGLSSL_TLSV1_3, bgl_ssl_protocol_number("tlsv1.3"));
    CHECK_INT(0, bgl_ssl_protocol_number("tlsv1.4"));
}

TEST(protocol_names_lead_back_to_their_numbers)
{
    for (int number = 1; number <= 9; number++) {
        const char *name = bgl_ssl_protocol_name(number);
        CHECK(name != NULL);
        CHECK_INT(number, bgl_ssl_protocol_number(name));
    }
    CHECK(bgl_ssl_protocol_name(0) == NULL);
    CHECK(bgl_ssl_protocol_name(10) == NULL);
    CHECK(bgl_ssl_protocol_name(-1) == NULL);
    CHECK(bgl_ssl_protocol_name(INT32_MAX) == NULL);
}

TEST(versions_are_told)
{
    CHECK(strstr(bgl_ssl_version(), "SSL") != NULL);
    CHECK(isdigit((unsigned char)bgl_ssl_library_version()[0]));
    CHECK(strchr(bgl_ssl_library_version(), '.') != NULL);
}

TEST(error_string_is_a_text_and_clear_error_empties_the_queue)
{
    make_an_error();
    CHECK(bgl_ssl_error_string() != NULL);
    bgl_ssl_clear_error();
    const char *text = bgl_ssl_error_string();
    CHECK(text != NULL);
    CHECK(strstr(text, "first-error") == NULL);
}

/* Programs for Bigloo's library print it whatever failed. */
TEST(error_string_is_the_reason_of_every_failure)
{
    make_an_error();
    CHECK_STRING(last_error().message, bgl_ssl_error_string());
    CHECK(!bgl_ssl_config_copy(NULL));
    CHECK_STRING(last_error().message, bgl_ssl_error_string());
    CHECK(!bgl_ssl_load_certificate(pki("half.pem")));
    CHECK_STRING(last_error().message, bgl_ssl_error_string());
}

TEST(error_message_is_the_message_of_the_last_failure)
{
    CHECK_STRING("", bgl_ssl_error_message());
    make_an_error();
    CHECK_STRING(last_error().message, bgl_ssl_error_message());
    CHECK(strstr(bgl_ssl_error_message(), "first-error.pem") != NULL);
    /* As often as one likes. */
    CHECK_STRING(last_error().message, bgl_ssl_error_message());
    bgl_ssl_clear_error();
    CHECK_STRING("", bgl_ssl_error_message());
}

TEST(error_message_is_not_cut)
{
    char path[3000];
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CHECK(!bgl_ssl_load_certificate(path));
    CHECK(strlen(bgl_ssl_error_message()) > sizeof path);
}

static void *hold_message(void *data)
{
    (void)data;
    make_an_error();
    return (void *)(intptr_t)(bgl_ssl_error_message()[0] != '\0');
}

TEST(error_message_belongs_to_its_thread)
{
    void *had_one = NULL;
    pthread_t thread = start_thread(hold_message, NULL);
    pthread_join(thread, &had_one);
    CHECK(had_one);
    CHECK_STRING("", bgl_ssl_error_message());
}

TEST(random_bytes_differ_and_stay_inside)
{
    unsigned char a[64], b[64];
    CHECK(bgl_ssl_rand_poll());
    CHECK(bgl_ssl_rand_status());
    memset(a, '#', sizeof a);
    memset(b, '#', sizeof b);
    CHECK_OK(bgl_ssl_rand_bytes(a, 60));
    CHECK_OK(bgl_ssl_rand_pseudo_bytes(b, 60));
    CHECK(memcmp(a, b, 60) != 0);
    CHECK_INT('#', a[60]);
    CHECK_INT('#', b[60]);
    CHECK_OK(bgl_ssl_rand_bytes(a, 0));
    CHECK_OK(bgl_ssl_rand_bytes(NULL, 0));
}

static void check_list(size_t (*list)(char *, size_t), const char *expected, bool sorted)
{
    size_t length = list(NULL, 0);
    CHECK(length > 100);
    char *text = malloc(length + 1);
    CHECK_INT((long long)length, (long long)list(text, length + 1));
    CHECK_INT((long long)length, (long long)strlen(text));
    bool found = false;
    const char *before = "";
    char *rest = text;
    for (char *name; (name = strsep(&rest, ":")) != NULL; before = name) {
        CHECK(name[0] != '\0');
        if (sorted && strcmp(before, name) >= 0)
            FAIL("%s stands before %s", before, name);
        found = found || strcasecmp(name, expected) == 0;
    }
    if (!found)
        FAIL("%s is not listed", expected);
    free(text);
}

TEST(tls_ciphers_are_listed)
{
    check_list(bgl_ssl_get_ciphers, "ECDHE-RSA-AES128-GCM-SHA256", false);
    check_list(bgl_ssl_get_ciphers, "TLS_AES_128_GCM_SHA256", false);
}

TEST(evp_ciphers_are_listed_in_order)
{
    check_list(bgl_evp_get_ciphers, "aes-128-cbc", true);
}

TEST(evp_hashes_are_listed_in_order)
{
    check_list(bgl_evp_get_hashes, "sha256", true);
}

TEST(server_preference_is_the_option_bit_of_openssl)
{
    CHECK_INT(1LL << 22, (long long)bgl_ssl_op_cipher_server_preference());
}
