//! State, handshake and peer of a connection.

use crate::{engine::connection::Outcome, pki::certificate::Certificate};
use std::{
    ffi::{CStr, c_char},
    ptr,
};

use crate::ffi::{
    certificate::{bgl_ssl_certificate_list_t, bgl_ssl_certificate_t},
    convert,
    engine::connection::{bgl_ssl_connection_t, with_connection},
    guard, handle,
    status::{BGL_SSL_EOF, BGL_SSL_OK, BGL_SSL_WANT_EVENT, BGL_SSL_WANT_READ, bgl_ssl_status_t},
};

/// Copies out the application protocol that was negotiated by ALPN, or by NPN if the peer has only that.
///
/// Returns the length of the whole name; 0 if none was chosen, or on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_negotiated_protocol(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe {
        with_connection(connection, 0, |connection| {
            convert::copy_text(&connection.negotiated_protocol()?.unwrap_or_default(), buf, size)
        })
    }
}

/// The result of the last call of bgl_ssl_connection_start, bgl_ssl_connection_clear_in, bgl_ssl_connection_clear_out
/// or bgl_ssl_connection_shutdown.
///
/// Returns BGL_SSL_OK, BGL_SSL_WANT_READ, BGL_SSL_WANT_EVENT, BGL_SSL_EOF, BGL_SSL_E_PROTOCOL, BGL_SSL_E_TRUNCATED, or
/// another failure; BGL_SSL_E_ARGUMENT for NULL. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_status(connection: *const bgl_ssl_connection_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::status(|| unsafe {
        handle::with(connection, |handle| {
            Ok(match handle.connection.last()? {
                Outcome::Done => BGL_SSL_OK,
                Outcome::WantRead => BGL_SSL_WANT_READ,
                Outcome::WantEvent => BGL_SSL_WANT_EVENT,
                Outcome::Eof => BGL_SSL_EOF,
                Outcome::Failed(code, _) => code as bgl_ssl_status_t,
            })
        })
    })
}

/// Copies out why that step failed, in one line. The peer's close_notify is no failure: the status is BGL_SSL_EOF then.
///
/// Returns the length of the whole text; 0 if nothing is wrong. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_err(
    connection: *const bgl_ssl_connection_t,
    buf: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the precondition covers handle and buffer.
    unsafe {
        with_connection(connection, 0, |connection| {
            let text = match connection.last()? {
                Outcome::Failed(_, message) => message,
                _ => String::new(),
            };
            convert::copy_text(text.as_bytes(), buf, size)
        })
    }
}

/// Whether the peer's close_notify has come, as far as it has been read.
///
/// Returns false on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_received_shutdown(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, false, |connection| Ok(connection.close_notifies()?.1)) }
}

/// Whether close_notify has been made: it may still have to be taken out (bgl_ssl_connection_enc_pending).
///
/// Returns false on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_sent_shutdown(connection: *const bgl_ssl_connection_t) -> bool {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, false, |connection| Ok(connection.close_notifies()?.0)) }
}

/// The name of the cipher in use.
///
/// Returns a static text; NULL before there is one, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_current_cipher(
    connection: *const bgl_ssl_connection_t,
) -> *const c_char {
    // SAFETY: the precondition covers the handle.
    unsafe {
        with_connection(connection, ptr::null(), |connection| Ok(text(connection.cipher()?.map(|(name, _)| name))))
    }
}

/// The lowest protocol version that has the cipher in use. (The negotiated version: bgl_ssl_connection_protocol.)
///
/// Returns a static text, such as "TLSv1.2"; NULL before there is a cipher, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_current_cipher_version(
    connection: *const bgl_ssl_connection_t,
) -> *const c_char {
    // SAFETY: the precondition covers the handle.
    unsafe {
        with_connection(connection, ptr::null(), |connection| {
            Ok(text(connection.cipher()?.map(|(_, version)| version)))
        })
    }
}

/// The negotiated protocol version.
///
/// Returns a static text, such as "TLSv1.3"; NULL before there is one, and on failure. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_protocol(connection: *const bgl_ssl_connection_t) -> *const c_char {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, ptr::null(), |connection| Ok(text(connection.protocol()?))) }
}

fn text(text: Option<&'static CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// What is wrong with the peer's certificate: ask after the handshake, before trusting the peer. The result is the same
/// after a resumed handshake as after a full one. If a chain has several faults, the last that OpenSSL finds is
/// returned; the name is compared only if the chain is valid.
///
/// Returns NULL if it is valid, else a static text: the name of OpenSSL's constant without X509_V_ERR_, such as
/// "CERT_HAS_EXPIRED"; "UNABLE_TO_GET_ISSUER_CERT" if the peer has sent none; "OUT_OF_MEM" if the certificate could not
/// be verified for lack of memory; "INVALID_CALL" if the connection is NULL, closed or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_verify_error(connection: *const bgl_ssl_connection_t) -> *const c_char {
    // SAFETY: the precondition covers the handle.
    unsafe {
        with_connection(connection, c"INVALID_CALL".as_ptr(), |connection| Ok(text(connection.verify_error()?)))
    }
}

/// The peer's certificate: see bgl_ssl_certificate_subject_lines, bgl_ssl_certificate_alt_names and its other
/// functions.
///
/// Returns a certificate, to be freed with bgl_ssl_certificate_free, or NULL if the peer has sent none, and on failure:
/// BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_get_peer_certificate(
    connection: *const bgl_ssl_connection_t,
) -> *mut bgl_ssl_certificate_t {
    let share = |certificate: Option<Certificate>| certificate.map_or(ptr::null_mut(), handle::share);
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, ptr::null_mut(), |connection| connection.peer_certificate().map(share)) }
}

/// The certificates that the peer sent, its own first.
///
/// Returns a list, which may be empty, to be freed with bgl_ssl_certificate_list_free, or NULL on failure:
/// BGL_SSL_E_ARGUMENT, BGL_SSL_E_STATE. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_peer_chain(
    connection: *const bgl_ssl_connection_t,
) -> *mut bgl_ssl_certificate_list_t {
    // SAFETY: the precondition covers the handle.
    unsafe { with_connection(connection, ptr::null_mut(), |connection| connection.peer_chain().map(handle::give)) }
}
