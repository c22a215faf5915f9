//! What a client's socket has in place of a connection until there is one.

use crate::{error::Result, net::deadline::Deadline, transport::endpoint::Endpoint};
use std::time::Instant;

/// A connection in the making. Its steps never wait, but may call functions of the program: the lock of the socket is free
/// meanwhile. One thread at a time runs them; the other functions may be called at any time.
pub trait Pending: Send + Sync {
    /// What the socket is over from now on; None while there is nothing. Until then the socket's descriptor is readable when
    /// there is something to do.
    fn step(&self, now: Instant) -> Result<Option<Endpoint>>;

    /// When it fails.
    fn deadline(&self) -> Deadline;

    /// Gives it up, and wakes the threads that wait for it.
    fn cancel(&self);
}
