//! Sessions that a later connection to the same server may resume.

use crate::ossl;

pub use scope::{Scope, ScopeBuilder};
pub use ticket_keys::TicketKeys;

mod scope;
mod ticket_keys;

/// A session. OpenSSL's carries the scope in which its peer was accepted.
pub struct Session {
    /// OpenSSL's.
    pub session: ossl::session::Session,
    /// When the first certificate of the peer's verified chain expires, in seconds since 1970; None where no chain was
    /// verified. A full handshake would fail from then on.
    pub chain_expires: Option<i64>,
}
