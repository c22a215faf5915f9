//! How long calls on a socket may take.

use crate::{
    error::{Error, Result},
    net::deadline::{Deadline, Limit},
    turn::Blocking,
};
use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use super::{
    LimitKind, Socket,
    limits::micros,
    state::{Lifecycle, SocketState},
};

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

    /// A non-blocking call could not be completed: begins to count its time, and fails once that is over.
    pub(super) fn check_waiting(&self, tls: &mut SocketState, kind: LimitKind) -> Result<()> {
        let Some(limit) = self.limit(kind) else {
            tls.waiting.end(kind);
            return Ok(());
        };
        if let Some(since) = tls.waiting.of(kind) {
            if since.get_or_insert_with(Instant::now).elapsed() >= limit {
                *since = None;
                return Err(Error::timeout());
            }
        }
        Ok(())
    }

    /// Which limit of a non-blocking call will be over first, and when.
    pub(super) fn next_limit(&self, tls: &mut SocketState) -> Option<(LimitKind, Instant)> {
        if let Lifecycle::Flushing(Deadline(Some(at))) | Lifecycle::Draining(Deadline(Some(at))) = tls.lifecycle {
            return Some((LimitKind::Close, at));
        }
        if tls.lifecycle == Lifecycle::Closed {
            return None;
        }
        let end = |kind: LimitKind| {
            let since = (*tls.waiting.of(kind)?)?;
            Some((kind, since.checked_add(self.limit(kind)?)?))
        };
        let ends = [LimitKind::Handshake, LimitKind::Read, LimitKind::Write].into_iter().filter_map(end);
        ends.min_by_key(|(_, at)| *at)
    }

    pub(super) fn waits(&self, deadline: Deadline) -> Blocking {
        if self.nonblocking.load(SeqCst) { Blocking::No } else { Blocking::Until(deadline) }
    }

    pub(super) fn deadline(&self, kind: LimitKind) -> Deadline {
        Deadline::after(self.limit(kind))
    }

    fn limit(&self, kind: LimitKind) -> Limit {
        match self.live_limit(kind).load(SeqCst) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }
}
