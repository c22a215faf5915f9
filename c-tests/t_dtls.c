/* DTLS over UDP on the loopback: the functions of streams serve datagrams, each write one record, each read one. */
#define _GNU_SOURCE
#include "datagram_pair.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

struct host {
    const char *name;
    const char *host;
    const char *listen;
    const char *seen;
    int family;
};

static const struct host hosts[] = {
    {"ipv4", "127.0.0.1", "127.0.0.1", "127.0.0.1", AF_INET},
    {"ipv6", "::1", "::1", "::1", AF_INET6},
    {"name_whose_first_address_may_not_answer", "localhost", "127.0.0.1", "127.0.0.1", AF_UNSPEC},
    {"ipv4_at_every_interface", "127.0.0.1", NULL, "127.0.0.1", AF_INET},
    {"other_loopback_address_at_every_interface", "127.0.0.2", NULL, "127.0.0.2", AF_INET},
    {"ipv6_at_every_interface", "::1", NULL, "::1", AF_UNSPEC},
    {"ipv4_at_every_interface_of_ipv6", "127.0.0.1", NULL, "127.0.0.1", AF_UNSPEC},
    {"second_address_at_every_interface_of_ipv6", "127.0.0.3", NULL, "127.0.0.3", AF_UNSPEC},
};

static void *accept_one(void *data)
{
    struct pair *pair = data;
    bgl_ssl_status_t status = bgl_ssl_server_accept(pair->service.server, 20 * SECOND * slowness(), &pair->server);
    if (status != BGL_SSL_OK)
        FAIL("accept: %s", last_error().message);
    return NULL;
}

TEST_TABLE(dtls_connects_and_talks_by, hosts)
{
    const struct host *it = row;
    struct pair pair = {0};
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("good"));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    int family = it->listen && strchr(it->listen, ':') ? AF_INET6 : it->listen ? AF_INET : it->family;
    pair.service.server = bgl_ssl_listen(server, it->listen, 0, 5, family);
    /* A system that knows IPv6 may have no address of it. */
    int probe = strchr(it->host, ':') ? plain_listener(AF_INET6, "::1", 0, 1, NULL) : 0;
    if (probe < 0)
        skip_test("IPv6 on the loopback");
    if (probe > 0)
        close(probe);
    int port = bgl_ssl_server_port(MADE(bgl_ssl_server_t, pair.service.server));
    pthread_t thread = start_thread(accept_one, &pair);
    pair.client = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, it->host, port, it->family));
    join_thread(thread);
    CHECK(bgl_ssl_socket_is_datagram(pair.client) && bgl_ssl_socket_is_datagram(pair.server));
    CHECK_STRING("DTLSv1.2", bgl_ssl_socket_protocol(pair.server));

    char text[64], other[64];
    int seen_port = 0, other_port = 0;
    bgl_ssl_socket_local_address(pair.server, text, sizeof text, &seen_port);
    CHECK_STRING(it->seen, text);
    CHECK_INT(port, seen_port);
    bgl_ssl_socket_peer_address(pair.server, text, sizeof text, &seen_port);
    bgl_ssl_socket_local_address(pair.client, other, sizeof other, &other_port);
    CHECK_STRING(other, text);
    CHECK_INT(other_port, seen_port);

    size_t n;
    char buffer[64];
    send_bytes(pair.client, "hello", 5);
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(5, (long long)n);
    send_bytes(pair.server, "hi", 2);
    CHECK_OK(bgl_ssl_socket_read(pair.client, buffer, sizeof buffer, &n));
    CHECK_INT(2, (long long)n);

    CHECK_OK(bgl_ssl_socket_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    finish(pair.server);
    finish(pair.client);
    bgl_ssl_server_free(pair.service.server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(the_short_forms_speak_dtls)
{
    bgl_ssl_certificate_t *certificate_of_server = certificate("good.pem"), *ca = certificate("root.pem");
    bgl_ssl_private_key_t *key = private_key("good.key");
    const bgl_ssl_certificate_t *cas[] = {ca};
    struct pair pair = {0};
    pair.service.server = MADE(bgl_ssl_server_t, bgl_make_ssl_server_socket("127.0.0.1", 0, BGLSSL_DTLSV1, certificate_of_server,
                                                                    key, NULL, 0, NULL, 0, 5, AF_INET));
    pthread_t thread = start_thread(accept_one, &pair);
    pair.client = MADE(bgl_ssl_socket_t, bgl_make_ssl_client_socket("127.0.0.1", bgl_ssl_server_port(pair.service.server),
                                                                    20 * SECOND, BGLSSL_DTLSV1, NULL, NULL, cas, 1, NULL,
                                                                    0, AF_INET));
    join_thread(thread);
    char byte;
    size_t n;
    send_bytes(pair.client, "x", 1);
    CHECK_OK(bgl_ssl_socket_read(pair.server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_shutdown(pair.client));
    finish(pair.server);
    finish(pair.client);
    bgl_ssl_server_free(pair.service.server);
    bgl_ssl_certificate_free(certificate_of_server);
    bgl_ssl_certificate_free(ca);
    bgl_ssl_private_key_free(key);
}

/* ---- records ---- */

TEST(each_write_is_one_read)
{
    struct pair pair;
    char buffer[1024];
    size_t n;
    connect_pair(&pair);
    for (size_t length = 1; length <= 1000; length += 111)
        send_bytes(pair.client, memset(buffer, (int)length, sizeof buffer), length);
    for (size_t length = 1; length <= 1000; length += 111) {
        CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
        CHECK_INT((long long)length, (long long)n);
        CHECK_INT((char)length, buffer[0]);
    }
    end_pair(&pair);
}

TEST(a_buffer_too_small_for_a_record_loses_nothing)
{
    struct pair pair;
    char buffer[16384];
    size_t n = 99;
    connect_pair(&pair);
    send_bytes(pair.client, memset(buffer, 'a', sizeof buffer), 1000);
    send_bytes(pair.client, "next", 4);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_read(pair.server, buffer, 999, &n));
    CHECK_INT(0, (long long)n);
    CHECK_MESSAGE("1000");
    CHECK_MESSAGE("999");
    CHECK_INT(1000, (long long)bgl_ssl_socket_pending(pair.server));
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, 1000, &n));
    CHECK_INT(1000, (long long)n);
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(4, (long long)n);
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(pair.server));
    end_pair(&pair);
}

