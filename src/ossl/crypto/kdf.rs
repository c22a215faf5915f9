//! Keys from passwords.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::ffi::c_int;

use super::md::Md;
use crate::ossl::queue;

fn int(number: usize, what: &str) -> Result<c_int> {
    c_int::try_from(number).map_err(|_| Error::argument(format!("the {what} is longer than 2 GB")))
}

/// PBKDF2 with HMAC (RFC 8018).
pub fn pbkdf2(md: &Md, password: &[u8], salt: &[u8], iterations: c_int, key: &mut [u8]) -> Result<()> {
    queue::clear();
    let lens = (int(password.len(), "password")?, int(salt.len(), "salt")?, int(key.len(), "key")?);
    // SAFETY: all are readable, and `key` writable, for their lengths; the digest is live.
    let done = unsafe {
        ffi::PKCS5_PBKDF2_HMAC(
            password.as_ptr().cast(),
            lens.0,
            salt.as_ptr(),
            lens.1,
            iterations,
            md.as_ptr(),
            lens.2,
            key.as_mut_ptr(),
        )
    };
    if done == 1 { Ok(()) } else { Err(md.unusable()) }
}

/// What scrypt costs (RFC 7914).
pub struct Scrypt {
    /// The cost of processor and memory: a power of 2, more than 1.
    pub n: u64,
    /// The size of blocks.
    pub r: u64,
    /// The parallelism.
    pub p: u64,
    /// How many bytes of memory it may take; 0 for OpenSSL's limit.
    pub max_memory: u64,
}

/// scrypt (RFC 7914).
pub fn scrypt(password: &[u8], salt: &[u8], cost: &Scrypt, key: &mut [u8]) -> Result<()> {
    crate::ossl::init()?;
    queue::clear();
    // SAFETY: all are readable, and `key` writable, for their lengths.
    let done = unsafe {
        ffi::EVP_PBE_scrypt(
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr(),
            salt.len(),
            cost.n,
            cost.r,
            cost.p,
            cost.max_memory,
            key.as_mut_ptr(),
            key.len(),
        )
    };
    let what = format!("scrypt cannot be computed with n {}, r {}, p {}", cost.n, cost.r, cost.p);
    queue::check(done, Code::Argument, &what)
}
