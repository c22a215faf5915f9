//! The bytes on both sides of an engine's TLS, in queues. OpenSSL's memory BIOs clear the memory that they are about to fill,
//! and go through their method tables for each piece.

use crate::{
    byte_queue::ByteQueue,
    ossl::bio_backend::{BioBackend, BioStatus, Method, Question},
};
use std::{ffi::CStr, io, sync::OnceLock};

/// What came from the peer, and what is to be sent to it.
#[derive(Default)]
pub struct Memory {
    pub incoming: ByteQueue,
    pub outgoing: ByteQueue,
    /// Nothing more will come from the peer.
    pub has_ended: bool,
}

impl BioBackend for Memory {
    const NAME: &'static CStr = c"bglssl engine";

    fn method() -> &'static OnceLock<Method> {
        static METHOD: OnceLock<Method> = OnceLock::new();
        &METHOD
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(self.incoming.take(buffer))
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.outgoing.try_push(data).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(data.len())
    }

    fn answer(&self, question: Question) -> usize {
        match question {
            Question::Eof => usize::from(self.has_ended && self.incoming.is_empty()),
            Question::Unsent => self.outgoing.len(),
            Question::PathPayload | Question::FallbackPayload | Question::PacketOverhead => 0,
        }
    }

    fn reset_read_budget(&mut self) {}

    fn suspend_receive(&mut self, _: bool) {}

    fn status(&self) -> BioStatus {
        BioStatus { eof: self.has_ended, has_buffered_input: !self.incoming.is_empty(), ..BioStatus::default() }
    }

    fn not_tls_hint(&self) -> Option<&'static str> {
        None
    }
}
