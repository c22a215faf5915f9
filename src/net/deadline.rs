//! Points in monotonic time after which nothing waits any more.

use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// A time limit as configured: None is none.
pub type Limit = Option<Duration>;

/// A limit in microseconds of the C API, where 0 is none.
pub fn limit_from_micros(micros: i64) -> Result<Limit> {
    match u64::try_from(micros) {
        Ok(0) => Ok(None),
        Ok(micros) => Ok(Some(Duration::from_micros(micros))),
        Err(_) => Err(Error::argument(format!("a time limit of {micros} microseconds is negative"))),
    }
}

/// When to give up; None is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const NEVER: Deadline = Deadline(None);

    /// `limit` from now.
    pub fn after(limit: Limit) -> Deadline {
        Deadline::starting(Instant::now(), limit)
    }

    /// `limit` from `now`.
    pub fn starting(now: Instant, limit: Limit) -> Deadline {
        Deadline(limit.and_then(|limit| now.checked_add(limit)))
    }

    /// The sooner of the two.
    pub fn or_sooner(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.min(b))),
            (a, b) => Deadline(a.or(b)),
        }
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// Whether it has passed `now`.
    pub fn has_passed_at(self, now: Instant) -> bool {
        self.0.is_some_and(|at| now >= at)
    }

    /// How long it is until then; None for never.
    pub fn remaining(self) -> Limit {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// How long it is from `now` until then; None for never.
    pub fn remaining_at(self, now: Instant) -> Limit {
        self.0.map(|at| at.saturating_duration_since(now))
    }
}
