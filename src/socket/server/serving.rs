//! How a server's connection is served. Where that depends on the client's hello, the hello is read and understood first,
//! and only then OpenSSL gets a connection, made with the right settings from the beginning, that reads the same bytes
//! once more. Nothing of one host's settings can so get into another's connection.

use crate::{
    config::{Choice, Frozen},
    error::{Code, Error, Result},
    hello::Hello,
    ossl::{
        bio_backend::BioBackend,
        ssl::{connection::Ssl, message_log::Message},
        verify::requirements::CrlCheck,
    },
    session::{Scope, ServerSessions},
    transport::{
        Tls, Transport,
        channel::Channel,
        endpoint::{Endpoint, WeakEndpoint},
        opening::{Opening, Replay, foreign},
        stream::StreamTransport,
    },
    types::{ClientAuth, Role, Step},
    verify::peer_policy,
};
use std::{io, sync::Arc};

use super::counts::Tally;

/// As much as one record or datagram has.
const MAX_RECORD: usize = 16 * 1024 + 25;

/// The level of alerts that end a connection.
const FATAL: u8 = 2;

/// The alerts that a server sends here (RFC 8446, 6.2).
const DECODE_ERROR: u8 = 50;
const UNRECOGNIZED_NAME: u8 = 112;

/// The server's side of a connection.
pub struct Serving {
    /// The config that decides.
    config: Arc<Frozen>,
    /// That of the server, whose settings for datagrams count.
    listener: Arc<Frozen>,
    /// The server's keys of tickets, and its sessions in memory.
    listener_sessions: ServerSessions,
    /// Those that count: these, or of the config's own keys.
    sessions: ServerSessions,
    /// How the client is served, as far as that is decided.
    choice: Choice,
    hello: Option<Arc<Hello>>,
    /// Until the handshake begins, where the hello may be asked for.
    opening: Option<Opening>,
    /// The socket's, which may be closed meanwhile.
    endpoint: WeakEndpoint,
    /// Where a server counts the connection.
    tally: Option<Tally>,
}

/// A new TLS state, and where its sessions may be resumed: a server's, where `sessions` are given, otherwise a client's.
pub fn new_tls(choice: &Choice, endpoint: &Endpoint, sessions: Option<&ServerSessions>) -> Result<(Tls, Scope)> {
    let role = if sessions.is_some() { Role::Server } else { Role::Client };
    let (config, context) = (&choice.frozen.config, &choice.context);
    let policy = peer_policy(config, role, context.crls()?);
    // A client's scope becomes narrower yet, by the host. A server's is up to the choice.
    let scope = client_scope(choice, policy.further.crls.as_ref())?;
    let verifies = policy.chain && (role == Role::Client || policy.client_auth != ClientAuth::No);
    let store = if verifies { context.system_store()? } else { None };
    let id_context =
        if sessions.is_some() { choice.session_id_context(policy.further.crls.as_ref())? } else { Vec::new() };
    let transport = Transport::new(choice.frozen.medium(), endpoint)?;
    let mut tls = Ssl::new(context.ctx(), transport, role, policy, config.alpn.clone())?;
    if let Some(store) = store {
        tls.verify_with(store)?;
    }
    if let Some(sessions) = sessions {
        tls.set_session_rules(sessions.rules(&config.sessions))?;
        tls.set_session_id_context(&id_context)?;
    }
    Ok((tls, scope))
}

/// Where clients that use these revocation lists may resume sessions, before the host narrows it.
pub fn client_scope(choice: &Choice, crls: Option<&CrlCheck>) -> Result<Scope> {
    let scope = *choice.context.client_scope();
    crls.map_or(Ok(scope), |crls| scope.with("CRLs", &crls.digest))
}

