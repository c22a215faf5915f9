/* Connecting in ways of its own: by another name, and as part of a handshake that does not wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "harness.h"

static bgl_ssl_socket_t *start(const bgl_ssl_config_t *config, const char *host, int port)
{
    return bgl_ssl_connect_start(config, host, port, AF_UNSPEC, NULL, NULL);
}

struct host {
    const char *name;
    const char *host;
};

static const struct host hosts[] = {{"address", "127.0.0.1"}, {"name", "localhost"}};

TEST_TABLE(a_start_by, hosts)
{
    const struct host *it = row;
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 1, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(both.client, it->host, both.service.port));
    CHECK((fcntl(bgl_ssl_socket_fd(socket), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_OK(handshake_by_poll(socket));
    CHECK((fcntl(bgl_ssl_socket_fd(socket), F_GETFD) & FD_CLOEXEC) != 0);
    /* It is like any other socket from now on. */
    char address[64];
    int port;
    CHECK(bgl_ssl_socket_peer_address(socket, address, sizeof address, &port) > 0);
    CHECK_INT(both.service.port, port);
    char byte;
    size_t n;
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(socket, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
    check_echo(socket, "started");
    both.socket = socket;
    end_client_and_service(&both);
}

TEST(a_start_can_be_waited_for)
{
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 1, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(both.client, "localhost", both.service.port));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
    /* The first write does it all. */
    check_echo(socket, "blocking");
    both.socket = socket;
    end_client_and_service(&both);
}

TEST(a_start_waits_for_nothing_and_ends_in_time)
{
    struct silent_port silent;
    bgl_ssl_config_t *client = client_config();
    open_silent_port(&silent, AF_INET, 0);
    CHECK_OK(bgl_ssl_config_set_connect_timeout(client, 300 * MS * slowness()));
    int64_t began = now_us();
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", silent.port));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    int64_t left = bgl_ssl_socket_timeout(socket);
    CHECK(left > 0 && left <= 300 * MS * slowness());
    char address[64];
    CHECK_INT(0, (long long)bgl_ssl_socket_peer_address(socket, address, sizeof address, NULL));
    CHECK_INT(BGL_SSL_E_STATE, last_error().code);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, handshake_by_poll(socket));
    CHECK(now_us() - began >= 300 * MS * slowness());
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    CHECK_MESSAGE("connect to 127.0.0.1:");
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(socket));
    bgl_ssl_socket_free(socket);
    close_silent_port(&silent);
    bgl_ssl_config_free(client);
}

static void hold(bgl_ssl_socket_t *socket, void *data)
{
    char byte;
    size_t n;
    (void)data;
    bgl_ssl_socket_read(socket, &byte, 1, &n);
}

TEST(the_connect_timeout_holds_for_the_handshake_of_a_start)
{
    int port, listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_config_t *client = client_config();
    int64_t limit = 300 * MS * slowness();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(client, limit));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", port));
    bgl_ssl_status_t status;
    int64_t began = now_us();
    while ((status = bgl_ssl_socket_handshake(socket)) > 0) {
        int64_t left = bgl_ssl_socket_timeout(socket);
        CHECK(left >= 0 && left <= limit);
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        poll(&wait, 1, (int)(left / MS) + 1);
        CHECK(now_us() - began < 20 * SECOND * slowness());
    }
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, status);
    CHECK_INT(BGL_SSL_PHASE_HANDSHAKE, last_error().phase);
    bgl_ssl_socket_free(socket);
    close(listener);
    bgl_ssl_config_free(client);
}

TEST(a_start_that_is_refused_says_so)
{
    int port;
    close(plain_listener(AF_INET, "127.0.0.1", 0, 5, &port));
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_socket_t *socket = start(client, "127.0.0.1", port);
    if (socket) {
        CHECK_STATUS(BGL_SSL_E_IO, handshake_by_poll(socket));
        CHECK_INT(ECONNREFUSED, last_error().sys_errno);
        CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    }
    bgl_ssl_socket_free(socket);
    /* The answer may be there before the start returns. */
    socket = start(client, "no-such-host.invalid", port);
    CHECK_STATUS(BGL_SSL_E_RESOLVE, socket ? handshake_by_poll(socket) : last_error().code);
    CHECK_INT(BGL_SSL_PHASE_RESOLVE, last_error().phase);
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
}

TEST(a_start_can_be_closed_and_freed_at_any_time)
{
    struct silent_port silent;
    bgl_ssl_config_t *client = client_config();
    open_silent_port(&silent, AF_INET, 0);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", silent.port));
    bgl_ssl_socket_free(socket);
    socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", silent.port));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    CHECK_OK(bgl_ssl_socket_close(socket));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_handshake(socket));
    CHECK_INT(-1, bgl_ssl_socket_fd(socket));
    bgl_ssl_socket_free(socket);
    close_silent_port(&silent);
    bgl_ssl_config_free(client);
}

