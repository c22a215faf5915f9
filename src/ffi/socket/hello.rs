//! The client's hello, and what a server decides by it.

pub mod psk_identities;

use crate::{error::Error, hello::Hello};
use std::{
    ffi::{c_char, c_void},
    ptr,
    sync::Arc,
};

use super::bgl_ssl_socket_t;
use crate::ffi::{
    config::bgl_ssl_config_t,
    convert, guard,
    handle::{self, Handle},
    status::{bgl_ssl_status_t, progress},
};

/// The message by which a client has opened a handshake, taken apart. It never changes; any number of threads may read
/// it.
pub struct bgl_ssl_hello_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_hello_t {
    type Rust = Arc<Hello>;
    const TAG: u64 = 0x4247_4c53_4845_4c4f;
    const NOUN: &'static str = "hello";
}

/// Waits for the client's hello, on a server's socket whose config is lazy (bgl_ssl_config_set_lazy_handshake), before
/// its handshake. The program may then choose a config (bgl_ssl_socket_set_config), refuse the client
/// (bgl_ssl_socket_refuse), or go on. It can be asked for later, too, if it was asked for before the handshake, or if
/// the server had to choose by it.
///
/// out: where to put the hello, to be freed with bgl_ssl_hello_free, which may outlive the socket; NULL unless
/// BGL_SSL_OK is returned. Not NULL.
///
/// Returns BGL_SSL_OK; BGL_SSL_WANT_READ where the socket is non-blocking and not all of it has come; BGL_SSL_E_STATE
/// if the handshake has begun without it, or the socket is a client's or closed; BGL_SSL_E_PROTOCOL if what has come is
/// no hello, and after bgl_ssl_socket_refuse; BGL_SSL_E_TIMEOUT; BGL_SSL_E_IO. Any thread. Blocks no longer than the
/// handshake timeout.
///
/// Precondition: socket is NULL or live, out NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_hello(
    socket: *const bgl_ssl_socket_t,
    out: *mut *mut bgl_ssl_hello_t,
) -> bgl_ssl_status_t {
    guard::status(|| {
        convert::check_out(out, "hello")?;
        // SAFETY: the precondition covers handle and out-pointer.
        unsafe {
            convert::store(out, ptr::null_mut());
            let step = handle::with(socket, |socket| socket.hello())?;
            Ok(progress(step.map(|hello| convert::store(out, handle::give(hello)))))
        }
    })
}

/// Gives a server's socket another config before its handshake, which then decides how the client is served; if it has
/// hosts, by their names. Time limits and the settings for datagrams stay those of the config that the socket was made
/// with, and the keys of its tickets those of the server, unless config has keys of its own.
///
/// config: with a certificate; frozen by this.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also if the one is for TLS and the other for DTLS; BGL_SSL_E_CONFIG and
/// BGL_SSL_E_UNSUPPORTED for the config; BGL_SSL_E_STATE if the handshake has begun, or the config that the socket was
/// made with is not lazy, or the socket is a client's or closed; BGL_SSL_E_PROTOCOL after bgl_ssl_socket_refuse. Any
/// thread. Blocks no longer than the disk that holds the system's CA certificates.
///
/// Precondition: socket and config are NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_config(
    socket: *const bgl_ssl_socket_t,
    config: *const bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    guard::done(|| unsafe {
        let config = handle::borrow(config)?;
        handle::with(socket, |socket| socket.set_config(&config.freeze()?))
    })
}

/// Refuses the client, before the handshake of a server's socket whose config is lazy, with a fatal alert. Afterwards
/// the socket can only be closed and freed; either sends the alert.
///
/// alert: 0 to 255, such as 112 (unrecognized_name) or 49 (access_denied).
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT; BGL_SSL_E_STATE as for bgl_ssl_socket_set_config; BGL_SSL_E_PROTOCOL if the
/// client is refused already. Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_refuse(socket: *const bgl_ssl_socket_t, alert: i32) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe {
        let number = u8::try_from(alert)
            .map_err(|_| Error::argument(format!("the alert {alert} is not between 0 and 255")))?;
        handle::with(socket, |socket| socket.refuse(number))
    })
}

/// Whether a server's connection may carry requests for a host: the config of the host is the very config that serves
/// the connection or, where neither asks clients for certificates, the connection's certificate is for the host. A
/// server of HTTP answers other requests with 421 (Misdirected Request; RFC 9110, 15.5.20): otherwise a client that was
/// let in for one host could ask for another's pages, by nothing but its Host header.
///
/// host: the name in the request, without a port.
///
/// Returns false also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live, host is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_serves_host(socket: *const bgl_ssl_socket_t, host: *const c_char) -> bool {
    // SAFETY: the precondition covers handle and text.
    guard::or(false, || unsafe {
        let host = convert::text(host, "host name")?;
        handle::with(socket, |socket| Ok(socket.serves_host(host)))
    })
}

