//! Steps of a connection: handshake, ciphertext and plaintext, close_notify.

use crate::{
    engine::{
        connection::{Connection, Outcome},
        state::State,
    },
    error::{Error, Result},
};
use std::ffi::{c_int, c_long, c_void};

use crate::ffi::{
    convert,
    engine::connection::callbacks::run_step,
    engine::connection::{bgl_ssl_connection_t, in_memory, status_of, with_connection},
    engine::secure_context::part,
    guard,
    status::bgl_ssl_status_t,
};

/// Takes a step of the handshake: with what was put in by bgl_ssl_connection_write, producing what is taken out by
/// bgl_ssl_connection_read.
///
/// Returns 1 once the handshake is done, 0 if it was done before, and -1 if it is not done yet or has failed:
/// bgl_ssl_connection_status says. Runs callbacks. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_start(connection: *const bgl_ssl_connection_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe {
        Ok(match run_step(connection, State::start)? {
            (Outcome::Done, stepped) => c_int::from(stepped),
            _ => -1,
        })
    })
}

/// Takes encrypted bytes out, to be sent to the peer.
///
/// buf: receives up to len bytes from buf[off] on.
///
/// Returns how many; -1 if there are none, or on failure (bgl_ssl_connection_enc_pending is 0 then). Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_read(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the precondition covers handle and buffer.
    unsafe {
        in_memory(connection, -1, |connection| {
            let buffer = part_mut(buf, off, len)?;
            let wanted = !buffer.is_empty();
            Ok(match connection.take_outgoing(buffer)? {
                0 if wanted => -1,
                n => n as c_long,
            })
        })
    }
}

/// Puts encrypted bytes in that came from the peer.
///
/// buf: the bytes buf[off] to buf[off + len - 1]; not kept.
///
/// Returns how many were taken: all; -1 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_write(
    connection: *const bgl_ssl_connection_t,
    buf: *const c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the precondition covers handle and bytes.
    unsafe {
        in_memory(connection, -1, |connection| {
            let data = part(buf, off, len, "buffer")?;
            connection.put_incoming(data)?;
            Ok(data.len() as c_long)
        })
    }
}

/// Informs the connection that the peer's stream of encrypted bytes has ended: steps that need more then fail with
/// BGL_SSL_E_TRUNCATED instead of BGL_SSL_WANT_READ.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the connection is closed or busy. Never blocks; any
/// thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_write_eof(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { status_of(connection, Connection::end_incoming) }
}

/// Encrypts plaintext; before that, takes a step of the handshake if it is not done yet.
///
/// buf: the bytes buf[off] to buf[off + len - 1]; not kept.
///
/// Returns how many were taken: all; -1 if the handshake is not done yet, or on failure: bgl_ssl_connection_status
/// says. Runs callbacks, during which buf is not read. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or readable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_in(
    connection: *const bgl_ssl_connection_t,
    buf: *const c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the precondition covers handle and bytes.
    guard::or(-1, || unsafe {
        let step = run_step(connection, |state| state.clear_in(part(buf, off, len, "buffer")?))?;
        Ok(count(step))
    })
}

/// Decrypts what the peer sent; before that, takes a step of the handshake if it is not done yet.
///
/// buf: receives up to len bytes from buf[off] on.
///
/// Returns how many; 0 if the peer has ended its half of the stream, and if len is 0 and there is something to decrypt;
/// -1 if there is nothing yet, or on failure: bgl_ssl_connection_status distinguishes these. With a len of 0 it still
/// takes in what is no plaintext, such as sessions and the end of the stream. Runs callbacks, during which buf is not
/// written. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for off + len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_out(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_void,
    off: usize,
    len: usize,
) -> c_long {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(-1, || unsafe {
        let step = run_step(connection, |state| state.clear_out(part_mut(buf, off, len)?))?;
        Ok(count(step))
    })
}

fn count(step: (Outcome, usize)) -> c_long {
    match step {
        (Outcome::Done, n) => n as c_long,
        (Outcome::Eof, _) => 0,
        _ => -1,
    }
}

/// The bytes of `buf` from `off` on, `len` of them.
///
/// Precondition: buf is NULL or writable for off + len bytes, not used elsewhere, and outlives 'a.
unsafe fn part_mut<'a>(buf: *mut c_void, off: usize, len: usize) -> Result<&'a mut [u8]> {
    let end = off.checked_add(len).ok_or_else(|| Error::argument("the buffer has an impossible length"))?;
    // SAFETY: the precondition covers the bytes.
    let whole = unsafe { convert::bytes_mut(buf, end, "buffer")? };
    Ok(whole.get_mut(off..).unwrap_or_default())
}

/// How many encrypted bytes are ready to be taken out.
///
/// Returns their number; 0 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_enc_pending(connection: *const bgl_ssl_connection_t) -> usize {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, 0, |connection| Ok(connection.buffered()?.0)) }
}

/// How many bytes that were put in have not been processed yet.
///
/// Returns their number; 0 on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_clear_pending(connection: *const bgl_ssl_connection_t) -> usize {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, 0, |connection| Ok(connection.buffered()?.1)) }
}

/// Whether the handshake is done.
///
/// Returns false also once the connection is closed, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_init_finishedp(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, false, Connection::is_handshaken) }
}

/// Sends close_notify (to be taken out by bgl_ssl_connection_read); a further call reads the peer's.
///
/// Returns 0 once close_notify is sent, 1 once the peer's has come, too; -1 if neither can be done now, or on failure.
/// bgl_ssl_connection_status says: BGL_SSL_WANT_READ if the peer must send more, or bgl_ssl_connection_clear_out must
/// first read what it has sent; BGL_SSL_E_STATE before the handshake is done. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_shutdown(connection: *const bgl_ssl_connection_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, -1, Connection::shutdown) }
}
