//! What carries TLS, and what differs between the kinds of it. Nothing here waits.
//!
//! `Transport` moves bytes for OpenSSL: its calls come through the BIO.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        bio_backend::{BioBackend, BioStatus, Method, Question},
        ssl::connection::Ssl,
    },
    types::Medium,
};
use datagram::DatagramTransport;
use endpoint::Endpoint;
use std::{ffi::CStr, io, sync::OnceLock};
use stream::StreamTransport;

pub mod byte_stream;
pub mod carrier;
pub mod channel;
pub mod datagram;
pub mod descriptors;
pub mod dial;
pub mod endpoint;
pub mod opening;
pub mod pumped;
pub mod stream;
pub mod trace;

/// What is under a connection's TLS.
pub enum Transport {
    /// A connected stream.
    Stream(StreamTransport),
    /// Datagrams to and from one peer.
    Datagram(DatagramTransport),
}

/// TLS over a transport.
pub type Tls = Ssl<Transport>;

impl Transport {
    /// Over what a socket was made over.
    pub fn new(medium: Medium, endpoint: &Endpoint) -> Result<Transport> {
        match (medium, endpoint) {
            (Medium::Stream, endpoint) => Ok(Transport::Stream(StreamTransport::new(endpoint.carrier()))),
            (Medium::Datagrams, Endpoint::Descriptor(fd) | Endpoint::Duplicate(fd)) => {
                Ok(Transport::Datagram(DatagramTransport::new(fd.clone())))
            }
            (Medium::Datagrams, Endpoint::Stream(_)) => {
                Err(Error::new(Code::Config, "the config is for DTLS, which needs a datagram socket"))
            }
        }
    }

    /// The datagrams; None for a stream.
    pub fn datagrams(&mut self) -> Option<&mut DatagramTransport> {
        match self {
            Transport::Stream(_) => None,
            Transport::Datagram(datagrams) => Some(datagrams),
        }
    }

