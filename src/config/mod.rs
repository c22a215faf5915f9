//! Configs: plain settings, the OpenSSL contexts that are made of them, and the frozen config that holds both. Each file
//! uses only those before it: settings, context, cache, identities, shared.

pub use settings::{ClientCertificate, Config, ServerName, UnknownHost, Verify};
pub use shared::{Choice, ConfigHandle, Frozen};

pub mod cache;
pub mod context;
pub mod identities;
pub mod records;
pub mod requirements;
pub mod settings;
pub mod shared;
