//! What the lock of a socket guards: the TLS state and how far it has come. Nothing here waits.

use crate::{
    error::{Code, Error, Result},
    net::deadline::Deadline,
    ossl::ssl::{Ssl, Step},
    posix::Readiness,
};
use std::time::Duration;

use super::{
    datagram,
    limits::WaitingSince,
    unreported_writes::{UnreportedWrites, WriteProgress},
};

/// How far a socket has come on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifecycle {
    Open,
    /// Sending what is left and close_notify.
    Flushing(Deadline),
    /// Waiting for the peer to have no more.
    Draining(Deadline),
    Closed,
}

/// What the lock guards.
pub(super) struct SocketState {
    pub(super) ssl: Ssl,
    pub(super) lifecycle: Lifecycle,
    /// What non-blocking writes have handed over and nobody was told of.
    pub(super) unreported: UnreportedWrites,
    /// Since when non-blocking calls of each kind could not be completed.
    pub(super) waiting: WaitingSince,
    /// Whether bytes of the user's are still to be handed to the kernel.
    pub(super) has_unsent_data: bool,
    /// The first failure, which every later call repeats.
    pub(super) failure: Option<Error>,
    /// Whether the writing half has been shut down.
    pub(super) write_closed: bool,
    /// Whether nothing was read since the last write: then the next read is for the peer's answer.
    pub(super) is_first_read_after_write: bool,
    /// Whether the latest read gave little: then the next one probably does, too.
    pub(super) last_read_was_small: bool,
    /// How many reads in a row, with no write between them, found something there.
    pub(super) consecutive_reads: u32,
    /// Until when a write that has failed waits for the reader.
    pub(super) error_grace_until: Option<Deadline>,
    /// What a connection over datagrams has beside that.
    pub(super) datagrams: Option<datagram::State>,
}

/// What a small read gives at most.
pub(super) const SMALL_READ: usize = 4096;

/// From how many reads in a row on OpenSSL keeps its buffer for the next one.
pub(super) const KEEP_BUFFERS_AFTER: u32 = 2;

/// How long a write that has failed waits for a thread that receives, and may be about to learn why.
pub(super) const ERROR_GRACE_PERIOD: Duration = Duration::from_millis(50);

/// A read that has no more time than this looks before it waits.
pub(super) const MIN_TIME_TO_WAIT: Duration = Duration::from_millis(1);

/// How long to wait before looking anew, where the descriptor does not tell that the peer has sent something: its reading
/// half is shut down, or another thread receives.
pub(super) const RECHECK_INTERVAL: Duration = Duration::from_millis(5);

/// What a step that cannot go on waits for.
pub(super) struct WaitPlan {
    /// Whether nothing but the peer's next bytes can end it: then to wait for them and to receive them is one.
    pub(super) receive_directly: bool,
    pub(super) want: Readiness,
    /// When the connection has something to do by itself.
    pub(super) timer: Deadline,
    /// Whether the other threads get the lock for a while first.
    pub(super) back_off: bool,
}

/// Who waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The only thread that reads.
    Reader,
    /// Another: what it waits for may be read by the reader.
    Other,
}

