//! Listening on Unix sockets, and on given descriptors.

use crate::{
    error::{Error, Result},
    net::unix::UnixAddress,
    server::Server,
};
use std::{
    ffi::{c_char, c_int},
    ptr,
};

use super::bgl_ssl_server_t;
use crate::ffi::{config::bgl_ssl_config_t, convert, guard, handle};

/// Listens for TLS clients on a Unix socket. The server's file is removed when it is closed or freed, if it is still
/// the same file, and not by a forked process.
///
/// config: frozen by this. Without a certificate every handshake will fail. BGLSSL_DTLSV1 is BGL_SSL_E_UNSUPPORTED.
/// path: a file that is made by this; or "@" and an abstract name, which no file has (Linux). At most 107 bytes. A file
/// of that name is an error (BGL_SSL_E_IO, EADDRINUSE), unless it is a socket on which no process listens, as a program
/// leaves it that was killed: that is replaced. Servers that start at the same moment lock the file's directory
/// (flock(2)), for no longer than the start takes.
/// backlog: how many clients may wait, as for listen(2).
/// mode: the permissions of the file, 1 to 0777, whatever the umask: processes that may write to it may connect. 0 for
/// what the umask leaves of 0777. Abstract names have no permissions: anybody in the same network namespace may
/// connect.
///
/// Returns a server, to be freed with bgl_ssl_server_free, or NULL: BGL_SSL_E_ARGUMENT, also for a path that is too
/// long; BGL_SSL_E_CONFIG and BGL_SSL_E_UNSUPPORTED for the config; BGL_SSL_E_IO (EADDRINUSE, EACCES, ENOENT ...). Any
/// thread. Blocks no longer than the disk, and a second while somebody else keeps the lock.
///
/// Precondition: config is NULL or live, path NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_listen_unix(
    config: *const bgl_ssl_config_t,
    path: *const c_char,
    backlog: c_int,
    mode: c_int,
) -> *mut bgl_ssl_server_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers handle and text.
        let (config, path) = unsafe { (handle::borrow(config)?, convert::path(path)?) };
        let (address, mode) = (UnixAddress::parse(path.as_os_str())?, permissions(mode)?);
        Server::listen_unix(&config.freeze()?, &address, backlog, mode).map(handle::give)
    })
}

fn permissions(mode: c_int) -> Result<Option<u32>> {
    match u32::try_from(mode) {
        Ok(0) => Ok(None),
        Ok(mode @ 1..=0o777) => Ok(Some(mode)),
        _ => Err(Error::argument(format!("the permissions {mode:#o} are not between 0 and 0777"))),
    }
}

/// Takes TLS clients from a socket that the program has: one that was passed to it by a service manager (socket
/// activation), or that it has bound to a port below 1024 before it gave up its privileges.
///
/// config: frozen by this. Without a certificate every handshake will fail.
/// fd: a listening stream socket, of TCP or Unix (see listen(2)); with BGLSSL_DTLSV1 a datagram socket that is bound to
/// a port, and not connected (see bind(2)). It stays the caller's: the library works on a duplicate, so the caller may
/// close fd at any time. The duplicate shares its state with fd, and with other processes that have it: it is made
/// non-blocking, and for DTLS it gets IP_PKTINFO or IPV6_RECVPKTINFO and, only while a client gets a socket,
/// SO_REUSEPORT, or SO_REUSEADDR where another user has made it. Nothing else is done to it; bgl_ssl_server_close ends
/// the duplicate only, and while fd is open clients still queue on it. The file of a Unix socket is left alone. With
/// DTLS each client gets a socket of its own on the same port, so for a port below 1024 the program needs its
/// privileges (CAP_NET_BIND_SERVICE) as long as it accepts.
///
/// Returns a server, to be freed with bgl_ssl_server_free, or NULL: BGL_SSL_E_ARGUMENT for a socket that does not
/// listen, or is not bound; BGL_SSL_E_IO for what is no open stream socket (EBADF, ENOTSOCK, EPROTOTYPE);
/// BGL_SSL_E_UNSUPPORTED for a stream socket with DTLS; BGL_SSL_E_CONFIG and BGL_SSL_E_UNSUPPORTED for the config. Any
/// thread. Blocks no longer than the disk that holds the system's CA certificates.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_from_fd(
    config: *const bgl_ssl_config_t,
    fd: c_int,
) -> *mut bgl_ssl_server_t {
    guard::or(ptr::null_mut(), || {
        // SAFETY: the precondition covers the handle.
        let config = unsafe { handle::borrow(config)? };
        Server::given(&config.freeze()?, fd).map(handle::give)
    })
}
