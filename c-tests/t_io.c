/* TLS over functions of the program: in memory, byte by byte, with functions that fail, and with ones that wait. */
#define _GNU_SOURCE
#include "bulk.h"
#include "over_fd.h"

#include <poll.h>

/* One direction: bytes in memory. */
struct queue {
    unsigned char *bytes;
    size_t length, space;
    bool ended;
};

/* One end of a connection over two queues. */
struct memory_end {
    struct queue *in, *out;
    size_t piece;     /* no call moves more bytes than this */
    size_t capacity;  /* of what goes out */
    bool alternates;   /* every other call moves nothing, though it could */
    unsigned calls;
    bgl_ssl_status_t read_wants, write_wants; /* what is said where nothing can be moved */
    bgl_ssl_status_t fails;                   /* what is returned from `fails_at` on, a count of calls */
    unsigned fails_at;
    int fails_with; /* errno */
    unsigned shutdowns, shutdown_waits;
    unsigned freed;
    size_t cut_after; /* the peer's stream ends after so many bytes; 0: it does not */
    size_t taken;
    /* calls another socket from inside */
    const bgl_ssl_socket_t *other;
    /* calls this from inside, once */
    bgl_ssl_status_t (*calls_back)(const bgl_ssl_socket_t *);
    const bgl_ssl_socket_t *itself;
    bgl_ssl_status_t told;
};

static bool fails(struct memory_end *it)
{
    it->calls++;
    if (it->freed > 0)
        FAIL("a function is called after free");
    if (it->other != NULL)
        bgl_ssl_socket_pending(it->other);
    if (it->calls_back != NULL) {
        bgl_ssl_status_t (*call)(const bgl_ssl_socket_t *) = it->calls_back;
        it->calls_back = NULL;
        it->told = call(it->itself);
    }
    if (it->fails_at == 0 || it->calls < it->fails_at)
        return false;
    errno = it->fails_with;
    return true;
}

