//! Time limits, and the non-blocking mode.

use crate::socket::{LimitKind, Socket};

use crate::ffi::{convert, guard, handle, socket::bgl_ssl_socket_t, status::bgl_ssl_status_t};

/// Sets whether calls on the socket return BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE instead of waiting. The
/// descriptor's own O_NONBLOCK has no influence, and is left alone.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT for NULL. Never blocks; any thread; for calls that begin afterwards.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_nonblocking(
    socket: *const bgl_ssl_socket_t,
    nonblocking: bool,
) -> bgl_ssl_status_t {
    let set = |socket: &Socket| {
        socket.set_nonblocking(nonblocking);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}

/// Precondition: socket is NULL or live.
unsafe fn set_limit(socket: *const bgl_ssl_socket_t, kind: LimitKind, microseconds: i64) -> bgl_ssl_status_t {
    let set = |socket: &Socket| {
        socket.set_limit(kind, convert::limit(microseconds)?);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}

/// Sets the time limit for a handshake; the config's until then. It holds in both modes: see bgl_ssl_socket_timeout. In
/// non-blocking mode a handshake that has failed for its limit gets the new one, from the next call on.
///
/// microseconds: 0 for none.
///
/// Returns BGL_SSL_OK or BGL_SSL_E_ARGUMENT. Never blocks; any thread; for calls that begin afterwards.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_handshake_timeout(
    socket: *const bgl_ssl_socket_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(socket, LimitKind::Handshake, microseconds) }
}

/// Sets the time limit for one read; the config's until then. It holds in both modes: see bgl_ssl_socket_timeout.
///
/// microseconds: 0 for none.
///
/// Returns BGL_SSL_OK or BGL_SSL_E_ARGUMENT. Never blocks; any thread; for calls that begin afterwards.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_read_timeout(
    socket: *const bgl_ssl_socket_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(socket, LimitKind::Read, microseconds) }
}

/// Sets the time limit for one write, and for ending the writing half; the config's until then. It holds in both modes:
/// see bgl_ssl_socket_timeout.
///
/// microseconds: 0 for none.
///
/// Returns BGL_SSL_OK or BGL_SSL_E_ARGUMENT. Never blocks; any thread; for calls that begin afterwards.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_write_timeout(
    socket: *const bgl_ssl_socket_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(socket, LimitKind::Write, microseconds) }
}

/// Sets the time limit for a close, and for the time after it in which the peer may end too; the config's until then.
///
/// microseconds: 0: a close waits for nothing, neither in the call nor in the background.
///
/// Returns BGL_SSL_OK or BGL_SSL_E_ARGUMENT. Never blocks; any thread; for a close that begins afterwards.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_close_timeout(
    socket: *const bgl_ssl_socket_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { set_limit(socket, LimitKind::Close, microseconds) }
}