TEST(a_close_wakes_the_thread_that_waits_for_a_start)
{
    struct silent_port silent;
    bgl_ssl_config_t *client = client_config();
    open_silent_port(&silent, AF_INET, 0);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", silent.port));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
    struct reader reader = {.socket = socket};
    pthread_t thread = start_thread(read_one, &reader);
    while (!atomic_load(&reader.begun))
        usleep(1000);
    usleep(20000); /* the thread should be waiting; the outcome is the same if it is not */
    CHECK_OK(bgl_ssl_socket_close(socket));
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    bgl_ssl_socket_free(socket);
    close_silent_port(&silent);
    bgl_ssl_config_free(client);
}

TEST(a_start_verifies_and_resumes_as_a_connect_does)
{
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 3, serve_echo, NULL);
    int port = both.service.port;
    bgl_ssl_socket_t *socket =
        MADE(bgl_ssl_socket_t, bgl_ssl_connect_start(both.client, "127.0.0.1", port, AF_INET, "other.example", NULL));
    CHECK_STATUS(BGL_SSL_E_NAME, handshake_by_poll(socket));
    bgl_ssl_socket_free(socket);
    bgl_ssl_session_t *session = NULL;
    for (int i = 0; i < 2; i++) {
        socket = MADE(bgl_ssl_socket_t,
                      bgl_ssl_connect_start(both.client, "127.0.0.1", port, AF_INET, "localhost", session));
        CHECK_OK(handshake_by_poll(socket));
        CHECK(bgl_ssl_socket_session_reused(socket) == (i == 1));
        CHECK_OK(bgl_ssl_socket_set_nonblocking(socket, false));
        check_echo(socket, "session");
        if (!session)
            session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
        finish(socket);
    }
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST(many_starts_share_a_thread)
{
    enum { MANY = 40 };
    struct client_and_service both;
    bgl_ssl_socket_t *sockets[MANY];
    start_service_for(&both, client_config(), server_config("good"), MANY, hold, NULL);
    for (int i = 0; i < MANY; i++)
        sockets[i] = MADE(bgl_ssl_socket_t, start(both.client, "localhost", both.service.port));
    /* The server handles one at a time, so each is finished before the next can be. */
    int open = MANY;
    while (open > 0) {
        struct pollfd wait[MANY];
        int n = 0;
        for (int i = 0; i < MANY; i++) {
            bgl_ssl_status_t status = sockets[i] ? bgl_ssl_socket_handshake(sockets[i]) : BGL_SSL_E_STATE;
            if (status == BGL_SSL_OK) {
                CHECK_OK(bgl_ssl_socket_set_nonblocking(sockets[i], false));
                finish(sockets[i]);
                sockets[i] = NULL;
                open--;
            } else if (sockets[i]) {
                CHECK(status > 0);
                wait[n++] = (struct pollfd){bgl_ssl_socket_fd(sockets[i]),
                                            status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
            }
        }
        CHECK(n == 0 || poll(wait, (nfds_t)n, 20000 * slowness()) > 0);
    }
    end_client_and_service(&both);
}

TEST(one_config_serves_many_names)
{
    struct client_and_service both;
    start_service_for(&both, client_config(), server_config("good"), 3, serve_echo, NULL);
    int port = both.service.port;
    char name[64];
    bgl_ssl_socket_t *socket = MADE(
        bgl_ssl_socket_t, bgl_ssl_connect_named(both.client, "127.0.0.1", port, AF_INET, "localhost", NULL));
    CHECK(bgl_ssl_socket_server_name(socket, name, sizeof name) > 0);
    CHECK_STRING("localhost", name);
    check_echo(socket, "named");
    bgl_ssl_session_t *session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(socket));
    finish(socket);
    CHECK_REFUSED(BGL_SSL_E_NAME,
                  bgl_ssl_connect_named(both.client, "127.0.0.1", port, AF_INET, "other.example", session));
    socket = MADE(bgl_ssl_socket_t,
                  bgl_ssl_connect_named(both.client, "127.0.0.1", port, AF_INET, "localhost", session));
    CHECK(bgl_ssl_socket_session_reused(socket));
    finish(socket);
    bgl_ssl_session_free(session);
    end_client_and_service(&both);
}

TEST(the_name_of_a_connect_goes_before_the_configs)
{
    struct client_and_service both;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_hostname(client, "other.example"));
    start_service_for(&both, client, server_config("good"), 2, serve_echo, NULL);
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_named(client, "127.0.0.1", both.service.port,
                                                                            AF_INET, "localhost", NULL));
    finish(socket);
    CHECK_REFUSED(BGL_SSL_E_NAME,
                  bgl_ssl_connect_named(client, "127.0.0.1", both.service.port, AF_INET, NULL, NULL));
    end_client_and_service(&both);
}

