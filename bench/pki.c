/* The certificates of the benchmark: ECDSA on P-256, the cheapest common kind, so that what a library adds to
 * OpenSSL's own work shows the most; or RSA, for what a resumed handshake saves. */

#include "side.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(BIO *bio) {
  char *data;
  long length = BIO_get_mem_data(bio, &data);
  char *text = strndup(data, (size_t)length);
  BIO_free(bio);
  return text;
}

static char *pem_of_certificate(X509 *certificate) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return text_of(bio);
}

static char *pem_of_key(EVP_PKEY *key) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  return text_of(bio);
}

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/* A certificate for key, signed by the issuer, or by itself where there is none. */
static X509 *make_certificate(const char *common_name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key) {
  static long serial = 1;
  X509 *certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             (const unsigned char *)common_name, -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
  if (issuer)
    add_extension(certificate, NID_subject_alt_name, "DNS:localhost");
  else
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  if (!X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256())) die("X509_sign", "failed");
  return certificate;
}

static EVP_PKEY *make_key(bool rsa) {
  EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  if (!key) die("key", "cannot be made");
  return key;
}

pki_t make_pki(bool rsa) {
  EVP_PKEY *ca_key = make_key(rsa), *server_key = make_key(rsa), *client_key = make_key(rsa);
  X509 *ca = make_certificate("bench CA", ca_key, NULL, NULL);
  X509 *server = make_certificate("localhost", server_key, ca, ca_key);
  X509 *client = make_certificate("client", client_key, ca, ca_key);

  pki_t pki = {
    .ca = pem_of_certificate(ca),
    .server = pem_of_certificate(server),
    .server_key = pem_of_key(server_key),
    .client = pem_of_certificate(client),
    .client_key = pem_of_key(client_key),
  };
  X509_free(ca);
  X509_free(server);
  X509_free(client);
  EVP_PKEY_free(ca_key);
  EVP_PKEY_free(server_key);
  EVP_PKEY_free(client_key);
  return pki;
}

void free_pki(pki_t *pki) {
  free(pki->ca);
  free(pki->server);
  free(pki->server_key);
  free(pki->client);
  free(pki->client_key);
}
