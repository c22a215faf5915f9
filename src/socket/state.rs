//! What the lock of a socket guards: the TLS state, and how far the connection has come. Its steps never wait, never read
//! the clock and take no lock; `driver` runs them, and waits in between.

use crate::{
    error::{Code, Error, Result},
    hello::explained::explained,
    net::deadline::Deadline,
    posix::Readiness,
    session::Resumption,
    transport::{
        Tls,
        channel::{Channel, gathering::GATHERING_TIME, unreported_writes::WriteProgress},
    },
    types::{Role, Step},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    client::pending::Pending,
    server::serving::{Serving, has_begun},
    timeouts::{LimitKind, Timeouts, WaitingSince},
};

/// A read with no more time than this asks the kernel before it waits.
const MIN_TIME_TO_WAIT: Duration = Duration::from_millis(1);

/// When to check again where the descriptor does not show that the peer has sent something: its reading half is
/// shut down, or another thread receives.
const RECHECK_INTERVAL: Duration = Duration::from_millis(5);

/// From open to closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// In use, if it has not failed.
    Open,
    /// Sending what is left, and close_notify.
    Flushing(Deadline),
    /// Waiting for the peer's end.
    Draining(Deadline),
    /// Nothing was sent, so that only the stream under it is to be closed.
    Ending(Deadline),
    /// Closed; only what is known of the connection can still be asked.
    Closed,
}

impl Lifecycle {
    /// When the close that is under way ends; None if none is.
    pub fn close_ends(self) -> Option<Deadline> {
        match self {
            Lifecycle::Flushing(end) | Lifecycle::Draining(end) | Lifecycle::Ending(end) => Some(end),
            Lifecycle::Open | Lifecycle::Closed => None,
        }
    }
}

/// What the lock guards.
pub struct SocketState {
    /// The TLS state.
    pub tls: Tls,
    /// What is beside it.
    pub channel: Channel,
    /// How far the connection is from its end.
    pub lifecycle: Lifecycle,
    /// The first failure, which every later call repeats.
    pub failure: Option<Error>,
    /// Since when non-blocking calls of each kind could not be completed.
    pub waiting: WaitingSince,
    /// On a server: how the client is served.
    pub serving: Option<Box<Serving>>,
    /// On a client that resumes by itself: how.
    pub resumption: Option<Resumption>,
    /// On a client that is not connected yet: how it will be.
    pub pending: Option<Arc<dyn Pending>>,
    is_write_shut: bool,
}

/// What to wait for between two steps.
pub struct WaitPlan {
    /// Whether only the peer's next bytes can end the wait: then waiting for them and receiving them is one system call.
    pub receive_directly: bool,
    /// What the descriptor must be ready for.
    pub interest: Readiness,
    /// When the call fails.
    pub deadline: Deadline,
    /// When to run the step again although the descriptor is not ready.
    pub timer: Deadline,
    /// Whether other threads get the lock for a while first.
    pub back_off: bool,
    /// Whether the call waits at all, or returns instead.
    pub may_wait: bool,
    /// Whether the wait is for several records, until `timer` at the latest.
    pub gathers: bool,
}

impl WaitPlan {
    /// For a call that returns instead of waiting.
    pub fn without_waiting(interest: Readiness) -> WaitPlan {
        WaitPlan {
            receive_directly: false,
            interest,
            deadline: Deadline::NEVER,
            timer: Deadline::NEVER,
            back_off: false,
            may_wait: false,
            gathers: false,
        }
    }
}

/// When the last messages of a handshake are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastMessages {
    /// As soon as there are any.
    AtOnce,
    /// A server's tickets with what it says next, if the client has already sent a request.
    WithResponse,
    /// With the write that is made next.
    WithWrite,
}

/// Which thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// The only thread that reads.
    Reader,
    /// Another: what it waits for may be read by the reader.
    Other,
}

impl SocketState {
    /// The state of a new connection.
    pub fn new(tls: Tls, channel: Channel, serving: Option<Box<Serving>>) -> SocketState {
        SocketState {
            tls,
            channel,
            lifecycle: Lifecycle::Open,
            failure: None,
            waiting: WaitingSince::default(),
            serving,
            resumption: None,
            pending: None,
            is_write_shut: false,
        }
    }

