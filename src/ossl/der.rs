//! Reading DER.

use crate::error::{Code, Error, Result};
use std::ffi::c_long;

use super::queue;

/// The first element of `der`: its tag, its contents, and what is behind it. None if it is none of DER's: cut off, or of a
/// length that is written in another than the shortest way.
pub fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (len, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let is_shortest = len.first().is_some_and(|byte| *byte != 0) && (len.len() > 1 || len >= &[0x80]);
            if !is_shortest || len.len() > 4 {
                return None;
            }
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
    };
    let (contents, behind) = rest.split_at_checked(len)?;
    Some((*tag, contents, behind))
}

/// What OpenSSL's d2i function, called by `decode` with a cursor and a length, makes of all of `der`. White space behind
/// it is fine: editors and scripts add it. `what` names in errors what is expected, such as "certificate".
pub fn read<T>(der: &[u8], what: &str, decode: impl FnOnce(*mut *const u8, c_long) -> Option<T>) -> Result<T> {
    super::init()?;
    queue::clear();
    let len = c_long::try_from(der.len()).map_err(|_| Error::argument("too much data"))?;
    let mut cursor = der.as_ptr();
    let decoded = decode(&mut cursor, len).ok_or_else(|| queue::error(Code::Config, &format!("no DER {what}")))?;
    let read = cursor as usize - der.as_ptr() as usize;
    match der.get(read..).unwrap_or_default().trim_ascii() {
        [] => Ok(decoded),
        _ => Err(Error::new(Code::Config, format!("no DER {what}: further bytes follow it"))),
    }
}
