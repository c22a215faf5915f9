//! Completing the handshake.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
    types::Step,
};

use super::{driver::Driver, info::ConnectionInfo, op_lock::Blocking, state::Waiter, timeouts::LimitKind};

/// Completes the handshake, if it is not complete. After it come the steps of reading and writing.
pub fn complete(driver: &Driver) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    complete_until(driver, driver.timeouts.deadline(LimitKind::Handshake))
}

/// The same with a deadline.
pub fn complete_until(driver: &Driver, deadline: Deadline) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    run(driver, deadline).map_err(|error| {
        if error.code != Code::State {
            driver.lock().forget_sessions();
        }
        failed(driver, error)
    })
}

/// The failure of a handshake.
pub fn failed(driver: &Driver, error: Error) -> Error {
    if let Some(serving) = &driver.lock().serving {
        serving.count(|tally| tally.failed(&error));
    }
    driver.in_phase(Phase::Handshake, "TLS handshake with", error)
}

/// The same without waiting, for the connection that this one carries.
pub fn complete_for_inner(driver: &Driver) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    step_by_step(driver, None, Blocking::No).map_err(|error| failed(driver, error))
}

fn run(driver: &Driver, deadline: Deadline) -> Result<Step<()>> {
    step_by_step(driver, Some(LimitKind::Handshake), driver.blocking(deadline))
}

fn step_by_step(driver: &Driver, limit: Option<LimitKind>, blocking: Blocking) -> Result<Step<()>> {
    // Another thread is doing it: waiting for a message of the peer could miss it.
    let Some(_lock) = driver.handshake_lock.acquire(blocking)? else { return Ok(Step::WantWrite) };
    driver.operate(limit, blocking, Waiter::Reader, |state, now| {
        let step = state.handshake_step()?;
        if step == Step::Done(()) {
            if let Some(resumption) = &state.resumption {
                resumption.complete(&state.tls);
            }
            driver.set_info(ConnectionInfo::of(&state.tls, now));
            if let Some(serving) = &state.serving {
                serving.count(|tally| tally.completed(state.tls.session_reused()));
            }
        }
        Ok(step)
    })
}
