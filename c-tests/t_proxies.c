/* Connections through proxies: what a proxy is asked, what it may answer, and what never gets to the server. The proxies
 * here are threads that follow a script; t_peers has real ones. */
#include <netdb.h>
#include <poll.h>

#include "harness.h"

/* What a proxy does, step by step. */
struct act {
    const char *await; /* reads until this has come; NULL: until `count` bytes have */
    size_t count;
    const char *say;
    size_t length; /* of `say`; 0: it is a text */
};

enum { TUNNEL, CLOSE, HOLD, FLOOD, DRIP };

struct proxy {
    int listener;
    int port;
    const struct act *acts;
    int count;
    int end; /* what follows the acts */
    int target;
    char received[4096]; /* before the tunnel */
    size_t received_length;
    char carried[65536]; /* from the client, through the tunnel */
    size_t carried_length;
    pthread_t thread;
};

static void receive(struct proxy *proxy, int fd, const struct act *act)
{
    size_t begin = proxy->received_length;
    for (;;) {
        size_t have = proxy->received_length - begin;
        proxy->received[proxy->received_length] = '\0';
        if (act->await ? strstr(proxy->received + begin, act->await) != NULL : have >= act->count)
            return;
        ssize_t n = read(fd, proxy->received + proxy->received_length, act->await ? 1 : act->count - have);
        CHECK(n > 0 && proxy->received_length + (size_t)n + 1 < sizeof proxy->received);
        proxy->received_length += (size_t)n;
    }
}

static void await_end(int fd)
{
    char byte;
    while (read(fd, &byte, 1) > 0) {
    }
}

static void carry(struct proxy *proxy, int client)
{
    int server = plain_connect(proxy->target);
    struct pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    CHECK(server >= 0);
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        CHECK(poll(fds, 2, 30000 * slowness()) > 0);
        for (int i = 0; i < 2; i++) {
            char buffer[16384];
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
            if (n <= 0) {
                shutdown(i ? client : server, SHUT_WR);
                fds[i].fd = -1;
                continue;
            }
            if (i == 0 && proxy->carried_length + (size_t)n <= sizeof proxy->carried) {
                memcpy(proxy->carried + proxy->carried_length, buffer, (size_t)n);
                proxy->carried_length += (size_t)n;
            }
            if (send(i ? client : server, buffer, (size_t)n, MSG_NOSIGNAL) != n)
                break;
        }
    }
    close(server);
}

static void *run_proxy(void *data)
{
    struct proxy *proxy = data;
    int client = accept(proxy->listener, NULL, NULL);
    CHECK(client >= 0);
    for (int i = 0; i < proxy->count; i++) {
        const struct act *act = &proxy->acts[i];
        receive(proxy, client, act);
        if (act->say)
            write_all(client, act->say, act->length ? act->length : strlen(act->say));
    }
    switch (proxy->end) {
    case TUNNEL:
        carry(proxy, client);
        break;
    case HOLD:
        await_end(client);
        break;
    case FLOOD:
        while (send(client, "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n", 50, MSG_NOSIGNAL) > 0) {
        }
        break;
    case DRIP: {
        struct pollfd failed = {client, 0, 0};
        while (send(client, "x", 1, MSG_NOSIGNAL) > 0 && poll(&failed, 1, 5) == 0) {
        }
        break;
    }
    }
    close(client);
    return NULL;
}

static void start_proxy(struct proxy *proxy, const struct act *acts, int count, int end, int target)
{
    memset(proxy, 0, sizeof *proxy);
    proxy->listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &proxy->port);
    proxy->acts = acts;
    proxy->count = count;
    proxy->end = end;
    proxy->target = target;
    proxy->thread = start_thread(run_proxy, proxy);
}

static void end_proxy(struct proxy *proxy)
{
    join_thread(proxy->thread);
    close(proxy->listener);
}

