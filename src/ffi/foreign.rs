//! The short forms that Bigloo's foreign interface has: a whole connection in one call, with Bigloo's defaults.

use crate::{
    config::{Config, ConfigHandle, Frozen, Verify},
    error::Result,
    net::{deadline::Limit, resolve::Family},
    pki::{anchors::Anchors, private_key::PrivateKey},
    protocol::Protocol,
    server::Server,
    socket::{Socket, client::connecting::Destination},
};
use std::{
    ffi::{c_char, c_int},
    ptr,
    sync::Arc,
};

use crate::ffi::{
    certificate::bgl_ssl_certificate_t, certificate::private_key::bgl_ssl_private_key_t, convert, guard, handle,
    server::bgl_ssl_server_t, socket::bgl_ssl_socket_t,
};

/// What the three functions have in common.
struct Common {
    protocol: c_int,
    cert: *const bgl_ssl_certificate_t,
    pkey: *const bgl_ssl_private_key_t,
    cas: *const *const bgl_ssl_certificate_t,
    n_cas: usize,
    accepted: *const *const bgl_ssl_certificate_t,
    n_accepted: usize,
}

impl Common {
    /// Bigloo's meaning: a list of CAs turns the verification of the chain on; names are not checked.
    ///
    /// # Safety
    /// The pointers are as the C functions ask for.
    unsafe fn config(&self) -> Result<Config> {
        let mut config = Config::default();
        config.versions.protocol = Protocol::from_number(self.protocol)?;
        // SAFETY: the precondition covers the handles.
        unsafe {
            let certificate = handle::borrow_optional(self.cert)?.cloned();
            let key: Option<PrivateKey> = handle::borrow_optional(self.pkey)?.cloned();
            config.set_identity(certificate.into_iter().collect(), key)?;
            let cas = convert::clones(self.cas, self.n_cas, "CA certificates")?;
            config.cas = if self.cas.is_null() { None } else { Some(Arc::new(Anchors::new(cas))) };
            let accepted = convert::clones(self.accepted, self.n_accepted, "accepted certificates")?;
            config.accepted = if self.accepted.is_null() { None } else { Some(accepted) };
        }
        config.verify = if config.cas.is_none() { Verify::None } else { Verify::ChainOnly };
        Ok(config)
    }
}

fn freeze(config: Config) -> Result<Arc<Frozen>> {
    ConfigHandle::new(config).freeze()
}

/// Connects to a host and does the TLS handshake as the client, with Bigloo's defaults: **without CAs nothing is
/// verified**; with CAs the chain is, but not the host's name. Prefer bgl_ssl_connect, which verifies both. (Bigloo:
/// make-ssl-client-socket.)
///
/// hostname: a DNS name, which is sent as SNI, or an IP address.
/// port: 1 to 65535.
/// timeout: microseconds for the connection, its handshake included; 0 for no limit.
/// protocol: a BGLSSL_... number.
/// cert, pkey: the client's certificate and its key, or both NULL.
/// CAs, n_CAs: the CAs that the server's chain must lead to; NULL and 0 for no verification; not NULL with 0 trusts
/// nobody.
/// accepted, n_accepted: certificates one of which the server must have; NULL for any.
/// domain: AF_INET, AF_INET6 or AF_UNSPEC.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_connect; BGL_SSL_E_ARGUMENT if
/// only one of cert and pkey is given. Nothing passed in is kept. Any thread. Blocks no longer than timeout, and after
/// a failed handshake 200 ms more, to send the alert.
///
/// Precondition: hostname is NULL or NUL-terminated; handles are NULL or live; arrays are NULL or readable for their
/// counts.
#[unsafe(no_mangle)]
#[expect(non_snake_case, reason = "the field's term")]
pub unsafe extern "C" fn bgl_make_ssl_client_socket(
    hostname: *const c_char,
    port: c_int,
    timeout: i64,
    protocol: c_int,
    cert: *const bgl_ssl_certificate_t,
    pkey: *const bgl_ssl_private_key_t,
    CAs: *const *const bgl_ssl_certificate_t,
    n_CAs: usize,
    accepted: *const *const bgl_ssl_certificate_t,
    n_accepted: usize,
    domain: c_int,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        let common = Common { protocol, cert, pkey, cas: CAs, n_cas: n_CAs, accepted, n_accepted };
        // SAFETY: the precondition covers text and handles.
        let (hostname, mut config) = unsafe { (convert::text(hostname, "host name")?, common.config()?) };
        let limit: Limit = convert::limit(timeout)?;
        config.limits.connect = limit;
        config.limits.handshake = Some(limit);
        let (port, family) = (convert::port(port)?, Family::from_number(domain)?);
        let to = Destination { host: hostname, port, family, hostname: None, session: None };
        Socket::connect(&freeze(config)?, &to).map(handle::give)
    })
}