TEST(arguments_that_cannot_be_are_refused)
{
    bgl_ssl_config_t *client = client_config();
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_start(NULL, "localhost", 1, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_start(client, NULL, 1, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_start(client, "localhost", 0, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_start(client, "localhost", 1, -5, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_start(client, "localhost", 1, AF_INET, "a b", NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_named(NULL, "localhost", 1, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_named(client, NULL, 1, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_named(client, "localhost", 65536, AF_INET, NULL, NULL));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_connect_named(client, "localhost", 1, AF_INET, "", NULL));
    bgl_ssl_config_free(client);
    client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_connect_start(client, "localhost", 1, AF_INET, NULL, NULL));
    bgl_ssl_config_free(client);
}

static atomic_bool lookups_take_time;

/* Stands in for the C library's. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    typeof(getaddrinfo) *next = (typeof(getaddrinfo) *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (lookups_take_time)
        usleep(50000);
    return next(name, service, hints, found);
}

/* A child process has duplicates of all descriptors, also of those that the parent has closed. */
TEST(a_connection_in_the_making_is_not_always_ready_after_a_fork)
{
    struct silent_port silent;
    int wakes = 0, left;
    open_silent_port(&silent, AF_INET, 0);
    lookups_take_time = true;
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "localhost", silent.port));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    for (int64_t begin = now_us(); (left = (int)((begin + SECOND - now_us()) / 1000)) > 0; wakes++) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), POLLIN, 0};
        if (poll(&wait, 1, left) == 1)
            CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    }
    kill(child, SIGKILL);
    CHECK_INT(child, waitpid(child, NULL, 0));
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
    close_silent_port(&silent);
    if (wakes > 50)
        FAIL("%d wakes in a second", wakes);
}

/* Programs that collect garbage keep a closed socket for long. */
TEST(a_close_of_a_connection_in_the_making_gives_all_descriptors_up)
{
    struct silent_port silent;
    open_silent_port(&silent, AF_INET, 0);
    bgl_ssl_config_t *client = client_config();
    int descriptors = open_descriptors();
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(client, "127.0.0.1", silent.port));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    CHECK_OK(bgl_ssl_socket_close(socket));
    CHECK_INT(descriptors, open_descriptors());
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(client);
    close_silent_port(&silent);
}

/* As handshake_by_poll, but it wakes when the socket is due. */
static bgl_ssl_status_t handshake_until_due(const bgl_ssl_socket_t *socket)
{
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_handshake(socket)) > 0) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        poll(&wait, 1, (int)(bgl_ssl_socket_timeout(socket) / 1000) + 1);
    }
    return status;
}

static bgl_ssl_socket_t *start_towards(const struct silent_port *silent, int64_t connect_timeout)
{
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(config, connect_timeout));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(config, "127.0.0.1", silent->port));
    bgl_ssl_config_free(config);
    return socket;
}

/* docs/connecting.md: "A failure is told by the handshake, with the phase ..., and stays." */
TEST(a_start_whose_handshake_timed_out_stays_failed)
{
    int port, listener = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_config_t *config = client_config();
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(config, 200 * MS * slowness()));
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, start(config, "127.0.0.1", port));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, handshake_until_due(socket));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(socket));
    bgl_ssl_socket_free(socket);
    bgl_ssl_config_free(config);
    close(listener);
}

/* The failure is final: nothing is due any more, and all calls tell of the same. */
TEST(a_start_whose_connect_timed_out_is_not_due_again)
{
    struct silent_port silent;
    open_silent_port(&silent, AF_INET, 0);
    bgl_ssl_socket_t *socket = start_towards(&silent, 200 * MS * slowness());
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, handshake_until_due(socket));
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    CHECK_INT(-1, bgl_ssl_socket_timeout(socket));
    bgl_ssl_socket_free(socket);
    close_silent_port(&silent);
}

TEST(handling_the_timeout_of_a_start_tells_of_the_phase_connect_as_its_handshake_does)
{
    struct silent_port silent;
    open_silent_port(&silent, AF_INET, 0);
    bgl_ssl_socket_t *socket = start_towards(&silent, 200 * MS * slowness());
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(socket));
    usleep((useconds_t)(250 * MS * slowness()));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handle_timeout(socket));
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_handshake(socket));
    CHECK_INT(BGL_SSL_PHASE_CONNECT, last_error().phase);
    bgl_ssl_socket_free(socket);
    close_silent_port(&silent);
}
