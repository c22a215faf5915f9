/* The configs of a scenario, made while something fails. */
#include "steps.h"

struct scenario fine_one_before(const struct scenario *scenario)
{
    struct scenario fine = *scenario;
    fine.outcome = SUCCEEDS;
    fine.host = "localhost";
    fine.client_trusts = "root.pem";
    if (scenario->outcome == SERVER_REFUSES)
        fine.server_trusts = NULL;
    fine.accepted = NULL;
    fine.tlsa = NULL;
    fine.pin = NULL;
    fine.crl = NULL;
    fine.opinion = NO_OPINION;
    return fine;
}

struct text read_text(const char *name, const char *ending)
{
    char file[64];
    struct text text;
    snprintf(file, sizeof file, "%s%s", name, ending);
    text.data = read_whole_file(pki(file), &text.length);
    return text;
}

void write_text(const char *path, const char *data, size_t length)
{
    char new[128];
    snprintf(new, sizeof new, "%s.new", path);
    FILE *file = fopen(new, "w");
    CHECK(file && fwrite(data, 1, length, file) == length && fclose(file) == 0);
    CHECK(rename(new, path) == 0);
}

static bool trust_file(bgl_ssl_config_t *config, const char *file, bool accept)
{
    bgl_ssl_certificate_t *one = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    if (!one)
        return false;
    const bgl_ssl_certificate_t *all[] = {one};
    bool good = IS_GOOD(accept ? bgl_ssl_config_set_accepted_certificates(config, all, 1)
                               : bgl_ssl_config_set_ca_certificates(config, all, 1));
    bgl_ssl_certificate_free(one);
    return good;
}

static bool identify(bgl_ssl_config_t *config, const char *name)
{
    char file[64];
    const bgl_ssl_certificate_t *chain[8];
    size_t count = 0;
    bool good = false;
    snprintf(file, sizeof file, "%s.pem", name);
    bgl_ssl_certificate_list_t *list = TRY(bgl_ssl_certificate_list_t, bgl_ssl_load_pem(pki(file)));
    snprintf(file, sizeof file, "%s.key", name);
    bgl_ssl_private_key_t *key = TRY(bgl_ssl_private_key_t, bgl_ssl_load_private_key(pki(file)));
    for (size_t i = 0; list && i < bgl_ssl_certificate_list_length(list) && count < COUNT(chain); i++) {
        const bgl_ssl_certificate_t *one = bgl_ssl_certificate_list_get(list, i);
        if (one)
            chain[count++] = one;
    }
    if (list && key && count == bgl_ssl_certificate_list_length(list))
        good = IS_GOOD(bgl_ssl_config_set_certificate_chain(config, chain, count, key));
    while (count > 0)
        bgl_ssl_certificate_free((bgl_ssl_certificate_t *)(uintptr_t)chain[--count]);
    bgl_ssl_certificate_list_free(list);
    bgl_ssl_private_key_free(key);
    return good;
}

static bool derive_keys(bgl_ssl_config_t *config)
{
    static const char secret[32] = "thirty-one bytes, and one of 0.";
    bgl_ssl_ticket_keys_t *keys = TRY(bgl_ssl_ticket_keys_t, bgl_ssl_ticket_keys_from_secret(secret, sizeof secret, 0));
    bool good = keys && IS_GOOD(bgl_ssl_config_set_ticket_keys(config, keys));
    bgl_ssl_ticket_keys_free(keys);
    return good;
}

bool limit(bgl_ssl_config_t *config, int protocol)
{
    return IS_GOOD(bgl_ssl_config_set_connect_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_handshake_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_read_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_write_timeout(config, LIMIT)) &&
           IS_GOOD(bgl_ssl_config_set_close_timeout(config, LIMIT / 4)) &&
           (!protocol || IS_GOOD(bgl_ssl_config_set_protocol(config, protocol))) &&
           (protocol != BGLSSL_DTLSV1 || IS_GOOD(bgl_ssl_config_set_retransmission_timeout(config, 50 * MS)));
}

bgl_ssl_config_t *make_config(const struct scenario *scenario, bool server)
{
    bgl_ssl_config_t *config = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
    if (!config)
        return NULL;
    bool good = limit(config, scenario->protocol) && set_trace(scenario, config);
    /* What the scenario says of the server is about the host, if there is one. */
    bool has_hosts = scenario->choice != NO_HOSTS;
    if (server)
        good = good && identify(config, has_hosts ? "good" : scenario->identity) && set_staple(scenario, config) &&
               (!scenario->caches || IS_GOOD(bgl_ssl_config_set_sessions(config, BGL_SSL_SESSIONS_CACHE))) &&
               (!scenario->derives_keys || derive_keys(config)) &&
               (!scenario->server_trusts || has_hosts ||
                (trust_file(config, scenario->server_trusts, false) &&
                 IS_GOOD(bgl_ssl_config_set_client_certificate(config, BGL_SSL_CLIENT_CERTIFICATE_REQUIRED))));
    else
        good = good && (!scenario->client_trusts || trust_file(config, scenario->client_trusts, false)) &&
               (!scenario->accepted || trust_file(config, scenario->accepted, true)) &&
               (!scenario->client_identity || identify(config, scenario->client_identity)) &&
               IS_GOOD(bgl_ssl_config_set_hostname(config, scenario->host)) && set_demands(scenario, config);
    if (server && scenario->choice == BY_NAME)
        good = good && add_host(scenario, config);
    good = good && IS_GOOD(bgl_ssl_config_freeze(config));
    if (good)
        return config;
    must_be_planned("a config was refused");
    bgl_ssl_config_free(config);
    return NULL;
}

bool make_configs(const struct scenario *scenario, bgl_ssl_config_t *configs[2])
{
    configs[0] = make_config(scenario, false);
    configs[1] = make_config(scenario, true);
    return configs[0] && configs[1];
}

void free_configs(bgl_ssl_config_t *configs[2])
{
    bgl_ssl_config_free(configs[0]);
    bgl_ssl_config_free(configs[1]);
}
