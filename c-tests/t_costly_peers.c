/* What a peer chooses the size or the number of: memory and time that it costs us have an end. */
#define _GNU_SOURCE
#include "openssl_peer.h"

/* ---- tickets ---- */

enum { TICKETS = 1000, SIZE_OF_ONE = 8000, MOST = 1 << 20 };

/* A client that resumes by itself, and that OpenSSL's server has sent a thousand tickets of eight kilobytes. */
TEST(a_thousand_tickets_take_the_memory_of_a_few)
{
    static char appdata[SIZE_OF_ONE], byte;
    struct openssl_peer peer = {.ctx = NULL};
    char *bytes;
    int fds[2];
    size_t n;
    load_openssl(&peer.openssl);
    if (!peer.openssl.SSL_new_session_ticket)
        skip_test("a libssl of 3.0 or later");
    tcp_pair(fds);
    peer.fd = fds[1];
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    pthread_t thread = start_thread(openssl_accept_in_thread, &peer);
    CHECK_OK(bgl_ssl_socket_handshake(client));
    join_thread(thread);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(client, &byte, 1, &n));
    CHECK_INT(1, peer.openssl.SSL_SESSION_set1_ticket_appdata(peer.openssl.SSL_get_session(peer.ssl), appdata,
                                                              sizeof appdata));
    for (int i = 0; i < TICKETS; i++)
        CHECK_INT(1, peer.openssl.SSL_new_session_ticket(peer.ssl));
    CHECK_INT(1, peer.openssl.SSL_do_handshake(peer.ssl));
    long left = openssl_kept(&peer, &bytes);
    CHECK(left > (long)TICKETS * SIZE_OF_ONE);
    size_t before = bytes_in_use();
    while (left > 0) {
        ssize_t sent = send(peer.fd, bytes, left < 60000 ? (size_t)left : 60000, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            left -= sent;
        }
        CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(client, &byte, 1, &n));
    }
    size_t after = bytes_in_use();
    if (!memory_is_watched() && after > before + MOST)
        FAIL("%zu kB more are in use", (after - before) / 1024);
    bgl_ssl_socket_free(client);
    bgl_ssl_config_free(config);
    openssl_free(&peer);
    close(fds[0]);
    close(fds[1]);
}

/* ---- chains ---- */

struct chain {
    const char *name;
    int certificates;
    bgl_ssl_status_t status;
};

static const struct chain chains[] = {
    {"of_fifty", 50, BGL_SSL_OK}, {"of_two_hundred_thousand_bytes", 500, BGL_SSL_E_PROTOCOL}};

/* "good" and then the same root again and again. */
static const char *chain_of(int certificates)
{
    size_t leaf_length, root_length;
    char *leaf = read_whole_file(pki("good.pem"), &leaf_length), *root = read_whole_file(pki("root.pem"), &root_length);
    char *all = malloc(leaf_length + (size_t)certificates * root_length), *end = all + leaf_length;
    memcpy(all, leaf, leaf_length);
    for (int i = 1; i < certificates; i++, end += root_length)
        memcpy(end, root, root_length);
    const char *file = write_file("chain.pem", all, (size_t)(end - all));
    free(leaf);
    free(root);
    free(all);
    return file;
}

static void check_chain(const struct chain *it, bool on_server, int version)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_max_protocol(client, version));
    CHECK_OK(bgl_ssl_config_set_certificate_file(on_server ? client : server, chain_of(it->certificates),
                                                 pki("good.key"), NULL));
    if (on_server) {
        set_ca(server, "root.pem");
        CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
    }
    size_t before = bytes_in_use();
    try_connect_with(&ends, client, server);
    CHECK_INT(it->status, on_server ? ends.server_status : ends.client_status);
    if (!memory_is_watched() && it->status != BGL_SSL_OK && bytes_in_use() > before + 4 * MOST)
        FAIL("%zu kB more are in use", (bytes_in_use() - before) / 1024);
    free_ends(&ends);
}

TEST_TABLE(a_client_reads_a_chain, chains)
{
    check_chain(row, false, BGLSSL_TLSV1_2);
    check_chain(row, false, BGLSSL_TLSV1_3);
}

TEST_TABLE(a_server_reads_a_chain, chains)
{
    check_chain(row, true, BGLSSL_TLSV1_2);
    check_chain(row, true, BGLSSL_TLSV1_3);
}

/* ---- names ---- */

struct name {
    const char *name;
    const char *host;
    bgl_ssl_status_t status;
};

static const struct name names[] = {{"the_last", "n8999", BGL_SSL_OK}, {"none", "nobody.test", BGL_SSL_E_NAME}};

TEST_TABLE(of_nine_thousand_names_a_client_looks_for, names)
{
    const struct name *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = client_config(), *server = MADE(bgl_ssl_config_t, bgl_ssl_config_new());
    CHECK_OK(bgl_ssl_config_set_certificate_file(server, pki("crowd.pem"), pki("good.key"), NULL));
    set_ca(client, "crowd.pem");
    CHECK_OK(bgl_ssl_config_set_hostname(client, it->host));
    int64_t began = now_us();
    try_connect_with(&ends, client, server);
    CHECK_INT(it->status, ends.client_status);
    if (now_us() - began > 5 * SECOND * slowness())
        FAIL("it took %lld ms", (long long)(now_us() - began) / 1000);
    free_ends(&ends);
}

/* ---- hellos ---- */

/* The beginning of a hello that says that it is of 16 megabytes, and as much of it as the server takes. */
static void check_hello(bool has_hosts)
{
    enum { RECORD = 16384 };
    static unsigned char record[5 + RECORD] = {22, 3, 1, RECORD >> 8, RECORD & 255, 1, 0xff, 0xff, 0xff};
    int fds[2];
    bgl_ssl_config_t *server = server_config("good");
    if (has_hosts)
        CHECK_OK(bgl_ssl_config_set_unknown_host(server, BGL_SSL_UNKNOWN_HOST_REFUSE));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[0], 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
    size_t before = bytes_in_use(), sent = 0;
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    while (status == BGL_SSL_WANT_READ) {
        ssize_t n = send(fds[1], record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        CHECK(sent < MOST);
        status = bgl_ssl_socket_handshake(socket);
    }
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, status);
    if (!memory_is_watched() && bytes_in_use() > before + MOST)
        FAIL("%zu kB more are in use", (bytes_in_use() - before) / 1024);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(server);
    close(fds[0]);
    close(fds[1]);
}

TEST(a_hello_of_sixteen_megabytes_is_refused_at_once)
{
    check_hello(false);
    check_hello(true);
}

/* ---- staples ---- */

TEST(a_staple_of_sixty_kilobytes_that_says_nothing_is_refused)
{
    struct ends ends;
    static char rubbish[60000];
    memset(rubbish, 0x30, sizeof rubbish);
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_staple(server, rubbish, sizeof rubbish));
    try_connect_with(&ends, client, server);
    if (ends.client_status == BGL_SSL_OK && bgl_ssl_socket_staple(ends.client, rubbish, sizeof rubbish) == 0)
        skip_test("an OpenSSL that sends a staple without reading it");
    CHECK_INT(BGL_SSL_E_VERIFY, ends.client_status);
    CHECK(strstr(ends.client_error.message, "cannot be relied on"));
    free_ends(&ends);
}
