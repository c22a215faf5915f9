//! Certificates: read from PEM and DER, and asked for what they say.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        bio::MemReader,
        uri,
        x509::{X509, names::AltName},
    },
    pki::{
        file,
        pem::{self, Format},
        private_key::PrivateKey,
    },
};
use std::{ffi::CStr, fmt::Write, net::Ipv6Addr, path::Path, sync::OnceLock};

pub use crate::ossl::x509::names::Party;

/// A certificate.
pub struct Certificate {
    x509: X509,
    subject: OnceLock<Vec<u8>>,
    issuer: OnceLock<Vec<u8>>,
    /// Kept, because who asks for one asks for all, and an untrusted peer's certificate may have ten thousand.
    alt_names: OnceLock<Vec<String>>,
    purposes: OnceLock<Vec<String>>,
}

impl Clone for Certificate {
    fn clone(&self) -> Certificate {
        Certificate::new(self.x509.clone())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Certificate) -> bool {
        self.x509 == other.x509
    }
}

impl Certificate {
    /// The certificate over OpenSSL's.
    pub fn new(x509: X509) -> Certificate {
        Certificate {
            x509,
            subject: OnceLock::new(),
            issuer: OnceLock::new(),
            alt_names: OnceLock::new(),
            purposes: OnceLock::new(),
        }
    }

    /// OpenSSL's.
    pub fn x509(&self) -> &X509 {
        &self.x509
    }

    /// The first certificate of a file.
    pub fn from_file(path: &Path, format: Format) -> Result<Certificate> {
        let data = file::read(path)?;
        Certificate::from_bytes(&data, format).map_err(|error| error.context(path.display()))
    }

    /// The first certificate in `data`.
    pub fn from_bytes(data: &[u8], format: Format) -> Result<Certificate> {
        if !format.is_pem(data) {
            return X509::from_der(data).map(Certificate::new).map_err(|error| pem::unless_pkcs12(error, data));
        }
        let reader = MemReader::new(pem::without_mark(data))?;
        X509::next_from_pem(&reader)?.map(Certificate::new).ok_or_else(|| pem::lacks("certificate", data))
    }

    /// All certificates of a PEM file, in the file's order; at least one.
    pub fn all_from_file(path: &Path) -> Result<Vec<Certificate>> {
        let data = file::read(path)?;
        Certificate::all_from_pem(&data).map_err(|error| error.context(path.display()))
    }

    /// All certificates of a PEM text, in its order; at least one.
    pub fn all_from_pem(data: &[u8]) -> Result<Vec<Certificate>> {
        pem::check_lines("certificate", data)?;
        let reader = MemReader::new(pem::without_mark(data))?;
        let mut all = Vec::new();
        while let Some(x509) = X509::next_from_pem(&reader)? {
            all.push(Certificate::new(x509));
        }
        if all.is_empty() { Err(pem::lacks("certificate", data)) } else { Ok(all) }
    }

    /// The CommonName in UTF-8, empty if there is none, followed by a NUL that is not part of it.
    pub fn common_name(&self, party: Party) -> Result<&[u8]> {
        let cached = match party {
            Party::Subject => &self.subject,
            Party::Issuer => &self.issuer,
        };
        let name = kept(cached, || {
            let mut name = self.x509.common_name(party)?;
            name.push(0);
            Ok(name)
        });
        name.map(Vec::as_slice)
    }

    /// The whole name, as RFC 2253 writes it.
    pub fn name(&self, party: Party) -> Result<Vec<u8>> {
        self.x509.name_text(party)
    }

    /// The digest of the certificate as "AB:CD:...".
    pub fn fingerprint(&self, digest: &CStr) -> Result<String> {
        let bytes = self.x509.digest(digest)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
    }

    /// The further names, each as "DNS:example.org".
    pub fn alt_names(&self) -> Result<&[String]> {
        let names = || Ok(self.x509.alt_names()?.iter().map(alt_name_text).collect());
        kept(&self.alt_names, names).map(Vec::as_slice)
    }

    /// All certificates at a URI that OpenSSL, or a provider of its, knows.
    pub fn all_from_uri(uri: &CStr, passphrase: Option<&CStr>) -> Result<Vec<Certificate>> {
        let what = uri.to_string_lossy();
        let found = uri::load(uri, passphrase).map_err(|error| error.context(&what))?;
        let all: Vec<Certificate> = found.certificates.into_iter().map(Certificate::new).collect();
        if all.is_empty() {
            return Err(Error::new(Code::Config, format!("{what}: no certificate found")));
        }
        Ok(all)
    }

    /// The OIDs of its extended key usage, in dotted numbers; none if it has no such extension.
    pub fn purposes(&self) -> Result<&[String]> {
        kept(&self.purposes, || self.x509.ext_key_usage()).map(Vec::as_slice)
    }

    /// The further names in one text, such as "DNS:example.org, IP Address:127.0.0.1"; empty if there are none.
    pub fn alt_names_text(&self) -> Result<String> {
        let names = self.x509.alt_names()?;
        let texts = names.iter().map(|name| {
            let text = alt_name_text(name);
            match text.split_once(':') {
                Some(("IP", value)) => format!("IP Address:{}", long_ip_text(value)),
                Some(("EMAIL", value)) => format!("email:{value}"),
                _ => text,
            }
        });
        Ok(texts.collect::<Vec<_>>().join(", "))
    }

    /// Fails unless `key` belongs to this certificate.
    pub fn check_private_key(&self, key: &PrivateKey) -> Result<()> {
        if self.x509.matches(key.pkey())? {
            return Ok(());
        }
        let subject = self.name(Party::Subject).unwrap_or_default();
        let subject = String::from_utf8_lossy(&subject);
        Err(Error::new(Code::Config, format!("the private key does not belong to the certificate of {subject}")))
    }
}

/// What was found out before, or else is found out now; a failure is not kept.
fn kept<T>(cache: &OnceLock<T>, find: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(known) = cache.get() {
        return Ok(known);
    }
    let found = find()?;
    Ok(cache.get_or_init(|| found))
}

/// An address of IPv6 with all its zeros, as OpenSSL and node write it: "2001:DB8:0:0:0:0:0:1"; others as they are.
fn long_ip_text(short: &str) -> String {
    match short.parse::<Ipv6Addr>() {
        Ok(address) => address.segments().map(|segment| format!("{segment:X}")).join(":"),
        Err(_) => short.to_string(),
    }
}

/// A value that could be mistaken for the text around it is quoted as JSON does (CVE-2021-44532).
fn alt_name_text(name: &AltName) -> String {
    let value = name.value_text();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ',' | '\'');
    if value.chars().all(plain) {
        return format!("{}:{value}", name.kind);
    }
    let mut quoted = String::new();
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    format!("{}:\"{quoted}\"", name.kind)
}
