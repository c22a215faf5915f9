//! What only a server's socket has: the client's hello and what is decided by it, and what the server knows of the socket.

pub mod counts;
pub mod hello;
pub mod monitor;
pub mod serving;
