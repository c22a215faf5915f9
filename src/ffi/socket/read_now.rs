//! Reading without waiting.

use std::ffi::c_void;

use crate::ffi::{
    convert, guard, handle,
    socket::bgl_ssl_socket_t,
    status::{bgl_ssl_status_t, progress},
};

/// Reads what has arrived, without waiting, even if the socket is blocking: for callers that wait for the descriptor
/// themselves, such as interpreters whose threads may be interrupted. Other threads may write as usual. The caller
/// should read until nothing is left; the connection holds a buffer until then.
///
/// buf, len, n: as for bgl_ssl_socket_read.
/// more: set to whether the next read would return a result at once (bytes, the end of the stream, a failure), in which
/// case the caller must not wait with poll(2) first; also after BGL_SSL_E_ARGUMENT for a record that is larger than the
/// buffer. After other failures it is set, too, and may be false although the next read fails at once. May be NULL.
///
/// Returns what a non-blocking bgl_ssl_socket_read does: BGL_SSL_OK; BGL_SSL_WANT_READ or BGL_SSL_WANT_WRITE, which
/// say what to wait for; BGL_SSL_EOF; its failures. BGL_SSL_E_STATE before the handshake is complete. Any thread. Does
/// not block. See read(2).
///
/// Precondition: socket is NULL or live; buf is NULL or writable for len bytes; n and more are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_read_now(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_void,
    len: usize,
    n: *mut usize,
    more: *mut bool,
) -> bgl_ssl_status_t {
    guard::status(|| {
        convert::check_out(n, "number of bytes")?;
        // SAFETY: the precondition covers handle, buffer and out-pointers.
        unsafe {
            convert::store(n, 0);
            convert::store(more, false);
            let buffer = convert::bytes_mut(buf, len, "buffer")?;
            let mut has_more = false;
            let step = handle::with(socket, |socket| socket.read_now(buffer, &mut has_more));
            convert::store(more, has_more);
            let step = step?;
            Ok(progress(step.map(|read| convert::store(n, read))))
        }
    })
}

/// Says to a caller of bgl_ssl_socket_read_now for how long to leave the descriptor alone, so that it is not woken for
/// each of many small records that come fast: several are there after that time. To be called after BGL_SSL_WANT_READ,
/// before the caller waits.
///
/// Returns microseconds, at most 250, or 0 where the records come slowly, or are large, and on failure, which the next
/// read returns. Where it is 0, the caller waits for the descriptor. Any thread. Never blocks.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_gather(socket: *const bgl_ssl_socket_t) -> i64 {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe {
        let time = handle::with(socket, |socket| socket.gather())?;
        Ok(time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    })
}