static bgl_ssl_status_t read_some(void *user, void *buffer, size_t length, size_t *n)
{
    struct memory_end *it = user;
    CHECK(*n == 0 && length > 0);
    if (fails(it))
        return it->fails;
    if (it->alternates && it->calls % 2 == 0)
        return it->read_wants;
    if (it->cut_after > 0 && it->taken + 1 >= it->cut_after)
        return BGL_SSL_EOF;
    if (it->in->length == 0)
        return it->in->ended ? BGL_SSL_EOF : it->read_wants;
    *n = length < it->in->length ? length : it->in->length;
    if (*n > it->piece)
        *n = it->piece;
    if (it->cut_after > 0 && *n > it->cut_after - 1 - it->taken)
        *n = it->cut_after - 1 - it->taken;
    it->taken += *n;
    memcpy(buffer, it->in->bytes, *n);
    memmove(it->in->bytes, it->in->bytes + *n, it->in->length - *n);
    it->in->length -= *n;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t write_some(void *user, const void *buffer, size_t length, size_t *n)
{
    struct memory_end *it = user;
    CHECK(*n == 0 && length > 0);
    if (fails(it))
        return it->fails;
    size_t space = it->capacity > it->out->length ? it->capacity - it->out->length : 0;
    if (space == 0 || (it->alternates && it->calls % 2 == 0))
        return it->write_wants;
    *n = length < space ? length : space;
    if (*n > it->piece)
        *n = it->piece;
    if (it->out->length + *n > it->out->space) {
        it->out->space = 2 * (it->out->length + *n);
        it->out->bytes = realloc(it->out->bytes, it->out->space);
        CHECK(it->out->bytes != NULL);
    }
    memcpy(it->out->bytes + it->out->length, buffer, *n);
    it->out->length += *n;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t shut_down(void *user)
{
    struct memory_end *it = user;
    CHECK_INT(0, it->freed);
    it->shutdowns++;
    if (it->shutdown_waits > 0) {
        it->shutdown_waits--;
        return BGL_SSL_WANT_WRITE;
    }
    it->out->ended = true;
    return BGL_SSL_OK;
}

static void count_free(void *user)
{
    ((struct memory_end *)user)->freed++;
}

static const bgl_ssl_io_t in_memory = {
    .size = sizeof in_memory, .read = read_some, .write = write_some, .shutdown = shut_down, .free = count_free};

/* Both ends in memory; the queues are the case's. */
struct connection {
    struct queue queues[2];
    struct memory_end client, server;
    struct ends ends;
};

static void set_up(struct connection *connection)
{
    memset(connection, 0, sizeof *connection);
    struct memory_end usual = {
        .piece = SIZE_MAX, .capacity = SIZE_MAX, .read_wants = BGL_SSL_WANT_READ, .write_wants = BGL_SSL_WANT_WRITE};
    connection->client = connection->server = usual;
    connection->client.out = connection->server.in = &connection->queues[0];
    connection->server.out = connection->client.in = &connection->queues[1];
}

static void begin_over(struct connection *connection, const bgl_ssl_io_t *io, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    connection->ends.client =
        MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(client, io, &connection->client, "localhost", 0));
    connection->ends.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(server, io, &connection->server, 0));
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void begin_with(struct connection *connection, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    begin_over(connection, &in_memory, client, server);
}

/* Steps both handshakes until they are done or have failed. */
static void step_both(struct connection *connection)
{
    struct ends *ends = &connection->ends;
    ends->client_status = ends->server_status = BGL_SSL_WANT_READ;
    for (int i = 0; i < 30000 && ((ends->client_status > 0 && ends->server_status >= 0) || ends->server_status > 0); i++) {
        if (ends->client_status > 0 && (ends->client_status = bgl_ssl_socket_handshake(ends->client)) < 0) {
            ends->client_error = last_error();
            connection->queues[0].ended = true;
        }
        if (ends->server_status > 0 && (ends->server_status = bgl_ssl_socket_handshake(ends->server)) < 0) {
            ends->server_error = last_error();
            connection->queues[1].ended = true;
        }
        /* The server's tickets come after the client's handshake. */
        char byte;
        size_t n;
        if (ends->client_status == BGL_SSL_OK && ends->server_status > 0)
            bgl_ssl_socket_read(ends->client, &byte, 1, &n);
    }
}

static void connect_both(struct connection *connection)
{
    begin_with(connection, client_config(), server_config("good"));
    step_both(connection);
    CHECK_INT(BGL_SSL_OK, connection->ends.client_status);
    CHECK_INT(BGL_SSL_OK, connection->ends.server_status);
}

static void free_queues(struct connection *connection)
{
    free(connection->queues[0].bytes);
    free(connection->queues[1].bytes);
}

static void free_connection(struct connection *connection)
{
    free_ends(&connection->ends);
    CHECK_INT(1, connection->client.freed);
    CHECK_INT(1, connection->server.freed);
    free_queues(connection);
}

struct manner {
    const char *name;
    size_t piece, capacity;
    bool alternates;
};

static const struct manner manners[] = {
    {"at_once", SIZE_MAX, SIZE_MAX, false},
    {"byte_by_byte", 1, SIZE_MAX, false},
    {"byte_by_byte_with_pauses", 1, SIZE_MAX, true},
    {"through_one_byte", 1, 1, false},
    {"through_a_small_queue", 100, 1000, true},
};

TEST_TABLE(bytes_pass, manners)
{
    const struct manner *manner = row;
    struct connection connection;
    set_up(&connection);
    connection.client.piece = connection.server.piece = manner->piece;
    connection.client.capacity = connection.server.capacity = manner->capacity;
    connection.client.alternates = connection.server.alternates = manner->alternates;
    connect_both(&connection);
    CHECK_INT(-1, bgl_ssl_socket_fd(connection.ends.client));
    move_bytes(connection.ends.client, connection.ends.server, 40000);
    move_bytes(connection.ends.server, connection.ends.client, 40000);
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_close(connection.ends.client)) > 0) {
        char byte;
        size_t n;
        CHECK_STATUS(BGL_SSL_WANT_WRITE, status);
        bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n);
    }
    CHECK_OK(status);
    CHECK_INT(1, connection.client.freed);
    char byte;
    size_t n;
    while ((status = bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n)) == BGL_SSL_WANT_READ)
        continue;
    CHECK_STATUS(BGL_SSL_EOF, status);
    CHECK_INT(0, (long long)bgl_ssl_socket_pending(connection.ends.client));
    free_connection(&connection);
}

TEST(what_the_functions_want_is_what_is_returned)
{
    struct connection connection;
    char byte;
    size_t n;
    set_up(&connection);
    connect_both(&connection);
    move_bytes(connection.ends.server, connection.ends.client, 1);
    connection.client.read_wants = BGL_SSL_WANT_WRITE;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_read(connection.ends.client, &byte, 1, &n));
    connection.client.write_wants = BGL_SSL_WANT_READ;
    connection.client.capacity = 0;
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_write(connection.ends.client, "x", 1, &n));
    connection.client.capacity = SIZE_MAX;
    CHECK_OK(bgl_ssl_socket_write(connection.ends.client, "x", 1, &n));
    CHECK_OK(bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    free_connection(&connection);
}

