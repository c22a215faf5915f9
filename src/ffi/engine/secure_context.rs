//! Secure contexts.

use crate::{
    engine::secure_context::SecureContext,
    error::{Error, Result},
};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A secure context: what connections without a socket share, such as keys and CAs. Set it up before connections are
/// made from it: while other threads use such connections, only bgl_ssl_ctx_close and bgl_ssl_ctx_free may be called.
pub struct bgl_ssl_ctx_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_ctx_t {
    type Rust = SecureContext;
    const TAG: u64 = 0x4247_4c53_5343_5458;
    const NOUN: &'static str = "secure context";
}

/// The bytes of `buf` from `off` on, `len` of them.
///
/// Precondition: buf is NULL or readable for off + len bytes, and outlives 'a.
pub unsafe fn part<'a>(buf: *const c_void, off: usize, len: usize, what: &str) -> Result<&'a [u8]> {
    let end =
        off.checked_add(len).ok_or_else(|| Error::argument(format!("the {what} has an impossible length")))?;
    // SAFETY: the precondition covers the bytes.
    let whole = unsafe { convert::bytes(buf, end, what)? };
    Ok(whole.get(off..).unwrap_or_default())
}

/// Makes a secure context.
///
/// method: "default" or a name of OpenSSL's: "SSLv23_method", "TLS_method" (TLS 1.2 and 1.3), "TLSv1_method" (any TLS
/// that OpenSSL and the system's policy let through), "TLSv1_1_method", "TLSv1_2_method", "TLSv1_3_method" (that
/// version alone), "SSLv3_method" (most builds of OpenSSL lack it), "SSLv2_method" (all lack it), and each with
/// "_server_method" or "_client_method" at its end for contexts that make only such connections.
///
/// Returns a context, to be freed with bgl_ssl_ctx_free, or NULL: BGL_SSL_E_ARGUMENT for an unknown method,
/// BGL_SSL_E_UNSUPPORTED for one that this OpenSSL does not speak. It trusts no one yet. Never blocks; any thread.
///
/// Precondition: method is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_init(method: *const c_char) -> *mut bgl_ssl_ctx_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        let method = unsafe { convert::text(method, "method")? };
        SecureContext::new(method).map(handle::give)
    })
}

/// Runs `body` on a context.
///
/// Precondition: ctx is NULL or live.
unsafe fn with(ctx: *const bgl_ssl_ctx_t, body: impl FnOnce(&SecureContext) -> Result<()>) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(ctx, body) })
}

/// Closes a context: nothing can be done with it any more. Connections made from it, or switched to it, stay valid.
///
/// Returns BGL_SSL_OK, also a second time, or BGL_SSL_E_ARGUMENT for NULL. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_close(ctx: *const bgl_ssl_ctx_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        with(ctx, |ctx| {
            ctx.close();
            Ok(())
        })
    }
}

/// Frees a context; connections made from it stay valid. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: ctx is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_free(ctx: *mut bgl_ssl_ctx_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(ctx) }
}

/// Trusts the system's CAs: those of the environment's SSL_CERT_FILE and SSL_CERT_DIR, else OpenSSL's or the system's
/// own. Each of the two variables replaces its own default only: a program that wants to restrict trust sets both. Each
/// context has its own store of them.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_STATE if it is closed, BGL_SSL_E_IO if a file cannot be read, or BGL_SSL_E_CONFIG if
/// there are none or they are damaged; bgl_ssl_last_error names the file, and nothing of it is trusted. Any thread.
/// Blocks no longer than the disk.
///
/// Precondition: ctx is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_add_root_certs(ctx: *const bgl_ssl_ctx_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { with(ctx, SecureContext::add_root_certs) }
}

/// Trusts a CA, and names it to clients that are asked for a certificate.
///
/// pem: the first certificate of pem[off] to pem[off + len - 1] is taken; not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if there is no
/// certificate. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; pem is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_add_ca_cert(
    ctx: *const bgl_ssl_ctx_t,
    pem: *const c_void,
    off: usize,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { with(ctx, |ctx| ctx.add_ca_cert(part(pem, off, len, "certificate")?)) }
}

/// Adds certificate revocation lists, and demands from now on one for each certificate of a peer's chain.
///
/// pem: all lists of pem[off] to pem[off + len - 1] are taken, or none; not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if there is no list, or
/// one is damaged.
/// Whether CAs have been added before does not matter. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; pem is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_add_crl(
    ctx: *const bgl_ssl_ctx_t,
    pem: *const c_void,
    off: usize,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { with(ctx, |ctx| ctx.add_crl(part(pem, off, len, "CRL")?)) }
}

