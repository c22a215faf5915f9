//! Cryptography: random numbers, digests, signatures, ciphers, key agreement, key derivation.

// In the order of the header.
pub mod random;

pub mod hash;
pub mod hmac;

pub mod sign;
pub mod verify;

pub mod cipher;

pub mod bignum;

pub mod dh;
pub mod ecdh;

pub mod kdf;
pub mod lists;
