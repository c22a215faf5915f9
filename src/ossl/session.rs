//! A TLS session that a later connection may resume.

use openssl_sys as ffi;
use std::ptr::NonNull;

/// A session. OpenSSL never changes one that a connection has handed out.
pub struct Session(NonNull<ffi::SSL_SESSION>);

// SAFETY: OpenSSL counts references atomically and locks the little that connections share of a session.
unsafe impl Send for Session {}
// SAFETY: likewise.
unsafe impl Sync for Session {}

impl Session {
    /// Takes over a reference; None for NULL.
    ///
    /// # Safety
    /// `session` is NULL or a live session, one reference of which becomes ours.
    pub unsafe fn from_owned(session: *mut ffi::SSL_SESSION) -> Option<Session> {
        NonNull::new(session).map(Session)
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::SSL_SESSION {
        self.0.as_ptr()
    }

    /// Whether a connection can be resumed from it.
    pub fn is_resumable(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { super::sys::SSL_SESSION_is_resumable(self.0.as_ptr()) == 1 }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::SSL_SESSION_free(self.0.as_ptr()) }
    }
}
