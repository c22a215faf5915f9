//! How the descriptors under new connections come about: connecting to a host, and taking over a program's own descriptor.

use crate::{
    error::{Code, Error, Phase, Result},
    net::{
        connect::{self, host_port},
        deadline::Deadline,
        resolve::Family,
    },
    posix,
    types::Medium,
};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    vec,
};

use super::endpoint::Endpoint;

/// Descriptors for datagrams to a host, one address after the other. Datagrams do not show whether anybody listens: the
/// handshake finds out.
pub struct DatagramDialer {
    /// Those that are still to be tried.
    addresses: vec::IntoIter<SocketAddr>,
    /// What to call the peer.
    peer: String,
}

/// A descriptor to try a handshake on.
pub struct Attempt {
    /// Bound to the peer.
    pub fd: Result<OwnedFd>,
    /// How many other addresses there are still to be tried.
    pub others: usize,
}

impl DatagramDialer {
    /// Looks the host up.
    pub fn new(host: &str, port: u16, family: Family, deadline: Deadline) -> Result<DatagramDialer> {
        let addresses = connect::candidates(host, port, family, deadline)?.into_iter();
        Ok(DatagramDialer { addresses, peer: host_port(host, port) })
    }
}

impl Iterator for DatagramDialer {
    type Item = Attempt;

    fn next(&mut self) -> Option<Attempt> {
        let address = self.addresses.next()?;
        let fd = posix::connect_datagrams(&address)
            .map_err(|error| Error::io(&error).during(Phase::Connect, format_args!("connect to {}", self.peer)));
        Some(Attempt { fd, others: self.addresses.len() })
    }
}

/// Small records need not wait for more. Desirable, but no reason to fail.
pub fn send_at_once(fd: &OwnedFd) {
    let _ = posix::set_no_delay(fd.as_fd());
}

/// A duplicate of a program's connected descriptor, and its peer's address where it has an IP address.
pub fn duplicate(medium: Medium, fd: i32) -> Result<(Endpoint, Option<SocketAddr>)> {
    posix::duplicate_socket(fd, medium == Medium::Datagrams)
        // A socket that was never connected would look like one whose peer has closed.
        .and_then(|copy| {
            posix::connected_peer(copy.as_fd()).map(|peer| (Endpoint::Duplicate(Arc::new(copy)), peer))
        })
        .map_err(|error| unusable(medium, fd, &error))
}

/// A duplicate of a program's descriptor that takes clients: it listens or, for datagrams, is bound.
pub fn duplicate_listening(medium: Medium, fd: i32) -> Result<OwnedFd> {
    let copy =
        posix::duplicate_socket(fd, medium == Medium::Datagrams).map_err(|error| unusable(medium, fd, &error))?;
    let is_ready = match medium {
        Medium::Stream => posix::is_listening(copy.as_fd()),
        Medium::Datagrams => posix::is_bound_only(copy.as_fd()),
    };
    match (is_ready.map_err(|error| unusable(medium, fd, &error))?, medium) {
        (true, _) => Ok(copy),
        (false, Medium::Stream) => Err(Error::argument(format!("descriptor {fd} does not listen (see listen(2))"))),
        (false, Medium::Datagrams) => Err(Error::argument(format!(
            "descriptor {fd} must be bound to an IP address and a port (see bind(2)), and not connected"
        ))),
    }
}

fn unusable(medium: Medium, fd: i32, error: &io::Error) -> Error {
    match (error.raw_os_error(), medium) {
        (Some(libc::EPROTOTYPE), Medium::Datagrams) => Error::new(
            Code::Unsupported,
            format!("DTLS needs datagrams, and descriptor {fd} is no datagram socket"),
        ),
        _ => Error::io(error).context(format_args!("TLS cannot use descriptor {fd}")),
    }
}
