//! The steps of a connection over memory: handshake, read, write, shut down, and the bytes on both sides of them.

use crate::{
    error::{Code, Error, Result},
    ossl::{queue, ssl::call::step_of, sys},
    types::Step,
};
use openssl_sys as ffi;
use std::ffi::c_int;

use super::connection::Engine;

impl Engine {
    /// A step of the handshake. WantRead also when an event has to be looked at first.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        if self.is_new() {
            self.offer()?;
        }
        // SAFETY: the SSL is live.
        let step = self.call(|engine| (unsafe { ffi::SSL_do_handshake(engine.ptr()) }, ()))?;
        if step == Step::Done(()) {
            self.note_completion();
            self.hooks().messages.forget_hellos();
            // SAFETY: the SSL is live.
            unsafe { sys::SSL_set_msg_callback(self.ptr(), None) }
        }
        Ok(step)
    }

    /// Decrypts. WantRead also when an event has to be looked at first: what followed it is still to be read then.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        self.until_text(true, |engine| {
            let mut n = 0;
            // SAFETY: `buffer` is writable for its length.
            let result =
                unsafe { sys::SSL_read_ex(engine.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
            (result, n)
        })
    }

    /// Takes in what has come, up to text, which is still to be read then. WantRead where there is no text, and as for
    /// `read`.
    pub fn look(&mut self) -> Result<Step<()>> {
        self.until_text(true, Engine::peek)
    }

    fn peek(&mut self) -> (c_int, ()) {
        let mut n = 0;
        // SAFETY: there is space for the one byte that is asked for.
        (unsafe { sys::SSL_peek_ex(self.ptr(), [0u8].as_mut_ptr().cast(), 1, &mut n) }, ())
    }

    /// Repeats the call, since OpenSSL returns after each message that is no text: until there is text or nothing
    /// more, or, if it `stops`, there are events that the user wants to look at.
    fn until_text<T>(&mut self, stops: bool, mut call: impl FnMut(&mut Engine) -> (c_int, T)) -> Result<Step<T>> {
        // Where nothing is left to read, OpenSSL has looked at everything.
        let mut before = usize::MAX;
        loop {
            let events = self.events();
            let step = self.call(&mut call)?;
            if !matches!(step, Step::WantRead) {
                return Ok(step);
            }
            let unread = self.buffered().1;
            let has_more = unread != 0 && unread != before;
            if !has_more || (stops && self.events() != events && self.stop_for_events()) {
                return Ok(step);
            }
            before = unread;
        }
    }

    /// Encrypts; the ciphertext is to be taken afterwards.
    pub fn write(&mut self, data: &[u8]) -> Result<Step<usize>> {
        if self.failure.is_none() && self.close_notifies().0 {
            // No reason to stop reading.
            return Err(Error::new(Code::Protocol, "close_notify has been sent, and nothing can follow it"));
        }
        self.call(|engine| {
            let mut n = 0;
            // SAFETY: `data` is readable for its length.
            let result = unsafe { sys::SSL_write_ex(engine.ptr(), data.as_ptr().cast(), data.len(), &mut n) };
            (result, n)
        })
    }

    /// Sends close_notify, or looks for the peer's: whether both are sent. WantRead if neither can be done before more is put
    /// in, or before text of the peer's has been read.
    pub fn shutdown(&mut self) -> Result<Step<bool>> {
        if self.failure.is_none() && !self.is_completed() {
            return Err(Error::new(Code::State, "TLS cannot be shut down before the handshake is complete"));
        }
        self.try_shutdown().map_err(|error| error.context("TLS cannot be shut down"))
    }

    fn try_shutdown(&mut self) -> Result<Step<bool>> {
        // For OpenSSL text that is still to be read after its own close_notify is fatal, and in the middle of a message it
        // shuts nothing down.
        let looks = self.sent_close_notify() || !self.is_handshaken();
        let has_text = looks && self.has_text()?;
        if (has_text && self.sent_close_notify()) || !self.is_handshaken() {
            return Ok(Step::WantRead);
        }
        self.call(|engine| {
            // SAFETY: the SSL is live.
            let result = unsafe { ffi::SSL_shutdown(engine.ptr()) };
            (if result == 0 { 1 } else { result }, result == 1)
        })
    }

    /// Whether text of the peer's can be read.
    fn has_text(&mut self) -> Result<bool> {
        Ok(matches!(self.until_text(false, Engine::peek)?, Step::Done(())))
    }

    /// Whether we have sent close_notify, and whether the peer has.
    pub fn close_notifies(&self) -> (bool, bool) {
        (self.sent_close_notify(), self.received_close_notify())
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Engine) -> (c_int, T)) -> Result<Step<T>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        queue::clear();
        self.stopped = false;
        let (result, value) = call(self);
        // SAFETY: the SSL is live, and that was the last call on it.
        match unsafe { step_of(self.ptr(), result, value) } {
            Ok(step) => Ok(step),
            Err(ffi::SSL_ERROR_WANT_CLIENT_HELLO_CB) => {
                self.stopped = true;
                Ok(Step::WantRead)
            }
            Err(kind) => {
                let failure = self.failure(kind);
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn failure(&self, kind: c_int) -> Error {
        let entry = queue::take();
        if self.hooks().panicked.get() {
            return Error::new(Code::Internal, "a callback panicked");
        }
        let cut = entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_UNEXPECTED_EOF_WHILE_READING));
        if cut || (kind == ffi::SSL_ERROR_SYSCALL && entry.is_none()) {
            return Error::new(Code::Truncated, "the peer closed the connection without close_notify");
        }
        if self.lacks_key && entry.as_ref().is_some_and(queue::Entry::lacks_certificate) {
            let why = "the secure context has a certificate, but no private key that belongs to it";
            return queue::error_from(entry, Code::Config, why);
        }
        let alert = entry.as_ref().is_some_and(|entry| entry.alert().is_some());
        queue::error_from(entry, Code::Protocol, if alert { "the peer sent an alert" } else { "TLS failed" })
    }

    /// Takes bytes that are to be sent to the peer; 0 if there are none.
    pub fn take_outgoing(&mut self, buffer: &mut [u8]) -> usize {
        self.memory().outgoing.take(buffer)
    }

    /// Puts in bytes that came from the peer.
    pub fn put_incoming(&mut self, data: &[u8]) -> Result<()> {
        let pushed = self.memory().incoming.try_push(data);
        pushed.map_err(|_| Error::new(Code::NoMemory, "the bytes cannot be buffered"))
    }

    /// Says that nothing more will come from the peer.
    pub fn end_incoming(&mut self) {
        self.memory().has_ended = true;
    }

    /// To be called when the handshake begins: until then the name to verify and the context may change.
    fn offer(&mut self) -> Result<()> {
        let Some(session) = self.offered.take() else {
            return Ok(());
        };
        if !self.hooks().trust.borrow().covers(&session) {
            return Ok(());
        }
        self.offer_session(&session)
    }
}
