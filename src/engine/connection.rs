//! Connections without a socket: the caller carries the bytes. Events are taken between the steps, so whatever is done
//! about them happens while no OpenSSL call is in progress.

use crate::{
    alpn,
    error::{Code, Error, Result},
    hostname::Hostname,
    ossl::{
        engine::{
            connection::Engine,
            hooks::{Answer, Wanted},
            trust::Expected,
        },
        session::Session,
    },
    types::{ClientAuth, Role},
};
use std::{
    ffi::{CStr, c_int},
    sync::{Mutex, TryLockError},
};

use super::{
    secure_context::SecureContext,
    state::{Server, State},
};

pub use super::state::Outcome;
pub use crate::ossl::engine::hooks::Event;

/// A connection. One thread at a time may use it; what comes meanwhile is refused.
pub struct Connection(Mutex<State>);

impl Connection {
    /// A connection with the settings of a context. On servers `request_cert` asks the client for a certificate, and
    /// `reject_unauthorized` demands one then. Clients send `server_name`.
    pub fn new(
        context: &SecureContext,
        role: Role,
        request_cert: bool,
        server_name: Option<&CStr>,
        reject_unauthorized: bool,
    ) -> Result<Connection> {
        let ask = match (request_cert, reject_unauthorized) {
            (false, _) => ClientAuth::No,
            (true, false) => ClientAuth::Optional,
            (true, true) => ClientAuth::Required,
        };
        let (mut engine, scope) = context.engine(role, ask)?;
        let mut server = (role == Role::Client).then(Server::default);
        if let (Some(server), Some(name)) = (&mut server, server_name.filter(|name| !name.is_empty())) {
            engine.send_server_name(name)?;
            server.name = Some(name.to_owned());
        }
        Ok(Connection(Mutex::new(State {
            engine: Some(engine),
            ask,
            scope,
            server,
            last: Outcome::Done,
            close_notifies: (false, false),
            wanted: Wanted::default(),
        })))
    }

