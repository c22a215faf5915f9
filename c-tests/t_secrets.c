/* Secrets are wiped when they are freed: the process looks for them in its own memory. */
#define _GNU_SOURCE
#include "engine.h"

#include <sys/uio.h>

/* What is looked for, in a form in which it is not found. */
struct hidden {
    unsigned char bytes[64];
    size_t length;
};

#define SSL_OP_NO_TICKET (UINT64_C(1) << 14)

enum { MASK = 0xa5 };

static struct hidden hide(const unsigned char *bytes, size_t length)
{
    struct hidden it = {.length = length < 64 ? length : 64};
    CHECK(length >= 16);
    for (size_t i = 0; i < it.length; i++)
        it.bytes[i] = bytes[i] ^ MASK;
    return it;
}

static void wipe(void *bytes, size_t length)
{
    volatile unsigned char *at = bytes;
    while (length > 0)
        at[--length] = 0;
}

static size_t count_in(const unsigned char *text, size_t size, const struct hidden *it)
{
    size_t count = 0, i;
    for (const unsigned char *at = text; at + it->length <= text + size; at++) {
        at = memchr(at, it->bytes[0] ^ MASK, (size_t)(text + size - at) - it->length + 1);
        if (!at)
            break;
        for (i = 1; i < it->length && at[i] == (it->bytes[i] ^ MASK); i++)
            continue;
        count += i == it->length;
    }
    return count;
}

/* How often it is in memory that can be written, but for the stack. */
static size_t count(const struct hidden *it)
{
    static unsigned char piece[1 << 16];
    char line[500];
    size_t found = 0;
    /* Tools that watch memory do not use it again: what OpenSSL frees without wiping it, as it may, would stay. */
    if (memory_is_watched())
        skip_test("an allocator that uses memory again");
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        skip_test("/proc/self/maps");
    while (fgets(line, sizeof line, maps)) {
        unsigned long long begin, end;
        char mode[8];
        CHECK(sscanf(line, "%llx-%llx %7s", &begin, &end, mode) == 3);
        if (mode[0] != 'r' || mode[1] != 'w' || strstr(line, "[stack]") || end - begin > (1ull << 30))
            continue;
        /* Pieces overlap, so that nothing is missed between two. */
        for (unsigned long long at = begin; at < end; at += sizeof piece - sizeof it->bytes) {
            size_t length = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
            struct iovec to = {piece, length}, from = {(void *)(uintptr_t)at, length};
            /* Our own piece is no place to find it in. */
            if (at < (uintptr_t)(piece + sizeof piece) && at + length > (uintptr_t)piece)
                continue;
            ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
            if (n > 0)
                found += count_in(piece, (size_t)n, it);
        }
    }
    fclose(maps);
    wipe(piece, sizeof piece);
    return found;
}

static void check_gone(const struct hidden *it)
{
    size_t found = count(it);
    if (found > 0)
        FAIL("a secret is left in memory, in %zu places", found);
}

/* The search finds what is there. */
TEST(a_copy_that_is_there_is_found)
{
    unsigned char secret[32];
    CHECK_OK(bgl_ssl_rand_bytes(secret, sizeof secret));
    struct hidden hidden = hide(secret, sizeof secret);
    unsigned char *copy = malloc(4096);
    CHECK(copy);
    /* Not by memcpy, which the compiler leaves out where it sees nobody read the copy. */
    for (size_t i = 0; i < sizeof secret; i++)
        ((volatile unsigned char *)copy)[1000 + i] = secret[i];
    CHECK(count(&hidden) > 0);
    wipe(copy, 4096);
    free(copy);
    wipe(secret, sizeof secret);
    check_gone(&hidden);
}

/* The master key of a session in DER: behind two numbers, the cipher and the id. */
static struct hidden master_key(const unsigned char *der, size_t length)
{
    size_t at = 1 + (der[1] < 0x80 ? 1u : 1u + (der[1] & 0x7fu));
    for (int i = 0; i < 4; i++)
        at += 2u + der[at + 1];
    CHECK(at + 2 < length && der[at] == 4 && der[at + 1] >= 32 && at + 2 + der[at + 1] <= length);
    return hide(der + at + 2, der[at + 1]);
}

static struct hidden newest;
static unsigned sessions;

static void keep_hidden(bgl_ssl_connection_t *connection, const void *id, size_t id_len, const void *session, size_t length,
                        void *user)
{
    (void)connection, (void)id, (void)id_len, (void)user;
    newest = master_key(session, length);
    sessions++;
}

static const struct method {
    const char *name;
    const char *method;
} methods[] = {{"tls_1_2", "TLSv1_2_method"}, {"tls_1_3", "TLSv1_3_method"}};