TEST(a_write_too_large_for_a_record_names_the_limit_and_sends_nothing)
{
    struct pair pair;
    static char data[20000], buffer[16384];
    size_t n = 99;
    connect_pair(&pair);
    size_t limit = bgl_ssl_socket_max_datagram(pair.client);
    char text[32];
    snprintf(text, sizeof text, "%zu", limit);
    CHECK(limit > 1000 && limit <= 16384);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_write(pair.client, data, limit + 1, &n));
    CHECK_INT(0, (long long)n);
    CHECK_MESSAGE(text);
    CHECK_INT(EMSGSIZE, last_error().sys_errno);
    send_bytes(pair.client, data, limit);
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT((long long)limit, (long long)n);
    end_pair(&pair);
}

TEST(nothing_is_sent_for_an_empty_write)
{
    struct pair pair;
    char buffer[16];
    size_t n = 99;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_write(pair.client, NULL, 0, &n));
    CHECK_INT(0, (long long)n);
    send_bytes(pair.client, "x", 1);
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(1, (long long)n);
    end_pair(&pair);
}

/* A server that says something before it looks what its client has said. */
TEST(a_write_leaves_what_has_come_to_poll)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    send_bytes(pair.client, "question", 8);
    await_readable(bgl_ssl_socket_fd(pair.server));
    send_bytes(pair.server, "greeting", 8);
    await_readable(bgl_ssl_socket_fd(pair.server));
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(8, (long long)n);
    end_pair(&pair);
}

struct full_duplex {
    bgl_ssl_socket_t *socket;
    bool done;
};

static void *write_until_done(void *data)
{
    struct full_duplex *both = data;
    while (!__atomic_load_n(&both->done, __ATOMIC_SEQ_CST))
        send_bytes(both->socket, "tick", 4);
    return NULL;
}

static void *read_and_be_done(void *data)
{
    struct full_duplex *both = data;
    char byte;
    size_t n;
    CHECK_OK(bgl_ssl_socket_read(both->socket, &byte, 1, &n));
    __atomic_store_n(&both->done, true, __ATOMIC_SEQ_CST);
    return NULL;
}

