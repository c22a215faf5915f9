//! TLS connections: over TCP, or over another descriptor.

use crate::{
    error::{Code, Error, Result},
    net::resolve::Family,
    ossl::x509,
    session::Session,
    socket::{LimitKind, Socket, Step},
};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    net::SocketAddr,
    ptr,
};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    config::bgl_ssl_config_t,
    convert, guard,
    handle::{self, Handle},
    status::{BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_WRITE, bgl_ssl_status_t},
};

pub mod keying_material;

/// A TLS connection over a stream socket, or a DTLS connection over datagrams. One thread may read while another writes
/// and a third closes.
pub struct bgl_ssl_socket_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_socket_t {
    type Rust = Socket;
    const TAG: u64 = 0x4247_4c53_534f_434b;
    const NOUN: &'static str = "socket";
}

/// A TLS session that a later connection to the same server may resume.
pub struct bgl_ssl_session_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_session_t {
    type Rust = Session;
    const TAG: u64 = 0x4247_4c53_5345_5353;
    const NOUN: &'static str = "session";
}

/// Connects to a host, and does the TLS handshake as the client unless the config says lazy.
///
/// All addresses of the host are tried, IPv6 and IPv4 in turn, a slow one no longer than 250 ms before the next begins
/// beside it (RFC 8305).
///
/// config: frozen by this.
/// host: a DNS name or an IP address.
/// port: 1 to 65535.
/// family: AF_INET, AF_INET6 or AF_UNSPEC (any).
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config; BGL_SSL_E_RESOLVE; BGL_SSL_E_IO (ECONNREFUSED ...); BGL_SSL_E_TIMEOUT;
/// BGL_SSL_E_VERIFY, BGL_SSL_E_NAME, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED from the handshake. Any thread. Blocks no
/// longer than the config's connect timeout (and, in the handshake, its handshake timeout), and after a failed
/// handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live, host NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the caller vouches for handle and text.
    unsafe { bgl_ssl_connect_resume(config, host, port, family, ptr::null()) }
}

/// Connects as bgl_ssl_connect does, and offers the server to resume an earlier session, which saves it and us a full
/// handshake; bgl_ssl_socket_session_reused tells whether it agreed.
///
/// session: from an earlier socket; NULL for none. It stays the caller's. It is offered only where a full handshake would
/// accept the same peer: to the same host name, by a config with equal settings (CAs, accepted certificates,
/// verification, versions, ciphers, own certificate), while the system's CAs are the same and no certificate of the
/// peer's chain has expired. Otherwise the handshake is a full one.
///
/// Returns what bgl_ssl_connect does. Threads and blocking as there.
///
/// Precondition: config and session are NULL or live, host NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connect_resume(
    config: *const bgl_ssl_config_t,
    host: *const c_char,
    port: c_int,
    family: c_int,
    session: *const bgl_ssl_session_t,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the caller vouches for handles and text.
        let (config, host, session) =
            unsafe { (handle::borrow(config)?, convert::text(host, "host")?, handle::borrow_optional(session)?) };
        let (port, family) = (convert::port(port)?, Family::from_number(family)?);
        Socket::connect(&config.freeze()?, host, port, family, session).map(handle::give)
    })
}

/// Begins TLS as the client on an open stream socket (STARTTLS), and does the handshake unless the config says lazy.
///
/// config: frozen by this.
/// fd: a connected stream socket; with BGLSSL_DTLSV1 a connected datagram socket. It stays the caller's: the library
/// works on a duplicate, so the caller may close fd at
/// any time from now on, also before the handle. The connection itself ends with bgl_ssl_socket_close. If this fails,
/// fd is still open, but bytes may have been exchanged: close it.
/// hostname: whom to verify and to name as SNI; NULL if not known, which is an error unless the config has one or does
/// not verify names.
/// buffered: how many bytes of plaintext the caller has read from the peer and not yet consumed. Other than 0 is an
/// error: they came from before TLS, and must not be taken for something that came through it (CVE-2011-0411).
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL: BGL_SSL_E_STATE for buffered plaintext;
/// BGL_SSL_E_IO for a bad descriptor; else as bgl_ssl_connect. Any thread. Blocks no longer than the config's handshake
/// timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live, hostname NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_client_fd(
    config: *const bgl_ssl_config_t,
    fd: c_int,
    hostname: *const c_char,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the caller vouches for handle and text.
        let (config, hostname) =
            unsafe { (handle::borrow(config)?, convert::optional_text(hostname, "host name")?) };
        check_buffered(buffered)?;
        Socket::upgrade_client(&config.freeze()?, fd, hostname).map(handle::give)
    })
}

