/* Whom configs trust: the system's CAs in each state of their files, lists of CAs, and what contexts have in common. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "harness.h"
#include "openssl_peer.h"

static bgl_ssl_config_t *system_client(void)
{
    return MADE(bgl_ssl_config_t, bgl_ssl_config_new());
}

/* Whether the client, which is taken over, accepts the server of that name. */
static bool accepts(bgl_ssl_config_t *client, const char *server)
{
    struct ends ends;
    try_connect_with(&ends, client, server_config(server));
    bool accepted = ends.client_status == BGL_SSL_OK;
    if (!accepted)
        CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    free_ends(&ends);
    return accepted;
}

static bool system_trusts_root(void)
{
    return accepts(system_client(), "good");
}

static const char *copy_of(const char *pem, const char *name)
{
    size_t length;
    char *text = read_whole_file(pki(pem), &length);
    const char *path = write_file(name, text, length);
    free(text);
    return path;
}

/* ---- files that cannot be read ---- */

struct broken {
    const char *name;
    const char *copied; /* NULL: there is no such file */
    mode_t mode;
};

static const struct broken broken_files[] = {
    {"missing", NULL, 0},           {"empty", "empty.pem", 0600}, {"garbled", "garbled.pem", 0600},
    {"without_certificates", "words.pem", 0600}, {"cut", "good-then-half.pem", 0600}, {"unreadable", "root.pem", 0},
};

TEST_TABLE(a_ca_file_is_an_error_that_names_it_until_it_is_repaired, broken_files)
{
    const struct broken *it = row;
    const char *path = it->copied ? copy_of(it->copied, "system.pem") : own_path("system.pem");
    if (it->copied)
        CHECK_INT(0, chmod(path, it->mode));
    if (it->mode == 0 && it->copied && access(path, R_OK) == 0)
        skip_test("a user who cannot read every file");
    setenv("SSL_CERT_FILE", path, 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    bgl_ssl_config_t *client = system_client();
    for (int i = 0; i < 2; i++) {
        bgl_ssl_status_t status = bgl_ssl_config_freeze(client);
        CHECK(status == BGL_SSL_E_CONFIG || status == BGL_SSL_E_IO);
        CHECK_MESSAGE(path);
    }
    unlink(path);
    copy_of("root.pem", "system.pem");
    CHECK(accepts(client, "good"));
    CHECK(system_trusts_root());
}

TEST(cas_that_could_not_be_read_for_lack_of_descriptors_are_read_by_the_next_config)
{
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    /* OpenSSL and the C library open what they need once. */
    CHECK(accepts(client_config(), "good"));
    bgl_ssl_config_t *client = system_client();
    struct rlimit limit, none;
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = 3;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &none));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_config_freeze(client));
    CHECK_MESSAGE(getenv("SSL_CERT_FILE"));
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
    CHECK(accepts(client, "good"));
    CHECK(system_trusts_root());
}

TEST(a_server_that_asks_for_certificates_learns_at_freeze_that_there_are_no_cas)
{
    setenv("SSL_CERT_FILE", "/nonexistent/file", 1);
    bgl_ssl_config_t *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    CHECK(bgl_ssl_config_freeze(server) != BGL_SSL_OK);
    CHECK_MESSAGE("/nonexistent/file");
    bgl_ssl_config_free(server);
    /* One that does not ask needs none. */
    server = server_config("good");
    CHECK_OK(bgl_ssl_config_freeze(server));
    bgl_ssl_config_free(server);
}

