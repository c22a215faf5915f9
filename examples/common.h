/* What the longer example programs share: ending with the library's error message, certificates, arguments. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <bglssl.h>

/* Prints "PROGRAM: WHAT: the library's sentence" on standard error and ends the program with status 1. */
_Noreturn void fail(const char *what);

/* The same for a mistake on the command line; the status is 2. */
_Noreturn void usage_error(const char *message);

/* All certificates of a PEM file, in the shape in which the library takes lists of them. */
typedef struct {
  const bgl_ssl_certificate_t **items;
  size_t length;
} certificates_t;

certificates_t read_certificates(const char *pem_file);
void free_certificates(certificates_t certificates);

/* The certificates of a PEM file are the only ones to trust. */
void trust_file(bgl_ssl_config_t *config, const char *pem_file);

/* The certificate to show to peers: the first of the PEM file, with the others as its chain; and its private key. */
void show_certificate(bgl_ssl_config_t *config, const char *pem_file, const char *key_file);

/* "tlsv1_2" and the like. */
void use_protocol(bgl_ssl_config_t *config, const char *name);

/* "h2,http/1.1" and the like. */
void use_alpn(bgl_ssl_config_t *config, const char *comma_separated);

/* A decimal number from 0 to 65535. */
int port_number(const char *text);

#endif
