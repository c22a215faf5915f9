//! Reading, writing, and ending one half.

use crate::{
    error::{Phase, Result},
    ossl::ssl::Medium,
    posix,
    turn::Blocking,
};
use std::{os::fd::AsFd, sync::atomic::Ordering::SeqCst};

use super::{
    LimitKind, Socket, Step, closed,
    state::{Lifecycle, SMALL_READ, Waiter},
    unreported_writes::WriteProgress,
};

impl Socket {
    /// Reads at least one byte, unless the stream is at its end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        match self.ensure_handshake()? {
            Step::Done(()) => {}
            Step::WantRead => return Ok(Step::WantRead),
            Step::WantWrite => return Ok(Step::WantWrite),
            Step::Eof => return Ok(Step::Eof),
        }
        if buffer.is_empty() {
            return Ok(Step::Done(0));
        }
        self.do_read(buffer).map_err(|error| error.during(Phase::Read, format_args!("read from {}", self.peer)))
    }

    pub(super) fn do_read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        let deadline = self.deadline(LimitKind::Read);
        let wait = self.waits(deadline);
        let Some(_turn) = self.read_lock.acquire(wait)? else { return Ok(Step::WantRead) };
        let mut looks_first = matches!(wait, Blocking::No);
        self.drive(LimitKind::Read, wait, Waiter::Reader, |tls| {
            // The kernel's end of file is not the peer's, and must not reach OpenSSL.
            if self.read_shut.load(SeqCst) {
                return Ok(Step::Eof);
            }
            if !std::mem::replace(&mut looks_first, true) && tls.should_wait_first(deadline) {
                return Ok(Step::WantRead);
            }
            let step = match self.medium() {
                Medium::Stream => tls.read(buffer, matches!(wait, Blocking::Until(_))),
                Medium::Datagrams => tls.read_record(buffer),
            };
            if let Ok(Step::Done(n)) = step {
                tls.is_first_read_after_write = false;
                tls.last_read_was_small = n <= SMALL_READ;
            }
            step
        })
    }

    /// Writes. Blocking: all of `data`, or a failure; `written` says how much has been taken in either case.
    /// Non-blocking: some of it, or WANT_WRITE, after which the same bytes must be given again.
    pub fn write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        *written = 0;
        match self.ensure_handshake()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_write(data, written)
            .map_err(|error| error.during(Phase::Write, format_args!("write to {}", self.peer)))
    }

    pub(super) fn do_write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        let deadline = self.deadline(LimitKind::Write);
        let wait = self.waits(deadline);
        let all = matches!(wait, Blocking::Until(_));
        let Some(_turn) = self.write_lock.acquire(wait)? else { return Ok(Step::WantWrite) };
        let mut count = WriteProgress::default();
        let result = self.drive(LimitKind::Write, wait, Waiter::Other, |tls| {
            tls.is_first_read_after_write = true;
            tls.end_consecutive_reads();
            if self.medium() == Medium::Datagrams {
                return tls.write_record(data, &mut count.written);
            }
            let step = tls.write(data, &mut count, all, deadline)?;
            if !all && step != Step::Done(()) && count.in_flight > 0 {
                tls.unreported.add(data.get(..count.in_flight).unwrap_or_default());
                count.in_flight = 0;
            }
            Ok(step)
        });
        // A blocking write that has run out of time is not repeated, and what it has handed over will be sent.
        *written = count.written + count.in_flight;
        result
    }

    /// How many bytes a read would give without waiting.
    pub fn pending(&self) -> usize {
        // Looking may take bytes out of the kernel: from under a reader who waits for them it would be for ever.
        let turn = self.read_lock.acquire(Blocking::No);
        let mut tls = self.lock();
        if tls.lifecycle != Lifecycle::Open
            || tls.failure.is_some()
            || !self.handshaken.load(SeqCst)
            || self.read_shut.load(SeqCst)
        {
            return 0;
        }
        let pending = match (turn, self.medium()) {
            (Ok(Some(_)), Medium::Stream) => tls.ssl.pending(),
            (Ok(Some(_)), Medium::Datagrams) => tls.ssl.pending_record(),
            _ => tls.ssl.decrypted(),
        };
        if pending == 0 {
            tls.end_consecutive_reads();
        }
        pending
    }

    /// Ends our half of the stream: flushes, sends close_notify and FIN. Reading goes on.
    pub fn shutdown(&self) -> Result<Step<()>> {
        match self.ensure_handshake()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_shutdown()
            .map_err(|error| error.during(Phase::Write, format_args!("end the writing to {}", self.peer)))
    }

    pub(super) fn do_shutdown(&self) -> Result<Step<()>> {
        let wait = self.waits(self.deadline(LimitKind::Write));
        let Some(_turn) = self.write_lock.acquire(wait)? else { return Ok(Step::WantWrite) };
        let step = self.drive(LimitKind::Write, wait, Waiter::Other, |tls| {
            tls.ssl.close_notify()?;
            tls.write_closed = true;
            Ok(if tls.flush()? { Step::Done(()) } else { Step::WantWrite })
        })?;
        if step == Step::Done(()) {
            self.send_fin();
        }
        Ok(step)
    }

    /// Ends the reading half, on this side only: reads return the end of the stream, also those under way. Writing goes
    /// on.
    pub fn shutdown_read(&self) -> Result<()> {
        let fd = self.fd().ok_or_else(closed)?;
        self.read_shut.store(true, SeqCst);
        self.lock().ssl.io().shut_reading();
        // Wakes who waits. Fails only if the connection is gone already, which wakes too.
        let _ = posix::shutdown_read(fd.as_fd());
        Ok(())
    }

    /// Once our reading half is shut down, a FIN would turn the peer's next bytes into a reset, which destroys what is
    /// still on its way to the peer: then close_notify must do until the descriptor is closed.
    pub(super) fn send_fin(&self) {
        if self.read_shut.load(SeqCst) {
            return;
        }
        if self.medium() == Medium::Datagrams {
            return;
        }
        if let Some(fd) = self.fd() {
            // Fails only if the connection is gone already.
            let _ = posix::shutdown(fd.as_fd(), false);
        }
    }
}
