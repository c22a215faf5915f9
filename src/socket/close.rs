//! Closing without losing what was written.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
    ossl::ssl::Medium,
    posix::{self, Readiness},
};
use std::{
    io,
    os::fd::AsFd,
    sync::{PoisonError, atomic::Ordering::SeqCst},
    time::Duration,
};

use super::{
    LimitKind, Socket, Step,
    drive::look_again,
    state::{Life, Tls},
};

/// Room for bytes that nobody wants. Mostly there are none, or few: much room would only cost the processor's cache.
pub(super) const SCRATCH: usize = 1024;

/// What a step of closing asks for.
pub(super) enum Closing {
    Wait(Readiness, Deadline),
    /// Everything is sent: end the stream.
    Fin,
    Finished,
    Failed(Error),
}

impl Socket {
    /// Ends a connection whose handshake failed. Where that was our own verdict, the peer shall learn it from the alert
    /// and not from a reset; but the deadline holds for this, too.
    pub(super) fn abandon(&self, code: Code, deadline: Deadline) {
        if !matches!(code, Code::Verify | Code::Name | Code::Protocol) || self.medium() == Medium::Datagrams {
            return self.finish_closing();
        }
        if let Some(left) = deadline.remaining() {
            let close = Duration::from_micros(self.limits.close.load(SeqCst)).min(left);
            self.set_limit(LimitKind::Close, Some(close));
        }
        // How this goes does not matter any more.
        let _ = self.close();
    }

    /// Closes: flushes, sends close_notify and FIN, takes what the peer still sends until it ends too, and closes the
    /// descriptor; never longer than the close limit.
    pub fn close(&self) -> Result<Step<()>> {
        self.do_close()
            .map_err(|error| error.during(Phase::Close, format_args!("close the connection to {}", self.peer)))
    }

    pub(super) fn do_close(&self) -> Result<Step<()>> {
        let nonblocking = self.nonblocking.load(SeqCst);
        let mut lost = None;
        loop {
            let (want, deadline) = {
                let mut tls = self.lock();
                let close_limit = Duration::from_micros(self.limits.close.load(SeqCst));
                match tls.close_step(close_limit, self.handshaken.load(SeqCst)) {
                    Closing::Wait(want, deadline) if !deadline.has_passed() => {
                        // What the peer sends goes to the reader that waits for it.
                        (want, if tls.ssl.io().is_receiving() { look_again(deadline) } else { deadline })
                    }
                    Closing::Fin => {
                        drop(tls);
                        self.send_fin();
                        continue;
                    }
                    Closing::Finished => break,
                    Closing::Failed(error) => {
                        lost = Some(error);
                        break;
                    }
                    Closing::Wait(want, _) => {
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
                Err(_) => break,
            }
        }
        self.finish_closing();
        match lost {
            None => Ok(Step::Done(())),
            Some(error) => Err(error),
        }
    }

    /// Lets go of the descriptor, and wakes whoever waits on it.
    pub(super) fn finish_closing(&self) {
        let mut tls = self.lock();
        tls.life = Life::Closed;
        tls.ssl.io().detach();
        let shared = tls.leave();
        drop(tls);
        let fd = self.core.fd.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(fd) = fd.filter(|_| !shared) {
            // Fails only if the connection is gone already.
            let _ = posix::shutdown(fd.as_fd(), true);
        }
    }
}

impl Tls {
    pub(super) fn close_step(&mut self, limit: Duration, handshaken: bool) -> Closing {
        match self.life {
            Life::Open => {
                if handshaken && self.failure.is_none() {
                    // Without it the peer sees a truncation, which is then what happened.
                    let _ = self.ssl.close_notify();
                }
                self.life = Life::Flushing(Deadline::after(Some(limit)));
                self.close_step(limit, handshaken)
            }
            Life::Flushing(deadline) => match self.flush() {
                Ok(true) => {
                    self.life = Life::Draining(deadline);
                    Closing::Fin
                }
                Ok(false) => Closing::Wait(Readiness::WRITE, deadline),
                Err(error) if self.unsent => Closing::Failed(error),
                Err(_) => Closing::Finished,
            },
            Life::Draining(deadline) => {
                if self.drain() {
                    Closing::Wait(Readiness::READ, deadline)
                } else {
                    Closing::Finished
                }
            }
            Life::Closed => Closing::Finished,
        }
    }

    /// Takes and drops what the peer has sent. False once it will send no more.
    pub(super) fn drain(&mut self) -> bool {
        if self.datagrams.is_some() && (self.failure.is_some() || !self.ssl.is_handshaken() || self.is_refused()) {
            return false;
        }
        let mut scratch = [0; SCRATCH];
        // Bounded, so that a peer that never stops cannot keep us in here; the deadline ends the rest.
        for _ in 0..1024 {
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
