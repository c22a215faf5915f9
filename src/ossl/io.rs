//! What is under a connection's TLS: a stream or datagrams.

use std::{io, ptr::NonNull};

use super::{datagram_bio, fd_bio};

/// Where it lives: in the BIO, which the SSL owns.
pub enum IoPointer {
    /// A stream.
    Stream(NonNull<fd_bio::State>),
    /// Datagrams.
    Datagram(NonNull<datagram_bio::State>),
}

/// The same while nobody else uses it.
pub enum Io<'a> {
    /// A stream.
    Stream(&'a mut fd_bio::State),
    /// Datagrams.
    Datagram(&'a mut datagram_bio::State),
}

impl Io<'_> {
    /// Hands what is left to the kernel. Ok(true) if nothing is left.
    pub fn flush(self) -> io::Result<bool> {
        match self {
            Io::Stream(stream) => stream.flush(),
            Io::Datagram(_) => Ok(true),
        }
    }

    /// The errno of the first receive that failed for good, or 0.
    pub fn recv_errno(self) -> i32 {
        match self {
            Io::Stream(stream) => stream.recv_errno(),
            Io::Datagram(_) => 0,
        }
    }

    /// The errno of the first send that failed for good, or 0.
    pub fn send_errno(self) -> i32 {
        match self {
            Io::Stream(stream) => stream.send_errno(),
            Io::Datagram(_) => 0,
        }
    }

    /// Whether the peer has ended its half of the stream.
    pub fn eof(self) -> bool {
        match self {
            Io::Stream(stream) => stream.eof(),
            Io::Datagram(_) => false,
        }
    }

    /// Whether the peer may have got something from us.
    pub fn has_sent(&self) -> bool {
        match self {
            Io::Stream(stream) => stream.has_sent(),
            Io::Datagram(_) => true,
        }
    }

    /// Whether nothing but the peer's next bytes, or a timer, can be the answer to a read.
    pub fn is_quiet(&self) -> bool {
        match self {
            Io::Stream(stream) => stream.is_quiet(),
            Io::Datagram(datagrams) => datagrams.is_quiet(),
        }
    }

    /// Whether bytes are here that were received outside.
    pub fn has_buffered_input(&self) -> bool {
        match self {
            Io::Stream(stream) => stream.has_buffered_input(),
            Io::Datagram(_) => false,
        }
    }

    /// Leaves receiving to the caller until `finish_external_receive`. False if that cannot be.
    pub fn start_external_receive(self) -> bool {
        match self {
            Io::Stream(stream) => stream.start_external_receive(),
            Io::Datagram(_) => false,
        }
    }

    /// Whether somebody receives outside.
    pub fn external_receive_pending(&self) -> bool {
        match self {
            Io::Stream(stream) => stream.external_receive_pending(),
            Io::Datagram(_) => false,
        }
    }

    /// Whether nothing is received from now on, whatever there is.
    pub fn suspend_receive(self, receive_suspended: bool) {
        if let Io::Stream(stream) = self {
            stream.suspend_receive(receive_suspended);
        }
    }

    /// Takes over what was received outside: so many of `bytes`, or why there are none.
    pub fn finish_external_receive(self, received: io::Result<usize>, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Io::Stream(stream) => stream.finish_external_receive(received, bytes),
            Io::Datagram(_) => received,
        }
    }

    /// A call of OpenSSL's begins.
    pub fn reset_read_budget(self) {
        match self {
            Io::Stream(stream) => stream.reset_read_budget(),
            Io::Datagram(datagrams) => datagrams.reset_read_budget(),
        }
    }

    /// Whether the latest call of OpenSSL's read so much that it was ended.
    pub fn read_budget_exhausted(&self) -> bool {
        match self {
            Io::Stream(stream) => stream.read_budget_exhausted(),
            Io::Datagram(datagrams) => datagrams.read_budget_exhausted(),
        }
    }

    /// Reads past TLS, to drain what nobody wants any more.
    pub fn recv(self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Io::Stream(stream) => stream.recv(buffer),
            Io::Datagram(datagrams) => datagrams.recv(buffer),
        }
    }

    /// Our own reading half is about to be shut down.
    pub fn shut_reading(self) {
        if let Io::Stream(stream) = self {
            stream.shut_reading();
        }
    }

    /// What the peer seems to speak, if its first bytes are no TLS record.
    pub fn not_tls_hint(self) -> Option<&'static str> {
        match self {
            Io::Stream(stream) => stream.not_tls_hint(),
            Io::Datagram(_) => None,
        }
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(self) {
        match self {
            Io::Stream(stream) => stream.detach(),
            Io::Datagram(datagrams) => datagrams.detach(),
        }
    }
}
