/* The functions of a connection that go to a descriptor, to which `user` points. */
#ifndef OVER_FD_H
#define OVER_FD_H

#include "harness.h"

#include <poll.h>
#include <sys/socket.h>

static inline bgl_ssl_status_t receive_some(void *user, void *buffer, size_t length, size_t *n)
{
    ssize_t got = recv(*(int *)user, buffer, length, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN ? BGL_SSL_WANT_READ : BGL_SSL_E_IO;
    *n = (size_t)got;
    return BGL_SSL_OK;
}

static inline bgl_ssl_status_t send_some(void *user, const void *buffer, size_t length, size_t *n)
{
    ssize_t sent = send(*(int *)user, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? BGL_SSL_WANT_WRITE : BGL_SSL_E_IO;
    *n = (size_t)sent;
    return BGL_SSL_OK;
}

static inline bgl_ssl_status_t wait_for(void *user, int events, int64_t timeout)
{
    struct pollfd wait = {*(int *)user, (short)events, 0};
    poll(&wait, 1, (int)(timeout / 1000) + 1);
    return BGL_SSL_OK;
}

#endif