TEST(each_call_can_fail_in_both_roles)
{
    static const int errors[][2] = {{BGL_SSL_E_IO, ECONNABORTED}, {BGL_SSL_E_TIMEOUT, 0}, {-99, 0}};
    for (unsigned e = 0; e < COUNT(errors); e++) {
        for (unsigned at = 1; at < 60; at++) {
            struct connection connection;
            set_up(&connection);
            struct memory_end *bad = at % 2 ? &connection.client : &connection.server;
            bad->piece = 700;
            bad->fails = errors[e][0];
            bad->fails_with = errors[e][1];
            bad->fails_at = at / 2 + 1;
            begin_with(&connection, client_config(), server_config("good"));
            step_both(&connection);
            bgl_ssl_status_t status = at % 2 ? connection.ends.client_status : connection.ends.server_status;
            if (status < 0) {
                const bgl_ssl_error_t *error = at % 2 ? &connection.ends.client_error : &connection.ends.server_error;
                CHECK_INT(errors[e][0] == -99 ? BGL_SSL_E_IO : errors[e][0], status);
                CHECK_INT(errors[e][1], error->sys_errno);
                CHECK(strstr(error->message, "the program's function to") != NULL);
            }
            free_connection(&connection);
        }
    }
}

TEST(a_function_that_says_too_much_is_not_believed)
{
    struct connection connection;
    set_up(&connection);
    connect_both(&connection);
    connection.client.fails_at = 1;
    connection.client.fails = BGL_SSL_WANT_EVENT;
    char byte;
    size_t n;
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_read(connection.ends.client, &byte, 1, &n));
    free_connection(&connection);
}

TEST(the_end_without_close_notify_is_a_truncation)
{
    struct connection connection;
    char byte;
    size_t n;
    set_up(&connection);
    connect_both(&connection);
    connection.queues[0].ended = true;
    CHECK_STATUS(BGL_SSL_E_TRUNCATED, bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    free_connection(&connection);
}

/* The handshake, some data and the closes, with an end after each byte of them. */
static bool talk_until(size_t end, bool at_client)
{
    struct connection connection;
    char byte;
    size_t n;
    set_up(&connection);
    (at_client ? &connection.client : &connection.server)->cut_after = end;
    begin_with(&connection, client_config(), server_config("good"));
    step_both(&connection);
    bgl_ssl_socket_t *cut = at_client ? connection.ends.client : connection.ends.server;
    bgl_ssl_socket_t *other = at_client ? connection.ends.server : connection.ends.client;
    bgl_ssl_status_t status = at_client ? connection.ends.client_status : connection.ends.server_status;
    if (status == BGL_SSL_OK && bgl_ssl_socket_handshake(other) == BGL_SSL_OK) {
        CHECK_OK(bgl_ssl_socket_write(other, "x", 1, &n));
        CHECK_OK(bgl_ssl_socket_close(other));
        while ((status = bgl_ssl_socket_read(cut, &byte, 1, &n)) == BGL_SSL_OK)
            continue;
    }
    bool is_whole = status == BGL_SSL_EOF;
    CHECK(is_whole || status == BGL_SSL_E_TRUNCATED || status == BGL_SSL_E_PROTOCOL);
    free_connection(&connection);
    return is_whole;
}

TEST(the_stream_can_end_after_any_byte)
{
    for (int at_client = 0; at_client < 2; at_client++) {
        size_t end = 1;
        while (!talk_until(end, at_client))
            end += end < 100 ? 1 : 13;
        CHECK(end > 300);
    }
}

TEST(a_failed_handshake_is_told_to_the_peer)
{
    struct connection connection;
    set_up(&connection);
    begin_with(&connection, MADE(bgl_ssl_config_t, bgl_ssl_config_new()), server_config("good"));
    step_both(&connection);
    CHECK_INT(BGL_SSL_E_VERIFY, connection.ends.client_status);
    CHECK_INT(BGL_SSL_E_PROTOCOL, connection.ends.server_status);
    CHECK(connection.ends.server_error.alert >= 0);
    free_connection(&connection);
}

TEST(a_shutdown_that_waits_is_repeated)
{
    struct connection connection;
    size_t n;
    char byte;
    set_up(&connection);
    connection.client.shutdown_waits = 2;
    connect_both(&connection);
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_OK(bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_INT(3, connection.client.shutdowns);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    connection.server.shutdown_waits = 1;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_close(connection.ends.server));
    CHECK_INT(0, connection.server.freed);
    CHECK_OK(bgl_ssl_socket_close(connection.ends.server));
    CHECK_INT(1, connection.server.freed);
    free_connection(&connection);
}

TEST(a_shutdown_that_never_ends_has_a_limit)
{
    struct connection connection;
    set_up(&connection);
    connection.client.shutdown_waits = connection.server.shutdown_waits = ~0U;
    connect_both(&connection);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(connection.ends.server, 20 * MS));
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_close(connection.ends.server)) == BGL_SSL_WANT_WRITE)
        poll(NULL, 0, 1);
    CHECK_INT(BGL_SSL_E_TIMEOUT, status);
    CHECK_INT(1, connection.server.freed);
    /* There is no function to wait with. */
    CHECK_OK(bgl_ssl_socket_set_nonblocking(connection.ends.client, false));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_MESSAGE("no function");
    free_connection(&connection);
}