TEST(a_thread_that_writes_takes_nothing_from_one_that_reads)
{
    for (int round = 0; round < 10; round++) {
        struct pair pair;
        connect_pair(&pair);
        struct full_duplex both = {pair.server, false};
        CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.client, 10 * MS));
        CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.server, 10 * MS));
        CHECK_OK(bgl_ssl_socket_set_read_timeout(pair.server, 5 * SECOND * slowness()));
        pthread_t reader = start_thread(read_and_be_done, &both), writer = start_thread(write_until_done, &both);
        usleep(2000);
        send_bytes(pair.client, "x", 1);
        join_thread(reader);
        join_thread(writer);
        end_pair(&pair);
    }
}

/* ---- MTU ---- */

TEST(the_mtu_bounds_the_records)
{
    struct pair pair;
    static char data[2000];
    size_t n;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_mtu(client, 1000));
    connect_pair_with(&pair, client, server_config("good"));
    CHECK_INT(1000, bgl_ssl_socket_mtu(pair.client));
    size_t limit = bgl_ssl_socket_max_datagram(pair.client);
    CHECK(limit > 800 && limit < 1000 - 28 - 13);
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_write(pair.client, data, limit + 1, &n));
    CHECK_OK(bgl_ssl_socket_set_mtu(pair.client, 1500));
    CHECK_INT(1500, bgl_ssl_socket_mtu(pair.client));
    CHECK_INT((long long)limit + 500, (long long)bgl_ssl_socket_max_datagram(pair.client));
    send_bytes(pair.client, data, limit + 500);
    CHECK_OK(bgl_ssl_socket_set_mtu(pair.client, 0));
    CHECK(bgl_ssl_socket_mtu(pair.client) > 1500);
    end_pair(&pair);
}

static bool set_loopback(unsigned long request, int value)
{
    struct ifreq loopback = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (request == SIOCSIFMTU)
        loopback.ifr_mtu = value;
    else
        loopback.ifr_flags = (short)value;
    bool done = ioctl(fd, request, &loopback) == 0;
    close(fd);
    return done;
}

/* In a network of its own, whose only link becomes narrower and wider again. */
TEST(the_limit_follows_the_mtu_of_the_path)
{
    struct pair pair;
    static char data[9000];
    size_t n;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || !set_loopback(SIOCSIFMTU, 1500) || !set_loopback(SIOCSIFFLAGS, IFF_UP))
        skip_test("a network of its own");
    connect_pair(&pair);
    CHECK_INT(1500, bgl_ssl_socket_mtu(pair.client));
    size_t limit = bgl_ssl_socket_max_datagram(pair.client);
    CHECK(limit > 1300 && limit < 1500 - 28 - 13);
    CHECK(set_loopback(SIOCSIFMTU, 1000));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_write(pair.client, data, limit, &n));
    CHECK_INT(EMSGSIZE, last_error().sys_errno);
    CHECK_INT(1000, bgl_ssl_socket_mtu(pair.client));
    CHECK_INT((long long)limit - 500, (long long)bgl_ssl_socket_max_datagram(pair.client));
    send_bytes(pair.client, data, limit - 500);
    CHECK(set_loopback(SIOCSIFMTU, 9000));
    send_bytes(pair.client, data, limit + 1);
    CHECK_INT((long long)limit + 7500, (long long)bgl_ssl_socket_max_datagram(pair.client));
    end_pair(&pair);
}

TEST(a_handshake_fits_into_small_datagrams)
{
    struct pair pair;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good-rsa");
    CHECK_OK(bgl_ssl_config_set_mtu(client, 300));
    CHECK_OK(bgl_ssl_config_set_mtu(server, 300));
    connect_pair_with(&pair, client, server);
    end_pair(&pair);
}

/* Long names make a long client hello. */
static void offer_protocols(bgl_ssl_config_t *client, size_t count)
{
    static char names[25][201];
    const char *protocols[COUNT(names)];
    for (size_t i = 0; i < count; i++)
        protocols[i] = memset(names[i], 'a' + (int)i, 200);
    CHECK_OK(bgl_ssl_config_set_alpn(client, protocols, count));
}

TEST(a_hello_in_many_small_datagrams_is_understood)
{
    struct pair pair;
    bgl_ssl_config_t *client = client_config();
    offer_protocols(client, 8);
    CHECK_OK(bgl_ssl_config_set_mtu(client, 256));
    connect_pair_with(&pair, client, server_config("good"));
    end_pair(&pair);
}