/* A client whose proxy is this one, by a URL of which the port is missing. */
static bgl_ssl_config_t *client_through(const struct proxy *proxy, const char *url)
{
    char whole[300];
    bgl_ssl_config_t *config = client_config();
    snprintf(whole, sizeof whole, "%s127.0.0.1:%d", url, proxy->port);
    CHECK_OK(bgl_ssl_config_set_proxy(config, whole, NULL));
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, 20 * SECOND * slowness()));
    return config;
}

static bool contains(const char *data, size_t length, const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i + size <= length; i++)
        if (memcmp(data + i, text, size) == 0)
            return true;
    return false;
}

/* ---- proxies that do what they are asked ---- */

#define OK_200 "HTTP/1.1 200 Connection established\r\n\r\n"

static const struct act http_acts[] = {{"\r\n\r\n", 0, OK_200, 0}};
/* User and password: seven and three letters. */
static const struct act socks_user_acts[] = {
    {NULL, 4, "\x05\x02", 2},
    {NULL, 13, "\x01\0", 2},
    {NULL, 4 + 1 + 9 + 2, "\x05\0\0\x01\0\0\0\0\0\0", 10},
};
static const struct act socks_name_acts[] = {
    {NULL, 3, "\x05\0", 2},
    {NULL, 4 + 1 + 9 + 2, "\x05\0\0\x03\x03" "a.b\0\0", 10},
};
static const struct act socks_address_acts[] = {
    {NULL, 3, "\x05\0", 2},
    {NULL, 4 + 4 + 2, "\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22},
};

struct way {
    const char *name;
    const char *url;
    const struct act *acts;
    int count;
    const char *says; /* what the proxy must receive */
};

static const struct way ways[] = {
    {"http", "http://", http_acts, 1, "CONNECT localhost:"},
    {"no_scheme", "", http_acts, 1, "\r\nHost: localhost:"},
    {"http_with_user", "http://somebod%79:s%40%3a@", http_acts, 1,
     "\r\nProxy-Authorization: Basic c29tZWJvZHk6c0A6\r\n"},
    {"socks5", "socks5://", socks_address_acts, 2, "\x7f"},
    {"socks5h", "socks5h://", socks_name_acts, 2, "localhost"},
    {"socks5h_with_user", "socks5h://somebod:s%40%3a@", socks_user_acts, 3, "\x07" "somebod\x03s@:"},
};

TEST_TABLE(a_connection_goes_through, ways)
{
    const struct way *it = row;
    struct proxy proxy;
    struct service service;
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 1, serve_echo, NULL);
    start_proxy(&proxy, it->acts, it->count, TUNNEL, service.port);
    bgl_ssl_config_t *client = client_through(&proxy, it->url);
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "localhost", service.port, AF_INET));
    check_echo(socket, "through a proxy");
    char name[64];
    CHECK(bgl_ssl_socket_server_name(socket, name, sizeof name) > 0);
    CHECK_STRING("localhost", name);
    finish(socket);
    end_service(&service);
    end_proxy(&proxy);
    CHECK(contains(proxy.received, proxy.received_length, it->says));
    /* The server receives TLS from the beginning, and nothing of the user. */
    CHECK(proxy.carried_length > 5 && proxy.carried[0] == 22);
    CHECK(!contains(proxy.carried, proxy.carried_length, "somebod"));
    CHECK(!contains(proxy.carried, proxy.carried_length, "c29tZWJvZ"));
    CHECK(!contains(proxy.carried, proxy.carried_length, "CONNECT"));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST_TABLE(a_connection_that_does_not_wait_goes_through, ways)
{
    const struct way *it = row;
    struct proxy proxy;
    struct service service;
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 1, serve_echo, NULL);
    start_proxy(&proxy, it->acts, it->count, TUNNEL, service.port);
    bgl_ssl_config_t *client = client_through(&proxy, it->url);
    bgl_ssl_socket_t *socket = MADE(
        bgl_ssl_socket_t, bgl_ssl_connect_start(client, "localhost", service.port, AF_INET, NULL, NULL));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_handshake(socket)) > 0) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        CHECK(bgl_ssl_socket_timeout(socket) > 0);
        CHECK(poll(&wait, 1, 20000 * slowness()) == 1);
    }
    CHECK_OK(status);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
    check_echo(socket, "through a proxy");
    finish(socket);
    end_service(&service);
    end_proxy(&proxy);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- proxies that do not ---- */

