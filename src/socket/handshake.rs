//! Completing the handshake.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
};
use std::sync::atomic::Ordering::SeqCst;

use super::{
    LimitKind, Socket, Step, closed,
    state::{Lifecycle, SocketState, Waiter},
};

impl Socket {
    /// Completes the handshake, if it is not complete.
    pub fn handshake(&self) -> Result<Step<()>> {
        let open = if self.lock().lifecycle == Lifecycle::Open { Ok(()) } else { Err(closed()) };
        open.map_err(|error| self.in_handshake(error))?;
        self.ensure_handshake()
    }

    /// The same, for what comes after it, which finds out by itself whether the socket is closed.
    pub(super) fn ensure_handshake(&self) -> Result<Step<()>> {
        if self.handshaken.load(SeqCst) {
            return Ok(Step::Done(()));
        }
        self.handshake_until(self.deadline(LimitKind::Handshake))
    }

    pub(super) fn in_handshake(&self, error: Error) -> Error {
        error.during(Phase::Handshake, format_args!("TLS handshake with {}", self.peer))
    }

    pub(super) fn handshake_until(&self, deadline: Deadline) -> Result<Step<()>> {
        if self.handshaken.load(SeqCst) {
            return Ok(Step::Done(()));
        }
        self.do_handshake(deadline).map_err(|error| self.in_handshake(error))
    }

    pub(super) fn do_handshake(&self, deadline: Deadline) -> Result<Step<()>> {
        let wait = self.waits(deadline);
        // Somebody else is at it and will get on: to wait for a message could be in vain.
        let Some(_turn) = self.handshake_lock.acquire(wait)? else { return Ok(Step::WantWrite) };
        let handshake = |tls: &mut SocketState| {
            let step = tls.ssl.handshake()?;
            let flushed = match tls.flush() {
                Ok(flushed) => flushed,
                // The peer has gone: why, is still to be read, and ends the handshake.
                Err(error) if matches!(error.sys_errno, libc::EPIPE | libc::ECONNRESET) => true,
                // The peer will never have our message, and so never answer.
                Err(error) if step == Step::WantRead => return Err(error),
                // The next write tells.
                Err(_) => true,
            };
            match step {
                // The peer waits for the rest of what we have to say, and says nothing before.
                Step::Done(()) | Step::WantRead if !flushed => Ok(Step::WantWrite),
                Step::Eof => {
                    let message = "the peer closed the connection (close_notify) before the handshake was complete";
                    Err(Error::new(Code::Protocol, message))
                }
                step => Ok(step),
            }
        };
        let step = self.drive(LimitKind::Handshake, wait, Waiter::Reader, handshake)?;
        if step == Step::Done(()) {
            self.handshaken.store(true, SeqCst);
        }
        Ok(step)
    }
}
