//! TLS sockets over OpenSSL, for C programs and for Bigloo Scheme.
//!
//! C or Scheme calls the door, `ffi`; the door calls the safe rooms; these call the cellar, `ossl` (OpenSSL) and
//! `posix` (system calls). Nobody calls upwards.

pub mod ffi;

mod error;
mod last_error;

mod alpn;
mod certificate;
mod config;
mod crypto;
mod dtls;
mod engine;
mod file;
mod hostname;
mod linger;
mod net;
mod pem;
mod pin;
mod pkcs12;
mod private_key;
mod protocol;
mod server;
mod session;
mod socket;
mod supports;
mod turn;
mod verify;

mod ossl;
mod posix;
