//! Pre-shared keys that a client offers.

use crate::error::Error;
use std::ffi::c_void;

use super::bgl_ssl_hello_t;
use crate::ffi::{convert, guard, handle};

/// How many pre-shared keys the client offers (TLS 1.3): the tickets of sessions that it would resume, and keys that it
/// has otherwise.
///
/// Returns 0 also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread. See RFC 8446, section 4.2.11.
///
/// Precondition: hello is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_psk_identity_count(hello: *const bgl_ssl_hello_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(hello, |hello| Ok(hello.psk_identities.len())) })
}

/// Copies out the identity of one of the pre-shared keys. That of a ticket of ours begins with the 16 bytes of its
/// key's name (bgl_ssl_ticket_keys_add).
///
/// index: 0 for the one that the client likes best.
///
/// Returns how many bytes it has; 0 if there is no such one (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: hello is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_psk_identity(
    hello: *const bgl_ssl_hello_t,
    index: usize,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        handle::with(hello, |hello| {
            let identity = hello.psk_identities.get(index);
            let none = || Error::argument(format!("the hello has no pre-shared key number {index}"));
            convert::copy_bytes(identity.ok_or_else(none)?, buf, size)
        })
    })
}
