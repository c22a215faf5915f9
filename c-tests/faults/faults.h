/* What the scenarios and the program that runs them share. */
#ifndef FAULTS_H
#define FAULTS_H

#include "../harness.h"
#include "inject.h"

/* What a run without a failure has to come to. Runs with one may fail, but where the peer has to be refused, it is. */
enum outcome { SUCCEEDS, CLIENT_REFUSES, SERVER_REFUSES };

/* How the client gets to the server. */
enum way { BY_TCP, BY_UNIX, BY_PROXY, BY_SOCKS, WITHOUT_WAITING, GIVEN_LISTENER };

/* How the server comes to serve a host whose config is its own. */
enum choice { NO_HOSTS, BY_NAME, BY_PROGRAM };

/* What the client's callback says of the server. */
enum opinion { NO_OPINION, REFUSES, ACCEPTS, ACCEPTS_WHATEVER_IS_WRONG };

struct scenario {
    const char *name;
    void (*run)(const struct scenario *scenario);
    enum outcome outcome;
    const char *identity;        /* of the server: NAME.pem and NAME.key */
    const char *client_identity; /* or NULL */
    const char *host;            /* whom the client expects */
    const char *client_trusts;   /* a CA file; NULL: the system's */
    const char *server_trusts;   /* a CA file, with which client certificates are required; NULL: none is asked for */
    const char *accepted;        /* the one certificate that the client accepts, or NULL */
    const char *crl;             /* revocation lists that the client has */
    const char *tlsa;            /* the certificate of the client's TLSA record, or NULL */
    const char *pin;             /* the certificate whose key is pinned by the client, or NULL */
    const char *staple;          /* what the server staples; the client demands it then */
    enum opinion opinion;        /* sockets */
    enum choice choice;          /* in lock step: identity and server_trusts are those of a host; others see "good" */
    enum way way;                /* of blocking sockets */
    int protocol;                /* BGLSSL_..., 0: the default */
    bool configs_too;            /* the configs are made under failures, too */
    bool over_functions;         /* in lock step: over functions in memory */
    bool over_pipes;             /* in lock step: over one descriptor to read and another one to write */
    bool reads_now;              /* in lock step: by the function that never waits */
    bool nested;                 /* in lock step: inside of another connection with the same configs */
    bool caches;                 /* the server's sessions are in its memory */
    bool derives_keys;           /* the keys of the server's tickets come from a secret */
    bool resumes;                /* a session of a good connection is offered */
    bool from_bytes;             /* that session is written and read */
    bool returns;                /* the client comes twice, and resumes by itself */
    bool reloads;                /* the server's CAs are a file that is replaced by server_trusts, and reloaded */
    bool traced;                 /* messages are told to the program */
    bool again;                  /* afterwards, without failures, equal configs have to work: nothing of it is kept */
    long at_least;               /* so many runs, also in a sample of fewer */
    bool cold;                   /* OpenSSL is not used before, so that its own beginnings fail, too; these come first */
    bool from_program;           /* planted: the program's own calls fail, too */
    bool for_ever;               /* planted: and go on failing */
};

/* By how much the time limits of the runs that start now are longer than usual. */
extern int limit_factor;

/* The path of a file that belongs to this run, and that is removed when the run has ended, however it does. The text is
 * overwritten by the next call. */
enum run_file { CAS_FILE, KEYS_FILE, SOCKET_FILE };
const char *run_file(enum run_file file);

/* Ends with a scenario without a name. */
extern const struct scenario scenarios[];
extern const struct scenario planted[];

/* Has OpenSSL do once what the scenarios do, so that what it does only once in a process fails in none of them. */
void warm_up_openssl(void);

#endif