/// Begins TLS as the server on an open stream socket: one from accept(2), or the server's side of STARTTLS. Does the
/// handshake unless the config says lazy.
///
/// config: needs a certificate; frozen by this.
/// fd, buffered: as for bgl_ssl_upgrade_client_fd.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_client_fd. Any thread.
/// Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_upgrade_server_fd(
    config: *const bgl_ssl_config_t,
    fd: c_int,
    buffered: usize,
) -> *mut bgl_ssl_socket_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the caller vouches for the handle.
        let config = unsafe { handle::borrow(config)? };
        check_buffered(buffered)?;
        Socket::upgrade_server(&config.freeze()?, fd).map(handle::give)
    })
}

fn check_buffered(buffered: usize) -> Result<()> {
    if buffered == 0 {
        return Ok(());
    }
    let message = format!(
        "{buffered} bytes of plaintext were read from the peer before TLS began, and would be taken for data that \
         came through it (CVE-2011-0411)"
    );
    Err(Error::new(Code::State, message))
}

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
/// buf: room for len bytes; len 0 reads nothing.
/// n: where to put the number of bytes read; 0 unless BGL_SSL_OK is returned. Not NULL.
///
/// Returns BGL_SSL_OK; BGL_SSL_EOF once the peer has ended its half with close_notify; non-blocking also
/// BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE; BGL_SSL_E_TRUNCATED if the connection ended without close_notify;
/// BGL_SSL_E_IO (ECONNRESET ...); BGL_SSL_E_TIMEOUT, after which one may read again; BGL_SSL_E_PROTOCOL;
/// BGL_SSL_E_STATE if the socket is or gets closed; BGL_SSL_E_ARGUMENT; and the handshake's failures. Any thread;
/// several readers take turns. Blocks no longer than the read timeout (and the handshake timeout before); non-blocking,
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
/// writers take turns, each with its whole buffer. Blocks no longer than the write timeout (and the handshake timeout
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
/// BGL_SSL_E_TIMEOUT or BGL_SSL_E_IO if what was written could not all be sent, the socket being closed all the same;
/// BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the close timeout.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_close(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { step(socket, Socket::close) }
}

/// Frees a socket. One that was not closed is cut off: the peer sees a truncation. One whose handshake has failed needs
/// no close: the peer gets the alert. Takes NULL; returns nothing, never
/// fails, never blocks.
///
/// Precondition: socket is NULL or live, the caller's, and no other thread is in a call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_free(socket: *mut bgl_ssl_socket_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::free(socket) }
}

/// Sets whether calls on the socket return BGL_SSL_WANT_READ and BGL_SSL_WANT_WRITE instead of waiting. The descriptor's
/// own O_NONBLOCK has no influence, and is left alone.
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
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}

/// Precondition: socket is NULL or live.
unsafe fn set_limit(socket: *const bgl_ssl_socket_t, kind: LimitKind, microseconds: i64) -> bgl_ssl_status_t {
    let set = |socket: &Socket| {
        socket.set_limit(kind, convert::limit(microseconds)?);
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}

/// Sets the time limit for a handshake; the config's until then. It holds in both modes: see bgl_ssl_socket_timeout.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
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
    // SAFETY: the caller vouches for the handle.
    unsafe { set_limit(socket, LimitKind::Close, microseconds) }
}

/// The socket's descriptor, for poll(2) only: it stays the library's.
///
/// Returns -1 once the socket is closed, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_fd(socket: *const bgl_ssl_socket_t) -> c_int {
    // SAFETY: the caller vouches for the handle.
    guard::or(-1, || unsafe { handle::with(socket, |socket| Ok(socket.raw_fd().unwrap_or(-1))) })
}

/// Copies out an address as text, and its port.
///
/// Precondition: buf is NULL or writable for size bytes, port NULL or writable.
pub unsafe fn copy_address(
    address: Option<SocketAddr>,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> Result<usize> {
    let (text, number) = match address {
        Some(address) => (address.ip().to_string(), c_int::from(address.port())),
        None => (String::new(), 0),
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        convert::store(port, number);
        convert::copy_text(text.as_bytes(), buf, size)
    }
}

/// Copies out the numeric address of the socket's own end, such as "127.0.0.1" or "::1".
///
/// port: where to put the port; may be NULL.
///
/// Returns the length of the whole text; 0 for a socket that is not of the internet (port 0), and on failure
/// (BGL_SSL_E_STATE if it is closed). Never blocks; any thread. See getsockname(2).
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes; port is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_local_address(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> usize {
    // SAFETY: the caller vouches for handle and pointers.
    guard::or(0, || unsafe { copy_address(handle::with(socket, Socket::local_address)?, buf, size, port) })
}

/// Copies out the numeric address of the peer's end, such as "127.0.0.1" or "::1".
///
/// port: where to put the port; may be NULL.
///
/// Returns the length of the whole text; 0 for a socket that is not of the internet (port 0), and on failure
/// (BGL_SSL_E_STATE if it is closed). Never blocks; any thread. See getpeername(2).
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes; port is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_peer_address(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> usize {
    // SAFETY: the caller vouches for handle and pointers.
    guard::or(0, || unsafe { copy_address(handle::with(socket, Socket::peer_address)?, buf, size, port) })
}

/// Precondition: socket is NULL or live.
unsafe fn static_text(
    socket: *const bgl_ssl_socket_t,
    text: impl FnOnce(&Socket) -> Option<&'static CStr>,
) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null(), || unsafe {
        handle::with(socket, |socket| Ok(text(socket).map_or(ptr::null(), CStr::as_ptr)))
    })
}

/// The protocol that was negotiated, such as "TLSv1.3".
///
/// Returns a static text; NULL before the handshake, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_protocol(socket: *const bgl_ssl_socket_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { static_text(socket, Socket::protocol) }
}