static const struct act no_answer[] = {{"\r\n\r\n", 0, NULL, 0}};
static const struct act injects[] = {{"\r\n\r\n", 0, OK_200 "hello", 0}};
static const struct act forbids[] = {{"\r\n\r\n", 0, "HTTP/1.0 403 Not \x1b[1mhere\r\nX: y\r\n\r\n<html>", 0}};
static const struct act asks[] = {
    {"\r\n\r\n", 0, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"here\"\r\n\r\n", 0}};
static const struct act gateway[] = {{"\r\n\r\n", 0, "HTTP/1.1 502 Bad Gateway\r\n\r\n", 0}};
static const struct act half[] = {{"\r\n\r\n", 0, "HTTP/1.1 200 OK\r\nA: ", 0}};
static const struct act begins[] = {{"\r\n\r\n", 0, "HTTP/1.1 200 OK\r\n", 0}};
static const struct act drips[] = {{"\r\n\r\n", 0, "HTTP/1.1 200 ", 0}};
static const struct act interim[] = {{"\r\n\r\n", 0, "HTTP/1.1 100 Continue\r\n\r\n", 0}};
static const struct act ssh[] = {{NULL, 0, "SSH-2.0-OpenSSH\r\n", 0}};
static const struct act nothing[] = {{NULL, 0, NULL, 0}};
static const struct act old_socks[] = {{NULL, 3, "\0\x5a\0\0\0\0\0\0", 8}};
static const struct act http_for_socks[] = {{NULL, 3, "HTTP/1.1 400 Bad\r\n\r\n", 0}};
static const struct act wants_user[] = {{NULL, 3, "\x05\xff", 2}};
static const struct act wrong_user[] = {{NULL, 4, "\x05\x02", 2}, {NULL, 6, "\x01\x01", 2}};
static const struct act greets[] = {{NULL, 3, "\x05\0", 2}};
static const struct act refuses[] = {
    {NULL, 3, "\x05\0", 2}, {NULL, 16, "\x05\x05\0\x01\0\0\0\0\0\0", 10}};
static const struct act rules[] = {
    {NULL, 3, "\x05\0", 2}, {NULL, 16, "\x05\x02\0\x01\0\0\0\0\0\0", 10}};
static const struct act tells_name[] = {{NULL, 3, "\x05\0", 2}, {NULL, 16, "\x05\0\0\x03\xff", 5}};
static const struct act begins_record[] = {{NULL, 5, "\x16\x03\x03\x40\0\x02", 6}};
static const struct act socks_injects[] = {
    {NULL, 3, "\x05\0", 2}, {NULL, 16, "\x05\0\0\x01\0\0\0\0\0\0x", 11}};

struct bad {
    const char *name;
    const char *url;
    const struct act *acts;
    int count;
    int end;
    bgl_ssl_status_t status;
    int number; /* errno, or 0 */
    const char *message;
};

