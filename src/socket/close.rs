//! Closing without losing what was written.

use crate::{
    error::{Code, Error, Phase, Result},
    linger,
    net::deadline::Deadline,
    ossl::ssl::Medium,
    posix::{self, Readiness},
};
use std::{
    io,
    os::fd::AsFd,
    sync::{PoisonError, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use super::{
    LimitKind, Socket, Step,
    state::{Lifecycle, SocketState, recheck_soon},
};

/// Room for bytes that nobody wants. Mostly there are none, or few: much room would only cost the processor's cache.
const SCRATCH: usize = 1024;

/// How long closing a connection takes at most whose handshake is not complete: there is nothing to be lost but an alert.
const ALERT_LIMIT: Duration = Duration::from_millis(200);
/// What a step of closing asks for.
enum CloseAction {
    Blocking(Readiness, Deadline),
    /// Everything is sent: end the stream.
    Fin,
    /// Nothing is left to do but to take what the peer still sends.
    Linger(Deadline),
    Finished,
    Failed(Error),
}

impl Socket {
    /// Ends a connection whose handshake failed. Where that was our own decision, the peer shall learn it from the alert
    /// and not from a reset; but the deadline holds for this, too.
    pub(super) fn abandon(&self, code: Code, deadline: Deadline) {
        if !has_alert(code) || self.medium() == Medium::Datagrams {
            return self.finish_closing(None);
        }
        if let Some(left) = deadline.remaining() {
            let close = Duration::from_micros(self.limits.close.load(SeqCst)).min(left);
            self.set_limit(LimitKind::Close, Some(close));
        }
        // How this goes does not matter any more.
        let _ = self.close();
    }

    /// Closes: flushes, sends close_notify and FIN, and leaves it to `linger` to take what the peer still sends and to
    /// close the descriptor. Waits no longer than the close limit.
    pub fn close(&self) -> Result<Step<()>> {
        self.do_close()
            .map_err(|error| error.during(Phase::Close, format_args!("close the connection to {}", self.peer)))
    }

    fn do_close(&self) -> Result<Step<()>> {
        let nonblocking = self.nonblocking.load(SeqCst);
        let mut lost = None;
        let mut lingers = None;
        loop {
            let (want, deadline) = {
                let mut tls = self.lock();
                let close_limit = Duration::from_micros(self.limits.close.load(SeqCst));
                match tls.close_step(close_limit, self.handshaken.load(SeqCst)) {
                    CloseAction::Blocking(want, deadline) if !deadline.has_passed() => {
                        // What the peer sends goes to the reader that waits for it.
                        (
                            want,
                            if tls.ssl.io().external_receive_pending() { recheck_soon(deadline) } else { deadline },
                        )
                    }
                    CloseAction::Fin => {
                        drop(tls);
                        self.send_fin();
                        continue;
                    }
                    CloseAction::Linger(deadline) => {
                        lingers = deadline.0.filter(|_| !deadline.has_passed());
                        break;
                    }
                    CloseAction::Finished => break,
                    CloseAction::Failed(error) => {
                        lost = Some(error);
                        break;
                    }
                    CloseAction::Blocking(want, _) => {
                        // An unfinished drain loses nothing that was written; an unfinished flush does.
                        lost = want.writable.then(Error::timeout);
                        break;
                    }
                }
            };
            if nonblocking {
                return Ok(if want.writable { Step::WantWrite } else { Step::WantRead });
            }
            match self.wait(want, deadline) {
                Ok(()) => {}
                Err(error) if error.code == Code::Timeout => {}
                Err(error) => {
                    lost = want.writable.then_some(error);
                    break;
                }
            }
        }
        self.finish_closing(lingers);
        match lost {
            None => Ok(Step::Done(())),
            Some(error) => Err(error),
        }
    }

    /// Gives the descriptor up. The connection lingers until that time, if there is one; else it ends, which wakes the
    /// threads that wait on it.
    fn finish_closing(&self, lingers: Option<Instant>) {
        let mut tls = self.lock();
        tls.lifecycle = Lifecycle::Closed;
        tls.ssl.io().detach();
        let shared = tls.end_registration();
        drop(tls);
        let fd = self.core.fd.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(fd) = fd.filter(|_| !shared) else {
            return;
        };
        match lingers {
            Some(until) => linger::linger(fd, until, self.read_shut.load(SeqCst)),
            // Fails only if the connection is gone already.
            None => drop(posix::shutdown(fd.as_fd(), true)),
        }
    }

    /// A connection that is freed without a close is cut off. But where the handshake has failed the peer shall learn
    /// why. Not so in a child process: there the connection is somebody else's.
    pub(super) fn abandon_freed(&self) {
        let failed = {
            let tls = self.lock();
            tls.lifecycle == Lifecycle::Open && tls.failure.as_ref().is_some_and(|failure| has_alert(failure.code))
        };
        if failed
            && !self.handshaken.load(SeqCst)
            && self.medium() == Medium::Stream
            && self.made_by == posix::pid()
        {
            self.set_nonblocking(true);
            // What the kernel does not take at once is lost.
            let _ = self.do_close();
        }
    }
}

/// Whether a handshake that fails so sends the peer an alert.
fn has_alert(code: Code) -> bool {
    matches!(code, Code::Verify | Code::Name | Code::Protocol | Code::Config)
}

impl SocketState {
    fn close_step(&mut self, limit: Duration, handshaken: bool) -> CloseAction {
        match self.lifecycle {
            Lifecycle::Open => {
                if handshaken && self.failure.is_none() {
                    // Without it the peer sees a truncation, which is then what happened.
                    let _ = self.ssl.close_notify();
                }
                if !handshaken && !self.ssl.io().has_sent() {
                    return CloseAction::Finished;
                }
                let limit = if handshaken { limit } else { limit.min(ALERT_LIMIT) };
                self.lifecycle = Lifecycle::Flushing(Deadline::after(Some(limit)));
                self.close_step(limit, handshaken)
            }
            Lifecycle::Flushing(deadline) => match self.flush() {
                Ok(true) => {
                    self.lifecycle = Lifecycle::Draining(deadline);
                    CloseAction::Fin
                }
                Ok(false) => CloseAction::Blocking(Readiness::WRITE, deadline),
                Err(error) if self.has_unsent_data => CloseAction::Failed(error),
                Err(_) => CloseAction::Finished,
            },
            Lifecycle::Draining(deadline) => {
                if !self.drain() {
                    CloseAction::Finished
                } else if self.datagrams.is_some() {
                    CloseAction::Blocking(Readiness::READ, deadline)
                } else {
                    CloseAction::Linger(deadline)
                }
            }
            Lifecycle::Closed => CloseAction::Finished,
        }
    }

    /// Takes and drops what the peer has sent. False once it will send no more.
    fn drain(&mut self) -> bool {
        if self.datagrams.is_some()
            && (self.failure.is_some() || !self.ssl.is_handshaken() || self.is_unreachable())
        {
            return false;
        }
        let mut scratch = [0; SCRATCH];
        // Bounded, so that a peer that never stops cannot keep us in here.
        for _ in 0..64 {
            if self.ssl.io().eof() || self.ssl.received_close_notify() || self.ssl.io().recv_errno() != 0 {
                return false;
            }
            let more = if self.ssl.has_failed() || !self.ssl.is_handshaken() {
                match self.ssl.io().recv(&mut scratch) {
                    Ok(_) => continue,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                }
            } else {
                match self.ssl.read(&mut scratch) {
                    Ok(Step::Done(_)) => continue,
                    Ok(Step::WantRead | Step::WantWrite) => true,
                    Ok(Step::Eof) => false,
                    // No TLS any more, but there may be bytes.
                    Err(_) => continue,
                }
            };
            return more;
        }
        true
    }
}
