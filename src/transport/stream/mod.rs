//! A connected stream descriptor: read and written without waiting and without SIGPIPE.
//!
//! It does not rely on O_NONBLOCK, which the program may change at any time. What the kernel does not take at once stays in
//! `outgoing`, and OpenSSL takes it for sent: so for OpenSSL a record is never half written, and a write that timed out
//! leaves the TLS stream intact. The socket flushes `outgoing` before it gives OpenSSL more data, and nothing is read
//! while more than `MAX_UNSENT` is left, which bounds it to that, or to one flight of a handshake.

mod first_bytes;
mod record_framing;
mod record_wait;

use crate::{
    byte_queue::ByteQueue,
    ossl::bio_backend::{BioStatus, Question},
};
use first_bytes::FirstBytes;
use record_wait::RecordWait;
use std::io;

use super::carrier::Carrier;

/// Upper bound of the bytes that one OpenSSL call may read, so that a flood of records without application data cannot keep
/// the lock. A call that reads application data, or a whole handshake message, ends before.
const READ_BUDGET: usize = 128 * 1024;

/// How many bytes are received at once beyond what OpenSSL asks for, which is the header of a record and then the rest of it:
/// one record, or a flight of a handshake. OpenSSL could read ahead by itself, but since 3.2 it does not in handshakes.
const READ_AHEAD: usize = 17 * 1024;

/// How many bytes of answers may wait for a peer that sends requests (key updates) without reading. Beyond that nothing
/// more is received from it.
const MAX_UNSENT: usize = 64 * 1024;

/// How many calls leave output to the next message: the handshake, and the read of what a response may follow.
const POSTPONING_CALLS: u8 = 2;

/// The carrier, bytes not yet sent or not yet read, and how the last system calls went.
pub struct StreamTransport {
    pub(super) carrier: Carrier,
    pub(super) outgoing: ByteQueue,
    /// Whether what OpenSSL writes is kept until the next flush, so that it goes out at once.
    holds_output: bool,
    /// For how many more calls output may stay unsent, to go with the next message; it is sent before a wait in any case. None:
    /// it is not postponed.
    postponed: Option<u8>,
    /// What was received externally or ahead, and not yet read.
    pub(super) incoming: ByteQueue,
    /// Whether all that has come is received, rather than what OpenSSL asks for.
    reads_ahead: bool,
    /// Whether anything was sent.
    has_sent: bool,
    has_sent_fin: bool,
    /// While one thread is blocked in recv, no other thread may receive: bytes received later must not overtake the
    /// earlier ones.
    pub(super) external_receive_pending: bool,
    /// Whether nothing is received, whatever there is.
    receive_suspended: bool,
    /// The errno of the first recv that failed for good, or 0.
    pub(super) recv_errno: i32,
    /// The errno of the first send that failed for good, or 0. OpenSSL does not learn of it: what the peer has sent
    /// before is still to be read. From then on everything written is dropped, and `flush` reports it.
    pub(super) send_errno: i32,
    /// The peer has ended its half of the stream.
    pub(super) eof: bool,
    /// Our own reading half has been shut down: an empty queue is not the peer's end.
    pub(super) reading_shut: bool,
    first_bytes: FirstBytes,
    /// How many bytes have been received so far.
    received: u64,
    /// How many bytes the OpenSSL call in progress may still read.
    read_budget: usize,
    record_wait: RecordWait,
}

impl StreamTransport {
    /// Through `carrier`.
    pub fn new(carrier: Carrier) -> StreamTransport {
        StreamTransport {
            carrier,
            outgoing: ByteQueue::default(),
            holds_output: false,
            postponed: None,
            incoming: ByteQueue::default(),
            reads_ahead: true,
            has_sent: false,
            has_sent_fin: false,
            external_receive_pending: false,
            receive_suspended: false,
            recv_errno: 0,
            send_errno: 0,
            eof: false,
            reading_shut: false,
            first_bytes: FirstBytes::default(),
            received: 0,
            read_budget: READ_BUDGET,
            record_wait: RecordWait::default(),
        }
    }

    /// What the bytes go through.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Whether a part of a record has been received, and its end is missing.
    pub fn is_inside_record(&self) -> bool {
        self.record_wait.is_inside_record()
    }

    /// Has the next wait end once several small records are there. False if that cannot be asked for.
    pub fn gather_records(&mut self) -> bool {
        self.is_quiet() && self.record_wait.gather(&self.carrier)
    }

    /// The wait for several records is over.
    pub fn end_gathering(&mut self) {
        self.record_wait.found_nothing(&self.carrier);
    }

