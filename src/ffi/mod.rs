//! The door: the C functions. Each one converts its arguments, calls the room behind, and converts the result;
//! `guard` turns failures and panics into a status and the account behind `bgl_ssl_last_error`.

#![allow(non_camel_case_types, reason = "these are the names in C")]
#![allow(clippy::missing_safety_doc, reason = "the header says \"Precondition\", which C programmers understand")]

mod convert;
mod guard;
mod handle;

pub mod status;

pub mod errors;

pub mod protocol;

pub mod certificate;

pub mod certificate_details;

pub mod private_key;

pub mod pkcs12;

pub mod config;

pub mod config_files;

pub mod socket;

pub mod server;

pub mod datagram;

pub mod foreign;

pub mod random;

pub mod lists;

pub mod secure_context;

pub mod connection;

pub mod hash;

pub mod hmac;

pub mod sign;

pub mod verify;

pub mod cipher;

pub mod bignum;

pub mod dh;

pub mod ecdh;

pub mod kdf;
