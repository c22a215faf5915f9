/* What the scenarios and the program that runs them share. */
#ifndef FAULTS_H
#define FAULTS_H

#include "../harness.h"
#include "inject.h"

/* What a run without a failure has to come to. Runs with one may fail, but where the peer has to be refused, it is. */
enum outcome { SUCCEEDS, CLIENT_REFUSES, SERVER_REFUSES };

/* How the client gets to the server. */
enum way { BY_TCP, BY_UNIX, BY_PROXY, WITHOUT_WAITING };

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
    const char *crl;             /* engine only */
    enum way way;                /* of blocking sockets */
    int protocol;                /* BGLSSL_..., 0: the default */
    bool configs_too;            /* the configs are made under failures, too */
    bool over_functions;         /* in lock step: over functions in memory */
    bool nested;                 /* in lock step: inside of another connection with the same configs */
    bool caches;                 /* the server's sessions are in its memory */
    bool derives_keys;           /* the keys of the server's tickets come from a secret */
    bool resumes;                /* a session of a good connection is offered */
    bool again;                  /* afterwards, without failures, equal configs have to work: nothing of it is kept */
    long at_least;               /* so many runs, also in a sample of fewer */
    bool cold;                   /* OpenSSL is not used before, so that its own beginnings fail, too; these come first */
    bool from_program;           /* planted: the program's own calls fail, too */
    bool for_ever;               /* planted: and go on failing */
};

/* Ends with a scenario without a name. */
extern const struct scenario scenarios[];
extern const struct scenario planted[];

/* Has OpenSSL do once what the scenarios do, so that what it does only once in a process fails in none of them. */
void warm_up_openssl(void);

#endif
