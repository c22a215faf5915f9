//! What a certificate says about its key: algorithm, size, usages.

use crate::pki::certificate::Certificate;
use std::ffi::{c_char, c_int};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_t, copy},
    guard, handle,
};

/// The certificate has no key usage extension: every usage is allowed.
pub const BGL_SSL_KEY_USAGE_ANY: i32 = -1;
/// Signatures other than those of certificates and CRLs: what TLS servers and clients need.
pub const BGL_SSL_KEY_USAGE_DIGITAL_SIGNATURE: i32 = 0x80;
/// Signatures that cannot be denied (contentCommitment).
pub const BGL_SSL_KEY_USAGE_NON_REPUDIATION: i32 = 0x40;
/// Encrypting keys: what RSA key exchange needs.
pub const BGL_SSL_KEY_USAGE_KEY_ENCIPHERMENT: i32 = 0x20;
/// Encrypting data.
pub const BGL_SSL_KEY_USAGE_DATA_ENCIPHERMENT: i32 = 0x10;
/// Key agreement: static Diffie-Hellman.
pub const BGL_SSL_KEY_USAGE_KEY_AGREEMENT: i32 = 0x08;
/// Signing certificates.
pub const BGL_SSL_KEY_USAGE_KEY_CERT_SIGN: i32 = 0x04;
/// Signing CRLs.
pub const BGL_SSL_KEY_USAGE_CRL_SIGN: i32 = 0x02;
/// With key agreement: for encryption only.
pub const BGL_SSL_KEY_USAGE_ENCIPHER_ONLY: i32 = 0x01;
/// With key agreement: for decryption only.
pub const BGL_SSL_KEY_USAGE_DECIPHER_ONLY: i32 = 0x8000;

/// Copies out the algorithm of the certificate's key: "RSA", "RSA-PSS", "EC", "ED25519", "ED448", "DSA", or another
/// name of OpenSSL's; an OID in dotted numbers if OpenSSL has no name.
///
/// Returns the length of the whole text; 0 on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_key_type(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(certificate, buf, size, |certificate| certificate.x509().key_type().map(String::into_bytes)) }
}

/// The size of the certificate's key.
///
/// Returns bits, such as 2048 for an RSA modulus or 256 for the curve P-256; 0 if OpenSSL cannot use the key
/// (BGL_SSL_E_UNSUPPORTED), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread. See EVP_PKEY_bits(3).
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_key_bits(certificate: *const bgl_ssl_certificate_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(certificate, |certificate| certificate.x509().key_bits()) })
}

/// Whether the certificate is a CA's: its basic constraints say so.
///
/// Returns false also for certificates without basic constraints, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread. See RFC 5280, section 4.2.1.9.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_is_ca(certificate: *const bgl_ssl_certificate_t) -> bool {
    // SAFETY: the precondition covers the handle.
    guard::or(false, || unsafe { handle::with(certificate, |certificate| Ok(certificate.x509().is_ca())) })
}

/// What the certificate's key may be used for. (Its purposes: bgl_ssl_certificate_ext_key_usage.)
///
/// Returns the sum of BGL_SSL_KEY_USAGE_... numbers; BGL_SSL_KEY_USAGE_ANY if the certificate has no such extension; 0
/// for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread. See RFC 5280, section 4.2.1.3.
///
/// Precondition: certificate is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_key_usage(certificate: *const bgl_ssl_certificate_t) -> i32 {
    let usage = |certificate: &Certificate| {
        Ok(certificate.x509().key_usage().map_or(BGL_SSL_KEY_USAGE_ANY, |bits| bits as i32))
    };
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(certificate, usage) })
}
