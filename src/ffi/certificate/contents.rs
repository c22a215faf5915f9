//! Serial number, fingerprint, validity and encodings of a certificate.

use crate::pki::certificate::Certificate;
use std::ffi::{c_char, c_void};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_t, copy},
    convert, guard, handle,
};

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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().serial().map(String::into_bytes)) }
}

/// Copies out the digest of the certificate's DER, such as "AB:CD:...", in upper-case hexadecimal.
///
/// digest: OpenSSL's name of it, such as "SHA256" or "SHA1".
///
/// Returns the length of the whole text; 0 on failure: BGL_SSL_E_ARGUMENT for an unknown digest, BGL_SSL_E_UNSUPPORTED
/// for one that OpenSSL names but cannot use (MD4 with OpenSSL 3 without its legacy provider). Never blocks; any
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
        // SAFETY: the precondition covers the text.
        let digest = unsafe { convert::c_text(digest, "digest")? };
        certificate.fingerprint(digest).map(String::into_bytes)
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, text) }
}

/// From when the certificate is valid.
///
/// Returns seconds since 1970-01-01 00:00 UTC; INT64_MIN on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_not_before(certificate: *const bgl_ssl_certificate_t) -> i64 {
    // SAFETY: the precondition covers the handle.
    guard::or(i64::MIN, || unsafe { handle::with(certificate, |certificate| certificate.x509().not_before()) })
}

/// Until when the certificate is valid.
///
/// Returns seconds since 1970-01-01 00:00 UTC; INT64_MIN on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_not_after(certificate: *const bgl_ssl_certificate_t) -> i64 {
    // SAFETY: the precondition covers the handle.
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
    // SAFETY: the precondition covers handle and buffer.
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
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let der = handle::with(certificate, |certificate| certificate.x509().der())?;
        convert::copy_bytes(&der, buf, size)
    })
}