    pub(super) fn with<T>(&self, body: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        match self.0.try_lock() {
            Ok(mut state) => body(&mut state),
            Err(TryLockError::Poisoned(state)) => body(&mut state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Code::State, "the connection is busy: another thread uses it"))
            }
        }
    }

    pub(super) fn with_engine<T>(&self, body: impl FnOnce(&mut Engine) -> Result<T>) -> Result<T> {
        self.with(|state| body(state.engine()?))
    }

    /// Takes a step, and keeps how it went. Returns also whether there may be events that have not been taken
    /// yet.
    pub fn step<T>(&self, body: impl FnOnce(&mut State) -> Result<T>) -> (Result<T>, bool) {
        let mut has_events = false;
        let result = self.with(|state| {
            let result = body(state).inspect_err(|error| state.last = Outcome::failed(error));
            has_events = state.engine.as_ref().is_some_and(Engine::has_events);
            result
        });
        (result, has_events)
    }

    /// Sends close_notify, or looks for the peer's: 0 once it is sent, 1 once both are, -1 if neither can be done now.
    pub fn shutdown(&self) -> Result<c_int> {
        let (result, _) = self.step(|state| {
            let step = state.engine()?.shutdown();
            let (outcome, both) = state.record(step.map(|step| step.map(usize::from)))?;
            Ok(if outcome == Outcome::Done { c_int::from(both > 0) } else { -1 })
        });
        result
    }

    /// Takes bytes that are to be sent to the peer; 0 if there are none.
    pub fn take_outgoing(&self, buffer: &mut [u8]) -> Result<usize> {
        self.with_engine(|engine| Ok(engine.take_outgoing(buffer)))
    }

    /// Puts in bytes that came from the peer.
    pub fn put_incoming(&self, data: &[u8]) -> Result<()> {
        self.with_engine(|engine| engine.put_incoming(data))
    }

    /// Says that nothing more will come from the peer.
    pub fn end_incoming(&self) -> Result<()> {
        self.with_engine(|engine| {
            engine.end_incoming();
            Ok(())
        })
    }

    /// How many bytes wait to be sent, and how many that were put in have not been read yet.
    pub fn buffered(&self) -> Result<(usize, usize)> {
        self.with_engine(|engine| Ok(engine.buffered()))
    }

    /// Frees everything. A second time does nothing.
    pub fn close(&self) -> Result<()> {
        let engine = self.with(|state| Ok(state.engine.take()))?;
        drop(engine);
        Ok(())
    }

    /// How the last step went.
    pub fn last(&self) -> Result<Outcome> {
        self.with(|state| Ok(state.last.clone()))
    }

    /// Whether we have sent close_notify, and whether the peer has.
    pub fn close_notifies(&self) -> Result<(bool, bool)> {
        self.with(|state| Ok(state.close_notifies))
    }

    /// Keeps other kinds of events from now on.
    pub fn want(&self, change: impl FnOnce(&mut Wanted)) -> Result<()> {
        self.with(|state| {
            change(&mut state.wanted);
            let wanted = state.wanted;
            state.engine()?.want(wanted);
            Ok(())
        })
    }

    /// Takes the oldest event that has not been taken yet, if it is wanted.
    pub fn next_event(&self, if_wanted: impl FnOnce(&Event) -> bool) -> Result<Option<Event>> {
        self.with(|state| Ok(state.engine.as_mut().and_then(|engine| engine.next_event(if_wanted))))
    }

    /// Whether a step would only stop again, or the last one stopped, for an event that has not been looked at.
    pub fn must_stop(&self) -> Result<bool> {
        self.with_engine(|engine| Ok(engine.must_stop()))
    }

    /// Answers which context serves the name that the client asked for.
    pub fn answer_server_name(&self, answer: ServerNameAnswer<'_>) -> Result<()> {
        self.with(|state| {
            if !state.engine()?.is_asking() {
                return Err(Error::new(Code::State, "no server name waits for an answer"));
            }
            let answer = match answer {
                ServerNameAnswer::Context(context) => {
                    let (ctx, trust) = context.to_switch_to(state.ask)?;
                    Answer::Switch(ctx, trust)
                }
                ServerNameAnswer::Own => Answer::Own,
                ServerNameAnswer::NotAcknowledged => Answer::NotAcknowledged,
                ServerNameAnswer::Refused => Answer::Refused,
            };
            state.engine()?.answer(answer);
            Ok(())
        })
    }

    /// Makes the verification tell whether the peer's certificate is for this host, too.
    pub fn set_hostname(&self, hostname: Hostname) -> Result<()> {
        self.with(|state| {
            let engine = state.new_engine()?;
            engine.expect(match hostname.clone() {
                Hostname::Name(name) => Expected::Name(name),
                Hostname::Ip(ip) => Expected::Ip(ip),
            });
            if let Some(server) = &mut state.server {
                server.hostname = Some(hostname);
            }
            Ok(())
        })
    }

    /// Offers or prefers these protocols, each name behind its length, best first.
    pub fn set_protocols(&self, wire: &[u8]) -> Result<()> {
        alpn::check(wire)?;
        self.before_handshake(|engine| engine.set_protocols(wire.to_vec()))
    }

    /// Refuses, on a server, a client that offers only other protocols.
    pub fn set_strict_protocols(&self, strict: bool) -> Result<()> {
        self.before_handshake(|engine| {
            engine.set_strict_protocols(strict);
            Ok(())
        })
    }

    fn before_handshake(&self, body: impl FnOnce(&mut Engine) -> Result<()>) -> Result<()> {
        self.with(|state| body(state.new_engine()?))
    }

    /// Offers to resume a serialized session.
    pub fn set_session(&self, der: &[u8]) -> Result<()> {
        let session = Session::from_der(der)?;
        self.before_handshake(|engine| {
            engine.resume(session);
            Ok(())
        })
    }

    /// Hands a serialized session to the server's next look-up; none for no bytes.
    pub fn load_session(&self, der: &[u8]) -> Result<()> {
        let session = if der.is_empty() { None } else { Some(Session::from_der(der)?) };
        self.with_engine(|engine| {
            engine.load(session);
            Ok(())
        })
    }
}

/// Which context serves the name that a client asks for.
pub enum ServerNameAnswer<'a> {
    /// This one.
    Context(&'a SecureContext),
    /// The connection's own.
    Own,
    /// The connection's own, and the client gets no confirmation of its name.
    NotAcknowledged,
    /// None: the handshake fails.
    Refused,
}
