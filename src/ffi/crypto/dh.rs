//! Diffie-Hellman key agreement.

pub mod checks;
pub mod numbers;

use crate::crypto::dh::Dh;
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
};

use crate::ffi::{
    convert,
    crypto::bignum::{self, bgl_ssl_bignum_t},
    guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A group for Diffie-Hellman key agreement, with one's own keys, if there are any. It shares its numbers with the
/// handles by which they were set or got: bgl_bn_set_word changes a number for all of them, bgl_bn_free frees the
/// handle only.
pub struct bgl_ssl_dh_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_dh_t {
    type Rust = Dh;
    const TAG: u64 = 0x4247_4c53_5f44_485f;
    const NOUN: &'static str = "Diffie-Hellman object";
}

/// A new Diffie-Hellman object without any numbers yet. (Bigloo: class dh.)
///
/// Returns an object, to be freed with bgl_ssl_dh_free. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_dh_new() -> *mut bgl_ssl_dh_t {
    guard::or(ptr::null_mut(), || Ok(handle::give(Dh::default())))
}

/// Frees a Diffie-Hellman object; numbers taken from it or set in it stay valid. Takes NULL; returns nothing, never
/// fails, never blocks.
///
/// Precondition: dh is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_free(dh: *mut bgl_ssl_dh_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(dh) }
}

/// The size of the prime p, and of the shared secret, in bytes. (Bigloo: dh-size.)
///
/// Returns that; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if there is no p. Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_size(dh: *const bgl_ssl_dh_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(dh, Dh::size) })
}

/// Makes a new group with a safe prime, and removes all numbers that were set. For a well-known group see
/// bgl_ssl_dh_set_group. (Bigloo: dh-generate-parameters-ex.)
///
/// bits: 512 to 10000; less than 2048 is weak.
/// generator: 2 or 5, usually.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT. May compute for minutes if bits is large; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_generate_parameters(
    dh: *mut bgl_ssl_dh_t,
    bits: c_int,
    generator: c_int,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(dh, |dh| dh.generate_parameters(bits, generator)) })
}

/// Sets a well-known group, and removes all numbers that were set.
///
/// name: "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144" or "ffdhe8192" (RFC 7919), or another that OpenSSL knows.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT if OpenSSL does not know it. Never blocks; any thread.
///
/// Precondition: dh is NULL or live; name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_set_group(dh: *mut bgl_ssl_dh_t, name: *const c_char) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    guard::done(|| unsafe {
        let name = convert::c_text(name, "group")?;
        handle::with(dh, |dh| dh.set_named_group(name))
    })
}

/// Generates the own keys in the group; if a private key is set, keeps it and computes its public key. (Bigloo:
/// dh-generate-key.)
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE if p or g is not set; BGL_SSL_E_ARGUMENT or BGL_SSL_E_CONFIG if the numbers are
/// unusable (a prime of less than 512 bits). Never blocks; any thread.
///
/// Precondition: dh is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_generate_key(dh: *mut bgl_ssl_dh_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(dh, Dh::generate_key) })
}

/// Copies out the secret that is shared with the owner of a public key: as many bytes as p has, zeros on the left. The
/// public key is checked first. A secret is no key yet: see bgl_ssl_hkdf. (Bigloo: dh-compute-key.)
///
/// key: the peer's public key.
/// buf: space for bgl_ssl_dh_size bytes. If size is too small, and so for NULL and 0, nothing is copied.
///
/// Returns how many bytes there are; 0 on failure: BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE if p, g or the private key is
/// not set, BGL_SSL_E_CONFIG if a key is unusable. Never blocks; any thread.
///
/// Precondition: Both handles are NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_dh_compute_key(
    dh: *const bgl_ssl_dh_t,
    key: *const bgl_ssl_bignum_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handles and buffer.
    guard::or(0, || unsafe {
        let key = bignum::copy(key)?;
        handle::with(dh, |dh| convert::copy_once(dh.size()?, buf, size, || dh.compute_key(&key)))
    })
}
