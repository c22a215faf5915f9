//! Runs steps on the TLS state, and waits between them, outside the lock.

use crate::{
    error::{Code, Error, Result},
    net::deadline::Deadline,
    ossl::ssl::Medium,
    posix::{self, Readiness},
    turn::Blocking,
};
use std::{io, os::fd::AsFd, sync::atomic::Ordering::SeqCst, thread, time::Duration};

use super::{
    LimitKind, Socket, Step, closed,
    state::{SMALL_READ, SocketState, WaitPlan, Waiter, recheck_soon},
};

/// How long a flooded reader, say, lets the other threads have the lock. Just to let it go is not enough: they would
/// have to be faster than the next bytes.
pub(super) const BACK_OFF: Duration = Duration::from_millis(1);

impl Socket {
    /// Runs `step` on the TLS state until it is done, waiting in between, outside the lock, for what it wants.
    pub(super) fn drive<T>(
        &self,
        kind: LimitKind,
        wait: Blocking,
        waiter: Waiter,
        mut step: impl FnMut(&mut SocketState) -> Result<Step<T>>,
    ) -> Result<Step<T>> {
        loop {
            let (pause, deadline) = {
                let mut tls = self.lock();
                tls.check_usable()?;
                let outcome = match self.medium() {
                    Medium::Stream => step(&mut tls),
                    Medium::Datagrams => self.step_datagrams(&mut tls, &mut step),
                };
                let outcome = outcome.map_err(|error| {
                    tls.waiting.end(kind);
                    tls.fail(error)
                })?;
                // Reading may have left something to send: a key update, an alert.
                let flushed = tls.flush().unwrap_or(true);
                let want = match outcome {
                    Step::WantRead => Readiness { writable: !flushed, ..Readiness::READ },
                    Step::WantWrite => Readiness::WRITE,
                    done => {
                        tls.waiting.end(kind);
                        return Ok(done);
                    }
                };
                let Blocking::Until(deadline) = wait else {
                    self.check_waiting(&mut tls, kind)?;
                    return Ok(outcome);
                };
                (tls.pause(want, waiter, deadline), deadline)
            };
            self.pause(&pause, deadline)?;
        }
    }

    pub(super) fn pause(&self, pause: &WaitPlan, deadline: Deadline) -> Result<()> {
        // The peer may well send without end what is of no use.
        if deadline.has_passed() {
            return Err(Error::timeout());
        }
        if pause.back_off {
            thread::sleep(BACK_OFF);
        }
        if pause.receive_directly && self.receive() {
            return Ok(());
        }
        self.wait_or_timer(pause.want, deadline, pause.timer)
    }

    /// Waits for the peer's next bytes, however long that takes, and receives them, which is one system call instead of
    /// two. Ends also when the socket is closed, or its reading half shut down. False where the descriptor is not one to
    /// wait on.
    pub(super) fn receive(&self) -> bool {
        let mut bytes = [0; SMALL_READ];
        let received = match self.fd() {
            Some(fd) => posix::recv_waiting(fd.as_fd(), &mut bytes),
            None => Err(posix::bad_descriptor()),
        };
        let received = self.lock().ssl.io().finish_external_receive(received, &bytes);
        !received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits, and no longer than until the connection has something to do by itself.
    pub(super) fn wait_or_timer(&self, want: Readiness, deadline: Deadline, timer: Deadline) -> Result<()> {
        match self.wait(want, deadline.or_sooner(timer)) {
            Err(error) if error.code == Code::Timeout && !deadline.has_passed() => Ok(()),
            waited => waited,
        }
    }

    /// Waits for the descriptor to be ready, or until the deadline.
    pub(super) fn wait(&self, mut want: Readiness, deadline: Deadline) -> Result<()> {
        let fd = self.fd().ok_or_else(closed)?;
        let mut until = deadline;
        // The kernel calls such a socket readable always: look again every now and then.
        if want.readable && self.read_shut.load(SeqCst) {
            want.readable = false;
            until = recheck_soon(deadline);
        }
        let ready = posix::poll_one(fd.as_fd(), want, until.0).map_err(|error| Error::io(&error))?;
        if ready == Readiness::default() && deadline.has_passed() { Err(Error::timeout()) } else { Ok(()) }
    }
}
