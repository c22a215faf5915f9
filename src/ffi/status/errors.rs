//! The last error of a thread, and versions.

use crate::{
    error::Error,
    last_error,
    ossl::{self, queue},
};
use std::{
    cell::RefCell,
    ffi::{CString, c_char},
};

use crate::ffi::{guard, sized, status::bgl_ssl_status_t};

/// All details of a failure.
#[repr(C)]
pub struct bgl_ssl_error_t {
    /// In: sizeof(bgl_ssl_error_t), which lets later versions add fields. Out: how many bytes of it this library knows.
    pub size: usize,
    /// BGL_SSL_E_...
    pub code: i32,
    /// BGL_SSL_PHASE_...
    pub phase: i32,
    /// The errno, or 0.
    pub sys_errno: i32,
    /// The X509_V_ERR_... code for which a certificate was refused, or 0: also where the peer sent none.
    pub verify_result: i32,
    /// The TLS alert that the peer sent (RFC 8446, section 6), or -1.
    pub alert: i32,
    /// OpenSSL's packed error code, or 0.
    pub openssl_code: u64,
    /// One line for people: what failed, on what, why. Cut if longer.
    pub message: [c_char; 1024],
    /// OpenSSL's own words, or empty.
    pub reason: [c_char; 256],
}

/// Copies out why this thread's latest failure happened.
///
/// out: its size field must be set, to the size of the struct. A program compiled with a later header has a larger one:
/// then the fields that this library does not know are zeroed, and size becomes that of the fields that it knows.
///
/// The details stay until the thread's next failure: successful calls and frees do not touch it. Before any failure
/// it is BGL_SSL_OK with an empty message.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT if out is NULL or its size is not that of a bgl_ssl_error_t of this or a
/// later version. Never blocks; any thread.
///
/// Precondition: out is NULL or writable for as many bytes as its size field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_last_error(out: *mut bgl_ssl_error_t) -> bgl_ssl_status_t {
    // Asking must not replace what is asked for, so a bad argument does not become the last error.
    // SAFETY: the precondition covers the struct, which begins with its size.
    let copied = guard::catch(|| unsafe { sized::store(out, "error", || Ok(details(last_error::get()))) });
    match copied {
        Ok(()) => crate::ffi::status::BGL_SSL_OK,
        Err(error) => error.code as bgl_ssl_status_t,
    }
}

fn details(error: Option<Error>) -> bgl_ssl_error_t {
    let mut details = bgl_ssl_error_t {
        size: size_of::<bgl_ssl_error_t>(),
        code: 0,
        phase: 0,
        sys_errno: 0,
        verify_result: 0,
        alert: -1,
        openssl_code: 0,
        message: [0; 1024],
        reason: [0; 256],
    };
    if let Some(error) = error {
        details.code = error.code as i32;
        details.phase = error.phase as i32;
        details.sys_errno = error.sys_errno;
        details.verify_result = error.verify_result;
        details.alert = error.alert;
        details.openssl_code = error.openssl_code;
        sized::fill(&mut details.message, &error.message);
        sized::fill(&mut details.reason, &error.reason);
    }
    details
}

thread_local! {
    /// What the functions below returned last.
    static TEXT: RefCell<CString> = RefCell::default();
}

/// Why this thread's latest failure happened, in one line: the message of bgl_ssl_last_error, uncut.
///
/// Returns a text that lives until the thread's next call of a function of this library; empty before any failure.
/// Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_error_message() -> *const c_char {
    guard::or(c"".as_ptr(), || Ok(lend(&last_message())))
}

/// The text of the oldest error in OpenSSL's queue of this thread, which it takes out of the queue. The functions of
/// this library leave that queue empty: then it is why the thread's latest failure happened, as bgl_ssl_error_message
/// has it. (Bigloo: bgl_ssl_error_string.)
///
/// Returns a text that lives until the thread's next call of a function of this library; empty if there was no error.
/// Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_error_string() -> *const c_char {
    guard::or(c"".as_ptr(), || Ok(lend(&queue::pop().map_or_else(last_message, |entry| entry.text))))
}

fn last_message() -> String {
    last_error::get().map_or_else(String::new, |error| error.message)
}

/// Keeps a text, on one line, for the thread's next call. Empty while the thread is being torn down.
fn lend(text: &str) -> *const c_char {
    let line = text.replace(char::is_control, " ");
    let line = CString::new(line).unwrap_or_default();
    TEXT.try_with(|slot| {
        slot.replace(line);
        slot.borrow().as_ptr()
    })
    .unwrap_or(c"".as_ptr())
}

/// Forgets this thread's latest failure, and empties OpenSSL's queue of this thread. (Bigloo: ssl-clear-error.)
///
/// Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_clear_error() {
    guard::quietly(|| {
        queue::clear();
        last_error::clear();
    });
}

/// The version of the OpenSSL in use, such as "OpenSSL 3.0.19 27 Jan 2026". (Bigloo: ssl-version.)
///
/// Returns a static text. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_version() -> *const c_char {
    ossl::version().as_ptr()
}

/// The version of bglssl itself, such as "0.1.0".
///
/// Returns a static text. Never fails, never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_library_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
