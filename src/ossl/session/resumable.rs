//! What it takes to resume a session: OpenSSL's own, and what OpenSSL does not keep with it.

use crate::ossl::{session, x509::X509};

/// A session that a later connection may resume. OpenSSL's carries the scope in which its peer was accepted.
pub struct Session {
    /// OpenSSL's.
    pub session: session::Session,
    /// When the first certificate of the peer's verified chain expires, in seconds since 1970; None where no chain was
    /// verified. A full handshake would fail from then on.
    pub chain_expires: Option<i64>,
    /// When the peer has proved who it is, in a full handshake, in seconds since 1970.
    pub proved: i64,
    /// The certificates that the peer has sent, its own first.
    pub chain: Vec<X509>,
}

/// What new sessions of TLS 1.3 are given to: they come after the handshake, one with each ticket.
pub trait NewSessions: Send + Sync {
    /// Takes one.
    fn add(&self, session: Session);
}
