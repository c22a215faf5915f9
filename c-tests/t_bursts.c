/* Peers that send several things at once, or one thing in pieces, as OpenSSL may. */
#include "openssl_peer.h"

static bgl_ssl_socket_t *connect_to_openssl(struct openssl_peer *peer)
{
    int fds[2];
    memset(peer, 0, sizeof *peer);
    load_openssl(&peer->openssl);
    tcp_pair(fds);
    peer->fd = fds[1];
    pthread_t thread = start_thread(openssl_accept_in_thread, peer);
    bgl_ssl_config_t *config = client_config();
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    bgl_ssl_config_free(config);
    close(fds[0]);
    join_thread(thread);
    return client;
}

static void end_openssl_connection(struct openssl_peer *peer, bgl_ssl_socket_t *client)
{
    bgl_ssl_socket_free(client);
    openssl_free(peer);
    close(peer->fd);
}

static void ask(const bgl_ssl_socket_t *client, struct openssl_peer *peer)
{
    char byte;
    send_bytes(client, "?", 1);
    CHECK_INT(1, peer->openssl.SSL_read(peer->ssl, &byte, 1));
}

static void check_reads(const bgl_ssl_socket_t *client, const char *text)
{
    char buffer[2];
    receive_bytes(client, buffer, 2);
    CHECK_INT(text[0], buffer[0]);
    CHECK_INT(text[1], buffer[1]);
}

/* A client whose peer has answered by three records at once, the last two behind a key update; the first has been read. */
static bgl_ssl_socket_t *read_up_to_a_key_update(struct openssl_peer *peer)
{
    char *bytes;
    bgl_ssl_socket_t *client = connect_to_openssl(peer);
    ask(client, peer);
    CHECK_INT(2, peer->openssl.SSL_write(peer->ssl, "A0", 2));
    openssl_key_update(peer, NOT_REQUESTED);
    CHECK_INT(2, peer->openssl.SSL_write(peer->ssl, "A1", 2));
    CHECK_INT(2, peer->openssl.SSL_write(peer->ssl, "A2", 2));
    long n = openssl_kept(peer, &bytes);
    write_all(peer->fd, bytes, (size_t)n);
    check_reads(client, "A0");
    return client;
}

TEST(what_comes_behind_a_key_update_is_read)
{
    struct openssl_peer peer;
    bgl_ssl_socket_t *client = read_up_to_a_key_update(&peer);
    check_reads(client, "A1");
    ask(client, &peer);
    check_reads(client, "A2");
    end_openssl_connection(&peer, client);
}

TEST(what_comes_behind_a_key_update_is_pending)
{
    struct openssl_peer peer;
    bgl_ssl_socket_t *client = read_up_to_a_key_update(&peer);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_INT(2, (long long)bgl_ssl_socket_pending(client));
    check_reads(client, "A1");
    CHECK_INT(2, (long long)bgl_ssl_socket_pending(client));
    check_reads(client, "A2");
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(client));
    end_openssl_connection(&peer, client);
}

static void *read_until_failure(void *data)
{
    char byte;
    size_t n;
    while (bgl_ssl_socket_read(data, &byte, 1, &n) == BGL_SSL_OK)
        continue;
    return NULL;
}

static void *write_a_byte(void *data)
{
    send_bytes(data, "w", 1);
    return NULL;
}

/* OpenSSL writes nothing while a message of a handshake has come in part: the writer waits for the rest of it, which the
 * reader takes. */
TEST(a_writer_goes_on_once_a_reader_has_the_rest_of_a_ticket)
{
    static const char much[2000];
    char *bytes, byte;
    for (int round = 0; round < 30; round++) { /* which thread meets the rest first is a matter of luck */
        struct openssl_peer peer;
        bgl_ssl_socket_t *client = connect_to_openssl(&peer);
        struct openssl *o = &peer.openssl;
        if (!o->SSL_new_session_ticket)
            skip_test("a libssl of 3.0 or later");
        pthread_t reader = start_thread(read_until_failure, client);
        CHECK_INT(1, (long long)o->SSL_ctrl(peer.ssl, CTRL_SET_MAX_SEND_FRAGMENT, 512, NULL));
        CHECK_INT(1, o->SSL_SESSION_set1_ticket_appdata(o->SSL_get_session(peer.ssl), much, sizeof much));
        CHECK(o->SSL_new_session_ticket(peer.ssl) == 1 && o->SSL_do_handshake(peer.ssl) == 1);
        long n = openssl_kept(&peer, &bytes);
        size_t first = 5 + 256 * (size_t)(unsigned char)bytes[3] + (unsigned char)bytes[4];
        CHECK((size_t)n > first);
        usleep(20000); /* nothing tells from outside when a thread has begun to wait */
        write_all(peer.fd, bytes, first);
        usleep(20000);
        pthread_t writer = start_thread(write_a_byte, client);
        usleep(20000);
        write_all(peer.fd, bytes + first, (size_t)n - first);
        CHECK_INT(1, o->SSL_read(peer.ssl, &byte, 1));
        join_thread(writer);
        CHECK_OK(bgl_ssl_socket_set_close_timeout(client, 0));
        bgl_ssl_socket_close(client);
        join_thread(reader);
        end_openssl_connection(&peer, client);
    }
}
