//! HMAC, in pieces or at once.

use crate::{
    error::Result,
    ossl::crypto::{hmac, md::Md},
};
use std::ffi::CStr;

use super::Running;

/// A MAC in the making.
pub struct Hmac {
    size: usize,
    running: Running<hmac::Hmac>,
}

impl Hmac {
    /// The MAC of nothing yet, with a digest of this name.
    pub fn new(name: &CStr, key: &[u8]) -> Result<Hmac> {
        let md = Md::by_name(name)?;
        Ok(Hmac { size: md.size(), running: Running::new("HMAC", hmac::Hmac::new(&md, key)?) })
    }

    /// Takes in more bytes.
    pub fn update(&self, data: &[u8]) -> Result<()> {
        self.running.with(|hmac| hmac.update(data))
    }

    /// How many bytes it will have. Fails once it is finished.
    pub fn size(&self) -> Result<usize> {
        self.running.with(|_| Ok(self.size))
    }

    /// The MAC, once.
    pub fn finish(&self) -> Result<Vec<u8>> {
        self.running.finish(hmac::Hmac::finish)
    }
}
