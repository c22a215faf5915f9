//! SSL over two memory buffers: the TLS of the engine's connections. Nothing here waits or calls foreign code.

use crate::{
    error::{Code, Error, Result},
    ossl::{ctx::Ctx, init, queue, session::Session, sys},
    types::{ClientAuth, Role},
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_uint},
    ptr::NonNull,
};

use super::{
    callbacks,
    hooks::{self, Answer, Event, Hooks, Wanted},
    trust::{Expected, Trust},
};

/// One connection.
pub struct Engine {
    ssl: NonNull<ffi::SSL>,
    /// What came from the peer and OpenSSL has not read yet. Owned by the SSL.
    pub(super) incoming: NonNull<ffi::BIO>,
    /// What is to be sent to the peer. Owned by the SSL.
    pub(super) outgoing: NonNull<ffi::BIO>,
    /// Owned by us; the SSL's ex_data has its address.
    hooks: NonNull<Hooks>,
    pub(super) role: Role,
    /// The session that a client offers, if it still fits when the handshake begins.
    pub(super) offered: Option<Session>,
    /// The context has a certificate, but no private key that belongs to it. The handshake fails if it comes to that.
    pub(super) lacks_key: bool,
    /// The last step stopped for the owner to look at an event.
    pub(super) stopped: bool,
    /// OpenSSL forbids further calls after a fatal error; this was it.
    pub(super) failure: Option<Error>,
}

// SAFETY: everything that the pointers lead to belongs to this connection alone; OpenSSL's objects may move between
// threads as long as one uses them at a time, which `&mut self` (and for queries `&self`, as Engine is not Sync)
// ensures.
unsafe impl Send for Engine {}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: the SSL is ours, and with it both BIOs; the hooks came out of a Box and nothing has their address
        // once the SSL is gone.
        unsafe {
            ffi::SSL_free(self.ssl.as_ptr());
            drop(Box::from_raw(self.hooks.as_ptr()));
        }
    }
}

impl Engine {
    /// A connection of a context that `callbacks::attach` has seen.
    pub fn new(ctx: &Ctx, role: Role, ask: ClientAuth, trust: Trust) -> Result<Engine> {
        init()?;
        queue::clear();
        let no_memory = || queue::error(Code::NoMemory, "cannot make a connection");
        // SAFETY: the context is live; the SSL takes a reference to it.
        let ssl = NonNull::new(unsafe { ffi::SSL_new(ctx.as_ptr()) }).ok_or_else(no_memory)?;
        let hooks = NonNull::from(Box::leak(Box::new(Hooks::new(trust))));
        // SAFETY: no preconditions.
        let (incoming, outgoing) = unsafe { (ffi::BIO_new(ffi::BIO_s_mem()), ffi::BIO_new(ffi::BIO_s_mem())) };
        // SAFETY: the SSL is ours, and takes over the BIOs, NULL or not; the hooks outlive the SSL.
        let stored = unsafe {
            sys::SSL_set_bio(ssl.as_ptr(), incoming, outgoing);
            ffi::SSL_set_ex_data(ssl.as_ptr(), hooks::index(), hooks.as_ptr().cast())
        };
        let (Some(incoming), Some(outgoing), 1) = (NonNull::new(incoming), NonNull::new(outgoing), stored) else {
            // SAFETY: as in Drop.
            unsafe {
                ffi::SSL_free(ssl.as_ptr());
                drop(Box::from_raw(hooks.as_ptr()));
            }
            return Err(no_memory());
        };
        let mode = match (role, ask) {
            (Role::Client, _) | (Role::Server, ClientAuth::No) => ffi::SSL_VERIFY_NONE,
            (Role::Server, ClientAuth::Optional) => ffi::SSL_VERIFY_PEER,
            (Role::Server, ClientAuth::Required) => ffi::SSL_VERIFY_PEER | ffi::SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        };
        // SAFETY: the SSL is live; the callbacks have the types that OpenSSL asks for.
        unsafe {
            ffi::SSL_set_verify(ssl.as_ptr(), mode, None);
            sys::SSL_set_info_callback(ssl.as_ptr(), Some(callbacks::info));
            match role {
                Role::Client => ffi::SSL_set_connect_state(ssl.as_ptr()),
                Role::Server => ffi::SSL_set_accept_state(ssl.as_ptr()),
            }
        }
        let engine = Engine {
            ssl,
            incoming,
            outgoing,
            hooks,
            role,
            offered: None,
            lacks_key: ctx.lacks_key(),
            stopped: false,
            failure: None,
        };
        engine.mark_sessions()?;
        Ok(engine)
    }

