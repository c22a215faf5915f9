/* A peer that is OpenSSL itself, for what our own library never does. Without its header: what is built in may be another
 * version. */
#ifndef OPENSSL_PEER_H
#define OPENSSL_PEER_H

#include <dlfcn.h>

#include "harness.h"

struct openssl {
    void *library;
    void *(*TLS_server_method)(void);
    void *(*SSL_CTX_new)(void *);
    int (*SSL_CTX_use_certificate_chain_file)(void *, const char *);
    int (*SSL_CTX_use_PrivateKey_file)(void *, const char *, int);
    void (*SSL_CTX_free)(void *);
    void *(*SSL_new)(void *);
    void (*SSL_free)(void *);
    int (*SSL_set_fd)(void *, int);
    int (*SSL_get_fd)(const void *);
    int (*SSL_accept)(void *);
    int (*SSL_read)(void *, void *, int);
    int (*SSL_write)(void *, const void *, int);
    long (*SSL_ctrl)(void *, int, long, void *);
    void (*SSL_set0_wbio)(void *, void *);
    int (*SSL_key_update)(void *, int);
    int (*SSL_do_handshake)(void *);
    void *(*SSL_get_session)(void *);
    int (*SSL_SESSION_set1_ticket_appdata)(void *, const void *, size_t);
    int (*SSL_new_session_ticket)(void *); /* NULL before OpenSSL 3 */
    void *(*BIO_s_mem)(void);
    void *(*BIO_new)(void *);
    long (*BIO_ctrl)(void *, int, long, void *);
};

enum { FILETYPE_PEM = 1, NOT_REQUESTED = 0, REQUESTED = 1, CTRL_INFO = 3, CTRL_SET_MAX_SEND_FRAGMENT = 52 };

static inline void load_openssl(struct openssl *it)
{
    static const char *const names[] = {"libssl.so.4", "libssl.so.3", "libssl.so.1.1"};
    void *library = NULL;
    for (size_t i = 0; i < COUNT(names) && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        skip_test("the system's libssl");
    it->library = library;
#define LOAD(name) *(void **)&it->name = dlsym(library, #name)
    LOAD(TLS_server_method);
    LOAD(SSL_CTX_new);
    LOAD(SSL_CTX_use_certificate_chain_file);
    LOAD(SSL_CTX_use_PrivateKey_file);
    LOAD(SSL_CTX_free);
    LOAD(SSL_new);
    LOAD(SSL_free);
    LOAD(SSL_set_fd);
    LOAD(SSL_get_fd);
    LOAD(SSL_accept);
    LOAD(SSL_read);
    LOAD(SSL_write);
    LOAD(SSL_ctrl);
    LOAD(SSL_set0_wbio);
    LOAD(SSL_key_update);
    LOAD(SSL_do_handshake);
    LOAD(SSL_get_session);
    LOAD(SSL_SESSION_set1_ticket_appdata);
    LOAD(SSL_new_session_ticket);
    LOAD(BIO_s_mem);
    LOAD(BIO_new);
    LOAD(BIO_ctrl);
#undef LOAD
    if (!it->BIO_ctrl || !it->SSL_key_update)
        skip_test("a libssl of 1.1.1 or later");
}

/* The server's end of a connection, after the handshake. What it writes is kept until it is passed on. */
struct openssl_peer {
    struct openssl openssl;
    int fd;
    void *ctx;
    void *ssl;
    void *kept;
};

static inline void openssl_accept(struct openssl_peer *it)
{
    struct openssl *o = &it->openssl;
    it->ctx = o->SSL_CTX_new(o->TLS_server_method());
    CHECK(it->ctx && o->SSL_CTX_use_certificate_chain_file(it->ctx, pki("good.pem")) == 1);
    CHECK(o->SSL_CTX_use_PrivateKey_file(it->ctx, pki("good.key"), FILETYPE_PEM) == 1);
    it->ssl = o->SSL_new(it->ctx);
    CHECK(it->ssl && o->SSL_set_fd(it->ssl, it->fd) == 1);
    CHECK_INT(1, o->SSL_accept(it->ssl));
    it->kept = o->BIO_new(o->BIO_s_mem());
    o->SSL_set0_wbio(it->ssl, it->kept);
}

/* The same for start_thread. */
static inline void *openssl_accept_in_thread(void *peer)
{
    openssl_accept(peer);
    return NULL;
}

static inline void openssl_key_update(struct openssl_peer *it, int kind)
{
    struct openssl *o = &it->openssl;
    CHECK(o->SSL_key_update(it->ssl, kind) == 1 && o->SSL_do_handshake(it->ssl) == 1);
}

/* What has been written and not been passed on. */
static inline long openssl_kept(struct openssl_peer *it, char **bytes)
{
    return it->openssl.BIO_ctrl(it->kept, CTRL_INFO, 0, bytes);
}

static inline void openssl_free(struct openssl_peer *it)
{
    it->openssl.SSL_free(it->ssl);
    it->openssl.SSL_CTX_free(it->ctx);
}

#endif