/* The write time-out is also for ending the writing half, and holds in both modes. */
TEST(a_shutdown_that_never_ends_has_the_limit_of_a_write_where_the_socket_does_not_block)
{
    struct connection connection;
    set_up(&connection);
    connection.client.shutdown_waits = ~0U;
    connect_both(&connection);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(connection.ends.client, 20 * MS));
    int64_t begin = now_us();
    bgl_ssl_status_t status = bgl_ssl_socket_shutdown(connection.ends.client);
    CHECK_INT(BGL_SSL_WANT_WRITE, status);
    CHECK(bgl_ssl_socket_timeout(connection.ends.client) >= 0);
    while (status == BGL_SSL_WANT_WRITE && now_us() - begin < SECOND * slowness()) {
        poll(NULL, 0, 1);
        status = bgl_ssl_socket_shutdown(connection.ends.client);
    }
    CHECK_INT(BGL_SSL_E_TIMEOUT, status);
    connection.client.shutdown_waits = 0;
    free_connection(&connection);
}

/* Nothing was sent, so only the functions' own end is left to wait for. */
TEST(a_shutdown_that_never_ends_has_a_limit_where_no_handshake_has_begun)
{
    struct connection connection;
    set_up(&connection);
    connection.server.shutdown_waits = ~0U;
    begin_with(&connection, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_set_close_timeout(connection.ends.server, 20 * MS));
    int64_t begin = now_us();
    bgl_ssl_status_t status = bgl_ssl_socket_close(connection.ends.server);
    CHECK_INT(BGL_SSL_WANT_WRITE, status);
    while (status == BGL_SSL_WANT_WRITE && now_us() - begin < SECOND * slowness()) {
        poll(NULL, 0, 1);
        status = bgl_ssl_socket_close(connection.ends.server);
    }
    CHECK_INT(BGL_SSL_E_TIMEOUT, status);
    CHECK_INT(1, connection.server.freed);
    free_connection(&connection);
}

/* Writing goes on, although nothing can be read: also where the handshake is still to come. */
TEST(a_socket_handshakes_after_its_reading_half_was_shut_down)
{
    struct connection connection;
    char text[8];
    size_t n;
    set_up(&connection);
    begin_with(&connection, client_config(), server_config("good"));
    CHECK_OK(bgl_ssl_socket_shutdown_read(connection.ends.client));
    step_both(&connection);
    CHECK_INT(BGL_SSL_OK, connection.ends.client_status);
    CHECK_INT(BGL_SSL_OK, connection.ends.server_status);
    CHECK_OK(bgl_ssl_socket_write(connection.ends.client, "text", 4, &n));
    CHECK_OK(bgl_ssl_socket_read(connection.ends.server, text, sizeof text, &n));
    CHECK_INT(4, (long long)n);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(connection.ends.client, text, sizeof text, &n));
    free_connection(&connection);
}

/* A config that is made for the connection, and one that it has already. */
static const struct config_choice {
    const char *name;
    bool sets_config;
} config_choices[] = {{"of_the_listener", false}, {"of_the_program", true}};

