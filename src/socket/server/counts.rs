//! What a server counts of its clients, in atomic numbers: counting and asking never wait.

use crate::error::{Code, Error};
use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

/// The numbers of one server, since it was made.
#[derive(Debug, Default)]
pub struct ServerCounts {
    /// Clients that were accepted; over datagrams, those that have shown their address.
    pub accepted: AtomicU64,
    /// Of these, connections that are neither closed nor freed.
    pub open: AtomicU64,
    /// Handshakes that were completed.
    pub handshakes: AtomicU64,
    /// Of these, resumed ones.
    pub resumed: AtomicU64,
    /// Clients that were refused for the name that they asked for, or by the program.
    pub refused: AtomicU64,
    /// Handshakes that failed: by the protocol.
    pub failed_protocol: AtomicU64,
    /// For the client's certificate.
    pub failed_verify: AtomicU64,
    /// Because they took too long.
    pub failed_timeout: AtomicU64,
    /// Because the connection ended.
    pub failed_io: AtomicU64,
    /// For a reason on this side.
    pub failed_other: AtomicU64,
    /// Connections that were freed before their handshake had come to anything.
    pub abandoned: AtomicU64,
}

/// One connection in the counts. What its handshake comes to is counted once.
pub struct Tally {
    counts: Arc<ServerCounts>,
    is_settled: AtomicBool,
    /// Whether the handshake has taken too long, which ends a call, but not yet the connection.
    has_timed_out: AtomicBool,
    is_closed: AtomicBool,
}

impl Tally {
    /// A client was accepted.
    pub fn new(counts: &Arc<ServerCounts>) -> Tally {
        counts.accepted.fetch_add(1, Relaxed);
        counts.open.fetch_add(1, Relaxed);
        Tally {
            counts: counts.clone(),
            is_settled: AtomicBool::new(false),
            has_timed_out: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    fn settle(&self, number: &AtomicU64) -> bool {
        let is_first = !self.is_settled.swap(true, SeqCst);
        if is_first {
            number.fetch_add(1, Relaxed);
        }
        is_first
    }

    /// The connection is closed, although somebody may still have its handle.
    pub fn closed(&self) {
        if self.has_timed_out.load(SeqCst) {
            self.settle(&self.counts.failed_timeout);
        }
        if !self.is_closed.swap(true, SeqCst) {
            self.counts.open.fetch_sub(1, Relaxed);
        }
    }

    /// The handshake is complete.
    pub fn completed(&self, resumed: bool) {
        if self.settle(&self.counts.handshakes) && resumed {
            self.counts.resumed.fetch_add(1, Relaxed);
        }
    }

    /// The client was refused, by its name or by the program.
    pub fn refused(&self) {
        self.settle(&self.counts.refused);
    }

    /// The handshake failed, or ran out of time: what counts then is whether it is completed later.
    pub fn failed(&self, error: &Error) {
        let counts = &self.counts;
        if error.code == Code::Timeout {
            return self.has_timed_out.store(true, SeqCst);
        }
        self.settle(match error.code {
            Code::Protocol => &counts.failed_protocol,
            Code::Verify | Code::Name => &counts.failed_verify,
            Code::Io | Code::Truncated => &counts.failed_io,
            // The program has closed the socket.
            Code::State => &counts.abandoned,
            _ => &counts.failed_other,
        });
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.closed();
        self.settle(&self.counts.abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_counted_once() {
        let counts = Arc::new(ServerCounts::default());
        let first = Tally::new(&counts);
        first.completed(true);
        first.completed(true);
        first.failed(&Error::timeout());
        let second = Tally::new(&counts);
        assert_eq!(counts.open.load(Relaxed), 2);
        second.closed();
        assert_eq!(counts.open.load(Relaxed), 1);
        drop((first, second));
        let number = |number: &AtomicU64| number.load(Relaxed);
        assert_eq!((number(&counts.accepted), number(&counts.open)), (2, 0));
        assert_eq!((number(&counts.handshakes), number(&counts.resumed), number(&counts.abandoned)), (1, 1, 1));
        assert_eq!(number(&counts.failed_timeout), 0);
    }
}