    /// What is known of the connection.
    pub fn status(&self) -> BioStatus {
        BioStatus {
            eof: self.eof,
            recv_errno: self.recv_errno,
            send_errno: self.send_errno,
            has_buffered_input: !self.incoming.is_empty(),
            read_budget_exhausted: self.read_budget == 0,
        }
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

    /// Leaves receiving to the caller, who waits for the peer outside all locks, until `finish_external_receive`. False if
    /// there is nothing to wait for, or another thread waits already, or so much is expected that copying it would cost more
    /// than the system call that is saved.
    pub fn start_external_receive(&mut self) -> bool {
        let starts = !self.external_receive_pending
            && !self.reading_shut
            && !self.carrier.is_pumped()
            && !self.record_wait.is_worthwhile()
            && self.is_quiet();
        self.external_receive_pending |= starts;
        starts
    }

    /// Whether a thread receives externally.
    pub fn external_receive_pending(&self) -> bool {
        self.external_receive_pending
    }

    /// Whether nothing is received until further notice, whatever there is.
    pub fn suspend_receive(&mut self, suspended: bool) {
        self.receive_suspended = suspended;
    }

    /// Takes over what was received externally: so many of `bytes`, or why there are none.
    pub fn finish_external_receive(&mut self, received: io::Result<usize>, bytes: &[u8]) -> io::Result<usize> {
        self.external_receive_pending = false;
        let n = self.record_receive(received, bytes)?;
        self.incoming.push(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// Takes out what was received, and not yet read.
    pub fn take_unread(&mut self) -> Vec<u8> {
        let mut unread = vec![0; self.incoming.len()];
        self.incoming.take(&mut unread);
        unread
    }

    /// An OpenSSL call begins.
    pub fn reset_read_budget(&mut self) {
        self.read_budget = READ_BUDGET;
    }

    /// How many bytes have been received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes wait to be sent.
    pub fn unsent(&self) -> usize {
        self.outgoing.len() + self.carrier.in_transit()
    }

    /// Keeps what OpenSSL writes from now on until the next flush: several messages make one packet.
    pub fn hold_output(&mut self) {
        self.holds_output = true;
    }

    /// Leaves what is held to the next message. It is sent before the next wait otherwise. False if it must be sent now.
    pub fn postpone_output(&mut self) -> bool {
        let may_wait = !self.outgoing.is_empty() && !self.carrier.is_pumped();
        self.postponed = may_wait.then_some(POSTPONING_CALLS);
        self.holds_output &= !may_wait;
        may_wait
    }

    /// Whether the peer has sent something that is still to be read.
    pub fn has_input(&self) -> bool {
        !self.incoming.is_empty() || self.carrier.has_input()
    }

    /// Whether what is left need not be flushed yet.
    pub fn postpones_output(&self) -> bool {
        self.postponed.is_some()
    }

    /// Whether a call that ends leaves that to the next one.
    pub fn postpone_further(&mut self) -> bool {
        self.postponed = self.postponed.and_then(|calls| calls.checked_sub(1));
        self.postponed.is_some()
    }

    /// The next message follows, with which it is sent.
    pub fn end_postponing(&mut self) -> bool {
        self.postponed.take().is_some()
    }

    /// Whether the peer has not got yet what it is to answer.
    fn holds_question(&self) -> bool {
        self.holds_output && !self.outgoing.is_empty() && self.incoming.is_empty()
    }

    /// Hands as much of `outgoing` to the kernel as it takes. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        self.flush_with(false)
    }

    /// Flushes where `send_fin` follows at once, which sends the last bytes. Ok(true) if nothing else is left.
    pub fn flush_before_fin(&mut self) -> io::Result<bool> {
        self.flush_with(!self.reading_shut)
    }

    fn flush_with(&mut self, before_fin: bool) -> io::Result<bool> {
        self.holds_output = false;
        self.postponed = None;
        if self.send_errno != 0 {
            return Err(io::Error::from_raw_os_error(self.send_errno));
        }
        while !self.outgoing.is_empty() {
            match self.carrier.send(self.outgoing.rest(), before_fin) {
                Ok(n) => self.outgoing.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => {
                    self.send_failed(&error);
                    return Err(error);
                }
            }
        }
        // Idle connections hold no buffer.
        self.outgoing.clear();
        Ok(self.carrier.in_transit() == 0)
    }

    pub(super) fn send_failed(&mut self, error: &io::Error) {
        self.send_errno = error.raw_os_error().unwrap_or(libc::EIO);
        self.outgoing.clear();
    }

    /// What comes from now on is discarded: it need not be records.
    pub fn end_records(&mut self) {
        self.record_wait.end(&self.carrier);
    }

    /// Receives what OpenSSL does not get, or not yet.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.incoming.is_empty() {
            return Ok(self.incoming.take(buffer));
        }
        if self.external_receive_pending || self.receive_suspended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.recv_errno != 0 {
            return Err(io::Error::from_raw_os_error(self.recv_errno));
        }
        if self.eof && self.carrier.is_pumped() {
            return Ok(0);
        }
        if self.reads_ahead && !self.carrier.is_pumped() {
            return self.receive_ahead(buffer);
        }
        let received = self.carrier.recv(buffer);
        self.record_receive(received, buffer)
    }

