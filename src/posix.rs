//! The few system calls that the standard library does not offer, each with a safe face.
//! Beside `ossl` this is the only module below the C API that contains `unsafe`.

use std::{
    ffi::{CStr, CString, c_char},
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Instant,
};

mod datagram;
pub mod event;
mod process;

pub use datagram::{
    connect_beside, connect_datagrams, descriptor_limit, listen_datagrams, local_end, path_mtu, recv_from,
    recv_with_destination, send_from, unmapped,
};

pub use process::{at_exit, at_fork, pid};

/// While this lives, its thread is not cancelled (pthread_cancel): glibc would unwind the frames of the library, which
/// Rust answers by ending the process. A cancellation that comes meanwhile takes effect at the next cancellation point
/// afterwards.
pub struct Uncancelled {
    #[cfg(target_os = "linux")]
    before: libc::c_int,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

impl Uncancelled {
    /// From here on.
    pub fn new() -> Self {
        #[cfg(target_os = "linux")]
        const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;
        Self {
            #[cfg(target_os = "linux")]
            before: set_cancel_state(PTHREAD_CANCEL_DISABLE),
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.before);
    }
}

#[cfg(target_os = "linux")]
fn set_cancel_state(state: libc::c_int) -> libc::c_int {
    let mut before = 0;
    // SAFETY: `before` is writable. Changing the state is no cancellation point.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// What to wait for on a descriptor, or what happened on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read would not wait.
    pub readable: bool,
    /// A write would not wait.
    pub writable: bool,
}

impl Readiness {
    /// Ready to read.
    pub const READ: Readiness = Readiness { readable: true, writable: false };
    /// Ready to write.
    pub const WRITE: Readiness = Readiness { readable: false, writable: true };
}

/// Waits until one of `wanted` is ready or `deadline` (None: never) has passed.
/// Returns what is ready, in the same order; nothing is ready if the deadline has passed.
/// Errors and hang-ups count as ready, so that the next call on the descriptor reports them.
pub fn poll(wanted: &[(BorrowedFd<'_>, Readiness)], deadline: Option<Instant>) -> io::Result<Vec<Readiness>> {
    let mut fds: Vec<libc::pollfd> = wanted.iter().map(|(fd, want)| pollfd(fd.as_raw_fd(), *want)).collect();
    poll_all(&mut fds, deadline)?;
    Ok(fds.iter().zip(wanted).map(|(got, (_, want))| readiness(got, *want)).collect())
}

/// The same for one descriptor.
pub fn poll_one(fd: BorrowedFd<'_>, want: Readiness, deadline: Option<Instant>) -> io::Result<Readiness> {
    let mut fds = [pollfd(fd.as_raw_fd(), want)];
    poll_all(&mut fds, deadline)?;
    let [got] = fds;
    Ok(readiness(&got, want))
}

fn pollfd(fd: RawFd, want: Readiness) -> libc::pollfd {
    let read = if want.readable { libc::POLLIN } else { 0 };
    let write = if want.writable { libc::POLLOUT } else { 0 };
    libc::pollfd { fd, events: read | write, revents: 0 }
}

fn readiness(got: &libc::pollfd, want: Readiness) -> Readiness {
    let broken = got.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
    Readiness {
        readable: want.readable && (broken || got.revents & libc::POLLIN != 0),
        writable: want.writable && (broken || got.revents & libc::POLLOUT != 0),
    }
}

fn poll_all(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let timeout = match deadline {
            None => -1,
            Some(at) => milliseconds_until(at),
        };
        // SAFETY: `fds` is a live array of `fds.len()` pollfd structures.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        if ready > 0 || deadline.is_some_and(|at| Instant::now() >= at) {
            return Ok(());
        }
    }
}

/// Rounded up, so that a wait never ends before its deadline.
fn milliseconds_until(at: Instant) -> libc::c_int {
    let left = at.saturating_duration_since(Instant::now());
    libc::c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
}

/// Sends without waiting and without SIGPIPE.
pub fn send(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    retry(|| {
        // SAFETY: `data` is readable for `data.len()` bytes.
        unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) }
    })
}

