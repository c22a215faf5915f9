//! PKCS#12 files: a key with its certificates.

use crate::{
    certificate::Certificate,
    error::{Code, Error, Result},
    file,
    ossl::pkcs12,
    private_key::PrivateKey,
};
use std::{ffi::CStr, path::Path};

/// A key, its certificate and the others.
pub struct Pkcs12 {
    /// The private key.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
    /// The others, in the file's order.
    pub chain: Vec<Certificate>,
}

impl Pkcs12 {
    /// Reads a file.
    pub fn from_file(path: &Path, passphrase: Option<&CStr>) -> Result<Pkcs12> {
        let data = file::read(path)?;
        Pkcs12::from_bytes(&data, passphrase).map_err(|error| error.context(path.display()))
    }

    /// Reads DER.
    pub fn from_bytes(data: &[u8], passphrase: Option<&CStr>) -> Result<Pkcs12> {
        let contents = pkcs12::parse(data, passphrase)?;
        let lacks = |what: &str| Error::new(Code::Config, format!("the PKCS#12 holds no {what}"));
        Ok(Pkcs12 {
            key: contents.key.map(PrivateKey::new).ok_or_else(|| lacks("private key"))?,
            certificate: contents.certificate.map(Certificate::new).ok_or_else(|| lacks("certificate"))?,
            chain: contents.chain.into_iter().map(Certificate::new).collect(),
        })
    }
}
