//! Cryptography beside TLS: digests, MACs, signatures, ciphers, key agreement, keys from passwords.

pub mod cipher;
pub mod dh;
pub mod digest;
pub mod ecdh;
pub mod hmac;
pub mod kdf;
pub mod signature;

use crate::error::{Code, Error, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a panic left behind can still be freed; its handle can be used for nothing else.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that takes in data until it is finished, once.
pub struct Running<T> {
    noun: &'static str,
    state: Mutex<Option<T>>,
}

impl<T> Running<T> {
    /// It begins.
    pub fn new(noun: &'static str, state: T) -> Running<T> {
        Running { noun, state: Mutex::new(Some(state)) }
    }

    /// Goes on, if it is not finished.
    pub fn with<R>(&self, step: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        match lock(&self.state).as_mut() {
            Some(state) => step(state),
            None => Err(self.finished()),
        }
    }

    /// Ends, whatever comes of it.
    pub fn finish<R>(&self, step: impl FnOnce(T) -> Result<R>) -> Result<R> {
        let state = lock(&self.state).take();
        step(state.ok_or_else(|| self.finished())?)
    }

    fn finished(&self) -> Error {
        Error::new(Code::State, format!("the {} is finished already", self.noun))
    }
}
