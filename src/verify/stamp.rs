//! What distinguishes one state of a file from another, without reading it.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// For how long after a change a file may change again without another stamp: file systems count time in steps, of up to two
/// seconds (FAT), and mostly of some milliseconds.
const STEP: Duration = Duration::from_secs(3);

/// The state of a file. Times alone do not show it: some systems give all files the same one.
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

/// A path, and the state of what is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamped {
    path: PathBuf,
    stamp: Option<Stamp>,
}

impl Stamped {
    /// As it is now.
    pub fn now(path: PathBuf) -> Stamped {
        let stamp = path.metadata().ok().map(Stamp::from);
        Stamped { path, stamp }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything is there.
    pub fn is_there(&self) -> bool {
        self.stamp.is_some()
    }

    /// Whether it had changed so shortly before `now`, which was before the stamp was taken, that a further change may leave
    /// the stamp as it is. What is read then is good for once.
    pub fn is_new(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else { return true };
        let now = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        let is_near = |(seconds, nanoseconds): (i64, i64)| {
            // A clock of another machine may be ahead.
            let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
            now.abs_diff(time) <= STEP.as_nanos()
        };
        self.stamp.as_ref().is_some_and(|stamp| is_near(stamp.modified) || is_near(stamp.changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_just_changed_is_new_for_some_seconds() {
        let path = std::env::temp_dir().join(format!("bglssl-stamp-{}", std::process::id()));
        std::fs::write(&path, "x").unwrap();
        let now = SystemTime::now();
        let stamped = Stamped::now(path.clone());
        std::fs::remove_file(path).unwrap();
        assert!(stamped.is_new(now));
        assert!(stamped.is_new(now + Duration::from_secs(2)));
        assert!(!stamped.is_new(now + Duration::from_secs(4)));
    }

    #[test]
    fn what_is_not_there_is_not_new() {
        let stamped = Stamped::now(PathBuf::from("/nowhere/at/all"));
        assert!(!stamped.is_there() && !stamped.is_new(SystemTime::now()));
    }
}
