/* A record whose end is missing: the descriptor becomes readable at the latest with its last byte, or with whatever ends the
 * connection. A test between the two ends passes on as many bytes as it likes. */
#define _GNU_SOURCE
#include "harness.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>

/* Of application data; a record of TLS 1.3 has so much beside it. */
enum { RECORD = 16384, HALF = 8000, SMALL = 100, OVERHEAD = 22, REST = RECORD + OVERHEAD - HALF };

struct cut_line {
    struct ends ends;
    int from_client; /* what the client has sent is read here */
    int to_server;   /* and passed on here, over TCP */
    bgl_ssl_server_t *listener;
    int kept; /* the program's descriptor of the server's end, or -1 */
};

static void pass(const struct cut_line *line, size_t length)
{
    char data[3 * RECORD];
    CHECK(length <= sizeof data);
    CHECK_INT((long long)length, recv(line->from_client, data, length, MSG_WAITALL));
    write_all(line->to_server, data, length);
}

/* Passes on what has come. */
static void pass_on(int from, int to)
{
    char data[8192];
    ssize_t n;
    while ((n = recv(from, data, sizeof data, MSG_DONTWAIT)) > 0)
        write_all(to, data, (size_t)n);
}

/* The server's end on a descriptor of the library's own. */
static void accept_server(struct cut_line *line, const bgl_ssl_config_t *config)
{
    line->listener = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, "127.0.0.1", 0, 1, AF_INET));
    line->to_server = plain_connect(bgl_ssl_server_port(line->listener));
    CHECK_OK(bgl_ssl_server_accept(line->listener, 0, &line->ends.server));
}

/* Likewise, for a program that looks at the client's hello first. */
static void accept_server_and_look_at_hello(struct cut_line *line, const bgl_ssl_config_t *config)
{
    bgl_ssl_hello_t *hello;
    accept_server(line, config);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line->ends.server, true));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_hello(line->ends.server, &hello));
}

/* On a duplicate of a descriptor that the program keeps. */
static void upgrade_server(struct cut_line *line, const bgl_ssl_config_t *config)
{
    int pair[2];
    tcp_pair(pair);
    line->to_server = pair[0];
    line->kept = pair[1];
    line->ends.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fd(config, line->kept, 0));
}

/* Both ends have met, and do not block. */
static void open_line_to(struct cut_line *line, void (*make_server)(struct cut_line *, const bgl_ssl_config_t *))
{
    int pair[2], on = 1;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    *line = (struct cut_line){.kept = -1};
    make_server(line, server);
    CHECK_INT(0, setsockopt(line->to_server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    tcp_pair(pair);
    line->from_client = pair[0];
    line->ends.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fd(client, pair[1], "localhost", 0));
    close(pair[1]);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line->ends.client, true));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line->ends.server, true));
    bgl_ssl_status_t statuses[2] = {BGL_SSL_WANT_READ, BGL_SSL_WANT_READ};
    while (statuses[0] == BGL_SSL_WANT_READ || statuses[1] == BGL_SSL_WANT_READ) {
        statuses[0] = bgl_ssl_socket_handshake(line->ends.client);
        pass_on(line->from_client, line->to_server);
        statuses[1] = bgl_ssl_socket_handshake(line->ends.server);
        pass_on(line->to_server, line->from_client);
    }
    CHECK_OK(statuses[0]);
    CHECK_OK(statuses[1]);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void open_line(struct cut_line *line)
{
    open_line_to(line, accept_server);
}

static void close_line(struct cut_line *line)
{
    free_ends(&line->ends);
    bgl_ssl_server_free(line->listener);
    if (line->kept >= 0)
        close(line->kept);
    close(line->from_client);
    close(line->to_server);
}

/* The client sends a record of so much data. */
static void send_record(const struct cut_line *line, size_t length)
{
    static const char data[RECORD];
    size_t n;
    CHECK_OK(bgl_ssl_socket_write(line->ends.client, data, length, &n));
    CHECK_INT((long long)length, (long long)n);
}

