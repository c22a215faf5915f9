//! The C API: one module for each noun, and a header for each of them, include/bglssl/NOUN.h, with the items of the
//! noun's module and its children. A function converts its arguments, calls safe Rust, and converts the result; `guard`
//! turns failures and panics into a status and into what `bgl_ssl_last_error` reports.

#![allow(non_camel_case_types, reason = "these are the names in C")]
#![allow(clippy::missing_safety_doc, reason = "the header says \"Precondition\", which C programmers understand")]

mod convert;
mod guard;
mod handle;
mod sized;
mod user;

pub mod certificate;
pub mod config;
pub mod crypto;
pub mod datagram;
pub mod engine;
pub mod foreign;
pub mod server;
pub mod socket;
pub mod status;
