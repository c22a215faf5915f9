//! When to read ahead, and when to keep OpenSSL's buffers: what the reads so far say about the next one.

use super::gathering::Gathering;
use std::time::Instant;

/// The most that a small read gives.
pub const SMALL_READ: usize = 4096;

/// OpenSSL keeps its buffer from this many consecutive reads on.
const KEEP_BUFFERS_AFTER: u32 = 2;

/// The policy for reads of one connection.
pub struct ReadStrategy {
    is_first_read_after_write: bool,
    last_read_was_small: bool,
    /// How many reads since the last write or wait found something.
    consecutive_reads: u32,
    /// Whether the latest wait was for the rest of a record.
    waited_inside_record: bool,
    gathering: Gathering,
}

impl Default for ReadStrategy {
    fn default() -> ReadStrategy {
        ReadStrategy {
            is_first_read_after_write: true,
            last_read_was_small: true,
            consecutive_reads: 0,
            waited_inside_record: false,
            gathering: Gathering::default(),
        }
    }
}

impl ReadStrategy {
    /// A read gave so many bytes.
    pub fn on_read(&mut self, bytes: usize) {
        self.is_first_read_after_write = false;
        self.last_read_was_small = bytes <= SMALL_READ;
        self.consecutive_reads = self.consecutive_reads.saturating_add(1);
        self.gathering.on_read();
    }

    /// A read found nothing.
    pub fn on_nothing(&mut self) {
        self.consecutive_reads = 0;
        self.waited_inside_record = false;
    }

    /// A read found a part of a record.
    pub fn on_part_of_record(&mut self) {
        self.waited_inside_record = true;
    }

    /// A write begins.
    pub fn on_write(&mut self) {
        self.is_first_read_after_write = true;
        self.consecutive_reads = 0;
        self.gathering.reset();
    }

    /// A read waits. Whether it should wait for several records.
    pub fn on_wait(&mut self, now: Instant) -> bool {
        if !self.last_read_was_small {
            self.gathering.reset();
        }
        !self.is_first_read_after_write && self.gathering.on_wait(now)
    }

    /// Whether to read all that has come, rather than one record.
    ///
    /// For the first read after a write, which is for the peer's answer, and for small records that come in segments which
    /// they do not fill, so that there are several. It saves system calls, but a reader that drains the socket sleeps after
    /// each record; if the peer then sends records one by one, that can halve the throughput (bench/README.md).
    pub fn should_read_ahead(&self) -> bool {
        self.is_first_read_after_write || self.waited_inside_record || self.gathering.is_on()
    }

    /// Whether OpenSSL should keep its buffers although they are empty: during consecutive reads. A read that waits
    /// ends these, so that idle connections hold no buffers.
    pub fn should_keep_buffers(&self) -> bool {
        self.consecutive_reads >= KEEP_BUFFERS_AFTER
    }

    /// Whether the next read should wait for the peer before it asks the kernel and OpenSSL, which would probably have
    /// nothing yet.
    pub fn should_wait_first(&self) -> bool {
        self.is_first_read_after_write
    }

    /// Whether to receive outside the lock, which saves the system call that waits but copies the bytes once more: only
    /// where few are expected.
    pub fn should_receive_directly(&self) -> bool {
        self.last_read_was_small
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_read_after_a_write_reads_ahead_and_waits_first() {
        let mut reads = ReadStrategy::default();
        assert!(reads.should_read_ahead() && reads.should_wait_first());
        reads.on_read(10);
        assert!(!reads.should_read_ahead() && !reads.should_wait_first());
        reads.on_write();
        assert!(reads.should_read_ahead() && reads.should_wait_first());
    }

    #[test]
    fn buffers_are_kept_during_consecutive_reads_only() {
        let mut reads = ReadStrategy::default();
        reads.on_read(1);
        assert!(!reads.should_keep_buffers());
        reads.on_read(1);
        assert!(reads.should_keep_buffers());
        reads.on_nothing();
        assert!(!reads.should_keep_buffers());
        reads.on_read(1);
        reads.on_read(1);
        reads.on_write();
        assert!(!reads.should_keep_buffers());
    }

    #[test]
    fn only_small_reads_are_received_directly() {
        let mut reads = ReadStrategy::default();
        assert!(reads.should_receive_directly());
        reads.on_read(SMALL_READ + 1);
        assert!(!reads.should_receive_directly());
        reads.on_read(SMALL_READ);
        assert!(reads.should_receive_directly());
    }
}
