/* A connection without a socket, pumped over a real one in pieces of odd sizes: what interop_engine_client and
 * interop_engine_server share. They take the arguments of interop_client and interop_server, and say the same. */
#ifndef INTEROP_ENGINE_H
#define INTEROP_ENGINE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <unistd.h>

#include "interop_common.h"

struct wire {
    bgl_ssl_connection_t *connection;
    int fd;
    unsigned random;
};

static inline size_t piece(struct wire *wire)
{
    wire->random = wire->random * 1103515245 + 12345;
    return 1 + (wire->random >> 16) % 500;
}

static inline void send_out(struct wire *wire)
{
    char buffer[500];
    long n;
    while ((n = bgl_ssl_connection_read(wire->connection, buffer, 0, piece(wire))) > 0)
        for (long done = 0; done < n;) {
            ssize_t sent = send(wire->fd, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
            if (sent <= 0)
                return;
            done += sent;
        }
}

static inline void take_in(struct wire *wire)
{
    char buffer[500];
    ssize_t n = recv(wire->fd, buffer, piece(wire), 0);
    if (n > 0)
        bgl_ssl_connection_write(wire->connection, buffer, 0, (size_t)n);
    else
        bgl_ssl_connection_write_eof(wire->connection);
}

/* Carries bytes until the last step need not be repeated. */
static inline int wants_more(struct wire *wire, const char *what)
{
    bgl_ssl_status_t status = bgl_ssl_connection_status(wire->connection);
    send_out(wire);
    must(status, what);
    if (status != BGL_SSL_WANT_READ)
        return 0;
    take_in(wire);
    return 1;
}

static inline void complete_handshakes(struct wire *wire)
{
    struct timeval limit = {20, 0};
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    do
        bgl_ssl_connection_start(wire->connection);
    while (wants_more(wire, "handshake"));
}

static inline void check_peer(struct wire *wire)
{
    const char *error = bgl_ssl_connection_verify_error(wire->connection);
    if (!error)
        return;
    int name = strcmp(error, "HOSTNAME_MISMATCH") == 0;
    fprintf(stderr, "%s: %s\n", name ? "BGL_SSL_E_NAME" : "BGL_SSL_E_VERIFY", error);
    exit(1);
}

static inline void say(struct wire *wire, const char *text, size_t length)
{
    if (bgl_ssl_connection_clear_in(wire->connection, text, 0, length) != (long)length)
        die("write");
    send_out(wire);
}

/* Reads up to and with `end`, or the peer's end; the length. */
static inline size_t receive_until(struct wire *wire, const char *end, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    while (!strstr(text, end) && length + 1 < size) {
        long n = bgl_ssl_connection_clear_out(wire->connection, text, length, size - 1 - length);
        if (n == 0)
            break;
        if (n > 0) {
            length += (size_t)n;
            text[length] = '\0';
        } else {
            wants_more(wire, "read");
        }
    }
    return length;
}

static inline void send_close_notify(struct wire *wire)
{
    char buffer[500];
    bgl_ssl_connection_shutdown(wire->connection);
    send_out(wire);
    shutdown(wire->fd, SHUT_WR);
    while (recv(wire->fd, buffer, sizeof buffer, 0) > 0)
        ;
    close(wire->fd);
    bgl_ssl_connection_free(wire->connection);
}

static inline char *file_text(const char *path, size_t *length)
{
    static char text[3][100000];
    static int next;
    char *buffer = text[next++];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    *length = fread(buffer, 1, sizeof text[0], file);
    fclose(file);
    return buffer;
}

static inline bgl_ssl_ctx_t *context_of(const char *protocol, const char *ca, const char *cert, const char *key)
{
    char method[64];
    size_t length;
    const char *text;
    snprintf(method, sizeof method, "TLSv1_%s_method", protocol + strlen("tlsv1_"));
    bgl_ssl_ctx_t *ctx = bgl_ssl_ctx_init(method);
    if (!ctx)
        die(method);
    if (given(ca)) {
        text = file_text(ca, &length);
        must(bgl_ssl_ctx_add_ca_cert(ctx, text, 0, length), "CA");
    }
    if (given(cert)) {
        text = file_text(cert, &length);
        must(bgl_ssl_ctx_set_cert(ctx, text, 0, length), "certificate");
        text = file_text(key, &length);
        must(bgl_ssl_ctx_set_key(ctx, text, 0, length, NULL), "key");
    }
    return ctx;
}

static inline void tell(struct wire *wire)
{
    char alpn[64] = "";
    bgl_ssl_certificate_t *peer = bgl_ssl_connection_get_peer_certificate(wire->connection);
    bgl_ssl_connection_get_negotiated_protocol(wire->connection, alpn, sizeof alpn);
    printf("protocol %s\npeer %s\nalpn %s\n", bgl_ssl_connection_protocol(wire->connection),
           peer ? bgl_ssl_certificate_subject(peer) : "-", alpn[0] ? alpn : "-");
    fflush(stdout);
    bgl_ssl_certificate_free(peer);
}

#endif
