//! HMAC.

use crate::crypto::hmac::Hmac;
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// An HMAC that is being computed.
pub struct bgl_ssl_hmac_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_hmac_t {
    type Rust = Hmac;
    const TAG: u64 = 0x4247_4c53_484d_4143;
    const NOUN: &'static str = "HMAC";
}

/// Begins an HMAC (RFC 2104). (Bigloo: ssl-hmac-init.)
///
/// type: OpenSSL's name of the digest, as for bgl_ssl_hash_init.
/// key: key_len bytes, any number, not kept beyond the HMAC; NULL and 0 for the empty key.
///
/// Returns an HMAC of no bytes yet, to be freed with bgl_ssl_hmac_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL does not
/// know the digest, BGL_SSL_E_UNSUPPORTED if it cannot use it for this. Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated; key is NULL or readable for key_len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hmac_init(
    r#type: *const c_char,
    key: *const c_void,
    key_len: usize,
) -> *mut bgl_ssl_hmac_t {
    // SAFETY: the precondition covers text and bytes.
    guard::or(ptr::null_mut(), || unsafe {
        let name = convert::c_text(r#type, "digest")?;
        Hmac::new(name, convert::bytes(key, key_len, "key")?).map(handle::give)
    })
}

/// Takes more bytes into an HMAC. (Bigloo: ssl-hmac-update!.)
///
/// data: len bytes, not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE after bgl_ssl_hmac_digest. Never blocks; any thread.
///
/// Precondition: hmac is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hmac_update(
    hmac: *mut bgl_ssl_hmac_t,
    data: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let data = convert::bytes(data, len, "data")?;
        handle::with(hmac, |hmac| hmac.update(data))
    })
}

/// Ends an HMAC and copies it out. (Bigloo: ssl-hmac-digest.)
///
/// buf: space for the HMAC. If size is too small, and so for NULL and 0, nothing is copied and the HMAC does not end.
///
/// Returns how many bytes the HMAC has; 0 on failure: BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if it has ended already.
/// Never blocks; any thread.
///
/// Precondition: hmac is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hmac_digest(hmac: *mut bgl_ssl_hmac_t, buf: *mut c_void, size: usize) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        handle::with(hmac, |hmac| convert::copy_once(hmac.size()?, buf, size, || hmac.finish()))
    })
}

/// Frees an HMAC. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: hmac is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hmac_free(hmac: *mut bgl_ssl_hmac_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(hmac) }
}
