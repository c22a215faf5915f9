//! TLS without a socket: secure contexts, and connections that the program feeds and drains itself.

pub mod connection;
pub mod secure_context;
