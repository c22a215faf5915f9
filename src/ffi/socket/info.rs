//! State, addresses, handshake and peer of a socket.

use crate::{ossl::x509, socket::Socket};
use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    convert, guard, handle,
    socket::bgl_ssl_socket_t,
};

/// The socket's descriptor, for poll(2) only: it stays the library's. That of a socket of bgl_ssl_connect_start is
/// another one once it is connected.
///
/// Returns -1 once the socket is closed, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_fd(socket: *const bgl_ssl_socket_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe { handle::with(socket, |socket| Ok(socket.raw_fd().unwrap_or(-1))) })
}

/// Copies out the numeric address of the socket's own end, such as "127.0.0.1" or "::1".
///
/// port: where to put the port; may be NULL.
///
/// Returns the length of the whole text; 0 for a socket that is neither IPv4 nor IPv6 (port 0), and on failure
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
    // SAFETY: the precondition covers handle and pointers.
    guard::or(0, || unsafe { convert::copy_address(handle::with(socket, Socket::local_address)?, buf, size, port) })
}

/// Copies out the numeric address of the peer's end, such as "127.0.0.1" or "::1".
///
/// port: where to put the port; may be NULL.
///
/// Returns the length of the whole text; 0 for a socket that is neither IPv4 nor IPv6 (port 0), and on failure
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
    // SAFETY: the precondition covers handle and pointers.
    guard::or(0, || unsafe { convert::copy_address(handle::with(socket, Socket::peer_address)?, buf, size, port) })
}

/// Precondition: socket is NULL or live.
unsafe fn static_text(
    socket: *const bgl_ssl_socket_t,
    text: impl FnOnce(&Socket) -> Option<&'static CStr>,
) -> *const c_char {
    // SAFETY: the precondition covers the handle.
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
    // SAFETY: the precondition covers the handle.
    unsafe { static_text(socket, Socket::protocol) }
}

/// The cipher suite that was negotiated, by OpenSSL's name, such as "TLS_AES_256_GCM_SHA384".
///
/// Returns a static text; NULL before the handshake, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_cipher(socket: *const bgl_ssl_socket_t) -> *const c_char {
    // SAFETY: the precondition covers the handle.
    unsafe { static_text(socket, Socket::cipher) }
}

/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
unsafe fn copy(
    socket: *const bgl_ssl_socket_t,
    buf: *mut c_char,
    size: usize,
    text: impl FnOnce(&Socket) -> Vec<u8>,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(socket, buf, size, Socket::alpn) }
}

/// Copies out the name that the client sends, or the server received, as SNI (RFC 6066).
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(socket, buf, size, text) }
}

/// The result of the verification of the peer, whether it is enforced or not: one fault of the chain, the certificate's
/// own times, the name, the pinned keys, the accepted list or the staple, as far as the config demands them. Of the
/// chain it is the first fault: after it nothing further was checked, not even signatures. If the config verifies
/// nothing (bgl_ssl_config_insecure_verify_none), the chain alone is verified, when this is called.
///
/// Returns an X509_V_... code of <openssl/x509_vfy.h>: 0 if nothing is wrong, X509_V_ERR_UNSPECIFIED (1) if several of
/// these are; -1 if the peer sent no certificate, and for NULL (BGL_SSL_E_ARGUMENT). Any thread. Blocks no longer than
/// the disk that holds the system's CA certificates, which are read where the config verifies nothing.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_verify_result(socket: *const bgl_ssl_socket_t) -> i32 {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe { handle::with(socket, |socket| Ok(socket.verify_result().unwrap_or(-1))) })
}

/// Copies out OpenSSL's text for bgl_ssl_socket_verify_result, such as "certificate has expired".
///
/// Returns the length of the whole text; 0 if nothing is wrong, if the peer sent no certificate, and on failure. Any
/// thread. Blocks no longer than the disk that holds the system's CA certificates, which are read where the config
/// verifies nothing.
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
    // SAFETY: the precondition covers handle and buffer.
    unsafe { copy(socket, buf, size, text) }
}

/// The peer's certificate, even if the peer was refused.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, which may outlive the socket; NULL if the peer
/// sent none (which is no failure), and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_peer_certificate(
    socket: *const bgl_ssl_socket_t,
) -> *mut bgl_ssl_certificate_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe {
        handle::with(socket, |socket| Ok(socket.peer_certificate().map_or(ptr::null_mut(), handle::share)))
    })
}

/// The certificates that the peer has sent, its own first, whether they were verified or not.
///
/// Returns a list, which may be empty, to be freed with bgl_ssl_certificate_list_free, which may outlive the socket;
/// NULL for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_peer_chain(
    socket: *const bgl_ssl_socket_t,
) -> *mut bgl_ssl_certificate_list_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(socket, |socket| Ok(handle::give(socket.peer_chain()))) })
}

/// Copies out the OCSP response that the server has stapled to its certificate, in DER. It has been checked if the
/// config says so: see bgl_ssl_config_set_staple_policy.
///
/// Returns how many bytes there are; 0 if there are none (a server's socket, a resumed handshake), and on failure.
/// Never blocks; any thread.
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_staple(
    socket: *const bgl_ssl_socket_t,
    buf: *mut std::ffi::c_void,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe {
        let staple = handle::with(socket, |socket| Ok(socket.staple()))?;
        convert::copy_bytes(&staple, buf, size)
    })
}

/// The peer's chain as it was verified: its own certificate first, the trusted one last. What it has sent is in
/// bgl_ssl_socket_peer_chain. In a resumed handshake no chain is sent: it is built again of what the session has
/// (on a server, the client's certificate alone) and what is trusted now.
///
/// Returns a list, to be freed with bgl_ssl_certificate_list_free; an empty one if no chain was verified, or it cannot
/// be built again; NULL on failure (BGL_SSL_E_ARGUMENT). Any thread. Blocks no longer than the disk that holds the
/// system's CA certificates. See SSL_get0_verified_chain(3).
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_verified_chain(
    socket: *const bgl_ssl_socket_t,
) -> *mut bgl_ssl_certificate_list_t {
    // SAFETY: the precondition covers the handle.
    guard::or(ptr::null_mut(), || unsafe {
        handle::with(socket, |socket| Ok(handle::give(socket.verified_chain())))
    })
}
