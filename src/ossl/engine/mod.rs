//! SSL over two memory buffers: the TLS of the engine's connections. Nothing here waits or calls foreign code.

pub mod callbacks;
pub mod connection;
pub mod hooks;
mod info;
mod io;
mod memory;
mod protocols;
pub mod trust;
