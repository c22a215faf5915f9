//! Digests, in pieces or at once.

use crate::{
    error::{Error, Result},
    ossl::crypto::md::{Md, MdCtx},
};
use std::ffi::CStr;

use super::Running;

/// A digest in the making.
pub struct Digest {
    md: Md,
    running: Running<MdCtx>,
}

impl Digest {
    /// The digest of nothing yet, by an algorithm of this name.
    pub fn new(name: &CStr) -> Result<Digest> {
        let md = Md::by_name(name)?;
        let ctx = MdCtx::new(&md)?;
        Ok(Digest { md, running: Running::new("digest", ctx) })
    }

    /// Takes in more bytes.
    pub fn update(&self, data: &[u8]) -> Result<()> {
        self.running.with(|ctx| ctx.update(data))
    }

    /// How many bytes it will have. Fails once it is finished.
    pub fn size(&self) -> Result<usize> {
        self.running.with(|_| Ok(self.md.size()))
    }

    /// The digest, once.
    pub fn finish(&self) -> Result<Vec<u8>> {
        let mut digest = vec![0; self.md.size()];
        self.running.finish(|ctx| ctx.finish(&self.md, &mut digest))?;
        Ok(digest)
    }

    /// Fills `out` with the digest of an extendable algorithm, once.
    pub fn finish_extendable(&self, out: &mut [u8]) -> Result<()> {
        if !self.md.is_extendable() {
            let what = format!("digests of \"{}\" have {} bytes, no other number", self.md.name(), self.md.size());
            return Err(Error::argument(what));
        }
        self.running.finish(|ctx| ctx.finish(&self.md, out))
    }
}
