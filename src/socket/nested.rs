//! A TLS connection that carries another one.

use crate::{
    error::{Code, Result},
    net::deadline::Deadline,
    posix::Readiness,
    transport::byte_stream::ByteStream,
    types::Step,
};
use std::{os::fd::OwnedFd, sync::Arc};

use super::{close, driver::Driver, handshake, io};

/// The outer of the two connections, as the inner one uses it. The time limits of the inner one count.
pub struct Nested(Arc<Driver>);

impl Nested {
    /// Takes over the reading and writing of a connection.
    pub fn new(outer: &Arc<Driver>) -> Nested {
        Nested(outer.clone())
    }

    fn once_handshaken(&self, action: impl FnOnce() -> Result<Step<usize>>) -> Result<Step<usize>> {
        self.named(handshake::complete_for_inner(&self.0).and_then(|step| step.and_then(|()| action())))
    }

    fn named(&self, outcome: Result<Step<usize>>) -> Result<Step<usize>> {
        outcome.map_err(|error| error.context(format_args!("the TLS connection under it, with {}", self.0.peer)))
    }
}

impl ByteStream for Nested {
    fn try_read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.once_handshaken(|| io::read_for_inner(&self.0, buffer))
    }

    fn try_read_received(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.named(io::read_received_for_inner(&self.0, buffer))
    }

    fn received(&self) -> u64 {
        self.0.received()
    }

    fn try_write(&self, data: &[u8]) -> Result<Step<usize>> {
        self.once_handshaken(|| io::write_for_inner(&self.0, data))
    }

    fn wait(&self, interest: Readiness, deadline: Deadline) -> Result<()> {
        // Reading can have left something to send: the answer to a key update.
        let has_unsent = self.0.lock().has_unsent();
        let interest = Readiness { writable: interest.writable || has_unsent, ..interest };
        match self.0.wait_for(interest, deadline) {
            Err(error) if error.code != Code::Timeout && error.code != Code::State => Err(error),
            // The next attempt reports that the connection is closed.
            _ => Ok(()),
        }
    }

    fn end_writing(&self) -> Result<Step<()>> {
        io::shutdown_for_inner(&self.0)
    }

    fn close(&self, deadline: Deadline) -> Result<Step<()>> {
        close::close_for_inner(&self.0, deadline)
    }

    fn abort(&self) {
        close::abort(&self.0);
    }

    fn shut_reading(&self) {
        self.0.shut_reading();
    }

    fn has_input(&self) -> bool {
        io::pending(&self.0) > 0
    }

    fn can_wait(&self) -> bool {
        self.0.stream().is_none_or(|stream| stream.can_wait())
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.0.fd()
    }
}
