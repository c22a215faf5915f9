//! Diffie-Hellman over prime fields. OpenSSL 1.1.1 and OpenSSL 3 have different interfaces for it; the functions over
//! them are the same.

#[cfg(not(ossl300))]
pub use super::dh_before_3::{derive, generate_group, generate_key, named_group};
#[cfg(ossl300)]
pub use super::dh_evp::{derive, generate_group, generate_key, named_group};
pub use super::dh_group::Group;
