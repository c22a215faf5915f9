//! Sessions of a connection: serialized, offered, looked up.

use crate::engine::connection::Connection;
use std::ffi::c_void;

use crate::ffi::{
    convert,
    engine::connection::{bgl_ssl_connection_t, status_of, with_connection},
    status::bgl_ssl_status_t,
};

/// Offers, on a client, to resume a session; the server may refuse. The session is not offered, and the handshake is a
/// full one, if a full handshake might have another result than the one that made the session: the context has other
/// CAs, revocation lists, ciphers or options, the server name or host name is another, or a certificate of the peer's
/// chain or a revocation list has expired.
///
/// session: len bytes from bgl_ssl_connection_get_session or the new-session callback; not kept. Bytes behind the
/// session are ignored.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, also if that is no session, or BGL_SSL_E_STATE if the handshake has begun,
/// or the connection is closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; session is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_session(
    connection: *const bgl_ssl_connection_t,
    session: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { status_of(connection, |connection| connection.set_session(convert::bytes(session, len, "session")?)) }
}

/// Copies out the session, serialized (ASN.1, DER): as many bytes as fit. It holds secrets. With TLS 1.3 it can be
/// resumed only once the server's ticket has come, which is when the new-session callback is called.
///
/// Returns the length of the whole session; 0 if there is none yet, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_session(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { with_connection(connection, 0, |connection| convert::copy_bytes(&connection.session()?, buf, size)) }
}

/// On a server, provides a session for the handshake's look-up. It is used if the client asks for its id and a full
/// handshake would accept the same client: context and connection have the same requirements for clients as when it was
/// made, and neither the client's chain nor a revocation list has expired. Tickets are checked in the same way.
///
/// session: len bytes from the new-session callback; not kept. Bytes behind the session are ignored. No bytes remove
/// the session provided before.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, also if that is no session, or BGL_SSL_E_STATE if the connection is closed
/// or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; session is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_load_session(
    connection: *const bgl_ssl_connection_t,
    session: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe { status_of(connection, |connection| connection.load_session(convert::bytes(session, len, "session")?)) }
}

/// Whether the connection resumed a session.
///
/// Returns false on failure, too. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_reused(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, false, Connection::session_reused) }
}
