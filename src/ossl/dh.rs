//! Diffie-Hellman over prime fields. OpenSSL 1.1.1 and OpenSSL 3 have different interfaces for it; the functions over
//! them are the same.

use super::bn::Bn;

#[cfg(not(ossl300))]
pub use super::dh_before_3::{derive, generate_group, generate_key, named_group};
#[cfg(ossl300)]
pub use super::dh_evp::{derive, generate_group, generate_key, named_group};

/// A group: the prime, the order of the generator where it is known, the generator.
pub struct Group {
    /// The prime.
    pub p: Bn,
    /// The order of the generator.
    pub q: Option<Bn>,
    /// The generator.
    pub g: Bn,
}
