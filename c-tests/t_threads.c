/* Many threads: full duplex, a close from elsewhere, no thread waiting for another's peer. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <poll.h>

struct stream {
    const bgl_ssl_socket_t *socket;
    size_t total;
    unsigned seed;
};

static unsigned char stream_byte(unsigned seed, size_t i)
{
    return (unsigned char)(seed + i * 7 + i / 256);
}

static void *write_stream(void *data)
{
    const struct stream *it = data;
    unsigned char buffer[7000];
    for (size_t at = 0; at < it->total;) {
        size_t n = 0, length = it->total - at < sizeof buffer ? it->total - at : sizeof buffer;
        for (size_t i = 0; i < length; i++)
            buffer[i] = stream_byte(it->seed, at + i);
        CHECK_OK(bgl_ssl_socket_write(it->socket, buffer, length, &n));
        CHECK_INT((long long)length, (long long)n);
        at += n;
    }
    return NULL;
}

static void *read_stream(void *data)
{
    const struct stream *it = data;
    unsigned char buffer[5000];
    for (size_t at = 0; at < it->total;) {
        size_t n = 0;
        CHECK_OK(bgl_ssl_socket_read(it->socket, buffer, sizeof buffer, &n));
        for (size_t i = 0; i < n; i++)
            if (buffer[i] != stream_byte(it->seed, at + i))
                FAIL("byte %zu is wrong", at + i);
        at += n;
    }
    return NULL;
}

TEST(one_thread_reads_while_another_writes)
{
    enum { TOTAL = 4000000 };
    struct ends ends;
    size_t total = memory_is_watched() ? TOTAL / 10 : TOTAL;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    struct stream streams[] = {
        {ends.client, total, 1}, {ends.server, total, 1}, {ends.server, total, 2}, {ends.client, total, 2}};
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        threads[i] = start_thread(i % 2 ? read_stream : write_stream, &streams[i]);
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    free_ends(&ends);
}

/* Two writers and two readers on one socket get in each other's way only by turns: every write stays whole. */
TEST(writes_of_several_threads_stay_whole)
{
    enum { WRITERS = 3, LENGTH = 30000 };
    struct ends ends;
    static char buffer[WRITERS * LENGTH];
    pthread_t threads[WRITERS];
    struct stream streams[WRITERS];
    connect_over_tcp(&ends, client_config(), server_config("good"));
    for (unsigned i = 0; i < WRITERS; i++) {
        streams[i] = (struct stream){ends.client, 7000, 'a' + i};
        threads[i] = start_thread(write_stream, &streams[i]);
    }
    receive_bytes(ends.server, buffer, WRITERS * 7000);
    for (unsigned i = 0; i < WRITERS; i++)
        join_thread(threads[i]);
    for (unsigned i = 0; i < WRITERS; i++) {
        unsigned seed = (unsigned char)buffer[i * 7000];
        for (size_t j = 0; j < 7000; j++)
            CHECK_INT(stream_byte(seed, j), (unsigned char)buffer[i * 7000 + j]);
    }
    free_ends(&ends);
}

struct waiter {
    const bgl_ssl_socket_t *socket;
    bgl_ssl_status_t status;
    bgl_ssl_error_t error;
    int started[2];
};

/* Tells that a call got through; when nobody has listened for long, the pipe is full, and that is fine. */
static void signal_start(const struct waiter *waiter)
{
    if (write(waiter->started[1], "!", 1) != 1)
        CHECK_INT(EAGAIN, errno);
}

static void *read_until_failure(void *data)
{
    struct waiter *it = data;
    static _Thread_local char buffer[20000];
    size_t n;
    while ((it->status = bgl_ssl_socket_read(it->socket, buffer, sizeof buffer, &n)) == BGL_SSL_OK)
        signal_start(it);
    it->error = last_error();
    return NULL;
}

