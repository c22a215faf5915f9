/* objects.c: handles inside objects of the collector, lists as arrays, errors as conditions. */
#include <bigloo.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bglssl_bigloo.h"

/* Defined in Scheme. */
extern void *bglssl_scheme_certificate_box(obj_t certificate);
extern obj_t bglssl_scheme_condition(int kind, obj_t proc, obj_t where, int code, int verify_result,
                                     int alert, obj_t message, obj_t reason);
extern obj_t bglssl_scheme_raise(obj_t condition);

/* ---- finalizers ---------------------------------------------------------------------------- */

/* Of the collector, which Bigloo's headers declare in part only. */
extern void GC_set_finalizer_notifier(void (*notifier)(void));
extern void (*GC_get_finalizer_notifier(void))(void);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void (*next_notifier)(void);

/* The handler of a signal may escape, but not before all are done. */
static void run_finalizers(void) {
  bglssl_hold();
  if (next_notifier) next_notifier();
  GC_invoke_finalizers();
  bglssl_release();
}

/* The runtime, too, may invoke them. */
static void finalize(void *object, void *finalizer) {
  bglssl_hold();
  ((void (*)(void *))finalizer)(object);
  bglssl_release();
}

static void install_notifier(void) {
  next_notifier = GC_get_finalizer_notifier();
  GC_set_finalizer_notifier(run_finalizers);
}

/* Bigloo tells its collector to run finalizers on demand, and demands it hardly ever: a
 * dropped socket would keep its descriptors. So they run as soon as a collection has
 * found what they are for. */
void bglssl_finalize_with(void *object, void (*finalizer)(void *object)) {
  pthread_once(&once, install_notifier);
  GC_register_finalizer(object, finalize, (void *)finalizer, NULL, NULL);
}

void bglssl_finalize_no_more(void *object) { GC_register_finalizer(object, NULL, NULL, NULL, NULL); }

/* ---- boxes ------------------------------------------------------------------------------- */

struct box {
  void *handle;
  void (*release)(void *handle);
  void *weight;
};

static void release_certificate(void *handle) { bgl_ssl_certificate_free(handle); }
static void release_private_key(void *handle) { bgl_ssl_private_key_free(handle); }
static void release_config(void *handle) { bgl_ssl_config_free(handle); }
static void release_session(void *handle) { bgl_ssl_session_free(handle); }
static void release_ticket_keys(void *handle) { bgl_ssl_ticket_keys_free(handle); }

static void release_ctx(void *handle) { bgl_ssl_ctx_free(handle); }
static void release_connection(void *handle) { bgl_ssl_connection_free(handle); }

void bglssl_box_release(void *object) {
  struct box *box = object;
  void *handle = box->handle, *weight = box->weight;

  box->handle = NULL;
  box->weight = NULL;
  if (handle) {
    bglssl_hold();
    box->release(handle);
    bglssl_release();
  }
  if (weight) GC_FREE(weight);
}

static void finalize_box(void *object) {
  struct box *box = object;

  /* The collector takes it with the box. */
  box->weight = NULL;
  bglssl_box_release(box);
}

/* The collector knows nothing of what a handle stands for, and would let thousands of
 * them gather before it finds a collection worth while. So a box holds as much as that,
 * more or less, until the handle is released. */
#define BOX_WEIGHT 2048

void *bglssl_make_box(void *handle, void (*release)(void *)) {
  struct box *box;

  if (!handle) return NULL;
  box = (void *)GC_MALLOC(sizeof(struct box));
  box->weight = (void *)GC_MALLOC_ATOMIC(BOX_WEIGHT);
  box->handle = handle;
  box->release = release;
  bglssl_finalize_with(box, finalize_box);
  return box;
}

void *bglssl_box_certificate(void *handle) { return bglssl_make_box(handle, release_certificate); }
void *bglssl_box_private_key(void *handle) { return bglssl_make_box(handle, release_private_key); }
void *bglssl_box_config(void *handle) { return bglssl_make_box(handle, release_config); }
void *bglssl_box_session(void *handle) { return bglssl_make_box(handle, release_session); }
void *bglssl_box_ticket_keys(void *handle) { return bglssl_make_box(handle, release_ticket_keys); }
void *bglssl_box_ctx(void *handle) { return bglssl_make_box(handle, release_ctx); }
void *bglssl_box_connection(void *handle) { return bglssl_make_box(handle, release_connection); }

void *bglssl_unbox(void *box) { return ((struct box *)box)->handle; }

/* ---- lists ------------------------------------------------------------------------------- */

static size_t list_length(obj_t list) {
  size_t n = 0;

  for (; PAIRP(list); list = CDR(list)) n++;
  return n;
}

