//! Taking turns: what only one thread at a time may do on a socket although it waits in the middle of it.
//! Not a lock: whoever wants the turn waits no longer than its own deadline.

use crate::{
    error::{Error, Result},
    net::deadline::Deadline,
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A turn to take.
#[derive(Default)]
pub struct Turn {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    taken: bool,
    /// How many wait: to wake nobody would still be a system call.
    waiting: usize,
}

/// The turn while it is taken.
pub struct Taken<'a>(&'a Turn);

impl Turn {
    /// Takes the turn, once it is free.
    pub fn take(&self, deadline: Deadline) -> Result<Taken<'_>> {
        let mut state = self.lock();
        while state.taken {
            let left = deadline.remaining();
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
        Ok(Taken(self))
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
