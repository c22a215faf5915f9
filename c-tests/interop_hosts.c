/* interop_hosts PKI: a server of many names, for interop_hosts.py. It prints `port N`, serves all clients, and answers
 * requests of HTTP with what it knows of the connection.
 *
 * a.test demands client certificates, b.test and *.wild.test do not, other names are refused. */
#include "interop_common.h"

#include <strings.h>

enum { SECOND = 1000000 };

static bgl_ssl_config_t *host_config(const char *pki, const char *name)
{
    char cert[512], key[512];
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    snprintf(cert, sizeof cert, "%s/%s.pem", pki, name);
    snprintf(key, sizeof key, "%s/%s.key", pki, name);
    must(bgl_ssl_config_set_certificate_file(config, cert, key, NULL), cert);
    return config;
}

static void add_host(bgl_ssl_config_t *config, const char *pki, const char *host, const char *name, bool demands)
{
    char ca[512];
    bgl_ssl_config_t *own = host_config(pki, name);
    snprintf(ca, sizeof ca, "%s/root.pem", pki);
    if (demands) {
        must(bgl_ssl_config_set_ca_file(own, ca), ca);
        must(bgl_ssl_config_set_client_certificate(own, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED), "client certificates");
    }
    must(bgl_ssl_config_add_host(config, host, own), host);
    bgl_ssl_config_free(own);
}

/* The host that the request is for. */
static const char *host_of(char *request, char *host, size_t size)
{
    const char *at = request;
    host[0] = '\0';
    while ((at = strchr(at, '\n')) != NULL) {
        if (strncasecmp(++at, "Host:", 5) != 0)
            continue;
        at += 5 + strspn(at + 5, " ");
        snprintf(host, size, "%.*s", (int)strcspn(at, ":\r\n"), at);
        break;
    }
    return host;
}

static bool read_request(const bgl_ssl_socket_t *socket, char *request, size_t size)
{
    size_t length = 0, n;
    do {
        if (bgl_ssl_socket_read(socket, request + length, size - 1 - length, &n) != BGL_SSL_OK)
            return false;
        length += n;
        request[length] = '\0';
    } while (!strstr(request, "\r\n\r\n") && length + 1 < size);
    return true;
}

static void answer(const bgl_ssl_socket_t *socket)
{
    char request[8192], host[256], body[512], page[1024];
    size_t n;
    if (!read_request(socket, request, sizeof request))
        return;
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    bool serves = bgl_ssl_socket_serves_host(socket, host_of(request, host, sizeof host));
    int length = snprintf(body, sizeof body, "host %s\nresumed %d\npeer %s\n", host,
                          bgl_ssl_socket_session_reused(socket), peer ? bgl_ssl_certificate_subject(peer) : "-");
    int whole = snprintf(page, sizeof page, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                         serves ? "200 OK" : "421 Misdirected Request", length, body);
    bgl_ssl_socket_write(socket, page, (size_t)whole, &n);
    bgl_ssl_certificate_free(peer);
}

static void *serve(void *data)
{
    bgl_ssl_socket_t *socket = data;
    if (bgl_ssl_socket_handshake(socket) == BGL_SSL_OK)
        answer(socket);
    else
        fprintf(stderr, "refused: %s\n", bgl_ssl_error_message());
    bgl_ssl_socket_close(socket);
    bgl_ssl_socket_free(socket);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: interop_hosts PKI\n");
        return 2;
    }
    bgl_ssl_config_t *config = host_config(argv[1], "good");
    add_host(config, argv[1], "a.test", "host-a", true);
    add_host(config, argv[1], "b.test", "host-b", false);
    add_host(config, argv[1], "*.wild.test", "host-wild", false);
    must(bgl_ssl_config_set_unknown_host(config, BGL_SSL_UNKNOWN_HOST_REFUSE), "unknown hosts");
    must(bgl_ssl_config_set_lazy_handshake(config, true), "lazy handshake");
    must(bgl_ssl_config_set_read_timeout(config, 20 * SECOND), "read timeout");
    serve_clients(config, serve);
}