    /// Receives what there is, into `buffer` and the queue behind it.
    fn receive_ahead(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ahead = Vec::new();
        // Where there is no memory, less is received at once.
        let _ = ahead.try_reserve_exact(READ_AHEAD);
        let received = self.carrier.recv_ahead(buffer, &mut ahead);
        let n = self.record_receive(received, buffer)?;
        if !ahead.is_empty() {
            self.record_bytes(&ahead);
            self.incoming = ahead.into();
        }
        Ok(n)
    }

    /// Whether to receive all that has come, rather than what OpenSSL asks for.
    pub fn read_ahead(&mut self, ahead: bool) {
        self.reads_ahead = ahead;
    }

    fn record_bytes(&mut self, bytes: &[u8]) {
        self.received = self.received.wrapping_add(bytes.len() as u64);
        self.first_bytes.record(bytes);
    }

    /// Records how a receive into `buffer` went.
    pub(super) fn record_receive(&mut self, received: io::Result<usize>, buffer: &[u8]) -> io::Result<usize> {
        match received {
            Ok(0) if self.reading_shut && !self.carrier.peer_has_ended() => Err(io::ErrorKind::WouldBlock.into()),
            Ok(0) if !buffer.is_empty() => {
                self.eof = true;
                Ok(0)
            }
            Ok(n) => {
                self.record_bytes(buffer.get(..n).unwrap_or_default());
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                self.recv_errno = error.raw_os_error().unwrap_or(libc::EIO);
                Err(error)
            }
        }
    }

    /// Ends the reading half, on this side only, which wakes the threads that wait for bytes.
    pub fn shut_reading(&mut self) {
        self.reading_shut = true;
        self.carrier.shut_reading();
    }

    /// Whether that has been done.
    pub fn is_read_shut(&self) -> bool {
        self.reading_shut
    }

    /// Ends our half of the stream. Once our reading half is shut down, a FIN would turn the peer's next bytes into a reset,
    /// which destroys what is still on its way to the peer: then close_notify must do until the descriptor is closed.
    pub fn send_fin(&mut self) {
        if !self.reading_shut {
            self.carrier.send_fin();
            self.has_sent_fin = true;
        }
    }

    /// Whether our half of the stream has ended.
    pub fn has_sent_fin(&self) -> bool {
        self.has_sent_fin
    }

    /// What the peer seems to speak, if its first bytes are no TLS record.
    pub fn not_tls_hint(&self) -> Option<&'static str> {
        self.first_bytes.not_tls_hint()
    }

    /// Sends what the kernel takes of `data`, and keeps the rest.
    fn send_or_keep(&mut self, data: &[u8]) {
        if self.send_errno != 0 {
            return;
        }
        self.has_sent = true;
        let mut taken = 0;
        if self.outgoing.is_empty() && !self.holds_output {
            match self.carrier.send(data, false) {
                Ok(n) => taken = n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.send_failed(&error),
            }
        }
        self.outgoing.push(data.get(taken..).unwrap_or_default());
    }

    /// Forgets the descriptor: it is being closed.
    pub fn detach(&mut self) {
        self.carrier = Carrier::Closed;
        self.outgoing.clear();
    }

    /// Receives for OpenSSL.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unsent() > MAX_UNSENT {
            // The socket's next flush returns how it failed.
            let _ = self.flush();
        }
        // What is here already is read in any case: nothing would announce it again.
        let may_receive = self.read_budget > 0 || !self.incoming.is_empty();
        if self.waits_to_send() || !may_receive || self.holds_question() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let received = self.receive(buffer);
        match &received {
            Ok(n) => {
                self.read_budget = self.read_budget.saturating_sub(*n);
                self.record_wait.received(buffer.get(..*n).unwrap_or_default(), &self.carrier);
            }
            Err(_) if self.receive_suspended || self.external_receive_pending => {}
            Err(_) => self.record_wait.found_nothing(&self.carrier),
        }
        received
    }

    /// Whether nothing is received until something has been sent.
    pub fn waits_to_send(&self) -> bool {
        self.unsent() > MAX_UNSENT
    }

    /// Sends for OpenSSL.
    pub fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send_or_keep(data);
        Ok(data.len())
    }

    /// Answers a question of OpenSSL's.
    pub fn answer(&self, question: Question) -> usize {
        match question {
            Question::Eof => usize::from(self.eof),
            Question::Unsent => self.unsent(),
            Question::PathPayload | Question::FallbackPayload | Question::PacketOverhead => 0,
        }
    }
}