static void *write_until_failure(void *data)
{
    struct waiter *it = data;
    static _Thread_local char buffer[20000];
    size_t n;
    while ((it->status = bgl_ssl_socket_write(it->socket, buffer, sizeof buffer, &n)) == BGL_SSL_OK)
        signal_start(it);
    it->error = last_error();
    return NULL;
}

static void open_waiter(struct waiter *waiter, const bgl_ssl_socket_t *socket)
{
    waiter->socket = socket;
    CHECK_INT(0, pipe(waiter->started));
    CHECK_INT(0, fcntl(waiter->started[1], F_SETFL, O_NONBLOCK));
}

static void close_waiter(const struct waiter *waiter)
{
    close(waiter->started[0]);
    close(waiter->started[1]);
}

/* Waits until the thread has had some calls through. */
static void await_calls(const struct waiter *waiter, int calls)
{
    char byte;
    for (int i = 0; i < calls; i++)
        CHECK_INT(1, read(waiter->started[0], &byte, 1));
}

/* Both directions at work, and a third thread closes: both calls end with E_STATE, soon, and nothing crashes. */
TEST(a_third_thread_closes_under_a_reader_and_a_writer)
{
    for (int round = 0; round < 5; round++) {
        struct ends ends;
        struct waiter reader, writer, peer_reader, peer_writer;
        connect_over_tcp(&ends, client_config(), server_config("good"));
        CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 200 * MS));
        open_waiter(&reader, ends.client);
        open_waiter(&writer, ends.client);
        open_waiter(&peer_reader, ends.server);
        open_waiter(&peer_writer, ends.server);
        pthread_t threads[] = {
            start_thread(read_until_failure, &reader), start_thread(write_until_failure, &writer),
            start_thread(read_until_failure, &peer_reader), start_thread(write_until_failure, &peer_writer)};
        await_calls(&reader, 5);
        await_calls(&writer, 5);
        int64_t began = now_us();
        bgl_ssl_socket_close(ends.client);
        join_thread(threads[0]);
        join_thread(threads[1]);
        CHECK(now_us() - began < 5 * SECOND * slowness());
        CHECK_INT(BGL_SSL_E_STATE, reader.status);
        CHECK_INT(BGL_SSL_E_STATE, writer.status);
        bgl_ssl_socket_close(ends.server);
        join_thread(threads[2]);
        join_thread(threads[3]);
        close_waiter(&reader);
        close_waiter(&writer);
        close_waiter(&peer_reader);
        close_waiter(&peer_writer);
        free_ends(&ends);
    }
}

TEST(close_wakes_a_reader_that_waits_without_a_deadline)
{
    struct ends ends;
    struct waiter reader;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    open_waiter(&reader, ends.client);
    pthread_t thread = start_thread(read_until_failure, &reader);
    send_bytes(ends.server, "x", 1);
    await_calls(&reader, 1); /* it has read once, and is about to wait or waits */
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0));
    bgl_ssl_socket_close(ends.client);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    close_waiter(&reader);
    free_ends(&ends);
}

/* The client is refused after its handshake is done, so far as it knows (TLS 1.3); which of its threads meets the end of
 * the connection first is a matter of luck, and both are told why. */
TEST(a_writer_is_told_the_alert_that_a_reader_beside_it_receives)
{
    for (int round = 0; round < 20; round++) {
        int fds[2];
        struct ends ends;
        struct waiter reader, writer;
        bgl_ssl_config_t *client = client_config(), *server = server_config("good");
        CHECK_OK(bgl_ssl_config_set_client_certificate(server, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED));
        set_ca(server, "root.pem");
        tcp_pair(fds);
        make_ends_over(&ends, client, server, "localhost", fds);
        set_ends_blocking(&ends);
        open_waiter(&reader, ends.client);
        open_waiter(&writer, ends.client);
        pthread_t reading = start_thread(read_until_failure, &reader);
        pthread_t writing = start_thread(write_until_failure, &writer);
        CHECK_STATUS(BGL_SSL_E_VERIFY, bgl_ssl_socket_handshake(ends.server));
        CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.server, 0));
        bgl_ssl_socket_close(ends.server);
        join_thread(reading);
        join_thread(writing);
        CHECK(reader.error.alert >= 0);
        CHECK(writer.error.alert >= 0);
        close_waiter(&reader);
        close_waiter(&writer);
        free_ends(&ends);
        bgl_ssl_config_free(client);
        bgl_ssl_config_free(server);
    }
}

