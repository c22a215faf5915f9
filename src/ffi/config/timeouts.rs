//! Time limits, and when the handshake takes place.

use crate::{config::Config, net::deadline::Limit};
use std::time::Duration;

use crate::ffi::{
    config::{apply, bgl_ssl_config_t, change},
    convert, guard,
    status::bgl_ssl_status_t,
};

/// Sets the time limit for bgl_ssl_connect as a whole: looking the name up, connecting, and the handshake.
///
/// microseconds: 0 for none. Default: 30 s.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_connect_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.connect) }
}

/// Sets the time limit for a handshake, on either end.
///
/// microseconds: 0 for none. Default: 10 s; for datagrams (DTLS) 60 s, because what is lost is sent again after 1 s,
/// then 2, 4 ... It holds for all addresses of a host together, each of which gets a share.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_handshake_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(config, microseconds, |config| config.limits.handshake.get_or_insert(None)) }
}

/// Sets the time limit for one read.
///
/// microseconds: 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_read_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.read) }
}

/// Sets the time limit for one write, and for ending the writing half.
///
/// microseconds: 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_write_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.write) }
}

/// Sets the time limit for a close: for flushing, which the call waits for, and for the peer's last bytes, which are
/// read in the background.
///
/// microseconds: 0: a close waits for nothing, neither in the call nor in the background. Default: 2 s.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_close_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.limits.close = convert::limit(microseconds)?.unwrap_or(Duration::ZERO);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets whether the handshake is left to a socket's first read, write or bgl_ssl_socket_handshake, so that connecting,
/// upgrading and accepting do not wait for it.
///
/// lazy: default false.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_lazy_handshake(
    config: *mut bgl_ssl_config_t,
    lazy: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { apply(config, |config| config.lazy_handshake = lazy) })
}

/// Precondition: config is NULL or live.
unsafe fn set_limit(
    config: *const bgl_ssl_config_t,
    microseconds: i64,
    field: impl FnOnce(&mut Config) -> &mut Limit,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        *field(config) = convert::limit(microseconds)?;
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}
