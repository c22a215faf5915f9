//! The engine: TLS without a socket, over two memory buffers, with the meanings of node 0.10's SecureContext and
//! Connection.

pub mod connection;
mod facts;
pub mod method;
pub mod secure_context;
pub mod state;
pub mod verify_error;
