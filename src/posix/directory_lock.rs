//! A lock on a directory, between processes that change its files in several steps. It leaves no file behind.

use super::call::check;
use std::{
    fs::{File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// The lock while it is held.
pub struct DirectoryLock(File);

impl DirectoryLock {
    /// Takes the lock. Fails with WouldBlock while somebody else has it, and in another way where there can be none: a
    /// directory that cannot be read, or a file system without locks.
    pub fn try_acquire(directory: &Path) -> io::Result<DirectoryLock> {
        // Opening something else could wait, or do something.
        let directory = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(directory)?;
        // SAFETY: plain integers on a live descriptor.
        check(unsafe { libc::flock(directory.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
        Ok(DirectoryLock(directory))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that was forked meanwhile has the descriptor, too.
        // SAFETY: plain integers on a live descriptor.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}
