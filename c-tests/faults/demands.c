/* What clients demand of a server's certificate beside chain, name and accepted list, and what servers show for it. */
#include "steps.h"

static bool add_tlsa(bgl_ssl_config_t *config, const char *file)
{
    char digest[128] = "", record[160] = "3 0 1 ";
    bgl_ssl_certificate_t *one = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    bool good = one && bgl_ssl_certificate_fingerprint(one, "sha256", digest, sizeof digest) > 0;
    for (size_t from = 0, to = strlen(record); digest[from]; from++)
        if (digest[from] != ':')
            record[to++] = digest[from];
    good = good && IS_GOOD(bgl_ssl_config_add_tlsa(config, record));
    bgl_ssl_certificate_free(one);
    return good;
}

static bool add_pin(bgl_ssl_config_t *config, const char *file)
{
    char pin[128];
    bgl_ssl_certificate_t *one = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    bool good = one && bgl_ssl_certificate_pin(one, pin, sizeof pin) > 0 && IS_GOOD(bgl_ssl_config_add_pins(config, pin));
    bgl_ssl_certificate_free(one);
    return good;
}

/* The chain is whole, whatever fails. */
static bool decide(const bgl_ssl_socket_t *socket, const bgl_ssl_certificate_list_t *chain, int32_t result, void *user)
{
    const struct scenario *scenario = user;
    (void)socket;
    if (!chain)
        FAIL("the callback got no list");
    if (result != 0 && scenario->opinion == ACCEPTS)
        FAIL("a callback that may only refuse was called for a peer that is refused");
    return scenario->opinion != REFUSES;
}

static bool set_opinion(const struct scenario *scenario, bgl_ssl_config_t *config)
{
    void *user = (void *)(uintptr_t)scenario;
    if (scenario->opinion == NO_OPINION)
        return true;
    if (scenario->opinion == ACCEPTS_WHATEVER_IS_WRONG)
        return IS_GOOD(bgl_ssl_config_insecure_set_verify_override(config, decide, user));
    return IS_GOOD(bgl_ssl_config_set_verify_callback(config, decide, user));
}

bool set_demands(const struct scenario *scenario, bgl_ssl_config_t *config)
{
    return (!scenario->tlsa || add_tlsa(config, scenario->tlsa)) && (!scenario->pin || add_pin(config, scenario->pin)) &&
           (!scenario->crl || IS_GOOD(bgl_ssl_config_add_crl_file(config, pki(scenario->crl)))) &&
           (!scenario->staple || IS_GOOD(bgl_ssl_config_set_staple_policy(config, BGL_SSL_STAPLE_REQUIRE))) &&
           set_opinion(scenario, config);
}

bool set_staple(const struct scenario *scenario, bgl_ssl_config_t *config)
{
    if (!scenario->staple || !scenario->staple[0])
        return true;
    struct text answer = read_text(scenario->staple, "");
    bool good = IS_GOOD(bgl_ssl_config_set_staple(config, answer.data, answer.length));
    free(answer.data);
    return good;
}

static void check_trace_line(const char *peer, const char *line, void *user)
{
    (void)user;
    if (!peer || !line || (line[0] != '<' && line[0] != '>'))
        FAIL("a trace without words");
}

bool set_trace(const struct scenario *scenario, bgl_ssl_config_t *config)
{
    return !scenario->traced || IS_GOOD(bgl_ssl_config_set_trace(config, check_trace_line, NULL));
}
