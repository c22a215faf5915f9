//! Cryptography: random numbers, digests, signatures, ciphers, key agreement, key derivation.

pub mod bignum;
pub mod cipher;
pub mod dh;
pub mod ecdh;
pub mod hash;
pub mod hmac;
pub mod kdf;
pub mod lists;
pub mod random;
pub mod sign;
pub mod verify;