    /// Fails once the socket is closed, or the connection has failed.
    pub fn check_usable(&self) -> Result<()> {
        if self.lifecycle != Lifecycle::Open {
            return Err(closed());
        }
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// Runs a step with what its transport needs before and after.
    pub fn run_step<T>(
        &mut self,
        now: Instant,
        step: impl FnOnce(&mut SocketState) -> Result<Step<T>>,
    ) -> Result<Step<T>> {
        self.channel.before_step(&mut self.tls)?;
        let outcome = step(self);
        self.channel.after_step(&mut self.tls, outcome, now)
    }

    /// What comes before the handshake on a server: the program, or the name that the client asks for, chooses a config.
    pub fn open_step(&mut self) -> Result<Step<()>> {
        let Some(serving) = &mut self.serving else { return Ok(Step::Done(())) };
        let outcome = serving.open(&mut self.tls, &mut self.channel);
        match outcome {
            // Nothing that OpenSSL knows of, but it ends the connection.
            Err(error) if serving.is_open() => Err(self.failure.get_or_insert(error).clone()),
            outcome => outcome,
        }
    }

    /// Whether the peer's first bytes are to be expected on the descriptor.
    pub fn waits_for_hello(&mut self) -> bool {
        self.tls.role() == Role::Server && self.tls.transport().stream().is_some_and(|stream| stream.is_quiet())
    }

    /// A step of the handshake, after `open_step`.
    ///
    /// While a flight is held nothing is received, so OpenSSL asks for the peer's answer once more after it was sent: at once
    /// where the call does not wait, as the descriptor must have been found empty before the program waits for an edge.
    pub fn handshake_step(&mut self, blocks: bool, last_messages: LastMessages) -> Result<Step<()>> {
        let (step, has_sent) = self.handshake_and_flush(last_messages)?;
        if step != Step::WantRead || !has_sent || blocks {
            return Ok(step);
        }
        Ok(self.handshake_and_flush(last_messages)?.0)
    }

    /// Also whether a flight was sent, as a whole.
    fn handshake_and_flush(&mut self, last_messages: LastMessages) -> Result<(Step<()>, bool)> {
        self.tls.transport().hold_output();
        let step = self.tls.handshake().map_err(|error| {
            let hooks = self.tls.hooks();
            explained(&self.tls, &hooks.messages, &hooks.alpn, error)
        })?;
        let has_output = self.has_unsent();
        if step == Step::Done(()) && has_output && self.postpones(last_messages) {
            return Ok((step, false));
        }
        let flushed = match self.flush() {
            Ok(flushed) => flushed,
            // The peer has closed: the reason is still to be read, and ends the handshake.
            Err(error) if matches!(error.sys_errno, libc::EPIPE | libc::ECONNRESET) => true,
            // The peer will never have our message, and so never answer.
            Err(error) if step == Step::WantRead => return Err(error),
            // The next write returns it.
            Err(_) => true,
        };
        let step = match step {
            // The peer waits for the rest of our message, and sends nothing before.
            Step::Done(()) | Step::WantRead if !flushed => Step::WantWrite,
            Step::Eof => {
                let message = "the peer closed the connection (close_notify) before the handshake was complete";
                return Err(Error::new(Code::Protocol, message));
            }
            step => step,
        };
        Ok((step, has_output && flushed))
    }

    fn postpones(&mut self, last_messages: LastMessages) -> bool {
        let are_tickets = self.tls.role() == Role::Server && self.tls.is_tls13();
        let Some(stream) = self.tls.transport().stream() else { return false };
        let waits = match last_messages {
            LastMessages::AtOnce => false,
            // The peer waits for others than tickets.
            LastMessages::WithResponse => are_tickets && stream.has_input(),
            LastMessages::WithWrite => true,
        };
        waits && stream.postpone_output()
    }

    /// Runs `action` on the server's side of a connection whose handshake has not begun.
    pub fn before_handshake<T>(&mut self, action: impl FnOnce(&mut Serving, &mut Tls) -> Result<T>) -> Result<T> {
        self.check_usable()?;
        action(self.serving.as_mut().ok_or_else(has_begun)?, &mut self.tls)
    }

    /// Whether a read should wait for the peer before it asks the kernel, which would probably be a system call and OpenSSL's
    /// work for nothing: only where nothing else can be its answer.
    pub fn should_wait_first(&mut self, deadline: Deadline, now: Instant) -> bool {
        self.channel.reads().should_wait_first()
            && deadline.remaining_at(now).is_none_or(|left| left > MIN_TIME_TO_WAIT)
            && !self.tls.read_would_return()
            && self.tls.transport().is_quiet()
            && !self.channel.has_timed_out(&self.tls, now)
    }

    /// Reads application data.
    pub fn read_step(&mut self, buffer: &mut [u8], blocks: bool, now: Instant) -> Result<Step<usize>> {
        self.channel.read(&mut self.tls, buffer, blocks, now)
    }

    /// Reads application data from what has been received.
    pub fn read_received_step(&mut self, buffer: &mut [u8], now: Instant) -> Result<Step<usize>> {
        let SocketState { tls, channel, .. } = self;
        tls.without_receiving(|tls| channel.read(tls, buffer, false, now))
    }

    /// Writes application data: over a stream `all` of it, or a part.
    pub fn write_step(
        &mut self,
        data: &[u8],
        progress: &mut WriteProgress,
        all: bool,
        deadline: Deadline,
        now: Instant,
    ) -> Result<Step<()>> {
        if self.is_write_shut {
            return Err(Error::new(Code::State, "the writing half has been shut down"));
        }
        self.channel.write(&mut self.tls, data, progress, all, deadline, now)
    }

    /// Sends what is left and close_notify.
    pub fn shutdown_step(&mut self) -> Result<Step<()>> {
        let step = self.close_notify()?;
        if matches!(step, Step::WantRead | Step::WantWrite) {
            return Ok(step);
        }
        self.is_write_shut = true;
        Ok(if self.channel.flush_before_fin(&mut self.tls)? { Step::Done(()) } else { Step::WantWrite })
    }

    /// Sends close_notify with what is sent next. WantRead where the end of a message of the peer's must come first.
    pub fn close_notify(&mut self) -> Result<Step<()>> {
        self.tls.transport().hold_output();
        if !self.tls.is_handshaken() {
            // What follows the message is for a reader, who may wait for it.
            self.tls.transport().stream().into_iter().for_each(|stream| stream.read_ahead(false));
        }
        self.tls.close_notify()
    }

    /// How many bytes a read would give without the network, looking for them in what has arrived if `may_look`.
    pub fn pending(&mut self, may_look: bool) -> usize {
        if self.check_usable().is_err() {
            return 0;
        }
        let pending = if may_look { self.channel.pending(&mut self.tls) } else { self.tls.decrypted() };
        if pending == 0 {
            self.channel.release_buffers(&mut self.tls);
        }
        pending
    }

    /// Hands what is left to the kernel. Ok(true) if nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        self.channel.flush(&mut self.tls)
    }

