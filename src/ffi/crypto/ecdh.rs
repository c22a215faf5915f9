//! Key agreement on elliptic curves.

use crate::crypto::ecdh::Ecdh;
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
};

/// A private key on an elliptic curve, and its public part; never changed.
pub struct bgl_ssl_ecdh_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_ecdh_t {
    type Rust = Ecdh;
    const TAG: u64 = 0x4247_4c53_4543_4448;
    const NOUN: &'static str = "ECDH key";
}

/// Makes a new key on a curve.
///
/// curve: "P-256", "P-384", "P-521" (SP 800-186), "X25519" or "X448" (RFC 7748), letter case ignored.
///
/// Returns a key, to be freed with bgl_ssl_ecdh_free, or NULL: BGL_SSL_E_ARGUMENT for another name,
/// BGL_SSL_E_UNSUPPORTED if OpenSSL lacks the curve. Never blocks; any thread.
///
/// Precondition: curve is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ecdh_new(curve: *const c_char) -> *mut bgl_ssl_ecdh_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        Ecdh::generate(unsafe { convert::text(curve, "curve")? }).map(handle::give)
    })
}

/// The key of a private key's bytes.
///
/// curve: as for bgl_ssl_ecdh_new.
/// private_key: len bytes, as many as the curve wants (32, 48, 66; 32 for X25519, 56 for X448); the most significant
/// first on the curves "P-...".
///
/// Returns a key, to be freed with bgl_ssl_ecdh_free, or NULL: BGL_SSL_E_ARGUMENT for another name or length,
/// BGL_SSL_E_CONFIG for a number that is no private key. Never blocks; any thread.
///
/// Precondition: curve is NULL or NUL-terminated; private_key is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ecdh_from_private_key(
    curve: *const c_char,
    private_key: *const c_void,
    len: usize,
) -> *mut bgl_ssl_ecdh_t {
    // SAFETY: the precondition covers text and bytes.
    guard::or(ptr::null_mut(), || unsafe {
        let (curve, bytes) = (convert::text(curve, "curve")?, convert::bytes(private_key, len, "private key")?);
        Ecdh::from_private_key(curve, bytes).map(handle::give)
    })
}

/// Copies out the public part, as many bytes as fit: an uncompressed point (SEC 1: 4, x, y) on the curves "P-...", else
/// the bytes of RFC 7748.
///
/// Returns how many bytes there are; 0 on failure (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: ecdh is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ecdh_public_key(
    ecdh: *const bgl_ssl_ecdh_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let bytes = handle::with(ecdh, Ecdh::public_key)?;
        convert::copy_bytes(&bytes, buf, size)
    })
}

/// Copies out the secret that is shared with the owner of a public key, as many bytes as fit. The public key is checked
/// first. A secret is no key yet: see bgl_ssl_hkdf.
///
/// public_key: len bytes, as bgl_ssl_ecdh_public_key gives them on the same curve.
///
/// Returns how many bytes there are; 0 on failure: BGL_SSL_E_ARGUMENT, or BGL_SSL_E_CONFIG if the public key is not on
/// the curve, or forces a secret that everybody knows. Never blocks; any thread.
///
/// Precondition: ecdh is NULL or live; public_key is NULL or readable for len bytes; buf is NULL or writable for size
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ecdh_compute_key(
    ecdh: *const bgl_ssl_ecdh_t,
    public_key: *const c_void,
    len: usize,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle, bytes and buffer.
    guard::or(0, || unsafe {
        let peer = convert::bytes(public_key, len, "public key")?;
        let secret = handle::with(ecdh, |ecdh| ecdh.compute_key(peer))?;
        convert::copy_bytes(&secret, buf, size)
    })
}

/// Frees a key. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: ecdh is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ecdh_free(ecdh: *mut bgl_ssl_ecdh_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(ecdh) }
}