/* The reader is not told, so the writer has to notice it; with a limit and without. */
TEST(a_write_that_fails_beside_a_reader_counts_nothing_and_is_no_timeout)
{
    static const int64_t limits[] = {0, 20 * MS, 10 * SECOND};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct ends ends;
        struct waiter reader;
        size_t n;
        connect_with(&ends, client_config(), server_config("good"));
        CHECK(exchange_bytes(&ends));
        set_ends_blocking(&ends);
        open_waiter(&reader, ends.client);
        pthread_t thread = start_thread(read_until_failure, &reader);
        send_bytes(ends.server, "x", 1);
        await_calls(&reader, 1);
        usleep(50000); /* nothing tells from outside when a reader has begun to wait */
        CHECK_INT(0, shutdown(bgl_ssl_socket_fd(ends.server), SHUT_RD));
        CHECK_OK(bgl_ssl_socket_set_write_timeout(ends.client, limits[i]));
        for (int again = 0; again < 2; again++) {
            CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_write(ends.client, "lost", 4, &n));
            CHECK_INT(EPIPE, last_error().sys_errno);
            CHECK_INT(0, (long long)n);
        }
        CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 0));
        bgl_ssl_socket_close(ends.client);
        join_thread(thread);
        close_waiter(&reader);
        free_ends(&ends);
    }
}

static void *pass_bytes_but_no_end(void *data)
{
    const int *from_to = data;
    char buffer[20000];
    ssize_t n;
    while ((n = read(from_to[0], buffer, sizeof buffer)) > 0)
        send(from_to[1], buffer, (size_t)n, MSG_NOSIGNAL);
    return NULL;
}

static void *echo_until_the_end(void *data)
{
    bgl_ssl_socket_t *socket = data;
    serve_echo(socket, NULL);
    CHECK_OK(bgl_ssl_socket_shutdown(socket));
    return NULL;
}

/* What the peer says then reaches the reader, and nothing but that ends the close before its deadline. */
TEST(close_receives_the_peers_close_notify_although_another_thread_reads)
{
    int left[2], right[2], fds[2];
    char byte;
    struct ends ends;
    struct waiter reader;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    local_pair(left);
    local_pair(right);
    int there[2] = {left[1], right[0]}, back[2] = {right[0], left[1]};
    pthread_t relays[2] = {start_thread(pass_bytes_but_no_end, there), start_thread(pass_bytes_but_no_end, back)};
    fds[0] = left[0];
    fds[1] = right[1];
    make_ends_over(&ends, client, server, "localhost", fds);
    set_ends_blocking(&ends);
    open_waiter(&reader, ends.client);
    pthread_t thread = start_thread(read_until_failure, &reader);
    send_bytes(ends.server, "x", 1);
    await_calls(&reader, 1); /* it has read once, and is about to wait or waits */
    usleep(50000);
    pthread_t peer = start_thread(echo_until_the_end, ends.server);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 60 * SECOND));
    int64_t began = now_us();
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK(now_us() - began < 20 * SECOND);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    join_thread(peer);
    shutdown(left[1], SHUT_RDWR);
    shutdown(right[0], SHUT_RDWR);
    CHECK(read(left[1], &byte, 1) <= 0);
    for (size_t i = 0; i < COUNT(relays); i++)
        join_thread(relays[i]);
    close(left[1]);
    close(right[0]);
    close_waiter(&reader);
    free_ends(&ends);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

