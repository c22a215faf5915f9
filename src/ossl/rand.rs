//! OpenSSL's random number generator.

use crate::error::{Code, Error, Result};
use std::ffi::c_int;

use super::{queue, sys};

/// Whether the generator has been seeded.
pub fn status() -> Result<bool> {
    super::init()?;
    // SAFETY: no preconditions.
    Ok(unsafe { sys::RAND_status() == 1 })
}

/// Seeds the generator from the system.
pub fn poll() -> Result<bool> {
    super::init()?;
    // SAFETY: no preconditions.
    Ok(unsafe { sys::RAND_poll() == 1 })
}

/// Fills `bytes`.
pub fn bytes(bytes: &mut [u8]) -> Result<()> {
    super::init()?;
    queue::clear();
    let len = c_int::try_from(bytes.len()).map_err(|_| Error::argument("more than 2 GB of random bytes"))?;
    // SAFETY: `bytes` is writable for its length.
    let done = unsafe { openssl_sys::RAND_bytes(bytes.as_mut_ptr(), len) };
    queue::check(done, Code::Internal, "the random number generator failed")
}
