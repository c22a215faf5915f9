//! The own certificate and its private key.

use crate::{error::Result, pki::certificate::Certificate};

use crate::ffi::{
    certificate::bgl_ssl_certificate_t, certificate::private_key::bgl_ssl_private_key_t, config::bgl_ssl_config_t,
    convert, guard, handle, status::bgl_ssl_status_t,
};

/// Sets the certificate of the connection itself, and its private key.
///
/// certificate, private_key: both, or both NULL for none (the default). The config takes references of its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if the key does not belong to the certificate, or
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live, the others likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate(
    config: *mut bgl_ssl_config_t,
    certificate: *const bgl_ssl_certificate_t,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        unsafe {
            let certificate = handle::borrow_optional(certificate)?.cloned();
            set_identity(config, certificate.into_iter().collect(), private_key)
        }
    })
}

/// Sets the certificate of the connection itself, the intermediate ones that lead from it to a CA, and the private key
/// of the first.
///
/// chain, count: the certificates, the connection's own first; NULL and 0, with private_key NULL, for none. The config
/// takes references of its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if the key does not belong to the certificate, or
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live, the others likewise; chain is readable for count pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate_chain(
    config: *mut bgl_ssl_config_t,
    chain: *const *const bgl_ssl_certificate_t,
    count: usize,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        unsafe {
            let chain = convert::clones(chain, count, "certificate chain")?;
            set_identity(config, chain, private_key)
        }
    })
}

/// Precondition: config and private_key are NULL or live.
unsafe fn set_identity(
    config: *mut bgl_ssl_config_t,
    chain: Vec<Certificate>,
    private_key: *const bgl_ssl_private_key_t,
) -> Result<()> {
    // SAFETY: the precondition covers the handles.
    unsafe {
        let key = handle::borrow_optional(private_key)?.cloned();
        handle::with(config, |config| config.change(|config| config.set_identity(chain, key)))
    }
}
