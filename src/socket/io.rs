//! Reading, writing, and ending one half, once the handshake is complete.

use crate::{
    error::{Phase, Result},
    net::deadline::Deadline,
    transport::channel::unreported_writes::WriteProgress,
    types::Step,
};
use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use super::{
    driver::Driver,
    op_lock::Blocking,
    state::{Waiter, closed},
    timeouts::LimitKind,
};

/// Reads at least one byte, unless the stream is at its end.
pub fn read(driver: &Driver, buffer: &mut [u8]) -> Result<Step<usize>> {
    let result = read_until_done(driver, buffer);
    if let Ok(step) = &result {
        driver.counts.note_read(step);
    }
    result.map_err(|error| driver.in_phase(Phase::Read, "read from", error))
}

fn read_until_done(driver: &Driver, buffer: &mut [u8]) -> Result<Step<usize>> {
    let deadline = driver.timeouts.deadline(LimitKind::Read);
    let blocking = driver.blocking(deadline);
    read_step_by_step(driver, buffer, Some(LimitKind::Read), blocking, deadline)
}

/// Reads no bytes: fails only where the socket is closed, or the connection has failed.
pub fn read_nothing(driver: &Driver) -> Result<Step<usize>> {
    let usable = driver.lock().check_usable();
    usable.map(|()| Step::Done(0)).map_err(|error| driver.in_phase(Phase::Read, "read from", error))
}

/// Reads without waiting, for the connection that this one carries.
pub fn read_for_inner(driver: &Driver, buffer: &mut [u8]) -> Result<Step<usize>> {
    let step = read_step_by_step(driver, buffer, None, Blocking::No, Deadline::NEVER)?;
    driver.counts.note_read(&step);
    Ok(step)
}

/// Reads what has been received already, for the connection that this one carries.
pub fn read_received_for_inner(driver: &Driver, buffer: &mut [u8]) -> Result<Step<usize>> {
    let Some(_lock) = driver.read_lock.acquire(Blocking::No)? else { return Ok(Step::WantRead) };
    if !driver.is_handshaken() {
        return Ok(Step::WantRead);
    }
    loop {
        let step = {
            let mut state = driver.lock();
            state.check_usable()?;
            let step = state.read_received_step(buffer, Instant::now()).map_err(|error| state.fail(error))?;
            // It may have left something to send, which a call that fails reports.
            let _ = state.flush();
            step
        };
        driver.send_rest();
        if step != Step::WantRead || !driver.receive_received() {
            driver.counts.note_read(&step);
            return Ok(step);
        }
    }
}

fn read_step_by_step(
    driver: &Driver,
    buffer: &mut [u8],
    limit: Option<LimitKind>,
    blocking: Blocking,
    deadline: Deadline,
) -> Result<Step<usize>> {
    let blocks = matches!(blocking, Blocking::Until(_));
    let Some(_lock) = driver.read_lock.acquire(blocking)? else { return Ok(Step::WantRead) };
    let mut may_wait_first = blocks;
    driver.operate(limit, blocking, Waiter::Reader, |state, now| {
        // The kernel's end of file is not the peer's, and must not reach OpenSSL.
        if driver.is_read_shut() {
            return Ok(Step::Eof);
        }
        if std::mem::take(&mut may_wait_first) && state.should_wait_first(deadline, now) {
            return Ok(Step::WantRead);
        }
        state.read_step(buffer, blocks, now)
    })
}

/// Writes. Blocking: all of `data`, or a failure; `written` says how much has been taken in either case. Non-blocking: some
/// of it, or WantWrite, after which the same bytes must be given again.
pub fn write(driver: &Driver, data: &[u8], written: &mut usize) -> Result<Step<()>> {
    let mut progress = WriteProgress::default();
    let result = write_until_done(driver, data, &mut progress);
    // A blocking write that has run out of time is not repeated, and what it has handed over will be sent.
    *written = progress.written + progress.in_flight;
    driver.counts.written.fetch_add(*written as u64, Relaxed);
    result.map_err(|error| driver.in_phase(Phase::Write, "write to", error))
}

