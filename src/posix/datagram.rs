//! Datagram sockets.

use super::{
    address::{from_sockaddr, local_address, peer_address, to_sockaddr},
    call::{check, retry},
    options::{new_socket, set_nonblocking, set_socket_option, socket_option},
};
use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
};

/// A datagram that a listening socket has received.
pub struct Received {
    /// How long it is.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// To which of our addresses.
    pub to: IpAddr,
    /// On which interface it came.
    pub interface: u32,
}

/// A socket for datagrams to and from `peer` only.
pub fn connect_datagrams(peer: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = new_socket(peer, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK)?;
    discover_path_mtu(fd.as_fd(), peer)?;
    connect(fd.as_fd(), peer)?;
    Ok(fd)
}

/// A socket that takes datagrams from anybody on `address`, and reports on which of its addresses they came.
///
/// SO_REUSEADDR lets it be bound beside the sockets of its own peers and of a closed server's, and is off again
/// afterwards, so that no second listener takes its datagrams away.
pub fn listen_datagrams(address: &SocketAddr) -> io::Result<OwnedFd> {
    let fd = new_socket(address, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK)?;
    if address.is_ipv6() {
        // The any-address of IPv6 takes IPv4 clients too, whatever the system's default.
        set_socket_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    tell_destination(fd.as_fd(), address)?;
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    bind(fd.as_fd(), address)?;
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 0)?;
    Ok(fd)
}

/// Lets a bound socket take datagrams as one of `listen_datagrams` does.
pub fn prepare_to_listen(fd: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    set_nonblocking(fd, true)?;
    tell_destination(fd, address)
}

fn tell_destination(fd: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => set_socket_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set_socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Whether a socket is bound to an IP address and a port, and has no peer.
pub fn is_bound_only(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(local_address(fd)?.is_some_and(|address| address.port() != 0) && peer_address(fd).is_err())
}

/// The options of a listening socket that let others be bound to its port, as they were before `connect_beside`.
#[derive(Clone, Copy, Debug)]
pub struct PortSharing {
    reuse_address: libc::c_int,
    reuse_port: libc::c_int,
}

impl PortSharing {
    /// Those of a socket.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<PortSharing> {
        Ok(PortSharing {
            reuse_address: socket_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?,
            reuse_port: socket_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?,
        })
    }
}

/// A socket for datagrams between `local` and `peer` only, beside the one that listens on the same port: the kernel
/// gives it what comes from that peer. One caller at a time for each listener, whose options were `sharing`.
///
/// SO_REUSEADDR lets it be bound beside those of other peers. The listener has not got that option, so that no other program
/// takes its place; meanwhile it has SO_REUSEPORT, which lets the sockets of the same user in, and only them (Linux). A listener
/// may be another user's, who has passed it on, or whom the program was before: then it has SO_REUSEADDR after all.
pub fn connect_beside(
    listener: BorrowedFd<'_>,
    sharing: PortSharing,
    local: &SocketAddr,
    peer: &SocketAddr,
) -> io::Result<OwnedFd> {
    let fd = new_socket(local, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK)?;
    discover_path_mtu(fd.as_fd(), peer)?;
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    let bound = bind_beside(listener, (libc::SO_REUSEPORT, sharing.reuse_port), fd.as_fd(), local);
    // The kernel would distribute datagrams among all sockets that keep it.
    set_socket_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 0)?;
    match bound {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
            bind_beside(listener, (libc::SO_REUSEADDR, sharing.reuse_address), fd.as_fd(), local)?;
        }
        bound => bound?,
    }
    connect(fd.as_fd(), peer)?;
    Ok(fd)
}

/// Binds a socket while the listener on the same port has an option, whose value was another one.
fn bind_beside(
    listener: BorrowedFd<'_>,
    (option, former): (libc::c_int, libc::c_int),
    fd: BorrowedFd<'_>,
    address: &SocketAddr,
) -> io::Result<()> {
    set_socket_option(listener, libc::SOL_SOCKET, option, 1)?;
    let bound = bind(fd, address);
    set_socket_option(listener, libc::SOL_SOCKET, option, former)?;
    bound
}

/// Forbids fragments, so that the system learns what the path takes, and says when a datagram is larger.
fn discover_path_mtu(fd: BorrowedFd<'_>, peer: &SocketAddr) -> io::Result<()> {
    match peer {
        SocketAddr::V4(_) => set_socket_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
        SocketAddr::V6(_) => {
            set_socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)
        }
    }
}

/// The largest packet that the path of a connected socket is known to take, IP's and UDP's headers included.
pub fn path_mtu(fd: BorrowedFd<'_>, ipv6: bool) -> io::Result<usize> {
    let mtu = if ipv6 {
        socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU)?
    } else {
        socket_option(fd, libc::IPPROTO_IP, libc::IP_MTU)?
    };
    usize::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Receives a datagram and its sender's address, where it has an IP address, without waiting.