TEST_TABLE(sessions_of_the_engine_are_wiped, methods)
{
    const struct method *it = row;
    static unsigned char der[16384];
    bgl_ssl_ctx_t *server = server_ctx(it->method, "good");
    /* OpenSSL does not wipe the session that it writes into a ticket. */
    CHECK_OK(bgl_ssl_ctx_set_options(server, SSL_OP_NO_TICKET));
    struct pair pair = make_own_pair(client_ctx(it->method), server);
    CHECK_OK(bgl_ssl_connection_set_newsession_callback(pair.client, keep_hidden, NULL));
    complete_handshakes(&pair);
    exchange_messages(&pair);
    size_t length = bgl_ssl_connection_get_session(pair.client, der, sizeof der);
    CHECK(length > 0 && length < sizeof der && sessions > 0);
    struct hidden copied = master_key(der, length);
    wipe(der, sizeof der);
    free_pair(&pair);
    check_gone(&newest);
    check_gone(&copied);
}

TEST(exported_sessions_are_wiped)
{
    static unsigned char bytes[16384];
    /* Others leave a copy of their own: 1.1.1, and 3.5 with 32 bits. */
    if (strncmp(bgl_ssl_version(), "OpenSSL 3.0.", 12) != 0)
        skip_test("OpenSSL 3.0, which wipes what it keeps of a session");
    struct ends ends;
    bgl_ssl_config_t *server = server_config("good");
    /* OpenSSL does not wipe the session that it writes into a ticket. */
    CHECK_OK(bgl_ssl_config_set_session_cache(server, 10, 1 << 20));
    connect_with(&ends, client_config(), server);
    CHECK(exchange_bytes(&ends));
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(ends.client));
    size_t length = bgl_ssl_session_export(session, bytes, sizeof bytes);
    CHECK(length > 0 && length < sizeof bytes);
    unsigned char *der = memmem(bytes + 60, length - 60, "\x30\x82", 2);
    CHECK(der);
    struct hidden hidden = master_key(der, (size_t)(bytes + length - der));
    wipe(bytes, sizeof bytes);
    bgl_ssl_session_free(session);
    free_ends(&ends);
    check_gone(&hidden);
}

TEST(shared_secrets_are_wiped)
{
    unsigned char public[200], secret[64];
    bgl_ssl_ecdh_t *own = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new("P-256"));
    bgl_ssl_ecdh_t *peer = MADE(bgl_ssl_ecdh_t, bgl_ssl_ecdh_new("P-256"));
    size_t length = bgl_ssl_ecdh_public_key(peer, public, sizeof public);
    CHECK(length > 0 && length <= sizeof public);
    CHECK_INT(32, (long long)bgl_ssl_ecdh_compute_key(own, public, length, secret, sizeof secret));
    struct hidden hidden = hide(secret, 32);
    wipe(secret, sizeof secret);
    bgl_ssl_ecdh_free(own);
    bgl_ssl_ecdh_free(peer);
    check_gone(&hidden);
}

TEST(passphrases_and_keys_of_files_are_wiped)
{
    static const char text[] = "-----BEGIN PRIVATE KEY-----\n";
    size_t length;
    char *key = read_whole_file(pki("good.key"), &length);
    char *begin = strstr(key, text) ? strstr(key, text) + sizeof text - 1 : NULL;
    CHECK(begin && begin + 80 < key + length);
    /* The last bytes of the key's first line: the first ones are as in any key. */
    struct hidden hidden = hide((unsigned char *)begin + 70, 40);
    wipe(key, length);
    free(key);
    char passphrase[40] = "A long passphrase, for the search.";
    struct hidden spoken = hide((unsigned char *)passphrase, strlen(passphrase));
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_certificate_file(config, pki("good.pem"), pki("good.key"), passphrase));
    wipe(passphrase, sizeof passphrase);
    CHECK(count(&spoken) > 0);
    bgl_ssl_config_free(config);
    check_gone(&spoken);
    check_gone(&hidden);
}

/* Private keys of DH are such numbers. */
TEST(numbers_are_wiped)
{
    unsigned char bytes[256];
    CHECK_OK(bgl_ssl_rand_bytes(bytes, sizeof bytes));
    bytes[0] |= 0x80;
    bgl_ssl_bignum_t *number = MADE(bgl_ssl_bignum_t, bgl_bn_bin2bn(bytes, sizeof bytes));
    CHECK_INT(256, (long long)bgl_bn_bn2bin(number, bytes, sizeof bytes));
    struct hidden hidden = hide(bytes + 100, 32);
    wipe(bytes, sizeof bytes);
    bgl_bn_free(number);
    check_gone(&hidden);
}
