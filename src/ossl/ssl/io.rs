//! Reading and writing through an SSL.

use crate::{
    error::{Error, Result},
    ossl::{bio_backend::BioBackend, queue, sys},
    types::Step,
};
use openssl_sys as ffi;
use std::{ffi::c_int, ptr};

use super::connection::Ssl;

impl<B: BioBackend> Ssl<B> {
    /// Reads decrypted bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.call(|ssl| ssl.raw_read(buffer))
    }

    /// Whether OpenSSL keeps its buffers, of 17 kB each, when they are empty, rather than to ask for memory again with
    /// the next record.
    pub fn keep_buffers(&mut self, keep: bool) {
        if self.keeps_buffers == keep {
            return;
        }
        self.keeps_buffers = keep;
        let command = if keep { sys::SSL_CTRL_CLEAR_MODE } else { sys::SSL_CTRL_MODE };
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_ctrl(self.ptr(), command, sys::SSL_MODE_RELEASE_BUFFERS, ptr::null_mut()) };
        if !keep {
            self.release_buffer();
        }
    }

    /// Frees OpenSSL's buffers, since programs that collect garbage keep a closed socket for long. From then on no method
    /// lets OpenSSL read or write: releases without the fix of CVE-2024-4741 would use what has been freed.
    pub fn end(&mut self) {
        self.has_ended = true;
        // SAFETY: the SSL is live, and no call that uses its buffers follows.
        unsafe { sys::SSL_free_buffers(self.ptr()) };
    }

    /// Makes OpenSSL give its read buffer back, which it does when it finds nothing to read.
    fn release_buffer(&mut self) {
        if self.failed || self.received_close_notify() || self.has_pending() || self.status().read_budget_exhausted
        {
            return;
        }
        self.without_receiving(Ssl::decrypt_next_record);
    }

    /// Does something with what has been received, and receives nothing.
    pub fn without_receiving<T>(&mut self, action: impl FnOnce(&mut Ssl<B>) -> T) -> T {
        self.transport().suspend_receive(true);
        let outcome = action(self);
        self.transport().suspend_receive(false);
        outcome
    }

    pub(super) fn raw_read(&mut self, buffer: &mut [u8]) -> (c_int, usize) {
        let mut n = 0;
        // SAFETY: `buffer` is writable for its length.
        let result = unsafe { sys::SSL_read_ex(self.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
        (result, n)
    }

    /// Encrypts bytes, one record at most, and says how many it took.
    pub fn write(&mut self, data: &[u8]) -> Result<Step<usize>> {
        self.call(|ssl| {
            let mut n = 0;
            // SAFETY: `data` is readable for its length.
            let result = unsafe { sys::SSL_write_ex(ssl.ptr(), data.as_ptr().cast(), data.len(), &mut n) };
            (result, n)
        })
    }

    /// How many decrypted bytes a read gives without the network, decrypting a record that has already arrived if
    /// there is none yet.
    pub fn pending(&mut self) -> usize {
        if self.decrypted() == 0 && self.has_pending() {
            self.decrypt_next_record();
        }
        self.decrypted()
    }

    /// Decrypts the next record, if it has arrived and there is none yet. The next call reports a failure of that.
    fn decrypt_next_record(&mut self) {
        if self.failed || self.has_ended {
            return;
        }
        let mut byte = 0u8;
        let mut n = 0;
        queue::clear();
        self.transport().reset_read_budget();
        // SAFETY: `byte` is writable for one byte.
        let result = unsafe { sys::SSL_peek_ex(self.ptr(), (&raw mut byte).cast(), 1, &mut n) };
        self.deferred_error = self.outcome(result, ()).err();
    }

    /// The alert by which the peer has ended the connection, if it is the next thing to read.
    pub fn peer_alert(&mut self) -> Option<Error> {
        self.decrypt_next_record();
        self.deferred_error.clone().filter(|error| error.alert >= 0)
    }

    /// Whether bytes of the peer are here, decrypted or not.
    fn has_pending(&self) -> bool {
        // SAFETY: the SSL is live.
        self.status().has_buffered_input || unsafe { sys::SSL_has_pending(self.ptr()) != 0 }
    }

    /// Whether a read may have its answer, good or bad, without the network.
    pub fn read_would_return(&self) -> bool {
        self.failed || self.deferred_error.is_some() || self.received_close_notify() || self.has_pending()
    }

    /// Whether the next read will return an error that was found before.
    pub fn has_deferred_error(&self) -> bool {
        self.deferred_error.is_some()
    }

    /// How many decrypted bytes there are.
    pub fn decrypted(&self) -> usize {
        // SAFETY: the SSL is live.
        usize::try_from(unsafe { ffi::SSL_pending(self.ptr()) }).unwrap_or(0)
    }

    /// Sends close_notify, once, if the connection is in a state to send it. WantRead in the middle of a message of the peer's,
    /// whose end must come first: OpenSSL would send nothing.
    pub fn close_notify(&mut self) -> Result<Step<()>> {
        if self.failed || self.has_ended || !self.is_completed() || self.sent_close_notify() {
            return Ok(Step::Done(()));
        }
        if !self.is_handshaken() {
            let step = self.call(|ssl| (ssl.raw_handshake(), ()))?;
            if step != Step::Done(()) {
                return Ok(step);
            }
        }
        queue::clear();
        // SAFETY: the SSL is live.
        let result = unsafe { ffi::SSL_shutdown(self.ptr()) };
        if result >= 0 { Ok(Step::Done(())) } else { self.outcome(result, ()) }
    }

    /// Whether a fatal error has ended the connection.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}
