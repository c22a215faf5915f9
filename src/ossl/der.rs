//! Reading DER.

use crate::error::{Code, Error, Result};
use std::ffi::c_long;

use super::queue;

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
