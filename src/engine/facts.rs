//! What can be asked of a connection without a socket.

use crate::{error::Result, ossl::secret::Secret, pki::certificate::Certificate};
use std::ffi::CStr;

use super::{connection::Connection, verify_error};

impl Connection {
    /// The name that a client sends, or that a server has received, as SNI.
    pub fn server_name(&self) -> Result<Option<Vec<u8>>> {
        self.with_engine(|engine| Ok(engine.server_name()))
    }

    /// What ALPN or NPN chose.
    pub fn negotiated_protocol(&self) -> Result<Option<Vec<u8>>> {
        self.with_engine(|engine| Ok(engine.negotiated_protocol()))
    }

    /// The session, serialized. Empty if there is none yet.
    pub fn session(&self) -> Result<Secret> {
        self.with_engine(|engine| Ok(engine.session().map_or_else(Secret::default, |session| session.der())))
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> Result<bool> {
        self.with_engine(|engine| Ok(engine.session_reused()))
    }

    /// Whether the handshake is done. False once it is closed.
    pub fn is_handshaken(&self) -> Result<bool> {
        self.with(|state| Ok(state.engine.as_ref().is_some_and(|engine| engine.is_handshaken())))
    }

    /// The cipher's name, and the lowest protocol version that has it.
    pub fn cipher(&self) -> Result<Option<(&'static CStr, &'static CStr)>> {
        self.with_engine(|engine| Ok(engine.cipher()))
    }

    /// The negotiated protocol version.
    pub fn protocol(&self) -> Result<Option<&'static CStr>> {
        self.with_engine(|engine| Ok(engine.protocol()))
    }

    /// Why the peer's certificate is not fine, by the name of OpenSSL's constant; None if it is.
    pub fn verify_error(&self) -> Result<Option<&'static CStr>> {
        self.with_engine(|engine| match engine.peer_certificate() {
            None => Ok(Some(c"UNABLE_TO_GET_ISSUER_CERT")),
            Some(peer) => Ok(verify_error::name(engine.verify_result(&peer))),
        })
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Result<Option<Certificate>> {
        self.with_engine(|engine| Ok(engine.peer_certificate().map(Certificate::new)))
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Result<Vec<Certificate>> {
        self.with_engine(|engine| Ok(engine.peer_chain().into_iter().map(Certificate::new).collect()))
    }
}