TEST(a_long_hello_in_one_datagram_is_understood)
{
    struct pair pair;
    bgl_ssl_config_t *client = client_config();
    offer_protocols(client, 25);
    connect_pair_with(&pair, client, server_config("good"));
    end_pair(&pair);
}

TEST(an_mtu_out_of_range_is_refused)
{
    struct pair pair;
    bgl_ssl_config_t *config = client_config();
    const int wrong[] = {-1, 1, 255, 65536, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(wrong); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_mtu(config, wrong[i]));
    connect_pair_with(&pair, config, server_config("good"));
    for (size_t i = 0; i < COUNT(wrong); i++)
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_mtu(pair.client, wrong[i]));
    end_pair(&pair);
}

TEST(a_stream_has_neither_mtu_nor_timers)
{
    struct ends ends;
    connect_with(&ends, client_config(), server_config("good"));
    CHECK(!bgl_ssl_socket_is_datagram(ends.client));
    CHECK_INT(0, bgl_ssl_socket_mtu(ends.client));
    CHECK_INT(0, (long long)bgl_ssl_socket_max_datagram(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_set_mtu(ends.client, 1500));
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    CHECK_OK(bgl_ssl_socket_handle_timeout(ends.client));
    free_ends(&ends);
}

TEST(the_functions_for_datagrams_survive_null_and_nonsense)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_mtu(NULL, 1500));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_retransmission_timeout(NULL, SECOND));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_idle_timeout(NULL, SECOND));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_peers(NULL, 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_peers_per_host(NULL, 1));
    CHECK_OK(bgl_ssl_config_set_max_peers_per_host(config, 0));
    CHECK(!bgl_ssl_socket_is_datagram(NULL));
    CHECK_INT(0, bgl_ssl_socket_mtu(NULL));
    CHECK_INT(0, (long long)bgl_ssl_socket_max_datagram(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_set_mtu(NULL, 1500));
    CHECK_INT(-1, bgl_ssl_socket_timeout(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_handle_timeout(NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_retransmission_timeout(config, 0));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_retransmission_timeout(config, -1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_retransmission_timeout(config, 60 * SECOND + 1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_idle_timeout(config, -1));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_max_peers(config, 0));
    bgl_ssl_config_free(config);
}

/* ---- ends ---- */

TEST(close_notify_goes_both_ways)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_shutdown(pair.server));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(pair.client, buffer, sizeof buffer, &n));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(pair.client, buffer, sizeof buffer, &n));
    send_bytes(pair.client, "still", 5);
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(5, (long long)n);
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_write(pair.server, "no", 2, &n));
    CHECK_OK(bgl_ssl_socket_shutdown(pair.client));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    end_pair(&pair);
}

TEST(a_silent_peer_is_a_timeout_and_not_the_end)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(pair.server, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    send_bytes(pair.client, "x", 1);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(pair.server, 20 * SECOND));
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    end_pair(&pair);
}

TEST(a_client_silent_for_too_long_is_dropped)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    bgl_ssl_config_t *server = server_config("good");
    int64_t idle = 200 * MS * slowness(); /* long enough for the handshake */
    CHECK_OK(bgl_ssl_config_set_idle_timeout(server, idle));
    connect_pair_with(&pair, client_config(), server);
    CHECK(bgl_ssl_socket_timeout(pair.server) <= idle);
    CHECK_INT(-1, bgl_ssl_socket_timeout(pair.client));
    int64_t began = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK(now_us() - began < 10 * SECOND * slowness());
    send_bytes(pair.client, "too late", 8);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(pair.server));
    end_pair(&pair);
}

TEST(a_peer_that_has_gone_is_refused_but_the_socket_lives_on)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    bgl_ssl_socket_free(pair.client);
    pair.client = NULL;
    send_bytes(pair.server, "x", 1);
    await_readable(bgl_ssl_socket_fd(pair.server));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(pair.server, 50 * MS));
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    end_pair(&pair);
}

static int unused_udp_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_INT(0, bind(*fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, getsockname(*fd, (struct sockaddr *)&address, &length));
    return ntohs(address.sin_port);
}

