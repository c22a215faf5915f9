//! How much one call receives through a stream whose bytes the driver moves.

/// How many bytes a call that does not wait receives before it takes no more than what is here already. Those that the
/// connections under it have received count as well: each byte of theirs can be the whole of a record. A record of
/// 16 kB needs less, even if each of its bytes comes in a record of its own.
const CALL_BUDGET: u64 = 448 * 1024;

/// What the connection, and those under it, had received when the call began.
#[derive(Default)]
pub struct Intake(Option<u64>);

impl Intake {
    /// Whether a call may receive more, if they have received so much by now.
    pub fn may_take_more(&mut self, received: u64) -> bool {
        let begin = *self.0.get_or_insert(received);
        received.wrapping_sub(begin) <= CALL_BUDGET
    }
}
