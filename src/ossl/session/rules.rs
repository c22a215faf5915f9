//! What becomes of a server's sessions: tickets carry them, or a store in this process holds them, or they are not
//! kept.

use crate::error::Result;
use std::sync::Arc;

use crate::ossl::{cleanse, secret::Secret};

/// For how many seconds a session may be resumed where no setting says.
pub const DEFAULT_LIFETIME: i64 = 2 * 60 * 60;

/// For how many seconds a session may be resumed at most (RFC 8446, section 4.6.1).
pub const LONGEST_LIFETIME: i64 = 7 * 24 * 60 * 60;

/// The keys of one ticket.
#[derive(Clone)]
pub struct TicketKey {
    /// What the ticket names them by.
    pub name: [u8; 16],
    /// For its authentication.
    pub mac: [u8; 32],
    /// For its encryption.
    pub cipher: [u8; 32],
    /// Whether that is AES-128, with the first half of the key, and not AES-256.
    pub is_aes_128: bool,
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        cleanse(&mut self.mac);
        cleanse(&mut self.cipher);
    }
}

/// Where a connection has the keys of its tickets from.
pub trait TicketKeySource: Send + Sync {
    /// The keys for a new ticket, of a session that may be resumed for so many seconds.
    fn newest(&self, lifetime: i64) -> Result<TicketKey>;
    /// The keys of this name, if they are still good, and whether the client is to get another ticket for its own.
    fn find(&self, name: &[u8; 16], lifetime: i64) -> Option<(TicketKey, bool)>;
}

/// Where a connection has its sessions where no tickets carry them.
pub trait SessionStore: Send + Sync {
    /// Keeps a session until a time, in seconds since 1970.
    fn insert(&self, id: Vec<u8>, session: Secret, until: i64);
    /// The session of an id, if there is one.
    fn find(&self, id: &[u8]) -> Option<Secret>;
}

/// How a server's connection deals with sessions.
pub struct SessionRules {
    /// The keys of its tickets.
    pub keys: Arc<dyn TicketKeySource>,
    /// Where sessions are, if tickets do not carry them.
    pub store: Option<Arc<dyn SessionStore>>,
    /// How many a client gets after a full handshake of TLS 1.3; with 0 there are none, with any version.
    pub count: u8,
    /// For how many seconds after its first handshake a session may be resumed.
    pub lifetime: i64,
}