TEST(nobody_there_is_connection_refused_after_a_second_try)
{
    int fd, port = unused_udp_port(&fd);
    bgl_ssl_config_t *client = over_datagrams(client_config());
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(client, 100 * MS));
    close(fd);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    bgl_ssl_config_free(client);
}

TEST(a_silent_server_is_a_timeout)
{
    int fd, port = unused_udp_port(&fd);
    bgl_ssl_config_t *client = over_datagrams(client_config());
    CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 200 * MS));
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
    CHECK(now_us() - began >= 195 * MS && now_us() - began < 10 * SECOND);
    close(fd);
    bgl_ssl_config_free(client);
}

TEST(closing_does_not_wait_for_a_peer_that_has_closed)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.client, 20 * SECOND));
    CHECK_OK(bgl_ssl_socket_shutdown(pair.server));
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(pair.client, buffer, sizeof buffer, &n));
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(pair.client));
    CHECK(now_us() - began < 10 * SECOND);
    end_pair(&pair);
}

/* A peer that reads nothing sends no close_notify. */
TEST(closing_does_not_wait_long_for_a_peer_that_reads_nothing)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_write(pair.client, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(pair.server, buffer, sizeof buffer, &n));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.client, 20 * SECOND));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.server, 20 * SECOND));
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(pair.server));
    CHECK(now_us() - began < 10 * SECOND);
    end_pair(&pair);
}

TEST(closing_waits_no_longer_than_its_limit)
{
    struct pair pair;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.client, 100 * MS));
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(pair.client));
    CHECK(now_us() - began >= 95 * MS && now_us() - began < 10 * SECOND);
    end_pair(&pair);
}

static void *read_until_closed(void *data)
{
    char buffer[16];
    size_t n;
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(data, buffer, sizeof buffer, &n));
    return NULL;
}

TEST(a_close_wakes_the_thread_that_reads)
{
    struct pair pair;
    connect_pair(&pair);
    pthread_t thread = start_thread(read_until_closed, pair.server);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(pair.server, 10 * MS));
    usleep(20000);
    CHECK_OK(bgl_ssl_socket_close(pair.server));
    join_thread(thread);
    end_pair(&pair);
}

/* ---- non-blocking ---- */

TEST(an_event_loop_can_drive_both_ends)
{
    int fds[2];
    struct ends ends;
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("good"));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    make_ends_over(&ends, client, server, "localhost", fds);
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK(ends.want_reads > 0);
    CHECK(exchange_bytes(&ends));
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_lost_flight_is_sent_again_when_its_time_has_come)
{
    int fds[2];
    char datagram[2048];
    struct ends ends;
    /* Longer than the first flight takes to make, or that is sent twice before the test looks. */
    int64_t first_timer = 100 * MS * slowness();
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("good"));
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(client, first_timer));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    int peek = dup(fds[1]);
    make_ends_over(&ends, client, server, "localhost", fds);
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(ends.client));
    ssize_t first = recv(peek, datagram, sizeof datagram, MSG_DONTWAIT);
    CHECK(first > 0);
    int64_t left = bgl_ssl_socket_timeout(ends.client);
    CHECK(left >= 0 && left <= first_timer);
    while (bgl_ssl_socket_timeout(ends.client) > 0) {
        CHECK_OK(bgl_ssl_socket_handle_timeout(ends.client));
        struct pollfd wait = {peek, POLLIN, 0};
        poll(&wait, 1, 5);
        if (wait.revents)
            break;
    }
    CHECK_OK(bgl_ssl_socket_handle_timeout(ends.client));
    CHECK_INT((long long)first, (long long)recv(peek, datagram, sizeof datagram, MSG_DONTWAIT | MSG_PEEK));
    step_handshakes(&ends);
    CHECK_OK(ends.client_status);
    CHECK_OK(ends.server_status);
    CHECK_INT(-1, bgl_ssl_socket_timeout(ends.client));
    close(peek);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* How far the wall clock, which OpenSSL's timers go by, has been set back. */
static _Atomic int64_t seconds_back;
static _Atomic long clock_reads;

/* Stands in for the C library's. */
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec real;
    (void)zone;
    clock_reads++;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec - (time_t)seconds_back;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}

