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
