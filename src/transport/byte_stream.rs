//! What a program, or another TLS connection, can put under a socket in place of a descriptor.

use crate::{error::Result, net::deadline::Deadline, posix::Readiness, types::Step};
use std::{os::fd::OwnedFd, sync::Arc};

/// A stream of bytes to and from one peer. The driver calls it outside of all locks of the socket: one thread at a time
/// reads, one at a time writes, and any number wait, end or ask. Only `wait` may wait.
pub trait ByteStream: Send + Sync {
    /// Reads what is there, without waiting. What it says it wants is what to wait for before the next attempt.
    fn try_read(&self, buffer: &mut [u8]) -> Result<Step<usize>>;

    /// Reads only what the library has received already, of a stream that has such bytes. Its WantRead says that there are no
    /// more of them.
    fn try_read_received(&self, _buffer: &mut [u8]) -> Result<Step<usize>> {
        Ok(Step::WantRead)
    }

    /// How many bytes it has received so far from what is under it, for calls that take a limited number of them.
    fn received(&self) -> u64 {
        0
    }

    /// Writes what is taken at once. After WantRead or WantWrite the same bytes come again, with more behind them or not.
    fn try_write(&self, data: &[u8]) -> Result<Step<usize>>;

    /// Waits until a further attempt makes sense, or until the deadline at most. It may end early.
    fn wait(&self, interest: Readiness, deadline: Deadline) -> Result<()>;

    /// Ends our half, once all was written, without waiting. Called again after WantRead or WantWrite.
    fn end_writing(&self) -> Result<Step<()>>;

    /// Closes, once all was written, without waiting. Called again after WantRead or WantWrite, until the deadline. Where
    /// nothing else belongs to it, our half ends.
    fn close(&self, _deadline: Deadline) -> Result<Step<()>> {
        self.end_writing()
    }

    /// Ends at once, whatever is lost by it. Threads that wait are woken, where they wait without a limit.
    fn abort(&self) {}

    /// Ends the reading half, on this side only, where there is something to end.
    fn shut_reading(&self) {}

    /// Whether a read has its answer already, although nothing more comes from the network.
    fn has_input(&self) -> bool {
        false
    }

    /// Whether there are threads that can wait on it.
    fn can_wait(&self) -> bool;

    /// The descriptor whose readiness is that of this, if there is one.
    fn fd(&self) -> Option<Arc<OwnedFd>>;
}