static bgl_ssl_status_t read_server(const struct cut_line *line, size_t *n)
{
    static char data[RECORD];
    return bgl_ssl_socket_read(line->ends.server, data, sizeof data, n);
}

static bool is_readable(const struct cut_line *line, int milliseconds)
{
    struct pollfd wait = {bgl_ssl_socket_fd(line->ends.server), POLLIN, 0};
    return poll(&wait, 1, milliseconds) == 1;
}

static void check_becomes_readable(const struct cut_line *line)
{
    CHECK(is_readable(line, 10000 * slowness()));
}

/* The server gets a record of this length, waiting as a program does. */
static void check_gets(const struct cut_line *line, size_t length)
{
    bgl_ssl_status_t status;
    size_t n;
    while ((status = read_server(line, &n)) == BGL_SSL_WANT_READ)
        check_becomes_readable(line);
    CHECK_OK(status);
    CHECK_INT((long long)length, (long long)n);
}

/* The server gets half of a record, and looks for more. */
static void pass_half_a_record(const struct cut_line *line)
{
    size_t n;
    send_record(line, RECORD);
    pass(line, HALF);
    CHECK_STATUS(BGL_SSL_WANT_READ, read_server(line, &n));
}

TEST(a_socket_becomes_readable_with_the_end_of_a_record_and_not_with_each_segment)
{
    struct cut_line line;
    open_line(&line);
    pass_half_a_record(&line);
    for (int i = 0; i < 3; i++) {
        pass(&line, 1000);
        CHECK(!is_readable(&line, 0));
    }
    pass(&line, REST - 3 * 1000);
    check_gets(&line, RECORD);
    close_line(&line);
}

TEST(after_a_record_a_small_one_makes_the_socket_readable)
{
    struct cut_line line;
    open_line(&line);
    pass_half_a_record(&line);
    pass(&line, REST);
    check_gets(&line, RECORD);
    send_record(&line, 1);
    pass(&line, 1);
    check_becomes_readable(&line);
    pass(&line, OVERHEAD);
    check_gets(&line, 1);
    close_line(&line);
}

/* Programs may poll after each read, also if they know that the library has nothing more. */
TEST(a_small_record_behind_the_end_of_a_large_one_makes_the_socket_readable_or_is_pending)
{
    struct cut_line line;
    open_line(&line);
    pass_half_a_record(&line);
    send_record(&line, SMALL);
    pass(&line, REST + SMALL + OVERHEAD);
    check_gets(&line, RECORD);
    CHECK(bgl_ssl_socket_pending(line.ends.server) > 0 || is_readable(&line, 10000 * slowness()));
    check_gets(&line, SMALL);
    close_line(&line);
}

/* The beginning of a third record comes with the end of the first: what lies between must not wait for it. */
TEST(a_small_record_between_two_large_ones_is_not_held)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    pass_half_a_record(&line);
    send_record(&line, SMALL);
    send_record(&line, RECORD);
    pass(&line, REST + SMALL + OVERHEAD + HALF);
    check_gets(&line, RECORD);
    CHECK(bgl_ssl_socket_pending(line.ends.server) > 0 || is_readable(&line, 10000 * slowness()));
    check_gets(&line, SMALL);
    CHECK_STATUS(BGL_SSL_WANT_READ, read_server(&line, &n));
    pass(&line, REST);
    check_gets(&line, RECORD);
    close_line(&line);
}

static void end_stream(struct cut_line *line)
{
    CHECK_INT(0, shutdown(line->to_server, SHUT_WR));
}

static void reset_line(struct cut_line *line)
{
    reset_on_close(line->to_server);
    close(line->to_server);
    line->to_server = dup(line->from_client);
}