static int set_certificates(void *config, obj_t certificates, void *private_key,
                            bgl_ssl_status_t (*set)(void *config, const bgl_ssl_certificate_t *const *,
                                                    size_t, void *private_key)) {
  size_t n = list_length(certificates), i = 0;
  const bgl_ssl_certificate_t **array = malloc((n + 1) * sizeof(*array));
  bgl_ssl_status_t status;
  obj_t l;

  if (!array) return BGL_SSL_E_NO_MEMORY;
  for (l = certificates; PAIRP(l); l = CDR(l))
    array[i++] = bglssl_unbox(bglssl_scheme_certificate_box(CAR(l)));
  status = set(config, array, n, private_key);
  free(array);
  bglssl_keep(certificates);
  return status;
}

static bgl_ssl_status_t set_chain(void *config, const bgl_ssl_certificate_t *const *array, size_t n,
                                  void *private_key) {
  return bgl_ssl_config_set_certificate_chain(config, array, n, private_key);
}

static bgl_ssl_status_t set_cas(void *config, const bgl_ssl_certificate_t *const *array, size_t n,
                                void *unused) {
  (void)unused;
  return bgl_ssl_config_set_ca_certificates(config, array, n);
}

static bgl_ssl_status_t set_accepted(void *config, const bgl_ssl_certificate_t *const *array, size_t n,
                                     void *unused) {
  (void)unused;
  return bgl_ssl_config_set_accepted_certificates(config, array, n);
}

int bglssl_config_set_chain(void *config, obj_t certificates, void *private_key) {
  return set_certificates(config, certificates, private_key, set_chain);
}

int bglssl_config_set_cas(void *config, obj_t certificates) {
  return set_certificates(config, certificates, NULL, set_cas);
}

int bglssl_config_set_accepted(void *config, obj_t certificates) {
  return set_certificates(config, certificates, NULL, set_accepted);
}

int bglssl_config_set_alpn(void *config, obj_t names) {
  size_t n = list_length(names), i = 0;
  const char **array = malloc((n + 1) * sizeof(*array));
  bgl_ssl_status_t status;
  obj_t l;

  if (!array) return BGL_SSL_E_NO_MEMORY;
  for (l = names; PAIRP(l); l = CDR(l)) array[i++] = BSTRING_TO_STRING(CAR(l));
  status = bgl_ssl_config_set_alpn(config, array, n);
  free(array);
  bglssl_keep(names);
  return status;
}

/* ---- verification ------------------------------------------------------------------------- */

void *bglssl_certificate_verify(void *certificate, void *intermediates, void *config, int purpose,
                                void *hostname) {
  bgl_ssl_certificate_list_t *chain = NULL;

  bgl_ssl_certificate_verify(certificate, intermediates, config, purpose, hostname, &chain);
  bgl_ssl_certificate_list_free(intermediates);
  return chain;
}

/* ---- errors ------------------------------------------------------------------------------ */

static int condition_of_errno(int number) {
  switch (number) {
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return BGLSSL_CONDITION_CONNECTION;
    case EPIPE:
      return BGLSSL_CONDITION_SIGPIPE;
    case ETIMEDOUT:
      return BGLSSL_CONDITION_TIMEOUT;
    case ENOENT:
    case ENOTDIR:
      return BGLSSL_CONDITION_FILE_NOT_FOUND;
    /* Of an address to listen on. */
    case EADDRINUSE:
    case EADDRNOTAVAIL:
      return BGLSSL_CONDITION_IO;
    default:
      return BGLSSL_CONDITION_SSL;
  }
}

/* Of a connection that was established, as with the runtime's own ports: a reset shows as such where it
 * is read; whatever else befalls a read or a write is an error of reading or writing. */
static int condition_of_transfer(const bgl_ssl_error_t *error) {
  bool reads = error->phase == BGL_SSL_PHASE_READ;

  if (error->code == BGL_SSL_E_IO) {
    int kind = condition_of_errno(error->sys_errno);

    if (kind == BGLSSL_CONDITION_SIGPIPE || kind == BGLSSL_CONDITION_TIMEOUT) return kind;
    if (reads && (error->sys_errno == ECONNRESET || error->sys_errno == ECONNREFUSED)) return kind;
  }
  return reads ? BGLSSL_CONDITION_READ : BGLSSL_CONDITION_WRITE;
}

static int condition_of_error(const bgl_ssl_error_t *error) {
  bool transfers = error->phase == BGL_SSL_PHASE_READ || error->phase == BGL_SSL_PHASE_WRITE;

  switch (error->code) {
    case BGL_SSL_E_TIMEOUT:
      return BGLSSL_CONDITION_TIMEOUT;
    case BGL_SSL_E_RESOLVE:
      return BGLSSL_CONDITION_UNKNOWN_HOST;
    case BGL_SSL_E_ARGUMENT:
      return BGLSSL_CONDITION_ARGUMENT;
    case BGL_SSL_E_TRUNCATED:
      if (error->phase == BGL_SSL_PHASE_READ) return BGLSSL_CONDITION_TRUNCATED;
      break;
    case BGL_SSL_E_IO:
      if (!transfers) return condition_of_errno(error->sys_errno);
      break;
    default:
      break;
  }
  return transfers ? condition_of_transfer(error) : BGLSSL_CONDITION_SSL;
}

