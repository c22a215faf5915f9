//! Key identifiers, policies, timestamps and other extensions of a certificate.

use crate::{
    error::{Code, Error, Result},
    pki::certificate::Certificate,
};
use std::ffi::{c_char, c_void};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_t, copy},
    convert, guard, handle,
};

/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
unsafe fn copy_bytes(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
    bytes: impl FnOnce(&Certificate) -> Result<Vec<u8>>,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe { convert::copy_bytes(&handle::with(certificate, bytes)?, buf, size) })
}

/// Copies out the identifier of the certificate's key (subjectKeyIdentifier): as many bytes as fit.
///
/// Returns how many bytes there are; 0 if it has none, and on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_subject_key_id(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy_bytes(certificate, buf, size, |certificate| Ok(certificate.x509().subject_key_id())) }
}

/// Copies out the identifier of the key that has signed the certificate (authorityKeyIdentifier): as many bytes as fit.
///
/// Returns how many bytes there are; 0 if it names none, and on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_authority_key_id(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy_bytes(certificate, buf, size, |certificate| Ok(certificate.x509().authority_key_id())) }
}

/// How many policies the certificate was issued under (certificatePolicies).
///
/// Returns 0 if it has no such extension, or on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_policy_count(certificate: *const bgl_ssl_certificate_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(certificate, |certificate| Ok(certificate.x509().policies()?.len())) })
}

/// Copies out a policy of the certificate: its OID, such as "2.23.140.1.2.1" (domain validated).
///
/// index: from 0 to the count less 1.
///
/// Returns the length of the whole text; 0 beyond the end (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_policy(
    certificate: *const bgl_ssl_certificate_t,
    index: usize,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let policy = |certificate: &Certificate| {
        let policies = certificate.x509().policies()?;
        let none =
            || Error::argument(format!("the certificate has {} policies, and none at {index}", policies.len()));
        policies.get(index).map(|policy| policy.clone().into_bytes()).ok_or_else(none)
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, policy) }
}

/// Copies out the signed certificate timestamps that the certificate carries, as a SignedCertificateTimestampList of
/// TLS: as many bytes as fit. They are not verified.
///
/// Returns how many bytes there are; 0 if there are none, and on failure (BGL_SSL_E_CONFIG if they cannot be read).
/// Never blocks; any thread. See RFC 6962, section 3.3.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_timestamps(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy_bytes(certificate, buf, size, |certificate| certificate.x509().timestamps()) }
}

/// Copies out the value of any extension of the certificate, as DER has it: as many bytes as fit.
///
/// oid: of the extension, in dotted numbers, such as "2.5.29.17" (subjectAltName).
///
/// Returns how many bytes there are; 0 if it has no such extension (the last error is BGL_SSL_E_STATE then), and on
/// failure (BGL_SSL_E_ARGUMENT for a text that is no OID). Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; oid is NULL or NUL-terminated; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_extension(
    certificate: *const bgl_ssl_certificate_t,
    oid: *const c_char,
    buf: *mut c_void,
    size: usize,
) -> usize {
    let value = |certificate: &Certificate| {
        // SAFETY: the precondition covers the text.
        let oid = unsafe { convert::c_text(oid, "oid")? };
        let none =
            || Error::new(Code::State, format!("the certificate has no extension {}", oid.to_string_lossy()));
        certificate.x509().extension(oid)?.ok_or_else(none)
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy_bytes(certificate, buf, size, value) }
}
