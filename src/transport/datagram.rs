//! A connected datagram descriptor: datagrams are sent and received without waiting.
//!
//! There is no buffer: OpenSSL sends again what the kernel does not take at once, or it is lost, as datagrams are. No
//! failure of the network is fatal: ICMP is not authenticated, and the next datagram may come through. Failures are
//! recorded for the socket, which decides about them.

use crate::{
    ossl::bio_backend::{BioStatus, Question},
    posix,
};
use std::{
    collections::VecDeque,
    io, mem,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// What a path takes whose MTU is not known: all that carries IPv6 takes packets of this size (RFC 8200, section 5).
const SAFE_MTU: usize = 1280;

/// The size of the packets of handshakes: tunnels take some of the usual 1500 bytes, and there are peers (wolfSSL) that read no
/// more, even where the path, such as the loopback, takes it.
const HANDSHAKE_MTU: usize = 1400;

/// What OpenSSL collects before it sends: it would cut a longer datagram of a handshake in two, which no peer can read.
const HANDSHAKE_BUFFER: usize = 4096;

/// How many receives, and how many bytes, one call of OpenSSL may use. OpenSSL discards a forged record and asks for the
/// next datagram, so without these limits a flood would hold the call, and the socket's lock, for as long as it lasts.
/// The bytes matter because to refuse a record of 16 kB can take as long as to refuse a hundred small ones.
const RECEIVES_PER_CALL: usize = 64;
const BYTES_PER_CALL: usize = 64 * 1024;

/// The kinds of records that make a handshake (RFC 5246, section 6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// The descriptor, and what happened on it.
pub struct DatagramTransport {
    /// None once the socket is closed.
    fd: Option<Arc<OwnedFd>>,
    /// The peer, where it has an internet address: what comes from others slipped in before the socket was connected.
    peer: Option<SocketAddr>,
    /// How many bytes of each packet IP and UDP take.
    overhead: usize,
    /// The MTU, if the user has set it.
    fixed_mtu: Option<usize>,
    /// Whether the handshake is complete.
    is_handshaken: bool,
    /// Whether a datagram was larger than the path takes, and was not sent.
    too_large: bool,
    /// Whether the network has said so of an earlier one.
    is_path_narrower: bool,
    /// The errno of the latest send or receive that failed, until it has been reported; or 0.
    network_error: i32,
    /// How many failed since something was last received from the peer.
    failures: u32,
    /// How many receives, and how many bytes, the OpenSSL call under way has left.
    receives_left: usize,
    bytes_left: usize,
    /// How many receives there were since one of them had a result, or other threads got time for the lock.
    receives_without_result: usize,
    /// How many datagrams OpenSSL has sent.
    sent: u64,
    /// Datagrams to read before any of the socket's.
    first: VecDeque<Vec<u8>>,
    /// Whether client hellos are kept from OpenSSL: one of a connected peer begins a new connection.
    divert_hellos: bool,
    /// The latest of those.
    hello: Option<Vec<u8>>,
    /// Whether OpenSSL gets nothing but what belongs to handshakes.
    handshakes_only: bool,
}

impl DatagramTransport {
    /// Over a connected descriptor.
    pub fn new(fd: Arc<OwnedFd>) -> DatagramTransport {
        let peer = posix::peer_address(fd.as_fd()).ok().flatten().map(posix::unmapped);
        DatagramTransport {
            fd: Some(fd),
            peer,
            overhead: match peer {
                Some(SocketAddr::V4(_)) => 20 + 8,
                Some(SocketAddr::V6(_)) => 40 + 8,
                None => 0,
            },
            fixed_mtu: None,
            is_handshaken: false,
            too_large: false,
            is_path_narrower: false,
            network_error: 0,
            failures: 0,
            receives_left: RECEIVES_PER_CALL,
            bytes_left: BYTES_PER_CALL,
            receives_without_result: 0,
            sent: 0,
            first: VecDeque::new(),
            divert_hellos: false,
            hello: None,
            handshakes_only: false,
        }
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd()).ok_or_else(posix::bad_descriptor)
    }

    /// The descriptor, until it is detached.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.fd().ok()
    }

    /// Whether datagrams are there to be received.
    pub fn has_unread(&self) -> bool {
        self.fd().and_then(|fd| posix::peek(fd, &mut [0])).is_ok()
    }

    /// What is known of the connection: failures of datagrams are not among it.
    pub fn status(&self) -> BioStatus {
        BioStatus { read_budget_exhausted: self.read_budget_exhausted(), ..BioStatus::default() }
    }

    /// Whether OpenSSL gets nothing but what belongs to handshakes: all else stays in the kernel, where poll finds it.
    pub fn handshakes_only(&mut self, only: bool) {
        self.handshakes_only = only;
    }

    /// Gives OpenSSL this datagram before any of the socket's.
    pub fn read_first(&mut self, datagram: &[u8]) {
        self.first.push_back(datagram.to_vec());
    }

    /// From now on keeps client hellos from OpenSSL: see `take_hello`.
    pub fn divert_hellos(&mut self) {
        self.divert_hellos = true;
    }

    /// The latest client hello that came over this connection.
    pub fn take_hello(&mut self) -> Option<Vec<u8>> {
        self.hello.take()
    }

    /// The errno of the latest failure of the network, if there were `threshold` of them since something was last received
    /// from the peer; else 0. Each failure is reported once.
    pub fn take_network_error(&mut self, threshold: u32) -> i32 {
        if self.failures < threshold {
            return 0;
        }
        self.failures = 0;
        mem::take(&mut self.network_error)
    }

    /// Whether nothing is to be reported or read before the network has something new.
    pub fn is_quiet(&self) -> bool {
        self.network_error == 0
            && self.hello.is_none()
            && self.first.is_empty()
            && !self.too_large
            && !self.is_path_narrower
    }

    /// A call of OpenSSL begins.
    pub fn reset_read_budget(&mut self) {
        self.receives_left = RECEIVES_PER_CALL;
        self.bytes_left = BYTES_PER_CALL;
    }

    fn call_budget_exhausted(&self) -> bool {
        self.receives_left == 0 || self.bytes_left == 0
    }

    /// Whether other threads should get time for the socket's lock: the latest call of OpenSSL was ended because it had
    /// received so much, or as much has been received by several calls, and nothing came of it.
    fn read_budget_exhausted(&self) -> bool {
        self.call_budget_exhausted() || self.receives_without_result >= RECEIVES_PER_CALL
    }

    /// What has been received had a result, or other threads get time for the lock now.
    pub fn forget_receives(&mut self) {
        self.receives_without_result = 0;
    }

    /// How many datagrams OpenSSL has sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether a datagram was not sent, since the last call, for being larger than the path takes.
    pub fn take_too_large(&mut self) -> bool {
        mem::take(&mut self.too_large)
    }

    /// Whether the path was found, since the last call, to take less than was believed.
    pub fn take_narrower_path(&mut self) -> bool {
        mem::take(&mut self.is_path_narrower) | mem::take(&mut self.too_large)
    }

    /// Fixes the MTU, the size of whole IP packets; None for what the system finds.
    pub fn fix_mtu(&mut self, mtu: Option<usize>) {
        self.fixed_mtu = mtu;
    }

    /// The largest IP packet that the path is believed to take.
    pub fn mtu(&self) -> usize {
        let known = || self.fd().and_then(|fd| posix::path_mtu(fd, self.peer.is_some_and(|p| p.is_ipv6())));
        self.fixed_mtu.unwrap_or_else(|| known().unwrap_or(SAFE_MTU))
    }

    /// How many bytes one datagram can carry on this path, or in a handshake may.
    pub fn path_payload(&self) -> usize {
        let payload = self.payload(self.mtu());
        match self.fixed_mtu {
            _ if self.is_handshaken => payload,
            Some(_) => payload.min(HANDSHAKE_BUFFER),
            None => payload.min(self.payload(HANDSHAKE_MTU)),
        }
    }

    /// The handshake is complete: datagrams may have all that the path takes.
    pub fn end_handshake(&mut self) {
        self.is_handshaken = true;
    }

    /// Ends the reading half, on this side only, which wakes the threads that wait for datagrams.
    pub fn shut_reading(&self) {
        // Fails only if the connection has ended already, which wakes them too.
        let _ = self.fd().and_then(posix::shutdown_read);
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(&mut self) {
        self.fd = None;
    }

    /// Receives one datagram of the peer's; WouldBlock also if the call under way has received as much as it may.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.call_budget_exhausted() {
            if self.handshakes_only && !self.has_handshake(buffer) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (n, from) = match self.fd().and_then(|fd| posix::recv_from(fd, buffer)) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => {
                    // Such an error comes before the datagrams that are there.
                    self.count_receive(0);
                    self.failed(&error);
                    continue;
                }
            };
            self.count_receive(n);
            // Empty ones carry nothing, and are all that a socket has whose reading half is shut down.
            if n == 0 || (self.peer.is_some() && from.is_some() && from != self.peer) {
                continue;
            }
            self.failures = 0;
            let datagram = buffer.get(..n).unwrap_or_default();
            if self.divert_hellos && begins_with_client_hello(datagram) {
                self.hello = Some(datagram.to_vec());
                continue;
            }
            return Ok(n);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn count_receive(&mut self, bytes: usize) {
        self.receives_left = self.receives_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.receives_without_result = self.receives_without_result.saturating_add(1);
    }

    /// Whether the next datagram has only records of a handshake, or is empty. Looks at it in `buffer`.
    fn has_handshake(&mut self, buffer: &mut [u8]) -> bool {
        match self.fd().and_then(|fd| posix::peek(fd, buffer)) {
            Ok(n) => has_only_handshake(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut result = self.fd().and_then(|fd| posix::send(fd, data));
        let errno = result.as_ref().map_or_else(io::Error::raw_os_error, |_| None);
        if let Some(errno @ (libc::ECONNREFUSED | libc::EMSGSIZE)) = errno {
            // That was the answer to an earlier datagram: this one has not been sent.
            self.failed(&io::Error::from_raw_os_error(errno));
            result = self.fd().and_then(|fd| posix::send(fd, data));
        }
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // The system's own queue is full: the datagram is lost as others are on their way.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(data.len()),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.too_large = true;
                Ok(data.len())
            }
            Err(error) => {
                self.failed(&error);
                Ok(data.len())
            }
            Ok(_) => {
                self.sent = self.sent.wrapping_add(1);
                Ok(data.len())
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        match error.raw_os_error() {
            // A router's answer to an earlier datagram.
            Some(libc::EMSGSIZE) => self.is_path_narrower = true,
            errno => {
                self.network_error = errno.unwrap_or(libc::EIO);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    /// Receives for OpenSSL.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(first) = self.first.pop_front() else {
            return self.recv(buffer);
        };
        for (to, from) in buffer.iter_mut().zip(&first) {
            *to = *from;
        }
        Ok(first.len().min(buffer.len()))
    }

    /// Sends for OpenSSL.
    pub fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send(data)
    }

    /// Answers a question of OpenSSL's.
    pub fn answer(&self, question: Question) -> usize {
        match question {
            Question::Eof | Question::Unsent => 0,
            Question::PathPayload => self.path_payload(),
            Question::FallbackPayload => self.payload(SAFE_MTU.min(self.mtu())),
            Question::PacketOverhead => self.overhead,
        }
    }

    fn payload(&self, mtu: usize) -> usize {
        mtu.saturating_sub(self.overhead)
    }
}

/// Whether a datagram begins with the plaintext record of the first fragment of a client hello.
fn begins_with_client_hello(datagram: &[u8]) -> bool {
    matches!(datagram, [HANDSHAKE, 254, _, 0, 0, _, _, _, _, _, _, _, _, 1, _, _, _, _, _, 0, 0, 0, ..])
}

/// Whether a datagram has no other records than those of a handshake. OpenSSL leaves out what is no record.
fn has_only_handshake(mut datagram: &[u8]) -> bool {
    while let [kind, _, _, _, _, _, _, _, _, _, _, high, low, rest @ ..] = datagram {
        if !matches!(*kind, CHANGE_CIPHER_SPEC | HANDSHAKE) {
            return false;
        }
        datagram = rest.get(usize::from(*high) << 8 | usize::from(*low)..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 7, 0, body.len() as u8], body].concat()
    }

    #[test]
    fn data_anywhere_in_a_datagram_are_seen() {
        let (handshake, change, alert, data) =
            (record(22, b"hello"), record(20, &[1]), record(21, &[1, 0]), record(23, b"data"));
        for (datagram, is_handshake) in [
            (handshake.clone(), true),
            ([handshake.clone(), change.clone(), handshake.clone()].concat(), true),
            ([handshake.as_slice(), b"junk"].concat(), true),
            (handshake[..15].to_vec(), true),
            (data.clone(), false),
            ([handshake.clone(), data].concat(), false),
            ([change, alert].concat(), false),
        ] {
            assert_eq!(has_only_handshake(&datagram), is_handshake, "{datagram:?}");
        }
    }
}
