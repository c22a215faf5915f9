/* Clients that want the settings of one host, and another's name to be told to the program: by a second hello, after a
 * HelloRetryRequest, or by a hello in so many records that the server does not look for a name in it. */
#include <fcntl.h>

#include "hosts.h"
#include "openssl_peer.h"

enum { CTRL_SET_HOSTNAME = 55, CTRL_SET_GROUPS_LIST = 92 };

struct client {
    struct openssl openssl;
    void *(*TLS_client_method)(void);
    int (*SSL_connect)(void *);
    int (*SSL_set_alpn_protos)(void *, const unsigned char *, unsigned);
    void *ctx;
    void *ssl;
};

static void ask(struct client *it, const char *name)
{
    CHECK_INT(1, it->openssl.SSL_ctrl(it->ssl, CTRL_SET_HOSTNAME, 0, (void *)(uintptr_t)name));
}

/* An SSL whose first hello has a key share that the servers here do not take. */
static void open_client(struct client *it)
{
    load_openssl(&it->openssl);
#define LOAD(name) *(void **)&it->name = dlsym(it->openssl.library, #name)
    LOAD(TLS_client_method);
    LOAD(SSL_connect);
    LOAD(SSL_set_alpn_protos);
#undef LOAD
    it->ctx = it->openssl.SSL_CTX_new(it->TLS_client_method());
    CHECK(it->ctx);
    it->ssl = it->openssl.SSL_new(it->ctx);
    CHECK(it->ssl);
    CHECK_INT(1, it->openssl.SSL_ctrl(it->ssl, CTRL_SET_GROUPS_LIST, 0, (void *)(uintptr_t) "P-384:P-256"));
}

static void free_client(struct client *it)
{
    it->openssl.SSL_free(it->ssl);
    it->openssl.SSL_CTX_free(it->ctx);
}

/* Presents "good" by default; b.test demands a certificate of its clients, a.test does not. */
static bgl_ssl_config_t *two_hosts(void)
{
    bgl_ssl_config_t *server = server_config("good"), *a = server_config("host-a"), *b = server_config("host-b");
    bgl_ssl_config_t *const all[] = {server, a, b};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(bgl_ssl_config_set_groups(all[i], "P-256"));
    set_ca(b, "root.pem");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    add_host(server, "a.test", a);
    add_host(server, "b.test", b);
    return server;
}

static bgl_ssl_socket_t *make_server_end(struct client *client, const bgl_ssl_config_t *server)
{
    int fds[2];
    local_pair(fds);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[0], 0));
    close(fds[0]);
    bgl_ssl_socket_set_nonblocking(socket, true);
    CHECK_INT(0, fcntl(fds[1], F_SETFL, O_NONBLOCK));
    CHECK_INT(1, client->openssl.SSL_set_fd(client->ssl, fds[1]));
    return socket;
}

/* Asks for `first`, and for `second` from when the server has answered. */
static bgl_ssl_status_t handshake(struct client *client, bgl_ssl_socket_t *socket, const char *first, const char *second)
{
    bgl_ssl_status_t status = BGL_SSL_WANT_READ;
    ask(client, first);
    for (int step = 0; step < 10 && status > 0; step++) {
        int connected = client->SSL_connect(client->ssl);
        ask(client, second);
        status = bgl_ssl_socket_handshake(socket);
        if (connected == 1 && status == BGL_SSL_OK)
            break;
    }
    return status;
}

static void leave(struct client *client, bgl_ssl_socket_t *socket, int fd)
{
    bgl_ssl_socket_free(socket);
    free_client(client);
    close(fd);
}

TEST(a_second_hello_that_asks_for_another_host_is_refused)
{
    char name[64];
    struct client client;
    bgl_ssl_config_t *server = two_hosts();
    open_client(&client);
    bgl_ssl_socket_t *socket = make_server_end(&client, server);
    int fd = client.openssl.SSL_get_fd(client.ssl);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, handshake(&client, socket, "a.test", "b.test"));
    CHECK_MESSAGE("asks for another host than it did at first");
    CHECK(bgl_ssl_socket_server_name(socket, name, sizeof name) == 6);
    CHECK_STRING("a.test", name);
    CHECK(!bgl_ssl_socket_serves_host(socket, "b.test"));
    leave(&client, socket, fd);
    bgl_ssl_config_free(server);
}

TEST(a_second_hello_that_asks_for_the_same_host_is_served)
{
    char name[64];
    struct client client;
    bgl_ssl_config_t *server = two_hosts();
    open_client(&client);
    bgl_ssl_socket_t *socket = make_server_end(&client, server);
    int fd = client.openssl.SSL_get_fd(client.ssl);
    CHECK_OK(handshake(&client, socket, "a.test", "a.test"));
    bgl_ssl_socket_server_name(socket, name, sizeof name);
    CHECK_STRING("a.test", name);
    leave(&client, socket, fd);
    bgl_ssl_config_free(server);
}

/* Sends what is kept of the client's, in records of one byte. */
static void send_in_single_bytes(struct client *client, void *kept, int fd, bgl_ssl_socket_t *socket)
{
    char *bytes;
    long left = client->openssl.BIO_ctrl(kept, CTRL_INFO, 0, &bytes);
    while (left > 5) {
        size_t length = (size_t)(unsigned char)bytes[3] << 8 | (unsigned char)bytes[4];
        for (size_t i = 0; i < length; i++) {
            const char record[] = {bytes[0], bytes[1], bytes[2], 0, 1, bytes[5 + i]};
            while (send(fd, record, sizeof record, MSG_NOSIGNAL) < 0) {
                CHECK(errno == EAGAIN);
                if (bgl_ssl_socket_handshake(socket) < 0)
                    return;
            }
        }
        bytes += 5 + length;
        left -= 5 + (long)length;
    }
}

TEST(a_client_that_asks_in_too_many_records_to_be_looked_at_is_refused)
{
    enum { PROTOCOLS = 24000 };
    char name[64];
    struct client client;
    bgl_ssl_config_t *server = two_hosts();
    unsigned char *offered = malloc(2 * PROTOCOLS);
    for (size_t i = 0; i < PROTOCOLS; i++) {
        offered[2 * i] = 1;
        offered[2 * i + 1] = 'x';
    }
    open_client(&client);
    CHECK_INT(0, client.SSL_set_alpn_protos(client.ssl, offered, 2 * PROTOCOLS));
    ask(&client, "b.test");
    bgl_ssl_socket_t *socket = make_server_end(&client, server);
    int fd = client.openssl.SSL_get_fd(client.ssl);
    void *kept = client.openssl.BIO_new(client.openssl.BIO_s_mem());
    client.openssl.SSL_set0_wbio(client.ssl, kept);
    CHECK(client.SSL_connect(client.ssl) < 0);
    send_in_single_bytes(&client, kept, fd, socket);
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(socket));
    bgl_ssl_socket_server_name(socket, name, sizeof name);
    CHECK_STRING("", name);
    leave(&client, socket, fd);
    free(offered);
    bgl_ssl_config_free(server);
}
