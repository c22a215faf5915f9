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
    taken: Mutex<bool>,
    free: Condvar,
}

/// The turn while it is taken.
pub struct Taken<'a>(&'a Turn);

impl Turn {
    /// Takes the turn, once it is free.
    pub fn take(&self, deadline: Deadline) -> Result<Taken<'_>> {
        let mut taken = self.lock();
        while *taken {
            taken = match deadline.remaining() {
                None => self.free.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Err(Error::timeout()),
                Some(left) => self.free.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        *taken = true;
        Ok(Taken(self))
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
        self.0.free.notify_one();
    }
}
