//! What all connections have in common, whatever carries them and whatever their callbacks do: an owned SSL, with the
//! values that its callbacks use.

use crate::{
    error::{Code, Result},
    types::{ClientAuth, Role},
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uchar, c_uint},
    ptr::{self, NonNull},
};

use crate::ossl::{bytes, ctx::Ctx, init, queue, session::Session, static_text, sys, versions, x509::X509};

/// An SSL, and its hooks: what its callbacks reach through the SSL's ex_data.
pub struct SslHandle<H> {
    ssl: NonNull<ffi::SSL>,
    /// Owned by us; the SSL's ex_data has its address.
    hooks: NonNull<H>,
    role: Role,
    /// The session that a client offers, until its handshake is complete.
    offered: Option<Session>,
    /// Whether the handshake has been completed.
    is_completed: bool,
}

impl<H> Drop for SslHandle<H> {
    fn drop(&mut self) {
        // SAFETY: the SSL is ours, and with it its BIOs; the hooks came out of a Box, and nothing has their address
        // once the SSL is freed.
        unsafe {
            ffi::SSL_free(self.ssl.as_ptr());
            drop(Box::from_raw(self.hooks.as_ptr()));
        }
    }
}

impl<H> SslHandle<H> {
    /// An SSL of a context, without a BIO. `index` is where its ex_data has the address of the hooks.
    pub fn new(ctx: &Ctx, role: Role, index: c_int, hooks: H) -> Result<SslHandle<H>> {
        init()?;
        queue::clear();
        let no_memory = || queue::error(Code::NoMemory, "cannot make a connection");
        // SAFETY: the context is live; the SSL takes a reference to it.
        let ssl = NonNull::new(unsafe { ffi::SSL_new(ctx.as_ptr()) }).ok_or_else(no_memory)?;
        let hooks = NonNull::from(Box::leak(Box::new(hooks)));
        // From here on Drop frees both.
        let this = SslHandle { ssl, hooks, role, offered: None, is_completed: false };
        queue::clear();
        // SAFETY: the SSL is live; the hooks outlive it.
        let stored = unsafe {
            match role {
                Role::Client => ffi::SSL_set_connect_state(this.ptr()),
                Role::Server => ffi::SSL_set_accept_state(this.ptr()),
            }
            ffi::SSL_set_ex_data(this.ptr(), index, hooks.as_ptr().cast())
        };
        // OpenSSL 3.2 and newer make the record layer here, and report a failure by the queue alone. Without it,
        // whatever comes next would crash.
        let failure = queue::take();
        match failure {
            None if stored == 1 => Ok(this),
            entry => Err(queue::error_from(entry, Code::NoMemory, "cannot make a connection")),
        }
    }

    /// For OpenSSL's functions.
    pub fn ptr(&self) -> *mut ffi::SSL {
        self.ssl.as_ptr()
    }

    /// What the callbacks use.
    pub fn hooks(&self) -> &H {
        // SAFETY: ours until Drop; shared with the callbacks, which only read and use Cells, in this thread.
        unsafe { self.hooks.as_ref() }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether it is for DTLS.
    pub fn is_datagram(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_is_dtls(self.ptr()) == 1 }
    }

