/* Two ends of one DTLS connection over the loopback. Included once in a program. */
#ifndef DATAGRAM_PAIR_H
#define DATAGRAM_PAIR_H

#include <semaphore.h>

#include "harness.h"

static bgl_ssl_config_t *over_datagrams(bgl_ssl_config_t *config)
{
    CHECK_OK(bgl_ssl_config_set_protocol(config, BGLSSL_DTLSV1));
    return config;
}

/* A client and the server's end of its connection, both blocking. */
struct pair {
    struct service service;
    bgl_ssl_socket_t *client;
    bgl_ssl_socket_t *server;
    sem_t accepted;
    sem_t done;
};

static void share_server_end(bgl_ssl_socket_t *socket, void *data)
{
    struct pair *pair = data;
    pair->server = socket;
    sem_post(&pair->accepted);
    sem_wait(&pair->done);
}

static void connect_pair_with(struct pair *pair, bgl_ssl_config_t *client, bgl_ssl_config_t *server)
{
    memset(pair, 0, sizeof *pair);
    sem_init(&pair->accepted, 0, 0);
    sem_init(&pair->done, 0, 0);
    start_service(&pair->service, over_datagrams(server), 1, share_server_end, pair);
    pair->client = connect_to(over_datagrams(client), pair->service.port);
    sem_wait(&pair->accepted);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static void connect_pair(struct pair *pair)
{
    connect_pair_with(pair, client_config(), server_config("good"));
}

static void end_pair(struct pair *pair)
{
    sem_post(&pair->done);
    if (pair->client)
        finish(pair->client);
    end_service(&pair->service);
}

#endif
