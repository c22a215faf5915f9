//! Moves bytes between the buffers of a connection and the stream under it, which is the program's, or another TLS
//! connection. The stream is called outside of the lock.
//!
//! One thread at a time receives, and one at a time sends: the state knows whether there is one. A thread that is sending
//! looks for more before it ends, so what others have added meanwhile goes out, too.

use crate::{
    error::{Error, Result},
    posix::Readiness,
    transport::{
        byte_stream::ByteStream,
        endpoint::Endpoint,
        pumped::{Receiving, Sending},
    },
    types::Step,
};
use std::sync::Arc;

use super::{
    driver::{Driver, cannot_wait},
    intake::Intake,
    state::{WaitPlan, closed},
};

/// How many bytes one receive takes at most: one record.
const PIECE: usize = 17 * 1024;

/// Where bytes are received from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// From the stream, which may ask the network.
    Stream,
    /// From what a connection under this one has received. Once a call has taken its share it must still take that, because
    /// nothing would announce it again.
    Received,
}

/// What a round of moving bytes came to.
#[derive(Default)]
struct Moved {
    /// Whether a further step makes sense.
    any: bool,
    /// Whether bytes were received.
    has_received: bool,
    /// What to wait for to go on receiving.
    to_receive: Readiness,
    /// What to wait for to go on sending.
    to_send: Readiness,
    /// Whether another thread is at it.
    is_busy: bool,
}

impl Driver {
    /// The stream under the connection; None over a descriptor, and once closed.
    pub fn stream(&self) -> Option<Arc<dyn ByteStream>> {
        // First, because reads over a descriptor ask as well.
        if !self.is_pumped() {
            return None;
        }
        match self.endpoint() {
            Some(Endpoint::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    /// Moves bytes for a step that cannot go on. True if the step should run again; otherwise the plan says what to wait
    /// for. `intake` is that of the whole call.
    pub(super) fn pump(&self, plan: &mut WaitPlan, intake: &mut Intake) -> Result<bool> {
        let stream = self.stream().ok_or_else(closed)?;
        let source =
            if plan.may_wait || intake.may_take_more(self.received()) { Source::Stream } else { Source::Received };
        let moved = self.move_bytes(&*stream, plan.interest.readable.then_some(source));
        // What the step would wait for another thread has sent meanwhile.
        let is_sent = !plan.interest.readable && moved.to_send == Readiness::default();
        if moved.any || is_sent {
            if plan.may_wait && plan.deadline.has_passed() {
                return Err(Error::timeout());
            }
            return Ok(true);
        }
        if plan.may_wait && !stream.can_wait() {
            return Err(cannot_wait());
        }
        // A call that does not wait can name one thing to wait for only: that of its own direction.
        let own = if plan.interest.readable { moved.to_receive } else { moved.to_send };
        let both = Readiness {
            readable: moved.to_receive.readable || moved.to_send.readable,
            writable: moved.to_receive.writable || moved.to_send.writable,
        };
        plan.interest = if plan.may_wait { both } else { own };
        plan.back_off |= moved.is_busy;
        Ok(false)
    }

    /// Sends what an operation has left, as far as the stream takes it. Later calls report a failure of that.
    pub(super) fn send_rest(&self) {
        if let Some(stream) = self.stream() {
            self.send(&*stream, &mut Moved::default());
        }
    }

    /// Takes over what a connection under this one has received. False if that is nothing.
    pub(super) fn receive_received(&self) -> bool {
        let mut moved = Moved::default();
        if let Some(stream) = self.stream() {
            self.receive_piece(&*stream, Source::Received, &mut moved);
        }
        // Bytes that were taken before, and are not read, are no reason to look again.
        moved.has_received
    }

    /// How many bytes this connection and those under it have received.
    pub(super) fn received(&self) -> u64 {
        let own = self.lock().tls.transport().stream().map_or(0, |buffers| buffers.received());
        own.wrapping_add(self.stream().map_or(0, |stream| stream.received()))
    }

    /// Whether something has already come to the stream.
    pub fn has_input_below(&self) -> bool {
        self.stream().is_some_and(|stream| stream.has_input())
    }

    fn move_bytes(&self, stream: &dyn ByteStream, source: Option<Source>) -> Moved {
        let mut moved = Moved::default();
        self.send(stream, &mut moved);
        if let Some(source) = source {
            self.receive_piece(stream, source, &mut moved);
        }
        moved
    }

    fn send(&self, stream: &dyn ByteStream, moved: &mut Moved) {
        loop {
            let sending = self.lock().tls.transport().stream().map(|buffers| buffers.start_external_send());
            let batch = match sending {
                Some(Sending::Batch(batch)) => batch,
                Some(Sending::Busy) => {
                    moved.to_send = Readiness::WRITE;
                    moved.is_busy = true;
                    return;
                }
                Some(Sending::Nothing) | None => return,
            };
            let outcome = stream.try_write(batch.rest());
            if let Some(buffers) = self.lock().tls.transport().stream() {
                buffers.finish_external_send(batch, &outcome);
            }
            match outcome {
                Ok(Step::Done(n)) if n > 0 => moved.any = true,
                Ok(Step::WantRead) => {
                    moved.to_send = Readiness::READ;
                    return;
                }
                Ok(Step::Done(_) | Step::WantWrite) => {
                    moved.to_send = Readiness::WRITE;
                    return;
                }
                Ok(Step::Eof) | Err(_) => {
                    moved.any = true;
                    return;
                }
            }
        }
    }

    fn receive_piece(&self, stream: &dyn ByteStream, source: Source, moved: &mut Moved) {
        let receiving = self.lock().tls.transport().stream().map(|buffers| buffers.start_pumped_receive());
        match receiving {
            Some(Receiving::Started) => {}
            Some(Receiving::Busy) | None => {
                moved.to_receive = Readiness::READ;
                moved.is_busy = true;
                return;
            }
            Some(Receiving::Unneeded) => {
                moved.any = true;
                return;
            }
        }
        // Not on the stack: connections may be inside one another.
        let mut piece = vec![0; PIECE];
        let outcome = match source {
            Source::Stream => stream.try_read(&mut piece),
            Source::Received => stream.try_read_received(&mut piece),
        };
        if let Some(buffers) = self.lock().tls.transport().stream() {
            buffers.finish_pumped_receive(&outcome, piece);
        }
        match outcome {
            Ok(Step::Done(n)) => {
                moved.any = true;
                moved.has_received = n > 0;
            }
            Ok(Step::WantRead) => moved.to_receive = Readiness::READ,
            Ok(Step::WantWrite) => moved.to_receive = Readiness::WRITE,
            Ok(Step::Eof) | Err(_) => moved.any = true,
        }
    }
}