TEST(shutdown_read_wakes_a_reader_and_leaves_the_writing_half)
{
    struct ends ends;
    struct waiter reader;
    char text[8];
    connect_over_tcp(&ends, client_config(), server_config("good"));
    open_waiter(&reader, ends.client);
    pthread_t thread = start_thread(read_until_failure, &reader);
    send_bytes(ends.server, "x", 1);
    await_calls(&reader, 1); /* it has read once, and is about to wait or waits */
    CHECK_OK(bgl_ssl_socket_shutdown_read(ends.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_EOF, reader.status);
    send_bytes(ends.client, "answer", 6);
    receive_bytes(ends.server, text, 6);
    CHECK(memcmp(text, "answer", 6) == 0);
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_shutdown_read(ends.client));
    CHECK_STATUS(BGL_SSL_E_ARGUMENT, bgl_ssl_socket_shutdown_read(NULL));
    close_waiter(&reader);
    free_ends(&ends);
}

TEST(close_wakes_a_writer_that_waits_for_its_peer)
{
    struct ends ends;
    struct waiter writer;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    open_waiter(&writer, ends.client);
    pthread_t thread = start_thread(write_until_failure, &writer);
    /* Until no call has got through for a while, the buffers are not full. */
    struct pollfd progress = {writer.started[0], POLLIN, 0};
    while (poll(&progress, 1, 300 * slowness()) == 1)
        await_calls(&writer, 1);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(ends.client, 100 * MS));
    bgl_ssl_socket_close(ends.client);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, writer.status);
    close_waiter(&writer);
    free_ends(&ends);
}

static void *handshake_in_thread(void *data)
{
    struct waiter *it = data;
    signal_start(it);
    it->status = bgl_ssl_socket_handshake(it->socket);
    it->error = last_error();
    return NULL;
}

TEST(close_wakes_a_handshake)
{
    int fds[2];
    struct waiter waiter;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(client, 0));
    tcp_pair(fds);
    open_waiter(&waiter, MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, fds[0], "localhost", 0)));
    pthread_t thread = start_thread(handshake_in_thread, &waiter);
    await_calls(&waiter, 1);
    await_readable(fds[1]);
    bgl_ssl_socket_close(waiter.socket);
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, waiter.status);
    bgl_ssl_socket_free((bgl_ssl_socket_t *)(uintptr_t)waiter.socket);
    close_waiter(&waiter);
    close(fds[0]);
    close(fds[1]);
    bgl_ssl_config_free(client);
}

struct acceptor {
    bgl_ssl_server_t *server;
    int64_t timeout;
    bgl_ssl_status_t status;
    pid_t id;
    int served;
    int ready[2];
    pthread_t thread;
};

static void *accept_until_failure(void *data)
{
    struct acceptor *it = data;
    it->id = gettid();
    CHECK_INT(1, write(it->ready[1], "a", 1));
    for (;;) {
        bgl_ssl_socket_t *socket = NULL;
        it->status = bgl_ssl_server_accept(it->server, it->timeout, &socket);
        if (it->status != BGL_SSL_OK)
            return NULL;
        it->served++;
        serve_echo(socket, NULL);
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    }
}

/* A thread that accepts, and is about to wait or waits. */
static void start_acceptor(struct acceptor *it, bgl_ssl_server_t *server, int64_t timeout)
{
    char byte;
    *it = (struct acceptor){.server = server, .timeout = timeout};
    CHECK_INT(0, pipe(it->ready));
    it->thread = start_thread(accept_until_failure, it);
    CHECK_INT(1, read(it->ready[0], &byte, 1));
}

static void check_acceptor_ends(struct acceptor *it, bgl_ssl_status_t expected)
{
    join_thread(it->thread);
    CHECK_INT(expected, it->status);
    close(it->ready[0]);
    close(it->ready[1]);
}

