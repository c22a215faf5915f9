//! Listening for TLS clients.

// In the order of the header.
pub mod listen;

pub mod info;

use crate::{
    error::{Code, Error, Result},
    net::{deadline::Deadline, resolve::Family},
    server::{LocalEnd, Server},
    socket::Step,
};
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    time::Duration,
};

use crate::ffi::{
    config::bgl_ssl_config_t,
    convert, guard,
    handle::{self, Handle},
    socket::bgl_ssl_socket_t,
    status::{bgl_ssl_status_t, progress},
};

/// A listening socket with the config for what it accepts. Any number of threads may accept on it.
pub struct bgl_ssl_server_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_server_t {
    type Rust = Server;
    const TAG: u64 = 0x4247_4c53_5345_5256;
    const NOUN: &'static str = "server";
}

/// Instead of a time limit: do not wait.
pub const BGL_SSL_NO_WAIT: i64 = -1;

/// Listens for TLS clients.
///
/// config: frozen by this. Without a certificate every handshake will fail.
/// name: the host name or address to listen on; NULL for every interface. An empty one is BGL_SSL_E_RESOLVE.
/// port: 1 to 65535, or 0 for any that is free (see bgl_ssl_server_port).
/// backlog: how many clients may wait, as for listen(2).
/// family: AF_INET, AF_INET6 or AF_UNSPEC. Without a name, the latter two take IPv4 clients too. A name with several
/// addresses ("localhost" is often ::1 and 127.0.0.1) is listened on at the first of them that this system has: use an
/// address, or a server for each address, if that matters.
///
/// Returns a server, to be freed with bgl_ssl_server_free, or NULL: BGL_SSL_E_ARGUMENT; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config; BGL_SSL_E_RESOLVE; BGL_SSL_E_IO (EADDRINUSE, EACCES ...). Any thread. Blocks
/// only to look the name up, no longer than the connect timeout.
///
/// Precondition: config is NULL or live, name NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_listen(
    config: *const bgl_ssl_config_t,
    name: *const c_char,
    port: c_int,
    backlog: c_int,
    family: c_int,
) -> *mut bgl_ssl_server_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle and text.
        let (config, name) = unsafe { (handle::borrow(config)?, convert::optional_text(name, "name")?) };
        let (port, family) = (convert::listen_port(port)?, Family::from_number(family)?);
        Server::listen(&config.freeze()?, name, port, backlog, family).map(handle::give)
    })
}

/// Accepts one client, and does its handshake unless the config says lazy.
///
/// timeout: microseconds to wait for a client; 0 for no limit; BGL_SSL_NO_WAIT not to wait. The handshake has its own
/// limit, the config's.
/// out: where to put the socket, to be freed with bgl_ssl_socket_free; NULL unless BGL_SSL_OK is returned. Not NULL.
///
/// Returns BGL_SSL_OK; BGL_SSL_WANT_READ if no client came with BGL_SSL_NO_WAIT, BGL_SSL_E_TIMEOUT with a limit;
/// BGL_SSL_E_STATE if the server is closed, before or during the call; BGL_SSL_E_IO if the system refuses (EMFILE ...,
/// returned after a pause of 50 ms at most, so that a loop does not spin); and the failures of the client's handshake,
/// whose phase is BGL_SSL_PHASE_HANDSHAKE: they concern that client only, whose connection is closed, and the server
/// goes on. One of them is BGL_SSL_E_CONFIG, where the server has no certificate. Any thread. Blocks no longer than
/// timeout and then the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert. See
/// accept(2).
///
/// Precondition: server is NULL or live, out NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_accept(
    server: *const bgl_ssl_server_t,
    timeout: i64,
    out: *mut *mut bgl_ssl_socket_t,
) -> bgl_ssl_status_t {
    guard::status(|| {
        convert::check_out(out, "socket")?;
        // SAFETY: the precondition covers handle and out-pointer.
        unsafe {
            convert::store(out, ptr::null_mut());
            let limit = match timeout {
                BGL_SSL_NO_WAIT => Some(Duration::ZERO),
                _ => convert::limit(timeout)?,
            };
            match handle::with(server, |server| server.accept(Deadline::after(limit)))? {
                Step::WantRead if timeout != BGL_SSL_NO_WAIT => Err(no_client()),
                step => Ok(progress(step.map(|socket| convert::store(out, handle::give(socket))))),
            }
        }
    })
}

fn no_client() -> Error {
    Error::timeout().during(crate::error::Phase::Accept, "accept a connection")
}

/// Begins TLS as the server on a stream socket that the program has accepted itself, such as by accept(2) on
/// bgl_ssl_server_fd, with the server's config and tickets; as bgl_ssl_upgrade_server_fd does with a config. Does the
/// handshake unless the config says lazy. That the server is closed does not matter.
///
/// fd: stays the caller's: the library duplicates it.
///
/// Returns a socket, to be freed with bgl_ssl_socket_free, or NULL, errors as bgl_ssl_upgrade_server_fd. Any thread.
/// Blocks no longer than the config's handshake timeout, and after a failed handshake 200 ms more, to send the alert.
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_upgrade_fd(
    server: *const bgl_ssl_server_t,
    fd: c_int,
) -> *mut bgl_ssl_socket_t {
    // SAFETY: the preconditions cover the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(server, |server| server.upgrade(fd).map(handle::give)) })
}

