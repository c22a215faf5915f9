/* Servers on sockets that the program has made itself, or was given. */
#include <fcntl.h>
#include <sys/un.h>

#include "harness.h"

static bgl_ssl_server_t *take(int fd, int protocol)
{
    bgl_ssl_config_t *config = server_config("good");
    if (protocol)
        CHECK_OK(bgl_ssl_config_set_protocol(config, protocol));
    bgl_ssl_server_t *server = bgl_ssl_server_from_fd(config, fd);
    bgl_ssl_config_free(config);
    return server;
}

TEST(a_listening_socket_is_taken_over)
{
    int port, fd = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, take(fd, 0));
    CHECK_INT(port, bgl_ssl_server_port(server));
    CHECK(bgl_ssl_server_fd(server) != fd);
    /* The caller's own descriptor is not needed any more. */
    close(fd);
    struct service service;
    start_service_on(&service, server, 2, serve_echo, NULL);
    bgl_ssl_config_t *client = client_config();
    for (int i = 0; i < 2; i++) {
        bgl_ssl_socket_t *socket = connect_to(client, port);
        check_echo(socket, "given");
        finish(socket);
    }
    bgl_ssl_config_free(client);
    end_service(&service);
}

static void *accept_without_limit(void *data)
{
    bgl_ssl_socket_t *socket;
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_server_accept(data, 0, &socket));
    return NULL;
}

TEST(a_close_does_not_end_the_listening_of_others)
{
    int port, fd = plain_listener(AF_INET, "127.0.0.1", 0, 5, &port);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, take(fd, 0));
    pthread_t thread = start_thread(accept_without_limit, server);
    usleep(50000); /* the thread should be waiting; the outcome is the same if it is not */
    CHECK_OK(bgl_ssl_server_close(server));
    join_thread(thread);
    bgl_ssl_server_free(server);
    int client = plain_connect(port);
    CHECK(client >= 0);
    close(client);
    server = MADE(bgl_ssl_server_t, take(fd, 0));
    bgl_ssl_server_free(server);
    close(fd);
}

TEST(a_unix_socket_is_taken_over_and_its_file_stays)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = own_path("socket");
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 5) == 0);
    struct service service;
    start_service_on(&service, MADE(bgl_ssl_server_t, take(fd, 0)), 1, serve_echo, NULL);
    bgl_ssl_config_t *client = client_config();
    bgl_ssl_socket_t *socket = MADE(bgl_ssl_socket_t, bgl_ssl_connect_unix(client, path, "localhost"));
    check_echo(socket, "given");
    finish(socket);
    bgl_ssl_config_free(client);
    end_service(&service);
    CHECK(access(path, F_OK) == 0);
    close(fd);
}

TEST(what_does_not_listen_is_refused)
{
    int pair[2], datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), stream = socket(AF_INET, SOCK_STREAM, 0);
    tcp_pair(pair);
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, take(pair[0], 0));
    CHECK_MESSAGE("does not listen");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, take(stream, 0));
    CHECK_REFUSED(BGL_SSL_E_IO, take(datagrams, 0));
    CHECK_INT(EPROTOTYPE, last_error().sys_errno);
    CHECK_REFUSED(BGL_SSL_E_IO, take(-1, 0));
    CHECK_INT(EBADF, last_error().sys_errno);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_REFUSED(BGL_SSL_E_IO, take(file, 0));
    CHECK_INT(ENOTSOCK, last_error().sys_errno);
    CHECK_REFUSED(BGL_SSL_E_UNSUPPORTED, take(stream, BGLSSL_DTLSV1));
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, take(datagrams, BGLSSL_DTLSV1));
    CHECK_MESSAGE("bound");
    CHECK_REFUSED(BGL_SSL_E_ARGUMENT, bgl_ssl_server_from_fd(NULL, stream));
    close(file);
    close(datagrams);
    close(stream);
    close(pair[0]);
    close(pair[1]);
}

TEST(a_bound_datagram_socket_is_taken_over)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, take(fd, BGLSSL_DTLSV1));
    close(fd);
    int port = bgl_ssl_server_port(server);
    struct service service;
    start_service_on(&service, server, 2, serve_echo, NULL);
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    for (int i = 0; i < 2; i++) {
        bgl_ssl_socket_t *socket = connect_to(client, port);
        check_echo(socket, "given");
        finish(socket);
    }
    bgl_ssl_config_free(client);
    end_service(&service);
}

/* Nothing else is done to it: others may have it, too. */
TEST(a_bound_datagram_socket_keeps_its_options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
    socklen_t size = sizeof on;
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, size));
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    bgl_ssl_server_t *server = MADE(bgl_ssl_server_t, take(fd, BGLSSL_DTLSV1));
    int port = bgl_ssl_server_port(server);
    struct service service;
    start_service_on(&service, server, 1, serve_echo, NULL);
    bgl_ssl_config_t *client = client_config();
    CHECK_OK(bgl_ssl_config_set_protocol(client, BGLSSL_DTLSV1));
    finish(connect_to(client, port));
    bgl_ssl_config_free(client);
    end_service(&service);
    CHECK_INT(0, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &size));
    CHECK_INT(1, on);
    close(fd);
}
