/* A test program is a file of TEST(name) { ... } blocks; harness/ runs them.
 *
 * Each case runs in a process of its own, under a watchdog, and prints one line: `ok NAME`, `not ok NAME: why` or
 * `skip NAME: what is missing`. A case also fails when it ends with another number of open descriptors than it began
 * with, so every test is a test for leaked descriptors. Cases use threads freely; a check that fails in any thread
 * ends the case.
 *
 * Environment: BGLSSL_TEST_PKI is the directory that pki/make-pki.sh filled; BGLSSL_TEST_SLOW multiplies the time
 * limits (sanitizers, valgrind); BGLSSL_TEST_MEMCHECK is set where a tool counts memory, so that tests which count
 * it themselves stand back. */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bglssl.h"

/* ---- cases ---- */

typedef void test_function(const void *row);

struct test_case {
    char name[96];
    test_function *run;
    const void *row;
    struct test_case *next;
};

void add_test(struct test_case *test);

#define TEST(name)                                                                                                     \
    static void test_##name(const void *row);                                                                          \
    __attribute__((constructor)) static void register_##name(void)                                                    \
    {                                                                                                                  \
        static struct test_case self = {#name, test_##name, NULL, NULL};                                               \
        add_test(&self);                                                                                               \
    }                                                                                                                  \
    static void test_##name(const void *row __attribute__((unused)))

/* One case a row: each row's first member is its name. */
#define TEST_TABLE(prefix, rows)                                                                                       \
    static void test_##prefix(const void *row);                                                                        \
    __attribute__((constructor)) static void register_##prefix(void)                                                  \
    {                                                                                                                  \
        static struct test_case self[sizeof(rows) / sizeof((rows)[0])];                                                \
        for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) {                                                \
            snprintf(self[i].name, sizeof self[i].name, #prefix "_%s", *(const char *const *)(const void *)&(rows)[i]); \
            self[i].run = test_##prefix;                                                                               \
            self[i].row = &(rows)[i];                                                                                  \
            add_test(&self[i]);                                                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    static void test_##prefix(const void *row)

/* ---- checks: each ends the case when it does not hold ---- */

_Noreturn void fail_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void skip_test(const char *what_it_misses);
void check_int_at(const char *file, int line, const char *text, long long expected, long long actual);
void check_string_at(const char *file, int line, const char *text, const char *expected, const char *actual);
void check_status_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, bgl_ssl_status_t actual);
void *check_made_at(const char *file, int line, const char *text, const void *handle);
void check_refused_at(const char *file, int line, const char *text, bgl_ssl_status_t expected, const void *handle);
void check_message_at(const char *file, int line, const char *part);

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            FAIL("%s", #condition);                                                                                    \
    } while (0)
#define CHECK_INT(expected, actual) check_int_at(__FILE__, __LINE__, #actual, (expected), (actual))
#define CHECK_STRING(expected, actual) check_string_at(__FILE__, __LINE__, #actual, (expected), (actual))
#define CHECK_STATUS(expected, actual) check_status_at(__FILE__, __LINE__, #actual, (expected), (actual))
#define CHECK_OK(actual) CHECK_STATUS(BGL_SSL_OK, actual)
/* The maker gave a handle, which is the value; else the case fails with the library's message. */
#define MADE(type, actual) ((type *)check_made_at(__FILE__, __LINE__, #actual, (actual)))
/* The maker gave NULL, and the error slot says `expected`. */
#define CHECK_REFUSED(expected, actual) check_refused_at(__FILE__, __LINE__, #actual, (expected), (actual))
/* The error slot's message holds this text, letter case ignored. */
#define CHECK_MESSAGE(part) check_message_at(__FILE__, __LINE__, (part))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the error slot ---- */

bgl_ssl_error_t last_error(void);

/* ---- time ---- */

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

int64_t now_us(void);
int slowness(void);
bool memory_is_watched(void);
/* How many bytes are allocated; by this thread, or by others if they have no arena of their own. */
size_t bytes_in_use(void);
/* Whether OpenSSL has been used before the case began, and read its configuration and environment by then. */
bool openssl_is_warm(void);

/* ---- files and certificates ---- */

/* The path of a file of the PKI. The text lives as long as the case. */
const char *pki(const char *file);
char *read_whole_file(const char *path, size_t *length);
/* A new file in the case's own directory, which is removed after the case. */
const char *write_file(const char *name, const void *data, size_t length);
const char *own_path(const char *name);

bgl_ssl_certificate_t *certificate(const char *file);
bgl_ssl_private_key_t *private_key(const char *file);

/* ---- configs ---- */

/* Trusts the PKI's root; `insecure_` settings and others are up to the case. */
bgl_ssl_config_t *client_config(void);
/* Presents NAME.pem with NAME.key. */
bgl_ssl_config_t *server_config(const char *name);
void set_certificate(bgl_ssl_config_t *config, const char *name);
void set_ca(bgl_ssl_config_t *config, const char *file);
void set_accepted(bgl_ssl_config_t *config, const char *file);
/* Keys for tickets that all configs of this function have: what one server has put into a ticket is for another to judge. */
void share_ticket_keys(bgl_ssl_config_t *server);

/* ---- descriptors ---- */

int open_descriptors(void);
/* The same once the library's own threads, which finish closes, have ended; waits a while for the count expected. */
int open_descriptors_at_rest(int expected);
void local_pair(int fds[2]);
void tcp_pair(int fds[2]);
void tiny_buffers(int fd);
/* A local pair with hardly any space between its ends. */
void tiny_pair(int fds[2]);
/* A plain TCP listener on a loopback address; its port is stored. */
int plain_listener(int family, const char *address, int port, int backlog, int *bound_port);
int plain_connect(int port);
/* A port whose queue is full, so that a connection to it is never answered; the descriptors keep it so. */
struct silent_port {
    int port;
    int fds[4];
};
void open_silent_port(struct silent_port *silent, int family, int port);
void close_silent_port(struct silent_port *silent);
void write_all(int fd, const void *data, size_t length);
/* Reads until end of file or `size` bytes; -1 on an error such as a reset. */
ssize_t read_until_end(int fd, void *buffer, size_t size);
void reset_on_close(int fd);
/* Waits until there is something to read. */
void await_readable(int fd);
/* Waits until all that was sent over TCP is acknowledged: over the loopback device it is there then. */
void await_acknowledgement(int fd);

/* ---- two ends in one thread ---- */

struct ends {
    bgl_ssl_socket_t *client;
    bgl_ssl_socket_t *server;
    bgl_ssl_status_t client_status;
    bgl_ssl_status_t server_status;
    bgl_ssl_error_t client_error;
    bgl_ssl_error_t server_error;
    unsigned want_reads;
    unsigned want_writes;
};

/* Two non-blocking, lazy ends over a local socket pair; no handshake is made yet. The descriptors given to the
 * library are closed again: the ends live on their duplicates. */
void make_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host);
/* The same over two descriptors, with configs that are lazy already and can so be shared by many ends. */
void make_lazy_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2]);
void make_ends_over(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server,
                    const char *host, int fds[2]);