/// Proves possession of the certificate with a private key. A key that does not belong to the certificate set before is
/// kept for the one that is set next. Until then the key set before is used; where there is none, the handshakes that
/// need it fail with BGL_SSL_E_CONFIG.
///
/// pem: the first key of pem[off] to pem[off + len - 1] is taken; not kept.
/// passphrase: for an encrypted key; NULL if there is none. The library never asks for one.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if there is no key, or
/// the passphrase does not open it. Any thread. Blocks no longer than the key's own key derivation.
///
/// Precondition: ctx is NULL or live; pem is NULL or readable for off + len bytes; passphrase is NULL or
/// NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_set_key(
    ctx: *const bgl_ssl_ctx_t,
    pem: *const c_void,
    off: usize,
    len: usize,
    passphrase: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, bytes and text.
    unsafe { with(ctx, |ctx| ctx.set_key(part(pem, off, len, "private key")?, convert::passphrase(passphrase))) }
}

/// Presents a certificate, followed by the certificates that lead from it to a CA. A private key that was set before
/// and does not belong to it is forgotten. As in OpenSSL a context presents one certificate of each type of keys: an
/// earlier one with a key of another type, RSA beside ECDSA, is still shown to peers that ask for that type.
///
/// pem: all certificates of pem[off] to pem[off + len - 1] are taken, the leaf first; not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if there is no
/// certificate or a damaged one. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; pem is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_set_cert(
    ctx: *const bgl_ssl_ctx_t,
    pem: *const c_void,
    off: usize,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { with(ctx, |ctx| ctx.set_cert(part(pem, off, len, "certificate")?)) }
}

/// Names what a server's sessions are for: those of one name are not resumed under another. Sessions are also kept
/// apart, whatever the name, by what decides about peers: the context's method, certificate, CAs, revocation lists,
/// ciphers and options, and whether connections ask clients for a certificate and demand one.
///
/// id: the bytes id[off] to id[off + len - 1], at most 32; not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if it is closed. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; id is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_set_session_id_context(
    ctx: *const bgl_ssl_ctx_t,
    id: *const c_void,
    off: usize,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { with(ctx, |ctx| ctx.set_session_id_context(part(id, off, len, "session id context")?)) }
}

/// Presents the certificate of a PKCS#12 text (RFC 7292) with its private key; the other certificates in it are trusted
/// as CAs, named to clients, and sent where they lead from the certificate to a CA.
///
/// pfx: len bytes, not kept.
/// pass: its passphrase; NULL if there is none.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if that is no PKCS#12,
/// lacks key or certificate, is not opened by the passphrase, or uses an old cipher that this OpenSSL has not. Any
/// thread. Blocks no longer than the file's own key derivation.
///
/// Precondition: ctx is NULL or live; pfx is NULL or readable for len bytes; pass is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_load_pkcs12(
    ctx: *const bgl_ssl_ctx_t,
    pfx: *const c_void,
    len: usize,
    pass: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle, bytes and text.
    unsafe { with(ctx, |ctx| ctx.load_pkcs12(convert::bytes(pfx, len, "PKCS#12")?, convert::passphrase(pass))) }
}

/// Sets the ciphers.
///
/// ciphers: names and rules for TLS 1.2 and before ("ECDHE+AESGCM:!aNULL", see openssl-ciphers(1)), suites of TLS 1.3
/// ("TLS_AES_128_GCM_SHA256"), or both, separated by ":". Of the two kinds, one that is not mentioned stays as it is.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_CONFIG if no cipher is left,
/// or a suite is unknown. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live; ciphers is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_set_ciphers(
    ctx: *const bgl_ssl_ctx_t,
    ciphers: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe { with(ctx, |ctx| ctx.set_ciphers(convert::c_text(ciphers, "cipher list")?)) }
}

/// Sets option bits beside those that are set already.
///
/// options: OpenSSL's SSL_OP_ constants (see SSL_CTX_set_options(3)), such as bgl_ssl_op_cipher_server_preference().
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if it is closed, or BGL_SSL_E_UNSUPPORTED if OpenSSL does
/// not take them. Never blocks; any thread.
///
/// Precondition: ctx is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ctx_set_options(ctx: *const bgl_ssl_ctx_t, options: u64) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { with(ctx, |ctx| ctx.set_options(options)) }
}
