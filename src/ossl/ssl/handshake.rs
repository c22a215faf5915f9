//! The handshake, and what is checked again where it resumes a session.

use crate::{
    error::Result,
    ossl::{bio_backend::BioBackend, now, refusal::Refusal, sys, x509::X509},
    types::{ClientAuth, Role, Step},
};
use openssl_sys as ffi;
use std::ffi::c_int;

use super::{call::no_certificate, connection::Ssl};

impl<B: BioBackend> Ssl<B> {
    /// A step of the handshake.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        let step = self.call(|ssl| (ssl.raw_handshake(), ()))?;
        // With an anonymous cipher OpenSSL neither asks for certificates nor verifies anything.
        if step == Step::Done(()) && self.demands_certificate() && self.peer_certificate().is_none() {
            self.failed = true;
            return Err(no_certificate());
        }
        if step == Step::Done(()) {
            if self.session_reused() {
                self.check_resumed()?;
            } else {
                self.hooks().proved.set(Some(now()));
                self.hooks().offered_chain.take();
            }
        }
        if step == Step::Done(()) {
            self.forget_messages();
        }
        Ok(step)
    }

    /// OpenSSL verifies nothing in a resumed handshake. The scope of the session says that its peer was accepted under
    /// the same settings; what can be said without the chain is checked again, and time has passed.
    fn check_resumed(&mut self) -> Result<()> {
        match self.peer_certificate().and_then(|certificate| self.refusal_of_resumed(&certificate)) {
            None => Ok(()),
            Some(refusal) => {
                self.failed = true;
                Err(self.refused(refusal, None))
            }
        }
    }

    fn refusal_of_resumed(&self, certificate: &X509) -> Option<Refusal> {
        let hooks = self.hooks();
        if hooks.policy.chain {
            let now = hooks.policy.further.now();
            let expired = hooks.chain_expires.get().is_some_and(|end| now > end);
            let expected = hooks.expected.borrow();
            let name =
                || expected.as_ref().map_or(0, |expected| expected.check(certificate, &hooks.policy.further));
            let reason = match certificate.validity_at(now) {
                0 if expired => sys::X509_V_ERR_CERT_HAS_EXPIRED,
                0 => name(),
                reason => reason,
            };
            if reason != 0 {
                return Some(Refusal::Chain(reason));
            }
        }
        // The scope stands for the chain. Without one the key is the certificate's own.
        let keys = std::slice::from_ref(certificate);
        let by_key = if hooks.policy.chain { None } else { hooks.policy.refusal_by_key(keys) };
        by_key.or_else(|| hooks.policy.refusal_by_list(Some(certificate)))
    }

    fn raw_handshake(&mut self) -> c_int {
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