impl Serving {
    /// The side of a server whose config is `frozen`, for a connection that is served like `choice` so far.
    pub fn new(
        frozen: &Arc<Frozen>,
        choice: Choice,
        sessions: ServerSessions,
        tally: Option<Tally>,
        endpoint: &Endpoint,
    ) -> Serving {
        let opens = frozen.config.lazy_handshake || frozen.chooses();
        Serving {
            config: frozen.clone(),
            listener: frozen.clone(),
            listener_sessions: sessions.clone(),
            sessions,
            choice,
            hello: None,
            opening: opens.then(|| Opening::new(frozen.medium())),
            endpoint: endpoint.downgrade(),
            tally,
        }
    }

    /// Counts what the handshake has come to.
    pub fn count(&self, count: impl FnOnce(&Tally)) {
        if let Some(tally) = &self.tally {
            count(tally);
        }
    }

    /// How the client is served, as far as that is decided.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Where the hello is collected, until the handshake begins.
    pub fn opening(&mut self) -> Option<&mut Opening> {
        self.opening.as_mut()
    }

    /// What comes before OpenSSL's handshake. It is done once the handshake may begin.
    pub fn open(&mut self, tls: &mut Tls, channel: &mut Channel) -> Result<Step<()>> {
        let Some(opening) = &mut self.opening else { return Ok(Step::Done(())) };
        if opening.is_wanted || self.config.chooses() {
            let step = collect(opening, tls)?;
            if step != Step::Done(()) {
                return Ok(step);
            }
        }
        if let Some(opening) = self.opening.take() {
            self.decide(tls, channel, opening)?;
        }
        Ok(Step::Done(()))
    }

    /// Whether the handshake has begun, or is about to.
    pub fn is_open(&self) -> bool {
        self.opening.is_none()
    }

    fn decide(&mut self, tls: &mut Tls, channel: &mut Channel, opening: Opening) -> Result<()> {
        let hello = opening.hello().cloned();
        let chooses = self.config.chooses();
        if chooses && hello.is_none() && self.config.refuses_unknown_hosts() {
            send_alert(tls, &opening, DECODE_ERROR);
            let hint = tls.transport().not_tls_hint().map(|hint| Error::new(Code::Protocol, hint));
            return Err(hint.or(opening.found.and_then(Result::err)).unwrap_or_else(foreign));
        }
        let name = hello.as_ref().and_then(|hello| hello.server_name.as_deref());
        let choice = if chooses { self.config.choose(name)? } else { Some(self.config.default_choice()?) };
        let Some(choice) = choice else {
            send_alert(tls, &opening, UNRECOGNIZED_NAME);
            self.count(Tally::refused);
            return Err(unknown_host(name));
        };
        // It has come behind what was collected, and must be read behind it.
        let unread = tls.transport().stream().map(StreamTransport::take_unread).unwrap_or_default();
        self.apply(tls, channel, choice)?;
        if chooses || hello.is_some() {
            tls.expect_asked_host(name);
        }
        self.hello = hello;
        match opening.into_replay() {
            Replay::Stream(mut bytes) => {
                bytes.extend(unread);
                if !bytes.is_empty() {
                    let _ = tls.transport().finish_external_receive(Ok(bytes.len()), &bytes);
                }
            }
            Replay::Datagrams { verified, others } => {
                if let (Some(hello), Some(dtls)) = (&verified, channel.dtls()) {
                    if !dtls.begin_with_hello(tls, &self.listener.config, hello)? {
                        return Err(Error::new(Code::Protocol, "OpenSSL cannot read the client's hello"));
                    }
                }
                if let Some(datagrams) = tls.transport().datagrams() {
                    others.iter().for_each(|datagram| datagrams.read_first(datagram));
                }
            }
        }
        Ok(())
    }

    /// Serves the client like this.
    fn apply(&mut self, tls: &mut Tls, channel: &mut Channel, choice: Choice) -> Result<()> {
        let current = &self.choice;
        let is_the_same =
            Arc::ptr_eq(&choice.frozen, &current.frozen) && Arc::ptr_eq(&choice.context, &current.context);
        if is_the_same && choice.context.crls()?.is_none() {
            tls.set_session_id_context(&choice.session_id_context(None)?)?;
        } else {
            let closed = || Error::new(Code::State, "the socket is closed");
            let endpoint = self.endpoint.upgrade().ok_or_else(closed)?;
            let mtu = channel.dtls().and_then(|dtls| dtls.fixed_mtu(tls));
            let is_traced = tls.hooks().messages.is_traced();
            let is_read_shut = tls.transport().is_read_shut();
            (*tls, _) = new_tls(&choice, &endpoint, Some(&self.sessions))?;
            tls.set_traced(is_traced);
            if is_read_shut {
                tls.transport().shut_reading();
            }
            if let Some(dtls) = channel.dtls() {
                dtls.set_up_again(tls, &self.listener.config, mtu);
            }
        }
        self.choice = choice;
        Ok(())
    }

