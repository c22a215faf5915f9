//! The names in a certificate: subject, issuer, alternative names.

use crate::{
    error::Error,
    pki::certificate::{Certificate, Party},
};
use std::{ffi::c_char, ptr};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_t, copy},
    guard, handle,
};

/// The CommonName of whom the certificate is for, whole, in UTF-8; the last one if there are several. It may hold NULs:
/// see bgl_ssl_certificate_subject_length. (Bigloo: certificate-subject.)
///
/// Returns a text that lives as long as the certificate, empty if there is no CommonName; NULL for NULL
/// (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject(certificate: *const bgl_ssl_certificate_t) -> *const c_char {
    // SAFETY: the precondition covers the handle.
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
    // SAFETY: the precondition covers the handle.
    unsafe { common_name(certificate, Party::Issuer) }
}

/// The length in bytes of what bgl_ssl_certificate_subject returns, NULs in it included.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject_length(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the precondition covers the handle.
    unsafe { common_name_length(certificate, Party::Subject) }
}

/// The length in bytes of what bgl_ssl_certificate_issuer returns, NULs in it included.
///
/// Returns 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_issuer_length(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the precondition covers the handle.
    unsafe { common_name_length(certificate, Party::Issuer) }
}

/// Precondition: As for the callers.
unsafe fn common_name(certificate: *const bgl_ssl_certificate_t, party: Party) -> *const c_char {
    guard::or(ptr::null(), || {
        // SAFETY: the precondition covers the handle.
        let certificate = unsafe { handle::borrow(certificate)? };
        Ok(certificate.common_name(party)?.as_ptr().cast())
    })
}

/// Precondition: As for the callers.
unsafe fn common_name_length(certificate: *const bgl_ssl_certificate_t, party: Party) -> usize {
    guard::or(0, || {
        // SAFETY: the precondition covers the handle.
        let certificate = unsafe { handle::borrow(certificate)? };
        Ok(certificate.common_name(party)?.len().saturating_sub(1))
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
    // SAFETY: the precondition covers handle and buffer.
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.name(Party::Issuer)) }
}

/// How many DNS names, addresses, e-mail addresses and URIs the certificate's subjectAltName has.
///
/// Returns 0 if it has none, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_alt_name_count(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the precondition covers the handle.
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, text) }
}
