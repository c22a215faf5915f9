//! Puts a client hello together from what comes over the network, before any of it is given to OpenSSL.

use super::message::CLIENT_HELLO;

/// What has come so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not all of it yet.
    Incomplete,
    /// The message: type, length in three bytes, body.
    Complete(Vec<u8>),
    /// Not a hello of TLS: OpenSSL reports the error.
    Foreign,
}

/// The longest hello that OpenSSL takes, with its header.
const LONGEST: usize = 131_396 + 4;

const HANDSHAKE: u8 = 22;
const MAX_RECORD: usize = 16 * 1024;
const RECORD_HEADER: usize = 5;

/// Looks for the hello at the beginning of a stream, in records of any size.
#[derive(Default)]
pub struct Records {
    /// All that has come.
    stream: Vec<u8>,
    /// Where in it the next record begins.
    next: usize,
    message: Vec<u8>,
}

impl Records {
    /// Takes further bytes of the stream in.
    pub fn add(&mut self, bytes: &[u8]) -> Progress {
        // A record of one byte takes six.
        const MOST: usize = 2 * LONGEST;
        self.stream.extend_from_slice(bytes);
        loop {
            if let Some(progress) = complete(&self.message) {
                return progress;
            }
            let (len, rest) = match *self.stream.get(self.next..).unwrap_or_default() {
                [kind, ..] if kind != HANDSHAKE => return Progress::Foreign,
                [_, major, ..] if major != 3 => return Progress::Foreign,
                [_, _, _, high, low, ref rest @ ..] => (usize::from(high) << 8 | usize::from(low), rest),
                _ => return Progress::Incomplete,
            };
            if len == 0 || len > MAX_RECORD || self.stream.len() > MOST {
                return Progress::Foreign;
            }
            let Some(record) = rest.get(..len) else {
                // Another message is not waited for.
                let is_another = self.message.is_empty() && rest.first().is_some_and(|kind| *kind != CLIENT_HELLO);
                return if is_another { Progress::Foreign } else { Progress::Incomplete };
            };
            self.message.extend_from_slice(record);
            self.next += RECORD_HEADER + len;
        }
    }

    /// All that has come, for OpenSSL to read.
    pub fn into_stream(self) -> Vec<u8> {
        self.stream
    }
}

/// What is at the beginning of a message, once that can be said.
fn complete(message: &[u8]) -> Option<Progress> {
    match *message {
        [kind, ..] if kind != CLIENT_HELLO => Some(Progress::Foreign),
        [_, a, b, c, ..] => {
            let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if len > LONGEST {
                Some(Progress::Foreign)
            } else {
                message.get(..len).map(|all| Progress::Complete(all.to_vec()))
            }
        }
        _ => None,
    }
}

/// Collects the fragments of the hello of one client (RFC 6347, 4.2.3).
#[derive(Default)]
pub struct Fragments {
    /// Its sequence number and length, once a fragment has told.
    of: Option<(u16, usize)>,
    body: Vec<u8>,
    /// What of it is there, as ranges in their order.
    have: Vec<(usize, usize)>,
}

impl Fragments {
    /// Takes a datagram in.
    pub fn add(&mut self, mut datagram: &[u8]) -> Progress {
        while let [kind, 0xfe, _, 0, 0, _, _, _, _, _, _, high, low, rest @ ..] = datagram {
            let len = usize::from(*high) << 8 | usize::from(*low);
            let Some((record, rest)) = rest.split_at_checked(len) else { break };
            if *kind == HANDSHAKE {
                self.add_record(record);
            }
            datagram = rest;
        }
        match self.of {
            Some((_, len)) if self.have == [(0, len)] => {
                let len = (len as u32).to_be_bytes();
                let header = [&[CLIENT_HELLO], len.get(1..).unwrap_or_default()].concat();
                Progress::Complete([header.as_slice(), &self.body].concat())
            }
            _ => Progress::Incomplete,
        }
    }

