//! The server's side of DTLS before there is a connection: hellos, cookies, who is connected, accepting.

pub mod cookie;
pub mod hello;
pub mod peers;
pub mod server;
