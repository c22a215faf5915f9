//! What a connection counts.

use crate::types::Step;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// When a connection began, and how much it has carried.
pub struct Counts {
    /// When the connection was made.
    pub begun: Instant,
    /// Application data that reads have returned, in bytes.
    pub read: AtomicU64,
    /// Application data that writes have taken, in bytes.
    pub written: AtomicU64,
}

impl Counts {
    /// For a connection that is made now.
    pub fn new(now: Instant) -> Counts {
        Counts { begun: now, read: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    /// Counts what a read has returned.
    pub fn note_read(&self, step: &Step<usize>) {
        if let Step::Done(n) = step {
            self.read.fetch_add(*n as u64, Relaxed);
        }
    }
}
