//! Sessions that a later connection to the same server may resume.

use crate::{context::Context, hostname::Hostname, ossl};
use std::sync::Arc;

/// A session, and whom it was verified against: it vouches for nobody else.
pub struct Session {
    /// OpenSSL's.
    pub session: ossl::session::Session,
    /// The settings under which the peer was verified.
    pub context: Arc<Context>,
    /// The name under which it was verified.
    pub hostname: Option<Hostname>,
}

impl Session {
    /// Whether a connection with this context to this host may resume it.
    pub fn is_for(&self, context: &Arc<Context>, hostname: Option<&Hostname>) -> bool {
        Arc::ptr_eq(&self.context, context) && self.hostname.as_ref() == hostname
    }
}
