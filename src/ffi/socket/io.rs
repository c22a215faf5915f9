//! Handshake, reading, writing and closing.

use crate::{
    error::Result,
    socket::{Socket, Step},
};
use std::ffi::c_void;

use crate::ffi::{
    convert, guard, handle,
    socket::bgl_ssl_socket_t,
    status::{bgl_ssl_status_t, progress},
};

/// Precondition: socket is NULL or live.
unsafe fn step(
    socket: *const bgl_ssl_socket_t,
    body: impl FnOnce(&Socket) -> Result<Step<()>>,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::status(|| unsafe { handle::with(socket, |socket| body(socket).map(progress)) })
}

/// Completes the handshake, if it is not complete.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE; or the handshake's failure
/// (BGL_SSL_E_VERIFY, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED, BGL_SSL_E_IO, BGL_SSL_E_TIMEOUT),
/// BGL_SSL_E_STATE if the socket is closed, BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the
/// handshake timeout; in non-blocking mode the limit runs from the first call. Once it is over, each call that cannot
/// complete the handshake returns BGL_SSL_E_TIMEOUT, until bgl_ssl_socket_set_handshake_timeout is called; then the new
/// limit runs from the next call.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_handshake(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { step(socket, Socket::handshake) }
}

/// Reads what the peer sends: at least one byte, at most len, and no more than have arrived. Completes the handshake
/// first.
/// Datagrams: reads one whole record; if the buffer is too small for it, BGL_SSL_E_ARGUMENT is returned and the record
/// can be read by the next call. If the peer has disappeared, BGL_SSL_E_TIMEOUT is returned, or BGL_SSL_E_IO
/// (ECONNREFUSED), after which the caller may read again.
///
/// buf: space for len bytes; len 0 reads nothing.
/// n: where to put the number of bytes read; 0 unless BGL_SSL_OK is returned. Not NULL.
///
/// Returns BGL_SSL_OK; BGL_SSL_EOF once the peer has ended its half with close_notify; non-blocking also
/// BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE; BGL_SSL_E_TRUNCATED if the connection ended without close_notify;
/// BGL_SSL_E_IO (ECONNRESET ...); BGL_SSL_E_TIMEOUT, after which the caller may read again (a handshake's time-out
/// stays, see bgl_ssl_socket_handshake); BGL_SSL_E_PROTOCOL; BGL_SSL_E_STATE if the socket is closed, before or during
/// the call; BGL_SSL_E_ARGUMENT; and the handshake's failures. Any thread; reads of several threads are serialized.
/// Blocks no longer than the read timeout (and the handshake timeout before); in non-blocking mode the time-out runs
/// from the first call that returned BGL_SSL_WANT_READ or BGL_SSL_WANT_WRITE. See read(2).
///
/// Precondition: socket is NULL or live; buf is NULL or writable for len bytes; n is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_read(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_void,
    len: usize,
    n: *mut usize,
) -> bgl_ssl_status_t {
    guard::status(|| {
        convert::check_out(n, "number of bytes")?;
        // SAFETY: the precondition covers handle, buffer and out-pointer.
        unsafe {
            convert::store(n, 0);
            let buffer = convert::bytes_mut(buf, len, "buffer")?;
            let step = handle::with(socket, |socket| socket.read(buffer))?;
            Ok(progress(step.map(|read| convert::store(n, read))))
        }
    })
}

