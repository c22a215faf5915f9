//! What a connection keeps for the program's say about its peer.

use crate::{
    config::{Choice, Frozen},
    error::{Code, Error, Result},
    session::Scope,
};
use std::{
    ffi::CString,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, ThreadId},
};

/// What a client's socket is made of beside its driver.
pub struct ClientParts {
    pub sent_name: Option<CString>,
    pub scope: Scope,
    pub frozen: Arc<Frozen>,
    pub choice: Choice,
}

/// The place where the program decides.
#[derive(Default)]
pub struct JudgeSeat {
    /// On a client whose config has a judge.
    pub client: OnceLock<Box<ClientParts>>,
    /// The thread that decides now.
    taken_by: Mutex<Option<ThreadId>>,
}

/// The seat while it is taken.
pub struct Taken<'a>(&'a JudgeSeat);

impl JudgeSeat {
    fn taken_by(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.taken_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread decides until what is returned is dropped.
    pub fn take(&self) -> Taken<'_> {
        *self.taken_by() = Some(thread::current().id());
        Taken(self)
    }

    /// Fails in the thread that decides: what needs the handshake to be complete would wait for itself.
    pub fn check_not_taken_here(&self) -> Result<()> {
        if *self.taken_by() == Some(thread::current().id()) {
            let message = "the function that decides about the peer is running: it may only ask about the socket";
            return Err(Error::new(Code::State, message));
        }
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.taken_by() = None;
    }
}