fn write_until_done(driver: &Driver, data: &[u8], progress: &mut WriteProgress) -> Result<Step<()>> {
    let deadline = driver.timeouts.deadline(LimitKind::Write);
    let blocking = driver.blocking(deadline);
    write_step_by_step(driver, data, progress, Some(LimitKind::Write), blocking, deadline)
}

/// Writes without waiting, for the connection that this one carries. Says how many bytes were taken.
pub fn write_for_inner(driver: &Driver, data: &[u8]) -> Result<Step<usize>> {
    let mut progress = WriteProgress::default();
    let step = write_step_by_step(driver, data, &mut progress, None, Blocking::No, Deadline::NEVER);
    driver.counts.written.fetch_add(progress.written as u64, Relaxed);
    if progress.written > 0 {
        return Ok(Step::Done(progress.written));
    }
    Ok(step?.map(|()| 0))
}

fn write_step_by_step(
    driver: &Driver,
    data: &[u8],
    progress: &mut WriteProgress,
    limit: Option<LimitKind>,
    blocking: Blocking,
    deadline: Deadline,
) -> Result<Step<()>> {
    let blocks = matches!(blocking, Blocking::Until(_));
    let Some(_lock) = driver.write_lock.acquire(blocking)? else { return Ok(Step::WantWrite) };
    driver.operate(limit, blocking, Waiter::Other, |state, now| {
        state.write_step(data, progress, blocks, deadline, now)
    })
}

/// How many bytes a read would give without waiting.
pub fn pending(driver: &Driver) -> usize {
    if !driver.is_handshaken() || driver.is_read_shut() {
        return 0;
    }
    // Looking may receive bytes that a reader waits for in the kernel, which would never wake.
    let lock = driver.read_lock.acquire(Blocking::No);
    let may_look = matches!(lock, Ok(Some(_)));
    let mut pending = driver.lock().pending(may_look);
    // A record without application data gives nothing, and there may be another behind it.
    while pending == 0 && may_look && driver.receive_received() {
        pending = driver.lock().pending(may_look);
    }
    pending
}

/// Ends our half: flushes, sends close_notify and, over a stream, FIN. Reading goes on.
pub fn shutdown_write(driver: &Driver) -> Result<Step<()>> {
    shutdown_until_done(driver).map_err(|error| driver.in_phase(Phase::Write, "end the writing to", error))
}

fn shutdown_until_done(driver: &Driver) -> Result<Step<()>> {
    let blocking = driver.blocking(driver.timeouts.deadline(LimitKind::Write));
    shutdown_step_by_step(driver, Some(LimitKind::Write), blocking)
}

/// Ends the writing half without waiting, for the connection that this one carries.
pub fn shutdown_for_inner(driver: &Driver) -> Result<Step<()>> {
    shutdown_step_by_step(driver, None, Blocking::No)
}

fn shutdown_step_by_step(driver: &Driver, limit: Option<LimitKind>, blocking: Blocking) -> Result<Step<()>> {
    let Some(_lock) = driver.write_lock.acquire(blocking)? else { return Ok(Step::WantWrite) };
    let outcome = end_both(driver, blocking);
    // The limit of a call that does not block is that of both ends.
    let mut state = driver.lock();
    match outcome {
        Ok(Step::WantRead | Step::WantWrite) => state.waiting.check(limit, &driver.timeouts, Instant::now())?,
        _ => state.waiting.end(limit),
    }
    outcome
}

/// Ends our half of TLS, and then that of the stream under it.
fn end_both(driver: &Driver, blocking: Blocking) -> Result<Step<()>> {
    let step = driver.operate(None, blocking, Waiter::Other, |state, _| {
        let step = state.shutdown_step()?;
        if step == Step::Done(()) {
            state.tls.transport().send_fin();
        }
        Ok(step)
    })?;
    if step == Step::Done(()) { driver.end_stream(blocking) } else { Ok(step) }
}

/// Ends the reading half, on this side only: reads return the end of the stream, also those in progress. Writing goes on.
pub fn shutdown_read(driver: &Driver) -> Result<()> {
    driver.endpoint().ok_or_else(closed)?;
    driver.shut_reading();
    Ok(())
}