    fn add_record(&mut self, mut record: &[u8]) {
        let three = |a: u8, b: u8, c: u8| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        while let [kind, a, b, c, s, t, d, e, f, g, h, i, rest @ ..] = record {
            let (total, start, len) = (three(*a, *b, *c), three(*d, *e, *f), three(*g, *h, *i));
            let Some((fragment, rest)) = rest.split_at_checked(len) else { return };
            record = rest;
            let of = (u16::from_be_bytes([*s, *t]), total);
            let fits = start + len <= total && (1..=LONGEST - 4).contains(&total);
            if *kind != CLIENT_HELLO || !fits || self.of.is_some_and(|known| known != of) {
                continue;
            }
            if self.of.is_none() {
                self.of = Some(of);
                self.body = vec![0; total];
            }
            if let Some(to) = self.body.get_mut(start..start + len) {
                to.copy_from_slice(fragment);
                self.note(start, start + len);
            }
        }
    }

    fn note(&mut self, start: usize, end: usize) {
        // Fragments of which each leaves a gap are no client's.
        const MOST_RANGES: usize = 64;
        if self.have.len() < MOST_RANGES {
            self.have.push((start, end));
        }
        self.have.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.have.len());
        for (start, end) in self.have.drain(..) {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        self.have = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::tests::full, *};

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message
            .chunks(size)
            .flat_map(|part| [&[22, 3, 1, (part.len() >> 8) as u8, part.len() as u8], part].concat())
            .collect()
    }

    #[test]
    fn a_hello_in_records_of_any_size_is_found() {
        let message = full(false);
        for size in [1, 2, 3, 5, 50, message.len()] {
            let mut stream = records(&message, size);
            let (last, before) = stream.split_last().unwrap();
            let mut collected = Records::default();
            for byte in before {
                assert_eq!(collected.add(&[*byte]), Progress::Incomplete, "in records of {size}");
            }
            assert_eq!(collected.add(&[*last]), Progress::Complete(message.clone()));
            assert_eq!(collected.into_stream(), stream);
            stream.extend(b"what comes behind it");
            assert_eq!(Records::default().add(&stream), Progress::Complete(message.clone()));
        }
    }

    #[test]
    fn what_is_no_hello_is_told_at_once() {
        let mut another_message = records(&full(false), 1000);
        another_message[5] = 2;
        let too_long = [22, 3, 1, 0, 4, 1, 255, 255, 255];
        for (case, bytes) in [
            ("HTTP", &b"GET / HTTP/1.0\r\n\r\n"[..]),
            ("an alert", &[21, 3, 3, 0, 2, 1, 0]),
            ("an empty record", &[22, 3, 1, 0, 0]),
            ("a long record", &[22, 3, 1, 0xff, 0xff]),
            ("a hello of SSL 2", &[0x80, 0x2e, 1, 3, 1]),
            ("another message", &another_message),
            ("its first byte", &another_message[..6]),
            ("a long message", &too_long),
        ] {
            assert_eq!(Records::default().add(bytes), Progress::Foreign, "{case}");
        }
    }

    fn fragment(message: &[u8], start: usize, len: usize) -> Vec<u8> {
        let total = message.len() - 4;
        let three = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
        let body =
            [&[1][..], &three(total), &[0, 1], &three(start), &three(len), &message[4 + start..4 + start + len]]
                .concat();
        [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, (body.len() >> 8) as u8, body.len() as u8], body.as_slice()]
            .concat()
    }

    #[test]
    fn fragments_are_put_together_in_any_order() {
        let message = full(true);
        let total = message.len() - 4;
        let parts = [(0, 10), (10, 30), (5, 20), (40, total - 40)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [3, 0, 1, 2]] {
            let mut fragments = Fragments::default();
            let mut last = Progress::Incomplete;
            for at in order {
                let (start, len) = parts[at];
                last = fragments.add(&fragment(&message, start, len));
            }
            assert_eq!(last, Progress::Complete(message.clone()), "{order:?}");
        }
    }

    #[test]
    fn a_hello_in_one_datagram_is_complete_at_once() {
        let message = full(true);
        let datagram = fragment(&message, 0, message.len() - 4);
        assert_eq!(Fragments::default().add(&datagram), Progress::Complete(message));
        for len in 0..datagram.len() {
            assert_eq!(Fragments::default().add(&datagram[..len]), Progress::Incomplete);
        }
    }

    #[test]
    fn a_fragment_beyond_the_message_is_left_out() {
        let message = full(true);
        let mut beyond = fragment(&message, 10, 20);
        beyond[13 + 6..13 + 9].copy_from_slice(&[0xff, 0xff, 0xff]);
        assert_eq!(Fragments::default().add(&beyond), Progress::Incomplete);
    }
}
