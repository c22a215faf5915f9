//! Values that are replaced while others use them, such as what is read again from its files.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering::SeqCst},
};

/// A value as it is now.
pub struct Replaceable<T>(RwLock<Arc<T>>);

/// How often any of them has changed.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// A number that is another one after any replaceable value has changed.
pub fn changes() -> u64 {
    CHANGES.load(SeqCst)
}

impl<T: PartialEq> Replaceable<T> {
    /// It begins as this.
    pub fn new(value: T) -> Replaceable<T> {
        Replaceable(RwLock::new(Arc::new(value)))
    }

    /// As it is now.
    pub fn current(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it, unless it is the same.
    pub fn replace(&self, value: T) {
        if *self.current() == value {
            return;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
        CHANGES.fetch_add(1, SeqCst);
    }
}
