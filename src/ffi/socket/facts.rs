//! The facts of a connection in one structure.

use crate::socket::facts::Facts;
use std::ffi::c_char;

use super::bgl_ssl_socket_t;
use crate::ffi::{guard, handle, sized, status::bgl_ssl_status_t};

/// What a connection has come to. The caller sets size beforehand; later versions may add fields at the end.
#[repr(C)]
pub struct bgl_ssl_socket_info_t {
    /// In: sizeof(bgl_ssl_socket_info_t). Out: how much of it the library knows.
    pub size: usize,
    /// Application data that reads have returned, in bytes.
    pub bytes_read: u64,
    /// Application data that writes have taken, in bytes.
    pub bytes_written: u64,
    /// How long the handshake took, in microseconds, from the making of the socket on; -1 before its end.
    pub handshake_time: i64,
    /// The protocol's number on the wire, such as 0x0304 for TLS 1.3; 0 before the end of the handshake, as are all
    /// below.
    pub protocol_number: u16,
    /// The cipher suite's number on the wire.
    pub cipher_number: u16,
    /// The length of the cipher's key in bits.
    pub cipher_bits: i32,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// The protocol, such as "TLSv1.3".
    pub protocol: [c_char; 16],
    /// OpenSSL's name of the cipher suite.
    pub cipher: [c_char; 64],
    /// OpenSSL's name of the group of the key agreement; empty if there was none, and with OpenSSL 1.1.1.
    pub group: [c_char; 48],
    /// How this end has signed, such as "id-ecPublicKey with SHA256"; empty if it has not.
    pub signature: [c_char; 48],
    /// How the peer has signed; empty if it has not.
    pub peer_signature: [c_char; 48],
}

/// Copies the facts of a connection into a structure.
///
/// info: its size field says how large it is; what the library does not know of it is zeroed.
///
/// Returns BGL_SSL_OK, before the handshake, too; BGL_SSL_E_ARGUMENT for NULL, and for a size field that is too small
/// or was not set. Any thread. Does not wait for the peer.
///
/// Precondition: socket is NULL or live; info is NULL or writable for as many bytes as its size field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_info(
    socket: *const bgl_ssl_socket_t,
    info: *mut bgl_ssl_socket_info_t,
) -> bgl_ssl_status_t {
    // SAFETY: the preconditions cover the handle and the structure, which begins with its size.
    guard::done(|| unsafe {
        sized::store(info, "info", || handle::with(socket, |socket| Ok(info_of(&socket.facts()))))
    })
}

fn info_of(facts: &Facts) -> bgl_ssl_socket_info_t {
    let mut info = bgl_ssl_socket_info_t {
        size: size_of::<bgl_ssl_socket_info_t>(),
        bytes_read: facts.bytes_read,
        bytes_written: facts.bytes_written,
        handshake_time: facts.handshake_time.map_or(-1, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)),
        protocol_number: facts.protocol_number,
        cipher_number: facts.cipher.id,
        cipher_bits: facts.cipher.bits,
        resumed: facts.is_session_reused,
        protocol: [0; 16],
        cipher: [0; 64],
        group: [0; 48],
        signature: [0; 48],
        peer_signature: [0; 48],
    };
    sized::fill(&mut info.protocol, &facts.protocol);
    sized::fill(&mut info.cipher, &facts.cipher_name);
    sized::fill(&mut info.group, &facts.group);
    sized::fill(&mut info.signature, &facts.signature);
    sized::fill(&mut info.peer_signature, &facts.peer_signature);
    info
}
