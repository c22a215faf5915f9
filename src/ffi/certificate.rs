//! Certificates, lists of them, private keys, PKCS#12 files.

pub mod details;
pub mod pkcs12;
pub mod private_key;

use crate::{
    certificate::{Certificate, Party},
    error::{Error, Result},
    pem::Format,
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
    // SAFETY: the caller vouches for the text.
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
        // SAFETY: the caller vouches for the text.
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
        // SAFETY: the caller vouches for the text.
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
        // SAFETY: the caller vouches for the bytes.
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
        // SAFETY: the caller vouches for the bytes.
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
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::retain(certificate) })
}

/// Gives a reference to a certificate back. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: certificate is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_free(certificate: *mut bgl_ssl_certificate_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::release(certificate) }
}

/// How many certificates a list has.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: list is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_length(list: *const bgl_ssl_certificate_list_t) -> usize {
    // SAFETY: the caller vouches for the handle.
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
        // SAFETY: the caller vouches for the handle.
        let list = unsafe { handle::borrow(list)? };
        match list.get(index) {
            Some(certificate) => Ok(handle::share(certificate.clone())),
            None => Err(Error::argument(format!("the list has {} certificates, and none at {index}", list.len()))),
        }
    })
}

/// Frees a list; certificates got from it live on. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: list is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_list_free(list: *mut bgl_ssl_certificate_list_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::free(list) }
}

/// The CommonName of whom the certificate is for, whole, in UTF-8; the last one if there are several. It may hold NULs:
/// see bgl_ssl_certificate_subject_length. (Bigloo: certificate-subject.)
///
/// Returns a text that lives as long as the certificate, empty if there is no CommonName; NULL for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject(certificate: *const bgl_ssl_certificate_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { common_name(certificate, Party::Subject) }
}

/// The CommonName of who signed the certificate, as bgl_ssl_certificate_subject gives that of whom it is for. (Bigloo:
/// certificate-issuer.)
///
/// Returns a text that lives as long as the certificate, empty if there is no CommonName; NULL for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_issuer(certificate: *const bgl_ssl_certificate_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { common_name(certificate, Party::Issuer) }
}

/// The length in bytes of what bgl_ssl_certificate_subject returns, NULs in it included.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject_length(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    unsafe { common_name_length(certificate, Party::Subject) }
}

/// The length in bytes of what bgl_ssl_certificate_issuer returns, NULs in it included.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_issuer_length(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    unsafe { common_name_length(certificate, Party::Issuer) }
}

/// Precondition: As for the callers.
unsafe fn common_name(certificate: *const bgl_ssl_certificate_t, party: Party) -> *const c_char {
    guard::or(ptr::null(), || {
        // SAFETY: the caller vouches for the handle.
        let certificate = unsafe { handle::borrow(certificate)? };
        Ok(certificate.common_name(party)?.as_ptr().cast())
    })
}

/// Precondition: As for the callers.
unsafe fn common_name_length(certificate: *const bgl_ssl_certificate_t, party: Party) -> usize {
    guard::or(0, || {
        // SAFETY: the caller vouches for the handle.
        let certificate = unsafe { handle::borrow(certificate)? };
        Ok(certificate.common_name(party)?.len().saturating_sub(1))
    })
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
    // SAFETY: the caller vouches for handle and buffer.
    guard::or(0, || unsafe {
        let text = handle::with(certificate, text)?;
        convert::copy_text(&text, buf, size)
    })
}

/// Copies out the whole name of whom the certificate is for, such as "CN=example.org,O=Example" (RFC 2253, UTF-8).
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject_name(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.name(Party::Subject)) }
}

/// Copies out the whole name of who signed the certificate (RFC 2253, UTF-8).
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_issuer_name(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.name(Party::Issuer)) }
}

/// Copies out the serial number in upper-case hexadecimal.
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_serial(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().serial().map(String::into_bytes)) }
}

/// Copies out the digest of the certificate's DER, such as "AB:CD:...", in upper-case hexadecimal.
///
/// digest: OpenSSL's name of it, such as "SHA256" or "SHA1".
///
/// Returns the length of the whole text; 0 on failure (BGL_SSL_E_ARGUMENT for an unknown digest). Never blocks; any
/// thread.
///
/// Precondition: certificate is NULL or live; digest is NULL or NUL-terminated; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_fingerprint(
    certificate: *const bgl_ssl_certificate_t,
    digest: *const c_char,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let text = |certificate: &Certificate| {
        // SAFETY: the caller vouches for the text.
        let digest = unsafe { convert::c_text(digest, "digest")? };
        certificate.fingerprint(digest).map(String::into_bytes)
    };
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, text) }
}

/// How many DNS names, addresses, e-mail addresses and URIs the certificate's subjectAltName has.
///
/// Returns 0 if it has none, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_alt_name_count(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    guard::or(0, || unsafe { handle::with(certificate, |certificate| Ok(certificate.alt_names()?.len())) })
}

/// Copies out one of these names: "DNS:example.org", "IP:127.0.0.1", "EMAIL:...", "URI:...". A value with characters
/// that could be mistaken for something else is quoted as a JSON string is (CVE-2021-44532).
///
/// index: from 0 to the count less 1.
///
/// Returns the length of the whole text; 0 on failure (BGL_SSL_E_ARGUMENT beyond the end). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_alt_name(
    certificate: *const bgl_ssl_certificate_t,
    index: usize,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let text = |certificate: &Certificate| {
        let name = certificate.alt_names()?.get(index).map(|name| name.clone().into_bytes());
        name.ok_or_else(|| Error::argument(format!("the certificate has no alternative name {index}")))
    };
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, text) }
}

/// From when the certificate is valid.
///
/// Returns seconds since 1970-01-01 00:00 UTC; INT64_MIN on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_not_before(certificate: *const bgl_ssl_certificate_t) -> i64 {
    // SAFETY: the caller vouches for the handle.
    guard::or(i64::MIN, || unsafe { handle::with(certificate, |certificate| certificate.x509().not_before()) })
}

/// Until when the certificate is valid.
///
/// Returns seconds since 1970-01-01 00:00 UTC; INT64_MIN on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_not_after(certificate: *const bgl_ssl_certificate_t) -> i64 {
    // SAFETY: the caller vouches for the handle.
    guard::or(i64::MIN, || unsafe { handle::with(certificate, |certificate| certificate.x509().not_after()) })
}

/// Copies the certificate out as PEM.
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_pem(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().pem()) }
}

/// Copies the certificate out as DER: as many bytes as fit.
///
/// Returns how many bytes there are; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_der(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    guard::or(0, || unsafe {
        let der = handle::with(certificate, |certificate| certificate.x509().der())?;
        convert::copy_bytes(&der, buf, size)
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
    // SAFETY: the caller vouches for the handles.
    guard::or(false, || unsafe { Ok(handle::borrow(a)? == handle::borrow(b)?) })
}
