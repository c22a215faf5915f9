//! Application data over a stream: reading ahead, writing record by record, and what was written but not yet reported.

use crate::{
    error::{Code, Error, Result},
    net::deadline::Deadline,
    types::Step,
};
use std::{
    mem,
    time::{Duration, Instant},
};

use super::{
    read_strategy::ReadStrategy,
    record_ramp::RecordRamp,
    unreported_writes::{UnreportedWrites, WriteProgress},
};
use crate::transport::{Tls, stream::StreamTransport};

/// How long a write that has failed waits for a thread that receives, and may be about to learn why.
const ERROR_GRACE_PERIOD: Duration = Duration::from_millis(50);

/// What a connection over a stream has beside its TLS state.
#[derive(Default)]
pub struct TlsStream {
    reads: ReadStrategy,
    send: SendState,
    ramp: RecordRamp,
}

/// What was handed over for sending.
#[derive(Default)]
struct SendState {
    /// What non-blocking writes have handed over and have not reported.
    unreported: UnreportedWrites,
    /// Whether application data is still to be handed to the kernel.
    has_unsent_data: bool,
    /// Until when a write that has failed waits for the reader.
    error_grace_until: Option<Deadline>,
}

impl TlsStream {
    /// For a new connection, whose records may begin small.
    pub fn new(has_dynamic_records: bool) -> TlsStream {
        TlsStream { ramp: RecordRamp::new(has_dynamic_records), ..TlsStream::default() }
    }

    /// The policy for reads.
    pub fn reads(&self) -> &ReadStrategy {
        &self.reads
    }

    /// Reads decrypted bytes.
    ///
    /// Only a read that `blocks` keeps OpenSSL's buffers: consecutive reads of that kind end with one that waits, while an
    /// event loop may end without one.
    pub fn read(&mut self, tls: &mut Tls, buffer: &mut [u8], blocks: bool) -> Result<Step<usize>> {
        if let Some(stream) = tls.transport().stream() {
            stream.read_ahead(self.reads.should_read_ahead());
        }
        tls.keep_buffers(blocks && self.reads.should_keep_buffers());
        let step = tls.read(buffer);
        match step {
            Ok(Step::Done(n)) => self.reads.on_read(n),
            // The buffer holds a part of a record.
            Ok(Step::WantRead) if tls.transport().is_inside_record() => self.reads.on_part_of_record(),
            _ => self.release_buffers(tls),
        }
        step
    }

    /// A read waits. True if the wait is for several records, and shall last no longer than `GATHERING_TIME`.
    pub fn gathers(&mut self, tls: &mut Tls, now: Instant) -> bool {
        self.reads.on_wait(now) && tls.transport().gather_records()
    }

    /// A read waits in the program, and no option of the system's is set. True if the wait is for several records,
    /// for a short time.
    pub fn gathers_elsewhere(&mut self, now: Instant) -> bool {
        self.reads.on_wait(now)
    }

    /// Consecutive reads have ended: idle connections hold no buffers.
    pub fn release_buffers(&mut self, tls: &mut Tls) {
        self.reads.on_nothing();
        tls.keep_buffers(false);
    }

    /// Writes record after record until the kernel takes no more; or one record if not `all`, because a caller that
    /// learns of a part may continue with something else than the rest.
    pub fn write(
        &mut self,
        tls: &mut Tls,
        data: &[u8],
        progress: &mut WriteProgress,
        all: bool,
        deadline: Deadline,
        now: Instant,
    ) -> Result<Step<()>> {
        self.reads.on_write();
        if progress.in_flight == 0 && progress.written == 0 {
            self.ramp.begin(now);
        }
        tls.keep_buffers(false);
        let step = self.write_records(tls, data, progress, all, deadline, now)?;
        if !all && step != Step::Done(()) && progress.in_flight > 0 {
            self.send.unreported.add(data.get(..progress.in_flight).unwrap_or_default());
            progress.in_flight = 0;
        }
        Ok(step)
    }

    fn write_records(
        &mut self,
        tls: &mut Tls,
        data: &[u8],
        progress: &mut WriteProgress,
        all: bool,
        deadline: Deadline,
        now: Instant,
    ) -> Result<Step<()>> {
        let mut joins = tls.transport().stream().is_some_and(StreamTransport::end_postponing);
        loop {
            match if mem::take(&mut joins) { Ok(true) } else { self.flush(tls) } {
                Ok(true) => {}
                Ok(false) => return Ok(Step::WantWrite),
                Err(error) => {
                    // What was in flight is lost.
                    progress.in_flight = 0;
                    self.send.unreported.clear();
                    if all && self.send.waits_for_reader(tls, deadline, now) {
                        return Ok(Step::WantRead);
                    }
                    // Why the peer has closed says more than that it has.
                    return Err(tls.peer_alert().unwrap_or(error));
                }
            }
            progress.written += mem::take(&mut progress.in_flight);
            if progress.written == 0 {
                progress.written = self.send.unreported.take(data).unwrap_or(0);
            }
            let rest = data.get(progress.written..).unwrap_or_default();
            if rest.is_empty() || (progress.written > 0 && !all) {
                return Ok(Step::Done(()));
            }
            match tls.write(self.ramp.next(rest))? {
                Step::Done(n) => {
                    self.ramp.sent(n);
                    progress.in_flight = n;
                    self.send.has_unsent_data = true;
                }
                Step::WantRead => {
                    self.ramp.refused();
                    return Ok(Step::WantRead);
                }
                Step::WantWrite => {
                    self.ramp.refused();
                    return Ok(Step::WantWrite);
                }
                Step::Eof => return Err(Error::new(Code::State, "the connection has been closed")),
            }
        }
    }

    /// Hands what is left to the kernel. Ok(true) if nothing is left.
    pub fn flush(&mut self, tls: &mut Tls) -> Result<bool> {
        let flushed = tls.transport().flush().map_err(|error| tls.transport().send_failure(&error))?;
        self.send.has_unsent_data &= !flushed;
        Ok(flushed)
    }

    /// Flushes where the end of the stream follows at once, which sends the last bytes. Ok(true) if nothing else is left.
    pub fn flush_before_fin(&mut self, tls: &mut Tls) -> Result<bool> {
        let flushed = tls.transport().flush_before_fin().map_err(|error| tls.transport().send_failure(&error))?;
        self.send.has_unsent_data &= !flushed;
        Ok(flushed)
    }

    /// Whether application data is still to be handed to the kernel.
    pub fn has_unsent_data(&self) -> bool {
        self.send.has_unsent_data
    }
}

impl SendState {
    /// Whether a thread that receives may still bring the peer's last message, well before the deadline.
    fn waits_for_reader(&mut self, tls: &mut Tls, deadline: Deadline, now: Instant) -> bool {
        tls.transport().external_receive_pending()
            && deadline.remaining_at(now).is_none_or(|left| left > ERROR_GRACE_PERIOD)
            && !self
                .error_grace_until
                .get_or_insert_with(|| Deadline::starting(now, Some(ERROR_GRACE_PERIOD)))
                .has_passed_at(now)
    }
}
