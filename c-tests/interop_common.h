/* What the two interop programs share: they are run by interop.py against other libraries' tools. */
#ifndef INTEROP_COMMON_H
#define INTEROP_COMMON_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bglssl.h"

static inline void die(const char *what)
{
    bgl_ssl_error_t error;
    memset(&error, 0, sizeof error);
    error.size = sizeof error;
    bgl_ssl_last_error(&error);
    fprintf(stderr, "%s: %s: %s\n", what, bgl_ssl_status_name(error.code), error.message);
    exit(1);
}

static inline void must(bgl_ssl_status_t status, const char *what)
{
    if (status < 0)
        die(what);
}

/* "-" stands for: none. */
static inline int given(const char *argument)
{
    return strcmp(argument, "-") != 0;
}

static inline bgl_ssl_config_t *config_of(const char *protocol, const char *ca, const char *cert, const char *key)
{
    bgl_ssl_config_t *config = bgl_ssl_config_new();
    must(bgl_ssl_config_set_protocol(config, bgl_ssl_protocol_number(protocol)), "protocol");
    must(bgl_ssl_config_set_read_timeout(config, 20000000), "read timeout");
    if (getenv("INTEROP_KEY_LOG"))
        must(bgl_ssl_config_insecure_set_key_log_file(config, getenv("INTEROP_KEY_LOG")), "key log");
    if (given(ca)) {
        bgl_ssl_certificate_t *one = bgl_ssl_load_certificate(ca);
        if (!one)
            die(ca);
        const bgl_ssl_certificate_t *list[] = {one};
        must(bgl_ssl_config_set_ca_certificates(config, list, 1), "CA");
        bgl_ssl_certificate_free(one);
    }
    if (given(cert)) {
        bgl_ssl_certificate_t *own = bgl_ssl_load_certificate(cert);
        bgl_ssl_private_key_t *own_key = bgl_ssl_load_private_key(key);
        if (!own || !own_key)
            die(cert);
        must(bgl_ssl_config_set_certificate(config, own, own_key), "certificate");
        bgl_ssl_certificate_free(own);
        bgl_ssl_private_key_free(own_key);
    }
    return config;
}

static inline void tell_bytes(const char *name, const void *bytes, size_t length)
{
    printf("%s ", name);
    for (size_t i = 0; i < length; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
    printf("\n");
}

static inline void tell_binding(const bgl_ssl_socket_t *socket, const char *name, int32_t kind)
{
    unsigned char bytes[128];
    tell_bytes(name, bytes, bgl_ssl_socket_channel_binding(socket, kind, bytes, sizeof bytes));
}

static inline void tell_keying_material(const bgl_ssl_socket_t *socket)
{
    unsigned char bytes[32];
    if (bgl_ssl_socket_export(socket, "EXPORTER-interop", NULL, 0, bytes, sizeof bytes) == BGL_SSL_OK)
        tell_bytes("exported", bytes, sizeof bytes);
    tell_binding(socket, "tls-unique", BGL_SSL_BINDING_TLS_UNIQUE);
    tell_binding(socket, "tls-server-end-point", BGL_SSL_BINDING_TLS_SERVER_END_POINT);
    tell_binding(socket, "tls-exporter", BGL_SSL_BINDING_TLS_EXPORTER);
}

static inline void tell_facts(const bgl_ssl_socket_t *socket)
{
    char alpn[64] = "";
    bgl_ssl_certificate_t *peer = bgl_ssl_socket_peer_certificate(socket);
    bgl_ssl_socket_alpn(socket, alpn, sizeof alpn);
    printf("protocol %s\npeer %s\nalpn %s\n", bgl_ssl_socket_protocol(socket),
           peer ? bgl_ssl_certificate_subject(peer) : "-", alpn[0] ? alpn : "-");
    tell_keying_material(socket);
    fflush(stdout);
    bgl_ssl_certificate_free(peer);
}

/* Reads up to and with a newline (or what `end` says); the length. */
static inline size_t read_text(const bgl_ssl_socket_t *socket, const char *end, char *text, size_t size)
{
    size_t length = 0, n;
    text[0] = '\0';
    while (!strstr(text, end) && length + 1 < size) {
        bgl_ssl_status_t status = bgl_ssl_socket_read(socket, text + length, size - 1 - length, &n);
        must(status, "read");
        if (status == BGL_SSL_EOF)
            break;
        length += n;
        text[length] = '\0';
    }
    return length;
}

/* Listens, prints `port N`, and gives each client to `serve` in a thread of its own; never returns. */
static inline void serve_clients(const bgl_ssl_config_t *config, void *serve(void *socket))
{
    bgl_ssl_server_t *server = bgl_ssl_listen(config, "127.0.0.1", 0, 128, AF_INET);
    if (!server)
        die("listen");
    printf("port %d\n", bgl_ssl_server_port(server));
    fflush(stdout);
    for (;;) {
        bgl_ssl_socket_t *socket = NULL;
        pthread_t thread;
        if (bgl_ssl_server_accept(server, 0, &socket) != BGL_SSL_OK)
            continue;
        if (pthread_create(&thread, NULL, serve, socket) != 0)
            die("thread");
        pthread_detach(thread);
    }
}

#endif
