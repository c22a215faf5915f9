//! The group of a Diffie-Hellman key agreement.

use crate::ossl::crypto::bn::Bn;

/// A group: the prime, the order of the generator where it is known, the generator.
pub struct Group {
    /// The prime.
    pub p: Bn,
    /// The order of the generator.
    pub q: Option<Bn>,
    /// The generator.
    pub g: Bn,
}
