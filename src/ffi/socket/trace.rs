//! Tracing the messages of one socket.

use crate::{error::Result, socket::Socket};
use std::ffi::c_void;

use super::bgl_ssl_socket_t;
use crate::ffi::{
    config::trace::{bgl_ssl_trace_t, trace_of},
    guard, handle,
    status::bgl_ssl_status_t,
};

/// Sets the function that receives a line for each message of one socket from now on, instead of that of its config.
///
/// trace: NULL for none. The function and user must stay usable until another is set, or the socket is freed; a call
/// that is in progress then may still use them.
/// user: is passed on to the function; may be NULL.
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT for NULL. Any thread. Does not wait for the peer.
///
/// Precondition: socket is NULL or live; trace is NULL or can be called with user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_trace(
    socket: *const bgl_ssl_socket_t,
    trace: bgl_ssl_trace_t,
    user: *mut c_void,
) -> bgl_ssl_status_t {
    let set = |socket: &Socket| -> Result<()> {
        // SAFETY: the precondition covers the function.
        socket.set_trace(unsafe { trace_of(trace, user) });
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}
