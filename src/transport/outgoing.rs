//! Bytes that wait to be sent.

/// They are sent from the front, while more may be added at the end.
#[derive(Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// How many of them have been sent.
    sent: usize,
}

impl Outgoing {
    /// What is still to be sent.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// How many bytes are still to be sent.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The first `n` of the rest have been sent.
    pub fn advance(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
    }

    /// Forgets everything. Idle connections hold no buffer.
    pub fn clear(&mut self) {
        *self = Outgoing::default();
    }

    /// Puts the rest of `earlier` before what has been added since.
    pub fn put_before(&mut self, mut earlier: Outgoing) {
        if !earlier.is_empty() {
            earlier.push(self.rest());
            *self = earlier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outgoing;

    #[test]
    fn what_was_not_sent_stays_in_order() {
        let mut outgoing = Outgoing::default();
        outgoing.push(b"abcd");
        outgoing.advance(1);
        let mut taken = std::mem::take(&mut outgoing);
        outgoing.push(b"ef");
        taken.advance(2);
        outgoing.put_before(taken);
        assert_eq!(outgoing.rest(), b"def");
        outgoing.advance(3);
        assert!(outgoing.is_empty());
    }
}
