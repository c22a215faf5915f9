//! The latest value that took long to make, and what it was made from. A value from something else takes its place.

use crate::error::Result;
use std::sync::{Mutex, PoisonError};

/// The latest value.
pub struct Latest<K, V>(Mutex<Option<(K, V)>>);

impl<K, V: Clone> Latest<K, V> {
    /// None yet.
    pub const fn new() -> Latest<K, V> {
        Latest(Mutex::new(None))
    }

    /// The latest value, if what it was made from still holds.
    pub fn get(&self, holds: impl FnOnce(&K) -> bool) -> Option<V> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().filter(|(key, _)| holds(key)).map(|(_, value)| value.clone())
    }

    /// Puts a value in the place of the latest one.
    pub fn set(&self, key: K, value: V) {
        let previous = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace((key, value));
        // Freeing takes time: not under the lock.
        drop(previous);
    }

    /// The value made from `key`: the latest one, or else one that is made now, not under the lock. A failure is not kept.
    pub fn get_or_make(&self, key: &K, make: impl FnOnce() -> Result<V>) -> Result<V>
    where
        K: Clone + PartialEq,
    {
        if let Some(value) = self.get(|of| of == key) {
            return Ok(value);
        }
        let value = make()?;
        self.set(key.clone(), value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_value_is_made_again_only_from_another_key() {
        let latest = Latest::new();
        assert_eq!(latest.get_or_make(&1, || Ok("one")).ok(), Some("one"));
        assert_eq!(latest.get_or_make(&1, || Ok("another")).ok(), Some("one"));
        assert_eq!(latest.get_or_make(&2, || Ok("two")).ok(), Some("two"));
        assert_eq!(latest.get_or_make(&1, || Ok("one again")).ok(), Some("one again"));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let latest = Latest::new();
        assert!(latest.get_or_make(&1, || Err(Error::timeout())).is_err());
        assert_eq!(latest.get_or_make(&1, || Ok("one")).ok(), Some("one"));
    }
}
