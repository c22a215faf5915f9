//! Records that begin small and grow: the first ones fit into one packet each, so that the peer can use each of them when it
//! comes; later ones are as large as they can be, which costs less.

use std::time::{Duration, Instant};

/// What a packet of 1500 bytes has room for, beside the headers of IPv6, TCP with options, and TLS.
const SMALL: usize = 1369;

/// How much goes in small records.
const SMALL_UNTIL: usize = 64 * 1024;

/// After how long a pause they are small again: TCP begins slowly, too.
const PAUSE: Duration = Duration::from_secs(1);

/// How far a connection has come.
#[derive(Default)]
pub struct RecordRamp {
    is_on: bool,
    sent: usize,
    latest: Option<Instant>,
}

impl RecordRamp {
    /// Off, or from the beginning.
    pub fn new(is_on: bool) -> RecordRamp {
        RecordRamp { is_on, ..RecordRamp::default() }
    }

    /// A write begins. The rest of one that OpenSSL has not taken must not become shorter, so nothing changes within one.
    pub fn begin(&mut self, now: Instant) {
        if self.latest.is_some_and(|latest| now.saturating_duration_since(latest) >= PAUSE) {
            self.sent = 0;
        }
        self.latest = Some(now);
    }

    /// As much of `data` as the next record carries.
    pub fn next<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        if !self.is_on || self.sent >= SMALL_UNTIL {
            return data;
        }
        data.get(..SMALL).unwrap_or(data)
    }

    /// OpenSSL has not taken a record, and will be given the same again.
    pub fn refused(&mut self) {
        self.latest = None;
    }

    /// A record was sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ramp: &mut RecordRamp, now: Instant) -> usize {
        let data = [0; 20_000];
        ramp.begin(now);
        let len = ramp.next(&data).len();
        ramp.sent(len);
        len
    }

    #[test]
    fn records_grow_after_the_first_and_are_small_again_after_a_pause() {
        let start = Instant::now();
        let mut ramp = RecordRamp::new(true);
        assert_eq!(record(&mut ramp, start), SMALL);
        for _ in 0..SMALL_UNTIL / SMALL {
            assert_eq!(record(&mut ramp, start), SMALL);
        }
        assert_eq!(record(&mut ramp, start), 20_000);
        assert_eq!(record(&mut ramp, start + Duration::from_millis(900)), 20_000);
        assert_eq!(record(&mut ramp, start + Duration::from_millis(1900)), SMALL);
    }

    #[test]
    fn nothing_is_cut_where_it_is_off() {
        assert_eq!(record(&mut RecordRamp::new(false), Instant::now()), 20_000);
    }
}
