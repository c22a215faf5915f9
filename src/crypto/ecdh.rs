//! Key agreement on elliptic curves.

use crate::{
    error::Result,
    ossl::{
        crypto::ecdh::{self, Curve},
        pkey::{Pkey, operations},
        secret::Secret,
    },
};

/// A private key and its public part.
pub struct Ecdh(Pkey);

impl Ecdh {
    /// A new key on a curve of this name.
    pub fn generate(curve: &str) -> Result<Ecdh> {
        Curve::by_name(curve)?.generate().map(Ecdh)
    }

    /// The key of these bytes.
    pub fn from_private_key(curve: &str, bytes: &[u8]) -> Result<Ecdh> {
        Curve::by_name(curve)?.private_key(bytes).map(Ecdh)
    }

    /// The public part.
    pub fn public_key(&self) -> Result<Vec<u8>> {
        ecdh::public_bytes(&self.0)
    }

    /// The secret shared with the owner of the public key `peer`.
    pub fn compute_key(&self, peer: &[u8]) -> Result<Secret> {
        operations::derive(&self.0, &ecdh::peer_key(&self.0, peer)?)
    }
}
