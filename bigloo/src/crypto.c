/* crypto.c: what digests, signatures, ciphers and key agreement need of C beside bglssl.h. */
#include <bigloo.h>

#include "bglssl_bigloo.h"

static void release_hash(void *handle) { bgl_ssl_hash_free(handle); }
static void release_hmac(void *handle) { bgl_ssl_hmac_free(handle); }
static void release_sign(void *handle) { bgl_ssl_sign_free(handle); }
static void release_verify(void *handle) { bgl_ssl_verify_free(handle); }
static void release_cipher(void *handle) { bgl_ssl_cipher_free(handle); }
static void release_bignum(void *handle) { bgl_bn_free(handle); }
static void release_dh(void *handle) { bgl_ssl_dh_free(handle); }
static void release_ecdh(void *handle) { bgl_ssl_ecdh_free(handle); }

void *bglssl_box_hash(void *handle) { return bglssl_make_box(handle, release_hash); }
void *bglssl_box_hmac(void *handle) { return bglssl_make_box(handle, release_hmac); }
void *bglssl_box_sign(void *handle) { return bglssl_make_box(handle, release_sign); }
void *bglssl_box_verify(void *handle) { return bglssl_make_box(handle, release_verify); }
void *bglssl_box_cipher(void *handle) { return bglssl_make_box(handle, release_cipher); }
void *bglssl_box_dh(void *handle) { return bglssl_make_box(handle, release_dh); }
void *bglssl_box_ecdh(void *handle) { return bglssl_make_box(handle, release_ecdh); }

/* Users hold numbers as foreign objects, and may have foreign objects of other kinds. */
static obj_t bignum_id(void) { return string_to_symbol("ssl-bignum"); }

obj_t bglssl_bignum(void *handle) {
  return cobj_to_foreign(bignum_id(), bglssl_make_box(handle, release_bignum));
}

bool_t bglssl_bignump(obj_t object) {
  return FOREIGNP(object) && FOREIGN_ID(object) == bignum_id();
}

void *bglssl_bignum_box(obj_t bignum) { return FOREIGN_TO_COBJ(bignum); }

long bglssl_cipher_update(void *cipher, const void *data, long len, void *buf, long size) {
  size_t written = 0;
  bgl_ssl_status_t status = bgl_cipher_update(cipher, data, len, buf, size, &written);

  return status < 0 ? status : (long)written;
}

long bglssl_cipher_final(void *cipher, void *buf, long size) {
  size_t written = 0;
  bgl_ssl_status_t status = bgl_cipher_final(cipher, buf, size, &written);

  return status < 0 ? status : (long)written;
}

int bglssl_verify_signature(void *verify, const void *key, long key_len, const void *signature,
                            long signature_len) {
  bool valid = false;
  bgl_ssl_status_t status =
      bgl_ssl_verify_signature(verify, key, key_len, signature, signature_len, &valid);

  return status < 0 ? status : valid;
}

int bglssl_verify_message(const char *type, const char *key, long key_len, const char *data, long len,
                          const char *signature, long signature_len) {
  bool valid = false;
  bgl_ssl_status_t status =
      bgl_ssl_verify_message(type, key, key_len, data, len, signature, signature_len, &valid);

  return status < 0 ? status : valid;
}
