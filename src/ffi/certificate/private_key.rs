//! Private keys.

use crate::pki::{pem::Format, private_key::PrivateKey};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    certificate::{BGL_SSL_FORMAT_PEM, bgl_ssl_certificate_t},
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// A private key: reference-counted, never changed.
pub struct bgl_ssl_private_key_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_private_key_t {
    type Rust = PrivateKey;
    const TAG: u64 = 0x4247_4c53_504b_4559;
    const NOUN: &'static str = "private key";
}

/// The private key of a PEM file, if it is not encrypted. (Bigloo: read-private-key.)
///
/// file: a regular file of at most 16 MB.
///
/// Returns a key, to be freed with bgl_ssl_private_key_free, or NULL: BGL_SSL_E_IO if the file cannot be read,
/// BGL_SSL_E_CONFIG if it holds no key or an encrypted one (the library never asks for a passphrase). Any thread.
/// Blocks no longer than the disk.
///
/// Precondition: file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_load_private_key(file: *const c_char) -> *mut bgl_ssl_private_key_t {
    // SAFETY: the precondition covers the text.
    unsafe { bgl_ssl_private_key_from_file(file, BGL_SSL_FORMAT_PEM, ptr::null()) }
}

/// The private key of a file.
///
/// file: a regular file of at most 16 MB.
/// format: BGL_SSL_FORMAT_...; DER may be PKCS#8 (encrypted or not) or an algorithm's own form.
/// passphrase: for an encrypted key; NULL if there is none.
///
/// Returns a key, to be freed with bgl_ssl_private_key_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_IO if the file
/// cannot be read, BGL_SSL_E_CONFIG if it holds no key, or one that the passphrase does not open. Any thread. Blocks no
/// longer than the disk (and the key's own key derivation).
///
/// Precondition: file and passphrase are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_from_file(
    file: *const c_char,
    format: i32,
    passphrase: *const c_char,
) -> *mut bgl_ssl_private_key_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the texts.
        let (path, passphrase) = unsafe { (convert::path(file)?, convert::passphrase(passphrase)) };
        PrivateKey::from_file(path, Format::from_number(format)?, passphrase).map(handle::share)
    })
}

/// The private key in memory.
///
/// data: len bytes, not kept.
/// format: BGL_SSL_FORMAT_...; DER may be PKCS#8 (encrypted or not) or an algorithm's own form.
/// passphrase: for an encrypted key; NULL if there is none.
///
/// Returns a key, to be freed with bgl_ssl_private_key_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if there is
/// no key, or one that the passphrase does not open. Any thread. Blocks no longer than the key's own key derivation.
///
/// Precondition: data is NULL or readable for len bytes; passphrase is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_from_mem(
    data: *const c_void,
    len: usize,
    format: i32,
    passphrase: *const c_char,
) -> *mut bgl_ssl_private_key_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers bytes and text.
        let (data, passphrase) = unsafe { (convert::bytes(data, len, "data")?, convert::passphrase(passphrase)) };
        PrivateKey::from_bytes(data, Format::from_number(format)?, passphrase).map(handle::share)
    })
}

/// Takes one more reference to a key.
///
/// Returns the same key, which is freed once more than before, or NULL for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread.
///
/// Precondition: private_key is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_retain(
    private_key: *const bgl_ssl_private_key_t,
) -> *mut bgl_ssl_private_key_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::retain(private_key) })
}

/// Gives a reference to a key back. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: private_key is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_free(private_key: *mut bgl_ssl_private_key_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::release(private_key) }
}

/// Whether two keys have the same public part.
///
/// Returns false if either is NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_private_key_equal(
    a: *const bgl_ssl_private_key_t,
    b: *const bgl_ssl_private_key_t,
) -> bool {
    // SAFETY: the precondition covers the handles.
    guard::or(false, || unsafe { Ok(handle::borrow(a)? == handle::borrow(b)?) })
}

/// Checks that a private key belongs to a certificate.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_CONFIG if it does not; BGL_SSL_E_ARGUMENT if either is NULL. Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_check_private_key(
    certificate: *const bgl_ssl_certificate_t,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        let (certificate, private_key) = unsafe { (handle::borrow(certificate)?, handle::borrow(private_key)?) };
        certificate.check_private_key(private_key)
    })
}
