/* How many packets a connection takes. */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* How many segments with data the socket has sent. */
static long long segments(const bgl_ssl_socket_t *socket)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    CHECK_INT(0, getsockopt(bgl_ssl_socket_fd(socket), IPPROTO_TCP, TCP_INFO, &info, &size));
    if (size < offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof info.tcpi_data_segs_out)
        skip_test("TCP_INFO does not count segments");
    return info.tcpi_data_segs_out;
}

TEST(the_tickets_of_a_server_go_out_together)
{
    struct ends ends;
    let_meet_over_tcp(&ends, client_config(), server_config("good"));
    CHECK_INT(2, segments(ends.client)); /* its hello, and its Finished */
    CHECK_INT(2, segments(ends.server)); /* its flight, and two tickets */
    free_ends(&ends);
}
