//! Certificates, lists of them, private keys, PKCS#12 files.

// In the order of the header.
pub mod names;

pub mod contents;
pub mod key;

pub mod details;
pub mod ids;

pub mod private_key;

pub mod pkcs12;
pub mod uri;

pub mod identity;

use crate::{
    error::{Error, Result},
    pki::{certificate::Certificate, pem::Format},
};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    convert, guard,
    handle::{self, Handle},
};

/// An X.509 certificate: reference-counted, never changed.
pub struct bgl_ssl_certificate_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_certificate_t {
    type Rust = Certificate;
    const TAG: u64 = 0x4247_4c53_4345_5254;
    const NOUN: &'static str = "certificate";
}

/// A list of certificates, never changed.
pub struct bgl_ssl_certificate_list_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_certificate_list_t {
    type Rust = Vec<Certificate>;
    const TAG: u64 = 0x4247_4c53_4c49_5354;
    const NOUN: &'static str = "certificate list";
}

/// PEM if there is a "-----BEGIN " in it, else DER.
pub const BGL_SSL_FORMAT_AUTO: i32 = 0;
/// PEM (RFC 7468), with any text around.
pub const BGL_SSL_FORMAT_PEM: i32 = 1;
/// DER.
pub const BGL_SSL_FORMAT_DER: i32 = 2;

/// The first certificate of a PEM file. (Bigloo: read-certificate.)
///
/// file: a regular file of at most 16 MB.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, or NULL: BGL_SSL_E_IO if the file cannot be read,
/// BGL_SSL_E_CONFIG if it holds none (the message says what it holds instead). Any thread. Blocks no longer than the
/// disk.
///
/// Precondition: file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_load_certificate(file: *const c_char) -> *mut bgl_ssl_certificate_t {
    // SAFETY: the precondition covers the text.
    unsafe { bgl_ssl_certificate_from_file(file, BGL_SSL_FORMAT_PEM) }
}

/// All certificates of a PEM file, in the file's order. (Bigloo: read-pem-file.)
///
/// file: a regular file of at most 16 MB.
///
/// Returns a list of at least one, to be freed with bgl_ssl_certificate_list_free, or NULL: BGL_SSL_E_IO if the file
/// cannot be read, BGL_SSL_E_CONFIG if it holds no certificate or a damaged one. Any thread. Blocks no longer than the
/// disk.
///
/// Precondition: file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_load_pem(file: *const c_char) -> *mut bgl_ssl_certificate_list_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        let path = unsafe { convert::path(file)? };
        Certificate::all_from_file(path).map(handle::give)
    })
}

/// The first certificate of a file.
///
/// file: a regular file of at most 16 MB.
/// format: BGL_SSL_FORMAT_...
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_IO if the
/// file cannot be read, BGL_SSL_E_CONFIG if it holds no certificate. Any thread. Blocks no longer than the disk.
///
/// Precondition: file is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_from_file(
    file: *const c_char,
    format: i32,
) -> *mut bgl_ssl_certificate_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the text.
        let path = unsafe { convert::path(file)? };
        Certificate::from_file(path, Format::from_number(format)?).map(handle::share)
    })
}

/// The first certificate in memory.
///
/// data: len bytes, not kept.
/// format: BGL_SSL_FORMAT_...
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, or NULL: BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if
/// there is no certificate. Never blocks; any thread.
///
/// Precondition: data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_from_mem(
    data: *const c_void,
    len: usize,
    format: i32,
) -> *mut bgl_ssl_certificate_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the bytes.
        let data = unsafe { convert::bytes(data, len, "data")? };
        Certificate::from_bytes(data, Format::from_number(format)?).map(handle::share)
    })
}

/// All certificates of a PEM text in memory, in its order.
///
/// pem: len bytes, not kept.
///
/// Returns a list of at least one, to be freed with bgl_ssl_certificate_list_free, or NULL: BGL_SSL_E_ARGUMENT,
/// BGL_SSL_E_CONFIG if there is no certificate or a damaged one. Never blocks; any thread.
///
/// Precondition: pem is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_from_mem(
    pem: *const c_void,
    len: usize,
) -> *mut bgl_ssl_certificate_list_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the bytes.
        let pem = unsafe { convert::bytes(pem, len, "PEM text")? };
        Certificate::all_from_pem(pem).map(handle::give)
    })
}

/// Takes one more reference to a certificate.
///
/// Returns the same certificate, which is freed once more than before, or NULL for NULL (BGL_SSL_E_ARGUMENT). Never
/// blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_retain(
    certificate: *const bgl_ssl_certificate_t,
) -> *mut bgl_ssl_certificate_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::retain(certificate) })
}

/// Gives a reference to a certificate back. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: certificate is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_free(certificate: *mut bgl_ssl_certificate_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::release(certificate) }
}

/// How many certificates a list has.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: list is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_length(list: *const bgl_ssl_certificate_list_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(list, |list| Ok(list.len())) })
}

/// A certificate of a list.
///
/// index: from 0 to the length less 1.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, which may outlive the list; NULL beyond the end
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: list is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_get(
    list: *const bgl_ssl_certificate_list_t,
    index: usize,
) -> *mut bgl_ssl_certificate_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let list = unsafe { handle::borrow(list)? };
        match list.get(index) {
            Some(certificate) => Ok(handle::share(certificate.clone())),
            None => Err(Error::argument(format!("the list has {} certificates, and none at {index}", list.len()))),
        }
    })
}

/// Frees a list; certificates taken from it stay valid. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: list is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_free(list: *mut bgl_ssl_certificate_list_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(list) }
}

/// Copies out what `text` finds.
///
/// Precondition: certificate is NULL or live, buf NULL or writable for size bytes.
unsafe fn copy(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
    text: impl FnOnce(&Certificate) -> Result<Vec<u8>>,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let text = handle::with(certificate, text)?;
        convert::copy_text(&text, buf, size)
    })
}

/// Whether two certificates are the same, byte for byte.
///
/// Returns false if either is NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: Both are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_equal(
    a: *const bgl_ssl_certificate_t,
    b: *const bgl_ssl_certificate_t,
) -> bool {
    // SAFETY: the precondition covers the handles.
    guard::or(false, || unsafe { Ok(handle::borrow(a)? == handle::borrow(b)?) })
}
