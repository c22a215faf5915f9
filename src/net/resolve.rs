//! Host names to addresses, with a deadline that getaddrinfo(3) itself does not have.

use crate::{
    error::{Code, Error, Phase, Result},
    hostname,
    net::deadline::Deadline,
    posix,
};
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::mpsc,
    thread,
};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Whatever the name has.
    Unspec,
}

impl Family {
    /// The family of AF_INET, AF_INET6 or AF_UNSPEC.
    pub fn from_number(number: i32) -> Result<Family> {
        match number {
            libc::AF_INET => Ok(Family::Inet),
            libc::AF_INET6 => Ok(Family::Inet6),
            libc::AF_UNSPEC => Ok(Family::Unspec),
            _ => Err(Error::argument(format!("the address family {number} is not AF_INET, AF_INET6 or AF_UNSPEC"))),
        }
    }

    fn includes(self, address: &SocketAddr) -> bool {
        match self {
            Family::Inet => address.is_ipv4(),
            Family::Inet6 => address.is_ipv6(),
            Family::Unspec => true,
        }
    }
}

/// The addresses of `host` in the order in which they should be tried; at least one.
pub fn resolve(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    lookup(host, port, family, deadline)
        .map_err(|error| error.during(Phase::Resolve, format!("look up \"{host}\"")))
}

fn lookup(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    let host = hostname::strip_brackets(host);
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => lookup_in_thread(host.to_string(), port, deadline)?,
    };
    let wanted: Vec<SocketAddr> = found.into_iter().filter(|address| family.includes(address)).collect();
    if wanted.is_empty() {
        let kind = if family == Family::Inet { "IPv4" } else { "IPv6" };
        return Err(Error::new(Code::Resolve, format!("it has no {kind} address")));
    }
    Ok(wanted)
}

/// getaddrinfo cannot be interrupted: a thread of its own runs it, and is abandoned if it takes too long.
fn lookup_in_thread(host: String, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let look_up = move || {
        posix::block_all_signals();
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more if the deadline has passed.
        let _ = sender.send(found);
    };
    // The host's signal handlers must not run on this thread: a garbage collector's would not know it.
    let spawned =
        posix::with_signals_blocked(|| thread::Builder::new().name("bglssl-resolver".into()).spawn(look_up));
    spawned.map_err(|error| Error::io(&error))?;
    let found: io::Result<Vec<SocketAddr>> = match deadline.remaining() {
        None => receiver.recv().map_err(|_| Error::new(Code::Internal, "the resolver's thread died"))?,
        Some(left) => match receiver.recv_timeout(left) {
            Ok(found) => found,
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(Error::timeout()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Error::new(Code::Internal, "the resolver's thread died"));
            }
        },
    };
    found.map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit_once("information: ").map_or(text.as_str(), |(_, reason)| reason);
        Error::new(Code::Resolve, reason)
    })
}
