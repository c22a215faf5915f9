//! Listening sockets, and waiting for their clients.

use crate::{
    error::{Code, Error, Phase, Result},
    net::{
        connect::host_port,
        deadline::Deadline,
        resolve::{self, Family},
    },
    posix::{self, Readiness},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{BorrowedFd, OwnedFd},
};

/// Listens for streams on the first address of `name` (None: every interface) that can be had.
pub fn listen(name: Option<&str>, port: u16, backlog: i32, family: Family, deadline: Deadline) -> Result<OwnedFd> {
    listen_with(name, port, family, deadline, |address| posix::listen(address, backlog))
}

/// The same by way of `listen`.
pub fn listen_with(
    name: Option<&str>,
    port: u16,
    family: Family,
    deadline: Deadline,
    listen: impl Fn(&SocketAddr) -> io::Result<OwnedFd>,
) -> Result<OwnedFd> {
    let addresses = match name {
        Some(name) => resolve::resolve(name, port, family, deadline)?,
        None => any(family).into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
    };
    let mut failure = None;
    for address in &addresses {
        match listen(address) {
            Ok(fd) => return Ok(fd),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let error = failure.map_or_else(|| Error::new(Code::Resolve, "no address"), |error| Error::io(&error));
    Err(error.during(Phase::Accept, format!("listen on {}", host_port(name.unwrap_or("*"), port))))
}

/// IPv6's any-address takes IPv4 clients too; a host without IPv6 has only IPv4's.
fn any(family: Family) -> Vec<IpAddr> {
    match family {
        Family::Inet => vec![Ipv4Addr::UNSPECIFIED.into()],
        Family::Inet6 => vec![Ipv6Addr::UNSPECIFIED.into()],
        Family::Unspec => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
    }
}

/// Takes one client, and says where it is; None if none came in time.
///
/// Who has all the time in the world waits in accept(2): of many threads that wait there the system wakes one for each
/// client, and of those that wait in poll(2) it wakes all.
pub fn accept(fd: BorrowedFd<'_>, deadline: Deadline) -> io::Result<Option<(OwnedFd, Option<SocketAddr>)>> {
    if deadline != Deadline::NEVER {
        // Another thread may take the client that poll(2) has seen.
        posix::set_nonblocking(fd, true)?;
    }
    loop {
        match posix::accept(fd) {
            Ok(client) => return Ok(Some(client)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => return Err(error),
        }
        if !posix::poll_one(fd, Readiness::READ, deadline.0)?.readable {
            return Ok(None);
        }
    }
}

/// Whether accept(2) tells the failure of a connection that has gone again, which is none of the server's.
fn is_the_clients(error: &io::Error) -> bool {
    const GONE: [i32; 8] = [
        libc::ECONNABORTED,
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
    ];
    error.raw_os_error().is_some_and(|errno| GONE.contains(&errno))
}
