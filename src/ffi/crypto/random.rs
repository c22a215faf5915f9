//! Random numbers.

use crate::ossl::rand;
use std::ffi::c_void;

use crate::ffi::{convert, guard, status::bgl_ssl_status_t};

/// Whether OpenSSL's random number generator has been seeded, which it is unless the system has no source of
/// randomness. (Bigloo: ssl-rand-status.)
///
/// Returns true if so. Never fails, never blocks; any thread. See RAND_status(3).
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_rand_status() -> bool {
    guard::or(false, rand::status)
}

/// Seeds OpenSSL's random number generator from the system, which OpenSSL also does when needed. (Bigloo:
/// ssl-rand-poll.)
///
/// Returns true on success. Never blocks; any thread. See RAND_poll(3).
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_rand_poll() -> bool {
    guard::or(false, rand::poll)
}

/// Fills a buffer with unpredictable random bytes. (Bigloo: ssl-rand-bytes.)
///
/// buf: space for len bytes, at most 2 GB.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_INTERNAL if the generator failed: then buf must not be used.
/// Never blocks; any thread. See RAND_bytes(3).
///
/// Precondition: buf is NULL or writable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_rand_bytes(buf: *mut c_void, len: usize) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the buffer.
    guard::done(|| rand::bytes(unsafe { convert::bytes_mut(buf, len, "buffer")? }))
}

/// Fills a buffer as bgl_ssl_rand_bytes does: current OpenSSL makes no difference. (Bigloo: ssl-rand-pseudo-bytes.)
///
/// Returns what bgl_ssl_rand_bytes does. Never blocks; any thread.
///
/// Precondition: buf is NULL or writable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_rand_pseudo_bytes(buf: *mut c_void, len: usize) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the buffer.
    unsafe { bgl_ssl_rand_bytes(buf, len) }
}
