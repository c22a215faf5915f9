/* The facts of a connection in one structure. */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/syscall.h>

static bgl_ssl_socket_info_t info_of(const bgl_ssl_socket_t *socket)
{
    bgl_ssl_socket_info_t info = {.size = sizeof info};
    CHECK_OK(bgl_ssl_socket_info(socket, &info));
    CHECK_INT(sizeof info, info.size);
    return info;
}

struct row {
    const char *name;
    int protocol;
    int number;
    const char *text;
};

static const struct row rows[] = {
    {"tls_1_2", BGLSSL_TLSV1_2, 0x303, "TLSv1.2"},
    {"tls_1_3", BGLSSL_TLSV1_3, 0x304, "TLSv1.3"},
};

TEST_TABLE(both_ends_tell_of, rows)
{
    const struct row *it = row;
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, it->protocol));
    CHECK_OK(bgl_ssl_config_set_groups(client, "P-256"));
    connect_with(&ends, client, server_config("good"));
    bgl_ssl_socket_info_t of_client = info_of(ends.client), of_server = info_of(ends.server);
    CHECK_STRING(it->text, of_client.protocol);
    CHECK_INT(it->number, of_client.protocol_number);
    CHECK_INT(it->number, of_server.protocol_number);
    CHECK_STRING(bgl_ssl_socket_cipher(ends.client), of_client.cipher);
    CHECK_STRING(of_client.cipher, of_server.cipher);
    CHECK_INT(of_client.cipher_number, of_server.cipher_number);
    CHECK(of_client.cipher_number != 0 && of_client.cipher_bits >= 128);
    CHECK_STRING(of_client.group, of_server.group);
    if (strncmp(bgl_ssl_version(), "OpenSSL 1.", 10) != 0)
        CHECK(strcmp(of_client.group, "secp256r1") == 0 || strcmp(of_client.group, "P-256") == 0 ||
              strcmp(of_client.group, "prime256v1") == 0);
    CHECK_STRING("id-ecPublicKey with SHA256", of_client.peer_signature);
    CHECK_STRING(of_client.peer_signature, of_server.signature);
    CHECK_STRING("", of_client.signature);
    CHECK(of_client.handshake_time >= 0);
    CHECK(!of_client.resumed);
    free_ends(&ends);
}

/* ---- reads that take their time: this program's own recv and recvmsg stand before the system's ---- */

enum { READ_TIME = 30 * MS };

static bool reads_are_slow;

static void take_time(void)
{
    if (reads_are_slow)
        for (int64_t end = now_us() + READ_TIME; now_us() < end;)
            continue;
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
    take_time();
    return recvfrom(fd, data, length, flags, NULL, NULL);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    take_time();
    return syscall(SYS_recvmsg, fd, message, flags);
}

TEST(the_last_step_is_part_of_the_time_that_a_handshake_takes)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    CHECK_OK(bgl_ssl_config_freeze(client));
    local_pair(fds);
    bgl_ssl_socket_t *far = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(server, fds[1], 0));
    bgl_ssl_socket_t *near = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    int64_t made = now_us(), last_step = 0;
    bgl_ssl_status_t status;
    CHECK_OK(bgl_ssl_socket_set_nonblocking(near, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(far, true));
    do {
        last_step = now_us();
        reads_are_slow = true;
        status = bgl_ssl_socket_handshake(near);
        reads_are_slow = false;
        CHECK(status >= 0);
        CHECK(bgl_ssl_socket_handshake(far) >= 0);
    } while (status != BGL_SSL_OK);
    CHECK(info_of(near).handshake_time >= last_step - made + READ_TIME);
    bgl_ssl_socket_free(near);
    bgl_ssl_socket_free(far);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(bytes_are_counted_on_both_ends)
{
    struct ends ends;
    char buffer[16];
    connect_with(&ends, client_config(), server_config("good"));
    set_ends_blocking(&ends);
    CHECK_INT(0, info_of(ends.client).bytes_written);
    send_bytes(ends.client, "0123456789", 10);
    receive_bytes(ends.server, buffer, 4);
    receive_bytes(ends.server, buffer, 6);
    CHECK_INT(10, info_of(ends.client).bytes_written);
    CHECK_INT(0, info_of(ends.client).bytes_read);
    CHECK_INT(10, info_of(ends.server).bytes_read);
    free_ends(&ends);
}

TEST(before_the_handshake_nothing_is_known)
{
    struct ends ends;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *server = server_config("good");
    make_ends(&ends, client, server, "localhost");
    bgl_ssl_socket_info_t info = info_of(ends.client);
    CHECK_INT(-1, info.handshake_time);
    CHECK_INT(0, info.protocol_number);
    CHECK_STRING("", info.protocol);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(the_size_field_must_be_set)
{
    struct ends ends;
    struct {
        bgl_ssl_socket_info_t info;
        char later[64];
    } larger;
    bgl_ssl_socket_info_t info = {.size = 0};
    connect_with(&ends, client_config(), server_config("good"));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_info(ends.client, &info));
    info.size = SIZE_MAX;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_info(ends.client, &info));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_info(ends.client, NULL));
    info.size = sizeof info;
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_info(NULL, &info));
    memset(&larger, 1, sizeof larger);
    larger.info.size = sizeof larger;
    CHECK_OK(bgl_ssl_socket_info(ends.client, &larger.info));
    CHECK_INT(sizeof info, larger.info.size);
    CHECK_INT(0, larger.later[0] | larger.later[63]);
    free_ends(&ends);
}
