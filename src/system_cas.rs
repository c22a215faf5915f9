//! The system's CA certificates: where they are, whether they have changed, and a store that trusts them.
//!
//! The places are those of OpenSSL (SSL_CTX_set_default_verify_paths(3)): SSL_CERT_FILE replaces the default file and
//! SSL_CERT_DIR the default directory, each for itself. An OpenSSL that was built to look in places that do not exist
//! gets the system's bundle.

use crate::{
    certificate::Certificate,
    error::{Code, Error, Result},
    ossl::{
        self,
        store::{self, Store},
    },
    posix,
};
use std::{
    ffi::{CString, OsString},
    fs::Metadata,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Where systems keep their CA certificates, for an OpenSSL that was built to look elsewhere.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What tells one state of a file from another. Times alone do not: some systems give all files the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(file: Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// The system's CA certificates as they are at one time. Equal values lead to equal stores.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemCas {
    /// The file, and whether the user named it, in which case it must be there.
    file: (PathBuf, bool),
    directories: (OsString, bool),
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

impl SystemCas {
    /// As they are now.
    pub fn now() -> SystemCas {
        let [file, directories] = ossl::store::default_places();
        let [given_file, given_directories] = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(variable);
        let mut file = (given_file.clone().unwrap_or(file), given_file.is_some());
        let directories = (given_directories.clone().unwrap_or(directories), given_directories.is_some());
        if !file.1 && !directories.1 && !Path::new(&file.0).is_file() && !holds_entries(&directories.0) {
            if let Some(bundle) = BUNDLES.iter().find(|path| Path::new(path).is_file()) {
                file = (bundle.into(), false);
            }
        }
        let mut stamps = vec![stamped(PathBuf::from(&file.0))];
        for directory in std::env::split_paths(&directories.0) {
            let mut entries: Vec<PathBuf> =
                directory.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
            entries.sort();
            stamps.push(stamped(directory));
            stamps.extend(entries.into_iter().map(stamped));
        }
        SystemCas { file: (file.0.into(), file.1), directories, stamps }
    }

    /// What tells this state from others.
    pub fn fingerprint(&self) -> String {
        format!("{:?}", (&self.file, &self.directories, &self.stamps))
    }

    /// The certificates of the file. Empty if there is no file and nobody asked for one.
    fn certificates(&self) -> Result<Vec<Certificate>> {
        let (path, given) = &self.file;
        if !given && !path.exists() {
            return Ok(Vec::new());
        }
        Certificate::all_from_file(path).map_err(|error| {
            error.context(match given {
                true => "the CA certificates of SSL_CERT_FILE cannot be read",
                false => "the system's CA certificates cannot be read",
            })
        })
    }

    /// Hands the certificates and then the directories, separated by colons, to a store that is being built.
    pub fn add_to(&self, store: &mut Store) -> Result<()> {
        let certificates = self.certificates()?;
        for certificate in &certificates {
            store::check_decoded(certificate.x509())?;
            store.add(certificate.x509())?;
        }
        let (directories, given) = &self.directories;
        if std::env::split_paths(directories).any(|path| path.is_dir()) {
            let directories = CString::new(directories.as_bytes())
                .map_err(|_| Error::argument("a directory of CA certificates has a NUL in its name"))?;
            store.add_directories(&directories)?;
        } else if certificates.is_empty() {
            return Err(Error::new(
                Code::Config,
                format!(
                    "no CA certificates: there is neither the file {} nor the directory {}{}",
                    self.file.0.display(),
                    Path::new(directories).display(),
                    if *given { " of SSL_CERT_DIR" } else { "" },
                ),
            ));
        }
        Ok(())
    }

    /// A store that trusts them. The latest one is kept for as long as the certificates stay as they are; a failure is
    /// not.
    pub fn store(&self) -> Result<Arc<Store>> {
        static LATEST: Mutex<Option<(SystemCas, Arc<Store>)>> = Mutex::new(None);
        let latest = || LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, store)) = latest().as_ref().filter(|(cas, _)| cas == self) {
            return Ok(store.clone());
        }
        // Reading takes time: not under the lock.
        let mut store = Store::new()?;
        self.add_to(&mut store)?;
        let store = Arc::new(store);
        let previous = latest().replace((self.clone(), store.clone()));
        drop(previous);
        Ok(store)
    }
}

/// A variable of the environment. Programs that run with another user's rights do not take the caller's word for whom
/// to trust.
fn variable(name: &str) -> Option<OsString> {
    if posix::has_raised_privileges() { None } else { std::env::var_os(name) }
}

fn stamped(path: PathBuf) -> (PathBuf, Option<Stamp>) {
    let stamp = path.metadata().ok().map(Stamp::from);
    (path, stamp)
}

fn holds_entries(directories: &OsString) -> bool {
    std::env::split_paths(directories).any(|path| path.read_dir().is_ok_and(|mut entries| entries.next().is_some()))
}
