//! Whom a connection accepts: what the settings demand of a peer, and the system's CA certificates.

pub use policy::{client_auth, peer_policy};
pub use revocation::Revocation;
pub use system_cas::SystemCas;

pub mod callback;
pub mod certificate;
mod latest;
mod policy;
mod revocation;
mod stamp;
mod system_cas;
