//! Proxies.

use crate::net::proxy::choice::ProxyChoice;
use std::ffi::c_char;

use super::bgl_ssl_config_t;
use crate::ffi::{convert, guard, handle, status::bgl_ssl_status_t};

/// Sets the proxy through which clients connect to hosts (bgl_ssl_connect and the like). TLS is between the client and
/// the host. The proxy sees the host's name and port, and the host sees nothing of the proxy's user and password.
/// Sessions and verification are the host's. Unix sockets and descriptors are connected to without it.
///
/// url: "SCHEME://USER:PASSWORD@HOST:PORT", where user, password and port may be missing, such as
/// "http://user:password@proxy.example.org:3128". The schemes are http (port 80 by default), also meant where there is
/// none; https (443: TLS to the proxy, and the host's TLS inside it); socks5 (1080: the name is looked up here);
/// socks5h (1080: the proxy looks it up). IPv6 addresses have brackets; special characters in user and password are
/// percent-encoded (%40 for @). HTTP proxies are asked by CONNECT, with Basic authentication if there is a user. SOCKS
/// 4, proxies of other kinds, and other authentication (Digest, Negotiate) are not supported.
/// NULL: no proxy (the default); the environment is ignored.
/// "env": what the environment says now, in the first of https_proxy, HTTPS_PROXY, all_proxy and ALL_PROXY that is not
/// empty; no proxy for the hosts in no_proxy or NO_PROXY, a list, separated by commas or spaces, of names, which count
/// for all names below them, addresses and networks ("10.0.0.0/8"), each with ":port" or not, and "*" for all. Programs
/// with more privileges than their users (AT_SECURE) ignore the environment.
/// proxy_config: for TLS to a proxy of "https://": its CAs, verification and versions; frozen by this. NULL: the
/// defaults, which verify the proxy by the system's CAs. Without "https://" it does not matter.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT for a malformed url, which the message does not show; BGL_SSL_E_UNSUPPORTED
/// for another scheme; BGL_SSL_E_CONFIG for what is wrong in the environment; BGL_SSL_E_STATE if the config is frozen;
/// what bgl_ssl_config_freeze returns for proxy_config. Any thread, while no other calls setenv(3). Blocks no longer
/// than the disk that holds the system's CA certificates.
///
/// A connect fails with BGL_SSL_E_IO if the proxy refuses (EACCES for its user, ECONNREFUSED ...), or closes; with
/// BGL_SSL_E_PROTOCOL if its answer is malformed, longer than 64 kB, or has something behind it; with BGL_SSL_E_TIMEOUT
/// if it is not there in time: the connect timeout holds for all of it. The message quotes the proxy. DTLS cannot go
/// through proxies: a connect fails with BGL_SSL_E_UNSUPPORTED.
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
