//! Proxies.

use crate::net::proxy::choice::ProxyChoice;
use std::ffi::c_char;

use super::bgl_ssl_config_t;
use crate::ffi::{convert, guard, handle, status::bgl_ssl_status_t};

/// Sets the proxy through which clients connect to hosts (bgl_ssl_connect and its kin). TLS is between the client and the
/// host: the proxy sees the host's name and port, and the host sees nothing of the proxy's user and password. Sessions and
/// verification are the host's. Unix sockets and descriptors are connected to without it.
///
/// url: "http://", "https://" (TLS to the proxy, and the host's TLS inside it), "socks5://" (the name is looked up here) or
/// "socks5h://" (the proxy looks it up), then a user and a password if the proxy wants them, host and port:
/// "http://user:password@proxy.example.org:3128". The default ports are 80, 443 and 1080. IPv6 addresses have brackets. Special characters in user and password are written as %41. Without "://" it is http. HTTP
/// proxies are asked by CONNECT, with the scheme Basic if there is a user. SOCKS 4, proxies of other kinds, and other schemes of
/// authentication (Digest, Negotiate) are not supported. NULL: no proxy (the default). "env": what the environment says now,
/// in the first of https_proxy, HTTPS_PROXY, all_proxy and ALL_PROXY that is not empty; for hosts in no_proxy or NO_PROXY no
/// proxy. That is a list of names, which count for all names below them, addresses, networks ("10.0.0.0/8"), each with
/// ":port" or not, and "*" for all; commas or spaces separate them. Programs with more privileges than their users
/// (AT_SECURE) do not look at it. Otherwise the environment is ignored.
/// proxy_config: for TLS to a proxy of "https://": its CAs, verification and versions; frozen by this. NULL: the defaults, which
/// verify the proxy by the system's CAs. Without "https://" it does not matter.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT for a malformed url, which the message does not show; BGL_SSL_E_UNSUPPORTED for
/// another scheme; BGL_SSL_E_CONFIG for what is wrong in the environment; BGL_SSL_E_STATE if the config is frozen; what
/// bgl_ssl_config_freeze returns for proxy_config. Any thread, while no other calls setenv(3). Blocks no longer than the disk
/// that holds the system's CA certificates.
///
/// A connect fails with BGL_SSL_E_IO if the proxy refuses (EACCES for its user, ECONNREFUSED ...), or closes; with
/// BGL_SSL_E_PROTOCOL if its answer is malformed, longer than 64 kB, or has something behind it; with BGL_SSL_E_TIMEOUT if it is
/// not there in time: the connect timeout holds for all of it. The message quotes the proxy. DTLS cannot go through proxies:
/// a connect fails with BGL_SSL_E_UNSUPPORTED.
///
/// Precondition: config and proxy_config are NULL or live, url NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_proxy(
    config: *mut bgl_ssl_config_t,
    url: *const c_char,
    proxy_config: *const bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handles and text.
    guard::done(|| unsafe {
        let proxy = match convert::optional_text(url, "proxy's URL")? {
            None => ProxyChoice::default(),
            Some("env") => ProxyChoice::from_environment()?,
            Some(url) => ProxyChoice::given(url)?,
        };
        let proxy_config = handle::borrow_optional(proxy_config)?;
        handle::with(config.cast_const(), |config| config.set_proxy(proxy, proxy_config))
    })
}
