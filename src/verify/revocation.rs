//! The revocation lists of a config as they are at one time: those that were given, and those of files, which are read again
//! when they have changed, and for each connection in the first seconds after a change.

use crate::{
    config::requirements::{CrlSettings, CrlSource},
    error::{Code, Error, Result},
    ossl::verify::requirements::CrlCheck,
    pki::crl::Crls,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{latest::Latest, stamp::Stamped};

/// Where the lists come from, and the latest ones.
pub struct Revocation {
    settings: CrlSettings,
    latest: Latest<Vec<Stamped>, CrlCheck>,
}

impl Revocation {
    /// None if the settings name no lists.
    pub fn new(settings: &CrlSettings) -> Option<Revocation> {
        if settings.sources.is_empty() {
            return None;
        }
        Some(Revocation { settings: settings.clone(), latest: Latest::new() })
    }

    /// The lists of now. A file that cannot be read, or holds none, is an error that names it.
    pub fn now(&self) -> Result<CrlCheck> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for source in &self.settings.sources {
            if let CrlSource::Place(path) = source {
                files.extend(files_of(path)?.into_iter().map(Stamped::now));
            }
        }
        match files.iter().any(|file| file.is_new(now)) {
            true => self.read(),
            false => self.latest.get_or_make(&files, || self.read()),
        }
    }

    fn read(&self) -> Result<CrlCheck> {
        let mut texts = Vec::new();
        for source in &self.settings.sources {
            match source {
                CrlSource::Given(crls) => texts.push(crls.clone()),
                CrlSource::Place(path) if path.is_dir() => {
                    texts.extend(read_directory(path)?);
                }
                CrlSource::Place(path) => texts.push(Crls::from_file(path)?),
            }
        }
        let CrlSettings { whole_chain, tolerate_missing, tolerate_expired, .. } = self.settings;
        let digest = texts.iter().flat_map(|text| text.digest().iter().copied()).collect();
        let next_update = texts.iter().flat_map(Crls::lists).filter_map(|list| list.next_update()).min();
        let lists = texts.iter().flat_map(Crls::lists).cloned().collect();
        Ok(CrlCheck {
            lists: Arc::new(lists),
            digest,
            next_update,
            whole_chain,
            tolerate_missing,
            tolerate_expired,
        })
    }
}

fn read_directory(path: &Path) -> Result<Vec<Crls>> {
    let mut texts = Vec::new();
    for file in files_of(path)? {
        match Crls::from_file(&file) {
            Err(_) if is_gone(&file) => {}
            text => texts.push(text?),
        }
    }
    if texts.is_empty() { Err(holds_none(path)) } else { Ok(texts) }
}

fn holds_none(directory: &Path) -> Error {
    Error::new(Code::Config, format!("the directory {} holds no CRLs", directory.display()))
}

/// Whether a file of a directory has been removed since the directory was read. A link that leads nowhere is there.
fn is_gone(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The file itself, or the files of a directory, in the order of their names. What is in it and is no directory is a list: a
/// link that leads nowhere may be the list that names the peer.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let in_directory = |error| Error::io(&error).context(format_args!("the directory of CRLs {}", path.display()));
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(in_directory)? {
        let file = entry.map_err(in_directory)?.path();
        match file.metadata() {
            Ok(kind) if kind.is_dir() => {}
            Ok(_) => files.push(file),
            Err(_) if is_gone(&file) => {}
            Err(error) => return Err(Error::io(&error).context(file.display())),
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(holds_none(path));
    }
    Ok(files)
}