/// Replaces the config of a server: for the clients that it accepts from now on. Connections that it has accepted keep
/// theirs. Tickets that clients have got stay good, where the new config's demands on clients are the same, and its
/// certificates are for the same names: their keys are the server's, unless the new config has keys of its own
/// (bgl_ssl_config_set_ticket_keys). How many peers a server over datagrams has at most stays as it was.
///
/// config: with a certificate; frozen by this.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also if the one is for TLS and the other for DTLS; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config. On failure the server goes on with the config that it had. Any thread. Blocks
/// no longer than the disk that holds the system's CA certificates.
///
/// Precondition: server and config are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_set_config(
    server: *const bgl_ssl_server_t,
    config: *const bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    guard::done(|| unsafe {
        let config = handle::borrow(config)?;
        handle::with(server, |server| server.set_config(&config.freeze()?))
    })
}

/// Reads the files of all identities of the server's config again, and those of CAs (bgl_ssl_config_set_ca_file), those
/// of its hosts included: for handshakes that begin from now on, as bgl_ssl_identity_reload does. What was made from
/// objects stays as it is. All are replaced or, if one cannot be read, none. Where the CAs have changed, sessions of
/// before are not resumed by servers that ask for certificates. Where a certificate's names have changed, sessions of
/// before are not resumed.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT for NULL; and BGL_SSL_E_IO or BGL_SSL_E_CONFIG for a file, which the message
/// names. Any thread. Blocks no longer than the disk (and the keys' own key derivation).
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_reload(server: *const bgl_ssl_server_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(server, |server| server.reload()) })
}

/// The port that the server listens on.
///
/// Returns 1 to 65535, or -1 on failure (BGL_SSL_E_STATE if it is closed, BGL_SSL_E_UNSUPPORTED on a Unix socket).
/// Never blocks; any thread.
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_port(server: *const bgl_ssl_server_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe { handle::with(server, |server| port_of(&server.local_end()?)) })
}

fn port_of(end: &LocalEnd) -> Result<c_int> {
    match end {
        LocalEnd::Internet(address) => Ok(c_int::from(address.port())),
        LocalEnd::Unix(_) => Err(Error::new(Code::Unsupported, "a Unix socket has no port")),
    }
}

/// Copies out the numeric address that the server listens on, such as "0.0.0.0" or "::"; of a Unix socket its path, or
/// "@" and its abstract name.
///
/// port: where to put the port, 0 for a Unix socket; may be NULL.
///
/// Returns the length of the whole text; 0 on failure (BGL_SSL_E_STATE if it is closed). Never blocks; any thread.
///
/// Precondition: server is NULL or live; buf is NULL or writable for size bytes; port is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_local_address(
    server: *const bgl_ssl_server_t,
    buf: *mut c_char,
    size: usize,
    port: *mut c_int,
) -> usize {
    // SAFETY: the precondition covers handle and pointers.
    guard::or(0, || unsafe {
        match handle::with(server, Server::local_end)? {
            LocalEnd::Internet(address) => convert::copy_address(Some(address), buf, size, port),
            LocalEnd::Unix(name) => convert::copy_place(name.as_bytes(), 0, buf, size, port),
        }
    })
}

/// The server's descriptor, for poll(2) only: readable when a client waits; over datagrams (DTLS) also when accept has
/// something else to do, and so at times although no client waits. It stays the library's, which makes it non-blocking
/// if an accept has a limit.
///
/// Returns -1 once the server is closed, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_fd(server: *const bgl_ssl_server_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe { handle::with(server, |server| Ok(server.raw_fd().unwrap_or(-1))) })
}

/// Stops listening; sockets that were accepted stay valid. Threads that wait in bgl_ssl_server_accept return
/// BGL_SSL_E_STATE. A second close does nothing. A forked process can close its copy without effect on its parent;
/// but a close in the process that made the server, while threads of it wait in accept without a limit, ends the
/// listening of all (see docs/threads.md).
///
/// Returns BGL_SSL_OK, or BGL_SSL_E_ARGUMENT for NULL. Blocks for 20 ms at most, where it removes the file of a Unix
/// socket while another server begins or ends in the same directory; any thread.
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_close(server: *const bgl_ssl_server_t) -> bgl_ssl_status_t {
    let close = |server: &Server| {
        server.close();
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(server, close) })
}

/// Frees a server, closing it if it is not closed; sockets that were accepted stay valid. Takes NULL; returns nothing,
/// never fails. Blocks only as bgl_ssl_server_close does.
///
/// Precondition: server is NULL or live, the caller's, and no call on it is in progress: neither in another thread, nor in
/// this one, where it has called a function of the program's (to verify, to trace, to carry bytes).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_free(server: *mut bgl_ssl_server_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(server) }
}

/// Whether a handle of this library is a socket or a server. (Bigloo: ssl-socket?.)
///
/// Returns false for any other handle, and for NULL. Never blocks; any thread.
///
/// Precondition: handle is NULL, or from this library and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socketp(handle: *const c_void) -> bool {
    // SAFETY: every handle of the library begins with its tag.
    unsafe { handle::is::<bgl_ssl_socket_t>(handle.cast()) || handle::is::<bgl_ssl_server_t>(handle.cast()) }
}
