//! HMAC (RFC 2104), by EVP's keys: the one interface for pieces that all versions of OpenSSL have.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::md::{Md, MdCtx};
use crate::ossl::{pkey::Pkey, queue, sys};

/// A MAC in the making.
pub struct Hmac(MdCtx);

impl Hmac {
    /// The MAC of no bytes yet. The key may be empty.
    pub fn new(md: &Md, key: &[u8]) -> Result<Hmac> {
        let ctx = MdCtx::empty()?;
        // SAFETY: `key` is readable for its length; the result is a new key, or NULL.
        let pkey = unsafe {
            Pkey::from_owned(ffi::EVP_PKEY_new_raw_private_key(
                ffi::EVP_PKEY_HMAC,
                ptr::null_mut(),
                key.as_ptr(),
                key.len(),
            ))
        };
        let pkey = pkey.ok_or_else(|| queue::error(Code::Internal, "cannot make a key for HMAC"))?;
        // SAFETY: all are live; the context takes a reference of the key.
        let done = unsafe {
            ffi::EVP_DigestSignInit(ctx.as_ptr(), ptr::null_mut(), md.as_ptr(), ptr::null_mut(), pkey.as_ptr())
        };
        if done == 1 { Ok(Hmac(ctx)) } else { Err(md.unusable()) }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: `data` is readable for its length.
        let done = unsafe { ffi::EVP_DigestSignUpdate(self.0.as_ptr(), data.as_ptr().cast(), data.len()) };
        queue::check(done, Code::Internal, "cannot compute an HMAC")
    }

    /// The MAC.
    pub fn finish(self) -> Result<Vec<u8>> {
        queue::clear();
        let mut mac = vec![0; ffi::EVP_MAX_MD_SIZE as usize];
        let mut len = mac.len();
        // SAFETY: `mac` is writable for `len` bytes.
        let done = unsafe { ffi::EVP_DigestSignFinal(self.0.as_ptr(), mac.as_mut_ptr(), &mut len) };
        queue::check(done, Code::Internal, "cannot compute an HMAC")?;
        mac.truncate(len);
        Ok(mac)
    }
}

/// The MAC of what is there as a whole. It costs a quarter of a `Hmac`, which has a key made.
pub fn at_once(md: &Md, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let mut mac = vec![0; ffi::EVP_MAX_MD_SIZE as usize];
    let mut len = 0;
    let key_len = c_int::try_from(key.len()).map_err(|_| Error::argument("the key is too long"))?;
    queue::clear();
    // SAFETY: `key` and `data` are readable for their lengths, and no digest needs more than `mac` has.
    let done = unsafe {
        let key = key.as_ptr().cast();
        !sys::HMAC(md.as_ptr(), key, key_len, data.as_ptr(), data.len(), mac.as_mut_ptr(), &mut len).is_null()
    };
    queue::check(c_int::from(done), Code::Internal, "cannot compute an HMAC")?;
    mac.truncate(len as usize);
    Ok(mac)
}

/// Whether two MACs are equal, in a time that does not depend on where they differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    // SAFETY: both are readable for the length compared.
    a.len() == b.len() && unsafe { ffi::CRYPTO_memcmp(a.as_ptr().cast(), b.as_ptr().cast(), a.len()) } == 0
}
