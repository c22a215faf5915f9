//! The first bytes of a peer, by which a peer that does not speak TLS is recognized.

/// How messages of HTTP begin: answers, the requests of RFC 9110 and RFC 5789, and HTTP/2.
const HTTP: [&str; 11] =
    ["HTTP/", "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "TRACE ", "PRI * "];

/// The first bytes that the peer sent.
#[derive(Default)]
pub struct FirstBytes {
    bytes: [u8; 8],
    received: usize,
}

impl FirstBytes {
    /// Records bytes in the order in which they come.
    pub fn record(&mut self, received: &[u8]) {
        let free = self.bytes.get_mut(self.received..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(received) {
            *to = *from;
        }
        self.received = self.received.saturating_add(received.len());
    }

    /// What the peer seems to speak, if this is no TLS record.
    pub fn not_tls_hint(&self) -> Option<&'static str> {
        let first = self.bytes.get(..self.received.min(self.bytes.len())).unwrap_or_default();
        // OpenSSL may have asked for the five bytes of a record's header only.
        let starts = |words: &[&str]| {
            let enough = |word: &&&str| first.len() >= word.len().min(5);
            words.iter().filter(enough).any(|word| first.iter().zip(word.bytes()).all(|(got, byte)| *got == byte))
        };
        match first {
            [] | [20..=23, 3, ..] | [20..=23] => None,
            [_, 3, 0..=4, ..] => Some("the peer's first bytes look like a TLS record of an unknown type"),
            _ if starts(&HTTP) => Some("the peer does not speak TLS: it looks like HTTP"),
            _ if starts(&["220", "+OK", "* OK"]) => {
                Some("the peer does not speak TLS yet: it looks like a mail or FTP server's greeting (STARTTLS?)")
            }
            _ if starts(&["SSH-"]) => Some("the peer does not speak TLS: it looks like SSH"),
            _ => Some("the peer does not speak TLS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FirstBytes;

    fn hint(pieces: &[&[u8]]) -> Option<&'static str> {
        let mut first = FirstBytes::default();
        pieces.iter().for_each(|piece| first.record(piece));
        first.not_tls_hint()
    }

    #[test]
    fn tls_records_give_no_hint() {
        assert_eq!(hint(&[]), None);
        assert_eq!(hint(&[&[22], &[3, 3, 0, 5]]), None);
    }

    #[test]
    fn other_protocols_are_named() {
        assert!(hint(&[b"HT", b"TP/1.1 200 OK"]).unwrap().contains("HTTP"));
        assert!(hint(&[b"220 mail.example.org"]).unwrap().contains("STARTTLS"));
        assert!(hint(&[b"SSH-2"]).unwrap().contains("SSH"));
        assert!(hint(&[b"hello"]).is_some());
    }
}
