#define _GNU_SOURCE /* program_invocation_short_name */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fail(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, bgl_ssl_error_message());
  exit(1);
}

_Noreturn void usage_error(const char *message) {
  fprintf(stderr, "%s: %s (try --help)\n", program_invocation_short_name, message);
  exit(2);
}

certificates_t read_certificates(const char *pem_file) {
  bgl_ssl_certificate_list_t *list = bgl_ssl_load_pem(pem_file);
  if (!list) fail("cannot read certificates");

  certificates_t certificates = {.length = bgl_ssl_certificate_list_length(list)};
  certificates.items = calloc(certificates.length, sizeof *certificates.items);
  if (!certificates.items) {
    perror(program_invocation_short_name);
    exit(1);
  }
  for (size_t i = 0; i < certificates.length; i++)
    certificates.items[i] = bgl_ssl_certificate_list_get(list, i);

  /* Each item is a reference of its own: the list is no longer needed. */
  bgl_ssl_certificate_list_free(list);
  return certificates;
}

void free_certificates(certificates_t certificates) {
  for (size_t i = 0; i < certificates.length; i++)
    bgl_ssl_certificate_free((bgl_ssl_certificate_t *)certificates.items[i]);
  free(certificates.items);
}

void trust_file(bgl_ssl_config_t *config, const char *pem_file) {
  if (bgl_ssl_config_set_ca_file(config, pem_file) != BGL_SSL_OK) fail("cannot trust the certificates");
}

void show_certificate(bgl_ssl_config_t *config, const char *pem_file, const char *key_file) {
  if (bgl_ssl_config_set_certificate_file(config, pem_file, key_file, NULL) != BGL_SSL_OK)
    fail("cannot use the certificate");
}

void use_protocol(bgl_ssl_config_t *config, const char *name) {
  int protocol = bgl_ssl_protocol_number(name);
  if (protocol == 0 || bgl_ssl_config_set_protocol(config, protocol) != BGL_SSL_OK)
    fail("cannot use the protocol");
}

void use_alpn(bgl_ssl_config_t *config, const char *comma_separated) {
  const char *names[16];
  size_t n = 0;
  char *copy = strdup(comma_separated);

  for (char *name = strtok(copy, ","); name && n < 16; name = strtok(NULL, ","))
    names[n++] = name;
  if (bgl_ssl_config_set_alpn(config, names, n) != BGL_SSL_OK) fail("cannot use the ALPN names");
  free(copy);
}

int port_number(const char *text) {
  char *end;
  long port = strtol(text, &end, 10);

  if (end == text || *end != '\0' || port < 0 || port > 65535)
    usage_error("a port is a number from 0 to 65535");
  return (int)port;
}
