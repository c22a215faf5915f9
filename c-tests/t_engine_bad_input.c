/* NULL and numbers out of range for each function of contexts and connections. */
#define _GNU_SOURCE
#include "engine.h"

#define CHECK_ARGUMENT(call)                                                                                           \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_STATUS(BGL_SSL_E_ARGUMENT, call);                                                                        \
    } while (0)
#define CHECK_VALUE(value, call)                                                                                       \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_INT((value), (long long)(call));                                                                         \
        CHECK_INT(BGL_SSL_E_ARGUMENT, last_error().code);                                                              \
    } while (0)
#define CHECK_NO_HANDLE(call)                                                                                          \
    do {                                                                                                               \
        bgl_ssl_clear_error();                                                                                         \
        CHECK_REFUSED(BGL_SSL_E_ARGUMENT, call);                                                                       \
    } while (0)

TEST(null_for_a_context)
{
    bgl_ssl_ctx_free(NULL);
    CHECK_NO_HANDLE(bgl_ssl_ctx_init(NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_close(NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_add_root_certs(NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_add_ca_cert(NULL, "x", 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_add_crl(NULL, "x", 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_key(NULL, "x", 0, 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_cert(NULL, "x", 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_session_id_context(NULL, "x", 0, 1));
    CHECK_ARGUMENT(bgl_load_pkcs12(NULL, "x", 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_ciphers(NULL, "HIGH"));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_options(NULL, 0));
    CHECK_NO_HANDLE(bgl_ssl_connection_init(NULL, false, false, NULL, false));
}

TEST(null_for_what_a_context_is_given)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    CHECK_ARGUMENT(bgl_ssl_ctx_add_ca_cert(ctx, NULL, 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_add_crl(ctx, NULL, 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_key(ctx, NULL, 0, 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_cert(ctx, NULL, 0, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_session_id_context(ctx, NULL, 0, 1));
    CHECK_ARGUMENT(bgl_load_pkcs12(ctx, NULL, 1, NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_ciphers(ctx, NULL));
    bgl_ssl_ctx_free(ctx);
}

TEST(impossible_lengths_for_a_context)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    CHECK_ARGUMENT(bgl_ssl_ctx_add_ca_cert(ctx, "x", SIZE_MAX, 1));
    CHECK_ARGUMENT(bgl_ssl_ctx_add_crl(ctx, "x", 1, SIZE_MAX));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_key(ctx, "x", 0, SIZE_MAX, NULL));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_cert(ctx, "x", SIZE_MAX / 2, SIZE_MAX / 2));
    CHECK_ARGUMENT(bgl_ssl_ctx_set_session_id_context(ctx, "x", SIZE_MAX, SIZE_MAX));
    CHECK_ARGUMENT(bgl_load_pkcs12(ctx, "x", SIZE_MAX, NULL));
    bgl_ssl_ctx_free(ctx);
}

TEST(null_for_a_connection)
{
    char buffer[16];
    bgl_ssl_connection_free(NULL);
    CHECK_ARGUMENT(bgl_ssl_connection_set_info_callback(NULL, NULL, NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_set_sni_context_callback(NULL, NULL, NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_set_newsession_callback(NULL, NULL, NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_set_session_lookup_callback(NULL, NULL, NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_want_events(NULL, 0));
    CHECK_ARGUMENT(bgl_ssl_connection_next_event(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_event_id(NULL, buffer, sizeof buffer));
    CHECK_VALUE(0, bgl_ssl_connection_event_session(NULL, buffer, sizeof buffer));
    CHECK_ARGUMENT(bgl_ssl_connection_answer_server_name(NULL, NULL, true));
    CHECK_ARGUMENT(bgl_ssl_connection_refuse_server_name(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_server_name(NULL, buffer, sizeof buffer));
    CHECK_ARGUMENT(bgl_ssl_connection_set_hostname(NULL, "localhost"));
    CHECK_ARGUMENT(bgl_ssl_connection_set_strict_alpn(NULL, true));
    CHECK_ARGUMENT(bgl_ssl_connection_set_npn_protos(NULL, "\2h2", 3));
    CHECK_VALUE(0, bgl_ssl_connection_get_negotiated_protocol(NULL, buffer, sizeof buffer));
    CHECK_VALUE(-1, bgl_ssl_connection_start(NULL));
    CHECK_VALUE(-1, bgl_ssl_connection_read(NULL, buffer, 0, sizeof buffer));
    CHECK_VALUE(-1, bgl_ssl_connection_write(NULL, buffer, 0, sizeof buffer));
    CHECK_ARGUMENT(bgl_ssl_connection_write_eof(NULL));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_in(NULL, buffer, 0, sizeof buffer));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_out(NULL, buffer, 0, sizeof buffer));
    CHECK_VALUE(0, bgl_ssl_connection_enc_pending(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_clear_pending(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_init_finishedp(NULL));
    CHECK_VALUE(-1, bgl_ssl_connection_shutdown(NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_close(NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_status(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_err(NULL, buffer, sizeof buffer));
    CHECK_VALUE(0, bgl_ssl_connection_received_shutdown(NULL));
    CHECK_VALUE(0, bgl_ssl_connection_sent_shutdown(NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_set_session(NULL, "x", 1));
    CHECK_VALUE(0, bgl_ssl_connection_get_session(NULL, buffer, sizeof buffer));
    CHECK_ARGUMENT(bgl_ssl_connection_load_session(NULL, "x", 1));
    CHECK_VALUE(0, bgl_ssl_connection_reused(NULL));
    CHECK_NO_HANDLE(bgl_ssl_connection_get_current_cipher(NULL));
    CHECK_NO_HANDLE(bgl_ssl_connection_get_current_cipher_version(NULL));
    CHECK_NO_HANDLE(bgl_ssl_connection_protocol(NULL));
    CHECK_STRING("INVALID_CALL", bgl_ssl_connection_verify_error(NULL));
    CHECK_NO_HANDLE(bgl_ssl_connection_get_peer_certificate(NULL));
    CHECK_NO_HANDLE(bgl_ssl_connection_peer_chain(NULL));
}

TEST(null_and_impossible_lengths_for_what_a_connection_is_given)
{
    char buffer[16];
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_ARGUMENT(bgl_ssl_connection_set_hostname(client, NULL));
    CHECK_ARGUMENT(bgl_ssl_connection_set_npn_protos(client, NULL, 3));
    CHECK_ARGUMENT(bgl_ssl_connection_set_npn_protos(client, "\2h2", SIZE_MAX));
    CHECK_VALUE(-1, bgl_ssl_connection_read(client, NULL, 0, 5));
    CHECK_VALUE(-1, bgl_ssl_connection_read(client, buffer, SIZE_MAX, 5));
    CHECK_VALUE(-1, bgl_ssl_connection_write(client, NULL, 0, 5));
    CHECK_VALUE(-1, bgl_ssl_connection_write(client, buffer, 5, SIZE_MAX));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_in(client, NULL, 0, 5));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_in(client, buffer, SIZE_MAX, SIZE_MAX));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_out(client, NULL, 5, 0));
    CHECK_VALUE(-1, bgl_ssl_connection_clear_out(client, buffer, 0, SIZE_MAX));
    CHECK_ARGUMENT(bgl_ssl_connection_set_session(client, NULL, 5));
    CHECK_ARGUMENT(bgl_ssl_connection_load_session(client, NULL, 5));
    CHECK_VALUE(0, bgl_ssl_connection_err(client, NULL, 5));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_answer_server_name(client, NULL, true));
    CHECK_STATUS(BGL_SSL_E_STATE, bgl_ssl_connection_refuse_server_name(client));
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

TEST(a_handle_of_another_kind_is_no_connection)
{
    bgl_ssl_ctx_t *ctx = new_ctx("default");
    bgl_ssl_connection_t *client = new_client(ctx, NULL);
    CHECK_VALUE(-1, bgl_ssl_connection_start((const bgl_ssl_connection_t *)(const void *)ctx));
    CHECK_NO_HANDLE(bgl_ssl_connection_init((const bgl_ssl_ctx_t *)(const void *)client, false, false, NULL, false));
    CHECK(!bgl_ssl_socketp(client));
    CHECK(!bgl_ssl_socketp(ctx));
    bgl_ssl_connection_free(client);
    bgl_ssl_ctx_free(ctx);
}

TEST(null_for_a_certificates_details)
{
    char text[16];
    CHECK_VALUE(0, bgl_ssl_certificate_subject_lines(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_issuer_lines(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_alt_names(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_modulus(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_exponent(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_valid_from(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_valid_to(NULL, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_ext_key_usage_count(NULL));
    CHECK_VALUE(0, bgl_ssl_certificate_ext_key_usage(NULL, 0, text, sizeof text));
    bgl_ssl_certificate_t *cert = certificate("server-purpose.pem");
    CHECK_VALUE(0, bgl_ssl_certificate_ext_key_usage(cert, SIZE_MAX, text, sizeof text));
    CHECK_VALUE(0, bgl_ssl_certificate_subject_lines(cert, NULL, 5));
    CHECK(bgl_ssl_certificate_subject_lines(cert, NULL, 0) > 0);
    bgl_ssl_certificate_free(cert);
}