static const struct bad bad[] = {
    {"bytes_behind", "http://", injects, 1, HOLD, BGL_SSL_E_PROTOCOL, 0, "5 bytes behind its answer"},
    {"forbidden", "http://", forbids, 1, HOLD, BGL_SSL_E_IO, EACCES, "\"HTTP/1.0 403 Not \\u{1b}[1mhere\""},
    {"user_wanted", "http://", asks, 1, HOLD, BGL_SSL_E_IO, EACCES,
     "\"HTTP/1.1 407 Who are you\"; it asks for \"Basic realm="},
    {"gateway", "http://", gateway, 1, CLOSE, BGL_SSL_E_IO, ECONNREFUSED, "502 Bad Gateway"},
    {"closed_at_once", "http://", nothing, 1, CLOSE, BGL_SSL_E_IO, ECONNRESET, NULL},
    {"closed_after_the_request", "http://", no_answer, 1, CLOSE, BGL_SSL_E_IO, ECONNRESET, "instead of an answer"},
    {"closed_in_the_answer", "http://", half, 1, CLOSE, BGL_SSL_E_IO, ECONNRESET, "in its answer, \"HTTP/1.1 200 OK\""},
    {"no_end_of_header", "http://", begins, 1, FLOOD, BGL_SSL_E_PROTOCOL, 0, "65536 bytes"},
    {"no_end_of_line", "http://", drips, 1, DRIP, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"silent", "http://", no_answer, 1, HOLD, BGL_SSL_E_TIMEOUT, 0, "timed out before it has answered"},
    {"only_interim_answers", "http://", interim, 1, HOLD, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"another_protocol", "http://", ssh, 1, HOLD, BGL_SSL_E_PROTOCOL, 0, "does not speak HTTP"},
    {"socks4", "socks5h://", old_socks, 1, HOLD, BGL_SSL_E_PROTOCOL, 0, "SOCKS 4"},
    {"http_for_socks", "socks5h://", http_for_socks, 1, HOLD, BGL_SSL_E_PROTOCOL, 0, "speaks HTTP"},
    {"socks_user_wanted", "socks5h://", wants_user, 1, HOLD, BGL_SSL_E_IO, EACCES, "wants a user"},
    {"socks_user_wrong", "socks5h://u:pw@", wrong_user, 2, HOLD, BGL_SSL_E_IO, EACCES, "password is wrong"},
    {"socks_closed_at_once", "socks5h://", nothing, 1, CLOSE, BGL_SSL_E_IO, ECONNRESET, NULL},
    {"socks_closed_after_greeting", "socks5h://", greets, 1, CLOSE, BGL_SSL_E_IO, ECONNRESET, NULL},
    {"socks_silent", "socks5h://", greets, 1, HOLD, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"socks_no_end_of_name", "socks5h://", tells_name, 2, DRIP, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"tls_no_end_of_record", "https://", begins_record, 1, DRIP, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"tls_silent", "https://", nothing, 1, HOLD, BGL_SSL_E_TIMEOUT, 0, "timed out"},
    {"socks_refused", "socks5h://", refuses, 2, HOLD, BGL_SSL_E_IO, ECONNREFUSED, "connection refused (SOCKS reply 5)"},
    {"socks_rules", "socks5h://", rules, 2, HOLD, BGL_SSL_E_IO, EACCES, "not allowed by its rules"},
    {"socks_bytes_behind", "socks5h://", socks_injects, 2, HOLD, BGL_SSL_E_PROTOCOL, 0, "1 bytes behind"},
};

static void check_told(const struct bad *it, const struct proxy *proxy)
{
    char text[64];
    CHECK_INT(it->number, last_error().sys_errno);
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    /* What was connected to, and through what, but not by whom. */
    CHECK_MESSAGE("localhost:1 through the proxy ");
    snprintf(text, sizeof text, "127.0.0.1:%d: ", proxy->port);
    CHECK_MESSAGE(text);
    CHECK(!strstr(last_error().message, "pw"));
    if (it->message)
        CHECK_MESSAGE(it->message);
}

TEST_TABLE(a_proxy_is_told_of_that_is, bad)
{
    const struct bad *it = row;
    struct proxy proxy;
    start_proxy(&proxy, it->acts, it->count, it->end, 0);
    bgl_ssl_config_t *client = client_through(&proxy, it->url);
    if (it->status == BGL_SSL_E_TIMEOUT)
        CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 300 * MS * slowness()));
    CHECK_REFUSED(it->status, bgl_ssl_connect(client, "localhost", 1, AF_INET));
    check_told(it, &proxy);
    end_proxy(&proxy);
    bgl_ssl_config_free(client);
}

