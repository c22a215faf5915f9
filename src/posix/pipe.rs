//! Descriptors of any kind: pipes, terminals, sockets. They are read and written when the kernel says that this does not wait,
//! whether they are blocking or not.

use super::{
    call::retry,
    poll::{Readiness, poll_one},
    stream::{recv, send},
    thread::without_sigpipe,
};
use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
    time::Instant,
};

/// What a pipe takes without waiting once it is writable (PIPE_BUF, Linux).
const PIECE: usize = 4096;

/// Whether the descriptor is a socket.
pub fn is_socket(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: an all-zero stat is a valid value.
    let mut about: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `about` is writable.
    let result = unsafe { libc::fstat(fd.as_raw_fd(), &raw mut about) };
    result == 0 && about.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// Whether the descriptor was opened for reading, and whether for writing.
pub fn access(fd: BorrowedFd<'_>) -> io::Result<Readiness> {
    // SAFETY: plain integers on a live descriptor.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    match flags & libc::O_ACCMODE {
        _ if flags < 0 => Err(io::Error::last_os_error()),
        libc::O_RDONLY => Ok(Readiness::READ),
        libc::O_WRONLY => Ok(Readiness::WRITE),
        _ => Ok(Readiness { readable: true, writable: true }),
    }
}

/// Reads what is there. 0 is the end. `is_socket`: what that function says of the descriptor.
pub fn read_available(fd: BorrowedFd<'_>, is_socket: bool, data: &mut [u8]) -> io::Result<usize> {
    if is_socket {
        return recv(fd, data);
    }
    check_ready(fd, Readiness::READ)?;
    retry(|| {
        // SAFETY: `data` is writable for its length.
        unsafe { libc::read(fd.as_raw_fd(), data.as_mut_ptr().cast(), data.len()) }
    })
}

/// Writes what is taken at once, without SIGPIPE. `is_socket`: likewise.
pub fn write_available(fd: BorrowedFd<'_>, is_socket: bool, data: &[u8]) -> io::Result<usize> {
    if is_socket {
        return send(fd, data);
    }
    check_ready(fd, Readiness::WRITE)?;
    let piece = data.get(..PIECE).unwrap_or(data);
    without_sigpipe(|| {
        retry(|| {
            // SAFETY: `piece` is readable for its length.
            unsafe { libc::write(fd.as_raw_fd(), piece.as_ptr().cast(), piece.len()) }
        })
    })
}

fn check_ready(fd: BorrowedFd<'_>, wanted: Readiness) -> io::Result<()> {
    if poll_one(fd, wanted, Some(Instant::now()))? == wanted {
        Ok(())
    } else {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
