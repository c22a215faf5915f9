/* tls-client: connects to a TLS server, verifies it, prints what was agreed, then carries standard input to the server
 * and the server's answers to standard output.
 *
 *   tls-client example.com 443
 *   printf 'hello\n' | tls-client --ca ca.pem localhost 4433
 *
 * What it shows: a config, a connection, the facts of the connection, and the non-blocking calls in a poll(2) loop.
 * It ends with status 0 when the server has closed the connection properly, 1 when anything failed. */

#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
  "usage: tls-client [options] HOST PORT\n"
  "  --ca FILE        trust the certificates of this PEM file, instead of the system's\n"
  "  --insecure       verify nothing: any server is accepted\n"
  "  --hostname NAME  the name to verify and to ask for, instead of HOST\n"
  "  --cert FILE      show this certificate (PEM, followed by its chain) ...\n"
  "  --key FILE       ... and this private key\n"
  "  --protocol NAME  sslv23 (the default: the best that both have), tlsv1_2, tlsv1_3 ...\n"
  "  --alpn NAMES     offer these application protocols, separated by commas\n"
  "  --timeout SECS   give up connecting after so long (default 30)\n"
  "  --resume         connect once for a session, then again to resume it\n"
  "  --quiet          do not report about the connection\n"
  "  -4, -6           use IPv4, IPv6 only\n";

static void print_time(const char *label, int64_t seconds) {
  time_t when = (time_t)seconds;
  struct tm utc;
  char text[32];

  if (!gmtime_r(&when, &utc)) return;
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  fprintf(stderr, "  %-12s %s\n", label, text);
}

/* All that is known about a connection goes to standard error: standard output belongs to the server's data. */
static void report(const bgl_ssl_socket_t *socket) {
  char text[512];
  int port;

  bgl_ssl_socket_peer_address(socket, text, sizeof text, &port);
  fprintf(stderr, "connected to %s port %d\n", text, port);
  fprintf(stderr, "  %-12s %s\n", "protocol", bgl_ssl_socket_protocol(socket));
  fprintf(stderr, "  %-12s %s\n", "cipher", bgl_ssl_socket_cipher(socket));
  fprintf(stderr, "  %-12s %s\n", "session", bgl_ssl_socket_session_reused(socket) ? "resumed" : "new");
  if (bgl_ssl_socket_alpn(socket, text, sizeof text) > 0)
    fprintf(stderr, "  %-12s %s\n", "alpn", text);

  bgl_ssl_certificate_t *certificate = bgl_ssl_socket_peer_certificate(socket);
  if (certificate) {
    bgl_ssl_certificate_subject_name(certificate, text, sizeof text);
    fprintf(stderr, "  %-12s %s\n", "subject", text);
    bgl_ssl_certificate_issuer_name(certificate, text, sizeof text);
    fprintf(stderr, "  %-12s %s\n", "issuer", text);
    print_time("valid from", bgl_ssl_certificate_not_before(certificate));
    print_time("valid until", bgl_ssl_certificate_not_after(certificate));
    bgl_ssl_certificate_free(certificate);
  }

  if (bgl_ssl_socket_verify_result(socket) == 0)
    fprintf(stderr, "  %-12s %s\n", "chain", "verified");
  else if (bgl_ssl_socket_verify_error(socket, text, sizeof text) > 0)
    fprintf(stderr, "  %-12s not verified: %s\n", "chain", text);
  else
    fprintf(stderr, "  %-12s %s\n", "chain", "not verified");
}

static void print_all(const char *data, size_t length) {
  while (length > 0) {
    ssize_t n = write(STDOUT_FILENO, data, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      perror("tls-client: standard output");
      exit(1);
    }
    data += n;
    length -= (size_t)n;
  }
}

/* What poll(2) has to wait for before a call that gave this status is worth another try. */
static short wanted_events(bgl_ssl_status_t status) {
  switch (status) {
  case BGL_SSL_WANT_READ: return POLLIN;
  case BGL_SSL_WANT_WRITE: return POLLOUT;
  default: return 0;
  }
}

/* Standard input to the server, the server to standard output, until the server ends the connection. When standard
 * input ends, our half of the connection is closed, and the server may go on talking. */
