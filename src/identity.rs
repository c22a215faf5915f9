//! What a connection presents of itself: a certificate, the chain that leads from it to a CA, and its private key. It can
//! be read again from its files while connections use it.

use crate::{
    certificate::{Certificate, Party},
    error::{Code, Error, Result},
    file,
    hosts::Pattern,
    pem::Format,
    pkcs12::Pkcs12,
    private_key::PrivateKey,
    replaceable::Replaceable,
};
use std::{
    ffi::CString,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A certificate with its chain and key, as they are at one time.
pub struct Material {
    /// The certificate, then the intermediate ones.
    pub chain: Vec<Certificate>,
    /// The certificate's private key.
    pub key: PrivateKey,
    /// The names of hosts that the certificate is for.
    pub names: Vec<Pattern>,
    /// The type of the key: of each type a connection has one certificate to choose from.
    pub key_type: String,
}

impl PartialEq for Material {
    fn eq(&self, other: &Material) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Material {
    /// Puts them together. Fails unless the key belongs to the first certificate.
    pub fn new(chain: Vec<Certificate>, key: PrivateKey) -> Result<Material> {
        let leaf = chain.first().ok_or_else(|| Error::argument("an identity needs a certificate"))?;
        leaf.check_private_key(&key)?;
        let names = names_of(leaf)?;
        let key_type = key.pkey().type_name();
        Ok(Material { chain, key, names, key_type })
    }

    fn read(files: &Files) -> Result<Material> {
        let data = file::read(&files.chain)?;
        let in_chain_file = |error: Error| error.context(files.chain.display());
        if Pkcs12::is_one(&data) {
            let contents = Pkcs12::from_bytes(&data, files.passphrase.as_deref()).map_err(in_chain_file)?;
            let mut chain = vec![contents.certificate().map_err(in_chain_file)?.clone()];
            chain.extend(contents.chain.iter().cloned());
            return Material::new(chain, contents.key().map_err(in_chain_file)?.clone()).map_err(in_chain_file);
        }
        let chain = match Format::Auto.is_pem(&data) {
            true => Certificate::all_from_pem(&data),
            false => Certificate::from_bytes(&data, Format::Der).map(|one| vec![one]),
        };
        let chain = chain.map_err(in_chain_file)?;
        let passphrase = files.passphrase.as_deref();
        let key = match &files.key {
            Some(path) => PrivateKey::from_file(path, Format::Auto, passphrase)?,
            None => PrivateKey::from_bytes(&data, Format::Auto, passphrase).map_err(in_chain_file)?,
        };
        let key_file = files.key.as_ref().unwrap_or(&files.chain);
        Material::new(chain, key).map_err(|error| error.context(key_file.display()))
    }
}

/// The names of hosts in a certificate. The common name counts where there is no other (RFC 6125, 6.4.4).
fn names_of(leaf: &Certificate) -> Result<Vec<Pattern>> {
    let alternative = leaf.x509().alt_names()?;
    let dns = alternative.iter().filter(|name| name.kind == "DNS");
    let mut names: Vec<String> = dns.map(|name| String::from_utf8_lossy(&name.value).into_owned()).collect();
    if names.is_empty() {
        let name = leaf.common_name(Party::Subject)?;
        names.push(String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned());
    }
    // What is no name of a host is nothing that a client asks for.
    Ok(names.iter().filter_map(|name| Pattern::parse(name).ok()).collect())
}

/// Where an identity was read.
struct Files {
    chain: PathBuf,
    /// None: it is in the chain's file.
    key: Option<PathBuf>,
    passphrase: Option<CString>,
}

/// What a connection presents of itself, as its user holds it.
pub struct Identity {
    files: Option<Files>,
    material: Replaceable<Material>,
}

impl Identity {
    /// One that stays as it is.
    pub fn new(chain: Vec<Certificate>, key: PrivateKey) -> Result<Identity> {
        let material = Material::new(chain, key)?;
        Ok(Identity { files: None, material: Replaceable::new(material) })
    }

    /// Reads one: a chain in PEM, a certificate in DER, or both and the key in PKCS#12; and the key, where it is not in
    /// the same file.
    pub fn from_files(chain: &Path, key: Option<&Path>, passphrase: Option<CString>) -> Result<Identity> {
        let files = Files { chain: chain.to_path_buf(), key: key.map(Path::to_path_buf), passphrase };
        let material = Material::read(&files)?;
        Ok(Identity { files: Some(files), material: Replaceable::new(material) })
    }

    /// As it is now.
    pub fn current(&self) -> Arc<Material> {
        self.material.current()
    }

    /// What its files hold now; None if it is of no files.
    pub fn read_again(&self) -> Result<Option<Material>> {
        self.files.as_ref().map(Material::read).transpose()
    }

    /// Replaces it, for later handshakes.
    pub fn replace(&self, material: Material) {
        self.material.replace(material);
    }

    /// Reads its files again. On failure it stays as it is.
    pub fn reload(&self) -> Result<()> {
        match self.read_again()? {
            Some(material) => {
                self.replace(material);
                Ok(())
            }
            None => {
                Err(Error::new(Code::State, "the identity was made from objects: there is no file to read again"))
            }
        }
    }
}
