//! SSL over two memory buffers: the TLS of the engine's connections. Nothing here waits or calls foreign code.

use crate::{
    error::{Code, Error, Result},
    types::{ClientAuth, Role, Step},
};
use openssl_sys as ffi;
use std::{
    ffi::{CStr, c_int, c_long, c_uchar, c_uint},
    ptr::{self, NonNull},
};

use super::{
    ctx::Ctx,
    engine_hooks::{self, Answer, Event, Hooks, Wanted},
    engine_trust::{self, Expected, Trust},
    queue,
    session::Session,
    ssl::call::step_of,
    sys,
    x509::X509,
};

/// One connection.
pub struct Engine {
    ssl: NonNull<ffi::SSL>,
    /// What came from the peer and OpenSSL has not read yet. Owned by the SSL.
    incoming: NonNull<ffi::BIO>,
    /// What is to be sent to the peer. Owned by the SSL.
    outgoing: NonNull<ffi::BIO>,
    /// Owned by us; the SSL's ex_data has its address.
    hooks: NonNull<Hooks>,
    role: Role,
    /// The session that a client offers, if it still fits when the handshake begins.
    offered: Option<Session>,
    /// The context has a certificate, but no private key that belongs to it. The handshake fails if it comes to that.
    lacks_key: bool,
    /// The last step stopped for the owner to look at an event.
    stopped: bool,
    /// OpenSSL forbids further calls after a fatal error; this was it.
    failure: Option<Error>,
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
    /// A connection of a context that `engine_hooks::attach` has seen.
    pub fn new(ctx: &Ctx, role: Role, ask: ClientAuth, trust: Trust) -> Result<Engine> {
        super::init()?;
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
            ffi::SSL_set_ex_data(ssl.as_ptr(), engine_hooks::index(), hooks.as_ptr().cast())
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
            sys::SSL_set_info_callback(ssl.as_ptr(), Some(engine_hooks::info));
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

    fn hooks(&self) -> &Hooks {
        // SAFETY: ours until Drop; shared with the trampolines, which use Cells, in this thread.
        unsafe { self.hooks.as_ref() }
    }

    fn ptr(&self) -> *mut ffi::SSL {
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

    fn stops(&self) -> bool {
        self.hooks().wanted.get().stops
    }

    /// Whether there are events that nobody has taken yet.
    pub fn has_events(&self) -> bool {
        self.events() > 0
    }

    fn events(&self) -> usize {
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

    /// A step of the handshake. WantRead also when an event has to be looked at first.
    pub fn handshake(&mut self) -> Result<Step<()>> {
        if self.is_new() {
            self.offer()?;
        }
        // SAFETY: the SSL is live.
        self.call(|engine| (unsafe { ffi::SSL_do_handshake(engine.ptr()) }, ()))
    }

    /// Decrypts. WantRead also when an event has to be looked at first: what followed it is still to be read then.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Step<usize>> {
        // Where nothing is left to read, OpenSSL has looked at everything.
        let mut before = usize::MAX;
        loop {
            let events = self.events();
            let step = self.call(|engine| {
                let mut n = 0;
                // SAFETY: `buffer` is writable for its length.
                let result =
                    unsafe { sys::SSL_read_ex(engine.ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut n) };
                (result, n)
            })?;
            if !matches!(step, Step::WantRead) {
                return Ok(step);
            }
            // OpenSSL returns after each message that is no text.
            let unread = self.unread();
            let has_more = unread != 0 && unread != before;
            if !has_more || (self.events() != events && self.stop_for_events()) {
                return Ok(step);
            }
            before = unread;
        }
    }

    /// Encrypts.
    pub fn write(&mut self, data: &[u8]) -> Result<Step<usize>> {
        if self.failure.is_none() && self.close_notifies().0 {
            // No reason to stop reading.
            return Err(Error::new(Code::Protocol, "close_notify has been sent, and nothing can follow it"));
        }
        self.call(|engine| {
            let mut n = 0;
            // SAFETY: `data` is readable for its length.
            let result = unsafe { sys::SSL_write_ex(engine.ptr(), data.as_ptr().cast(), data.len(), &mut n) };
            (result, n)
        })
    }

    /// Sends close_notify, or looks for the peer's: what SSL_shutdown returns, and the reason where that is negative.
    pub fn shutdown(&mut self) -> (c_int, Option<Error>) {
        if let Some(failure) = &self.failure {
            return (-1, Some(failure.clone()));
        }
        loop {
            let unread = self.buffered().1;
            queue::clear();
            // SAFETY: the SSL is live.
            let result = unsafe { ffi::SSL_shutdown(self.ptr()) };
            if result >= 0 {
                return (result, None);
            }
            // SAFETY: the SSL is live, and that was the last call on it.
            match unsafe { step_of(self.ptr(), result, ()) } {
                // OpenSSL returns after each message that is not the peer's close_notify.
                Ok(_) if self.buffered().1 != unread => continue,
                Ok(_) => return (result, None),
                Err(_) => return (result, Some(queue::error(Code::Protocol, "TLS cannot be shut down"))),
            }
        }
    }

    /// Whether we have sent close_notify, and whether the peer has.
    pub fn close_notifies(&self) -> (bool, bool) {
        // SAFETY: the SSL is live.
        let flags = unsafe { ffi::SSL_get_shutdown(self.ptr()) };
        (flags & ffi::SSL_SENT_SHUTDOWN != 0, flags & ffi::SSL_RECEIVED_SHUTDOWN != 0)
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Engine) -> (c_int, T)) -> Result<Step<T>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        queue::clear();
        self.stopped = false;
        let (result, value) = call(self);
        // SAFETY: the SSL is live, and that was the last call on it.
        match unsafe { step_of(self.ptr(), result, value) } {
            Ok(step) => Ok(step),
            Err(ffi::SSL_ERROR_WANT_CLIENT_HELLO_CB) => {
                self.stopped = true;
                Ok(Step::WantRead)
            }
            Err(kind) => {
                let failure = self.failure(kind);
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn failure(&self, kind: c_int) -> Error {
        let entry = queue::take();
        if self.hooks().panicked.get() {
            return Error::new(Code::Internal, "a callback panicked");
        }
        let cut = entry.as_ref().is_some_and(|entry| entry.is_ssl_reason(sys::SSL_R_UNEXPECTED_EOF_WHILE_READING));
        if cut || (kind == ffi::SSL_ERROR_SYSCALL && entry.is_none()) {
            return Error::new(Code::Truncated, "the peer closed the connection without close_notify");
        }
        if self.lacks_key && entry.as_ref().is_some_and(queue::Entry::lacks_certificate) {
            let why = "the secure context has a certificate, but no private key that belongs to it";
            return queue::error_from(entry, Code::Config, why);
        }
        let alert = entry.as_ref().is_some_and(|entry| entry.alert().is_some());
        queue::error_from(entry, Code::Protocol, if alert { "the peer sent an alert" } else { "TLS failed" })
    }

    /// Takes bytes that are to be sent to the peer; 0 if there are none.
    pub fn take_outgoing(&mut self, buffer: &mut [u8]) -> usize {
        let len = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: the BIO is live, `buffer` writable for its length.
        let n = unsafe { ffi::BIO_read(self.outgoing.as_ptr(), buffer.as_mut_ptr().cast(), len) };
        usize::try_from(n).unwrap_or(0)
    }

    /// Puts in bytes that came from the peer, and says how many it took.
    pub fn put_incoming(&mut self, data: &[u8]) -> Result<usize> {
        let len = c_int::try_from(data.len()).unwrap_or(c_int::MAX);
        // SAFETY: the BIO is live, `data` readable for its length.
        let n = unsafe { ffi::BIO_write(self.incoming.as_ptr(), data.as_ptr().cast(), len) };
        usize::try_from(n).map_err(|_| {
            queue::clear();
            Error::new(Code::NoMemory, "the bytes cannot be buffered")
        })
    }

    /// Says that nothing more will come from the peer.
    pub fn end_incoming(&mut self) {
        let (command, nothing): (c_int, c_long) = (sys::BIO_C_SET_BUF_MEM_EOF_RETURN, 0);
        // SAFETY: the BIO is live; the control takes no pointer.
        unsafe { ffi::BIO_ctrl(self.incoming.as_ptr(), command, nothing, ptr::null_mut()) };
    }

    /// How many bytes that were put in have not been read yet.
    fn unread(&self) -> usize {
        // SAFETY: the BIO is live.
        unsafe { sys::BIO_ctrl_pending(self.incoming.as_ptr()) }
    }

    /// How many bytes wait to be sent, and how many that were put in have not been read yet.
    pub fn buffered(&self) -> (usize, usize) {
        // SAFETY: the BIO is live.
        let unsent = unsafe { sys::BIO_ctrl_pending(self.outgoing.as_ptr()) };
        (unsent, self.unread())
    }

    /// Offers to resume `session`, unless a full handshake might come to something else.
    pub fn resume(&mut self, session: Session) {
        self.offered = Some(session);
    }

    /// To be called when the handshake begins: until then the name to verify and the context may change.
    fn offer(&mut self) -> Result<()> {
        let Some(session) = self.offered.take() else {
            return Ok(());
        };
        if !self.hooks().trust.borrow().covers(&session) {
            return Ok(());
        }
        queue::clear();
        // SAFETY: both are live; the SSL takes a reference.
        let done = unsafe { ffi::SSL_set_session(self.ptr(), session.as_ptr()) };
        queue::check(done, Code::Argument, "the session cannot be used")
    }

    /// The session that a client may resume, if it wants that one.
    pub fn load(&mut self, session: Option<Session>) {
        self.hooks().loaded.replace(session);
    }

    /// The session; before the handshake the one that will be offered.
    pub fn session(&self) -> Option<Session> {
        // SAFETY: the SSL is live, and so is the session that is offered; the reference is ours.
        unsafe {
            match &self.offered {
                Some(offered) => Session::from_borrowed(offered.as_ptr()),
                None => Session::from_owned(sys::SSL_get1_session(self.ptr())),
            }
        }
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> bool {
        // SAFETY: the SSL is live.
        unsafe { sys::session_reused(self.ptr()) == 1 }
    }

    /// The cipher's name, and the lowest protocol version that has it.
    pub fn cipher(&self) -> Option<(&'static CStr, &'static CStr)> {
        // SAFETY: the SSL is live; the cipher and its texts are static.
        unsafe {
            let cipher = ffi::SSL_get_current_cipher(self.ptr());
            if cipher.is_null() {
                return None;
            }
            let name = super::static_text(ffi::SSL_CIPHER_get_name(cipher));
            name.zip(super::static_text(ffi::SSL_CIPHER_get_version(cipher)))
        }
    }

    /// The negotiated protocol version, such as "TLSv1.3".
    pub fn protocol(&self) -> Option<&'static CStr> {
        self.cipher()?;
        // SAFETY: the SSL is live; the text is static.
        unsafe { super::static_text(ffi::SSL_get_version(self.ptr())) }
    }

    /// What ALPN or NPN chose.
    pub fn negotiated_protocol(&self) -> Option<Vec<u8>> {
        let (mut data, mut len): (*const c_uchar, c_uint) = (ptr::null(), 0);
        // SAFETY: the SSL is live and lends `len` bytes.
        let alpn = unsafe {
            ffi::SSL_get0_alpn_selected(self.ptr(), &mut data, &mut len);
            super::bytes(data, c_int::try_from(len).unwrap_or(0))
        };
        if alpn.is_empty() { self.npn() } else { Some(alpn.to_vec()) }
    }

    #[cfg(npn)]
    fn npn(&self) -> Option<Vec<u8>> {
        if self.role == Role::Client {
            return self.hooks().npn_chosen.borrow().clone();
        }
        let (mut data, mut len): (*const c_uchar, c_uint) = (ptr::null(), 0);
        // SAFETY: the SSL is live and lends `len` bytes.
        let chosen = unsafe {
            sys::SSL_get0_next_proto_negotiated(self.ptr(), &mut data, &mut len);
            super::bytes(data, c_int::try_from(len).unwrap_or(0))
        };
        (!chosen.is_empty()).then(|| chosen.to_vec())
    }

    #[cfg(not(npn))]
    fn npn(&self) -> Option<Vec<u8>> {
        None
    }

    /// What is wrong with the peer's certificate: an `X509_V_*` code, 0 if nothing is.
    pub fn verify_result(&self, peer: &X509) -> c_int {
        if !self.session_reused() {
            // OpenSSL goes on, too, where it cannot allocate what the verification needs.
            return self.hooks().verdict.get().unwrap_or(sys::X509_V_ERR_OUT_OF_MEM);
        }
        // SAFETY: the SSL is live.
        match unsafe { ffi::SSL_get_verify_result(self.ptr()) as c_int } {
            0 => engine_trust::recheck(peer, self.hooks().expected.borrow().as_ref()),
            reason => reason,
        }
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Option<X509> {
        // SAFETY: the SSL is live; the reference is ours.
        unsafe { X509::from_owned(sys::get1_peer_certificate(self.ptr())) }
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Vec<X509> {
        // SAFETY: the SSL is live and lends the stack.
        let mut chain = unsafe { X509::from_borrowed_stack(ffi::SSL_get_peer_cert_chain(self.ptr())) };
        // A server's stack lacks the client's own certificate.
        if self.role == Role::Server {
            chain.splice(0..0, self.peer_certificate());
        }
        chain
    }
}
