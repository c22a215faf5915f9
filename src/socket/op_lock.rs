//! A mutex that is held across waits for the network. A blocking caller gives up at its own deadline; a non-blocking
//! caller is refused if the holder may block.

use crate::{
    error::{Code, Error, Result},
    net::deadline::Deadline,
};
use std::{
    ptr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Whether a call waits for what it needs.
#[derive(Clone, Copy)]
pub enum Blocking {
    /// It returns instead.
    No,
    /// It waits until then.
    Until(Deadline),
}

/// The lock.
#[derive(Default)]
pub struct OpLock {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that holds it, if one does.
    holder: Option<usize>,
    /// Whether the holder may wait for the network.
    holder_may_block: bool,
    /// How many wait: waking none would still be a system call.
    waiting: usize,
    /// How many of them wait only for a holder that does not.
    waiting_briefly: usize,
}

/// The lock while it is held.
pub struct OpGuard<'a>(&'a OpLock);

impl OpLock {
    /// Waits for the lock. None if the caller may not block, and the holder may.
    pub fn acquire(&self, blocking: Blocking) -> Result<Option<OpGuard<'_>>> {
        let (mut state, thread) = (self.lock(), this_thread());
        while let Some(holder) = state.holder {
            if holder == thread {
                return Err(reentered());
            }
            let left = match blocking {
                Blocking::No if state.holder_may_block => return Ok(None),
                // The holder does not block and releases the lock soon.
                Blocking::No => None,
                Blocking::Until(deadline) => deadline.remaining(),
            };
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::timeout());
            }
            let is_brief = matches!(blocking, Blocking::No);
            state.waiting += 1;
            state.waiting_briefly += usize::from(is_brief);
            state = match left {
                None => self.free.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.free.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.waiting -= 1;
            state.waiting_briefly -= usize::from(is_brief);
        }
        state.holder = Some(thread);
        state.holder_may_block = matches!(blocking, Blocking::Until(_));
        if state.holder_may_block && state.waiting_briefly > 0 {
            // They were to get it from one that did not block: now they are refused.
            self.free.notify_all();
        }
        Ok(Some(OpGuard(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identifies this thread among those that exist.
fn this_thread() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| ptr::from_ref(mark).addr())
}

/// The failure of a function of the program's that calls for what it is a part of.
fn reentered() -> Error {
    Error::new(Code::State, "a function that serves a connection cannot use it: the call would wait for itself")
}

impl Drop for OpGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.holder = None;
        if state.waiting > 0 {
            self.0.free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

    /// Waits until so many threads wait for the lock.
    fn await_waiting(lock: &OpLock, count: usize) {
        while lock.lock().waiting < count {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_caller_that_may_not_block_is_refused_once_one_that_may_was_before_it() {
        let lock = OpLock::default();
        thread::scope(|scope| {
            let held = lock.acquire(Blocking::No).unwrap();
            let (release, released) = mpsc::channel::<()>();
            let lock = &lock;
            scope.spawn(move || {
                let held = lock.acquire(Blocking::Until(Deadline::NEVER)).unwrap();
                let _ = released.recv_timeout(Duration::from_secs(10));
                drop(held);
            });
            await_waiting(lock, 1);
            let (tell, told) = mpsc::channel();
            scope.spawn(move || tell.send(lock.acquire(Blocking::No).map(|guard| guard.is_some()).is_ok()));
            await_waiting(lock, 2);
            drop(held);
            let outcome = told.recv_timeout(Duration::from_secs(5));
            drop(release);
            assert_eq!(outcome, Ok(true));
        });
    }
}
