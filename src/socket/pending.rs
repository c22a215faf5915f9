//! What a client's socket has in place of a connection until there is one.

use crate::{error::Result, net::deadline::Deadline, transport::endpoint::Endpoint};
use std::time::Instant;

/// A connection in the making. Its steps never wait.
pub trait Pending: Send {
    /// What the socket is over from now on; None while there is nothing. Until then the socket's descriptor is readable when
    /// there is something to do.
    fn step(&mut self, now: Instant) -> Result<Option<Endpoint>>;

    /// When it fails.
    fn deadline(&self) -> Deadline;

    /// Gives it up, and wakes the threads that wait for it.
    fn cancel(&mut self);
}
