//! Digests.

use crate::crypto::digest::Digest;
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A digest that is being computed.
pub struct bgl_ssl_hash_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_hash_t {
    type Rust = Digest;
    const TAG: u64 = 0x4247_4c53_4841_5348;
    const NOUN: &'static str = "hash";
}

/// Begins a digest. (Bigloo: class ssl-hash.)
///
/// type: OpenSSL's name of the algorithm, such as "sha256" or "RSA-SHA256": see bgl_evp_get_hashes.
///
/// Returns a digest of no bytes yet, to be freed with bgl_ssl_hash_free, or NULL: BGL_SSL_E_ARGUMENT if OpenSSL does
/// not know the name, BGL_SSL_E_UNSUPPORTED if it knows it but cannot use it (OpenSSL 3 without its legacy provider).
/// Never blocks; any thread.
///
/// Precondition: type is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hash_init(r#type: *const c_char) -> *mut bgl_ssl_hash_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        Digest::new(unsafe { convert::c_text(r#type, "digest")? }).map(handle::give)
    })
}

/// Takes more bytes into a digest. (Bigloo: ssl-hash-update!.)
///
/// data: len bytes, not kept.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE after bgl_ssl_hash_digest. Never blocks; any thread.
///
/// Precondition: hash is NULL or live; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hash_update(
    hash: *mut bgl_ssl_hash_t,
    data: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let data = convert::bytes(data, len, "data")?;
        handle::with(hash, |hash| hash.update(data))
    })
}

/// Ends a digest and copies it out. (Bigloo: ssl-hash-digest.)
///
/// buf: space for the digest. If size is too small, and so for NULL and 0, nothing is copied and the digest does not
/// end.
///
/// Returns how many bytes the digest has; 0 on failure: BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if it has ended already.
/// Never blocks; any thread.
///
/// Precondition: hash is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hash_digest(hash: *mut bgl_ssl_hash_t, buf: *mut c_void, size: usize) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        handle::with(hash, |hash| convert::copy_once(hash.size()?, buf, size, || hash.finish()))
    })
}

/// Ends a digest by an extendable algorithm ("shake128", "shake256"), with as many bytes as one likes.
///
/// buf: filled with len bytes.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also if the algorithm is not extendable; BGL_SSL_E_STATE if the digest has
/// ended already. Never blocks; any thread. See EVP_DigestFinalXOF(3).
///
/// Precondition: hash is NULL or live; buf is NULL or writable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hash_digest_extendable(
    hash: *mut bgl_ssl_hash_t,
    buf: *mut c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and buffer.
    guard::done(|| unsafe {
        let out = convert::bytes_mut(buf, len, "buffer")?;
        handle::with(hash, |hash| hash.finish_extendable(out))
    })
}

/// Frees a digest. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: hash is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hash_free(hash: *mut bgl_ssl_hash_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(hash) }
}

/// The digest of some bytes, at once.
///
/// type: as for bgl_ssl_hash_init.
/// data: len bytes, not kept.
/// buf: space for the digest. If size is too small, and so for NULL and 0, nothing is copied.
///
/// Returns how many bytes the digest has; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_UNSUPPORTED. Never blocks; any
/// thread.
///
/// Precondition: type is NULL or NUL-terminated; data is NULL or readable for len bytes; buf is NULL or writable for
/// size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_digest(
    r#type: *const c_char,
    data: *const c_void,
    len: usize,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers text, bytes and buffer.
    guard::or(0, || unsafe {
        let digest = Digest::new(convert::c_text(r#type, "digest")?)?;
        let data = convert::bytes(data, len, "data")?;
        convert::copy_once(digest.size()?, buf, size, || {
            digest.update(data)?;
            digest.finish()
        })
    })
}
