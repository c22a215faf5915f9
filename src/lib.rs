//! TLS sockets over OpenSSL, for C programs and for Bigloo Scheme.
//!
//! Layers: `ffi` (C API) → safe core → `ossl` (OpenSSL wrappers) and `posix` (system calls). Calls go downwards only;
//! `unsafe` occurs in `ffi`, `ossl` and `posix` only. The groups below are the layers, the highest first;
//! scripts/check_layers.py declares them. A folder's mod.rs says what it is for.

pub mod ffi;

// Servers: listening and accepting.
mod server;

// Connections: over what carries them (socket), and over bytes that the program carries itself (engine).
mod engine;
mod socket;

// What carries TLS, and application data over it.
mod transport;

// Settings, whom to accept, and what is resumed.
mod config;
mod session;
mod verify;

// Cryptography beside TLS; addresses, names, proxies, listening sockets.
mod crypto;
mod net;

// Values that settings are made of, and that connections tell.
mod alpn;
mod hello;
mod hostname;
mod hosts;
mod pki;
mod protocol;
mod replaceable;
mod supports;
mod text;
mod trace;

// OpenSSL.
mod ossl;

// Errors, and words that all layers share; bytes that wait.
mod byte_queue;
mod error;
mod last_error;
mod types;

// System calls.
mod posix;
