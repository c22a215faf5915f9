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
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    vec,
};

/// Connects to a host, once or to one address after the other.
pub enum Dialer {
    /// A stream to the first address that answered.
    Connected(Option<OwnedFd>),
    /// Datagrams do not tell whether anybody listens: the handshake finds out, address after address.
    Addresses {
        /// Those that are still to be tried.
        addresses: vec::IntoIter<SocketAddr>,
        /// What to call the peer.
        peer: String,
    },
}

/// A descriptor to try a handshake on.
pub struct Attempt {
    /// Connected, or for datagrams bound to the peer.
    pub fd: Result<OwnedFd>,
    /// How many other addresses there are still to be tried.
    pub others: usize,
}

impl Dialer {
    /// Looks the host up, and connects, where that is done before the handshake.
    pub fn new(medium: Medium, host: &str, port: u16, family: Family, deadline: Deadline) -> Result<Dialer> {
        Ok(match medium {
            Medium::Stream => {
                let fd = connect::connect(host, port, family, deadline)?;
                // Desirable, but no reason to fail.
                let _ = posix::set_no_delay(fd.as_fd());
                Dialer::Connected(Some(fd))
            }
            Medium::Datagrams => {
                let addresses = connect::candidates(host, port, family, deadline)?.into_iter();
                Dialer::Addresses { addresses, peer: host_port(host, port) }
            }
        })
    }
}

impl Iterator for Dialer {
    type Item = Attempt;

    fn next(&mut self) -> Option<Attempt> {
        match self {
            Dialer::Connected(fd) => fd.take().map(|fd| Attempt { fd: Ok(fd), others: 0 }),
            Dialer::Addresses { addresses, peer } => {
                let address = addresses.next()?;
                let fd = posix::connect_datagrams(&address)
                    .map_err(|error| Error::io(&error).during(Phase::Connect, format_args!("connect to {peer}")));
                Some(Attempt { fd, others: addresses.len() })
            }
        }
    }
}

/// A duplicate of a program's connected descriptor, and its peer's address where it has one of the internet.
pub fn duplicate(medium: Medium, fd: i32) -> Result<(OwnedFd, Option<SocketAddr>)> {
    posix::duplicate_socket(fd, medium == Medium::Datagrams)
        // A socket that was never connected would look like one whose peer has closed.
        .and_then(|copy| posix::connected_peer(copy.as_fd()).map(|peer| (copy, peer)))
        .map_err(|error| match (error.raw_os_error(), medium) {
            (Some(libc::EPROTOTYPE), Medium::Datagrams) => Error::new(
                Code::Unsupported,
                format!("DTLS needs datagrams, and descriptor {fd} is no datagram socket"),
            ),
            _ => Error::io(&error).context(format_args!("TLS cannot use descriptor {fd}")),
        })
}