static void converse(const bgl_ssl_socket_t *socket) {
  enum { INPUT_OPEN, INPUT_ENDED, HALF_CLOSED } state = INPUT_OPEN;
  char received[16384], typed[16384];
  size_t sent = 0, have = 0;

  if (bgl_ssl_socket_set_nonblocking(socket, true) != BGL_SSL_OK) fail("cannot leave blocking mode");

  for (;;) {
    bgl_ssl_status_t status;
    bool progress = false;
    short events = 0;
    size_t n;

    status = bgl_ssl_socket_read(socket, received, sizeof received, &n);
    if (status == BGL_SSL_EOF) return;
    if (status < 0) fail("cannot read");
    if (status == BGL_SSL_OK) {
      print_all(received, n);
      progress = true;
    }
    events |= wanted_events(status);

    if (sent < have) {
      status = bgl_ssl_socket_write(socket, typed + sent, have - sent, &n);
      if (status < 0) fail("cannot write");
      if (status == BGL_SSL_OK) {
        sent += n;
        progress = true;
      }
      events |= wanted_events(status);
    } else if (state == INPUT_ENDED) {
      status = bgl_ssl_socket_shutdown(socket);
      if (status < 0) fail("cannot end the connection");
      if (status == BGL_SSL_OK) state = HALF_CLOSED;
      events |= wanted_events(status);
    }

    /* A negative descriptor is one that poll leaves alone. */
    bool want_input = state == INPUT_OPEN && sent == have;
    struct pollfd fds[2] = {
      {.fd = bgl_ssl_socket_fd(socket), .events = events},
      {.fd = want_input ? STDIN_FILENO : -1, .events = POLLIN},
    };
    if (poll(fds, 2, progress ? 0 : -1) < 0 && errno != EINTR) {
      perror("tls-client: poll");
      exit(1);
    }
    if (want_input && fds[1].revents) {
      ssize_t got = read(STDIN_FILENO, typed, sizeof typed);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) state = INPUT_ENDED;
      sent = 0;
      have = got > 0 ? (size_t)got : 0;
    }
  }
}

/* A TLS 1.3 server sends its session ticket after the handshake: it arrives during reads. So send close_notify, read
 * what is left, and ask for the session then. */
static bgl_ssl_session_t *first_session(const bgl_ssl_config_t *config, const char *host, int port, int family) {
  bgl_ssl_socket_t *socket = bgl_ssl_connect(config, host, port, family);
  if (!socket) fail("cannot connect");

  char ignored[1024];
  size_t n;
  bgl_ssl_socket_set_read_timeout(socket, 2000000);
  bgl_ssl_socket_shutdown(socket);
  while (bgl_ssl_socket_read(socket, ignored, sizeof ignored, &n) == BGL_SSL_OK) continue;

  bgl_ssl_session_t *session = bgl_ssl_socket_session(socket);
  if (!session) fail("the server gave no session");
  bgl_ssl_socket_close(socket);
  bgl_ssl_socket_free(socket);
  return session;
}

int main(int argc, char **argv) {
  enum { CA = 256, INSECURE, HOSTNAME, CERT, KEY, PROTOCOL, ALPN, TIMEOUT, RESUME, QUIET, HELP };
  static const struct option options[] = {
    {"ca", required_argument, NULL, CA},           {"insecure", no_argument, NULL, INSECURE},
    {"hostname", required_argument, NULL, HOSTNAME}, {"cert", required_argument, NULL, CERT},
    {"key", required_argument, NULL, KEY},         {"protocol", required_argument, NULL, PROTOCOL},
    {"alpn", required_argument, NULL, ALPN},       {"timeout", required_argument, NULL, TIMEOUT},
    {"resume", no_argument, NULL, RESUME},         {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},             {NULL, 0, NULL, 0},
  };
  const char *cert = NULL, *key = NULL;
  bool resume = false, quiet = false;
  int family = AF_UNSPEC, option;

  /* A new config verifies the chain and the host name against the system's CAs: secure unless changed. */
  bgl_ssl_config_t *config = bgl_ssl_config_new();
  if (!config) fail("cannot make a config");

  while ((option = getopt_long(argc, argv, "46", options, NULL)) != -1) {
    bgl_ssl_status_t status = BGL_SSL_OK;
    switch (option) {
    case CA: trust_file(config, optarg); break;
    case INSECURE: status = bgl_ssl_config_insecure_verify_none(config); break;
    case HOSTNAME: status = bgl_ssl_config_set_hostname(config, optarg); break;
    case CERT: cert = optarg; break;
    case KEY: key = optarg; break;
    case PROTOCOL: use_protocol(config, optarg); break;
    case ALPN: use_alpn(config, optarg); break;
    case TIMEOUT: status = bgl_ssl_config_set_connect_timeout(config, atoll(optarg) * 1000000); break;
    case RESUME: resume = true; break;
    case QUIET: quiet = true; break;
    case '4': family = AF_INET; break;
    case '6': family = AF_INET6; break;
    case HELP: fputs(help, stdout); return 0;
    default: fputs(help, stderr); return 2;
    }
    if (status != BGL_SSL_OK) fail("bad option");
  }
  if (argc - optind != 2) usage_error("HOST and PORT are needed");
  if (!cert != !key) usage_error("--cert and --key go together");
  if (cert) show_certificate(config, cert, key);

  const char *host = argv[optind];
  int port = port_number(argv[optind + 1]);

  bgl_ssl_session_t *session = resume ? first_session(config, host, port, family) : NULL;
  bgl_ssl_socket_t *socket = session ? bgl_ssl_connect_resume(config, host, port, family, session)
                                     : bgl_ssl_connect(config, host, port, family);
  if (!socket) fail("cannot connect");
  if (!quiet) report(socket);

  converse(socket);

  /* A close may have to wait for the peer, which the library does in blocking mode. */
  bgl_ssl_socket_set_nonblocking(socket, false);
  if (bgl_ssl_socket_close(socket) != BGL_SSL_OK) fail("cannot close");
  bgl_ssl_socket_free(socket);
  bgl_ssl_session_free(session);
  bgl_ssl_config_free(config);
  return 0;
}