/// Writes. Completes the handshake first. In blocking mode, returns when the kernel has all bytes; in non-blocking
/// mode, when it has some, at most one record (16 kB). Datagrams: sends all of it as one record, or nothing;
/// BGL_SSL_E_ARGUMENT (EMSGSIZE) if it is more than bgl_ssl_socket_max_datagram.
///
/// buf: len bytes; not kept.
/// n: set to how many bytes were taken, also on failure; the caller does not send those again. Not NULL.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE and BGL_SSL_WANT_READ, after which the same bytes (or more)
/// must be passed again, because some may have been sent already (writes of other threads are queued behind them, and
/// each call reports its own bytes only); BGL_SSL_E_TIMEOUT, after which the caller may continue with the bytes behind
/// n (a handshake's time-out stays, see bgl_ssl_socket_handshake); BGL_SSL_E_IO (EPIPE, ECONNRESET ...) if the peer is
/// gone, without SIGPIPE; BGL_SSL_E_PROTOCOL; what has ended the connection, once a read has returned it
/// (BGL_SSL_E_TRUNCATED ...); BGL_SSL_E_STATE if the socket is closed, before or during the call, or its writing half
/// is shut down; BGL_SSL_E_ARGUMENT; and the handshake's failures. Any thread; writes of several threads are
/// serialized, a whole buffer each. Blocks no longer than the write timeout (and the handshake timeout before); in
/// non-blocking mode the time-out runs from the first call that returned BGL_SSL_WANT_WRITE or BGL_SSL_WANT_READ, and
/// restarts with any progress. See write(2).
///
/// Precondition: socket is NULL or live; buf is NULL or readable for len bytes; n is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_write(
    socket: *const bgl_ssl_socket_t,
    buf: *const c_void,
    len: usize,
    n: *mut usize,
) -> bgl_ssl_status_t {
    guard::status(|| {
        convert::check_out(n, "number of bytes")?;
        let mut written = 0;
        // SAFETY: the precondition covers handle and buffer.
        let result = unsafe {
            convert::store(n, 0);
            let data = convert::bytes(buf, len, "buffer")?;
            handle::with(socket, |socket| socket.write(data, &mut written))
        };
        // SAFETY: the precondition covers the out-pointer.
        unsafe { convert::store(n, written) };
        result.map(progress)
    })
}

/// How many bytes a read returns without waiting for the network: those already decrypted, and one further record if it
/// has arrived. For event loops: poll(2) does not see these bytes, so read until this is 0 (or BGL_SSL_WANT_READ)
/// before polling.
///
/// Returns 0 if there are none, before the handshake, after a failure, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks;
/// any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_pending(socket: *const bgl_ssl_socket_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(socket, |socket| Ok(socket.pending())) })
}

/// Ends the writing half: sends what is left, close_notify (RFC 8446, section 6.1) and FIN. Reading goes on. A second
/// call does nothing.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE and BGL_SSL_WANT_READ; failures as bgl_ssl_socket_write.
/// Any thread. Blocks no longer than the write timeout (and the handshake timeout before). See shutdown(2).
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_shutdown(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { step(socket, Socket::shutdown) }
}

/// Ends the reading half, on this side only: reads return BGL_SSL_EOF from now on, including those in progress in other
/// threads. The peer is not notified; writing goes on. A second call does nothing.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE if the socket is closed; BGL_SSL_E_ARGUMENT for NULL. Any thread. Never blocks.
/// See shutdown(2).
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_shutdown_read(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, Socket::shutdown_read) })
}

/// Closes the connection without losing what was written: sends what is left, close_notify and FIN, and returns when
/// the system has it all. Unread bytes (such as TLS 1.3 tickets) would turn the close into a reset; so the library
/// keeps the descriptor, and in the background reads and discards what the peer still sends, until the peer has ended
/// too, for the rest of the close timeout at most (see docs/closing.md). A connection without a complete handshake is
/// closed at once, or after 200 ms at most. The handle can be asked for facts until it is freed. Other threads' calls
/// on the socket return BGL_SSL_E_STATE. A second close does nothing.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE and, over datagrams or where a function of the program's
/// wants it, BGL_SSL_WANT_READ, then call again; BGL_SSL_E_TIMEOUT or BGL_SSL_E_IO if what was written could not all be
/// sent, but the socket is closed; BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the close timeout.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_close(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { step(socket, Socket::close) }
}