/// Receives without waiting. 0 is the end of the stream.
pub fn recv(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<usize> {
    recv_with(fd, data, libc::MSG_DONTWAIT)
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

/// Repeats a system call that a signal interrupted.
fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(n) => return Ok(n),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// Begins to connect. The connection is there, or has failed, when the descriptor becomes writable:
/// see `connect_result`.
pub fn start_connect(address: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = new_socket(address, libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    let (storage, len) = to_sockaddr(address);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    let result = unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), len) };
    if result < 0 {
        let error = io::Error::last_os_error();
        let pending = [libc::EINPROGRESS, libc::EINTR];
        if !pending.contains(&error.raw_os_error().unwrap_or(0)) {
            return Err(error);
        }
    }
    Ok(fd)
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
/// none. Says who is at the other end, if that has an address of the internet.
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
    // SAFETY: accept4 has just made this descriptor, and nobody else knows it.
    Ok((unsafe { OwnedFd::from_raw_fd(accepted as RawFd) }, from_sockaddr(&storage)))
}

fn new_socket(address: &SocketAddr, kind: libc::c_int) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: plain integers.
    let fd = unsafe { libc::socket(family, kind, 0) };
    check(fd)?;
    // SAFETY: socket() has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A duplicate of somebody else's descriptor, closed on exec. Fails with EBADF for a closed one, with ENOTSOCK for
/// what is no socket, with EPROTOTYPE for a socket that is no stream, or has no datagrams where those are wanted.
pub fn duplicate_socket(fd: RawFd, datagrams: bool) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: fcntl on any integer is harmless; a closed descriptor gives EBADF.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    check(copy)?;
    // SAFETY: fcntl has just made this descriptor, and nobody else knows it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let wanted = if datagrams { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    if socket_option(copy.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE)? == wanted {
        Ok(copy)
    } else {
        Err(io::Error::from_raw_os_error(libc::EPROTOTYPE))
    }
}

/// The address of the other end, as `peer_address`. Fails with ENOTCONN for a socket that has no peer, or with what ended
/// its connection.
pub fn connected_peer(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    peer_address(fd).or_else(|not_connected| connect_result(fd).and(Err(not_connected)))
}

/// What system calls say of a descriptor that is closed.
pub fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

/// Sends small records at once instead of waiting for more (TCP_NODELAY).
pub fn set_no_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_socket_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// Whether calls on the descriptor that would wait fail with WouldBlock instead.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let mut value = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut value) })
}

/// Ends the sending half (FIN), or both halves.
pub fn shutdown(fd: BorrowedFd<'_>, both: bool) -> io::Result<()> {
    let how = if both { libc::SHUT_RDWR } else { libc::SHUT_WR };
    // SAFETY: plain integers on a live descriptor.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), how) })
}

/// Whether the peer has ended its half of a TCP connection, which recv does not tell once our own reading half is shut
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

/// Ends the reading half of a socket: threads that wait for bytes are woken.
pub fn shutdown_read(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain integers on a live descriptor.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RD) })
}

fn socket_option(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is writable for `len` bytes.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &mut len) })?;
    Ok(value)
}

fn set_socket_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is readable for `len` bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), len) })
}

/// The address of the socket's own end. None for a socket that is not of the internet.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    address_by(fd, libc::getsockname)
}

/// The address of the other end. None for a socket that is not of the internet.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    address_by(fd, libc::getpeername)
}

type AddressCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address_by(fd: BorrowedFd<'_>, call: AddressCall) -> io::Result<Option<SocketAddr>> {
    // SAFETY: an all-zero sockaddr_storage is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: `storage` is writable for `len` bytes.
    check(unsafe { call(fd.as_raw_fd(), (&raw mut storage).cast(), &mut len) })?;
    Ok(from_sockaddr(&storage))
}

