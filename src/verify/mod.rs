//! Whom a connection accepts: what the settings demand of a peer, and the system's CA certificates.

pub use policy::peer_policy;
pub use system_cas::SystemCas;

mod policy;
mod system_cas;
