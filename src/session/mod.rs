//! Sessions that a later connection to the same server may resume.

pub use crate::ossl::session::resumable::Session;
pub use bytes::{export, import};
pub use cache::end_of;
pub use resumption::Resumption;
pub use scope::{Scope, ScopeBuilder};
pub use server_cache::CacheLimits;
pub use server_sessions::{ServerSessions, SessionMode, SessionSettings};
pub use ticket_keys::TicketKeys;

mod bytes;
pub mod cache;
mod resumption;
mod scope;
mod server_cache;
mod server_sessions;
mod ticket_key_file;
mod ticket_key_ring;
mod ticket_keys;
mod ticket_secret;
