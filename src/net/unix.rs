//! Unix sockets by path, or by an abstract name: connecting, and listening on a file of one's own.

use crate::{
    error::{Error, Phase, Result},
    net::{deadline::Deadline, waits::Waits},
    posix::{self, DirectoryLock, FileId, LONGEST_UNIX_NAME, UnixName},
};
use std::{
    ffi::{OsStr, OsString},
    fmt, fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How often a connect looks again at a listener whose queue is full, as no event reports a free place: first, and
/// at most.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// How long a server waits for others that start or end in the same directory, which takes them no time; and at its own end,
/// which has to be quick.
const LONGEST_START: Duration = Duration::from_secs(1);
const LONGEST_END: Duration = Duration::from_millis(20);

/// The name of a Unix socket: a path, or "@" and an abstract name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress(OsString);

impl UnixAddress {
    /// Reads it.
    pub fn parse(name: &OsStr) -> Result<UnixAddress> {
        let address = UnixAddress(name.to_os_string());
        let length = match address.name() {
            UnixName::File(path) => path.as_os_str().len(),
            UnixName::Abstract(name) => name.len(),
        };
        match length {
            0 => Err(Error::argument("the name of a Unix socket is empty")),
            1..=LONGEST_UNIX_NAME => Ok(address),
            _ => Err(Error::argument(format!(
                "{address}: the name of a Unix socket has {length} bytes, and can have {LONGEST_UNIX_NAME} at most"
            ))),
        }
    }

    fn name(&self) -> UnixName<'_> {
        match self.0.as_bytes().strip_prefix(b"@") {
            Some(name) => UnixName::Abstract(name),
            None => UnixName::File(Path::new(&self.0)),
        }
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_string_lossy().fmt(f)
    }
}

/// A connection in the making.
pub struct UnixDial {
    address: UnixAddress,
    /// When to try again, after how long a wait.
    again: Instant,
    wait: Duration,
}

impl UnixDial {
    /// Begins to connect.
    pub fn new(address: UnixAddress) -> UnixDial {
        UnixDial { address, again: Instant::now(), wait: LOOK_AGAIN }
    }

    /// The connection; None while the listener has no place for one.
    pub fn step(&mut self, now: Instant) -> Result<Option<OwnedFd>> {
        if now < self.again {
            return Ok(None);
        }
        match posix::connect_unix(self.address.name()) {
            Ok(fd) => Ok(Some(fd)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.again = now + self.wait;
                self.wait = (self.wait * 2).min(LONGEST_WAIT);
                Ok(None)
            }
            Err(error) => Err(self.failed(Error::io(&error))),
        }
    }

    /// What the next step waits for.
    pub fn waits(&self) -> Waits<'_> {
        Waits::until(Deadline(Some(self.again)))
    }

    /// The failure of one that took too long.
    pub fn timed_out(&self) -> Error {
        self.failed(Error::timeout())
    }

    fn failed(&self, error: Error) -> Error {
        error.during(Phase::Connect, format_args!("connect to {}", self.address))
    }
}

/// A file that a listener has made. It is removed with this, in the process that has made it, unless another one is in its
/// place.
pub struct OwnFile {
    address: UnixAddress,
    id: FileId,
    made_by: u32,
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let UnixName::File(path) = self.address.name() else { return };
        if self.made_by != posix::pid() {
            return;
        }
        let _lock = lock_directory(&self.address, LONGEST_END);
        if FileId::of_socket(path).is_ok_and(|id| id == Some(self.id)) {
            // It may be in a directory that is no longer the process's to change.
            let _ = fs::remove_file(path);
        }
    }
}

/// Listens on a Unix socket, whose file gets the permissions `mode`. A socket's file that is there already is replaced if
/// nobody listens on it.
pub fn listen(address: &UnixAddress, backlog: i32, mode: Option<u32>) -> Result<(OwnedFd, Option<OwnFile>)> {
    let lock = lock_directory(address, LONGEST_START);
    let listened = match posix::listen_unix(address.name(), backlog, mode) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) && remove_stale(address) => {
            posix::listen_unix(address.name(), backlog, mode)
        }
        listened => listened,
    };
    drop(lock);
    let failed = |error: &io::Error| Error::io(error).during(Phase::Accept, format_args!("listen on {address}"));
    let fd = listened.map_err(|error| failed(&error))?;
    let file = match address.name() {
        UnixName::Abstract(_) => None,
        UnixName::File(path) => {
            let id = FileId::of_socket(path).map_err(|error| failed(&error))?;
            id.map(|id| OwnFile { address: address.clone(), id, made_by: posix::pid() })
        }
    };
    Ok((fd, file))
}

/// Keeps other servers of this library from starting and ending in the directory of this file: between the bind(2) and the
/// listen(2) of one, and between another one's look at a file and the removal of it, a server's file could be taken for stale,
/// or for the own one. None for an abstract name, where there can be no lock, and where somebody keeps it for longer than
/// this: in a directory of many users all can.
fn lock_directory(address: &UnixAddress, longest: Duration) -> Option<DirectoryLock> {
    let UnixName::File(path) = address.name() else { return None };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let deadline = Deadline::after(Some(longest));
    loop {
        match DirectoryLock::try_acquire(directory) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !deadline.has_passed() => {
                thread::sleep(LOOK_AGAIN);
            }
            lock => return lock.ok(),
        }
    }
}

/// Removes the file of a socket on which nobody listens. False if it is something else.
fn remove_stale(address: &UnixAddress) -> bool {
    let UnixName::File(path) = address.name() else { return false };
    let Ok(Some(id)) = FileId::of_socket(path) else { return false };
    let is_refused = |error: io::Error| error.raw_os_error() == Some(libc::ECONNREFUSED);
    posix::connect_unix(address.name()).is_err_and(is_refused)
        && FileId::of_socket(path).is_ok_and(|now| now == Some(id))
        && fs::remove_file(path).is_ok()
}
