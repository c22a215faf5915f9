//! Diffie-Hellman over prime fields. OpenSSL 1.1.1 and OpenSSL 3 have different interfaces for it; the functions over
//! them are the same.

#[cfg(not(ossl300))]
pub use before_3::{derive, generate_group, generate_key, named_group};
#[cfg(ossl300)]
pub use evp::{derive, generate_group, generate_key, named_group};
pub use group::Group;

#[cfg(not(ossl300))]
mod before_3;
#[cfg(ossl300)]
mod evp;
mod group;
