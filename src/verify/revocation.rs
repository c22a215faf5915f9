//! The revocation lists of a config as they are at one time: those that were given, and those of files, which are read again
//! when they have changed.

use crate::{
    config::requirements::{CrlSettings, CrlSource},
    crl::Crls,
    error::{Code, Error, Result},
    ossl::requirements::CrlCheck,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::system_cas::{Stamped, stamped};

/// Where the lists come from, and the latest ones.
pub struct Revocation {
    settings: CrlSettings,
    latest: Mutex<Option<Latest>>,
}

#[derive(Clone)]
struct Latest {
    files: Vec<Stamped>,
    check: CrlCheck,
}

impl Revocation {
    /// None if the settings name no lists.
    pub fn new(settings: &CrlSettings) -> Option<Revocation> {
        if settings.sources.is_empty() {
            return None;
        }
        Some(Revocation { settings: settings.clone(), latest: Mutex::new(None) })
    }

    /// The lists of now. A file that cannot be read, or holds none, is an error that names it.
    pub fn now(&self) -> Result<CrlCheck> {
        let mut files = Vec::new();
        for source in &self.settings.sources {
            if let CrlSource::Place(path) = source {
                files.extend(files_of(path)?.into_iter().map(stamped));
            }
        }
        let latest = || self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = latest().as_ref().filter(|latest| latest.files == files) {
            return Ok(latest.check.clone());
        }
        // Reading takes time: not under the lock.
        let check = self.read()?;
        latest().replace(Latest { files, check: check.clone() });
        Ok(check)
    }

    fn read(&self) -> Result<CrlCheck> {
        let mut texts = Vec::new();
        for source in &self.settings.sources {
            match source {
                CrlSource::Given(crls) => texts.push(crls.clone()),
                CrlSource::Place(path) if path.is_dir() => {
                    let read = files_of(path)?.into_iter().map(|file| Crls::from_file(&file));
                    texts.extend(read.collect::<Result<Vec<Crls>>>()?);
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

/// The file itself, or the files of a directory, in the order of their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let in_directory = |error| Error::io(&error).context(format_args!("the directory of CRLs {}", path.display()));
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(in_directory)? {
        let file = entry.map_err(in_directory)?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::new(Code::Config, format!("the directory {} holds no CRLs", path.display())));
    }
    Ok(files)
}
