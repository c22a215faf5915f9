/* A server in a thread, and its clients. */
#define _GNU_SOURCE
#include "harness.h"

#include <poll.h>

static void *run_service(void *data)
{
    struct service *service = data;
    for (int i = 0; i < service->connections; i++) {
        bgl_ssl_socket_t *socket = NULL;
        service->last_status = bgl_ssl_server_accept(service->server, 20 * SECOND * slowness(), &socket);
        if (service->last_status != BGL_SSL_OK) {
            service->last_refusal = last_error();
            service->refused++;
            continue;
        }
        service->serve(socket, service->data);
        bgl_ssl_socket_close(socket);
        bgl_ssl_socket_free(socket);
    }
    return NULL;
}

void start_service(struct service *service, const bgl_ssl_config_t *config, int connections, serve_function *serve,
                   void *data)
{
    start_service_at("127.0.0.1", 0, service, config, connections, serve, data);
}

void start_service_at(const char *address, int port, struct service *service, const bgl_ssl_config_t *config,
                      int connections, serve_function *serve, void *data)
{
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, bgl_ssl_listen(config, address, port, 16, AF_INET));
    port = bgl_ssl_server_port(server);
    CHECK(port > 0 && port < 65536);
    start_service_on(service, server, connections, serve, data);
    service->port = port;
}

void start_service_on(struct service *service, bgl_ssl_server_t *server, int connections, serve_function *serve,
                      void *data)
{
    memset(service, 0, sizeof *service);
    service->server = server;
    service->connections = connections;
    service->serve = serve;
    service->data = data;
    service->thread = start_thread(run_service, service);
}

void end_service(struct service *service)
{
    join_thread(service->thread);
    CHECK_OK(bgl_ssl_server_close(service->server));
    bgl_ssl_server_free(service->server);
}

void start_service_for(struct client_and_service *both, bgl_ssl_config_t *client, bgl_ssl_config_t *server,
                       int connections, serve_function *serve, void *data)
{
    both->client = client;
    both->server = server;
    both->socket = NULL;
    start_service(&both->service, server, connections, serve, data);
}

void connect_to_service(struct client_and_service *both, bgl_ssl_config_t *client, bgl_ssl_config_t *server,
                        serve_function *serve, void *data)
{
    start_service_for(both, client, server, 1, serve, data);
    both->socket = connect_to(client, both->service.port);
}

void end_client_and_service(struct client_and_service *both)
{
    if (both->socket)
        finish(both->socket);
    end_service(&both->service);
    bgl_ssl_config_free(both->client);
    bgl_ssl_config_free(both->server);
}

bgl_ssl_socket_t *connect_to(const bgl_ssl_config_t *client, int port)
{
    return MADE(bgl_ssl_socket_t, bgl_ssl_connect(client, "127.0.0.1", port, AF_INET));
}

void serve_echo(bgl_ssl_socket_t *socket, void *data)
{
    (void)data;
    char buffer[16384];
    size_t n;
    while (bgl_ssl_socket_read(socket, buffer, sizeof buffer, &n) == BGL_SSL_OK) {
        size_t written = 0;
        if (bgl_ssl_socket_write(socket, buffer, n, &written) != BGL_SSL_OK)
            return;
    }
}

void serve_nothing(bgl_ssl_socket_t *socket, void *data)
{
    (void)socket;
    (void)data;
}

void send_bytes(const bgl_ssl_socket_t *socket, const void *data, size_t length)
{
    size_t n = 0;
    CHECK_OK(bgl_ssl_socket_write(socket, data, length, &n));
    CHECK_INT((long long)length, (long long)n);
}

void receive_bytes(const bgl_ssl_socket_t *socket, void *buffer, size_t length)
{
    for (size_t got = 0; got < length;) {
        size_t n = 0;
        CHECK_OK(bgl_ssl_socket_read(socket, (char *)buffer + got, length - got, &n));
        CHECK(n > 0 && n <= length - got);
        got += n;
    }
}

void check_echo(const bgl_ssl_socket_t *socket, const char *text)
{
    char back[1024];
    size_t length = strlen(text);
    CHECK(length < sizeof back);
    send_bytes(socket, text, length);
    receive_bytes(socket, back, length);
    back[length] = '\0';
    CHECK_STRING(text, back);
}

void finish(bgl_ssl_socket_t *socket)
{
    CHECK_OK(bgl_ssl_socket_close(socket));
    bgl_ssl_socket_free(socket);
}

bgl_ssl_status_t handshake_by_poll(const bgl_ssl_socket_t *socket)
{
    bgl_ssl_status_t status;
    while ((status = bgl_ssl_socket_handshake(socket)) == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE) {
        struct pollfd wait = {bgl_ssl_socket_fd(socket), status == BGL_SSL_WANT_READ ? POLLIN : POLLOUT, 0};
        CHECK(wait.fd >= 0);
        CHECK_INT(1, poll(&wait, 1, 20000 * slowness()));
    }
    return status;
}

void *read_one(void *data)
{
    struct reader *it = data;
    char byte;
    size_t n;
    it->begun = true;
    it->status = bgl_ssl_socket_read(it->socket, &byte, 1, &n);
    return NULL;
}

pthread_t start_thread(void *(*run)(void *), void *data)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, data);
    if (error)
        FAIL("pthread_create: %s", strerror(error));
    return thread;
}

void join_thread(pthread_t thread)
{
    pthread_join(thread, NULL);
}
