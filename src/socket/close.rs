//! Closing without losing what was written.

use crate::{
    error::{Code, Error, Phase, Result},
    net::{deadline::Deadline, linger},
    posix::{self, Readiness},
    transport::endpoint::Endpoint,
    types::Step,
};
use std::{
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    closing::CloseAction,
    driver::{Driver, Progress, Run},
    server::counts::Tally,
    state::{Lifecycle, WaitPlan, recheck_soon},
    timeouts::LimitKind,
};

/// Closes: flushes, sends close_notify and FIN, and leaves it to `linger` to take what the peer still sends and to close the
/// descriptor. Waits no longer than the close limit.
pub fn close(driver: &Driver) -> Result<Step<()>> {
    run(driver, driver.is_nonblocking(), driver.timeouts.close())
        .map_err(|error| driver.in_phase(Phase::Close, "close the connection to", error))
}

/// Closes without waiting, for the connection that this one carries, whose limit counts.
pub fn close_for_inner(driver: &Driver, deadline: Deadline) -> Result<Step<()>> {
    run(driver, true, deadline.remaining().unwrap_or(driver.timeouts.close()))
}

/// Ends a connection at once.
pub fn abort(driver: &Driver) {
    finish(driver, None);
}

/// How closing ended.
struct Finished {
    /// How the connection lingers before it can be given up, if it does.
    lingers: Option<Lingers>,
    /// Says that something that was written is lost.
    lost: Option<Error>,
}

/// Until when a connection lingers, whether its reading half is shut down, and whether the caller may wait for it where nobody
/// else can.
struct Lingers {
    until: Instant,
    blind: bool,
    may_wait: bool,
}

fn run(driver: &Driver, is_nonblocking: bool, limit: Duration) -> Result<Step<()>> {
    let mut sends = false;
    let outcome = driver.run(|state, now| {
        let lingers = |end: Deadline, blind| {
            let until = end.0.filter(|_| !end.has_passed_at(now))?;
            Some(Lingers { until, blind, may_wait: !driver.is_nonblocking() })
        };
        let action = state.close_step(driver.is_handshaken(), limit, now);
        let (interest, end) = match action {
            CloseAction::Close(lost) => return Ok(Progress::Done(Finished { lingers: None, lost })),
            CloseAction::Linger(end) => {
                let lingers = lingers(end, driver.is_read_shut());
                return Ok(Progress::Done(Finished { lingers, lost: None }));
            }
            CloseAction::LingerAfterShutdown(end, lost) => {
                return Ok(Progress::Done(Finished { lingers: lingers(end, true), lost }));
            }
            CloseAction::Wait(interest, _) if is_nonblocking => {
                return Ok(Progress::Wait(WaitPlan::without_waiting(interest)));
            }
            CloseAction::Wait(interest, end) => (interest, end),
        };
        sends = interest.writable;
        // What the peer sends goes to the reader that waits for it.
        let is_beside_reader = state.tls.transport().external_receive_pending();
        let timer = if is_beside_reader { recheck_soon(end, now) } else { end };
        let plan = WaitPlan { timer, may_wait: true, ..WaitPlan::without_waiting(interest) };
        Ok(Progress::Wait(plan))
    });
    let (lingers, lost) = match outcome {
        Ok(Run::WouldWait(interest)) => {
            return Ok(if interest.writable { Step::WantWrite } else { Step::WantRead });
        }
        Ok(Run::Done(Finished { lingers, lost })) => (lingers, lost),
        // An unfinished drain loses nothing that was written; an unfinished flush does.
        Err(error) => (None, sends.then_some(error)),
    };
    let lost = match close_stream(driver, is_nonblocking, limit) {
        Ok(Step::Done(()) | Step::Eof) => lost,
        Ok(step) => return Ok(step),
        Err(error) => lost.or(Some(error)),
    };
    finish(driver, lingers);
    lost.map_or(Ok(Step::Done(())), Err)
}

/// Closes the stream under the connection, once everything has been handed to it. There is nothing to do over a descriptor.
fn close_stream(driver: &Driver, is_nonblocking: bool, limit: Duration) -> Result<Step<()>> {
    let Some(stream) = driver.stream() else { return Ok(Step::Done(())) };
    let deadline = driver.lock().closing_deadline(limit, Instant::now());
    loop {
        let interest = match stream.close(deadline)? {
            Step::WantRead => Readiness::READ,
            Step::WantWrite => Readiness::WRITE,
            step => return Ok(step),
        };
        if deadline.has_passed() {
            return Err(Error::timeout());
        }
        if is_nonblocking {
            return Ok(if interest.writable { Step::WantWrite } else { Step::WantRead });
        }
        if !stream.can_wait() {
            return Err(Error::timeout());
        }
        stream.wait(interest, deadline)?;
    }
}

/// Gives the descriptor up. The connection lingers, if it is to; otherwise it ends, which wakes the
/// threads that wait on it.
fn finish(driver: &Driver, lingers: Option<Lingers>) {
    let (has_sent_fin, is_descriptor_shared, pending) = {
        let mut state = driver.lock();
        let has_sent_fin = state.tls.transport().stream().is_some_and(|stream| stream.has_sent_fin());
        state.lifecycle = Lifecycle::Closed;
        let pending = state.pending.take();
        if let Some(pending) = &pending {
            pending.cancel();
        }
        state.tls.transport().detach();
        state.tls.end();
        if let Some(serving) = &state.serving {
            serving.count(Tally::closed);
        }
        (has_sent_fin, state.channel.end_registration(), pending)
    };
    // Without the lock: this ends TLS with a proxy.
    drop(pending);
    match (driver.take_endpoint().filter(|_| !is_descriptor_shared), lingers) {
        (Some(Endpoint::Descriptor(fd) | Endpoint::Duplicate(fd)), Some(Lingers { until, blind, may_wait })) => {
            linger::linger(fd, until, blind, may_wait);
        }
        // No thread waits on it, so close(2) does what is left to do.
        (Some(Endpoint::Descriptor(fd)), None) if has_sent_fin && Arc::strong_count(&fd) == 1 => {}
        // Fails only if the connection has ended already.
        (Some(Endpoint::Descriptor(fd) | Endpoint::Duplicate(fd)), None) => drop(posix::shutdown(fd.as_fd(), true)),
        (Some(Endpoint::Stream(stream)), _) => stream.abort(),
        (None, _) => {}
    }
}

/// Ends a connection whose handshake failed. Where that was our own decision, the peer shall learn it from the alert and not
/// from a reset; but the deadline holds for this, too.
pub fn abandon(driver: &Driver, failure: Code, deadline: Deadline) {
    if !has_alert(failure) {
        return finish(driver, None);
    }
    if let Some(left) = deadline.remaining() {
        driver.timeouts.set(LimitKind::Close, Some(driver.timeouts.close().min(left)));
    }
    // The failure of the handshake is what is reported.
    let _ = close(driver);
}

/// Ends a connection that is freed without a close: it is cut off. But where the handshake has failed the peer shall learn
/// why.
pub fn abandon_freed(driver: &Driver) {
    let has_alert_to_send = {
        let state = driver.lock();
        state.lifecycle == Lifecycle::Open
            && state.failure.as_ref().is_some_and(|failure| has_alert(failure.code))
            && !driver.is_handshaken()
    };
    if has_alert_to_send {
        driver.set_nonblocking(true);
        // What the kernel does not take at once is lost.
        let _ = close(driver);
    }
}

/// Whether a handshake that fails so sends the peer an alert.
fn has_alert(code: Code) -> bool {
    matches!(code, Code::Verify | Code::Name | Code::Protocol | Code::Config)
}
