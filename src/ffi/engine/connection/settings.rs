//! The name of the peer and the application protocols of a connection.

use crate::hostname::Hostname;
use std::ffi::{c_char, c_void};

use crate::ffi::{
    convert,
    engine::connection::{bgl_ssl_connection_t, status_of},
    status::bgl_ssl_status_t,
};

/// Makes bgl_ssl_connection_verify_error say whether the peer's certificate is for this host, too: HOSTNAME_MISMATCH
/// or IP_ADDRESS_MISMATCH.
///
/// name: an ASCII DNS name (A-labels for others) or an IP address. Anything else, "" included, is BGL_SSL_E_ARGUMENT.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed
/// or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_hostname(
    connection: *const bgl_ssl_connection_t,
    name: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe {
        status_of(connection, |connection| {
            connection.set_hostname(Hostname::parse(convert::text(name, "host name")?)?)
        })
    }
}

/// Sets the application protocols that a client offers or a server prefers: by ALPN (RFC 7301) and, for TLS 1.2 and
/// before where OpenSSL has it, by NPN. Without one in common the connection goes on without a protocol, unless
/// bgl_ssl_connection_set_strict_alpn says otherwise.
///
/// With an OpenSSL that has NPN, clients offer it in TLS 1.2 even if no protocols are set: the answer to a server that
/// only has NPN is then "http/1.1", because the draft requires one.
///
/// names: len bytes, not kept: each name, of 1 to 255 bytes, behind its length, best first, such as "\2h2\10http/1.1".
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed
/// or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live; names is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_npn_protos(
    connection: *const bgl_ssl_connection_t,
    names: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and bytes.
    unsafe {
        status_of(connection, |connection| connection.set_protocols(convert::bytes(names, len, "protocol names")?))
    }
}

/// Sets what a server does with a client whose ALPN offer contains none of the protocols that were set, or if none were
/// set: refuse it with the alert no_application_protocol, as RFC 7301 requires, or go on without a protocol, as node
/// does.
///
/// strict: whether such a client is refused; false by default. Clients that offer nothing are never refused. No effect
/// on clients.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the handshake has begun, or the connection is closed
/// or busy. Never blocks; any thread.
///
/// Precondition: connection is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_connection_set_strict_alpn(
    connection: *const bgl_ssl_connection_t,
    strict: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe { status_of(connection, |connection| connection.set_strict_protocols(strict)) }
}
