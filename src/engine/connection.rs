//! Connections without a socket: the caller carries the bytes. Events are taken between the steps, so whatever is done
//! about them happens while no OpenSSL call is in progress.

use crate::{
    certificate::Certificate,
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
    session::Scope,
    types::{ClientAuth, Role, Step},
};
use std::{
    ffi::{CStr, CString, c_int},
    sync::{Mutex, TryLockError},
};

use super::{secure_context::SecureContext, verify_error};

pub use crate::ossl::engine::hooks::Event;

/// How the last step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The peer must send something first.
    WantRead,
    /// An event has to be looked at first.
    WantEvent,
    /// The peer has ended its half of the stream, with close_notify.
    Eof,
    /// It failed.
    Failed(Code, String),
}

/// A connection. One thread at a time may use it; what comes meanwhile is refused.
pub struct Connection(Mutex<State>);

struct State {
    /// None once it is closed.
    engine: Option<Engine>,
    ask: ClientAuth,
    /// Where its sessions may be resumed, by what the context says.
    scope: Scope,
    /// Clients: which server they want, by which their sessions are kept apart, too.
    server: Option<Server>,
    last: Outcome,
    /// Whether we have sent close_notify, and whether the peer has.
    close_notifies: (bool, bool),
    wanted: Wanted,
}

/// The server that a client wants.
#[derive(Debug, Default)]
struct Server {
    /// Sent as SNI.
    name: Option<CString>,
    /// Verified.
    hostname: Option<Hostname>,
}

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

    fn with<T>(&self, body: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        match self.0.try_lock() {
            Ok(mut state) => body(&mut state),
            Err(TryLockError::Poisoned(state)) => body(&mut state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Code::State, "the connection is busy: another thread uses it"))
            }
        }
    }

    fn with_engine<T>(&self, body: impl FnOnce(&mut Engine) -> Result<T>) -> Result<T> {
        self.with(|state| body(state.engine()?))
    }

    /// A step of the handshake. False if it was finished before.
    pub fn start(&self) -> Result<(Outcome, bool)> {
        self.with(|state| {
            let before = state.engine()?.is_handshaken();
            let step = if before { Ok(Step::Done(0)) } else { state.handshake() };
            Ok((state.record(step)?.0, !before))
        })
    }

    /// Encrypts `data`, after the handshake.
    pub fn clear_in(&self, data: &[u8]) -> Result<(Outcome, usize)> {
        self.with(|state| {
            let step = state.after_handshake(|engine| match data {
                [] => Ok(Step::Done(0)),
                data => engine.write(data),
            });
            state.record(step)
        })
    }

    /// Decrypts into `buffer`, after the handshake.
    pub fn clear_out(&self, buffer: &mut [u8]) -> Result<(Outcome, usize)> {
        self.with(|state| {
            let step = state.after_handshake(|engine| match buffer {
                [] => Ok(Step::Done(0)),
                buffer => engine.read(buffer),
            });
            state.record(step)
        })
    }

    /// Sends close_notify, or looks for the peer's: 0 once it is sent, 1 once both are, negative if it could not be.
    pub fn shutdown(&self) -> Result<c_int> {
        self.with(|state| {
            let (result, failure) = state.engine()?.shutdown();
            let step = failure.map_or(Ok(Step::Done(0)), Err);
            state.record(step).map(|_| result)
        })
    }

    /// Takes bytes that are to be sent to the peer; 0 if there are none.
    pub fn take_outgoing(&self, buffer: &mut [u8]) -> Result<usize> {
        self.with_engine(|engine| Ok(engine.take_outgoing(buffer)))
    }

    /// Puts in bytes that came from the peer, and says how many it took.
    pub fn put_incoming(&self, data: &[u8]) -> Result<usize> {
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

    /// Takes the oldest event that nobody has taken yet, if it is wanted.
    pub fn next_event(&self, if_wanted: impl FnOnce(&Event) -> bool) -> Result<Option<Event>> {
        self.with(|state| Ok(state.engine.as_mut().and_then(|engine| engine.next_event(if_wanted))))
    }

    /// Whether there may be events that nobody has taken yet.
    pub fn has_events(&self) -> bool {
        self.with(|state| Ok(state.engine.as_ref().is_some_and(Engine::has_events))).unwrap_or(true)
    }

    /// Whether a step would only stop again, or the last one stopped, for an event that nobody has looked at.
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

    /// The name that a client sends, or that a server has received, as SNI.
    pub fn server_name(&self) -> Result<Option<Vec<u8>>> {
        self.with_engine(|engine| Ok(engine.server_name()))
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
        check_wire(wire)?;
        self.before_handshake(|engine| engine.set_protocols(wire.to_vec()))
    }

    /// Refuses, on a server, a client that offers only other protocols.
    pub fn set_strict_protocols(&self, strict: bool) -> Result<()> {
        self.before_handshake(|engine| {
            engine.set_strict_protocols(strict);
            Ok(())
        })
    }

    /// What ALPN or NPN chose.
    pub fn negotiated_protocol(&self) -> Result<Option<Vec<u8>>> {
        self.with_engine(|engine| Ok(engine.negotiated_protocol()))
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

    /// The session, serialized. Empty if there is none yet.
    pub fn session(&self) -> Result<Vec<u8>> {
        self.with_engine(|engine| Ok(engine.session().map_or_else(Vec::new, |session| session.der())))
    }

    /// Hands a serialized session to the server's next look-up; none for no bytes.
    pub fn load_session(&self, der: &[u8]) -> Result<()> {
        let session = if der.is_empty() { None } else { Some(Session::from_der(der)?) };
        self.with_engine(|engine| {
            engine.load(session);
            Ok(())
        })
    }

    /// Whether this connection resumed a session.
    pub fn session_reused(&self) -> Result<bool> {
        self.with_engine(|engine| Ok(engine.session_reused()))
    }

    /// Whether the handshake is done. False once it is closed.
    pub fn is_handshaken(&self) -> Result<bool> {
        self.with(|state| Ok(state.engine.as_ref().is_some_and(|engine| engine.is_handshaken())))
    }

    /// The cipher's name, and the lowest protocol version that has it.
    pub fn cipher(&self) -> Result<Option<(&'static CStr, &'static CStr)>> {
        self.with_engine(|engine| Ok(engine.cipher()))
    }

    /// The negotiated protocol version.
    pub fn protocol(&self) -> Result<Option<&'static CStr>> {
        self.with_engine(|engine| Ok(engine.protocol()))
    }

    /// Why the peer's certificate is not fine, by the name of OpenSSL's constant; None if it is.
    pub fn verify_error(&self) -> Result<Option<&'static CStr>> {
        self.with_engine(|engine| match engine.peer_certificate() {
            None => Ok(Some(c"UNABLE_TO_GET_ISSUER_CERT")),
            Some(peer) => Ok(verify_error::name(engine.verify_result(&peer))),
        })
    }

    /// The peer's certificate.
    pub fn peer_certificate(&self) -> Result<Option<Certificate>> {
        self.with_engine(|engine| Ok(engine.peer_certificate().map(Certificate::new)))
    }

    /// The certificates that the peer sent, its own first.
    pub fn peer_chain(&self) -> Result<Vec<Certificate>> {
        self.with_engine(|engine| Ok(engine.peer_chain().into_iter().map(Certificate::new).collect()))
    }
}

