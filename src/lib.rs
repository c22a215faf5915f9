//! TLS sockets over OpenSSL, for C programs and for Bigloo Scheme.
//!
//! Layers: `ffi` (C API) → safe core → `ossl` (OpenSSL wrappers) and `posix` (system calls). Calls go downwards only;
//! `unsafe` occurs in `ffi`, `ossl` and `posix` only. scripts/check_layers.py declares the layers.

pub mod ffi;

mod error;
mod last_error;

mod alpn;
mod anchors;
mod certificate;
mod config;
mod crl;
mod crypto;
mod engine;
mod file;
mod hello;
mod hostname;
mod hosts;
mod identity;
mod linger;
mod net;
mod pem;
mod pin;
mod pkcs12;
mod private_key;
mod protocol;
mod replaceable;
mod server;
mod session;
mod socket;
mod supports;
mod tlsa;
mod trace;
mod transport;
mod types;
mod verify;

mod ossl;
mod posix;
