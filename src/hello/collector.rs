//! Puts a client hello together from what comes over the network, before any of it is given to OpenSSL.

use super::message::CLIENT_HELLO;
use std::iter;

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

/// Collects the fragments of the hello of one client (RFC 6347, 4.2.3). Keeps the datagrams that had something new, and no
/// others: anybody can send datagrams in the client's name.
#[derive(Default)]
pub struct Fragments {
    /// Its sequence number and length, once a fragment has shown them.
    of: Option<(u16, usize)>,
    /// What of it is there, as ranges in their order.
    have: Vec<(usize, usize)>,
    datagrams: Vec<Vec<u8>>,
    /// How many bytes these take.
    size: usize,
}

/// A part of a hello.
struct Fragment<'a> {
    /// The sequence number and the length of the whole.
    of: (u16, usize),
    start: usize,
    bytes: &'a [u8],
}

impl Fragments {
    /// Begins with a datagram that is kept whatever it has.
    pub fn begin(&mut self, datagram: &[u8]) -> Progress {
        let has_new = self.note_all(datagram);
        self.keep(datagram);
        if has_new { self.progress() } else { Progress::Foreign }
    }

    /// Takes a datagram in.
    pub fn add(&mut self, datagram: &[u8]) -> Progress {
        if self.note_all(datagram) {
            self.keep(datagram);
        }
        self.progress()
    }

    /// The datagrams that have been kept, for OpenSSL to read.
    pub fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }

    /// The first of them.
    pub fn first(&self) -> Option<&[u8]> {
        self.datagrams.first().map(Vec::as_slice)
    }

    fn keep(&mut self, datagram: &[u8]) {
        /// What it takes to keep a short one.
        const EACH: usize = 64;
        self.size += datagram.len() + EACH;
        self.datagrams.push(datagram.to_vec());
    }

    fn progress(&self) -> Progress {
        // Datagrams of 200 bytes still have space for the longest hello.
        const MOST: usize = 2 * LONGEST;
        match self.of {
            Some(of @ (_, len)) if self.have == [(0, len)] => Progress::Complete(self.message(of)),
            _ if self.size > MOST => Progress::Foreign,
            _ => Progress::Incomplete,
        }
    }

    /// Puts the message together. Before it is complete it would take memory that one fragment can ask for.
    fn message(&self, of: (u16, usize)) -> Vec<u8> {
        let mut message = vec![0; 4 + of.1];
        for fragment in self.datagrams.iter().flat_map(|datagram| fragments(datagram)) {
            let start = 4 + fragment.start;
            if let Some(to) = message.get_mut(start..start + fragment.bytes.len()).filter(|_| fragment.of == of) {
                to.copy_from_slice(fragment.bytes);
            }
        }
        let header = (u32::from(CLIENT_HELLO) << 24 | of.1 as u32).to_be_bytes();
        message.iter_mut().zip(header).for_each(|(to, byte)| *to = byte);
        message
    }

    /// Notes what a datagram has. False if that is nothing new.
    fn note_all(&mut self, datagram: &[u8]) -> bool {
        let mut has_new = false;
        for fragment in fragments(datagram) {
            if *self.of.get_or_insert(fragment.of) == fragment.of {
                has_new |= self.note(fragment.start, fragment.start + fragment.bytes.len());
            }
        }
        has_new
    }

    fn note(&mut self, start: usize, end: usize) -> bool {
        // Fragments of which each leaves a gap are no client's.
        const MOST_RANGES: usize = 64;
        if self.have.iter().any(|known| known.0 <= start && end <= known.1) {
            return false;
        }
        let at = self.have.partition_point(|known| *known < (start, end));
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.have.len() + 1);
        let (before, after) = self.have.split_at(at);
        for (start, end) in before.iter().chain(&[(start, end)]).chain(after).copied() {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        let has_space = joined.len() <= MOST_RANGES;
        if has_space {
            self.have = joined;
        }
        has_space
    }
}

/// The parts of hellos in a datagram that are not empty.
fn fragments(datagram: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    records(datagram).filter(|(kind, _)| *kind == HANDSHAKE).flat_map(|(_, record)| parts(record))
}

/// The records in the clear at the beginning of a datagram: their kinds and contents.
fn records(mut datagram: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    iter::from_fn(move || {
        let [kind, 0xfe, _, 0, 0, _, _, _, _, _, _, high, low, rest @ ..] = datagram else { return None };
        let (record, rest) = rest.split_at_checked(usize::from(*high) << 8 | usize::from(*low))?;
        datagram = rest;
        Some((*kind, record))
    })
}

/// The parts of hellos in a record of a handshake.
fn parts(mut record: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    let three = |a: u8, b: u8, c: u8| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    let next = move || {
        let [kind, a, b, c, s, t, d, e, f, g, h, i, rest @ ..] = record else { return None };
        let (bytes, rest) = rest.split_at_checked(three(*g, *h, *i))?;
        record = rest;
        let of = (u16::from_be_bytes([*s, *t]), three(*a, *b, *c));
        Some((*kind, Fragment { of, start: three(*d, *e, *f), bytes }))
    };
    iter::from_fn(next).filter_map(|(kind, fragment)| {
        let (total, end) = (fragment.of.1, fragment.start + fragment.bytes.len());
        let fits = fragment.start < end && end <= total && total <= LONGEST - 4;
        (kind == CLIENT_HELLO && fits).then_some(fragment)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::message::tests::full, *};

    fn stream(message: &[u8], size: usize) -> Vec<u8> {
        message
            .chunks(size)
            .flat_map(|part| [&[22, 3, 1, (part.len() >> 8) as u8, part.len() as u8], part].concat())
            .collect()
    }

    #[test]
    fn a_hello_in_records_of_any_size_is_found() {
        let message = full(false);
        for size in [1, 2, 3, 5, 50, message.len()] {
            let mut stream = stream(&message, size);
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
        let mut another_message = stream(&full(false), 1000);
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

    #[test]
    fn only_datagrams_with_something_new_are_kept() {
        let message = full(true);
        let total = message.len() - 4;
        let (first, last) = (fragment(&message, 0, 10), fragment(&message, 10, total - 10));
        let mut another = last.clone();
        another[13 + 5] ^= 1;
        let mut fragments = Fragments::default();
        for datagram in [b"junk", first.as_slice(), b"", &first, &another, &first[..20]] {
            assert_eq!(fragments.add(datagram), Progress::Incomplete);
        }
        assert_eq!(fragments.add(&last), Progress::Complete(message));
        assert_eq!(fragments.into_datagrams(), [first, last]);
    }

    #[test]
    fn long_datagrams_with_little_of_a_hello_are_not_kept_without_end() {
        let message = full(true);
        let padding = [&[23, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x3f, 0xff][..], &[0; 0x3fff]].concat();
        let mut fragments = Fragments::default();
        let ends = (0..message.len() - 5).find(|start| {
            fragments.add(&[fragment(&message, *start, 1), padding.clone()].concat()) == Progress::Foreign
        });
        assert!(fragments.datagrams.iter().map(Vec::len).sum::<usize>() <= 2 * LONGEST + 0x4100);
        assert!(ends.is_some());
    }

    #[test]
    fn a_first_datagram_is_kept_although_its_hello_is_too_long() {
        let message = full(true);
        let mut datagram = fragment(&message, 0, message.len() - 4);
        datagram[14] = 0xff;
        let mut fragments = Fragments::default();
        assert_eq!(fragments.begin(&datagram), Progress::Foreign);
        assert_eq!(fragments.first(), Some(datagram.as_slice()));
    }
}