TEST_TABLE(what_comes_right_behind_a_hello_is_read_behind_it_with_the_config, config_choices)
{
    struct connection connection;
    set_up(&connection);
    bgl_ssl_config_t *server = server_config("good"), *other = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    begin_with(&connection, client_config(), server);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_handshake(connection.ends.client));
    /* More than a record, in one piece with the hello. */
    struct queue *queue = &connection.queues[0];
    size_t length = queue->length + 5 + 16384;
    CHECK((queue->bytes = realloc(queue->bytes, length)) != NULL);
    queue->space = length;
    memset(queue->bytes + queue->length, 0, length - queue->length);
    memcpy(queue->bytes + queue->length, "\x17\x03\x03\x40\x00", 5);
    queue->length = length;
    bgl_ssl_hello_t *hello;
    CHECK_OK(bgl_ssl_socket_hello(connection.ends.server, &hello));
    bgl_ssl_hello_free(hello);
    if (((const struct config_choice *)row)->sets_config)
        CHECK_OK(bgl_ssl_socket_set_config(connection.ends.server, other));
    CHECK_STATUS(BGL_SSL_E_PROTOCOL, bgl_ssl_socket_handshake(connection.ends.server));
    /* The hello was answered, and then the rest refused. */
    CHECK(connection.queues[1].length > 0);
    CHECK_INT(22, connection.queues[1].bytes[0]);
    bgl_ssl_config_free(other);
    free_connection(&connection);
}

TEST(functions_may_use_other_sockets)
{
    struct connection connection, other;
    set_up(&connection);
    set_up(&other);
    connect_both(&other);
    connection.client.other = other.ends.client;
    connection.server.other = other.ends.server;
    connect_both(&connection);
    move_bytes(connection.ends.client, connection.ends.server, 50000);
    free_connection(&connection);
    free_connection(&other);
}

static bgl_ssl_status_t read_a_byte(const bgl_ssl_socket_t *socket)
{
    char byte;
    size_t n;
    return bgl_ssl_socket_read(socket, &byte, 1, &n);
}

static bgl_ssl_status_t read_a_byte_now(const bgl_ssl_socket_t *socket)
{
    char byte;
    size_t n;
    bool more;
    return bgl_ssl_socket_read_now(socket, &byte, 1, &n, &more);
}

static bgl_ssl_status_t write_a_byte(const bgl_ssl_socket_t *socket)
{
    size_t n;
    return bgl_ssl_socket_write(socket, "x", 1, &n);
}

/* What a function calls on its own socket would wait for itself. */
static const struct reentrance {
    const char *name;
    bgl_ssl_status_t (*outside)(const bgl_ssl_socket_t *);
    bgl_ssl_status_t (*inside)(const bgl_ssl_socket_t *);
    bool before_the_handshake;
} reentrances[] = {
    {"reads_while_reading", read_a_byte, read_a_byte, false},
    {"reads_now_while_reading", read_a_byte, read_a_byte_now, false},
    {"writes_while_writing", write_a_byte, write_a_byte, false},
    {"shuts_down_while_writing", write_a_byte, bgl_ssl_socket_shutdown, false},
    {"shakes_hands_while_shaking_hands", bgl_ssl_socket_handshake, bgl_ssl_socket_handshake, true},
    {"reads_while_shaking_hands", bgl_ssl_socket_handshake, read_a_byte, true},
    {"writes_while_shaking_hands", bgl_ssl_socket_handshake, write_a_byte, true},
};

TEST_TABLE(a_function_is_told_that_it, reentrances)
{
    const struct reentrance *it = row;
    struct connection connection;
    set_up(&connection);
    begin_with(&connection, client_config(), server_config("good"));
    if (!it->before_the_handshake)
        step_both(&connection);
    connection.client.itself = connection.ends.client;
    connection.client.calls_back = it->inside;
    bgl_ssl_status_t status = it->outside(connection.ends.client);
    CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_READ);
    CHECK(connection.client.calls_back == NULL);
    CHECK_INT(BGL_SSL_E_STATE, connection.client.told);
    /* And nothing is broken by it. */
    step_both(&connection);
    CHECK_INT(BGL_SSL_OK, connection.ends.client_status);
    char byte;
    size_t n;
    while (bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n) == BGL_SSL_OK)
        continue;
    move_bytes(connection.ends.client, connection.ends.server, 50000);
    move_bytes(connection.ends.server, connection.ends.client, 50000);
    free_connection(&connection);
}

TEST(a_function_may_look_what_is_pending_and_close_its_socket)
{
    struct connection connection;
    set_up(&connection);
    connect_both(&connection);
    connection.client.other = connection.ends.client;
    CHECK_STATUS(BGL_SSL_WANT_READ, read_a_byte(connection.ends.client));
    connection.client.other = NULL;
    connection.client.itself = connection.ends.client;
    connection.client.calls_back = bgl_ssl_socket_close;
    /* There is nothing to read, and then no connection. */
    CHECK_STATUS(BGL_SSL_WANT_READ, read_a_byte(connection.ends.client));
    CHECK_INT(BGL_SSL_OK, connection.client.told);
    CHECK_STATUS(BGL_SSL_E_STATE, read_a_byte(connection.ends.client));
    CHECK_STATUS(BGL_SSL_EOF, read_a_byte(connection.ends.server));
    free_connection(&connection);
}

