//! Reading what is there, for callers who wait by themselves.

use crate::{
    error::{Code, Error, Phase, Result},
    transport::channel::gathering::GATHERING_TIME,
    types::Step,
};

use std::time::{Duration, Instant};

use super::{
    driver::Driver,
    op_lock::Blocking,
    state::{SocketState, Waiter},
    timeouts::LimitKind,
};

/// Reads without waiting, also where the socket is blocking. Sets `more`, which is false before, where the next
/// read has something to report, too, without the peer sending anything more; also where this one fails: a record
/// that is larger than the buffer stays.
pub fn read_now(driver: &Driver, buffer: &mut [u8], more: &mut bool) -> Result<Step<usize>> {
    read_once(driver, buffer, more).map_err(|error| driver.in_phase(Phase::Read, "read from", error))
}

fn read_once(driver: &Driver, buffer: &mut [u8], more: &mut bool) -> Result<Step<usize>> {
    if !driver.is_handshaken() {
        return Err(Error::new(Code::State, "the handshake is not complete"));
    }
    if buffer.is_empty() {
        driver.lock().check_usable()?;
        *more = true;
        return Ok(Step::Done(0));
    }
    let Some(_lock) = driver.read_lock.acquire(Blocking::No)? else { return Ok(Step::WantRead) };
    let step = driver.operate(LimitKind::Read, Blocking::No, Waiter::Reader, |state, now| {
        // The kernel's end of file is not the peer's, and must not reach OpenSSL.
        if driver.is_read_shut() {
            return Ok(Step::Eof);
        }
        // The caller reads until there is nothing more, as a blocking reader does.
        let step = state.read_step(buffer, true, now);
        if matches!(step, Ok(Step::Done(_)) | Err(_)) {
            *more = has_answer(state);
        }
        step
    })?;
    driver.counts.note_read(&step);
    *more = *more || (matches!(step, Step::Done(_)) && driver.has_input_below());
    Ok(step)
}

/// How long a caller that is about to wait should leave the descriptor alone: where records come small and fast, several are
/// there then. None if they do not.
pub fn gather(driver: &Driver) -> Result<Option<Duration>> {
    if !driver.is_handshaken() || driver.is_read_shut() {
        return Ok(None);
    }
    let Some(_lock) = driver.read_lock.acquire(Blocking::No)? else { return Ok(None) };
    let mut state = driver.lock();
    state.check_usable()?;
    Ok(state.channel.gathers_elsewhere(Instant::now()).then_some(GATHERING_TIME))
}

/// Whether a read has its answer, good or bad, without the network.
fn has_answer(state: &mut SocketState) -> bool {
    state.channel.pending(&mut state.tls) > 0
        || state.tls.has_failed()
        || state.tls.has_deferred_error()
        || state.tls.received_close_notify()
}
