/* One allocation inside OpenSSL fails: the call succeeds all the same, or says that memory ran out. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ---- an allocator that can fail ---- */

static long allocations; /* of this case so far */
static long failing;     /* the number of the one that fails; 0 for none */

static bool fails(void)
{
    return ++allocations == failing;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!fails())
        return malloc(size);
    errno = ENOMEM; /* as malloc does */
    return NULL;
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!fails())
        return realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static bool installed;

/* Before OpenSSL has allocated anything. */
__attribute__((constructor)) static void install(void)
{
    int (*set)(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int),
               void (*)(void *, const char *, int)) = NULL;
    *(void **)&set = dlsym(RTLD_DEFAULT, "CRYPTO_set_mem_functions");
    installed = set && set(allocate, reallocate, release) == 1;
}

/* ---- what is tried ---- */

/* Returns a status; what it made is freed. */
typedef bgl_ssl_status_t trial(void);

static bgl_ssl_status_t status_of(const void *handle)
{
    return handle ? BGL_SSL_OK : (bgl_ssl_status_t)last_error().code;
}

static bgl_ssl_status_t read_certificate(void)
{
    bgl_ssl_certificate_t *cert = bgl_ssl_load_certificate(pki("good.pem"));
    bgl_ssl_status_t status = status_of(cert);
    bgl_ssl_certificate_free(cert);
    return status;
}

static bgl_ssl_status_t read_certificates(void)
{
    bgl_ssl_certificate_list_t *list = bgl_ssl_load_pem(pki("three.pem"));
    bgl_ssl_status_t status = status_of(list);
    if (list)
        CHECK_INT(3, (long long)bgl_ssl_certificate_list_length(list));
    bgl_ssl_certificate_list_free(list);
    return status;
}

static bgl_ssl_status_t read_der(void)
{
    bgl_ssl_certificate_t *cert = bgl_ssl_certificate_from_file(pki("good.der"), BGL_SSL_FORMAT_DER);
    bgl_ssl_status_t status = status_of(cert);
    bgl_ssl_certificate_free(cert);
    return status;
}

static bgl_ssl_status_t read_key(void)
{
    bgl_ssl_private_key_t *key = bgl_ssl_load_private_key(pki("good.key"));
    bgl_ssl_status_t status = status_of(key);
    bgl_ssl_private_key_free(key);
    return status;
}

static bgl_ssl_status_t read_encrypted_key(void)
{
    bgl_ssl_private_key_t *key =
        bgl_ssl_private_key_from_file(pki("good-rsa-encrypted-old.key"), BGL_SSL_FORMAT_PEM, "secret");
    bgl_ssl_status_t status = status_of(key);
    bgl_ssl_private_key_free(key);
    return status;
}

static bgl_ssl_status_t match_key(void)
{
    static bgl_ssl_certificate_t *cert;
    static bgl_ssl_private_key_t *key;
    if (!cert) {
        long kept = failing;
        failing = 0;
        cert = certificate("good.pem");
        key = private_key("good.key");
        allocations = 0;
        failing = kept;
    }
    return bgl_ssl_certificate_check_private_key(cert, key);
}

static bgl_ssl_status_t read_alt_names(void)
{
    long kept = failing;
    failing = 0;
    bgl_ssl_certificate_t *cert = certificate("many-names.pem");
    allocations = 0;
    failing = kept;
    bgl_ssl_clear_error();
    size_t count = bgl_ssl_certificate_alt_name_count(cert);
    bgl_ssl_status_t status = last_error().code;
    failing = 0;
    if (status == BGL_SSL_OK)
        CHECK_INT(5, (long long)count);
    else
        CHECK_INT(5, (long long)bgl_ssl_certificate_alt_name_count(cert)); /* the failure was not kept */
    bgl_ssl_certificate_free(cert);
    return status;
}

static bgl_ssl_status_t make_digest(void)
{
    char digest[64];
    size_t n = bgl_ssl_digest("sha3-256", "x", 1, digest, sizeof digest);
    return n ? BGL_SSL_OK : (bgl_ssl_status_t)last_error().code;
}

static bgl_ssl_status_t derive_key(void)
{
    char bytes[32];
    return bgl_ssl_pbkdf2_hmac("sha256", "p", 1, "salt", 4, 2, bytes, sizeof bytes);
}

static bgl_ssl_status_t open_pkcs12(void)
{
    bgl_ssl_private_key_t *key = NULL;
    bgl_ssl_certificate_t *cert = NULL;
    bgl_ssl_status_t status = bgl_ssl_pkcs12_from_file(pki("good.p12"), "secret", &key, &cert, NULL);
    bgl_ssl_private_key_free(key);
    bgl_ssl_certificate_free(cert);
    return status;
}

static bgl_ssl_status_t freeze_config(void)
{
    static bgl_ssl_certificate_t *cert, *ca;
    static bgl_ssl_private_key_t *key;
    if (!cert) {
        long kept = failing;
        failing = 0;
        cert = certificate("good.pem");
        ca = certificate("root.pem");
        key = private_key("good.key");
        allocations = 0;
        failing = kept;
    }
    const bgl_ssl_certificate_t *cas[] = {ca};
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    bgl_ssl_status_t status = bgl_ssl_config_set_certificate(config, cert, key);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_set_ca_certificates(config, cas, 1);
    if (status == BGL_SSL_OK)
        status = bgl_ssl_config_freeze(config);
    bgl_ssl_config_free(config);
    return status;
}

