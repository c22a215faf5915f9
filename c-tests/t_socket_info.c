/* The facts of a connection in one structure. */
#define _GNU_SOURCE
#include "harness.h"

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
    let_meet(&ends, client, server_config("good"));
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

TEST(bytes_are_counted_on_both_ends)
{
    struct ends ends;
    char buffer[16];
    let_meet(&ends, client_config(), server_config("good"));
    let_block(&ends);
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
    let_meet(&ends, client_config(), server_config("good"));
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
