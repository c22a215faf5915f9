//! Bytes that wait to be sent, or to be read.

use std::collections::TryReserveError;

/// They are taken from the front, while more may be added at the end.
#[derive(Default)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    /// How many of them have been taken.
    taken: usize,
}

impl ByteQueue {
    /// What is there.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.taken)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reclaim();
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds bytes at the end. Fails where there is no memory for so many.
    pub fn try_push(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.reclaim();
        self.bytes.try_reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Uses the space of what has been taken again, where that moves fewer bytes than have been taken.
    fn reclaim(&mut self) {
        let taken = self.taken.min(self.bytes.len());
        if taken > 0 && taken >= self.len() {
            self.bytes.drain(..taken);
            self.taken = 0;
        }
    }

    /// Takes the first `n` away.
    pub fn advance(&mut self, n: usize) {
        self.taken = self.taken.saturating_add(n);
    }

    /// Takes as many as have space, and says how many.
    pub fn take(&mut self, buffer: &mut [u8]) -> usize {
        let n = self.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), self.rest().get(..n)) {
            to.copy_from_slice(from);
        }
        self.advance(n);
        if self.is_empty() {
            self.clear();
        }
        n
    }

    /// Forgets everything. Idle connections hold no buffer.
    pub fn clear(&mut self) {
        *self = ByteQueue::default();
    }

    /// Puts what is left of `earlier` before what has been added since.
    pub fn put_before(&mut self, mut earlier: ByteQueue) {
        if !earlier.is_empty() {
            earlier.push(self.rest());
            *self = earlier;
        }
    }
}

impl From<Vec<u8>> for ByteQueue {
    fn from(bytes: Vec<u8>) -> ByteQueue {
        ByteQueue { bytes, taken: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::ByteQueue;

    #[test]
    fn what_is_put_back_stays_in_order() {
        let mut queue = ByteQueue::default();
        queue.push(b"abcd");
        queue.advance(1);
        let mut taken = std::mem::take(&mut queue);
        queue.push(b"ef");
        taken.advance(2);
        queue.put_before(taken);
        assert_eq!(queue.rest(), b"def");
        queue.advance(3);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut queue = ByteQueue::from(vec![0; 10]);
        for _ in 0..1000 {
            queue.push(&[1; 100]);
            queue.take(&mut [0; 100]);
        }
        assert_eq!(queue.len(), 10);
        assert!(queue.bytes.capacity() < 1000);
    }

    #[test]
    fn pieces_are_taken_from_the_front() {
        let mut queue = ByteQueue::from(b"abcde".to_vec());
        let mut piece = [0; 2];
        assert_eq!((queue.take(&mut piece), piece), (2, *b"ab"));
        queue.push(b"f");
        assert_eq!((queue.take(&mut piece), piece), (2, *b"cd"));
        assert_eq!((queue.take(&mut piece), piece), (2, *b"ef"));
        assert_eq!(queue.take(&mut piece), 0);
    }
}
