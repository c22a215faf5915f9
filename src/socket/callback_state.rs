//! What a connection keeps for the verify callback.

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

/// What the verify callback needs, and whether it runs.
#[derive(Default)]
pub struct CallbackState {
    /// On a client whose config has a callback.
    pub client: OnceLock<Box<ClientParts>>,
    /// The thread in which it runs.
    running_in: Mutex<Option<ThreadId>>,
}

/// The callback while it runs.
pub struct Running<'a>(&'a CallbackState);

impl CallbackState {
    fn running_in(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.running_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread decides until what is returned is dropped.
    pub fn begin(&self) -> Running<'_> {
        *self.running_in() = Some(thread::current().id());
        Running(self)
    }

    /// Fails in the thread that decides: what needs the handshake to be complete would wait for itself.
    pub fn check_not_running_here(&self) -> Result<()> {
        if *self.running_in() == Some(thread::current().id()) {
            let message = "the function that decides about the peer is running: it may only ask about the socket";
            return Err(Error::new(Code::State, message));
        }
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.running_in() = None;
    }
}
