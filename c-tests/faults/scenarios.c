/* The scenarios, and what is done once before them. */
#include "steps.h"

#define BASE .identity = "good", .host = "localhost", .client_trusts = "root.pem"
#define NAME_IS_WRONG .outcome = CLIENT_REFUSES, .identity = "wrong-name", .host = "localhost", .client_trusts = "root.pem"
#define CA_IS_WRONG .outcome = CLIENT_REFUSES, .identity = "good", .host = "localhost", .client_trusts = "root2.pem"
#define IS_EXPIRED .outcome = CLIENT_REFUSES, .identity = "expired", .host = "localhost", .client_trusts = "root.pem"
#define IS_NOT_ACCEPTED BASE, .outcome = CLIENT_REFUSES, .accepted = "good-rsa.pem"
#define HAS_NO_CERTIFICATE BASE, .outcome = SERVER_REFUSES, .server_trusts = "root.pem"
#define CLIENTS_CA_IS_WRONG HAS_NO_CERTIFICATE, .client_identity = "client-untrusted"
#define CLIENT_IS_EXPIRED HAS_NO_CERTIFICATE, .client_identity = "client-expired"
#define CLIENT_IS_GOOD BASE, .server_trusts = "root.pem", .client_identity = "client"

const struct scenario scenarios[] = {
    {"cold_sockets", in_lock_step, BASE, .configs_too = true, .cold = true},
    {"cold_sockets_wrong_ca", in_lock_step, CA_IS_WRONG, .configs_too = true, .cold = true},
    {"cold_engine", engine, BASE, .configs_too = true, .cold = true},
    /* OpenSSL's library context, which crashes some versions where it is missing, takes some fifty of 9000 calls. */
    {"cold_key", load_key, .outcome = SUCCEEDS, .at_least = 240, .cold = true},
    {"cold_keys", load_keys, .outcome = SUCCEEDS, .cold = true},
    {"cold_pkcs12", load_pkcs12, .outcome = SUCCEEDS, .cold = true},
    {"sockets", in_lock_step, BASE, .configs_too = true},
    {"sockets_again", in_lock_step, BASE, .configs_too = true, .again = true},
    {"sockets_systems_cas_again", in_lock_step, .identity = "good", .host = "localhost", .configs_too = true, .again = true},
    {"sockets_tls12", in_lock_step, BASE, .protocol = BGLSSL_TLSV1_2},
    {"sockets_chain", in_lock_step, .identity = "chained", .host = "localhost", .client_trusts = "root.pem"},
    {"sockets_systems_cas", in_lock_step, .identity = "good", .host = "localhost", .configs_too = true},
    {"sockets_not_of_systems_cas", in_lock_step, .outcome = CLIENT_REFUSES, .identity = "untrusted", .host = "localhost",
     .configs_too = true},
    {"sockets_client_certificate", in_lock_step, CLIENT_IS_GOOD, .configs_too = true},
    {"sockets_wrong_name", in_lock_step, NAME_IS_WRONG, .configs_too = true},
    {"sockets_wrong_name_tls12", in_lock_step, NAME_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"sockets_wrong_ca", in_lock_step, CA_IS_WRONG, .configs_too = true},
    {"sockets_wrong_ca_tls12", in_lock_step, CA_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"sockets_expired", in_lock_step, IS_EXPIRED},
    {"sockets_not_accepted", in_lock_step, IS_NOT_ACCEPTED, .configs_too = true},
    {"sockets_no_client_certificate", in_lock_step, HAS_NO_CERTIFICATE, .configs_too = true},
    {"sockets_no_client_certificate_tls12", in_lock_step, HAS_NO_CERTIFICATE, .protocol = BGLSSL_TLSV1_2},
    {"sockets_clients_wrong_ca", in_lock_step, CLIENTS_CA_IS_WRONG},
    {"sockets_client_expired", in_lock_step, CLIENT_IS_EXPIRED},
    {"functions", in_lock_step, BASE, .over_functions = true},
    {"functions_tls12", in_lock_step, BASE, .over_functions = true, .protocol = BGLSSL_TLSV1_2},
    {"functions_client_certificate", in_lock_step, CLIENT_IS_GOOD, .over_functions = true},
    {"functions_wrong_ca", in_lock_step, CA_IS_WRONG, .over_functions = true},
    {"functions_no_client_certificate", in_lock_step, HAS_NO_CERTIFICATE, .over_functions = true},
    {"nested", in_lock_step, BASE, .nested = true, .again = true},
    {"nested_tls12", in_lock_step, BASE, .nested = true, .protocol = BGLSSL_TLSV1_2},
    {"nested_wrong_name", in_lock_step, NAME_IS_WRONG, .nested = true},
    {"nested_no_client_certificate", in_lock_step, HAS_NO_CERTIFICATE, .nested = true},
    {"nested_over_functions", in_lock_step, BASE, .nested = true, .over_functions = true},
    {"tcp", blocking, BASE, .configs_too = true},
    {"tcp_tls12", blocking, BASE, .protocol = BGLSSL_TLSV1_2},
    {"tcp_client_certificate", blocking, CLIENT_IS_GOOD},
    {"tcp_wrong_name", blocking, NAME_IS_WRONG},
    {"tcp_wrong_ca", blocking, CA_IS_WRONG},
    {"tcp_no_client_certificate", blocking, HAS_NO_CERTIFICATE},
    {"unix", blocking, BASE, .way = BY_UNIX},
    {"unix_wrong_name", blocking, NAME_IS_WRONG, .way = BY_UNIX},
    {"proxy", blocking, BASE, .way = BY_PROXY},
    {"proxy_wrong_name", blocking, NAME_IS_WRONG, .way = BY_PROXY},
    {"proxy_wrong_ca", blocking, CA_IS_WRONG, .way = BY_PROXY},
    {"without_waiting", blocking, BASE, .way = WITHOUT_WAITING},
    {"without_waiting_wrong_name", blocking, NAME_IS_WRONG, .way = WITHOUT_WAITING},
    {"resume", blocking, BASE, .resumes = true},
    {"resume_tls12", blocking, BASE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"resume_client_certificate", blocking, CLIENT_IS_GOOD, .resumes = true},
    {"resume_wrong_name", blocking, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true},
    {"resume_wrong_ca", blocking, CA_IS_WRONG, .resumes = true},
    {"resume_not_accepted", blocking, IS_NOT_ACCEPTED, .resumes = true},
    {"resume_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .resumes = true},
    {"resume_no_client_certificate_tls12", blocking, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"datagrams", blocking, BASE, .protocol = BGLSSL_DTLSV1},
    {"datagrams_client_certificate", blocking, CLIENT_IS_GOOD, .protocol = BGLSSL_DTLSV1},
    {"datagrams_wrong_name", blocking, NAME_IS_WRONG, .protocol = BGLSSL_DTLSV1},
    {"datagrams_wrong_ca", blocking, CA_IS_WRONG, .protocol = BGLSSL_DTLSV1},
    {"datagrams_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams", blocking, BASE, .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams_wrong_name", blocking, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"resume_datagrams_no_client_certificate", blocking, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_DTLSV1},
    {"engine", engine, BASE, .configs_too = true},
    {"engine_tls12", engine, BASE, .protocol = BGLSSL_TLSV1_2},
    {"engine_client_certificate", engine, CLIENT_IS_GOOD},
    {"engine_wrong_name", engine, NAME_IS_WRONG},
    {"engine_wrong_name_tls12", engine, NAME_IS_WRONG, .protocol = BGLSSL_TLSV1_2},
    {"engine_wrong_ca", engine, CA_IS_WRONG, .configs_too = true},
    {"engine_expired", engine, IS_EXPIRED},
    {"engine_revoked", engine, .outcome = CLIENT_REFUSES, .identity = "revoked", .host = "localhost",
     .client_trusts = "root.pem", .crl = "root.crl", .configs_too = true},
    {"engine_no_client_certificate", engine, HAS_NO_CERTIFICATE},
    {"engine_clients_wrong_ca", engine, CLIENTS_CA_IS_WRONG},
    {"engine_client_expired", engine, CLIENT_IS_EXPIRED},
    {"engine_resume", engine, BASE, .resumes = true},
    {"engine_resume_tls12", engine, BASE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"engine_resume_client_certificate", engine, CLIENT_IS_GOOD, .resumes = true},
    {"engine_resume_wrong_name", engine, .outcome = CLIENT_REFUSES, .identity = "good", .host = "elsewhere.example",
     .client_trusts = "root.pem", .resumes = true},
    {"engine_resume_wrong_ca", engine, CA_IS_WRONG, .resumes = true},
    {"engine_resume_no_client_certificate", engine, HAS_NO_CERTIFICATE, .resumes = true},
    {"engine_resume_no_client_certificate_tls12", engine, HAS_NO_CERTIFICATE, .resumes = true, .protocol = BGLSSL_TLSV1_2},
    {"certificates", load_certificates, .outcome = SUCCEEDS},
    {"keys", load_keys, .outcome = SUCCEEDS},
    {"pkcs12", load_pkcs12, .outcome = SUCCEEDS},
    {"revocation_lists", load_crls, .outcome = SUCCEEDS},
    {"kept_certificates", kept_handles, BASE},
    {.name = NULL},
};

void warm_up_openssl(void)
{
    static const struct scenario warming[] = {
        {"", in_lock_step, CLIENT_IS_GOOD},
        {"", in_lock_step, CLIENT_IS_GOOD, .protocol = BGLSSL_TLSV1_2},
        {"", in_lock_step, CLIENTS_CA_IS_WRONG},
        {"", in_lock_step, .identity = "good", .host = "localhost"},
        {"", engine, BASE},
        {"", load_certificates, .outcome = SUCCEEDS},
        {"", load_keys, .outcome = SUCCEEDS},
        {"", load_pkcs12, .outcome = SUCCEEDS},
    };
    for (size_t i = 0; i < COUNT(warming); i++)
        warming[i].run(&warming[i]);
}