TEST(closing_a_server_wakes_all_its_accepting_threads)
{
    enum { THREADS = 3 };
    struct acceptor acceptors[THREADS];
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    for (int i = 0; i < THREADS; i++)
        start_acceptor(&acceptors[i], server, i == 0 ? 0 : 20 * SECOND);
    CHECK_OK(bgl_ssl_server_close(server));
    CHECK_OK(bgl_ssl_server_close(server));
    for (int i = 0; i < THREADS; i++)
        check_acceptor_ends(&acceptors[i], BGL_SSL_E_STATE);
    CHECK_INT(-1, bgl_ssl_server_fd(server));
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
}

/* How often a thread of this process has given up the processor of its own accord. */
static long long switches_of(pid_t thread)
{
    char path[64], line[128];
    long long count = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
    FILE *status = fopen(path, "r");
    if (!status)
        skip_test("/proc/self/task");
    while (fgets(line, sizeof line, status))
        sscanf(line, "voluntary_ctxt_switches: %lld", &count);
    fclose(status);
    return count;
}

TEST(a_client_wakes_one_accepting_thread_and_leaves_the_others_asleep)
{
    enum { THREADS = 6 };
    struct acceptor acceptors[THREADS];
    long long before[THREADS], after[THREADS];
    int awake = 0;
    bgl_ssl_config_t *config = server_config("good"), *client = client_config();
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 5, AF_INET));
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    for (int i = 0; i < THREADS; i++)
        start_acceptor(&acceptors[i], server, 0);
    usleep(200000 * (useconds_t)slowness()); /* nothing tells from outside that all of them sleep */
    for (int i = 0; i < THREADS; i++)
        before[i] = switches_of(acceptors[i].id);
    bgl_ssl_socket_t *socket = connect_to(client, bgl_ssl_server_port(server));
    check_echo(socket, "there");
    for (int i = 0; i < THREADS; i++)
        after[i] = switches_of(acceptors[i].id);
    finish(socket);
    CHECK_OK(bgl_ssl_server_close(server));
    for (int i = 0; i < THREADS; i++) {
        check_acceptor_ends(&acceptors[i], BGL_SSL_E_STATE);
        awake += acceptors[i].served;
        if (acceptors[i].served == 0)
            CHECK_INT(before[i], after[i]);
    }
    CHECK_INT(1, awake);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(client);
}

/* The one that has no limit is there first, and may well take a client that the other one has seen. */
TEST(an_accept_keeps_its_limit_beside_one_that_has_none)
{
    enum { CLIENTS = 40 };
    bgl_ssl_config_t *config = server_config("good"), *client = client_config();
    CHECK_OK(bgl_ssl_config_set_hostname(client, "localhost"));
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 50, AF_INET));
    struct acceptor patient, hasty;
    start_acceptor(&patient, server, 0);
    start_acceptor(&hasty, server, 300 * MS);
    for (int i = 0; i < CLIENTS; i++)
        finish(connect_to(client, bgl_ssl_server_port(server)));
    check_acceptor_ends(&hasty, BGL_SSL_E_TIMEOUT);
    CHECK_OK(bgl_ssl_server_close(server));
    check_acceptor_ends(&patient, BGL_SSL_E_STATE);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(config);
    bgl_ssl_config_free(client);
}

struct client_thread {
    const bgl_ssl_config_t *config;
    int port;
    int rounds;
};

static void *run_client(void *data)
{
    const struct client_thread *it = data;
    for (int i = 0; i < it->rounds; i++) {
        bgl_ssl_socket_t *socket = connect_to(it->config, it->port);
        check_echo(socket, "many threads share one config");
        finish(socket);
    }
    return NULL;
}

/* In so many threads, until all have ended. */
static void run_at_once(size_t count, void *(*run)(void *), void *data)
{
    pthread_t threads[8];
    CHECK(count <= COUNT(threads));
    for (size_t i = 0; i < count; i++)
        threads[i] = start_thread(run, data);
    for (size_t i = 0; i < count; i++)
        join_thread(threads[i]);
}

