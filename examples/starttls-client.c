/* starttls-client HOST PORT [CA-FILE]: begins TLS on an SMTP connection (RFC 3207), and says QUIT over it.
 *
 * What it shows: a connection that begins in plaintext. What was read before TLS began must not count as data that came
 * through TLS, so the program passes the library how many bytes it has read and not used: if there are any, the library
 * refuses (CVE-2011-0411). */
#define _GNU_SOURCE /* memmem */
#include <bglssl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char data[4096];
static size_t length;

static int connect_to(const char *host, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses, *address;
  int fd = -1;

  if (getaddrinfo(host, port, &hints, &addresses) != 0) return -1;
  for (address = addresses; address; address = address->ai_next) {
    fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) == 0) break;
    if (fd >= 0) close(fd);
    fd = -1;
  }
  freeaddrinfo(addresses);
  return fd;
}

/* Reads a reply of one or more lines ("250-..." goes on, "250 ..." is the last), and takes it off the buffer. */
static int plain_reply(int fd) {
  for (;;) {
    char *end;
    while ((end = memmem(data, length, "\r\n", 2)) != NULL) {
      int code = 0;
      bool is_last = end - data < 4 || data[3] != '-';
      printf("< %.*s\n", (int)(end - data), data);
      for (int i = 0; i < 3 && i < end - data; i++) code = 10 * code + (data[i] - '0');
      length -= (size_t)(end + 2 - data);
      memmove(data, end + 2, length);
      if (is_last) return code;
    }
    ssize_t n = length < sizeof data ? recv(fd, data + length, sizeof data - length, 0) : -1;
    if (n <= 0) return -1;
    length += (size_t)n;
  }
}

static int plain_command(int fd, const char *command) {
  printf("> %s\n", command);
  if (dprintf(fd, "%s\r\n", command) < 0) return -1;
  return plain_reply(fd);
}

int main(int argc, char **argv) {
  char answer[512];
  size_t n;

  if (argc != 3 && argc != 4) return fprintf(stderr, "usage: starttls-client HOST PORT [CA-FILE]\n"), 2;
  int fd = connect_to(argv[1], argv[2]);
  if (fd < 0 || plain_reply(fd) != 220 || plain_command(fd, "EHLO localhost") != 250
      || plain_command(fd, "STARTTLS") != 220)
    return fprintf(stderr, "starttls-client: the server does not offer TLS\n"), 1;

  bgl_ssl_config_t *config = bgl_ssl_config_new();
  bgl_ssl_status_t status = argc == 4 ? bgl_ssl_config_set_ca_file(config, argv[3]) : BGL_SSL_OK;
  bgl_ssl_socket_t *socket =
    status == BGL_SSL_OK ? bgl_ssl_upgrade_client_fd(config, fd, argv[1], length) : NULL;
  close(fd); /* the socket has a duplicate */
  if (!socket) return fprintf(stderr, "starttls-client: %s\n", bgl_ssl_error_message()), 1;

  printf("%s, %s\n", bgl_ssl_socket_protocol(socket), bgl_ssl_socket_cipher(socket));
  status = bgl_ssl_socket_write(socket, "QUIT\r\n", 6, &n);
  while (status == BGL_SSL_OK && (status = bgl_ssl_socket_read(socket, answer, sizeof answer, &n)) == BGL_SSL_OK)
    fwrite(answer, 1, n, stdout);
  if (status != BGL_SSL_EOF) fprintf(stderr, "starttls-client: %s\n", bgl_ssl_error_message());
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  bgl_ssl_config_free(config);
  return status == BGL_SSL_EOF ? 0 : 1;
}
