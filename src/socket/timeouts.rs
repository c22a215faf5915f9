//! How long calls on a socket may take. The limits can change while the socket is in use.

use crate::{
    config::Config,
    error::{Error, Result},
    net::deadline::{Deadline, Limit},
};
use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The limits, in microseconds; 0 is none.
pub struct Timeouts {
    handshake: AtomicU64,
    read: AtomicU64,
    write: AtomicU64,
    close: AtomicU64,
    /// How often that for a handshake has been set.
    handshake_settings: AtomicU64,
}

impl Timeouts {
    /// Those of a config.
    pub fn new(config: &Config) -> Timeouts {
        let limits = &config.limits;
        Timeouts {
            handshake: AtomicU64::new(micros(config.handshake_limit())),
            read: AtomicU64::new(micros(limits.read)),
            write: AtomicU64::new(micros(limits.write)),
            close: AtomicU64::new(micros(Some(limits.close))),
            handshake_settings: AtomicU64::new(0),
        }
    }

    fn of(&self, kind: LimitKind) -> &AtomicU64 {
        match kind {
            LimitKind::Handshake => &self.handshake,
            LimitKind::Read => &self.read,
            LimitKind::Write => &self.write,
            LimitKind::Close => &self.close,
        }
    }

    /// Sets a limit for calls that begin from now on.
    pub fn set(&self, kind: LimitKind, limit: Limit) {
        self.of(kind).store(micros(limit), SeqCst);
        if kind == LimitKind::Handshake {
            self.handshake_settings.fetch_add(1, SeqCst);
        }
    }

    /// The limit for calls that begin now.
    pub fn get(&self, kind: LimitKind) -> Limit {
        match self.of(kind).load(SeqCst) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// The limit for a close, where none means not to wait.
    pub fn close(&self) -> Duration {
        Duration::from_micros(self.close.load(SeqCst))
    }

    /// The deadline of a call that begins now.
    pub fn deadline(&self, kind: LimitKind) -> Deadline {
        Deadline::after(self.get(kind))
    }
}

/// Since when non-blocking calls could not be completed: their limits run from then on, until one is completed. A read or a
/// write that has failed for that may be tried again, with the whole time; a handshake only with a limit that is set then.
#[derive(Default)]
pub struct WaitingSince {
    handshake: Option<Instant>,
    /// By which setting of its limit the handshake has failed.
    failed_setting: Option<u64>,
    read: Option<Instant>,
    write: Option<Instant>,
}

impl WaitingSince {
    /// A call of this kind is complete, or has failed.
    pub fn end(&mut self, kind: Option<LimitKind>) {
        if kind == Some(LimitKind::Handshake) {
            self.failed_setting = None;
        }
        if let Some(since) = kind.and_then(|kind| self.of(kind)) {
            *since = None;
        }
    }

    /// A call of this kind could not be completed: starts to count its time, and fails once the limit is over. None is for
    /// calls that have no limit.
    pub fn check(&mut self, kind: Option<LimitKind>, timeouts: &Timeouts, now: Instant) -> Result<()> {
        let Some(kind) = kind else { return Ok(()) };
        let setting = timeouts.handshake_settings.load(SeqCst);
        self.check_limit(kind, timeouts.get(kind), setting, now)
    }

    fn check_limit(&mut self, kind: LimitKind, limit: Limit, setting: u64, now: Instant) -> Result<()> {
        let is_handshake = kind == LimitKind::Handshake;
        let has_new_setting = is_handshake && self.failed_setting.is_some_and(|failed| failed != setting);
        if limit.is_none() || has_new_setting {
            self.end(Some(kind));
        }
        let (Some(limit), Some(since)) = (limit, self.of(kind)) else { return Ok(()) };
        if now.saturating_duration_since(*since.get_or_insert(now)) < limit {
            return Ok(());
        }
        if is_handshake {
            self.failed_setting = Some(setting);
        } else {
            *since = None;
        }
        Err(Error::timeout())
    }

    /// Which limit will be over first, and when. That of a handshake which has failed for it is not awaited any more.
    pub fn next(&mut self, timeouts: &Timeouts) -> Option<(LimitKind, Instant)> {
        let handshake = if self.failed_setting.is_none() { Some(LimitKind::Handshake) } else { None };
        let mut end = |kind: LimitKind| {
            let since = (*self.of(kind)?)?;
            Some((kind, since.checked_add(timeouts.get(kind)?)?))
        };
        let kinds = [handshake, Some(LimitKind::Read), Some(LimitKind::Write)];
        kinds.into_iter().flatten().filter_map(&mut end).min_by_key(|(_, at)| *at)
    }

    /// Since when, if this kind is counted here.
    fn of(&mut self, kind: LimitKind) -> Option<&mut Option<Instant>> {
        match kind {
            LimitKind::Handshake => Some(&mut self.handshake),
            LimitKind::Read => Some(&mut self.read),
            LimitKind::Write => Some(&mut self.write),
            // Its deadline is part of the state of closing.
            LimitKind::Close => None,
        }
    }
}

fn micros(limit: Limit) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_runs_from_the_first_call_that_could_not_be_completed() {
        let (now, limit) = (Instant::now(), Some(Duration::from_secs(10)));
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut waiting = WaitingSince::default();
        assert!(waiting.check_limit(LimitKind::Read, limit, 0, now).is_ok());
        assert!(waiting.check_limit(LimitKind::Read, limit, 0, at(9)).is_ok());
        assert!(waiting.check_limit(LimitKind::Read, limit, 0, at(10)).is_err());
        // That was reported: the next call begins again.
        assert!(waiting.check_limit(LimitKind::Read, limit, 0, at(11)).is_ok());
        waiting.end(Some(LimitKind::Read));
        assert!(waiting.check_limit(LimitKind::Read, limit, 0, at(30)).is_ok());
        assert!(waiting.check_limit(LimitKind::Write, None, 0, at(99)).is_ok());
    }

    #[test]
    fn a_handshake_that_took_too_long_has_time_again_only_by_another_setting() {
        let (now, limit, kind) = (Instant::now(), Some(Duration::from_secs(10)), LimitKind::Handshake);
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut waiting = WaitingSince::default();
        assert!(waiting.check_limit(kind, limit, 0, now).is_ok());
        assert!(waiting.check_limit(kind, limit, 0, at(10)).is_err());
        assert!(waiting.check_limit(kind, limit, 0, at(11)).is_err());
        assert!(waiting.check_limit(kind, limit, 1, at(12)).is_ok());
        assert!(waiting.check_limit(kind, limit, 1, at(21)).is_ok());
        assert!(waiting.check_limit(kind, limit, 1, at(22)).is_err());
    }
}
