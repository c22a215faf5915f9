//! A server hello (RFC 8446, 4.1.3), taken apart as far as it says what the server has chosen.

use super::message::{Malformed, Reader};

/// What a server has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The protocol version.
    pub version: u16,
    /// The cipher suite.
    pub cipher: u16,
    /// The group for key agreement of TLS 1.3, if it names one.
    pub group: Option<u16>,
    /// Whether it asks for another hello instead (HelloRetryRequest).
    pub is_retry: bool,
}

const SERVER_HELLO: usize = 2;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// The random value that makes a server hello a HelloRetryRequest.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2,
    0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

impl ServerHello {
    /// Takes a message apart: type, length in three bytes, body.
    pub fn parse(raw: &[u8]) -> Result<ServerHello, Malformed> {
        let mut message = Reader::new(raw);
        if message.number(1)? != SERVER_HELLO {
            return Err(Malformed);
        }
        let mut body = message.vector(3)?;
        message.end()?;
        let mut hello = ServerHello { version: body.u16()?, ..ServerHello::default() };
        hello.is_retry = body.take(RETRY.len())? == RETRY;
        body.vector(1)?;
        hello.cipher = body.u16()?;
        body.take(1)?;
        if body.is_empty() {
            return Ok(hello);
        }
        let mut extensions = body.vector(2)?;
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let mut content = extensions.vector(2)?;
            match kind {
                SUPPORTED_VERSIONS => hello.version = content.u16()?,
                KEY_SHARE => hello.group = Some(content.u16()?),
                _ => {}
            }
        }
        Ok(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(random: &[u8; 32], extensions: &[u8]) -> Vec<u8> {
        let mut body = [&[3, 3][..], random, &[0, 0x13, 0x01, 0]].concat();
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        [&[2, 0, 0, body.len() as u8][..], &body].concat()
    }

    #[test]
    fn the_extensions_of_tls_1_3_count() {
        let hello = message(&[7; 32], &[0, 43, 0, 2, 3, 4, 0, 51, 0, 6, 0, 29, 0, 2, 1, 2]);
        let hello = ServerHello::parse(&hello).unwrap();
        assert_eq!(hello, ServerHello { version: 0x304, cipher: 0x1301, group: Some(29), is_retry: false });
    }

    #[test]
    fn a_retry_request_is_told_from_a_hello() {
        assert!(ServerHello::parse(&message(&RETRY, &[])).unwrap().is_retry);
        assert!(!ServerHello::parse(&message(&[0; 32], &[])).unwrap().is_retry);
    }

    #[test]
    fn a_cut_hello_is_malformed() {
        let all = message(&[7; 32], &[0, 43, 0, 2, 3, 4]);
        for len in 0..all.len() {
            assert_eq!(ServerHello::parse(&all[..len]), Err(Malformed), "{len}");
        }
    }
}