TEST(many_threads_share_one_config_and_one_server)
{
    enum { CLIENTS = 8, ACCEPTORS = 4 };
    struct acceptor acceptors[ACCEPTORS];
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 64, AF_INET));
    struct client_thread client_thread = {client, bgl_ssl_server_port(server), memory_is_watched() ? 3 : 25};
    for (int i = 0; i < ACCEPTORS; i++)
        start_acceptor(&acceptors[i], server, 0);
    run_at_once(CLIENTS, run_client, &client_thread);
    CHECK_OK(bgl_ssl_server_close(server));
    for (int i = 0; i < ACCEPTORS; i++)
        check_acceptor_ends(&acceptors[i], BGL_SSL_E_STATE);
    bgl_ssl_server_free(server);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(config);
}

static void *connect_to_silence(void *data)
{
    const struct client_thread *it = data;
    CHECK(!bgl_ssl_connect(it->config, "127.0.0.1", it->port, AF_INET));
    return NULL;
}

/* With one mutex over all connections, the waiting ones would hold the talking ones. */
TEST(waiting_connections_do_not_hold_others)
{
    struct service service;
    struct ends idle;
    struct waiter reader, writer;
    int port;
    int silent = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_config_t *config = server_config("good");
    bgl_ssl_config_t *patient = client_config();
    CHECK_OK(bgl_ssl_config_set_connect_timeout(patient, 25 * SECOND * slowness()));
    CHECK_OK(bgl_ssl_config_set_handshake_timeout(patient, 25 * SECOND * slowness()));
    struct client_thread stuck = {patient, port, 1};
    connect_over_tcp(&idle, client_config(), server_config("good"));
    open_waiter(&reader, idle.client);
    open_waiter(&writer, idle.client);
    pthread_t waiting[] = {start_thread(connect_to_silence, &stuck), start_thread(read_until_failure, &reader),
                           start_thread(write_until_failure, &writer)};
    int stuck_peer = accept(silent, NULL, NULL); /* the handshake waits from here on */
    CHECK(stuck_peer >= 0);
    await_calls(&writer, 3);
    start_service(&service, config, 20, serve_echo, NULL);
    struct client_thread client_thread = {client, service.port, 20};
    int64_t began = now_us();
    run_client(&client_thread);
    CHECK(now_us() - began < 15 * SECOND * slowness());
    end_service(&service);
    close(stuck_peer);
    close(silent);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(idle.client, 0));
    bgl_ssl_socket_close(idle.client);
    for (size_t i = 0; i < COUNT(waiting); i++)
        join_thread(waiting[i]);
    close_waiter(&reader);
    close_waiter(&writer);
    free_ends(&idle);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(patient);
    bgl_ssl_config_free(config);
}

static void *load_and_free(void *data)
{
    bgl_ssl_certificate_t *shared = data;
    for (int i = 0; i < 50; i++) {
        bgl_ssl_certificate_t *mine = MADE(bgl_ssl_certificate_t, bgl_ssl_certificate_retain(shared));
        CHECK_STRING("good", bgl_ssl_certificate_subject(mine));
        CHECK_STRING("root", bgl_ssl_certificate_issuer(mine));
        bgl_ssl_certificate_free(mine);
    }
    return NULL;
}

TEST(threads_share_a_certificate)
{
    bgl_ssl_certificate_t *cert = certificate("good.pem");
    run_at_once(4, load_and_free, cert);
    bgl_ssl_certificate_free(cert);
}

static void *freeze_config(void *data)
{
    CHECK_OK(bgl_ssl_config_freeze(data));
    return NULL;
}

TEST(threads_freeze_one_config_at_once)
{
    bgl_ssl_config_t *config = server_config("good");
    run_at_once(6, freeze_config, config);
    bgl_ssl_config_free(config);
}
