//! Completing the handshake, and before it the connection, where that was only begun.

use crate::{
    error::{Code, Error, Phase, Result},
    net::deadline::Deadline,
    posix::Readiness,
    transport::{Transport, endpoint::Endpoint},
    types::{Medium, Step},
};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    driver::Driver,
    info::ConnectionInfo,
    op_lock::Blocking,
    state::{LastMessages, SocketState, Waiter},
    timeouts::LimitKind,
    verify_peer,
};

/// What a handshake is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// A connection that has just been made: probably the peer has sent nothing yet.
    NewConnection,
    /// A call that needs it, or asks for it.
    Call,
    /// A write, which follows at once.
    Write,
}

/// Completes the handshake, if it is not complete. After it come the steps of reading and writing.
pub fn complete(driver: &Arc<Driver>) -> Result<Step<()>> {
    complete_for(driver, Occasion::Call)
}

/// Completes the handshake for a write, which the caller makes at once: the last messages of the handshake go out with it.
pub fn complete_for_write(driver: &Arc<Driver>) -> Result<Step<()>> {
    complete_for(driver, Occasion::Write)
}

fn complete_for(driver: &Arc<Driver>, occasion: Occasion) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    let deadline = driver.timeouts.deadline(LimitKind::Handshake);
    step_by_step(driver, Some(LimitKind::Handshake), driver.blocking(deadline), occasion)
}

/// Completes the handshake of a connection that has just been made, until a deadline.
pub fn complete_until(driver: &Arc<Driver>, deadline: Deadline) -> Result<Step<()>> {
    step_by_step(driver, Some(LimitKind::Handshake), driver.blocking(deadline), Occasion::NewConnection)
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

/// Does what can be done of the handshake without waiting, for the connection that this one carries.
pub fn complete_for_inner(driver: &Arc<Driver>) -> Result<Step<()>> {
    if driver.is_handshaken() {
        return Ok(Step::Done(()));
    }
    step_by_step(driver, None, Blocking::No, Occasion::Call)
}

fn step_by_step(
    driver: &Arc<Driver>,
    limit: Option<LimitKind>,
    blocking: Blocking,
    occasion: Occasion,
) -> Result<Step<()>> {
    steps(driver, limit, blocking, occasion).map_err(|error| failed_with_session(driver, error))
}

fn steps(
    driver: &Arc<Driver>,
    limit: Option<LimitKind>,
    blocking: Blocking,
    occasion: Occasion,
) -> Result<Step<()>> {
    driver.verify_callback.check_not_running_here()?;
    // Another thread is doing it: waiting for a message of the peer could miss it.
    let Some(_lock) = driver.handshake_lock.acquire(blocking)? else { return Ok(Step::WantWrite) };
    let blocking = match (connect(driver, blocking)?, blocking) {
        (Connected::NotYet, _) => return Ok(Step::WantRead),
        (Connected::Now, Blocking::Until(_)) => Blocking::Until(driver.timeouts.deadline(LimitKind::Handshake)),
        (_, blocking) => blocking,
    };
    let blocks = matches!(blocking, Blocking::Until(_));
    let mut may_wait_first = blocks && occasion == Occasion::NewConnection;
    let step = driver.operate(limit, blocking, Waiter::Reader, |state, _| {
        if mem::take(&mut may_wait_first) && state.waits_for_hello() {
            return Ok(Step::WantRead);
        }
        // This chooses the config of a server's connection, and so who decides about the peer.
        state.open_step()?.and_then(|()| {
            let asks_program = verify_peer::callback_of(driver, state).is_some();
            let last_messages = match occasion {
                // The program may take its time to decide, and the peer waits.
                _ if asks_program => LastMessages::AtOnce,
                Occasion::Write => LastMessages::WithWrite,
                Occasion::NewConnection | Occasion::Call => LastMessages::WithResponse,
            };
            let step = state.handshake_step(blocks, last_messages)?;
            if step == Step::Done(()) && !asks_program {
                finish(driver, state);
            }
            Ok(step)
        })
    })?;
    if step == Step::Done(()) && !driver.is_handshaken() {
        // Without the lock: the program may ask about the socket.
        verify_peer::ask(driver)?;
        let mut state = driver.lock();
        // The program may also have closed it.
        state.check_usable()?;
        finish(driver, &mut state);
    }
    Ok(step)
}

/// The handshake is complete, and the peer accepted.
fn finish(driver: &Driver, state: &mut SocketState) {
    if let Some(resumption) = &state.resumption {
        resumption.complete(&state.tls);
    }
    driver.set_info(ConnectionInfo::of(&state.tls));
    if driver.is_read_shut() {
        driver.end_receiving(state);
    }
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
            // The next step reports what has taken too long.
            Err(error) if error.code == Code::Timeout => {}
            waited => waited?,
        }
    }
}

/// Goes on with connecting once its time is over, which ends it.
pub fn end_connect_in_time(driver: &Driver) -> Result<()> {
    let deadline = driver.lock().pending.as_ref().map_or(Deadline::NEVER, |pending| pending.deadline());
    // Another thread that is at it ends it, too.
    if deadline.has_passed() && driver.lock().check_usable().is_ok() {
        if let Some(_lock) = driver.handshake_lock.acquire(Blocking::No)? {
            connect(driver, Blocking::No)?;
        }
    }
    Ok(())
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
