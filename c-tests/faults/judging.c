/* Judging certificates and OCSP responses without a connection. */
#include "steps.h"

struct trial {
    const char *certificate, *ca, *name, *crl;
    bool is_good;
};

static bool judge(const struct trial *trial)
{
    char file[64];
    snprintf(file, sizeof file, "%s.pem", trial->certificate);
    bgl_ssl_certificate_t *one = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki(file), BGL_SSL_FORMAT_PEM));
    bgl_ssl_config_t *config = TRY(bgl_ssl_config_t, bgl_ssl_config_new());
    bgl_ssl_certificate_list_t *chain = NULL;
    bool made = one && config && IS_GOOD(bgl_ssl_config_set_ca_file(config, pki(trial->ca))) &&
                (!trial->crl || IS_GOOD(bgl_ssl_config_add_crl_file(config, pki(trial->crl))));
    bool good = made && is_good(bgl_ssl_certificate_verify(one, NULL, config, BGL_SSL_PURPOSE_SERVER, trial->name, &chain),
                                "bgl_ssl_certificate_verify");
    if (good && !trial->is_good)
        FAIL("the client accepted %s, which it has to refuse", trial->certificate);
    if (good != (chain != NULL))
        FAIL("a verification that %s %s a chain", good ? "succeeds" : "fails", chain ? "has" : "has not");
    if (good && bgl_ssl_certificate_list_length(chain) != 2)
        FAIL("a chain of %zu certificates", bgl_ssl_certificate_list_length(chain));
    bgl_ssl_certificate_list_free(chain);
    bgl_ssl_config_free(config);
    bgl_ssl_certificate_free(one);
    return good == trial->is_good;
}

void judge_certificates(const struct scenario *scenario)
{
    static const struct trial trials[] = {
        {"good", "root.pem", "localhost", NULL, true},      {"good", "root2.pem", "localhost", NULL, false},
        {"good", "root.pem", "elsewhere.test", NULL, false}, {"expired", "root.pem", NULL, NULL, false},
        {"revoked", "root.pem", NULL, "root.crl", false},    {"good", "root.pem", NULL, "root.crl", true},
    };
    (void)scenario;
    fault_begin();
    for (size_t i = 0; i < COUNT(trials); i++)
        if (!judge(&trials[i]))
            must_be_planned(trials[i].certificate);
    fault_end();
}

void judge_responses(const struct scenario *scenario)
{
    static const char *const files[] = {"good.ocsp", "revoked.ocsp", "pretended.ocsp"};
    static const int32_t verdicts[] = {BGL_SSL_OCSP_GOOD, BGL_SSL_E_VERIFY, BGL_SSL_E_VERIFY};
    struct text answers[COUNT(files)];
    for (size_t i = 0; i < COUNT(files); i++)
        answers[i] = read_text(files[i], "");
    (void)scenario;
    fault_begin();
    bgl_ssl_certificate_t *good = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("good.pem"), BGL_SSL_FORMAT_PEM));
    bgl_ssl_certificate_t *root = TRY(bgl_ssl_certificate_t, bgl_ssl_certificate_from_file(pki("root.pem"), BGL_SSL_FORMAT_PEM));
    for (size_t i = 0; good && root && i < COUNT(files); i++) {
        int64_t until = 1;
        int32_t verdict = bgl_ssl_ocsp_status(answers[i].data, answers[i].length, good, root, &until);
        is_good(verdict, "bgl_ssl_ocsp_status");
        if (verdict == BGL_SSL_OCSP_GOOD && verdicts[i] != BGL_SSL_OCSP_GOOD)
            FAIL("%s is called good", files[i]);
        if ((verdict == BGL_SSL_OCSP_GOOD) != (until > 1))
            FAIL("%s is %d until %lld", files[i], verdict, (long long)until);
        if (verdict != verdicts[i])
            must_be_planned(files[i]);
    }
    char request[1000];
    if (good && root && bgl_ssl_ocsp_request(good, root, request, sizeof request) == 0) {
        is_good(last_error().code, "bgl_ssl_ocsp_request");
        must_be_planned("no request");
    }
    fault_end();
    bgl_ssl_certificate_free(good);
    bgl_ssl_certificate_free(root);
    for (size_t i = 0; i < COUNT(files); i++)
        free(answers[i].data);
}
