//! Stream sockets: connect, listen, accept, send, receive, shut down.

use super::{
    address::{from_sockaddr, local_address, peer_address, to_sockaddr},
    call::{check, retry},
    options::{new_socket, set_send_timeout, set_socket_option, socket_option},
};
use std::{
    io, mem,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

/// Sends without waiting and without SIGPIPE.
pub fn send(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<usize> {
    send_with(fd, data, 0)
}

/// Sends as `send` does, the last data of a stream that is ended at once by `shutdown`: the end goes out in one packet with
/// them.
pub fn send_before_end(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = libc::MSG_MORE;
    #[cfg(not(target_os = "linux"))]
    let flags = 0;
    send_with(fd, data, flags)
}

fn send_with(fd: BorrowedFd<'_>, data: &[u8], flags: libc::c_int) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | flags;
    retry(|| {
        // SAFETY: `data` is readable for `data.len()` bytes.
        unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) }
    })
}

/// Receives without waiting. 0 is the end of the stream.
pub fn recv(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<usize> {
    recv_with(fd, data, libc::MSG_DONTWAIT)
}

/// Receives without waiting, into `data`, and into the free space of `more` what there is beyond. Says how much of `data` is
/// filled. 0 is the end of the stream.
pub fn recv_ahead(fd: BorrowedFd<'_>, data: &mut [u8], more: &mut Vec<u8>) -> io::Result<usize> {
    let space = more.spare_capacity_mut();
    let mut parts = [
        libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() },
        libc::iovec { iov_base: space.as_mut_ptr().cast(), iov_len: space.len() },
    ];
    // SAFETY: an all-zero msghdr is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: both parts are writable for their lengths.
    let n = retry(|| unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) })?;
    let beyond = n.saturating_sub(data.len());
    // SAFETY: the system has written so many bytes into the space, which is behind the first `more.len()`.
    unsafe { more.set_len(more.len() + beyond) };
    Ok(n - beyond)
}

/// Receives once something has come, however long that takes. WouldBlock where the descriptor is non-blocking, or has a
/// time limit of its own.
pub fn recv_waiting(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<usize> {
    recv_with(fd, data, 0)
}

/// The beginning of what `recv` would receive, which stays there.
pub fn peek(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<usize> {
    recv_with(fd, data, libc::MSG_DONTWAIT | libc::MSG_PEEK)
}

fn recv_with(fd: BorrowedFd<'_>, data: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    retry(|| {
        // SAFETY: `data` is writable for `data.len()` bytes.
        unsafe { libc::recv(fd.as_raw_fd(), data.as_mut_ptr().cast(), data.len(), flags) }
    })
}

/// Begins to connect. The connection is there, or has failed, when the descriptor becomes writable:
/// see `connect_result`.
pub fn start_connect(address: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = new_socket(address, libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    connect(fd.as_fd(), address)?;
    Ok(fd)
}

/// Connects, and waits for that, as long as `limit` says, if it does. False beside the descriptor: a signal or the limit has
/// ended the wait, and it is as if it had been begun by `start_connect`.
pub fn connect_waiting(address: &SocketAddr, limit: Option<Duration>) -> io::Result<(OwnedFd, bool)> {
    let fd = new_socket(address, libc::SOCK_STREAM)?;
    if let Some(limit) = limit {
        set_send_timeout(fd.as_fd(), Some(limit))?;
    }
    let is_connected = connect(fd.as_fd(), address)?;
    if limit.is_some() {
        // The program may have the descriptor.
        set_send_timeout(fd.as_fd(), None)?;
    }
    Ok((fd, is_connected))
}

/// False if the connection is in the making.
fn connect(fd: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<bool> {
    let (storage, len) = to_sockaddr(address);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    match check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), len) }) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => Err(error),
        result => Ok(result.is_ok()),
    }
}

/// How a connect ended, once its descriptor is writable.
pub fn connect_result(fd: BorrowedFd<'_>) -> io::Result<()> {
    match socket_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A socket that listens on `address`.
pub fn listen(address: &SocketAddr, backlog: i32) -> io::Result<OwnedFd> {
    let fd = new_socket(address, libc::SOCK_STREAM)?;
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if address.is_ipv6() {
        // The any-address of IPv6 takes IPv4 clients too, whatever the system's default.
        set_socket_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    let (storage, len) = to_sockaddr(address);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), len) })?;
    // SAFETY: plain integers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
    Ok(fd)
}

/// Takes a connection of the listening socket, and waits for one; WouldBlock if the socket is non-blocking, and there is
/// none. Says who is at the other end, if that has an IP address.
pub fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    // SAFETY: an all-zero sockaddr_storage is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let accepted = retry(|| {
        let mut len = mem::size_of_val(&storage) as libc::socklen_t;
        let address = (&raw mut storage).cast();
        // SAFETY: `storage` is writable for `len` bytes.
        let accepted = unsafe { libc::accept4(fd.as_raw_fd(), address, &raw mut len, libc::SOCK_CLOEXEC) };
        accepted as libc::ssize_t
    })?;
    // SAFETY: accept4 has just made this descriptor, and nothing else uses it.
    Ok((unsafe { OwnedFd::from_raw_fd(accepted as RawFd) }, from_sockaddr(&storage)))
}

/// The address of the other end, as `peer_address`. Fails with ENOTCONN for a socket that has no peer, or with what ended
/// its connection.
pub fn connected_peer(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    peer_address(fd).or_else(|not_connected| connect_result(fd).and(Err(not_connected)))
}

/// Ends the sending half (FIN), or both halves.
pub fn shutdown(fd: BorrowedFd<'_>, both: bool) -> io::Result<()> {
    let how = if both { libc::SHUT_RDWR } else { libc::SHUT_WR };
    // SAFETY: plain integers on a live descriptor.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), how) })
}

/// Ends the reading half of a socket: threads that wait for bytes are woken.
pub fn shutdown_read(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain integers on a live descriptor.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RD) })
}

/// Whether the peer has ended its half of a TCP connection, which recv does not show once our own reading half is shut
/// down: it calls every empty queue the end. For other streams recv is all there is.
pub fn peer_has_ended(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: an all-zero tcp_info is a valid value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&info) as libc::socklen_t;
    let info_at = (&raw mut info).cast();
    // SAFETY: `info` is writable for `len` bytes.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info_at, &mut len) };
    // tcp(7) has no names for the states; these are the kernel's, in which the peer may still send.
    const ESTABLISHED: u8 = 1;
    const FIN_WAIT1: u8 = 4;
    const FIN_WAIT2: u8 = 5;
    result != 0 || ![ESTABLISHED, FIN_WAIT1, FIN_WAIT2].contains(&info.tcpi_state)
}

/// How much of what was sent over a TCP connection its peer's system has not acknowledged yet, the end of the stream
/// included; 0 for other sockets.
pub fn unacknowledged(fd: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    match local_address(fd) {
        // SAFETY: SIOCOUTQ, which has TIOCOUTQ's number, writes one int.
        Ok(Some(_)) if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) } == 0 => {
            usize::try_from(bytes).unwrap_or(0)
        }
        _ => 0,
    }
}
