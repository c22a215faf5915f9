//! A client hello: the message that opens a handshake (RFC 8446, 4.1.2; RFC 6347, 4.2.1), taken apart. No input makes
//! this fail otherwise than by saying that it is malformed.

/// What a hello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The message: type, length in three bytes, body. Without the further header that DTLS has.
    pub raw: Vec<u8>,
    /// Whether it came as datagrams.
    pub datagrams: bool,
    /// The version field of old, which TLS 1.3 sets to that of TLS 1.2.
    pub legacy_version: u16,
    /// The name of the host, as it was sent.
    pub server_name: Option<String>,
    /// The application protocols, best first.
    pub alpn: Vec<Vec<u8>>,
    /// The protocol versions, best first; empty where the legacy version says all.
    pub versions: Vec<u16>,
    /// The cipher suites, best first.
    pub ciphers: Vec<u16>,
    /// The groups for key agreement, best first.
    pub groups: Vec<u16>,
    /// The signature algorithms that the client verifies, best first.
    pub signature_algorithms: Vec<u16>,
    /// The identities of pre-shared keys, best first: tickets are such.
    pub psk_identities: Vec<Vec<u8>>,
    /// The types of the extensions, in their order.
    pub extensions: Vec<u16>,
}

/// The message is not as the protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The type of the message.
pub const CLIENT_HELLO: u8 = 1;

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;

/// Takes values off the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So many bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of so many bytes.
    pub fn number(&mut self, bytes: usize) -> Result<usize, Malformed> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A number of two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        bytes.try_into().map(u16::from_be_bytes).map_err(|_| Malformed)
    }

    /// What comes behind its length, which takes so many bytes.
    pub fn vector(&mut self, bytes: usize) -> Result<Reader<'a>, Malformed> {
        let len = self.number(bytes)?;
        self.take(len).map(Reader)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// The numbers of a list, which must not be cut.
    fn numbers(self) -> Result<Vec<u16>, Malformed> {
        if self.0.len() % 2 != 0 {
            return Err(Malformed);
        }
        Ok(self.0.chunks_exact(2).filter_map(|two| two.try_into().ok().map(u16::from_be_bytes)).collect())
    }
}

impl Hello {
    /// Takes a message apart.
    pub fn parse(raw: Vec<u8>, datagrams: bool) -> Result<Hello, Malformed> {
        let mut hello = Hello { datagrams, ..Hello::default() };
        hello.read(Reader::new(&raw))?;
        hello.raw = raw;
        Ok(hello)
    }

