//! Reading, writing, and ending one half.

use crate::{
    error::{Phase, Result},
    ossl::ssl::Medium,
    posix,
    turn::Wait,
};
use std::{os::fd::AsFd, sync::atomic::Ordering::SeqCst};

use super::{
    LimitKind, Socket, Step, closed,
    state::{Life, SMALL, Waiter},
    untold_writes::WriteCount,
};

impl Socket {
    /// Reads at least one byte, unless the stream is at its end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Step<usize>> {
        match self.handshake_first()? {
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
        let Some(_turn) = self.reading.take(wait)? else { return Ok(Step::WantRead) };
        let mut looks_first = matches!(wait, Wait::No);
        self.drive(LimitKind::Read, wait, Waiter::Reader, |tls| {
            // The kernel's end of file is not the peer's, and must not reach OpenSSL.
            if self.read_closed.load(SeqCst) {
                return Ok(Step::Eof);
            }
            if !std::mem::replace(&mut looks_first, true) && tls.expects_to_wait(deadline) {
                return Ok(Step::WantRead);
            }
            let step = match self.medium() {
                Medium::Stream => tls.read(buffer, matches!(wait, Wait::Until(_))),
                Medium::Datagrams => tls.read_record(buffer),
            };
            if let Ok(Step::Done(n)) = step {
                tls.answer_due = false;
                tls.little = n <= SMALL;
            }
            step
        })
    }

    /// Writes. Blocking: all of `data`, or a failure; `written` says how much has been taken in either case.
    /// Non-blocking: some of it, or WANT_WRITE, after which the same bytes must be given again.
    pub fn write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        *written = 0;
        match self.handshake_first()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_write(data, written)
            .map_err(|error| error.during(Phase::Write, format_args!("write to {}", self.peer)))
    }

    pub(super) fn do_write(&self, data: &[u8], written: &mut usize) -> Result<Step<()>> {
        let deadline = self.deadline(LimitKind::Write);
        let wait = self.waits(deadline);
        let all = matches!(wait, Wait::Until(_));
        let Some(_turn) = self.writing.take(wait)? else { return Ok(Step::WantWrite) };
        let mut count = WriteCount::default();
        let result = self.drive(LimitKind::Write, wait, Waiter::Other, |tls| {
            tls.answer_due = true;
            tls.end_run();
            if self.medium() == Medium::Datagrams {
                return tls.write_record(data, &mut count.written);
            }
            let step = tls.write(data, &mut count, all, deadline)?;
            if !all && step != Step::Done(()) && count.on_its_way > 0 {
                tls.untold.add(data.get(..count.on_its_way).unwrap_or_default());
                count.on_its_way = 0;
            }
            Ok(step)
        });
        // A blocking write that has run out of time is not repeated, and what it has handed over will be sent.
        *written = count.written + count.on_its_way;
        result
    }

    /// How many bytes a read would give without waiting.
    pub fn pending(&self) -> usize {
        // Looking may take bytes out of the kernel: from under a reader who waits for them it would be for ever.
        let turn = self.reading.take(Wait::No);
        let mut tls = self.lock();
        if tls.life != Life::Open
            || tls.failure.is_some()
            || !self.handshaken.load(SeqCst)
            || self.read_closed.load(SeqCst)
        {
            return 0;
        }
        let pending = match (turn, self.medium()) {
            (Ok(Some(_)), Medium::Stream) => tls.ssl.pending(),
            (Ok(Some(_)), Medium::Datagrams) => tls.ssl.pending_record(),
            _ => tls.ssl.decrypted(),
        };
        if pending == 0 {
            tls.end_run();
        }
        pending
    }

    /// Ends our half of the stream: flushes, sends close_notify and FIN. Reading goes on.
    pub fn shutdown(&self) -> Result<Step<()>> {
        match self.handshake_first()? {
            Step::Done(()) => {}
            step => return Ok(step),
        }
        self.do_shutdown()
            .map_err(|error| error.during(Phase::Write, format_args!("end the writing to {}", self.peer)))
    }

    pub(super) fn do_shutdown(&self) -> Result<Step<()>> {
        let wait = self.waits(self.deadline(LimitKind::Write));
        let Some(_turn) = self.writing.take(wait)? else { return Ok(Step::WantWrite) };
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
        self.read_closed.store(true, SeqCst);
        self.lock().ssl.io().shut_reading();
        // Wakes who waits. Fails only if the connection is gone already, which wakes too.
        let _ = posix::shutdown_read(fd.as_fd());
        Ok(())
    }

    /// Once our reading half is shut down, a FIN would turn the peer's next bytes into a reset, which destroys what is
    /// still on its way to the peer: then close_notify must do until the descriptor is closed.
    pub(super) fn send_fin(&self) {
        if self.read_closed.load(SeqCst) {
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
