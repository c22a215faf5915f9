//! The name to verify, and the name to send (SNI).

use crate::{config::ServerName, error::Error, hostname::Hostname};
use std::ffi::c_char;

use crate::ffi::{
    config::{apply, bgl_ssl_config_t},
    convert, guard,
    status::bgl_ssl_status_t,
};

/// Sets the name that a client verifies and sends as SNI, if that is not the host connected to.
///
/// hostname: an ASCII DNS name (A-labels for others) or an IP address; NULL for the host connected to (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; hostname is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_hostname(
    config: *mut bgl_ssl_config_t,
    hostname: *const c_char,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers text and handle.
        unsafe {
            let hostname = convert::optional_text(hostname, "host name")?.map(Hostname::parse).transpose()?;
            apply(config, |config| config.hostname = hostname)
        }
    })
}

/// Sets the name that a client sends as SNI (RFC 6066), without any effect on what is verified.
///
/// server_name: an ASCII DNS name; NULL for the host's (the default; an IP address is never sent); "" to send none.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; server_name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_server_name(
    config: *mut bgl_ssl_config_t,
    server_name: *const c_char,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers text and handle.
        unsafe {
            let choice = match convert::optional_text(server_name, "server name")? {
                None => ServerName::Host,
                Some("") => ServerName::Omitted,
                Some(name) => match Hostname::parse(name)? {
                    Hostname::Name(name) => ServerName::Given(name),
                    Hostname::Ip(_) => {
                        return Err(Error::argument("an IP address is never sent as SNI (RFC 6066)"));
                    }
                },
            };
            apply(config, |config| config.server_name = choice)
        }
    })
}
