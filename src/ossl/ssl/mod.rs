//! SSL: one connection's TLS state over a BIO of our own, in parts. Every call clears the error queue first, and one mapper
//! reads SSL_get_error. Nothing here waits.

pub mod algorithms;
pub mod call;
pub mod connection;
pub mod context;
pub mod dtls;
pub mod extensions;
pub mod handle;
pub mod handshake;
pub mod hooks;
pub mod info;
pub mod io;
pub mod keying_material;
pub mod message_log;
pub mod messages;
pub mod names;
pub mod resumption;
pub mod server_sessions;
pub mod session_end;
pub mod staple;
pub mod ticket_key;
pub mod verify;
