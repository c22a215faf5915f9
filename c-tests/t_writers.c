/* Several threads write to one connection, in both modes: each is told of its own bytes, over whatever carries it. */
#define _GNU_SOURCE
#include "over_fd.h"

enum { WRITERS = 3, WRITES = 25, SIZE = 16000, ALL = WRITERS * WRITES * SIZE };

enum carrier { STREAM, FUNCTIONS, NESTED };

static const struct row {
    const char *name;
    enum carrier carrier;
    bool blocks;
} rows[] = {
    {"a_stream_blocking", STREAM, true},
    {"a_stream", STREAM, false},
    {"functions_blocking", FUNCTIONS, true},
    {"functions", FUNCTIONS, false},
    {"another_connection_blocking", NESTED, true},
    {"another_connection", NESTED, false},
};

static const bgl_ssl_io_t functions = {
    .size = sizeof functions, .read = receive_some, .write = send_some, .wait = wait_for};

/* ---- both ends ---- */

struct connection {
    struct ends outer, ends;
    int fds[2];
};

static void *handshake_in_thread(void *socket)
{
    CHECK_OK(bgl_ssl_socket_handshake(socket));
    return NULL;
}

/* Over functions, or inside of another connection. */
static void connect_over(struct connection *it, const struct row *row)
{
    bgl_ssl_config_t *client = client_config(), *server = server_config("good");
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(client, true));
    CHECK_OK(bgl_ssl_config_set_lazy_handshake(server, true));
    if (row->carrier == NESTED) {
        connect_over_tcp(&it->outer, client_config(), server_config("good"));
        it->ends.client =
            MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(client, it->outer.client, "localhost", 0));
        it->ends.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_socket(server, it->outer.server, 0));
    } else {
        tcp_pair(it->fds);
        it->ends.client = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(client, &functions, &it->fds[0],
                                                                          "localhost", 0));
        it->ends.server = MADE(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(server, &functions, &it->fds[1], 0));
    }
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
    pthread_t thread = start_thread(handshake_in_thread, it->ends.server);
    CHECK_OK(bgl_ssl_socket_handshake(it->ends.client));
    join_thread(thread);
}

static void connect_all(struct connection *it, const struct row *row)
{
    memset(it, 0, sizeof *it);
    if (row->carrier == STREAM)
        connect_over_tcp(&it->ends, client_config(), server_config("good"));
    else
        connect_over(it, row);
    CHECK_OK(bgl_ssl_socket_set_nonblocking(it->ends.client, !row->blocks));
    CHECK_OK(bgl_ssl_socket_set_read_timeout(it->ends.server, 20 * SECOND * slowness()));
}

struct writer {
    const struct row *row;
    const bgl_ssl_socket_t *socket;
    char letter;
    size_t told;
};

static void *write_letters(void *data)
{
    struct writer *it = data;
    char bytes[SIZE];
    memset(bytes, it->letter, sizeof bytes);
    for (int i = 0; i < WRITES; i++)
        for (size_t sent = 0, n; sent < sizeof bytes; sent += n) {
            bgl_ssl_status_t status = bgl_ssl_socket_write(it->socket, bytes + sent, sizeof bytes - sent, &n);
            CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_WRITE ||
                  (status == BGL_SSL_WANT_READ && it->row->carrier != STREAM));
            it->told += n;
            if (status != BGL_SSL_OK)
                poll(NULL, 0, 1);
        }
    return NULL;
}

TEST_TABLE(each_writer_is_told_of_its_own_bytes_over, rows)
{
    static char buffer[8192];
    struct connection it;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    size_t arrived[WRITERS] = {0}, n;
    connect_all(&it, row);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){row, it.ends.client, (char)('a' + i), 0};
        threads[i] = start_thread(write_letters, &writers[i]);
    }
    for (size_t all = 0; all < ALL; all += n) {
        CHECK_OK(bgl_ssl_socket_read(it.ends.server, buffer, sizeof buffer, &n));
        for (size_t i = 0; i < n; i++) {
            CHECK(buffer[i] >= 'a' && buffer[i] < 'a' + WRITERS);
            arrived[buffer[i] - 'a']++;
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        join_thread(threads[i]);
        CHECK_INT(WRITES * SIZE, (long long)writers[i].told);
        CHECK_INT(WRITES * SIZE, (long long)arrived[i]);
    }
    free_ends(&it.ends);
    if (it.outer.client)
        free_ends(&it.outer);
    for (int i = 0; i < 2; i++)
        if (it.fds[i] > 0)
            close(it.fds[i]);
}
