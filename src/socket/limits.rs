//! Time limits, which can change while the socket is in use.

use crate::{
    net::deadline::{Deadline, Limit},
    turn::Wait,
};
use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use super::Socket;

/// The limits that can change while the socket is in use, in microseconds; 0 is none.
pub(super) struct LiveLimits {
    pub(super) handshake: AtomicU64,
    pub(super) read: AtomicU64,
    pub(super) write: AtomicU64,
    pub(super) close: AtomicU64,
}

/// Which limit.
#[derive(Clone, Copy)]
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

impl Socket {
    /// Whether reads and writes return WANT_READ and WANT_WRITE instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, SeqCst);
    }

    /// Sets a limit for calls that begin from now on.
    pub fn set_limit(&self, kind: LimitKind, limit: Limit) {
        self.live_limit(kind).store(micros(limit), SeqCst);
    }

    pub(super) fn live_limit(&self, kind: LimitKind) -> &AtomicU64 {
        match kind {
            LimitKind::Handshake => &self.limits.handshake,
            LimitKind::Read => &self.limits.read,
            LimitKind::Write => &self.limits.write,
            LimitKind::Close => &self.limits.close,
        }
    }

    pub(super) fn waits(&self, deadline: Deadline) -> Wait {
        if self.nonblocking.load(SeqCst) { Wait::No } else { Wait::Until(deadline) }
    }

    pub(super) fn deadline(&self, kind: LimitKind) -> Deadline {
        match self.live_limit(kind).load(SeqCst) {
            0 => Deadline::NEVER,
            micros => Deadline::after(Some(Duration::from_micros(micros))),
        }
    }
}

pub(super) fn micros(limit: Limit) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
}
