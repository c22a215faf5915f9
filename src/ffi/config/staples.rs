//! OCSP: stapled responses on both ends, and requests and answers for programs that fetch them.

use crate::{
    error::Error,
    ossl::{
        self,
        verify::{
            ocsp::{self, Status},
            requirements::StaplePolicy,
        },
    },
};
use std::ffi::{c_char, c_void};

use crate::ffi::{
    certificate::bgl_ssl_certificate_t,
    config::{bgl_ssl_config_t, change},
    convert, guard, handle,
    status::bgl_ssl_status_t,
};

/// A client asks for no stapled response, and ignores one.
pub const BGL_SSL_STAPLE_IGNORE: i32 = 0;
/// A client asks for a stapled response. One that the server sends must be good, and a certificate that demands one
/// (RFC 7633) must have one. The default.
pub const BGL_SSL_STAPLE_HONOUR: i32 = 1;
/// The server must staple a good response.
pub const BGL_SSL_STAPLE_REQUIRE: i32 = 2;

/// The certificate is not revoked.
pub const BGL_SSL_OCSP_GOOD: i32 = 0;
/// The certificate is revoked.
pub const BGL_SSL_OCSP_REVOKED: i32 = 1;
/// The responder does not know the certificate.
pub const BGL_SSL_OCSP_UNKNOWN: i32 = 2;

/// The most bytes of a response that is stapled.
const MAX_RESPONSE: usize = 64 * 1024;

/// Sets how a client treats the OCSP response that the server staples to its certificate. A response is good only if
/// the issuer of the certificate, or a responder with a certificate of the issuer's for that purpose, has signed it, if
/// it is for this certificate, and if it is of this time (that of bgl_ssl_config_set_verify_time). Where a certificate
/// is trusted itself, and its issuer is not among what the server sends, a response cannot be checked: it counts as
/// none. Only where the chain is verified; BGL_SSL_STAPLE_REQUIRE is BGL_SSL_E_CONFIG elsewhere, when the config is
/// frozen.
///
/// policy: BGL_SSL_STAPLE_... (default: BGL_SSL_STAPLE_HONOUR). A refused server is BGL_SSL_E_VERIFY.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// RFC 6066, section 8.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_staple_policy(
    config: *mut bgl_ssl_config_t,
    policy: i32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.requirements.staples = match policy {
                BGL_SSL_STAPLE_IGNORE => StaplePolicy::Ignore,
                BGL_SSL_STAPLE_HONOUR => StaplePolicy::Honour,
                BGL_SSL_STAPLE_REQUIRE => StaplePolicy::Require,
                _ => return Err(Error::argument(format!("no staple policy has the number {policy}"))),
            };
            Ok(())
        })
    }
}

/// Sets the OCSP response that a server staples to its certificate for clients that ask for one. Once set, even to
/// none, it can be replaced while the server serves: for handshakes that begin afterwards, also of copies of the
/// config.
///
/// response: len bytes of DER (at most 65536), as a responder sent them; copied without a check: see
/// bgl_ssl_ocsp_status. NULL and 0 for none.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_STATE if the config is frozen and nothing was set before. Never
/// blocks; any thread.
///
/// Precondition: config is NULL or live; response is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_staple(
    config: *const bgl_ssl_config_t,
    response: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    guard::done(|| unsafe {
        let response = convert::bytes(response, len, "OCSP response")?;
        if len > MAX_RESPONSE {
            return Err(Error::argument(format!("the OCSP response has {len} bytes, more than {MAX_RESPONSE}")));
        }
        handle::with(config, |config| config.set_staple((len > 0).then(|| response.into())))
    })
}

/// Copies out where the issuer of a certificate answers OCSP requests about it.
///
/// Returns the length of the whole text; 0 if the certificate does not say, and on failure. Never blocks; any thread.
///
/// Precondition: certificate is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_ocsp_url(
    certificate: *const bgl_ssl_certificate_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let url = handle::with(certificate, |certificate| Ok(certificate.x509().ocsp_url()))?;
        convert::copy_text(&url, buf, size)
    })
}

/// Copies out an OCSP request for the status of a certificate, in DER: what a program posts to the address that
/// bgl_ssl_certificate_ocsp_url gives, as application/ocsp-request.
///
/// issuer: the certificate of the CA that issued it.
///
/// Returns how many bytes there are; 0 on failure (BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG, BGL_SSL_E_NO_MEMORY). Never
/// blocks; any thread. See RFC 6960.
///
/// Precondition: certificate and issuer are NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ocsp_request(
    certificate: *const bgl_ssl_certificate_t,
    issuer: *const bgl_ssl_certificate_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handles and buffer.
    guard::or(0, || unsafe {
        let request = ocsp::request(handle::borrow(certificate)?.x509(), handle::borrow(issuer)?.x509())?;
        convert::copy_bytes(&request, buf, size)
    })
}

/// What an OCSP response says of a certificate, checked as bgl_ssl_config_set_staple_policy says.
///
/// response: len bytes of DER.
/// issuer: the certificate of the CA that issued it.
/// until: set to the time until which a good response is valid, in seconds since 1970; 0 for others and on failure; may
/// be NULL.
///
/// Returns BGL_SSL_OCSP_...; a negative status on failure: BGL_SSL_E_VERIFY if the response cannot be relied on
/// (another signer, another certificate, another time), BGL_SSL_E_CONFIG if it is damaged or the responder reports an
/// error, BGL_SSL_E_ARGUMENT. Never blocks; any thread. See RFC 6960.
///
/// Precondition: response is NULL or readable for len bytes; certificate and issuer are NULL or live; until is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_ocsp_status(
    response: *const c_void,
    len: usize,
    certificate: *const bgl_ssl_certificate_t,
    issuer: *const bgl_ssl_certificate_t,
    until: *mut i64,
) -> i32 {
    // SAFETY: the precondition covers handles and pointers.
    guard::status(|| unsafe {
        convert::store(until, 0);
        let response = convert::bytes(response, len, "OCSP response")?;
        let (leaf, issuer) = (handle::borrow(certificate)?.x509(), handle::borrow(issuer)?.x509());
        let status = ocsp::status_of(response, leaf, issuer, ossl::now())?;
        Ok(match status {
            Status::Good { until: end } => {
                convert::store(until, end);
                BGL_SSL_OCSP_GOOD
            }
            Status::Revoked => BGL_SSL_OCSP_REVOKED,
            Status::Unknown => BGL_SSL_OCSP_UNKNOWN,
        })
    })
}
