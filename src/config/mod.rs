//! Configs: plain settings, the OpenSSL contexts that are made of them, and the frozen config that holds both. Each file
//! uses only those before it: settings, context, cache, shared.

pub use settings::{ClientCertificate, Config, ServerName, Verify};
pub use shared::{ConfigHandle, Frozen};

pub mod cache;
pub mod context;
pub mod requirements;
pub mod settings;
pub mod shared;
