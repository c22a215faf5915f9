//! The CA certificates that a config trusts. They can be read again from their file while connections use them.

use crate::{error::Result, pki::certificate::Certificate, replaceable::Replaceable};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A certificate to trust. Its settings of trust count, which the equality of certificates leaves out.
#[derive(Clone)]
pub struct Anchor(pub Certificate);

impl PartialEq for Anchor {
    fn eq(&self, other: &Anchor) -> bool {
        let (own, other) = (self.0.x509(), other.0.x509());
        own.as_ptr() == other.as_ptr()
            || matches!((own.der_with_trust(), other.der_with_trust()), (Ok(own), Ok(other)) if own == other)
    }
}

/// All that are trusted, as they are now.
pub struct Anchors {
    file: Option<PathBuf>,
    list: Replaceable<Vec<Anchor>>,
}

fn of(certificates: Vec<Certificate>) -> Vec<Anchor> {
    certificates.into_iter().map(Anchor).collect()
}

impl Anchors {
    /// These, for good.
    pub fn new(certificates: Vec<Certificate>) -> Anchors {
        Anchors { file: None, list: Replaceable::new(of(certificates)) }
    }

    /// Those of a PEM file.
    pub fn from_file(path: &Path) -> Result<Anchors> {
        let certificates = Certificate::all_from_file(path)?;
        Ok(Anchors { file: Some(path.to_path_buf()), list: Replaceable::new(of(certificates)) })
    }

    /// As they are now.
    pub fn current(&self) -> Arc<Vec<Anchor>> {
        self.list.current()
    }

    /// What their file holds now; None if they are of no file.
    pub fn read_again(&self) -> Result<Option<Vec<Certificate>>> {
        self.file.as_ref().map(|path| Certificate::all_from_file(path)).transpose()
    }

    /// Replaces them, for later handshakes.
    pub fn replace(&self, certificates: Vec<Certificate>) {
        self.list.replace(of(certificates));
    }
}