impl SocketState {
    pub(super) fn check_usable(&self) -> Result<()> {
        if self.lifecycle != Lifecycle::Open {
            return Err(closed());
        }
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// Whether a read had better wait for the peer before it looks, which would cost a system call and OpenSSL's work
    /// for nothing: only where nothing else can be its answer.
    pub(super) fn should_wait_first(&mut self, deadline: Deadline) -> bool {
        self.is_first_read_after_write
            && deadline.remaining().is_none_or(|left| left > MIN_TIME_TO_WAIT)
            && !self.ssl.read_would_return()
            && self.ssl.io().is_quiet()
            && self.idle_timeout_exceeded().is_none()
    }

    pub(super) fn pause(&mut self, want: Readiness, waiter: Waiter, deadline: Deadline) -> WaitPlan {
        let beside = waiter == Waiter::Other && want.readable;
        let back_off = self.ssl.io().read_budget_exhausted() || (beside && self.ssl.io().send_errno() != 0);
        let timer = if beside { recheck_soon(self.timer()) } else { self.timer() };
        // What is received outside is copied once more, which is dear where it is much.
        let may_receive = !beside
            && !back_off
            && want == Readiness::READ
            && deadline == Deadline::NEVER
            && self.last_read_was_small;
        WaitPlan { receive_directly: may_receive && self.ssl.io().start_external_receive(), want, timer, back_off }
    }

    /// Reads decrypted bytes of a stream.
    ///
    /// Of an answer it takes all that has come, and of what follows one record at a time. To take all is fewer system
    /// calls, but makes the reader faster than its peer: then it sleeps once a record and has to be woken, and the peer's
    /// kernel sends every record by itself, which can halve the throughput (bench/README.md).
    ///
    /// In a run of reads that block OpenSSL keeps its buffer: the run ends with one that waits. An event loop may well
    /// end without.
    pub(super) fn read(&mut self, buffer: &mut [u8], blocks: bool) -> Result<Step<usize>> {
        // What OpenSSL has taken ahead it might not find again without: it does not count what came behind a key update.
        self.ssl.set_read_ahead(self.is_first_read_after_write || self.ssl.has_read_ahead());
        self.ssl.keep_buffers(blocks && self.consecutive_reads >= KEEP_BUFFERS_AFTER);
        let step = self.ssl.read(buffer);
        match step {
            Ok(Step::Done(_)) => self.consecutive_reads = self.consecutive_reads.saturating_add(1),
            _ => self.end_consecutive_reads(),
        }
        step
    }

    /// Idle connections hold no buffers.
    pub(super) fn end_consecutive_reads(&mut self) {
        self.consecutive_reads = 0;
        self.ssl.keep_buffers(false);
    }

    /// Keeps a failure that ended the connection for later calls.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        let ended = self.ssl.has_failed() || self.ssl.io().recv_errno() != 0;
        // What a failed write has found out about the other direction, the next read shall tell.
        if ended && !self.ssl.has_deferred_error() {
            // The alert, if there is one, is the last thing that can be sent.
            let _ = self.flush();
            self.failure = Some(error.clone());
        }
        error
    }

    pub(super) fn flush(&mut self) -> Result<bool> {
        let flushed = self.ssl.io().flush().map_err(|error| Error::io(&error))?;
        self.has_unsent_data &= !flushed;
        Ok(flushed)
    }

    /// Writes record after record until the kernel takes no more; or one record if not `all`, because a caller who is
    /// told of a part may go on with something else than the rest.
    pub(super) fn write(
        &mut self,
        data: &[u8],
        count: &mut WriteProgress,
        all: bool,
        deadline: Deadline,
    ) -> Result<Step<()>> {
        if self.write_closed {
            return Err(Error::new(Code::State, "the writing half has been shut down"));
        }
        loop {
            match self.flush() {
                Ok(true) => {}
                Ok(false) => return Ok(Step::WantWrite),
                Err(_) if all && self.waits_for_reader(deadline) => {
                    // It is lost.
                    count.in_flight = 0;
                    self.unreported.clear();
                    return Ok(Step::WantRead);
                }
                Err(error) => {
                    count.in_flight = 0;
                    self.unreported.clear();
                    // Why the peer has gone says more than that it has.
                    return Err(self.ssl.peer_alert().unwrap_or(error));
                }
            }
            count.written += std::mem::take(&mut count.in_flight);
            if count.written == 0 {
                count.written = self.unreported.take(data).unwrap_or(0);
            }
            let rest = data.get(count.written..).unwrap_or_default();
            if rest.is_empty() || (count.written > 0 && !all) {
                return Ok(Step::Done(()));
            }
            match self.ssl.write(rest)? {
                Step::Done(n) => {
                    count.in_flight = n;
                    self.has_unsent_data = true;
                }
                Step::WantRead => return Ok(Step::WantRead),
                Step::WantWrite => return Ok(Step::WantWrite),
                Step::Eof => return Err(Error::new(Code::State, "the connection has been closed")),
            }
        }
    }

    /// Whether a thread that receives may yet bring the peer's last words, well before the deadline.
    pub(super) fn waits_for_reader(&mut self, deadline: Deadline) -> bool {
        let max_network_errors = || Deadline::after(Some(ERROR_GRACE_PERIOD));
        self.ssl.io().external_receive_pending()
            && deadline.remaining().is_none_or(|left| left > ERROR_GRACE_PERIOD)
            && !self.error_grace_until.get_or_insert_with(max_network_errors).has_passed()
    }
}

/// The deadline of a wait that the descriptor may not end.
pub(super) fn recheck_soon(deadline: Deadline) -> Deadline {
    deadline.or_sooner(Deadline::after(Some(RECHECK_INTERVAL)))
}

/// What calls on a closed socket return.
pub(super) fn closed() -> Error {
    Error::new(Code::State, "the socket is closed")
}
