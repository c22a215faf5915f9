/* Many bytes over a connection, so that a byte that is lost, doubled or out of place is seen. */
#ifndef BULK_H
#define BULK_H

#include "harness.h"

enum { BULK = 1 << 20 };

static inline unsigned char pattern(size_t i)
{
    return (unsigned char)((i * 31 + i / 251) & 0xff);
}

/* To be freed. */
static inline unsigned char *patterns(size_t length)
{
    unsigned char *data = malloc(length);
    CHECK(data != NULL);
    for (size_t i = 0; i < length; i++)
        data[i] = pattern(i);
    return data;
}

/* Moves so many bytes from one non-blocking end to the other, in one thread. Returns how often a write had to wait. */
static inline unsigned move_bytes(const bgl_ssl_socket_t *from, const bgl_ssl_socket_t *to, size_t total)
{
    unsigned char *data = patterns(total), buffer[5000];
    size_t sent = 0, received = 0, n;
    unsigned waits = 0;
    for (int idle = 0; received < total; idle++) {
        if (sent < total) {
            bgl_ssl_status_t status = bgl_ssl_socket_write(from, data + sent, total - sent, &n);
            CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_WRITE);
            sent += n;
            waits += status == BGL_SSL_WANT_WRITE;
        }
        bgl_ssl_status_t status = bgl_ssl_socket_read(to, buffer, sizeof buffer, &n);
        CHECK(status == BGL_SSL_OK || status == BGL_SSL_WANT_READ);
        for (size_t i = 0; i < n; i++)
            if (buffer[i] != pattern(received + i))
                FAIL("byte %zu is wrong", received + i);
        received += n;
        if (n > 0)
            idle = 0;
        CHECK(idle < 100000);
    }
    free(data);
    return waits;
}

/* For start_thread, with a socket that blocks: writes them, and ends this half. */
static inline void *write_bulk(void *socket)
{
    unsigned char *data = patterns(BULK);
    send_bytes(socket, data, BULK);
    CHECK_OK(bgl_ssl_socket_shutdown(socket));
    free(data);
    return NULL;
}

/* Likewise: reads them, and the end. */
static inline void *read_bulk(void *socket)
{
    unsigned char *data = malloc(BULK);
    size_t n;
    CHECK(data != NULL);
    receive_bytes(socket, data, BULK);
    for (size_t i = 0; i < BULK; i++)
        if (data[i] != pattern(i))
            FAIL("byte %zu is wrong", i);
    CHECK_STATUS(BGL_SSL_EOF, bgl_ssl_socket_read(socket, data, 1, &n));
    free(data);
    return NULL;
}

#endif
