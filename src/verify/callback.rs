//! The verify callback of a program.

use crate::pki::certificate::Certificate;
use std::{any::Any, sync::Arc};

/// Decides about a peer: the connection (a socket, of which the settings know nothing), its chain, and what was found
/// wrong with it, an `X509_V_*` code, 0 for nothing.
pub type Decide = dyn Fn(Box<dyn Any>, Vec<Certificate>, i32) -> bool + Send + Sync;

/// A program's function that decides about peers once their handshake is complete, resumed ones included.
#[derive(Clone)]
pub struct VerifyCallback {
    /// The function.
    pub decide: Arc<Decide>,
    /// Whether it may accept whom the settings refuse.
    pub may_override: bool,
}