TEST(cas_are_read_for_a_client_that_verifies_nobody_only_when_it_asks_for_the_result)
{
    struct ends ends;
    setenv("SSL_CERT_FILE", "/nonexistent/file", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    bgl_ssl_config_t *client = system_client();
    CHECK_OK(bgl_ssl_config_insecure_verify_none(client));
    connect_with(&ends, client, server_config("good"));
    CHECK_INT(20, bgl_ssl_socket_verify_result(ends.client)); /* no local issuer certificate */
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    CHECK_INT(0, bgl_ssl_socket_verify_result(ends.client));
    setenv("SSL_CERT_FILE", pki("root2.pem"), 1);
    CHECK_INT(20, bgl_ssl_socket_verify_result(ends.client));
    free_ends(&ends);
}

/* ---- states of files ---- */

static void set_old(const char *path)
{
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    CHECK_INT(0, utimensat(AT_FDCWD, path, times, 0));
}

/* Two CAs as texts of one length. */
static const char *padded(const char *pem, const char *name)
{
    size_t length;
    char text[8192];
    char *read = read_whole_file(pki(pem), &length);
    CHECK(length < sizeof text);
    memset(text, '\n', sizeof text);
    memcpy(text, read, length);
    free(read);
    const char *path = write_file(name, text, sizeof text);
    set_old(path);
    return path;
}

TEST(a_ca_file_that_is_replaced_by_one_of_equal_time_and_size_is_read_again)
{
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    const char *path = padded("root.pem", "system.pem");
    setenv("SSL_CERT_FILE", path, 1);
    CHECK(system_trusts_root());
    CHECK_INT(0, rename(padded("root2.pem", "new.pem"), path));
    CHECK(!system_trusts_root());
}

TEST(a_ca_file_that_is_overwritten_and_keeps_time_and_size_is_read_again)
{
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    setenv("SSL_CERT_FILE", padded("root.pem", "system.pem"), 1);
    CHECK(system_trusts_root());
    padded("root2.pem", "system.pem");
    CHECK(!system_trusts_root());
    padded("root.pem", "system.pem");
    CHECK(system_trusts_root());
}

/* The name under which OpenSSL looks for the root in a directory. */
static const char *hashed_name(const char *directory, char *name, size_t size)
{
    size_t length;
    char *hash = read_whole_file(pki("root.hash"), &length);
    snprintf(name, size, "%s/%.8s.0", directory, hash);
    free(hash);
    return name;
}

/* Two directories, as SSL_CERT_DIR has them; the root is in the one of this index. */
struct directories {
    char first[1024], second[1024], root[2048];
};

static void make_directories(struct directories *it, int with_root)
{
    char both[4096];
    snprintf(it->first, sizeof it->first, "%s", own_path("first"));
    snprintf(it->second, sizeof it->second, "%s", own_path("second"));
    CHECK_INT(0, mkdir(it->first, 0700));
    CHECK_INT(0, mkdir(it->second, 0700));
    snprintf(both, sizeof both, "%s:%s", it->first, it->second);
    setenv("SSL_CERT_FILE", pki("idle-root.pem"), 1);
    setenv("SSL_CERT_DIR", both, 1);
    hashed_name(with_root == 0 ? it->first : it->second, it->root, sizeof it->root);
    CHECK_INT(0, link(copy_of("root.pem", "root.pem"), it->root));
}

static void remove_directories(struct directories *it)
{
    unlink(it->root);
    CHECK_INT(0, rmdir(it->first));
    CHECK_INT(0, rmdir(it->second));
}

struct which {
    const char *name;
    int index;
};

static const struct which either[] = {{"first", 0}, {"second", 1}};

TEST_TABLE(a_ca_is_found_in_and_taken_out_of_the_directory_that_comes, either)
{
    struct directories directories;
    make_directories(&directories, ((const struct which *)row)->index);
    CHECK(system_trusts_root());
    CHECK_INT(0, unlink(directories.root));
    CHECK(!system_trusts_root());
    CHECK_INT(0, link(own_path("root.pem"), directories.root));
    CHECK(system_trusts_root());
    remove_directories(&directories);
}

TEST_TABLE(a_ca_is_overwritten_within_the_directory_that_comes, either)
{
    struct directories directories;
    make_directories(&directories, ((const struct which *)row)->index);
    set_old(directories.root);
    CHECK(system_trusts_root());
    copy_of("root-rejected.pem", "root.pem");
    set_old(directories.root);
    /* Entries of a directory that has not changed itself are looked at once a second. */
    int64_t deadline = now_us() + 20 * SECOND;
    while (system_trusts_root())
        CHECK(now_us() < deadline);
    remove_directories(&directories);
}

/* ---- settings of trust ---- */

static bool trusts_with(const char *ca)
{
    bgl_ssl_config_t *client = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    set_ca(client, ca);
    return accepts(client, "good");
}

TEST(a_ca_and_the_same_one_rejected_have_their_own_verdicts)
{
    CHECK(trusts_with("root.pem"));
    CHECK(!trusts_with("root-rejected.pem"));
    CHECK(trusts_with("root-for-servers.pem"));
    CHECK(trusts_with("root.pem"));
}

TEST(a_rejected_ca_and_the_same_one_have_their_own_verdicts)
{
    CHECK(!trusts_with("root-rejected.pem"));
    CHECK(trusts_with("root.pem"));
    CHECK(!trusts_with("root-rejected.pem"));
}

TEST(an_empty_list_of_cas_trusts_nobody)
{
    const bgl_ssl_certificate_t *none[1] = {NULL};
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    CHECK(system_trusts_root());
    bgl_ssl_config_t *client = system_client();
    CHECK_OK(bgl_ssl_config_set_ca_certificates(client, none, 0));
    CHECK(!accepts(client, "good"));
    client = system_client();
    CHECK_OK(bgl_ssl_config_set_ca_certificates(client, none, 0));
    CHECK_OK(bgl_ssl_config_set_ca_certificates(client, NULL, 0));
    CHECK(accepts(client, "good"));
}

/* ---- many CAs ---- */

/* A server that trusts these, and a client with a certificate of the last one's. */
static void check_server_with(const bgl_ssl_certificate_t *const *cas, size_t count)
{
    static const int versions[] = {BGLSSL_TLSV1_2, BGLSSL_TLSV1_3};
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct ends ends;
        bgl_ssl_config_t *client = client_config(), *server = server_config("good");
        set_certificate(client, "client");
        CHECK_OK(bgl_ssl_config_set_max_protocol(client, versions[i]));
        CHECK_OK(bgl_ssl_config_set_ca_certificates(server, cas, count));
        connect_with(&ends, client, server);
        CHECK(exchange_bytes(&ends));
        free_ends(&ends);
    }
}

