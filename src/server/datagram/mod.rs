//! A server over datagrams (DTLS): hellos and cookies before there is a connection, the peers, accepting.

pub mod cookie;
pub mod half_open;
pub mod hello;
pub mod listener;
mod listening_socket;
pub mod peers;
