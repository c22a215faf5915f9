/* What the scenarios are made of. Every call's failure must be told truthfully: a status, the same in the error slot, and a
 * message. Nothing may insist that a call succeeds while failures are on. */
#ifndef FAULTS_STEPS_H
#define FAULTS_STEPS_H

#include "faults.h"

enum { BYTES = 40000 };

#define LIMIT (2 * SECOND * slowness() * limit_factor)

/* ---- truth.c ---- */

/* True when the status is no failure. */
bool is_good(bgl_ssl_status_t status, const char *call);
void *good_handle(void *handle, const char *call);

#define IS_GOOD(call) is_good((call), #call)
#define TRY(type, call) ((type *)good_handle((call), #call))

/* Without a failure, only the right failure is allowed. */
void must_be_planned(const char *what);
void refused_rightly(const struct scenario *scenario, enum outcome by);
void accepted_by(const struct scenario *scenario, enum outcome by);
void fill(char *data, size_t from, size_t length);
void check_bytes(const char *data, size_t from, size_t length);

/* ---- configs.c ---- */

struct text {
    char *data;
    size_t length;
};

struct text read_text(const char *name, const char *ending);
/* By rename(2), as a program does that replaces a file in use. */
void write_text(const char *path, const char *data, size_t length);
bool limit(bgl_ssl_config_t *config, int protocol);
bgl_ssl_config_t *make_config(const struct scenario *scenario, bool server);
bool make_configs(const struct scenario *scenario, bgl_ssl_config_t *configs[2]);
void free_configs(bgl_ssl_config_t *configs[2]);
/* The connection whose session this one offers. */
struct scenario fine_one_before(const struct scenario *scenario);

/* ---- demands.c ---- */

/* What the config demands beside chain, name and accepted list. */
bool set_demands(const struct scenario *scenario, bgl_ssl_config_t *config);
bool set_staple(const struct scenario *scenario, bgl_ssl_config_t *config);
bool set_trace(const struct scenario *scenario, bgl_ssl_config_t *config);

/* ---- hosts.c ---- */

/* Has a server's config serve the host by its name. */
bool add_host(const struct scenario *scenario, bgl_ssl_config_t *config);
/* Reads the hello, and goes on as the host, until `forget_host`. */
bool choose_host(const struct scenario *scenario, struct ends *ends);
void forget_host(void);

/* ---- carried.c ---- */

bool open_over_functions(struct ends *ends, bgl_ssl_config_t *configs[2]);
bool open_over_pipes(struct ends *ends, bgl_ssl_config_t *configs[2]);
bool open_inside(struct ends *ends, struct ends *outer, bgl_ssl_config_t *configs[2]);

/* ---- lock_step.c ---- */

bool connect_in_lock_step(const struct scenario *scenario, bgl_ssl_config_t *configs[2]);
void in_lock_step(const struct scenario *scenario);

/* ---- blocking.c ---- */

void blocking(const struct scenario *scenario);
void returning(const struct scenario *scenario);
void reloading(const struct scenario *scenario);

/* ---- ways.c ---- */

bgl_ssl_server_t *listen_by(enum way way, const bgl_ssl_config_t *config);
/* Where `port` is that of the server. `leave` follows, once the socket is freed, if there is one. */
bgl_ssl_socket_t *connect_by(enum way way, const bgl_ssl_config_t *config, int port, const bgl_ssl_session_t *offered);
void leave(enum way way);

/* ---- engine.c ---- */

void engine(const struct scenario *scenario);

/* ---- loading.c ---- */

void load_certificates(const struct scenario *scenario);
void load_keys(const struct scenario *scenario);
void load_key(const struct scenario *scenario);
void load_pkcs12(const struct scenario *scenario);
void load_crls(const struct scenario *scenario);
void kept_handles(const struct scenario *scenario);
void load_ticket_keys(const struct scenario *scenario);

/* ---- judging.c ---- */

void judge_certificates(const struct scenario *scenario);
void judge_responses(const struct scenario *scenario);

/* ---- crypto.c ---- */

void sign_and_verify(const struct scenario *scenario);
void digests(const struct scenario *scenario);
void ciphers(const struct scenario *scenario);

#endif
