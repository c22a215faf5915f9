//! Making sockets, and their options.

use super::call::check;
use std::{
    io, mem,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

pub(super) fn socket_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is writable for `len` bytes.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &mut len) })?;
    Ok(value)
}

pub(super) fn set_socket_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    set_socket_option_to(fd, level, option, &value)
}

fn set_socket_option_to<T>(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let len = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is readable for `len` bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const *value).cast(), len) })
}

/// How long a call may wait that connects or sends; None for no limit.
pub(super) fn set_send_timeout(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<()> {
    let value = match limit {
        None => libc::timeval { tv_sec: 0, tv_usec: 0 },
        Some(limit) => libc::timeval {
            tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
            // All zero would be no limit.
            tv_usec: limit.subsec_micros().max(1) as _,
        },
    };
    set_socket_option_to(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &value)
}

pub(super) fn new_socket(address: &SocketAddr, kind: libc::c_int) -> io::Result<OwnedFd> {
    new_socket_of(if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }, kind)
}

pub(super) fn new_socket_of(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: plain integers.
    let fd = unsafe { libc::socket(family, kind, 0) };
    check(fd)?;
    // SAFETY: socket() has just made this descriptor, and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends small records at once instead of waiting for more (TCP_NODELAY).
pub fn set_no_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_socket_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// From how many received bytes on the descriptor counts as readable. The end of the stream and errors count at once, and so
/// does a receive buffer that is nearly full.
pub fn set_receive_low_water(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    set_socket_option(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes)
}

/// The size of the receive buffer, of which the system uses a part for itself.
pub fn receive_buffer_size(fd: BorrowedFd<'_>) -> io::Result<usize> {
    socket_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF).map(|size| usize::try_from(size).unwrap_or(0))
}

/// Whether calls on the descriptor that would wait fail with WouldBlock instead.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let mut value = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut value) })
}

/// A duplicate of a descriptor of the caller's, closed on exec. Fails with EBADF for a closed one.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: fcntl on any integer is harmless; a closed descriptor gives EBADF.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    check(copy)?;
    // SAFETY: fcntl has just made this descriptor, and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// A duplicate of a socket. Fails with ENOTSOCK for what is no socket, with EPROTOTYPE for a socket that is no stream, or has
/// no datagrams where those are wanted.
pub fn duplicate_socket(fd: RawFd, datagrams: bool) -> io::Result<OwnedFd> {
    let copy = duplicate(fd)?;
    let wanted = if datagrams { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    if socket_option(copy.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE)? == wanted {
        Ok(copy)
    } else {
        Err(io::Error::from_raw_os_error(libc::EPROTOTYPE))
    }
}