TEST(a_server_trusts_more_cas_than_it_can_name)
{
    enum { MANY = 1000 };
    static bgl_ssl_certificate_t *cas[MANY];
    size_t length;
    char *der = read_whole_file(pki("long-name.der"), &length);
    char *name = memmem(der, length, "numbered 0000", 13);
    CHECK(name);
    char *subject = memmem(name + 13, length - (size_t)(name + 13 - der), "numbered 0000", 13);
    CHECK(subject);
    for (size_t i = 0; i < MANY - 1; i++) {
        char digits[16];
        snprintf(digits, sizeof digits, "%04zu", i);
        memcpy(subject + 9, digits, 4);
        cas[i] = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_from_mem(der, length, BGL_SSL_FORMAT_DER));
    }
    cas[MANY - 1] = certificate("root.pem");
    check_server_with((const bgl_ssl_certificate_t *const *)cas, MANY);
    for (size_t i = 0; i < MANY; i++)
        bgl_ssl_certificate_free(cas[i]);
    free(der);
}

TEST(a_ca_that_is_listed_often_is_named_once)
{
    enum { MANY = 3000 };
    static const bgl_ssl_certificate_t *cas[MANY];
    bgl_ssl_certificate_t *root = certificate("root.pem");
    for (size_t i = 0; i < MANY; i++)
        cas[i] = root;
    check_server_with(cas, MANY);
    bgl_ssl_certificate_free(root);
}

