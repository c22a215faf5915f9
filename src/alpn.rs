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
