//! Calls of OpenSSL's on a connection, and what their failures mean.

use crate::{
    error::{Code, Error, Result},
    ossl::{bio_backend::BioBackend, queue, sys, verify::refusal::Refusal},
    types::{Role, Step},
};
use openssl_sys as ffi;
use std::ffi::c_int;

use super::{connection::Ssl, hooks::Expected};

impl<B: BioBackend> Ssl<B> {
    /// Runs one OpenSSL call that reports through SSL_get_error.
    pub(super) fn call<T>(&mut self, call: impl FnOnce(&mut Ssl<B>) -> (c_int, T)) -> Result<Step<T>> {
        if let Some(deferred_error) = self.deferred_error.take() {
            return Err(deferred_error);
        }
        if self.failed {
            return Err(Error::new(Code::State, "the connection has already failed"));
        }
        if self.has_ended {
            return Err(Error::new(Code::State, "the connection has ended"));
        }
        queue::clear();
        self.transport().reset_read_budget();
        let (result, value) = call(self);
        self.outcome(result, value)
    }

    pub(super) fn outcome<T>(&mut self, result: c_int, value: T) -> Result<Step<T>> {
        // SAFETY: the SSL is live, and the last call of this thread was on it.
        unsafe { step_of(self.ptr(), result, value) }.map_err(|kind| {
            self.failed = true;
            self.failure(kind)
        })
    }

    fn failure(&mut self, kind: c_int) -> Error {
        let entry = queue::take();
        if self.hooks().panicked.get() {
            return Error::new(Code::Internal, "a callback panicked");
        }
        if self.hooks().has_changed_host.get() {
            return Error::new(Code::Protocol, "the client asks for another host than it did at first");
        }
        let refusal = self.hooks().refusal.borrow().clone();
        if let Some(refusal) = refusal {
            return self.refused(refusal, entry);
        }
        let status = self.status();
        if status.recv_errno != 0 {
            let known = self.transport().receive_error();
            return known.unwrap_or_else(|| Error::io(&std::io::Error::from_raw_os_error(status.recv_errno)));
        }
        // A send takes the socket's error away from the recv that comes after it.
        if status.eof && status.send_errno == libc::ECONNRESET {
            return Error::io(&std::io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        let unexpected_eof =
            entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_UNEXPECTED_EOF_WHILE_READING));
        if unexpected_eof || (kind == ffi::SSL_ERROR_SYSCALL && status.eof) {
            return Error::new(Code::Truncated, "the peer closed the connection without close_notify");
        }
        if entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)) {
            return no_certificate();
        }
        if entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_READ_TIMEOUT_EXPIRED)) {
            return Error::timeout();
        }
        if entry.as_ref().is_some_and(queue::Entry::lacks_certificate) && self.is_server_without_certificate() {
            let what = "a server needs a certificate and its private key, and has none";
            return queue::error_from(entry, Code::Config, what);
        }
        if let Some(hint) = self.transport().not_tls_hint() {
            return queue::error_from(entry, Code::Protocol, hint);
        }
        match entry.as_ref().and_then(queue::Entry::alert) {
            Some(alert) => queue::alert_error(entry, alert),
            None => queue::error_from(entry, Code::Protocol, "TLS failed"),
        }
    }

    fn is_server_without_certificate(&self) -> bool {
        // SAFETY: the SSL is live; the certificate, if there is one, is not touched.
        self.role() == Role::Server && unsafe { ffi::SSL_get_certificate(self.ptr()) }.is_null()
    }

    pub(super) fn refused(&self, refusal: Refusal, entry: Option<queue::Entry>) -> Error {
        let out_of_memory = entry.as_ref().is_some_and(queue::Entry::is_out_of_memory);
        let refusal = match refusal {
            Refusal::Chain(..) if out_of_memory => Refusal::chain(sys::X509_V_ERR_OUT_OF_MEM, None),
            refusal => refusal,
        };
        Error { openssl_code: entry.map_or(0, |entry| entry.packed()), ..refusal.error(&self.expected_text()) }
    }

    fn expected_text(&self) -> String {
        self.hooks().expected.borrow().as_ref().map_or_else(String::new, Expected::to_string)
    }
}

pub(super) fn no_certificate() -> Error {
    Error::new(Code::Verify, "the peer has shown no certificate")
}

/// The one mapper from SSL_get_error. What is neither done nor waiting is returned as SSL_get_error has it.
///
/// # Safety
/// `ssl` is live, and the last OpenSSL call of this thread was on it and returned `result`.
pub unsafe fn step_of<T>(ssl: *const ffi::SSL, result: c_int, value: T) -> std::result::Result<Step<T>, c_int> {
    if result > 0 {
        return Ok(Step::Done(value));
    }
    // SAFETY: guaranteed by the caller (see Safety).
    match unsafe { ffi::SSL_get_error(ssl, result) } {
        ffi::SSL_ERROR_WANT_READ => Ok(Step::WantRead),
        ffi::SSL_ERROR_WANT_WRITE => Ok(Step::WantWrite),
        ffi::SSL_ERROR_ZERO_RETURN => Ok(Step::Eof),
        kind => Err(kind),
    }
}
