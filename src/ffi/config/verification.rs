//! Verifying a certificate without a connection.

use crate::{
    config::ConfigHandle,
    error::{Error, Result},
    hostname::Hostname,
    ossl::verify::certificate::Purpose,
    verify::certificate,
};
use std::{ffi::c_char, ptr};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    config::bgl_ssl_config_t,
    convert, guard, handle,
    status::bgl_ssl_status_t,
};

/// The certificate may be for anything.
pub const BGL_SSL_PURPOSE_ANY: i32 = 0;
/// The certificate must be for TLS servers.
pub const BGL_SSL_PURPOSE_SERVER: i32 = 1;
/// The certificate must be for TLS clients.
pub const BGL_SSL_PURPOSE_CLIENT: i32 = 2;

fn purpose_of(number: i32) -> Result<Purpose> {
    match number {
        BGL_SSL_PURPOSE_ANY => Ok(Purpose::Any),
        BGL_SSL_PURPOSE_SERVER => Ok(Purpose::Server),
        BGL_SSL_PURPOSE_CLIENT => Ok(Purpose::Client),
        _ => Err(Error::argument(format!("no purpose has the number {number}"))),
    }
}

/// Verifies a certificate without a connection: its chain, and all else that a config demands of peers (accepted list,
/// pins, depth, time, flags, revocation lists). The chain is verified whatever the config says of that, against the
/// config's CAs or, if it names none, the system's.
///
/// intermediates: certificates of CAs that may be part of the chain, and are not trusted; NULL for none.
/// config: frozen by this; NULL for the defaults. One with TLSA records, or with BGL_SSL_STAPLE_REQUIRE, is about
/// connections, and refused (BGL_SSL_E_CONFIG).
/// purpose: BGL_SSL_PURPOSE_...
/// hostname: a DNS name or an IP address that the certificate must be for; NULL for any.
/// chain: where the verified chain is put, the certificate first, to be freed with bgl_ssl_certificate_list_free, or
/// NULL on any failure. NULL if it is of no interest.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_VERIFY or BGL_SSL_E_NAME if the certificate is not good: bgl_ssl_last_error has the
/// reason in words, and as an X509_V_ERR_... number in verify_result; BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG,
/// BGL_SSL_E_UNSUPPORTED or BGL_SSL_E_IO for the config, the system's CAs or the revocation lists. Any thread. Blocks
/// no longer than the disk that holds these. See X509_verify_cert(3).
///
/// Precondition: the handles are NULL or live; hostname is NULL or NUL-terminated; chain is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_certificate_verify(
    certificate: *const bgl_ssl_certificate_t,
    intermediates: *const bgl_ssl_certificate_list_t,
    config: *const bgl_ssl_config_t,
    purpose: i32,
    hostname: *const c_char,
    chain: *mut *mut bgl_ssl_certificate_list_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handles, text and pointer.
    guard::done(|| unsafe {
        convert::store(chain, ptr::null_mut());
        let leaf = handle::borrow(certificate)?;
        let intermediates = handle::borrow_optional(intermediates)?.map_or(&[][..], Vec::as_slice);
        let frozen = match handle::borrow_optional(config)? {
            Some(config) => config.freeze()?,
            None => ConfigHandle::default().freeze()?,
        };
        let name = convert::optional_text(hostname, "host name")?.map(Hostname::parse).transpose()?;
        let verified = certificate::verify(&frozen, leaf, intermediates, purpose_of(purpose)?, name.as_ref())?;
        if !chain.is_null() {
            convert::store(chain, handle::give(verified));
        }
        Ok(())
    })
}