TEST_TABLE(a_start_tells_of_a_proxy_that_is, bad)
{
    const struct bad *it = row;
    struct proxy proxy;
    start_proxy(&proxy, it->acts, it->count, it->end, 0);
    bgl_ssl_config_t *client = client_through(&proxy, it->url);
    if (it->status == BGL_SSL_E_TIMEOUT)
        CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 300 * MS * slowness()));
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_start(client, "localhost", 1, AF_INET, NULL, NULL));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_handshake(socket)) > 0) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), POLLIN, 0};
        CHECK_STATUS(BGL_SSL_WANT_READ, status);
        CHECK(poll(&wait, 1, 20000 * slowness()) == 1);
    }
    CHECK_STATUS(it->status, status);
    check_told(it, &proxy);
    /* It stays so. */
    CHECK_STATUS(it->status, bgl_ssl_socket_handshake(socket));
    check_told(it, &proxy);
    bgl_ssl_socket_free(socket);
    end_proxy(&proxy);
    bgl_ssl_config_free(client);
}

/* ---- proxies that are spoken to over TLS ---- */

struct tls_proxy {
    int target;
    const char *answer;
    char received[1024];
    const bgl_ssl_socket_t *client;
    int server;
};

static void *carry_back(void *data)
{
    struct tls_proxy *proxy = data;
    char buffer[16384];
    ssize_t n;
    size_t written;
    while ((n = read(proxy->server, buffer, sizeof buffer)) > 0)
        if (bgl_ssl_socket_write(proxy->client, buffer, (size_t)n, &written) != BGL_SSL_OK)
            return NULL;
    bgl_ssl_socket_shutdown(proxy->client);
    return NULL;
}

static void serve_as_proxy(bgl_ssl_socket_t *socket, void *data)
{
    struct tls_proxy *proxy = data;
    size_t length = 0, n, written;
    while (!strstr(proxy->received, "\r\n\r\n")) {
        if (bgl_ssl_socket_read(socket, proxy->received + length, sizeof proxy->received - length - 1, &n) != BGL_SSL_OK)
            return;
        length += n;
    }
    CHECK_OK(bgl_ssl_socket_write(socket, proxy->answer, strlen(proxy->answer), &written));
    if (!proxy->target)
        return;
    proxy->client = socket;
    proxy->server = plain_connect(proxy->target);
    CHECK(proxy->server >= 0);
    pthread_t back = start_thread(carry_back, proxy);
    char buffer[16384];
    while (bgl_ssl_socket_read(socket, buffer, sizeof buffer, &n) == BGL_SSL_OK)
        write_all(proxy->server, buffer, n);
    shutdown(proxy->server, SHUT_WR);
    join_thread(back);
    close(proxy->server);
}

/* A client whose proxy is the service, and trusts this CA of the proxy's. */
static bgl_ssl_config_t *client_over_tls(const struct service *service, const char *ca, const char *host)
{
    char url[100];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *proxy = bgl_ssl_config_new();
    if (ca)
        set_ca(proxy, ca);
    snprintf(url, sizeof url, "https://somebody:secret@%s:%d", host, service->port);
    CHECK_OK(bgl_ssl_config_set_proxy(client, url, ca ? proxy : NULL));
    bgl_ssl_config_free(proxy);
    CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 20 * SECOND * slowness()));
    return client;
}