/* ---- contexts that many share ---- */

/* How many certificates the server sends. */
static size_t presented(const bgl_ssl_config_t *server)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    connect_ends(&ends, client, server, "localhost");
    bgl_ssl_certificate_list_t *chain = MADE(bgl_ssl_certificate_list_t, bgl_ssl_socket_peer_chain(ends.client));
    size_t count = bgl_ssl_certificate_list_length(chain);
    bgl_ssl_certificate_list_free(chain);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    return count;
}

TEST(a_server_sends_the_same_chain_before_and_after_its_settings_have_verified_a_peer)
{
    setenv("SSL_CERT_FILE", pki("root.pem"), 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    bgl_ssl_config_t *config = server_config("good");
    CHECK_INT(1, (long long)presented(config));
    struct ends ends;
    connect_ends(&ends, config, config, "localhost");
    free_ends(&ends);
    CHECK_INT(1, (long long)presented(config));
    bgl_ssl_config_free(config);
}

struct clients {
    struct service service;
    pthread_barrier_t together;
};

/* A config with a certificate reads the system's CAs when its first connection needs them; one without does so when it
 * is frozen. */
static void *connect_with_own_config(void *data)
{
    struct clients *it = data;
    pthread_barrier_wait(&it->together);
    for (int i = 0; i < 3; i++) {
        bgl_ssl_config_t *client = system_client();
        CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
        if (i % 2 == 0)
            set_certificate(client, "client");
        bgl_ssl_socket_t *socket = connect_to(client, it->service.port);
        check_echo(socket, "hello");
        CHECK_INT(0, bgl_ssl_socket_verify_result(socket));
        finish(socket);
        bgl_ssl_config_free(client);
    }
    return NULL;
}

TEST(threads_need_the_cas_of_files_and_directories_for_the_first_time_at_once)
{
    enum { THREADS = 6 };
    struct clients clients;
    struct directories directories;
    pthread_t threads[THREADS];
    make_directories(&directories, 1);
    bgl_ssl_config_t *server = server_config("good");
    start_service(&clients.service, server, THREADS * 3, serve_echo, NULL);
    pthread_barrier_init(&clients.together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(connect_with_own_config, &clients);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    end_service(&clients.service);
    pthread_barrier_destroy(&clients.together);
    bgl_ssl_config_free(server);
    remove_directories(&directories);
}

/* ---- a server keeps no sessions ---- */

/* A client that is OpenSSL itself and refuses tickets: a server that keeps sessions gives such a session an id. */
TEST(a_server_keeps_no_session_of_a_client_of_tls_1_2_without_tickets)
{
    enum { CTRL_SET_MAX_PROTO = 124, TLS_1_2 = 0x0303 };
    const uint64_t no_ticket = UINT64_C(1) << 14;
    struct openssl openssl;
    struct service service;
    load_openssl(&openssl);
    void *library = openssl.library;
    void *(*method)(void);
    uint64_t (*set_options)(void *, uint64_t);
    int (*connect_tls)(void *);
    const unsigned char *(*session_id)(const void *, unsigned *);
    *(void **)&method = dlsym(library, "TLS_client_method");
    *(void **)&set_options = dlsym(library, "SSL_set_options");
    *(void **)&connect_tls = dlsym(library, "SSL_connect");
    *(void **)&session_id = dlsym(library, "SSL_SESSION_get_id");
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 1, serve_echo, NULL);
    int fd = plain_connect(service.port);
    void *ctx = openssl.SSL_CTX_new(method());
    void *ssl = openssl.SSL_new(ctx);
    CHECK(ssl && openssl.SSL_set_fd(ssl, fd) == 1);
    set_options(ssl, no_ticket);
    CHECK_INT(1, openssl.SSL_ctrl(ssl, CTRL_SET_MAX_PROTO, TLS_1_2, NULL));
    CHECK_INT(1, connect_tls(ssl));
    unsigned length = 1;
    session_id(openssl.SSL_get_session(ssl), &length);
    CHECK_INT(0, length);
    openssl.SSL_free(ssl);
    openssl.SSL_CTX_free(ctx);
    close(fd);
    end_service(&service);
    bgl_ssl_config_free(server);
}

/* ---- verification out of memory ---- */

/* What OpenSSL allocates, in this thread, while it is counted: the one of this number fails. */
static __thread bool counting;
static __thread unsigned allocations, failing;

static bool fails(void)
{
    return counting && ++allocations == failing;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : realloc(old, size);
}

static void count_free(void *old, const char *file, int line)
{
    (void)file, (void)line;
    free(old);
}

struct wrong_server {
    const char *name;
    const char *presents;
    bgl_ssl_status_t verdict;
};

static const struct wrong_server wrong_servers[] = {
    {"a_wrong_name", "wrong-name", BGL_SSL_E_NAME},
    {"an_unknown_ca", "untrusted", BGL_SSL_E_VERIFY},
};

static bgl_ssl_status_t client_handshake(const bgl_ssl_config_t *client, const bgl_ssl_config_t *server)
{
    int fds[2];
    local_pair(fds);
    bgl_ssl_status_t status = BGL_SSL_E_NO_MEMORY, other = BGL_SSL_WANT_READ;
    bgl_ssl_socket_t *accepting = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(accepting, true));
    counting = true;
    bgl_ssl_socket_t *connecting = bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0);
    counting = false;
    close(fds[0]);
    close(fds[1]);
    if (connecting) {
        CHECK_OK(bgl_ssl_socket_set_nonblocking(connecting, true));
        do {
            counting = true;
            status = bgl_ssl_socket_handshake(connecting);
            counting = false;
            if (other > 0)
                other = bgl_ssl_socket_handshake(accepting);
        } while (status > 0);
    }
    bgl_ssl_socket_free(connecting);
    bgl_ssl_socket_free(accepting);
    return status;
}

