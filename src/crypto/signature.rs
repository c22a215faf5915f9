//! Signatures: made with a private key, verified with a public one.

use crate::{
    error::{Error, Result},
    ossl::{
        crypto::md::{Md, MdCtx},
        pkey::{Pkey, operations, public_key},
    },
    pki::{pem, private_key::PrivateKey},
};
use std::ffi::CStr;

use super::Running;

pub use crate::ossl::pkey::operations::Padding;

/// The public key, or the certificate's, of a PEM text.
pub struct PublicKey(Pkey);

impl PublicKey {
    /// The first one of the text.
    pub fn from_pem(data: &[u8]) -> Result<PublicKey> {
        match public_key::from_pem(data)? {
            Some(key) => Ok(PublicKey(key)),
            None => Err(pem::lacks("public key", data)),
        }
    }
}

/// A text that is signed or verified piece by piece.
pub struct Signature {
    md: Md,
    running: Running<State>,
}

struct State {
    ctx: MdCtx,
    padding: Padding,
}

impl State {
    /// The digest of what came so far. More may come.
    fn digest(&self, md: &Md) -> Result<Vec<u8>> {
        let mut digest = vec![0; md.size()];
        self.ctx.try_clone()?.finish(md, &mut digest)?;
        Ok(digest)
    }
}

impl Signature {
    /// No text yet, with a digest of this name.
    pub fn new(noun: &'static str, name: &CStr) -> Result<Signature> {
        let md = Md::by_name(name)?;
        let ctx = MdCtx::new(&md)?;
        Ok(Signature { md, running: Running::new(noun, State { ctx, padding: Padding::Default }) })
    }

    /// Takes in more text.
    pub fn update(&self, data: &[u8]) -> Result<()> {
        self.running.with(|state| state.ctx.update(data))
    }

    /// Chooses how RSA pads.
    pub fn set_padding(&self, padding: Padding) -> Result<()> {
        self.running.with(|state| {
            state.padding = padding;
            Ok(())
        })
    }

    /// The space that the signature needs at most. Fails once it is finished, and for a key that cannot make it.
    pub fn size(&self, key: &PrivateKey) -> Result<usize> {
        self.running.with(|state| operations::digest_signature_size(key.pkey(), &self.md, state.padding))
    }

    /// The signature, once. A key that cannot be used leaves it unfinished.
    pub fn sign(&self, key: &PrivateKey) -> Result<Vec<u8>> {
        let signature = self
            .running
            .with(|state| operations::sign(key.pkey(), &self.md, state.padding, &state.digest(&self.md)?))?;
        self.running.finish(|_| Ok(signature))
    }

    /// Whether the signature is right, once. A key that cannot be used leaves it unfinished.
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<bool> {
        let valid = self.running.with(|state| {
            let digest = state.digest(&self.md)?;
            operations::verify(&key.0, &self.md, state.padding, &digest, signature)
        })?;
        self.running.finish(|_| Ok(valid))
    }
}

/// The padding of the C API's numbers.
pub fn padding(number: i32, salt: i32) -> Result<Padding> {
    match number {
        0 => Ok(Padding::Default),
        1 => Ok(Padding::Pkcs1),
        2 if salt >= -2 => Ok(Padding::Pss(salt)),
        2 => Err(Error::argument(format!("no salt length has the number {salt}"))),
        _ => Err(Error::argument(format!("no padding has the number {number}"))),
    }
}

fn digest(name: Option<&CStr>) -> Result<Option<Md>> {
    name.map(Md::by_name).transpose()
}

/// Signs a whole message; without a digest for the algorithms that have their own (Ed25519).
pub fn sign_message(name: Option<&CStr>, key: &PrivateKey, message: &[u8]) -> Result<Vec<u8>> {
    operations::sign_message(key.pkey(), digest(name)?.as_ref(), message)
}

/// Whether this is the signature of a whole message.
pub fn verify_message(name: Option<&CStr>, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<bool> {
    operations::verify_message(&key.0, digest(name)?.as_ref(), message, signature)
}

/// The size that the signature of a message needs at most, if key and digest suit one another.
pub fn message_signature_size(name: Option<&CStr>, key: &PrivateKey) -> Result<usize> {
    operations::message_signature_size(key.pkey(), digest(name)?.as_ref())
}
