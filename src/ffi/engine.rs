//! TLS without a socket: secure contexts, and connections that the program feeds and drains itself.

// In the order of the header.
pub mod secure_context;

pub mod connection;