pub fn recv_from(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<(usize, Option<SocketAddr>)> {
    // SAFETY: an all-zero sockaddr_storage is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let n = retry(|| {
        let mut len = mem::size_of_val(&storage) as libc::socklen_t;
        let from = (&raw mut storage).cast();
        // SAFETY: `data` is writable for `data.len()` bytes, `storage` for `len`.
        unsafe {
            libc::recvfrom(fd.as_raw_fd(), data.as_mut_ptr().cast(), data.len(), libc::MSG_DONTWAIT, from, &mut len)
        }
    })?;
    Ok((n, from_sockaddr(&storage).map(unmapped)))
}

/// Space for the control messages with a local address.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Receives a datagram on a socket of `listen_datagrams`, without waiting. None for one whose addresses are not known.
pub fn recv_with_destination(fd: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<Option<Received>> {
    // SAFETY: all-zero values are valid for both.
    let (mut storage, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut control = Control([0; 128]);
    let mut piece = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    message.msg_name = (&raw mut storage).cast();
    message.msg_namelen = mem::size_of_val(&storage) as libc::socklen_t;
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = mem::size_of_val(&control) as _;
    let len = retry(|| {
        // SAFETY: all that the message points to is live and as long as it says.
        unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) }
    })?;
    // SAFETY: recvmsg has filled the message in.
    let to = unsafe { destination(&message) };
    let from = from_sockaddr(&storage).map(unmapped);
    Ok(match (from, to) {
        (Some(from), Some((to, interface))) => Some(Received { len, from, to, interface }),
        _ => None,
    })
}

/// # Safety
/// recvmsg has filled `message` in, and what it points to is live.
unsafe fn destination(message: &libc::msghdr) -> Option<(IpAddr, u32)> {
    // SAFETY: the macros walk over the control messages that recvmsg has left; the payload of each is what its level
    // and type say, maybe unaligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                    // The address of ours, also where the packet went to all.
                    let ip = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                    return Some((ip.into(), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                    let ip = IpAddr::from(info.ipi6_addr.s6_addr).to_canonical();
                    return Some((ip, info.ipi6_ifindex as u32));
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
    }
    None
}

/// Sends a datagram from one of the addresses that a socket of `listen_datagrams` listens on, without waiting.
pub fn send_from(fd: BorrowedFd<'_>, data: &[u8], from: &SocketAddr, to: &SocketAddr) -> io::Result<usize> {
    let listens_on_ipv6 = local_address(fd)?.is_some_and(|address| address.is_ipv6());
    let mapped = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let destination = match to {
        SocketAddr::V4(v4) if listens_on_ipv6 => SocketAddr::new(mapped((*v4.ip()).into()).into(), v4.port()),
        other => *other,
    };
    let (storage, storage_len) = to_sockaddr(&destination);
    let mut control = Control([0; 128]);
    // SAFETY: an all-zero msghdr is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    let mut piece = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    message.msg_name = (&raw const storage).cast_mut().cast();
    message.msg_namelen = storage_len;
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: the control buffer has space for one message of either kind.
    unsafe {
        let header: *mut libc::cmsghdr = (&raw mut control).cast();
        match from.ip() {
            IpAddr::V4(v4) if !listens_on_ipv6 => {
                let mut info: libc::in_pktinfo = mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(v4.octets());
                put(&mut message, header, (libc::IPPROTO_IP, libc::IP_PKTINFO), info);
            }
            ip => {
                let scope = if let SocketAddr::V6(v6) = from { v6.scope_id() } else { 0 };
                let mut info: libc::in6_pktinfo = mem::zeroed();
                info.ipi6_addr.s6_addr = mapped(ip).octets();
                info.ipi6_ifindex = scope as _;
                put(&mut message, header, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), info);
            }
        }
    }
    retry(|| {
        // SAFETY: all that the message points to is live and as long as it says.
        unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) }
    })
}

/// # Safety
/// `header` is aligned and has space for one control message with a T.
unsafe fn put<T>(
    message: &mut libc::msghdr,
    header: *mut libc::cmsghdr,
    kind: (libc::c_int, libc::c_int),
    value: T,
) {
    // SAFETY: the caller guarantees the space.
    unsafe {
        (*header).cmsg_level = kind.0;
        (*header).cmsg_type = kind.1;
        (*header).cmsg_len = libc::CMSG_LEN(mem::size_of::<T>() as libc::c_uint) as _;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast(), value);
        message.msg_controllen = libc::CMSG_SPACE(mem::size_of::<T>() as libc::c_uint) as _;
    }
}

/// Where a datagram that came to `ip` must be answered from.
pub fn local_end(ip: IpAddr, port: u16, interface: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { interface } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope))
        }
    }
}

/// An IPv4-mapped IPv6 address, which sockets for both families have, becomes the IPv4 address.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => {
                SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(v6.ip().octets()), v6.port(), 0, v6.scope_id()))
            }
        },
        v4 => v4,
    }
}

/// How many descriptors the process may have.
pub fn descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}

fn bind(fd: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_sockaddr(address);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), len) })
}

fn connect(fd: BorrowedFd<'_>, peer: &SocketAddr) -> io::Result<()> {
    let (storage, len) = to_sockaddr(peer);
    // SAFETY: `storage` holds a socket address of `len` bytes.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), len) })
}
