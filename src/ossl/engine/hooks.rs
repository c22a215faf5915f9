//! What a connection shares with OpenSSL's callbacks. Nothing foreign is called from these: what happens is noted,
//! a question stops the handshake, and the connection's owner learns of it after OpenSSL has returned. So its
//! answer may raise, re-enter the connection or close it.

use crate::ossl::{
    ctx::Ctx,
    once,
    secret::Secret,
    session::{Session, rules::TicketKeySource},
    ssl::message_log::MessageLog,
};
use openssl_sys as ffi;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ffi::c_int,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, OnceLock},
};

use super::trust::{Expected, Trust};

/// How many new sessions wait to be taken at most.
const MAX_SESSIONS: usize = 16;

/// What the owner is notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A handshake has begun.
    HandshakeStart,
    /// A handshake is done.
    HandshakeDone,
    /// A client asks for this name, and the handshake waits until a context is chosen.
    ServerName(Vec<u8>),
    /// There is a session to keep: its id, and the session itself.
    NewSession(Vec<u8>, Secret),
    /// A client wants to resume the session of this id, which may be loaded now.
    SessionLookup(Vec<u8>),
}

/// Which kinds of events are kept. Questions are asked only if the caller can answer them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Beginning and end of handshakes.
    pub info: bool,
    /// Server names.
    pub server_name: bool,
    /// New sessions.
    pub new_session: bool,
    /// Session look-ups.
    pub session_lookup: bool,
    /// Steps stop where there are events, before data is moved.
    pub stops: bool,
}

/// Which context serves the name that a client asks for.
pub enum Answer {
    /// The connection's own.
    Own,
    /// The connection's own, and the client gets no confirmation of its name.
    NotAcknowledged,
    /// None: the handshake fails.
    Refused,
    /// This one, and whom its connections trust.
    Switch(Ctx, Trust),
}

/// What the callbacks share with the connection. They reach it through the SSL's ex_data.
pub struct Hooks {
    /// Whom the peer must be.
    pub trust: RefCell<Trust>,
    /// Whose certificate the peer must present, if that was said.
    pub expected: RefCell<Option<Expected>>,
    /// What the verification of the peer's chain found, once it has run: an `X509_V_*` code.
    pub verdict: Cell<Option<c_int>>,
    pub wanted: Cell<Wanted>,
    pub events: RefCell<VecDeque<Event>>,
    /// The client's hello has been looked at.
    pub greeted: Cell<bool>,
    /// The handshake waits for `answer`.
    pub asking: Cell<bool>,
    pub answer: RefCell<Option<Answer>>,
    /// The name in the client's hello.
    pub server_name: RefCell<Option<Vec<u8>>>,
    /// Length-prefixed names, best first.
    pub protocols: RefCell<Vec<u8>>,
    /// A client that offers only others is refused.
    pub strict_protocols: Cell<bool>,
    /// What a client chose by NPN among what both have.
    pub npn_chosen: RefCell<Option<Vec<u8>>>,
    /// The session for the next look-up.
    pub loaded: RefCell<Option<Session>>,
    /// The keys of a server's tickets: those of the context that the connection was made with.
    pub ticket_keys: Arc<dyn TicketKeySource>,
    /// The hellos, until the handshake is complete.
    pub messages: MessageLog,
    pub panicked: Cell<bool>,
}

impl Hooks {
    pub fn new(trust: Trust, ticket_keys: Arc<dyn TicketKeySource>) -> Hooks {
        Hooks {
            ticket_keys,
            trust: RefCell::new(trust),
            expected: RefCell::default(),
            verdict: Cell::default(),
            wanted: Cell::default(),
            events: RefCell::default(),
            greeted: Cell::default(),
            asking: Cell::default(),
            answer: RefCell::default(),
            server_name: RefCell::default(),
            protocols: RefCell::default(),
            strict_protocols: Cell::default(),
            npn_chosen: RefCell::default(),
            loaded: RefCell::default(),
            messages: MessageLog::default(),
            panicked: Cell::default(),
        }
    }

    pub fn note(&self, wanted: bool, event: impl FnOnce() -> Event) {
        if wanted {
            self.events.borrow_mut().push_back(event());
        }
    }

    /// Notes a session. Of those that have not been taken yet only the latest are kept: a server can send thousands
    /// within what the owner feeds at once, and each holds the server's certificate.
    pub fn note_session(&self, id: Vec<u8>, session: Secret) {
        let is_session = |event: &Event| matches!(event, Event::NewSession(..));
        let mut events = self.events.borrow_mut();
        if events.iter().filter(|event| is_session(event)).count() >= MAX_SESSIONS {
            if let Some(oldest) = events.iter().position(is_session) {
                events.remove(oldest);
            }
        }
        events.push_back(Event::NewSession(id, session));
    }
}

/// Where the SSL's ex_data has its Hooks.
pub fn index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    once::ssl_index(&INDEX)
}

/// Runs the body of a callback with the connection's hooks. A panic must not unwind through OpenSSL: it is noted.
///
/// # Safety
/// `ssl` is live; what our index of it holds is NULL or the address of Hooks that outlive it.
pub unsafe fn with_hooks<T>(ssl: *const ffi::SSL, otherwise: T, body: impl FnOnce(&Hooks) -> T) -> T {
    // SAFETY: the preconditions cover it.
    let Some(hooks) = (unsafe { ffi::SSL_get_ex_data(ssl, index()).cast::<Hooks>().as_ref() }) else {
        return otherwise;
    };
    panic::catch_unwind(AssertUnwindSafe(|| body(hooks))).unwrap_or_else(|_| {
        hooks.panicked.set(true);
        otherwise
    })
}
