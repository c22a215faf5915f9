//! Runs steps on the state of a socket, and waits between them, outside the lock. This is the only loop that waits.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
    posix::{self, Readiness},
    trace::Trace,
    transport::{channel::read_strategy::SMALL_READ, endpoint::Endpoint, trace},
    types::Step,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    callback_state::CallbackState,
    counts::Counts,
    info::ConnectionInfo,
    intake::Intake,
    op_lock::{Blocking, OpLock},
    peer::Peer,
    state::{SocketState, WaitPlan, Waiter, closed, recheck_soon},
    timeouts::{LimitKind, Timeouts},
};

/// How long a flooded reader lets other threads have the lock. Sleeping, rather than only unlocking, gives them time to
/// acquire it before the next bytes come.
const BACK_OFF: Duration = Duration::from_millis(1);

/// A connection: its state, what it is over, and the threads that work on it.
pub struct Driver {
    state: Mutex<SocketState>,
    /// None once closed. Waiters hold a reference, so a descriptor's number cannot be reused while they wait.
    endpoint: Mutex<Option<Endpoint>>,
    /// Held during a handshake.
    pub handshake_lock: OpLock,
    /// Held during a read.
    pub read_lock: OpLock,
    /// Held during a write.
    pub write_lock: OpLock,
    /// Set when the handshake is complete.
    info: OnceLock<ConnectionInfo>,
    /// Whether it is over a stream whose bytes this moves.
    is_pumped: AtomicBool,
    /// Whether it carries another connection, to which reading and writing belong.
    is_carrier: AtomicBool,
    is_read_shut: AtomicBool,
    is_nonblocking: AtomicBool,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// The other end, for messages.
    pub peer: Peer,
    /// What has been counted.
    pub counts: Counts,
    /// Where the program decides about the peer.
    pub verify_callback: CallbackState,
    /// The function that is called for each message.
    trace: Mutex<Option<Trace>>,
}

/// How a run ended.
pub enum Run<T> {
    /// With a result.
    Done(T),
    /// Before a wait, which its plan does not allow: what it would have been for.
    WouldWait(Readiness),
}

/// What a step that the driver runs comes to.
pub enum Progress<T> {
    /// The result.
    Done(T),
    /// It runs again after a wait.
    Wait(WaitPlan),
}

impl Driver {
    /// Drives a new connection.
    pub fn new(state: SocketState, endpoint: Endpoint, timeouts: Timeouts, peer: Peer) -> Driver {
        Driver {
            is_pumped: AtomicBool::new(matches!(endpoint, Endpoint::Stream(_))),
            is_carrier: AtomicBool::new(false),
            state: Mutex::new(state),
            endpoint: Mutex::new(Some(endpoint)),
            handshake_lock: OpLock::default(),
            read_lock: OpLock::default(),
            write_lock: OpLock::default(),
            info: OnceLock::new(),
            is_read_shut: AtomicBool::new(false),
            is_nonblocking: AtomicBool::new(false),
            timeouts,
            peer,
            counts: Counts::new(Instant::now()),
            verify_callback: CallbackState::default(),
            trace: Mutex::default(),
        }
    }

    /// Sets the function that is called for each message from now on.
    pub fn set_trace(&self, trace: Option<Trace>) {
        let mut current = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().tls.set_traced(trace.is_some());
        *current = trace;
    }

    fn tell(&self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(trace) = trace {
            trace.tell(&self.peer, lines);
        }
    }

