//! libcrypto's algorithms: digests, MACs, ciphers, key agreement, keys from passwords, and the whole numbers they need.

pub mod bn;
pub mod cipher;
pub mod dh;
pub mod ecdh;
pub mod hmac;
pub mod kdf;
pub mod md;
