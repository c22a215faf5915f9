/* Two connections without a socket, driven in lock-step; what the t_engine_*.c share. */
#ifndef ENGINE_H
#define ENGINE_H

#include "harness.h"

/* A text of the PKI, kept until the case ends. */
static inline const char *pki_text(const char *file, size_t *length)
{
    static struct {
        char file[64];
        char text[200000];
        size_t length;
    } cache[16];
    for (size_t i = 0; i < COUNT(cache); i++) {
        if (!cache[i].file[0]) {
            char *text = read_whole_file(pki(file), &cache[i].length);
            CHECK(cache[i].length < sizeof cache[i].text);
            memcpy(cache[i].text, text, cache[i].length + 1);
            snprintf(cache[i].file, sizeof cache[i].file, "%s", file);
            free(text);
        }
        if (strcmp(cache[i].file, file) == 0) {
            if (length)
                *length = cache[i].length;
            return cache[i].text;
        }
    }
    FAIL("too many files of the PKI");
}

static inline void set_cert(bgl_ssl_ctx_t *ctx, const char *file)
{
    size_t length;
    const char *pem = pki_text(file, &length);
    CHECK_OK(bgl_ssl_ctx_set_cert(ctx, pem, 0, length));
}

static inline void set_key(bgl_ssl_ctx_t *ctx, const char *file)
{
    size_t length;
    const char *pem = pki_text(file, &length);
    CHECK_OK(bgl_ssl_ctx_set_key(ctx, pem, 0, length, NULL));
}

static inline void present(bgl_ssl_ctx_t *ctx, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.pem", name);
    set_cert(ctx, file);
    snprintf(file, sizeof file, "%s.key", name);
    set_key(ctx, file);
}

static inline void trust(bgl_ssl_ctx_t *ctx, const char *file)
{
    size_t length;
    const char *pem = pki_text(file, &length);
    CHECK_OK(bgl_ssl_ctx_add_ca_cert(ctx, pem, 0, length));
}

static inline bgl_ssl_ctx_t *new_ctx(const char *method)
{
    return MADE(bgl_ssl_ctx_t, bgl_ssl_ctx_init(method));
}

/* Presents NAME.pem with NAME.key. */
static inline bgl_ssl_ctx_t *server_ctx(const char *method, const char *name)
{
    bgl_ssl_ctx_t *ctx = new_ctx(method);
    present(ctx, name);
    return ctx;
}

/* Trusts the PKI's root. */
static inline bgl_ssl_ctx_t *client_ctx(const char *method)
{
    bgl_ssl_ctx_t *ctx = new_ctx(method);
    trust(ctx, "root.pem");
    return ctx;
}

struct pair {
    bgl_ssl_connection_t *client;
    bgl_ssl_connection_t *server;
    size_t piece; /* how many bytes travel at a time; 0: a random number of them */
    unsigned random;
    bgl_ssl_ctx_t *own[2]; /* contexts that are freed with the pair, or NULL */
};

static inline bgl_ssl_connection_t *new_client(const bgl_ssl_ctx_t *ctx, const char *server_name)
{
    return MADE(bgl_ssl_connection_t, bgl_ssl_connection_init(ctx, false, false, server_name, false));
}

static inline bgl_ssl_connection_t *new_server(const bgl_ssl_ctx_t *ctx)
{
    return MADE(bgl_ssl_connection_t, bgl_ssl_connection_init(ctx, true, false, NULL, false));
}

static inline struct pair make_pair(const bgl_ssl_ctx_t *client, const bgl_ssl_ctx_t *server)
{
    struct pair pair = {new_client(client, "localhost"), new_server(server), 100000, 1, {NULL, NULL}};
    return pair;
}

/* make_pair with contexts that are taken over. */
static inline struct pair make_own_pair(bgl_ssl_ctx_t *client, bgl_ssl_ctx_t *server)
{
    struct pair pair = make_pair(client, server);
    pair.own[0] = client;
    pair.own[1] = server;
    return pair;
}

/* A client that trusts the root, and a server that presents NAME. */
static inline struct pair make_plain_pair(const char *name)
{
    return make_own_pair(client_ctx("default"), server_ctx("default", name));
}

/* Another server in the place of the pair's: one that asks for a certificate, and may reject a client without. */
static inline void ask_client(struct pair *pair, const bgl_ssl_ctx_t *server, bool request, bool reject)
{
    bgl_ssl_connection_free(pair->server);
    pair->server = MADE(bgl_ssl_connection_t, bgl_ssl_connection_init(server, true, request, NULL, reject));
}

static inline void free_pair(struct pair *pair)
{
    bgl_ssl_connection_free(pair->client);
    bgl_ssl_connection_free(pair->server);
    bgl_ssl_ctx_free(pair->own[0]);
    bgl_ssl_ctx_free(pair->own[1]);
}

static inline size_t next_piece(struct pair *pair)
{
    if (pair->piece)
        return pair->piece;
    pair->random = pair->random * 1103515245 + 12345;
    return 1 + (pair->random >> 16) % 300;
}

/* One piece from one end to the other; false when there was nothing. */
static inline bool carry(struct pair *pair, bgl_ssl_connection_t *from, bgl_ssl_connection_t *to)
{
    static char buffer[100000];
    size_t size = next_piece(pair);
    long n = bgl_ssl_connection_read(from, buffer, 0, size < sizeof buffer ? size : sizeof buffer);
    if (n < 0)
        return false;
    CHECK_INT(n, bgl_ssl_connection_write(to, buffer, 0, (size_t)n));
    return true;
}

/* Steps both ends, a piece at a time, until neither has anything to say. */
static inline void complete_handshakes(struct pair *pair)
{
    bool moved;
    do {
        bgl_ssl_connection_start(pair->client);
        moved = carry(pair, pair->client, pair->server);
        bgl_ssl_connection_start(pair->server);
        moved |= carry(pair, pair->server, pair->client);
    } while (moved);
    bgl_ssl_connection_start(pair->client);
}

static inline const char *err_of(bgl_ssl_connection_t *connection)
{
    static char text[1024];
    bgl_ssl_connection_err(connection, text, sizeof text);
    return text;
}

static inline void check_handshakes_done(struct pair *pair)
{
    if (!bgl_ssl_connection_init_finishedp(pair->client))
        FAIL("the client's handshake: %s", err_of(pair->client));
    if (!bgl_ssl_connection_init_finishedp(pair->server))
        FAIL("the server's handshake: %s", err_of(pair->server));
}

/* Plaintext from one end to the other, all of it. */
static inline void transfer(struct pair *pair, bgl_ssl_connection_t *from, bgl_ssl_connection_t *to, const char *data,
                            size_t length)
{
    char *received = malloc(length + 1);
    size_t done = 0;
    CHECK_INT((long)length, bgl_ssl_connection_clear_in(from, data, 0, length));
    while (done < length) {
        long n = bgl_ssl_connection_clear_out(to, received, done, length - done);
        if (n > 0)
            done += (size_t)n;
        else if (!carry(pair, from, to))
            FAIL("only %zu of %zu bytes arrived: %s", done, length, err_of(to));
    }
    CHECK(memcmp(data, received, length) == 0);
    free(received);
}

/* A few bytes each way: TLS 1.3's tickets arrive with them. */
static inline void exchange_messages(struct pair *pair)
{
    transfer(pair, pair->client, pair->server, "ping", 4);
    transfer(pair, pair->server, pair->client, "pong", 4);
}

static inline const char *verify_error(bgl_ssl_connection_t *connection)
{
    const char *name = bgl_ssl_connection_verify_error(connection);
    return name ? name : "fine";
}

#endif
