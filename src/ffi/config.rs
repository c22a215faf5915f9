//! Configs: what a connection should be.

// In the order of the header.
pub mod files;

pub mod names;

pub mod trust;

pub mod timeouts;

pub mod identity;

pub mod protocols;

pub mod algorithms;

pub mod hosts;

pub mod requirements;
pub mod revocation;
pub mod staples;
pub mod tlsa;

pub mod resumption;
pub mod sessions;
pub mod ticket_keys;

pub mod proxy;
pub mod records;
pub mod trace;
pub mod verification;

use crate::{
    config::{Config, ConfigHandle},
    error::Result,
};
use std::ptr;

use crate::ffi::{
    guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// What a connection should be: plain settings with secure defaults. The first use by a socket or server freezes a
/// config: from then on it is shared by all of them, and the functions that change it return BGL_SSL_E_STATE.
pub struct bgl_ssl_config_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_config_t {
    type Rust = ConfigHandle;
    const TAG: u64 = 0x4247_4c53_434f_4e46;
    const NOUN: &'static str = "config";
}

/// Makes a config with the defaults: TLS 1.2 or newer; a peer verified against the system's CAs and, on a client, for
/// the name of the host connected to; no certificate of its own; 30 s to connect, 10 s for a handshake (DTLS: 60 s), 2
/// s to close, no limit for reads and writes.
///
/// Returns a config, to be freed with bgl_ssl_config_free, or NULL (BGL_SSL_E_INTERNAL). Never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_config_new() -> *mut bgl_ssl_config_t {
    guard::or(ptr::null_mut(), || Ok(handle::give(ConfigHandle::default())))
}

/// Makes a config with the settings of another one; the copy is not frozen.
///
/// Returns a config, to be freed with bgl_ssl_config_free, or NULL for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_copy(config: *const bgl_ssl_config_t) -> *mut bgl_ssl_config_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(config, |config| Ok(handle::give(config.copy()))) })
}

/// Frees a config; sockets and servers made with it stay valid. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: config is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_free(config: *mut bgl_ssl_config_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(config) }
}

/// Freezes a config now, so that contradictions are found before any connection is made.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_CONFIG or BGL_SSL_E_UNSUPPORTED if settings contradict one another or OpenSSL refuses
/// one, and then the config is not frozen; BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the disk that
/// holds the system's CA certificates.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_freeze(config: *const bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(config, |config| config.freeze().map(|_| ())) })
}

/// Sets something in a config, as long as it is not frozen.
///
/// Precondition: config is NULL or live.
unsafe fn apply(config: *const bgl_ssl_config_t, set: impl FnOnce(&mut Config)) -> Result<()> {
    let set = |config: &mut Config| {
        set(config);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { handle::with(config, |config| config.change(set)) }
}

/// Changes a config's settings, as long as it is not frozen.
///
/// Precondition: config is NULL or live.
pub unsafe fn change(
    config: *const bgl_ssl_config_t,
    change: impl FnOnce(&mut Config) -> Result<()>,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(config, |config| config.change(change)) })
}
