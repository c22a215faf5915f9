//! Completing the handshake, and before it the connection, where that was only begun.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
    posix::Readiness,
    transport::{Transport, endpoint::Endpoint},
    types::{Medium, Step},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    driver::Driver,
    info::ConnectionInfo,
    op_lock::Blocking,
    state::{SocketState, Waiter},
    timeouts::LimitKind,
    verify_peer,
};

/// Completes the handshake, if it is not complete. After it come the steps of reading and writing.
pub fn complete(driver: &Arc<Driver>) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    complete_until(driver, driver.timeouts.deadline(LimitKind::Handshake))
}

/// The same with a deadline.
pub fn complete_until(driver: &Arc<Driver>, deadline: Deadline) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    run(driver, deadline).map_err(|error| failed_with_session(driver, error))
}

/// The failure of a handshake, whose reason may be in the session that was offered.
fn failed_with_session(driver: &Driver, error: Error) -> Error {
    if error.code != Code::State && !is_of_connect(&error) {
        driver.lock().forget_sessions();
    }
    failed(driver, error)
}

/// The failure of a handshake. That of a connect has said what it was.
pub fn failed(driver: &Driver, error: Error) -> Error {
    if is_of_connect(&error) {
        return error;
    }
    if let Some(serving) = &driver.lock().serving {
        serving.count(|tally| tally.failed(&error));
    }
    driver.in_phase(Phase::Handshake, "TLS handshake with", error)
}

fn is_of_connect(error: &Error) -> bool {
    matches!(error.phase, Phase::Resolve | Phase::Connect)
}

/// The same without waiting, for the connection that this one carries.
pub fn complete_for_inner(driver: &Arc<Driver>) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    step_by_step(driver, None, Blocking::No).map_err(|error| failed_with_session(driver, error))
}

fn run(driver: &Arc<Driver>, deadline: Deadline) -> Result<Step<()>> {
    step_by_step(driver, Some(LimitKind::Handshake), driver.blocking(deadline))
}

fn step_by_step(driver: &Arc<Driver>, limit: Option<LimitKind>, blocking: Blocking) -> Result<Step<()>> {
    driver.verify_callback.check_not_running_here()?;
    // Another thread is doing it: waiting for a message of the peer could miss it.
    let Some(_lock) = driver.handshake_lock.acquire(blocking)? else { return Ok(Step::WantWrite) };
    let blocking = match (connect(driver, blocking)?, blocking) {
        (Connected::NotYet, _) => return Ok(Step::WantRead),
        (Connected::Now, Blocking::Until(_)) => Blocking::Until(driver.timeouts.deadline(LimitKind::Handshake)),
        (_, blocking) => blocking,
    };
    let step = driver.operate(limit, blocking, Waiter::Reader, |state, now| {
        let step = state.handshake_step()?;
        if step == Step::Done(()) && verify_peer::callback_of(driver, state).is_none() {
            finish(driver, state, now);
        }
        Ok(step)
    })?;
    if step == Step::Done(()) && !driver.is_handshaken() {
        // Without the lock: the program may ask about the socket.
        verify_peer::ask(driver)?;
        finish(driver, &driver.lock(), Instant::now());
    }
    Ok(step)
}

/// The handshake is complete, and the peer accepted.
fn finish(driver: &Driver, state: &SocketState, now: Instant) {
    if let Some(resumption) = &state.resumption {
        resumption.complete(&state.tls);
    }
    driver.set_info(ConnectionInfo::of(&state.tls, now));
    if let Some(serving) = &state.serving {
        serving.count(|tally| tally.completed(state.tls.session_reused()));
    }
}

// ---- before the handshake ----

/// Whether a socket is connected.
enum Connected {
    /// It was before.
    Already,
    /// It is from now on.
    Now,
    /// It is not yet.
    NotYet,
}

/// Goes on with connecting, if the socket is not connected, and waits for it if the call blocks. The handshake lock is held.
fn connect(driver: &Driver, blocking: Blocking) -> Result<Connected> {
    loop {
        let pending = {
            let state = driver.lock();
            state.check_usable()?;
            state.pending.clone()
        };
        let Some(pending) = pending else { return Ok(Connected::Already) };
        let deadline = pending.deadline();
        // Without the lock: TLS with a proxy calls functions of the program.
        let stepped = pending.step(Instant::now());
        {
            let mut state = driver.lock();
            // It may have been closed meanwhile.
            state.check_usable()?;
            let connected = stepped.and_then(|connected| match connected {
                Some(endpoint) => attach(driver, &mut state, endpoint, deadline).map(|()| true),
                None => Ok(false),
            });
            match connected {
                Ok(true) => return Ok(Connected::Now),
                Ok(false) => {}
                Err(error) => return Err(state.failure.get_or_insert(error).clone()),
            }
        }
        if matches!(blocking, Blocking::No) {
            return Ok(Connected::NotYet);
        }
        match driver.wait_for(Readiness::READ, deadline) {
            // The next step tells what has taken too long.
            Err(error) if error.code == Code::Timeout => {}
            waited => waited?,
        }
    }
}

/// The socket is over this from now on. What is left of the time is left for the handshake.
pub fn attach(driver: &Driver, state: &mut SocketState, endpoint: Endpoint, deadline: Deadline) -> Result<()> {
    *state.tls.transport() = Transport::new(Medium::Stream, &endpoint)?;
    if driver.is_read_shut() {
        state.tls.transport().shut_reading();
    }
    driver.replace_endpoint(endpoint);
    state.pending = None;
    let limit = driver.timeouts.deadline(LimitKind::Handshake).or_sooner(deadline).remaining();
    // Zero would be no limit.
    let least = Duration::from_micros(1);
    driver.timeouts.set(LimitKind::Handshake, limit.map(|left| left.max(least)));
    Ok(())
}
