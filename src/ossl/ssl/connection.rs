//! The SSL itself, and what is set before its handshake.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        bio_backend::{BioBackend, BioStatus, CustomBio},
        ctx::Ctx,
        init, queue,
        session::Session,
        store::Store,
        sys,
    },
    types::{ClientAuth, Role},
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uint},
    net::IpAddr,
    ptr::NonNull,
};

use super::hooks::{Expected, Hooks, PeerPolicy, hooks_index};

/// One connection.
pub struct Ssl<B: BioBackend> {
    ssl: NonNull<ffi::SSL>,
    /// Owned by the BIO, which the SSL owns.
    transport: NonNull<B>,
    /// Owned by us; the SSL's ex_data has its address.
    hooks: NonNull<Hooks>,
    role: Role,
    /// OpenSSL forbids further calls after a fatal error.
    pub(super) failed: bool,
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
        // SAFETY: the SSL is ours, and with it its BIO; the hooks came out of a Box and nothing has their address
        // once the SSL is gone.
        unsafe {
            if !self.failed {
                // SSL_free marks the session as not resumable unless close_notify was sent.
                ffi::SSL_set_shutdown(self.ptr(), ffi::SSL_SENT_SHUTDOWN | ffi::SSL_RECEIVED_SHUTDOWN);
            }
            ffi::SSL_free(self.ssl.as_ptr());
            drop(Box::from_raw(self.hooks.as_ptr()));
        }
    }
}

impl<B: BioBackend> Ssl<B> {
    /// A connection over `transport`. `alpn` is a list of length-prefixed names: what a client offers, or what a server
    /// prefers, best first; empty for none.
    pub fn new(ctx: &Ctx, transport: B, role: Role, policy: PeerPolicy, alpn: Vec<u8>) -> Result<Ssl<B>> {
        init()?;
        queue::clear();
        let (bio, transport) = CustomBio::new(transport)?.into_raw();
        // SAFETY: the context is live; the SSL takes a reference to it.
        let ssl = unsafe { ffi::SSL_new(ctx.as_ptr()) };
        let Some(ssl) = NonNull::new(ssl) else {
            // SAFETY: nobody else has the BIO.
            unsafe { ffi::BIO_free_all(bio) };
            return Err(queue::error(Code::NoMemory, "cannot make an SSL"));
        };
        let mode = verify_mode(role, &policy);
        let hooks = NonNull::from(Box::leak(Box::new(Hooks::new(policy, alpn))));
        // SAFETY: the SSL is ours, and takes the BIO over; the hooks outlive the SSL.
        let stored = unsafe {
            sys::SSL_set_bio(ssl.as_ptr(), bio, bio);
            ffi::SSL_set_verify(ssl.as_ptr(), mode, None);
            match role {
                Role::Client => ffi::SSL_set_connect_state(ssl.as_ptr()),
                Role::Server => ffi::SSL_set_accept_state(ssl.as_ptr()),
            }
            ffi::SSL_set_ex_data(ssl.as_ptr(), hooks_index(), hooks.as_ptr().cast())
        };
        // From here on Drop frees everything.
        let this = Ssl { ssl, transport, hooks, role, failed: false, keeps_buffers: false, deferred_error: None };
        queue::check(stored, Code::NoMemory, "cannot attach to an SSL")?;
        if role == Role::Client {
            this.offer_alpn()?;
        }
        Ok(this)
    }

    pub(super) fn hooks(&self) -> &Hooks {
        // SAFETY: ours until Drop; shared with the callbacks, which only read and use Cells, in this thread.
        unsafe { self.hooks.as_ref() }
    }

    fn offer_alpn(&self) -> Result<()> {
        let names = &self.hooks().alpn;
        if names.is_empty() {
            return Ok(());
        }
        // SAFETY: `names` is readable for its length. This function returns 0 for success.
        let result = unsafe { ffi::SSL_set_alpn_protos(self.ptr(), names.as_ptr(), names.len() as c_uint) };
        if result == 0 { Ok(()) } else { Err(queue::error(Code::Config, "the ALPN names cannot be used")) }
    }

    pub(super) fn ptr(&self) -> *mut ffi::SSL {
        self.ssl.as_ptr()
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

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Names the server that the client wants (SNI, RFC 6066).
    pub fn send_server_name(&mut self, name: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; OpenSSL copies the NUL-terminated name.
        let done = unsafe { ffi::SSL_set_tlsext_host_name(self.ptr(), name.as_ptr().cast_mut()) };
        queue::check(done as c_int, Code::Argument, "the host name cannot be sent as SNI")
    }

    /// Demands that the peer's certificate is for this DNS name.
    pub fn expect_name(&mut self, name: &CStr) {
        self.hooks().expected.replace(Some(Expected::Name(name.to_owned())));
    }

    /// Demands that the peer's certificate is for this address.
    pub fn expect_ip(&mut self, ip: IpAddr) {
        self.hooks().expected.replace(Some(Expected::Ip(ip)));
    }

    /// Verifies the peer against this store, instead of the context's.
    pub fn verify_with(&mut self, store: &Store) -> Result<()> {
        queue::clear();
        let command = sys::SSL_CTRL_SET_VERIFY_CERT_STORE;
        // SAFETY: the SSL and the store are live; 1 asks for a further reference to the store.
        let done = unsafe { ffi::SSL_ctrl(self.ptr(), command, 1, store.as_ptr().cast()) };
        queue::check(done as c_int, Code::NoMemory, "the store of CA certificates cannot be used")
    }

    /// Sessions of other scopes are not resumed. At most 32 bytes.
    pub fn set_session_id_context(&mut self, scope: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; `scope` is readable for its length.
        let done = unsafe { sys::SSL_set_session_id_context(self.ptr(), scope.as_ptr(), scope.len() as c_uint) };
        queue::check(done, Code::Internal, "cannot set the session id context")
    }

    /// Offers to resume `session`, whose chain was verified and expires at the given time, if there was one.
    pub fn resume(&mut self, session: &Session, chain_expires: Option<i64>) -> Result<()> {
        self.hooks().chain_expires.set(chain_expires);
        queue::clear();
        // SAFETY: both are live; the SSL takes a reference.
        let done = unsafe { ffi::SSL_set_session(self.ptr(), session.as_ptr()) };
        queue::check(done, Code::Argument, "the session cannot be used")
    }
}

fn verify_mode(role: Role, policy: &PeerPolicy) -> c_int {
    match (role, policy.client_auth) {
        (Role::Client, _) if policy.demands_certificate() => ffi::SSL_VERIFY_PEER,
        (Role::Client, _) | (Role::Server, ClientAuth::No) => ffi::SSL_VERIFY_NONE,
        (Role::Server, ClientAuth::Optional) => ffi::SSL_VERIFY_PEER,
        (Role::Server, ClientAuth::Required) => ffi::SSL_VERIFY_PEER | ffi::SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    }
}
