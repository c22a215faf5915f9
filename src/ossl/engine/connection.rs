//! SSL over two memory buffers: the TLS of the engine's connections. Nothing here waits or calls foreign code.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        bio_backend::CustomBio,
        ctx::Ctx,
        queue,
        session::{Session, rules::TicketKeySource},
        ssl::handle::SslHandle,
        sys,
    },
    types::{ClientAuth, Role},
};
use std::{
    ffi::{CStr, c_int},
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::Arc,
};

use super::{
    callbacks,
    hooks::{self, Answer, Event, Hooks, Wanted},
    memory::Memory,
    trust::{Expected, Trust},
};

/// One connection.
pub struct Engine {
    handle: SslHandle<Hooks>,
    /// Owned by the BIO, which the SSL owns.
    memory: NonNull<Memory>,
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

impl Deref for Engine {
    type Target = SslHandle<Hooks>;

    fn deref(&self) -> &SslHandle<Hooks> {
        &self.handle
    }
}

impl DerefMut for Engine {
    fn deref_mut(&mut self) -> &mut SslHandle<Hooks> {
        &mut self.handle
    }
}

impl Engine {
    /// A connection of a context that `callbacks::attach` has seen.
    pub fn new(
        ctx: &Ctx,
        role: Role,
        client_auth: ClientAuth,
        trust: Trust,
        ticket_keys: Arc<dyn TicketKeySource>,
    ) -> Result<Engine> {
        let mut handle = SslHandle::new(ctx, role, hooks::index(), Hooks::new(trust, ticket_keys))?;
        // A client asks afterwards what the verification found.
        handle.set_verify(client_auth, false);
        let (bio, memory) = CustomBio::new(Memory::default())?.into_raw();
        // SAFETY: the SSL is live, and takes over the BIO; the callback has the type that OpenSSL asks for.
        unsafe {
            sys::SSL_set_bio(handle.ptr(), bio, bio);
            sys::SSL_set_info_callback(handle.ptr(), Some(callbacks::info));
            sys::SSL_set_msg_callback(handle.ptr(), Some(callbacks::message));
        }
        let engine =
            Engine { handle, memory, offered: None, lacks_key: ctx.lacks_key(), stopped: false, failure: None };
        engine.mark_sessions()?;
        Ok(engine)
    }

    /// The bytes on both sides.
    pub(super) fn memory(&mut self) -> &mut Memory {
        // SAFETY: lives as long as the SSL; OpenSSL uses it only inside calls that need `&mut self` too.
        unsafe { self.memory.as_mut() }
    }

    /// How many bytes wait to be sent, and how many that were put in have not been read yet.
    pub fn buffered(&self) -> (usize, usize) {
        // SAFETY: likewise.
        let memory = unsafe { self.memory.as_ref() };
        (memory.outgoing.len(), memory.incoming.len())
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
        self.handle.send_server_name(name)?;
        self.hooks().server_name.replace(Some(name.to_bytes().to_vec()));
        Ok(())
    }

    /// Makes `verify_result` say whether the peer's certificate is for this name, too.
    pub fn expect(&mut self, expected: Expected) {
        self.hooks().expected.replace(Some(expected));
    }

    /// Offers or prefers these protocols, length-prefixed names, best first.
    pub fn set_protocols(&mut self, names: Vec<u8>) -> Result<()> {
        if self.role() == Role::Client {
            let offered = self.offer_alpn(&names);
            offered.map_err(|error| Error { code: Code::Argument, ..error })?;
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

    /// Takes the oldest event that has not been taken yet, if it is wanted.
    pub fn next_event(&mut self, if_wanted: impl FnOnce(&Event) -> bool) -> Option<Event> {
        let mut events = self.hooks().events.borrow_mut();
        if events.front().is_some_and(if_wanted) { events.pop_front() } else { None }
    }

    /// Whether the last step stopped for an event to be looked at first.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the next step would stop again, or this one stopped for what has not been taken yet.
    pub fn must_stop(&self) -> bool {
        let events = self.hooks().events.borrow();
        self.is_asking() || events.iter().any(|event| self.stops() || matches!(event, Event::SessionLookup(_)))
    }

    pub(super) fn stops(&self) -> bool {
        self.hooks().wanted.get().stops
    }

    /// Whether there are events that have not been taken yet.
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

    /// Offers to resume `session`, unless a full handshake might come to something else.
    pub fn resume(&mut self, session: Session) {
        self.offered = Some(session);
    }

    /// The session that a client may resume, if it wants that one.
    pub fn load(&mut self, session: Option<Session>) {
        self.hooks().loaded.replace(session);
    }
}
