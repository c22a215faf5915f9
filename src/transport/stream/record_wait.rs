//! Waiting for the rest of a record, and not for each of its segments: an option says from how many bytes on to report
//! the descriptor as readable. That holds for all that wait: the socket, and the program in poll(2) or epoll(7).
//!
//! More than one byte is asked for only while a read could not go on for want of so many, or while the socket itself waits.
//! So the descriptor is never silent for the program when a read would give something.

use super::record_framing::RecordFraming;
use crate::transport::carrier::Carrier;

/// The end of a record, of two segments of an Ethernet, is waited for as usual. A peer with Nagle's algorithm holds a last
/// segment that is not full until those before it are acknowledged, which the system delays, but not when they are read.
const TAIL: usize = 2 * 1460;

/// What is missing must be more than this: otherwise the system calls that ask for it cost what they save.
const WORTHWHILE: usize = 2 * TAIL;

/// How many bytes of small records are waited for: as many as OpenSSL reads at once.
const GATHERED: usize = 16 * 1024;

/// What has been received of the latest record, and what the system was asked to wait for.
#[derive(Default)]
pub struct RecordWait {
    framing: RecordFraming,
    /// From how many bytes on the descriptor is reported as readable. 0: as it was made, from one.
    low_water: usize,
    /// The carrier's limit, once it is known.
    limit: Option<usize>,
}

impl RecordWait {
    /// Whether a part of a record has been received, and its end is missing.
    pub fn is_inside_record(&self) -> bool {
        self.framing.missing() > 0
    }

    /// Whether enough is missing for a wait of its own.
    pub fn is_worthwhile(&self) -> bool {
        self.framing.missing() > WORTHWHILE
    }

    /// OpenSSL gets these bytes.
    pub fn received(&mut self, bytes: &[u8], carrier: &Carrier) {
        self.framing.advance(bytes);
        if self.low_water > self.framing.missing() {
            self.ask(0, carrier);
        }
    }

    /// OpenSSL has asked for more bytes, and there are none. This must have been found, and not be guessed from the
    /// number of bytes that came before: an edge-triggered program learns only once of a reset that came with them.
    pub fn found_nothing(&mut self, carrier: &Carrier) {
        self.ask(if self.is_worthwhile() { self.framing.missing() - TAIL } else { 0 }, carrier);
    }

    /// The next wait is for many small records, until a time that the caller limits. False if the carrier cannot do that.
    pub fn gather(&mut self, carrier: &Carrier) -> bool {
        !self.is_worthwhile() && self.ask(GATHERED, carrier)
    }

    /// What comes from now on need not be records.
    pub fn end(&mut self, carrier: &Carrier) {
        self.ask(0, carrier);
        self.limit = Some(0);
    }

    /// True if the system has been asked for another number of bytes than before.
    fn ask(&mut self, bytes: usize, carrier: &Carrier) -> bool {
        let limit = if bytes == 0 { 0 } else { *self.limit.get_or_insert_with(|| carrier.max_low_water()) };
        let low_water = if limit > TAIL { bytes.min(limit) } else { 0 };
        if low_water == self.low_water {
            return false;
        }
        if carrier.report_readable_from(low_water.max(1)).is_err() {
            self.limit = Some(0);
            return false;
        }
        self.low_water = low_water;
        true
    }
}