    fn read(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        if message.number(1)? != usize::from(CLIENT_HELLO) {
            return Err(Malformed);
        }
        let mut body = message.vector(3)?;
        message.end()?;
        self.legacy_version = body.u16()?;
        body.take(32)?;
        body.vector(1)?;
        if self.datagrams {
            body.vector(1)?;
        }
        self.ciphers = body.vector(2)?.numbers()?;
        body.vector(1)?;
        if body.is_empty() {
            return Ok(());
        }
        let mut extensions = body.vector(2)?;
        body.end()?;
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let content = extensions.vector(2)?;
            self.extensions.push(kind);
            self.read_extension(kind, content)?;
        }
        // OpenSSL refuses two of one kind, too: each end could go by another one. There may be some thousand extensions.
        let mut sorted = self.extensions.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
            return Err(Malformed);
        }
        Ok(())
    }

    fn read_extension(&mut self, kind: u16, mut content: Reader<'_>) -> Result<(), Malformed> {
        match kind {
            SERVER_NAME => self.server_name = server_name(content)?,
            SUPPORTED_GROUPS => self.groups = only(&mut content, 2)?.numbers()?,
            SIGNATURE_ALGORITHMS => self.signature_algorithms = only(&mut content, 2)?.numbers()?,
            SUPPORTED_VERSIONS => self.versions = only(&mut content, 1)?.numbers()?,
            PRE_SHARED_KEY => {
                let mut identities = content.vector(2)?;
                while !identities.0.is_empty() {
                    self.psk_identities.push(identities.vector(2)?.0.to_vec());
                    identities.take(4)?;
                }
                // The binders.
                only(&mut content, 2)?;
            }
            ALPN => {
                let mut names = only(&mut content, 2)?;
                while !names.is_empty() {
                    match names.vector(1)?.0 {
                        [] => return Err(Malformed),
                        name => self.alpn.push(name.to_vec()),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A vector that is all there is.
fn only<'a>(content: &mut Reader<'a>, bytes: usize) -> Result<Reader<'a>, Malformed> {
    let vector = content.vector(bytes)?;
    content.end()?;
    Ok(vector)
}

/// The name of a list that OpenSSL takes: one name, of type host_name, of 1 to 255 bytes without a NUL.
fn server_name(mut content: Reader<'_>) -> Result<Option<String>, Malformed> {
    const HOST_NAME: usize = 0;
    const LONGEST: usize = 255;
    let mut list = only(&mut content, 2)?;
    if list.number(1)? != HOST_NAME {
        return Err(Malformed);
    }
    let name = only(&mut list, 2)?.0;
    if name.is_empty() || name.len() > LONGEST || name.contains(&0) {
        return Err(Malformed);
    }
    Ok(Some(String::from_utf8_lossy(name).into_owned()))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn counted(bytes: usize, content: &[u8]) -> Vec<u8> {
        let len = (content.len() as u32).to_be_bytes();
        let mut all = len.get(4 - bytes..).unwrap().to_vec();
        all.extend(content);
        all
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut all = kind.to_be_bytes().to_vec();
        all.extend(counted(2, content));
        all
    }

    /// A hello with these extensions.
    fn message(datagrams: bool, extensions: &[u8]) -> Vec<u8> {
        let mut body = if datagrams { vec![0xfe, 0xfd] } else { vec![3, 3] };
        body.extend([7; 32]);
        body.extend(counted(1, &[9; 32]));
        if datagrams {
            body.extend(counted(1, b"biscuit"));
        }
        body.extend(counted(2, &[0x13, 1, 0xc0, 0x2b]));
        body.extend(counted(1, &[0]));
        body.extend(counted(2, extensions));
        let mut message = vec![CLIENT_HELLO];
        message.extend(counted(3, &body));
        message
    }

    fn name_extension(name: &[u8]) -> Vec<u8> {
        let mut entry = vec![0];
        entry.extend(counted(2, name));
        extension(0, &counted(2, &entry))
    }

    /// A hello that has everything.
    pub fn full(datagrams: bool) -> Vec<u8> {
        let mut extensions = name_extension(b"www.example.org");
        extensions.extend(extension(10, &counted(2, &[0, 29, 0, 23])));
        extensions.extend(extension(13, &counted(2, &[4, 3, 8, 4])));
        extensions.extend(extension(16, &counted(2, b"\x02h2\x08http/1.1")));
        extensions.extend(extension(43, &counted(1, &[3, 4, 3, 3])));
        let identities = [&counted(2, b"ticket")[..], &[0; 4], &counted(2, b"key"), &[1; 4]].concat();
        extensions.extend(extension(41, &[counted(2, &identities), counted(2, &[32; 33])].concat()));
        message(datagrams, &extensions)
    }

    #[test]
    fn a_hello_is_taken_apart_over_streams_and_datagrams() {
        for datagrams in [false, true] {
            let hello = Hello::parse(full(datagrams), datagrams).unwrap();
            assert_eq!(hello.server_name.as_deref(), Some("www.example.org"));
            assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
            assert_eq!(hello.versions, [0x304, 0x303]);
            assert_eq!(hello.ciphers, [0x1301, 0xc02b]);
            assert_eq!(hello.groups, [29, 23]);
            assert_eq!(hello.signature_algorithms, [0x403, 0x804]);
            assert_eq!(hello.psk_identities, [b"ticket".to_vec(), b"key".to_vec()]);
            assert_eq!(hello.extensions, [0, 10, 13, 16, 43, 41]);
            assert_eq!(hello.raw, full(datagrams));
        }
    }

    #[test]
    fn a_hello_without_extensions_is_one() {
        let mut plain = message(false, &[]);
        let hello = Hello::parse(plain.clone(), false).unwrap();
        assert_eq!(hello.extensions, []);
        // Of old there is not even their length.
        plain.truncate(plain.len() - 2);
        plain[3] -= 2;
        assert_eq!(Hello::parse(plain, false).unwrap().server_name, None);
    }

    #[test]
    fn a_cut_hello_is_malformed() {
        for datagrams in [false, true] {
            let all = full(datagrams);
            for len in 0..all.len() {
                assert_eq!(Hello::parse(all[..len].to_vec(), datagrams), Err(Malformed), "{len}");
            }
        }
    }

    #[test]
    fn no_changed_byte_makes_it_panic() {
        let all = full(false);
        for at in 0..all.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = all.clone();
                changed[at] = value;
                let _ = Hello::parse(changed, at % 2 == 0);
            }
        }
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_malformed() {
        let two_names = [name_extension(b"a.test"), name_extension(b"b.test")].concat();
        let two_entries = extension(0, &counted(2, b"\0\0\x01a\0\0\x01b"));
        let another_type = extension(0, &counted(2, b"\x01\0\x01a"));
        let empty_list = extension(0, &counted(2, b""));
        for (case, extensions) in [
            ("two extensions", two_names),
            ("two entries", two_entries),
            ("another type", another_type),
            ("an empty list", empty_list),
            ("no content", extension(0, b"")),
            ("an empty name", name_extension(b"")),
            ("a NUL", name_extension(b"a.test\0.b.test")),
            ("too long", name_extension(&[b'a'; 256])),
        ] {
            assert_eq!(Hello::parse(message(false, &extensions), false), Err(Malformed), "{case}");
        }
    }

    #[test]
    fn an_empty_protocol_name_is_malformed() {
        let extensions = extension(16, &counted(2, b"\x02h2\x00"));
        assert_eq!(Hello::parse(message(false, &extensions), false), Err(Malformed));
    }
}
