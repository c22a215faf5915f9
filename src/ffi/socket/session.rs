//! Sessions that a later connection may resume.

use crate::{
    session::{self, cache},
    socket::Socket,
};
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use crate::ffi::{
    config::bgl_ssl_config_t,
    convert, guard, handle,
    socket::{bgl_ssl_session_t, bgl_ssl_socket_t},
    status::bgl_ssl_status_t,
};

/// The session of a client's connection, for a later one to resume. With TLS 1.3 the server sends it after the
/// handshake: it is there once something has been read.
///
/// Returns a session, to be freed with bgl_ssl_session_free, which may outlive the socket; NULL if there is none to
/// resume, or the socket is a server's (BGL_SSL_E_STATE), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_session(socket: *const bgl_ssl_socket_t) -> *mut bgl_ssl_session_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(socket, |socket| socket.session().map(handle::give)) })
}

/// Whether the connection resumed an earlier session.
///
/// Returns false also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_session_reused(socket: *const bgl_ssl_socket_t) -> bool {
    // SAFETY: the precondition covers the handle.
    guard::or(false, || unsafe { handle::with(socket, |socket| Ok(socket.session_reused())) })
}

/// Offers the server to resume a session, on a client's socket of a lazy config (bgl_ssl_config_set_lazy_handshake)
/// before its handshake, also one over a descriptor. Where and when it is offered is said at bgl_ssl_connect_resume; it
/// takes precedence over a session that the library would have resumed.
///
/// session: stays the caller's.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT for NULL, or BGL_SSL_E_STATE: the handshake has begun, or the socket is a
/// server's or closed. Never blocks; any thread.
///
/// Precondition: socket and session are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_session(
    socket: *const bgl_ssl_socket_t,
    session: *const bgl_ssl_session_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the handles.
        let (socket, session) = unsafe { (handle::borrow(socket)?, handle::borrow(session)?) };
        socket.set_session(session)
    })
}

/// Copies out a session as bytes, for a process that begins later: see bgl_ssl_session_import. Anyone who reads the
/// bytes can pretend to be either end in a connection that resumes the session, and anyone who can change them can make
/// a client take another server for the one that was verified: keep them as a private key is kept. A session of TLS 1.3
/// should be used once (RFC 8446, C.4).
///
/// buf: where to put the bytes, if all fit in size.
///
/// Returns how many bytes there are; 0 for NULL (BGL_SSL_E_ARGUMENT) and BGL_SSL_E_NO_MEMORY. Never blocks; any thread.
///
/// Precondition: session is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_session_export(
    session: *const bgl_ssl_session_t,
    buf: *mut c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe { convert::copy_bytes(&handle::with(session, session::export)?, buf, size) })
}

/// Reads a session that bgl_ssl_session_export has written.
///
/// config: frozen by this. What decides about the server must be equal to what it was in the config with which the
/// session was made: see bgl_ssl_connect_resume.
/// host: the name or address that the session was made with, unless the config names the host.
/// data, len: the bytes, at most 1 MiB.
///
/// Returns a session, to be freed with bgl_ssl_session_free, or NULL: BGL_SSL_E_ARGUMENT for bytes that are damaged, or
/// of another host, another config or another version of OpenSSL; BGL_SSL_E_CONFIG and BGL_SSL_E_UNSUPPORTED for the
/// config. A session whose time is over is read, and not resumed. Never waits for the network; any thread.
///
/// Precondition: config is NULL or live; host is NULL or NUL-terminated; data is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_session_import(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    data: *const c_void,
    len: usize,
) -> *mut bgl_ssl_session_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle, text and bytes.
        let (config, host, data) = unsafe {
            (handle::borrow(config)?, convert::text(host, "host")?, convert::bytes(data, len, "session")?)
        };
        Socket::import_session(&config.freeze()?, host, data).map(handle::give)
    })
}

/// When a session ends, in seconds since 1970: when the server forgets it, a certificate of the server's chain, a
/// revocation list or a stapled response expires, or a week after the server has proved who it is, whichever is first.
///
/// Returns the time; -1 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: session is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_session_expiry(session: *const bgl_ssl_session_t) -> i64 {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe { handle::with(session, |session| Ok(session::end_of(session))) })
}

/// Forgets the sessions that the clients of this process resume by themselves (bgl_ssl_config_set_resume), also those
/// that existing connections will still get: the next connection to each host does a full handshake.
///
/// Returns nothing, never fails. Never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_forget_sessions() {
    guard::or((), || {
        cache::forget_all();
        Ok(())
    });
}

/// Frees a session. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: session is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_session_free(session: *mut bgl_ssl_session_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(session) }
}
