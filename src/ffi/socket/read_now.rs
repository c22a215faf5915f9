//! Reading what is there, for callers who wait by themselves.

use crate::socket::Step;
use std::ffi::c_void;

use crate::ffi::{
    convert, guard, handle,
    socket::bgl_ssl_socket_t,
    status::{BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_WRITE, bgl_ssl_status_t},
};

/// Reads what has arrived, without waiting, even if the socket is blocking: for callers that wait for the descriptor
/// themselves, such as interpreters whose threads may be interrupted. Other threads may write as usual. The caller
/// should read until nothing is left; the connection holds a buffer until then.
///
/// buf, len, n: as for bgl_ssl_socket_read.
/// more: set to whether the next read would return a result at once (bytes, the end of the stream, a failure), in which
/// case the caller must not wait with poll(2) first. May be NULL.
///
/// Returns what a non-blocking bgl_ssl_socket_read does: BGL_SSL_OK; BGL_SSL_WANT_READ or BGL_SSL_WANT_WRITE, which
/// tell what to wait for; BGL_SSL_EOF; its failures. BGL_SSL_E_STATE before the handshake is complete. Any thread. Does
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
            let (step, has_more) = handle::with(socket, |socket| socket.read_now(buffer))?;
            convert::store(more, has_more);
            match step {
                Step::Done(read) => {
                    convert::store(n, read);
                    Ok(BGL_SSL_OK)
                }
                Step::WantRead => Ok(BGL_SSL_WANT_READ),
                Step::WantWrite => Ok(BGL_SSL_WANT_WRITE),
                Step::Eof => Ok(BGL_SSL_EOF),
            }
        }
    })
}