fn to_sockaddr(address: &SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: an all-zero sockaddr_storage is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let len = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_storage is large enough and aligned for every socket address.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            to.sin_family = libc::AF_INET as libc::sa_family_t;
            to.sin_port = v4.port().to_be();
            to.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            // SAFETY: sockaddr_storage is large enough and aligned for every socket address.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            to.sin6_port = v6.port().to_be();
            to.sin6_addr.s6_addr = v6.ip().octets();
            to.sin6_flowinfo = v6.flowinfo();
            to.sin6_scope_id = v6.scope_id();
            mem::size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as libc::socklen_t)
}

fn from_sockaddr(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in.
            let from = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(from.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is a sockaddr_in6.
            let from = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(from.sin6_addr.s6_addr);
            let port = u16::from_be(from.sin6_port);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, from.sin6_flowinfo, from.sin6_scope_id)))
        }
        _ => None,
    }
}

/// An IPv4 address in one of its older forms, such as "127.1" or "0x7f000001": see inet_aton(3).
pub fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    // inet_aton stops at white space, whatever follows; getaddrinfo(3) does not.
    let text = CString::new(text).ok().filter(|_| !text.contains(char::is_whitespace))?;
    // SAFETY: all zeros is a valid address.
    let mut address: libc::in_addr = unsafe { mem::zeroed() };
    // SAFETY: the text is NUL-terminated, and `address` is live.
    let found = unsafe { inet_aton_of_libc(text.as_ptr(), &mut address) };
    (found != 0).then(|| Ipv4Addr::from(address.s_addr.to_ne_bytes()))
}

unsafe extern "C" {
    #[link_name = "inet_aton"]
    fn inet_aton_of_libc(text: *const c_char, address: *mut libc::in_addr) -> libc::c_int;
}

/// Runs `action` with signals blocked, so that a thread it starts never runs the host's signal handlers, provided that
/// the thread begins with `block_all_signals`.
///
/// Those stay by which a garbage collector stops the threads that it knows, one by one: to start a thread is to allocate
/// memory, and the allocator's lock may be with a thread that has been stopped. A thread that waits for it then, and cannot be
/// stopped, keeps the collector from ever going on.
pub fn with_signals_blocked<T>(action: impl FnOnce() -> T) -> T {
    let mut some = all_signals();
    for signal in stopping_signals() {
        // SAFETY: the set is live, and the number is a signal's.
        unsafe { libc::sigdelset(&mut some, signal) };
    }
    let old = set_signal_mask(&some);
    let result = action();
    set_signal_mask(&old);
    result
}

/// Lets no signal interrupt the calling thread from now on.
pub fn block_all_signals() {
    set_signal_mask(&all_signals());
}

/// What garbage collectors for C stop threads with.
#[cfg(target_os = "linux")]
fn stopping_signals() -> impl Iterator<Item = libc::c_int> {
    [libc::SIGPWR, libc::SIGXCPU].into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

#[cfg(not(target_os = "linux"))]
fn stopping_signals() -> impl Iterator<Item = libc::c_int> {
    std::iter::empty()
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let mut all = unsafe { mem::zeroed() };
    // SAFETY: the set is live.
    unsafe { libc::sigfillset(&mut all) };
    all
}

/// Sets the calling thread's mask, and returns what it was.
fn set_signal_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let mut old = unsafe { mem::zeroed() };
    // SAFETY: both sets are live.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut old) };
    old
}

/// Whether the program runs with other rights than those of the user who started it (set-user-ID, capabilities).
pub fn has_raised_privileges() -> bool {
    // SAFETY: reads a value that the kernel gave the process when it started.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Sets errno to 0, so that `memory_ran_out` tells about what comes next.
pub fn clear_errno() {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = 0 };
}

/// Whether malloc, or a system call, has said so since `clear_errno`.
pub fn memory_ran_out() -> bool {
    io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

/// The system's words for an errno.
pub fn errno_text(errno: i32) -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer is writable for its length; the XSI strerror_r of the libc crate ends it with a NUL.
    unsafe { libc::strerror_r(errno, buffer.as_mut_ptr().cast(), buffer.len()) };
    match CStr::from_bytes_until_nul(&buffer) {
        Ok(text) if !text.is_empty() => text.to_string_lossy().into_owned(),
        _ => format!("errno {errno}"),
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
