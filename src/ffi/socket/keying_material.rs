//! Keying material and channel bindings.

use crate::{
    error::{Error, Result},
    ossl::ssl::keying_material::ChannelBinding,
};
use std::ffi::{c_char, c_void};

use super::bgl_ssl_socket_t;
use crate::ffi::{convert, guard, handle, status::bgl_ssl_status_t};

/// The first Finished message of the handshake (RFC 5929, section 3): TLS 1.2 with the extended master secret only.
pub const BGL_SSL_BINDING_TLS_UNIQUE: i32 = 1;
/// The digest of the server's certificate (RFC 5929, section 4).
pub const BGL_SSL_BINDING_TLS_SERVER_END_POINT: i32 = 2;
/// Exported keying material (RFC 9266): TLS 1.3, and TLS 1.2 with the extended master secret.
pub const BGL_SSL_BINDING_TLS_EXPORTER: i32 = 3;

/// The longest keying material that can be asked for. OpenSSL's own limit depends on the version.
const MAX_KEYING_MATERIAL: usize = 16 * 1024;

fn kind_of(kind: i32) -> Result<ChannelBinding> {
    match kind {
        BGL_SSL_BINDING_TLS_UNIQUE => Ok(ChannelBinding::Unique),
        BGL_SSL_BINDING_TLS_SERVER_END_POINT => Ok(ChannelBinding::ServerEndPoint),
        BGL_SSL_BINDING_TLS_EXPORTER => Ok(ChannelBinding::Exporter),
        _ => Err(Error::argument(format!("no channel binding has the number {kind}: use BGL_SSL_BINDING_..."))),
    }
}

/// Exports keying material: bytes that both ends derive from the connection, and no one else can (RFC 5705; RFC 8446,
/// section 7.5). Both ends get the same bytes for the same label, context and length.
///
/// label: ASCII, such as "EXPORTER-my-protocol", up to its NUL; copied.
/// context: context_len bytes; NULL for none. With TLS 1.2 no context is not the same as an empty one (a pointer with a
/// length of 0); with TLS 1.3 it is.
/// out: where to put len bytes, 1 to 16384; all zero on failure.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_STATE before the end of the handshake; BGL_SSL_E_UNSUPPORTED if OpenSSL refuses (a
/// label of TLS's own, say); BGL_SSL_E_ARGUMENT. Any thread. Does not wait for the peer. See
/// SSL_export_keying_material(3).
///
/// Precondition: socket is NULL or live; label is NULL or NUL-terminated; context is NULL or readable for context_len
/// bytes; out is NULL or writable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_export(
    socket: *const bgl_ssl_socket_t,
    label: *const c_char,
    context: *const c_void,
    context_len: usize,
    out: *mut c_void,
    len: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the precondition covers the pointers.
        let (label, context, out) = unsafe {
            let out = convert::bytes_mut(out, len, "keying material")?;
            out.fill(0);
            let given = !context.is_null();
            let context = convert::bytes(context, context_len, "context")?;
            (convert::text(label, "label")?, given.then_some(context), out)
        };
        if label.is_empty() {
            return Err(Error::argument("the label is empty"));
        }
        // RFC 5705, section 4.
        if !label.is_ascii() {
            return Err(Error::argument("the label has characters that are not ASCII"));
        }
        if len == 0 || len > MAX_KEYING_MATERIAL {
            return Err(Error::argument(format!(
                "{len} bytes of keying material were asked for: 1 to {MAX_KEYING_MATERIAL} can be exported"
            )));
        }
        // SAFETY: likewise for the handle.
        unsafe { handle::with(socket, |socket| socket.export_keying_material(label, context, out)) }
    })
}

/// Copies out a channel binding: what an authentication inside of TLS (SCRAM-SHA-256-PLUS, say) mixes in, so that
/// no one between the two ends can pass it on.
///
/// kind: BGL_SSL_BINDING_...
/// buf: where to put the bytes, as many as fit in size.
///
/// Returns how many bytes there are, at most 64; 0 on failure: BGL_SSL_E_UNSUPPORTED where this kind is not defined or
/// not unique (tls-unique with TLS 1.3, or without the extended master secret; tls-server-end-point for Ed25519 or
/// without a certificate), BGL_SSL_E_STATE before the end of the handshake, BGL_SSL_E_ARGUMENT. Any thread. Does not
/// wait for the peer. See RFC 5929 and RFC 9266.
///
/// Precondition: socket is NULL or live; buf is NULL or writable for size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_channel_binding(
    socket: *const bgl_ssl_socket_t,
    kind: i32,
    buf: *mut c_void,
    size: usize,
) -> usize {
    guard::or(0, || {
        let kind = kind_of(kind)?;
        // SAFETY: the precondition covers handle and buffer.
        unsafe {
            let binding = handle::with(socket, |socket| socket.channel_binding(kind))?;
            convert::copy_bytes(&binding, buf, size)
        }
    })
}
