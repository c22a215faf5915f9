//! Sessions that a later connection to the same server may resume.

pub use crate::ossl::resumable::Session;
pub use resumption::Resumption;
pub use scope::{Scope, ScopeBuilder};
pub use ticket_keys::TicketKeys;

pub mod cache;
mod resumption;
mod scope;
mod ticket_keys;
