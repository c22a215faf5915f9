//! The steps of a connection over memory: handshake, read, write, shut down, and the bytes on both sides of them.

use crate::{
    error::{Code, Error, Result},
    ossl::{queue, ssl::call::step_of, sys},
    types::Step,
};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long},
    ptr,
};

use super::connection::Engine;

impl Engine {
    /// A step of the handshake. WantRead also when an event has to be looked at first.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        if self.is_new() {
            self.offer()?;
        }
        // SAFETY: the SSL is live.
        self.call(|engine| (unsafe { ffi::SSL_do_handshake(engine.ptr()) }, ()))
    }

    /// Decrypts. WantRead also when an event has to be looked at first: what followed it is still to be read then.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        // Where nothing is left to read, OpenSSL has looked at everything.
        let mut before = usize::MAX;
        loop {
            let events = self.events();
            let step = self.call(|engine| {
                let mut n = 0;
                // SAFETY: `buffer` is writable for its length.
                let result =
                    unsafe { sys::SSL_read_ex(engine.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
                (result, n)
            })?;
            if !matches!(step, Step::WantRead) {
                return Ok(step);
            }
            // OpenSSL returns after each message that is no text.
            let unread = self.unread();
            let has_more = unread != 0 && unread != before;
            if !has_more || (self.events() != events && self.stop_for_events()) {
                return Ok(step);
            }
            before = unread;
        }
    }

    /// Encrypts.
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

    /// Sends close_notify, or looks for the peer's: what SSL_shutdown returns, and the reason where that is negative.
    pub fn shutdown(&mut self) -> (c_int, Option<Error>) {
        if let Some(failure) = &self.failure {
            return (-1, Some(failure.clone()));
        }
        loop {
            let unread = self.buffered().1;
            queue::clear();
            // SAFETY: the SSL is live.
            let result = unsafe { ffi::SSL_shutdown(self.ptr()) };
            if result >= 0 {
                return (result, None);
            }
            // SAFETY: the SSL is live, and that was the last call on it.
            match unsafe { step_of(self.ptr(), result, ()) } {
                // OpenSSL returns after each message that is not the peer's close_notify.
                Ok(_) if self.buffered().1 != unread => continue,
                Ok(_) => return (result, None),
                Err(_) => return (result, Some(queue::error(Code::Protocol, "TLS cannot be shut down"))),
            }
        }
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
        let len = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: the BIO is live, `buffer` writable for its length.
        let n = unsafe { ffi::BIO_read(self.outgoing.as_ptr(), buffer.as_mut_ptr().cast(), len) };
        usize::try_from(n).unwrap_or(0)
    }

    /// Puts in bytes that came from the peer, and says how many it took.
    pub fn put_incoming(&mut self, data: &[u8]) -> Result<usize> {
        let len = c_int::try_from(data.len()).unwrap_or(c_int::MAX);
        // SAFETY: the BIO is live, `data` readable for its length.
        let n = unsafe { ffi::BIO_write(self.incoming.as_ptr(), data.as_ptr().cast(), len) };
        usize::try_from(n).map_err(|_| {
            queue::clear();
            Error::new(Code::NoMemory, "the bytes cannot be buffered")
        })
    }

    /// Says that nothing more will come from the peer.
    pub fn end_incoming(&mut self) {
        let (command, nothing): (c_int, c_long) = (sys::BIO_C_SET_BUF_MEM_EOF_RETURN, 0);
        // SAFETY: the BIO is live; the control takes no pointer.
        unsafe { ffi::BIO_ctrl(self.incoming.as_ptr(), command, nothing, ptr::null_mut()) };
    }

    /// How many bytes that were put in have not been read yet.
    fn unread(&self) -> usize {
        // SAFETY: the BIO is live.
        unsafe { sys::BIO_ctrl_pending(self.incoming.as_ptr()) }
    }

    /// How many bytes wait to be sent, and how many that were put in have not been read yet.
    pub fn buffered(&self) -> (usize, usize) {
        // SAFETY: the BIO is live.
        let unsent = unsafe { sys::BIO_ctrl_pending(self.outgoing.as_ptr()) };
        (unsent, self.unread())
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