    /// Hands to the kernel what was left for a write. Later calls report a failure of that.
    pub fn flush_postponed(&mut self) {
        if self.tls.transport().postpones_output() {
            let _ = self.flush();
        }
    }

    /// Whether something is still to be handed to the kernel.
    pub fn has_unsent(&mut self) -> bool {
        self.tls.transport().stream().is_some_and(|stream| stream.unsent() > 0)
    }

    /// Keeps the first failure that ended the connection for later calls.
    pub fn fail(&mut self, error: Error) -> Error {
        let has_ended = self.tls.has_failed() || self.tls.status().recv_errno != 0;
        // A session must not outlive a fatal alert (RFC 8446, 6.2).
        if error.code == Code::Protocol {
            self.forget_sessions();
        }
        // What a failed write has found out about the other direction is for the next read.
        if self.channel.is_over() || (has_ended && !self.tls.has_deferred_error()) {
            // The alert, if there is one, is the last thing that can be sent.
            let _ = self.flush();
            self.failure.get_or_insert_with(|| error.clone());
        }
        error
    }

    /// A client that resumes by itself forgets the sessions of its host.
    pub fn forget_sessions(&self) {
        if let Some(resumption) = &self.resumption {
            resumption.fail();
        }
    }

    /// What a step waits for that cannot go on.
    pub fn wait_plan(&mut self, interest: Readiness, waiter: Waiter, deadline: Deadline, now: Instant) -> WaitPlan {
        let status = self.tls.status();
        let is_beside_reader = waiter == Waiter::Other && interest.readable;
        let back_off = status.read_budget_exhausted || (is_beside_reader && status.send_errno != 0);
        let timer = self.channel.next_timeout(&self.tls, now);
        let timer = if is_beside_reader { recheck_soon(timer, now) } else { timer };
        let only_reads = waiter == Waiter::Reader && !back_off && interest == Readiness::READ;
        let gathers = only_reads
            && deadline.remaining_at(now).is_none_or(|left| left > GATHERING_TIME)
            && self.channel.gathers(&mut self.tls, now);
        let timer = timer.or_sooner(Deadline::starting(now, Some(GATHERING_TIME).filter(|_| gathers)));
        let may_receive_directly =
            only_reads && !gathers && deadline == Deadline::NEVER && self.channel.reads().should_receive_directly();
        let receive_directly = may_receive_directly && self.tls.transport().start_external_receive();
        WaitPlan { receive_directly, interest, deadline, timer, back_off, may_wait: true, gathers }
    }

    /// Which limit of a non-blocking call will be over first, and when.
    pub fn next_limit(&mut self, timeouts: &Timeouts) -> Option<(LimitKind, Instant)> {
        if let Some(end) = self.lifecycle.close_ends() {
            return end.0.map(|at| (LimitKind::Close, at));
        }
        if self.lifecycle == Lifecycle::Closed || self.failure.is_some() {
            return None;
        }
        match &self.pending {
            Some(pending) => pending.deadline().0.map(|at| (LimitKind::Handshake, at)),
            None => self.waiting.next(timeouts),
        }
    }

    /// When the connection has something to do although nothing comes.
    pub fn next_timeout(&self, now: Instant) -> Deadline {
        if self.check_usable().is_err() { Deadline::NEVER } else { self.channel.next_timeout(&self.tls, now) }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<()> {
        if self.lifecycle.close_ends().is_some() {
            return Ok(());
        }
        self.check_usable()?;
        self.channel.handle_timeout(&mut self.tls, now).map_err(|error| self.fail(error))
    }
}

/// The timer of a wait that the descriptor may not end.
pub fn recheck_soon(timer: Deadline, now: Instant) -> Deadline {
    timer.or_sooner(Deadline::starting(now, Some(RECHECK_INTERVAL)))
}

/// What calls on a closed socket return.
pub fn closed() -> Error {
    Error::new(Code::State, "the socket is closed")
}
