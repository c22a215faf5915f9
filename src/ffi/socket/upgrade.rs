//! TLS over functions of the program, another TLS connection, or two descriptors.

use crate::{socket::Socket, transport::descriptors::Descriptors};
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::Arc,
};

use super::{
    bgl_ssl_socket_t, check_buffered,
    io_functions::{Functions, bgl_ssl_io_t},
};
use crate::ffi::{config::bgl_ssl_config_t, convert, guard, handle};

/// Begins TLS as the client over functions of the program, and does the handshake, unless the config says lazy or there
/// is no function that waits.
///
/// config: frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// io: the functions, which are copied. The socket has no descriptor: bgl_ssl_socket_fd returns -1, and a program that
/// does not block waits for what its functions need. When one of its calls returns BGL_SSL_WANT_READ or
/// BGL_SSL_WANT_WRITE, the function to read or to write has said so just before, and what it wanted is what is
/// returned.
/// user: passed to the functions.
/// hostname: the name to verify and to send as SNI; NULL if not known, which is an error unless the config has a name
/// or does not verify names.
/// buffered: as for bgl_ssl_upgrade_client_fd.
///
/// Without a function that waits the socket does not block, and its handshake is part of the first calls, or of
/// bgl_ssl_socket_handshake; a call that would have to wait because bgl_ssl_socket_set_nonblocking has been called with
/// false returns BGL_SSL_E_STATE. bgl_ssl_socket_close sends close_notify, and calls shutdown, but neither waits for
/// the peer's end nor discards what it sends: where the functions use a TCP socket, this is for the program
/// (docs/closing.md).
///
/// free is called once: after a close, or else by bgl_ssl_socket_free (where threads are in other calls on the socket,
/// by the last of them); if this function fails, whatever the reason, before it returns. Only where io is NULL, or its
/// size field is wrong, the library does not know it.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_UNSUPPORTED for
/// functions of a later version; BGL_SSL_E_IO and others from the functions; else as bgl_ssl_upgrade_client_fd. Any
/// thread. Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the
/// alert.
///
/// Precondition: config is NULL or live; io is NULL or readable for as many bytes as its size field says, and its
/// functions can be called on any thread until free was called; hostname is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_client_io(
    config: *const bgl_ssl_config_t,
    io: *const bgl_ssl_io_t,
    user: *mut c_void,
    hostname: *const c_char,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers functions, handle and text. The functions come first: whatever fails, they
        // are freed.
        let (stream, config, hostname) = unsafe {
            let stream = Functions::take(io, user)?;
            (stream, handle::borrow(config)?, convert::optional_text(hostname, "host name")?)
        };
        check_buffered(buffered)?;
        Socket::upgrade_client_stream(&config.freeze()?, Arc::new(stream), hostname).map(handle::give)
    })
}

/// Begins TLS as the server over functions of the program, and does the handshake, unless the config says lazy or there
/// is no function that waits.
///
/// config: needs a certificate; frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// io, user, buffered: as for bgl_ssl_upgrade_client_io, also when free is called.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_io. Any thread.
/// Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live; io is as for bgl_ssl_upgrade_client_io.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_server_io(
    config: *const bgl_ssl_config_t,
    io: *const bgl_ssl_io_t,
    user: *mut c_void,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers functions and handle. The functions come first: whatever fails, they are
        // freed.
        let (stream, config) = unsafe { (Functions::take(io, user)?, handle::borrow(config)?) };
        check_buffered(buffered)?;
        let frozen = config.freeze()?;
        Socket::upgrade_server_stream(&frozen, &frozen.sessions()?, Arc::new(stream)).map(handle::give)
    })
}

