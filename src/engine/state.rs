//! The state of a connection without a socket, and its steps.

use crate::{
    error::{Code, Error, Result},
    hello::explained::explained,
    hostname::Hostname,
    ossl::engine::{connection::Engine, hooks::Wanted},
    session::Scope,
    types::{ClientAuth, Step},
};
use std::ffi::CString;

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

impl Outcome {
    /// That of a step which has failed.
    pub fn failed(error: &Error) -> Outcome {
        Outcome::Failed(error.code, error.message.clone())
    }
}

/// What the lock of a connection guards.
pub struct State {
    /// None once it is closed.
    pub engine: Option<Engine>,
    pub ask: ClientAuth,
    /// Where its sessions may be resumed, by what the context says.
    pub scope: Scope,
    /// Clients: which server they want, by which their sessions are kept apart, too.
    pub server: Option<Server>,
    pub last: Outcome,
    /// Whether we have sent close_notify, and whether the peer has.
    pub close_notifies: (bool, bool),
    pub wanted: Wanted,
}

/// The server that a client wants.
#[derive(Debug, Default)]
pub struct Server {
    /// Sent as SNI.
    pub name: Option<CString>,
    /// The name to verify.
    pub hostname: Option<Hostname>,
}

impl State {
    pub fn engine(&mut self) -> Result<&mut Engine> {
        self.engine.as_mut().ok_or_else(|| Error::new(Code::State, "the connection is closed"))
    }

    /// The engine, as long as nothing of the handshake has happened.
    pub fn new_engine(&mut self) -> Result<&mut Engine> {
        let engine = self.engine()?;
        if engine.is_new() { Ok(engine) } else { Err(Error::new(Code::State, "the handshake has already begun")) }
    }

    pub fn handshake(&mut self) -> Result<Step<usize>> {
        let begins = self.engine()?.is_new();
        if let Some(server) = self.server.as_ref().filter(|_| begins) {
            let scope = self.scope.with("server", format!("{server:?}").as_bytes())?;
            self.engine()?.narrow(scope.as_bytes())?;
        }
        let engine = self.engine()?;
        let step = engine.handshake().map_err(|error| {
            let hooks = engine.hooks();
            explained(engine, &hooks.messages, &hooks.protocols.borrow(), error)
        })?;
        Ok(step.map(|()| 0))
    }

    pub fn after_handshake(
        &mut self,
        body: impl FnOnce(&mut Engine) -> Result<Step<usize>>,
    ) -> Result<Step<usize>> {
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

    /// A step of the handshake. False if it was finished before.
    pub fn start(&mut self) -> Result<(Outcome, bool)> {
        let before = self.engine()?.is_handshaken();
        let step = if before { Ok(Step::Done(0)) } else { self.handshake() };
        Ok((self.record(step)?.0, !before))
    }

    /// Encrypts `data`, after the handshake.
    pub fn clear_in(&mut self, data: &[u8]) -> Result<(Outcome, usize)> {
        let step = self.after_handshake(|engine| match data {
            [] => Ok(Step::Done(0)),
            data => engine.write(data),
        });
        self.record(step)
    }

    /// Decrypts into `buffer`, after the handshake. An empty one takes in what is no text.
    pub fn clear_out(&mut self, buffer: &mut [u8]) -> Result<(Outcome, usize)> {
        let step = self.after_handshake(|engine| match buffer {
            [] => engine.look().map(|step| step.map(|()| 0)),
            buffer => engine.read(buffer),
        });
        self.record(step)
    }

    /// Keeps how a step went, if it has not failed, and hands it on.
    pub fn record(&mut self, step: Result<Step<usize>>) -> Result<(Outcome, usize)> {
        let engine = self.engine()?;
        let stopped = engine.is_stopped();
        self.close_notifies = engine.close_notifies();
        let (outcome, n) = match step? {
            Step::Done(n) => (Outcome::Done, n),
            Step::WantRead | Step::WantWrite if stopped => (Outcome::WantEvent, 0),
            Step::WantRead | Step::WantWrite => (Outcome::WantRead, 0),
            Step::Eof => (Outcome::Eof, 0),
        };
        self.last = outcome.clone();
        Ok((outcome, n))
    }
}
