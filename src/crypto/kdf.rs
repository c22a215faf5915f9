//! Keys from passwords (PBKDF2, scrypt) and from other secrets (HKDF).

use crate::{
    error::{Error, Result},
    ossl::{
        crypto::{hmac::Hmac, kdf, md::Md},
        secret::Secret,
    },
};
use std::ffi::{CStr, c_int};

pub use crate::ossl::crypto::kdf::{Scrypt, scrypt};

/// Fills `key` by PBKDF2 (RFC 8018) with HMAC.
pub fn pbkdf2(name: &CStr, password: &[u8], salt: &[u8], iterations: c_int, key: &mut [u8]) -> Result<()> {
    let md = Md::by_name(name)?;
    if iterations < 1 {
        return Err(Error::argument(format!("PBKDF2 needs at least 1 iteration, not {iterations}")));
    }
    if key.is_empty() {
        return Ok(());
    }
    kdf::pbkdf2(&md, password, salt, iterations, key)
}

/// Fills `key` by HKDF (RFC 5869): extract, then expand.
pub fn hkdf(name: &CStr, secret: &[u8], salt: &[u8], info: &[u8], key: &mut [u8]) -> Result<()> {
    let md = Md::by_name(name)?;
    if key.len() > 255 * md.size() {
        let most = 255 * md.size();
        return Err(Error::argument(format!("HKDF with \"{}\" gives {most} bytes at most", md.name())));
    }
    let extracted = hmac(&md, salt, &[secret])?;
    let mut block = Secret::default();
    for (piece, number) in key.chunks_mut(md.size()).zip(1..=u8::MAX) {
        block = hmac(&md, &extracted, &[&block, info, &[number]])?;
        for (to, from) in piece.iter_mut().zip(block.iter()) {
            *to = *from;
        }
    }
    Ok(())
}

fn hmac(md: &Md, key: &[u8], pieces: &[&[u8]]) -> Result<Secret> {
    let mut hmac = Hmac::new(md, key)?;
    pieces.iter().try_for_each(|piece| hmac.update(piece))?;
    hmac.finish().map(Secret::new)
}