TEST(the_end_of_the_stream_inside_a_record_makes_the_socket_readable)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    pass_half_a_record(&line);
    end_stream(&line);
    check_becomes_readable(&line);
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, read_server(&line, &n));
    close_line(&line);
}

TEST(a_reset_inside_a_record_makes_the_socket_readable)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    pass_half_a_record(&line);
    reset_line(&line);
    check_becomes_readable(&line);
    CHECK_STATUS(BGL_SSL_E_IO, read_server(&line, &n));
    close_line(&line);
}

/* ---- programs that are told of each change once ---- */

static int watch_server(const struct cut_line *line)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(0, epoll_ctl(epoll, EPOLL_CTL_ADD, bgl_ssl_socket_fd(line->ends.server), &event));
    return epoll;
}

static void await_change(int epoll)
{
    struct epoll_event event;
    CHECK_INT(1, epoll_wait(epoll, &event, 1, 10000 * slowness()));
}

/* How reading ends that is done once for each change. */
static bgl_ssl_status_t read_at_changes(const struct cut_line *line, int epoll, size_t *n)
{
    bgl_ssl_status_t status;
    while ((status = read_server(line, n)) == BGL_SSL_WANT_READ)
        await_change(epoll);
    return status;
}

/* Half of a record and what ends the connection have both come when the program reads. */
static void check_edge_triggered_end(void (*end)(struct cut_line *), bgl_ssl_status_t expected)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    int epoll = watch_server(&line);
    send_record(&line, RECORD);
    pass(&line, HALF);
    end(&line);
    await_change(epoll);
    CHECK_STATUS(expected, read_at_changes(&line, epoll, &n));
    close(epoll);
    close_line(&line);
}

TEST(an_edge_triggered_program_sees_the_end_of_the_stream_behind_half_a_record)
{
    check_edge_triggered_end(end_stream, BGL_SSL_E_TRUNCATED);
}

/* It came before the read, so the system reports it once, with the bytes. */
TEST(an_edge_triggered_program_sees_a_reset_behind_half_a_record)
{
    check_edge_triggered_end(reset_line, BGL_SSL_E_IO);
}

TEST(an_edge_triggered_program_gets_a_record_whose_end_comes_later)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    pass_half_a_record(&line);
    int epoll = watch_server(&line);
    pass(&line, REST);
    CHECK_OK(read_at_changes(&line, epoll, &n));
    CHECK_INT(RECORD, (long long)n);
    close(epoll);
    close_line(&line);
}

static void *pass_in_pieces(void *data)
{
    enum { PIECE = 100 };
    for (size_t left = RECORD + OVERHEAD; left > 0; left -= left < PIECE ? left : PIECE)
        pass(data, left < PIECE ? left : PIECE);
    return NULL;
}

struct buffer {
    const char *name;
    int size;
    bool blocks;
};

/* The system rounds the first up to the least that it allows. */
static const struct buffer buffers[] = {
    {"least", 1, false}, {"least_blocking", 1, true}, {"half_a_record", RECORD / 2, false},
    {"half_a_record_blocking", RECORD / 2, true}, {"one_record", RECORD, false}, {"one_record_blocking", RECORD, true},
};

TEST_TABLE(a_record_comes_through_a_receive_buffer_that_holds_no_more_than, buffers)
{
    const struct buffer *buffer = row;
    struct cut_line line;
    open_line(&line);
    int server = bgl_ssl_socket_fd(line.ends.server);
    CHECK_INT(0, setsockopt(server, SOL_SOCKET, SO_RCVBUF, &buffer->size, sizeof buffer->size));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line.ends.server, !buffer->blocks));
    for (int i = 0; i < 3; i++) {
        send_record(&line, RECORD);
        pthread_t thread = start_thread(pass_in_pieces, &line);
        check_gets(&line, RECORD);
        join_thread(thread);
    }
    close_line(&line);
}