/// Copies out the name of the host that the client asks for (SNI), as it was sent.
///
/// Returns the length of the whole name; 0 if there is none, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread.
///
/// Precondition: hello is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_server_name(
    hello: *const bgl_ssl_hello_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { text(hello, buf, size, |hello| Ok(hello.server_name.clone().unwrap_or_default().into_bytes())) }
}

/// How many application protocols the client offers (ALPN).
///
/// Returns 0 also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: hello is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_alpn_count(hello: *const bgl_ssl_hello_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(hello, |hello| Ok(hello.alpn.len())) })
}

/// Copies out one of the application protocols, such as "h2".
///
/// index: 0 for the one that the client likes best.
///
/// Returns the length of the whole name; 0 if there is no such one (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: hello is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_alpn(
    hello: *const bgl_ssl_hello_t,
    index: usize,
    buf: *mut c_char,
    size: usize,
) -> usize {
    let name = |hello: &Hello| {
        let name = hello.alpn.get(index).cloned();
        name.ok_or_else(|| Error::argument(format!("the hello has no protocol number {index}")))
    };
    // SAFETY: the precondition covers handle and buffer.
    unsafe { text(hello, buf, size, name) }
}

/// Copies out the protocol versions, best first, as they go over the wire (0x0304 is TLS 1.3, 0xfefd is DTLS 1.2).
///
/// numbers: space for count numbers; may be NULL with 0.
///
/// Returns how many there are; 0 for a client that has sent no list of them, and for NULL (BGL_SSL_E_ARGUMENT). Never
/// blocks; any thread.
///
/// Precondition: hello is NULL or live; numbers is NULL or writable for count numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_versions(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { list(hello, numbers, count, |hello| &hello.versions) }
}

/// Copies out the numbers of the cipher suites, best first: as for bgl_ssl_hello_versions.
///
/// Returns how many there are. Never blocks; any thread.
///
/// Precondition: hello is NULL or live; numbers is NULL or writable for count numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_ciphers(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { list(hello, numbers, count, |hello| &hello.ciphers) }
}

/// Copies out the numbers of the groups for key agreement, best first: as for bgl_ssl_hello_versions.
///
/// Returns how many there are. Never blocks; any thread.
///
/// Precondition: hello is NULL or live; numbers is NULL or writable for count numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_groups(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { list(hello, numbers, count, |hello| &hello.groups) }
}

/// Copies out the numbers of the signature algorithms that the client verifies, best first: as for
/// bgl_ssl_hello_versions.
///
/// Returns how many there are. Never blocks; any thread.
///
/// Precondition: hello is NULL or live; numbers is NULL or writable for count numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_signature_algorithms(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { list(hello, numbers, count, |hello| &hello.signature_algorithms) }
}

/// Copies out the types of the extensions, in their order: as for bgl_ssl_hello_versions.
///
/// Returns how many there are. Never blocks; any thread.
///
/// Precondition: hello is NULL or live; numbers is NULL or writable for count numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_extensions(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe { list(hello, numbers, count, |hello| &hello.extensions) }
}

/// Copies out a fingerprint of the client's software.
///
/// kind: "ja4" or, with its lists instead of their digests, "ja4_r".
///
/// Returns the length of the whole text; 0 on failure (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: hello is NULL or live; kind is NULL or NUL-terminated; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_fingerprint(
    hello: *const bgl_ssl_hello_t,
    kind: *const c_char,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle, text and buffer.
    guard::or(0, || unsafe {
        let kind = convert::text(kind, "kind of fingerprint")?;
        let text = handle::with(hello, |hello| hello.fingerprint(kind))?;
        convert::copy_text(text.as_bytes(), buf, size)
    })
}

/// Copies out the message itself: its type (1), its length in three bytes, and its body. A hello that came in several
/// records or datagrams is put together; the further header of DTLS is left out.
///
/// Returns how many bytes there are; 0 for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: hello is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_raw(hello: *const bgl_ssl_hello_t, buf: *mut c_void, size: usize) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe { handle::with(hello, |hello| convert::copy_bytes(&hello.raw, buf, size)) })
}

/// Frees a hello. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: hello is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_hello_free(hello: *mut bgl_ssl_hello_t) {
    // SAFETY: the precondition covers the handle.
    unsafe { handle::free(hello) }
}

/// Precondition: as for bgl_ssl_hello_server_name.
unsafe fn text(
    hello: *const bgl_ssl_hello_t,
    buf: *mut c_char,
    size: usize,
    text: impl FnOnce(&Hello) -> crate::error::Result<Vec<u8>>,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe { handle::with(hello, |hello| convert::copy_text(&text(hello)?, buf, size)) })
}

/// Precondition: as for bgl_ssl_hello_versions.
unsafe fn list(
    hello: *const bgl_ssl_hello_t,
    numbers: *mut u16,
    count: usize,
    list: impl FnOnce(&Hello) -> &[u16],
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    guard::or(0, || unsafe { handle::with(hello, |hello| convert::copy_numbers(list(hello), numbers, count)) })
}
