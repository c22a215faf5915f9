/* Hosts with several addresses: each is tried, IPv6 and IPv4 race as RFC 8305 says, and one deadline is over all.
 * The name service is this program's own: its getaddrinfo stands before the C library's. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <netdb.h>

static const char *const *addresses;
static useconds_t resolving_takes;
static __thread int asked_family = -1;
static int answer_error;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
void freeaddrinfo(struct addrinfo *list);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo **next = result;
    (void)node;
    *result = NULL;
    if (resolving_takes)
        usleep(resolving_takes);
    if (answer_error)
        return answer_error;
    asked_family = hints ? hints->ai_family : AF_UNSPEC;
    for (size_t i = 0; addresses[i]; i++) {
        int family = strchr(addresses[i], ':') ? AF_INET6 : AF_INET;
        if (asked_family != AF_UNSPEC && asked_family != family)
            continue;
        struct addrinfo *info = calloc(1, sizeof *info + sizeof(struct sockaddr_in6));
        info->ai_family = family;
        info->ai_socktype = SOCK_STREAM;
        info->ai_protocol = IPPROTO_TCP;
        info->ai_addr = (struct sockaddr *)(info + 1);
        uint16_t port = htons((uint16_t)(service ? atoi(service) : 0));
        if (family == AF_INET6) {
            struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)info->ai_addr;
            info->ai_addrlen = sizeof *v6;
            v6->sin6_family = AF_INET6;
            v6->sin6_port = port;
            inet_pton(AF_INET6, addresses[i], &v6->sin6_addr);
        } else {
            struct sockaddr_in *v4 = (struct sockaddr_in *)info->ai_addr;
            info->ai_addrlen = sizeof *v4;
            v4->sin_family = AF_INET;
            v4->sin_port = port;
            inet_pton(AF_INET, addresses[i], &v4->sin_addr);
        }
        *next = info;
        next = &info->ai_next;
    }
    return *result ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static bgl_ssl_config_t *racing_client(int64_t deadline)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_hostname(config, "localhost"));
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, deadline));
    return config;
}

static void check_reached(const bgl_ssl_config_t *client, int port, int family, const char *expected)
{
    char address[64];
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "several.example", port, family));
    bgl_ssl_socket_peer_address(socket, address, sizeof address, NULL);
    CHECK_STRING(expected, address);
    check_echo(socket, "there");
    finish(socket);
}

/* 127.0.0.1 serves; the same port at other addresses is as each test wants it. */
static void check_ipv6(void)
{
    int fd = plain_listener(AF_INET6, "::1", 0, 1, NULL);
    if (fd < 0)
        skip_test("IPv6 on the loopback");
    close(fd);
}

struct order {
    const char *name;
    const char *addresses[6];
    int family;
};

static const struct order refusing[] = {
    {"the_second", {"127.0.0.2", "127.0.0.1", NULL}, AF_INET},
    {"the_last_of_five", {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1", NULL}, AF_INET},
    {"ipv4_after_ipv6", {"::1", "127.0.0.1", NULL}, AF_UNSPEC},
    {"ipv4_after_ipv4_and_ipv6", {"127.0.0.2", "::1", "127.0.0.1", NULL}, AF_UNSPEC},
};

TEST_TABLE(addresses_that_refuse_are_passed_over_until, refusing)
{
    const struct order *it = row;
    struct client_and_service both;
    bgl_ssl_config_t *client = racing_client(10 * SECOND);
    start_service_for(&both, client, server_config("good"), 1, serve_echo, NULL);
    addresses = it->addresses;
    check_reached(client, both.service.port, it->family, "127.0.0.1");
    end_client_and_service(&both);
}

/* 127.0.0.1 is reached within this time, although the port never answers at ::1. */
static void check_reached_past_silence(const char *const *candidates, int64_t connect_timeout, int64_t limit)
{
    struct client_and_service both;
    struct silent_port silent;
    bgl_ssl_config_t *client = racing_client(connect_timeout);
    start_service_for(&both, client, server_config("good"), 1, serve_echo, NULL);
    open_silent_port(&silent, AF_INET6, both.service.port);
    addresses = candidates;
    int64_t began = now_us();
    check_reached(client, both.service.port, AF_UNSPEC, "127.0.0.1");
    CHECK(now_us() - began < limit * slowness());
    end_client_and_service(&both);
    close_silent_port(&silent);
}

TEST(a_dead_ipv6_path_does_not_delay_ipv4_for_long)
{
    static const char *const both[] = {"::1", "127.0.0.1", NULL};
    check_ipv6();
    /* RFC 8305: the next attempt begins after 250 ms; TLS and a busy machine may take their time. */
    check_reached_past_silence(both, 20 * SECOND, 5 * SECOND);
}

/* The system has no way to a broadcast address, and says so at once: that takes none of the time of those behind it. */
TEST(addresses_without_a_path_do_not_delay_the_others)
{
    static const char *several[33] = {"::1"};
    check_ipv6();
    for (size_t i = 1; i < COUNT(several) - 2; i++)
        several[i] = "255.255.255.255";
    several[COUNT(several) - 2] = "127.0.0.1";
    check_reached_past_silence(several, 60 * SECOND, 4 * SECOND);
}

TEST(a_dead_ipv4_path_does_not_delay_ipv6_for_long)
{
    static const char *const both[] = {"127.0.0.1", "::1", NULL};
    struct silent_port silent;
    check_ipv6();
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_config_t *client = racing_client(20 * SECOND);
    struct service service = {.connections = 1, .serve = serve_echo};
    service.server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "::1", 0, 5, AF_INET6));
    service.port = bgl_ssl_server_port(service.server);
    open_silent_port(&silent, AF_INET, service.port);
    addresses = both;
    int64_t began = now_us();
    bgl_ssl_socket_t *accepted = NULL;
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "several.example", service.port, AF_UNSPEC));
    CHECK(now_us() - began < 5 * SECOND * slowness());
    char address[64];
    bgl_ssl_socket_peer_address(socket, address, sizeof address, NULL);
    CHECK_STRING("::1", address);
    bgl_ssl_socket_free(socket);
    CHECK(bgl_ssl_server_accept(service.server, 5 * SECOND, &accepted) < 0);
    bgl_ssl_server_free(service.server);
    close_silent_port(&silent);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
}