    /// The state. The lock is held while OpenSSL works, and never while a thread waits.
    pub fn lock(&self) -> MutexGuard<'_, SocketState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is over. None once closed.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes that away: the socket is being closed.
    pub fn take_endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// It is over this from now on.
    pub fn replace_endpoint(&self, endpoint: Endpoint) {
        self.is_pumped.store(matches!(endpoint, Endpoint::Stream(_)), Relaxed);
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoint);
    }

    /// The descriptor under it. None once closed, and where there is none.
    pub fn fd(&self) -> Option<Arc<OwnedFd>> {
        self.endpoint()?.fd()
    }

    /// Runs `body` on the descriptor; None where there is none.
    pub fn with_fd<T>(&self, body: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.fd().map(|fd| body(fd.as_fd()))
    }

    /// Whether it is over a stream whose bytes are moved outside of the lock.
    pub fn is_pumped(&self) -> bool {
        self.is_pumped.load(Relaxed)
    }

    /// Gives reading and writing to another connection, once.
    pub fn become_carrier(&self) -> Result<()> {
        if self.is_carrier.swap(true, SeqCst) { Err(carries_another()) } else { Ok(()) }
    }

    /// Fails where reading and writing belong to another connection.
    pub fn check_no_carrier(&self) -> Result<()> {
        if self.is_carrier.load(Relaxed) { Err(carries_another()) } else { Ok(()) }
    }

    /// What the handshake established; None before it is complete.
    pub fn info(&self) -> Option<&ConnectionInfo> {
        self.info.get()
    }

    /// Whether the handshake is complete.
    pub fn is_handshaken(&self) -> bool {
        self.info.get().is_some()
    }

    /// The handshake is complete.
    pub fn set_info(&self, info: ConnectionInfo) {
        self.info.get_or_init(|| info);
    }

    /// Whether the reading half has been shut down.
    pub fn is_read_shut(&self) -> bool {
        self.is_read_shut.load(SeqCst)
    }

    /// Shuts the reading half down, on this side only.
    pub fn shut_reading(&self) {
        self.is_read_shut.store(true, SeqCst);
        let mut state = self.lock();
        // From a stream the handshake must still be received. A descriptor gives what the kernel has all the same.
        if !self.is_pumped() || self.is_handshaken() {
            self.end_receiving(&mut state);
        }
    }

    /// Receives nothing any more, since the reading half is shut down.
    pub fn end_receiving(&self, state: &mut SocketState) {
        state.tls.transport().shut_reading();
        if let Some(stream) = self.stream() {
            stream.shut_reading();
        }
    }

    /// Whether calls return WantRead and WantWrite instead of waiting.
    pub fn is_nonblocking(&self) -> bool {
        self.is_nonblocking.load(SeqCst)
    }

    /// Sets whether they do.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.is_nonblocking.store(nonblocking, SeqCst);
    }

    /// How a call with this deadline waits.
    pub fn blocking(&self, deadline: Deadline) -> Blocking {
        if self.is_nonblocking() { Blocking::No } else { Blocking::Until(deadline) }
    }

    /// Adds to a failure what was being done: `what` and the peer.
    pub fn in_phase(&self, phase: Phase, what: &str, error: Error) -> Error {
        error.during(phase, format_args!("{what} {}", self.peer))
    }

    /// The failure of a call of this kind that took too long.
    pub fn timed_out(&self, kind: LimitKind) -> Error {
        let (phase, what) = match kind {
            LimitKind::Handshake => (Phase::Handshake, "TLS handshake with"),
            LimitKind::Read => (Phase::Read, "read from"),
            LimitKind::Write => (Phase::Write, "write to"),
            LimitKind::Close => (Phase::Close, "close the connection to"),
        };
        self.in_phase(phase, what, Error::timeout())
    }

    /// Runs `step` until it is done, waiting in between for what it asks for, if its plan says so.
    pub fn run<T>(&self, mut step: impl FnMut(&mut SocketState, Instant) -> Result<Progress<T>>) -> Result<Run<T>> {
        let mut intake = Intake::default();
        loop {
            let (progress, lines) = {
                let mut state = self.lock();
                let progress = step(&mut state, Instant::now());
                (progress, trace::lines(&state.tls))
            };
            // The lock is free by now.
            self.tell(&lines);
            let mut plan = match progress {
                Ok(Progress::Wait(plan)) => plan,
                ended => {
                    self.send_rest();
                    return ended.map(|progress| match progress {
                        Progress::Done(result) => Run::Done(result),
                        Progress::Wait(plan) => Run::WouldWait(plan.interest),
                    });
                }
            };
            if self.is_pumped() && self.pump(&mut plan, &mut intake)? {
                continue;
            }
            if !plan.may_wait {
                return Ok(Run::WouldWait(plan.interest));
            }
            self.wait(&plan)?;
        }
    }

    /// Ends our half of the stream under the connection, once everything has been written. There is nothing to do over a
    /// descriptor.
    pub fn end_stream(&self, blocking: Blocking) -> Result<Step<()>> {
        let Some(stream) = self.stream() else { return Ok(Step::Done(())) };
        loop {
            let interest = match stream.end_writing()? {
                Step::WantRead => Readiness::READ,
                Step::WantWrite => Readiness::WRITE,
                step => return Ok(step),
            };
            match blocking {
                Blocking::No if interest.readable => return Ok(Step::WantRead),
                Blocking::No => return Ok(Step::WantWrite),
                Blocking::Until(deadline) if deadline.has_passed() => return Err(Error::timeout()),
                Blocking::Until(_) if !stream.can_wait() => return Err(cannot_wait()),
                Blocking::Until(deadline) => stream.wait(interest, deadline)?,
            }
        }
    }

    /// Runs the step of an operation on a connection that is in use: until it is done, or, where the call does not block,
    /// once. `kind` says which limit a call that does not block has.
    pub fn operate<T>(
        &self,
        kind: impl Into<Option<LimitKind>>,
        blocking: Blocking,
        waiter: Waiter,
        mut step: impl FnMut(&mut SocketState, Instant) -> Result<Step<T>>,
    ) -> Result<Step<T>> {
        let kind = kind.into();
        let run = self.run(|state, now| {
            state.check_usable()?;
            let outcome = state.run_step(now, |state| step(state, now)).map_err(|error| {
                state.waiting.end(kind);
                state.fail(error)
            })?;
            // Reading may have left something to send: a key update, an alert.
            let may_leave = matches!(outcome, Step::Done(_)) && state.tls.transport().postpone_further();
            let flushed = may_leave || state.flush().unwrap_or(true);
            let interest = match outcome {
                Step::WantRead => Readiness { writable: !flushed, ..Readiness::READ },
                Step::WantWrite => Readiness::WRITE,
                done => {
                    state.waiting.end(kind);
                    return Ok(Progress::Done(done));
                }
            };
            let Blocking::Until(deadline) = blocking else {
                if self.is_pumped() {
                    return Ok(Progress::Wait(WaitPlan::without_waiting(interest)));
                }
                state.waiting.check(kind, &self.timeouts, now)?;
                return Ok(Progress::Done(outcome));
            };
            Ok(Progress::Wait(state.wait_plan(interest, waiter, deadline, now)))
        })?;
        match run {
            Run::Done(outcome) => Ok(outcome),
            Run::WouldWait(interest) => {
                self.lock().waiting.check(kind, &self.timeouts, Instant::now())?;
                Ok(if interest.readable { Step::WantRead } else { Step::WantWrite })
            }
        }
    }

    fn wait(&self, plan: &WaitPlan) -> Result<()> {
        let waited = self.wait_as_planned(plan);
        if plan.gathers {
            self.lock().tls.transport().end_gathering();
        }
        waited
    }

    fn wait_as_planned(&self, plan: &WaitPlan) -> Result<()> {
        // A peer may send without end what is of no use.
        if plan.deadline.has_passed() {
            return Err(Error::timeout());
        }
        if plan.back_off {
            thread::sleep(BACK_OFF);
        }
        if plan.receive_directly && self.receive() {
            return Ok(());
        }
        match self.wait_for(plan.interest, plan.deadline.or_sooner(plan.timer)) {
            Err(error) if error.code == Code::Timeout && !plan.deadline.has_passed() => Ok(()),
            waited => waited,
        }
    }

    /// Waits for the peer's next bytes without a deadline, and receives them, which is one system call instead of two. Ends
    /// also when the socket is closed, or its reading half shut down. False if the descriptor is not one to wait on.
    fn receive(&self) -> bool {
        let mut bytes = [0; SMALL_READ];
        let received = match self.fd() {
            Some(fd) => posix::recv_waiting(fd.as_fd(), &mut bytes),
            None => Err(posix::bad_descriptor()),
        };
        let received = self.lock().tls.transport().finish_external_receive(received, &bytes);
        !received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits for what it is over to be ready, or until the deadline.
    pub(super) fn wait_for(&self, mut interest: Readiness, deadline: Deadline) -> Result<()> {
        let endpoint = self.endpoint().ok_or_else(closed)?;
        let mut until = deadline;
        // The kernel always calls such a socket readable, and of a stream nothing is received once it is handshaken.
        let is_stream = matches!(endpoint, Endpoint::Stream(_));
        if interest.readable && self.is_read_shut() && (!is_stream || self.is_handshaken()) {
            interest.readable = false;
            until = recheck_soon(deadline, Instant::now());
        }
        let fd = match endpoint {
            Endpoint::Descriptor(fd) | Endpoint::Duplicate(fd) => fd,
            Endpoint::Stream(_) if interest == Readiness::default() => {
                thread::sleep(until.remaining().unwrap_or_default());
                return Ok(());
            }
            Endpoint::Stream(stream) => return stream.wait(interest, until),
        };
        let ready = posix::poll_one(fd.as_fd(), interest, until.0).map_err(|error| Error::io(&error))?;
        if ready == Readiness::default() && deadline.has_passed() { Err(Error::timeout()) } else { Ok(()) }
    }
}

/// The failure of a call that would have to wait on a stream that has no means for that.
pub(super) fn cannot_wait() -> Error {
    Error::new(Code::State, "the socket has no function to wait with: use it without blocking")
}

fn carries_another() -> Error {
    Error::new(Code::State, "the socket carries another TLS connection, to which reading and writing belong")
}