/* Steps both handshakes in turn until each is done or has failed. */
void step_handshakes(struct ends *ends);
/* One byte each way, so that a refusal that only the other end knows yet arrives; false when a byte did not. */
bool exchange_bytes(struct ends *ends);
/* make_ends, step_handshakes, and both are done. */
void connect_ends(struct ends *ends, const bgl_ssl_config_t *client, const bgl_ssl_config_t *server, const char *host);
/* connect_ends to "localhost" with configs that are taken over: they are freed, since the ends do without them. */
void connect_with(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server);
/* The same, but what the handshakes come to is up to the case. */
void try_connect_with(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server);
/* connect_with, but over TCP, and both ends block from then on. */
void connect_over_tcp(struct ends *ends, bgl_ssl_config_t *client, bgl_ssl_config_t *server);
/* Both ends block from now on. */
void set_ends_blocking(const struct ends *ends);
void free_ends(struct ends *ends);

/* ---- a server in a thread ---- */

typedef void serve_function(bgl_ssl_socket_t *socket, void *data);

struct service {
    bgl_ssl_server_t *server;
    int port;
    int connections;
    serve_function *serve;
    void *data;
    pthread_t thread;
    bgl_ssl_status_t last_status;
    bgl_ssl_error_t last_refusal;
    int refused;
};

/* Listens on 127.0.0.1, any port; the thread accepts `connections` times (failed handshakes count) and hands each
 * socket to `serve`, then closes and frees it. */
void start_service(struct service *service, const bgl_ssl_config_t *config, int connections, serve_function *serve,
                   void *data);
void start_service_at(const char *address, int port, struct service *service, const bgl_ssl_config_t *config,
                      int connections, serve_function *serve, void *data);
/* The same on a server of the case's own, which is taken over. */
void start_service_on(struct service *service, bgl_ssl_server_t *server, int connections, serve_function *serve,
                      void *data);
void end_service(struct service *service);

/* A service and the configs of both sides, which are taken over: end_client_and_service frees them. */
struct client_and_service {
    struct service service;
    bgl_ssl_config_t *client;
    bgl_ssl_config_t *server;
    bgl_ssl_socket_t *socket; /* the one client of connect_to_service; NULL where the clients are up to the case */
};

/* start_service; nobody is connected yet. */
void start_service_for(struct client_and_service *both, bgl_ssl_config_t *client, bgl_ssl_config_t *server,
                       int connections, serve_function *serve, void *data);
/* start_service for one connection, and that one is made. */
void connect_to_service(struct client_and_service *both, bgl_ssl_config_t *client, bgl_ssl_config_t *server,
                        serve_function *serve, void *data);
/* Finishes the client of connect_to_service, then ends the service. */
void end_client_and_service(struct client_and_service *both);
/* A connection to this port of 127.0.0.1. */
bgl_ssl_socket_t *connect_to(const bgl_ssl_config_t *client, int port);

/* Reads everything and writes it back, until the peer's end of file. */
void serve_echo(bgl_ssl_socket_t *socket, void *data);
/* Does nothing: the socket is closed at once. */
void serve_nothing(bgl_ssl_socket_t *socket, void *data);

/* Blocking sockets: writes all; reads exactly this many bytes; the end of the stream follows. */
void send_bytes(const bgl_ssl_socket_t *socket, const void *data, size_t length);
void receive_bytes(const bgl_ssl_socket_t *socket, void *buffer, size_t length);
void check_echo(const bgl_ssl_socket_t *socket, const char *text);
/* Closes and frees. */
void finish(bgl_ssl_socket_t *socket);
/* Completes the handshake of a non-blocking socket as an event loop does, and returns how it ended. */
bgl_ssl_status_t handshake_by_poll(const bgl_ssl_socket_t *socket);

pthread_t start_thread(void *(*run)(void *), void *data);
void join_thread(pthread_t thread);

/* Reads a byte in a thread, and keeps the status: start_thread(read_one, &reader). */
struct reader {
    const bgl_ssl_socket_t *socket;
    atomic_bool begun;
    bgl_ssl_status_t status;
};
void *read_one(void *reader);

#endif
