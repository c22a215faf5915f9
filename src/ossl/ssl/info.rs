//! What an SSL tells of its connection.

use crate::{
    ossl::{
        bio_backend::BioBackend,
        store::{self, Store},
        sys,
        x509::X509,
    },
    types::Role,
};
use openssl_sys as ffi;
use std::ffi::{CString, c_int};

use super::connection::Ssl;

impl<B: BioBackend> Ssl<B> {
    /// What the check of the peer's chain finds, enforced or not: an `X509_V_*` code. A chain that nobody demanded is
    /// verified now, against `store` or, without one, the context's own.
    pub fn verify_result(&self, store: Option<&Store>, partial_chain: bool) -> c_int {
        // SAFETY: the SSL is live and lends what it has; the store outlives the call.
        unsafe {
            if self.hooks().policy.chain {
                return ffi::SSL_get_verify_result(self.ptr()) as c_int;
            }
            let Some(leaf) = self.peer_certificate() else { return sys::X509_V_ERR_UNSPECIFIED };
            let own = || ffi::SSL_CTX_get_cert_store(ffi::SSL_get_SSL_CTX(self.ptr()));
            let store = store.map_or_else(own, Store::as_ptr);
            let untrusted = ffi::SSL_get_peer_cert_chain(self.ptr());
            let level = sys::SSL_get_security_level(self.ptr());
            store::verify_chain(store, &leaf, untrusted, self.role() == Role::Client, partial_chain, level)
        }
    }

    /// On a server: the host that the client asks for (SNI), once its hello has been read.
    pub fn asked_host(&self) -> Option<CString> {
        self.hooks().asked_host.borrow().clone()
    }

    /// Whether it is for DTLS.
    pub fn is_datagram(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_is_dtls(self.ptr()) == 1 }
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
        (**self).peer_chain()
    }
}
