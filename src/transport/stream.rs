//! A connected stream descriptor: read and written without waiting and without SIGPIPE.
//!
//! It does not rely on O_NONBLOCK, which the program may change at any time. What the kernel does not take at once stays in
//! `outgoing`, and OpenSSL takes it for sent: so for OpenSSL a record is never half written, and a write that timed out
//! leaves the TLS stream intact. The socket flushes `outgoing` before it gives OpenSSL more data, and nothing is read
//! while more than `MAX_UNSENT` is left, which bounds it to that, or to one flight of a handshake.

use crate::ossl::bio_backend::{BioStatus, Question};
use std::io;

use super::{byte_queue::ByteQueue, carrier::Carrier, first_bytes::FirstBytes, record_wait::RecordWait};

/// Upper bound of the bytes that one OpenSSL call may read, so that a flood of records without application data cannot keep
/// the lock. A call that reads application data, or a whole handshake message, ends before.
const READ_BUDGET: usize = 128 * 1024;

/// How many bytes of answers may wait for a peer that sends requests (key updates) without reading. Beyond that nothing
/// more is received from it.
const MAX_UNSENT: usize = 64 * 1024;

/// The carrier, bytes not yet sent or not yet read, and how the last system calls went.
pub struct StreamTransport {
    pub(super) carrier: Carrier,
    pub(super) outgoing: ByteQueue,
    /// Whether what OpenSSL writes is kept until the next flush, so that it goes out at once.
    holds_output: bool,
    /// What was received externally, and not yet read.
    pub(super) incoming: ByteQueue,
    /// Whether anything was sent.
    has_sent: bool,
    /// While one thread is blocked in recv, no other thread may receive: bytes received later must not overtake the
    /// earlier ones.
    pub(super) external_receive_pending: bool,
    /// Whether nothing is received, whatever there is.
    receive_suspended: bool,
    /// The errno of the first recv that failed for good, or 0.
    pub(super) recv_errno: i32,
    /// The errno of the first send that failed for good, or 0. OpenSSL is not told: what the peer has sent before is
    /// still to be read. From then on everything written is dropped, and `flush` tells.
    pub(super) send_errno: i32,
    /// The peer has ended its half of the stream.
    pub(super) eof: bool,
    /// Our own reading half has been shut down: an empty queue is not the peer's end.
    pub(super) reading_shut: bool,
    first_bytes: FirstBytes,
    /// How many bytes the OpenSSL call in progress may still read.
    read_budget: usize,
    record_wait: RecordWait,
    /// Whether the OpenSSL call in progress has received all there is, and must wait for more.
    has_received_all: bool,
}

impl StreamTransport {
    /// Through `carrier`.
    pub fn new(carrier: Carrier) -> StreamTransport {
        StreamTransport {
            carrier,
            outgoing: ByteQueue::default(),
            holds_output: false,
            incoming: ByteQueue::default(),
            has_sent: false,
            external_receive_pending: false,
            receive_suspended: false,
            recv_errno: 0,
            send_errno: 0,
            eof: false,
            reading_shut: false,
            first_bytes: FirstBytes::default(),
            read_budget: READ_BUDGET,
            record_wait: RecordWait::default(),
            has_received_all: false,
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

    /// Has the next wait end once several small records are there. False if nobody can be asked for that.
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
        self.has_received_all = false;
    }

    /// How many bytes wait to be sent.
    pub fn unsent(&self) -> usize {
        self.outgoing.len() + self.carrier.in_transit()
    }

    /// Keeps what OpenSSL writes from now on until the next flush: several messages make one packet.
    pub fn hold_output(&mut self) {
        self.holds_output = true;
    }

    /// Hands as much of `outgoing` to the kernel as it takes. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        self.flush_with(false)
    }

    /// The same, where `send_fin` follows at once, which sends the last bytes.
    pub fn flush_before_fin(&mut self) -> io::Result<bool> {
        self.flush_with(!self.reading_shut)
    }

    fn flush_with(&mut self, before_fin: bool) -> io::Result<bool> {
        self.holds_output = false;
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

    /// Receives without TLS, to discard what is not wanted any more.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.record_wait.end(&self.carrier);
        self.receive(buffer)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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
        let received = self.carrier.recv(buffer);
        self.record_receive(received, buffer)
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
                self.first_bytes.record(buffer.get(..n).unwrap_or_default());
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

    /// Ends our half of the stream. Once our reading half is shut down, a FIN would turn the peer's next bytes into a reset,
    /// which destroys what is still on its way to the peer: then close_notify must do until the descriptor is closed.
    pub fn send_fin(&self) {
        if !self.reading_shut {
            self.carrier.send_fin();
        }
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
        if self.waits_to_send() || self.read_budget == 0 || self.has_received_all {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let is_buffered = !self.incoming.is_empty();
        let received = self.receive(buffer);
        match &received {
            Ok(n) => {
                self.read_budget = self.read_budget.saturating_sub(*n);
                let bytes = buffer.get(..*n).unwrap_or_default();
                let is_all_there_is = !is_buffered && (1..buffer.len()).contains(n);
                self.has_received_all = self.record_wait.received(bytes, is_all_there_is, &self.carrier);
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