/// Begins TLS as the client inside another TLS connection (a tunnel through a TLS proxy, say), and does the handshake
/// unless the config says lazy.
///
/// config: for the new connection; frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// outer: an open socket over a stream, in either role; its handshake is done first if it is not complete. It may
/// itself be inside another connection. From now on the new socket reads and writes on it: calls of the program that
/// read, write, or end one half of outer return BGL_SSL_E_STATE. It can still be asked for facts. It stays the
/// caller's, who frees it with bgl_ssl_socket_free, before or after the new socket; the connection goes on as long as
/// one of the two is there.
/// hostname: the name to verify and to send as SNI; NULL if not known, which is an error unless the config has a name
/// or does not verify names.
/// buffered: how many bytes the caller has read from outer and not yet consumed: as for bgl_ssl_upgrade_client_fd.
///
/// The time limits of the new socket count, not those of outer. bgl_ssl_socket_shutdown ends the writing half of both;
/// bgl_ssl_socket_close closes both, the inner one first, within the close timeout of the new socket. If outer is
/// closed alone, the new connection is cut off. A handshake that fails ends both connections. bgl_ssl_socket_fd returns
/// the descriptor under the outermost connection, and what a call in non-blocking mode returns (BGL_SSL_WANT_READ,
/// BGL_SSL_WANT_WRITE) is for this descriptor; bgl_ssl_socket_pending counts what outer has received, too.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_STATE if outer is closed, or carries a
/// connection already; BGL_SSL_E_ARGUMENT if it is one of datagrams; failures of outer; else as
/// bgl_ssl_upgrade_client_fd. Any thread. Blocks no longer than the config's handshake timeout, and after a failed
/// handshake 200 ms more, to send the alert.
///
/// Precondition: config and outer are NULL or live, hostname is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_client_socket(
    config: *const bgl_ssl_config_t,
    outer: *const bgl_ssl_socket_t,
    hostname: *const c_char,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handles and text.
        let (config, hostname) =
            unsafe { (handle::borrow(config)?, convert::optional_text(hostname, "host name")?) };
        check_buffered(buffered)?;
        let begin = |outer: &Socket| Socket::upgrade_client_socket(&config.freeze()?, outer, hostname);
        // SAFETY: likewise.
        unsafe { handle::with(outer, begin) }.map(handle::give)
    })
}

/// Begins TLS as the server inside another TLS connection, and does the handshake unless the config says lazy.
///
/// config: for the new connection; needs a certificate; frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// outer, buffered: as for bgl_ssl_upgrade_client_socket, with all that is said there.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_socket. Any
/// thread. Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the
/// alert.
///
/// Precondition: config and outer are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_server_socket(
    config: *const bgl_ssl_config_t,
    outer: *const bgl_ssl_socket_t,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let config = unsafe { handle::borrow(config)? };
        check_buffered(buffered)?;
        let frozen = config.freeze()?;
        let begin = |outer: &Socket| Socket::upgrade_server_socket(&frozen, &frozen.sessions()?, outer);
        // SAFETY: likewise.
        unsafe { handle::with(outer, begin) }.map(handle::give)
    })
}

/// Begins TLS as the client over one descriptor to read and another one to write (two pipes, say, or standard input and
/// output), and does the handshake unless the config says lazy.
///
/// config: frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// read_fd, write_fd: open descriptors of any kind, blocking or not; both may be the same. They stay the caller's: the
/// library works on duplicates. No other code may read from or write to what is behind them. bgl_ssl_socket_fd returns
/// the duplicate of read_fd; a program that does not block waits for write_fd where BGL_SSL_WANT_WRITE is returned.
/// hostname, buffered: as for bgl_ssl_upgrade_client_fd.
///
/// bgl_ssl_socket_close sends close_notify. The end of a pipe comes when the caller's descriptors are closed, too; the
/// writing half of a socket is shut down, but neither close waits for the peer's end, nor is anything discarded in the
/// background.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_IO (EBADF) for a descriptor that is not
/// open; else as bgl_ssl_upgrade_client_fd. Any thread. Blocks no longer than the config's handshake timeout, and after
/// a failed handshake 200 ms more, to send the alert. Writing to a pipe without a reader gives EPIPE, and no SIGPIPE.
///
/// Precondition: config is NULL or live, hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_client_fds(
    config: *const bgl_ssl_config_t,
    read_fd: c_int,
    write_fd: c_int,
    hostname: *const c_char,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle and text.
        let (config, hostname) =
            unsafe { (handle::borrow(config)?, convert::optional_text(hostname, "host name")?) };
        check_buffered(buffered)?;
        let frozen = config.freeze()?;
        let stream = Descriptors::duplicate(read_fd, write_fd)?;
        Socket::upgrade_client_stream(&frozen, Arc::new(stream), hostname).map(handle::give)
    })
}

/// Begins TLS as the server over one descriptor to read and another one to write, as a program does that inetd(8) or a
/// shell's pipe has started, and does the handshake unless the config says lazy.
///
/// config: needs a certificate; frozen by this. DTLS is BGL_SSL_E_CONFIG.
/// read_fd, write_fd, buffered: as for bgl_ssl_upgrade_client_fds, with all that is said there.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_fds. Any thread.
/// Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_server_fds(
    config: *const bgl_ssl_config_t,
    read_fd: c_int,
    write_fd: c_int,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let config = unsafe { handle::borrow(config)? };
        check_buffered(buffered)?;
        let frozen = config.freeze()?;
        let stream = Descriptors::duplicate(read_fd, write_fd)?;
        Socket::upgrade_server_stream(&frozen, &frozen.sessions()?, Arc::new(stream)).map(handle::give)
    })
}