    /// Hands what is left to the kernel. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        match self {
            Transport::Stream(stream) => stream.flush(),
            Transport::Datagram(_) => Ok(true),
        }
    }

    /// The failure behind an error of `flush`.
    pub fn send_failure(&self, error: &io::Error) -> Error {
        let known = match self {
            Transport::Stream(stream) => stream.carrier().send_error(),
            Transport::Datagram(_) => None,
        };
        known.cloned().unwrap_or_else(|| Error::io(error))
    }

    /// Flushes where `send_fin` follows at once, which sends the last bytes. Ok(true) if nothing else is left.
    pub fn flush_before_fin(&mut self) -> io::Result<bool> {
        match self {
            Transport::Stream(stream) => stream.flush_before_fin(),
            Transport::Datagram(_) => Ok(true),
        }
    }

    /// Keeps what is written from now on until the next flush, where several messages can make one packet.
    pub fn hold_output(&mut self) {
        if let Transport::Stream(stream) = self {
            stream.hold_output();
        }
    }

    /// Whether what is left need not be flushed yet.
    pub fn postpones_output(&mut self) -> bool {
        self.stream().is_some_and(|stream| stream.postpones_output())
    }

    /// Whether a call that ends leaves that to the next one.
    pub fn postpone_further(&mut self) -> bool {
        self.stream().is_some_and(StreamTransport::postpone_further)
    }

    /// Whether the peer may have received something.
    pub fn has_sent(&self) -> bool {
        match self {
            Transport::Stream(stream) => stream.has_sent(),
            Transport::Datagram(_) => true,
        }
    }

    /// Whether a read can be answered by nothing but the peer's next bytes, or a timer.
    pub fn is_quiet(&self) -> bool {
        match self {
            Transport::Stream(stream) => stream.is_quiet(),
            Transport::Datagram(datagrams) => datagrams.is_quiet(),
        }
    }

    /// Leaves receiving to the caller until `finish_external_receive`. False if that is not possible now.
    pub fn start_external_receive(&mut self) -> bool {
        match self {
            Transport::Stream(stream) => stream.start_external_receive(),
            Transport::Datagram(_) => false,
        }
    }

    /// Whether a thread receives externally.
    pub fn external_receive_pending(&self) -> bool {
        match self {
            Transport::Stream(stream) => stream.external_receive_pending(),
            Transport::Datagram(_) => false,
        }
    }

    /// Takes over what was received externally: so many of `bytes`, or why there are none.
    pub fn finish_external_receive(&mut self, received: io::Result<usize>, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.finish_external_receive(received, bytes),
            Transport::Datagram(_) => received,
        }
    }

    /// The stream; None for datagrams.
    pub fn stream(&mut self) -> Option<&mut StreamTransport> {
        match self {
            Transport::Stream(stream) => Some(stream),
            Transport::Datagram(_) => None,
        }
    }

    /// Receives without TLS what OpenSSL does not get, or not yet.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.receive(buffer),
            Transport::Datagram(datagrams) => datagrams.recv(buffer),
        }
    }

    /// What comes from now on is discarded.
    pub fn end_records(&mut self) {
        if let Some(stream) = self.stream() {
            stream.end_records();
        }
    }

    /// Whether a part of a record has been received, and its end is missing.
    pub fn is_inside_record(&self) -> bool {
        match self {
            Transport::Stream(stream) => stream.is_inside_record(),
            Transport::Datagram(_) => false,
        }
    }

    /// Has the next wait end once several small records are there, and no longer with the first one. False if nobody can be
    /// asked for that.
    pub fn gather_records(&mut self) -> bool {
        match self {
            Transport::Stream(stream) => stream.gather_records(),
            Transport::Datagram(_) => false,
        }
    }

    /// The wait for several records is over.
    pub fn end_gathering(&mut self) {
        if let Transport::Stream(stream) = self {
            stream.end_gathering();
        }
    }

    /// Ends the reading half, on this side only, which wakes the threads that wait for bytes.
    pub fn shut_reading(&mut self) {
        match self {
            Transport::Stream(stream) => stream.shut_reading(),
            Transport::Datagram(datagrams) => datagrams.shut_reading(),
        }
    }

    /// Whether the reading half has been ended on this side. Datagrams do not need to know.
    pub fn is_read_shut(&self) -> bool {
        matches!(self, Transport::Stream(stream) if stream.is_read_shut())
    }

    /// Ends our half of a stream. Datagrams have no such end.
    pub fn send_fin(&mut self) {
        if let Transport::Stream(stream) = self {
            stream.send_fin();
        }
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(&mut self) {
        match self {
            Transport::Stream(stream) => stream.detach(),
            Transport::Datagram(datagrams) => datagrams.detach(),
        }
    }
}

impl BioBackend for Transport {
    const NAME: &'static CStr = c"bglssl transport";

    fn method() -> &'static OnceLock<Method> {
        static METHOD: OnceLock<Method> = OnceLock::new();
        &METHOD
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.read(buffer),
            Transport::Datagram(datagrams) => datagrams.read(buffer),
        }
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Stream(stream) => stream.write(data),
            Transport::Datagram(datagrams) => datagrams.write(data),
        }
    }

    fn waits_to_send(&self) -> bool {
        match self {
            Transport::Stream(stream) => stream.waits_to_send(),
            Transport::Datagram(_) => false,
        }
    }

    fn answer(&self, question: Question) -> usize {
        match self {
            Transport::Stream(stream) => stream.answer(question),
            Transport::Datagram(datagrams) => datagrams.answer(question),
        }
    }

    fn reset_read_budget(&mut self) {
        match self {
            Transport::Stream(stream) => stream.reset_read_budget(),
            Transport::Datagram(datagrams) => datagrams.reset_read_budget(),
        }
    }

    fn suspend_receive(&mut self, suspended: bool) {
        if let Transport::Stream(stream) = self {
            stream.suspend_receive(suspended);
        }
    }

    fn status(&self) -> BioStatus {
        match self {
            Transport::Stream(stream) => stream.status(),
            Transport::Datagram(datagrams) => datagrams.status(),
        }
    }

    fn receive_error(&self) -> Option<Error> {
        match self {
            Transport::Stream(stream) => stream.carrier().receive_error().cloned(),
            Transport::Datagram(_) => None,
        }
    }

    fn not_tls_hint(&self) -> Option<&'static str> {
        match self {
            Transport::Stream(stream) => stream.not_tls_hint(),
            Transport::Datagram(_) => None,
        }
    }
}
