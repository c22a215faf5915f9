//! A TLS session that a later connection may resume.

pub mod resumable;
pub mod rules;

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long, c_uint},
    ptr::{self, NonNull},
};

use super::{cleanse, queue, secret::Secret, sys};

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

    /// Reads what `der` wrote. It says itself where it ends: bytes behind it do not matter.
    pub fn from_der(der: &[u8]) -> Result<Session> {
        super::init()?;
        queue::clear();
        let len = c_long::try_from(der.len()).map_err(|_| Error::argument("too much data"))?;
        let mut cursor = der.as_ptr();
        // SAFETY: `cursor` points to `len` readable bytes; the session is new or NULL.
        let session = unsafe { Session::from_owned(ffi::d2i_SSL_SESSION(ptr::null_mut(), &mut cursor, len)) };
        session.ok_or_else(|| queue::error(Code::Argument, "no serialized session"))
    }

    /// The session in ASN.1, secrets included. Empty if there is nothing in it yet.
    pub fn der(&self) -> Secret {
        let mut der: *mut u8 = ptr::null_mut();
        // SAFETY: the session is live; OpenSSL allocates the bytes.
        let len = unsafe { ffi::i2d_SSL_SESSION(self.0.as_ptr(), &mut der) };
        queue::clear();
        // SAFETY: `der` is NULL or holds `len` bytes that are ours.
        unsafe {
            let bytes = super::bytes_mut(der.cast(), len);
            let copy = Secret::new(bytes.to_vec());
            cleanse(bytes);
            super::free(der.cast());
            copy
        }
    }

    /// The id by which a server knows it.
    pub fn id(&self) -> Vec<u8> {
        let mut len: c_uint = 0;
        // SAFETY: the session is live and lends `len` bytes.
        unsafe {
            let id = ffi::SSL_SESSION_get_id(self.0.as_ptr(), &mut len);
            super::bytes(id, c_int::try_from(len).unwrap_or(0)).to_vec()
        }
    }

    /// The session id context in which it was made.
    pub fn id_context(&self) -> Vec<u8> {
        let mut len: c_uint = 0;
        // SAFETY: the session is live and lends `len` bytes.
        unsafe {
            let id = sys::SSL_SESSION_get0_id_context(self.0.as_ptr(), &mut len);
            super::bytes(id, c_int::try_from(len).unwrap_or(0)).to_vec()
        }
    }

    /// Whether its peer has presented a certificate.
    pub fn has_peer(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { !sys::SSL_SESSION_get0_peer(self.0.as_ptr()).is_null() }
    }

    /// How many bytes it takes, about: those that `der` gives.
    pub fn size(&self) -> usize {
        // SAFETY: the session is live; without a place to write to OpenSSL only counts.
        let len = unsafe { ffi::i2d_SSL_SESSION(self.0.as_ptr(), ptr::null_mut()) };
        queue::clear();
        usize::try_from(len).unwrap_or(0)
    }

    /// When it was made, in seconds since 1970.
    pub fn made(&self) -> i64 {
        // SAFETY: the session is live.
        unsafe { ffi::SSL_SESSION_get_time(self.0.as_ptr()) as i64 }
    }

    /// How long the server will know it, in seconds, if it has said so.
    pub fn lifetime_hint(&self) -> Option<i64> {
        // SAFETY: the session is live.
        let hint = unsafe { sys::SSL_SESSION_get_ticket_lifetime_hint(self.0.as_ptr()) };
        i64::try_from(hint).ok().filter(|hint| *hint != 0)
    }

    /// Whether it is one of TLS 1.3, where each ticket is to be used once (RFC 8446, C.4).
    pub fn is_for_one_use(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { sys::SSL_SESSION_get_protocol_version(self.0.as_ptr()) == ffi::TLS1_3_VERSION }
    }

    /// A copy. A connection spoils the session that it uses for others: by an end without close_notify, or, with TLS 1.3,
    /// by resuming it.
    pub fn copy(&self) -> Result<Session> {
        queue::clear();
        // SAFETY: the session is live; the copy is ours.
        let copy = unsafe { Session::from_owned(sys::SSL_SESSION_dup(self.0.as_ptr())) };
        copy.ok_or_else(|| queue::error(Code::NoMemory, "a session cannot be copied"))
    }

    /// Takes a further reference.
    ///
    /// # Safety
    /// `session` is live.
    pub unsafe fn from_borrowed(session: *mut ffi::SSL_SESSION) -> Option<Session> {
        let session = NonNull::new(session)?;
        // SAFETY: the preconditions cover it.
        unsafe { ffi::SSL_SESSION_up_ref(session.as_ptr()) };
        Some(Session(session))
    }

    /// Gives the reference away.
    pub fn into_raw(self) -> *mut ffi::SSL_SESSION {
        let session = self.0.as_ptr();
        std::mem::forget(self);
        session
    }

    /// For OpenSSL's functions.
    pub fn as_ptr(&self) -> *mut ffi::SSL_SESSION {
        self.0.as_ptr()
    }

    /// Whether a connection can be resumed from it.
    pub fn is_resumable(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { sys::SSL_SESSION_is_resumable(self.0.as_ptr()) == 1 }
    }
}

impl Clone for Session {
    fn clone(&self) -> Session {
        // SAFETY: the session is live.
        unsafe { ffi::SSL_SESSION_up_ref(self.0.as_ptr()) };
        Session(self.0)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: one reference is ours.
        unsafe { ffi::SSL_SESSION_free(self.0.as_ptr()) }
    }
}
