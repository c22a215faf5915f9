//! The fields of a certificate as node 0.10 names them.

use crate::{
    error::Error,
    pki::certificate::{Certificate, Party},
};
use std::ffi::c_char;

use crate::ffi::{
    certificate::{bgl_ssl_certificate_t, copy},
    guard, handle,
};

/// Copies out the name of whom the certificate is for, a line for each part, such as "C=FR\nCN=example.org". Control
/// characters and what is not ASCII are escaped with a backslash.
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject_lines(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().name_lines(Party::Subject)) }
}

/// Copies out the name of who signed the certificate, as bgl_ssl_certificate_subject_lines does.
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_issuer_lines(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().name_lines(Party::Issuer)) }
}

/// Copies out the DNS names, addresses, e-mail addresses and URIs of the subjectAltName extension in one text, such as
/// "DNS:example.org, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1". A value with characters by which it could
/// pass for several names, or end the text, is quoted as JSON quotes strings (CVE-2021-44532).
///
/// Returns the length of the whole text; 0 if there are none, or on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_alt_names(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.alt_names_text().map(String::into_bytes)) }
}

/// Copies out the modulus of an RSA key, in upper-case hexadecimal without leading zeros.
///
/// Returns the length of the whole text; 0 if the key is no RSA key, or on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_modulus(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let modulus = |certificate: &Certificate| {
        let numbers = certificate.x509().rsa()?;
        Ok(numbers.map(|(modulus, _)| modulus.into_bytes()).unwrap_or_default())
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, modulus) }
}

/// Copies out the public exponent of an RSA key, in upper-case hexadecimal without leading zeros, such as "10001".
///
/// Returns the length of the whole text; 0 if the key is no RSA key, or on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_exponent(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let exponent = |certificate: &Certificate| {
        let numbers = certificate.x509().rsa()?;
        Ok(numbers.map(|(_, exponent)| exponent.into_bytes()).unwrap_or_default())
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, exponent) }
}

/// Copies out from when the certificate is valid, such as "Nov 23 16:49:18 2026 GMT".
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_valid_from(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().valid_from()) }
}

/// Copies out until when the certificate is valid, such as "Nov 23 16:49:18 2026 GMT".
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_valid_to(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().valid_to()) }
}

/// How many purposes the certificate's extended key usage has.
///
/// Returns 0 if it has no such extension, or on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_ext_key_usage_count(
    certificate: *const bgl_ssl_certificate_t,
) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(certificate, |certificate| Ok(certificate.purposes()?.len())) })
}

/// Copies out a purpose of the certificate's extended key usage: its OID, such as "1.3.6.1.5.5.7.3.1" (TLS servers).
///
/// index: from 0 to the count less 1.
///
/// Returns the length of the whole text; 0 beyond the end (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_ext_key_usage(
    certificate: *const bgl_ssl_certificate_t,
    index: usize,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let oid = |certificate: &Certificate| {
        let oids = certificate.purposes()?;
        oids.get(index).map(|oid| oid.clone().into_bytes()).ok_or_else(|| {
            Error::argument(format!("the extended key usage has {} purposes, and none at {index}", oids.len()))
        })
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, oid) }
}
