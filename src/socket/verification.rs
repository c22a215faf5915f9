//! What was found about the peer's certificate.

use crate::{
    config::{Choice, Verify},
    ossl,
    pki::certificate::Certificate,
};

use super::open::Parts;

impl Parts {
    /// How the connection is served, as far as that is decided.
    pub fn current_choice(&self) -> Choice {
        let state = self.driver.lock();
        state.serving.as_ref().map_or(&self.choice, |serving| serving.choice()).clone()
    }

    /// What the check of the peer's chain found; None if the peer has shown no certificate.
    pub fn verify_result(&self) -> Option<i32> {
        let choice = self.current_choice();
        let context = &choice.context;
        // Reading the system's CAs takes time: not under the lock. Without them no chain can be fine.
        let store = if choice.frozen.config.verify == Verify::None { context.unused_store() } else { Ok(None) };
        let state = self.driver.lock();
        state.tls.peer_certificate().map(|_| match &store {
            Ok(store) => state.tls.verify_result(store.as_deref(), context.has_own_cas()),
            Err(_) => ossl::sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        })
    }

    /// The peer's chain that was verified, its own certificate first and the trusted one last; empty if none was. Where the
    /// handshake was resumed it is built again.
    pub fn verified_chain(&self) -> Vec<Certificate> {
        let choice = self.current_choice();
        let context = &choice.context;
        let Ok(store) = context.system_store() else { return Vec::new() };
        let chain = self.driver.lock().tls.verified_chain(store, context.has_own_cas());
        chain.into_iter().map(Certificate::new).collect()
    }
}