/// Which context serves the name that a client asks for.
pub enum ServerNameAnswer<'a> {
    /// This one.
    Context(&'a SecureContext),
    /// The connection's own.
    Own,
    /// The connection's own, and the client is not told that its name was understood.
    NotAcknowledged,
    /// None: the handshake fails.
    Refused,
}

impl State {
    fn engine(&mut self) -> Result<&mut Engine> {
        self.engine.as_mut().ok_or_else(|| Error::new(Code::State, "the connection is closed"))
    }

    /// The engine, as long as nothing of the handshake has happened.
    fn new_engine(&mut self) -> Result<&mut Engine> {
        let engine = self.engine()?;
        if engine.is_new() { Ok(engine) } else { Err(Error::new(Code::State, "the handshake has already begun")) }
    }

    fn handshake(&mut self) -> Result<Step<usize>> {
        let begins = self.engine()?.is_new();
        if let Some(server) = self.server.as_ref().filter(|_| begins) {
            let scope = self.scope.with("server", format!("{server:?}").as_bytes())?;
            self.engine()?.narrow(scope.as_bytes())?;
        }
        Ok(match self.engine()?.handshake()? {
            Step::Done(()) => Step::Done(0),
            Step::WantRead => Step::WantRead,
            Step::WantWrite => Step::WantWrite,
            Step::Eof => Step::Eof,
        })
    }

    fn after_handshake(&mut self, body: impl FnOnce(&mut Engine) -> Result<Step<usize>>) -> Result<Step<usize>> {
        if !self.engine()?.is_handshaken() {
            match self.handshake()? {
                // The caller may raise an exception for an event, and would not learn what became of the data.
                Step::Done(_) if self.engine()?.stop_for_events() => return Ok(Step::WantRead),
                Step::Done(_) => {}
                waiting => return Ok(waiting),
            }
        }
        body(self.engine()?)
    }

    /// Keeps how a step went, and hands it on.
    fn record(&mut self, step: Result<Step<usize>>) -> Result<(Outcome, usize)> {
        let engine = self.engine()?;
        let stopped = engine.is_stopped();
        self.close_notifies = engine.close_notifies();
        let (outcome, n) = match step {
            Ok(Step::Done(n)) => (Outcome::Done, n),
            Ok(Step::WantRead | Step::WantWrite) if stopped => (Outcome::WantEvent, 0),
            Ok(Step::WantRead | Step::WantWrite) => (Outcome::WantRead, 0),
            Ok(Step::Eof) => (Outcome::Eof, 0),
            Err(error) => {
                self.last = Outcome::Failed(error.code, error.message.clone());
                return Err(error);
            }
        };
        self.last = outcome.clone();
        Ok((outcome, n))
    }
}

/// Fails unless `wire` is a list of names of 1 to 255 bytes, each behind its length.
fn check_wire(wire: &[u8]) -> Result<()> {
    let mut rest = wire;
    while let Some((&len, names)) = rest.split_first() {
        rest = match names.get(usize::from(len)..) {
            Some(next) if len > 0 => next,
            _ => return Err(Error::argument("the protocol names are not each behind a length of 1 to 255")),
        };
    }
    if wire.len() > usize::from(u16::MAX) {
        return Err(Error::argument("the protocol names have more than 65535 bytes together"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_behind_their_lengths_are_taken() {
        assert!(check_wire(b"\x02h2\x08http/1.1").is_ok() && check_wire(b"").is_ok());
    }

    #[test]
    fn a_name_without_length_or_end_is_refused() {
        assert!([&b"\x00"[..], b"\x03h2", b"\x02h2\x00"].iter().all(|wire| check_wire(wire).is_err()));
    }
}
