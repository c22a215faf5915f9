//! What a handshake establishes: filled in once, and read without the lock.

use crate::{ossl::x509::X509, transport::Tls};
use std::{
    ffi::{CStr, CString},
    time::Instant,
};

/// The facts of a connection. They do not change after the handshake: renegotiation is off.
pub struct ConnectionInfo {
    /// The protocol's name.
    pub protocol: Option<&'static CStr>,
    /// The cipher's name.
    pub cipher: Option<&'static CStr>,
    /// The protocol chosen by ALPN; empty if none was.
    pub alpn: Vec<u8>,
    /// The name that a client sent as SNI.
    pub server_name: Option<CString>,
    /// The peer's certificate.
    pub peer_certificate: Option<X509>,
    /// The certificates that the peer sent, its own first.
    pub peer_chain: Vec<X509>,
    /// Whether a session was resumed.
    pub is_session_reused: bool,
    /// When the handshake was complete.
    pub completed: Instant,
}

impl ConnectionInfo {
    /// What is known so far.
    pub fn of(tls: &Tls) -> ConnectionInfo {
        ConnectionInfo {
            protocol: tls.protocol(),
            cipher: tls.cipher(),
            alpn: tls.alpn(),
            server_name: tls.asked_host(),
            peer_certificate: tls.peer_certificate(),
            peer_chain: tls.peer_chain(),
            is_session_reused: tls.session_reused(),
            completed: Instant::now(),
        }
    }
}
