/* Checks, and how a case ends that fails one. */
#define _GNU_SOURCE
#include "harness.h"
#include "parts.h"

#include <malloc.h>
#include <stdarg.h>
#include <time.h>

int why_fd = STDERR_FILENO;

_Noreturn static void end_case(int status, const char *why)
{
    /* _exit: other threads are still at work, and what they hold is no leak. */
    if (write(why_fd, why, strlen(why)) < 0)
        _exit(EXIT_FAILED);
    _exit(status);
}

void fail_at(const char *file, int line, const char *format, ...)
{
    char why[4096];
    va_list arguments;
    int length = snprintf(why, sizeof why, "%s:%d: ", file, line);
    va_start(arguments, format);
    vsnprintf(why + length, sizeof why - (size_t)length, format, arguments);
    va_end(arguments);
    end_case(EXIT_FAILED, why);
}

void skip_test(const char *what_it_misses)
{
    end_case(EXIT_SKIPPED, what_it_misses);
}

bgl_ssl_error_t last_error(void)
{
    bgl_ssl_error_t error;
    memset(&error, 0, sizeof error);
    error.size = sizeof error;
    if (bgl_ssl_last_error(&error) != BGL_SSL_OK)
        FAIL("bgl_ssl_last_error refused a good struct");
    return error;
}

const char *status_name(bgl_ssl_status_t status)
{
    const char *name = bgl_ssl_status_name(status);
    return name ? name : "(no name)";
}

void check_int_at(const char *file, int line, const char *text, long long expected, long long actual)
{
    if (expected != actual)
        fail_at(file, line, "%s is %lld, not %lld", text, actual, expected);
}

void check_string_at(const char *file, int line, const char *text, const char *expected, const char *actual)
{
    if (!actual || strcmp(expected, actual) != 0)
        fail_at(file, line, "%s is \"%s\", not \"%s\"", text, actual ? actual : "(NULL)", expected);
}

void check_status_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, bgl_ssl_status_t actual)
{
    if (expected != actual)
        fail_at(file, line, "%s is %s, not %s (last error: %s)", text, status_name(actual), status_name(expected),
                last_error().message);
    if (expected < 0)
        check_int_at(file, line, "code in the error slot", expected, last_error().code);
}

void *check_made_at(const char *file, int line, const char *text, const void *handle)
{
    if (!handle)
        fail_at(file, line, "%s gave NULL: %s: %s", text, status_name(last_error().code), last_error().message);
    return (void *)(uintptr_t)handle;
}

void check_refused_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, const void *handle)
{
    if (handle)
        fail_at(file, line, "%s was not refused", text);
    bgl_ssl_error_t error = last_error();
    if (error.code != expected)
        fail_at(file, line, "%s failed with %s, not %s: %s", text, status_name(error.code), status_name(expected),
                error.message);
    if (!error.message[0])
        fail_at(file, line, "%s failed without a message", text);
}

static bool holds_ignoring_case(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text; text++)
        if (strncasecmp(text, part, length) == 0)
            return true;
    return length == 0;
}

void check_message_at(const char *file, int line, const char *part)
{
    bgl_ssl_error_t error = last_error();
    if (!holds_ignoring_case(error.message, part))
        fail_at(file, line, "the message lacks \"%s\": %s", part, error.message);
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

int slowness(void)
{
    const char *text = getenv("BGLSSL_TEST_SLOW");
    int factor = text ? atoi(text) : 1;
    return factor > 0 ? factor : 1;
}

bool memory_is_watched(void)
{
    return getenv("BGLSSL_TEST_MEMCHECK") != NULL;
}

size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
