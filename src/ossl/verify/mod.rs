//! What decides about a peer's certificate: requirements, DANE, OCSP responses, and why one is refused.

pub mod certificate;
pub mod dane;
mod fault;
pub mod ocsp;
pub mod refusal;
pub mod requirements;
