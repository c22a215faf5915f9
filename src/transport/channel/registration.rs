//! What a server over datagrams and its connections know of each other.

use crate::error::Result;
use std::os::fd::BorrowedFd;

/// How a server knows one of its connections. The connection's membership ends when this is dropped.
pub trait PeerRegistration: Send {
    /// The number of this connection among all that the server has had.
    fn id(&self) -> u64;
    /// Decides about a client hello that came over the connection's descriptor.
    fn on_client_hello(&self, hello: &[u8], fd: BorrowedFd<'_>) -> Result<HelloVerdict>;
}

/// The decision about a client hello on an established connection.
#[derive(Debug, PartialEq, Eq)]
pub enum HelloVerdict {
    /// It changes nothing.
    Ignored,
    /// The peer has restarted: this connection is over, and its descriptor belongs to the next one.
    Superseded,
}

/// What a server finds when it services a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerActivity {
    /// Nothing for the server.
    None,
    /// The peer repeated its handshake, or restarted.
    Progress,
    /// The connection is over.
    Over,
}