TEST_TABLE(no_allocation_that_fails_lets_pass, wrong_servers)
{
    const struct wrong_server *it = row;
    int (*set_allocator)(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int),
                         void (*)(void *, const char *, int));
    *(void **)&set_allocator = dlsym(RTLD_DEFAULT, "CRYPTO_set_mem_functions");
    if (memory_is_watched() || openssl_is_warm() || !set_allocator ||
        !set_allocator(allocate, reallocate, count_free))
        skip_test("a libcrypto whose allocator can be replaced");
    bgl_ssl_config_t *client = client_config(), *server = server_config(it->presents);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    /* The first handshake reads what OpenSSL reads once. */
    CHECK_INT(it->verdict, client_handshake(client, server));
    for (failing = 1;; failing++) {
        allocations = 0;
        bgl_ssl_status_t status = client_handshake(client, server);
        if (status >= 0)
            FAIL("passed when allocation %u failed", failing);
        if (allocations < failing) {
            CHECK_INT(it->verdict, status);
            break;
        }
    }
    CHECK(failing > 100);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- one CA twice, of which one is rejected ---- */

struct contradiction {
    const char *name, *first, *second;
};

static const struct contradiction contradictions[] = {
    {"behind_it", "root.pem", "root-rejected.pem"},
    {"before_it", "root-rejected.pem", "root.pem"},
};

TEST_TABLE(a_rejection_counts_though_the_same_ca_is_listed, contradictions)
{
    const struct contradiction *it = row;
    char text[20000];
    size_t one, other;
    char *first = read_whole_file(pki(it->first), &one), *second = read_whole_file(pki(it->second), &other);
    CHECK(one + other < sizeof text);
    memcpy(text, first, one);
    memcpy(text + one, second, other);
    free(first);
    free(second);
    bgl_ssl_config_t *client = system_client();
    CHECK_OK(bgl_ssl_config_set_ca_mem(client, text, one + other));
    CHECK(!accepts(client, "good"));
}