TEST(a_connection_goes_through_a_proxy_over_tls)
{
    struct service target, front;
    struct tls_proxy proxy = {.answer = OK_200};
    bgl_ssl_config_t *server = server_config("good");
    start_service(&target, server, 2, serve_echo, NULL);
    proxy.target = target.port;
    start_service(&front, server, 2, serve_as_proxy, &proxy);
    bgl_ssl_config_t *client = client_over_tls(&front, "root.pem", "localhost");
    for (int started = 0; started < 2; started++) {
        bgl_ssl_socket_t *socket;
        memset(proxy.received, 0, sizeof proxy.received);
        if (started) {
            socket = MADE(bgl_ssl_socket_t,
                          bgl_ssl_connect_start(client, "127.0.0.1", target.port, AF_INET, "localhost", NULL));
            CHECK_OK(handshake_by_poll(socket));
            CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
        } else
            socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "localhost", target.port, AF_INET));
        check_echo(socket, "TLS in TLS");
        finish(socket);
        CHECK(strstr(proxy.received, "Proxy-Authorization: Basic c29tZWJvZHk6c2VjcmV0\r\n"));
    }
    end_service(&front);
    end_service(&target);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

struct during_check {
    const char *name;
    bool closes;
};

static const struct during_check during_check[] = {{"looks_at", false}, {"closes", true}};

struct looker {
    const struct during_check *row;
    bgl_ssl_socket_t *socket;
    int calls;
};

static void *use_socket(void *data)
{
    struct looker *looker = data;
    char address[100];
    int port;
    if (looker->row->closes)
        CHECK_OK(bgl_ssl_socket_close(looker->socket));
    else
        CHECK_INT(0, (long long)bgl_ssl_socket_peer_address(looker->socket, address, sizeof address, &port));
    return NULL;
}

static bool accept_while_another_uses(const bgl_ssl_socket_t *proxy, const bgl_ssl_certificate_list_t *chain, int32_t result,
                                      void *data)
{
    (void)proxy, (void)chain, (void)result;
    struct looker *looker = data;
    looker->calls++;
    join_thread(start_thread(use_socket, looker));
    return true;
}

/* Reads what there is of a request, and ends. */
static void end_after_request(bgl_ssl_socket_t *socket, void *data)
{
    char buffer[1000];
    size_t n;
    (void)data;
    bgl_ssl_socket_read(socket, buffer, sizeof buffer, &n);
}

TEST_TABLE(while_a_program_decides_about_a_proxy_another_thread, during_check)
{
    struct looker looker = {.row = row};
    struct service front;
    char url[100];
    bgl_ssl_config_t *server = server_config("good"), *client = client_config(), *config = client_config();
    start_service(&front, server, 1, end_after_request, NULL);
    snprintf(url, sizeof url, "https://localhost:%d", front.port);
    CHECK_OK(bgl_ssl_config_set_verify_callback(config, accept_while_another_uses, &looker));
    CHECK_OK(bgl_ssl_config_set_proxy(client, url, config));
    looker.socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_start(client, "localhost", 1, AF_INET, NULL, NULL));
    bgl_ssl_status_t status = handshake_by_poll(looker.socket);
    CHECK(looker.row->closes ? status == BGL_SSL_E_STATE : status < 0);
    CHECK_INT(1, looker.calls);
    bgl_ssl_socket_free(looker.socket);
    end_service(&front);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(server);
}

struct distrusted {
    const char *name;
    const char *ca;
    const char *host;
    bgl_ssl_status_t status;
};

static const struct distrusted distrusted[] = {
    {"ca", NULL, "localhost", BGL_SSL_E_VERIFY},
    {"other_ca", "idle-root.pem", "localhost", BGL_SSL_E_VERIFY},
    {"name", "root.pem", "ip6-localhost", BGL_SSL_E_NAME},
};