TEST(a_read_inside_a_record_ends_at_its_deadline_and_the_next_one_goes_on)
{
    struct cut_line line;
    size_t n;
    open_line(&line);
    pass_half_a_record(&line);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line.ends.server, false));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(line.ends.server, 20 * MS));
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, read_server(&line, &n));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(line.ends.server, 0));
    pass(&line, REST);
    check_gets(&line, RECORD);
    close_line(&line);
}

TEST(a_read_inside_a_record_ends_when_another_thread_shuts_reading_down)
{
    struct cut_line line;
    struct reader reader = {0};
    open_line(&line);
    pass_half_a_record(&line);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(line.ends.server, false));
    reader.socket = line.ends.server;
    pthread_t thread = start_thread(read_one, &reader);
    while (!reader.begun)
        sched_yield();
    CHECK_OK(bgl_ssl_socket_shutdown_read(line.ends.server));
    join_thread(thread);
    CHECK_STATUS(BGL_SSL_EOF, reader.status);
    close_line(&line);
}

TEST(records_are_waited_for_where_the_program_has_looked_at_the_hello)
{
    struct cut_line line;
    open_line_to(&line, accept_server_and_look_at_hello);
    pass_half_a_record(&line);
    pass(&line, SMALL);
    CHECK(!is_readable(&line, 100));
    pass(&line, REST - SMALL);
    check_gets(&line, RECORD);
    close_line(&line);
}

/* ---- descriptors that the program has, too ---- */

static int low_water(int fd)
{
    int bytes;
    socklen_t size = sizeof bytes;
    CHECK_INT(0, getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &size));
    return bytes;
}

TEST(the_options_of_a_descriptor_of_the_program_stay_as_they_are)
{
    struct cut_line line;
    open_line_to(&line, upgrade_server);
    pass_half_a_record(&line);
    CHECK_INT(1, low_water(line.kept));
    pass(&line, REST);
    check_gets(&line, RECORD);
    close_line(&line);
}

/* ---- streams of small records ---- */

enum { MANY = 5000 };

static void *send_many(void *data)
{
    const bgl_ssl_socket_t *socket = data;
    for (uint32_t i = 0; i < MANY; i++)
        send_bytes(socket, &i, sizeof i);
    return NULL;
}

static const int64_t limits[] = {0, 20 * SECOND};

/* The last of them must not wait for a successor. */
TEST(a_fast_stream_of_small_records_is_read_to_its_end)
{
    struct ends ends;
    connect_over_tcp(&ends, client_config(), server_config("good"));
    for (size_t i = 0; i < COUNT(limits); i++) {
        if (limits[i])
            CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.server, limits[i]));
        pthread_t thread = start_thread(send_many, ends.client);
        for (uint32_t k = 0; k < MANY; k++) {
            uint32_t got;
            receive_bytes(ends.server, &got, sizeof got);
            CHECK_INT(k, got);
        }
        join_thread(thread);
    }
    free_ends(&ends);
}

static void serve_records(bgl_ssl_socket_t *socket, void *data)
{
    const atomic_uint *answers = data;
    for (uint32_t i = 0; i < MANY; i++) {
        send_bytes(socket, &i, sizeof i);
        while (i % 100 == 99 && *answers < i / 100 + 1)
            sched_yield();
    }
    bgl_ssl_socket_close(socket);
}

/* The client reads without ever writing, so that nothing but the stream tells that the server has stopped. */
TEST(a_peer_that_stops_after_a_burst_of_small_records_loses_nothing)
{
    struct client_and_service both;
    atomic_uint answers = 0;
    connect_to_service(&both, client_config(), server_config("good"), serve_records, &answers);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t got;
        receive_bytes(both.socket, &got, sizeof got);
        CHECK_INT(i, got);
        if (i % 100 == 99)
            answers++;
    }
    char byte;
    size_t n;
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(both.socket, &byte, 1, &n));
    CHECK_INT(1, low_water(bgl_ssl_socket_fd(both.socket)));
    end_client_and_service(&both);
}