    /// The client's hello, as far as it has come.
    pub fn hello(&mut self, tls: &mut Tls) -> Result<Step<Arc<Hello>>> {
        if let Some(hello) = &self.hello {
            return Ok(Step::Done(hello.clone()));
        }
        let opening = self.opening.as_mut().ok_or_else(has_begun)?;
        opening.is_wanted = true;
        match collect(opening, tls)? {
            Step::WantRead => Ok(Step::WantRead),
            Step::WantWrite => Ok(Step::WantWrite),
            Step::Done(()) | Step::Eof => opening.found.clone().unwrap_or_else(|| Err(foreign())).map(Step::Done),
        }
    }

    /// Lets another config decide.
    pub fn set_config(&mut self, config: &Arc<Frozen>) -> Result<()> {
        if config.medium() != self.listener.medium() {
            return Err(Error::argument(
                "the config is for TLS and the connection for DTLS, or the other way round",
            ));
        }
        if !config.has_certificate() {
            return Err(Error::new(Code::Config, "a server needs a certificate and its private key, and has none"));
        }
        if self.is_open() {
            return Err(has_begun());
        }
        self.sessions = self.listener_sessions.with(&config.config.sessions);
        self.config = config.clone();
        Ok(())
    }

    /// Refuses the client with an alert; returns how the connection has failed.
    pub fn refuse(&mut self, tls: &mut Tls, alert: u8) -> Result<Error> {
        let opening = self.opening.take().ok_or_else(has_begun)?;
        send_alert(tls, &opening, alert);
        self.count(Tally::refused);
        Ok(Error::new(Code::Protocol, format!("the program has refused the client with the alert {alert}")))
    }

    /// Whether the connection may carry requests for a host.
    pub fn serves_host(&self, host: &str) -> bool {
        self.config.serves(&self.choice, host)
    }
}

/// Reads the hello, as far as it has come.
fn collect(opening: &mut Opening, tls: &mut Tls) -> Result<Step<()>> {
    tls.transport().reset_read_budget();
    let mut buffer = [0; MAX_RECORD];
    while opening.found.is_none() {
        match tls.transport().recv(&mut buffer) {
            // OpenSSL reports the error.
            Ok(0) => opening.end(),
            Ok(n) => opening.add(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::WantRead),
            Err(error) => {
                let known = tls.transport().receive_error();
                return Err(known.unwrap_or_else(|| Error::io(&error)));
            }
        }
    }
    Ok(Step::Done(()))
}

fn send_alert(tls: &mut Tls, opening: &Opening, alert: u8) {
    // What the kernel does not take at once goes with the next flush, or is lost if it is a datagram.
    let _ = tls.transport().write(&opening.alert(alert));
    let messages = &tls.hooks().messages;
    if let Some((head, body)) = opening.hello().and_then(|hello| hello.raw.split_at_checked(4)) {
        messages.note(false, head, body);
    }
    messages.trace(true, || Message::Alert(FATAL, alert));
}

fn unknown_host(name: Option<&str>) -> Error {
    let message = match name {
        Some(name) => format!("the client asks for the host \"{}\", which is unknown here", name.escape_debug()),
        None => "the client asks for no host by name, and such clients are refused here".to_string(),
    };
    Error::new(Code::Protocol, message)
}

/// The failure of what comes too late.
pub fn has_begun() -> Error {
    Error::new(
        Code::State,
        "this is for servers' connections whose config is lazy, and before their handshake has begun",
    )
}
