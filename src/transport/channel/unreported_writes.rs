//! What non-blocking writes have handed over, but could not report yet because the kernel had no space for all of it.
//!
//! Any number of threads may write on one socket. Each learns only of its own data: by repeating the write it asks
//! how that went, and it is recognized by the data. Two writers of equal data cannot be distinguished, and need not
//! be: each learns once of one of the copies that were sent.

use std::hash::{BuildHasher, RandomState};

/// How many there can be before the oldest is given up, whose writer seems not to come back.
const MOST: usize = 1024;

/// The progress of one call.
#[derive(Default)]
pub struct WriteProgress {
    /// What the kernel has.
    pub written: usize,
    /// What is encrypted, and still to be handed to the kernel.
    pub in_flight: usize,
}

/// One record each, in the order in which they were handed over.
#[derive(Default)]
pub struct UnreportedWrites {
    writes: Vec<Unreported>,
    hasher: RandomState,
}

struct Unreported {
    len: usize,
    hash: u64,
}

impl UnreportedWrites {
    /// Keeps that `data` will be sent although its writer has to repeat the write.
    pub fn add(&mut self, data: &[u8]) {
        if self.writes.len() >= MOST {
            self.writes.remove(0);
        }
        self.writes.push(Unreported { len: data.len(), hash: self.hasher.hash_one(data) });
    }

    /// How much of `data`, which is written again, has been sent already. Forgets it, since its writer learns of it
    /// now.
    pub fn take(&mut self, data: &[u8]) -> Option<usize> {
        let is_begun_by = |unreported: &Unreported| {
            data.get(..unreported.len).is_some_and(|begin| self.hasher.hash_one(begin) == unreported.hash)
        };
        let at = self.writes.iter().position(is_begun_by)?;
        let unreported = self.writes.remove(at);
        if self.writes.is_empty() {
            self.writes = Vec::new();
        }
        Some(unreported.len)
    }

    /// Forgets all: the connection has ended, and nothing more will be sent.
    pub fn clear(&mut self) {
        self.writes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::UnreportedWrites;

    #[test]
    fn a_repeated_write_is_told_once() {
        let mut unreported = UnreportedWrites::default();
        unreported.add(b"abc");
        assert_eq!(unreported.take(b"abcdef"), Some(3));
        assert_eq!(unreported.take(b"abcdef"), None);
    }

    #[test]
    fn another_write_is_not_told() {
        let mut unreported = UnreportedWrites::default();
        unreported.add(b"abc");
        unreported.add(b"xyz");
        assert_eq!(unreported.take(b"abd"), None);
        assert_eq!(unreported.take(b"ab"), None);
        assert_eq!(unreported.take(b"xyz"), Some(3));
        assert_eq!(unreported.take(b"abc"), Some(3));
    }
}
