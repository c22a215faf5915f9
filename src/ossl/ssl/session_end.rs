//! When a server's sessions end: with the chain of the client's certificate. A ticket holds the client's own certificate
//! but not the rest of its chain, and a ticket that replaces another begins a new lifetime; so each ticket carries the
//! time at which the chain expires.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar, c_void},
    ptr,
};

use crate::ossl::{bytes, now, sys};

use super::hooks::{guarded, hooks};

/// Notes, in the session of a server's connection, when the verified chain of the client expires, in seconds since 1970.
/// False if there is no memory for it.
///
/// # Safety
/// `ctx` is live, and OpenSSL's for an SSL.
pub unsafe fn remember(ctx: *mut ffi::X509_STORE_CTX, end: Option<i64>) -> bool {
    let Some(end) = end else { return true };
    // SAFETY: the caller guarantees the store context, whose ex_data leads to its live SSL, which lends its session.
    unsafe {
        let ssl =
            ffi::X509_STORE_CTX_get_ex_data(ctx, sys::SSL_get_ex_data_X509_STORE_CTX_idx()).cast::<ffi::SSL>();
        if sys::SSL_is_server(ssl) == 0 {
            return true;
        }
        let session = sys::SSL_get_session(ssl);
        let data = end.to_be_bytes();
        !session.is_null() && sys::SSL_SESSION_set1_ticket_appdata(session, data.as_ptr().cast(), data.len()) == 1
    }
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
        let end = unsafe { end_of(session) };
        if end.is_some_and(|end| now() > end) {
            return sys::SSL_TICKET_RETURN_IGNORE_RENEW;
        }
        hooks.chain_expires.set(end);
        if renews { sys::SSL_TICKET_RETURN_USE_RENEW } else { sys::SSL_TICKET_RETURN_USE }
    })
}

/// # Safety
/// `session` is live.
unsafe fn end_of(session: *mut ffi::SSL_SESSION) -> Option<i64> {
    let mut data: *mut c_void = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the caller guarantees the session, which lends its data.
    let data = unsafe {
        if sys::SSL_SESSION_get0_ticket_appdata(session, &mut data, &mut len) != 1 {
            return None;
        }
        bytes(data.cast_const().cast(), c_int::try_from(len).unwrap_or(0))
    };
    data.try_into().ok().map(i64::from_be_bytes)
}