static bgl_ssl_error_t last_error(void) {
  bgl_ssl_error_t error;

  memset(&error, 0, sizeof(error));
  error.size = sizeof(error);
  bgl_ssl_last_error(&error);
  return error;
}

int bglssl_last_code(void) { return last_error().code; }

obj_t bglssl_condition(const bgl_ssl_error_t *error, obj_t proc, obj_t where) {
  return bglssl_scheme_condition(condition_of_error(error), proc, where, error->code,
                                 error->verify_result, error->alert,
                                 string_to_bstring((char *)error->message),
                                 string_to_bstring((char *)error->reason));
}

obj_t bglssl_last_condition(obj_t proc, obj_t where) {
  bgl_ssl_error_t error = last_error();

  return bglssl_condition(&error, proc, where);
}

obj_t bglssl_raise(obj_t proc, obj_t where) {
  /* A thread that was terminated while the library was at work. */
  pthread_testcancel();
  return bglssl_scheme_raise(bglssl_last_condition(proc, where));
}

/* ---- PKCS#12 ------------------------------------------------------------------------------ */

void *bglssl_pkcs12_certificate(const char *file, const char *passphrase) {
  bgl_ssl_private_key_t *private_key = NULL;
  bgl_ssl_certificate_t *certificate = NULL;
  bgl_ssl_certificate_list_t *chain = NULL;

  if (bgl_ssl_pkcs12_from_file(file, passphrase, &private_key, &certificate, &chain) < 0) return NULL;
  bgl_ssl_private_key_free(private_key);
  bgl_ssl_certificate_list_free(chain);
  return certificate;
}

void *bglssl_pkcs12_private_key(const char *file, const char *passphrase) {
  bgl_ssl_private_key_t *private_key = NULL;
  bgl_ssl_certificate_t *certificate = NULL;
  bgl_ssl_certificate_list_t *chain = NULL;

  if (bgl_ssl_pkcs12_from_file(file, passphrase, &private_key, &certificate, &chain) < 0) return NULL;
  bgl_ssl_certificate_free(certificate);
  bgl_ssl_certificate_list_free(chain);
  return private_key;
}

/* ---- facts of a connection ---- */

static obj_t fact(const char *name, obj_t value, obj_t rest) {
  return MAKE_PAIR(MAKE_PAIR(string_to_symbol((char *)name), value), rest);
}

static obj_t text_fact(const char *name, char *text, obj_t rest) {
  return fact(name, text[0] ? string_to_bstring(text) : BFALSE, rest);
}

obj_t bglssl_server_info(void *handle) {
  bgl_ssl_server_info_t info = {.size = sizeof info};
  obj_t facts = BNIL;

  if (bgl_ssl_server_info(handle, &info) != BGL_SSL_OK) return BNIL;
  facts = fact("abandoned", BINT((long)info.abandoned), facts);
  facts = fact("failed-other", BINT((long)info.failed_other), facts);
  facts = fact("failed-io", BINT((long)info.failed_io), facts);
  facts = fact("failed-timeout", BINT((long)info.failed_timeout), facts);
  facts = fact("failed-verify", BINT((long)info.failed_verify), facts);
  facts = fact("failed-protocol", BINT((long)info.failed_protocol), facts);
  facts = fact("refused", BINT((long)info.refused), facts);
  facts = fact("resumed", BINT((long)info.resumed), facts);
  facts = fact("handshakes", BINT((long)info.handshakes), facts);
  facts = fact("open", BINT((long)info.open), facts);
  return fact("accepted", BINT((long)info.accepted), facts);
}

obj_t bglssl_socket_info(void *handle) {
  bgl_ssl_socket_info_t info = {.size = sizeof info};
  if (bgl_ssl_socket_info(handle, &info) != BGL_SSL_OK)
    return BNIL;
  obj_t facts = BNIL;
  facts = fact("bytes-written", BINT((long)info.bytes_written), facts);
  facts = fact("bytes-read", BINT((long)info.bytes_read), facts);
  facts = fact("handshake-time", info.handshake_time < 0 ? BFALSE : BINT((long)info.handshake_time), facts);
  facts = fact("resumed?", BBOOL(info.resumed), facts);
  facts = text_fact("peer-signature", info.peer_signature, facts);
  facts = text_fact("signature", info.signature, facts);
  facts = text_fact("group", info.group, facts);
  facts = fact("bits", BINT(info.cipher_bits), facts);
  facts = text_fact("cipher", info.cipher, facts);
  return text_fact("protocol", info.protocol, facts);
}
