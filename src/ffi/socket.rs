//! TLS connections: over TCP, or over another descriptor.

// In the order of the header.
pub mod connect;

pub mod io;
pub mod read_now;

pub mod timeouts;

pub mod info;

pub mod facts;

pub mod session;

pub mod hello;

pub mod io_functions;
pub mod upgrade;

pub mod keying_material;
pub mod trace;
pub mod verify_callback;

use crate::{
    error::{Code, Error, Result},
    session::Session,
    socket::{Peer, Socket},
};
use std::{
    ffi::{c_char, c_int},
    ptr,
};

use crate::ffi::{
    config::bgl_ssl_config_t,
    convert, guard,
    handle::{self, Handle},
};

/// A TLS connection over a stream socket, or a DTLS connection over datagrams. One thread may read while another writes
/// and a third closes.
pub struct bgl_ssl_socket_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_socket_t {
    type Rust = Socket;
    const TAG: u64 = 0x4247_4c53_534f_434b;
    const NOUN: &'static str = "socket";
}

/// A TLS session that a later connection to the same server may resume.
pub struct bgl_ssl_session_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_session_t {
    type Rust = Session;
    const TAG: u64 = 0x4247_4c53_5345_5353;
    const NOUN: &'static str = "session";
}

/// Connects to a host, and does the TLS handshake as the client unless the config says lazy.
///
/// All addresses of the host are tried, IPv6 and IPv4 alternately; if one takes longer than 250 ms, the next is tried
/// in parallel (RFC 8305).
///
/// config: frozen by this.
/// host: a DNS name or an IP address.
/// port: 1 to 65535.
/// family: AF_INET, AF_INET6 or AF_UNSPEC (any).
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config; BGL_SSL_E_RESOLVE; BGL_SSL_E_IO (ECONNREFUSED ...); BGL_SSL_E_TIMEOUT;
/// BGL_SSL_E_VERIFY, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED from the handshake. Any thread. Blocks no
/// longer than the config's connect timeout (and, in the handshake, its handshake timeout), and after a failed
/// handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live, host NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the precondition covers handle and text.
    unsafe { bgl_ssl_connect_resume(config, host, port, family, ptr::null()) }
}

/// Connects as bgl_ssl_connect does, and offers the server to resume an earlier session, which saves both a full
/// handshake; bgl_ssl_socket_session_reused says whether the server agreed.
///
/// session: from an earlier socket; NULL for none. It stays the caller's. It is offered only where a full handshake
/// would accept the same peer: to the same host name, by a config with equal settings (CAs, accepted certificates,
/// verification, versions, ciphers, own certificate), while the system's CAs are the same and the session has not ended
/// (bgl_ssl_session_expiry). Otherwise the handshake is a full one.
///
/// Returns what bgl_ssl_connect does. Threads and blocking as there.
///
/// Precondition: config and session are NULL or live, host NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect_resume(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
    session: *const bgl_ssl_session_t,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the precondition covers handles and text.
    unsafe { connect::bgl_ssl_connect_named(config, host, port, family, ptr::null(), session) }
}

/// Begins TLS as the client on an open stream socket (STARTTLS), and does the handshake unless the config says lazy.
///
/// config: frozen by this.
/// fd: a connected stream socket; with BGLSSL_DTLSV1 a connected datagram socket. It stays the caller's: the library
/// works on a duplicate, so the caller may close fd at any time. The connection itself ends with bgl_ssl_socket_close.
/// If this fails, fd is still open, but bytes may have been exchanged: close it.
/// hostname: the name to verify and to send as SNI; NULL if not known, which is an error unless the config has a name
/// or does not verify names.
/// buffered: how many bytes of plaintext the caller has read from the peer and not yet consumed. Anything but 0 is an
/// error: these bytes were received before TLS and must not be treated as protected data (CVE-2011-0411).
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_STATE for buffered plaintext;
/// BGL_SSL_E_IO for a bad descriptor; else as bgl_ssl_connect. Any thread. Blocks no longer than the config's handshake
/// timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live, hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_client_fd(
    config: *const bgl_ssl_config_t,
    fd: c_int,
    hostname: *const c_char,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle and text.
        let (config, hostname) =
            unsafe { (handle::borrow(config)?, convert::optional_text(hostname, "host name")?) };
        check_buffered(buffered)?;
        Socket::upgrade_client(&config.freeze()?, fd, hostname).map(handle::give)
    })
}

/// Begins TLS as the server on an open stream socket: one from accept(2), or the server's side of STARTTLS. Does the
/// handshake unless the config says lazy.
///
/// config: needs a certificate; frozen by this.
/// fd, buffered: as for bgl_ssl_upgrade_client_fd.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_fd. Any thread.
/// Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_server_fd(
    config: *const bgl_ssl_config_t,
    fd: c_int,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let config = unsafe { handle::borrow(config)? };
        check_buffered(buffered)?;
        let frozen = config.freeze()?;
        Socket::upgrade_server(&frozen, &frozen.sessions()?, None, fd, || Peer::Unknown).map(handle::give)
    })
}

fn check_buffered(buffered: usize) -> Result<()> {
    if buffered == 0 {
        return Ok(());
    }
    let message = format!(
        "{buffered} bytes of plaintext were read from the peer before TLS began, and would be taken for data that \
         came through it (CVE-2011-0411)"
    );
    Err(Error::new(Code::State, message))
}

/// Frees a socket. Without a close before, the connection ends without close_notify, and the peer sees a truncation.
/// After a failed handshake no close is needed: the peer gets the alert. Takes NULL; returns nothing, never fails,
/// never blocks.
///
/// Precondition: socket is NULL or live, the caller's, and no call on it is in progress: neither in another thread, nor in
/// this one, where it has called a function of the program's (to verify, to trace, to carry bytes).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_free(socket: *mut bgl_ssl_socket_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(socket) }
}
