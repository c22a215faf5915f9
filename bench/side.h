/* The two libraries that are compared, behind one set of calls: what a scenario does is the same for both. Whatever
 * fails ends the process with a message: a benchmark that goes on after an error measures something else. */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>

/* PEM texts: a CA, and a certificate with its key for localhost and for a client, both signed by the CA. */
typedef struct {
  char *ca, *server, *server_key, *client, *client_key;
} pki_t;

pki_t make_pki(bool rsa);
void free_pki(pki_t *pki);

/* What both ends of a connection agree about. */
typedef struct {
  const char *address;      /* the server's, of IPv4 */
  bool datagrams;           /* DTLS 1.2 over UDP, not TLS 1.3 over TCP: each write is a datagram, and so is each read */
  bool client_certificates; /* clients must show one */
  bool rsa;                 /* the certificates have RSA keys of 2048 bits */
  int hosts;                /* so many names have a config of their own on bglssl's server, elsewhere there is one */
  bool resumes_by_itself;   /* bglssl's client has its default; elsewhere only save_session makes a client resume */
} link_t;

/* How an end of a stream reads. */
typedef enum {
  READS_BLOCK,      /* as long as it takes */
  READS_HAVE_LIMIT, /* the same, with a time limit: SO_RCVTIMEO with OpenSSL */
  READS_POLL        /* non-blocking, with poll(2) where nothing is there */
} read_mode_t;

enum { READ_SECONDS = 20 };

/* How long an end waits for a datagram, which may be lost. Then the measurement has failed. */
enum { DATAGRAM_SECONDS = 20 };

typedef struct {
  const char *name;

  /* A listening socket on a free port. */
  void *(*listen)(const pki_t *pki, const link_t *link);
  int (*port)(void *server);
  /* The next client, its handshake done; blocks. Any number of threads at a time, but one over datagrams. */
  void *(*accept)(void *server);

  /* Clients verify the server's chain and name, against the CA. */
  void *(*client)(const pki_t *pki, const link_t *link);
  /* A connection to the server, its handshake done; resumes the session saved last, if one was. */
  void *(*connect)(void *client, int port);
  void (*save_session)(void *client, void *connection);
  bool (*resumed)(void *connection);
  /* Forgets the sessions that clients resume by themselves. */
  void (*forget_sessions)(void);

  /* Reads what there is, 0 at the end; writes all. */
  size_t (*read)(void *connection, void *data, size_t size);
  void (*write)(void *connection, const void *data, size_t size);
  void (*set_read_mode)(void *connection, read_mode_t mode);
  /* Sends close_notify and closes. wait: waits for the peer's close_notify first, so that nothing in transit is lost. */
  void (*close)(void *connection, bool wait);
} side_t;

extern const side_t side_bglssl, side_openssl;

_Noreturn void die(const char *what, const char *why);

#endif
