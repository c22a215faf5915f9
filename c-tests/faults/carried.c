/* Ends that are over functions in memory, over pipes, or inside of other connections. */
#include <unistd.h>

#include "steps.h"

enum { SPACE = 8192 };

struct queue {
    char bytes[SPACE];
    size_t length;
    bool ended;
};

/* What both ends work on, until both are freed. */
struct wire {
    struct queue queues[2];
    int users;
};

struct wire_end {
    struct wire *wire;
    struct queue *in, *out;
};

static bgl_ssl_status_t receive(void *user, void *buffer, size_t length, size_t *n)
{
    struct queue *queue = ((struct wire_end *)user)->in;
    if (queue->length == 0)
        return queue->ended ? BGL_SSL_EOF : BGL_SSL_WANT_READ;
    *n = length < queue->length ? length : queue->length;
    memcpy(buffer, queue->bytes, *n);
    memmove(queue->bytes, queue->bytes + *n, queue->length - *n);
    queue->length -= *n;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t transmit(void *user, const void *buffer, size_t length, size_t *n)
{
    struct queue *queue = ((struct wire_end *)user)->out;
    size_t space = SPACE - queue->length;
    if (space == 0)
        return BGL_SSL_WANT_WRITE;
    *n = length < space ? length : space;
    memcpy(queue->bytes + queue->length, buffer, *n);
    queue->length += *n;
    return BGL_SSL_OK;
}

static bgl_ssl_status_t end_transmitting(void *user)
{
    ((struct wire_end *)user)->out->ended = true;
    return BGL_SSL_OK;
}

static void release(void *user)
{
    struct wire_end *end = user;
    end->out->ended = true;
    if (--end->wire->users == 0)
        free(end->wire);
    free(end);
}

static struct wire_end *make_end(struct wire *wire, int which)
{
    struct wire_end *end = malloc(sizeof *end);
    if (!end)
        FAIL("no memory");
    *end = (struct wire_end){wire, &wire->queues[which], &wire->queues[1 - which]};
    wire->users++;
    return end;
}

bool open_over_functions(struct ends *ends, bgl_ssl_config_t *configs[2])
{
    static const bgl_ssl_io_t functions = {.size = sizeof functions,
                                           .read = receive,
                                           .write = transmit,
                                           .shutdown = end_transmitting,
                                           .free = release};
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        FAIL("no memory");
    memset(ends, 0, sizeof *ends);
    struct wire_end *client = make_end(wire, 0), *server = make_end(wire, 1);
    ends->client = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_client_io(configs[0], &functions, client, NULL, 0));
    ends->server = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_server_io(configs[1], &functions, server, 0));
    return ends->client && ends->server;
}

bool open_over_pipes(struct ends *ends, bgl_ssl_config_t *configs[2])
{
    int there[2], back[2];
    memset(ends, 0, sizeof *ends);
    if (pipe(there) != 0 || pipe(back) != 0)
        FAIL("no pipes");
    ends->client = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_client_fds(configs[0], back[0], there[1], NULL, 0));
    ends->server = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_server_fds(configs[1], there[0], back[1], 0));
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
    return ends->client && ends->server;
}

/* Takes the outer ends over: they are freed at once, as the inner ones keep what they need. */
bool open_inside(struct ends *ends, struct ends *outer, bgl_ssl_config_t *configs[2])
{
    memset(ends, 0, sizeof *ends);
    ends->client = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_client_socket(configs[0], outer->client, NULL, 0));
    ends->server = TRY(bgl_ssl_socket_t, bgl_ssl_upgrade_server_socket(configs[1], outer->server, 0));
    free_ends(outer);
    return ends->client && ends->server;
}
