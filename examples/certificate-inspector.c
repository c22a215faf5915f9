/* certificate-inspector FILE           the certificates of a PEM file
 * certificate-inspector HOST PORT      the chain that a server sends, whether or not it can be verified
 *
 * What it shows: what a certificate says, and how to look at a server without trusting it: verification is off, which
 * has `insecure_` in its name, and the verify result is printed. */
#include <bglssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static void print_time(const char *what, int64_t seconds) {
  time_t moment = (time_t)seconds;
  char text[64];

  if (strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime(&moment))) printf("  %s %s\n", what, text);
}

static void print_key_usage(int32_t usage) {
  static const struct {
    int32_t bit;
    const char *name;
  } bits[] = {
    {BGL_SSL_KEY_USAGE_DIGITAL_SIGNATURE, "digital signature"},
    {BGL_SSL_KEY_USAGE_KEY_ENCIPHERMENT, "key encipherment"},
    {BGL_SSL_KEY_USAGE_KEY_AGREEMENT, "key agreement"},
    {BGL_SSL_KEY_USAGE_KEY_CERT_SIGN, "certificate signing"},
    {BGL_SSL_KEY_USAGE_CRL_SIGN, "CRL signing"},
  };

  if (usage == BGL_SSL_KEY_USAGE_ANY) return;
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
    if (usage & bits[i].bit) printf("  key usage: %s\n", bits[i].name);
}

static void print_certificate(const bgl_ssl_certificate_t *certificate) {
  char text[1024];

  bgl_ssl_certificate_subject_name(certificate, text, sizeof text);
  printf("%s\n", text);
  bgl_ssl_certificate_issuer_name(certificate, text, sizeof text);
  printf("  issued by %s\n", text);
  print_time("valid from", bgl_ssl_certificate_not_before(certificate));
  print_time("valid to  ", bgl_ssl_certificate_not_after(certificate));
  bgl_ssl_certificate_key_type(certificate, text, sizeof text);
  printf("  key: %s, %d bits%s\n", text, bgl_ssl_certificate_key_bits(certificate),
         bgl_ssl_certificate_is_ca(certificate) ? ", a CA" : "");
  print_key_usage(bgl_ssl_certificate_key_usage(certificate));
  for (size_t i = 0; i < bgl_ssl_certificate_ext_key_usage_count(certificate); i++)
    if (bgl_ssl_certificate_ext_key_usage(certificate, i, text, sizeof text)) printf("  purpose: %s\n", text);
  for (size_t i = 0; i < bgl_ssl_certificate_alt_name_count(certificate); i++)
    if (bgl_ssl_certificate_alt_name(certificate, i, text, sizeof text)) printf("  name: %s\n", text);
  bgl_ssl_certificate_fingerprint(certificate, "SHA256", text, sizeof text);
  printf("  SHA-256 %s\n", text);
}

static bgl_ssl_certificate_list_t *chain_of(const char *host, int port) {
  char verdict[256];
  bgl_ssl_certificate_list_t *chain = NULL;

  bgl_ssl_config_t *config = bgl_ssl_config_new();
  bgl_ssl_config_insecure_verify_none(config);
  bgl_ssl_socket_t *socket = bgl_ssl_connect(config, host, port, AF_UNSPEC);
  if (socket) {
    bool is_fine = bgl_ssl_socket_verify_result(socket) == 0;
    bgl_ssl_socket_verify_error(socket, verdict, sizeof verdict);
    printf("%s, %s\nverification of the chain: %s\n", bgl_ssl_socket_protocol(socket), bgl_ssl_socket_cipher(socket),
           is_fine ? "passed" : verdict);
    chain = bgl_ssl_socket_peer_chain(socket);
    bgl_ssl_socket_close(socket);
  }
  bgl_ssl_socket_free(socket);
  bgl_ssl_config_free(config);
  return chain;
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: certificate-inspector FILE | certificate-inspector HOST PORT\n");
    return 2;
  }
  bgl_ssl_certificate_list_t *list = argc == 2 ? bgl_ssl_load_pem(argv[1]) : chain_of(argv[1], atoi(argv[2]));
  if (!list) {
    fprintf(stderr, "certificate-inspector: %s\n", bgl_ssl_error_message());
    return 1;
  }
  for (size_t i = 0; i < bgl_ssl_certificate_list_length(list); i++) {
    bgl_ssl_certificate_t *certificate = bgl_ssl_certificate_list_get(list, i);
    print_certificate(certificate);
    bgl_ssl_certificate_free(certificate);
  }
  bgl_ssl_certificate_list_free(list);
  return 0;
}
