//! The client's hello, as far as a server reads it before it remembers anything of the client, and the answer to it
//! (RFC 6347, section 4.2.1).

/// What a client hello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Epoch and sequence number of its record.
    pub sequence: [u8; 8],
    /// Version and random, which distinguish one connection's hello from another's.
    pub identity: [u8; 34],
    /// What follows the session id's length: the session id.
    pub session_id: &'a [u8],
    /// The cookie; empty in the first hello.
    pub cookie: &'a [u8],
    /// What follows the cookie in the first fragment: cipher suites, compression methods, extensions.
    pub rest: &'a [u8],
}

/// The length of the cookies that we give.
pub const COOKIE_LENGTH: usize = 32;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Takes bytes off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

impl<'a> Hello<'a> {
    /// Reads a datagram; None if it does not begin with a client hello of epoch 0 whose cookie is in its first
    /// fragment.
    pub fn parse(datagram: &'a [u8]) -> Option<Hello<'a>> {
        let mut record = Reader(datagram);
        let [kind, major, _minor] = record.array()?;
        let sequence: [u8; 8] = record.array()?;
        if kind != HANDSHAKE || major != 0xfe || sequence.starts_with(&[0, 0]).not() {
            return None;
        }
        let len = record.number(2)?;
        let mut message = Reader(record.take(len)?);
        let kind = message.number(1)?;
        let total = message.number(3)?;
        let message_sequence = message.number(2)?;
        let offset = message.number(3)?;
        let len = message.number(3)?;
        if kind != usize::from(CLIENT_HELLO) || message_sequence > 1 || offset != 0 || len > total {
            return None;
        }
        let mut body = Reader(message.take(len)?);
        let identity: [u8; 34] = body.array()?;
        let len = body.number(1)?;
        let session_id = body.take(len)?;
        let len = body.number(1)?;
        let cookie = body.take(len)?;
        Some(Hello { sequence, identity, session_id, cookie, rest: body.0 })
    }

    /// Whether a datagram is a later fragment of a client hello, which has no cookie to go by.
    pub fn is_continued_by(datagram: &[u8]) -> bool {
        match datagram {
            [HANDSHAKE, 0xfe, _, 0, 0, _, _, _, _, _, _, _, _, CLIENT_HELLO, _, _, _, _, _, offset @ ..] => {
                offset.get(..3).is_some_and(|offset| offset != [0, 0, 0])
            }
            _ => false,
        }
    }

    /// The cipher suites and compression methods, which a client repeats unchanged, unlike extensions, which some
    /// put in another order; None if they are not all in the first fragment.
    pub fn parameters(&self) -> Option<&'a [u8]> {
        let mut rest = Reader(self.rest);
        let suites = rest.number(2)?;
        rest.take(suites)?;
        let methods = rest.number(1)?;
        rest.take(methods)?;
        self.rest.get(..self.rest.len() - rest.0.len())
    }
}

use std::ops::Not;

/// The datagram that asks a client to repeat its hello with `cookie`. Never longer than the hello was.
pub fn verify_request(sequence: [u8; 8], cookie: &[u8; COOKIE_LENGTH]) -> Vec<u8> {
    // The version of these headers says nothing: all clients take DTLS 1.0 here, and some no other.
    const VERSION: [u8; 2] = [0xfe, 0xff];
    let body_len = (VERSION.len() + 1 + COOKIE_LENGTH) as u8;
    let mut datagram = Vec::with_capacity(13 + 12 + usize::from(body_len));
    datagram.push(HANDSHAKE);
    datagram.extend(VERSION);
    datagram.extend(sequence);
    datagram.extend([0, 12 + body_len]);
    datagram.push(HELLO_VERIFY_REQUEST);
    datagram.extend([0, 0, body_len]);
    datagram.extend([0, 0]);
    datagram.extend([0, 0, 0]);
    datagram.extend([0, 0, body_len]);
    datagram.extend(VERSION);
    datagram.push(COOKIE_LENGTH as u8);
    datagram.extend(cookie);
    datagram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with this cookie.
    pub fn hello(cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 12 + body.len() as u8];
        datagram.extend([1, 0, 0, body.len() as u8, 0, 0, 0, 0, 0, 0, 0, body.len() as u8]);
        datagram.extend(body);
        datagram
    }

    #[test]
    fn a_hello_tells_its_cookie_and_parameters() {
        let datagram = hello(b"biscuit");
        let hello = Hello::parse(&datagram).unwrap();
        assert_eq!(hello.cookie, b"biscuit");
        assert_eq!(hello.sequence, [0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(hello.parameters().unwrap(), [0, 2, 0xc0, 0x2b, 1, 0]);
    }

    #[test]
    fn no_cut_hello_is_read_beyond_its_end() {
        let datagram = hello(b"biscuit");
        for len in 0..datagram.len() {
            assert_eq!(Hello::parse(&datagram[..len]), None, "cut to {len}");
        }
    }

    #[test]
    fn every_changed_byte_is_survived() {
        let datagram = hello(b"biscuit");
        for at in 0..datagram.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = datagram.clone();
                changed[at] = value;
                if let Some(hello) = Hello::parse(&changed) {
                    let _ = hello.parameters();
                }
            }
        }
    }

    #[test]
    fn only_later_fragments_continue_a_hello() {
        let mut datagram = hello(b"biscuit");
        assert!(!Hello::is_continued_by(&datagram));
        for at in 19..22 {
            datagram[at] = 1;
            assert!(Hello::is_continued_by(&datagram));
            assert_eq!(Hello::parse(&datagram), None);
            assert!(!Hello::is_continued_by(&datagram[..21]));
            datagram[at] = 0;
        }
    }

    #[test]
    fn another_epoch_is_no_hello() {
        let mut datagram = hello(b"");
        datagram[4] = 1;
        assert_eq!(Hello::parse(&datagram), None);
    }

    #[test]
    fn the_answer_is_never_longer_than_the_shortest_hello() {
        assert!(verify_request([0; 8], &[0; COOKIE_LENGTH]).len() <= hello(b"").len());
    }
}
