//! The system's CA certificates: where they are, whether they have changed, and a store that trusts them.
//!
//! The places are those of OpenSSL (SSL_CTX_set_default_verify_paths(3)): SSL_CERT_FILE replaces the default file and
//! SSL_CERT_DIR the default directory, each for itself. An OpenSSL that was built to look in places that do not exist
//! gets the system's bundle.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        self,
        crypto::md,
        x509::{X509, store::Store},
    },
    pki::{certificate::Certificate, file},
    posix,
};
use std::{
    ffi::{CString, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{latest::Latest, stamp::Stamped};

/// Where systems keep their CA certificates, for an OpenSSL that was built to look elsewhere.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// SHA-256.
type Digest = [u8; 32];

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
    /// Of the file, which may change without another stamp.
    digest: Option<Digest>,
}

/// How long the entries of directories that have not changed themselves are taken for unchanged: to look at some hundred
/// of them takes as long as a handshake.
const SCAN_IS_NEW: Duration = Duration::from_secs(1);

impl SystemCas {
    /// As they are now.
    pub fn now() -> SystemCas {
        let now = SystemTime::now();
        let [file, directories] = ossl::x509::store::default_places();
        let [given_file, given_directories] = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(variable);
        let mut file = (given_file.clone().unwrap_or(file), given_file.is_some());
        let directories = (given_directories.clone().unwrap_or(directories), given_directories.is_some());
        if !file.1 && !directories.1 && !Path::new(&file.0).is_file() && !holds_entries(&directories.0) {
            if let Some(bundle) = BUNDLES.iter().find(|path| Path::new(path).is_file()) {
                file = (bundle.into(), false);
            }
        }
        let mut places = vec![Stamped::now(PathBuf::from(&file.0))];
        places.extend(std::env::split_paths(&directories.0).map(Stamped::now));
        let entries = entries_of(&places);
        let digest = places.first().and_then(|file| digest_of(file, now).ok());
        SystemCas { file: (file.0.into(), file.1), directories, places, entries, digest }
    }

    /// Identifies this state.
    pub fn fingerprint(&self) -> String {
        format!("{:?}", (&self.file, &self.directories, &self.places, &self.entries, self.digest))
    }

    /// The certificates of the file. Empty if there is no file and none was asked for. The latest ones are kept for
    /// as long as the file stays as it is: each secure context has a store of its own, and reading takes longer
    /// than a handshake.
    pub fn certificates(&self) -> Result<Arc<Vec<Certificate>>> {
        static LATEST: Latest<(Stamped, Option<Digest>), Arc<Vec<Certificate>>> = Latest::new();
        let read = || self.read_certificates().map(Arc::new);
        match self.places.first().filter(|place| place.is_there()) {
            Some(place) => LATEST.get_or_make(&(place.clone(), self.digest), read),
            None => read(),
        }
    }

    fn read_certificates(&self) -> Result<Vec<Certificate>> {
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
        let all: Vec<X509> = certificates.iter().map(|certificate| certificate.x509().clone()).collect();
        store.add_all(&all)?;
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
        static LATEST: Latest<SystemCas, Arc<Store>> = Latest::new();
        LATEST.get_or_make(self, || {
            let mut store = Store::new()?;
            self.add_to(&mut store)?;
            Ok(Arc::new(store))
        })
    }
}

/// A variable of the environment. Programs that run with another user's rights do not take the caller's word for whom
/// to trust.
fn variable(name: &str) -> Option<OsString> {
    if posix::has_raised_privileges() { None } else { std::env::var_os(name) }
}

/// The digest of a file, which is kept for as long as the file stays as it is.
fn digest_of(stamped: &Stamped, now: SystemTime) -> Result<Digest> {
    static LATEST: Latest<Stamped, Digest> = Latest::new();
    let read = || md::sha256(&file::read(stamped.path())?);
    if stamped.is_new(now) { read() } else { LATEST.get_or_make(stamped, read) }
}

/// The entries of these places, from the latest scan if it is new.
fn entries_of(places: &[Stamped]) -> Arc<Vec<Stamped>> {
    static LATEST: Latest<(Vec<Stamped>, Instant), Arc<Vec<Stamped>>> = Latest::new();
    let now = Instant::now();
    let is_new = |at: Instant| now.saturating_duration_since(at) < SCAN_IS_NEW;
    if let Some(entries) = LATEST.get(|(of, at)| of == places && is_new(*at)) {
        return entries;
    }
    let mut entries: Vec<Stamped> = places
        .iter()
        .filter_map(|place| place.path().read_dir().ok())
        .flat_map(|directory| directory.filter_map(|entry| Some(Stamped::now(entry.ok()?.path()))))
        .collect();
    entries.sort_by(|one, other| one.path().cmp(other.path()));
    let entries = Arc::new(entries);
    LATEST.set((places.to_vec(), now), entries.clone());
    entries
}

fn holds_entries(directories: &OsString) -> bool {
    std::env::split_paths(directories).any(|path| path.read_dir().is_ok_and(|mut entries| entries.next().is_some()))
}
