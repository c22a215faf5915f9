//! Certificates, private keys, and what is said of them: files and texts read into values that never change.

pub mod anchors;
pub mod certificate;
pub mod crl;
pub mod file;
pub mod identity;
pub mod pem;
pub mod pin;
pub mod pkcs12;
pub mod private_key;
pub mod tlsa;
