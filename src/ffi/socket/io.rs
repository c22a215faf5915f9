//! Handshake, reading, writing and closing.

use crate::{
    error::Result,
    socket::{Socket, Step},
};
use std::ffi::c_void;

use crate::ffi::{
    convert, guard, handle,
    socket::bgl_ssl_socket_t,
    status::{BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_WRITE, bgl_ssl_status_t},
};

fn progress(step: Step<()>) -> bgl_ssl_status_t {
    match step {
        Step::Done(()) => BGL_SSL_OK,
        Step::WantRead => BGL_SSL_WANT_READ,
        Step::WantWrite => BGL_SSL_WANT_WRITE,
        Step::Eof => BGL_SSL_EOF,
    }
}

/// Precondition: socket is NULL or live.
unsafe fn step(
    socket: *const bgl_ssl_socket_t,
    body: impl FnOnce(&Socket) -> Result<Step<()>>,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::status(|| unsafe { handle::with(socket, |socket| body(socket).map(progress)) })
}

/// Completes the handshake, if it is not complete.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE; or the handshake's failure
/// (BGL_SSL_E_VERIFY, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED, BGL_SSL_E_IO, BGL_SSL_E_TIMEOUT),
/// BGL_SSL_E_STATE if the socket is closed, BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the
/// handshake timeout; non-blocking, that runs from the first call, and BGL_SSL_E_TIMEOUT tells that it is over.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_handshake(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { step(socket, Socket::handshake) }
}

/// Reads what the peer sends: at least one byte, as many as are there, at most len. Completes the handshake first.
/// Datagrams: reads one whole record; a buffer too small for it is BGL_SSL_E_ARGUMENT, and the record is still to be
/// read. A peer that has gone is BGL_SSL_E_TIMEOUT, or BGL_SSL_E_IO (ECONNREFUSED), after which one may read again.
///
/// buf: space for len bytes; len 0 reads nothing.
/// n: where to put the number of bytes read; 0 unless BGL_SSL_OK is returned. Not NULL.
///
/// Returns BGL_SSL_OK; BGL_SSL_EOF once the peer has ended its half with close_notify; non-blocking also
/// BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE; BGL_SSL_E_TRUNCATED if the connection ended without close_notify;
/// BGL_SSL_E_IO (ECONNRESET ...); BGL_SSL_E_TIMEOUT, after which one may read again; BGL_SSL_E_PROTOCOL;
/// BGL_SSL_E_STATE if the socket is or gets closed; BGL_SSL_E_ARGUMENT; and the handshake's failures. Any thread;
/// reads of several threads are serialized. Blocks no longer than the read timeout (and the handshake timeout before); non-blocking,
/// that runs from the first call that returned BGL_SSL_WANT_READ or BGL_SSL_WANT_WRITE. See read(2).
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
        // SAFETY: the caller vouches for handle, buffer and out-pointer.
        unsafe {
            convert::store(n, 0);
            let buffer = convert::bytes_mut(buf, len, "buffer")?;
            match handle::with(socket, |socket| socket.read(buffer))? {
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

/// Writes. Completes the handshake first. Blocking: returns once the kernel has everything. Non-blocking: returns once
/// it has something, which is one record (16 kB) at most. Datagrams: sends all of it as one record, or nothing;
/// BGL_SSL_E_ARGUMENT (EMSGSIZE) if it is more than bgl_ssl_socket_max_datagram.
///
/// buf: len bytes; not kept.
/// n: where to put how many bytes were taken, also on failure; those will not be sent again. Not NULL.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE and BGL_SSL_WANT_READ, after which the same bytes (or more)
/// must be given again, for they may be on their way already (another thread's write goes behind them, and each is told
/// of its own bytes only); BGL_SSL_E_TIMEOUT, after which one may go on with the bytes behind n; BGL_SSL_E_IO (EPIPE,
/// ECONNRESET ...) if the peer is gone, without SIGPIPE; BGL_SSL_E_PROTOCOL; BGL_SSL_E_STATE if the socket is or gets
/// closed, or its writing half is shut down; BGL_SSL_E_ARGUMENT; and the handshake's failures. Any thread; several
/// writes of several threads are serialized, a whole buffer each. Blocks no longer than the write timeout (and the handshake timeout
/// before); non-blocking, that runs from the first call that returned BGL_SSL_WANT_WRITE or BGL_SSL_WANT_READ, and starts
/// again with any progress. See write(2).
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
        // SAFETY: the caller vouches for handle and buffer.
        let result = unsafe {
            convert::store(n, 0);
            let data = convert::bytes(buf, len, "buffer")?;
            handle::with(socket, |socket| socket.write(data, &mut written))
        };
        // SAFETY: the caller vouches for the out-pointer.
        unsafe { convert::store(n, written) };
        result.map(progress)
    })
}

/// How many bytes a read gives without waiting for the network: what is decrypted, and one more record if that has
/// arrived. For event loops: poll(2) does not see these bytes, so read until this is 0 (or BGL_SSL_WANT_READ) before
/// polling.
///
/// Returns 0 if there are none, before the handshake, after a failure, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks;
/// any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_pending(socket: *const bgl_ssl_socket_t) -> usize {
    // SAFETY: the caller vouches for the handle.
    guard::or(0, || unsafe { handle::with(socket, |socket| Ok(socket.pending())) })
}

/// Ends the writing half: sends what is left, close_notify (RFC 8446, section 6.1) and FIN. Reading goes on. A second
/// call does nothing.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE and BGL_SSL_WANT_READ; failures as bgl_ssl_socket_write. Any
/// thread. Blocks no longer than the write timeout (and the handshake timeout before). See shutdown(2).
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_shutdown(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { step(socket, Socket::shutdown) }
}

/// Ends the reading half, on this side only: reads return BGL_SSL_EOF from now on, also those that other threads have
/// under way. The peer is not told; writing goes on. A second call does nothing.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE if the socket is closed; BGL_SSL_E_ARGUMENT for NULL. Any thread. Never blocks.
/// See shutdown(2).
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_shutdown_read(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(socket, Socket::shutdown_read) })
}

/// Closes the connection without losing what was written: sends what is left, close_notify and FIN, and returns when the
/// system has it all. Bytes that nobody read (TLS 1.3 tickets, say) would turn the close into a reset; so the library
/// keeps the descriptor, and takes and drops in the background what the peer still sends, until the peer has ended too,
/// for the rest of the close timeout at most (see docs/closing.md). A connection without a complete handshake is closed
/// at once, or after 200 ms at most. The handle remains, for questions, until it is freed. Other threads' calls on the
/// socket return BGL_SSL_E_STATE. A second close does nothing.
///
/// Returns BGL_SSL_OK; non-blocking also BGL_SSL_WANT_WRITE, over datagrams also BGL_SSL_WANT_READ, then call again;
/// BGL_SSL_E_TIMEOUT or BGL_SSL_E_IO if what was written could not all be sent, but the socket is closed;
/// BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the close timeout.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_close(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { step(socket, Socket::close) }
}