/* The losing attempt is abandoned: its descriptor is closed (the harness counts), and the winner is the one used. */
TEST(ipv6_is_preferred_where_both_answer)
{
    static const char *const both[] = {"::1", "127.0.0.1", NULL};
    int port;
    check_ipv6();
    bgl_ssl_config_t *client = racing_client(10 * SECOND);
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    int v6 = plain_listener(AF_INET6, "::1", 0, 5, &port);
    int v4 = plain_listener(AF_INET, "127.0.0.1", port, 5, NULL);
    if (v4 < 0)
        skip_test("a port that is free for both families");
    addresses = both;
    char address[64];
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "several.example", port, AF_UNSPEC));
    bgl_ssl_socket_peer_address(socket, address, sizeof address, NULL);
    CHECK_STRING("::1", address);
    bgl_ssl_socket_free(socket);
    close(v6);
    close(v4);
    bgl_ssl_config_free(client);
}

TEST(one_deadline_is_over_all_addresses)
{
    static const char *const both[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", NULL};
    struct silent_port silent;
    bgl_ssl_config_t *client = racing_client(600 * MS);
    open_silent_port(&silent, AF_INET, 0);
    addresses = both;
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(client, "several.example", silent.port, AF_INET));
    int64_t took = now_us() - began;
    CHECK(took > 590 * MS && took < 2 * SECOND * slowness());
    close_silent_port(&silent);
    bgl_ssl_config_free(client);
}

TEST(all_addresses_refusing_is_an_io_error_that_names_the_host)
{
    static const char *const several[] = {"127.0.0.2", "127.0.0.3", NULL};
    int port;
    int listener = plain_listener(AF_INET, "127.0.0.1", 0, 1, &port);
    close(listener);
    bgl_ssl_config_t *client = racing_client(5 * SECOND);
    addresses = several;
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(client, "several.example", port, AF_UNSPEC));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    CHECK_MESSAGE("several.example");
    bgl_ssl_config_free(client);
}

TEST(a_name_service_that_says_no_is_a_resolve_error)
{
    bgl_ssl_config_t *client = racing_client(5 * SECOND);
    answer_error = EAI_NONAME;
    CHECK_REFUSED(BGL_SSL_E_RESOLVE, bgl_ssl_connect(client, "several.example", 443, AF_UNSPEC));
    CHECK_INT(BGL_SSL_PHASE_RESOLVE, last_error().phase);
    CHECK_MESSAGE("several.example");
    bgl_ssl_config_free(client);
}

TEST(a_slow_name_service_costs_no_more_than_the_deadline)
{
    static const char *const one[] = {"127.0.0.1", NULL};
    bgl_ssl_config_t *client = racing_client(300 * MS);
    resolving_takes = 4000000;
    addresses = one;
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(client, "several.example", 9, AF_UNSPEC));
    CHECK(now_us() - began < 3 * SECOND);
    CHECK_INT(BGL_SSL_PHASE_RESOLVE, last_error().phase);
    bgl_ssl_config_free(client);
}

/* Over datagrams nobody tells whether there is anybody, so that each address gets a share of the time. */
struct limits {
    const char *name;
    bool of_handshake;
};

static const struct limits limits[] = {{"of_the_connect", false}, {"of_the_handshake", true}};

TEST_TABLE(silent_addresses_over_datagrams_share_the_limit, limits)
{
    static const char *const silent[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4", NULL};
    const struct limits *it = row;
    const int64_t limit = 2 * SECOND * slowness();
    int fds[3], port = 0;
    for (size_t i = 0; i < COUNT(fds); i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        socklen_t length = sizeof address;
        inet_pton(AF_INET, silent[i], &address.sin_addr);
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(fds[i] >= 0 && bind(fds[i], (struct sockaddr *)&address, length) == 0);
        CHECK(getsockname(fds[i], (struct sockaddr *)&address, &length) == 0);
        port = ntohs(address.sin_port);
    }
    addresses = silent;
    bgl_ssl_config_t *client = racing_client(it->of_handshake ? 0 : limit);
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(client, it->of_handshake ? limit : 0));
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    int64_t began = now_us();
    CHECK_REFUSED(BGL_SSL_E_TIMEOUT, bgl_ssl_connect(client, "several.example", port, AF_INET));
    int64_t took = now_us() - began;
    if (took < limit || took > limit + limit / 2)
        FAIL("it took %lld ms", (long long)(took / MS));
    for (size_t i = 0; i < COUNT(fds); i++) {
        char hello[2000];
        CHECK(recv(fds[i], hello, sizeof hello, MSG_DONTWAIT) > 0);
        close(fds[i]);
    }
    bgl_ssl_config_free(client);
}
