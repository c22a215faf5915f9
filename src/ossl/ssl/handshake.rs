//! The handshake, and what is checked again where it resumes a session.

use crate::{
    error::{Error, Result},
    ossl::{
        bio_backend::BioBackend,
        now, queue, sys,
        verify::{dane, refusal::Refusal, requirements::Requirements},
        x509::X509,
    },
    types::{ClientAuth, Role, Step},
};
use openssl_sys as ffi;
use std::ffi::c_int;

use super::{call::no_certificate, connection::Ssl};

impl<B: BioBackend> Ssl<B> {
    /// A step of the handshake.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        let step = self.call(|ssl| (ssl.raw_handshake(), ()))?;
        if step == Step::Done(()) {
            self.complete()?;
        }
        Ok(step)
    }

    /// What follows once the handshake is complete.
    fn complete(&mut self) -> Result<()> {
        self.note_completion();
        // With an anonymous cipher OpenSSL neither asks for certificates nor verifies anything.
        if self.demands_certificate() && self.peer_certificate().is_none() {
            self.failed = true;
            return Err(no_certificate());
        }
        if self.session_reused() {
            self.check_resumed()?;
        } else {
            self.hooks().proved.set(Some(now()));
            self.hooks().offered_chain.take();
        }
        self.forget_messages();
        Ok(())
    }

    /// OpenSSL verifies nothing in a resumed handshake. The scope of the session says that its peer was accepted under
    /// the same settings; what can be said without the chain is checked again, and time has passed.
    fn check_resumed(&mut self) -> Result<()> {
        match self.peer_certificate().and_then(|certificate| self.refusal_of_resumed(&certificate)) {
            None => Ok(()),
            Some(refusal) if self.hooks().policy.may_be_overridden => {
                self.hooks().pending_refusal.replace(Some(refusal));
                Ok(())
            }
            Some(refusal) => Err(self.refuse_now(refusal)),
        }
    }

    fn refusal_of_resumed(&self, certificate: &X509) -> Option<Refusal> {
        let hooks = self.hooks();
        if hooks.policy.chain {
            let now = hooks.policy.further.now();
            let expired = hooks.chain_expires.get().is_some_and(|end| now > end);
            let is_known_by_key = match self.is_known_by_key_again() {
                Ok(known) => known,
                Err(reason) => return Some(Refusal::chain(reason, None)),
            };
            let name = || hooks.policy.check_name(hooks.expected.borrow().as_ref(), certificate, is_known_by_key);
            // The peer of a session that the program has accepted all the same.
            // SAFETY: the SSL is live.
            let before = unsafe { ffi::SSL_get_verify_result(self.ptr()) } as c_int;
            let (reason, at_fault) = match certificate.validity_at(now) {
                _ if before != 0 => (before, None),
                _ if is_known_by_key => (name(), Some(certificate)),
                0 if expired => (sys::X509_V_ERR_CERT_HAS_EXPIRED, None),
                0 => (name(), Some(certificate)),
                reason => (reason, Some(certificate)),
            };
            if reason != 0 {
                return Some(Refusal::chain(reason, at_fault));
            }
        }
        // The scope stands for the chain. Without one the key is the certificate's own.
        let keys = std::slice::from_ref(certificate);
        let by_key = if hooks.policy.chain { None } else { hooks.policy.refusal_by_key(keys) };
        by_key.or_else(|| hooks.policy.refusal_by_list(Some(certificate)))
    }

    /// Looks at the TLSA records again, where there are any: whether one names the peer's own certificate or key. An
    /// `X509_V_*` code if none fits.
    fn is_known_by_key_again(&self) -> std::result::Result<bool, c_int> {
        let hooks = self.hooks();
        if hooks.policy.further.tlsa.is_empty() {
            return Ok(false);
        }
        // The scope stands for the revocation lists.
        let further = Requirements { crls: None, ..hooks.policy.further.clone() };
        let by_own_cas = hooks.store.borrow().is_none();
        match self.verify_again(None, by_own_cas, &further).reason {
            // SAFETY: the SSL is live.
            0 => Ok(unsafe { dane::matched_end_entity(self.ptr()) }),
            reason => Err(reason),
        }
    }

    /// Why the settings refuse the peer that the program decides about; None if they do not.
    pub fn pending_refusal(&self) -> Option<Refusal> {
        self.hooks().pending_refusal.borrow().clone()
    }

    /// The failure of a connection whose peer the program refuses.
    pub fn refuse_peer(&mut self) -> Error {
        self.refuse_now(self.pending_refusal().unwrap_or(Refusal::ByProgram))
    }

    /// Refuses the peer although the handshake is complete for OpenSSL, which sends no other alert than close_notify then.
    /// On a stream that would be a proper end: without it the peer reads a truncation. Datagrams have no other end.
    fn refuse_now(&mut self, refusal: Refusal) -> Error {
        let error = self.refused(refusal, None);
        if self.is_datagram() && !self.has_ended {
            // SAFETY: the SSL is live, has its buffers, and has not failed.
            unsafe { ffi::SSL_shutdown(self.ptr()) };
            queue::clear();
        }
        self.failed = true;
        error
    }

    pub(super) fn raw_handshake(&mut self) -> c_int {
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_do_handshake(self.ptr()) }
    }

    fn demands_certificate(&self) -> bool {
        let policy = &self.hooks().policy;
        match self.role() {
            Role::Client => policy.demands_certificate(),
            Role::Server => policy.client_auth == ClientAuth::Required,
        }
    }
}
