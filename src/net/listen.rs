//! Listening sockets, and waiting for their clients.

use crate::{
    error::{Code, Error, Phase, Result},
    net::{
        connect::host_port,
        deadline::Deadline,
        resolve::{self, Family},
    },
    posix,
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

/// Listens for streams on the first address of `name` (None: every interface) that can be had.
pub fn listen(name: Option<&str>, port: u16, backlog: i32, family: Family, deadline: Deadline) -> Result<OwnedFd> {
    listen_with(name, port, family, deadline, |address| posix::listen(address, backlog))
}

/// Listens as `listen` does, with a function that makes the socket of an address.
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
            Err(error) => {
                let unusable = is_unusable(&error);
                failure = failure.or(Some(error));
                // A port that is taken on one address must not silently become a server on another.
                if !unusable {
                    break;
                }
            }
        }
    }
    let error = failure.map_or_else(|| Error::new(Code::Resolve, "no address"), |error| Error::io(&error));
    Err(error.during(Phase::Accept, format!("listen on {}", host_port(name.unwrap_or("*"), port))))
}

/// Whether the system does not have this kind of address, or not this one.
fn is_unusable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// IPv6's any-address takes IPv4 clients too; a host without IPv6 has only IPv4's.
fn any(family: Family) -> Vec<IpAddr> {
    match family {
        Family::Inet => vec![Ipv4Addr::UNSPECIFIED.into()],
        Family::Inet6 => vec![Ipv6Addr::UNSPECIFIED.into()],
        Family::Unspec => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
    }
}
