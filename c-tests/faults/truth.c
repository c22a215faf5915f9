/* What a call may say while something fails: a status, the same in the error slot, and a message. */
#include "steps.h"

bool is_good(bgl_ssl_status_t status, const char *call)
{
    if (status >= 0)
        return true;
    bgl_ssl_error_t error = last_error();
    if (error.code != status)
        FAIL("%s returned %s, and the error slot says %s: %s", call, bgl_ssl_status_name(status),
             bgl_ssl_status_name(error.code), error.message);
    if (!error.message[0])
        FAIL("%s returned %s without a message", call, bgl_ssl_status_name(status));
    return false;
}

void *good_handle(void *handle, const char *call)
{
    if (!handle) {
        bgl_ssl_error_t error = last_error();
        if (error.code >= 0)
            FAIL("%s returned NULL, and the error slot says %s", call, bgl_ssl_status_name(error.code));
        is_good(error.code, call);
    }
    return handle;
}

void must_be_planned(const char *what)
{
    if (!fault_has_fired())
        FAIL("%s, though nothing was made to fail: %s: %s", what, bgl_ssl_status_name(last_error().code),
             last_error().message);
}

void refused_rightly(const struct scenario *scenario, enum outcome by)
{
    int32_t code = last_error().code;
    if (fault_has_fired())
        return;
    if (scenario->outcome != by || (code != BGL_SSL_E_VERIFY && code != BGL_SSL_E_NAME))
        must_be_planned(by == CLIENT_REFUSES ? "the client failed" : "the server failed");
}

void accepted_by(const struct scenario *scenario, enum outcome by)
{
    if (scenario->outcome == by)
        FAIL("the %s accepted a peer that it has to refuse", by == CLIENT_REFUSES ? "client" : "server");
}

static char byte_at(size_t place)
{
    return (char)((place * 31 + place / 251) & 0xff);
}

void fill(char *data, size_t from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        data[i] = byte_at(from + i);
}

void check_bytes(const char *data, size_t from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (data[i] != byte_at(from + i))
            FAIL("byte %zu arrived changed", from + i);
}