TEST_TABLE(a_proxy_over_tls_is_verified_by_its, distrusted)
{
    const struct distrusted *it = row;
    struct addrinfo *found = NULL;
    if (getaddrinfo(it->host, NULL, NULL, &found) != 0)
        skip_test("another name of this host");
    freeaddrinfo(found);
    struct service front;
    struct tls_proxy proxy = {.answer = OK_200};
    bgl_ssl_config_t *server = server_config("good");
    start_service(&front, server, 1, serve_as_proxy, &proxy);
    bgl_ssl_config_t *client = client_over_tls(&front, it->ca, it->host);
    bgl_ssl_socket_t *socket = bgl_ssl_connect(client, "localhost", 1, AF_UNSPEC);
    CHECK_REFUSED(it->status, socket);
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    CHECK_MESSAGE("connect to localhost:1 through the proxy https://");
    CHECK(!strstr(last_error().message, "secret"));
    /* It has received nothing of the user. */
    CHECK_STRING("", proxy.received);
    end_service(&front);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(a_proxy_over_tls_that_refuses_is_quoted)
{
    struct service front;
    struct tls_proxy proxy = {.answer = "HTTP/1.1 403 No\r\n\r\n"};
    bgl_ssl_config_t *server = server_config("good");
    start_service(&front, server, 1, serve_as_proxy, &proxy);
    bgl_ssl_config_t *client = client_over_tls(&front, "root.pem", "localhost");
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(client, "localhost", 1, AF_UNSPEC));
    CHECK_MESSAGE("it refuses: \"HTTP/1.1 403 No\"");
    end_service(&front);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- which proxy ---- */

TEST(a_proxy_that_is_not_there_is_named_with_the_target)
{
    struct proxy proxy = {.port = 0};
    close(plain_listener(AF_INET, "127.0.0.1", 0, 5, &proxy.port));
    bgl_ssl_config_t *client = client_through(&proxy, "socks5h://u:pw@");
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(client, "target.example", 443, AF_UNSPEC));
    CHECK_INT(ECONNREFUSED, last_error().sys_errno);
    CHECK_MESSAGE("connect to target.example:443 through the proxy socks5h://127.0.0.1:");
    CHECK(!strstr(last_error().message, "pw"));
    bgl_ssl_config_free(client);
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_proxy(client, "http://no-such-proxy.invalid:1", NULL));
    CHECK_REFUSED(BGL_SSL_E_RESOLVE, bgl_ssl_connect(client, "target.example", 443, AF_UNSPEC));
    CHECK_MESSAGE("target.example:443 through the proxy http://no-such-proxy.invalid:1: look up \"no-such-proxy.invalid\"");
    bgl_ssl_config_free(client);
}

TEST(a_failed_handshake_names_the_proxy)
{
    struct proxy proxy;
    struct service service;
    bgl_ssl_config_t *server = server_config("good");
    start_service(&service, server, 1, serve_echo, NULL);
    start_proxy(&proxy, http_acts, 1, TUNNEL, service.port);
    bgl_ssl_config_t *client = client_through(&proxy, "http://u:pw@");
    CHECK_REFUSED(BGL_SSL_E_NAME, bgl_ssl_connect(client, "other.example", 443, AF_INET));
    CHECK_MESSAGE("other.example:443 through the proxy http://127.0.0.1:");
    CHECK(!strstr(last_error().message, "pw"));
    end_service(&service);
    end_proxy(&proxy);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(the_environment_counts_only_when_asked)
{
    struct client_and_service both;
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    connect_to_service(&both, client_config(), server_config("good"), serve_echo, NULL);
    check_echo(both.socket, "no proxy");
    end_client_and_service(&both);

    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_proxy(client, "env", NULL));
    bgl_ssl_config_t *again = bgl_ssl_config_copy(client);
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(client, "localhost", 443, AF_INET));
    CHECK_MESSAGE("through the proxy http://127.0.0.1:1");
    bgl_ssl_config_free(client);

    setenv("no_proxy", "example.org,localhost:1", 1);
    CHECK_OK(bgl_ssl_config_set_proxy(again, "env", NULL));
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(again, "localhost", 2, AF_INET));
    CHECK_MESSAGE("proxy");
    CHECK_REFUSED(BGL_SSL_E_IO, bgl_ssl_connect(again, "localhost", 1, AF_INET));
    CHECK(!strstr(last_error().message, "proxy"));
    bgl_ssl_config_free(again);

    client = client_config();
    setenv("https_proxy", "http://u:secret@", 1);
    CHECK_STATUS(BGL_SSL_E_CONFIG, bgl_ssl_config_set_proxy(client, "env", NULL));
    CHECK_MESSAGE("https_proxy: ");
    CHECK(!strstr(last_error().message, "secret"));
    setenv("https_proxy", "", 1);
    CHECK_OK(bgl_ssl_config_set_proxy(client, "env", NULL));
    bgl_ssl_config_free(client);
}

