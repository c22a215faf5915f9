//! Socket addresses.

use super::call::check;
use std::{
    ffi::{CString, c_char},
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd},
};

/// The address of the socket's own end. None for a socket that is not of the internet.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    address_by(fd, libc::getsockname)
}

/// The address of the other end. None for a socket that is not of the internet.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    address_by(fd, libc::getpeername)
}

pub(super) type AddressCall =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address_by(fd: BorrowedFd<'_>, call: AddressCall) -> io::Result<Option<SocketAddr>> {
    with_address(fd, call, |storage, _| from_sockaddr(storage))
}

/// What `read` makes of an address of either end, and of its length.
pub(super) fn with_address<T>(
    fd: BorrowedFd<'_>,
    call: AddressCall,
    read: impl FnOnce(&libc::sockaddr_storage, libc::socklen_t) -> T,
) -> io::Result<T> {
    // SAFETY: an all-zero sockaddr_storage is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: `storage` is writable for `len` bytes.
    check(unsafe { call(fd.as_raw_fd(), (&raw mut storage).cast(), &mut len) })?;
    Ok(read(&storage, len))
}

pub(super) fn to_sockaddr(address: &SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
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

pub(super) fn from_sockaddr(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
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
