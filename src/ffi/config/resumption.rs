//! Resumption of sessions by clients.

use crate::ffi::{
    config::{apply, bgl_ssl_config_t},
    guard,
    status::bgl_ssl_status_t,
};

/// Sets whether a client keeps the sessions that it gets, and resumes them with later connections by itself. A resumed
/// handshake saves both ends most of their work, and proves that the server is the one that was verified before.
///
/// Sessions are kept in the memory of the process, for all its configs: of 256 hosts at most, those of TLS 1.3 (4 of a
/// host) for one connection each, and none for longer than a week. They are resumed with the same host and port only,
/// and where everything that decides about the server is the same: the name, CAs, pins, accepted certificates, CRLs,
/// versions, ciphers, ALPN names, the client's own certificate. Names, expiry and the like are checked again. A child
/// process does not use those of its parent. A session given to bgl_ssl_connect_resume goes first.
///
/// resume: default: true where chain and name of the server are verified, false elsewhere. Where a stapled OCSP
/// response is required nothing is resumed, and neither over descriptors that have no peer with an internet address.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_resume(
    config: *mut bgl_ssl_config_t,
    resume: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { apply(config, |config| config.resume = Some(resume)) })
}