static bgl_ssl_status_t make_handshake(void)
{
    static bgl_ssl_config_t *client, *server;
    struct ends ends;
    if (!client) {
        long kept = failing;
        failing = 0;
        client = client_config();
        server = server_config("good");
        CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
        CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
        CHECK_OK(bgl_ssl_config_freeze(client));
        CHECK_OK(bgl_ssl_config_freeze(server));
        allocations = 0;
        failing = kept;
    }
    int fds[2];
    local_pair(fds);
    memset(&ends, 0, sizeof ends);
    ends.client = bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0);
    bgl_ssl_status_t status = status_of(ends.client);
    ends.server = bgl_ssl_upgrade_server_fd(server, fds[1], 0);
    if (!ends.server)
        status = last_error().code;
    if (ends.client && ends.server) {
        bgl_ssl_socket_set_nonblocking(ends.client, true);
        bgl_ssl_socket_set_nonblocking(ends.server, true);
        step_handshakes(&ends);
        status = ends.client_status ? ends.client_status : ends.server_status;
        /* The other end has an alert to tell, or a stream that ends. */
        if (ends.client_status == BGL_SSL_E_NO_MEMORY || ends.server_status == BGL_SSL_E_NO_MEMORY)
            status = BGL_SSL_E_NO_MEMORY;
    }
    bgl_ssl_socket_free(ends.client);
    bgl_ssl_socket_free(ends.server);
    close(fds[0]);
    close(fds[1]);
    return status;
}

struct attempt {
    const char *name;
    trial *run;
    /* Whether OpenSSL forgets some failures, and fails for another reason later, so that a quarter may be told so. */
    bool forgets;
};

static const struct attempt attempts[] = {
    {"a_certificate_is_read", read_certificate, false},
    {"certificates_are_read", read_certificates, false},
    {"a_certificate_in_der_is_read", read_der, false},
    {"a_key_is_read", read_key, false},
    {"an_encrypted_key_is_read", read_encrypted_key, false},
    {"a_key_is_compared", match_key, false},
    {"names_are_read", read_alt_names, false},
    {"a_digest_is_made", make_digest, false},
    {"a_key_is_derived", derive_key, false},
    {"a_pkcs12_is_read", open_pkcs12, false},
    {"a_config_is_frozen", freeze_config, false},
    {"a_handshake_is_made", make_handshake, true},
};

TEST_TABLE(a_failed_allocation_is_told_as_such_when, attempts)
{
    const struct attempt *it = row;
    long told = 0, mistaken = 0;
    if (!installed)
        skip_test("a shared OpenSSL that takes another allocator");
    CHECK_OK(it->run()); /* what OpenSSL keeps for good is made now */
    for (long number = 1;; number += 1 + number / 64) {
        allocations = 0;
        failing = number;
        bgl_ssl_status_t status = it->run();
        failing = 0;
        if (allocations < number)
            break;
        if (status == BGL_SSL_E_NO_MEMORY)
            told++;
        else if (status != BGL_SSL_OK && it->forgets)
            mistaken++;
        else if (status != BGL_SSL_OK)
            FAIL("allocation %ld: %s: %s", number, bgl_ssl_status_name(status), last_error().message);
    }
    CHECK(told > 0);
    CHECK(mistaken * 3 <= told);
}

/* ---- the first of its kind in a process ---- */

static bgl_ssl_status_t begin_connection(void)
{
    int fds[2];
    local_pair(fds);
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    bgl_ssl_socket_t *socket = NULL;
    bgl_ssl_config_insecure_verify_none(config);
    bgl_ssl_config_set_lazy_handshake(config, true);
    if (config && bgl_ssl_config_freeze(config) == BGL_SSL_OK)
        socket = bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0);
    bgl_ssl_status_t status = status_of(socket);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(config);
    close(fds[0]);
    close(fds[1]);
    return status;
}

/* What OpenSSL itself may not try again, in some of its releases. */
static const char *const kept_by_openssl[] = {"OpenSSL gets no random numbers", "memory ran out inside OpenSSL: malloc failure"};

static bool is_kept_by_openssl(const char *message)
{
    for (size_t i = 0; i < COUNT(kept_by_openssl); i++)
        if (strncmp(message, kept_by_openssl[i], strlen(kept_by_openssl[i])) == 0)
            return true;
    return false;
}

enum { MESSAGE = 1024 };

/* What a process of its own came to in which an allocation failed. */
struct beginning {
    long allocations;
    char later[MESSAGE]; /* of a second connection; "" where it was made */
};

static struct beginning begin_with_failure(long number)
{
    struct beginning *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        allocations = 0;
        failing = number;
        begin_connection();
        failing = 0;
        shared->allocations = allocations;
        if (begin_connection() < 0)
            snprintf(shared->later, MESSAGE, "%s", last_error().message);
        _exit(0);
    }
    int ended;
    CHECK_INT(child, waitpid(child, &ended, 0));
    CHECK_INT(0, ended);
    struct beginning result = *shared;
    munmap(shared, sizeof *shared);
    return result;
}

TEST(a_failure_at_the_first_connection_is_not_kept_for_the_later_ones)
{
    enum { LAST = 150 };
    if (!installed)
        skip_test("a shared OpenSSL that takes another allocator");
    CHECK_OK(read_certificate());
    CHECK_OK(read_key());
    CHECK_OK(make_digest());
    struct beginning good = begin_with_failure(0);
    CHECK_STRING("", good.later);
    for (long number = good.allocations > LAST ? good.allocations - LAST : 1; number <= good.allocations; number++) {
        struct beginning it = begin_with_failure(number);
        if (it.later[0] && !is_kept_by_openssl(it.later))
            FAIL("for ever after allocation %ld of %ld failed: %s", number, good.allocations, it.later);
    }
}