TEST(a_clock_that_is_set_back_does_not_make_timers_longer_than_they_were)
{
    int fds[2];
    bgl_ssl_config_t *config = over_datagrams(client_config());
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(config, true));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    bgl_ssl_socket_t *client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(config, fds[0], "localhost", 0));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(client));
    int64_t before = bgl_ssl_socket_timeout(client);
    CHECK(before > 0 && before <= SECOND);
    if (clock_reads == 0)
        skip_test("an OpenSSL that asks gettimeofday for the time");
    seconds_back = 3600;
    CHECK(bgl_ssl_socket_timeout(client) > 0);
    CHECK(bgl_ssl_socket_timeout(client) <= SECOND);
    CHECK_OK(bgl_ssl_socket_handle_timeout(client));
    bgl_ssl_socket_free(client);
    bgl_ssl_config_free(config);
    close(fds[0]);
    close(fds[1]);
}

TEST(nothing_is_sent_again_before_its_time)
{
    const int64_t timeout = 14 * MS;
    bgl_ssl_config_t *client = over_datagrams(client_config());
    CHECK_OK(bgl_ssl_config_set_retransmission_timeout(client, timeout));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    bool in_time = false;
    for (int tries = 0; tries < 100 && !in_time; tries++) {
        int fds[2];
        char datagram[2048];
        CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
        bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
        CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, true));
        int64_t began = now_us();
        for (int i = 0; i < 3; i++) {
            CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
            CHECK_OK(bgl_ssl_socket_handle_timeout(socket));
        }
        in_time = now_us() - began < timeout;
        CHECK(recv(fds[1], datagram, sizeof datagram, MSG_DONTWAIT) > 0);
        CHECK(!in_time || recv(fds[1], datagram, sizeof datagram, MSG_DONTWAIT) < 0);
        bgl_ssl_socket_free(socket);
        close(fds[0]);
        close(fds[1]);
    }
    bgl_ssl_config_free(client);
    if (!in_time)
        skip_test("a machine that begins a handshake in 14 ms");
}

/* ---- what streams have ---- */

TEST(alpn_sni_and_certificates_are_as_for_streams)
{
    static const char *const protocols[] = {"one", "two"};
    struct pair pair;
    char text[64];
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    CHECK_OK(bgl_ssl_config_set_alpn(client, protocols, 2));
    CHECK_OK(bgl_ssl_config_set_alpn(server, protocols + 1, 1));
    set_certificate(client, "client");
    set_ca(server, "root.pem");
    connect_pair_with(&pair, client, server);
    bgl_ssl_socket_alpn(pair.client, text, sizeof text);
    CHECK_STRING("two", text);
    bgl_ssl_socket_server_name(pair.server, text, sizeof text);
    CHECK_STRING("localhost", text);
    bgl_ssl_certificate_t *peer = MADE(bgl_ssl_certificate_t, bgl_ssl_socket_peer_certificate(pair.server));
    CHECK_STRING("client", bgl_ssl_certificate_subject(peer));
    bgl_ssl_certificate_free(peer);
    end_pair(&pair);
}

TEST(a_session_is_resumed)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = over_datagrams(client_config()), *server = over_datagrams(server_config("good"));
    start_service_for(&both, client, server, 2, serve_echo, NULL);
    bgl_ssl_socket_t *first = connect_to(client, both.service.port);
    CHECK(!bgl_ssl_socket_session_reused(first));
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(first));
    finish(first);
    bgl_ssl_socket_t *second =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_resume(client, "127.0.0.1", both.service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(second));
    check_echo(second, "again");
    finish(second);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST(dtls_1_0_is_spoken_only_where_asked_for)
{
    struct pair pair;
    bgl_ssl_config_t *configs[2] = {over_datagrams(client_config()), over_datagrams(server_config("good-rsa"))};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(bgl_ssl_config_set_min_protocol(configs[i], BGLSSL_TLSV1_1));
        CHECK_OK(bgl_ssl_config_set_max_protocol(configs[i], BGLSSL_TLSV1_1));
        if (bgl_ssl_config_freeze(configs[i]) != BGL_SSL_OK)
            skip_test("an OpenSSL with DTLS 1.0");
    }
    start_service(&pair.service, configs[1], 1, serve_echo, NULL);
    bgl_ssl_socket_t *client = bgl_ssl_connect(configs[0], "127.0.0.1", pair.service.port, AF_INET);
    CHECK_STRING("DTLSv1", bgl_ssl_socket_protocol(MADE(bgl_ssl_socket_t, client)));
    finish(client);
    end_service(&pair.service);
    bgl_ssl_config_free(configs[0]);
    bgl_ssl_config_free(configs[1]);
}

