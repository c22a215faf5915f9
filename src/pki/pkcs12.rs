//! PKCS#12 files: a key with its certificates.

use crate::{
    error::{Code, Error, Result},
    ossl::pkcs12,
    pki::{certificate::Certificate, file, private_key::PrivateKey},
};
use std::{ffi::CStr, path::Path};

/// What a file holds: often a key, its certificate and the others; a truststore holds certificates alone.
pub struct Pkcs12 {
    key: Option<PrivateKey>,
    certificate: Option<Certificate>,
    /// The certificates but for the key's own, in the file's order.
    pub chain: Vec<Certificate>,
}

impl Pkcs12 {
    /// Whether data begin as PKCS#12 does.
    pub fn is_one(data: &[u8]) -> bool {
        pkcs12::is_pkcs12(data)
    }

    /// Reads a file.
    pub fn from_file(path: &Path, passphrase: Option<&CStr>) -> Result<Pkcs12> {
        let data = file::read_secret(path)?;
        Pkcs12::from_bytes(&data, passphrase).map_err(|error| error.context(path.display()))
    }

    /// Reads DER.
    pub fn from_bytes(data: &[u8], passphrase: Option<&CStr>) -> Result<Pkcs12> {
        let contents = pkcs12::parse(data, passphrase)?;
        Ok(Pkcs12 {
            key: contents.key.map(PrivateKey::new),
            certificate: contents.certificate.map(Certificate::new),
            chain: contents.chain.into_iter().map(Certificate::new).collect(),
        })
    }

    /// The private key.
    pub fn key(&self) -> Result<&PrivateKey> {
        self.key.as_ref().ok_or_else(|| match self.chain.as_slice() {
            [] => lacks("private key"),
            chain => Error::new(
                Code::Config,
                format!("the PKCS#12 holds no private key: it holds {} certificates and nothing else", chain.len()),
            ),
        })
    }

    /// The key's certificate.
    pub fn certificate(&self) -> Result<&Certificate> {
        self.key()?;
        self.certificate.as_ref().ok_or_else(|| lacks("certificate of its private key"))
    }
}

fn lacks(what: &str) -> Error {
    Error::new(Code::Config, format!("the PKCS#12 holds no {what}"))
}
