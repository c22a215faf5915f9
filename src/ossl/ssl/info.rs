//! What an SSL knows of its connection.

use crate::{
    ossl::{
        bio_backend::BioBackend,
        sys,
        verify::{
            certificate::{self, Dane, Outcome, Purpose, Terms},
            requirements::Requirements,
        },
        x509::{X509, store::Store},
    },
    types::Role,
};
use openssl_sys as ffi;
use std::ffi::{CString, c_int};

use super::connection::Ssl;

impl<B: BioBackend> Ssl<B> {
    /// What the check of the peer's chain finds, enforced or not: an `X509_V_*` code. A chain that was not demanded is
    /// verified now, against `store` or, without one, the context's own.
    pub fn verify_result(&self, store: Option<&Store>, partial_chain: bool) -> c_int {
        if self.hooks().policy.chain {
            // SAFETY: the SSL is live.
            return unsafe { ffi::SSL_get_verify_result(self.ptr()) } as c_int;
        }
        let further = self.hooks().policy.further.for_chain_only();
        self.verify_again(store, partial_chain, &further).reason
    }

    /// The chain of the peer that was verified; empty if none was. In a resumed handshake, in which none is sent, it is
    /// built again of what the session has, and what is trusted: `store` or, without one, the context's own.
    pub fn verified_chain(&self, store: Option<&Store>, partial_chain: bool) -> Vec<X509> {
        let hooks = self.hooks();
        // SAFETY: the SSL is live.
        let is_fine = unsafe { ffi::SSL_get_verify_result(self.ptr()) } == 0 && hooks.refused.borrow().is_empty();
        if !hooks.policy.chain || !is_fine {
            return Vec::new();
        }
        // SAFETY: the SSL is live and lends the stack, or NULL.
        let chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get0_verified_chain(self.ptr())) };
        if !chain.is_empty() || !self.session_reused() {
            return chain;
        }
        // Whether it is revoked by now does not change what was verified.
        let further = Requirements { crls: None, ..hooks.policy.further.clone() };
        let outcome = self.verify_again(store, partial_chain, &further);
        if outcome.reason == 0 { outcome.chain } else { Vec::new() }
    }

    pub(super) fn verify_again(
        &self,
        store: Option<&Store>,
        partial_chain: bool,
        further: &Requirements,
    ) -> Outcome {
        let Some(leaf) = self.peer_certificate() else {
            return Outcome { reason: sys::X509_V_ERR_UNSPECIFIED, at_fault: None, chain: Vec::new() };
        };
        let purpose = if self.role() == Role::Client { Purpose::Server } else { Purpose::Client };
        // SAFETY: the SSL is live, and so is its context's store, to which this is a reference of our own.
        let (own, security_level) = unsafe {
            let own = ffi::SSL_CTX_get_cert_store(ffi::SSL_get_SSL_CTX(self.ptr()));
            (Store::from_borrowed(own), sys::SSL_get_security_level(self.ptr()))
        };
        let set = self.hooks().store.borrow();
        let store = store.or(set.as_ref()).unwrap_or(&own);
        // SAFETY: the SSL lends its records, and outlives the verification.
        let dane = (!further.tlsa.is_empty()).then(|| unsafe { Dane::lent(sys::SSL_get0_dane(self.ptr())) });
        let terms = Terms { store, purpose, partial_chain, security_level, further, dane };
        certificate::verify(&leaf, &self.peer_chain(), &terms)
    }

    /// On a server: the host that the client asks for (SNI), once its hello has been read.
    pub fn asked_host(&self) -> Option<CString> {
        self.hooks().asked_host.borrow().clone()
    }

    /// The peer's certificate, be it accepted or refused.
    pub fn peer_certificate(&self) -> Option<X509> {
        (**self).peer_certificate().or_else(|| self.hooks().refused.borrow().first().cloned())
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<X509> {
        let refused = self.hooks().refused.borrow().clone();
        if !refused.is_empty() {
            return refused;
        }
        let chain = (**self).peer_chain();
        let is_from_bytes = chain.is_empty() && self.session_reused() && self.peer_certificate().is_some();
        if is_from_bytes { self.hooks().offered_chain.borrow().clone() } else { chain }
    }
}
