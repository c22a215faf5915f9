//! What messages call the other end of a connection.

use std::{fmt, net::SocketAddr};

/// What to call the peer. Addresses are formatted only when a message needs them.
#[derive(Clone)]
pub enum Peer {
    /// By the name that was connected to.
    Named(String),
    /// By its address.
    At(SocketAddr),
    /// It has neither.
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Named(name) => f.write_str(name),
            Peer::At(address) => address.fmt(f),
            Peer::Unknown => f.write_str("the peer"),
        }
    }
}

impl From<Option<SocketAddr>> for Peer {
    fn from(address: Option<SocketAddr>) -> Peer {
        address.map_or(Peer::Unknown, Peer::At)
    }
}