/* By itself nothing is resumed: only the program knows where its functions lead. */
TEST(a_session_is_resumed_that_the_program_offers)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    bgl_ssl_session_t *session = NULL;
    for (int i = 0; i < 3; i++) {
        struct connection connection;
        set_up(&connection);
        struct ends *ends = &connection.ends;
        ends->client =
            MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(client, &in_memory, &connection.client, "localhost", 0));
        ends->server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(server, &in_memory, &connection.server, 0));
        if (i == 2)
            CHECK_OK(bgl_ssl_socket_set_session(ends->client, session));
        step_both(&connection);
        CHECK_INT(BGL_SSL_OK, ends->client_status);
        CHECK_INT(i == 2, bgl_ssl_socket_session_reused(ends->client));
        /* The tickets are read. */
        CHECK_STATUS(BGL_SSL_WANT_READ, read_a_byte(ends->client));
        bgl_ssl_session_free(session);
        session = MADE(bgl_ssl_session_t, bgl_ssl_socket_session(ends->client));
        free_connection(&connection);
    }
    bgl_ssl_session_free(session);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

/* ---- what is refused, and free ---- */

TEST(free_is_called_once_on_every_path)
{
    struct connection connection;
    bgl_ssl_config_t *client = client_config(), *server = server_config("good"), *dtls = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(dtls, BGLSSL_DTLSV1));
    unsigned freed = 0;
    set_up(&connection);
#define REFUSED(status, call)                                                                                          \
    do {                                                                                                               \
        CHECK_REFUSED(status, call);                                                                                   \
        CHECK_INT(++freed, connection.client.freed);                                                                        \
    } while (0)
    void *user = &connection.client;
    REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(NULL, &in_memory, user, "localhost", 0));
    REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, &in_memory, user, "\xff", 0));
    REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_client_io(client, &in_memory, user, "localhost", 1));
    REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_io(client, &in_memory, user, NULL, 0));
    REFUSED(BGL_SSL_E_CONFIG, bgl_ssl_upgrade_client_io(dtls, &in_memory, user, "localhost", 0));
    REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_server_io(NULL, &in_memory, user, 0));
    REFUSED(BGL_SSL_E_STATE, bgl_ssl_upgrade_server_io(server, &in_memory, user, 1));
    bgl_ssl_io_t io = in_memory;
    io.read = NULL;
    REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, &io, user, "localhost", 0));
    io = in_memory;
    io.write = NULL;
    REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, &io, user, "localhost", 0));
    struct {
        bgl_ssl_io_t known;
        void *unknown;
    } later = {in_memory, NULL};
    later.known.size = sizeof later;
    bgl_ssl_socket_free(MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(client, &later.known, user, "localhost", 0)));
    CHECK_INT(++freed, connection.client.freed);
    later.unknown = &later;
    REFUSED(BGL_SSL_E_UNSUPPORTED, bgl_ssl_upgrade_client_io(client, &later.known, user, "localhost", 0));
    /* The functions are not known. */
    io.size = 0;
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, &io, user, "localhost", 0));
    io.size = SIZE_MAX;
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, &io, user, "localhost", 0));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_upgrade_client_io(client, NULL, user, "localhost", 0));
    CHECK_INT(freed, connection.client.freed);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    bgl_ssl_config_free(dtls);
}

TEST(without_a_function_that_waits_nothing_blocks)
{
    struct connection connection;
    char byte;
    size_t n;
    set_up(&connection);
    connect_both(&connection);
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    CHECK_OK(bgl_ssl_socket_set_nonblocking(connection.ends.server, false));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_socket_read(connection.ends.server, &byte, 1, &n));
    CHECK_MESSAGE("no function");
    move_bytes(connection.ends.client, connection.ends.server, 1);
    free_connection(&connection);
}

