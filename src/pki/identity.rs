//! What a connection presents of itself: a certificate, the chain that leads from it to a CA, and its private key. It can
//! be read again from its files while connections use it.

use crate::{
    error::{Code, Error, Result},
    hosts::Pattern,
    ossl::secret::Secret,
    pki::{
        certificate::{Certificate, Party},
        file,
        pem::Format,
        pkcs12::Pkcs12,
        private_key::PrivateKey,
    },
    replaceable::Replaceable,
};
use std::{
    collections::BTreeSet,
    ffi::CStr,
    fmt::Display,
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

    /// By what clients know who has the certificate: the names and addresses that it is for, or else its subject. A renewed
    /// certificate has the same.
    pub fn known_by(&self) -> Result<BTreeSet<Vec<u8>>> {
        let mut known = BTreeSet::new();
        let Some(leaf) = self.chain.first() else { return Ok(known) };
        let names = leaf.x509().alt_names()?;
        for name in names.iter().filter(|name| matches!(name.kind, "DNS" | "IP")) {
            let value = if name.kind == "DNS" { name.value.to_ascii_lowercase() } else { name.value.clone() };
            known.insert([name.kind.as_bytes(), b":", &value].concat());
        }
        if !names.iter().any(|name| name.kind == "DNS") {
            known.insert(leaf.x509().subject_der()?);
        }
        Ok(known)
    }

    fn read(files: &Files) -> Result<Material> {
        let passphrase = files.passphrase();
        let data = file::read_secret(&files.chain)?;
        let chain = Source { name: files.chain.display(), data: &data };
        let Some(path) = files.key.as_ref().filter(|_| !Pkcs12::is_one(&data)) else {
            return Material::parse(&chain, None, passphrase);
        };
        let data = file::read_secret(path)?;
        Material::parse(&chain, Some(&Source { name: path.display(), data: &data }), passphrase)
    }

    /// A chain in PEM, a certificate in DER, or both and the key in PKCS#12; and `key`, where it is not behind the chain.
    /// PKCS#12 goes before it.
    fn parse<N: Display>(
        chain: &Source<'_, N>,
        key: Option<&Source<'_, N>>,
        passphrase: Option<&CStr>,
    ) -> Result<Material> {
        let in_chain = |error: Error| error.context(&chain.name);
        if Pkcs12::is_one(chain.data) {
            let contents = Pkcs12::from_bytes(chain.data, passphrase).map_err(in_chain)?;
            let mut chain = vec![contents.certificate().map_err(in_chain)?.clone()];
            chain.extend(contents.chain.iter().cloned());
            return Material::new(chain, contents.key().map_err(in_chain)?.clone()).map_err(in_chain);
        }
        let certificates = match Format::Auto.is_pem(chain.data) {
            true => Certificate::all_from_pem(chain.data),
            false => Certificate::from_bytes(chain.data, Format::Der).map(|one| vec![one]),
        };
        let certificates = certificates.map_err(in_chain)?;
        let key = key.unwrap_or(chain);
        let in_key = |error: Error| error.context(&key.name);
        let key = PrivateKey::from_bytes(key.data, Format::Auto, passphrase).map_err(in_key)?;
        Material::new(certificates, key).map_err(in_key)
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

/// Bytes, and what they are called in messages.
struct Source<'a, N> {
    name: N,
    data: &'a [u8],
}

/// Where an identity was read.
struct Files {
    chain: PathBuf,
    /// None: it is in the chain's file.
    key: Option<PathBuf>,
    passphrase: Option<Secret>,
}

impl Files {
    fn passphrase(&self) -> Option<&CStr> {
        self.passphrase.as_ref().and_then(Secret::as_text)
    }
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
    pub fn from_files(chain: &Path, key: Option<&Path>, passphrase: Option<&CStr>) -> Result<Identity> {
        let passphrase = passphrase.map(Secret::of_text);
        let files = Files { chain: chain.to_path_buf(), key: key.map(Path::to_path_buf), passphrase };
        let material = Material::read(&files)?;
        Ok(Identity { files: Some(files), material: Replaceable::new(material) })
    }

    /// The same from memory: the key may be behind the chain.
    pub fn from_bytes(chain: &[u8], key: Option<&[u8]>, passphrase: Option<&CStr>) -> Result<Identity> {
        let chain = Source { name: "the chain in memory", data: chain };
        let key = key.map(|data| Source { name: "the key in memory", data });
        let material = Material::parse(&chain, key.as_ref(), passphrase)?;
        Ok(Identity { files: None, material: Replaceable::new(material) })
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
