//! Private keys: read from PEM and DER, with a passphrase where they are encrypted.

use crate::{
    error::{Code, Error, Result},
    ossl::{pkey::Pkey, uri},
    pki::{
        file,
        pem::{self, Format},
    },
};
use std::{ffi::CStr, path::Path};

/// A private key.
#[derive(Clone, PartialEq)]
pub struct PrivateKey(Pkey);

impl PrivateKey {
    /// The key over OpenSSL's.
    pub fn new(pkey: Pkey) -> PrivateKey {
        PrivateKey(pkey)
    }

    /// OpenSSL's.
    pub fn pkey(&self) -> &Pkey {
        &self.0
    }

    /// The first key of a file.
    pub fn from_file(path: &Path, format: Format, passphrase: Option<&CStr>) -> Result<PrivateKey> {
        let data = file::read_secret(path)?;
        PrivateKey::from_bytes(&data, format, passphrase).map_err(|error| error.context(path.display()))
    }

    /// The first key at a URI that OpenSSL, or a provider of its, knows.
    pub fn from_uri(uri: &CStr, passphrase: Option<&CStr>) -> Result<PrivateKey> {
        let what = uri.to_string_lossy();
        let found = uri::load(uri, passphrase).map_err(|error| error.context(&what))?;
        let none = || Error::new(Code::Config, format!("{what}: no private key found"));
        found.keys.into_iter().next().map(PrivateKey).ok_or_else(none)
    }

    /// The first key in `data`.
    pub fn from_bytes(data: &[u8], format: Format, passphrase: Option<&CStr>) -> Result<PrivateKey> {
        if !format.is_pem(data) {
            return Pkey::from_der(data, passphrase)
                .map(PrivateKey)
                .map_err(|error| pem::unless_pkcs12(error, data));
        }
        Pkey::from_pem(pem::without_mark(data), passphrase).map(PrivateKey).map_err(|error| better(error, data))
    }
}

/// Where there is no key at all, say what there is instead; else keep OpenSSL's reason.
fn better(error: Error, data: &[u8]) -> Error {
    let lacks = pem::lacks("private key", data);
    if error.code == Code::Config && !lacks.message.ends_with("it is damaged") {
        return Error { openssl_code: error.openssl_code, reason: error.reason, ..lacks };
    }
    error
}
