//! Further ways to connect: by another name, without waiting, to Unix sockets.

use crate::{
    config::Frozen,
    error::Result,
    net::{resolve::Family, unix::UnixAddress},
    socket::{Socket, client::connecting::Destination},
};
use std::{
    ffi::{c_char, c_int},
    ptr,
    sync::Arc,
};

use super::{bgl_ssl_session_t, bgl_ssl_socket_t};
use crate::ffi::{config::bgl_ssl_config_t, convert, guard, handle};

/// Connects as bgl_ssl_connect_resume does, to a host whose certificate has another name: for programs that look names
/// up themselves, that connect to one of several machines of a service, or that use one config for many names.
///
/// hostname: the name to verify and to send as SNI, and the name that sessions belong to. It takes precedence over the
/// config's (bgl_ssl_config_set_hostname). NULL for the config's or, where it has none, host.
/// session: to be offered, as for bgl_ssl_connect_resume; NULL for none.
///
/// Returns what bgl_ssl_connect does. Threads and blocking as there.
///
/// Precondition: config and session are NULL or live, host and hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect_named(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
    hostname: *const c_char,
    session: *const bgl_ssl_session_t,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the precondition covers handles and texts.
    unsafe { make(config, host, port, family, hostname, session, Socket::connect) }
}

/// Begins to connect as bgl_ssl_connect_named does, and waits for nothing: for event loops. The socket is in
/// non-blocking mode (bgl_ssl_socket_set_nonblocking). Looking the name up, connecting, what a proxy is asked, and TLS
/// are all part of its handshake. Call bgl_ssl_socket_handshake until it returns neither BGL_SSL_WANT_READ nor
/// BGL_SSL_WANT_WRITE and, before each further call, wait for bgl_ssl_socket_fd to be readable or writable, or for
/// bgl_ssl_socket_timeout. The descriptor changes once the connection is made: ask for it after each call. Reads and
/// writes do the handshake, too.
///
/// config, host, port, family, hostname, session: as for bgl_ssl_connect_named. The config's connect timeout runs from
/// now on, until the end of the handshake. DTLS is BGL_SSL_E_UNSUPPORTED: there a lazy config and bgl_ssl_connect to an
/// address do not wait.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config, and for DTLS; BGL_SSL_E_IO if the system has no descriptors left. All other
/// failures are the handshake's, but what is known at once may be returned here: BGL_SSL_E_RESOLVE, BGL_SSL_E_IO
/// (ECONNREFUSED ...). Before the connection is made the socket has no addresses. Never blocks, but for the disk that
/// holds the system's CA certificates; any thread.
///
/// Precondition: config and session are NULL or live, host and hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect_start(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
    hostname: *const c_char,
    session: *const bgl_ssl_session_t,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the precondition covers handles and texts.
    unsafe { make(config, host, port, family, hostname, session, Socket::start) }
}

/// Connects to a Unix socket, and does the TLS handshake as the client unless the config says lazy. The config's proxy
/// does not matter.
///
/// config: frozen by this. BGLSSL_DTLSV1 is BGL_SSL_E_UNSUPPORTED.
/// path: of the socket's file; or "@" and an abstract name (Linux). At most 107 bytes.
/// hostname: the name to verify and to send as SNI; NULL for the config's (bgl_ssl_config_set_hostname). Without both
/// it is an error if the config verifies names.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_ARGUMENT, also for a path that is too
/// long; BGL_SSL_E_IO (ENOENT, ECONNREFUSED, EACCES ...); else as bgl_ssl_connect. Any thread. Blocks no longer than
/// the config's connect timeout, also while the listener's queue is full (and, in the handshake, its handshake
/// timeout), and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live, path and hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect_unix(
    config: *const bgl_ssl_config_t,
    path: *const c_char,
    hostname: *const c_char,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle and texts.
        let (config, path, hostname) = unsafe {
            let hostname = convert::optional_text(hostname, "host name")?;
            (handle::borrow(config)?, convert::path(path)?, hostname)
        };
        let address = UnixAddress::parse(path.as_os_str())?;
        Socket::connect_unix(&config.freeze()?, address, hostname).map(handle::give)
    })
}

/// Precondition: config and session are NULL or live, host and hostname NULL or NUL-terminated.
unsafe fn make(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
    hostname: *const c_char,
    session: *const bgl_ssl_session_t,
    connect: impl FnOnce(&Arc<Frozen>, &Destination<'_>) -> Result<Socket>,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handles and texts.
        let (config, to) = unsafe {
            let to = Destination {
                host: convert::text(host, "host")?,
                port: convert::port(port)?,
                family: Family::from_number(family)?,
                hostname: convert::optional_text(hostname, "host name")?,
                session: handle::borrow_optional(session)?,
            };
            (handle::borrow(config)?, to)
        };
        connect(&config.freeze()?, &to).map(handle::give)
    })
}
