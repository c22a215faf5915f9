//! Many names: identities, and hosts with configs of their own.

use crate::{config::UnknownHost, error::Error, hosts::Pattern};
use std::ffi::c_char;

use super::{bgl_ssl_config_t, change};
use crate::ffi::{certificate::identity::bgl_ssl_identity_t, convert, guard, handle, status::bgl_ssl_status_t};

/// Clients that ask for an unknown host, or for none, get the default identity and the config's own settings. The
/// default.
pub const BGL_SSL_UNKNOWN_HOST_DEFAULT: i32 = 0;
/// Clients that ask for an unknown host, or for none, are refused with the fatal alert unrecognized_name (112).
pub const BGL_SSL_UNKNOWN_HOST_REFUSE: i32 = 1;

/// Adds an identity to a config. A config can have any number. Servers choose by the name that the client asks for
/// (SNI): among those whose certificates are for that name, exactly or by a wildcard for one label, and of each type of
/// key (RSA, EC, Ed25519 ...) the first, the one that the client can verify. For other names, and for none, it is the
/// first identity, with those of other types of key for the same name. Clients present the first.
///
/// The bgl_ssl_config_set_certificate functions set the first identity, and drop all others.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config and identity are NULL or live. The config keeps the identity alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_identity(
    config: *mut bgl_ssl_config_t,
    identity: *const bgl_ssl_identity_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        change(config, |config| {
            config.identities.push(handle::borrow(identity)?.clone());
            Ok(())
        })
    }
}

/// Gives a host of a server a config of its own: its certificates, client authentication, ALPN, versions and ciphers
/// count for clients that ask for the host by name (SNI). Time limits and the settings for datagrams are those of
/// `config`. What was agreed with one host is never resumed with another. Looking a name up takes the same time however
/// many hosts there are. See docs/hosts.md.
///
/// pattern: a host name ("www.example.org"), or "*.example.org" for all names with exactly one label more; an exact
/// name takes precedence over a wildcard. Case and a final dot do not matter. Names with other characters than ASCII
/// are given as A-labels ("xn--..."). Addresses are refused: clients do not send them.
/// host: needs a certificate, and has no hosts of its own. It is frozen by this, and may be used for several names.
/// config keeps it alive.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG if host cannot be used, or config has one for the pattern
/// already; BGL_SSL_E_STATE if config is frozen; what bgl_ssl_config_freeze returns for host. That one is for TLS and
/// the other for DTLS is found out when config is frozen. Any thread. Blocks no longer than the disk that holds the
/// system's CA certificates.
///
/// Precondition: config and host are NULL or live, pattern is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_host(
    config: *mut bgl_ssl_config_t,
    pattern: *const c_char,
    host: *const bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handles and text.
    guard::done(|| unsafe {
        let pattern = Pattern::parse(convert::text(pattern, "pattern")?)?;
        let host = handle::borrow(host)?;
        handle::with(config.cast_const(), |config| config.add_host(pattern, host))
    })
}

/// Sets what a server does with clients that ask for a host for which it has neither a config nor a certificate, or
/// that ask for none (no SNI, as with an address).
///
/// policy: BGL_SSL_UNKNOWN_HOST_DEFAULT or BGL_SSL_UNKNOWN_HOST_REFUSE.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_unknown_host(
    config: *mut bgl_ssl_config_t,
    policy: i32,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.unknown_host = match policy {
                BGL_SSL_UNKNOWN_HOST_DEFAULT => UnknownHost::Default,
                BGL_SSL_UNKNOWN_HOST_REFUSE => UnknownHost::Refuse,
                _ => return Err(Error::argument(format!("no policy for unknown hosts has the number {policy}"))),
            };
            Ok(())
        })
    }
}