/// The cipher suite that was negotiated, by OpenSSL's name, such as "TLS_AES_256_GCM_SHA384".
///
/// Returns a static text; NULL before the handshake, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_cipher(socket: *const bgl_ssl_socket_t) -> *const c_char {
    // SAFETY: the caller vouches for the handle.
    unsafe { static_text(socket, Socket::cipher) }
}

/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
unsafe fn copy(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
    text: impl FnOnce(&Socket) -> Vec<u8>,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    guard::or(0, || unsafe {
        let text = handle::with(socket, |socket| Ok(text(socket)))?;
        convert::copy_text(&text, buf, size)
    })
}

/// Copies out the application protocol that was negotiated (ALPN, RFC 7301).
///
/// Returns the length of the whole text; 0 if none was, before the handshake, and on failure. Never blocks; any thread.
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_alpn(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(socket, buf, size, Socket::alpn) }
}

/// Copies out the server's name that a client sends, or that a server was sent, as SNI (RFC 6066).
///
/// Returns the length of the whole text; 0 if there is none, and on failure. Never blocks; any thread.
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_server_name(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let text = |socket: &Socket| socket.server_name().map_or_else(Vec::new, std::ffi::CString::into_bytes);
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(socket, buf, size, text) }
}

/// What the check of the peer's certificate chain found, enforced or not.
///
/// Returns an X509_V_... code of <openssl/x509_vfy.h>: 0 if all is well; -1 if the peer has shown no certificate, and
/// for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_verify_result(socket: *const bgl_ssl_socket_t) -> i32 {
    // SAFETY: the caller vouches for the handle.
    guard::or(-1, || unsafe { handle::with(socket, |socket| Ok(socket.verify_result().unwrap_or(-1))) })
}

/// Copies out OpenSSL's words for what the check of the peer's chain found, such as "certificate has expired".
///
/// Returns the length of the whole text; 0 if all is well, if the peer has shown no certificate, and on failure. Never
/// blocks; any thread.
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_verify_error(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let text = |socket: &Socket| match socket.verify_result() {
        None | Some(0) => Vec::new(),
        Some(code) => x509::verify_text(code).into_bytes(),
    };
    // SAFETY: the caller vouches for handle and buffer.
    unsafe { copy(socket, buf, size, text) }
}

/// The peer's certificate, also that of a peer that was refused.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, which may outlive the socket; NULL if the peer has
/// shown none (which is no failure), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_peer_certificate(
    socket: *const bgl_ssl_socket_t,
) -> *mut bgl_ssl_certificate_t {
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null_mut(), || unsafe {
        handle::with(socket, |socket| Ok(socket.peer_certificate().map_or(ptr::null_mut(), handle::share)))
    })
}

/// The certificates that the peer has sent, its own first, whether they were verified or not.
///
/// Returns a list, maybe empty, to be freed with bgl_ssl_certificate_list_free, which may outlive the socket; NULL for
/// NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_peer_chain(
    socket: *const bgl_ssl_socket_t,
) -> *mut bgl_ssl_certificate_list_t {
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(socket, |socket| Ok(handle::give(socket.peer_chain()))) })
}

/// The session of a client's connection, for a later one to resume. With TLS 1.3 the server sends it after the
/// handshake: it is there once something has been read.
///
/// Returns a session, to be freed with bgl_ssl_session_free, which may outlive the socket; NULL if there is none to
/// resume (BGL_SSL_E_STATE), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_session(socket: *const bgl_ssl_socket_t) -> *mut bgl_ssl_session_t {
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(socket, |socket| socket.session().map(handle::give)) })
}

/// Whether the connection resumed an earlier session.
///
/// Returns false also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_session_reused(socket: *const bgl_ssl_socket_t) -> bool {
    // SAFETY: the caller vouches for the handle.
    guard::or(false, || unsafe { handle::with(socket, |socket| Ok(socket.session_reused())) })
}

/// Frees a session. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: session is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_session_free(session: *mut bgl_ssl_session_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::free(session) }
}