    pub(super) fn hooks(&self) -> &Hooks {
        // SAFETY: ours until Drop; shared with the callbacks, which use Cells, in this thread.
        unsafe { self.hooks.as_ref() }
    }

    pub(super) fn ptr(&self) -> *mut ffi::SSL {
        self.ssl.as_ptr()
    }

    /// Gives its sessions another scope.
    pub fn narrow(&mut self, scope: &[u8]) -> Result<()> {
        let trust = self.hooks().trust.borrow().within(scope);
        self.hooks().trust.replace(trust);
        self.mark_sessions()
    }

    /// Makes sessions those of the scope. Those of another one are not resumed.
    fn mark_sessions(&self) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live.
        let done = unsafe { self.hooks().trust.borrow().mark(self.ptr()) };
        queue::check(c_int::from(done), Code::NoMemory, "the session id context cannot be set")
    }

    /// Names the server that the client wants (SNI, RFC 6066).
    pub fn send_server_name(&mut self, name: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the SSL is live; OpenSSL copies the NUL-terminated name.
        let done = unsafe { ffi::SSL_set_tlsext_host_name(self.ptr(), name.as_ptr().cast_mut()) };
        queue::check(done as c_int, Code::Argument, "the server name cannot be sent as SNI")?;
        self.hooks().server_name.replace(Some(name.to_bytes().to_vec()));
        Ok(())
    }

    /// Makes `verify_result` tell whether the peer's certificate is for this name, too.
    pub fn expect(&mut self, expected: Expected) {
        self.hooks().expected.replace(Some(expected));
    }

    /// Offers or prefers these protocols, length-prefixed names, best first.
    pub fn set_protocols(&mut self, names: Vec<u8>) -> Result<()> {
        queue::clear();
        if self.role == Role::Client {
            // SAFETY: `names` is readable for its length. This function returns 0 for success.
            let result = unsafe { ffi::SSL_set_alpn_protos(self.ptr(), names.as_ptr(), names.len() as c_uint) };
            if result != 0 {
                return Err(queue::error(Code::Argument, "the protocol names cannot be used"));
            }
        }
        self.hooks().protocols.replace(names);
        Ok(())
    }

    /// Whether a server refuses a client that offers only other protocols.
    pub fn set_strict_protocols(&mut self, strict: bool) {
        self.hooks().strict_protocols.set(strict);
    }

    /// Which events are kept from now on.
    pub fn want(&mut self, wanted: Wanted) {
        self.hooks().wanted.set(wanted);
    }

    /// Takes the oldest event that nobody has taken yet, if it is wanted.
    pub fn next_event(&mut self, if_wanted: impl FnOnce(&Event) -> bool) -> Option<Event> {
        let mut events = self.hooks().events.borrow_mut();
        if events.front().is_some_and(if_wanted) { events.pop_front() } else { None }
    }

    /// Whether the last step stopped for an event to be looked at first.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the next step would stop again, or this one stopped for what nobody has taken yet.
    pub fn must_stop(&self) -> bool {
        let events = self.hooks().events.borrow();
        self.is_asking() || events.iter().any(|event| self.stops() || matches!(event, Event::SessionLookup(_)))
    }

    pub(super) fn stops(&self) -> bool {
        self.hooks().wanted.get().stops
    }

    /// Whether there are events that nobody has taken yet.
    pub fn has_events(&self) -> bool {
        self.events() > 0
    }

    pub(super) fn events(&self) -> usize {
        self.hooks().events.borrow().len()
    }

    /// Makes the current step stop here, if there are events to be looked at first.
    pub fn stop_for_events(&mut self) -> bool {
        self.stopped = self.stops() && self.events() > 0;
        self.stopped
    }

    /// Whether the handshake waits for `answer`.
    pub fn is_asking(&self) -> bool {
        self.hooks().asking.get()
    }

    /// Answers which context serves the name that the client asked for.
    pub fn answer(&mut self, answer: Answer) {
        self.hooks().answer.replace(Some(answer));
        self.hooks().asking.set(false);
    }

    /// The name that a client sends, or that a server has received, as SNI.
    pub fn server_name(&self) -> Option<Vec<u8>> {
        self.hooks().server_name.borrow().clone()
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

    /// Offers to resume `session`, unless a full handshake might come to something else.
    pub fn resume(&mut self, session: Session) {
        self.offered = Some(session);
    }

    /// The session that a client may resume, if it wants that one.
    pub fn load(&mut self, session: Option<Session>) {
        self.hooks().loaded.replace(session);
    }
}
