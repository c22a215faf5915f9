//! Thin safe wrappers over OpenSSL: owned pointers with Drop, the error queue, BIOs, callbacks. With `ffi` and `posix` it is
//! the only module with `unsafe` in it.

pub mod base64;
pub mod bio;
pub mod bio_backend;
pub mod crypto;
pub mod ctx;
mod der;
pub mod engine;
mod evp_sys;
mod lent_stack;
pub mod lists;
mod once;
pub mod pkcs12;
pub mod pkey;
pub mod provider;
pub mod queue;
pub mod rand;
pub mod secret;
pub mod session;
pub mod ssl;
pub mod sys;
pub mod uri;
pub mod verify;
pub mod versions;
pub mod x509;

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{ffi::CStr, ptr, sync::OnceLock};

/// Initialises OpenSSL once for the process, and empties the error queue. Every module calls this before it creates
/// anything. Fails once the host has called OPENSSL_cleanup, after which parts of OpenSSL 3 crash instead of failing.
pub fn init() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // NO_ATEXIT: a host may dlclose this library, and then OpenSSL's exit handler would run unmapped code.
        let options = ffi::OPENSSL_INIT_LOAD_SSL_STRINGS | sys::OPENSSL_INIT_NO_ATEXIT;
        // SAFETY: no settings; may be called at any time and from any thread.
        unsafe { ffi::OPENSSL_init_ssl(options, ptr::null()) };
    });
    // SAFETY: likewise; without options nothing more is initialised.
    let usable = unsafe { sys::OPENSSL_init_crypto(0, ptr::null()) } == 1;
    queue::clear();
    if !usable {
        let reason = "OpenSSL cannot be used any more: the program has called OPENSSL_cleanup";
        return Err(Error::new(Code::State, reason));
    }
    if !has_default_context() {
        return Err(Error::new(
            Code::NoMemory,
            "memory ran out while OpenSSL was initialised, which it does only once",
        ));
    }
    Ok(())
}

/// Whether the library context was made that all else of OpenSSL 3 uses. Where it was not, much of OpenSSL crashes.
#[cfg(ossl300)]
fn has_default_context() -> bool {
    // SAFETY: no preconditions.
    !unsafe { sys::OSSL_LIB_CTX_get0_global_default() }.is_null()
}

#[cfg(not(ossl300))]
fn has_default_context() -> bool {
    true
}

/// The text of the OpenSSL in use, such as "OpenSSL 3.0.19 27 Jan 2026".
pub fn version() -> &'static CStr {
    // SAFETY: OpenSSL returns a static NUL-terminated text.
    unsafe { CStr::from_ptr(ffi::OpenSSL_version(ffi::OPENSSL_VERSION)) }
}

/// Overwrites what was secret.
pub fn cleanse(secret: &mut [u8]) {
    // SAFETY: the bytes are writable for their length.
    unsafe { sys::OPENSSL_cleanse(secret.as_mut_ptr().cast(), secret.len()) }
}

/// The number of that version.
#[allow(clippy::useless_conversion, reason = "where `unsigned long` has 64 bits it is none")]
pub fn version_number() -> u64 {
    // SAFETY: no preconditions.
    u64::from(unsafe { ffi::OpenSSL_version_num() })
}

/// The time, in seconds since 1970, by the clock that the validity of certificates is compared with.
pub fn now() -> i64 {
    // SAFETY: NULL asks for the returned value only.
    unsafe { libc::time(ptr::null_mut()) as i64 }
}

/// A static text of OpenSSL's as a C string; None for NULL.
///
/// # Safety
/// `text` is NULL or a NUL-terminated text that lives for ever.
unsafe fn static_text(text: *const std::ffi::c_char) -> Option<&'static CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the preconditions cover it.
    Some(unsafe { CStr::from_ptr(text) })
}

/// Bytes that OpenSSL lends us.
///
/// # Safety
/// `data` is readable for `len` bytes for as long as 'a lasts, or is NULL, or `len` is not positive.
#[expect(clippy::disallowed_methods, reason = "the one place in this module, with the checks")]
unsafe fn bytes<'a>(data: *const u8, len: std::ffi::c_int) -> &'a [u8] {
    match usize::try_from(len) {
        // SAFETY: the preconditions cover it.
        Ok(len) if len > 0 && !data.is_null() => unsafe { std::slice::from_raw_parts(data, len) },
        _ => &[],
    }
}

/// Bytes that OpenSSL wants us to fill.
///
/// # Safety
/// `data` is writable for `len` bytes for as long as 'a lasts, or is NULL, or `len` is not positive.
#[expect(clippy::disallowed_methods, reason = "the one place in this module, with the checks")]
unsafe fn bytes_mut<'a>(data: *mut u8, len: std::ffi::c_int) -> &'a mut [u8] {
    match usize::try_from(len) {
        // SAFETY: the preconditions cover it.
        Ok(len) if len > 0 && !data.is_null() => unsafe { std::slice::from_raw_parts_mut(data, len) },
        _ => &mut [],
    }
}

/// Copies bytes that OpenSSL allocated, and frees them.
///
/// # Safety
/// `data` is NULL or holds `len` bytes that are ours to free with OPENSSL_free.
unsafe fn take_bytes(data: *mut u8, len: std::ffi::c_int) -> Vec<u8> {
    // SAFETY: the preconditions cover it.
    unsafe {
        let copy = bytes(data, len).to_vec();
        free(data.cast());
        copy
    }
}

/// OPENSSL_free.
///
/// # Safety
/// `data` is NULL or was allocated by OpenSSL, and is ours.
unsafe fn free(data: *mut std::ffi::c_void) {
    // SAFETY: the preconditions cover it; OpenSSL wants file and line for its debugging allocator only.
    unsafe { ffi::CRYPTO_free(data, c"bglssl".as_ptr(), 0) }
}