TEST(a_stream_protocol_does_not_run_over_datagrams)
{
    int fds[2];
    bgl_ssl_config_t *client = client_config();
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0));
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

static uint16_t checksum(const void *data, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += (uint32_t)(((const uint8_t *)data)[i] << 8 | ((const uint8_t *)data)[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* What a router answers to a datagram that its next network does not take. */
static void answer_as_a_router(int fd, uint16_t mtu)
{
    struct sockaddr_in self, peer;
    socklen_t size = sizeof self;
    struct {
        struct icmphdr icmp;
        struct iphdr ip;
        struct udphdr udp;
    } answer = {.icmp = {.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED}};
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&self, &size));
    CHECK_INT(0, getpeername(fd, (struct sockaddr *)&peer, &size));
    answer.icmp.un.frag.mtu = htons(mtu);
    answer.ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons(1400), .frag_off = htons(0x4000), .ttl = 60};
    answer.ip.protocol = IPPROTO_UDP;
    answer.ip.saddr = self.sin_addr.s_addr;
    answer.ip.daddr = peer.sin_addr.s_addr;
    answer.ip.check = checksum(&answer.ip, sizeof answer.ip);
    answer.udp.source = self.sin_port;
    answer.udp.dest = peer.sin_port;
    answer.udp.len = htons(1380);
    answer.icmp.checksum = checksum(&answer, sizeof answer);
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    CHECK(raw >= 0);
    self.sin_port = 0;
    CHECK_INT(sizeof answer, sendto(raw, &answer, sizeof answer, 0, (struct sockaddr *)&self, sizeof self));
    close(raw);
}

/* In a network of its own, because the system remembers the MTU. */
TEST(a_router_that_tells_the_path_s_mtu_fails_no_read)
{
    struct pair pair;
    char byte;
    size_t n;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || !set_loopback(SIOCSIFFLAGS, IFF_UP))
        skip_test("a network of its own");
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(pair.client, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(pair.client, &byte, 1, &n));
    answer_as_a_router(bgl_ssl_socket_fd(pair.client), 1000);
    await_readable(bgl_ssl_socket_fd(pair.client));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(pair.client, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(pair.client, false));
    end_pair(&pair);
}

static const struct end {
    const char *name;
    bool is_server;
} ends[] = {{"client", false}, {"server", true}};

/* It has answered an earlier datagram: this one is short enough. */
TEST_TABLE(a_router_that_tells_the_path_s_mtu_fails_no_write_of_the, ends)
{
    const struct end *it = row;
    struct pair pair;
    char byte = 0;
    size_t n;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || !set_loopback(SIOCSIFFLAGS, IFF_UP))
        skip_test("a network of its own");
    connect_pair(&pair);
    const bgl_ssl_socket_t *from = it->is_server ? pair.server : pair.client;
    const bgl_ssl_socket_t *to = it->is_server ? pair.client : pair.server;
    answer_as_a_router(bgl_ssl_socket_fd(from), 1000);
    struct pollfd wait = {bgl_ssl_socket_fd(from), 0, 0};
    CHECK_INT(1, poll(&wait, 1, 10000 * slowness()));
    CHECK_OK(bgl_ssl_socket_write(from, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(to, &byte, 1, &n));
    CHECK_INT('x', byte);
    end_pair(&pair);
}

/* The record is out of the descriptor: poll(2) tells nothing of it, so `more` must. */
TEST(what_a_small_buffer_does_not_take_is_more)
{
    struct pair pair;
    char buffer[16];
    size_t n;
    bool more = false;
    connect_pair(&pair);
    CHECK_OK(bgl_ssl_socket_write(pair.client, "hello", 5, &n));
    await_readable(bgl_ssl_socket_fd(pair.server));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_read_now(pair.server, buffer, 2, &n, &more));
    struct pollfd wait = {bgl_ssl_socket_fd(pair.server), POLLIN, 0};
    CHECK_INT(0, poll(&wait, 1, 100));
    CHECK(more);
    CHECK_OK(bgl_ssl_socket_read_now(pair.server, buffer, sizeof buffer, &n, &more));
    CHECK_INT(5, n);
    end_pair(&pair);
}
