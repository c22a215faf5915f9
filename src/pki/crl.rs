//! Certificate revocation lists: read from PEM and DER.

use crate::{
    error::Result,
    ossl::{bio::MemReader, crypto::md, x509::crl::Crl},
    pki::{
        file,
        pem::{self, Format},
    },
};
use std::{fmt, path::Path, sync::Arc};

/// The lists of one text or file; at least one. Equal if the bytes are.
#[derive(Clone)]
pub struct Crls {
    lists: Arc<[Crl]>,
    digest: [u8; 32],
}

impl Crls {
    /// All lists in `data`, none of which may be damaged.
    pub fn from_bytes(data: &[u8], format: Format) -> Result<Crls> {
        let lists = match format.is_pem(data) {
            true => {
                pem::check_lines("CRL", data)?;
                pem::check_indentation("CRL", data)?;
                Crl::all_from_pem(&MemReader::new(pem::without_mark(data))?)?
            }
            false => vec![Crl::from_der(data)?],
        };
        if lists.is_empty() {
            return Err(pem::lacks("CRL", data));
        }
        Ok(Crls { lists: lists.into(), digest: md::sha256(data)? })
    }

    /// All lists of a file.
    pub fn from_file(path: &Path) -> Result<Crls> {
        let data = file::read(path)?;
        Crls::from_bytes(&data, Format::Auto).map_err(|error| error.context(path.display()))
    }

    /// The lists.
    pub fn lists(&self) -> &[Crl] {
        &self.lists
    }

    /// Identifies these lists.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl PartialEq for Crls {
    fn eq(&self, other: &Crls) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Crls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crls({:02x?})", self.digest)
    }
}
