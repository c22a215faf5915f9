//! When a server's sessions end: when their lifetime is over, counted from the first handshake, or with the chain of the
//! client's certificate. A ticket holds the client's own certificate but not the rest of its chain, and one that replaces
//! another begins a new lifetime with OpenSSL; so each session carries both times.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_long, c_uchar, c_void},
    ptr,
};

use crate::{
    ossl::{bytes, now, sys, versions},
    types::ClientAuth,
};

use super::hooks::{Hooks, guarded, hooks};

/// What the application data begin with.
const TAG: &[u8; 8] = b"bglssl 2";

/// The times of a session, in seconds since 1970.
struct Times {
    /// That of its first handshake.
    began: i64,
    /// When the client's chain expires, if it was verified.
    chain_expires: Option<i64>,
}

impl Times {
    fn to_bytes(&self) -> Vec<u8> {
        let end = self.chain_expires.unwrap_or(i64::MAX);
        [&TAG[..], &self.began.to_be_bytes(), &end.to_be_bytes()].concat()
    }

    fn from_bytes(data: &[u8]) -> Option<Times> {
        let (began, end) = data.strip_prefix(TAG)?.split_at_checked(8)?;
        let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
        Some(Times { began: number(began)?, chain_expires: Some(number(end)?).filter(|end| *end != i64::MAX) })
    }
}

/// Writes its times into a session that a server gives to its client. Returns when it ends; None if there is no memory for
/// it.
///
/// # Safety
/// Both are live.
pub unsafe fn stamp(
    ssl: *mut ffi::SSL,
    session: *mut ffi::SSL_SESSION,
    hooks: &Hooks,
    lifetime: i64,
) -> Option<i64> {
    // SAFETY: the preconditions cover both; OpenSSL copies the bytes.
    unsafe {
        let earlier = hooks.session_began.get().filter(|_| versions::session_reused(ssl) == 1);
        let times = Times { began: earlier.unwrap_or_else(now), chain_expires: hooks.chain_expires.get() };
        let data = times.to_bytes();
        if sys::SSL_SESSION_set1_ticket_appdata(session, data.as_ptr().cast(), data.len()) != 1 {
            return None;
        }
        let end = times.began.saturating_add(lifetime);
        // OpenSSL counts from when the session was made, which TLS 1.3 does with each ticket.
        let rest = end.saturating_sub(made_at(session)).clamp(1, lifetime.max(1));
        sys::SSL_SESSION_set_timeout(session, rest as c_long);
        Some(end)
    }
}

/// Prepares the session of a ticket that is about to be written.
///
/// # Safety
/// OpenSSL calls it with a live SSL.
pub unsafe extern "C" fn before_ticket(ssl: *mut ffi::SSL, _: *mut c_void) -> c_int {
    // SAFETY: the SSL is live.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return 0 };
    guarded(hooks, 0, || {
        let rules = hooks.session_rules.borrow();
        let Some(rules) = rules.as_ref() else { return 1 };
        // SAFETY: the SSL lends its session.
        unsafe {
            let session = sys::SSL_get_session(ssl);
            c_int::from(!session.is_null() && stamp(ssl, session, hooks, rules.lifetime).is_some())
        }
    })
}

/// Whether a session may be resumed, as far as time goes; notes its times for the connection.
///
/// # Safety
/// `session` is live.
pub unsafe fn is_usable(session: *mut ffi::SSL_SESSION, hooks: &Hooks) -> bool {
    let Some(lifetime) = hooks.session_rules.borrow().as_ref().map(|rules| rules.lifetime) else { return false };
    // SAFETY: the caller guarantees the session.
    let times = unsafe { times_of(session) };
    // A session of another program, with which the keys are shared. What it knew of the client is not known.
    if times.is_none() && hooks.policy.client_auth != ClientAuth::No {
        return false;
    }
    // SAFETY: likewise.
    let made = || Times { began: unsafe { made_at(session) }, chain_expires: None };
    let Times { began, chain_expires } = times.unwrap_or_else(made);
    if now() >= began.saturating_add(lifetime) || chain_expires.is_some_and(|end| now() > end) {
        return false;
    }
    hooks.session_began.set(Some(began));
    hooks.chain_expires.set(chain_expires);
    true
}

/// Decides whether a session that a ticket holds may be resumed. Otherwise the handshake is a full one.
///
/// # Safety
/// OpenSSL calls it with a live SSL and, where the ticket could be read, a session.
pub unsafe extern "C" fn ticket_callback(
    ssl: *mut ffi::SSL,
    session: *mut ffi::SSL_SESSION,
    _: *const c_uchar,
    _: usize,
    status: c_int,
    _: *mut c_void,
) -> c_int {
    let renews = status == sys::SSL_TICKET_SUCCESS_RENEW;
    if session.is_null() || !(renews || status == sys::SSL_TICKET_SUCCESS) {
        return sys::SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    // SAFETY: the SSL is live.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return sys::SSL_TICKET_RETURN_ABORT };
    guarded(hooks, sys::SSL_TICKET_RETURN_ABORT, || {
        // SAFETY: the session is live.
        match unsafe { is_usable(session, hooks) } {
            false => sys::SSL_TICKET_RETURN_IGNORE_RENEW,
            true if renews => sys::SSL_TICKET_RETURN_USE_RENEW,
            true => sys::SSL_TICKET_RETURN_USE,
        }
    })
}

/// When OpenSSL has made a session, in seconds since 1970.
///
/// # Safety
/// `session` is live.
unsafe fn made_at(session: *const ffi::SSL_SESSION) -> i64 {
    // SAFETY: the caller guarantees the session.
    unsafe { ffi::SSL_SESSION_get_time(session) as i64 }
}

/// # Safety
/// `session` is live.
unsafe fn times_of(session: *mut ffi::SSL_SESSION) -> Option<Times> {
    let mut data: *mut c_void = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the caller guarantees the session, which lends its data.
    unsafe {
        if sys::SSL_SESSION_get0_ticket_appdata(session, &mut data, &mut len) != 1 {
            return None;
        }
        Times::from_bytes(bytes(data.cast_const().cast(), c_int::try_from(len).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_were_written() {
        for chain_expires in [None, Some(17)] {
            let read = Times::from_bytes(&Times { began: 5, chain_expires }.to_bytes()).unwrap();
            assert_eq!((read.began, read.chain_expires), (5, chain_expires));
        }
    }

    #[test]
    fn what_others_have_written_is_no_times() {
        let all = Times { began: 5, chain_expires: None }.to_bytes();
        for len in 0..all.len() {
            assert!(Times::from_bytes(&all[..len]).is_none(), "{len}");
        }
        assert!(Times::from_bytes(&[&all[..], b"x"].concat()).is_none());
        assert!(Times::from_bytes(&[0; 24]).is_none());
    }
}
