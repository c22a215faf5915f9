//! A server's sessions where a store has them, and how many there are.

use openssl_sys as ffi;
use std::{
    ffi::{c_int, c_uchar},
    ptr,
};

use super::{
    connection::Ssl,
    hooks::{guarded, hooks},
    resumption, session_end,
};
use crate::{
    error::{Code, Result},
    ossl::{
        bio_backend::BioBackend,
        bytes,
        ctx::Ctx,
        queue,
        session::{Session, rules::SessionRules},
        sys,
    },
};

impl<B: BioBackend> Ssl<B> {
    /// Sets how a server's connection deals with sessions.
    pub fn set_session_rules(&mut self, rules: SessionRules) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live.
        unsafe {
            let done = ffi::SSL_set_num_tickets(self.ptr(), rules.count.into());
            queue::check(done, Code::Internal, "cannot set the number of tickets")?;
            if rules.store.is_some() || rules.count == 0 {
                sys::SSL_set_options(self.ptr(), sys::SSL_OP_NO_TICKET);
            }
        }
        self.hooks().session_rules.replace(Some(rules));
        Ok(())
    }
}

impl Ctx {
    /// Lets servers of the context use their store of sessions, beside what `context` has set for clients.
    pub fn store_server_sessions(&mut self) {
        let mode = ffi::SSL_SESS_CACHE_BOTH | ffi::SSL_SESS_CACHE_NO_INTERNAL | sys::SSL_SESS_CACHE_NO_AUTO_CLEAR;
        // SAFETY: the context is live; the callbacks have the types that OpenSSL asks for.
        unsafe {
            ffi::SSL_CTX_set_session_cache_mode(self.as_ptr(), mode);
            ffi::SSL_CTX_sess_set_new_cb(self.as_ptr(), Some(new_session));
            ffi::SSL_CTX_sess_set_get_cb(self.as_ptr(), Some(get_session));
        }
    }
}

/// Stores a server's session. OpenSSL keeps its own reference. Clients have their own callback.
unsafe extern "C" fn new_session(ssl: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> c_int {
    // SAFETY: the SSL is live.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return 0 };
    if hooks.session_rules.borrow().is_none() {
        // SAFETY: both are live.
        return unsafe { resumption::callback(ssl, session) };
    }
    guarded(hooks, 0, || {
        let rules = hooks.session_rules.borrow();
        let Some((store, rules)) = rules.as_ref().and_then(|rules| Some((rules.store.as_ref()?, rules))) else {
            return 0;
        };
        // SAFETY: the SSL and its session are live.
        let (until, session) =
            unsafe { (session_end::stamp(ssl, session, hooks, rules.lifetime), Session::from_borrowed(session)) };
        if let (Some(until), Some(session)) = (until, session) {
            store.insert(session.id(), session.der(), until);
        }
        0
    })
}

/// Hands out the session that a client wants to resume. The reference becomes OpenSSL's.
unsafe extern "C" fn get_session(
    ssl: *mut ffi::SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut ffi::SSL_SESSION {
    let mut found = ptr::null_mut();
    // SAFETY: OpenSSL passes a live flag, and a live SSL.
    let Some(hooks) = (unsafe {
        *copy = 0;
        hooks(ssl)
    }) else {
        return found;
    };
    guarded(hooks, 0, || {
        let store = hooks.session_rules.borrow().as_ref().and_then(|rules| rules.store.clone());
        // SAFETY: OpenSSL lends `len` bytes.
        let der = store.and_then(|store| store.find(unsafe { bytes(id, len) }));
        let session = der.and_then(|der| Session::from_der(&der).ok());
        // SAFETY: the session is live.
        let session = session.filter(|session| unsafe { session_end::is_usable(session.as_ptr(), hooks) });
        found = session.map_or(ptr::null_mut(), Session::into_raw);
        0
    });
    found
}
