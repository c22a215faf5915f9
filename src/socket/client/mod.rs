//! What only a client's socket has: its connection in the making, and the session that it offers.

mod connect;
pub mod connecting;
pub mod pending;
mod resuming;
