/* Two ends with the test between them: it passes on what they send, and sees the records and datagrams. */
#ifndef MIDDLE_H
#define MIDDLE_H

#include "harness.h"

enum { MOST_RECORDS = 512, CLIENT = 0, SERVER = 1 };

struct side_of_middle {
    int fd;
    /* What it has sent: the type and the length of each record, without its header, or 0 and the length of a datagram. */
    unsigned char types[MOST_RECORDS];
    size_t lengths[MOST_RECORDS];
    size_t count;
    unsigned char header[5];
    size_t in_header;
    size_t left_of_record;
};

struct middle {
    struct ends ends;
    struct side_of_middle sides[2];
    bool datagrams;
};

static inline void udp_pair(int fds[2])
{
    struct sockaddr_in addresses[2];
    for (int i = 0; i < 2; i++) {
        socklen_t size = sizeof addresses[i];
        memset(&addresses[i], 0, sizeof addresses[i]);
        addresses[i].sin_family = AF_INET;
        addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK_INT(0, bind(fds[i], (struct sockaddr *)&addresses[i], size));
        CHECK_INT(0, getsockname(fds[i], (struct sockaddr *)&addresses[i], &size));
    }
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, connect(fds[i], (struct sockaddr *)&addresses[1 - i], sizeof addresses[0]));
}

/* The configs are taken over. */
static inline void make_middle(struct middle *middle, bgl_ssl_config_t *client, bgl_ssl_config_t *server,
                               bool datagrams)
{
    int fds[2], pairs[2][2];
    memset(middle, 0, sizeof *middle);
    middle->datagrams = datagrams;
    for (int i = 0; i < 2; i++) {
        if (datagrams)
            udp_pair(pairs[i]);
        else
            local_pair(pairs[i]);
        fds[i] = pairs[i][0];
        middle->sides[i].fd = pairs[i][1];
    }
    make_ends_over(&middle->ends, client, server, "localhost", fds);
    bgl_ssl_config_free(client);
    bgl_ssl_config_free(server);
}

static inline void note_bytes(struct side_of_middle *side, const unsigned char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (side->left_of_record > 0) {
            side->left_of_record--;
            continue;
        }
        side->header[side->in_header++] = data[i];
        if (side->in_header == sizeof side->header) {
            CHECK(side->count < MOST_RECORDS);
            side->left_of_record = (size_t)side->header[3] << 8 | side->header[4];
            side->types[side->count] = side->header[0];
            side->lengths[side->count++] = side->left_of_record;
            side->in_header = 0;
        }
    }
}

/* Passes on what there is, both ways; false if there was nothing. */
static inline bool pass_on(struct middle *middle)
{
    static unsigned char data[70000];
    bool any = false;
    for (int i = 0; i < 2; i++) {
        struct side_of_middle *side = &middle->sides[i];
        ssize_t n;
        while ((n = recv(side->fd, data, sizeof data, MSG_DONTWAIT)) > 0) {
            any = true;
            if (middle->datagrams) {
                CHECK(side->count < MOST_RECORDS);
                side->lengths[side->count++] = (size_t)n;
            } else {
                note_bytes(side, data, (size_t)n);
            }
            CHECK_INT(n, send(middle->sides[1 - i].fd, data, (size_t)n, MSG_NOSIGNAL));
        }
    }
    return any;
}

static inline bool may_go_on(bgl_ssl_status_t status)
{
    return status == BGL_SSL_WANT_READ || status == BGL_SSL_WANT_WRITE;
}

/* The handshakes, until both are done or have failed. */
static inline void complete_handshakes(struct middle *middle)
{
    struct ends *ends = &middle->ends;
    int rounds = 0;
    do {
        ends->client_status = bgl_ssl_socket_handshake(ends->client);
        pass_on(middle);
        ends->server_status = bgl_ssl_socket_handshake(ends->server);
        pass_on(middle);
    } while ((may_go_on(ends->client_status) || may_go_on(ends->server_status)) && ++rounds < 50);
}

static inline void free_middle(struct middle *middle)
{
    free_ends(&middle->ends);
    close(middle->sides[0].fd);
    close(middle->sides[1].fd);
}

#endif
