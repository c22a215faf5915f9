//! Reading what is there, for callers who wait by themselves.

use crate::{
    error::{Code, Error, Phase, Result},
    types::Step,
};

use super::{
    driver::Driver,
    op_lock::Blocking,
    state::{SocketState, Waiter},
    timeouts::LimitKind,
};

/// Reads without waiting, also where the socket is blocking. Beside what it read, it tells whether the next read has
/// something to tell, too, without the peer sending anything more.
pub fn read_now(driver: &Driver, buffer: &mut [u8]) -> Result<(Step<usize>, bool)> {
    read_once(driver, buffer).map_err(|error| driver.in_phase(Phase::Read, "read from", error))
}

fn read_once(driver: &Driver, buffer: &mut [u8]) -> Result<(Step<usize>, bool)> {
    if !driver.is_handshaken() {
        return Err(Error::new(Code::State, "the handshake is not complete"));
    }
    if buffer.is_empty() {
        return Ok((Step::Done(0), true));
    }
    let Some(_lock) = driver.read_lock.acquire(Blocking::No)? else { return Ok((Step::WantRead, false)) };
    let mut more = false;
    let step = driver.operate(LimitKind::Read, Blocking::No, Waiter::Reader, |state, now| {
        // The kernel's end of file is not the peer's, and must not reach OpenSSL.
        if driver.is_read_shut() {
            return Ok(Step::Eof);
        }
        // The caller reads until there is nothing more, as a blocking reader does.
        let step = state.read_step(buffer, true, now)?;
        if let Step::Done(_) = step {
            more = has_answer(state);
        }
        Ok(step)
    })?;
    driver.counts.note_read(&step);
    more = more || (matches!(step, Step::Done(_)) && driver.has_input_below());
    Ok((step, more))
}

/// Whether a read has its answer, good or bad, without the network.
fn has_answer(state: &mut SocketState) -> bool {
    state.channel.pending(&mut state.tls) > 0
        || state.tls.has_failed()
        || state.tls.has_deferred_error()
        || state.tls.received_close_notify()
}