    /// Whether the peer's certificate is verified: that of clients as `client_auth` says, that of servers if the client
    /// demands one.
    pub fn set_verify(&mut self, client_auth: ClientAuth, client_demands: bool) {
        let mode = match (self.role, client_auth) {
            (Role::Client, _) if client_demands => ffi::SSL_VERIFY_PEER,
            (Role::Client, _) | (Role::Server, ClientAuth::No) => ffi::SSL_VERIFY_NONE,
            (Role::Server, ClientAuth::Optional) => ffi::SSL_VERIFY_PEER,
            (Role::Server, ClientAuth::Required) => ffi::SSL_VERIFY_PEER | ffi::SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        };
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_set_verify(self.ptr(), mode, None) }
    }

    /// Names the server that the client wants (SNI, RFC 6066).
    pub fn send_server_name(&mut self, name: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; OpenSSL copies the NUL-terminated name.
        let done = unsafe { ffi::SSL_set_tlsext_host_name(self.ptr(), name.as_ptr().cast_mut()) };
        queue::check(done as c_int, Code::Argument, "the server name cannot be sent as SNI")
    }

    /// What a client offers by ALPN: names, each behind its length. None if it is empty.
    pub fn offer_alpn(&mut self, names: &[u8]) -> Result<()> {
        queue::clear();
        // SAFETY: `names` is readable for its length. This function returns 0 for success.
        let result = unsafe { ffi::SSL_set_alpn_protos(self.ptr(), names.as_ptr(), names.len() as c_uint) };
        if result == 0 { Ok(()) } else { Err(queue::error(Code::Config, "the protocol names cannot be used")) }
    }

    /// Offers to resume `session`.
    pub fn offer_session(&mut self, session: &Session) -> Result<()> {
        queue::clear();
        // SAFETY: both are live; the SSL takes a reference.
        let done = unsafe { ffi::SSL_set_session(self.ptr(), session.as_ptr()) };
        queue::check(done, Code::Argument, "the session cannot be used")?;
        self.offered = Some(session.clone());
        Ok(())
    }

    /// Whether nothing of the handshake has happened yet.
    pub fn is_new(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_in_before(self.ptr()) == 1 }
    }

    /// Whether the handshake is done.
    pub fn is_handshaken(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::SSL_is_init_finished(self.ptr()) == 1 }
    }

    /// Whether we have sent close_notify.
    pub fn sent_close_notify(&self) -> bool {
        self.shutdown_flags() & ffi::SSL_SENT_SHUTDOWN != 0
    }

    /// Whether the peer has sent close_notify.
    pub fn received_close_notify(&self) -> bool {
        self.shutdown_flags() & ffi::SSL_RECEIVED_SHUTDOWN != 0
    }

    fn shutdown_flags(&self) -> c_int {
        // SAFETY: the SSL is live.
        unsafe { ffi::SSL_get_shutdown(self.ptr()) }
    }

    /// The protocol version's name, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        // SAFETY: the SSL is live; the text is static.
        unsafe { static_text(ffi::SSL_get_version(self.ptr())) }
    }

    /// The cipher's name.
    pub fn cipher(&self) -> Option<&'static CStr> {
        // SAFETY: the cipher is NULL or static, as its name is.
        self.current_cipher().and_then(|cipher| unsafe { static_text(ffi::SSL_CIPHER_get_name(cipher)) })
    }

    /// The lowest protocol version that has the cipher.
    pub fn cipher_version(&self) -> Option<&'static CStr> {
        // SAFETY: likewise.
        self.current_cipher().and_then(|cipher| unsafe { static_text(ffi::SSL_CIPHER_get_version(cipher)) })
    }

    fn current_cipher(&self) -> Option<*const ffi::SSL_CIPHER> {
        // SAFETY: the SSL is live.
        let cipher = unsafe { ffi::SSL_get_current_cipher(self.ptr()) };
        (!cipher.is_null()).then_some(cipher)
    }

    /// The protocol chosen by ALPN; empty if none was.
    pub fn alpn(&self) -> Vec<u8> {
        let (mut data, mut len): (*const c_uchar, c_uint) = (ptr::null(), 0);
        // SAFETY: the SSL is live and lends `len` bytes.
        unsafe {
            ffi::SSL_get0_alpn_selected(self.ptr(), &mut data, &mut len);
            bytes(data, c_int::try_from(len).unwrap_or(0)).to_vec()
        }
    }

    /// The handshake is complete.
    pub fn note_completion(&mut self) {
        self.is_completed = true;
        self.offered = None;
    }

    /// Whether the handshake has been completed, also in the middle of a message that comes after it.
    pub fn is_completed(&self) -> bool {
        self.is_completed
    }

    /// Whether what OpenSSL knows of a peer is from an earlier connection: the session that is offered, or being resumed.
    fn knows_earlier_peer_only(&self) -> bool {
        // SAFETY: the SSL is live, and lends its session.
        let session = unsafe { sys::SSL_get_session(self.ptr()) };
        let is_offered = self.offered.as_ref().is_some_and(|offered| ptr::eq(offered.as_ptr(), session));
        !self.is_completed && (is_offered || self.session_reused())
    }

    /// The peer's certificate. In a resumed handshake it is known once the peer has proved that the session is its own.
    pub fn peer_certificate(&self) -> Option<X509> {
        if self.knows_earlier_peer_only() {
            return None;
        }
        // SAFETY: the SSL is live; the reference is ours.
        unsafe { X509::from_owned(versions::get1_peer_certificate(self.ptr())) }
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<X509> {
        if self.knows_earlier_peer_only() {
            return Vec::new();
        }
        // SAFETY: the SSL is live and lends the stack.
        let mut chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(self.ptr())) };
        // A server's stack lacks the client's own certificate.
        if self.role == Role::Server {
            chain.splice(0..0, self.peer_certificate());
        }
        chain
    }

    /// The session, for a later connection to resume.
    pub fn session(&self) -> Option<Session> {
        // SAFETY: the SSL is live; the reference is ours.
        unsafe { Session::from_owned(sys::SSL_get1_session(self.ptr())) }
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { versions::session_reused(self.ptr()) == 1 }
    }
}
