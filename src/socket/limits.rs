//! Time limits, which can change while the socket is in use.

use crate::net::deadline::Limit;
use std::{sync::atomic::AtomicU64, time::Instant};

/// The limits that can change while the socket is in use, in microseconds; 0 is none.
pub(super) struct LiveLimits {
    pub(super) handshake: AtomicU64,
    pub(super) read: AtomicU64,
    pub(super) write: AtomicU64,
    pub(super) close: AtomicU64,
}

/// Which limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// For a handshake.
    Handshake,
    /// For a read.
    Read,
    /// For a write.
    Write,
    /// For a close, where 0 means not to wait.
    Close,
}

/// Since when non-blocking calls could not be completed: from then on their limits run, until one is completed.
#[derive(Default)]
pub(super) struct WaitingSince {
    handshake: Option<Instant>,
    read: Option<Instant>,
    write: Option<Instant>,
}

impl WaitingSince {
    /// A call of this kind is complete, or has failed.
    pub fn end(&mut self, kind: LimitKind) {
        if let Some(since) = self.of(kind) {
            *since = None;
        }
    }

    /// Since when, if this kind is counted here.
    pub fn of(&mut self, kind: LimitKind) -> Option<&mut Option<Instant>> {
        match kind {
            LimitKind::Handshake => Some(&mut self.handshake),
            LimitKind::Read => Some(&mut self.read),
            LimitKind::Write => Some(&mut self.write),
            // Its deadline is part of how far the close has come.
            LimitKind::Close => None,
        }
    }
}

pub(super) fn micros(limit: Limit) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
}
