//! The account of the last failure, and the versions.

use crate::{
    error::{Error, Result},
    last_error,
    ossl::{self, queue},
};
use std::{
    cell::RefCell,
    ffi::{CString, c_char},
};

use super::{convert, guard, status::bgl_ssl_status_t};

/// The full account of a failure.
#[repr(C)]
pub struct bgl_ssl_error_t {
    /// In: sizeof(bgl_ssl_error_t), which lets later versions add fields. Out: the same.
    pub size: usize,
    /// BGL_SSL_E_...
    pub code: i32,
    /// BGL_SSL_PHASE_...
    pub phase: i32,
    /// The errno, or 0.
    pub sys_errno: i32,
    /// The X509_V_ERR_... code for which a certificate was refused, or 0.
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
/// out: its size field must be set; no more than that many bytes are written.
///
/// The account stays until the thread's next failure: successful calls and frees do not touch it. Before any failure
/// it is BGL_SSL_OK with an empty message.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT if out is NULL or its size is not that of a bgl_ssl_error_t of this or a
/// later version. Never blocks; any thread.
///
/// Precondition: As said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_last_error(out: *mut bgl_ssl_error_t) -> bgl_ssl_status_t {
    // Asking must not replace what is asked for, so a bad argument leaves no account of its own.
    let copied = guard::catch(|| {
        convert::check_out(out, "error")?;
        // SAFETY: the caller vouches for a readable size field.
        let size = unsafe { (&raw const (*out).size).read_unaligned() };
        if size < size_of::<bgl_ssl_error_t>() {
            return Err(Error::argument("the size field is too small"));
        }
        // SAFETY: the caller vouches for `size` writable bytes.
        unsafe { out.write_unaligned(account(size, last_error::get())) };
        Ok(())
    });
    match copied {
        Ok(()) => super::status::BGL_SSL_OK,
        Err(error) => error.code as bgl_ssl_status_t,
    }
}

fn account(size: usize, error: Option<Error>) -> bgl_ssl_error_t {
    let mut account = bgl_ssl_error_t {
        size,
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
        account.code = error.code as i32;
        account.phase = error.phase as i32;
        account.sys_errno = error.sys_errno;
        account.verify_result = error.verify_result;
        account.alert = error.alert;
        account.openssl_code = error.openssl_code;
        fill(&mut account.message, &error.message);
        fill(&mut account.reason, &error.reason);
    }
    account
}

/// Copies as much of a text as fits, in whole characters and without line ends, and a NUL.
fn fill(field: &mut [c_char], text: &str) {
    let mut room = field.len().saturating_sub(1);
    let mut to = field.iter_mut();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        let Some(left) = room.checked_sub(c.len_utf8()) else {
            return;
        };
        room = left;
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            if let Some(to) = to.next() {
                *to = byte as c_char;
            }
        }
    }
}

/// The text of the oldest error in OpenSSL's queue of this thread, which it takes out of the queue; if the queue is
/// empty, OpenSSL's words for the thread's latest failure. (Bigloo: bgl_ssl_error_string.)
///
/// Returns a text that lives until the thread's next call of this function; empty if there was no error. Never blocks;
/// any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_error_string() -> *const c_char {
    thread_local! {
        static TEXT: RefCell<CString> = RefCell::default();
    }
    guard::or(c"".as_ptr(), || {
        let queued = queue::pop().map(|entry| entry.text);
        let text = queued.or_else(|| last_error::get().map(|error| error.reason)).unwrap_or_default();
        let text = c_string(&text)?;
        Ok(TEXT.with(|slot| {
            slot.replace(text);
            slot.borrow().as_ptr()
        }))
    })
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text.replace('\0', " ")).map_err(|_| Error::argument("a text with a NUL"))
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