/// Does the TLS handshake as the client on an open stream socket (STARTTLS), with Bigloo's defaults: **without CAs
/// nothing is verified**; with CAs the chain is, but not the host's name. Prefer bgl_ssl_upgrade_client_fd, which
/// verifies both, and to which plaintext already read can be given. (Bigloo: client-socket-use-ssl!.)
///
/// fd: a connected stream socket; it stays the caller's, who may close it at any time: the library works on a
/// duplicate. The other arguments are as for bgl_make_ssl_client_socket.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_fd. Any thread.
/// Blocks no longer than 10 s (DTLS: 60 s) for the handshake, and after a failed one 200 ms more, to send the
/// alert.
///
/// Precondition: Handles are NULL or live; arrays are NULL or readable for their counts.
#[unsafe(no_mangle)]
#[expect(non_snake_case, reason = "the field's term")]
pub unsafe extern "C" fn bgl_client_socket_use_ssl(
    fd: c_int,
    protocol: c_int,
    cert: *const bgl_ssl_certificate_t,
    pkey: *const bgl_ssl_private_key_t,
    CAs: *const *const bgl_ssl_certificate_t,
    n_CAs: usize,
    accepted: *const *const bgl_ssl_certificate_t,
    n_accepted: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        let common = Common { protocol, cert, pkey, cas: CAs, n_cas: n_CAs, accepted, n_accepted };
        // SAFETY: the precondition covers the handles.
        let config = unsafe { common.config()? };
        Socket::upgrade_client(&freeze(config)?, fd, None).map(handle::give)
    })
}

/// Listens for TLS clients, with Bigloo's defaults: a server with CAs or an accepted list demands a certificate of its
/// clients. A client has 10 s for its handshake, with DTLS 60 s. (Bigloo: make-ssl-server-socket.)
///
/// name: the host name or address to listen on; NULL for every interface.
/// port: 1 to 65535, or 0 for any that is free.
/// protocol: a BGLSSL_... number.
/// cert, pkey: the server's certificate and its key, or both NULL, and then every handshake fails.
/// CAs, n_CAs: the CAs that the clients' chains must lead to, and that are named to them; NULL and 0 for none.
/// accepted, n_accepted: certificates one of which a client must have; NULL for any.
/// backlog: how many clients may wait, as for listen(2).
/// domain: AF_INET, AF_INET6 or AF_UNSPEC.
///
/// Returns a server, to be freed with bgl_ssl_server_free, or NULL, errors as bgl_ssl_listen; BGL_SSL_E_ARGUMENT if
/// only one of cert and pkey is given. Nothing passed in is kept. Any thread. Blocks only to look the name up, at most
/// 30 s.
///
/// Precondition: name is NULL or NUL-terminated; handles are NULL or live; arrays are NULL or readable for their
/// counts.
#[unsafe(no_mangle)]
#[expect(non_snake_case, reason = "the field's term")]
pub unsafe extern "C" fn bgl_make_ssl_server_socket(
    name: *const c_char,
    port: c_int,
    protocol: c_int,
    cert: *const bgl_ssl_certificate_t,
    pkey: *const bgl_ssl_private_key_t,
    CAs: *const *const bgl_ssl_certificate_t,
    n_CAs: usize,
    accepted: *const *const bgl_ssl_certificate_t,
    n_accepted: usize,
    backlog: c_int,
    domain: c_int,
) -> *mut bgl_ssl_server_t {
    guard::or(ptr::null_mut(), || {
        let common = Common { protocol, cert, pkey, cas: CAs, n_cas: n_CAs, accepted, n_accepted };
        // SAFETY: the precondition covers text and handles.
        let (name, config) = unsafe { (convert::optional_text(name, "name")?, common.config()?) };
        let (port, family) = (convert::listen_port(port)?, Family::from_number(domain)?);
        Server::listen(&freeze(config)?, name, port, backlog, family).map(handle::give)
    })
}
