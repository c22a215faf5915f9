//! The scope of a session: a digest of every setting that decided whether its peer was accepted. A session is resumed
//! only in its own scope, so a resumed handshake accepts no peer that a full one would refuse. OpenSSL's name for the
//! value is session id context; OpenSSL itself refuses, on servers, a session of another one.

use crate::{
    error::Result,
    ossl::crypto::md::{Md, MdCtx},
};

/// The number of bytes, which is the most that OpenSSL takes.
const LEN: usize = 32;

/// A digest of settings. Equal settings have equal scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope([u8; LEN]);

/// Collects what a scope is made of.
pub struct ScopeBuilder {
    md: Md,
    ctx: MdCtx,
}

impl ScopeBuilder {
    /// Nothing yet.
    pub fn new() -> Result<ScopeBuilder> {
        let md = Md::by_name(c"SHA256")?;
        let ctx = MdCtx::new(&md)?;
        Ok(ScopeBuilder { md, ctx })
    }

    /// Adds a named setting.
    pub fn add(&mut self, name: &str, value: &[u8]) -> Result<()> {
        // Lengths keep neighbouring values apart.
        for part in [name.as_bytes(), value] {
            self.ctx.update(&(part.len() as u64).to_be_bytes())?;
            self.ctx.update(part)?;
        }
        Ok(())
    }

    /// The scope of everything that was added.
    pub fn finish(self) -> Result<Scope> {
        let mut bytes = [0; LEN];
        self.ctx.finish(&self.md, &mut bytes)?;
        Ok(Scope(bytes))
    }
}

impl Scope {
    /// The narrower scope of these settings and a further one.
    pub fn with(&self, name: &str, value: &[u8]) -> Result<Scope> {
        let mut builder = ScopeBuilder::new()?;
        builder.add("scope", &self.0)?;
        builder.add(name, value)?;
        builder.finish()
    }

    /// The value, for OpenSSL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(settings: &[(&str, &str)]) -> Scope {
        let mut builder = ScopeBuilder::new().unwrap();
        for (name, value) in settings {
            builder.add(name, value.as_bytes()).unwrap();
        }
        builder.finish().unwrap()
    }

    #[test]
    fn equal_settings_have_equal_scopes() {
        assert_eq!(scope(&[("ca", "x"), ("verify", "1")]), scope(&[("ca", "x"), ("verify", "1")]));
    }

    #[test]
    fn bytes_moved_from_one_value_to_the_next_make_another_scope() {
        assert_ne!(scope(&[("ca", "ab"), ("ca", "c")]), scope(&[("ca", "a"), ("ca", "bc")]));
    }

    #[test]
    fn a_further_setting_narrows_the_scope() {
        let base = scope(&[("ca", "x")]);
        assert_ne!(base.with("host", b"a").unwrap(), base.with("host", b"b").unwrap());
    }
}
