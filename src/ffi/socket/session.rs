//! Sessions that a later connection may resume.

use crate::session::cache;
use std::ptr;

use crate::ffi::{
    guard, handle,
    socket::{bgl_ssl_session_t, bgl_ssl_socket_t},
};

/// The session of a client's connection, for a later one to resume. With TLS 1.3 the server sends it after the
/// handshake: it is there once something has been read.
///
/// Returns a session, to be freed with bgl_ssl_session_free, which may outlive the socket; NULL if there is none to
/// resume (BGL_SSL_E_STATE), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
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
