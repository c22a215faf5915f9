//! ALPN (RFC 7301): the names that a connection offers or prefers, as they go over the wire.

use crate::error::{Error, Result};

/// The names, each behind its length.
pub fn wire<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let mut wire = Vec::new();
    for name in names {
        let len = u8::try_from(name.len()).ok().filter(|len| *len > 0);
        let len = len.ok_or_else(|| Error::argument("an ALPN name has 1 to 255 bytes"))?;
        wire.push(len);
        wire.extend_from_slice(name);
    }
    if wire.len() > usize::from(u16::MAX) {
        return Err(Error::argument("the ALPN names have more than 65535 bytes together"));
    }
    Ok(wire)
}

/// Fails unless `wire` is a list of names of 1 to 255 bytes, each behind its length.
pub fn check(wire: &[u8]) -> Result<()> {
    let mut rest = wire;
    while let Some((&len, names)) = rest.split_first() {
        rest = match names.get(usize::from(len)..) {
            Some(next) if len > 0 => next,
            _ => return Err(Error::argument("the protocol names are not each behind a length of 1 to 255")),
        };
    }
    if wire.len() > usize::from(u16::MAX) {
        return Err(Error::argument("the protocol names have more than 65535 bytes together"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_behind_their_lengths_are_taken() {
        assert!(check(b"\x02h2\x08http/1.1").is_ok() && check(b"").is_ok());
    }

    #[test]
    fn a_name_without_length_or_end_is_refused() {
        assert!([&b"\x00"[..], b"\x03h2", b"\x02h2\x00"].iter().all(|wire| check(wire).is_err()));
    }
}
