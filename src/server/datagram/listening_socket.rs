//! The socket on which a server takes the datagrams of clients that have no connection yet, and those that are bound
//! beside it.

use crate::{
    error::{Code, Error, Result},
    posix::{self, PortSharing},
};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use super::peers::Ends;

/// Longer hellos than this, the most that fits into a record and its headers, are not read.
pub const HELLO_LENGTH: usize = 16 * 1024 + 25;

/// How many datagrams are taken from a socket that was bound beside the listener and not yet connected. The rest is
/// lost, and is sent again by its clients.
const DATAGRAMS_BEFORE_CONNECT: usize = 32;

/// How many network errors in a row, caused by datagrams that were sent before, accept ignores.
const NETWORK_ERRORS_IN_A_ROW: u32 = 256;

/// The socket.
pub struct ListeningSocket {
    fd: OwnedFd,
    /// What its options are when no socket is bound beside it.
    sharing: PortSharing,
    address: SocketAddr,
    /// Held while a peer's socket is bound beside this one.
    binding: Mutex<()>,
    /// Since the last datagram.
    network_errors: AtomicU32,
}

impl ListeningSocket {
    /// Over a bound socket.
    pub fn new(fd: OwnedFd) -> Result<ListeningSocket> {
        let address = posix::local_address(fd.as_fd()).map_err(|error| Error::io(&error))?;
        let address = address.ok_or_else(|| Error::new(Code::Internal, "a listening socket without an address"))?;
        let sharing = PortSharing::of(fd.as_fd()).map_err(|error| Error::io(&error))?;
        Ok(ListeningSocket { fd, sharing, address, binding: Mutex::new(()), network_errors: AtomicU32::new(0) })
    }

    /// The address that it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receives a datagram without waiting; None if there is none, or the network has reported an error about a client.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<(&'a [u8], Ends)>> {
        let received = match posix::recv_with_destination(self.fd.as_fd(), buffer) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if self.is_about_a_client(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.network_errors.store(0, Relaxed);
        let local = posix::local_end(received.to, self.address.port(), received.interface);
        let datagram = buffer.get(..received.len).unwrap_or_default();
        Ok(Some((datagram, Ends { peer: received.from, local })))
    }

    /// Whether an error of the listening socket is the network's answer to a datagram that a client did not wait for. Each
    /// is reported once; if one were reported each time, accept would loop without waiting.
    fn is_about_a_client(&self, error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH))
            && self.network_errors.fetch_add(1, Relaxed) < NETWORK_ERRORS_IN_A_ROW
    }

    /// Sends a datagram from one of its addresses to a client.
    pub fn send(&self, datagram: &[u8], ends: &Ends) -> io::Result<()> {
        posix::send_from(self.fd.as_fd(), datagram, &ends.local, &ends.peer).map(drop)
    }

    /// A socket that is bound beside this one and connected to the peer.
    pub fn connect_beside(&self, ends: &Ends) -> io::Result<OwnedFd> {
        let _binding = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        posix::connect_beside(self.fd.as_fd(), self.sharing, &ends.local, &ends.peer)
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes what came between the socket's bind and its connect, also for others, and so never reached the listener.
pub fn receive_early(fd: &OwnedFd, local: SocketAddr, early: &mut VecDeque<(Vec<u8>, Ends)>) {
    let mut buffer = [0u8; HELLO_LENGTH];
    for _ in early.len()..DATAGRAMS_BEFORE_CONNECT {
        let Ok((len, from)) = posix::recv_from(fd.as_fd(), &mut buffer) else {
            return;
        };
        if let Some(peer) = from {
            early.push_back((buffer.get(..len).unwrap_or_default().to_vec(), Ends { peer, local }));
        }
    }
}