TEST(nothing_but_the_two_needed_functions)
{
    struct connection connection;
    bgl_ssl_io_t io = {.size = sizeof io, .read = read_some, .write = write_some};
    set_up(&connection);
    begin_over(&connection, &io, client_config(), server_config("good"));
    step_both(&connection);
    move_bytes(connection.ends.client, connection.ends.server, 10);
    CHECK_OK(bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_OK(bgl_ssl_socket_close(connection.ends.client));
    CHECK_OK(bgl_ssl_socket_close(connection.ends.server));
    free_ends(&connection.ends);
    free_queues(&connection);
}

/* ---- functions that wait, over a descriptor ---- */

struct descriptor {
    int fd;
    atomic_uint freed;
    useconds_t slow;
};

static bgl_ssl_status_t receive_slowly(void *user, void *buffer, size_t length, size_t *n)
{
    struct descriptor *it = user;
    if (it->slow > 0)
        usleep(it->slow);
    return receive_some(&it->fd, buffer, length, n);
}

static bgl_ssl_status_t send_slowly(void *user, const void *buffer, size_t length, size_t *n)
{
    struct descriptor *it = user;
    if (it->slow > 0)
        usleep(it->slow);
    return send_some(&it->fd, buffer, length, n);
}

static bgl_ssl_status_t wait_as_asked(void *user, int events, int64_t timeout)
{
    struct descriptor *it = user;
    CHECK(timeout >= 0 && timeout <= 250000 && events != 0);
    return wait_for(&it->fd, events, timeout);
}

static bgl_ssl_status_t end_sending(void *user)
{
    shutdown(((struct descriptor *)user)->fd, SHUT_WR);
    return BGL_SSL_OK;
}

static void close_descriptor(void *user)
{
    struct descriptor *it = user;
    atomic_fetch_add(&it->freed, 1);
    close(it->fd);
}

static const bgl_ssl_io_t over_descriptor = {.size = sizeof over_descriptor,
                                             .read = receive_slowly,
                                             .write = send_slowly,
                                             .wait = wait_as_asked,
                                             .shutdown = end_sending,
                                             .free = close_descriptor};

static void *accept_one(void *data)
{
    bgl_ssl_config_t *server = server_config("good");
    bgl_ssl_socket_t *socket = bgl_ssl_upgrade_server_io(server, &over_descriptor, data, 0);
    bgl_ssl_config_free(server);
    return socket;
}

/* Blocking ends over functions. */
static void connect_over_functions(struct ends *ends, struct descriptor descriptors[2])
{
    int fds[2];
    tcp_pair(fds);
    descriptors[0].fd = fds[0];
    descriptors[1].fd = fds[1];
    pthread_t thread = start_thread(accept_one, &descriptors[1]);
    bgl_ssl_config_t *client = client_config();
    memset(ends, 0, sizeof *ends);
    ends->client = MADE(bgl_ssl_socket_t,
                        bgl_ssl_upgrade_client_io(client, &over_descriptor, &descriptors[0], "localhost", 0));
    bgl_ssl_config_free(client);
    void *server;
    CHECK_INT(0, pthread_join(thread, &server));
    ends->server = MADE(bgl_ssl_socket_t, server);
}

TEST(two_threads_at_each_end)
{
    struct ends ends;
    struct descriptor descriptors[2] = {{.slow = 100}, {.slow = 0}};
    connect_over_functions(&ends, descriptors);
    pthread_t threads[] = {
        start_thread(write_bulk, ends.client), start_thread(write_bulk, ends.server),
        start_thread(read_bulk, ends.client), start_thread(read_bulk, ends.server),
    };
    for (size_t i = 0; i < COUNT(threads); i++)
        join_thread(threads[i]);
    finish(ends.client);
    finish(ends.server);
    CHECK_INT(1, atomic_load(&descriptors[0].freed));
    CHECK_INT(1, atomic_load(&descriptors[1].freed));
}

TEST(limits_hold)
{
    struct ends ends;
    struct descriptor descriptors[2] = {{.slow = 0}, {.slow = 0}};
    char byte;
    size_t n;
    connect_over_functions(&ends, descriptors);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 60 * MS));
    int64_t begin = now_us();
    CHECK_STATUS(BGL_SSL_E_TIMEOUT, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    CHECK(now_us() - begin >= 60 * MS);
    send_bytes(ends.server, "x", 1);
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 0));
    receive_bytes(ends.client, &byte, 1);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(ends.client, true));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(ends.client, 20 * MS));
    CHECK_STATUS(BGL_SSL_WANT_READ, bgl_ssl_socket_read(ends.client, &byte, 1, &n));
    while (now_us() - begin < SECOND && bgl_ssl_socket_read(ends.client, &byte, 1, &n) == BGL_SSL_WANT_READ)
        poll(NULL, 0, 1);
    CHECK_INT(BGL_SSL_E_TIMEOUT, last_error().code);
    free_ends(&ends);
}

