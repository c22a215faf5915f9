//! How long the peer of an established connection has been silent, and how long it may be.

use crate::net::deadline::{Deadline, Limit};
use std::time::{Duration, Instant};

/// Measures silence.
pub struct IdleTimer {
    limit: Limit,
    /// When the peer last sent something that was verified. What cannot be verified may come from anybody, so it must not
    /// keep a connection alive.
    last_verified: Instant,
    /// Since when datagrams are known to wait for the program to read them.
    unread_since: Option<Instant>,
}

impl IdleTimer {
    /// Starts now.
    pub fn new(limit: Limit, now: Instant) -> IdleTimer {
        IdleTimer { limit, last_verified: now, unread_since: None }
    }

    /// The peer has sent something that was verified.
    pub fn restart(&mut self, now: Instant) {
        self.last_verified = now;
        self.unread_since = None;
    }

    /// When the peer will have been silent for too long.
    pub fn end(&self) -> Deadline {
        Deadline::starting(self.last_verified, self.limit)
    }

    /// How long the peer has been silent, if that is for longer than it may.
    pub fn exceeded(&self, now: Instant) -> Option<Duration> {
        exceeded(self.last_verified, self.limit, now)
    }

    /// Datagrams wait for the program to read them. Whether they are the peer's is found out only then, so they count for one
    /// further limit and no longer. True while they do.
    pub fn excuses_unread(&mut self, now: Instant) -> bool {
        let since = *self.unread_since.get_or_insert(now);
        exceeded(since, self.limit, now).is_none()
    }
}

fn exceeded(since: Instant, limit: Limit, now: Instant) -> Option<Duration> {
    let age = now.saturating_duration_since(since);
    limit.is_some_and(|limit| age >= limit).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn silence_is_measured_against_the_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timer = IdleTimer::new(Some(LIMIT), start);
        assert_eq!(timer.exceeded(at(9)), None);
        assert_eq!(timer.exceeded(at(10)), Some(LIMIT));
        assert_eq!(timer.end(), Deadline(Some(at(10))));
        timer.restart(at(8));
        assert_eq!(timer.exceeded(at(17)), None);
        assert_eq!(IdleTimer::new(None, start).exceeded(at(100_000)), None);
    }

    #[test]
    fn unread_datagrams_excuse_silence_for_one_further_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timer = IdleTimer::new(Some(LIMIT), start);
        assert!(timer.excuses_unread(at(11)));
        assert!(timer.excuses_unread(at(20)));
        assert!(!timer.excuses_unread(at(21)));
        timer.restart(at(22));
        assert!(timer.excuses_unread(at(40)));
    }

    #[test]
    fn a_clock_reading_from_before_is_no_silence() {
        let start = Instant::now() + Duration::from_secs(5);
        let timer = IdleTimer::new(Some(Duration::from_secs(1)), start);
        assert_eq!(timer.exceeded(start - Duration::from_secs(3)), None);
    }
}
