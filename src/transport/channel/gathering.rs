//! When to wait for several small records at a time: where a reader is woken thousands of times in a second for one record
//! each, waking it costs more than all that it then does.

use std::time::{Duration, Instant};

/// How long a reader waits at most for further records after the one that it could have. Where a fast stream ends, its last
/// record is that late.
pub const GATHERING_TIME: Duration = Duration::from_micros(250);

/// So many waits one after the other decide, if each was no longer than `GATHERING_TIME` on average.
const FAST_WAITS: u32 = 16;

/// What the waits of a connection were like.
#[derive(Default)]
pub struct Gathering {
    is_on: bool,
    reads_since_wait: u32,
    /// How many waits there were since that time.
    waits: u32,
    since: Option<Instant>,
}

impl Gathering {
    /// A read has found a record.
    pub fn on_read(&mut self) {
        self.reads_since_wait = self.reads_since_wait.saturating_add(1);
    }

    /// What was seen so far says nothing about the next wait.
    pub fn reset(&mut self) {
        *self = Gathering::default();
    }

    /// Whether the latest wait was for several records.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A wait begins. Whether it should be for several records.
    pub fn on_wait(&mut self, now: Instant) -> bool {
        let came_together = std::mem::take(&mut self.reads_since_wait) > 1;
        if self.is_on {
            // A wait that has brought one record, or none: the stream has become slow, or has ended.
            self.is_on = came_together;
            self.waits = 0;
            return self.is_on;
        }
        if self.waits == 0 {
            self.since = Some(now);
        }
        self.waits += 1;
        if self.waits > FAST_WAITS {
            let time = self.since.map(|since| now.saturating_duration_since(since));
            self.is_on = time.is_some_and(|time| time < FAST_WAITS * GATHERING_TIME);
            self.waits = 0;
        }
        self.is_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits so far apart, with one read after each; whether the last one is for several records.
    fn waits(gathering: &mut Gathering, n: u32, apart: Duration) -> bool {
        let begin = Instant::now();
        let mut is_on = false;
        for i in 0..n {
            gathering.on_read();
            is_on = gathering.on_wait(begin + i * apart);
        }
        is_on
    }

    #[test]
    fn a_fast_stream_is_gathered_and_a_slow_one_is_not() {
        assert!(waits(&mut Gathering::default(), FAST_WAITS + 1, GATHERING_TIME / 2));
        assert!(!waits(&mut Gathering::default(), FAST_WAITS, GATHERING_TIME / 2));
        assert!(!waits(&mut Gathering::default(), FAST_WAITS * 9, GATHERING_TIME));
    }

    #[test]
    fn gathering_ends_with_the_first_wait_that_brings_one_record_only() {
        let mut gathering = Gathering::default();
        let now = Instant::now();
        waits(&mut gathering, FAST_WAITS + 1, Duration::ZERO);
        gathering.on_read();
        gathering.on_read();
        assert!(gathering.on_wait(now));
        gathering.on_read();
        assert!(!gathering.on_wait(now));
    }
}
