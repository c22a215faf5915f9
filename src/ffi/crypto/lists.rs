//! Algorithms of the OpenSSL in use.

use crate::{
    error::Result,
    ossl::{lists, sys},
};
use std::ffi::c_char;

use crate::ffi::{convert, guard};

/// Precondition: buf is NULL or writable for size bytes.
unsafe fn copy(buf: *mut c_char, size: usize, names: impl FnOnce() -> Result<Vec<String>>) -> usize {
    // SAFETY: the precondition covers the buffer.
    guard::or(0, || unsafe { convert::copy_text(names()?.join(":").as_bytes(), buf, size) })
}

/// Copies out the names of the TLS cipher suites that a connection offers by default, best first, separated by colons.
/// (Bigloo: ssl-get-ciphers.)
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_get_ciphers(buf: *mut c_char, size: usize) -> usize {
    // SAFETY: the precondition covers the buffer.
    unsafe { copy(buf, size, lists::tls_ciphers) }
}

/// Copies out the names of the symmetric ciphers that OpenSSL knows, aliases included, sorted, separated by colons.
/// (Bigloo: evp-get-ciphers.)
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_evp_get_ciphers(buf: *mut c_char, size: usize) -> usize {
    // SAFETY: the precondition covers the buffer.
    unsafe { copy(buf, size, lists::evp_ciphers) }
}

/// Copies out the names of the digests that OpenSSL knows, aliases included, sorted, separated by colons. (Bigloo:
/// evp-get-hashes.)
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_evp_get_hashes(buf: *mut c_char, size: usize) -> usize {
    // SAFETY: the precondition covers the buffer.
    unsafe { copy(buf, size, lists::evp_digests) }
}

/// The bit of OpenSSL's option SSL_OP_CIPHER_SERVER_PREFERENCE. (Bigloo: ssl-op-cipher-server-preference.)
///
/// Returns the bit. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_op_cipher_server_preference() -> u64 {
    sys::SSL_OP_CIPHER_SERVER_PREFERENCE
}
