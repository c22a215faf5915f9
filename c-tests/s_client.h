/* The command `openssl s_client` as the client of a test's server, which answers one line. */
#ifndef S_CLIENT_H
#define S_CLIENT_H

#include <stdarg.h>

#include "versions.h"

static const struct peer_version {
    const char *option;
    struct version version;
} peer_versions[] = {
    {"tls1_2", {"tls_1_2", BGLSSL_SSLV23, BGLSSL_TLSV1_2}},
    {"tls1_3", {"tls_1_3", BGLSSL_SSLV23, BGLSSL_TLSV1_3}},
    {"dtls1_2", {"dtls_1_2", BGLSSL_DTLSV1, 0}},
};

/* For start_service. The client ends when the server does, which is when it has answered. */
static inline void serve_a_line(bgl_ssl_socket_t *socket, void *data __attribute__((unused)))
{
    char line[64];
    size_t n;
    CHECK_OK(bgl_ssl_socket_set_read_timeout(socket, 20 * SECOND));
    if (bgl_ssl_socket_read(socket, line, sizeof line, &n) == BGL_SSL_OK)
        CHECK_OK(bgl_ssl_socket_write(socket, "welcome\n", 8, &n));
}

/* What s_client prints of a connection, valid until the next call. `options` is a format. */
__attribute__((format(printf, 5, 6))) static inline const char *s_client(const struct peer_version *version, int port,
                                                                         const char *name, bool is_served,
                                                                         const char *options, ...)
{
    static char output[1 << 18];
    char given[1536], command[2048];
    va_list arguments;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip_test("the openssl command");
    va_start(arguments, options);
    CHECK(vsnprintf(given, sizeof given, options, arguments) < (int)sizeof given);
    va_end(arguments);
    snprintf(command, sizeof command,
             "echo x | timeout 20 openssl s_client -ign_eof -connect 127.0.0.1:%d -servername %s -%s %s 2>&1", port, name,
             version->option, given);
    FILE *pipe = popen(command, "r");
    CHECK(pipe);
    size_t length = fread(output, 1, sizeof output - 1, pipe);
    output[length] = 0;
    pclose(pipe);
    CHECK_INT(is_served, strstr(output, "welcome") != NULL);
    return output;
}

#endif
