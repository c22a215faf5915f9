//! What clients take along from a connection, and what they bring to another to resume it.

use openssl_sys as ffi;
use std::ffi::c_int;

use super::{
    connection::Ssl,
    hooks::{Hooks, guarded, hooks},
};
use crate::{
    error::Result,
    ossl::{
        bio_backend::BioBackend,
        now,
        session::{
            self,
            resumable::{NewSessions, Session},
        },
        x509::X509,
    },
};

impl<B: BioBackend> Ssl<B> {
    /// Gives the sessions of TLS 1.3 that come from now on to this.
    pub fn set_new_sessions(&mut self, sink: Box<dyn NewSessions>) {
        self.hooks().new_sessions.replace(Some(sink));
    }

    /// Offers to resume a session: a copy of it, which is returned.
    pub fn resume(&mut self, session: &Session) -> Result<session::Session> {
        let copy = session.session.copy()?;
        self.offer_session(&copy)?;
        let hooks = self.hooks();
        hooks.chain_expires.set(session.chain_expires);
        hooks.proved.set(Some(session.proved));
        hooks.offered_chain.replace(session.chain.clone());
        Ok(copy)
    }

    /// A copy of the session of now, if there is one to resume.
    pub fn resumable(&self) -> Result<Option<Session>> {
        let is_resumable = |session: &session::Session| session.is_resumable() && !self.hooks().has_bad_staple();
        let Some(session) = self.session().filter(is_resumable) else { return Ok(None) };
        Ok(Some(with_origin(self.hooks(), session.copy()?, self.peer_chain())))
    }
}

fn with_origin(hooks: &Hooks, session: session::Session, chain: Vec<X509>) -> Session {
    let proved = hooks.proved.get().unwrap_or_else(now);
    Session { session, chain_expires: hooks.chain_expires.get(), proved, chain }
}

/// OpenSSL calls this on clients for each session that is new; with TLS 1.2, where it is one for good, it is asked for
/// once the handshake has been looked at.
///
/// # Safety
/// OpenSSL passes a live SSL and a live session, a reference to which becomes ours if we return 1.
pub unsafe extern "C" fn callback(ssl: *mut ffi::SSL, session: *mut ffi::SSL_SESSION) -> c_int {
    // SAFETY: the SSL is live.
    let Some(hooks) = (unsafe { hooks(ssl) }) else { return 0 };
    guarded(hooks, 0, || {
        let sink = hooks.new_sessions.borrow();
        let Some(sink) = sink.as_ref() else { return 0 };
        // SAFETY: the session is live; the reference is one of our own.
        let Some(session) = (unsafe { session::Session::from_borrowed(session) }) else { return 0 };
        if !session.is_for_one_use() || hooks.has_bad_staple() {
            return 0;
        }
        if let Ok(copy) = session.copy() {
            // SAFETY: the SSL is live, and lends the stack.
            let chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(ssl)) };
            let chain = if chain.is_empty() { hooks.offered_chain.borrow().clone() } else { chain };
            sink.add(with_origin(hooks, copy, chain));
        }
        0
    })
}
