//! Where the TLS records end in what has been received.

/// The length of a record's header.
const HEADER: usize = 5;

/// The longest record that a peer may send: 16 kB, and what encryption adds.
const MAX_BODY: usize = 16 * 1024 + 2048;

/// How much of the latest record has been received.
#[derive(Default)]
pub struct RecordFraming {
    /// How many bytes of its header.
    header: usize,
    /// The length of its body: as much as is known of it.
    length: usize,
    /// How many bytes of its body are missing, once the header is complete.
    missing: usize,
}

impl RecordFraming {
    /// These bytes have been received.
    pub fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.missing > 0 {
                let n = self.missing.min(bytes.len());
                self.missing -= n;
                bytes = bytes.get(n..).unwrap_or_default();
                continue;
            }
            // The last two bytes of a header are the length.
            self.length = (self.length << 8 | usize::from(byte)) & 0xffff;
            self.header += 1;
            bytes = rest;
            if self.header == HEADER {
                *self = RecordFraming { missing: self.length, ..RecordFraming::default() };
            }
        }
    }

    /// How many bytes the latest record lacks, if its length is known and it is not complete; otherwise 0, also for what is
    /// no record.
    pub fn missing(&self) -> usize {
        if self.missing <= MAX_BODY { self.missing } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(bytes: &[u8]) -> RecordFraming {
        let mut framing = RecordFraming::default();
        framing.advance(bytes);
        framing
    }

    #[test]
    fn what_is_missing_is_known_once_the_header_is_complete() {
        assert_eq!(framing(&[23, 3, 3, 1]).missing(), 0);
        assert_eq!(framing(&[23, 3, 3, 1, 2]).missing(), 258);
        assert_eq!(framing(&[23, 3, 3, 1, 2, 9]).missing(), 257);
    }

    #[test]
    fn records_are_told_apart_however_they_are_cut() {
        let stream = [&[23, 3, 3, 0, 2, 7, 7, 23, 3, 3, 0, 0, 22, 3, 3, 0, 9][..], &[1; 4]].concat();
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let mut framing = framing(head);
            framing.advance(tail);
            assert_eq!(framing.missing(), 5, "cut at {cut}");
        }
    }

    #[test]
    fn nothing_is_missing_from_what_is_no_record() {
        assert_eq!(framing(b"HTTP/1.1 200 OK").missing(), 0);
    }
}
