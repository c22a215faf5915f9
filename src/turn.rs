//! Taking turns: what only one thread at a time may do on a socket although it waits in the middle of it.
//! Not a lock: whoever wants the turn waits no longer than its own deadline.

use crate::{
    error::{Error, Result},
    net::deadline::Deadline,
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whether a call that cannot go on at once waits.
#[derive(Clone, Copy)]
pub enum Wait {
    /// It returns.
    No,
    /// Until then.
    Until(Deadline),
}

/// A turn to take.
#[derive(Default)]
pub struct Turn {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    taken: bool,
    /// Whether the one who has the turn may wait for the network meanwhile.
    waits: bool,
    /// How many wait: to wake nobody would still be a system call.
    waiting: usize,
}

/// The turn while it is taken.
pub struct Taken<'a>(&'a Turn);

impl Turn {
    /// Takes the turn, once it is free. None: whoever has it may wait for long, which the caller does not.
    pub fn take(&self, wait: Wait) -> Result<Option<Taken<'_>>> {
        let mut state = self.lock();
        while state.taken {
            let left = match wait {
                Wait::No if state.waits => return Ok(None),
                // It will be free in no time.
                Wait::No => None,
                Wait::Until(deadline) => deadline.remaining(),
            };
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::timeout());
            }
            state.waiting += 1;
            state = match left {
                None => self.free.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.free.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.waiting -= 1;
        }
        state.taken = true;
        state.waits = matches!(wait, Wait::Until(_));
        Ok(Some(Taken(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken = false;
        if state.waiting > 0 {
            self.0.free.notify_one();
        }
    }
}
