//! The descriptor BIO: how OpenSSL reads and writes a socket without ever waiting and without SIGPIPE.
//!
//! It never relies on O_NONBLOCK (hosts toggle that behind our back). What the kernel does not take at once stays in
//! `outgoing`, and OpenSSL believes it sent: so a record is never half written as far as OpenSSL knows, and a write
//! that timed out leaves the TLS stream whole. The socket flushes `outgoing` before it gives OpenSSL more data, and
//! nothing is read while more than `MAX_UNSENT` is left, which bounds it to that, or to one flight of a handshake.

use crate::{error::Result, posix};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_long},
    io,
    os::fd::RawFd,
    sync::OnceLock,
};

use super::{
    custom_bio::{CustomBio, Method, Transport, borrow},
    sys,
};

/// How much one call of OpenSSL's gets to read. A call that makes something of what it reads, or has a whole message of
/// a handshake to collect, ends before; one that is flooded with key updates, say, would not, and keeps the lock.
const READ_BUDGET: usize = 128 * 1024;

/// How many of our answers may wait for a peer that reads nothing, but goes on asking, before it is not listened to.
const MAX_UNSENT: usize = 64 * 1024;

/// How messages of HTTP begin: answers, the requests of RFC 9110 and RFC 5789, and HTTP/2.
const HTTP: [&str; 11] =
    ["HTTP/", "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "TRACE ", "PRI * "];

/// What the BIO knows: the descriptor, bytes not yet sent, and how the last system calls went.
pub struct State {
    /// None once the socket is closed.
    fd: Option<RawFd>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` has been sent.
    sent: usize,
    /// What was received outside, and not yet read.
    incoming: Vec<u8>,
    /// Whether anything was sent.
    has_sent: bool,
    /// Whether somebody receives outside: what others received meanwhile would overtake that.
    external_receive_pending: bool,
    /// Whether nothing is received, whatever there is.
    receive_suspended: bool,
    /// The errno of the first recv that failed for good, or 0.
    recv_errno: i32,
    /// The errno of the first send that failed for good, or 0. OpenSSL is not told: what the peer has sent before is
    /// still to be read. From then on everything written is dropped, and `flush` tells.
    send_errno: i32,
    /// The peer has ended its half of the stream.
    eof: bool,
    /// Our own reading half has been shut down: an empty queue is not the peer's end.
    reading_shut: bool,
    /// The first bytes that the peer sent, which tell whether it speaks TLS at all.
    first: [u8; 8],
    received: usize,
    /// How much more OpenSSL gets to read in the call under way.
    read_budget: usize,
}

impl State {
    fn new(fd: RawFd) -> State {
        State {
            fd: Some(fd),
            outgoing: Vec::new(),
            sent: 0,
            incoming: Vec::new(),
            has_sent: false,
            external_receive_pending: false,
            receive_suspended: false,
            recv_errno: 0,
            send_errno: 0,
            eof: false,
            reading_shut: false,
            first: [0; 8],
            received: 0,
            read_budget: READ_BUDGET,
        }
    }

    /// The errno of the first recv that failed for good, or 0.
    pub fn recv_errno(&self) -> i32 {
        self.recv_errno
    }

    /// The errno of the first send that failed for good, or 0.
    pub fn send_errno(&self) -> i32 {
        self.send_errno
    }

    /// Whether the peer has ended its half of the stream.
    pub fn eof(&self) -> bool {
        self.eof
    }

    /// Whether the peer may have got something from us.
    pub fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// Whether nothing is left to send or to read, and nothing has ended.
    pub fn is_quiet(&self) -> bool {
        self.outgoing.is_empty()
            && self.incoming.is_empty()
            && !self.eof
            && self.recv_errno == 0
            && self.send_errno == 0
    }

    /// Whether bytes are here that were received outside.
    pub fn has_buffered_input(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Leaves receiving to the caller, who waits for the peer outside all locks, until `finish_external_receive`. False if there
    /// is nothing to wait for, or somebody else waits already.
    pub fn start_external_receive(&mut self) -> bool {
        let begins = !self.external_receive_pending && !self.reading_shut && self.is_quiet();
        self.external_receive_pending |= begins;
        begins
    }

    /// Whether somebody receives outside.
    pub fn external_receive_pending(&self) -> bool {
        self.external_receive_pending
    }

    /// Whether nothing is received from now on, whatever there is.
    pub fn suspend_receive(&mut self, receive_suspended: bool) {
        self.receive_suspended = receive_suspended;
    }

    /// Takes over what was received outside: so many of `bytes`, or why there are none.
    pub fn finish_external_receive(&mut self, received: io::Result<usize>, bytes: &[u8]) -> io::Result<usize> {
        self.external_receive_pending = false;
        let n = self.note(received, bytes)?;
        self.incoming.extend_from_slice(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// A call of OpenSSL's begins.
    pub fn reset_read_budget(&mut self) {
        self.read_budget = READ_BUDGET;
    }

    /// Whether the latest call of OpenSSL's read so much that it was ended.
    pub fn read_budget_exhausted(&self) -> bool {
        self.read_budget == 0
    }

    fn unsent(&self) -> usize {
        self.outgoing.len().saturating_sub(self.sent)
    }

    /// Hands as much of `outgoing` to the kernel as it takes. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        if self.send_errno != 0 {
            return Err(io::Error::from_raw_os_error(self.send_errno));
        }
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.send(rest) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => {
                    self.send_failed(&error);
                    return Err(error);
                }
            }
        }
        // Idle connections hold no buffer.
        self.drop_outgoing();
        Ok(true)
    }

    fn drop_outgoing(&mut self) {
        self.outgoing = Vec::new();
        self.sent = 0;
    }

    fn send_failed(&mut self, error: &io::Error) {
        self.send_errno = error.raw_os_error().unwrap_or(libc::EIO);
        self.drop_outgoing();
    }

    /// Reads past TLS, to drain what nobody wants any more.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_buffered_input() {
            return Ok(self.take_incoming(buffer));
        }
        if self.external_receive_pending || self.receive_suspended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.recv_errno != 0 {
            return Err(io::Error::from_raw_os_error(self.recv_errno));
        }
        let received = borrow(self.fd).and_then(|fd| posix::recv(fd, buffer));
        self.note(received, buffer)
    }

    fn take_incoming(&mut self, buffer: &mut [u8]) -> usize {
        let n = self.incoming.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), self.incoming.get(..n)) {
            to.copy_from_slice(from);
        }
        self.incoming.drain(..n);
        // Idle connections hold no buffer.
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        n
    }

    /// Learns from how a receive into `buffer` went.
    fn note(&mut self, received: io::Result<usize>, buffer: &[u8]) -> io::Result<usize> {
        match received {
            Ok(0) if self.reading_shut && borrow(self.fd).is_ok_and(|fd| !posix::peer_has_ended(fd)) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Ok(0) if !buffer.is_empty() => {
                self.eof = true;
                Ok(0)
            }
            Ok(n) => {
                self.record_first_bytes(buffer.get(..n).unwrap_or_default());
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                self.recv_errno = error.raw_os_error().unwrap_or(libc::EIO);
                Err(error)
            }
        }
    }

    /// Our own reading half is about to be shut down.
    pub fn shut_reading(&mut self) {
        self.reading_shut = true;
    }

    fn record_first_bytes(&mut self, got: &[u8]) {
        let room = self.first.get_mut(self.received..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(got) {
            *to = *from;
        }
        self.received = self.received.saturating_add(got.len());
    }

    /// What the peer seems to speak, if its first bytes are no TLS record.
    pub fn not_tls_hint(&self) -> Option<&'static str> {
        let first = self.first.get(..self.received.min(self.first.len())).unwrap_or_default();
        // OpenSSL may have asked for the five bytes of a record's header only.
        let starts = |words: &[&str]| {
            let enough = |word: &&&str| first.len() >= word.len().min(5);
            words.iter().filter(enough).any(|word| first.iter().zip(word.bytes()).all(|(got, byte)| *got == byte))
        };
        match first {
            [] | [20..=23, 3, ..] | [20..=23] => None,
            [_, 3, 0..=4, ..] => Some("the peer's first bytes look like a TLS record of an unknown type"),
            _ if starts(&HTTP) => Some("the peer does not speak TLS: it looks like HTTP"),
            _ if starts(&["220", "+OK", "* OK"]) => {
                Some("the peer does not speak TLS yet: it looks like a mail or FTP server's greeting (STARTTLS?)")
            }
            _ if starts(&["SSH-"]) => Some("the peer does not speak TLS: it looks like SSH"),
            _ => Some("the peer does not speak TLS"),
        }
    }

    /// Sends what the kernel takes of `data`, and keeps the rest.
    fn take(&mut self, data: &[u8]) {
        if self.send_errno != 0 {
            return;
        }
        self.has_sent = true;
        let mut taken = 0;
        if self.outgoing.is_empty() {
            match self.send(data) {
                Ok(n) => taken = n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.send_failed(&error),
            }
        }
        self.outgoing.extend_from_slice(data.get(taken..).unwrap_or_default());
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        borrow(self.fd).and_then(|fd| posix::send(fd, data))
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(&mut self) {
        self.fd = None;
        self.drop_outgoing();
    }
}

/// A BIO over `fd`, which must stay open until `State::detach` or until the BIO is freed.
pub fn new(fd: RawFd) -> Result<CustomBio<State>> {
    CustomBio::new(State::new(fd))
}

impl Transport for State {
    const NAME: &'static CStr = c"bglssl descriptor";

    fn method() -> &'static OnceLock<Option<Method>> {
        static METHOD: OnceLock<Option<Method>> = OnceLock::new();
        &METHOD
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unsent() > MAX_UNSENT {
            // How it failed is told by the socket's next flush.
            let _ = self.flush();
        }
        if self.waits_to_send() || self.read_budget_exhausted() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.recv(buffer)?;
        self.read_budget = self.read_budget.saturating_sub(n);
        Ok(n)
    }

    fn waits_to_send(&self) -> bool {
        self.unsent() > MAX_UNSENT
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.take(data);
        Ok(data.len())
    }

    fn control(&mut self, command: c_int) -> c_long {
        match command {
            ffi::BIO_CTRL_EOF => c_long::from(self.eof),
            // The socket flushes; OpenSSL only has to believe it.
            ffi::BIO_CTRL_FLUSH | sys::BIO_CTRL_DUP => 1,
            sys::BIO_CTRL_WPENDING => self.unsent() as c_long,
            _ => 0,
        }
    }
}