TEST(urls_that_cannot_be_are_refused)
{
    bgl_ssl_config_t *config = client_config();
    static const char *const malformed[] = {"", "http://", "http://h:0", "http://u%0a:pw@h", "http://u%00:pw@h",
                                            "http://u%0D:pw@h", "http://h/path", "http://::1:80", "http://u:pw%@h"};
    for (size_t i = 0; i < COUNT(malformed); i++) {
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_proxy(config, malformed[i], NULL));
        CHECK(!strstr(last_error().message, "pw"));
    }
    static const char *const unknown[] = {"socks4://h", "socks4a://h", "socks://h", "ftp://h"};
    for (size_t i = 0; i < COUNT(unknown); i++)
        CHECK_STATUS(BGL_SSL_E_UNSUPPORTED, bgl_ssl_config_set_proxy(config, unknown[i], NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_proxy(NULL, "http://h", NULL));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_config_set_proxy(config, "http://h", config));
    CHECK_OK(bgl_ssl_config_set_proxy(config, "http://h", NULL));
    CHECK_OK(bgl_ssl_config_set_proxy(config, NULL, NULL));
    CHECK_OK(bgl_ssl_config_freeze(config));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_config_set_proxy(config, "http://h", NULL));
    bgl_ssl_config_free(config);
}

TEST(datagrams_do_not_go_through_proxies)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_proxy(config, "http://127.0.0.1:1", NULL));
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_connect(config, "localhost", 1, AF_INET));
    CHECK_MESSAGE("http://127.0.0.1:1");
    bgl_ssl_config_free(config);
}

TEST(a_session_is_resumed_with_and_without_a_proxy)
{
    struct proxy proxy;
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect(both.client, "localhost", both.service.port, AF_INET));
    check_echo(socket, "directly");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    start_proxy(&proxy, http_acts, 1, TUNNEL, both.service.port);
    bgl_ssl_config_t *client = client_through(&proxy, "http://u:pw@");
    socket = MADE(bgl_ssl_socket_t,
                  bgl_ssl_connect_resume(client, "localhost", both.service.port, AF_INET, session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    check_echo(socket, "through the proxy");
    finish(socket);
    both.socket = NULL;
    end_client_and_service(&both);
    end_proxy(&proxy);
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
}

/* Servers could tell by a ticket that the client comes by another way, too. */
TEST(nothing_is_resumed_by_itself_by_another_way)
{
    struct proxy proxy;
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 3, serve_echo, NULL);
    start_proxy(&proxy, http_acts, 1, TUNNEL, both.service.port);
    bgl_ssl_config_t *through = client_through(&proxy, "http://u:pw@");
    for (int i = 0; i < 3; i++) {
        const bgl_ssl_config_t *client = i == 1 ? through : both.client;
        bgl_ssl_socket_t *socket =
            MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "localhost", both.service.port, AF_INET));
        CHECK_INT(i == 2, bgl_ssl_socket_session_reused(socket));
        check_echo(socket, "x");
        finish(socket);
    }
    end_client_and_service(&both);
    end_proxy(&proxy);
    bgl_ssl_config_free(through);
}
