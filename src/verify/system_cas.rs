//! The system's CA certificates: where they are, whether they have changed, and a store that trusts them.
//!
//! The places are those of OpenSSL (SSL_CTX_set_default_verify_paths(3)): SSL_CERT_FILE replaces the default file and
//! SSL_CERT_DIR the default directory, each for itself. An OpenSSL that was built to look in places that do not exist
//! gets the system's bundle.

use crate::{
    certificate::Certificate,
    error::{Code, Error, Result},
    ossl::{self, store::Store},
    posix,
};
use std::{
    ffi::{CString, OsString},
    fs::Metadata,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
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
pub(super) struct Stamp {
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
    /// Of the file and the directories.
    places: Vec<Stamped>,
    /// Of what the directories hold.
    entries: Arc<Vec<Stamped>>,
}

/// A path and the state of what is there.
pub(super) type Stamped = (PathBuf, Option<Stamp>);

/// The entries of directories as they were found at one time.
struct Scan {
    at: Instant,
    places: Vec<Stamped>,
    entries: Arc<Vec<Stamped>>,
}

/// How long the entries of directories that have not changed themselves are taken for unchanged: to look at some hundred
/// of them takes as long as a handshake.
const SCAN_IS_NEW: Duration = Duration::from_secs(1);

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
        let mut places = vec![stamped(PathBuf::from(&file.0))];
        places.extend(std::env::split_paths(&directories.0).map(stamped));
        let entries = entries_of(&places);
        SystemCas { file: (file.0.into(), file.1), directories, places, entries }
    }

    /// What tells this state from others.
    pub fn fingerprint(&self) -> String {
        format!("{:?}", (&self.file, &self.directories, &self.places, &self.entries))
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

pub(super) fn stamped(path: PathBuf) -> Stamped {
    let stamp = path.metadata().ok().map(Stamp::from);
    (path, stamp)
}

/// The entries of these places, from the latest scan if it is new.
fn entries_of(places: &[Stamped]) -> Arc<Vec<Stamped>> {
    static LATEST: Mutex<Option<Scan>> = Mutex::new(None);
    let latest = || LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    let at = Instant::now();
    let is_new = |scan: &&Scan| scan.places == places && at.saturating_duration_since(scan.at) < SCAN_IS_NEW;
    if let Some(scan) = latest().as_ref().filter(is_new) {
        return scan.entries.clone();
    }
    // Looking takes time: not under the lock.
    let mut entries: Vec<Stamped> = places
        .iter()
        .filter_map(|(place, _)| place.read_dir().ok())
        .flat_map(|directory| directory.filter_map(|entry| Some(stamped(entry.ok()?.path()))))
        .collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let entries = Arc::new(entries);
    let previous = latest().replace(Scan { at, places: places.to_vec(), entries: entries.clone() });
    drop(previous);
    entries
}

fn holds_entries(directories: &OsString) -> bool {
    std::env::split_paths(directories).any(|path| path.read_dir().is_ok_and(|mut entries| entries.next().is_some()))
}
