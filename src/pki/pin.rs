//! Pins of public keys: which keys a peer's chain must hold one of.

use crate::{
    error::{Error, Result},
    ossl::x509::spki,
    pki::certificate::Certificate,
};
use std::fmt;

/// The SHA-256 digest of a SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin([u8; spki::LEN]);

impl Pin {
    /// A pin as curl ("sha256//BASE64") or as RFC 7469 (pin-sha256="BASE64") writes it.
    pub fn parse(text: &str) -> Result<Pin> {
        let quoted = text.strip_prefix("pin-sha256=\"").and_then(|rest| rest.strip_suffix('"'));
        let digest = text.strip_prefix("sha256//").or(quoted).and_then(spki::from_base64);
        digest.map(Pin).ok_or_else(|| {
            Error::argument(format!(
                "\"{text}\" is no pin: \"sha256//\" and the base64 of 32 bytes, or pin-sha256=\"...\", was expected"
            ))
        })
    }

    /// All pins of a text in which semicolons separate them; at least one.
    pub fn parse_all(text: &str) -> Result<Vec<Pin>> {
        text.split(';').map(|pin| Pin::parse(pin.trim())).collect()
    }

    /// That of a certificate.
    pub fn of(certificate: &Certificate) -> Result<Pin> {
        certificate.x509().spki_digest().map(Pin)
    }

    /// The digest.
    pub fn digest(&self) -> [u8; spki::LEN] {
        self.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", spki::to_base64(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_pin_is_written_as_it_was_read() {
        assert_eq!(Pin::parse(TEXT).unwrap().to_string(), TEXT);
        let quoted = TEXT.replace("sha256//", "pin-sha256=\"") + "\"";
        assert_eq!(Pin::parse(&quoted).unwrap().to_string(), TEXT);
        assert_eq!(Pin::parse_all(&format!("{TEXT}; {TEXT}")).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let shorter = TEXT.replace("Hh8=", "Hg==");
        let longer = TEXT.replace("Hh8=", "Hh8f");
        let other = TEXT.replace("sha256//", "sha1//");
        let blank = TEXT.replace("Hh8=", "Hh8 ");
        for text in ["", "sha256//", ";", TEXT.trim_end_matches('='), &shorter, &longer, &other, &blank] {
            assert!(Pin::parse(text).is_err(), "{text}");
        }
    }
}
