//! Two descriptors of any kind, one to read and one to write, as a stream.

use crate::{
    error::{Error, Result},
    net::deadline::Deadline,
    posix::{self, Readiness},
    types::Step,
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use super::byte_stream::ByteStream;

/// How long one wait may take: nothing wakes a thread that waits for a pipe when the socket is closed.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// The descriptors.
pub struct Descriptors {
    read: Arc<OwnedFd>,
    write: OwnedFd,
    read_is_socket: bool,
    write_is_socket: bool,
}

impl Descriptors {
    /// Duplicates of two descriptors of the program's, which may be the same.
    pub fn duplicate(read: i32, write: i32) -> Result<Descriptors> {
        let first = open_copy(read, None).map_err(|error| unusable(read, &error))?;
        let second = open_copy(write, Some(&first)).map_err(|error| unusable(write, &error))?;
        match (posix::access(first.as_fd()), posix::access(second.as_fd())) {
            (Ok(access), _) if !access.readable => Err(unusable(read, &posix::bad_descriptor())),
            (_, Ok(access)) if !access.writable => Err(unusable(write, &posix::bad_descriptor())),
            _ => Ok(Descriptors {
                read_is_socket: posix::is_socket(first.as_fd()),
                write_is_socket: posix::is_socket(second.as_fd()),
                read: Arc::new(first),
                write: second,
            }),
        }
    }
}

/// A number that is that of `taken` was free before, and so is that of no open descriptor.
fn open_copy(fd: i32, taken: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    if taken.is_some_and(|taken| taken.as_raw_fd() == fd) {
        Err(posix::bad_descriptor())
    } else {
        posix::duplicate(fd)
    }
}

fn unusable(fd: i32, error: &io::Error) -> Error {
    Error::io(error).context(format_args!("TLS cannot use descriptor {fd}"))
}

impl ByteStream for Descriptors {
    fn try_read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        match posix::read_available(self.read.as_fd(), self.read_is_socket, buffer) {
            Ok(0) => Ok(Step::Eof),
            Ok(n) => Ok(Step::Done(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::WantRead),
            Err(error) => Err(Error::io(&error)),
        }
    }

    fn try_write(&self, data: &[u8]) -> Result<Step<usize>> {
        match posix::write_available(self.write.as_fd(), self.write_is_socket, data) {
            Ok(n) => Ok(Step::Done(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::WantWrite),
            Err(error) => Err(Error::io(&error)),
        }
    }

    fn wait(&self, interest: Readiness, deadline: Deadline) -> Result<()> {
        let until = deadline.or_sooner(Deadline::after(Some(LONGEST_WAIT))).0;
        let mut wanted = Vec::with_capacity(2);
        if interest.readable {
            wanted.push((self.read.as_fd(), Readiness::READ));
        }
        if interest.writable {
            wanted.push((self.write.as_fd(), Readiness::WRITE));
        }
        posix::poll(&wanted, until).map(|_| ()).map_err(|error| Error::io(&error))
    }

    fn end_writing(&self) -> Result<Step<()>> {
        if self.write_is_socket {
            // Fails only if the connection has ended already.
            let _ = posix::shutdown(self.write.as_fd(), false);
        }
        Ok(Step::Done(()))
    }

    fn can_wait(&self) -> bool {
        true
    }

    fn fd(&self) -> Option<Arc<OwnedFd>> {
        Some(self.read.clone())
    }
}