TEST(a_thread_that_waits_notices_the_close)
{
    struct ends ends;
    struct descriptor descriptors[2] = {{.slow = 0}, {.slow = 0}};
    connect_over_functions(&ends, descriptors);
    struct reader reader = {.socket = ends.client};
    pthread_t thread = start_thread(read_one, &reader);
    while (!atomic_load(&reader.begun))
        poll(NULL, 0, 1);
    CHECK_OK(bgl_ssl_socket_close(ends.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_E_STATE, reader.status);
    CHECK_INT(1, atomic_load(&descriptors[0].freed));
    free_ends(&ends);
}

TEST(a_thread_that_waits_notices_the_end_of_reading)
{
    struct ends ends;
    struct descriptor descriptors[2] = {{.slow = 0}, {.slow = 0}};
    char byte;
    connect_over_functions(&ends, descriptors);
    struct reader reader = {.socket = ends.client};
    pthread_t thread = start_thread(read_one, &reader);
    while (!atomic_load(&reader.begun))
        poll(NULL, 0, 1);
    CHECK_OK(bgl_ssl_socket_shutdown_read(ends.client));
    join_thread(thread);
    CHECK_INT(BGL_SSL_EOF, reader.status);
    send_bytes(ends.client, "x", 1);
    receive_bytes(ends.server, &byte, 1);
    finish(ends.client);
    free_ends(&(struct ends){.server = ends.server});
}

TEST(tls_inside_of_tls_over_functions)
{
    struct connection connection;
    struct ends inner = {0};
    set_up(&connection);
    connection.client.piece = connection.server.piece = 1;
    begin_with(&connection, client_config(), server_config("good"));
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    inner.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(client, connection.ends.client, "localhost", 0));
    inner.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_socket(server, connection.ends.server, 0));
    struct connection as_connection = {.ends = inner};
    step_both(&as_connection);
    CHECK_INT(BGL_SSL_OK, as_connection.ends.client_status);
    CHECK_INT(BGL_SSL_OK, as_connection.ends.server_status);
    move_bytes(inner.client, inner.server, 30000);
    move_bytes(inner.server, inner.client, 30000);
    CHECK_INT(-1, bgl_ssl_socket_fd(inner.client));
    free_ends(&inner);
    free_connection(&connection);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static const struct handshaken {
    const char *name;
    bool is;
} handshaken[] = {{"after_the_handshake", true}, {"before_the_handshake", false}};

static bgl_ssl_status_t never_ended(void *user)
{
    (void)user;
    return BGL_SSL_WANT_WRITE;
}

/* The close of a connection that has sent nothing goes on with the functions; nothing is due before its limit. */
TEST_TABLE(a_close_that_goes_on_has_nothing_due_before_its_limit, handshaken)
{
    struct connection connection;
    const struct handshaken *it = row;
    bgl_ssl_io_t io = in_memory;
    io.shutdown = never_ended;
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    set_up(&connection);
    begin_over(&connection, &io, client, server_config("good"));
    if (it->is)
        step_both(&connection);
    CHECK_OK(bgl_ssl_socket_set_close_timeout(connection.ends.client, 5 * SECOND));
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_close(connection.ends.client));
    CHECK(bgl_ssl_socket_timeout(connection.ends.client) > 0);
    CHECK_OK(bgl_ssl_socket_handle_timeout(connection.ends.client));
    free_connection(&connection);
}

/* A shutdown that has failed is no call any more that could run out of time. */
TEST(a_shutdown_that_has_failed_leaves_no_limit)
{
    struct connection connection;
    set_up(&connection);
    connect_both(&connection);
    CHECK_OK(bgl_ssl_socket_set_write_timeout(connection.ends.client, 5 * SECOND));
    connection.client.capacity = 0;
    CHECK_STATUS(BGL_SSL_WANT_WRITE, bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK(bgl_ssl_socket_timeout(connection.ends.client) > 0);
    connection.client.fails_at = 1;
    connection.client.fails = BGL_SSL_E_IO;
    connection.client.fails_with = EPIPE;
    CHECK_STATUS(BGL_SSL_E_IO, bgl_ssl_socket_shutdown(connection.ends.client));
    CHECK_INT(-1, bgl_ssl_socket_timeout(connection.ends.client));
    free_connection(&connection);
}

/* The header: 0, and the port 0, for a socket that is neither IPv4 nor IPv6. It is open, so nothing says "closed". */
TEST(a_socket_over_functions_has_no_address_and_that_is_no_failure)
{
    struct connection connection;
    char text[64] = "x";
    int port = 99;
    set_up(&connection);
    connect_both(&connection);
    bgl_ssl_clear_error();
    CHECK_INT(0, bgl_ssl_socket_local_address(connection.ends.client, text, sizeof text, &port));
    CHECK_STATUS(BGL_SSL_OK, last_error().code);
    CHECK_INT(0, port);
    free_connection(&connection);
}
