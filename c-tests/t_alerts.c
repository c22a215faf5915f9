/* How a client tells what a peer has sent instead of a server's hello. */
#define _GNU_SOURCE
#include "harness.h"

struct sender {
    int listener;
    const void *data;
    size_t length;
};

/* Stays until the client hangs up, so that no reset overtakes what was sent. */
static void *send_to_one_client(void *data)
{
    const struct sender *it = data;
    char hello[4096];
    int fd = accept(it->listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK(read(fd, hello, sizeof hello) > 0);
    write_all(fd, it->data, it->length);
    read_until_end(fd, hello, sizeof hello);
    close(fd);
    return NULL;
}

/* Connects a client to a peer that sends these bytes and nothing else. */
static void connect_to_peer_that_sends(const void *data, size_t length)
{
    int port;
    struct sender sender = {plain_listener(AF_INET, "127.0.0.1", 0, 1, &port), data, length};
    pthread_t thread = start_thread(send_to_one_client, &sender);
    bgl_ssl_config_t *config = client_config();
    CHECK_REFUSED(BGL_SSL_E_PROTOCOL, bgl_ssl_connect(config, "127.0.0.1", port, AF_INET));
    bgl_ssl_config_free(config);
    join_thread(thread);
    close(sender.listener);
}

struct alert {
    const char *name;
    int number;
    const char *message;
};

static const struct alert alerts[] = {
    {"every_openssl_knows", 40, "handshake failure"},
    {"only_later_ones_know", 121, "ECH required"},
    {"is_for_datagrams", 52, "CIDs requested"},
    {"nobody_has_registered", 200, "(200)"},
    {"is_the_last_number", 255, "(255)"},
};

TEST_TABLE(an_alert_has_words_although_it, alerts)
{
    const struct alert *it = row;
    const unsigned char record[] = {21, 3, 3, 0, 2, 2, (unsigned char)it->number};
    connect_to_peer_that_sends(record, sizeof record);
    CHECK_INT(it->number, last_error().alert);
    CHECK_MESSAGE("the peer sent an alert");
    CHECK_MESSAGE(it->message);
    CHECK(!strstr(last_error().message, "OpenSSL error"));
    /* OpenSSL names the version that has introduced the alert, which is not that of the connection. */
    CHECK(!strstr(last_error().message, "sslv3"));
}

/* It may be a record of an extension that is negotiated, or damage; it is not another protocol. */
TEST(a_first_record_of_an_unknown_type_is_not_taken_for_another_protocol)
{
    static const unsigned char types[] = {0, 24, 25, 26, 99, 255};
    for (size_t i = 0; i < COUNT(types); i++) {
        const unsigned char record[] = {types[i], 3, 3, 0, 2, 2, 40};
        connect_to_peer_that_sends(record, sizeof record);
        CHECK_MESSAGE("unknown type");
        CHECK(!strstr(last_error().message, "does not speak TLS"));
    }
}

TEST(other_protocols_are_still_recognized)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static const char words[] = "good morning";
    connect_to_peer_that_sends(http, sizeof http - 1);
    CHECK_MESSAGE("looks like HTTP");
    connect_to_peer_that_sends(words, sizeof words - 1);
    CHECK_MESSAGE("does not speak TLS");
}
