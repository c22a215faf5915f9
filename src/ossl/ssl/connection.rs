//! The SSL itself, and what is set before its handshake.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        bio_backend::{BioBackend, BioStatus, CustomBio},
        ctx::Ctx,
        queue,
        ssl::handle::SslHandle,
        sys,
        verify::dane,
        x509::store::Store,
    },
    types::Role,
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uint},
    net::IpAddr,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use super::hooks::{Expected, Hooks, PeerPolicy, hooks_index};

/// One connection.
pub struct Ssl<B: BioBackend> {
    handle: SslHandle<Hooks>,
    /// Owned by the BIO, which the SSL owns.
    transport: NonNull<B>,
    /// OpenSSL forbids further calls after a fatal error.
    pub(super) failed: bool,
    /// No call is made any more that reads or writes.
    pub(super) has_ended: bool,
    /// Whether buffers are kept although they are empty.
    pub(super) keeps_buffers: bool,
    /// An error found while looking for pending bytes: the next call returns it.
    pub(super) deferred_error: Option<Error>,
}

// SAFETY: everything that the pointers lead to belongs to this connection alone; OpenSSL's objects may move between
// threads as long as one uses them at a time, which `&mut self` ensures.
unsafe impl<B: BioBackend + Send> Send for Ssl<B> {}

impl<B: BioBackend> Drop for Ssl<B> {
    fn drop(&mut self) {
        if !self.failed {
            // SSL_free marks the session as not resumable unless close_notify was sent.
            let flags = ffi::SSL_SENT_SHUTDOWN | ffi::SSL_RECEIVED_SHUTDOWN;
            // SAFETY: the SSL is live.
            unsafe { ffi::SSL_set_shutdown(self.ptr(), flags) }
        }
    }
}

impl<B: BioBackend> Deref for Ssl<B> {
    type Target = SslHandle<Hooks>;

    fn deref(&self) -> &SslHandle<Hooks> {
        &self.handle
    }
}

impl<B: BioBackend> DerefMut for Ssl<B> {
    fn deref_mut(&mut self) -> &mut SslHandle<Hooks> {
        &mut self.handle
    }
}

impl<B: BioBackend> Ssl<B> {
    /// A connection over `transport`. `alpn` is a list of length-prefixed names: what a client offers, or what a server
    /// prefers, best first; empty for none.
    pub fn new(ctx: &Ctx, transport: B, role: Role, policy: PeerPolicy, alpn: Vec<u8>) -> Result<Ssl<B>> {
        let bio = CustomBio::new(transport)?;
        let (client_auth, demands_certificate) = (policy.client_auth, policy.demands_certificate());
        let mut handle = SslHandle::new(ctx, role, hooks_index(), Hooks::new(policy, alpn.clone()))?;
        handle.set_verify(client_auth, demands_certificate);
        let tlsa = &handle.hooks().policy.further.tlsa;
        if !tlsa.is_empty() {
            if role == Role::Server {
                return Err(Error::new(
                    Code::Config,
                    "TLSA records are about servers, and cannot be demanded of clients",
                ));
            }
            // SAFETY: the SSL is live and new; its context is one for records, since the settings have some.
            unsafe { dane::enable(handle.ptr(), tlsa)? };
        }
        if role == Role::Client && !alpn.is_empty() {
            handle.offer_alpn(&alpn)?;
        }
        let (bio, transport) = bio.into_raw();
        // SAFETY: the SSL is live, and takes the BIO over.
        unsafe { sys::SSL_set_bio(handle.ptr(), bio, bio) };
        let mut ssl =
            Ssl { handle, transport, failed: false, has_ended: false, keeps_buffers: false, deferred_error: None };
        ssl.watch_messages();
        Ok(ssl)
    }

    /// What moves the bytes under TLS.
    pub fn transport(&mut self) -> &mut B {
        // SAFETY: lives as long as the SSL; OpenSSL uses it only inside calls that need `&mut self` too.
        unsafe { self.transport.as_mut() }
    }

    /// What the transport says of itself.
    pub fn status(&self) -> BioStatus {
        // SAFETY: likewise.
        unsafe { self.transport.as_ref() }.status()
    }

    /// Demands that the peer's certificate is for this DNS name.
    pub fn expect_name(&mut self, name: &CStr) {
        self.hooks().expected.replace(Some(Expected::Name(name.to_owned())));
    }

    /// Demands that the peer's certificate is for this address.
    pub fn expect_ip(&mut self, ip: IpAddr) {
        self.hooks().expected.replace(Some(Expected::Ip(ip)));
    }

    /// Demands, on a server, that the client asks for this host: the settings were chosen by it.
    pub fn expect_asked_host(&mut self, name: Option<&str>) {
        self.hooks().chosen_for.replace(Some(name.map(str::to_owned)));
    }

    /// Verifies the peer against this store, instead of the context's.
    pub fn verify_with(&mut self, store: &Store) -> Result<()> {
        queue::clear();
        let command = sys::SSL_CTRL_SET_VERIFY_CERT_STORE;
        // SAFETY: the SSL and the store are live; 1 asks for a further reference to the store.
        let done = unsafe { ffi::SSL_ctrl(self.ptr(), command, 1, store.as_ptr().cast()) };
        queue::check(done as c_int, Code::NoMemory, "the store of CA certificates cannot be used")?;
        // SAFETY: the store is live; this is a reference of our own.
        self.hooks().store.replace(Some(unsafe { Store::from_borrowed(store.as_ptr()) }));
        Ok(())
    }

    /// Sessions of other scopes are not resumed. At most 32 bytes.
    pub fn set_session_id_context(&mut self, scope: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; `scope` is readable for its length.
        let done = unsafe { sys::SSL_set_session_id_context(self.ptr(), scope.as_ptr(), scope.len() as c_uint) };
        queue::check(done, Code::Internal, "cannot set the session id context")
    }
}
